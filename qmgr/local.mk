# SPDX-License-Identifier: ISC

# qmgr: the scheduler is pure and tested by itself
UNIT_TESTS += t/unit/qmgr/test_schedule
t_unit_qmgr_test_schedule_SOURCES = t/unit/qmgr/test_schedule.c qmgr/schedule.c qmgr/destination.c qmgr/retry.c qmgr/due.c
t_unit_qmgr_test_schedule_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_qmgr_test_schedule_LDADD = $(BASE_LIBS) -lm $(CHECK_LIBS)

# cleanup
pkglibexec_PROGRAMS += cleanup
cleanup_SOURCES = \
	qmgr/cleanup.c qmgr/cleanup.h \
	qmgr/cleanup_checks.c qmgr/cleanup_tables.h \
	qmgr/cleanup_envelope.c \
	qmgr/cleanup_header.c \
	qmgr/cleanup_pieces.c \
	qmgr/cleanup_session.c
cleanup_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a $(TABLE_LIBS)
DIRECT_TESTS += t/unit/queue/test_cleanup.py t/unit/queue/test_sendmail.py
EXTRA_DIST += t/unit/queue/test_cleanup.py t/unit/queue/test_sendmail.py t/unit/queue/programs.py

# pickup
pkglibexec_PROGRAMS += pickup
pickup_SOURCES = qmgr/pickup.c
pickup_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a $(IPC_LIBS)
