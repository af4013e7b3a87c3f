/* SPDX-License-Identifier: ISC */
/*
 * authd_users.c - passdb and userdb, asked in the order of the configuration
 */
#include "authd_users.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authd_file.h"
#include "authd_helper.h"
#include "authd_oauth.h"
#include "base/file.h"
#include "base/log.h"
#include "mail/netaddr.h"
#include "service/privilege.h"

enum { DATABASES_MAX = 16, FILE_MAX = 64 << 20 };

enum driver { DRIVER_FILE, DRIVER_PAM, DRIVER_PASSWD, DRIVER_STATIC, DRIVER_OAUTH };

struct database {
	enum driver driver;
	const char *argument;            /* path, or PAM service */
	const char *scheme;              /* passwd-file: of passwords without one */
	const char *uid, *gid, *home, *mail, *password, *quota;
	bool        nopassword;
	size_t      source;              /* passwd-file: which of `sources`; oauth2: which of `oauth` */
};

/* One file may be passdb and userdb. */
struct source {
	const char         *path;
	int                 fd;
	struct stat         seen;
	struct passwd_file *file;        /* replaced under the lock, readers count */
	int                 readers;
};

static struct {
	struct monitor  lock;
	struct database passdb[DATABASES_MAX], userdb[DATABASES_MAX];
	size_t          n_passdb, n_userdb;
	struct source   source[DATABASES_MAX];
	const char     *paths[DATABASES_MAX];
	size_t          n_sources;
	struct oauth   *oauth[DATABASES_MAX];
	size_t          n_oauth;
	const char     *pam_service;
	bool            root;            /* started as root: uids are real */
} users;

void
user_facts_free(struct user_facts *u)
{
	text_free(&u->home);
	text_free(&u->mail);
	text_free(&u->quota);
}

/* ------------------------------------------------------------ configuration */

static const struct { const char *word; enum driver driver; bool passdb, userdb; } drivers[] = {
	{"passwd-file", DRIVER_FILE, true, true}, {"pam", DRIVER_PAM, true, false},
	{"passwd", DRIVER_PASSWD, false, true}, {"static", DRIVER_STATIC, true, true},
	{"oauth2", DRIVER_OAUTH, true, false},
};

