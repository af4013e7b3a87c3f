/* SPDX-License-Identifier: ISC */
/*
 * session.c - one IMAP session: commands one after the other (RFC 3501)
 */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "acl.h"
#include "base/clock.h"
#include "base/log.h"
#include "command.h"
#include "imap_config.h"
#include "imapsieve.h"
#include "ipc/wake_proof.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "metadata.h"
#include "names.h"
#include "notify.h"
#include "search_context.h"
#include "search_index.h"
#include "sleep.h"
#include "store/history.h"
#include "store/lazy.h"
#include "store/quota.h"
#include "store/tree.h"

enum { BAD_COMMANDS_MOST = 20, OUT_FLUSH = 32768 };

static const struct verb {
	const char      *name;
	const char      *section;
	enum imap_state  from;
	bool             may_be_uid, must_be_uid;
	size_t           least, most;         /* arguments */
	void           (*handle)(struct imap_session *);
} verbs[] = {
	/* name          section           from            uid           args     handler */
	{ "CAPABILITY",  "6.1.1",     IMAP_AUTHENTICATED, false, false, 0, 0,    do_capability },
	{ "NOOP",        "6.1.2",     IMAP_AUTHENTICATED, false, false, 0, 0,    do_noop },
	{ "LOGOUT",      "6.1.3",     IMAP_AUTHENTICATED, false, false, 0, 0,    do_logout },
	{ "UNAUTHENTICATE", "RFC 8437", IMAP_AUTHENTICATED, false, false, 0, 0,  do_unauthenticate },
	{ "ID",          "RFC 2971",  IMAP_AUTHENTICATED, false, false, 1, 1,    do_id },
	{ "ENABLE",      "RFC 5161",  IMAP_AUTHENTICATED, false, false, 1, 100,  do_enable },
	{ "NAMESPACE",   "RFC 2342",  IMAP_AUTHENTICATED, false, false, 0, 0,    do_namespace },
	{ "IDLE",        "RFC 2177",  IMAP_AUTHENTICATED, false, false, 0, 0,    do_idle },
	{ "SELECT",      "6.3.1",     IMAP_AUTHENTICATED, false, false, 1, 2,    do_select },
	{ "EXAMINE",     "6.3.2",     IMAP_AUTHENTICATED, false, false, 1, 2,    do_examine },
	{ "CREATE",      "6.3.3",     IMAP_AUTHENTICATED, false, false, 1, 2,    do_create },
	{ "DELETE",      "6.3.4",     IMAP_AUTHENTICATED, false, false, 1, 1,    do_delete },
	{ "RENAME",      "6.3.5",     IMAP_AUTHENTICATED, false, false, 2, 2,    do_rename },
	{ "SUBSCRIBE",   "6.3.6",     IMAP_AUTHENTICATED, false, false, 1, 1,    do_subscribe },
	{ "UNSUBSCRIBE", "6.3.7",     IMAP_AUTHENTICATED, false, false, 1, 1,    do_unsubscribe },
	{ "LIST",        "6.3.8",     IMAP_AUTHENTICATED, false, false, 2, 5,    do_list },
	{ "LSUB",        "6.3.9",     IMAP_AUTHENTICATED, false, false, 2, 2,    do_lsub },
	{ "STATUS",      "6.3.10",    IMAP_AUTHENTICATED, false, false, 2, 2,    do_status },
	{ "GETMETADATA", "RFC 5464",  IMAP_AUTHENTICATED, false, false, 2, 3,    do_getmetadata },
	{ "SETMETADATA", "RFC 5464",  IMAP_AUTHENTICATED, false, false, 2, 2,    do_setmetadata },
	{ "GETQUOTA",    "RFC 9208",  IMAP_AUTHENTICATED, false, false, 1, 1,    do_getquota },
	{ "GETQUOTAROOT", "RFC 9208", IMAP_AUTHENTICATED, false, false, 1, 1,    do_getquotaroot },
	{ "SETQUOTA",    "RFC 9208",  IMAP_AUTHENTICATED, false, false, 2, 2,    do_setquota },
	{ "SETACL",      "RFC 4314",  IMAP_AUTHENTICATED, false, false, 3, 3,    do_setacl },
	{ "DELETEACL",   "RFC 4314",  IMAP_AUTHENTICATED, false, false, 2, 2,    do_deleteacl },
	{ "GETACL",      "RFC 4314",  IMAP_AUTHENTICATED, false, false, 1, 1,    do_getacl },
	{ "LISTRIGHTS",  "RFC 4314",  IMAP_AUTHENTICATED, false, false, 2, 2,    do_listrights },
	{ "MYRIGHTS",    "RFC 4314",  IMAP_AUTHENTICATED, false, false, 1, 1,    do_myrights },
	{ "COMPRESS",    "RFC 4978",  IMAP_AUTHENTICATED, false, false, 1, 1,    do_compress },
	{ "ESEARCH",     "RFC 7377",  IMAP_AUTHENTICATED, false, false, 1, 9999, do_esearch },
	{ "NOTIFY",      "RFC 5465",  IMAP_AUTHENTICATED, false, false, 1, 9999, do_notify },
	{ "APPEND",      "6.3.11",    IMAP_AUTHENTICATED, false, false, 1, 1,    do_append },
	{ "REPLACE",     "RFC 8508",  IMAP_SELECTED,      true,  false, 2, 2,    do_replace },
	{ "CHECK",       "6.4.1",     IMAP_SELECTED,      false, false, 0, 0,    do_noop },
	{ "CLOSE",       "6.4.2",     IMAP_SELECTED,      false, false, 0, 0,    do_close },
	{ "UNSELECT",    "RFC 3691",  IMAP_SELECTED,      false, false, 0, 0,    do_unselect },
	{ "EXPUNGE",     "6.4.3",     IMAP_SELECTED,      true,  false, 0, 1,    do_expunge },
	{ "SEARCH",      "6.4.4",     IMAP_SELECTED,      true,  false, 1, 9999, do_search },
	{ "CANCELUPDATE", "RFC 5267", IMAP_SELECTED,      false, false, 1, 9999, do_cancelupdate },
	{ "UIDBATCHES",  "RFC 10022", IMAP_SELECTED,      false, false, 1, 2,    do_uidbatches },
	{ "SORT",        "RFC 5256",  IMAP_SELECTED,      true,  false, 3, 9999, do_sort },
	{ "THREAD",      "RFC 5256",  IMAP_SELECTED,      true,  false, 3, 9999, do_thread },
	{ "FETCH",       "6.4.5",     IMAP_SELECTED,      true,  false, 2, 4,    do_fetch },
	{ "STORE",       "6.4.6",     IMAP_SELECTED,      true,  false, 3, 9999, do_store },
	{ "COPY",        "6.4.7",     IMAP_SELECTED,      true,  false, 2, 2,    do_copy },
	{ "XINDEX",      "(ours)",    IMAP_AUTHENTICATED, false, false, 1, 1,    do_xindex },
	{ "MOVE",        "RFC 6851",  IMAP_SELECTED,      true,  false, 2, 2,    do_move },
};

