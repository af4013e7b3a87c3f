# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/store/libstore.a
lib_store_libstore_a_SOURCES = \
	lib/store/acl.c lib/store/acl.h lib/store/acl_shared.c lib/store/acl_shared.h \
	lib/store/attributes.c lib/store/attributes.h \
	lib/store/courier.c lib/store/courier.h \
	lib/store/delivered.c lib/store/delivered.h lib/store/delivery.c lib/store/maildir_private.h \
	lib/store/dotlock.c lib/store/dotlock.h \
	lib/store/dovecot_index.c lib/store/dovecot_index.h \
	lib/store/filename.c lib/store/filename.h \
	lib/store/folder.c lib/store/folder.h \
	lib/store/folder_adopt.c lib/store/folder_assign.c lib/store/folder_change.c lib/store/folder_follow.c lib/store/folder_private.h lib/store/folder_sync.c \
	lib/store/lender.c lib/store/lender.h \
	lib/store/messages.c lib/store/messages.h \
	lib/store/snapshot.c lib/store/snapshot.h \
	lib/store/history.c lib/store/history.h lib/store/history_dates.c lib/store/history_expunged.c lib/store/history_modseq.c lib/store/history_private.h lib/store/history_records.c lib/store/history_uids.c \
	lib/store/index.c lib/store/index.h lib/store/index_file.c lib/store/index_order.c lib/store/index_parts.c lib/store/index_private.h lib/store/index_rows.c \
	lib/store/keywords.c lib/store/keywords.h \
	lib/store/location.c lib/store/location.h \
	lib/store/maildir.c lib/store/maildir.h \
	lib/store/mapping.h lib/store/mapping_guard.c \
	lib/store/merge.c lib/store/merge.h \
	lib/store/message_file.c lib/store/message_file.h \
	lib/store/mirror.c lib/store/mirror.h \
	lib/store/mutf7.c lib/store/mutf7.h \
	lib/store/packed.c lib/store/packed.h \
	lib/store/place.c lib/store/place.h \
	lib/store/publish.h lib/store/publish_link.c \
	lib/store/lazy.c lib/store/lazy.h lib/store/place_private.h \
	lib/store/quota.c lib/store/quota.h lib/store/quota_file.c lib/store/quota_private.h \
	lib/store/scan.c lib/store/scan.h \
	lib/store/seen.c lib/store/seen.h \
	lib/store/shared_mode.c lib/store/shared_mode.h \
	lib/store/small_file.c lib/store/small_file.h \
	lib/store/subscriptions.c lib/store/subscriptions.h \
	lib/store/tree.c lib/store/tree.h \
	lib/store/uidlist.c lib/store/uidlist.h lib/store/uidlist_write.c \
	lib/store/uidvalidity.c lib/store/uidvalidity.h \
	lib/store/watch.h
if LINUX
lib_store_libstore_a_SOURCES += lib/store/mapping_linux.c lib/store/publish_linux.c lib/store/watch_linux.c
else
lib_store_libstore_a_SOURCES += lib/store/mapping_portable.c lib/store/publish_portable.c lib/store/watch_portable.c
endif
EXTRA_DIST += lib/store/mapping_linux.c lib/store/mapping_portable.c lib/store/publish_linux.c lib/store/publish_portable.c \
	lib/store/watch_linux.c lib/store/watch_portable.c

