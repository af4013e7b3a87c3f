/* SPDX-License-Identifier: ISC */
/*
 * imapsieve.c - which scripts an IMAP command makes run, and what they see; imapsieve_act.c does what they want
 */
#include "imapsieve.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "content.h"
#include "imap_config.h"
#include "imapsieve_private.h"
#include "metadata.h"
#include "names.h"
#include "service/service.h"
#include "store/mutf7.h"
#include "store/tree.h"

struct imapsieve_config imapsieve_config;

static const char *const causes[] = {"APPEND", "COPY", "FLAG"};

/* What a script may not require here: what answers or refuses a delivery, what sends, what changes the message, and what only
 * local/ keeps (duplicate) or looks up for scripts. */
#define NOT_HERE "-reject -ereject -envelope -vacation -vacation-seconds -enotify -fcc -editheader -vnd.dovecot.filter -duplicate " \
	"-special-use -mailboxid -mboxmetadata -servermetadata"

/* ------------------------------------------------------------ settings */

bool
imapsieve_is_on(void)
{
	return *imapsieve_config.rules[0].name || *imapsieve_config.url;
}

static int
check_rule(int n, const struct imapsieve_rule *r, struct fault *why)
{
	struct span rest = span_of(r->causes), word;

	while (span_next(&rest, " \t,", &word)) {
		bool known = false;

		for (size_t i = 0; i < COUNT(causes); i++)
			known = known || span_is_nocase(word, causes[i]);
		if (!known)
			return fault_set(why, FAULT_INPUT, "imapsieve_mailbox%d_causes: unknown cause \"%.*s\"", n, SPAN_ARGS(word));
	}
	return 0;
}

int
imapsieve_prepare(struct fault *why)
{
	struct imapsieve_rule *rules = imapsieve_config.rules;
	autotext struct text   more = {0};
	int                    n = 0;

	while (n < IMAPSIEVE_RULES_MOST && *rules[n].name) {
		if (check_rule(n + 1, &rules[n], why) < 0)
			return -1;
		n++;
	}
	for (int i = n; i < IMAPSIEVE_RULES_MOST; i++)
		if (*rules[i].name)
			log_warning("imapsieve_mailbox%d_name: imapsieve_mailbox%d_name is not set, and ends the rules: this one is never looked at", i + 1, n + 1);
	if (n == IMAPSIEVE_RULES_MOST && main_cf_get(service->main_cf, "imapsieve_mailbox17_name", &more, NULL) == 0 && more.len)
		return fault_set(why, FAULT_INPUT, "imapsieve_mailbox17_name: only %d rules are known here", IMAPSIEVE_RULES_MOST);
	if (!imapsieve_is_on())
		return 0;
	sieve_settings_check();
	return sieve_programs_prepare(why);
}

/* Where a rule's script is, for this user. */
static int
place_script(const char *setting, const struct sieve_user *user, struct text *out, struct fault *why)
{
	struct span where = span_of(setting);

	if (span_starts(where, "file:"))
		where = span_from(where, 5);
	if (sieve_expand(where, user, out, why) < 0)
		return -1;
	return span_starts(text_span(out), "/") ? 0 : fault_set(why, FAULT_INPUT, "%s is not an absolute path", setting);
}

static void
add_directory(struct list *reads, const char *setting, const struct sieve_user *user)
{
	autotext struct text path = {0};
	ptrdiff_t            slash;

	if (*setting && place_script(setting, user, &path, NULL) == 0 && (slash = span_find_last(text_span(&path), '/')) > 0)
		list_add(reads, span_first(text_span(&path), (size_t)slash));
}