void
imap_send(struct imap_session *s, struct span bytes)
{
	if (!s->over && conn_write(s->conn, bytes, &s->why) < 0) {
		s->over = true;
		s->end = "Connection closed";
	}
}

void
imap_flush_out(struct imap_session *s)
{
	imap_send(s, text_span(&s->out));
	text_clear(&s->out);
}

void
imap_say(struct imap_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_add_args(&s->out, format, args);
	va_end(args);
	imap_end_line(s, SPAN_NONE);
}

void
imap_end_line(struct imap_session *s, struct span last)
{
	text_add(&s->out, last);
	text_add(&s->out, SPAN("\r\n"));
	if (s->out.len > OUT_FLUSH)
		imap_flush_out(s);
}

__attribute__((format(printf, 2, 0)))
static void
finish(struct imap_session *s, const char *format, va_list args)
{
	text_add(&s->out, s->command.tag.len ? s->command.tag : SPAN("*"));
	text_add_byte(&s->out, ' ');
	text_add_args(&s->out, format, args);
	text_add_string(&s->out, "\r\n");
	imap_flush_out(s);
	s->answered = true;
}

void
imap_finish(struct imap_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	finish(s, format, args);
	va_end(args);
}

static bool
expunge_may_be_told(const struct imap_session *s)
{
	struct span v = s->command.verb;

	return (s->command.uid && !s->numbered) /* RFC 7162, 3.2.10.2 */
		|| !(span_is_nocase(v, "FETCH") || span_is_nocase(v, "STORE") || span_is_nocase(v, "SEARCH")
			|| span_is_nocase(v, "SORT") || span_is_nocase(v, "THREAD"));
}

