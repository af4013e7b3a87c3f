/* SPDX-License-Identifier: ISC */
/*
 * test_queue.c - a message's life in lib/queue, killed and failed at every point
 *
 * A child writes a message, says "acked", takes it to active, delivers to each
 * recipient (a line in a file), marks, and removes.  It dies, or a call fails,
 * at the n-th fault point, for every n; then a new process recovers what is
 * there and finishes.  After that SECURITY.md 3.2 must hold:
 *
 *   I1  acked: every recipient was delivered to
 *   I2  not acked: not there, or whole
 *   I3  delivered once, or twice when it died between delivery and mark
 *   I5  nothing unreadable is left
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "base/file.h"
#include "queue/maildrop.h"
#include "queue/queue_file.h"

enum { RCPTS = 3, SIZE = 2000, POINTS_MAX = 200 };

static char root[40];
static const struct span line = {"0123456789abcdefghijklmnopqrstuvwx\r\n", 36};

static void
note(const char *file, const char *text)
{
	autofree char *path = mem_format("%s/%s", root, file);
	int            fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static int
count_of(const char *file, const char *text)
{
	autofree char       *path = mem_format("%s/%s", root, file);
	autotext struct text all = {0};
	struct span          rest, one;
	int                  n = 0;

	if (file_read(path, 1 << 20, &all, NULL) < 0)
		return 0;
	for (rest = text_span(&all); span_split(&rest, '\n', &one);)
		n += span_is(one, text);
	return n;
}

/* ---- the life ---- */

static int
write_message(struct queue *q, struct queue_id *id, struct fault *why)
{
	struct queue_draft   *d;
	struct piece          pieces[2] = {{QUEUE_CONTENT_AT, SIZE}, {0, 0}};
	struct queue_envelope e = {.sender = SPAN("a@b"),
	                           .arrival_us = 1,
	                           .content = {.pieces = pieces, .n_pieces = 2}};
	int                   done = 0;

	if (queue_draft_open(q, NULL, &d, why) < 0)
		return -1;
	memcpy(id->text, queue_draft_id(d), strlen(queue_draft_id(d)) + 1);
	for (int at = 0; done == 0 && at < SIZE; at += (int)line.len)
		done = file_write_at(queue_draft_fd(d), span_first(line, (size_t)(SIZE - at)),
		                     QUEUE_CONTENT_AT + at, why);
	if (done == 0)
		done = queue_draft_content(d, SIZE, why);
	if (done == 0)
		done = queue_draft_insert(d, SPAN("X: y\r\n"), &pieces[1], why);
	if (done == 0)
		done = queue_draft_envelope(d, &e, why);
	for (int i = 0; done == 0 && i < RCPTS; i++) {
		char              name = (char)('a' + i);
		struct queue_rcpt r = {.address = span_at(&name, 1)};

		done = queue_draft_rcpt(d, &r, why);
	}
	if (done == 0)
		return queue_draft_commit(d, QUEUE_INCOMING, why);
	queue_draft_abandon(d);
	return -1;
}

/* Recipients that are not done, then away with it. */
static int
deliver(struct queue *q, enum queue_state s, const char *id, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    content = {0};
	struct queue_file      *f;
	struct queue_rcpt       r;
	struct queue_event      e = {.kind = EVENT_TRIED, .number = 1};
	int64_t                 position = 0, at;
	int                     got = queue_file_open(q, s, id, QUEUE_OPEN_WRITE, &f, why);

	ck_assert_msg(got == 0 || why->class == FAULT_SYSTEM, "%s", fault_text(why)); /* I5 */
	if (got != 0)
		return -1;
	ck_assert_int_eq(queue_file_envelope(f)->content.size, SIZE + 6);
	while (message_read(&queue_file_envelope(f)->content, &position, 1 << 16, &content, why) ==
	               0 &&
	       content.len)
		;
	ck_assert_int_eq(position, SIZE + 6); /* I2: whole */
	(void)queue_journal_add(f, &e, why); /* may fail: the mail goes on */
	for (at = queue_file_rcpt_first(f); got == 0 && queue_file_rcpt(f, at, arena, &r, why) == 1;
	     at = r.next) {
		char text[3] = {r.address.at[0], '\n', '\0'};

		if (r.state == RCPT_DONE)
			continue;
		note("delivered", text);
		got = queue_file_mark(f, r.at, RCPT_DONE, why) < 0 || queue_file_sync(f, why) < 0
		              ? -1
		              : 0;
	}
	queue_file_close(f);
	return got == 0 && queue_remove(q, s, id, why) >= 0 ? 0 : -1;
}