int
imapsieve_settle(const struct auth_user *u, struct list *reads, struct fault *why)
{
	const struct sieve_user user = {span_of(u->user), span_of(u->home)};
	struct sieve_place      place = {0};
	autotext struct text    global = {0};

	if (!imapsieve_is_on())
		return 0;
	for (size_t i = 0; i < IMAPSIEVE_RULES_MOST; i++) {
		add_directory(reads, imapsieve_config.rules[i].before, &user);
		add_directory(reads, imapsieve_config.rules[i].after, &user);
	}
	if (*sieve_settings.global && sieve_expand(span_of(sieve_settings.global), &user, &global, why) == 0)
		list_add(reads, text_span(&global));
	if (!*imapsieve_config.url)
		return 0;
	sieve_settings_own(span_of(u->sieve));
	if (sieve_place(&user, &place, why) == 0 && place.directory.len)
		list_add(reads, text_span(&place.directory));
	sieve_place_free(&place);
	if (why->class)
		log_warning("imap(%s): imapsieve: %s", u->user, fault_text(why));
	fault_clear(why);
	return 0;
}

void
imapsieve_add_capability(struct text *out)
{
	if (*imapsieve_config.url)
		text_add_format(out, " IMAPSIEVE=%s", imapsieve_config.url);
}

/* ------------------------------------------------------------ which scripts */

void
imapsieve_complain(struct imapsieve *r, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	log_error("imap(%s)<%ld><%s>: sieve: %s", r->s->user->name, (long)getpid(), r->s->user->session ? r->s->user->session : "", text_string(&text));
}

/* As clients and scripts name it: UTF-8. */
static struct span
name_in_utf8(struct arena *arena, const struct space *in, const char *folder)
{
	autotext struct text name = {0}, utf8 = {0};

	name_of(in, folder, &name);
	return arena_span(arena, mutf7_decode(text_span(&name), &utf8, NULL) == 0 ? text_span(&utf8) : text_span(&name));
}

static bool
has_cause(const struct imapsieve_rule *r, enum imapsieve_cause cause)
{
	struct span rest = span_of(r->causes), word;
	bool        any = true;

	while (span_next(&rest, " \t,", &word)) {
		any = false;
		if (span_is_nocase(word, causes[cause]))
			return true;
	}
	return any;
}

static bool
rule_is_for(const struct imapsieve_rule *r, enum imapsieve_cause cause, struct span to, struct span from)
{
	struct span name = span_trim(span_of(r->name)), origin = span_trim(span_of(r->from));

	return has_cause(r, cause) && name_matches(name, to) && (!origin.len || name_matches(origin, from));
}

/* The user's own script for this mailbox (RFC 6785, 2.2.2 and 2.2.3): its name, or empty. */
static struct span
own_script(struct imap_session *s, const struct imapsieve_event *e)
{
	struct span found = SPAN_NONE;
	const char *folders[] = {e->folder, NULL};

	if (!*imapsieve_config.url)
		return found;
	for (size_t i = 0; i < COUNT(folders); i++) {
		struct maildir         *where = folders[i] ? e->in->maildir : s->maildir;
		struct attributes       attributes = {0};
		autotext struct text    key = {0};
		const struct attribute *a;

		if (!metadata_key(s, folders[i] ? e->in : &s->mine, folders[i], SPAN("/shared/imapsieve/script"), false, &key) ||
		    attributes_read(where, &attributes, NULL) < 0)
			continue;
		a = attributes_find(&attributes, text_span(&key));
		if (a)
			found = arena_span(s->arena, text_span(&a->value));
		attributes_free(&attributes);
		if (a)
			break;                 /* an empty one is none, too */
	}
	return found;
}

bool
imapsieve_wants(struct imap_session *s, const struct imapsieve_event *e)
{
	struct span to, from;

	if (!s->user->imapsieve)
		return false;
	to = name_in_utf8(s->arena, e->in, e->folder);
	from = e->from ? name_in_utf8(s->arena, e->from, e->from_folder) : to;
	for (size_t i = 0; i < IMAPSIEVE_RULES_MOST && *imapsieve_config.rules[i].name; i++)
		if (rule_is_for(&imapsieve_config.rules[i], e->cause, to, from))
			return true;
	return own_script(s, e).len > 0;
}

/* ------------------------------------------------------------ scripts, read */