UNIT_TESTS += t/unit/store/test_maildir
t_unit_store_test_maildir_SOURCES = t/unit/store/test_maildir.c t/unit/unit.h
t_unit_store_test_maildir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_maildir_LDADD = lib/store/libstore.a $(PACKED_LIBS) $(BASE_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_filename
t_fuzz_fuzz_filename_SOURCES = t/fuzz/fuzz_filename.c $(FUZZ_DRIVER)
t_fuzz_fuzz_filename_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_filename_LDADD = lib/store/libstore.a $(BASE_LIBS)

UNIT_TESTS += t/unit/store/test_folder
t_unit_store_test_folder_SOURCES = t/unit/store/test_folder.c t/unit/unit.h
t_unit_store_test_folder_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_folder_LDADD = lib/store/libstore.a $(LMDB_LIBS) $(PACKED_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
EXTRA_DIST += t/unit/store/takeover.tar.gz

FUZZ_TARGETS += t/fuzz/fuzz_uidlist
t_fuzz_fuzz_uidlist_SOURCES = t/fuzz/fuzz_uidlist.c $(FUZZ_DRIVER)
t_fuzz_fuzz_uidlist_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_uidlist_LDADD = lib/store/libstore.a $(BASE_LIBS)

UNIT_TESTS += t/unit/store/test_history
t_unit_store_test_history_SOURCES = t/unit/store/test_history.c t/unit/unit.h
t_unit_store_test_history_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_history_LDADD = lib/store/libstore.a $(LMDB_LIBS) $(PACKED_LIBS) $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/store/test_snapshot
t_unit_store_test_snapshot_SOURCES = t/unit/store/test_snapshot.c t/unit/unit.h
t_unit_store_test_snapshot_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_snapshot_LDADD = lib/store/libstore.a $(LMDB_LIBS) $(PACKED_LIBS) $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/store/test_quota
t_unit_store_test_quota_SOURCES = t/unit/store/test_quota.c t/unit/unit.h
t_unit_store_test_quota_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_quota_LDADD = $(STORE_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_maildirsize
t_fuzz_fuzz_maildirsize_SOURCES = t/fuzz/fuzz_maildirsize.c $(FUZZ_DRIVER)
t_fuzz_fuzz_maildirsize_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_maildirsize_LDADD = $(STORE_LIBS)

UNIT_TESTS += t/unit/store/test_acl
t_unit_store_test_acl_SOURCES = t/unit/store/test_acl.c t/unit/unit.h
t_unit_store_test_acl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_acl_LDADD = $(STORE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/store/test_seen
t_unit_store_test_seen_SOURCES = t/unit/store/test_seen.c t/unit/unit.h
t_unit_store_test_seen_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_seen_LDADD = $(STORE_LIBS) $(CHECK_LIBS)

noinst_PROGRAMS += t/crash/shared_writer
t_crash_shared_writer_SOURCES = t/crash/shared_writer.c
t_crash_shared_writer_LDADD = $(STORE_LIBS)
DIRECT_TESTS += t/crash/shared_files.py
EXTRA_DIST += t/crash/shared_files.py

FUZZ_TARGETS += t/fuzz/fuzz_seen
t_fuzz_fuzz_seen_SOURCES = t/fuzz/fuzz_seen.c $(FUZZ_DRIVER)
t_fuzz_fuzz_seen_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_seen_LDADD = $(STORE_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_acl
t_fuzz_fuzz_acl_SOURCES = t/fuzz/fuzz_acl.c $(FUZZ_DRIVER)
t_fuzz_fuzz_acl_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_acl_LDADD = $(STORE_LIBS)

UNIT_TESTS += t/unit/store/test_dovecot_index
t_unit_store_test_dovecot_index_SOURCES = t/unit/store/test_dovecot_index.c t/unit/unit.h
t_unit_store_test_dovecot_index_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_store_test_dovecot_index_LDADD = $(STORE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_dovecot_index
t_fuzz_fuzz_dovecot_index_SOURCES = t/fuzz/fuzz_dovecot_index.c $(FUZZ_DRIVER)
t_fuzz_fuzz_dovecot_index_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_dovecot_index_LDADD = lib/store/libstore.a $(BASE_LIBS)
DIRECT_TESTS += t/system/takeover.py t/system/takeover_courier.py t/system/client_suites.py
EXTRA_DIST += t/system/takeover.py t/system/takeover_courier.py t/system/client_suites.py t/system/courier.tar.gz

FUZZ_TARGETS += t/fuzz/fuzz_merge
t_fuzz_fuzz_merge_SOURCES = t/fuzz/fuzz_merge.c $(FUZZ_DRIVER)
t_fuzz_fuzz_merge_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_merge_LDADD = $(STORE_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_packed
t_fuzz_fuzz_packed_SOURCES = t/fuzz/fuzz_packed.c $(FUZZ_DRIVER)
t_fuzz_fuzz_packed_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_packed_LDADD = $(STORE_LIBS)
DIRECT_TESTS += t/system/packed.py
EXTRA_DIST += t/system/packed.py
