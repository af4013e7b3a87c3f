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

#define CLIENT_ROWS(p)                                                                                              \
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
	LIST(p "discard_ehlo_keywords", &client.discard_keywords, "", "EHLO keywords of servers to ignore"),         \
	BOOLEAN(p "connection_cache_on_demand", &client.cache_on_demand, "yes", "keep a connection for the next message to the destination"), \
	DURATION(p "connection_cache_time_limit", &client.cache_time, "2s", "1s", "100s", "how long a connection is kept idle"), \
	DURATION(p "connection_reuse_time_limit", &client.reuse_time, "300s", "1s", "", "how long a connection may be used"), \
	NUMBER(p "connection_reuse_count_limit", &client.reuse_count, "0", "0", "", "messages over one connection; 0: by time alone"), \
	CHOICE(p "tls_security_level", &client.tls_level, "", " none may encrypt verify secure", "TLS with servers"),   \
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
	BOOLEAN(p "tls_note_starttls_offer", &client.tls_note_offer, "no", "log servers that offer STARTTLS unused"), \
	BOOLEAN(p "sasl_auth_enable", &client.sasl_enable, "no", "log in where the password maps know the server"),  \
	LIST(p "sasl_password_maps", &client.sasl_password_maps, "", "server, or destination, to user:password"),    \
	LIST(p "sasl_security_options", &client.sasl_options, "noplaintext, noanonymous", "mechanisms not used in clear"), \
	LIST(p "sasl_tls_security_options", &client.sasl_tls_options, "$" p "sasl_security_options", "mechanisms not used over TLS"), \
	LIST(p "sasl_mechanism_filter", &client.sasl_filter, "", "mechanisms that may be used; empty: all")

#endif
