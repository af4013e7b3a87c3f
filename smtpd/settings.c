/* SPDX-License-Identifier: ISC */
/*
 * settings.c - smtpd's parameters, and what is made of them at start
 */
#include "settings.h"

#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "ipc/submit.h"
#include "config/site.h"
#include "footer.h"
#include "mail/line.h"
#include "mail/smtp_syntax.h"
#include "milter.h"
#include "rules.h"
#include "server_names.h"
#include "service/service.h"
#include "stress.h"

struct settings settings;
struct prepared prepared;

#define S settings

const struct param smtpd_params[] = {
	STRING("smtpd_banner", &S.banner, "$myhostname ESMTP $mail_name", "the greeting, behind 220"),
	STRING("error_notice_recipient", &S.error_recipient, "postmaster", "who gets transcripts of sessions by notify_classes"),
	LIST("notify_classes", &S.notify_classes, "resource, software",
	     "what the postmaster is told: bounce, 2bounce, data, delay, policy, protocol, resource, software"),
	LIST("internal_mail_filter_classes", &S.filter_classes, "", "notify: transcripts are subject to header and body checks"),
	STRING("smtpd_service_name", &S.service_name, "smtpd", "the service behind postscreen"),
	STRING("smtpd_null_access_lookup_key", &S.null_access_key, "<>", "what stands for the null sender in access tables"),
	STRING("content_filter", &S.content_filter, "", "transport:destination that mail goes through first"),
	STRING("cleanup_service_name", &S.cleanup_service, "cleanup", "who takes messages into the queue"),
	DURATION("smtpd_timeout", &S.timeout, "${stress?{10}:{300}}s", "1s", "", "how long a client may be silent, and one command take"),
	DURATION("smtpd_starttls_timeout", &S.starttls_timeout, "${stress?{10}:{300}}s", "1s", "", "time for a TLS handshake"),
	DURATION("smtpd_error_sleep_time", &S.error_sleep_time, "1s", "0s", "", "delay of an error reply beyond the soft limit"),
	NUMBER("smtpd_soft_error_limit", &S.soft_error_limit, "10", "1", "", "errors before replies are delayed"),
	NUMBER("smtpd_hard_error_limit", &S.hard_error_limit, "${stress?{1}:{20}}", "1", "", "errors before the session ends"),
	NUMBER("smtpd_junk_command_limit", &S.junk_command_limit, "${stress?{1}:{100}}", "1", "", "NOOP, VRFY, RSET and the like before they count as errors"),
	NUMBER("smtpd_recipient_limit", &S.recipient_limit, "1000", "1", "", "recipients a message"),
	NUMBER("smtpd_recipient_overshoot_limit", &S.overshoot_limit, "1000", "1", "", "recipients beyond the limit before they count as errors"),
	BOOLEAN("smtpd_per_request_deadline", &S.per_request_deadline, "${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}", "smtpd_timeout is for a whole command, and for content by smtpd_min_data_rate"),
	NUMBER("smtpd_min_data_rate", &S.min_data_rate, "500", "1", "", "bytes a second that extend the deadline"),
	NUMBER("smtpd_client_connection_count_limit", &S.count_limit, "50", "0", "", "connections at a time from one client, 0 for none"),
	NUMBER("smtpd_client_connection_rate_limit", &S.rate_limit, "0", "0", "", "connections in anvil_rate_time_unit"),
	NUMBER("smtpd_client_message_rate_limit", &S.message_rate_limit, "0", "0", "", "messages in anvil_rate_time_unit"),
	NUMBER("smtpd_client_recipient_rate_limit", &S.recipient_rate_limit, "0", "0", "", "recipients in anvil_rate_time_unit"),
	NUMBER("smtpd_client_new_tls_session_rate_limit", &S.newtls_rate_limit, "0", "0", "", "new TLS sessions in anvil_rate_time_unit"),
	NUMBER("smtpd_client_auth_rate_limit", &S.auth_rate_limit, "0", "0", "", "AUTH commands in anvil_rate_time_unit"),
	NUMBER("smtpd_client_ipv4_prefix_length", &S.ipv4_prefix, "32", "1", "32", "IPv4 clients that share this prefix are one client"),
	NUMBER("smtpd_client_ipv6_prefix_length", &S.ipv6_prefix, "84", "1", "128", "IPv6 clients that share this prefix are one client"),
	LIST("smtpd_client_event_limit_exceptions", &S.rate_exceptions, "${smtpd_client_connection_limit_exceptions:$mynetworks}", "clients without limits"),
	BOOLEAN("smtpd_helo_required", &S.helo_required, "no", "MAIL needs a HELO or EHLO before it"),
	BOOLEAN("disable_vrfy_command", &S.disable_vrfy, "no", "VRFY is refused"),
	BOOLEAN("strict_rfc821_envelopes", &S.strict_envelopes, "no", "addresses only in <>, without comments"),
	BOOLEAN("smtpd_delay_reject", &S.delay_reject, "yes", "client, HELO and sender restrictions wait for RCPT"),
	BOOLEAN("smtpd_delay_open_until_valid_rcpt", &S.delay_open, "yes", "a message begins with its first valid recipient (always so here)"),
	BOOLEAN("smtpd_client_port_logging", &S.client_port_logging, "no", "the client's port in log lines"),
	BOOLEAN("smtpd_peername_lookup", &S.peername_lookup, "yes", "look up the client's name"),
	BOOLEAN("smtpd_reject_unlisted_recipient", &S.reject_unlisted_recipient, "yes", "refuse unknown recipients"),
	BOOLEAN("smtpd_reject_unlisted_sender", &S.reject_unlisted_sender, "no", "refuse unknown senders in our domains"),
	BOOLEAN("smtpd_relay_before_recipient_restrictions", &S.relay_first, "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", "relay restrictions come before recipient restrictions"),
	LIST("smtpd_discard_ehlo_keywords", &S.discard_ehlo, "", "EHLO keywords that are not offered"),
	LIST("smtpd_discard_ehlo_keyword_address_maps", &S.discard_ehlo_maps, "", "the same by client address"),
	LIST("smtpd_forbidden_commands", &S.forbidden_commands, "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", "commands that end the session"),
	LIST("smtpd_noop_commands", &S.noop_commands, "", "commands that are answered with Ok and do nothing"),
	CHOICE("smtpd_forbid_bare_newline", &S.bare_newline, "normalize", "no normalize yes reject note", "what a bare LF is"),
	NUMBER("smtpd_forbid_bare_newline_reject_code", &S.bare_newline_code, "550", "400", "599", "the reply code for a bare LF"),
	LIST("smtpd_forbid_bare_newline_exclusions", &S.bare_newline_exclusions, "$mynetworks", "clients that may send a bare LF"),
	BOOLEAN("smtpd_forbid_unauth_pipelining", &S.forbid_unauth_pipelining, "yes", "hang up when a client talks out of turn"),
	LIST("smtpd_command_filter", &S.command_filter, "", "tables that replace a client's command line"),
	LIST("smtpd_reject_filter_maps", &S.reject_filter_maps, "", "tables that replace a reply that says no"),
	RAW("smtpd_reject_footer", &S.reject_footer, "", "lines behind a reply that says no"),
	LIST("smtpd_reject_footer_maps", &S.reject_footer_maps, "", "the same by the reply"),
	RAW("smtpd_expansion_filter", &S.expansion_filter, "\\t\\40!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~", "bytes of clients that may stand in such lines; others become _"),
	BOOLEAN("smtpd_hide_client_session", &S.hide_client, "no", "Received: tells nothing of the client"),
	LIST("smtpd_authorized_xclient_hosts", &S.xclient_hosts, "", "who may say XCLIENT"),
	LIST("smtpd_authorized_xforward_hosts", &S.xforward_hosts, "", "who may say XFORWARD"),
	LIST("smtpd_authorized_verp_clients", &S.verp_clients, "$authorized_verp_clients", "who may ask for VERP with XVERP"),
	LIST("smtpd_client_connection_limit_exceptions", NULL, "", "the older name of smtpd_client_event_limit_exceptions"),
	LIST("authorized_verp_clients", NULL, "", "the older name of smtpd_authorized_verp_clients"),
	STRING("default_verp_delimiters", &S.verp_delimiters, "+=", "the two characters of VERP addresses"),
	RAW("verp_delimiter_filter", &S.verp_filter, "-=+", "characters that XVERP may name"),
	CHOICE("smtpd_upstream_proxy_protocol", &S.upstream_protocol, "", " haproxy", "a load balancer's header comes first and names the client"),
	DURATION("smtpd_upstream_proxy_timeout", &S.upstream_timeout, "5s", "1s", "", "time for that header"),
	STRING("smtpd_proxy_filter", &S.proxy_filter, "", "host:port or unix:path of a filter that mail goes through before the queue"),
	STRING("smtpd_proxy_ehlo", &S.proxy_ehlo, "$myhostname", "our name to that filter"),
	DURATION("smtpd_proxy_timeout", &S.proxy_timeout, "100s", "1s", "", "time for each answer of that filter"),
	LIST("smtpd_proxy_options", &S.proxy_options, "", "speed_adjust: collect the message first"),
	LIST("receive_override_options", &S.receive_override, "", "what is left out: no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters"),
	LIST("smtpd_milters", &S.milters, "", "mail filters for mail that comes by SMTP: inet:host:port, unix:path"),
	LIST("smtpd_milter_maps", &S.milter_maps, "", "tables with the milters of a client address, or DISABLE"),
	MILTER_PARAMS(S.milter),
	CHOICE("smtpd_tls_security_level", &S.tls_level, "", " none may encrypt", "whether STARTTLS is offered, or required"),
	BOOLEAN("smtpd_use_tls", &S.use_tls, "no", "offer STARTTLS; see smtpd_tls_security_level"),
	BOOLEAN("smtpd_enforce_tls", &S.enforce_tls, "no", "require STARTTLS; see smtpd_tls_security_level"),
	BOOLEAN("smtpd_tls_wrappermode", &S.tls_wrapper, "no", "TLS from the first byte (port 465)"),
	BOOLEAN("smtpd_tls_auth_only", &S.tls_auth_only, "no", "AUTH only inside TLS"),
	BOOLEAN("smtpd_tls_received_header", &S.tls_received, "no", "tell the cipher in Received:"),
	BOOLEAN("tls_trust_server_ccerts", &S.tls_trust_servers, "no", "a client's certificate that its authority issued for servers alone is good, too"),
	BOOLEAN("smtpd_tls_ask_ccert", &S.tls_ask_cert, "no", "ask the client for a certificate"),
	BOOLEAN("smtpd_tls_req_ccert", &S.tls_require_cert, "no", "require a trusted client certificate"),
	NUMBER("smtpd_tls_loglevel", &S.tls_loglevel, "0", "0", "", "1: log each handshake"),
	STRING("smtpd_tls_chain_files", &S.tls_chain, "", "files with key, certificate and chain"),
	STRING("smtpd_tls_cert_file", &S.tls_cert, "", "the certificate with its chain"),
	STRING("smtpd_tls_key_file", &S.tls_key, "$smtpd_tls_cert_file", "its key"),
	STRING("smtpd_tls_eccert_file", &S.tls_ec_cert, "", "a second certificate"),
	STRING("smtpd_tls_eckey_file", &S.tls_ec_key, "$smtpd_tls_eccert_file", "its key"),
	STRING("smtpd_tls_CAfile", &S.tls_ca_file, "", "authorities for client certificates"),
	STRING("smtpd_tls_CApath", &S.tls_ca_path, "", "a directory of them, read at start"),
	BOOLEAN("tls_append_default_CA", &S.tls_default_ca, "no", "the system's authorities too"),
	NUMBER("smtpd_tls_ccert_verifydepth", &S.tls_verify_depth, "9", "1", "", "longest chain of a client's certificate"),
	LIST("tls_server_sni_maps", &S.tls_sni, "", "key and chain files by the name that a client asks for: hash:, texthash:, inline:"),
	STRING("smtpd_tls_dcert_file", NULL, "", "not needed: DSA certificates have no place in TLS 1.2 and 1.3"),
	STRING("smtpd_tls_dkey_file", NULL, "$smtpd_tls_dcert_file", "not needed"),
	RAW("smtpd_tls_cipherlist", NULL, "", "not needed: obsolete since Postfix 2.3, see smtpd_tls_ciphers"),
	STRING("smtpd_tls_fingerprint_digest", &S.tls_digest, "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", "how fingerprints are made: sha256, sha1 ..."),
	/* taken and without effect: sessions live in tickets, Diffie-Hellman groups are the library's */
	STRING("smtpd_tls_session_cache_database", NULL, "", "not needed: sessions are resumed by tickets"),
	DURATION("smtpd_tls_session_cache_timeout", NULL, "3600s", "0s", "", "not needed"),
	BOOLEAN("smtpd_tls_always_issue_session_ids", NULL, "yes", "not needed"),
	STRING("smtpd_tls_dh1024_param_file", NULL, "", "not needed: the library chooses groups"),
	STRING("smtpd_tls_dh512_param_file", NULL, "", "not needed"),
	STRING("smtpd_tls_eecdh_grade", NULL, "auto", "not needed: the library chooses groups"),
	STRING("smtpd_tls_protocols", &S.tls_protocols, ">=TLSv1.2", "TLS protocols with STARTTLS"),
	STRING("smtpd_tls_mandatory_protocols", &S.tls_mandatory_protocols, ">=TLSv1.2", "TLS protocols where TLS is required"),
	STRING("smtpd_tls_ciphers", &S.tls_ciphers, "medium", "cipher grade with STARTTLS"),
	STRING("smtpd_tls_mandatory_ciphers", &S.tls_mandatory_ciphers, "medium", "cipher grade where TLS is required"),
	STRING("smtpd_tls_exclude_ciphers", &S.tls_exclude, "", "ciphers to leave out"),
	STRING("smtpd_tls_mandatory_exclude_ciphers", &S.tls_mandatory_exclude, "", "the same where TLS is required"),
	BOOLEAN("smtpd_sasl_auth_enable", &S.sasl_enable, "no", "offer AUTH"),
	BOOLEAN("smtpd_sasl_authenticated_header", &S.sasl_header, "no", "the user's name in Received:"),
	BOOLEAN("broken_sasl_auth_clients", &S.broken_sasl, "no", "offer AUTH= too"),
	STRING("smtpd_sasl_type", &S.sasl_type, "cyrus", "dovecot: smtpd_sasl_path is its socket; cyrus: authd where auth_passdb is set, else saslauthd, as smtpd_sasl_path's .conf file says"),
	STRING("smtpd_sasl_path", &S.sasl_path, "smtpd", "private/auth, inet:host:port; with cyrus the name of its .conf file"),
	STRING("smtpd_sasl_service", &S.sasl_service, "smtp", "the service name told to the authentication server"),
	STRING("smtpd_sasl_local_domain", &S.sasl_local_domain, "", "the realm"),
	STRING("auth_passdb", &S.auth_passdb, "", "where authd looks for passwords; empty: authd does not serve smtpd_sasl_path"),
	LIST("smtpd_sasl_security_options", &S.sasl_options, "noanonymous", "mechanisms to leave out: noplaintext noanonymous"),
	LIST("smtpd_sasl_tls_security_options", &S.sasl_tls_options, "$smtpd_sasl_security_options", "the same inside TLS"),
	STRING("ssl_cert_username_field", &S.certificate_field, "commonName", "which field of a client certificate's subject is the user of EXTERNAL"),
	LIST("smtpd_sasl_mechanism_filter", &S.sasl_filter, "!external, static:rest", "mechanisms that are offered"),
	STRING("cyrus_sasl_config_path", &S.cyrus_path, "", "directories where the .conf file of Cyrus SASL is looked for; empty: sasl/ beside main.cf, /etc/sasl2, /usr/lib/sasl2, /usr/local/lib/sasl2"),
	STRING("smtpd_sasl_application_name", NULL, "", "not needed: the older name of smtpd_sasl_path for Cyrus SASL"),
	BOOLEAN("send_cyrus_sasl_authzid", NULL, "no", "not needed: there is no Cyrus SASL library here"),
	LIST("smtpd_sasl_exceptions_networks", &S.sasl_exceptions, "", "clients to whom AUTH is not offered"),
	BYTES("smtpd_sasl_response_limit", &S.sasl_response_limit, "12288", "1", "65536", "the longest AUTH line"),
	LIST("smtpd_client_restrictions", &S.client_rules, "", "rules about the client"),
	LIST("smtpd_helo_restrictions", &S.helo_rules, "", "rules about HELO"),
	LIST("smtpd_sender_restrictions", &S.sender_rules, "", "rules about MAIL FROM"),
	LIST("smtpd_relay_restrictions", &S.relay_rules, "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}", "rules about relaying"),
	LIST("smtpd_recipient_restrictions", &S.recipient_rules, "", "rules about RCPT TO"),
	LIST("smtpd_data_restrictions", &S.data_rules, "", "rules at DATA"),
	LIST("smtpd_end_of_data_restrictions", &S.end_of_data_rules, "", "rules at the end of content"),
	LIST("fast_flush_domains", &S.fast_flush, "$relay_domains", "domains whose mail ETRN makes to be tried at once"),
	DURATION("fast_flush_purge_time", NULL, "7d", "0s", "", "not needed: the queue itself is asked"),
	DURATION("fast_flush_refresh_time", NULL, "12h", "0s", "", "not needed: the queue itself is asked"),
	LIST("smtpd_etrn_restrictions", &S.etrn_rules, "", "rules about ETRN"),
	LIST("smtpd_restriction_classes", &S.classes, "", "parameters that hold lists of rules"),
	LIST("local_header_rewrite_clients", &S.local_rewrite, "permit_inet_interfaces", "clients whose headers are completed"),
	LIST("smtpd_sender_login_maps", &S.sender_login_maps, "", "which logins own a sender address"),
	LIST("relay_clientcerts", &S.relay_clientcerts, "", "fingerprints of client certificates that may relay: permit_tls_clientcerts"),
	LIST("rbl_reply_maps", &S.rbl_reply_maps, "", "reply templates by DNS list"),
	LIST("permit_mx_backup_networks", &S.permit_mx_backup_networks, "", "networks of primary MX hosts"),
	RAW("default_rbl_reply", &S.default_rbl_reply, "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}", "the reply of reject_rbl_client and its like"),
	BOOLEAN("allow_untrusted_routing", &S.allow_untrusted_routing, "no", "relay user@elsewhere@here for strangers"),
	NUMBER("reject_code", &S.reject_code, "554", "400", "599", "the reply code of reject"),
	NUMBER("defer_code", &S.defer_code, "450", "400", "499", "of defer"),
	NUMBER("access_map_reject_code", &S.access_reject_code, "554", "400", "599", "of REJECT in a table"),
	NUMBER("access_map_defer_code", &S.access_defer_code, "450", "400", "499", "of DEFER in a table"),
	NUMBER("relay_domains_reject_code", &S.relay_code, "554", "400", "599", "of reject_unauth_destination"),
	NUMBER("invalid_hostname_reject_code", &S.invalid_hostname_code, "501", "400", "599", "of reject_invalid_helo_hostname"),
	NUMBER("unknown_hostname_reject_code", &S.unknown_hostname_code, "450", "400", "599", "of reject_unknown_helo_hostname"),
	NUMBER("non_fqdn_reject_code", &S.non_fqdn_code, "504", "400", "599", "of reject_non_fqdn_*"),
	NUMBER("unknown_client_reject_code", &S.unknown_client_code, "450", "400", "599", "of reject_unknown_client_hostname"),
	NUMBER("unknown_address_reject_code", &S.unknown_address_code, "450", "400", "599", "of reject_unknown_sender_domain"),
	NUMBER("maps_rbl_reject_code", &S.rbl_code, "554", "400", "599", "of reject_rbl_client"),
	NUMBER("plaintext_reject_code", &S.plaintext_code, "450", "400", "599", "of reject_plaintext_session"),
	NUMBER("multi_recipient_bounce_reject_code", &S.multi_bounce_code, "550", "400", "599", "of reject_multi_recipient_bounce"),
	STRING("reject_tempfail_action", &S.tempfail_action, "defer_if_permit", "when a lookup fails for now"),
	STRING("address_verify_sender", &S.verify_sender, "$double_bounce_sender", "the sender of probes, who needs none"),
	DURATION("address_verify_sender_ttl", &S.verify_sender_ttl, "0s", "0s", "", "how long it is the same; 0: always"),
	NUMBER("address_verify_poll_count", &S.verify_polls, "${stress?{1}:{3}}", "1", "", "how often reject_unverified_* asks for the outcome of a probe"),
	DURATION("address_verify_poll_delay", &S.verify_poll_delay, "3s", "1s", "", "how long it waits in between"),
	NUMBER("unverified_recipient_reject_code", &S.unverified_recipient_reject, "450", "200", "599", "of reject_unverified_recipient, when the address does not exist"),
	NUMBER("unverified_recipient_defer_code", &S.unverified_recipient_defer, "450", "400", "499", "when that is not known"),
	STRING("unverified_recipient_reject_reason", &S.unverified_recipient_reason, "", "what is said instead of what the probe met"),
	CHOICE("unverified_recipient_tempfail_action", &S.unverified_recipient_tempfail, "$reject_tempfail_action", "defer_if_permit defer", "when it is not known"),
	NUMBER("unverified_sender_reject_code", &S.unverified_sender_reject, "450", "200", "599", "of reject_unverified_sender"),
	NUMBER("unverified_sender_defer_code", &S.unverified_sender_defer, "450", "400", "499", "when that is not known"),
	STRING("unverified_sender_reject_reason", &S.unverified_sender_reason, "", "what is said instead of what the probe met"),
	CHOICE("unverified_sender_tempfail_action", &S.unverified_sender_tempfail, "$reject_tempfail_action", "defer_if_permit defer", "when it is not known"),
	STRING("smtpd_policy_service_default_action", &S.policy_default, "451 4.3.5 Server configuration problem", "when a policy server does not answer"),
	STRING("smtpd_policy_service_policy_context", &S.policy_context, "", "told to policy servers"),
	DURATION("smtpd_policy_service_timeout", &S.policy_timeout, "100s", "1s", "", "time for a policy server"),
	DURATION("smtpd_policy_service_retry_delay", &S.policy_retry_delay, "1s", "1s", "", "between tries"),
	STRING("unknown_address_tempfail_action", &S.address_tempfail, "$reject_tempfail_action", "when reject_unknown_sender_domain or reject_unknown_recipient_domain cannot look up"),
	STRING("unknown_helo_hostname_tempfail_action", &S.helo_tempfail, "$reject_tempfail_action", "when reject_unknown_helo_hostname cannot look up"),
	LIST("maps_rbl_domains", &S.maps_rbl_domains, "", "DNS lists of reject_maps_rbl; see reject_rbl_client"),
	LIST("smtpd_log_access_permit_actions", &S.log_permit, "", "rules and table results that permit and are logged"),
	LIST("smtpd_dns_reply_filter", &S.dns_reply_filter, "", "tables of DNS records to be ignored by rules"),
	STRING("stress", &S.stress, "", "yes: as for sessions that begin when all places are taken"),
	NUMBER("smtpd_history_flush_threshold", NULL, "100", "1", "", "not needed: a session keeps no history"),
	DURATION("smtpd_policy_service_max_idle", &S.policy_max_idle, "300s", "1s", "", "idle time after which a connection is not used again"),
	DURATION("smtpd_policy_service_max_ttl", &S.policy_max_ttl, "1000s", "1s", "", "age after which a connection is not used again"),
	NUMBER("smtpd_policy_service_request_limit", &S.policy_request_limit, "0", "0", "", "questions over one connection; 0: no limit"),
	NUMBER("smtpd_policy_service_try_limit", &S.policy_tries, "2", "1", "", "tries before the default action"),
	END_OF_PARAMS
};

