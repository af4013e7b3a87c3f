/* SPDX-License-Identifier: ISC */
/*
 * filter.c - in the recipient's child: his Sieve scripts say where a message goes
 *
 * In this order: the scripts are read; the child is confined to the Maildir (and may read the
 * directories that include looks in); only then is anything parsed.  The message is written to
 * tmp/ as always, looked at there, and stored: into folders first, INBOX last, each with the name that
 * tells a second try.  What is to be sent is reported after all is stored, and sent by the parent.
 *
 * A script in error keeps the message (RFC 5228, 2.10.6); a disk that is full, or a script that
 * cannot be read just now, defers it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/site.h"
#include "local/errand.h"
#include "local/filter_mailbox.h"
#include "local/memory.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/line.h"
#include "mail/message_id.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "sieve/settings.h"
#include "sieve/sieve.h"
#include "store/folder.h"
#include "store/maildir.h"
#include "store/quota.h"
#include "store/subscriptions.h"
#include "store/tree.h"

enum { SCRIPTS_MAX = 64, REASON_MAX = 500, HEADERS_LOOKED_AT = 5000, REDIRECTED_MAX = 5 };

struct source { const char *name; struct span text; bool global; };

struct filter {
	struct worker           *worker;
	const struct errand     *e;
	struct maildir          *maildir;
	struct arena            *arena;
	struct sieve_user        user;
	struct sieve_place       place;
	const char              *global;          /* or NULL */
	struct source            sources[SCRIPTS_MAX];
	size_t                   n_sources;
	struct maildir_delivery *spool;
	struct span              message;         /* mapped */
	struct memory           *memory;          /* what was answered, and seen */
	struct text              done;            /* for the log */
	struct text              trouble;         /* for the user's log */
	const struct sieve_message *told_edited;  /* the last one */
	struct filter_mailboxes  mailboxes;
	int                      notices;
	bool                     is_global;       /* what is read now */
};

/* What is wrong with a script: told to the user, and to the log. */
static void
complain(struct filter *f, const char *script, const char *what)
{
	autoframe struct frame told = {0};
	const char            *slash = strrchr(script, '/');

	text_add_format(&f->trouble, "%s: error: %.300s.\n", slash ? slash + 1 : script, what);
	frame_start(&told, "warning");
	frame_put_string(&told, "text", arena_format(f->arena, "sieve: user=<%s>: %.200s: %.300s", f->e->user, script, what));
	worker_tell(f->worker, &told);
}

/* Scripts, before the sandbox closes. */

