# SPDX-License-Identifier: ISC

# Tables and configuration
PAGES = cmd/pages.c cmd/pages.h
KNOWN = cmd/known.c cmd/known.h
TABLE_COMMAND = cmd/command.c cmd/command.h $(PAGES)
TABLE_COMMAND_LIBS = lib/table/libtable.a $(LMDB_LIBS) $(PCRE2_LIBS) lib/mail/libmail.a $(IDN2_LIBS) $(CONFIG_LIBS)

sbin_PROGRAMS += cmd/postmap cmd/postalias
cmd_postmap_SOURCES = cmd/postmap.c cmd/postmap_message.c cmd/postmap_message.h cmd/remote_ask.c cmd/remote_ask.h $(TABLE_COMMAND)
cmd_postmap_LDADD = lib/table/libtable.a lib/ipc/libipc.a $(TABLE_COMMAND_LIBS) $(FLOOR1_LIBS)
cmd_postalias_SOURCES = $(cmd_postmap_SOURCES)
cmd_postalias_LDADD = $(cmd_postmap_LDADD)

pkglibexec_PROGRAMS += cmd/tables
cmd_tables_SOURCES = cmd/tables.c $(TABLE_COMMAND)
cmd_tables_LDADD = $(TABLE_COMMAND_LIBS)

# Control
sbin_PROGRAMS += cmd/postern cmd/postlog
cmd_postern_SOURCES = cmd/postern.c cmd/queue_bridge.c cmd/queue_bridge.h cmd/command.c cmd/command.h $(KNOWN) $(PAGES)
cmd_postern_LDADD = lib/queue/libqueue.a lib/mail/libmail.a $(IDN2_LIBS) $(CONFIG_LIBS)
cmd_postlog_SOURCES = cmd/postlog.c cmd/command.c cmd/command.h $(PAGES)
cmd_postlog_LDADD = $(CONFIG_LIBS)
install-exec-hook:
	cd $(DESTDIR)$(sbindir) && ln -sf postern postfix && ln -sf sendmail mailq && ln -sf sendmail newaliases
	@cd $(DESTDIR)$(sbindir) && if chgrp postdrop postdrop postqueue 2>/dev/null; then chmod 2755 postdrop postqueue; \
	else echo 'postdrop and postqueue must be set-gid (setgid_group): chgrp postdrop, chmod 2755'; fi

sbin_PROGRAMS += cmd/postlock cmd/postkick
cmd_postlock_SOURCES = cmd/postlock.c $(PAGES)
cmd_postlock_LDADD = $(CONFIG_LIBS)
cmd_postkick_SOURCES = cmd/postkick.c $(PAGES)
cmd_postkick_LDADD = $(IPC_LIBS)
DIRECT_TESTS += t/system/small_commands.py t/system/commands_beside.py
EXTRA_DIST += t/system/small_commands.py t/system/commands_beside.py
sbin_PROGRAMS += cmd/postmulti
cmd_postmulti_SOURCES = cmd/postmulti.c cmd/postmulti.h cmd/postmulti_destroy.c cmd/postmulti_edit.c $(KNOWN) $(PAGES)
cmd_postmulti_LDADD = $(CONFIG_LIBS)
DIRECT_TESTS += t/system/postmulti.py t/system/postmulti_beside.py
EXTRA_DIST += t/system/postmulti.py t/system/postmulti_beside.py

sbin_PROGRAMS += cmd/postconf
cmd_postconf_SOURCES = cmd/postconf.c cmd/postconf.h cmd/postconf_options.c cmd/postconf_edit.c cmd/postconf_master.c cmd/postconf_print.c \
	cmd/postconf_state.c cmd/postconf_template.c cmd/json.c cmd/json.h \
	cmd/describe.c cmd/describe.h $(KNOWN) $(PAGES)
cmd_postconf_LDADD = $(TABLE_COMMAND_LIBS) $(OPENSSL_LIBS)

