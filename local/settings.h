/* SPDX-License-Identifier: ISC */
/*
 * settings.h - the parameters of local(8)
 */
#ifndef LOCAL_SETTINGS_H
#define LOCAL_SETTINGS_H

#include "config/param.h"
#include "service/privilege.h"
#include "table/table.h"

struct local_settings {
	struct list status_filter;
	struct list alias_maps, propagate, allow_commands, allow_files, prepend, lock_words,
		export_environment;
	const char *forward_path, *mailbox_command, *mailbox_transport, *fallback_transport,
		*luser_relay;
	const char *home_mailbox, *mail_spool_directory, *command_shell, *command_directory;
	const char *command_filter, *forward_filter;
	struct list mailbox_command_maps, mailbox_transport_maps, fallback_transport_maps;
	bool        expand_owner_alias, owner_special, strict_ownership, require_home, reset_owner;
	int64_t     mailbox_size_limit, command_ms, lock_delay_ms, stale_ms;
	int         duplicate_limit, lock_attempts;
	bool        biff;
	/* after local_prepare */
	unsigned           locks;
	struct identity    nobody;           /* default_privs */
	struct table_list *aliases, *commands, *transports, *fallbacks;
};

extern struct local_settings local_settings;
extern const struct param local_params[];

int local_prepare(struct fault *);
/* As table_list_find, in alias_maps. */
int local_find_alias(struct span name, struct text *value, struct table **where, struct fault *);

#endif
