/* SPDX-License-Identifier: ISC */
/*
 * errand.c - one delivery, by a worker that has become the recipient
 */
#include "local/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "local/kept.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/line.h"
#include "service/sieve_programs.h"

enum { HEAD_MAX = 256 * 1024, LIST_FILE_MAX = 1 << 20, READ_SIZE = 65536, MAILBOX_MS = 300 * 1000 };

/* In the child: step 1. */

static bool
header_is_whole(const struct text *head)
{
	return span_find_text(text_span(head), SPAN("\n\r\n")) >= 0 ||
	       span_find_text(text_span(head), SPAN("\n\n")) >= 0 || head->len >= HEAD_MAX;
}

static bool
names_address(struct span value, struct span address)
{
	autotext struct text external = {0}, unfolded = {0};
	struct span          plain;

	header_unfold(value, &unfolded);
	plain = span_trim(text_span(&unfolded));
	if (span_starts(plain, "<") && span_ends(plain, ">"))
		plain = span_cut(plain, 1, plain.len - 1);
	address_external(address, &external);
	return span_equal_nocase(plain, address) || span_equal_nocase(plain, text_span(&external));
}

/* True when the message has been to this address before. */
static int
has_been_there(struct worker *w, struct span address, struct fault *why)
{
	autotext struct text head = {0}, chunk = {0};
	struct header_field  field;
	size_t               at = 0;

	while (!header_is_whole(&head)) {
		if (worker_read(w, READ_SIZE, &chunk, why) < 0)
			return -1;
		if (chunk.len == 0)
			break;
		text_add(&head, text_span(&chunk));
	}
	worker_unread(w, text_span(&head));
	while (header_next(text_span(&head), &at, &field))
		if (span_is_nocase(field.name, "Delivered-To") &&
			names_address(field.value, address))
			return 1;
	return 0;
}

/* Step 2. */

/* "/home/a/.forward" is opened as ".forward" beneath "/home/a": no link is followed below the home.
 */
static int
open_list(const struct errand *e, const char *path, struct fault *why)
{
	autofree char *directory = NULL;
	autoclose int  root = -1;
	size_t         home = strlen(e->who.home);
	const char    *rest;

	if (home > 1 && strncmp(path, e->who.home, home) == 0 && path[home] == '/')
		directory = mem_string(e->who.home);
	else
		directory =
			mem_span(span_first(span_of(path), (size_t)(strrchr(path, '/') - path)));
	rest = path + strlen(directory);
	while (*rest == '/')
		rest++;
	root = open(directory[0] ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fault_errno(why, "open %s", directory);
	return file_open_beneath(root, rest, O_RDONLY | O_NONBLOCK, 0, why);
}

/* Who may write it decides where the mail goes: 0 sound, -1 not. */
static int
check_list(const struct errand *e, int fd, const char *path, struct fault *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_errno(why, "%s", path);
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_DENIED, "file %s is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != e->who.uid && !e->list_is_include)
		return fault_set(
			why, FAULT_DENIED, "file %s has bad owner uid %ld", path, (long)st.st_uid);
	if (st.st_mode & S_IWOTH)
		return fault_set(why, FAULT_DENIED, "file %s is world writable", path);
	return 0;
}

static void
tell_members(struct worker *w, const struct members *m)
{
	static const char *const kinds[] = {"address", "command", "file", "include"};
	autoframe struct frame   f = {0};

	size_t                   faulty = m->faulty;

	for (size_t i = 0; i < m->count; i++) {
		if (m->at[i].value.len > FRAME_MAX / 2) {
			faulty++;
			continue;
		}
		frame_start(&f, "member");
		frame_put(&f, kinds[m->at[i].kind], m->at[i].value);
		worker_tell(w, &f);
	}
	frame_start(&f, "list");
	frame_put_number(&f, "faulty", (int64_t)faulty);
	worker_tell(w, &f);
}

static void
tell_warning(struct worker *w, const struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "warning");
	frame_put_string(&f, "text", fault_text(why));
	worker_tell(w, &f);
}

