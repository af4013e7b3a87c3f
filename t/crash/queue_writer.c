/* SPDX-License-Identifier: ISC */
/*
 * queue_writer.c - a load for power cuts: commits messages and says so, or checks what is there
 *
 *   queue_writer write ROOT    eight tasks; a line "incoming ID" or "maildrop ID" once it is durable
 *   queue_writer check ROOT    a line for each whole message; exit 1 when one is damaged
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/maildrop.h"
#include "queue/queue_file.h"

enum { TASKS = 8, LINES = 100 };

static struct queue *queue;

static void
acknowledge(const char *where, const char *id)
{
	char line[100];
	int  len = snprintf(line, sizeof line, "%s %s\n", where, id);

	if (write(1, line, (size_t)len) != len) /* one call: whole, or not at all */
		exit(1);
}

static void
write_one(void)
{
	static const struct span line = {"0123456789abcdefghijklmnopqrstuvwx\r\n", 36};
	struct queue_draft      *d;
	struct piece             p = {QUEUE_CONTENT_AT, LINES * 36};
	struct queue_envelope e = {.sender = SPAN("a@b"), .content = {.pieces = &p, .n_pieces = 1}};
	struct queue_rcpt        r = {.address = SPAN("c@d")};
	struct fault             why = {0};
	char                     id[QUEUE_ID_SIZE];

	if (queue_draft_open(queue, NULL, &d, &why) < 0)
		return;
	snprintf(id, sizeof id, "%s", queue_draft_id(d));
	for (int i = 0; i < LINES; i++)
		file_write_at(queue_draft_fd(d), line, QUEUE_CONTENT_AT + i * 36, &why);
	if (queue_draft_content(d, p.len, &why) < 0 || queue_draft_envelope(d, &e, &why) < 0 ||
	    queue_draft_rcpt(d, &r, &why) < 0)
		queue_draft_abandon(d);
	else if (queue_draft_commit(d, QUEUE_INCOMING, &why) == 0)
		acknowledge("incoming", id);
}

/* As set-gid postdrop does it: without a flush of the directory. */
static void
drop_one(int dir)
{
	struct maildrop_file f = {.fd = -1};
	autotext struct text t = {0};

	maildrop_put(&t, 'V', SPAN("1"));
	maildrop_put(&t, 'S', SPAN("a"));
	maildrop_put(&t, 'R', SPAN("b"));
	maildrop_put(&t, 'E', SPAN_NONE);
	if (maildrop_create(dir, &f, NULL) < 0)
		return;
	f.dir = AT_FDCWD;
	if (file_write(f.fd, text_span(&t), NULL) == 0 && maildrop_commit(&f, NULL) == 0)
		acknowledge("maildrop", f.id.text);
	else if (f.fd >= 0)
		close(f.fd);
}

static void
work(void *given)
{
	for (;;) {
		if (given)
			drop_one(queue_directory(queue, QUEUE_MAILDROP));
		else
			write_one();
	}
}

static int
check(void)
{
	struct queue_scan *scan;
	struct queue_id    id;
	int                bad = 0;

	queue_scan_open(queue, QUEUE_INCOMING, &scan, NULL);
	while (queue_scan_next(scan, &id, NULL, NULL) == 1) {
		struct queue_file   *f;
		struct fault         why = {0};
		autotext struct text all = {0};
		int64_t              position = 0;

		if (queue_file_open(queue, QUEUE_INCOMING, id.text, 0, &f, &why) != 0) {
			fprintf(stderr, "%s\n", fault_text(&why));
			bad++;
			continue;
		}
		while (message_read(&queue_file_envelope(f)->content, &position, 1 << 16, &all,
		                    &why) == 0 &&
		       all.len)
			for (size_t i = 0; i < all.len; i++)
				bad += all.at[i] == '\0'; /* a hole where content was */
		bad += position != LINES * 36;
		queue_file_close(f);
		acknowledge("incoming", id.text);
	}
	queue_scan_close(scan);
	queue_scan_open(queue, QUEUE_MAILDROP, &scan, NULL);
	while (queue_scan_next(scan, &id, NULL, NULL) == 1) {
		struct maildrop_reader r = {
		        .fd = openat(queue_directory(queue, QUEUE_MAILDROP), id.text, O_RDONLY)};
		char                   type;
		struct span            value;
		int                    got;

		while ((got = maildrop_next(&r, &type, &value, NULL)) == 1)
			;
		if (got == 0)
			acknowledge("maildrop", id.text);
		maildrop_reader_free(&r);
		close(r.fd);
	}
	queue_scan_close(scan);
	return bad != 0;
}

int
main(int argc, char **argv)
{
	struct fault why = {0};

	if (argc != 3 || queue_make(argv[2], (uid_t)-1, (gid_t)-1, &why) < 0 ||
	    queue_open(argv[2], &queue, &why) < 0) {
		fprintf(stderr, "queue_writer: %s\n", fault_text(&why));
		return 2;
	}
	if (strcmp(argv[1], "check") == 0)
		return check();
	for (long i = 0; i < TASKS; i++)
		if (task_start(work, i == 0 ? queue : NULL, &why) < 0)
			return 2;
	for (;;)
		pause();
}
