/* SPDX-License-Identifier: ISC */
/*
 * postcat.c - shows a queue file: envelope, header, body
 *
 * Ours, not Postfix's: those are for `postern import-queue`.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "cmd/queue_view.h"
#include "config/site.h"
#include "mail/header.h"
#include "queue/maildrop.h"

enum {
	SHOW_ENVELOPE = 1,
	SHOW_HEADER = 2,
	SHOW_BODY = 4,
	SHOW_ALL = 7,
	PORTION = 65536
};

/*
 * Types as Postfix numbers them, for -d. Offsets (-o) are those of our files: a content line's and a
 * recipient's own, an attribute's that of the envelope.
 */
enum {
	AN_ATTRIBUTE = 'A', A_SIZE = 'C', A_TIME = 'T', A_FILTER = 'L', A_REDIRECT = '>', A_SENDER = 'S', A_NAME = 'F',
	A_RECIPIENT = 'R', A_DONE = 'D', AN_ORIGINAL = 'O', A_BEGIN = 'M', A_LINE = 'N', AN_EXTRACT = 'X', AN_END = 'E',
};

static struct {
	int     show;
	bool    types, offsets, file_order;
	int64_t from;
} cat;

/* The columns in front of a record; false when it is not asked for. */
static bool
begins(int64_t at, int type, int part)
{
	if (!(cat.show & part) || at < cat.from)
		return false;
	if (cat.offsets)
		printf("%9" PRId64 " ", at);
	if (cat.types)
		printf("%3d ", type);
	return true;
}

static void
mark(int64_t at, int type, const char *what, const char *name)
{
	if (begins(at, type, SHOW_ENVELOPE))
		printf("*** %s %s ***\n", what, name);
}

/* ---- envelope ---- */

static void
show_attribute(int64_t at, const char *name, struct span value)
{
	if (value.len && begins(at, AN_ATTRIBUTE, SHOW_ENVELOPE))
		printf("named_attribute: %s=%.*s\n", name, SPAN_ARGS(value));
}

static void
show_time(int64_t at, const char *name, int64_t us)
{
	time_t    seconds = (time_t)(us / 1000000);
	struct tm local;
	char      when[60] = "";

	if (localtime_r(&seconds, &local))
		strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", &local);
	if (begins(at, A_TIME, SHOW_ENVELOPE))
		printf("%s: %s\n", name, when);
}

static void
show_rcpt(const struct queue_rcpt *r)
{
	bool todo = r->state == RCPT_TODO;

	show_attribute(r->at, "dsn_orig_rcpt", r->orcpt);
	if (r->notify && begins(r->at, AN_ATTRIBUTE, SHOW_ENVELOPE))
		printf("named_attribute: notify_flags=%d\n", r->notify);
	if (r->original.len && begins(r->at, AN_ORIGINAL, SHOW_ENVELOPE))
		printf("original_recipient: %.*s\n", SPAN_ARGS(r->original));
	if (begins(r->at, todo ? A_RECIPIENT : A_DONE, SHOW_ENVELOPE))
		printf("%s: %.*s\n", todo ? "recipient" : "done_recipient", SPAN_ARGS(r->address));
}

static void
show_rcpts(struct queue_file *f)
{
	int64_t      at = queue_file_rcpt_first(f);
	struct fault why = {0};

	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;

		if (queue_file_rcpt(f, at, arena, &r, &why) != 1)
			break;
		at = r.next;
		show_rcpt(&r);
	}
}

static void
show_journal(struct queue_file *f)
{
	autoarena struct arena *arena = arena_new();
	struct queue_event      e;
	int64_t                 at = 0, began;

	while (began = at, queue_journal_next(f, &at, arena, &e, NULL) == 1)
		if (begins(began ? began : queue_file_journal_first(f), e.kind, SHOW_ENVELOPE))
			printf("journal: %c recipient_at=%" PRId64 " when=%" PRId64 " number=%" PRId64
			       " dsn=%.*s %.*s\n",
			       (char)e.kind, e.rcpt_at, e.when_us / 1000000, e.number, SPAN_ARGS(e.dsn),
			       SPAN_ARGS(e.text));
}

static void
show_envelope(struct queue_file *f)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	int64_t                      at = queue_file_envelope_at(f);

	if (begins(at, A_SIZE, SHOW_ENVELOPE))
		printf("message_size: %" PRId64 " %" PRId64 "\n", e->content.size, queue_file_rcpt_count(f));
	show_time(at, "message_arrival_time", e->arrival_us);
	show_attribute(at, "origin", e->origin);
	show_attribute(at, "client_name", e->client_name);
	show_attribute(at, "client_address", e->client_address);
	show_attribute(at, "client_port", e->client_port);
	show_attribute(at, "protocol_name", e->protocol);
	show_attribute(at, "helo_name", e->helo);
	show_attribute(at, "sasl_method", e->sasl_method);
	show_attribute(at, "sasl_username", e->sasl_user);
	show_attribute(at, "envelope_id", e->envid);
	show_attribute(at, "ret_flags", e->ret);
	show_attribute(at, "encoding", e->body);
	show_attribute(at, "smtputf8", e->smtputf8 ? SPAN("yes") : SPAN_NONE);
	show_attribute(at, "forced_expire", queue_file_expired(f) ? SPAN("yes") : SPAN_NONE);
	if (e->filter.len && begins(at, A_FILTER, SHOW_ENVELOPE))
		printf("content_filter: %.*s\n", SPAN_ARGS(e->filter));
	if (e->redirect.len && begins(at, A_REDIRECT, SHOW_ENVELOPE))
		printf("redirect_to: %.*s\n", SPAN_ARGS(e->redirect));
	if (begins(at, A_SENDER, SHOW_ENVELOPE))
		printf("sender: %.*s\n", SPAN_ARGS(e->sender));
	show_rcpts(f);
	show_journal(f);
}

