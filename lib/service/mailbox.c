/* SPDX-License-Identifier: ISC */
/*
 * mailbox.c - a session comes from its login program and becomes the mailbox's owner
 */
#include "service/mailbox.h"

#include <grp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ipc/login.h"
#include "service/privilege.h"
#include "service/programs.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "store/location.h"

static struct identity access_groups;      /* its groups alone; not changed behind prepare() */

int
mailbox_access_groups(const struct list *names, struct fault *why)
{
	if (names->count > COUNT(access_groups.groups))
		return fault_set(why, FAULT_INPUT, "mail_access_groups: more than %zu groups", COUNT(access_groups.groups));
	for (size_t i = 0; i < names->count; i++) {
		struct group *g = getgrnam(names->item[i]);
		uint64_t      n = 0;

		if (!g && (!span_number(span_of(names->item[i]), &n) || n == 0 || n > INT32_MAX))
			return fault_set(why, FAULT_INPUT, "mail_access_groups: there is no group %s", names->item[i]);
		access_groups.groups[access_groups.group_count++] = g ? g->gr_gid : (gid_t)n;
	}
	return 0;
}

static void
copy(char *to, size_t size, struct span s)
{
	snprintf(to, size, "%.*s", SPAN_ARGS(s));
}

/* The directories of a new user are made as that user, before the sandbox can
 * only be told about what is there. */
static int
confine(void *unused, const struct auth_user *u, int authd, struct fault *why)
{
	struct location l = {0};
	const char     *paths[3] = {NULL, NULL, NULL};
	struct sandbox  box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = paths, .writes = paths};
	int             done = -1;

	(void)unused;
	(void)authd;
	if (location_parse(span_of(u->mail), span_of(u->user), span_of(u->home), &l, why) < 0)
		return -1;
	paths[0] = text_string(&l.root);
	if (l.index.len && !span_is(text_span(&l.index), "MEMORY"))
		paths[1] = text_string(&l.index);
	if (file_make_directories(paths[0], 0700, why) == 0 &&
	    (!paths[1] || file_make_directories(paths[1], 0700, why) == 0))
		done = sandbox_close(&box, why);
	location_free(&l);
	return done;
}

static int
become(const struct login_session *in, mailbox_confine *by, void *context, struct mailbox_session *out, struct fault *why)
{
	struct identity who = access_groups;
	autoclose int   authd = -1;
	int             known, done;

	known = in->token.len ? ask_auth_wake(in->user, in->token, in->proof, in->state, &out->user, &authd, why)
	                      : ask_auth_redeem(in->ticket, &out->user, &authd, why);

	if (known < 0)
		return -1;
	/* authd says so (first_valid_uid), but a mailbox is never root's business */
	if (privilege_is_root() && (out->user.uid == 0 || out->user.gid == 0))
		return fault_set(why, FAULT_DENIED, "refusing to serve a mailbox with uid %ld, gid %ld",
		                 (long)out->user.uid, (long)out->user.gid);
	who.uid = out->user.uid;
	who.gid = out->user.gid;
	out->programs = programs_open(&who, out->user.user, out->user.home);       /* root's to say: user_become shuts that way */
	if (user_become(&who, why) < 0)
		return -1;
	done = by(context, &out->user, authd, why);
	if (done == 0 && out->user.admin && (done = ask_auth_confined(authd, why)) == 0)
		out->limits = take_fd(authd);
	return done;
}

int
mailbox_receive(int sock, struct mailbox_session *out, struct fault *why)
{
	if (mailbox_receive_confined(sock, confine, NULL, out, why) < 0)
		return -1;
	close(out->limits);
	out->limits = -1;
	return 0;
}

int
mailbox_receive_confined(int given, mailbox_confine *by, void *context, struct mailbox_session *out, struct fault *why)
{
	autoclose int          sock = given;
	autoframe struct frame f = {0};
	struct login_session   in = {.stream = -1};
	struct mailbox_session s = {.limits = -1, .programs = -1};

	if (login_receive(sock, &f, &in, why) != 0)
		return -1;
	autoclose int stream = in.stream;

	copy(s.session, sizeof s.session, in.session);
	copy(s.tag, sizeof s.tag, in.tag);
	copy(s.peer, sizeof s.peer, in.peer);
	text_set(&s.capabilities, in.capabilities);
	s.utf8 = in.utf8;
	if (become(&in, by, context, &s, why) < 0) {
		log_error("user=<%s>, session=<%s>: %s", s.user.user, s.session, fault_text(why));
		login_refuse(sock, "Internal error occurred. Refer to server log for more information.", NULL);
		return -1;
	}
	if (login_begun(sock, why) < 0)
		return -1;
	s.conn = conn_new(take_fd(stream));
	if (in.token.len)
		text_add(&s.state, in.state);
	s.control = take_fd(sock);
	*out = s;
	return 0;
}
