/* SPDX-License-Identifier: ISC */
/*
 * bearer.h - OAUTHBEARER (RFC 7628) and XOAUTH2: a token instead of a password
 *
 *   OAUTHBEARER  n,a=user@example.com,^Ahost=..^Aport=..^Aauth=Bearer token^A^A
 *   XOAUTH2      user=user@example.com^Aauth=Bearer token^A^A
 *
 * Both are one message of the client's; a refusal is a challenge in JSON, which the client acknowledges.  Pure.
 */
#ifndef SASL_BEARER_H
#define SASL_BEARER_H

#include "base/fault.h"
#include "base/text.h"

struct bearer {
	struct text user;          /* owned; "" where the client left it out, which OAUTHBEARER allows */
	struct span token;         /* borrowed of the message */
};

int  bearer_parse(bool oauthbearer, struct span message, struct bearer *, struct fault *);
void bearer_free(struct bearer *);

/* The challenge that says no. scope and openid_configuration may be "". */
void bearer_refusal(bool oauthbearer, const char *scope, const char *openid_configuration, struct text *out);

#endif
