# SPDX-License-Identifier: ISC
# libimapd.a is all of a session; main.c puts it behind a ticket, the test tool
# imapd_stdio on standard input and output.
noinst_LIBRARIES += imapd/libimapd.a
imapd_libimapd_a_SOURCES = \
	imapd/acl.h imapd/do_acl.c \
	imapd/append_url.c imapd/append_url.h \
	imapd/command.c imapd/command.h \
	imapd/choose.c imapd/resync.c imapd/preview.c imapd/preview.h \
	imapd/content.c imapd/content.h \
	imapd/do_append.c imapd/do_basic.c imapd/do_batches.c imapd/do_multisearch.c imapd/do_fetch.c imapd/do_idle.c imapd/do_list.c \
	imapd/do_mailbox.c imapd/do_quota.c imapd/do_search.c imapd/do_select.c imapd/do_status.c imapd/do_store.c imapd/do_unauthenticate.c imapd/status.h \
	imapd/facts.c imapd/facts.h \
	imapd/fetch_content.c imapd/fetch_items.c imapd/fetch_items.h imapd/fetch_message.c imapd/fetch_private.h imapd/slice.c imapd/slice.h \
	imapd/flags.c imapd/flags.h \
	imapd/grammar.c imapd/grammar.h \
	imapd/imap_config.c imapd/imap_config.h \
	imapd/imapsieve.c imapd/imapsieve.h imapd/imapsieve_private.h imapd/imapsieve_act.c \
	imapd/metadata.c imapd/metadata.h imapd/do_metadata.c \
	imapd/names.c imapd/names.h \
	imapd/notify.c imapd/notify.h imapd/notify_filter.c imapd/notify_mailboxes.c imapd/notify_names.c imapd/notify_parse.c imapd/notify_request.h imapd/notify_sleep.c imapd/notify_told.c imapd/notify_told.h imapd/notify_tree.c \
	imapd/ranks.c imapd/ranks.h \
	imapd/search_context.c imapd/search_context.h imapd/search.h imapd/search_index.c imapd/search_index.h imapd/search_match.c imapd/search_parse.c imapd/search_run.h imapd/search_tell.c \
	imapd/sequence.c imapd/sequence.h imapd/sevens.h \
	imapd/sort.c imapd/sort.h imapd/thread.c \
	imapd/session.c imapd/session.h \
	imapd/spaces.c imapd/spaces.h imapd/spaces_config.c \
	imapd/sleep.c imapd/sleep.h imapd/sleep_state.c \
	imapd/view.c imapd/view.h
IMAPD_LIBS = imapd/libimapd.a lib/search/libsearch.a $(SERVICE_LIBS) lib/sieve/libsieve.a lib/ipc/libipc.a $(STORE_LIBS) $(ZLIB_LIBS) $(PCRE2_LIBS)

noinst_PROGRAMS += t/system/imapd_stdio
t_system_imapd_stdio_SOURCES = t/system/imapd_stdio.c
t_system_imapd_stdio_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_system_imapd_stdio_LDADD = imapd/libimapd.a lib/search/libsearch.a $(SERVICE_LIBS) lib/sieve/libsieve.a lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) \
	$(FLOOR1_LIBS) $(ZLIB_LIBS) $(PCRE2_LIBS)
DIRECT_TESTS += t/system/imap_test.py t/system/imap_crash.py t/system/imap_restore.py t/system/imap_damage.py t/system/imap_clients.py t/system/imap_dovecot.py t/system/imap_stress.py t/system/imap_search.py t/system/imap_sort.py t/system/imap_compress.py
EXTRA_DIST += t/system/imap_test.py t/system/imap_crash.py t/system/imap_restore.py t/system/imap_damage.py t/system/imap_clients.py t/system/imap_dovecot.py t/system/imap_stress.py t/system/imap_search.py t/system/imap_sort.py t/system/imap_compress.py