#undef S

static void
make_match(const char *name, const struct list *l, unsigned flags, struct match_list **out, struct faults *faults)
{
	struct fault why = {0};

	*out = match_list_make(l, flags, &match_tables, &why);
	if (!*out)
		faults_add(faults, "%s%s: %s", main_cf_place(service->main_cf, name), name, fault_text(&why));
}

static void
make_tables(const char *name, const struct list *l, struct table_list **out, struct faults *faults)
{
	struct fault why = {0};

	*out = table_list_open(l, &why);
	if (!*out)
		faults_add(faults, "%s%s: %s", main_cf_place(service->main_cf, name), name, fault_text(&why));
	for (size_t i = 0; *out && i < table_list_count(*out); i++)
		service_watch_table(table_list_at(*out, i));
}

static bool
has_certificate(void)
{
	const char *names[] = {settings.tls_chain, settings.tls_cert, settings.tls_ec_cert};

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i][0] && strcmp(names[i], "none"))
			return true;
	return false;
}

static void
make_tls(struct faults *faults)
{
	enum tls_level level = settings.tls_level;
	struct fault   why = {0};
	bool           strict;

	if (level == TLS_LEVEL_UNSET)
		level = settings.enforce_tls ? TLS_LEVEL_ENCRYPT : settings.use_tls ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
	if (settings.tls_wrapper)
		level = TLS_LEVEL_ENCRYPT;
	strict = level == TLS_LEVEL_ENCRYPT;
	if (level == TLS_LEVEL_NONE)
		return;
	if (!has_certificate()) {
		if (strict)
			faults_add(faults, "TLS is required, and smtpd_tls_cert_file and smtpd_tls_chain_files are empty");
		else
			faults_warn(faults, "No server certs available. TLS won't be enabled");
		return;
	}
	prepared.must_tls = strict;
	settings.tls_auth_only |= strict;       /* TLS that is required is required for AUTH */
	if (tls_server(&(struct tls_settings){
		.chain_files = settings.tls_chain, .cert_file = settings.tls_cert, .key_file = settings.tls_key,
		.ec_cert_file = settings.tls_ec_cert, .ec_key_file = settings.tls_ec_key,
		.ca_file = settings.tls_ca_file, .ca_path = settings.tls_ca_path, .default_ca = settings.tls_default_ca,
		.protocols = strict ? settings.tls_mandatory_protocols : settings.tls_protocols,
		.ciphers = strict ? settings.tls_mandatory_ciphers : settings.tls_ciphers,
		.exclude_ciphers = mem_format("%s %s", settings.tls_exclude, strict ? settings.tls_mandatory_exclude : ""),
		.ask_client_certificate = settings.tls_ask_cert,
		.trust_server_certificates = settings.tls_trust_servers,
		.require_client_certificate = strict && settings.tls_require_cert,
		.verify_depth = settings.tls_verify_depth, .fingerprint_digest = settings.tls_digest,
		.alpn = "smtp"}, &prepared.tls, &why) < 0)
		faults_add(faults, "smtpd TLS: %s", fault_text(&why));
	else
		server_names_load(prepared.tls, &settings.tls_sni, faults);
}

