/* SPDX-License-Identifier: ISC */
/*
 * test_queue_move.c - mail goes over from Postfix's queue and back, killed and failed at every point
 *
 * A queue of Postfix with a message in each state is imported by a child that dies, or a call of which
 * fails, at the n-th fault point, for every n. At that moment each message must be in one of the queues
 * that somebody delivers from, or, when it is in neither, on the way, where the next run finds it; never in both. Then
 * the same command runs to its end, and all messages are ours, with the right recipients. And the same back.
 *
 * And so again, but that the old or the new system is started in between and delivers what it finds: in the end
 * each message was delivered or is in the new queue, once.
 */
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "base/file.h"
#include "queue/postfix_queue.h"
#include "queue/queue_file.h"
#include "queue/queue_move.h"

enum { POINTS_MAX = 400 };

static char        root[40];
static const char *postfix = "postfix";

static const struct { const char *path, *id; bool drop; } messages[] = {
	{"maildrop/D0000000001", "D0000000001", true}, {"deferred/B/B0000000004", "B0000000004", false},
	{"incoming/A0000000002", "A0000000002", false}, {"active/A0000000003", "A0000000003", false},
	{"hold/C0000000005", "C0000000005", false}, {"maildrop/D0000000006", "D0000000006", false}};
static size_t n_messages = COUNT(messages);     /* so many of them */

/*
 * No power is cut here, so nothing need reach a disk. What is watched: is the directory to which something was
 * published made durable while the old file is still held?
 */
static struct stat watched_directory;
static char       *watched_held;
static bool        is_durable;

int
fsync(int fd)
{
	struct stat st;

	if (watched_held && fstat(fd, &st) == 0 && st.st_ino == watched_directory.st_ino && st.st_dev == watched_directory.st_dev)
		is_durable = is_durable || access(watched_held, F_OK) == 0;
	return 0;
}

static void
shell(const char *format, const char *argument)
{
	autofree char *command = mem_format("%s %s", format, argument);

	ck_assert_int_eq(system(command), 0);
}

static void
write_file(const char *name, struct span bytes, mode_t mode)
{
	autofree char *path = mem_format("%s/postfix/%s", root, name);
	autoclose int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	ck_assert(fd >= 0 && file_write(fd, bytes, NULL) == 0 && fchmod(fd, mode) == 0);
}

static void
make_message(const char *name, bool drop)
{
	autotext struct text t = {0};

	if (!drop)
		postfix_put_size(&t, 20, 200, 2, false);
	postfix_put(&t, 'T', SPAN("1795196233 862967"));
	postfix_put(&t, 'S', SPAN("s@x"));
	postfix_put(&t, 'R', SPAN("one@x"));
	postfix_put(&t, drop ? 'R' : 'D', SPAN("two@x"));
	postfix_put(&t, 'M', SPAN_NONE);
	postfix_put(&t, 'N', SPAN("Subject: s"));
	postfix_put(&t, 'N', SPAN_NONE);
	postfix_put(&t, 'N', SPAN("body"));
	postfix_put(&t, 'X', SPAN_NONE);
	postfix_put(&t, 'E', SPAN_NONE);
	write_file(name, text_span(&t), 0700);
}

