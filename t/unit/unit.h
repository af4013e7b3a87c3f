/* SPDX-License-Identifier: ISC */
/*
 * unit.h - a Check program in three lines
 *
 *   UNIT_TEST(name) { ck_assert(...); }
 *   UNIT_MAIN("base/span", name, other)
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_TEST(name) START_TEST(name)

/* A sanitizer's frames are larger, and it keeps freed memory to watch it: tests that measure either must know. */
#ifdef POSTERN_SANITIZER
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static inline int
unit_run(const char *title, const TTest *const *tests, size_t count)
{
	Suite   *suite = suite_create(title);
	SRunner *runner;
	int      failed;

	for (size_t i = 0; i < count; i++) {
		TCase *c = tcase_create(tests[i]->name);

		tcase_set_timeout(c, 300);
		tcase_add_test(c, tests[i]);
		suite_add_tcase(suite, c);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(title, ...)                                                  \
	int main(void)                                                         \
	{                                                                      \
		const TTest *tests[] = {__VA_ARGS__};                          \
		return unit_run(title, tests, sizeof tests / sizeof *tests);   \
	}

/* A span holds exactly these characters. */
#define ck_span(s, string)                                                     \
	ck_assert_msg(span_is((s), (string)), "is \"%.*s\", not \"%s\"", SPAN_ARGS(s), (string))

#endif