static int
add_source(struct filter *f, const char *path, struct fault *why)
{
	autotext struct text text = {0};
	int                  got = sieve_read(path, &text, why);

	if (got != 0)
		return got;
	if (f->n_sources == SCRIPTS_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d scripts", SCRIPTS_MAX);
	f->sources[f->n_sources++] = (struct source){arena_string(f->arena, span_of(path)), arena_span(f->arena, text_span(&text)), f->is_global};
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A directory: its *.sieve in the order of their names. */
static int
add_directory(struct filter *f, const char *path, struct fault *why)
{
	char          *names[SCRIPTS_MAX];
	size_t         count = 0;
	DIR           *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return fault_errno(why, "%s", path);
	while ((entry = readdir(dir)) && count < SCRIPTS_MAX)
		if (entry->d_name[0] != '.' && span_ends(span_of(entry->d_name), ".sieve"))
			names[count++] = arena_format(f->arena, "%s/%s", path, entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count; i++)
		if (add_source(f, names[i], why) < 0)
			return -1;
	return 0;
}

static int
expand(struct filter *f, struct span setting, const char **path, struct fault *why)
{
	autotext struct text out = {0};

	if (sieve_expand(setting, &f->user, &out, why) < 0)
		return -1;
	*path = arena_string(f->arena, text_span(&out));
	return 0;
}

static int
add_configured(struct filter *f, const struct list *list, struct fault *why)
{
	for (size_t i = 0; i < list->count; i++) {
		struct span item = span_of(list->item[i]);
		const char *path;
		struct stat st;

		if (span_starts(item, "file:"))
			item = span_from(item, 5);
		if (expand(f, item, &path, why) < 0)
			return -1;
		if (stat(path, &st) < 0)           /* Pigeonhole passes over what is not there */
			continue;
		if ((S_ISDIR(st.st_mode) ? add_directory(f, path, why) : add_source(f, path, why)) < 0)
			return -1;
	}
	return 0;
}

static int
read_scripts(struct filter *f, struct fault *why)
{
	int got = 1;

	if (sieve_place(&f->user, &f->place, why) < 0)
		return -1;
	if (!f->place.active.len)
		return 0;
	if (sieve_settings.global[0] && expand(f, span_of(sieve_settings.global), &f->global, why) < 0)
		return -1;
	f->is_global = true;
	if (add_configured(f, &sieve_settings.before, why) < 0)
		return -1;
	f->is_global = false;
	got = add_source(f, text_string(&f->place.active), why);
	/* what he may not read himself, or is no script: an error of his, which keeps the mail */
	if (got < 0 && (why->class == FAULT_INPUT || why->error == EACCES || why->error == EPERM || why->error == ELOOP)) {
		complain(f, text_string(&f->place.active), fault_text(why));
		fault_clear(why);
		return 0;
	}
	if (got < 0)
		return -1;
	if (got == 1 && f->place.fallback.len && add_source(f, text_string(&f->place.fallback), why) < 0)
		return -1;
	f->is_global = true;
	return add_configured(f, &sieve_settings.after, why);
}

static int
confine(struct filter *f, struct fault *why)
{
	const char    *reads[4] = {f->e->directory}, *const writes[] = {f->e->directory, NULL};
	struct sandbox box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = reads, .writes = writes};
	size_t         n = 1;

	if (f->place.directory.len && access(text_string(&f->place.directory), R_OK) == 0)
		reads[n++] = text_string(&f->place.directory);
	if (f->global && access(f->global, R_OK) == 0)
		reads[n++] = f->global;
	return sandbox_close(&box, why);
}

static int
load_included(void *context, bool global, struct span name, struct text *out, struct fault *why)
{
	struct filter *f = context;
	const char    *directory = global ? f->global : text_string(&f->place.directory);

	if (!directory || !directory[0] || !sieve_name_valid(name))
		return 1;
	return sieve_read(arena_format(f->arena, "%s/%.*s.sieve", directory, SPAN_ARGS(name)), out, why);
}

/* The message in tmp/. */

static int
add_to_spool(void *delivery, struct span s, struct fault *why)
{
	return maildir_delivery_add(delivery, s, why);
}

static int
spool(struct filter *f, struct fault *why)
{
	struct line_unix lines;
	struct stat      st;
	int              fd;
	void            *at;

	line_unix_start(&lines, false);
	if (maildir_delivery_start(f->maildir, "", &f->spool, why) < 0 ||
	    errand_content(f->worker, f->e, &lines, add_to_spool, f->spool, why) < 0 ||
	    maildir_delivery_file(f->spool, &fd, why) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return fault_errno(why, "stat");
	f->message = SPAN_NONE;
	if (st.st_size == 0)
		return 0;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return fault_errno(why, "map the message");
	f->message = span_at(at, (size_t)st.st_size);
	return 0;
}

static bool
mailbox_exists(void *context, struct span name)
{
	struct filter *f = context;
	const char    *folder;

	return mailbox_by_name(&f->mailboxes, name, &folder, NULL) == 0 && tree_exists(f->maildir, folder);
}

static bool
special_use_exists(void *context, const struct span *mailbox, struct span use)
{
	struct filter *f = context;
	const char    *folder;

	if (!mailbox)
		return mailbox_by_use(&f->mailboxes, use, &folder);
	return mailbox_by_name(&f->mailboxes, *mailbox, &folder, NULL) == 0 && mailbox_has_use(&f->mailboxes, folder, use);
}

static bool
mailbox_id_exists(void *context, struct span id)
{
	const char *folder;

	return mailbox_by_id(&((struct filter *)context)->mailboxes, id, &folder);
}

static bool
find_metadata(void *context, const struct span *mailbox, struct span entry, struct span *value)
{
	struct filter *f = context;
	const char    *folder = NULL;

	if (mailbox && (mailbox_by_name(&f->mailboxes, *mailbox, &folder, NULL) < 0 || !tree_exists(f->maildir, folder)))
		return false;
	return mailbox_metadata(&f->mailboxes, folder, entry, value);
}

/* That it was this delivery that marked the key, on a try before. */
static void
add_own_key(const struct filter *f, struct span key, struct text *out)
{
	text_add(out, SPAN("by "));
	text_add(out, f->e->same_message.len ? f->e->same_message : f->e->queue_id);
	text_add_byte(out, '\0');
	text_add(out, f->e->recipient);
	text_add_byte(out, '\0');
	text_add(out, key);
}

/* A message is no duplicate of itself: what was deferred (the queue was full, say) comes again, and
 * must not be discarded then (RFC 7352, 3). */
static bool
is_known(void *context, struct span key)
{
	const struct filter *f = context;
	autotext struct text own = {0};

	add_own_key(f, key, &own);
	return memory_has(f->memory, key) && !memory_has(f->memory, text_span(&own));
}

static void
mark(struct filter *f, const struct sieve_mark *m)
{
	autotext struct text own = {0};

	add_own_key(f, m->key, &own);
	if (!is_known(f, m->key))
		memory_add(f->memory, text_span(&own), m->seconds, NULL);
	memory_add(f->memory, m->key, m->seconds, NULL);
}

static bool
out_of_time(void *context)
{
	struct timespec t;

	(void)context;
	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 &&
		t.tv_sec * 1000 + t.tv_nsec / 1000000 > sieve_settings.cpu_ms;
}

/* Stores. */

static int
set_flags(struct filter *f, const char *folder, struct span name, struct span flags, struct fault *why)
{
	static const struct { const char *name; unsigned flag; } known[] = {
		{"\\Seen", MESSAGE_SEEN}, {"\\Answered", MESSAGE_ANSWERED}, {"\\Flagged", MESSAGE_FLAGGED},
		{"\\Deleted", MESSAGE_DELETED}, {"\\Draft", MESSAGE_DRAFT},
	};
	struct folder     *open = NULL;
	struct flag_change change = {.kind = FLAGS_ADD};
	struct file_name   base;
	struct span        word;
	int                done = -1, number;

	if (folder_open(f->maildir, folder, 0, &open, why) < 0)
		return -1;
	while (span_next(&flags, " ", &word)) {
		bool is_system = false;

		for (size_t i = 0; i < COUNT(known); i++)
			if (span_is_nocase(word, known[i].name)) {
				change.flags |= known[i].flag;
				is_system = true;
			}
		if (!is_system && folder_keyword(open, word, true, &number, why) == 0 && number >= 0)
			change.keywords |= 1ull << number;
	}
	file_name_parse(name, &base);
	for (size_t i = open->count; i-- > 0 && done < 0;) {
		uint32_t uid = open->messages[i].uid;

		if (span_equal(message_base(&open->messages[i]), base.base))
			done = folder_store(open, &uid, 1, &change, true, why);
	}
	folder_close(open);
	return done < 0 ? done : 0;
}

static int
store(struct filter *f, const char *folder, struct maildir_delivery *d, int64_t size, struct span flags, bool *duplicate, struct fault *why)
{
	struct maildir_message   message = {.queue_id = f->e->queue_id, .recipient = f->e->recipient,
		.arrived = f->e->arrived, .first_try = f->e->first_try};
	struct maildir_delivered done = {0};
	struct fault             trouble = {0};

	if (quota_check(f->e->quota, f->maildir, folder, size, 1, size, QUOTA_DELIVERING, why) < 0) {
		maildir_delivery_abort(d);
		return -1;
	}
	if (maildir_delivery_finish(d, &message, &done, why) < 0)
		return -1;
	/* it is stored: flags that cannot be set are no reason to store it again */
	if (flags.len && set_flags(f, folder, text_span(&done.name), flags, &trouble) < 0 && trouble.reason[0])
		complain(f, "flags", fault_text(&trouble));
	*duplicate = *duplicate || done.duplicate;
	text_free(&done.name);
	return 0;
}

/* The message as it came, or as the script has edited it. */
static int
copy_to_folder(struct filter *f, const char *folder, const struct sieve_action *a, bool *duplicate, struct fault *why)
{
	struct maildir_delivery *d;
	autotext struct text     header = {0};
	struct span              pieces[2];

	if (a->message)
		sieve_message_header(a->message, SPAN_NONE, &header);
	pieces[0] = text_span(&header);
	pieces[1] = a->message ? a->message->body : f->message;
	if (maildir_delivery_start(f->maildir, folder, &d, why) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(pieces); i++)
		for (size_t at = 0; at < pieces[i].len; at += 65536)
			if (maildir_delivery_add(d, span_first(span_from(pieces[i], at), 65536), why) < 0) {
				maildir_delivery_abort(d);
				return -1;
			}
	return store(f, folder, d, (int64_t)(pieces[0].len + pieces[1].len), a->flags, duplicate, why);
}

/* Where it goes: by id, by use, by name.  0; 1 there is no such mailbox, or none can be; -1 not now. */
static int
find_folder(struct filter *f, const struct sieve_action *a, const char **folder, struct fault *why)
{
	struct fault trouble = {0};
	bool         found;

	if ((a->mailbox_id.len && mailbox_by_id(&f->mailboxes, a->mailbox_id, folder)) ||
	    (a->special_use.len && mailbox_by_use(&f->mailboxes, a->special_use, folder)))
		return 0;
	if (mailbox_by_name(&f->mailboxes, a->target, folder, why) < 0)
		return 1;
	if (tree_exists(f->maildir, *folder))
		return 0;
	if (!a->create && !sieve_settings.autocreate) {
		fault_set(why, FAULT_INPUT, "failed to store into mailbox '%.*s': Mailbox doesn't exist", SPAN_ARGS(a->target));
		return 1;
	}
	if (maildir_folder_create(f->maildir, *folder, why) < 0 && why->error != EEXIST)
		return -1;
	fault_clear(why);
	if (a->create && a->special_use.len && mailbox_set_use(&f->mailboxes, *folder, a->special_use, &trouble) < 0)
		complain(f, "special use", fault_text(&trouble));      /* RFC 8579, 4.1: no reason to refuse the message */
	if (sieve_settings.autosubscribe)
		subscriptions_change(f->maildir, span_of(*folder), true, &found, NULL);
	return 0;
}

/* Folders, then INBOX: 0, -1 not now. */
static int
store_all(struct filter *f, struct sieve_result *r, const char *script, bool *duplicate, struct fault *why)
{
	const struct sieve_action as_it_came = {.kind = SIEVE_KEEP, .flags = SPAN_NONE}, *keep = NULL;

	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];
		const char                *folder = "";
		int                        got = a->kind == SIEVE_FILEINTO ? find_folder(f, a, &folder, why) : 0;

		if (a->kind != SIEVE_KEEP && a->kind != SIEVE_FILEINTO)
			continue;
		if (got < 0)
			return -1;
		if (got == 1) {
			complain(f, script, fault_text(why));
			fault_clear(why);
			if (!keep)
				keep = &as_it_came;
		} else if (!folder[0]) {
			keep = a;
		} else {
			if (copy_to_folder(f, folder, a, duplicate, why) < 0)
				return -1;
			text_add_format(&f->done, "%sstored mail into mailbox '%.*s'", f->done.len ? ", " : "",
				SPAN_ARGS(span_first(a->target, 100)));
		}
	}
	if (!keep)
		return 0;
	if (keep->message ? copy_to_folder(f, "", keep, duplicate, why) < 0
	                  : store(f, "", take(f->spool), (int64_t)f->message.len, keep->flags, duplicate, why) < 0)
		return -1;
	if (f->done.len)
		text_add_string(&f->done, ", stored mail into mailbox 'INBOX'");
	return 0;
}

