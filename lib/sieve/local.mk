# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/sieve/libsieve.a
lib_sieve_libsieve_a_SOURCES = \
	lib/sieve/check.c lib/sieve/check_arguments.c lib/sieve/check_meaning.c lib/sieve/check_private.h \
	lib/sieve/edit.c \
	lib/sieve/mailboxes.c \
	lib/sieve/match.c \
	lib/sieve/message.c \
	lib/sieve/notify.c \
	lib/sieve/parse.c \
	lib/sieve/parts.c \
	lib/sieve/programs.c \
	lib/sieve/run.c \
	lib/sieve/scores.c \
	lib/sieve/settings.c lib/sieve/settings.h \
	lib/sieve/sieve.h lib/sieve/sieve_private.h \
	lib/sieve/test_date.c \
	lib/sieve/tests.c \
	lib/sieve/vacation.c \
	lib/sieve/verbs.c \
	lib/sieve/words.c
SIEVE_LIBS = lib/sieve/libsieve.a lib/mail/libmail.a lib/config/libconfig.a $(PCRE2_LIBS) $(IDN2_LIBS) $(BASE_LIBS)

UNIT_TESTS += t/unit/sieve/test_sieve
t_unit_sieve_test_sieve_SOURCES = t/unit/sieve/test_sieve.c t/unit/sieve/show.h t/unit/unit.h
t_unit_sieve_test_sieve_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_sieve_test_sieve_LDADD = $(SIEVE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += t/unit/sieve/sieve_run
t_unit_sieve_sieve_run_SOURCES = t/unit/sieve/sieve_run.c t/unit/sieve/show.h
t_unit_sieve_sieve_run_LDADD = $(SIEVE_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_sieve
t_fuzz_fuzz_sieve_SOURCES = t/fuzz/fuzz_sieve.c $(FUZZ_DRIVER)
t_fuzz_fuzz_sieve_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_sieve_LDADD = $(SIEVE_LIBS)
DIRECT_TESTS += t/system/sieve_pigeonhole.py
EXTRA_DIST += t/system/sieve_pigeonhole.py