static void
make_keywords(struct faults *faults)
{
	for (size_t i = 0; i < settings.discard_ehlo.count; i++) {
		struct span word = span_of(settings.discard_ehlo.item[i]);
		unsigned    bit = smtp_keyword_of(word);

		if (!bit && !span_is_nocase(word, "silent-discard"))
			faults_warn(faults, "unknown EHLO keyword in smtpd_discard_ehlo_keywords: %s", settings.discard_ehlo.item[i]);
		prepared.discard_keywords |= bit;
	}
}

/* The default's inline table is a test of one byte; other elements are names and tables. */
static void
make_forbidden(struct faults *faults)
{
	static const char *const odd = "regexp:{{/^[^A-Z]/ Bogus}}";
	struct list              rest = {0};

	for (size_t i = 0; i < settings.forbidden_commands.count; i++) {
		/* a group's blank splits "regexp:{{/^[^A-Z]/" from "Bogus}}" */
		if (span_starts(span_of(odd), settings.forbidden_commands.item[i]) && i + 1 < settings.forbidden_commands.count) {
			prepared.forbid_odd = true;
			i++;
		} else if (strcmp(settings.forbidden_commands.item[i], odd) == 0) {
			prepared.forbid_odd = true;
		} else {
			list_add(&rest, span_of(settings.forbidden_commands.item[i]));
		}
	}
	make_match("smtpd_forbidden_commands", &rest, 0, &prepared.forbidden, faults);
	list_free(&rest);
}

