# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += master/master
master_master_SOURCES = \
	master/check.c master/child.c master/describe.c master/directories.c \
	master/jobs.c master/listen.c master/main.c master/master.h master/plan.c \
	master/posts.c master/posts.h master/texts.c master/texts.h master/wake.c
master_master_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)

# A service of the tests, in the place of smtpd, and of forks in that of pop3-login
check_PROGRAMS += t/system/echo
t_system_echo_SOURCES = t/system/echo.c
t_system_echo_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)

EXTRA_DIST += t/privileges t/system/instance.py t/system/syslog.py
DIRECT_TESTS += t/system/tables_change.py t/system/first_mail.py t/system/master.py t/system/guards.py t/system/privileges.py t/system/syslog.py
privileges: $(pkglibexec_PROGRAMS)
	@sh $(top_srcdir)/t/privileges $(filter-out master/master cmd/tables,$(pkglibexec_PROGRAMS))