/* 0 told, 1 not there (or not sound), -1 cannot be known now */
static int
read_list(struct worker *w, const struct errand *e, const char *path, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    in = {0};
	struct members          members;
	autoclose int           fd = open_list(e, path, why);

	if (fd < 0 && (why->error == ENOENT || why->error == ENOTDIR || why->error == EACCES))
		return e->list_is_include ? -1 : 1;
	if (fd < 0 && why->error != ELOOP && why->error != EXDEV)
		return -1;
	if (fd < 0 || check_list(e, fd, path, why) < 0) {
		tell_warning(w, why);
		return e->list_is_include ? -1 : 1;
	}
	if (file_read_fd(fd, LIST_FILE_MAX, &in, why) < 0)
		return -1;
	members_parse(arena, text_span(&in), MEMBERS_OF_FILE, &members);
	if (members.cut)
		return fault_set(why, FAULT_INPUT, "%s has too many members", path);
	if (members.count == 0 && !e->list_is_include)
		return 1;                      /* an empty .forward forwards nothing */
	tell_members(w, &members);
	return 0;
}

/* Step 3, and the whole. */

int
errand_content(struct worker *w, const struct errand *e, struct line_unix *lines,
               int (*add)(void *, struct span, struct fault *), void *context, struct fault *why)
{
	autotext struct text in = {0}, out = {0};

	text_add(&out, e->from_line);
	text_add(&out, e->prefix);
	if (out.len && add(context, text_span(&out), why) < 0)
		return -1;
	for (;;) {
		if (worker_read(w, READ_SIZE, &in, why) < 0)
			return -1;
		text_clear(&out);
		if (in.len == 0)
			line_unix_end(lines, true, &out);
		else
			line_unix_feed(lines, text_span(&in), &out);
		if (out.len && add(context, text_span(&out), why) < 0)
			return -1;
		if (in.len == 0)
			return 0;
	}
}

static void
deliver(struct worker *w, const struct errand *e, struct maildir **held, struct outcome *o)
{
	switch (e->kind) {
	case ERRAND_LOOK:
		outcome_set(o, DELIVER_SENT, "2.0.0", "looked");
		break;
	case ERRAND_MAILDIR:
		maildir_work(w, e, held, o);
		break;
	case ERRAND_MBOX:
		mbox_work(w, e, o);
		break;
	case ERRAND_COMMAND:
		command_work(w, e, o);
		break;
	}
}

static void
tell_outcome(struct worker *w, const struct outcome *o, bool stays)
{
	autoframe struct frame f = {0};

	outcome_put(o, &f);
	if (stays)
		frame_put_flag(&f, "stays", true);
	worker_tell(w, &f);
}

/* Step 1: false when that was all, and *o says so. */
static bool
is_no_loop(struct worker *w, const struct errand *e, struct outcome *o)
{
	struct fault why = {0};
	int          been = e->loop_address.len ? has_been_there(w, e->loop_address, &why) : 0;

	if (been < 0)
		outcome_set(o, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&why));
	else if (been > 0)
		outcome_set(o, DELIVER_BOUNCED, "5.4.6", "mail forwarding loop for %.*s", SPAN_ARGS(e->loop_address));
	return been == 0;
}

/* Step 2: 0 a list was told, 1 there is none, -1 and *o says why that cannot be known. */
static int
look_for_list(struct worker *w, const struct errand *e, struct outcome *o)
{
	struct fault why = {0};
	int          looked = 1;

	for (size_t i = 0; looked == 1 && e->lists && e->lists[i]; i++)
		looked = read_list(w, e, e->lists[i], &why);
	if (looked < 0 && e->list_is_include && why.error == ENOENT)     /* nobody waits for it: local(8) says so too */
		outcome_set(o, DELIVER_BOUNCED, "5.3.5", "mail system configuration error");
	else if (looked < 0)
		outcome_set(o, DELIVER_DEFERRED, e->list_is_include ? "4.2.4" : "4.3.0", "%s%s",
			e->list_is_include ? "unable to use :include: file: " : "", fault_text(&why));
	return looked;
}

static void
work(struct worker *w, void *context)
{
	const struct errand *e = *(const struct errand *const *)context;
	struct maildir      *held = NULL;
	struct outcome       o = {0};
	int                  looked = 1;
	bool                 stays;

	if (is_no_loop(w, e, &o) && (looked = look_for_list(w, e, &o)) == 1)
		deliver(w, e, &held, &o);
	if (looked == 0)
		return;
	stays = kept_may_stay(e, held, &o);
	tell_outcome(w, &o, stays);
	if (stays)
		kept_serve(w, e, held);
}