static void
check_tempfail(const char *name, const char *value, struct faults *faults)
{
	if (strcmp(value, "defer_if_permit") != 0 && strcmp(value, "defer") != 0)
		faults_add(faults, "%s: \"%s\" is none of: defer_if_permit defer", name, value);
}

/* Without a queue file milters see envelopes at most. */
static void
warn_of_blind_milters(struct faults *faults)
{
	const struct setting *s = main_cf_setting(service->main_cf, "smtpd_milters");

	if (settings.proxy_filter[0] && s && s->value[0])
		faults_warn(faults, "smtpd_milters see no content of mail that goes to smtpd_proxy_filter: "
		            "set them for the service behind the filter");
}

/* What would let in what it should keep out, if it were ignored. */
static void
refuse_bad(struct faults *faults)
{
	for (size_t i = 0; i < settings.proxy_options.count; i++)
		if (strcmp(settings.proxy_options.item[i], "speed_adjust") != 0)
			faults_add(faults, "smtpd_proxy_options: \"%s\" is none of: speed_adjust", settings.proxy_options.item[i]);
	check_tempfail("reject_tempfail_action", settings.tempfail_action, faults);
	check_tempfail("unknown_address_tempfail_action", settings.address_tempfail, faults);
	check_tempfail("unknown_helo_hostname_tempfail_action", settings.helo_tempfail, faults);
}