/* What is to be sent, for the parent. */

/* On top of what the filter sends by itself: all that makes it a message. */
static void
add_head(struct filter *f, const char *what, struct text *out)
{
	int64_t now = clock_wall() / 1000000;

	text_add_string(out, "Message-ID: ");
	message_id_make(now, span_of(arena_format(f->arena, "%.*s.%s", SPAN_ARGS(f->e->queue_id), what)), span_of(site.myhostname), out);
	text_add_string(out, "\r\nDate: ");
	date_add(date_local(now), out);
	text_add_string(out, "\r\n");
}

/* RFC 8580: it is sent whether or not the copy can be stored. */
static void
store_copy(struct filter *f, const struct sieve_action *a, struct span content)
{
	struct maildir_delivery  *d = NULL;
	struct maildir_delivered  done = {0};
	const struct maildir_message message = {.queue_id = SPAN_NONE, .recipient = SPAN_NONE, .arrived = clock_wall(), .first_try = true};
	autotext struct text      plain = {0};
	struct span               line;
	const char               *folder = "";
	struct fault              why = {0};
	int                       got;

	while (content.len) {
		span_split(&content, '\n', &line);
		if (span_ends(line, "\r"))
			line.len--;
		text_add(&plain, line);
		text_add_byte(&plain, '\n');
	}
	got = find_folder(f, a, &folder, &why);
	if (got == 0)
		got = quota_check(f->e->quota, f->maildir, folder, (int64_t)plain.len, 1, (int64_t)plain.len, QUOTA_DELIVERING, &why);
	if (got == 0)
		got = maildir_delivery_start(f->maildir, folder, &d, &why);
	if (got == 0 && maildir_delivery_add(d, text_span(&plain), &why) < 0) {
		maildir_delivery_abort(d);
		got = -1;
	} else if (got == 0) {
		got = maildir_delivery_finish(d, &message, &done, &why);
	}
	if (got == 0 && a->flags.len)
		got = set_flags(f, folder, text_span(&done.name), a->flags, &why);
	if (got != 0)
		complain(f, "fcc", fault_text(&why));
	text_free(&done.name);
}