static int
load_included(void *context, bool global, struct span name, struct text *out, struct fault *why)
{
	struct imapsieve    *r = context;
	autotext struct text directory = {0};
	struct sieve_place   place = {0};
	int                  got = 1;

	if (!sieve_name_valid(name))
		return 1;
	if (global && *sieve_settings.global)
		got = sieve_expand(span_of(sieve_settings.global), &r->owner, &directory, why);
	else if (!global && *imapsieve_config.url && sieve_place(&r->owner, &place, why) == 0)
		got = place.directory.len ? (text_set(&directory, text_span(&place.directory)), 0) : 1;
	sieve_place_free(&place);
	return got != 0 ? got : sieve_read(arena_format(r->arena, "%s/%.*s.sieve", text_string(&directory), SPAN_ARGS(name)), out, why);
}

/* False: a script in error, and no other runs. */
static bool
add_script(struct imapsieve *r, const char *path, bool is_own)
{
	const struct sieve_loader loader = {r, load_included};
	struct sieve_limits       limits = r->limits;
	autotext struct text      text = {0};
	struct fault              why = {0};
	int                       got = sieve_read(path, &text, &why);
	const char               *slash = strrchr(path, '/'), *name = arena_string(r->arena, span_of(slash ? slash + 1 : path));

	if (got > 0)
		return true;                   /* Pigeonhole passes over what is not there */
	limits.global = !is_own;
	if (got < 0 || sieve_compile(r->arena, arena_span(r->arena, text_span(&text)), name, &loader, &limits, &r->scripts[r->count], &why) < 0) {
		imapsieve_complain(r, "%.200s: %s", got < 0 ? "" : name, fault_text(&why));
		imapsieve_complain(r, "Failed to compile script `%.300s'", path);
		return false;
	}
	r->paths[r->count++] = arena_string(r->arena, span_of(path));
	return true;
}

static bool
add_configured(struct imapsieve *r, const char *setting)
{
	autotext struct text path = {0};
	struct fault         why = {0};

	if (!*setting)
		return true;
	if (place_script(setting, &r->owner, &path, &why) == 0)
		return add_script(r, text_string(&path), false);
	imapsieve_complain(r, "%s", fault_text(&why));
	return false;
}

static bool
add_own(struct imapsieve *r, struct span name)
{
	struct sieve_place place = {0};
	struct fault       why = {0};
	bool               good = true;

	if (!name.len)
		return true;
	if (!sieve_name_valid(name) || sieve_place(&r->owner, &place, &why) < 0)
		imapsieve_complain(r, "script \"%.*s\" of mailbox: %s", SPAN_ARGS(span_first(name, 100)), why.class ? fault_text(&why) : "that is no name of a script");
	else if (place.directory.len)
		good = add_script(r, arena_format(r->arena, "%s/%.*s.sieve", text_string(&place.directory), SPAN_ARGS(name)), true);
	sieve_place_free(&place);
	return good;
}

/* All scripts of the event, in their order; where one is in error only those before it run. */
static void
read_scripts(struct imapsieve *r)
{
	const struct imapsieve_event *e = r->event;
	bool                          mine[IMAPSIEVE_RULES_MOST] = {false};
	size_t                        n = 0;

	for (; n < IMAPSIEVE_RULES_MOST && *imapsieve_config.rules[n].name; n++)
		mine[n] = rule_is_for(&imapsieve_config.rules[n], e->cause, r->to, r->from);
	for (size_t i = 0; i < n; i++)
		if (mine[i] && !add_configured(r, imapsieve_config.rules[i].before))
			return;
	if (!add_own(r, own_script(r->s, e)))
		return;
	for (size_t i = 0; i < n; i++)
		if (mine[i] && !add_configured(r, imapsieve_config.rules[i].after))
			return;
}

/* ------------------------------------------------------------ a message */

static int64_t
cpu_ms(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? t.tv_sec * 1000 + t.tv_nsec / 1000000 : 0;
}

