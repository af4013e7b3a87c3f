# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mail/libmail.a
lib_mail_libmail_a_SOURCES = \
	lib/mail/address.c lib/mail/address.h lib/mail/address_list.c \
	lib/mail/attachment.c lib/mail/attachment.h \
	lib/mail/casemap.c lib/mail/casemap.h lib/mail/casemap_table.inc \
	lib/mail/charset.c lib/mail/charset.h \
	lib/mail/date.c lib/mail/date.h \
	lib/mail/domain.c lib/mail/domain.h \
	lib/mail/downgrade.c lib/mail/downgrade.h \
	lib/mail/dsn.c lib/mail/dsn.h \
	lib/mail/imap_body.c lib/mail/imap_body.h lib/mail/imap_section.c \
	lib/mail/mime.c lib/mail/mime.h lib/mail/mime_value.c \
	lib/mail/mime_stream.c lib/mail/mime_stream.h \
	lib/mail/encoded_word.c lib/mail/encoded_word.h \
	lib/mail/header.c lib/mail/header.h lib/mail/header_skim.c lib/mail/header_write.c \
	lib/mail/html.c lib/mail/html.h \
	lib/mail/line.c lib/mail/line.h \
	lib/mail/message_id.c lib/mail/message_id.h \
	lib/mail/netaddr.c lib/mail/netaddr.h \
	lib/mail/quoted_printable.c lib/mail/quoted_printable.h \
	lib/mail/smtp_client.c lib/mail/smtp_syntax.c lib/mail/smtp_syntax.h \
	lib/mail/status.c lib/mail/status.h \
	lib/mail/verify_sender.c lib/mail/verify_sender.h \
	lib/mail/xtext.c lib/mail/xtext.h

UNIT_TESTS += \
	t/unit/mail/test_address \
	t/unit/mail/test_attachment \
	t/unit/mail/test_casemap \
	t/unit/mail/test_domain \
	t/unit/mail/test_downgrade \
	t/unit/mail/test_dsn \
	t/unit/mail/test_header \
	t/unit/mail/test_imap_body \
	t/unit/mail/test_line \
	t/unit/mail/test_mime \
	t/unit/mail/test_mime_stream \
	t/unit/mail/test_smtp_syntax
DIRECT_TESTS += t/unit/mail/test_mime_python.sh
check_PROGRAMS += t/unit/mail/mime_tree
t_unit_mail_mime_tree_SOURCES = t/unit/mail/mime_tree.c
t_unit_mail_mime_tree_LDADD = $(MAIL_LIBS)
EXTRA_DIST += t/unit/mail/eml t/unit/mail/test_mime_python.py t/unit/mail/test_mime_python.sh t/unit/mail/isemail/rows.inc t/unit/mail/isemail/LICENSE
t_unit_mail_test_address_SOURCES = t/unit/mail/test_address.c t/unit/unit.h
t_unit_mail_test_address_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_address_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
EXTRA_DIST += lib/mail/casemap_table.py
t_unit_mail_test_attachment_SOURCES = t/unit/mail/test_attachment.c t/unit/unit.h
t_unit_mail_test_attachment_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_attachment_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_casemap_SOURCES = t/unit/mail/test_casemap.c t/unit/unit.h
t_unit_mail_test_casemap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_casemap_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_domain_SOURCES = t/unit/mail/test_domain.c t/unit/unit.h
t_unit_mail_test_domain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_domain_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_downgrade_SOURCES = t/unit/mail/test_downgrade.c t/unit/unit.h
t_unit_mail_test_downgrade_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_downgrade_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_dsn_SOURCES = t/unit/mail/test_dsn.c t/unit/unit.h
t_unit_mail_test_dsn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_dsn_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_header_SOURCES = t/unit/mail/test_header.c t/unit/unit.h
t_unit_mail_test_header_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_header_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_imap_body_SOURCES = t/unit/mail/test_imap_body.c t/unit/unit.h
t_unit_mail_test_imap_body_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_imap_body_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_line_SOURCES = t/unit/mail/test_line.c t/unit/unit.h
t_unit_mail_test_line_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_line_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_mime_SOURCES = t/unit/mail/test_mime.c t/unit/unit.h
t_unit_mail_test_mime_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_mime_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_unit_mail_test_smtp_syntax_SOURCES = t/unit/mail/test_smtp_syntax.c t/unit/unit.h
t_unit_mail_test_smtp_syntax_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_smtp_syntax_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += \
	t/fuzz/fuzz_address \
	t/fuzz/fuzz_dsn \
	t/fuzz/fuzz_encoding \
	t/fuzz/fuzz_header \
	t/fuzz/fuzz_line \
	t/fuzz/fuzz_mime \
	t/fuzz/fuzz_downgrade \
	t/fuzz/fuzz_mime_stream \
	t/fuzz/fuzz_netaddr \
	t/fuzz/fuzz_smtp_syntax
t_fuzz_fuzz_address_SOURCES = t/fuzz/fuzz_address.c $(FUZZ_DRIVER)
t_fuzz_fuzz_address_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_address_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_dsn_SOURCES = t/fuzz/fuzz_dsn.c $(FUZZ_DRIVER)
t_fuzz_fuzz_dsn_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_dsn_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_encoding_SOURCES = t/fuzz/fuzz_encoding.c $(FUZZ_DRIVER)
t_fuzz_fuzz_encoding_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_encoding_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_header_SOURCES = t/fuzz/fuzz_header.c $(FUZZ_DRIVER)
t_fuzz_fuzz_header_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_header_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_line_SOURCES = t/fuzz/fuzz_line.c $(FUZZ_DRIVER)
t_fuzz_fuzz_line_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_line_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_mime_SOURCES = t/fuzz/fuzz_mime.c $(FUZZ_DRIVER)
t_fuzz_fuzz_mime_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_mime_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_netaddr_SOURCES = t/fuzz/fuzz_netaddr.c $(FUZZ_DRIVER)
t_fuzz_fuzz_netaddr_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_netaddr_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_smtp_syntax_SOURCES = t/fuzz/fuzz_smtp_syntax.c $(FUZZ_DRIVER)
t_fuzz_fuzz_smtp_syntax_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_smtp_syntax_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_unit_mail_test_mime_stream_SOURCES = t/unit/mail/test_mime_stream.c t/unit/unit.h
t_unit_mail_test_mime_stream_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_mail_test_mime_stream_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
t_fuzz_fuzz_downgrade_SOURCES = t/fuzz/fuzz_downgrade.c $(FUZZ_DRIVER)
t_fuzz_fuzz_downgrade_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_downgrade_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_mime_stream_SOURCES = t/fuzz/fuzz_mime_stream.c $(FUZZ_DRIVER)
t_fuzz_fuzz_mime_stream_LDADD = $(MAIL_LIBS)
t_fuzz_fuzz_mime_stream_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