static void
tell_answer(struct filter *f, const struct sieve_host *host, const struct sieve_action *a)
{
	autoframe struct frame told = {0};
	autotext struct text   content = {0}, key = {0};
	const char            *reason;

	add_head(f, "vacation", &content);
	if (!sieve_vacation_answer(host, a->vacation, &content, &key, &reason) || content.len > OUTGOING_CONTENT_MAX)
		return;
	/* remembered first: rather no answer than two (RFC 5230, 4.2) */
	if (memory_has(f->memory, text_span(&key)) || memory_add(f->memory, text_span(&key), a->vacation->seconds, NULL) < 0)
		return;
	frame_start(&told, "answer");
	frame_put(&told, "content", text_span(&content));
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%ssent vacation response", f->done.len ? ", " : "");
	if (a->vacation->fcc)
		store_copy(f, a->vacation->fcc, text_span(&content));
}

/* The header of an edited message, in pieces; the parent has the body.  It is redirected without what was put on top for
 * this mailbox. */
static void
tell_edited(struct filter *f, const struct sieve_message *m)
{
	autotext struct text header = {0}, wire = {0};
	struct span          came = span_from(f->message, f->e->prefix.len), rest, line;
	int64_t              lines = 0;

	came = span_first(came, header_body_offset(came, NULL));
	for (size_t i = 0; i < came.len; i++)
		lines += came.at[i] == '\n';
	sieve_message_header(m, span_first(f->message, f->e->prefix.len), &header);
	for (rest = text_span(&header); rest.len;) {
		span_split(&rest, '\n', &line);
		text_add(&wire, line);
		text_add(&wire, SPAN("\r\n"));
	}
	for (rest = text_span(&wire); rest.len; rest = span_from(rest, EDITED_PIECE)) {
		autoframe struct frame told = {0};

		frame_start(&told, "edited");
		frame_put(&told, "header", span_first(rest, EDITED_PIECE));
		frame_put_number(&told, "lines", lines);
		frame_put_flag(&told, "more", rest.len > EDITED_PIECE);
		worker_tell(f->worker, &told);
	}
}