/* What of the selected mailbox may be told now. A command that expunges always says so. */
static unsigned
news_now(const struct imap_session *s)
{
	struct span verb = s->command.verb;
	unsigned    news = s->notify ? notify_selected_news(s->notify) : VIEW_ALL;

	if (!expunge_may_be_told(s) || (s->notify && !verb.len && notify_delays_expunges(s->notify)))
		news &= ~(unsigned)VIEW_EXPUNGES;
	if (span_is_nocase(verb, "EXPUNGE") || span_is_nocase(verb, "MOVE") || span_is_nocase(verb, "REPLACE"))
		news |= VIEW_EXPUNGES;
	return news;
}

void
imap_sync(struct imap_session *s)
{
	autotext struct text updates = {0};
	struct fault         why = {0};
	size_t               fresh;

	if (!s->folder)
		return;
	if (folder_sync(s->folder, &why) == 0) {
		context_tell_gone(s);
		fresh = view_tell(&s->view, s->folder, news_now(s), s->command.uid || s->notify, &s->out);
		context_weigh(s, fresh, &updates);
		context_fetch(s, fresh);
		text_add(&s->out, text_span(&updates));
	} else if (why.error == ENOENT) { /* by another session: nothing true can be told any more */
		imap_say(s, "* BYE Selected mailbox was deleted.");
		imap_flush_out(s);
		s->over = true;
		s->end = "Selected mailbox was deleted";
	} else {
		log_error("imap(%s): %s", s->user->name, fault_text(&why));
	}
}

void
imap_finish_synced(struct imap_session *s, const char *format, ...)
{
	va_list args;

	imap_sync(s);
	notify_look(s);
	va_start(args, format);
	finish(s, format, args);
	va_end(args);
}

void
imap_finish_fault(struct imap_session *s, const char *what)
{
	const struct fault *f = &s->why;
	const char         *code = "[SERVERBUG] ";
	bool                told = true;

	if (f->class == FAULT_DENIED && f->error == EDQUOT) { /* store/quota.h: in its own words */
		imap_finish(s, "NO [OVERQUOTA] %s", fault_text(f));
		fault_clear(&s->why);
		return;
	}
	if (f->class == FAULT_DENIED && f->error == EFBIG)
		code = "[TOOBIG] ";
	else if (f->class == FAULT_SYSTEM && (f->error == ENOSPC || f->error == EDQUOT))
		code = "[OVERQUOTA] ";
	else if (f->class == FAULT_SYSTEM && f->error == ENOENT)
		code = "[NONEXISTENT] ";
	else if (f->class == FAULT_SYSTEM && f->error == EEXIST)
		code = "[ALREADYEXISTS] ";
	else if (f->class == FAULT_SYSTEM && (f->error == EACCES || f->error == EPERM || f->error == EROFS))
		code = "[NOPERM] ";
	else if (f->class == FAULT_TIME)
		code = "[INUSE] ";
	else if (f->class == FAULT_INPUT)
		code = "[CANNOT] ";
	else if (f->class == FAULT_DENIED)
		code = "[LIMIT] ";
	else
		told = false;
	if (!told || f->class == FAULT_TIME || f->error == EIO)
		log_error("imap(%s): %s: %s", s->user->name, what, fault_text(f));
	imap_finish(s, "NO %s%s: %s", code, what, f->class != FAULT_SYSTEM ? fault_text(f)
		: f->error == ENOENT ? "Mailbox doesn't exist"
		: f->error == EEXIST ? "Mailbox already exists"
		: f->error ? strerror(f->error) : fault_text(f));
	fault_clear(&s->why);
}

void
imap_bad_arguments(struct imap_session *s)
{
	imap_finish(s, "BAD Invalid arguments.");
}

void
imap_deselect(struct imap_session *s)
{
	notify_deselected(s);
	context_free_all(s);
	search_index_free(take(s->search));
	folder_close(take(s->folder));
	s->in = NULL;
	view_free(&s->view);
	free(take(s->saved));
	s->saved_count = 0;
}

int
imap_open_folder(struct imap_session *s, const char *name, unsigned options, struct folder **out)
{
	return imap_open_in(s, &s->mine, name, options, out);
}

int
imap_open_in(struct imap_session *s, struct space *in, const char *name, unsigned options, struct folder **out)
{
	return history_open(in->maildir, s->index, name, options, out, &s->why);
}

bool
imap_exists(struct imap_session *s, struct space *in, const char *folder)
{
	if (in->kind == SPACE_OWN)
		return tree_exists(in->maildir, folder);
	if (in->kind == SPACE_PUBLIC && !*folder)
		return false;
	return tree_exists(in->maildir, folder) && acl_rights_of(s, in, folder) & ACL_LOOKUP;
}

