/* SPDX-License-Identifier: ISC */
/*
 * settings.c - the parameters of local(8), and its tables
 */
#include "local/settings.h"

#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "local/account.h"
#include "local/agent.h"
#include "local/errand.h"
#include "local/status_filter.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "sieve/settings.h"
#include "store/acl.h"
#include "store/delivered.h"
#include "store/quota.h"

struct local_settings local_settings;

#define FILTER "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define S local_settings
const struct param local_params[] = {
	LIST("alias_maps", &S.alias_maps, "hash:/etc/aliases", "aliases of local users"),
	LIST("propagate_unmatched_extensions", &S.propagate, "canonical, virtual", "which lookups copy an address extension to their result"),
	LIST("allow_mail_to_commands", &S.allow_commands, "alias, forward", "where |command is allowed: alias, forward, include"),
	LIST("allow_mail_to_files", &S.allow_files, "alias, forward", "where /file/name is allowed: alias, forward, include"),
	LIST("prepend_delivered_header", &S.prepend, "command, file, forward", "deliveries that get a Delivered-To header"),
	LIST("mailbox_delivery_lock", &S.lock_words, "fcntl, dotlock", "how mbox files are locked: fcntl, flock, dotlock"),
	RAW("forward_path", &S.forward_path, "$home/.forward${recipient_delimiter}${extension}, $home/.forward", "where a user's forwarding stands"),
	RAW("mailbox_command", &S.mailbox_command, "", "the command that delivers to mailboxes, by the shell"),
	STRING("mailbox_transport", &S.mailbox_transport, "", "the transport that delivers to mailboxes"),
	STRING("fallback_transport", &S.fallback_transport, "", "the transport for users that are unknown here"),
	RAW("luser_relay", &S.luser_relay, "", "the address for users that are unknown here"),
	STRING("home_mailbox", &S.home_mailbox, "", "mailbox below the home directory; Maildir when it ends in /"),
	STRING("mail_spool_directory", &S.mail_spool_directory, "/var/mail", "where mailboxes are; Maildirs when it ends in /"),
	STRING("local_command_shell", &S.command_shell, "", "the shell for commands"),
	RAW("command_execution_directory", &S.command_directory, "", "where commands run"),
	RAW("command_expansion_filter", &S.command_filter, FILTER, "characters that exported values may hold"),
	RAW("forward_expansion_filter", &S.forward_filter, FILTER, "characters that values in forward_path may hold"),
	LIST("mailbox_command_maps", &S.mailbox_command_maps, "", "mailbox_command by user"),
	LIST("mailbox_transport_maps", &S.mailbox_transport_maps, "", "mailbox_transport by user"),
	LIST("fallback_transport_maps", &S.fallback_transport_maps, "", "fallback_transport by user"),
	LIST("local_delivery_status_filter", &S.status_filter, "$default_delivery_status_filter", "tables: another status for a delivery"),
	LIST("default_delivery_status_filter", NULL, "", "default of local_delivery_status_filter"),
	BOOLEAN("expand_owner_alias", &S.expand_owner_alias, "no", "the sender becomes what owner-alias expands to"),
	BOOLEAN("owner_request_special", &S.owner_special, "yes", "owner-x and x-request hold no extension"),
	BOOLEAN("strict_mailbox_ownership", &S.strict_ownership, "yes", "the recipient must own the mailbox file"),
	BOOLEAN("require_home_directory", &S.require_home, "no", "defer when the home directory is not there"),
	BOOLEAN("reset_owner_alias", &S.reset_owner, "no", "owner- of the innermost alias only"),
	BOOLEAN("biff", &S.biff, "yes", "accepted; no biff notices are sent"),
	BYTES("mailbox_size_limit", &S.mailbox_size_limit, "51200000", "0", "", "largest mailbox or Maildir file, 0 for none"),
	DURATION("command_time_limit", &S.command_ms, "1000s", "1s", "", "longest time of a delivery command"),
	DURATION("deliver_lock_delay", &S.lock_delay_ms, "1s", "1s", "", "time between attempts to lock a mailbox"),
	DURATION("stale_lock_time", &S.stale_ms, "500s", "1s", "", "older lock files are removed"),
	NUMBER("deliver_lock_attempts", &S.lock_attempts, "20", "1", "", "attempts to lock a mailbox"),
	NUMBER("duplicate_filter_limit", &S.duplicate_limit, "1000", "0", "", "accepted: each address is remembered, none is delivered twice"),
	SIEVE_ROWS,
	QUOTA_ROWS,
	ACCOUNT_ROWS,
	DELIVERED_ROWS,
	ACL_ROWS,
	END_OF_PARAMS
};

static int
open_maps(struct table_list **out, const struct list *specs, const char *name, struct fault *why)
{
	*out = table_list_open(specs, why);
	if (!*out)
		return fault_prefix(why, "%s", name);
	for (size_t i = 0; i < table_list_count(*out); i++)
		service_watch_table(table_list_at(*out, i));
	return 0;
}

int
local_find_alias(struct span name, struct text *value, struct table **where, struct fault *why)
{
	/* a child may find the table that its parent missed */
	if (!S.aliases && open_maps(&S.aliases, &S.alias_maps, "alias_maps", why) < 0)
		return -1;
	return table_list_find(S.aliases, name, value, where, why);
}

int
local_prepare(struct fault *why)
{
	struct fault trouble = {0};

	if (filter_prepare(why) < 0 || quota_settings_check(&quota_settings, why) < 0 || delivered_check(why) < 0)
		return -1;
	table_use_remote(ask_table_find);
	sandbox_prepare_mailbox();
	agent_user_find(SPAN("no such user"), &(struct agent_user){0},
		NULL); /* loads NSS once, not in each child */
	if (agent_locks_parse(&S.lock_words, &S.locks, why) < 0 ||
		agent_default_identity(&S.nobody, why) < 0)
		return -1;
	if (privilege_is_root() && S.nobody.uid == 0)
		return fault_set(why, FAULT_DENIED, "default_privs must not be root");
	/* Without aliases mail waits; it is not bounced and not delivered past them. */
	if (open_maps(&S.aliases, &S.alias_maps, "alias_maps", &trouble) < 0)
		log_warning("%s: local mail is deferred", fault_text(&trouble));
	if (status_filter_open(&S.status_filter, "local_delivery_status_filter", why) < 0)
		return -1;
	if (open_maps(&S.commands, &S.mailbox_command_maps, "mailbox_command_maps", why) < 0)
		return -1;
	/* What names a command is read here, by root: proxymap only says where mail goes (postconf(5), alias_maps). */
	table_use_proxy(ask_table_find);
	if (open_maps(&S.transports, &S.mailbox_transport_maps, "mailbox_transport_maps", why) <
			0 ||
		open_maps(&S.fallbacks, &S.fallback_transport_maps, "fallback_transport_maps",
			why) < 0)
		return -1;
	return 0;
}
