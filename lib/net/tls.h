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

#include <stdint.h>

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
	bool        trust_server_certificates;    /* of clients: those that authorities issue for servers alone are good, too */
	const char *alpn;            /* "imap", "pop3": offered by a client; a server that has one refuses clients that
	                                offer only others (ALPACA); NULL: none */
	int         session_cache;   /* entries; 0: none. Tickets are on unless no_tickets */
	bool        no_tickets;
	int         verify_depth;    /* of chains; 0: OpenSSL's */
	const char *dane_digests;    /* a client: "sha512 sha256", the most trusted first; NULL: both */
	const char *fingerprint_digest;   /* of tls_facts; NULL: sha256 */
	int64_t     session_ms;      /* a client: how long a session may be resumed; 0: never */
};

/* A zeroed struct is a valid client; a server needs a certificate. Strings may be NULL or "".
 * Ciphers and protocols are Postfix's words; TLS below 1.2, export, anonymous and static RSA are never on. */
int  tls_server(const struct tls_settings *, struct tls_context **, struct fault *);
int  tls_client(const struct tls_settings *, struct tls_context **, struct fault *);
/* The server's certificate for a client that asks for this name, or (".domain") for one below it: at start. */
int  tls_server_name(struct tls_context *, struct span name, const char *chain_files, struct fault *);
void tls_free(struct tls_context *);

/* A TLSA record (RFC 6698, 2.1); data is borrowed. A trust anchor is usage 2, selector 0 or 1, type 0. */
struct tls_tlsa {
	uint8_t     usage, selector, type;
	struct span data;
};

/* What a client wants to see. Borrowed for the call only. */
struct tls_wish {
	const char *server_name;     /* SNI, or NULL */
	const char *match;           /* names, comma separated, that the certificate must have; NULL: do not check names */
	bool        must_verify;     /* a certificate that does not verify ends the handshake; else see tls_facts */
	const char *protocols, *ciphers, *exclude_ciphers;   /* instead of the context's; NULL: as they are */
	const char *fingerprints;    /* "AA:BB.., CC:.." of certificate or public key, by `digest`: instead of a chain */
	const char *digest;          /* "sha256"; NULL is that */
	const struct tls_tlsa *tlsa; /* the only authorities that count, if there are any (SSL_dane_*) */
	size_t      n_tlsa;
	const char *dane_base;       /* TLSA base domain, checked with usage 2; NULL: `match` alone is */
	const char *session_key;     /* sessions of the same key may be resumed: it names peer and wish; NULL: none */
};

enum tls_trust { TLS_ANONYMOUS, TLS_UNTRUSTED, TLS_TRUSTED, TLS_VERIFIED };

struct tls_facts {
	enum tls_trust trust;        /* "Untrusted TLS connection established ..." */
	char protocol[16];           /* TLSv1.3 */
	char cipher[64];
	int  bits, algorithm_bits;   /* (256/256 bits) */
	char details[160];           /* " key-exchange X25519 server-signature ..." or "" */
	char peer_name[256], issuer_name[256], fingerprint[200];   /* certificate; "" without */
	char key_fingerprint[200];   /* of its public key */
	bool resumed;
	char verify_error[120];      /* why the chain did not verify, or "" */
};
void tls_facts(const struct conn *, struct tls_facts *);
/* "TLSv1.3 with cipher X (256/256 bits) key-exchange ..." */
void tls_facts_line(const struct tls_facts *, struct text *);

/*
 * What ties an exchange (SCRAM-..-PLUS) to this TLS session, so that nobody in the middle can pass it on: with TLS 1.3
 * tls-exporter (RFC 9266); before it tls-unique (RFC 5929, 3), and only with an extended master secret (RFC 7627): without,
 * two sessions can be made to have the same. False: there is nothing.
 */
struct tls_binding {
	const char   *type;          /* as in SCRAM's "p=tls-exporter" */
	unsigned char bytes[64];
	size_t        len;
};
bool tls_binding(const struct conn *, struct tls_binding *);

/* Who a client is by its certificate: the subject's `field` ("commonName"), of a chain that verified. A name with a NUL in it is none. */
enum tls_certificate { TLS_NO_CERTIFICATE, TLS_NAMELESS, TLS_NAMED };
enum tls_certificate tls_certificate_name(const struct conn *, const char *field, struct text *);
bool tls_certificate_field_known(const char *field);

/* True when OpenSSL can use the record; others count as not there. Pure. */
bool tls_tlsa_usable(const struct tls_tlsa *);

/* The certificates and public keys of a PEM file as trust anchors, added to the array; data is owned by
 * the caller (free). -1 also when there is none. */
int tls_read_anchors(const char *path, struct tls_tlsa **, size_t *count, struct fault *);

/* "sha256" and its like: is it known? */
bool tls_digest_known(const char *name);

#endif
