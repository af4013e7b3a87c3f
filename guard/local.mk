# SPDX-License-Identifier: ISC

pkglibexec_PROGRAMS += guard/rewrite
guard_rewrite_SOURCES = guard/rewrite.c
guard_rewrite_LDADD = $(SERVICE_LIBS) $(ROUTE_LIBS)

pkglibexec_PROGRAMS += guard/postlogd
guard_postlogd_SOURCES = guard/postlogd.c
guard_postlogd_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)

pkglibexec_PROGRAMS += guard/dnsd
guard_dnsd_SOURCES = guard/dnsd.c guard/dnsd_records.c guard/dnsd_records.h guard/dnsd_resolver.c guard/dnsd_resolver.h
guard_dnsd_LDADD = $(SERVICE_LIBS) $(IPC_LIBS) $(UNBOUND_LIBS)

UNIT_TESTS += t/unit/guard/test_dns_records
t_unit_guard_test_dns_records_SOURCES = t/unit/guard/test_dns_records.c guard/dnsd_records.c
t_unit_guard_test_dns_records_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_dns_records_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_dns_records_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_dns_record
t_fuzz_fuzz_dns_record_SOURCES = t/fuzz/fuzz_dns_record.c guard/dnsd_records.c $(FUZZ_DRIVER)
t_fuzz_fuzz_dns_record_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_fuzz_fuzz_dns_record_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_dns_record_LDADD = $(BASE_LIBS)

pkglibexec_PROGRAMS += guard/authd
guard_authd_SOURCES = guard/authd.c guard/authd_dovecot.c guard/authd_file.c guard/authd_file.h guard/authd_cache.c guard/authd_cache.h guard/authd_oauth.c guard/authd_oauth.h guard/authd_oauth_settings.c guard/authd_helper.c \
	guard/authd_helper.h guard/authd_pam.c guard/authd_pam.h guard/authd_ticket.c guard/authd_ticket.h \
	guard/authd_check.c guard/authd_database.c guard/authd_database.h guard/authd_source.c guard/authd_source.h guard/authd_try.c guard/authd_try.h guard/authd_users.c guard/authd_users.h guard/authd_wake.c guard/authd_wake.h \
	guard/authd_penalty.c guard/authd_penalty.h guard/authd_rules.c guard/authd_rules.h guard/authd_route.c guard/authd_route.h guard/authd_command.c guard/authd_command.h guard/authd_limits.c guard/authd_limits.h \
	guard/authd_owner.c guard/authd_owner.h guard/authd_talk.h
guard_authd_LDADD = $(SERVICE_LIBS) lib/ipc/libipc.a lib/sasl/libsasl.a $(FLOOR1_LIBS) $(GSASL_LIBS) $(CRYPT_LIBS) \
	$(ARGON2_LIBS) $(PAM_LIBS) $(JANSSON_LIBS)

pkglibexec_PROGRAMS += guard/anvil
guard_anvil_SOURCES = guard/anvil.c guard/anvil_roster.c guard/anvil_roster.h
guard_anvil_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)

pkglibexec_PROGRAMS += guard/dialer
guard_dialer_SOURCES = guard/dialer.c
guard_dialer_LDADD = $(SERVICE_LIBS) $(IPC_LIBS)

# what the files of databases of users say, pure
IDENTITY_SETTINGS = guard/identity_attrs.c guard/identity_attrs.h guard/identity_ldap.c guard/identity_lines.c guard/identity_lines.h \
	guard/identity_sql.c guard/identity_words.c guard/identity_words.h guard/remote_words.c guard/remote_words.h

pkglibexec_PROGRAMS += guard/proxymap
guard_proxymap_SOURCES = guard/proxymap.c guard/identity.c guard/identity.h $(IDENTITY_SETTINGS) guard/remote.c guard/remote.h guard/remote_config.c guard/remote_memcache.c \
	guard/remote_streams.c guard/remote_types.c
if HAVE_LDAP
guard_proxymap_SOURCES += guard/remote_ldap.c guard/remote_ldap.h guard/remote_ldap_sasl.c guard/remote_ldap_sasl.h guard/remote_ldap_server.c guard/remote_ldap_users.c
endif
if HAVE_MYSQL
guard_proxymap_SOURCES += guard/remote_mysql.c
endif
if HAVE_PGSQL
guard_proxymap_SOURCES += guard/remote_pgsql.c
endif
if HAVE_SQLITE
guard_proxymap_SOURCES += guard/remote_sqlite.c
endif
guard_proxymap_CPPFLAGS = $(AM_CPPFLAGS) $(LDAP_CFLAGS) $(MYSQL_CFLAGS) $(PGSQL_CFLAGS) $(SQLITE_CFLAGS)
guard_proxymap_LDADD = $(SERVICE_LIBS) lib/sasl/libsasl.a $(TABLE_LIBS) $(GSASL_LIBS) $(LDAP_LIBS) $(MYSQL_LIBS) $(PGSQL_LIBS) $(SQLITE_LIBS)
DIRECT_TESTS += t/system/proxymap.py t/system/proxied.py t/system/remote_tables.py \
	t/system/remote_databases.py t/system/neighbours_mail.py t/system/neighbours_dovecot.py t/system/neighbours_milter.py
