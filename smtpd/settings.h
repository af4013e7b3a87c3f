/* SPDX-License-Identifier: ISC */
/*
 * settings.h - smtpd's parameters, and what is made of them at start
 *
 * Read-only once settings_prepare has returned: sessions share it.
 */
#ifndef SMTPD_SETTINGS_H
#define SMTPD_SETTINGS_H

#include "config/cyrus_conf.h"
#include "config/list.h"
#include "config/match.h"
#include "config/param.h"
#include "milter/settings.h"
#include "net/tls.h"
#include "table/table.h"

struct rule_list;

enum tls_level { TLS_LEVEL_UNSET, TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT };

struct settings {
	const char *banner, *service_name, *null_access_key, *content_filter, *cleanup_service;
	const char *error_recipient;
	struct list notify_classes, filter_classes;
	/* limits */
	int64_t     timeout, starttls_timeout, error_sleep_time;
	int         soft_error_limit, hard_error_limit, junk_command_limit, recipient_limit, overshoot_limit;
	bool        per_request_deadline;
	int         min_data_rate;
	int         count_limit, rate_limit, message_rate_limit, recipient_rate_limit, newtls_rate_limit, auth_rate_limit;
	int         ipv4_prefix, ipv6_prefix;
	struct list rate_exceptions;
	/* protocol */
	bool        helo_required, disable_vrfy, strict_envelopes, delay_reject, delay_open, client_port_logging, peername_lookup;
	bool        reject_unlisted_recipient, reject_unlisted_sender, relay_first;
	struct list discard_ehlo, forbidden_commands, noop_commands;
	struct list discard_ehlo_maps;
	int         bare_newline, bare_newline_code;
	struct list bare_newline_exclusions;
	bool        forbid_unauth_pipelining;
	struct list command_filter, reject_filter_maps, reject_footer_maps;
	const char *reject_footer, *expansion_filter;
	bool        hide_client;
	/* what others say about the client, and filters before the queue */
	struct list xclient_hosts, xforward_hosts, verp_clients;
	int         upstream_protocol;
	int64_t     upstream_timeout, proxy_timeout;
	const char *proxy_filter, *proxy_ehlo, *verp_delimiters, *verp_filter;
	struct list proxy_options;
	struct list receive_override;
	struct list milters, milter_maps;
	struct milter_settings milter;
	/* TLS */
	int         tls_level, tls_loglevel;
	bool        use_tls, enforce_tls, tls_wrapper, tls_auth_only, tls_received, tls_ask_cert, tls_require_cert, tls_trust_servers;
	const char *tls_chain, *tls_cert, *tls_key, *tls_ec_cert, *tls_ec_key, *tls_ca_file, *tls_ca_path;
	const char *tls_protocols, *tls_mandatory_protocols, *tls_ciphers, *tls_mandatory_ciphers;
	const char *tls_exclude, *tls_mandatory_exclude, *tls_digest;
	bool        tls_default_ca;
	int         tls_verify_depth;
	struct list tls_sni, sasl_filter;
	/* SASL */
	bool        sasl_enable, sasl_header, broken_sasl;
	const char *cyrus_path, *certificate_field, *sasl_type, *sasl_path, *sasl_service, *sasl_local_domain, *auth_passdb;
	struct list sasl_options, sasl_tls_options, sasl_exceptions;
	int64_t     sasl_response_limit;
	/* restrictions */
	struct list client_rules, helo_rules, sender_rules, relay_rules, recipient_rules, data_rules, end_of_data_rules,
	            etrn_rules, classes, local_rewrite;
	struct list sender_login_maps, rbl_reply_maps, relay_clientcerts, permit_mx_backup_networks;
	const char *default_rbl_reply;
	bool        allow_untrusted_routing;
	int         reject_code, defer_code, access_reject_code, access_defer_code, relay_code, invalid_hostname_code,
	            unknown_hostname_code, non_fqdn_code, unknown_client_code, unknown_address_code, rbl_code,
	            plaintext_code, multi_bounce_code;
	const char *verify_sender, *unverified_recipient_reason, *unverified_sender_reason;
	int64_t     verify_sender_ttl, verify_poll_delay;
	int         verify_polls, unverified_recipient_reject, unverified_recipient_defer, unverified_sender_reject,
	            unverified_sender_defer, unverified_recipient_tempfail, unverified_sender_tempfail;
	const char *tempfail_action, *address_tempfail, *helo_tempfail;
	struct list maps_rbl_domains, log_permit, dns_reply_filter;
	const char *stress;
	struct list fast_flush;
	const char *policy_default, *policy_context;
	int64_t     policy_timeout, policy_retry_delay, policy_max_idle, policy_max_ttl;
	int         policy_tries, policy_request_limit;
};

extern struct settings settings;
extern const struct param smtpd_params[];

/* What was opened and compiled at start. */
struct prepared {
	struct tls_context *tls;                 /* NULL: no TLS is offered */
	bool                must_tls;
	struct match_list  *mynetworks, *rate_exceptions, *bare_newline_exclusions, *sasl_exceptions;
	struct milter_specs *milters;
	struct match_list  *xclient_hosts, *xforward_hosts, *verp_clients;
	struct match_list  *sasl_filter;         /* smtpd_sasl_mechanism_filter */
	struct match_list  *fast_flush, *mx_backup_networks, *log_permit;
	struct table_list  *dns_filter;
	struct table_list  *command_filter, *reject_filter, *reject_footer;
	struct table_list  *milter_maps, *sender_login, *rbl_reply, *discard_ehlo, *relay_clientcerts;
	struct rule_list   *client, *helo, *sender, *relay, *recipient, *data, *end_of_data, *etrn, *local_rewrite;
	unsigned            discard_keywords;    /* enum smtp_keyword */
	struct match_list  *forbidden;           /* smtpd_forbidden_commands */
	bool                forbid_odd;          /* its default's regexp:{{/^[^A-Z]/ Bogus}} */
	bool                parents_plain;       /* smtpd_access_maps in parent_domain_matches_subdomains */
	bool                sasl_external;       /* an outside server, over a dialed stream: Dovecot's, or */
	struct cyrus_conf   cyrus;               /* saslauthd, where its socket is set */
};

extern struct prepared prepared;

/* Opens, compiles, warms; -1 and the first fault (the others are logged). As root, before the sandbox. */
int settings_prepare(struct fault *);

#endif