static void
check_sasl_options(const char *name, const struct list *l, struct faults *faults)
{
	static const char *const words[] = {"noplaintext", "noactive", "nodictionary", "noanonymous", "mutual_auth", "forward_secrecy"};

	for (size_t i = 0; i < l->count; i++) {
		size_t k = 0;

		while (k < COUNT(words) && strcasecmp(l->item[i], words[k]))
			k++;
		if (k == COUNT(words))
			faults_add(faults, "%s%s: unknown SASL security option: \"%s\"", main_cf_place(service->main_cf, name), name, l->item[i]);
	}
}

static void
make_sasl(struct faults *faults)
{
	bool dovecot = strcmp(settings.sasl_type, "dovecot") == 0;

	if (!settings.sasl_enable)
		return;
	if (!tls_certificate_field_known(settings.certificate_field))
		faults_add(faults, "ssl_cert_username_field: unknown field %s", settings.certificate_field);
	if (!dovecot && strcmp(settings.sasl_type, "cyrus") != 0)
		faults_add(faults, "smtpd_sasl_type: \"%s\" is none of: dovecot cyrus", settings.sasl_type);
	if (strcmp(settings.sasl_type, "cyrus") == 0 && settings.auth_passdb[0] == '\0') {
		struct fault why = {0};

		if (cyrus_conf_find(settings.cyrus_path, service->config_directory, settings.sasl_path, &prepared.cyrus, &why) < 0)
			faults_add(faults, "smtpd_sasl_auth_enable = yes with smtpd_sasl_type = cyrus: %s", fault_text(&why));
	}
	check_sasl_options("smtpd_sasl_security_options", &settings.sasl_options, faults);
	check_sasl_options("smtpd_sasl_tls_security_options", &settings.sasl_tls_options, faults);
	prepared.sasl_external = prepared.cyrus.socket.len || (dovecot && (settings.auth_passdb[0] == '\0' || span_starts(span_of(settings.sasl_path), "inet:")));
}

