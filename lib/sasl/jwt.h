/* SPDX-License-Identifier: ISC */
/*
 * jwt.h - is this JSON Web Token (RFC 7519) signed by one of our keys, valid now, and whose?
 *
 * Keys are read at start and found by three names: the token's authorized party ("azp", or "default"), its
 * algorithm, and its key id ("kid", or "default"). The names are compared, never made into a path
 * (CVE-2021-29157). A key serves the algorithm it was put there for: a public key is never taken for a secret.
 * HS256 HS384 HS512, RS256 RS384 RS512, PS256 PS384 PS512, ES256 ES384 ES512, EdDSA.
 *
 *   struct jwt_keys *k = jwt_keys_new();
 *   jwt_keys_add(k, azp, algorithm, kid, content, why)        PEM of a public key; of HS: the secret in base64
 *   jwt_check(k, &rules, token, now, &user, why)              read-only: any task
 */
#ifndef SASL_JWT_H
#define SASL_JWT_H

#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

struct jwt_keys;
struct jwt_keys *jwt_keys_new(void);
void jwt_keys_free(struct jwt_keys *);
int  jwt_keys_add(struct jwt_keys *, struct span azp, struct span algorithm, struct span kid, struct span content, struct fault *);
size_t jwt_keys_count(const struct jwt_keys *);

struct jwt_rules {
	const char *issuers;              /* blank separated; "": any */
	const char *scope;                /* all of these must be the token's; "" */
	const char *audience;             /* must be among "aud"; "" */
	const char *username_attribute;   /* the claim that names the user */
	const char *active_attribute, *active_value;   /* a claim that must be there, and say this; "" */
};

/* Sets *user: 1; 0 and why, in words for the log. `now` in seconds. A token without "exp" is refused. */
int jwt_check(const struct jwt_keys *, const struct jwt_rules *, struct span token, int64_t now, struct text *user, struct fault *why);

#endif
