/* SPDX-License-Identifier: ISC */
/*
 * tls.h - TLS contexts from the configuration, and what a handshake gave
 *
 * A context is made at start, before the sandbox closes (it reads files), and
 * is read-only after that; tasks share it.  TLS 1.2 and newer only, no
 * renegotiation, no compression (DESIGN.md 12).
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/fault.h"
#include "base/text.h"

struct conn;
struct tls_context;

struct tls_settings {
	const char *chain_files;     /* smtpd_tls_chain_files: key, certificate, chain ...; comma separated; or */
	const char *cert_file;       /* PEM with the chain */
	const char *key_file;        /* NULL or "": in cert_file */
	const char *ec_cert_file, *ec_key_file;   /* a second pair of another algorithm (smtpd_tls_eccert_file) */
	const char *ca_file, *ca_path;            /* ca_path: every file in it is read at start */
	bool        default_ca;      /* the system's authorities too (tls_append_default_CA) */
	const char *protocols;       /* ">=TLSv1.2", "!SSLv2, !SSLv3, ..." as Postfix writes it */
	const char *ciphers;         /* grade: export low medium high null */
	const char *exclude_ciphers;
	bool        ask_client_certificate, require_client_certificate;
	const char *alpn;            /* "imap", "pop3": offered by a client; a server that has one refuses clients that
	                                offer only others (ALPACA); NULL: none */
	int         session_cache;   /* entries; 0: none. Tickets are on unless no_tickets */
	bool        no_tickets;
};

/* A zeroed struct is a valid client; a server needs a certificate. Strings may be NULL or "".
 * Ciphers and protocols are Postfix's words; TLS below 1.2, export, anonymous and static RSA are never on. */
int  tls_server(const struct tls_settings *, struct tls_context **, struct fault *);
int  tls_client(const struct tls_settings *, struct tls_context **, struct fault *);
void tls_free(struct tls_context *);

/* What a client wants to see. */
struct tls_wish {
	const char *server_name;     /* SNI, or NULL */
	const char *match;           /* names, comma separated, that the certificate must have; NULL: do not check names */
	bool        must_verify;     /* a certificate that does not verify ends the handshake */
};

enum tls_trust { TLS_ANONYMOUS, TLS_UNTRUSTED, TLS_TRUSTED, TLS_VERIFIED };

struct tls_facts {
	enum tls_trust trust;        /* "Untrusted TLS connection established ..." */
	char protocol[16];           /* TLSv1.3 */
	char cipher[64];
	int  bits, algorithm_bits;   /* (256/256 bits) */
	char details[160];           /* " key-exchange X25519 server-signature ..." or "" */
	char peer_name[256], issuer_name[256], fingerprint[128];   /* certificate; "" without */
	bool resumed;
};
void tls_facts(const struct conn *, struct tls_facts *);
/* "TLSv1.3 with cipher X (256/256 bits) key-exchange ..." */
void tls_facts_line(const struct tls_facts *, struct text *);

#endif
