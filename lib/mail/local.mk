# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mail/libmail.a
lib_mail_libmail_a_SOURCES = \
	lib/mail/address.c lib/mail/address.h lib/mail/address_list.c \
	lib/mail/charset.c lib/mail/charset.h \
	lib/mail/date.c lib/mail/date.h \
	lib/mail/domain.c lib/mail/domain.h \
	lib/mail/dsn.c lib/mail/dsn.h \
	lib/mail/imap_body.c lib/mail/imap_body.h lib/mail/imap_section.c \
	lib/mail/mime.c lib/mail/mime.h lib/mail/mime_value.c \
	lib/mail/encoded_word.c lib/mail/encoded_word.h \
	lib/mail/header.c lib/mail/header.h lib/mail/header_write.c \
	lib/mail/line.c lib/mail/line.h \
	lib/mail/message_id.c lib/mail/message_id.h \
	lib/mail/netaddr.c lib/mail/netaddr.h \
	lib/mail/quoted_printable.c lib/mail/quoted_printable.h \
	lib/mail/smtp_client.c lib/mail/smtp_syntax.c lib/mail/smtp_syntax.h \
	lib/mail/status.c lib/mail/status.h \
	lib/mail/xtext.c lib/mail/xtext.h
