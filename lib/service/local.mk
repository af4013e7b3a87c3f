# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/service/libservice.a
lib_service_libservice_a_SOURCES = \
	lib/service/arguments.c lib/service/describe.c lib/service/forks.c lib/service/pass.c \
	lib/service/privilege.c lib/service/privilege.h \
	lib/service/probe.c lib/service/probe.h \
	lib/service/run.c lib/service/sandbox.h lib/service/sandbox_private.h \
	lib/service/service.h lib/service/service_private.h \
	lib/service/status.c lib/service/tasks.c lib/service/watch.c
if LINUX
lib_service_libservice_a_SOURCES += lib/service/sandbox_linux.c lib/service/probe_linux.c
else
if OPENBSD
lib_service_libservice_a_SOURCES += lib/service/sandbox_openbsd.c lib/service/probe_portable.c
else
if FREEBSD
lib_service_libservice_a_SOURCES += lib/service/sandbox_freebsd.c lib/service/probe_portable.c
else
lib_service_libservice_a_SOURCES += lib/service/sandbox_portable.c lib/service/probe_portable.c
endif
endif
endif
EXTRA_DIST += lib/service/probe_linux.c lib/service/probe_portable.c lib/service/sandbox_linux.c lib/service/sandbox_openbsd.c \
	lib/service/sandbox_freebsd.c lib/service/sandbox_portable.c
lib_service_libservice_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)

# The login programs' front, and the user processes' way in.
lib_service_libservice_a_SOURCES += \
	lib/service/login.c lib/service/login.h lib/service/login_limit.c lib/service/login_limit.h lib/service/login_proxy.c lib/service/login_proxy.h \
	lib/service/login_told.c lib/service/login_told.h lib/service/login_trust.c lib/service/login_trust.h \
	lib/service/tls_rows.c lib/service/tls_rows.h \
	lib/service/mailbox.c lib/service/mailbox.h \
	lib/service/child.c lib/service/child.h \
	lib/service/programs.c lib/service/programs.h lib/service/programs_private.h lib/service/programs_door.c lib/service/programs_keeper.c lib/service/programs_runner.c \
	lib/service/sieve_programs.c lib/service/sieve_programs.h \
	lib/service/pump.c lib/service/pump.h lib/service/pump_back.c lib/service/pump_crowd.c lib/service/pump_move.c \
	lib/service/pump_roster.c lib/service/pump_seat.c lib/service/pump_seat.h lib/service/pump_sleep.c

UNIT_TESTS += t/unit/service/test_service
t_unit_service_test_service_SOURCES = t/unit/service/test_service.c t/unit/unit.h
t_unit_service_test_service_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_service_test_service_LDADD = $(SERVICE_LIBS) $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/service/test_programs
t_unit_service_test_programs_SOURCES = t/unit/service/test_programs.c t/unit/unit.h
t_unit_service_test_programs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_service_test_programs_LDADD = $(SERVICE_LIBS) $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/service/test_pump_roster
t_unit_service_test_pump_roster_SOURCES = t/unit/service/test_pump_roster.c lib/service/pump_roster.c t/unit/unit.h
t_unit_service_test_pump_roster_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_service_test_pump_roster_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/service/test_login_told
t_unit_service_test_login_told_SOURCES = t/unit/service/test_login_told.c t/unit/unit.h
t_unit_service_test_login_told_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_service_test_login_told_LDADD = $(SERVICE_LIBS) $(MAIL_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_login_told
t_fuzz_fuzz_login_told_SOURCES = t/fuzz/fuzz_login_told.c $(FUZZ_DRIVER)
t_fuzz_fuzz_login_told_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_login_told_LDADD = $(SERVICE_LIBS) $(MAIL_LIBS)
UNIT_TESTS += t/unit/service/test_login_limit
t_unit_service_test_login_limit_SOURCES = t/unit/service/test_login_limit.c lib/service/login_limit.c t/unit/unit.h
t_unit_service_test_login_limit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_service_test_login_limit_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