UNIT_TESTS += t/unit/imapd/test_grammar
t_unit_imapd_test_grammar_SOURCES = t/unit/imapd/test_grammar.c t/unit/unit.h
t_unit_imapd_test_grammar_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_grammar_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_grammar_LDADD = $(IMAPD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/imapd/test_notify
t_unit_imapd_test_notify_SOURCES = t/unit/imapd/test_notify.c t/unit/unit.h
t_unit_imapd_test_notify_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_notify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_notify_LDADD = $(IMAPD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/imapd/test_sort
t_unit_imapd_test_sort_SOURCES = t/unit/imapd/test_sort.c t/unit/unit.h
t_unit_imapd_test_sort_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_sort_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_sort_LDADD = $(IMAPD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/imapd/test_facts
t_unit_imapd_test_facts_SOURCES = t/unit/imapd/test_facts.c t/unit/unit.h
t_unit_imapd_test_facts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_facts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_facts_LDADD = $(IMAPD_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_imap
t_fuzz_fuzz_imap_SOURCES = t/fuzz/fuzz_imap.c $(FUZZ_DRIVER)
t_fuzz_fuzz_imap_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_fuzz_fuzz_imap_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_imap_LDADD = $(IMAPD_LIBS)

pkglibexec_PROGRAMS += imapd/imapd imapd/imap-login
imapd_imapd_SOURCES = imapd/main.c
imapd_imapd_LDADD = imapd/libimapd.a lib/search/libsearch.a $(SERVICE_LIBS) lib/sieve/libsieve.a lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(PCRE2_LIBS) $(FLOOR1_LIBS) $(ZLIB_LIBS)
imapd_imap_login_SOURCES = imapd/imap_login.c imapd/imap_proxy.c imapd/imap_proxy.h
imapd_imap_login_LDADD = imapd/libimapd.a lib/search/libsearch.a $(SERVICE_LIBS) lib/sieve/libsieve.a lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(PCRE2_LIBS) $(FLOOR1_LIBS) $(ZLIB_LIBS)
DIRECT_TESTS += t/talk/mailbox.sh
EXTRA_DIST += t/talk/mailbox.sh t/talk/imap t/talk/pop3

UNIT_TESTS += t/unit/imapd/test_sleep
t_unit_imapd_test_sleep_SOURCES = t/unit/imapd/test_sleep.c guard/authd_wake.c t/unit/unit.h
t_unit_imapd_test_sleep_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_sleep_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_sleep_LDADD = $(IMAPD_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_sleep
t_fuzz_fuzz_sleep_SOURCES = t/fuzz/fuzz_sleep.c $(FUZZ_DRIVER)
t_fuzz_fuzz_sleep_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_fuzz_fuzz_sleep_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_sleep_LDADD = $(IMAPD_LIBS)
DIRECT_TESTS += t/system/imap_notify.py t/system/imap_context.py t/system/imap_limits.py t/system/shared.py t/system/shared_dovecot.py
EXTRA_DIST += t/system/imap_notify.py t/system/imap_context.py t/system/imap_limits.py t/system/shared.py t/system/shared_dovecot.py
DIRECT_TESTS += t/system/hibernate.py t/system/unauthenticate.py t/system/lazy_expunge.py t/system/imapsieve.py t/system/imapsieve_dovecot.py
EXTRA_DIST += t/system/hibernate.py t/system/unauthenticate.py t/system/lazy_expunge.py t/system/imapsieve.py t/system/imapsieve_dovecot.py
DIRECT_TESTS += t/system/login_limits.py t/system/imap_bounds.py
EXTRA_DIST += t/system/login_limits.py t/system/imap_bounds.py t/bench/idle.py t/bench/imap.py t/bench/imap_corpus.py
EXTRA_DIST += t/bench/search.py
.PHONY: bench-imap
bench-imap: all
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) python3 $(top_srcdir)/t/bench/imap.py $(B)

# Scripts of users over the network: behind the same wall, with the same ticket.
pkglibexec_PROGRAMS += imapd/managesieve imapd/managesieve-login
imapd_managesieve_SOURCES = imapd/managesieve.c imapd/manage_store.c imapd/manage_store.h imapd/manage_words.c imapd/manage_words.h
imapd_managesieve_LDADD = $(SERVICE_LIBS) lib/sieve/libsieve.a lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(PCRE2_LIBS) $(FLOOR1_LIBS)
imapd_managesieve_login_SOURCES = imapd/managesieve_login.c imapd/manage_words.c imapd/manage_words.h
imapd_managesieve_login_LDADD = $(SERVICE_LIBS) lib/sieve/libsieve.a lib/store/libstore.a lib/ipc/libipc.a $(LMDB_LIBS) $(PACKED_LIBS) $(PCRE2_LIBS) $(FLOOR1_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_managesieve
t_fuzz_fuzz_managesieve_SOURCES = t/fuzz/fuzz_managesieve.c imapd/manage_words.c $(FUZZ_DRIVER)
t_fuzz_fuzz_managesieve_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_fuzz_fuzz_managesieve_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_managesieve_LDADD = $(MAIL_LIBS)
DIRECT_TESTS += t/system/managesieve.py
EXTRA_DIST += t/system/managesieve.py

pkglibexec_PROGRAMS += imapd/mailbox-tool
imapd_mailbox_tool_SOURCES = imapd/tool.c imapd/tool.h imapd/tool_client.c imapd/tool_commands.c imapd/tool_limits.c imapd/tool_more.c imapd/tool_query.c imapd/tool_sessions.c imapd/tool_sync.c imapd/tool_transfer.c
imapd_mailbox_tool_LDADD = $(imapd_imapd_LDADD)
DIRECT_TESTS += t/system/mailbox_tool.py
EXTRA_DIST += t/system/mailbox_tool.py
DIRECT_TESTS += t/system/login_mechanisms.py t/system/login_bound.py t/system/login_tokens.py t/system/login_sql.py t/system/login_ldap.py t/system/login_rules.py t/system/login_proxy.py t/system/login_trusted.py
EXTRA_DIST += t/system/login_mechanisms.py t/system/login_bound.py t/system/login_tokens.py t/system/login_sql.py t/system/login_ldap.py t/system/login_rules.py t/system/login_proxy.py t/system/login_trusted.py
UNIT_TESTS += t/unit/imapd/test_manage
t_unit_imapd_test_manage_SOURCES = t/unit/imapd/test_manage.c imapd/manage_words.c imapd/manage_words.h t/unit/unit.h
t_unit_imapd_test_manage_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd
t_unit_imapd_test_manage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_imapd_test_manage_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)
DIRECT_TESTS += t/system/who.py
EXTRA_DIST += t/system/who.py
DIRECT_TESTS += t/system/mailbox_transfer.py
EXTRA_DIST += t/system/mailbox_transfer.py

FUZZ_TARGETS += t/fuzz/fuzz_login_proxy
t_fuzz_fuzz_login_proxy_SOURCES = t/fuzz/fuzz_login_proxy.c imapd/imap_proxy.c pop3d/pop3_proxy.c $(FUZZ_DRIVER)
t_fuzz_fuzz_login_proxy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/imapd -I$(top_srcdir)/pop3d
t_fuzz_fuzz_login_proxy_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_login_proxy_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)
