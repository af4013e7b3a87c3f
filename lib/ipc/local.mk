# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/ipc/libipc.a
lib_ipc_libipc_a_SOURCES = \
	lib/ipc/ask_auth.c \
	lib/ipc/ask_auth.h \
	lib/ipc/ask_dial.c lib/ipc/endpoint.c \
	lib/ipc/ask_dial.h \
	lib/ipc/ask_dns.c \
	lib/ipc/ask_dns.h \
	lib/ipc/ask_rate.c \
	lib/ipc/roster.c lib/ipc/roster.h \
	lib/ipc/ask_rate.h \
	lib/ipc/ask_rewrite.c \
	lib/ipc/ask_rewrite.h \
	lib/ipc/ask_rewrite_server.h \
	lib/ipc/ask_table.c \
	lib/ipc/ask_table.h \
	lib/ipc/ask_verify.c \
	lib/ipc/ask_verify.h \
	lib/ipc/deliver.c \
	lib/ipc/log_address.c \
	lib/ipc/log_address.h \
	lib/ipc/deliver.h \
	lib/ipc/frame.c \
	lib/ipc/frame.h \
	lib/ipc/hand_over.c \
	lib/ipc/hand_over.h \
	lib/ipc/login.c \
	lib/ipc/login.h \
	lib/ipc/wake_proof.c lib/ipc/wake_proof.h \
	lib/ipc/memo.c \
	lib/ipc/memo.h \
	lib/ipc/notify.c \
	lib/ipc/notify.h \
	lib/ipc/peer.c \
	lib/ipc/peer.h \
	lib/ipc/queue_talk.c \
	lib/ipc/queue_talk.h \
	lib/ipc/submit.c lib/ipc/submit_edit.c \
	lib/ipc/submit.h \
	lib/ipc/transcript.c \
	lib/ipc/transcript.h
if LINUX
lib_ipc_libipc_a_SOURCES += lib/ipc/peer_linux.c
else
lib_ipc_libipc_a_SOURCES += lib/ipc/peer_portable.c
endif
EXTRA_DIST += lib/ipc/peer_linux.c lib/ipc/peer_portable.c

UNIT_TESTS += t/unit/ipc/test_frame
t_unit_ipc_test_frame_SOURCES = t/unit/ipc/test_frame.c
t_unit_ipc_test_frame_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_frame_LDADD = lib/ipc/libipc.a $(BASE_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/ipc/test_deliver
t_unit_ipc_test_deliver_SOURCES = t/unit/ipc/test_deliver.c
t_unit_ipc_test_deliver_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_deliver_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/ipc/test_ask_table
t_unit_ipc_test_ask_table_SOURCES = t/unit/ipc/test_ask_table.c
t_unit_ipc_test_ask_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_ask_table_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/ipc/test_login
t_unit_ipc_test_login_SOURCES = t/unit/ipc/test_login.c
t_unit_ipc_test_login_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_login_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/ipc/test_memo
t_unit_ipc_test_memo_SOURCES = t/unit/ipc/test_memo.c
t_unit_ipc_test_memo_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_memo_LDADD = lib/ipc/libipc.a $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_frame
t_fuzz_fuzz_frame_SOURCES = t/fuzz/fuzz_frame.c $(FUZZ_DRIVER)
t_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_frame_LDADD = lib/ipc/libipc.a $(BASE_LIBS)
UNIT_TESTS += t/unit/ipc/test_submit
t_unit_ipc_test_submit_SOURCES = t/unit/ipc/test_submit.c
t_unit_ipc_test_submit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_submit_LDADD = lib/ipc/libipc.a $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_submit_edit
t_fuzz_fuzz_submit_edit_SOURCES = t/fuzz/fuzz_submit_edit.c $(FUZZ_DRIVER)
t_fuzz_fuzz_submit_edit_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_submit_edit_LDADD = lib/ipc/libipc.a $(BASE_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_deliver
t_fuzz_fuzz_deliver_SOURCES = t/fuzz/fuzz_deliver.c $(FUZZ_DRIVER)
t_fuzz_fuzz_deliver_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_deliver_LDADD = $(IPC_LIBS)
UNIT_TESTS += t/unit/ipc/test_transcript
t_unit_ipc_test_transcript_SOURCES = t/unit/ipc/test_transcript.c
t_unit_ipc_test_transcript_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_ipc_test_transcript_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
