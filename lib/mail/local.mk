# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mail/libmail.a
lib_mail_libmail_a_SOURCES = \
	lib/mail/address.c lib/mail/address.h lib/mail/address_list.c \
	lib/mail/charset.c lib/mail/charset.h \
	lib/mail/date.h lib/mail/dsn.h lib/mail/encoded_word.h lib/mail/header.h lib/mail/imap_body.h \
	lib/mail/line.h lib/mail/message_id.h lib/mail/mime.h lib/mail/quoted_printable.h lib/mail/smtp_syntax.h \
	lib/mail/domain.c lib/mail/domain.h \
	lib/mail/netaddr.c lib/mail/netaddr.h \
	lib/mail/status.c lib/mail/status.h \
	lib/mail/xtext.c lib/mail/xtext.h
