# SPDX-License-Identifier: ISC

# qmgr: the scheduler is pure and tested by itself
UNIT_TESTS += t/unit/qmgr/test_schedule
t_unit_qmgr_test_schedule_SOURCES = t/unit/qmgr/test_schedule.c qmgr/schedule.c qmgr/destination.c qmgr/retry.c qmgr/due.c
t_unit_qmgr_test_schedule_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_qmgr_test_schedule_LDADD = $(BASE_LIBS) -lm $(CHECK_LIBS)

UNIT_TESTS += t/unit/qmgr/test_template
t_unit_qmgr_test_template_SOURCES = t/unit/qmgr/test_template.c qmgr/bounce_template.c
t_unit_qmgr_test_template_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_qmgr_test_template_LDADD = $(FLOOR1_LIBS) $(CHECK_LIBS)

# cleanup
pkglibexec_PROGRAMS += qmgr/cleanup
qmgr_cleanup_SOURCES = \
	qmgr/cleanup.c qmgr/cleanup.h \
	qmgr/cleanup_checks.c qmgr/cleanup_tables.h \
	qmgr/cleanup_envelope.c \
	qmgr/cleanup_header.c \
	qmgr/cleanup_pieces.c \
	qmgr/cleanup_session.c \
	qmgr/cleanup_strict.c qmgr/cleanup_utf8.c
qmgr_cleanup_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a $(TABLE_LIBS)
DIRECT_TESTS += t/unit/queue/test_load.py t/unit/queue/test_cleanup.py t/unit/queue/test_sendmail.py
EXTRA_DIST += t/unit/queue/test_load.py t/unit/queue/test_cleanup.py t/unit/queue/test_sendmail.py t/unit/queue/programs.py

# pickup
pkglibexec_PROGRAMS += qmgr/pickup
qmgr_pickup_SOURCES = qmgr/pickup.c
qmgr_pickup_LDADD = $(SERVICE_LIBS) $(MILTER_LIBS)

# qmgr and bounce
pkglibexec_PROGRAMS += qmgr/qmgr
QMGR_SOURCES = qmgr/qmgr.c qmgr/qmgr.h \
	qmgr/active.c qmgr/agents.c qmgr/assign.c qmgr/control.c qmgr/destination.c qmgr/due.c qmgr/due.h qmgr/finish.c qmgr/handoff.c \
	qmgr/hands.c qmgr/notices.c qmgr/outcome.c qmgr/past.c qmgr/requeue.c qmgr/retry.c qmgr/retry.h qmgr/scan.c \
	qmgr/schedule.c qmgr/schedule.h qmgr/schedule_private.h
qmgr_qmgr_SOURCES = $(QMGR_SOURCES)
qmgr_qmgr_LDADD = $(SERVICE_LIBS) $(IPC_LIBS) lib/queue/libqueue.a lib/base/libbase.a -lm

pkglibexec_PROGRAMS += qmgr/bounce
qmgr_bounce_SOURCES = qmgr/bounce.c qmgr/bounce.h qmgr/bounce_mail.c qmgr/bounce_show.c qmgr/bounce_template.c qmgr/bounce_template.h
qmgr_bounce_LDADD = $(SERVICE_LIBS) $(MILTER_LIBS)

# Made-up messages, and qmgr alone on a stage with played peers
check_PROGRAMS += t/bench/queue_fill
t_bench_queue_fill_SOURCES = t/bench/queue_fill.c
t_bench_queue_fill_LDADD = $(QUEUE_LIBS)
DIRECT_TESTS += t/crash/test_qmgr.py
EXTRA_DIST += t/crash/stage.py t/crash/test_qmgr.py
DIRECT_TESTS += t/crash/qmgr_rules.py
EXTRA_DIST += t/crash/qmgr_rules.py
DIRECT_TESTS += t/system/bounce.py
EXTRA_DIST += t/system/bounce.py
EXTRA_DIST += t/bench/deferred.py
DIRECT_TESTS += t/bench/sites.py
EXTRA_DIST += t/bench/sites.py
.PHONY: bench-deferred
bench-deferred: qmgr/qmgr t/bench/queue_fill
	top_builddir=$(abs_top_builddir) $(top_srcdir)/t/bench/deferred.py $(or $(N),100000)

.PHONY: bench-sites
bench-sites: qmgr/qmgr t/bench/queue_fill
	top_builddir=$(abs_top_builddir) $(top_srcdir)/t/bench/sites.py $(or $(N),100000)

# qmgr with named crash points, killed at each
check_PROGRAMS += t/crash/qmgr_faults
t_crash_qmgr_faults_SOURCES = $(QMGR_SOURCES) $(lib_queue_sources)
t_crash_qmgr_faults_CPPFLAGS = $(AM_CPPFLAGS) -DPOSTERN_FAULT_POINTS=1
t_crash_qmgr_faults_LDADD = $(SERVICE_LIBS) $(IPC_LIBS) -lm
DIRECT_TESTS += t/crash/qmgr_points.py
EXTRA_DIST += t/crash/qmgr_points.py