/* ---- content ---- */

/* Content comes in portions; lines of it go out. */
struct lines {
	struct text line;
	int64_t     at;             /* of the line, in the file */
	bool        body, begun;
};

static void
put_line(struct lines *l, bool ended)
{
	struct span line = text_span(&l->line);

	if (span_ends(line, "\r") && ended)
		line.len--;
	if (!l->body && !header_line_is_field(line) && !(l->begun && line.len && (line.at[0] == ' ' || line.at[0] == '\t')))
		l->body = true;
	l->begun = true;
	if (begins(l->at, A_LINE, l->body ? SHOW_BODY : SHOW_HEADER)) {
		fwrite(line.at, 1, line.len, stdout);
		if (ended)
			putchar('\n');
	}
	text_clear(&l->line);
}

static void
take_portion(struct lines *l, int64_t at, struct span s)
{
	struct span part;

	while (s.len) {
		const char *from = s.at;
		bool        ended = span_split(&s, '\n', &part);

		if (l->line.len == 0)
			l->at = at;
		text_add(&l->line, part);
		if (ended)
			put_line(l, true);
		at += s.len ? s.at - from : 0;
	}
}

/* Where the byte at this position of the content lies in the file. */
static int64_t
place_of(const struct message_content *c, int64_t position)
{
	for (size_t i = 0; i < c->n_pieces; i++) {
		if (position < c->pieces[i].len)
			return c->pieces[i].at + position;
		position -= c->pieces[i].len;
	}
	return -1;
}

static int
show_content(const struct message_content *c, struct fault *why)
{
	autotext struct text part = {0};
	struct lines         l = {0};
	int64_t              position = 0, before;

	for (;;) {
		before = position;
		if (message_read(c, &position, PORTION, &part, why) < 0)
			return -1;
		if (part.len == 0 || (l.body && !(cat.show & SHOW_BODY)))
			break;
		take_portion(&l, place_of(c, before), text_span(&part));
	}
	if (l.line.len)
		put_line(&l, false);
	text_free(&l.line);
	return 0;
}

/* -r: all that lies in front of the envelope, also what edits took away or put behind. */
static int
show_stored(struct queue_file *f, struct fault *why)
{
	struct piece           all = {QUEUE_CONTENT_AT, queue_file_envelope_at(f) - QUEUE_CONTENT_AT};
	struct message_content c = {queue_file_envelope(f)->content.fd, &all, 1, all.len};

	return show_content(&c, why);
}

/* ---- a file of maildrop ---- */

static int
show_drop(int fd, const char *name, struct fault *why)
{
	static const struct { char type; int postfix; const char *name; } names[] = {
		{'S', A_SENDER, "sender"},
		{'F', A_NAME, "sender_fullname"},
		{'A', AN_ATTRIBUTE, "named_attribute"},
		{'R', A_RECIPIENT, "recipient"},
	};
	struct maildrop_reader in = {.fd = fd};
	struct lines           l = {0};
	char                   type, last = 0;
	struct span            value;
	int64_t                at = 0;
	int                    got;

	mark(0, A_SIZE, "ENVELOPE RECORDS", name);
	while ((got = maildrop_next(&in, &type, &value, why)) == 1) {
		for (size_t i = 0; i < COUNT(names); i++)
			if (names[i].type == type && begins(at, names[i].postfix, SHOW_ENVELOPE))
				printf("%s: %.*s\n", names[i].name, SPAN_ARGS(value));
		if (type == 'D' && last != 'D')
			mark(at, A_BEGIN, "MESSAGE CONTENTS", name);
		if (type == 'D')
			take_portion(&l, at + MAILDROP_HEAD, value);
		at += MAILDROP_HEAD + (int64_t)value.len;
		last = type;
	}
	if (l.line.len)
		put_line(&l, false);
	text_free(&l.line);
	maildrop_reader_free(&in);
	if (got == 0)
		mark(at, AN_END, "MESSAGE FILE END", name);
	return got;
}

/* ---- files ---- */

