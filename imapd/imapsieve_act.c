/* SPDX-License-Identifier: ISC */
/*
 * imapsieve_act.c - what scripts want done with a message in an IMAP mailbox (RFC 6785, 4)
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "acl.h"
#include "base/log.h"
#include "flags.h"
#include "imap_config.h"
#include "imapsieve_private.h"
#include "names.h"
#include "store/mutf7.h"
#include "store/place.h"
#include "store/quota.h"
#include "store/subscriptions.h"
#include "store/tree.h"

char *
imapsieve_find(struct imapsieve *r, struct span name, struct space **in, struct fault *why)
{
	autotext struct text encoded = {0}, levels = {0};
	char                *folder;

	text_add(&levels, name);
	for (size_t i = 0; i < levels.len && imap_config.separator[0] == '.'; i++)
		if (levels.at[i] == '/')
			levels.at[i] = '.';
	if (mutf7_encode_name(text_span(&levels), &encoded, why) < 0 || name_find_stored(r->s, text_span(&encoded), in, &folder, why) < 0)
		return NULL;
	return folder;
}

bool
imapsieve_may_insert(struct imapsieve *r, struct space *in, const char *folder)
{
	return acl_rights_of(r->s, in, folder) & ACL_INSERT;
}

int
imapsieve_program(struct imapsieve *r, const struct sieve_program *p, struct text *output, struct fault *why)
{
	struct stat st;
	struct span rest, line;
	int         got = -1;

	if (!p->reads_message || folder_message_open(r->folder, r->uid, &r->programs.message, &st, why) == 0)
		got = sieve_programs_run(&r->programs, p, output, why);
	if (r->programs.message >= 0)
		close(r->programs.message);
	r->programs.message = -1;
	for (rest = text_span(&r->programs.said); rest.len;) {
		span_split(&rest, '\n', &line);
		if (line.len)
			imapsieve_complain(r, "uid=%u: program %.*s: %.*s", r->uid, SPAN_ARGS(p->name), SPAN_ARGS(line));
	}
	text_clear(&r->programs.said);
	return got;
}

/* The flags of an action, as the client would name them: -1 and why. */
static int
parse_flags(struct imapsieve *r, struct span flags, struct named_flags *named, struct fault *why)
{
	struct argument *list;
	size_t           count;

	return grammar_parse_list(r->message_arena, span_of(arena_format(r->message_arena, "(%.*s)", SPAN_ARGS(flags))), &list, &count, why) < 0
		? -1 : flags_parse(r->message_arena, list, named, why);
}

/* What is kept or filed has the flags of the message, unless a script said something of flags. */
static bool
changes_flags(const struct imapsieve *r, const struct sieve_action *a)
{
	return !span_equal(a->flags, r->flags);
}

/* Exactly these, as far as this user may change them. */
static int
set_flags(struct imapsieve *r, struct space *in, struct folder *f, uint32_t uid, struct span flags, struct fault *why)
{
	unsigned           may = acl_flags(acl_rights_of(r->s, in, f->name));
	struct flag_change change = {.kind = FLAGS_SET, .kept = ~may & MESSAGE_FLAGS, .keeps_keywords = !(may & ACL_KEYWORDS)};
	struct named_flags named;

	if (parse_flags(r, flags, &named, why) < 0)
		return -1;
	change.flags = named.flags & may;
	for (size_t i = 0; may & ACL_KEYWORDS && i < named.count; i++) {
		int number;

		if (folder_keyword(f, named.keywords[i], true, &number, why) < 0)
			return -1;
		change.keywords |= (uint64_t)1 << number;
	}
	return folder_store(f, &uid, 1, &change, true, why);
}

/* ------------------------------------------------------------ fileinto */

/* On the nearest mailbox above that there is; one's own top level is one's own. */
static bool
may_create(struct imapsieve *r, struct space *in, const char *folder)
{
	autofree char *above = mem_string(folder);

	if (!acl_is_on())
		return true;
	return tree_nearest_above(in->maildir, above) ? acl_rights_of(r->s, in, above) & ACL_CREATE : in->kind == SPACE_OWN;
}

static int
make_mailbox(struct imapsieve *r, struct space *in, const char *folder, struct fault *why)
{
	struct imap_session *s = r->s;
	bool                 found;

	if (!may_create(r, in, folder))
		return fault_set(why, FAULT_DENIED, "Permission denied");
	if (quota_check_mailbox(in->quota, in->maildir, folder, why) < 0 || maildir_folder_create(in->maildir, folder, why) < 0)
		return -1;
	if (acl_begin(s, in, folder) < 0) {
		*why = s->why;
		fault_clear(&s->why);
		return -1;
	}
	if (imapsieve_config.autosubscribe && in->kind == SPACE_OWN)
		subscriptions_change(in->maildir, span_of(folder), true, &found, NULL);
	return 0;
}

