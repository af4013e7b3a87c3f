# SPDX-License-Identifier: ISC

pkglibexec_PROGRAMS += pop3d/pop3d pop3d/pop3-login
pop3d_pop3d_SOURCES = pop3d/main.c pop3d/drop.c pop3d/expire.h pop3d/language.c pop3d/language.h \
	pop3d/look.c pop3d/session.c pop3d/session.h pop3d/surrogate.c pop3d/surrogate.h pop3d/uidl.c pop3d/uidl.h
pop3d_pop3d_LDADD = $(SERVICE_LIBS) lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(FLOOR1_LIBS)
pop3d_pop3_login_SOURCES = pop3d/pop3_login.c pop3d/pop3_proxy.c pop3d/pop3_proxy.h pop3d/expire.h pop3d/language.c pop3d/language.h
pop3d_pop3_login_LDADD = $(SERVICE_LIBS) lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(FLOOR1_LIBS)
DIRECT_TESTS += t/system/mailbox_login.py t/system/pop3_restore.py t/system/pop3_utf8.py
EXTRA_DIST += t/system/mailbox_login.py t/system/pop3_restore.py t/system/pop3_utf8.py

UNIT_TESTS += t/unit/pop3d/test_uidl
t_unit_pop3d_test_uidl_SOURCES = t/unit/pop3d/test_uidl.c pop3d/uidl.c pop3d/uidl.h t/unit/unit.h
t_unit_pop3d_test_uidl_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/pop3d
t_unit_pop3d_test_uidl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_pop3d_test_uidl_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/pop3d/test_words
t_unit_pop3d_test_words_SOURCES = t/unit/pop3d/test_words.c pop3d/language.c pop3d/language.h pop3d/surrogate.c pop3d/surrogate.h t/unit/unit.h
t_unit_pop3d_test_words_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/pop3d
t_unit_pop3d_test_words_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_pop3d_test_words_LDADD = $(MAIL_LIBS) $(ZLIB_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_pop3_words
t_fuzz_fuzz_pop3_words_SOURCES = t/fuzz/fuzz_pop3_words.c pop3d/language.c pop3d/surrogate.c $(FUZZ_DRIVER)
t_fuzz_fuzz_pop3_words_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/pop3d
t_fuzz_fuzz_pop3_words_LDADD = $(MAIL_LIBS) $(ZLIB_LIBS)
t_fuzz_fuzz_pop3_words_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