EXTRA_DIST += t/system/proxymap.py t/system/proxied.py t/system/remote_tables.py t/system/remote_databases.py \
	t/system/neighbours_mail.py t/system/neighbours_dovecot.py t/system/neighbours_milter.py

pkglibexec_PROGRAMS += guard/verify
guard_verify_SOURCES = guard/verify.c guard/verify.h guard/verify_probe.c guard/verify_record.c
guard_verify_LDADD = $(SERVICE_LIBS) $(TABLE_LIBS)
UNIT_TESTS += t/unit/guard/test_verify
t_unit_guard_test_verify_SOURCES = t/unit/guard/test_verify.c guard/verify_record.c
t_unit_guard_test_verify_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_verify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_verify_LDADD = $(TABLE_LIBS) $(CHECK_LIBS)
DIRECT_TESTS += t/system/verify.py
EXTRA_DIST += t/system/verify.py
UNIT_TESTS += t/unit/guard/test_remote_words
t_unit_guard_test_remote_words_SOURCES = t/unit/guard/test_remote_words.c guard/remote_words.c
t_unit_guard_test_remote_words_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_remote_words_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_remote_words
t_fuzz_fuzz_remote_words_SOURCES = t/fuzz/fuzz_remote_words.c guard/remote_words.c $(FUZZ_DRIVER)
t_fuzz_fuzz_remote_words_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_remote_words_LDADD = $(BASE_LIBS)

UNIT_TESTS += t/unit/guard/test_penalty
t_unit_guard_test_penalty_SOURCES = t/unit/guard/test_penalty.c guard/authd_penalty.c
t_unit_guard_test_penalty_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_penalty_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_penalty_LDADD = $(MAIL_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/guard/test_auth_cache
t_unit_guard_test_auth_cache_SOURCES = t/unit/guard/test_auth_cache.c guard/authd_cache.c
t_unit_guard_test_auth_cache_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_auth_cache_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_auth_cache_LDADD = $(MAIL_LIBS) $(CHECK_LIBS) $(OPENSSL_LIBS)

UNIT_TESTS += t/unit/guard/test_auth_rules
t_unit_guard_test_auth_rules_SOURCES = t/unit/guard/test_auth_rules.c guard/authd_rules.c
t_unit_guard_test_auth_rules_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_auth_rules_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_auth_rules_LDADD = lib/config/libconfig.a $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/guard/test_identity
t_unit_guard_test_identity_SOURCES = t/unit/guard/test_identity.c $(IDENTITY_SETTINGS)
t_unit_guard_test_identity_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_identity_LDADD = lib/config/libconfig.a $(BASE_LIBS) $(CHECK_LIBS)
FUZZ_TARGETS += t/fuzz/fuzz_identity
t_fuzz_fuzz_identity_SOURCES = t/fuzz/fuzz_identity.c guard/authd_oauth_settings.c $(IDENTITY_SETTINGS) $(FUZZ_DRIVER)
t_fuzz_fuzz_identity_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_fuzz_fuzz_identity_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_identity_LDADD = lib/config/libconfig.a $(BASE_LIBS)

UNIT_TESTS += t/unit/guard/test_auth_limits
t_unit_guard_test_auth_limits_SOURCES = t/unit/guard/test_auth_limits.c guard/authd_limits.c
t_unit_guard_test_auth_limits_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_auth_limits_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_auth_limits_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += t/unit/guard/test_auth_route
t_unit_guard_test_auth_route_SOURCES = t/unit/guard/test_auth_route.c guard/authd_route.c
t_unit_guard_test_auth_route_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_auth_route_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_auth_route_LDADD = $(FLOOR1_LIBS) $(CHECK_LIBS)

# what a checkpassword command runs at its end
pkglibexec_PROGRAMS += guard/checkpassword-reply
guard_checkpassword_reply_SOURCES = guard/checkpassword_reply.c
guard_checkpassword_reply_LDADD = $(BASE_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_checkpassword
t_fuzz_fuzz_checkpassword_SOURCES = t/fuzz/fuzz_checkpassword.c guard/authd_command.c guard/authd_file.c guard/authd_route.c $(FUZZ_DRIVER)
t_fuzz_fuzz_checkpassword_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_fuzz_fuzz_checkpassword_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER)
t_fuzz_fuzz_checkpassword_LDADD = lib/sieve/libsieve.a $(FLOOR1_LIBS)
UNIT_TESTS += t/unit/guard/test_auth_command
t_unit_guard_test_auth_command_SOURCES = t/unit/guard/test_auth_command.c guard/authd_command.c
t_unit_guard_test_auth_command_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guard
t_unit_guard_test_auth_command_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_guard_test_auth_command_LDADD = $(FLOOR1_LIBS) $(CHECK_LIBS)
DIRECT_TESTS += t/system/checkpassword.py
EXTRA_DIST += t/system/checkpassword.py
