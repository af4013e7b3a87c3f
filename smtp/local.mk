# SPDX-License-Identifier: ISC
SMTP_CLIENT = smtp/auth.c smtp/auth.h smtp/auth_prove.c smtp/cache.c smtp/checks.c smtp/client.h smtp/content.c smtp/dane.c smtp/deliver.c \
	smtp/filters.c smtp/generic.c smtp/hosts.c smtp/policy.c smtp/reply.c smtp/required.c smtp/rows.h smtp/session.c smtp/setup.c smtp/xforward.c smtp/transaction.c smtp/trouble.c
pkglibexec_PROGRAMS += smtp/smtp smtp/lmtp
smtp_smtp_SOURCES = smtp/main.c smtp/params.c $(SMTP_CLIENT)
pkglibexec_PROGRAMS += smtp/smtp-probe
smtp_smtp_probe_SOURCES = smtp/probe.c smtp/params.c $(SMTP_CLIENT)
smtp_smtp_probe_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a lib/sasl/libsasl.a $(TABLE_LIBS) $(GSASL_LIBS)
smtp_lmtp_SOURCES = smtp/lmtp.c $(SMTP_CLIENT)
smtp_smtp_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a lib/sasl/libsasl.a $(TABLE_LIBS) $(GSASL_LIBS)
smtp_lmtp_LDADD = $(smtp_smtp_LDADD)
DIRECT_TESTS += t/system/log_readers.py t/system/relay_client.py t/system/relay_dane.py t/system/relay_dialogue.py t/system/relay_dns.py t/system/relay_postfix.py t/system/relay_sasl.py t/system/relay_tls.py t/system/tls_required.py t/system/probe.py
EXTRA_DIST += t/system/certificates.py t/system/fake_smtp.py t/system/grok.py t/system/log_readers.py t/system/relay_client.py t/system/relay_dane.py t/system/relay_dialogue.py t/system/relay_dns.py t/system/relay_postfix.py t/system/relay_sasl.py t/system/relay_tls.py t/system/tls_required.py t/system/probe.py

SMTP_PARTS_LIBS = $(SERVICE_LIBS) lib/queue/libqueue.a lib/sasl/libsasl.a $(TABLE_LIBS) $(GSASL_LIBS)
UNIT_TESTS += t/unit/smtp/test_hosts
t_unit_smtp_test_hosts_SOURCES = t/unit/smtp/test_hosts.c t/unit/unit.h $(SMTP_CLIENT)
t_unit_smtp_test_hosts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_smtp_test_hosts_LDADD = $(SMTP_PARTS_LIBS) $(CHECK_LIBS)
UNIT_TESTS += t/unit/smtp/test_policy
t_unit_smtp_test_policy_SOURCES = t/unit/smtp/test_policy.c t/unit/unit.h $(SMTP_CLIENT)
t_unit_smtp_test_policy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_smtp_test_policy_LDADD = $(SMTP_PARTS_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_tls_policy
t_fuzz_fuzz_tls_policy_SOURCES = t/fuzz/fuzz_tls_policy.c $(SMTP_CLIENT) $(FUZZ_DRIVER)
t_fuzz_fuzz_tls_policy_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_tls_policy_LDADD = $(SMTP_PARTS_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_smtp_client
t_fuzz_fuzz_smtp_client_SOURCES = t/fuzz/fuzz_smtp_client.c $(SMTP_CLIENT) $(FUZZ_DRIVER)
t_fuzz_fuzz_smtp_client_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_smtp_client_LDADD = $(SMTP_PARTS_LIBS)
