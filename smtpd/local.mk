# SPDX-License-Identifier: ISC
SMTPD_SOURCES = \
	smtpd/dns.c smtpd/dns.h smtpd/rules_backup.c smtpd/stress.c smtpd/stress.h \
	smtpd/server_names.c smtpd/server_names.h \
	smtpd/footer.c smtpd/footer.h smtpd/proxy_filter.c smtpd/proxy_filter.h smtpd/xclient.c smtpd/xclient.h \
	smtpd/auth.c smtpd/client.c smtpd/client.h smtpd/data.c smtpd/hello.c smtpd/mail.c \
	smtpd/milter.c smtpd/milter.h smtpd/policy.c smtpd/policy.h smtpd/received.c smtpd/reply.c \
	smtpd/rules.c smtpd/rules.h smtpd/rules_internal.h smtpd/rules_access.c smtpd/rules_basic.c \
	smtpd/rules_names.c smtpd/rules_rbl.c smtpd/rules_verify.c \
	smtpd/sasl.c smtpd/sasl.h smtpd/sasl_dovecot.c smtpd/sasl_cyrus.c smtpd/saslauthd.c smtpd/saslauthd.h \
	smtpd/session.c smtpd/session.h smtpd/settings.c smtpd/settings.h smtpd/starttls.c
noinst_LIBRARIES += smtpd/libsmtpd.a
smtpd_libsmtpd_a_SOURCES = $(SMTPD_SOURCES)

pkglibexec_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = smtpd/main.c
smtpd_smtpd_LDADD = smtpd/libsmtpd.a lib/milter/libmilter.a lib/queue/libqueue.a $(SERVICE_LIBS) $(TABLE_LIBS)
pkglibexec_PROGRAMS += smtpd/smtpd-standalone
smtpd_smtpd_standalone_SOURCES = smtpd/standalone.c
smtpd_smtpd_standalone_LDADD = smtpd/libsmtpd.a lib/milter/libmilter.a lib/queue/libqueue.a $(TABLE_LIBS)

pkglibexec_PROGRAMS += smtpd/postscreen
smtpd_postscreen_SOURCES = smtpd/postscreen.c smtpd/screen.h smtpd/screen_access.c smtpd/screen_client.c smtpd/screen_crowd.c \
	smtpd/screen_early.c smtpd/screen_record.c smtpd/screen_score.c smtpd/screen_talk.c
smtpd_postscreen_LDADD = $(SERVICE_LIBS) $(TABLE_LIBS)
UNIT_TESTS += t/unit/smtpd/test_screen
t_unit_smtpd_test_screen_SOURCES = t/unit/smtpd/test_screen.c smtpd/screen_record.c smtpd/screen_score.c
t_unit_smtpd_test_screen_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/smtpd
t_unit_smtpd_test_screen_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_smtpd_test_screen_LDADD = $(TABLE_LIBS) $(CHECK_LIBS)
DIRECT_TESTS += t/system/postscreen.py t/system/postscreen_beside.py
EXTRA_DIST += t/system/postscreen.py t/system/postscreen_beside.py t/system/name_server.py

SMTPD_FAKES = t/unit/smtpd/fakes.c t/unit/smtpd/fakes.h
UNIT_TESTS += t/unit/smtpd/test_smtpd
t_unit_smtpd_test_smtpd_SOURCES = t/unit/smtpd/test_smtpd.c t/unit/unit.h $(SMTPD_FAKES)
t_unit_smtpd_test_smtpd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_smtpd_test_smtpd_LDADD = smtpd/libsmtpd.a lib/milter/libmilter.a lib/queue/libqueue.a $(TABLE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_smtpd
t_fuzz_fuzz_smtpd_SOURCES = t/fuzz/fuzz_smtpd.c $(SMTPD_FAKES) $(FUZZ_DRIVER)
t_fuzz_fuzz_smtpd_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_smtpd_LDADD = smtpd/libsmtpd.a lib/milter/libmilter.a lib/queue/libqueue.a $(TABLE_LIBS)
DIRECT_TESTS += t/talk/smtpd.sh t/unit/smtpd/test_standalone.py t/system/before_queue.py t/system/tls_server.py t/system/policy_services.py t/system/dns_rules.py
EXTRA_DIST += t/system/before_queue.py t/system/tls_server.py t/unit/smtpd/test_standalone.py t/talk/smtpd.sh t/talk/smtpd t/talk/talk t/talk/README t/system/policy_services.py t/system/dns_rules.py
DIRECT_TESTS += t/system/transcripts.py
EXTRA_DIST += t/system/transcripts.py

UNIT_TESTS += t/unit/smtpd/test_saslauthd
t_unit_smtpd_test_saslauthd_SOURCES = t/unit/smtpd/test_saslauthd.c smtpd/saslauthd.c
t_unit_smtpd_test_saslauthd_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/smtpd
t_unit_smtpd_test_saslauthd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_smtpd_test_saslauthd_LDADD = $(CONFIG_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_saslauthd
t_fuzz_fuzz_saslauthd_SOURCES = t/fuzz/fuzz_saslauthd.c smtpd/saslauthd.c $(FUZZ_DRIVER)
t_fuzz_fuzz_saslauthd_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/smtpd
t_fuzz_fuzz_saslauthd_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_saslauthd_LDADD = $(CONFIG_LIBS)
DIRECT_TESTS += t/system/sasl_cyrus.py
EXTRA_DIST += t/system/sasl_cyrus.py
