/* SPDX-License-Identifier: ISC */
/*
 * site.c - the parameters that every program shares
 */
#include "config/site.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/networks.h"

struct site site;

/* gethostname(), with a domain: Postfix adds mydomain to a bare name. */
static void
compute_myhostname(const struct main_cf *cf, struct text *out)
{
	char                  name[256] = "";
	const struct setting *domain = main_cf_setting(cf, "mydomain");

	if (gethostname(name, sizeof name - 1) < 0 || !name[0])
		memcpy(name, "localhost", sizeof "localhost");
	text_add_string(out, name);
	if (!strchr(name, '.'))
		text_add_string(out, domain ? ".$mydomain" : ".localdomain");
}

/* myhostname without its first label; it must not be asked for $mydomain. */
static void
compute_mydomain(const struct main_cf *cf, struct text *out)
{
	const struct setting *set = main_cf_setting(cf, "myhostname");
	autotext struct text  host = {0};
	ptrdiff_t             dot;

	if (!set || main_cf_get(cf, "myhostname", &host, NULL) != 0) {
		text_clear(&host);
		compute_myhostname(cf, &host);
	}
	dot = span_find(text_span(&host), '.');
	if (dot < 0)
		text_add_string(out, "localdomain");
	else
		text_add(out, span_from(text_span(&host), (size_t)dot + 1));
}

static void
compute_mynetworks(const struct main_cf *cf, struct text *out)
{
	autotext struct text style = {0}, interfaces = {0}, protocols = {0};

	main_cf_get(cf, "mynetworks_style", &style, NULL);
	main_cf_get(cf, "inet_interfaces", &interfaces, NULL);
	main_cf_get(cf, "inet_protocols", &protocols, NULL);
	networks_of_interfaces(text_string(&style), text_span(&interfaces), text_span(&protocols), out);
}

/*
 * Whoever reads /etc/postfix where it lies goes on with the queue directory and the user that it means when it names none: the
 * neighbours' sockets are below the one (private/auth), often open to the other alone, and scripts count files there.
 */
static bool
is_postfixs(const struct main_cf *cf)
{
	char real[PATH_MAX];

	return realpath(main_cf_config_directory(cf), real) && strcmp(real, POSTFIX_CONFIG) == 0;
}

static void
compute_queue_directory(const struct main_cf *cf, struct text *out)
{
	text_add_string(out, is_postfixs(cf) ? POSTFIX_QUEUE : QUEUE_DIRECTORY);
}

static void
compute_mail_owner(const struct main_cf *cf, struct text *out)
{
	text_add_string(out, is_postfixs(cf) ? "postfix" : "postern");
}

