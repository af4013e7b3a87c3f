# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/milter/libmilter.a
lib_milter_libmilter_a_SOURCES = \
	lib/milter/asking.c \
	lib/milter/content.c lib/milter/content.h \
	lib/milter/local.c \
	lib/milter/milter.c lib/milter/milter.h lib/milter/milter_private.h \
	lib/milter/packet.c lib/milter/packet.h \
	lib/milter/settings.c lib/milter/settings.h \
	lib/milter/talk.c
MILTER_LIBS = lib/milter/libmilter.a lib/queue/libqueue.a $(IPC_LIBS)

UNIT_TESTS += t/unit/milter/test_milter
t_unit_milter_test_milter_SOURCES = t/unit/milter/test_milter.c
t_unit_milter_test_milter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_milter_test_milter_LDADD = $(MILTER_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_milter
t_fuzz_fuzz_milter_SOURCES = t/fuzz/fuzz_milter.c $(FUZZ_DRIVER)
t_fuzz_fuzz_milter_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_milter_LDADD = lib/milter/libmilter.a $(BASE_LIBS)
