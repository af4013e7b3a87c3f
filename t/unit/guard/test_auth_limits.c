/* SPDX-License-Identifier: ISC */
/* What an administrator was told is kept, wherever a crash has cut the file behind it. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authd_limits.h"
#include "base/file.h"

static char directory[] = "/tmp/limits.XXXXXX", path[64], spec[80];

static int   n_synced;
static void (*meanwhile)(void);      /* another process, which has the lock until then */

/* In place of the library's: stable storage and the order of processes cannot be seen otherwise. */
int
fsync(int fd)
{
	n_synced++;
	return (int)syscall(SYS_fsync, fd);
}

int
flock(int fd, int how)
{
	void (*first)(void) = how == LOCK_UN ? NULL : meanwhile;

	if (first) {
		meanwhile = NULL;
		first();
	}
	return (int)syscall(SYS_flock, fd, how);
}

static void
set_up(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/limits", directory);
	snprintf(spec, sizeof spec, "file:%s", path);
}

static void
tear_down(void)
{
	limits_close();
	unlink(path);
	rmdir(directory);
}

static void
opened(void)
{
	struct fault why = {0};

	limits_close();
	ck_assert_msg(limits_prepare(spec, false, &why) == 0, "%s", fault_text(&why));
}

static void
set(const char *user, const char *rule)
{
	struct fault why = {0};

	ck_assert_msg(limits_set(user, span_of(rule), &why) == 0, "%s", fault_text(&why));
}

/* "" for none */
static void
expect(const char *user, const char *rule)
{
	autotext struct text got = {0};
	struct fault         why = {0};
	int                  found = limits_find(user, &got, &why);

	ck_assert_msg(found == (*rule != '\0') && strcmp(text_string(&got), rule) == 0, "%s: %d \"%s\" instead of \"%s\" %s", user,
	              found, text_string(&got), rule, fault_text(&why));
}

