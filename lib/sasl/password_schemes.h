/* SPDX-License-Identifier: ISC */
/*
 * password_schemes.h - Dovecot's password schemes that are neither crypt(3)'s nor a digest (password.c)
 *
 * Each: 1 it is the password, 0 it is not, -1 and why. `digest` is OpenSSL's name where the scheme has one.
 */
#ifndef SASL_PASSWORD_SCHEMES_H
#define SASL_PASSWORD_SCHEMES_H

#include <openssl/evp.h>

#include "base/fault.h"
#include "base/span.h"

int check_plain_trunc(struct span stored, struct span password, const char *unused, struct fault *);   /* "8-password" */
int check_cram_md5(struct span stored, struct span password, const char *unused, struct fault *);      /* HMAC-MD5's two states, hex */
int check_scram(struct span stored, struct span password, const char *digest, struct fault *);         /* "4096,salt,StoredKey,ServerKey" */
int check_pbkdf2(struct span stored, struct span password, const char *unused, struct fault *);        /* "$1$salt$rounds$hex" */

/* What is stored is made of: for password_make.c. */
enum { CRAM_MD5_STATES = 32 };
int cram_md5_states(struct span password, unsigned char states[CRAM_MD5_STATES], struct fault *);
int password_derive(struct span password, struct span salt, uint64_t rounds, const EVP_MD *, unsigned char *out, struct fault *);
/* RFC 5802, 3: StoredKey is H(HMAC(SaltedPassword, "Client Key")), ServerKey HMAC(SaltedPassword, "Server Key"). */
int scram_keys(struct span password, struct span salt, uint64_t rounds, const EVP_MD *, unsigned char *stored, unsigned char *server,
	struct fault *);

#endif
