# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/queue/libqueue.a
lib_queue_sources = \
	lib/queue/crc32.c lib/queue/crc32.h \
	lib/queue/maildrop.c lib/queue/maildrop.h \
	lib/queue/message.c lib/queue/message.h \
	lib/queue/queue.c lib/queue/queue.h lib/queue/queue_private.h \
	lib/queue/queue_counter.c \
	lib/queue/queue_draft.c \
	lib/queue/queue_file.c lib/queue/queue_file.h lib/queue/queue_file_private.h \
	lib/queue/queue_id.c lib/queue/queue_id.h \
	lib/queue/queue_journal.c \
	lib/queue/queue_record.c \
	lib/queue/queue_scan.c
lib_queue_move_sources = \
	lib/queue/postfix_directory.c lib/queue/postfix_directory.h \
	lib/queue/postfix_queue.c lib/queue/postfix_queue.h \
	lib/queue/postfix_queue_write.c \
	lib/queue/queue_export.c lib/queue/queue_export_private.h \
	lib/queue/queue_export_drop.c \
	lib/queue/queue_export_message.c \
	lib/queue/queue_export_stage.c \
	lib/queue/queue_export_writer.c \
	lib/queue/queue_foreign.c \
	lib/queue/queue_held.c lib/queue/queue_held.h \
	lib/queue/queue_import.c lib/queue/queue_import_private.h \
	lib/queue/queue_import_carry.c \
	lib/queue/queue_import_drop.c \
	lib/queue/queue_import_message.c \
	lib/queue/queue_import_reason.c \
	lib/queue/queue_move.h
lib_queue_libqueue_a_SOURCES = $(lib_queue_sources) $(lib_queue_move_sources)

UNIT_TESTS += t/unit/queue/test_queue
t_unit_queue_test_queue_SOURCES = t/unit/queue/test_queue.c
t_unit_queue_test_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_queue_test_queue_LDADD = lib/queue/libqueue.a $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_queue_file
t_fuzz_fuzz_queue_file_SOURCES = t/fuzz/fuzz_queue_file.c $(FUZZ_DRIVER)
t_fuzz_fuzz_queue_file_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_queue_file_LDADD = lib/queue/libqueue.a $(BASE_LIBS)

# A message's life with a fault at every point: lib/queue with its points compiled in
UNIT_TESTS += t/crash/test_queue
t_crash_test_queue_SOURCES = t/crash/test_queue.c $(lib_queue_sources)
t_crash_test_queue_CPPFLAGS = $(AM_CPPFLAGS) -DPOSTERN_FAULT_POINTS=1
t_crash_test_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_crash_test_queue_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_maildrop
t_fuzz_fuzz_maildrop_SOURCES = t/fuzz/fuzz_maildrop.c $(FUZZ_DRIVER)
t_fuzz_fuzz_maildrop_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_maildrop_LDADD = lib/queue/libqueue.a $(BASE_LIBS)
check_PROGRAMS += t/crash/queue_writer
t_crash_queue_writer_SOURCES = t/crash/queue_writer.c
t_crash_queue_writer_LDADD = lib/queue/libqueue.a $(BASE_LIBS)
DIRECT_TESTS += t/crash/test_power.py
EXTRA_DIST += t/crash/test_power.py

# Postfix's queue files
UNIT_TESTS += t/unit/queue/test_postfix_queue
t_unit_queue_test_postfix_queue_SOURCES = t/unit/queue/test_postfix_queue.c
t_unit_queue_test_postfix_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_queue_test_postfix_queue_LDADD = lib/queue/libqueue.a lib/mail/libmail.a $(IDN2_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_postfix_queue
t_fuzz_fuzz_postfix_queue_SOURCES = t/fuzz/fuzz_postfix_queue.c $(FUZZ_DRIVER)
t_fuzz_fuzz_postfix_queue_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_postfix_queue_LDADD = lib/queue/libqueue.a $(BASE_LIBS)
UNIT_TESTS += t/crash/test_queue_move
t_crash_test_queue_move_SOURCES = t/crash/test_queue_move.c $(lib_queue_sources) $(lib_queue_move_sources)
t_crash_test_queue_move_CPPFLAGS = $(AM_CPPFLAGS) -DPOSTERN_FAULT_POINTS=1
t_crash_test_queue_move_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_crash_test_queue_move_LDADD = lib/mail/libmail.a $(IDN2_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
DIRECT_TESTS += t/system/queue_move.py
EXTRA_DIST += t/system/queue_move.py