static int
copy_to(struct imapsieve *r, struct space *in, const char *folder, const struct sieve_action *a, struct fault *why)
{
	unsigned       may = acl_flags(acl_rights_of(r->s, in, folder));
	struct copied  copied = {0};
	struct folder *target = NULL;
	int            done = folder_copy(r->folder, &r->uid, 1, &(struct copy_target){in->maildir, folder, may, may & ACL_KEYWORDS}, false, &copied, why);

	if (done == 0 && copied.count == 0)
		done = fault_set(why, FAULT_SYSTEM, "the message is gone");
	/* it is there: flags that cannot be set are no reason to say it is not */
	if (done == 0 && changes_flags(r, a)) {
		struct fault trouble = {0};

		if (imap_open_in(r->s, in, folder, 0, &target) == 0 && target->validity != copied.validity)
			fault_set(&trouble, FAULT_INPUT, "it is another mailbox by now");
		else if (target)
			set_flags(r, in, target, copied.to[0], a->flags, &trouble);
		if (!target || trouble.class)
			imapsieve_complain(r, "uid=%u: flags of the copy in %.*s: %s", r->uid, SPAN_ARGS(span_first(a->target, 100)),
				fault_text(trouble.class ? &trouble : &r->s->why));
		fault_clear(&r->s->why);
		folder_close(target);
	}
	copied_free(&copied);
	return done;
}

/* Into the mailbox where the message is: it is there, and to be kept. */
static int
file_into(struct imapsieve *r, const struct sieve_action *a, bool *keeps, struct fault *why)
{
	struct space  *in = NULL;
	autofree char *folder = imapsieve_find(r, a->target, &in, why);

	if (!folder)
		return -1;
	if (in == r->event->in && strcmp(folder, r->event->folder) == 0) {
		*keeps = true;
		return changes_flags(r, a) ? set_flags(r, in, r->folder, r->uid, a->flags, why) : 0;
	}
	if (!imap_exists(r->s, in, folder)) {
		if (!a->create && !imapsieve_config.autocreate)
			return fault_set(why, FAULT_INPUT, "Mailbox doesn't exist");
		if (make_mailbox(r, in, folder, why) < 0)
			return -1;
	}
	if (!imapsieve_may_insert(r, in, folder))
		return fault_set(why, FAULT_DENIED, "Permission denied");
	return copy_to(r, in, folder, a, why);
}

/* ------------------------------------------------------------ the message itself */

/* A change of flags takes no message away (as in Pigeonhole). */
static void
discard(struct imapsieve *r)
{
	unsigned           rights = acl_rights_of(r->s, r->event->in, r->folder->name);
	struct flag_change deleted = {.kind = FLAGS_ADD, .flags = MESSAGE_DELETED};
	struct fault       why = {0};
	bool               expunge = imapsieve_config.expunge_discarded;
	int                done;

	if (r->event->cause == IMAPSIEVE_FLAG)
		return;
	if (!(rights & (expunge ? ACL_EXPUNGE : ACL_WRITE_DELETED)))
		done = fault_set(&why, FAULT_DENIED, "Permission denied");
	else
		done = expunge ? folder_expunge(r->folder, &r->uid, 1, true, &why) : folder_store(r->folder, &r->uid, 1, &deleted, true, &why);
	if (done < 0)
		imapsieve_complain(r, "uid=%u: discard: %s", r->uid, fault_text(&why));
	else if (expunge)
		r->s->counts.expunged++;
}

/* *keeps: the message is to stay. */
static int
act(struct imapsieve *r, const struct sieve_action *a, bool *keeps, struct fault *why)
{
	switch (a->kind) {
	case SIEVE_FILEINTO:
		if (file_into(r, a, keeps, why) == 0)
			return 0;
		return fault_prefix(why, "failed to store into mailbox '%.*s'", SPAN_ARGS(span_first(a->target, 100)));
	case SIEVE_PIPE:
		if (imapsieve_program(r, a->program, NULL, why) == 0)
			return 0;
		fault_prefix(why, "failed to pipe message to program `%.*s'", SPAN_ARGS(a->program->name));
		if (!a->program->may_fail)
			return -1;
		imapsieve_complain(r, "uid=%u: %s", r->uid, fault_text(why));
		fault_clear(why);
		return 0;
	case SIEVE_KEEP:
		*keeps = true;
		return changes_flags(r, a) ? set_flags(r, r->event->in, r->folder, r->uid, a->flags, why) : 0;
	case SIEVE_REDIRECT:
	case SIEVE_REJECT:
	case SIEVE_VACATION:
	case SIEVE_NOTIFY:
		break;
	}
	return fault_set(why, FAULT_INPUT, "an action that is not for IMAP");     /* none can be compiled here */
}

void
imapsieve_act(struct imapsieve *r, const struct sieve_result *result)
{
	const char *last = r->paths[r->count - 1];
	bool        keeps = result->failed != NULL;
	struct fault why = {0};

	for (size_t i = 0; i < result->n_notes; i++)
		log_info("imap(%s)<%ld><%s>: sieve: uid=%u: line %u: %s", r->s->user->name, (long)getpid(), r->s->user->session ? r->s->user->session : "",
			r->uid, result->notes[i].line, result->notes[i].text);
	if (result->failed) {
		imapsieve_complain(r, "uid=%u: %s: %s", r->uid, result->failed, fault_text(&result->why));
		for (size_t i = 0; i < r->count; i++)
			if (span_ends(span_of(r->paths[i]), result->failed))
				last = r->paths[i];
		imapsieve_complain(r, "Execution of script %s failed", last);
	}
	for (size_t i = 0; i < result->count; i++) {
		if (act(r, &result->actions[i], &keeps, &why) == 0)
			continue;
		/* the rest of it is not done, and the message stays */
		imapsieve_complain(r, "uid=%u: %s", r->uid, fault_text(&why));
		imapsieve_complain(r, "Execution of script %s failed", last);
		return;
	}
	if (!keeps)
		discard(r);
}