static void
tell_redirect(struct filter *f, const struct sieve_action *a)
{
	autoframe struct frame told = {0};

	if (a->message && a->message != f->told_edited) {
		tell_edited(f, a->message);
		f->told_edited = a->message;
	}
	frame_start(&told, "redirect");
	frame_put(&told, "address", a->target);
	frame_put_flag(&told, "edited", a->message);
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%sforwarded to <%.*s>", f->done.len ? ", " : "", SPAN_ARGS(a->target));
}

static void
tell_notice(struct filter *f, const struct sieve_host *host, const struct sieve_notice *n)
{
	autoframe struct frame told = {0};
	autotext struct text   content = {0};
	const char            *reason;

	add_head(f, arena_format(f->arena, "notice%d", ++f->notices), &content);
	if (!sieve_notice_mail(host, n, &content, &reason) || content.len > OUTGOING_CONTENT_MAX)
		return;
	frame_start(&told, "notice");
	frame_put(&told, "content", text_span(&content));
	for (size_t i = 0; i < n->n_to; i++)
		frame_put(&told, "to", n->to[i]);
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%ssent notification", f->done.len ? ", " : "");
	if (n->fcc)
		store_copy(f, n->fcc, text_span(&content));
}

static void
tell_all(struct filter *f, const struct sieve_host *host, const struct sieve_result *r, struct outcome *o)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];

		if (a->kind == SIEVE_VACATION) {
			tell_answer(f, host, a);
		} else if (a->kind == SIEVE_NOTIFY) {
			tell_notice(f, host, a->notice);
		} else if (a->kind == SIEVE_REDIRECT) {
			tell_redirect(f, a);
		} else if (a->kind == SIEVE_REJECT) {
			char *reason = arena_string(f->arena, span_first(span_trim(a->target), REASON_MAX));

			for (char *p = reason; *p; p++)
				if ((unsigned char)*p < ' ' || *p == 127)
					*p = ' ';
			outcome_set(o, DELIVER_BOUNCED, "5.7.1", "Rejected by recipient: %s", reason);
		}
	}
	for (size_t i = 0; i < r->n_marks; i++)
		mark(f, &r->marks[i]);
}

