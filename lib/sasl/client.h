/* SPDX-License-Identifier: ISC */
/*
 * client.h - proving to a server that we know a password, by GNU SASL
 *
 * SCRAM-SHA-256, SCRAM-SHA-1 (RFC 5802, RFC 7677), the same with -PLUS, tied to the TLS session (RFC 5929, RFC 9266), and
 * DIGEST-MD5 (RFC 2831): of these the server too proves that it knows the password, and who believes a server before
 * sasl_client_done() says so has believed anybody.  EXTERNAL: the TLS certificate speaks for us.
 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H

#include "base/fault.h"
#include "base/text.h"

struct sasl_client;
struct sasl_client_wish {
	const char *mechanism;
	struct span user, password;
	const char *service, *host;              /* of DIGEST-MD5's digest-uri */
	const char *binding_type;                /* "tls-exporter", "tls-unique"; NULL: no TLS */
	struct span binding;
	const char *authorize, *realm;           /* in whose name (RFC 4422, 2); of DIGEST-MD5: the server's without it; may be NULL */
};

int  sasl_client_prepare(struct fault *);                  /* once, before the sandbox */
bool sasl_client_knows(const char *mechanism);
int  sasl_client_start(const struct sasl_client_wish *, struct sasl_client **, struct fault *);
bool sasl_client_speaks_first(const struct sasl_client *);  /* with an initial response */
/* challenge and response are raw: 0 with what shall be sent, -1 FAULT_DENIED what the server says is not right. */
int  sasl_client_step(struct sasl_client *, struct span challenge, struct text *response, struct fault *);
bool sasl_client_done(const struct sasl_client *);          /* nothing more is expected of the server; it has proved itself */
void sasl_client_free(struct sasl_client *);                /* NULL is fine */

#endif