static bool
out_of_time(void *context)
{
	const struct imapsieve *r = context;

	return cpu_ms() - r->begun > sieve_settings.cpu_ms;
}

static bool
mailbox_exists(void *context, struct span name)
{
	struct imapsieve *r = context;
	struct space     *in;
	autofree char    *folder = imapsieve_find(r, name, &in, NULL);

	return folder && imap_exists(r->s, in, folder) && imapsieve_may_insert(r, in, folder);
}

static int
run_program(void *context, const struct sieve_program *p, struct text *output, struct fault *why)
{
	return imapsieve_program(context, p, output, why);
}

static struct span
flags_text(struct imapsieve *r, const struct message *m)
{
	autotext struct text list = {0};

	view_add_flags(&r->folder->keywords, m->flags, false, m->keywords, &list);
	return arena_span(r->message_arena, span_cut(text_span(&list), 1, list.len - 1));
}

static void
run_message(struct imapsieve *r, const struct message *m, struct span changed)
{
	struct sieve_imap_event event = {.cause = span_of(causes[r->event->cause]), .mailbox = r->to, .from = r->from,
		.changed_flags = changed, .flags = flags_text(r, m)};
	struct sieve_host       host = {.context = r, .sender = SPAN_NONE, .recipient = SPAN_NONE, .original = SPAN_NONE,
		.auth = r->owner.name, .user = r->owner.name, .user_email = text_span(&r->email), .delimiters = span_of(site.recipient_delimiter),
		.host_name = site.myhostname, .domain = site.mydomain, .now = clock_wall() / 1000000, .mailbox_exists = mailbox_exists,
		.out_of_time = out_of_time, .run_program = run_program, .imap = &event};
	struct sieve_result     result;
	struct content          c;
	struct fault            why = {0};
	autoarena struct arena *bytes = arena_new();

	r->uid = m->uid;
	r->flags = event.flags;
	r->begun = cpu_ms();
	r->programs.host = &host;
	content_start(&c, r->s, r->uid, bytes);
	c.folder = r->folder;
	if (content_all(&c, &host.message, &why) == 0) {
		sieve_run(r->message_arena, (const struct sieve_script *const *)r->scripts, r->count, &r->limits, &host, &result);
		imapsieve_act(r, &result);
	} else {
		imapsieve_complain(r, "uid=%u: %s", r->uid, fault_text(&why));
	}
	content_end(&c);
}

/* By its name: what another session made of it meanwhile (DELETE and CREATE, RENAME) has other messages under these UIDs. */
static bool
open_folder(struct imapsieve *r)
{
	struct imap_session *s = r->s;
	int                  opened;

	r->is_selected = s->folder && s->in == r->event->in && strcmp(s->folder->name, r->event->folder) == 0 && !s->folder->read_only;
	r->folder = r->is_selected ? s->folder : NULL;
	opened = r->is_selected ? folder_sync(s->folder, &s->why) : imap_open_in(s, r->event->in, r->event->folder, 0, &r->folder);
	if (opened == 0 && r->folder->validity == r->event->validity)
		return true;
	imapsieve_complain(r, "mailbox %.*s: %s", SPAN_ARGS(span_first(r->to, 100)), opened < 0 ? fault_text(&s->why) : "it is another by now, no script runs");
	fault_clear(&s->why);
	if (opened == 0 && !r->is_selected)
		folder_close(r->folder);
	return false;
}

/* A command may name any number of messages: the CPU time of its scripts is bounded, too.  The deadline is for the answer, not
 * for all of them and their programs. */