static void
make_rules(struct faults *faults)
{
	static const struct {
		const char        *name;
		struct list       *list;
		struct rule_list **out;
		enum about         about;
	} lists[] = {
		{"smtpd_client_restrictions", &settings.client_rules, &prepared.client, ABOUT_CLIENT},
		{"smtpd_helo_restrictions", &settings.helo_rules, &prepared.helo, ABOUT_HELO},
		{"smtpd_sender_restrictions", &settings.sender_rules, &prepared.sender, ABOUT_SENDER},
		{"smtpd_relay_restrictions", &settings.relay_rules, &prepared.relay, ABOUT_RECIPIENT},
		{"smtpd_recipient_restrictions", &settings.recipient_rules, &prepared.recipient, ABOUT_RECIPIENT},
		{"smtpd_data_restrictions", &settings.data_rules, &prepared.data, ABOUT_DATA},
		{"smtpd_end_of_data_restrictions", &settings.end_of_data_rules, &prepared.end_of_data, ABOUT_END_OF_DATA},
		{"smtpd_etrn_restrictions", &settings.etrn_rules, &prepared.etrn, ABOUT_ETRN},
		{"local_header_rewrite_clients", &settings.local_rewrite, &prepared.local_rewrite, ABOUT_CLIENT},
	};

	rules_classes(&settings.classes, faults);
	for (size_t i = 0; i < COUNT(lists); i++)
		*lists[i].out = rules_compile(lists[i].name, lists[i].list, lists[i].about, faults);
	if (!rules_guard_relaying(prepared.relay) && !rules_guard_relaying(prepared.recipient))
		faults_add(faults, "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one "
		           "working instance of: reject_unauth_destination, defer_unauth_destination, reject, defer, "
		           "defer_if_permit or check_relay_domains");
}

