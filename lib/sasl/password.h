/* SPDX-License-Identifier: ISC */
/*
 * password.h - is this the password behind that hash?
 *
 * Stored as Dovecot writes it, "{SCHEME}hash" (with .B64 and .HEX endings where
 * it has them), or without a scheme by the default one, CRYPT. Known: PLAIN
 * (CLEAR, CLEARTEXT), CRYPT and the names of crypt(3)'s methods (SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT,
 * MD5-CRYPT, DES-CRYPT), SHA, SHA1, SHA256, SHA512, SSHA, SSHA256, SSHA512, LDAP-MD5, PLAIN-MD5, ARGON2I,
 * ARGON2ID. Comparison takes the same time whatever differs.
 */
#ifndef SASL_PASSWORD_H
#define SASL_PASSWORD_H

#include "base/fault.h"
#include "base/span.h"

enum { PASSWORD_MOST = 512 };

/* 1 yes, 0 no, -1 FAULT_INPUT: the stored form is not understood. Costs CPU: up to seconds. */
int password_check(struct span stored, struct span password, struct fault *);

/* Spends about what a check would, for users that do not exist. */
void password_check_nobody(struct span password);

/*
 * A password as it is to be stored, "{SCHEME}hash", with a salt of its own: password_make.c. rounds 0: as
 * many as the scheme does by default.  FAULT_INPUT: no such scheme, or one that is only read here.
 */
struct text;
int password_make(struct span scheme, struct span password, unsigned rounds, struct text *out, struct fault *);
const char *password_scheme_name(size_t index);      /* those that can be made; NULL behind the last */

#endif