const struct param site_params[] = {
	STRING_FROM("myhostname", &site.myhostname, compute_myhostname, "the name of this host in the Internet"),
	STRING_FROM("mydomain", &site.mydomain, compute_mydomain, "the domain of this host: myhostname without its first label"),
	STRING("myorigin", &site.myorigin, "$myhostname", "the domain that mail from here seems to come from"),
	STRING("mail_name", &site.mail_name, "Postfix", "the name in banners and Received: headers"),
	STRING("mail_version", &site.mail_version, POSTERN_VERSION, "the version of this mail system"),
	STRING("multi_instance_name", &site.multi_instance_name, "", "the name of this instance"),
	STRING("compatibility_level", &site.compatibility_level, "0", "whose defaults hold"),
	STRING("config_directory", &site.config_directory, CONFIG_DIRECTORY, "where main.cf and master.cf are"),
	STRING_FROM("queue_directory", &site.queue_directory, compute_queue_directory, "the queue: " QUEUE_DIRECTORY ", but where the configuration is that of /etc/postfix " POSTFIX_QUEUE),
	STRING("data_directory", &site.data_directory, DATA_DIRECTORY, "built tables and caches"),
	STRING("daemon_directory", &site.daemon_directory, DAEMON_DIRECTORY, "the programs that master starts"),
	STRING("command_directory", &site.command_directory, COMMAND_DIRECTORY, "the administrator's commands"),
	STRING_FROM("mail_owner", &site.mail_owner, compute_mail_owner, "the user that owns the queue: postern, but where the configuration is that of /etc/postfix postfix"),
	STRING("setgid_group", &site.setgid_group, "postdrop", "the group of postdrop and postqueue"),
	STRING("net_owner", &site.net_owner, "postern-net", "the user of programs that speak with the network"),
	STRING("dns_owner", &site.dns_owner, "postern-dns", "the user of dnsd"),
	STRING("auth_owner", &site.auth_owner, "postern-auth", "the user of authd"),
	STRING("map_owner", &site.map_owner, "postern-map", "the user of rewrite and proxymap"),
	STRING("key_owner", &site.key_owner, "postern-key", "the user of keyd"),
	STRING("log_owner", &site.log_owner, "postern-log", "the user of postlogd"),
	STRING("default_privs", &site.default_privs, "nobody", "the user for deliveries to files and commands of root's aliases"),
	STRING("syslog_name", &site.syslog_name, "${multi_instance_name?{$multi_instance_name}:{postfix}}", "what log lines start with"),
	STRING("syslog_facility", &site.syslog_facility, "mail", "the facility of log lines"),
	STRING("maillog_file", &site.maillog_file, "", "the log file; empty: the system logger"),
	LIST("mydestination", &site.mydestination, "$myhostname, localhost.$mydomain, localhost", "domains that are delivered locally"),
	STRING("mynetworks_style", &site.mynetworks_style, "${{$compatibility_level} <level {2} ? {subnet} : {host}}", "how mynetworks is made: host, subnet or class"),
	LIST_FROM("mynetworks", &site.mynetworks, compute_mynetworks, "clients that are trusted"),
	LIST("relay_domains", &site.relay_domains, "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", "other domains that mail is relayed to"),
	LIST("virtual_alias_domains", &site.virtual_alias_domains, "$virtual_alias_maps", "domains whose addresses are all aliases"),
	LIST("virtual_mailbox_domains", &site.virtual_mailbox_domains, "$virtual_mailbox_maps", "domains delivered to virtual mailboxes"),
	LIST("parent_domain_matches_subdomains", &site.parent_domain_matches_subdomains, "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps", "features where example.com matches its subdomains"),
	LIST("inet_interfaces", &site.inet_interfaces, "all", "addresses that mail is received on"),
	LIST("inet_protocols", &site.inet_protocols, "all", "ipv4, ipv6 or all"),
	LIST("proxy_interfaces", &site.proxy_interfaces, "", "addresses of ours outside a NAT or proxy"),
	STRING("recipient_delimiter", &site.recipient_delimiter, "", "what separates a user from an extension: any of these"),
	STRING("double_bounce_sender", &site.double_bounce_sender, "double-bounce", "the sender of mail that is never bounced"),
	STRING("empty_address_recipient", &site.empty_address_recipient, "MAILER-DAEMON", "who gets mail to the null address"),
	BOOLEAN("append_dot_mydomain", &site.append_dot_mydomain, "${{$compatibility_level} <level {1} ? {yes} : {no}}", "user@host means user@host.$mydomain"),
	BOOLEAN("append_at_myorigin", &site.append_at_myorigin, "yes", "user means user@$myorigin"),
	BOOLEAN("soft_bounce", &site.soft_bounce, "no", "defer what would be refused or bounced"),
	BOOLEAN("smtputf8_enable", &site.smtputf8_enable, "${{$compatibility_level} <level {1} ? {no} : {yes}}", "internationalised mail (RFC 6531)"),
	BOOLEAN("strict_smtputf8", &site.strict_smtputf8, "no", "require SMTPUTF8 for UTF-8 addresses"),
	CHOICE("info_log_address_format", &site.log_address_format, "external", "external internal", "addresses in log lines: with the quotes that they need, or without"),
	BOOLEAN("show_user_unknown_table_name", &site.show_user_unknown_table_name, "yes", "name the table in replies to unknown users"),
	STRING("known_tcp_ports", &site.known_tcp_ports, "lmtp=24, smtp=25, smtps=submissions=465, submission=587", "ports of services that are not looked up in /etc/services: name=port, name=name=port"),
	BOOLEAN("enable_idna2003_compatibility", &site.idna2003, "no", "domain names by the transitional rules: German sharp s as ss, Greek final sigma as sigma"),
	BYTES("message_size_limit", &site.message_size_limit, "10240000", "0", "", "largest message, 0 for none"),
	DURATION("ipc_timeout", &site.ipc_timeout, "3600s", "1s", "", "how long a program waits for another"),
	DURATION("max_idle", &site.max_idle, "100s", "1s", "", "an idle program ends after this time"),
	DURATION("daemon_timeout", &site.daemon_timeout, "18000s", "1s", "", "longest time for one request"),
	NUMBER("hopcount_limit", &site.hopcount_limit, "50", "1", "", "more Received: headers are a loop"),
	NUMBER("line_length_limit", &site.line_length_limit, "2048", "512", "65536", "longer lines are taken in pieces"),
	NUMBER("header_size_limit", &site.header_size_limit, "102400", "1", "", "longer headers are cut for inspection"),
	NUMBER("delay_logging_resolution_limit", &site.delay_logging_resolution_limit, "2", "0", "6", "digits behind the point in delays that are logged"),
	NUMBER("default_process_limit", &site.default_process_limit, "100", "1", "", "sessions of a service whose maxproc is not given"),
	STRING("default_database_type", &site.default_database_type, "hash", "the table type where none is given"),
	LIST("alias_maps", &site.alias_maps, "hash:/etc/aliases", "aliases of local users"),
	LIST("alias_database", &site.alias_database, "hash:/etc/aliases", "alias tables that newaliases builds"),
	LIST("import_environment", &site.import_environment, "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME", "environment kept by programs"),
	LIST("export_environment", &site.export_environment, "TZ MAIL_CONFIG LANG", "environment given to delivery commands"),
	LIST("proxy_read_maps", &site.proxy_read_maps,
	     "$local_recipient_maps $mydestination $virtual_alias_maps $virtual_alias_domains "
	     "$virtual_mailbox_maps $virtual_mailbox_domains $relay_recipient_maps $relay_domains "
	     "$canonical_maps $sender_canonical_maps $recipient_canonical_maps $relocated_maps "
	     "$transport_maps $mynetworks $smtpd_sender_login_maps $sender_bcc_maps "
	     "$recipient_bcc_maps $smtp_generic_maps $lmtp_generic_maps $alias_maps "
	     "$smtpd_client_restrictions $smtpd_helo_restrictions $smtpd_sender_restrictions "
	     "$smtpd_relay_restrictions $smtpd_recipient_restrictions "
	     "$address_verify_sender_dependent_default_transport_maps "
	     "$address_verify_sender_dependent_relayhost_maps $address_verify_transport_maps "
	     "$fallback_transport_maps $lmtp_discard_lhlo_keyword_address_maps "
	     "$lmtp_pix_workaround_maps $lmtp_sasl_password_maps $lmtp_tls_policy_maps "
	     "$mailbox_command_maps $mailbox_transport_maps "
	     "$postscreen_discard_ehlo_keyword_address_maps $rbl_reply_maps "
	     "$sender_dependent_default_transport_maps $sender_dependent_relayhost_maps "
	     "$smtp_discard_ehlo_keyword_address_maps $smtp_pix_workaround_maps "
	     "$smtp_sasl_password_maps $smtp_tls_policy_maps "
	     "$smtpd_discard_ehlo_keyword_address_maps $smtpd_milter_maps $virtual_gid_maps "
	     "$virtual_uid_maps $local_login_sender_maps $postscreen_reject_footer_maps "
	     "$smtpd_reject_footer_maps $tls_server_sni_maps $tlsproxy_client_policy_maps "
	     "$default_delivery_status_filter $lmtp_delivery_status_filter $lmtp_dns_reply_filter "
	     "$lmtp_reply_filter $local_delivery_status_filter $pipe_delivery_status_filter "
	     "$postscreen_command_filter $smtp_delivery_status_filter $smtp_dns_reply_filter "
	     "$smtp_reply_filter $smtpd_command_filter $smtpd_dns_reply_filter "
	     "$virtual_delivery_status_filter $body_checks $header_checks $lmtp_body_checks "
	     "$lmtp_header_checks $lmtp_mime_header_checks $lmtp_nested_header_checks "
	     "$milter_header_checks $mime_header_checks $nested_header_checks $smtp_body_checks "
	     "$smtp_header_checks $smtp_mime_header_checks $smtp_nested_header_checks",
	     "tables that proxymap may read for others"),
	LIST("proxy_write_maps", &site.proxy_write_maps, "$smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name $address_verify_map $postscreen_cache_map", "tables that proxywrite may change"),
	LIST("authorized_submit_users", &site.authorized_submit_users, "static:anyone", "who may use sendmail"),
	LIST("authorized_mailq_users", &site.authorized_mailq_users, "static:anyone", "who may see the queue"),
	LIST("authorized_flush_users", &site.authorized_flush_users, "static:anyone", "who may flush the queue"),
	END_OF_PARAMS
};