static int
add_source(const char *path, size_t *index, struct fault *why)
{
	for (size_t i = 0; i < users.n_sources; i++)
		if (strcmp(users.source[i].path, path) == 0) {
			*index = i;
			return 0;
		}
	if (users.n_sources == DATABASES_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d passwd-files", DATABASES_MAX);
	*index = users.n_sources;
	users.paths[users.n_sources] = path;
	users.source[users.n_sources++] = (struct source){.path = path, .fd = -1};
	return 0;
}

static int
set_argument(struct database *d, const char *word, struct fault *why)
{
	static const struct { const char *name; size_t offset; } names[] = {
		{"scheme=", offsetof(struct database, scheme)}, {"uid=", offsetof(struct database, uid)},
		{"gid=", offsetof(struct database, gid)}, {"home=", offsetof(struct database, home)},
		{"mail=", offsetof(struct database, mail)}, {"password=", offsetof(struct database, password)},
		{"quota_rule=", offsetof(struct database, quota)},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_starts(span_of(word), names[i].name)) {
			*(const char **)((char *)d + names[i].offset) = word + strlen(names[i].name);
			return 0;
		}
	if (strncmp(word, "nopassword", 10) == 0) {
		d->nopassword = true;
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "%s: unknown argument", word);
}

static int
open_oauth(struct database *d, struct fault *why)
{
	if (users.n_oauth == DATABASES_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d databases", DATABASES_MAX);
	d->source = users.n_oauth;
	users.oauth[users.n_oauth] = oauth_open(d->argument, why);
	return users.oauth[users.n_oauth++] ? 0 : fault_prefix(why, "oauth2");
}

/* "driver[:argument]", then arguments until the next driver. */
static int
start_database(struct database *d, const char *word, bool passdb, bool *is_one, struct fault *why)
{
	size_t len = strcspn(word, ":");

	for (size_t i = 0; i < COUNT(drivers); i++) {
		if (strlen(drivers[i].word) != len || strncmp(drivers[i].word, word, len) != 0)
			continue;
		*is_one = true;
		*d = (struct database){.driver = drivers[i].driver, .argument = word[len] ? word + len + 1 : ""};
		if (!(passdb ? drivers[i].passdb : drivers[i].userdb))
			return fault_set(why, FAULT_INPUT, "%s cannot be used here", drivers[i].word);
		if ((d->driver == DRIVER_FILE || d->driver == DRIVER_OAUTH) && !*d->argument)
			return fault_set(why, FAULT_INPUT, "%s needs a path", drivers[i].word);
		if (d->driver == DRIVER_OAUTH)
			return open_oauth(d, why);
		if (d->driver == DRIVER_FILE)
			return add_source(d->argument, &d->source, why);
		if (d->driver == DRIVER_STATIC && *d->argument)
			return set_argument(d, d->argument, why);
		return 0;
	}
	*is_one = false;
	return 0;
}

static int
parse(const struct list *words, bool passdb, struct database *out, size_t *count, struct fault *why)
{
	for (size_t i = 0; i < words->count; i++) {
		struct database d;
		bool            is_one;

		if (start_database(&d, words->item[i], passdb, &is_one, why) < 0)
			return -1;
		if (is_one) {
			if (*count == DATABASES_MAX)
				return fault_set(why, FAULT_INPUT, "more than %d databases", DATABASES_MAX);
			out[(*count)++] = d;
		} else if (*count == 0 || set_argument(&out[*count - 1], words->item[i], why) < 0) {
			return fault_set(why, FAULT_INPUT, "%s: unknown kind of database", words->item[i]);
		}
	}
	return 0;
}

/* ------------------------------------------------------------ passwd-files */

static int
read_source(struct source *s, int fd, struct fault *why)
{
	autotext struct text all = {0};
	struct stat          st;

	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fault_errno(why, "%s", s->path);
	if (file_read_fd(fd, FILE_MAX, &all, why) < 0)
		return fault_prefix(why, "%s", s->path);
	struct passwd_file *file = passwd_file_parse(text_span(&all)), *before;

	mem_wipe(all.at, all.room);
	if (file->skipped)
		log_warning("passwd-file %s: %zu lines without a user name", s->path, file->skipped);
	monitor_enter(&users.lock);
	while (s->readers > 0)
		monitor_wait(&users.lock, INT64_MAX);
	before = s->file;
	s->file = file;
	s->seen = st;
	if (s->fd != fd && s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	monitor_leave(&users.lock);
	passwd_file_free(before);
	return 0;
}

static bool
has_changed(const struct source *s)
{
	struct stat st;

	return fstat(s->fd, &st) < 0 || st.st_nlink == 0 || st.st_size != s->seen.st_size ||
	       st.st_mtim.tv_sec != s->seen.st_mtim.tv_sec || st.st_mtim.tv_nsec != s->seen.st_mtim.tv_nsec;
}

/* Replaced by rename, or written in place: in both cases opened again by its name. */
static void
refresh(size_t index)
{
	struct source *s = &users.source[index];
	struct fault   why = {0};
	int            fd;
	bool           changed;

	monitor_enter(&users.lock);
	changed = has_changed(s);
	monitor_leave(&users.lock);
	if (!changed)
		return;
	if (helper_open(index, &fd, &why) < 0) {
		log_warning("passwd-file %s: %s: going on with the old one", s->path, fault_text(&why));
		return;
	}
	if (read_source(s, fd, &why) < 0) {
		log_warning("passwd-file: %s: going on with the old one", fault_text(&why));
		close(fd);
	}
}

/* Copies the entry into the arena, so that the file may be replaced. */
static bool
find_entry(size_t index, const char *user, struct arena *a, struct passwd_entry *out)
{
	struct source             *s = &users.source[index];
	const struct passwd_entry *e;

	refresh(index);
	monitor_enter(&users.lock);
	e = passwd_file_find(s->file, user);
	if (e) {
		*out = *e;
		struct span *spans[] = {&out->password, &out->uid, &out->gid, &out->home, &out->mail, &out->allow_nets, &out->unknown, &out->quota};

		for (size_t i = 0; i < COUNT(spans); i++)
			*spans[i] = arena_span(a, *spans[i]);
	}
	monitor_leave(&users.lock);
	return e != NULL;
}

int
users_prepare(const struct users_settings *s, struct fault *why)
{
	bool system_needed = false;

	monitor_init(&users.lock);
	users.pam_service = s->default_pam_service;
	users.root = privilege_is_root();
	if (parse(&s->passdb, true, users.passdb, &users.n_passdb, why) < 0)
		return fault_prefix(why, "auth_passdb");
	if (parse(&s->userdb, false, users.userdb, &users.n_userdb, why) < 0)
		return fault_prefix(why, "auth_userdb");
	for (size_t i = 0; i < users.n_sources; i++) {
		int fd = open(users.source[i].path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

		if (fd < 0)
			return fault_errno(why, "passwd-file: open %s", users.source[i].path);
		if (read_source(&users.source[i], fd, why) < 0)
			return -1;
	}
	system_needed = users.n_passdb || users.n_userdb;
	return helpers_start(users.paths, users.n_sources, users.oauth, users.n_oauth, system_needed, why);
}

/* ------------------------------------------------------------ may they log in */

struct question {
	const char  *user, *password, *service;
	struct span  peer;
	struct arena *arena;
};

static bool
from_allowed_net(struct span nets, struct span peer)
{
	struct netaddr     address;
	struct netaddr_net net;
	struct span        one;

	if (!netaddr_parse(peer, &address))
		return false;
	while (span_next(&nets, ",", &one)) {
		if (span_is(one, "local"))
			continue;
		if (netaddr_parse_net(one, &net, NULL) == 0 && netaddr_in(&address, &net))
			return true;
	}
	return false;
}

static int
denied(const struct question *q, const char *driver, const char *reason)
{
	log_info("auth: %s(%s,%.*s): %s", driver, q->user, SPAN_ARGS(q->peer), reason);
	return 0;
}

static struct span
with_scheme(struct arena *a, const char *scheme, struct span stored)
{
	if (!scheme || (stored.len && stored.at[0] == '{') || stored.len == 0)
		return stored;
	return span_of(arena_format(a, "{%s}%.*s", scheme, SPAN_ARGS(stored)));
}

static int
check_file(const struct database *d, const struct question *q)
{
	struct passwd_entry e;
	struct fault        why = {0};
	int                 verdict;

	if (!find_entry(d->source, q->user, q->arena, &e)) {
		helper_check(SPAN_NONE, span_of(q->password), &why); /* takes as long as a wrong password */
		return denied(q, "passwd-file", "unknown user");
	}
	if (e.allow_nets.len && !from_allowed_net(e.allow_nets, q->peer))
		return denied(q, "passwd-file", "allow_nets check failed: IP not in allowed networks");
	if (e.nologin || e.unknown.len) {
		if (e.unknown.len)
			log_warning("auth: passwd-file(%s): extra field %.*s is not supported: login denied", q->user,
			            SPAN_ARGS(e.unknown));
		return denied(q, "passwd-file", "login is disabled");
	}
	if (e.nopassword)
		return 1;
	verdict = helper_check(with_scheme(q->arena, d->scheme, e.password), span_of(q->password), &why);
	if (verdict < 0 && why.class != FAULT_TIME)
		log_error("auth: passwd-file(%s,%.*s): %s", q->user, SPAN_ARGS(q->peer), fault_text(&why));
	return verdict == 0 ? denied(q, "passwd-file", "Password mismatch") : verdict;
}

static int
check_pam(const struct database *d, const struct question *q)
{
	struct fault why = {0};
	int          verdict = helper_pam(*d->argument ? d->argument : users.pam_service, q->user, q->password, q->peer, &why);

	if (verdict < 0)
		log_error("auth: pam(%s,%.*s): %s", q->user, SPAN_ARGS(q->peer), fault_text(&why));
	return verdict == 0 ? denied(q, "pam", fault_text(&why)) : verdict;
}

static int
check_static(const struct database *d, const struct question *q)
{
	struct fault why = {0};
	int          verdict;

	if (d->nopassword)
		return 1;
	if (!d->password)
		return denied(q, "static", "no password is set");
	verdict = helper_check(span_of(arena_format(q->arena, "%s%s", d->password[0] == '{' ? "" : "{PLAIN}", d->password)),
	                       span_of(q->password), &why);
	return verdict == 0 ? denied(q, "static", "Password mismatch") : verdict;
}

int
users_check(const char *user, const char *password, struct span peer, const char *service)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, password, service, peer, a};
	bool                    trouble = false;

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		int verdict = d->driver == DRIVER_FILE ? check_file(d, &q) : d->driver == DRIVER_PAM ? check_pam(d, &q)
		              : d->driver == DRIVER_STATIC ? check_static(d, &q) : 0 /* tokens are no passwords */;

		if (verdict == 1)
			return 1;
		trouble = trouble || verdict < 0;
	}
	return trouble ? -1 : 0;
}

/* 1 may log in, and *e is the entry; 0 denied. `proves`: a password, so there must be one. */
static int
may_log_in(const struct database *d, const struct question *q, bool proves, struct passwd_entry *e)
{
	if (!find_entry(d->source, q->user, q->arena, e))
		return denied(q, "passwd-file", "unknown user");
	if (e->allow_nets.len && !from_allowed_net(e->allow_nets, q->peer))
		return denied(q, "passwd-file", "allow_nets check failed: IP not in allowed networks");
	if (e->nologin || e->unknown.len || (proves && e->nopassword))
		return denied(q, "passwd-file", "login is disabled");
	return 1;
}

int
users_secret(const char *user, struct span peer, struct text *stored)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", "", peer, a};

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct passwd_entry    e;

		if (d->driver == DRIVER_STATIC && d->password)
			text_add_format(stored, "%s%s", d->password[0] == '{' ? "" : "{PLAIN}", d->password);
		else if (d->driver == DRIVER_FILE && may_log_in(d, &q, true, &e) == 1)
			text_add(stored, with_scheme(a, d->scheme, e.password));
		if (stored->len)
			return 1;
	}
	return 0;
}