static int
show_message(struct queue_file *f, const char *name, struct fault *why)
{
	int64_t end = queue_file_journal_first(f);
	int     done;

	if (cat.file_order) {
		done = show_stored(f, why);
		mark(queue_file_envelope_at(f), AN_EXTRACT, "ENVELOPE RECORDS", name);
		show_envelope(f);
	} else {
		mark(queue_file_envelope_at(f), A_SIZE, "ENVELOPE RECORDS", name);
		show_envelope(f);
		mark(QUEUE_CONTENT_AT, A_BEGIN, "MESSAGE CONTENTS", name);
		done = show_content(&queue_file_envelope(f)->content, why);
		mark(end, AN_EXTRACT, "HEADER EXTRACTED", name);
	}
	if (done == 0)
		mark(end, AN_END, "MESSAGE FILE END", name);
	return done;
}

/* Something else than a queue file is no error, as in Postfix. */
static bool
is_queue_file(int fd)
{
	static const char magic[] = QUEUE_FILE_MAGIC;
	char              head[sizeof magic - 1];

	return pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && memcmp(head, magic, sizeof head) == 0;
}

static void
show_open(int fd, const char *path, const char *id, bool drop)
{
	struct queue_file *f = NULL;
	struct fault       why = {0};
	int                done = 0;

	if (drop)
		done = show_drop(fd, path, &why);
	else if (!is_queue_file(fd))
		log_warning("%s: input is not a valid queue file", path);
	else if ((done = queue_file_read(fd, id, &f, &why)) == 0)
		done = show_message(f, path, &why);
	queue_file_close(f); /* closes fd */
	if (done < 0) {
		fflush(stdout);
		command_fatal(1, "%s: %s", path, fault_text(&why));
	}
}

static void
show_path(const char *path, bool drop)
{
	const char *slash = strrchr(path, '/');
	int         fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		command_fatal(1, "open %s: %s", path, strerror(errno));
	show_open(fd, path, slash ? slash + 1 : path, drop || strstr(path, "maildrop/"));
}

/* A file needs offsets: what comes through a pipe is put into one first. */
static void
show_stdin(void)
{
	struct fault         why = {0};
	autotext struct text all = {0}, id = {0};
	struct span          rest, line, key;
	size_t               got;
	FILE                *copy = tmpfile();

	while ((got = fread(text_room(&all, PORTION), 1, PORTION, stdin)) > 0)
		all.len += got;
	if (!copy || file_write(fileno(copy), text_span(&all), &why) < 0)
		command_fatal(1, "%s", copy ? fault_text(&why) : strerror(errno));
	rest = span_first(text_span(&all), QUEUE_CONTENT_AT);
	while (span_split(&rest, '\n', &line))
		if (span_split(&line, '=', &key) && span_is(key, "id"))
			text_add(&id, line);
	show_open(dup(fileno(copy)), "stdin", text_string(&id), span_starts(text_span(&all), "V"));
	fclose(copy);
}

static void
show_id(const char *id)
{
	static const char *const states[] = {"maildrop", "hold",     "incoming",
	                                     "active",   "deferred", "corrupt"};
	struct stat              st;

	if (!queue_id_looks_right(id))
		command_fatal(1, "bad mail queue ID: %s", id);
	if (chdir(site.queue_directory) < 0)
		command_fatal(1, "chdir %s: %s", site.queue_directory, strerror(errno));
	for (int tries = 0; tries < 2 && queue_id_valid(span_of(id)); tries++)
		for (size_t i = 0; i < COUNT(states); i++) {
			autofree char *path = mem_format("%s/%s", states[i], id);

			if (lstat(path, &st) == 0) {
				show_path(path, i == 0);
				return;
			}
		}
	command_fatal(1, "open queue file %s: %s", id, strerror(ENOENT));
}

static int64_t
offset_of(const char *word)
{
	uint64_t n;

	if (!span_number(span_of(word), &n) || n > INT64_MAX)
		command_fatal(1, "bad offset: %s", word);
	return (int64_t)n;
}

int
main(int argc, char **argv)
{
	const char *directory = NULL;
	bool        by_id = false;
	int         letter;

	log_open("postfix/postcat", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "bc:dehoqrs:v")) > 0)
		switch (letter) {
		case 'b': cat.show |= SHOW_BODY; break;
		case 'c': directory = optarg; break;
		case 'd': cat.types = true; break;
		case 'e': cat.show |= SHOW_ENVELOPE; break;
		case 'h': cat.show |= SHOW_HEADER; break;
		case 'o': cat.offsets = true; break;
		case 'q': by_id = true; break;
		case 'r': cat.file_order = true; break;
		case 's': cat.from = offset_of(optarg); break;
		case 'v': log_verbose(1); break;
		default: command_fatal(1, "%s", page_usage("postcat"));
		}
	if (cat.show == 0)
		cat.show = SHOW_ALL;
	command_begin("postcat", directory, false);
	if (optind == argc)
		show_stdin();
	for (; optind < argc; optind++)
		if (by_id)
			show_id(argv[optind]);
		else
			show_path(argv[optind], false);
	return fflush(stdout) == 0 ? EX_OK : 1;
}
