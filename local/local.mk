# SPDX-License-Identifier: ISC
AGENT_SOURCES = \
	local/agent.c local/agent.h \
	local/command.c local/errand.c local/errand.h \
	local/filter.c local/filter_acl.c local/filter_private.h local/filter_program.c local/filter_scripts.c local/filter_store.c local/filter_tell.c local/filter_log.c local/filter_mailbox.c local/filter_mailbox.h local/memory.c local/memory.h local/outgoing.c local/outgoing.h \
	local/kept.c local/kept.h \
	local/mailbox.c \
	local/members.c local/members.h \
	local/outcome.c local/outcome.h local/account.c local/account.h local/login_name.c local/login_name.h \
	local/status_filter.c local/status_filter.h \
	local/worker.c local/worker.h
AGENT_LIBS = $(SERVICE_LIBS) lib/sieve/libsieve.a $(TABLE_LIBS) lib/queue/libqueue.a $(STORE_LIBS)

pkglibexec_PROGRAMS += local/local
local_local_SOURCES = local/local.c local/environment.c local/forward.c local/member.c local/pass.c \
	local/recipient.c local/run.c local/run.h local/settings.c local/settings.h local/target.c $(AGENT_SOURCES)
local_local_LDADD = $(AGENT_LIBS)

pkglibexec_PROGRAMS += local/virtual
local_virtual_SOURCES = local/virtual.c $(AGENT_SOURCES)
local_virtual_LDADD = $(AGENT_LIBS)

pkglibexec_PROGRAMS += local/pipe
local_pipe_SOURCES = local/pipe.c local/attributes.c local/attributes.h $(AGENT_SOURCES)
local_pipe_LDADD = $(AGENT_LIBS)
pkglibexec_PROGRAMS += local/spawn
local_spawn_SOURCES = local/spawn.c local/attributes.c local/attributes.h
local_spawn_LDADD = $(SERVICE_LIBS) $(TABLE_LIBS)

# a password file of the tests' own
noinst_DATA = t/system/passwd_shim.so
t/system/passwd_shim.so: t/system/passwd_shim.c
	$(AM_V_CC)$(MKDIR_P) t/system && $(CC) -shared -fPIC -D_GNU_SOURCE -O1 -o $@ $(srcdir)/t/system/passwd_shim.c -ldl
EXTRA_DIST += t/system/passwd_shim.c t/system/agents.py
CLEANFILES += t/system/passwd_shim.so
DIRECT_TESTS += t/system/local_maildir.py t/system/local_alias.py t/system/local_virtual_pipe.py \
	t/system/local_hostile.py t/crash/local_crash.py t/crash/local_kill.py t/system/rewrite.py
EXTRA_DIST += t/system/local_maildir.py t/system/local_alias.py t/system/local_virtual_pipe.py \
	t/system/local_hostile.py t/crash/local_crash.py t/crash/local_kill.py t/system/rewrite.py

UNIT_TESTS += t/unit/local/test_local
t_unit_local_test_local_SOURCES = t/unit/local/test_local.c t/unit/unit.h $(AGENT_SOURCES)
t_unit_local_test_local_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_local_test_local_LDADD = $(AGENT_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_members
t_fuzz_fuzz_members_SOURCES = t/fuzz/fuzz_members.c local/members.c $(FUZZ_DRIVER)
t_fuzz_fuzz_members_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_members_LDADD = $(MAIL_LIBS)

pkglibexec_PROGRAMS += local/quota-status
local_quota_status_SOURCES = local/quota_status.c local/front.c local/front.h $(AGENT_SOURCES)
local_quota_status_LDADD = $(AGENT_LIBS)
DIRECT_TESTS += t/system/quota.py t/system/setquota.py
EXTRA_DIST += t/system/quota.py t/system/setquota.py
DIRECT_TESTS += t/system/sieve.py t/system/sieve_own.py
EXTRA_DIST += t/system/sieve.py t/system/sieve_own.py
DIRECT_TESTS += t/system/local_kept.py
EXTRA_DIST += t/system/local_kept.py
DIRECT_TESTS += t/system/sieve_whole.py t/system/sieve_programs.py
EXTRA_DIST += t/system/sieve_whole.py t/system/sieve_programs.py
DIRECT_TESTS += t/crash/sieve_crash.py
EXTRA_DIST += t/crash/sieve_crash.py

# other MTAs hand over mail that is delivered at once
pkglibexec_PROGRAMS += local/lmtpd
local_lmtpd_SOURCES = local/lmtpd.c local/lmtp.h local/lmtp_front.c local/lmtp_deliver.c local/front.c local/front.h \
	$(AGENT_SOURCES)
local_lmtpd_LDADD = $(AGENT_LIBS)
DIRECT_TESTS += t/system/lmtp.py t/system/lmtp_detail.py
EXTRA_DIST += t/system/lmtp.py t/system/lmtp_detail.py
FUZZ_TARGETS += t/fuzz/fuzz_lmtp
t_fuzz_fuzz_lmtp_SOURCES = t/fuzz/fuzz_lmtp.c local/lmtp_front.c $(FUZZ_DRIVER)
t_fuzz_fuzz_lmtp_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_lmtp_LDADD = $(SERVICE_LIBS) lib/ipc/libipc.a $(FLOOR1_LIBS)