# Local mail and the queue
sbin_PROGRAMS += cmd/postdrop
cmd_postdrop_SOURCES = cmd/postdrop.c cmd/sender_login.c cmd/sender_login.h cmd/setgid.c cmd/setgid.h $(TABLE_COMMAND)
cmd_postdrop_LDADD = lib/queue/libqueue.a $(TABLE_COMMAND_LIBS)
sbin_PROGRAMS += cmd/sendmail
cmd_sendmail_SOURCES = cmd/sendmail.c cmd/sendmail.h cmd/sendmail_enqueue.c cmd/sendmail_options.c cmd/command.c cmd/command.h $(PAGES)
cmd_sendmail_LDADD = lib/queue/libqueue.a lib/mail/libmail.a $(IDN2_LIBS) $(CONFIG_LIBS)
QUEUE_COMMAND_LIBS = lib/queue/libqueue.a lib/ipc/libipc.a $(TABLE_COMMAND_LIBS) $(FLOOR1_LIBS)
sbin_PROGRAMS += cmd/postqueue cmd/postsuper cmd/postcat
cmd_postqueue_SOURCES = cmd/postqueue.c cmd/json.c cmd/json.h cmd/queue_print.c cmd/queue_view.c cmd/queue_view.h cmd/setgid.c cmd/setgid.h $(TABLE_COMMAND)
cmd_postqueue_LDADD = $(QUEUE_COMMAND_LIBS)
cmd_postsuper_SOURCES = cmd/postsuper.c cmd/queue_view.c cmd/queue_view.h cmd/command.c cmd/command.h $(PAGES)
cmd_postsuper_LDADD = $(QUEUE_COMMAND_LIBS)
cmd_postcat_SOURCES = cmd/postcat.c cmd/command.c cmd/command.h $(PAGES)
cmd_postcat_LDADD = $(QUEUE_COMMAND_LIBS)
DIRECT_TESTS += t/unit/queue/test_commands.py
EXTRA_DIST += t/unit/queue/test_commands.py
DIRECT_TESTS += t/system/local_mail.py
EXTRA_DIST += t/system/local_mail.py

# The manual: written by the programs that it is about, when they are built
noinst_PROGRAMS += cmd/manual
cmd_manual_SOURCES = cmd/manual.c cmd/manual.h cmd/manual_roff.c cmd/manual_tables.c cmd/describe.c cmd/describe.h $(KNOWN) $(PAGES)
cmd_manual_LDADD = $(TABLE_COMMAND_LIBS)
manual/done: cmd/manual $(pkglibexec_PROGRAMS) $(top_srcdir)/conf/master.cf
	$(AM_V_GEN)rm -rf manual && cmd/manual manual $(top_srcdir)/conf/master.cf \
		$(pkglibexec_PROGRAMS:%=./%) && : > $@
all-local: manual/done
clean-local:
	rm -rf manual
.PHONY: installed-programs
installed-programs:
	@echo $(sbin_PROGRAMS) $(pkglibexec_PROGRAMS)
DIRECT_TESTS += t/system/manual.sh
EXTRA_DIST += t/system/manual.sh
DIRECT_TESTS += t/system/postmap_beside.py t/system/scripts.py t/system/states.py t/system/postconf_compat.py
EXTRA_DIST += t/system/postmap_beside.py t/system/scripts.py t/system/states.py t/system/postconf_compat.py
sbin_PROGRAMS += cmd/qshape
cmd_qshape_SOURCES = cmd/qshape.c cmd/queue_view.c cmd/queue_view.h $(PAGES)
cmd_qshape_LDADD = $(QUEUE_COMMAND_LIBS)
pkglibexec_PROGRAMS += cmd/import-dovecot
cmd_import_dovecot_SOURCES = cmd/import_dovecot.c cmd/import_dovecot.h cmd/import_dovecot_mail.c cmd/import_dovecot_read.c \
	cmd/import_dovecot_services.c cmd/import_dovecot_settings.c cmd/import_dovecot_users.c cmd/import_dovecot_write.c $(PAGES)
cmd_import_dovecot_LDADD = $(MAIL_LIBS) $(CONFIG_LIBS)
DIRECT_TESTS += t/system/import_dovecot.py
EXTRA_DIST += t/system/import_dovecot.py
pkglibexec_PROGRAMS += cmd/auth-tool
cmd_auth_tool_SOURCES = cmd/auth_tool.c $(PAGES)
cmd_auth_tool_LDADD = lib/sasl/libsasl.a $(IPC_LIBS) $(CONFIG_LIBS) $(OPENSSL_LIBS) $(CRYPT_LIBS) $(ARGON2_LIBS)
DIRECT_TESTS += t/system/auth_tool.py
EXTRA_DIST += t/system/auth_tool.py
pkglibexec_PROGRAMS += cmd/tls-tool
cmd_tls_tool_SOURCES = cmd/tls_tool.c cmd/tls_files.c cmd/tls_files.h cmd/command.c cmd/command.h $(PAGES)
cmd_tls_tool_LDADD = $(TABLE_COMMAND_LIBS) $(OPENSSL_LIBS)
DIRECT_TESTS += t/system/tls_tool.py
EXTRA_DIST += t/system/tls_tool.py