int
users_token(struct span token, struct span peer, struct text *whose, struct text *scope, struct text *openid)
{
	bool trouble = false;

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct fault           why = {0};
		int                    verdict;

		if (d->driver != DRIVER_OAUTH)
			continue;
		verdict = helper_token(d->source, token, whose, &why);
		if (verdict == 1)
			return 1;
		trouble = trouble || verdict < 0;
		log_info("auth: oauth2(,%.*s): %s", SPAN_ARGS(peer), fault_text(&why));
		text_set(scope, span_of(oauth_scope(users.oauth[d->source])));
		text_set(openid, span_of(oauth_openid(users.oauth[d->source])));
	}
	return trouble ? -1 : 0;
}

bool
users_have_tokens(void)
{
	return users.n_oauth > 0;
}

int
users_vouched(const char *user, struct span peer)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", "", peer, a};

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct passwd_entry    e;

		if (d->driver == DRIVER_STATIC)
			return 1;
		if (d->driver == DRIVER_FILE && may_log_in(d, &q, false, &e) == 1)
			return 1;
	}
	return 0;
}

/* ------------------------------------------------------------ who is it */

static int
numeric_uid(struct span s, uid_t *uid)
{
	uint64_t n;

	if (!span_number(s, &n) || n > UINT32_MAX - 1)
		return -1;
	*uid = (uid_t)n;
	return 0;
}