static off_t
length(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

START_TEST(the_last_holds)
{
	opened();
	expect("anna", "");
	set("anna", "*:bytes=1024");
	set("anna@example.com", "*:bytes=2048:messages=2");
	set("anna", "*:messages=7");
	expect("anna", "*:messages=7");
	expect("anna@example.com", "*:bytes=2048:messages=2");
	set("anna", "");
	expect("anna", "");
	opened();
	expect("anna", "");
	expect("anna@example.com", "*:bytes=2048:messages=2");
}
END_TEST

/* A change that was cut anywhere was not answered: it is not believed, those before it are, and the next one is whole. */
START_TEST(cut_at_every_byte)
{
	off_t whole, longer;

	opened();
	set("anna", "*:bytes=1024");
	whole = length();
	set("anna", "*:bytes=99999999:messages=3");
	longer = length();
	for (off_t at = longer - 1; at >= whole; at--) {
		ck_assert_int_eq(truncate(path, at), 0);
		opened();
		expect("anna", "*:bytes=1024");
		set("zoe", "*:messages=1");
		opened();
		expect("anna", "*:bytes=1024");
		expect("zoe", "*:messages=1");
		ck_assert_int_eq(truncate(path, whole), 0);
		opened();
		set("anna", "*:bytes=99999999:messages=3");
	}
}
END_TEST

/* The process before a reload and the one behind it. */
START_TEST(others_add)
{
	autoclose int fd = -1;

	opened();
	set("anna", "*:bytes=1024");
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_eq((int)write(fd, "bert *:messages=5\nanna *:mess", 29), 29);
	expect("bert", "*:messages=5");
	expect("anna", "*:bytes=1024");
	ck_assert_int_eq((int)write(fd, "ages=6\n", 7), 7);
	expect("anna", "*:messages=6");
}
END_TEST

/* Takes its line back, as its fsync has failed; the next one is longer. */
static void
take_back(void)
{
	autoclose int fd = open(path, O_WRONLY | O_APPEND);
	struct fault  why = {0};

	ck_assert_int_eq(ftruncate(fd, (off_t)strlen("anna *:bytes=1024\n")), 0);
	ck_assert_int_eq(file_write(fd, SPAN("bert@example.com *:bytes=1024:messages=5\n"), &why), 0);
}

START_TEST(what_is_taken_back_was_never_read)
{
	autoclose int fd = -1;

	opened();
	set("anna", "*:bytes=1024");
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_eq((int)write(fd, "anna *:messages=6\n", 18), 18);
	meanwhile = take_back;
	expect("anna", "*:bytes=1024");
	expect("bert@example.com", "*:bytes=1024:messages=5");
	meanwhile = NULL;
}
END_TEST

START_TEST(what_holds_is_not_written_again)
{
	off_t whole;
	int   before;

	opened();
	set("anna", "");
	ck_assert_int_eq((int)length(), 0);
	set("anna", "*:bytes=1024");
	whole = length();
	before = n_synced;
	set("anna", "*:bytes=1024");
	ck_assert_int_eq((int)length(), (int)whole);
	ck_assert_int_gt(n_synced, before);
	set("anna", "*:bytes=10");
	set("anna", "");
	whole = length();
	set("anna", "");
	ck_assert_int_eq((int)length(), (int)whole);
	opened();
	expect("anna", "");
}
END_TEST

START_TEST(replaced)
{
	autotext struct text many = {0};
	struct fault         why = {0};

	for (int i = 0; i < 40000; i++)
		text_add_format(&many, "anna *:bytes=%d:messages=%d\n", i + 1, i + 1);
	text_add_string(&many, "bert *:messages=5\ncarl *:messages=1\ncarl -\n");
	ck_assert_int_eq(file_replace(path, text_span(&many), 0600, &why), 0);
	opened();
	ck_assert_int_lt((int)length(), 100);
	expect("anna", "*:bytes=40000:messages=40000");
	expect("bert", "*:messages=5");
	expect("carl", "");
	ck_assert_int_eq(file_replace(path, SPAN("bert *:messages=6\n"), 0600, &why), 0);
	ck_assert_int_eq(limits_set("anna", SPAN("*:messages=1"), &why), -1);
	ck_assert_int_eq((int)why.class, FAULT_PEER);
	opened();
	expect("bert", "*:messages=6");
}
END_TEST

/* Another process, as --check is. */
static int
looked_at(void)
{
	int   status;
	pid_t pid = fork();

	if (pid == 0) {
		struct fault why = {0};

		limits_close();
		_exit(limits_prepare(spec, true, &why) < 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(a_look_changes_nothing)
{
	autotext struct text many = {0};
	struct fault         why = {0};

	ck_assert_int_eq(looked_at(), 0);
	ck_assert_int_lt(access(path, F_OK), 0);
	opened();
	set("anna", "*:messages=3");
	for (int i = 0; i < 40000; i++)
		text_add_format(&many, "bert *:bytes=%d:messages=%d\n", i + 1, i + 1);
	autoclose int fd = open(path, O_WRONLY | O_APPEND);

	ck_assert_int_eq(file_write(fd, text_span(&many), &why), 0);
	ck_assert_int_gt((int)length(), LIMITS_TIDY_FROM);
	ck_assert_int_eq(looked_at(), 0);
	set("anna", "*:messages=4");
	expect("anna", "*:messages=4");
	opened();
	expect("anna", "*:messages=4");
	ck_assert_int_lt((int)length(), 100);
}
END_TEST

static void
refused(const char *words)
{
	struct fault why = {0};

	limits_close();
	ck_assert_int_ne(looked_at(), 0);
	ck_assert_int_eq(limits_prepare(spec, false, &why), -1);
	ck_assert_msg(strstr(fault_text(&why), words), "%s", fault_text(&why));
}

/* What root opens for writing is nobody else's. */
START_TEST(of_others)
{
	autofree char *other = mem_format("%s/other", directory);

	opened();
	set("anna", "*:messages=3");
	ck_assert_int_eq(chmod(path, 0620), 0);
	refused("mode 0600");
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(link(path, other), 0);
	refused("one name");
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(chmod(directory, 0770), 0);
	refused("written to by others");
	ck_assert_int_eq(chmod(directory, 0700), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 65534, 0), 0);
		refused("its owner");
		ck_assert_int_eq(chown(path, 0, 0), 0);
		ck_assert_int_eq(chown(directory, 65534, 0), 0);
		refused("written to by others");
		ck_assert_int_eq(chown(directory, 0, 0), 0);
	}
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refused("is no file");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	refused("open ");
	ck_assert_int_eq(unlink(path), 0);
	opened();
	expect("anna", "");
}
END_TEST

START_TEST(no_sense)
{
	struct fault why = {0};

	ck_assert_int_eq(file_replace(path, SPAN("\n \nanna\n anna\nanna *:messages=3\nb\0b *:messages=1\n"), 0600, &why), 0);
	opened();
	expect("anna", "*:messages=3");
	expect("b", "");
	limits_close();
	ck_assert_int_eq(limits_prepare("dict:proxy::quota", false, &why), -1);
	ck_assert_int_eq(limits_prepare("file:limits", false, &why), -1);
	ck_assert_int_eq(limits_prepare("", false, &why), 0);
	ck_assert(!limits_are_kept());
	ck_assert_int_eq(limits_set("anna", SPAN("*:messages=1"), &why), -1);
}
END_TEST

int
main(void)
{
	Suite   *suite = suite_create("auth_limits");
	TCase   *all = tcase_create("all");
	SRunner *runner;
	int      failed;

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, the_last_holds);
	tcase_add_test(all, cut_at_every_byte);
	tcase_add_test(all, others_add);
	tcase_add_test(all, what_is_taken_back_was_never_read);
	tcase_add_test(all, what_holds_is_not_written_again);
	tcase_add_test(all, replaced);
	tcase_add_test(all, a_look_changes_nothing);
	tcase_add_test(all, of_others);
	tcase_add_test(all, no_sense);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