static void
run_all(struct imapsieve *r)
{
	enum { MESSAGES_WORTH = 4 };
	int64_t begun = cpu_ms();

	for (size_t i = 0; i < r->event->count; i++) {
		const struct message *m = folder_find(r->folder, r->event->uids[i]);

		if (!m || (r->event->changed && !r->event->changed[i].len))
			continue;
		if (cpu_ms() - begun > MESSAGES_WORTH * sieve_settings.cpu_ms) {
			imapsieve_complain(r, "uid=%u: no script runs for this message and those behind it: this command's have taken %d times sieve_max_cpu_time",
				m->uid, MESSAGES_WORTH);
			return;
		}
		conn_deadline(r->s->conn, clock_after(imap_config.timeout));
		run_message(r, m, r->event->changed ? r->event->changed[i] : SPAN_NONE);
		arena_reset(r->message_arena);
	}
}

/* What these scripts may require, whatever the settings allow for a delivery. */
static void
set_limits(struct sieve_limits *limits)
{
	uint64_t    possible = 0;
	struct span unknown;

	sieve_settings_limits(limits);
	sieve_extensions_parse(SPAN("+vnd.dovecot.pipe +vnd.dovecot.execute " NOT_HERE), &possible, &unknown);
	limits->extensions = (limits->extensions & possible) | sieve_imap_extensions();
	limits->global_extensions &= possible;
	limits->sends_nothing = true;
}

void
imapsieve_run(struct imap_session *s, const struct imapsieve_event *e)
{
	struct imapsieve r = {.s = s, .event = e, .owner = {span_of(s->user->name), span_of(s->user->home)}};
	struct fault     why = {0};

	if (e->count == 0 || !imapsieve_wants(s, e))
		return;
	r.arena = arena_new();
	r.message_arena = arena_new();
	r.to = name_in_utf8(r.arena, e->in, e->folder);
	r.from = e->from ? name_in_utf8(r.arena, e->from, e->from_folder) : r.to;
	r.programs = (struct sieve_programs){.sock = s->user->imapsieve->programs, .message = -1};
	set_limits(&r.limits);
	if (*sieve_settings.user_email && sieve_expand(span_of(sieve_settings.user_email), &r.owner, &r.email, &why) < 0)
		imapsieve_complain(&r, "%s", fault_text(&why));
	read_scripts(&r);
	if (r.count && open_folder(&r)) {
		run_all(&r);
		if (r.is_selected)
			s->folder->changes = true;
		else
			folder_close(r.folder);
	}
	text_free(&r.email);
	text_free(&r.programs.said);
	arena_free(r.message_arena);
	arena_free(r.arena);
}

/* ------------------------------------------------------------ STORE */

struct imapsieve_flags *
imapsieve_flags_before(struct imap_session *s, const uint32_t *uids, size_t count)
{
	struct imapsieve_event  e = {.cause = IMAPSIEVE_FLAG, .in = s->in, .folder = s->folder->name, .count = count};
	struct imapsieve_flags *before;

	if (!imapsieve_wants(s, &e))
		return NULL;
	before = arena_alloc(s->arena, (count + 1) * sizeof *before);
	for (size_t i = 0; i < count; i++) {
		const struct message *m = folder_find(s->folder, uids[i]);

		before[i] = m ? (struct imapsieve_flags){m->flags, m->keywords} : (struct imapsieve_flags){0};
	}
	return before;
}

void
imapsieve_flags_after(struct imap_session *s, const uint32_t *uids, size_t count, const struct imapsieve_flags *before)
{
	struct span *changed;

	if (!before)
		return;
	changed = arena_alloc(s->arena, (count + 1) * sizeof *changed);
	for (size_t i = 0; i < count; i++) {
		const struct message *m = folder_find(s->folder, uids[i]);
		autotext struct text  list = {0};

		if (m)
			view_add_flags(&s->folder->keywords, m->flags ^ before[i].flags, false, m->keywords ^ before[i].keywords, &list);
		changed[i] = m ? arena_span(s->arena, span_cut(text_span(&list), 1, list.len - 1)) : SPAN_NONE;
	}
	imapsieve_run(s, &(struct imapsieve_event){.cause = IMAPSIEVE_FLAG, .in = s->in, .folder = s->folder->name, .uids = uids,
		.validity = s->folder->validity, .count = count, .changed = changed});
}