static void
fresh(void)
{
	autofree char *ours = NULL, *theirs = NULL;

	snprintf(root, sizeof root, "/tmp/moveXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ours = mem_format("%s/ours", root);
	theirs = mem_format("%s/postfix", root);
	ck_assert_int_eq(queue_make(ours, (uid_t)-1, (gid_t)-1, NULL), 0);
	ck_assert_int_eq(queue_make(theirs, (uid_t)-1, (gid_t)-1, NULL), 0);
	shell("cd", mem_format("%s && mkdir -p deferred/B defer/B bounce trace", theirs));
	for (size_t i = 0; i < n_messages; i++)
		make_message(messages[i].path, messages[i].drop);
	write_file("defer/B/B0000000004", SPAN("\n<one@x>: why\nrecipient=one@x\noffset=121\nstatus=4.0.0\naction=delayed\nreason=because\n\n"), 0600);
}

static void
left(const char *path, const char *why)
{
	ck_abort_msg("%s: %s", path, why);
}

static int
run(bool back, struct fault *why)
{
	autofree char    *ours = mem_format("%s/ours", root), *theirs = mem_format("%s/%s", root, postfix);
	struct queue_move m = {.postfix = theirs, .ours = ours, .owner = (uid_t)-1, .hash_depth = 1, .hash_names = SPAN("deferred defer"), .left = left};

	return back ? queue_export(&m, why) : queue_import(&m, why);
}

/* In how many places below the queue that are delivered from does a file of that name lie? */
static int
count_in(const char *queue, const char *id)
{
	static const char *const places[] = {"maildrop", "incoming", "active", "deferred", "hold"};
	char                    *roots[COUNT(places) + 1] = {0};
	FTS                     *walk;
	int                      n = 0;

	for (size_t i = 0; i < COUNT(places); i++)
		roots[i] = mem_format("%s/%s/%s", root, queue, places[i]);
	walk = fts_open(roots, FTS_PHYSICAL, NULL);
	ck_assert_ptr_nonnull(walk);
	for (FTSENT *e; (e = fts_read(walk)) != NULL;)
		n += e->fts_info == FTS_F && strcmp(e->fts_name, id) == 0 && e->fts_statp->st_mode & 0777;
	fts_close(walk);
	for (size_t i = 0; i < COUNT(places); i++)
		free(roots[i]);
	return n;
}

/* A mail system runs there: what it finds is delivered, and gone. What nobody may read is not complete. */
static void
deliver_from(const char *queue, int delivered[])
{
	static const char *const places[] = {"maildrop", "incoming", "active", "deferred", "hold"};

	for (size_t i = 0; i < n_messages; i++)
		for (size_t k = 0; k < COUNT(places); k++) {
			struct stat st;

			for (int b = 0; b < 2; b++) {
				autofree char *path = b ? mem_format("%s/%s/%s/%c/%s", root, queue, places[k], messages[i].id[0], messages[i].id)
				                        : mem_format("%s/%s/%s/%s", root, queue, places[k], messages[i].id);

				if (lstat(path, &st) == 0 && st.st_mode & 0777) {
					delivered[i]++;
					ck_assert_int_eq(unlink(path), 0);
				}
			}
		}
}

static bool
is_on_the_way(const char *id)
{
	autofree char *command = mem_format("cd %s && find ours/import ours/export postfix/postern-import postfix/postern-export -type f -size +0 \\( -name %s -o -name '%s.*' \\) 2>/dev/null | grep -q .", root, id, id);

	return system(command) == 0;
}

static void
check_moment(const char *what, int n)
{
	for (size_t i = 0; i < n_messages; i++) {
		int ours = count_in("ours", messages[i].id), theirs = count_in("postfix", messages[i].id);

		ck_assert_msg(ours + theirs <= 1, "%s at point %d: %s is in both", what, n, messages[i].id);
		ck_assert_msg(ours + theirs == 1 || is_on_the_way(messages[i].id), "%s at point %d: %s is lost", what, n, messages[i].id);
	}
}

static void
check_ours(void)
{
	autofree char *path = mem_format("%s/ours", root);
	struct queue  *q;

	ck_assert_int_eq(queue_open(path, &q, NULL), 0);
	for (size_t i = 0; i < n_messages; i++) {
		autoarena struct arena *arena = arena_new();
		enum queue_state        s;
		struct queue_file      *f;
		struct queue_rcpt       r;
		struct queue_event      e;
		int64_t                 at = 0;

		if (messages[i].drop) {
			ck_assert_int_eq(count_in("ours", messages[i].id), 1);
			continue;
		}
		ck_assert_int_eq(queue_where(q, messages[i].id, &s, NULL), 0);
		ck_assert_str_eq(queue_state_name(s), messages[i].id[0] == 'B' ? "deferred" : messages[i].id[0] == 'C' ? "hold" : "incoming");
		ck_assert_int_eq(queue_file_open(q, s, messages[i].id, QUEUE_OPEN_READ, &f, NULL), 0);
		ck_assert_int_eq(queue_file_envelope(f)->content.size, 20);
		ck_assert_int_eq(queue_file_rcpt(f, queue_file_rcpt_first(f), arena, &r, NULL), 1);
		ck_assert_int_eq(r.state, RCPT_TODO);
		if (s == QUEUE_DEFERRED) {
			ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 1);
			ck_assert_int_eq(e.rcpt_at, r.at);
			ck_span(e.text, "because");
		}
		ck_assert_int_eq(queue_file_rcpt(f, r.next, arena, &r, NULL), 1);
		ck_assert_int_eq(r.state, RCPT_DONE);
		queue_file_close(f);
	}
	queue_close(q);
}

