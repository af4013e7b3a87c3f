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

#include "authd_cache.h"
#include "authd_file.h"
#include "authd_helper.h"
#include "authd_oauth.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/ask_table.h"
#include "mail/netaddr.h"
#include "service/privilege.h"

enum { DATABASES_MAX = 16, FILE_MAX = 64 << 20 };

enum driver { DRIVER_FILE, DRIVER_PAM, DRIVER_PASSWD, DRIVER_STATIC, DRIVER_OAUTH, DRIVER_SQL, DRIVER_PREFETCH };

struct database {
	enum driver driver;
	const char *name, *spec;         /* "sql", "sql:/path" */
	const char *argument;            /* path, or PAM service */
	const char *scheme;              /* passwd-file: of passwords without one */
	const char *uid, *gid, *home, *mail, *password, *quota, *groups;
	bool        nopassword, all_users;
	size_t      source;              /* passwd-file: which of `sources`; oauth2: which of `oauth` */
	struct text example;             /* under the lock: with what somebody logged in last, so what a check costs here */
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
	struct database passdb[DATABASES_MAX], userdb[DATABASES_MAX], master[DATABASES_MAX];
	size_t          n_passdb, n_userdb, n_master;
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
	text_free(&u->groups);
}

/* ------------------------------------------------------------ configuration */

