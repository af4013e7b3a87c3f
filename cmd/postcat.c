/* SPDX-License-Identifier: ISC */
/*
 * postcat.c - shows a queue file: envelope, header, body
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
	HEADER_MAX = 16 << 20,
	PORTION = 65536
};

static int show;

/* ---- envelope ---- */

static void
show_attribute(const char *name, struct span value)
{
	if (value.len)
		printf("named_attribute: %s=%.*s\n", name, SPAN_ARGS(value));
}

static void
show_time(const char *name, int64_t us)
{
	time_t    at = (time_t)(us / 1000000);
	struct tm local;
	char      when[60] = "";

	if (localtime_r(&at, &local))
		strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", &local);
	printf("%s: %s\n", name, when);
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
		if (r.orcpt.len)
			printf("named_attribute: dsn_orig_rcpt=%.*s\n", SPAN_ARGS(r.orcpt));
		if (r.notify)
			printf("named_attribute: notify_flags=%d\n", r.notify);
		if (r.original.len)
			printf("original_recipient: %.*s\n", SPAN_ARGS(r.original));
		printf("%s: %.*s\n", r.state == RCPT_TODO ? "recipient" : "done_recipient",
		       SPAN_ARGS(r.address));
	}
}

static void
show_journal(struct queue_file *f)
{
	autoarena struct arena *arena = arena_new();
	struct queue_event      e;
	int64_t                 at = 0;

	while (queue_journal_next(f, &at, arena, &e, NULL) == 1)
		printf("journal: %c recipient_at=%" PRId64 " when=%" PRId64 " number=%" PRId64
		       " dsn=%.*s %.*s\n",
		       (char)e.kind, e.rcpt_at, e.when_us / 1000000, e.number, SPAN_ARGS(e.dsn),
		       SPAN_ARGS(e.text));
}

static void
show_envelope(struct queue_file *f)
{
	const struct queue_envelope *e = queue_file_envelope(f);

	printf("message_size: %" PRId64 " %" PRId64 "\n", e->content.size,
	       queue_file_rcpt_count(f));
	show_time("message_arrival_time", e->arrival_us);
	show_attribute("origin", e->origin);
	show_attribute("client_name", e->client_name);
	show_attribute("client_address", e->client_address);
	show_attribute("client_port", e->client_port);
	show_attribute("protocol_name", e->protocol);
	show_attribute("helo_name", e->helo);
	show_attribute("sasl_method", e->sasl_method);
	show_attribute("sasl_username", e->sasl_user);
	show_attribute("envelope_id", e->envid);
	show_attribute("ret_flags", e->ret);
	show_attribute("encoding", e->body);
	show_attribute("smtputf8", e->smtputf8 ? SPAN("yes") : SPAN_NONE);
	show_attribute("forced_expire", queue_file_expired(f) ? SPAN("yes") : SPAN_NONE);
	if (e->filter.len)
		printf("content_filter: %.*s\n", SPAN_ARGS(e->filter));
	if (e->redirect.len)
		printf("redirect_to: %.*s\n", SPAN_ARGS(e->redirect));
	printf("sender: %.*s\n", SPAN_ARGS(e->sender));
	show_rcpts(f);
	show_journal(f);
}

/* ---- content ---- */

/* Wire form to lines of this system. */
static void
print_lines(struct span s, bool *cr)
{
	for (size_t i = 0; i < s.len; i++) {
		if (*cr && s.at[i] != '\n')
			putchar('\r');
		*cr = s.at[i] == '\r';
		if (!*cr)
			putchar(s.at[i]);
	}
}

static int
show_content(struct queue_file *f, struct fault *why)
{
	const struct message_content *c = &queue_file_envelope(f)->content;
	autotext struct text          header = {0}, part = {0};
	int64_t                       position;
	bool                          cr = false;

	if (message_header(c, HEADER_MAX, &header, why) < 0)
		return -1;
	position = (int64_t)header.len;
	if (show & SHOW_HEADER)
		print_lines(show & SHOW_BODY ? text_span(&header)
		                             : span_first(text_span(&header),
		                                          header.len > 2 ? header.len - 2 : 0),
		            &cr);
	while (show & SHOW_BODY) {
		if (message_read(c, &position, PORTION, &part, why) < 0)
			return -1;
		if (part.len == 0)
			break;
		print_lines(text_span(&part), &cr);
	}
	return 0;
}

/* ---- a file of maildrop ---- */