bool
errand_again(struct worker *w, const struct errand *e, struct maildir *m, bool may_stay)
{
	struct outcome o = {0};

	if (is_no_loop(w, e, &o))
		maildir_again(w, e, m, &o);
	may_stay = may_stay && kept_may_stay(e, m, &o);
	tell_outcome(w, &o, may_stay);
	outcome_free(&o);
	return may_stay;
}

/* The parent's side. */

struct errand_talk {
	const struct errand  *errand;          /* first: work() reads it */
	struct arena         *arena;
	struct errand_result *result;
	size_t                room;
	bool                  over;
};

static int
hear_member(struct errand_talk *t, struct frame *f, struct fault *why)
{
	static const char *const kinds[] = {"address", "command", "file", "include"};
	struct members          *list = &t->result->list;
	struct span              name, value;
	size_t                   at = 0;

	if (!frame_next(f, &at, &name, &value) || list->count >= MEMBERS_MAX || value.len == 0)
		return fault_set(why, FAULT_INPUT, "malformed report");
	for (int i = 0; i < (int)COUNT(kinds); i++) {
		if (!span_is(name, kinds[i]))
			continue;
		if (list->count == t->room) {
			struct member *more = arena_alloc(
				t->arena, (t->room = t->room ? t->room * 2 : 4) * sizeof *more);

			if (list->count)
				memcpy(more, list->at, list->count * sizeof *more);
			list->at = more;
		}
		list->at[list->count++] =
			(struct member){(enum member_kind)i, arena_span(t->arena, value)};
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "malformed report");
}

static bool
is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 127)
			return false;
	return true;
}

static bool
is_sendable(struct span address)
{
	return address.len <= ADDRESS_PATH_LIMIT && is_printable(address) && span_find_last(address, '@') >= 1;
}

static int
take_notice_recipients(struct errand_talk *t, struct frame *f, struct outgoing *o, struct fault *why)
{
	struct span name, value;
	size_t      at = 0;

	o->to = arena_alloc(t->arena, NOTICE_RECIPIENTS * sizeof *o->to);
	while (frame_next(f, &at, &name, &value)) {
		if (!span_is(name, "to"))
			continue;
		if (o->n_to == NOTICE_RECIPIENTS || !is_sendable(value))
			return fault_set(why, FAULT_INPUT, "malformed report");
		o->to[o->n_to++] = arena_span(t->arena, value);
	}
	return o->n_to ? 0 : fault_set(why, FAULT_INPUT, "malformed report");
}

/* What a filter wants sent.  It runs as the user, who could send it by himself. */
static int
hear_outgoing(struct errand_talk *t, struct frame *f, struct fault *why)
{
	struct errand_result *r = t->result;
	struct outgoing       o = {.answer = !frame_is(f, "redirect"), .notice = frame_is(f, "notice"), .address = SPAN_NONE, .content = SPAN_NONE};

	if (!t->errand->filtered || r->n_outgoing >= OUTGOING_MAX || (r->n_edited && r->edited[r->n_edited - 1].open))
		return fault_set(why, FAULT_INPUT, "malformed report");
	if (!r->outgoing)
		r->outgoing = arena_alloc(t->arena, OUTGOING_MAX * sizeof *r->outgoing);
	if (o.answer ? !frame_get(f, "content", &o.content) || o.content.len == 0 || o.content.len > OUTGOING_CONTENT_MAX
	             : !frame_get(f, "address", &o.address) || !is_sendable(o.address) ||
	               (frame_get_flag(f, "edited") && !r->n_edited))
		return fault_set(why, FAULT_INPUT, "malformed report");
	if (!o.answer && frame_get_flag(f, "edited"))
		o.edited = r->n_edited;
	if (o.notice && take_notice_recipients(t, f, &o, why) < 0)
		return -1;
	o.address = arena_span(t->arena, o.address);
	o.content = arena_span(t->arena, o.content);
	r->outgoing[r->n_outgoing++] = o;
	return 0;
}