char *
site_log_name(const char *program)
{
	return mem_format("%s/%s", site.syslog_name ? site.syslog_name : "postfix", program);
}

/* Postfix's main.cf may name the directory of Postfix's programs: where none of ours is there, ours
 * are where they were installed. */
static void
leave_to_others(const char **directory, const char *program, const char *own)
{
	autofree char *named = mem_format("%s/%s", *directory, program);
	autofree char *ours = mem_format("%s/%s", own, program);

	if (strcmp(*directory, own) != 0 && access(named, X_OK) < 0 && access(ours, X_OK) == 0)
		*directory = own;
}

/* A parameter that starts with / is the name of a file that holds the value. */
void
site_settle(struct main_cf *cf, struct faults *faults)
{
	autotext struct text in = {0};
	struct fault         why = {0};
	struct span          rest, line;

	if (site.myorigin[0] != '/')
		return;
	if (file_read(site.myorigin, 4096, &in, &why) < 0) {
		faults_add(faults, "%smyorigin: %s", main_cf_place(cf, "myorigin"), fault_text(&why));
		return;
	}
	rest = text_span(&in);
	span_split(&rest, '\n', &line);
	site.myorigin = mem_span(span_trim(line));
}

struct main_cf *
site_load(const char *directory, struct faults *faults)
{
	static const struct param *const tables[] = {site_params, NULL};
	struct main_cf                  *cf = main_cf_read(directory, faults);

	params_load(cf, tables, faults);
	site_settle(cf, faults);
	leave_to_others(&site.daemon_directory, "rewrite", DAEMON_DIRECTORY);
	leave_to_others(&site.command_directory, "postern", COMMAND_DIRECTORY);
	return cf;
}