static void
live(void)
{
	struct queue   *q;
	struct queue_id id;
	struct fault    why = {0};

	if (queue_open(root, &q, &why) < 0 || write_message(q, &id, &why) < 0)
		_exit(1);
	note("acked", "yes\n");
	if (queue_move(q, id.text, QUEUE_INCOMING, QUEUE_ACTIVE, &why) == 0)
		deliver(q, QUEUE_ACTIVE, id.text, &why);
	_exit(0);
}

/* A new process after the crash: nothing is asked of it but to look at the directories. */
static void
recover(void)
{
	static const enum queue_state states[] = {QUEUE_ACTIVE, QUEUE_INCOMING};
	struct queue      *q;
	struct queue_scan *scan;
	struct queue_id    id;
	struct fault       why = {0};
	int                swept;

	ck_assert_int_eq(queue_open(root, &q, NULL), 0);
	ck_assert_int_eq(queue_sweep(q, -10, &swept, NULL), 0);
	for (size_t i = 0; i < COUNT(states); i++) {
		ck_assert_int_eq(queue_scan_open(q, states[i], &scan, NULL), 0);
		while (queue_scan_next(scan, &id, NULL, NULL) == 1)
			ck_assert_int_eq(deliver(q, states[i], id.text, &why), 0);
		queue_scan_close(scan);
	}
	queue_close(q);
}