static void
tell_trouble(struct filter *f)
{
	autoframe struct frame told = {0};

	if (!f->trouble.len)
		return;
	frame_start(&told, "user_log");
	frame_put(&told, "text", span_first(text_span(&f->trouble), 2000));
	worker_tell(f->worker, &told);
}

/* The whole. */

void
filter_prepare(void)
{
	if (!sieve_settings.location[0])
		return;
	sieve_settings_check();
	charset_prepare();
	date_local(0);                 /* the zone is read once */
}

static int
compile(struct filter *f, const struct sieve_limits *limits, struct sieve_script **scripts, size_t *count, struct fault *why)
{
	const struct sieve_loader loader = {f, load_included};
	struct sieve_limits       global = *limits;

	global.extensions |= global.global_extensions;
	for (size_t i = 0; i < f->n_sources; i++) {
		if (sieve_compile(f->arena, f->sources[i].text, f->sources[i].name, &loader, f->sources[i].global ? &global : limits, &scripts[*count], why) == 0) {
			++*count;
			continue;
		}
		if (why->class == FAULT_SYSTEM || why->class == FAULT_TIME)
			return -1;
		complain(f, f->sources[i].name, fault_text(why));
		fault_clear(why);
		break;                         /* what follows it would not have run either: the message is kept */
	}
	return 0;
}

/*
 * Each redirect leaves its mark (outgoing.c).  A script that sends to other details of its own
 * address would multiply a message at every hop, and Delivered-To: does not stop it: each address is new.
 */
static int
redirected_times(const struct filter *f)
{
	struct header_field field;
	size_t              at = 0;
	int                 marks = 0;

	for (int i = 0; i < HEADERS_LOOKED_AT && header_next(f->message, &at, &field); i++)
		marks += span_is_nocase(field.name, "X-Sieve-Redirected-From");
	return marks;
}