/* A header comes in pieces; redirects that name it follow. */
static int
hear_edited(struct errand_talk *t, struct frame *f, struct fault *why)
{
	struct errand_result *r = t->result;
	struct edited        *e = r->n_edited ? &r->edited[r->n_edited - 1] : NULL;
	struct span           piece = SPAN_NONE;
	int64_t               lines = 0;

	if (!e || !e->open) {
		if (!t->errand->filtered || t->errand->kind != ERRAND_MAILDIR || r->n_edited == EDITED_MAX)
			return fault_set(why, FAULT_INPUT, "malformed report");
		e = &r->edited[r->n_edited++];
		e->open = true;
	}
	if (!frame_get(f, "header", &piece) || !frame_get_number(f, "lines", &lines) || lines < 0 ||
	    e->header.len + piece.len > EDITED_HEADER_MAX)
		return fault_set(why, FAULT_INPUT, "malformed report");
	text_add(&e->header, piece);
	e->lines = lines;
	e->open = frame_get_flag(f, "more");
	return 0;
}

static int
hear_user_log(struct errand_talk *t, struct frame *f, struct fault *why)
{
	struct span text = SPAN_NONE;

	if (!t->errand->filtered || t->result->user_log.len || !frame_get(f, "text", &text) || text.len > 2000)
		return fault_set(why, FAULT_INPUT, "malformed report");
	t->result->user_log = arena_span(t->arena, text);
	return 0;
}

static int
hear(void *context, struct frame *f, struct fault *why)
{
	struct errand_talk *t = context;
	struct span         text = SPAN_NONE;
	int64_t             faulty = 0;

	if (t->over)
		return fault_set(why, FAULT_INPUT, "report after the end");
	if (frame_is(f, "member"))
		return hear_member(t, f, why);
	if (frame_is(f, "warning")) {
		frame_get(f, "text", &text);
		log_warning("%.*s", SPAN_ARGS(text));
		return 0;
	}
	if (frame_is(f, "redirect") || frame_is(f, "answer") || frame_is(f, "notice"))
		return hear_outgoing(t, f, why);
	if (frame_is(f, "edited"))
		return hear_edited(t, f, why);
	if (frame_is(f, "user_log"))
		return hear_user_log(t, f, why);
	t->over = true;
	if (frame_is(f, "list")) {
		t->result->has_list = true;
		if (frame_get_number(f, "faulty", &faulty) && faulty > 0)
			log_warning("list of %s: %lld members make no sense", t->errand->user,
				(long long)faulty);
		return 0;
	}
	if (!frame_is(f, "status"))
		return fault_set(why, FAULT_INPUT, "malformed report");
	if (outcome_take(f, &t->result->outcome, why) < 0)
		return -1;
	return frame_get_flag(f, "stays") ? 1 : 0;
}

void
errand_result_free(struct errand_result *r)
{
	for (size_t i = 0; i < r->n_edited; i++)
		text_free(&r->edited[i].header);
	r->n_edited = 0;
}

void
errand_run(const struct errand *e, struct arena *arena, struct errand_result *result)
{
	struct errand_talk      t = {.errand = e, .arena = arena, .result = result};
	bool                    needs = e->kind != ERRAND_LOOK || e->loop_address.len;
	const struct worker_job job = {.who = &e->who,
		.root = e->root,
		.feed = needs ? e->content : NULL,
		.programs = e->kind == ERRAND_MAILDIR && e->filtered && programs_are_there(),
		.user = e->user,
		.home = e->home ? e->home : "",
		.work = work,
		.hear = hear,
		.context = &t,
		.limit_ms = MAILBOX_MS + (e->kind == ERRAND_COMMAND ? e->limit_ms : e->filtered ? sieve_programs_time() : 0)};
	struct fault            why = {0};

	*result = (struct errand_result){0};
	/* A whole report counts even when the child then dies: what is delivered is delivered. */
	if (kept_run(e, &job, &why) == 0 || t.over) {
		if (result->user_log.len)
			filter_log(e, result->user_log);
		if (t.over)
			return;
		fault_set(&why, FAULT_PEER, "delivery process gave no report");
	}
	outcome_set(&result->outcome, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&why));
}