static unsigned
parents(const char *feature)
{
	return list_has(&site.parent_domain_matches_subdomains, feature) ? MATCH_PARENT : 0;
}

int
settings_prepare(struct fault *why)
{
	struct faults faults = {0};
	struct tm     tm;
	time_t        now = time(NULL);
	int           outcome;

	localtime_r(&now, &tm);
	submit_service(settings.cleanup_service);
	make_match("mynetworks", &site.mynetworks, list_has(&site.parent_domain_matches_subdomains, "mynetworks") ? MATCH_PARENT : 0,
	           &prepared.mynetworks, &faults);
	make_match("smtpd_client_event_limit_exceptions", &settings.rate_exceptions, MATCH_PARENT, &prepared.rate_exceptions, &faults);
	make_match("smtpd_forbid_bare_newline_exclusions", &settings.bare_newline_exclusions, MATCH_PARENT,
	           &prepared.bare_newline_exclusions, &faults);
	make_match("smtpd_sasl_exceptions_networks", &settings.sasl_exceptions, MATCH_PARENT, &prepared.sasl_exceptions, &faults);
	make_match("smtpd_authorized_xclient_hosts", &settings.xclient_hosts, parents("smtpd_authorized_xclient_hosts"),
	           &prepared.xclient_hosts, &faults);
	make_match("smtpd_authorized_xforward_hosts", &settings.xforward_hosts, parents("smtpd_authorized_xforward_hosts"),
	           &prepared.xforward_hosts, &faults);
	make_match("smtpd_authorized_verp_clients", &settings.verp_clients, parents("smtpd_authorized_verp_clients"),
	           &prepared.verp_clients, &faults);
	make_match("smtpd_sasl_mechanism_filter", &settings.sasl_filter, 0, &prepared.sasl_filter, &faults);
	make_match("fast_flush_domains", &settings.fast_flush, parents("fast_flush_domains"), &prepared.fast_flush, &faults);
	make_match("permit_mx_backup_networks", &settings.permit_mx_backup_networks, parents("permit_mx_backup_networks"),
	           &prepared.mx_backup_networks, &faults);
	make_match("smtpd_log_access_permit_actions", &settings.log_permit, 0, &prepared.log_permit, &faults);
	make_tables("smtpd_dns_reply_filter", &settings.dns_reply_filter, &prepared.dns_filter, &faults);
	stress_prepare(&faults);
	make_tables("smtpd_command_filter", &settings.command_filter, &prepared.command_filter, &faults);
	make_tables("smtpd_reject_filter_maps", &settings.reject_filter_maps, &prepared.reject_filter, &faults);
	make_tables("smtpd_reject_footer_maps", &settings.reject_footer_maps, &prepared.reject_footer, &faults);
	footer_prepare();
	make_tables("smtpd_sender_login_maps", &settings.sender_login_maps, &prepared.sender_login, &faults);
	make_tables("smtpd_milter_maps", &settings.milter_maps, &prepared.milter_maps, &faults);
	milter_settings_prepare(&faults);
	make_tables("rbl_reply_maps", &settings.rbl_reply_maps, &prepared.rbl_reply, &faults);
	make_tables("smtpd_discard_ehlo_keyword_address_maps", &settings.discard_ehlo_maps, &prepared.discard_ehlo, &faults);
	make_tables("relay_clientcerts", &settings.relay_clientcerts, &prepared.relay_clientcerts, &faults);
	prepared.parents_plain = list_has(&site.parent_domain_matches_subdomains, "smtpd_access_maps");
	make_tls(&faults);
	make_keywords(&faults);
	make_sasl(&faults);
	make_forbidden(&faults);
	refuse_bad(&faults);
	warn_of_blind_milters(&faults);
	make_rules(&faults);
	faults_log(&faults);
	outcome = faults_first(&faults, why);
	faults_free(&faults);
	return outcome;
}