static const struct verb *
find_verb(struct span name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_is_nocase(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static void
dispatch(struct imap_session *s)
{
	const struct command *c = &s->command;
	const struct verb    *v = find_verb(c->verb);

	if (!v || (c->uid && !v->may_be_uid))
		imap_finish(s, "BAD Unknown command.");
	else if (v->from == IMAP_SELECTED && !s->folder)
		imap_finish(s, "BAD No mailbox selected.");
	else if (c->count < v->least || c->count > v->most)
		imap_bad_arguments(s);
	else if (s->manner.uidonly && v->may_be_uid && !c->uid && v->least > 0)
		imap_finish(s, "BAD [UIDREQUIRED] Message numbers are not used any more.");
	else if (acl_permits(s))
		v->handle(s);
}

static bool
are_utf8(const struct argument *a)
{
	for (; a; a = a->next)
		if ((a->type == ARGUMENT_QUOTED && !utf8_valid(a->text)) || (a->type == ARGUMENT_LIST && !are_utf8(a->children)))
			return false;
	return true;
}

static bool
take_command(struct imap_session *s, int *bad)
{
	struct command_input in;
	struct span          text;
	int64_t              deadline = clock_after(imap_config.timeout);
	int                  result;

	if (s->notify)
		notify_wait(s, deadline);
	else
		search_index_wait(s, deadline);
	if (s->over)
		return false;
	conn_deadline(s->conn, deadline);
	result = command_read(s->conn, (size_t)imap_config.max_line_length, &in, &s->why);
	if (result < 0) {
		s->over = true;
		s->end = s->why.class == FAULT_TIME ? "Inactivity" : "Connection closed";
		if (s->why.class != FAULT_PEER)
			conn_print(s->conn, NULL, "* BYE %s\r\n",
				s->why.class == FAULT_TIME ? "Disconnected for inactivity." : "Bad input.");
		text_free(&in.text);
		return false;
	}
	s->answered = s->numbered = false;
	text = in.append ? span_first(text_span(&in.text), in.cut) : text_span(&in.text);
	s->rest = arena_span(s->arena, span_from(text_span(&in.text), text.len));
	s->input = &in; /* cppcheck-suppress autoVariables ; until the command is over, below */
	conn_deadline(s->conn, clock_after(imap_config.timeout));
	fault_clear(&s->why);
	result = grammar_parse(s->arena, arena_span(s->arena, text), &s->command, &s->why);
	if (in.refused && in.long_literal && span_is_nocase(s->command.verb, "SETMETADATA"))
		metadata_too_long(s);
	else if (in.refused)
		imap_finish(s, "BAD %s.", in.refused);
	else if (result < 0)
		imap_finish(s, "BAD %s.", fault_text(&s->why));
	else if (name_is_utf8(s) && !are_utf8(s->command.arguments)) /* RFC 6855, 3 */
		imap_finish(s, "BAD A quoted string is not UTF-8.");
	else
		dispatch(s);
	*bad = in.refused || result < 0 ? *bad + 1 : 0;
	append_drain(s);
	s->input = NULL;
	text_free(&in.text);
	text_free(&s->spare);
	arena_reset(s->arena);
	if (*bad >= BAD_COMMANDS_MOST) {
		imap_say(s, "* BYE Too many invalid commands.");
		imap_flush_out(s);
		s->over = true;
		s->end = "Too many invalid IMAP commands";
	}
	return !s->over;
}

static int
open_mail(struct imap_session *s, struct fault *why)
{
	struct location l = {0};
	const char     *setting = s->user->mail ? s->user->mail : imap_config.mail_location;
	int             result;

	if (location_parse(span_of(setting), span_of(s->user->name), span_of(s->user->home), &l, why) < 0)
		return -1;
	result = maildir_open(text_string(&l.root), MAILDIR_CREATE, &s->maildir, why);
	if (result == 0)
		s->index = index_open(text_string(&l.root), l.index.len ? text_string(&l.index) : NULL);
	if (l.index.len)
		s->index_directory = mem_string(text_string(&l.index));
	location_free(&l);
	if (result == 0 && quota_make(&quota_settings, span_of(s->user->quota ? s->user->quota : ""), &s->quota, why) < 0)
		return -1;
	if (result == 0)
		maildir_set_quota(s->maildir, s->quota);
	if (result == 0 && lazy_make(&lazy_settings, span_of(imap_config.special_use), &s->lazy, why) < 0)
		return -1;
	if (result == 0)
		maildir_set_lazy(s->maildir, s->lazy);
	s->mine = (struct space){SPACE_OWN, (char *)(uintptr_t)imap_config.prefix, (char *)(uintptr_t)s->user->name, s->maildir, s->quota};
	return result;
}

void
imap_add_capabilities(const struct imap_session *s, struct text *out)
{
	text_add_string(out, IMAP_CAPABILITIES);
	if (acl_is_on())
		text_add_string(out, " ACL RIGHTS=texk LIST-MYRIGHTS");
	if (*quota_settings.root)
		text_add_format(out, " QUOTA%s QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX", s->user->limits ? " QUOTASET" : "");
	if (imap_config.message_limit)
		text_add_format(out, " MESSAGELIMIT=%d", imap_config.message_limit);
	else if (imap_config.save_limit)
		text_add_format(out, " SAVELIMIT=%d", imap_config.save_limit);
	if (s->user->imapsieve)
		imapsieve_add_capability(out);
	if (s->user->means)
		text_add_string(out, " UNAUTHENTICATE");
	if (!s->compressed) /* RFC 4978, 3: announced until it is on */
		text_add_string(out, " COMPRESS=DEFLATE");
	text_add_format(out, " APPENDLIMIT=%lld", (long long)imap_config.max_message); /* RFC 7889 */
}

static void
greet(struct imap_session *s)
{
	autotext struct text can = {0};

	imap_add_capabilities(s, &can);
	if (s->user->tag)
		imap_say(s, "%s OK [CAPABILITY %s] Logged in", s->user->tag, text_string(&can));
	else
		imap_say(s, "* PREAUTH [CAPABILITY %s] Logged in as %s", text_string(&can), s->user->name);
	imap_flush_out(s);
}

void
imap_add_stats(const struct imap_session *s, struct text *out)
{
	text_add_format(out, "in=%llu out=%llu expunged=%llu hdr_count=%llu hdr_bytes=%llu body_count=%llu body_bytes=%llu",
		(unsigned long long)(s->bytes_in + conn_bytes_in(s->conn)), (unsigned long long)(s->bytes_out + conn_bytes_out(s->conn)),
		(unsigned long long)s->counts.expunged, (unsigned long long)s->counts.headers,
		(unsigned long long)s->counts.header_bytes, (unsigned long long)s->counts.bodies,
		(unsigned long long)s->counts.body_bytes);
}

static void
log_end(const struct imap_session *s)
{
	autotext struct text stats = {0};

	imap_add_stats(s, &stats);
	log_info("imap(%s)<%ld><%s>: %s %s", s->user->name, (long)getpid(), s->user->session ? s->user->session : "",
		s->end ? s->end : "Disconnected", text_string(&stats));
}

void
imap_prepare(void)
{
	autotext struct text ignored = {0};
	char                 proof[WAKE_HEX];

	charset_prepare();
	date_add_imap(date_local(0), &ignored);
	wake_proof(SPAN("x"), SPAN("x"), proof); /* OpenSSL looks for its files at the first use */
}

int
imap_session(const struct imap_user *user, struct conn *c, struct fault *why)
{
	struct imap_session s = {.user = user, .conn = c, .arena = arena_new(), .spaces = user->spaces,
		.keeps_awake = user->limits != NULL};
	int                 bad = 0, result = open_mail(&s, why);

	conn_deadline(c, clock_after(imap_config.timeout));
	if (result < 0) {
		imap_say(&s, "%s %s [SERVERBUG] Internal error: mailbox cannot be opened.",
			user->tag ? user->tag : "*", user->tag ? "NO" : "BYE");
		imap_flush_out(&s);
	} else if (user->means && user->means->state.len && imap_wake(&s, why) < 0) {
		log_error("imap(%s): cannot wake up: %s", user->name, fault_text(why));
		imap_say(&s, "* BYE [UNAVAILABLE] The session cannot go on.");
		imap_flush_out(&s);
		s.end = "Cannot wake up";
	} else {
		if (user->means && user->means->state.len)
			idle_go_on(&s);
		else
			greet(&s);
		while (!s.over && take_command(&s, &bad))
			;
	}
	conn_flush(c, NULL);
	if (result == 0 && !s.asleep)
		log_end(&s);
	search_index_linger(&s);
	imap_deselect(&s);
	free(s.index_directory);
	notify_free(take(s.notify));
	free(s.own);
	index_close(s.index);
	maildir_close(s.maildir);
	quota_free(s.quota);
	lazy_free(s.lazy);
	text_free(&s.out);
	arena_free(s.arena);
	return result;
}