static int
show_drop(int fd, const char *name, struct fault *why)
{
	static const struct { char type; const char *name; } names[] = {
		{'S', "sender"},
		{'F', "sender_fullname"},
		{'A', "named_attribute"},
		{'R', "recipient"},
	};
	struct maildrop_reader in = {.fd = fd};
	char                   type, last = 0;
	struct span            value;
	int                    got;

	while ((got = maildrop_next(&in, &type, &value, why)) == 1) {
		for (size_t i = 0; i < COUNT(names); i++)
			if (names[i].type == type && show & SHOW_ENVELOPE)
				printf("%s: %.*s\n", names[i].name, SPAN_ARGS(value));
		if (type == 'D' && last != 'D' && show & SHOW_ENVELOPE)
			printf("*** MESSAGE CONTENTS %s ***\n", name);
		if (type == 'D' && show & (SHOW_HEADER | SHOW_BODY))
			fwrite(value.at, 1, value.len, stdout);
		last = type;
	}
	maildrop_reader_free(&in);
	return got;
}

/* ---- files ---- */

static int
show_file(int fd, const char *id, const char *name, bool drop, struct fault *why)
{
	struct queue_file *f = NULL;
	int                done = 0;

	if (show & SHOW_ENVELOPE)
		printf("*** ENVELOPE RECORDS %s ***\n", name);
	if (drop) {
		done = show_drop(fd, name, why);
	} else if (queue_file_read(fd, id, &f, why) < 0) {
		done = -1;
	} else {
		if (show & SHOW_ENVELOPE) {
			show_envelope(f);
			printf("*** MESSAGE CONTENTS %s ***\n", name);
		}
		if (show & (SHOW_HEADER | SHOW_BODY))
			done = show_content(f, why);
		queue_file_close(f); /* closes fd */
	}
	if (show & SHOW_ENVELOPE && done == 0)
		printf("*** MESSAGE FILE END %s ***\n", name);
	return done;
}

/* The last part of a path, and whether the one before it is maildrop. */
static void
show_path(const char *path, bool drop)
{
	const char  *slash = strrchr(path, '/');
	struct fault why = {0};
	int          fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		command_fatal(EX_NOINPUT, "open %s: %s", path, strerror(errno));
	if (show_file(fd, slash ? slash + 1 : path, path, drop || strstr(path, "maildrop/"), &why) <
	    0) {
		fflush(stdout);
		command_fatal(EX_DATAERR, "%s: %s", path, fault_text(&why));
	}
}

static void
show_id(const char *id)
{
	static const char *const states[] = {"maildrop", "hold",     "incoming",
	                                     "active",   "deferred", "corrupt"};
	struct stat              st;

	if (!queue_id_valid(span_of(id)))
		command_fatal(EX_USAGE, "bad mail queue id: %s", id);
	if (chdir(site.queue_directory) < 0)
		command_fatal(EX_OSFILE, "chdir %s: %s", site.queue_directory, strerror(errno));
	for (int tries = 0; tries < 2; tries++)
		for (size_t i = 0; i < COUNT(states); i++) {
			autofree char *path = mem_format("%s/%s", states[i], id);

			if (lstat(path, &st) == 0) {
				show_path(path, i == 0);
				return;
			}
		}
	command_fatal(EX_NOINPUT, "open queue file %s: %s", id, strerror(ENOENT));
}

int
main(int argc, char **argv)
{
	const char *directory = NULL;
	bool        by_id = false;
	int         letter;

	log_open("postfix/postcat", -1);
	log_also_stderr(true);
	opterr = 0;
	while ((letter = getopt(argc, argv, "bc:dehnoqrs:v")) > 0)
		switch (letter) {
		case 'b': show |= SHOW_BODY; break;
		case 'c': directory = optarg; break;
		case 'e': show |= SHOW_ENVELOPE; break;
		case 'h': show |= SHOW_HEADER; break;
		case 'q': by_id = true; break;
		case 'v': log_verbose(1); break;
		case 'd': case 'n': case 'o': case 'r': case 's':
			command_fatal(EX_USAGE,
			              "-%c is not supported: our queue files have no such records",
			              letter);
		default:
			command_fatal(EX_USAGE, "%s", page_usage("postcat"));
		}
	if (show == 0)
		show = SHOW_ALL;
	command_begin("postcat", directory, false);
	if (optind == argc)
		command_fatal(EX_USAGE, "name a queue file");
	for (; optind < argc; optind++)
		if (by_id)
			show_id(argv[optind]);
		else
			show_path(argv[optind], false);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