static int
run(struct filter *f, struct outcome *o, struct fault *why)
{
	struct sieve_script *scripts[SCRIPTS_MAX];
	struct sieve_limits  limits;
	struct sieve_result  result;
	size_t               count = 0;
	bool                 duplicate = false;
	int                  marks;
	autotext struct text email = {0};

	sieve_settings_limits(&limits);
	if (spool(f, why) < 0 || compile(f, &limits, scripts, &count, why) < 0)
		return -1;
	marks = redirected_times(f);
	if (marks >= REDIRECTED_MAX)
		limits.redirects = 0;          /* an error of the script, which keeps the message */
	limits.notices = marks < SIEVE_NOTICES_MOST ? (size_t)(SIEVE_NOTICES_MOST - marks) : 0;
	memory_open(maildir_root(f->maildir), &f->memory);
	if (sieve_settings.user_email[0] && sieve_expand(span_of(sieve_settings.user_email), &f->user, &email, why) < 0)
		return -1;
	const struct sieve_host host = {.context = f, .message = f->message, .sender = f->e->sender,
		.recipient = f->e->recipient, .original = f->e->original, .auth = f->e->auth,
		.delimiters = span_of(site.recipient_delimiter), .host_name = site.myhostname, .domain = site.mydomain,
		.now = clock_wall() / 1000000, .mailbox_exists = mailbox_exists,
		.special_use_exists = special_use_exists, .mailbox_id_exists = mailbox_id_exists, .metadata = find_metadata,
		.user = span_of(f->e->user), .user_email = text_span(&email), .vacation_any_recipient = sieve_settings.vacation_any_recipient, .is_known = is_known, .out_of_time = out_of_time};

	sieve_run(f->arena, (const struct sieve_script *const *)scripts, count, &limits, &host, &result);
	for (size_t i = 0; i < result.n_notes; i++)
		text_add_format(&f->trouble, "line %u: %s.\n", result.notes[i].line, result.notes[i].text);
	if (result.failed)
		complain(f, result.failed, fault_text(&result.why));
	if (store_all(f, &result, count ? f->sources[count - 1].name : "script", &duplicate, why) < 0)
		return -1;
	if (result.count == 0)
		text_add_string(&f->done, "marked message to be discarded if not explicitly delivered (discard action)");
	outcome_set(o, DELIVER_SENT, "2.0.0", "%s", f->e->done);
	tell_all(f, &host, &result, o);
	if (o->action == DELIVER_SENT)
		outcome_set(o, DELIVER_SENT, "2.0.0", "%s%s%s", f->done.len ? "sieve: " : f->e->done,
			text_string(&f->done), duplicate ? ", possible duplicate" : "");
	return 0;
}

int
filter_work(struct worker *w, const struct errand *e, struct maildir *m, struct outcome *o)
{
	autofree struct filter *f = mem_alloc(sizeof *f);
	struct fault            why = {0};
	int                     done;

	*f = (struct filter){.worker = w, .e = e, .maildir = m, .arena = arena_new(),
		.user = {span_of(e->user), span_of(e->home)}};
	f->mailboxes = (struct filter_mailboxes){.maildir = m, .arena = f->arena};
	done = read_scripts(f, &why);
	if (done == 0 && f->n_sources == 0) {
		tell_trouble(f);
		text_free(&f->trouble);
		arena_free(f->arena);
		sieve_place_free(&f->place);
		return 1;
	}
	if (done < 0 || confine(f, &why) < 0 || run(f, o, &why) < 0)
		outcome_of_fault(o, &why, arena_format(f->arena, "maildir delivery failed: %s", e->shown));
	tell_trouble(f);
	maildir_delivery_abort(f->spool);
	memory_close(f->memory);
	mailboxes_free(&f->mailboxes);
	if (f->message.len)
		munmap((void *)(uintptr_t)f->message.at, f->message.len);
	sieve_place_free(&f->place);
	text_free(&f->done);
	text_free(&f->trouble);
	arena_free(f->arena);
	return 0;
}