static void
fresh(void)
{
	snprintf(root, sizeof root, "/tmp/crashXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(queue_make(root, (uid_t)-1, (gid_t)-1, NULL), 0);
}

static void
gone(void)
{
	autofree char *command = mem_format("rm -r %s", root);

	ck_assert_int_eq(system(command), 0);
}

static bool
is_empty(const char *directory)
{
	autofree char *command = mem_format("test -z \"$(ls -A %s/%s)\"", root, directory);

	return system(command) == 0;
}

static void
check(bool died, const char *action, int n)
{
	bool acked = count_of("acked", "yes");

	recover();
	for (char name[2] = "a"; name[0] < 'a' + RCPTS; name[0]++) {
		int times = count_of("delivered", name);

		ck_assert_msg(times == 1 || (times == 0 && !acked) ||
		                      (times == 2 && (died || action[0] == 'e')),
		              "%s at point %d: %s delivered %d times, acked %d", action, n, name,
		              times, acked); /* I1, I3 */
	}
	ck_assert(is_empty("incoming") && is_empty("active") && is_empty("corrupt"));
}

/* One life with a fault at the n-th point; false when there was no such point. */
static bool
one_life(const char *action, int n)
{
	autofree char *fault = mem_format("*:%d:%s", n, action), *log = NULL;
	pid_t          pid;
	int            status;
	bool           reached;

	fresh();
	log = mem_format("%s/points", root);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("POSTERN_FAULT", fault, 1);
		setenv("POSTERN_FAULT_LOG", log, 1);
		live();
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	{
		autotext struct text points = {0};
		int                  passed = 0;

		file_read(log, 1 << 20, &points, NULL);
		for (size_t i = 0; i < points.len; i++)
			passed += points.at[i] == '\n';
		reached = passed >= n;
	}
	if (strcmp(action, "kill") == 0)
		ck_assert_int_eq(WIFSIGNALED(status), reached);
	else
		ck_assert(WIFEXITED(status)); /* an error never kills */
	check(WIFSIGNALED(status), action, n);
	gone();
	return reached;
}

static void
all_lives(const char *action)
{
	int n = 1;

	while (one_life(action, n))
		ck_assert_int_lt(++n, POINTS_MAX);
	ck_assert_int_gt(n, 20);
}

UNIT_TEST(killed_at_every_point)
{
	all_lives("kill");
}
END_TEST

UNIT_TEST(an_io_error_at_every_point)
{
	all_lives("eio");
}
END_TEST

UNIT_TEST(a_full_disk_at_every_point)
{
	all_lives("enospc");
}
END_TEST

/* Every point of lib/queue that a message passes was passed. */
UNIT_TEST(all_points_fire)
{
	static const char *const points[] = {
	        "queue.counter.written", "queue.draft.before",    "queue.draft.created",
	        "queue.draft.insert",    "queue.commit.envelope", "queue.commit.written",
	        "queue.commit.synced",   "queue.commit.renamed",  "queue.commit.durable",
	        "queue.move.before",     "queue.move.after",      "queue.mark.before",
	        "queue.mark.after",      "queue.sync.before",     "queue.sync.after",
	        "queue.journal.before",  "queue.journal.after",   "queue.remove.before",
	        "queue.remove.after",
	};
	autofree char *log = NULL;
	pid_t          pid;
	int            status;

	fresh();
	log = mem_format("%s/points", root);
	pid = fork();
	if (pid == 0) {
		setenv("POSTERN_FAULT_LOG", log, 1);
		live();
	}
	ck_assert(waitpid(pid, &status, 0) == pid && status == 0);
	for (size_t i = 0; i < COUNT(points); i++)
		ck_assert_msg(count_of("points", points[i]) > 0, "%s", points[i]);
	gone();
}
END_TEST

/* What postdrop writes: whole and ready, or never taken. */
static void
drop(const char *path)
{
	struct maildrop_file f;
	autotext struct text t = {0};
	int                  dir = open(path, O_RDONLY | O_DIRECTORY);

	maildrop_put(&t, 'V', SPAN("1"));
	maildrop_put(&t, 'S', SPAN("a"));
	maildrop_put(&t, 'R', SPAN("b"));
	maildrop_put(&t, 'E', SPAN_NONE);
	if (maildrop_create(dir, &f, NULL) < 0)
		_exit(1);
	if (file_write(f.fd, text_span(&t), NULL) < 0 || maildrop_commit(&f, NULL) < 0) {
		maildrop_abandon(&f);
		_exit(1);
	}
	note("acked", "yes\n");
	_exit(0);
}

static int
ready_files(void)
{
	struct queue      *q;
	struct queue_scan *scan;
	struct queue_id    id;
	int                n = 0;

	ck_assert_int_eq(queue_open(root, &q, NULL), 0);
	ck_assert_int_eq(queue_scan_open(q, QUEUE_MAILDROP, &scan, NULL), 0);
	while (queue_scan_next(scan, &id, NULL, NULL) == 1) {
		struct maildrop_reader r = {
		        .fd = openat(queue_directory(q, QUEUE_MAILDROP), id.text, O_RDONLY)};
		struct stat            st;
		char                   type;
		struct span            value;
		int                    got = 0;

		ck_assert(r.fd >= 0 && fstat(r.fd, &st) == 0);
		if (maildrop_is_ready(&st)) {
			while ((got = maildrop_next(&r, &type, &value, NULL)) > 0)
				;
			ck_assert_int_eq(got, 0);
			n++;
		}
		maildrop_reader_free(&r);
		close(r.fd);
	}
	queue_scan_close(scan);
	queue_close(q);
	return n;
}

UNIT_TEST(a_drop_is_whole_or_not_ready)
{
	static const char *const actions[] = {"kill", "eio", "enospc"};

	for (int i = 0; i < 5 * (int)COUNT(actions); i++) {
		autofree char *fault = mem_format("*:%d:%s", i / (int)COUNT(actions) + 1,
		                                  actions[i % (int)COUNT(actions)]),
		              *path = NULL;
		pid_t          pid;
		int            status, ready;

		fresh();
		path = mem_format("%s/maildrop", root);
		pid = fork();
		if (pid == 0) {
			setenv("POSTERN_FAULT", fault, 1);
			drop(path);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ready = ready_files();
		ck_assert_msg(count_of("acked", "yes") <= ready, "%s", fault); /* I1 */
		if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
			ck_assert_int_eq(ready, 0);
		gone();
	}
}
END_TEST

UNIT_MAIN("crash/queue", killed_at_every_point, an_io_error_at_every_point,
          a_full_disk_at_every_point, all_points_fire, a_drop_is_whole_or_not_ready)
