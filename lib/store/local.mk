# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/store/libstore.a
lib_store_libstore_a_SOURCES = \
	lib/store/delivery.c lib/store/maildir_private.h \
	lib/store/filename.c lib/store/filename.h \
	lib/store/maildir.c lib/store/maildir.h \
	lib/store/mutf7.c lib/store/mutf7.h \
	lib/store/publish.h
if LINUX
lib_store_libstore_a_SOURCES += lib/store/publish_linux.c
else
lib_store_libstore_a_SOURCES += lib/store/publish_portable.c
endif
EXTRA_DIST += lib/store/publish_linux.c lib/store/publish_portable.c

UNIT_TESTS += t/unit/store/test_maildir
t_unit_store_test_maildir_SOURCES = t/unit/store/test_maildir.c t/unit/unit.h
t_unit_store_test_maildir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_maildir_LDADD = lib/store/libstore.a $(BASE_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_filename
t_fuzz_fuzz_filename_SOURCES = t/fuzz/fuzz_filename.c $(FUZZ_DRIVER)
t_fuzz_fuzz_filename_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_filename_LDADD = lib/store/libstore.a $(BASE_LIBS)
EXTRA_DIST += t/fuzz/corpus/filename
