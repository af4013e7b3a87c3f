# SPDX-License-Identifier: ISC
SMTP_CLIENT = smtp/auth.c smtp/cache.c smtp/client.h smtp/deliver.c smtp/hosts.c smtp/rows.h smtp/session.c \
	smtp/setup.c smtp/transaction.c smtp/trouble.c
pkglibexec_PROGRAMS += smtp/smtp smtp/lmtp
smtp_smtp_SOURCES = smtp/main.c $(SMTP_CLIENT)
smtp_lmtp_SOURCES = smtp/lmtp.c $(SMTP_CLIENT)
smtp_smtp_LDADD = $(SERVICE_LIBS) lib/queue/libqueue.a $(TABLE_LIBS)
smtp_lmtp_LDADD = $(smtp_smtp_LDADD)
DIRECT_TESTS += t/system/relay_dialogue.py t/system/relay_dns.py t/system/relay_postfix.py
EXTRA_DIST += t/system/fake_smtp.py t/system/relay_dialogue.py t/system/relay_dns.py t/system/relay_postfix.py