/* A name in a uid or gid field is a system user's: its uid, or its group. */
static int
resolve_ids(struct span uid, struct span gid, struct user_facts *out, struct fault *why)
{
	autotext struct text home = {0};
	autofree char       *name = mem_span(uid), *group = mem_span(gid);
	uid_t                u = geteuid(), ignored;
	gid_t                g = getegid(), unused;

	/* A private instance serves its own user; otherwise nobody guesses whose a mailbox is. */
	if (users.root && (!uid.len || !gid.len))
		return fault_set(why, FAULT_INPUT, "no uid or no gid");
	if (uid.len && numeric_uid(uid, &u) < 0 && helper_passwd(name, &u, &g, &home, why) != 0)
		return fault_set(why, FAULT_INPUT, "unknown system user %s", name);
	if (gid.len && numeric_uid(gid, &g) < 0) {
		if (helper_passwd(group, &ignored, &unused, &home, why) != 0)
			return fault_set(why, FAULT_INPUT, "unknown group %s", group);
		g = unused;
	}
	out->uid = u;
	out->gid = g;
	return 0;
}

static void
put_quota(const struct database *d, struct span own, struct user_facts *out)
{
	text_clear(&out->quota);
	if (own.len)
		text_add(&out->quota, own);
	else if (d->quota)
		text_add_format(&out->quota, "quota_rule=%s", d->quota);
}

static int
find_in(const struct database *d, const char *user, struct arena *a, struct user_facts *out, struct fault *why)
{
	struct passwd_entry e;

	switch (d->driver) {
	case DRIVER_FILE:
		if (!find_entry(d->source, user, a, &e))
			return 1;
		text_set(&out->home, e.home.len ? e.home : span_of(d->home));
		text_set(&out->mail, e.mail.len ? e.mail : span_of(d->mail));
		put_quota(d, e.quota, out);
		return resolve_ids(e.uid.len ? e.uid : span_of(d->uid), e.gid.len ? e.gid : span_of(d->gid), out, why);
	case DRIVER_PASSWD:
		return helper_passwd(user, &out->uid, &out->gid, &out->home, why);
	case DRIVER_STATIC:
		text_set(&out->home, span_of(d->home));
		text_set(&out->mail, span_of(d->mail));
		put_quota(d, SPAN_NONE, out);
		return resolve_ids(span_of(d->uid), span_of(d->gid), out, why);
	default:
		return 1;
	}
}

int
users_find(const char *user, struct user_facts *out, struct fault *why)
{
	autoarena struct arena *a = arena_new();

	snprintf(out->user, sizeof out->user, "%s", user);
	for (size_t i = 0; i < users.n_userdb; i++) {
		int got = find_in(&users.userdb[i], user, a, out, why);

		if (got <= 0)
			return got;
	}
	return 1;
}
