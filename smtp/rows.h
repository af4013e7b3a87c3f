/* SPDX-License-Identifier: ISC */
/*
 * rows.h - the client's parameters, once for smtp_* and once for lmtp_*
 *
 * Postfix gives both programs the same parameters under two prefixes; where
 * the defaults differ they stand in main.c and lmtp.c.
 */
#ifndef SMTP_ROWS_H
#define SMTP_ROWS_H

#include "client.h"
#include "config/param.h"

extern const struct param smtp_params[];        /* of smtp and smtp-probe: params.c */

#define CLIENT_ROWS(p)                                                                                              \
	STRING("error_notice_recipient", &client.error_recipient, "postmaster", "who gets transcripts of sessions by notify_classes"), \
	LIST("notify_classes", &client.notify_classes, "resource, software",                                         \
	     "what the postmaster is told: bounce, 2bounce, data, delay, policy, protocol, resource, software"),     \
	LIST("internal_mail_filter_classes", &client.filter_classes, "", "notify: transcripts are subject to header and body checks"), \
	DURATION(p "mail_timeout", &client.mail_timeout, "300s", "1s", "", "wait for the reply to MAIL FROM"),       \
	DURATION(p "rcpt_timeout", &client.rcpt_timeout, "300s", "1s", "", "wait for the reply to RCPT TO"),         \
	DURATION(p "data_init_timeout", &client.data_init_timeout, "120s", "1s", "", "wait for the reply to DATA"),  \
	DURATION(p "data_xfer_timeout", &client.data_xfer_timeout, "180s", "1s", "", "wait while content is sent"),  \
	DURATION(p "data_done_timeout", &client.data_done_timeout, "600s", "1s", "", "wait for the reply to the final dot"), \
	DURATION(p "rset_timeout", &client.rset_timeout, "20s", "1s", "", "wait for the reply to RSET"),             \
	DURATION(p "quit_timeout", &client.quit_timeout, "300s", "1s", "", "wait for the reply to QUIT"),            \
	DURATION(p "starttls_timeout", &client.starttls_timeout, "300s", "1s", "", "wait for STARTTLS and the handshake"), \
	BOOLEAN(p "skip_5xx_greeting", &client.skip_5xx_greeting, "yes", "a 5xx greeting means: try another server"), \
	BOOLEAN(p "randomize_addresses", &client.randomize_addresses, "yes", "servers of equal preference in random order"), \
	CHOICE(p "address_preference", &client.address_preference, "any", "any ipv4 ipv6", "which addresses first"),  \
	NUMBER(p "mx_address_limit", &client.mx_address_limit, "5", "0", "", "addresses to try; 0: all"),            \
	NUMBER(p "mx_session_limit", &client.mx_session_limit, "2", "0", "", "sessions to try before giving up for now; 0: all"), \
	BOOLEAN(p "defer_if_no_mx_address_found", &client.defer_if_no_mx_address, "no", "defer when no MX host has an address"), \
	NUMBER(p "line_length_limit", &client.line_length_limit, "998", "0", "", "longer lines are broken; 0: never"), \
	STRING(p "bind_address", &client.bind_address, "", "IPv4 source address"),                                   \
	STRING(p "bind_address6", &client.bind_address6, "", "IPv6 source address"),                                 \
	BOOLEAN(p "connection_cache_on_demand", &client.cache_on_demand, "yes", "keep a connection for the next message to the destination"), \
	DURATION(p "connection_cache_time_limit", &client.cache_time, "2s", "1s", "100s", "how long a connection is kept idle"), \
	DURATION(p "connection_reuse_time_limit", &client.reuse_time, "300s", "1s", "", "how long a connection may be used"), \
	NUMBER(p "connection_reuse_count_limit", &client.reuse_count, "0", "0", "", "messages over one connection; 0: by time alone"), \
	CHOICE(p "tls_security_level", &client.tls_level, "", " none may encrypt fingerprint dane dane-only verify secure", "TLS with servers"),   \
	BOOLEAN(p "use_tls", &client.use_tls, "no", "old spelling of tls_security_level = may"),                     \
	BOOLEAN(p "enforce_tls", &client.enforce_tls, "no", "old spelling of tls_security_level = encrypt"),         \
	BOOLEAN(p "tls_wrappermode", &client.tls_wrappermode, "no", "TLS from the first byte (port 465)"),           \
	STRING(p "tls_CAfile", &client.tls_ca_file, "", "certificates that are trusted"),                            \
	STRING(p "tls_CApath", &client.tls_ca_path, "", "directory of certificates that are trusted"),               \
	STRING(p "tls_cert_file", &client.tls_cert_file, "", "our certificate"),                                     \
	STRING(p "tls_key_file", &client.tls_key_file, "$" p "tls_cert_file", "its key"),                            \
	STRING(p "tls_chain_files", &client.tls_chain_files, "", "keys and chains, in one"),                         \
	STRING(p "tls_protocols", &client.tls_protocols, ">=TLSv1.2", "protocols for may"),                          \
	STRING(p "tls_mandatory_protocols", &client.tls_mandatory_protocols, ">=TLSv1.2", "protocols for encrypt and stronger"), \
	STRING(p "tls_ciphers", &client.tls_ciphers, "medium", "cipher grade for may"),                              \
	STRING(p "tls_mandatory_ciphers", &client.tls_mandatory_ciphers, "medium", "cipher grade for encrypt and stronger"), \
	STRING(p "tls_exclude_ciphers", &client.tls_exclude_ciphers, "", "ciphers never used"),                      \
	STRING(p "tls_verify_cert_match", &client.tls_verify_match, "hostname", "names for verify"),                 \
	STRING(p "tls_secure_cert_match", &client.tls_secure_match, "nexthop, dot-nexthop", "names for secure"),     \
	NUMBER(p "tls_loglevel", &client.tls_loglevel, "0", "0", "4", "1: a line for each handshake"),               \
	BOOLEAN(p "log_tls_feature_status", &client.log_tls, "no",                                                    \
	        "tls=LEVEL in the log line of what a server was told: what was required; LEVEL:none where that was in clear"),   \
	BOOLEAN(p "tls_note_starttls_offer", &client.tls_note_offer, "no", "log servers that offer STARTTLS unused"), \
	BOOLEAN(p "sasl_auth_enable", &client.sasl_enable, "no", "log in where the password maps know the server"),  \
	LIST(p "sasl_password_maps", &client.passwords.names, "", "server, or destination, to user:password"),    \
	LIST(p "sasl_security_options", &client.sasl_options, "noplaintext, noanonymous", "mechanisms not used in clear"), \
	LIST(p "sasl_tls_security_options", &client.sasl_tls_options, "$" p "sasl_security_options", "mechanisms not used over TLS"), \
	LIST(p "sasl_mechanism_filter", &client.sasl_filter, "", "mechanisms that may be used; empty: all"), \
	CHOICE(p "address_verify_target", &client.verify_at_data, "rcpt", "rcpt data", "how far a probe of an address goes"), \
	BOOLEAN(p "balance_inet_protocols", &client.balance, "yes", "address families take turns"), \
	BOOLEAN(p "bind_address_enforce", &client.bind_enforce, "no", "defer when the source address cannot be had"), \
	LIST(p "connection_cache_destinations", &client.cache_destinations, "", "next hops whose connections are always kept"), \
	LIST(p "delivery_status_filter", &client.status_filter.names, "$default_delivery_status_filter", "tables: another status for a delivery"), \
	LIST(p "dns_reply_filter", &client.dns_reply_filter.names, "", "tables: DNS records to ignore"), \
	CHOICE(p "dns_support_level", &client.dns_level, "", " disabled enabled dnssec", "whether DNS is asked, and must be validated"), \
	LIST(p "generic_maps", &client.generic.names, "", "tables: addresses of here to such that are good out there"), \
	LIST(p "header_checks", &client.header_checks.names, "", "tables: what to do about a header line"), \
	LIST(p "mime_header_checks", &client.mime_header_checks.names, "", "tables: what to do about a MIME header line"), \
	LIST(p "nested_header_checks", &client.nested_header_checks.names, "", "tables: what to do about a header line of an attached message"), \
	LIST(p "body_checks", &client.body_checks.names, "", "tables: what to do about a body line"), \
	NUMBER(p "min_data_rate", &client.min_data_rate, "500", "1", "", "bytes a second below which smtp_per_request_deadline gives up"), \
	BOOLEAN(p "per_request_deadline", &client.per_request_deadline, "${" p "per_record_deadline?{$" p "per_record_deadline}:{no}}", "the message has one deadline, by its size"), \
	LIST(p "reply_filter", &client.reply_filter.names, "", "tables: other words for a server's reply"), \
	STRING(p "sasl_auth_cache_name", &client.auth_cache_name, "", "not empty: failed logins are remembered, in this process"), \
	DURATION(p "sasl_auth_cache_time", &client.auth_cache_time, "90d", "0s", "", "how long a failed login is remembered"), \
	BOOLEAN(p "sasl_auth_soft_bounce", &client.auth_soft_bounce, "yes", "a refused login defers instead of bouncing"), \
	STRING(p "sasl_password_result_delimiter", &client.password_delimiter, ":", "between user and password in the tables"), \
	LIST(p "sasl_tls_verified_security_options", &client.sasl_verified_options, "$" p "sasl_tls_security_options", "mechanisms not used over verified TLS"), \
	BOOLEAN(p "send_dummy_mail_auth", &client.dummy_auth, "no", "MAIL FROM with AUTH=<> where the server offers AUTH"), \
	BOOLEAN(p "send_xforward_command", &client.send_xforward, "no", "tell a filter by XFORWARD where mail came from"), \
	DURATION(p "xforward_timeout", &client.xforward_timeout, "300s", "1s", "", "wait for the reply to XFORWARD"), \
	BOOLEAN(p "sender_dependent_authentication", &client.sender_auth, "no", "password tables are asked for the sender first"), \
	BOOLEAN(p "cname_overrides_servername", &client.cname_overrides, "no", "an alias is known by its canonical name"), \
	BOOLEAN(p "tls_block_early_mail_reply", &client.tls_block_early, "no", "replies that come before their command end the session"), \
	STRING(p "tls_dane_insecure_mx_policy", &client.tls_dane_insecure_mx, "${{$" p "tls_security_level} == {dane} ? {dane} : {may}}", "level dane where the MX record is not validated"), \
	STRING(p "tls_eccert_file", &client.tls_ec_cert_file, "", "our ECDSA certificate"), \
	STRING(p "tls_eckey_file", &client.tls_ec_key_file, "$" p "tls_eccert_file", "its key"), \
	BOOLEAN(p "tls_enforce_peername", &client.tls_enforce_peername, "yes", "with the old enforce_tls: the certificate must have the name"), \
	STRING(p "tls_fingerprint_cert_match", &client.tls_fingerprint_match, "", "fingerprints for level fingerprint"), \
	STRING(p "tls_fingerprint_digest", &client.tls_fingerprint_digest, "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", "digest of fingerprints"), \
	BOOLEAN(p "tls_enforce_sts_mx_patterns", &client.tls_sts_patterns, "yes", "a policy's mx_host_pattern decides which hosts may be tried"), \
	BOOLEAN(p "tls_force_insecure_host_tlsa_lookup", &client.tls_force_insecure_tlsa, "no", "ask for TLSA even where the address is not validated"), \
	STRING(p "tls_mandatory_exclude_ciphers", &client.tls_mandatory_exclude_ciphers, "", "ciphers never used with encrypt and stronger"), \
	LIST(p "tls_per_site", &client.tls_per_site.names, "", "old: tables of NONE, MAY, MUST, MUST_NOPEERMATCH"), \
	LIST(p "tls_policy_maps", &client.tls_policy.names, "", "tables: next hop to level and attributes"), \
	NUMBER(p "tls_scert_verifydepth", &client.tls_verify_depth, "9", "0", "", "how long a chain may be"), \
	STRING(p "tls_servername", &client.tls_servername, "", "name in SNI: a name, nexthop, hostname, or empty"), \
	DURATION(p "tls_session_cache_timeout", &client.tls_session_time, "3600s", "0s", "", "how long a session may be resumed, in this process"), \
	LIST(p "tls_trust_anchor_file", &client.tls_anchor_files, "", "certificates or public keys that alone are trusted")

/* Names without a prefix, that both programs honour. */
#define COMMON_ROWS                                                                                                 \
	BOOLEAN("disable_mime_output_conversion", &client.no_mime_conversion, "no", "never convert 8-bit parts for a server without 8BITMIME"), \
	BYTES("body_checks_size_limit", &client.body_checks_size, "51200", "0", "", "how much of each part body checks see"), \
	NUMBER("mime_nesting_limit", &client.mime_nesting_limit, "100", "1", "1000", "parts within parts"),          \
	LIST("propagate_unmatched_extensions", &client.propagate_extensions, "canonical, virtual", "tables whose results keep the extension"), \
	LIST("default_delivery_status_filter", NULL, "", "default of smtp_delivery_status_filter"),                  \
	STRING("tls_dane_digests", &client.tls_dane_digests, "sha512 sha256", "digests of TLSA records that count, the best first"), \
	BOOLEAN("tls_append_default_CA", &client.tls_default_ca, "no", "the system's authorities too")

#endif