static void
check_theirs(void)
{
	for (size_t i = 0; i < n_messages; i++)
		ck_assert_int_eq(count_in("postfix", messages[i].id), 1);
	shell("grep -q reason=because", mem_format("%s/postfix/defer/B/B0000000004", root));
}

static void
check_nothing_is_between(void)
{
	static const char *const between[] = {"postfix/postern-export", "postfix/postern-import", "ours/import", "ours/export"};

	for (size_t i = 0; i < COUNT(between); i++) {
		autofree char *path = mem_format("%s/%s", root, between[i]);

		ck_assert_msg(access(path, F_OK) < 0, "%s is left", path);
	}
}

/* A move by a child that meets the fault; how many points it passed. */
static int
broken_move(const char *action, int n, bool back)
{
	autofree char       *fault = mem_format("*:%d:%s", n, action), *log = mem_format("%s/points", root);
	autotext struct text points = {0};
	int                  status, passed = 0;
	pid_t                pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("POSTERN_FAULT", fault, 1);
		setenv("POSTERN_FAULT_LOG", log, 1);
		_exit(run(back, NULL) < 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	file_read(log, 1 << 20, &points, NULL);
	for (size_t i = 0; i < points.len; i++)
		passed += points.at[i] == '\n';
	ck_assert(strcmp(action, "kill") == 0 ? WIFSIGNALED(status) == (passed >= n) : WIFEXITED(status));
	return passed;
}

/* One move with a fault at the n-th point; false when there was no such point. */
static bool
one_move(const char *action, int n, bool back)
{
	struct fault why = {0};
	int          passed;

	fresh();
	if (back)
		ck_assert_int_eq(run(false, &why), 0);
	passed = broken_move(action, n, back);
	check_moment(action, n);
	ck_assert_msg(run(back, &why) == 0, "%s at point %d: %s", action, n, fault_text(&why));
	if (back)
		check_theirs();
	else
		check_ours();
	check_nothing_is_between();
	for (size_t i = 0; i < n_messages; i++)
		ck_assert_int_eq(count_in(back ? "ours" : "postfix", messages[i].id), 0);
	shell("rm -r", root);
	return passed >= n;
}

static void
all_moves(const char *action, bool back, int least)
{
	int n = 1;

	while (one_move(action, n, back))
		ck_assert_int_lt(++n, POINTS_MAX);
	ck_assert_int_gt(n, least);
}

/* Killed at the n-th point; then one of the two systems runs for a while; then the move again. */
static bool
interrupted_move(int n, bool back, bool by_new)
{
	struct fault why = {0};
	int          passed, delivered[COUNT(messages)] = {0};
	const char  *to = back ? "postfix" : "ours";

	fresh();
	if (back)
		ck_assert_int_eq(run(false, &why), 0);
	passed = broken_move("kill", n, back);
	deliver_from(by_new == back ? "postfix" : "ours", delivered);
	ck_assert_msg(run(back, &why) == 0, "point %d: %s", n, fault_text(&why));
	for (size_t i = 0; i < n_messages; i++) {
		ck_assert_msg(delivered[i] + count_in(to, messages[i].id) == 1, "%s killed at point %d, then the %s system: %s comes %d times",
		              back ? "export" : "import", n, by_new ? "new" : "old", messages[i].id, delivered[i] + count_in(to, messages[i].id));
		ck_assert_int_eq(count_in(back ? "ours" : "postfix", messages[i].id), 0);
	}
	check_nothing_is_between();
	shell("rm -r", root);
	return passed >= n;
}

static void
all_interrupted(bool back, bool by_new)
{
	int n = 1;

	n_messages = 2;
	while (interrupted_move(n, back, by_new))
		ck_assert_int_lt(++n, POINTS_MAX);
	n_messages = COUNT(messages);
	ck_assert_int_gt(n, 20);
}

UNIT_TEST(import_killed_and_postfix_started)
{
	all_interrupted(false, false);
}
END_TEST

UNIT_TEST(import_killed_and_we_started)
{
	all_interrupted(false, true);
}
END_TEST

UNIT_TEST(export_killed_and_we_started)
{
	all_interrupted(true, false);
}
END_TEST

UNIT_TEST(export_killed_and_postfix_started)
{
	all_interrupted(true, true);
}
END_TEST

UNIT_TEST(import_killed_at_every_point)
{
	all_moves("kill", false, 60);
}
END_TEST

UNIT_TEST(import_with_a_full_disk_at_every_point)
{
	all_moves("enospc", false, 60);
}
END_TEST

UNIT_TEST(export_killed_at_every_point)
{
	all_moves("kill", true, 20);
}
END_TEST

UNIT_TEST(export_with_an_io_error_at_every_point)
{
	all_moves("eio", true, 20);
}
END_TEST

/* kill -9 of a run that had staged messages of another directory: those are not mixed up. */
UNIT_TEST(another_directory_has_to_wait)
{
	struct fault   why = {0};
	autofree char *command = NULL;

	fresh();
	if (fork() == 0) {
		setenv("POSTERN_FAULT", "import.staged:1:kill", 1);
		run(false, NULL);
		_exit(0);
	}
	wait(NULL);
	command = mem_format("mkdir %s/other", root);
	ck_assert_int_eq(system(command), 0);
	postfix = "other";
	ck_assert_int_lt(run(false, &why), 0);
	ck_assert_ptr_nonnull(strstr(fault_text(&why), "was not finished"));
	postfix = "postfix";
	ck_assert_int_eq(run(false, &why), 0);
	check_ours();
	shell("rm -r", root);
}
END_TEST

static void
killed_at(const char *fault, bool back)
{
	int   status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("POSTERN_FAULT", fault, 1);
		run(back, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

/* A move that cannot look at the n-th of the files or directories that the point is about: its exit code. */
static int
broken_look(const char *point, int n, bool back)
{
	autofree char *fault = mem_format("%s:%d:eio", point, n);
	int            status;
	pid_t          pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("POSTERN_FAULT", fault, 1);
		_exit(run(back, NULL) < 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The first line that a command prints, in the test's directory: owned. */
static char *
line_of(const char *command)
{
	autofree char *whole = mem_format("cd %s && %s", root, command);
	char           line[300] = "";
	FILE          *f = popen(whole, "r");

	ck_assert(f && fgets(line, sizeof line, f) && pclose(f) == 0);
	line[strcspn(line, "\n")] = '\0';
	return mem_format("%s", line);
}

/* Killed after the rename and before the fsync: what is held goes when the new file cannot be lost any more. */
static void
drop_waits_for_the_disk(bool back, int n)
{
	struct fault   why = {0};
	autofree char *fault = mem_format("%s.published:%d:kill", back ? "export" : "import", n), *held, *id, *find, *directory;

	fresh();
	if (back)
		ck_assert_int_eq(run(false, &why), 0);
	killed_at(fault, back);
	held = line_of(back ? "find $PWD/ours/export -type f ! -name for" : "find $PWD/postfix/postern-import -type f ! -name for");
	id = mem_format("%.11s", strrchr(held, '/') + 1);
	find = mem_format("dirname $(find $PWD/%s -name %s ! -path '*/export/*' ! -path '*/import/*')", back ? "postfix" : "ours", id);
	directory = line_of(find);
	ck_assert_int_eq(stat(directory, &watched_directory), 0);
	watched_held = held;
	is_durable = false;
	ck_assert_msg(run(back, &why) == 0, "%s", fault_text(&why));
	ck_assert_msg(is_durable, "%s: %s was dropped before %s was durable", fault, held, directory);
	watched_held = NULL;
	shell("rm -r", root);
}

UNIT_TEST(what_is_held_goes_when_the_new_is_durable)
{
	for (int n = 1; n <= (int)n_messages; n++) {
		drop_waits_for_the_disk(false, n);
		drop_waits_for_the_disk(true, n);
	}
}
END_TEST

/* What is held, what is staged and what waits in Postfix's queue: who cannot tell of it for a moment says so, and drops nothing. */
UNIT_TEST(what_cannot_be_looked_at_is_not_lost)
{
	struct fault why = {0};

	fresh();
	killed_at("held.taken:1:kill", false);
	for (int n = 1; n <= 7; n++) {                  /* what is held, twice, and five states of the stage */
		ck_assert_msg(broken_look("held.listed", n, false) != 0, "list %d of the stage", n);
		check_moment("import without a list of the stage", n);
	}
	for (int n = 1; n <= 5; n++) {                  /* as many states of Postfix's, be it for their fsync */
		ck_assert_msg(broken_look("queue.names", n, false) != 0, "list %d of Postfix's queue", n);
		check_moment("import without a list of Postfix's queue", n);
	}
	ck_assert_msg(run(false, &why) == 0, "%s", fault_text(&why));
	check_ours();
	ck_assert_int_ne(broken_look("queue.scan.look", 1, true), 0);
	check_moment("export", 1);
	ck_assert_msg(run(true, &why) == 0, "%s", fault_text(&why));
	check_theirs();
	check_nothing_is_between();
	shell("rm -r", root);
}
END_TEST

static int n_left;

static void
count_left(const char *path, const char *why)
{
	(void)path, (void)why;
	n_left++;
}

/* A recipient was refused, and the log that shall tell the sender cannot be read: the message does not go over without. */
UNIT_TEST(a_log_that_cannot_be_read_is_not_passed_over)
{
	autofree char    *ours = NULL, *theirs = NULL, *big = NULL;
	struct queue_move m;

	fresh();
	ours = mem_format("%s/ours", root);
	theirs = mem_format("%s/postfix", root);
	big = mem_format("%s/postfix/bounce/A0000000002", root);
	write_file("bounce/A0000000002", SPAN("\n<two@x>: why\nrecipient=two@x\noffset=0\nstatus=5.0.0\naction=failed\nreason=no\n\n"), 0600);
	ck_assert_int_eq(truncate(big, 65 << 20), 0);
	m = (struct queue_move){.postfix = theirs, .ours = ours, .owner = (uid_t)-1, .hash_depth = 1, .hash_names = SPAN("deferred defer"), .left = count_left};
	ck_assert_int_eq(queue_import(&m, NULL), 0);
	ck_assert_int_eq(n_left, 1);
	ck_assert_int_eq(count_in("postfix", "A0000000002"), 1);
	ck_assert_int_eq(count_in("ours", "A0000000002"), 0);
	ck_assert_int_eq(access(big, F_OK), 0);
	shell("rm -r", root);
}
END_TEST

/* Another message has that id on the other side: none takes the other's place, and both are there. */
UNIT_TEST(an_id_in_use_is_no_way_to_lose_mail)
{
	autofree char *theirs = NULL;
	struct fault   why = {0};

	fresh();
	ck_assert_int_eq(run(false, &why), 0);
	for (size_t i = 0; i < n_messages; i++)
		make_message(messages[i].path, messages[i].drop);
	ck_assert_msg(run(false, &why) == 0, "%s", fault_text(&why));
	shell("test 12 = $(find", mem_format("%s/ours/maildrop %s/ours/incoming %s/ours/deferred %s/ours/hold -type f | wc -l)", root, root, root, root));
	for (size_t i = 0; i < n_messages; i++)
		ck_assert_int_eq(count_in("ours", messages[i].id), 1);
	for (size_t i = 0; i < n_messages; i++)
		make_message(messages[i].path, messages[i].drop);
	write_file("defer/B/B0000000004", SPAN("theirs"), 0600);
	ck_assert_msg(run(true, &why) == 0, "%s", fault_text(&why));
	theirs = mem_format("%s/postfix", root);
	shell("test 18 = $(find", mem_format("%s/maildrop %s/incoming %s/active %s/deferred %s/hold -type f | wc -l)", theirs, theirs, theirs, theirs, theirs));
	shell("grep -qx theirs", mem_format("%s/defer/B/B0000000004", theirs));
	shell("grep -rq reason=because", mem_format("%s/defer", theirs));
	check_nothing_is_between();
	shell("rm -r", root);
}
END_TEST

/* Pickup was killed when cleanup had the message and the file in maildrop was still there: it goes over once. */
UNIT_TEST(what_is_submitted_goes_once)
{
	struct fault why = {0};

	fresh();
	ck_assert_int_eq(run(false, &why), 0);
	shell("cd", mem_format("%s/ours/maildrop && cp -p D0000000001 A0000000002", root));
	ck_assert_msg(run(true, &why) == 0, "%s", fault_text(&why));
	check_theirs();
	shell("test ! -e", mem_format("%s/ours/maildrop/A0000000002", root));
	shell("rm -r", root);
}
END_TEST

UNIT_MAIN("crash/queue_move", import_killed_and_postfix_started, import_killed_and_we_started, export_killed_and_we_started,
          export_killed_and_postfix_started, what_is_held_goes_when_the_new_is_durable, what_cannot_be_looked_at_is_not_lost, an_id_in_use_is_no_way_to_lose_mail, what_is_submitted_goes_once, import_killed_at_every_point, import_with_a_full_disk_at_every_point, export_killed_at_every_point,
          export_with_an_io_error_at_every_point, another_directory_has_to_wait, a_log_that_cannot_be_read_is_not_passed_over)