static const struct { const char *word; enum driver driver; bool passdb, userdb; } drivers[] = {
	{"passwd-file", DRIVER_FILE, true, true}, {"pam", DRIVER_PAM, true, false},
	{"passwd", DRIVER_PASSWD, false, true}, {"static", DRIVER_STATIC, true, true},
	{"oauth2", DRIVER_OAUTH, true, false}, {"sql", DRIVER_SQL, true, true}, {"prefetch", DRIVER_PREFETCH, false, true},
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
		{"quota_rule=", offsetof(struct database, quota)}, {"acl_groups=", offsetof(struct database, groups)},
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
	if (strcmp(word, "allow_all_users=yes") == 0 || strcmp(word, "allow_all_users=no") == 0) {
		d->all_users = word[16] == 'y';
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
		d->name = drivers[i].word;
		d->spec = word;
		if ((d->driver == DRIVER_FILE || d->driver == DRIVER_OAUTH || d->driver == DRIVER_SQL) && *d->argument != '/')
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
	cache_empty();
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

/* Before a remembered success is trusted. */
static void
refresh_all(void)
{
	for (size_t i = 0; i < users.n_sources; i++)
		refresh(i);
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
		struct span *spans[] = {&out->password, &out->uid, &out->gid, &out->home, &out->mail, &out->user, &out->allow_nets, &out->unknown, &out->quota,
		                        &out->groups};

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
	cache_prepare(s->cache_size, s->cache_ttl);
	if (parse(&s->passdb, true, users.passdb, &users.n_passdb, why) < 0)
		return fault_prefix(why, "auth_passdb");
	if (parse(&s->userdb, false, users.userdb, &users.n_userdb, why) < 0)
		return fault_prefix(why, "auth_userdb");
	if (parse(&s->master, true, users.master, &users.n_master, why) < 0)
		return fault_prefix(why, "auth_master_passdb");
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
	char                *user;      /* rewritten where the database says that it is another */
	const char          *password;
	const struct origin *from;
	struct arena        *arena;
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
	log_info("auth: %s(%s,%.*s): %s", driver, q->user, SPAN_ARGS(q->from->peer), reason);
	return 0;
}

static struct span
with_scheme(struct arena *a, const char *scheme, struct span stored)
{
	if (!scheme || (stored.len && stored.at[0] == '{') || stored.len == 0)
		return stored;
	return span_of(arena_format(a, "{%s}%.*s", scheme, SPAN_ARGS(stored)));
}

/* Fields of a database, which proxymap asks, into an entry. */
static int
ask_database(const struct database *d, const char *kind, const struct question *q, struct passwd_entry *e, struct fault *why)
{
	autotext struct text     fields = {0};
	struct identity_question ask = {kind, span_of(q->user), span_of(q->from->service), q->from->peer, q->from->local};
	int                      got = ask_table_identify(d->spec, &ask, &fields, why);
	struct span              rest, name, value;

	if (got)
		return got < 0 ? -1 : 0;
	passwd_entry_empty(e);
	rest = arena_span(q->arena, text_span(&fields));
	mem_wipe(fields.at, fields.room);
	while (rest.len && span_split(&rest, '\0', &value)) {
		span_split(&value, '=', &name);
		if (kind[0] == 'p')
			passwd_entry_passdb(q->arena, e, name, value);
		else
			passwd_entry_userdb(q->arena, e, name, value);
	}
	return 1;
}

/* 1 and the entry; 0 none; -1 trouble, which is logged. */
static int
look_up(const struct database *d, const struct question *q, struct passwd_entry *e)
{
	struct fault why = {0};
	int          got;

	if (d->driver == DRIVER_FILE)
		got = find_entry(d->source, q->user, q->arena, e);
	else if ((got = ask_database(d, "passdb", q, e, &why)) < 0)
		log_error("auth: %s(%s,%.*s): %s", d->name, q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	if (got == 1 && e->nopassword && e->password.len) {      /* a column that says "N", say */
		log_error("auth: %s(%s,%.*s): nopassword is set, but there is a password: it is asked for", d->name, q->user,
		          SPAN_ARGS(q->from->peer));
		e->nopassword = false;
	}
	return got;
}

/* 1 the entry lets him in, as far as it is not the password's to say; 0 denied. */
static int
may_log_in(const struct database *d, const struct question *q, const struct passwd_entry *e)
{
	if (e->allow_nets.len && !from_allowed_net(e->allow_nets, q->from->peer))
		return denied(q, d->name, "allow_nets check failed: IP not in allowed networks");
	if (e->unknown.len)
		log_warning("auth: %s(%s): extra field %.*s is not supported: login denied", d->name, q->user, SPAN_ARGS(e->unknown));
	if (e->nologin || e->unknown.len)
		return denied(q, d->name, "login is disabled");
	return 1;
}

static int
become(const struct question *q, const struct passwd_entry *e)
{
	if (e->user.len)
		snprintf(q->user, USER_NAME_SIZE, "%.*s", SPAN_ARGS(e->user));
	return 1;
}

/* The stored password of somebody, so that a refusal without a password of its own takes as long as a wrong one. */
static struct span
example(struct database *d, struct arena *a)
{
	struct span stored;

	monitor_enter(&users.lock);
	stored = arena_span(a, text_span(&d->example));
	monitor_leave(&users.lock);
	return stored;
}

static void
note_example(struct database *d, struct span stored)
{
	monitor_enter(&users.lock);
	text_set(&d->example, stored);
	monitor_leave(&users.lock);
}

/* Who is refused for another reason than his password hears it as late as if it had been the password: else the time would
 * tell names (SECURITY.md 2, row 23). */
static int
check_entry(struct database *d, const struct question *q)
{
	struct passwd_entry e;
	struct fault        why = {0};
	int                 verdict = look_up(d, q, &e);
	bool                allowed = verdict == 1 && may_log_in(d, q, &e) == 1;
	struct span         stored = verdict == 1 ? with_scheme(q->arena, d->scheme, e.password) : SPAN_NONE;

	if (verdict < 0)
		return -1;
	if (allowed && e.nopassword)
		return become(q, &e);
	if (!allowed) {
		helper_check(stored.len ? stored : example(d, q->arena), span_of(q->password), NULL);
		return verdict == 0 ? denied(q, d->name, "unknown user") : 0;
	}
	verdict = helper_check(stored, span_of(q->password), &why);
	if (verdict == 1)
		note_example(d, stored);
	if (verdict < 0 && why.class != FAULT_TIME)
		log_error("auth: %s(%s,%.*s): %s", d->name, q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	return verdict == 0 ? denied(q, d->name, "Password mismatch") : verdict < 0 ? -1 : become(q, &e);
}

static int
check_pam(const struct database *d, const struct question *q)
{
	struct fault why = {0};
	int          verdict = helper_pam(*d->argument ? d->argument : users.pam_service, q->user, q->password, q->from->peer, &why);

	if (verdict < 0)
		log_error("auth: pam(%s,%.*s): %s", q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
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

static int
check_one(struct database *d, const struct question *q)
{
	switch (d->driver) {
	case DRIVER_FILE:
	case DRIVER_SQL:    return check_entry(d, q);
	case DRIVER_PAM:    return check_pam(d, q);
	case DRIVER_STATIC: return check_static(d, q);
	default:            return 0;      /* tokens are no passwords */
	}
}

static int
check_all(struct database *databases, size_t count, char *user, const char *password, const struct origin *from)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, password, from, a};
	bool                    trouble = false;

	for (size_t i = 0; i < count; i++) {
		int verdict = check_one(&databases[i], &q);

		if (verdict == 1)
			return 1;
		trouble = trouble || verdict < 0;
	}
	return trouble ? -1 : 0;
}

int
users_check(char *user, const char *password, const struct origin *from)
{
	char     asked[USER_NAME_SIZE];
	uint64_t age;
	int      verdict;

	refresh_all();
	age = cache_age();
	if (cache_knows(user, password, from))
		return 1;
	snprintf(asked, sizeof asked, "%s", user);
	verdict = check_all(users.passdb, users.n_passdb, user, password, from);
	if (verdict == 1)
		cache_note(asked, password, from, user, age);
	return verdict;
}

int
users_check_master(char *user, const char *password, const struct origin *from)
{
	return check_all(users.master, users.n_master, user, password, from);
}

int
users_secret(char *user, const struct origin *from, struct text *stored, const char **driver)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", from, a};

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct passwd_entry    e;
		int                    got;

		if (d->driver == DRIVER_STATIC && d->password) {
			text_add_format(stored, "%s%s", d->password[0] == '{' ? "" : "{PLAIN}", d->password);
		} else if (d->driver == DRIVER_FILE || d->driver == DRIVER_SQL) {
			if ((got = look_up(d, &q, &e)) < 0)
				return -1;
			if (got == 0)
				denied(&q, d->name, "unknown user");
			else if (e.nopassword)
				denied(&q, d->name, "login is disabled");
			else if (may_log_in(d, &q, &e) == 1 && become(&q, &e))
				text_add(stored, with_scheme(a, d->scheme, e.password));
		}
		*driver = d->name;
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
users_vouched(char *user, const struct origin *from)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", from, a};
	bool                    trouble = false;

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct passwd_entry    e;
		int                    got = d->driver == DRIVER_FILE || d->driver == DRIVER_SQL ? look_up(d, &q, &e) : 0;

		if (d->driver == DRIVER_STATIC || (got == 1 && may_log_in(d, &q, &e) == 1 && become(&q, &e)))
			return 1;
		trouble = trouble || got < 0;
	}
	return trouble ? -1 : 0;
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
take_entry(const struct database *d, const struct passwd_entry *e, struct user_facts *out, struct fault *why)
{
	text_set(&out->home, e->home.len ? e->home : span_of(d->home));
	text_set(&out->mail, e->mail.len ? e->mail : span_of(d->mail));
	put_quota(d, e->quota, out);
	text_set(&out->groups, e->groups.len ? e->groups : span_of(d->groups));
	return resolve_ids(e->uid.len ? e->uid : span_of(d->uid), e->gid.len ? e->gid : span_of(d->gid), out, why);
}

/* What the passdb said of him with userdb_ before it: it is asked again, from where he logged in. */
static int
find_prefetched(const struct database *d, const struct question *q, struct user_facts *out, struct fault *why)
{
	for (size_t i = 0; i < users.n_passdb; i++) {
		struct passwd_entry e;
		int                 got = users.passdb[i].driver == DRIVER_SQL ? ask_database(&users.passdb[i], "passdb", q, &e, why) : 0;

		if (got < 0)
			return -1;
		if (got == 1 && (e.home.len || e.uid.len || e.mail.len))
			return take_entry(d, &e, out, why);
	}
	return 1;
}

/* A static userdb has a place for every name; whether there is such a user the passdbs say, as far as one can ask them
 * without a password.  1, 0, -1 */
static int
is_known(const struct question *q, struct fault *why)
{
	bool trouble = false;

	for (size_t i = 0; i < users.n_passdb; i++) {
		const struct database *d = &users.passdb[i];
		struct passwd_entry    e;
		int                    got = d->driver == DRIVER_FILE || d->driver == DRIVER_SQL ? look_up(d, q, &e) : 1;

		if (got == 1)
			return 1;
		trouble = trouble || got < 0;
	}
	if (trouble)
		return fault_set(why, FAULT_SYSTEM, "static: a passdb cannot say whether there is such a user");
	return users.n_passdb == 0;
}

static int
find_static(const struct database *d, const struct question *q, bool logged_in, struct user_facts *out, struct fault *why)
{
	int known = logged_in || d->all_users ? 1 : is_known(q, why);

	if (known != 1)
		return known == 0 ? 1 : -1;
	text_set(&out->home, span_of(d->home));
	text_set(&out->mail, span_of(d->mail));
	put_quota(d, SPAN_NONE, out);
	text_set(&out->groups, span_of(d->groups));
	return resolve_ids(span_of(d->uid), span_of(d->gid), out, why);
}

static int
find_in(const struct database *d, char *user, const struct origin *from, struct arena *a, struct user_facts *out, struct fault *why)
{
	static const struct origin nowhere = {"", {"", 0}, {"", 0}};
	struct question            q = {user, "", from ? from : &nowhere, a};
	struct passwd_entry        e;
	int                        got;

	switch (d->driver) {
	case DRIVER_FILE:
		return find_entry(d->source, user, a, &e) ? take_entry(d, &e, out, why) : 1;
	case DRIVER_SQL:
		got = ask_database(d, "userdb", &q, &e, why);
		return got == 1 ? take_entry(d, &e, out, why) : got == 0 ? 1 : -1;
	case DRIVER_PREFETCH:
		return from ? find_prefetched(d, &q, out, why) : 1;
	case DRIVER_PASSWD:
		return helper_passwd(user, &out->uid, &out->gid, &out->home, why);
	case DRIVER_STATIC:
		return find_static(d, &q, from != NULL, out, why);
	default:
		return 1;
	}
}

int
users_find(const char *user, const struct origin *from, struct user_facts *out, struct fault *why)
{
	autoarena struct arena *a = arena_new();

	snprintf(out->user, sizeof out->user, "%s", user);
	for (size_t i = 0; i < users.n_userdb; i++) {
		int got = find_in(&users.userdb[i], out->user, from, a, out, why);

		if (got <= 0)
			return got;
	}
	return 1;
}

int
users_exist(char *user, const struct origin *from)
{
	struct user_facts facts = {0};
	struct fault      why = {0};
	bool              by_pam = false;
	int               got = users_vouched(user, from);

	for (size_t i = 0; i < users.n_passdb; i++)
		by_pam = by_pam || users.passdb[i].driver == DRIVER_PAM;
	if (got == 0 && by_pam) {
		got = users_find(user, from, &facts, &why);
		got = got < 0 ? -1 : got == 0;
		user_facts_free(&facts);
	}
	return got;
}
