/* SPDX-License-Identifier: ISC */
/*
 * tls_files.h - private keys, certificates of their own, requests: as PEM files
 *
 * Keys are RSA or ECDSA, without a password, written as PKCS #8 (RFC 5958) with mode 0600 from the first
 * instant.  Certificates are X.509 (RFC 5280).  A new file never takes the place of another, and
 * is whole or empty; when a call fails the file is gone.
 *
 * Keys are owned by who got them: EVP_PKEY_free.
 */
#ifndef CMD_TLS_FILES_H
#define CMD_TLS_FILES_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "base/fault.h"
#include "base/text.h"
#include "config/list.h"

/* NULL and why: not there, none in it, with a password, of another algorithm. */
EVP_PKEY *key_read(const char *path, struct fault *);

/* The key that the first certificate of a file is for; NULL as above. */
EVP_PKEY *certificate_key(const char *path, struct fault *);

/* "rsa", "ecdsa" */
const char *key_algorithm(const EVP_PKEY *);

/* A new one: rsa of so many bits, ecdsa on that curve. */
EVP_PKEY *key_make(const char *algorithm, const char *bits, struct fault *);

int key_write(const char *path, EVP_PKEY *, struct fault *);

/* Signed by its own key, for a hundred years; the first name is subject and issuer. */
int certificate_write(const char *path, EVP_PKEY *, const struct list *names, struct fault *);

/* Adds a request (PKCS #10, RFC 2986) for the names, without a subject. */
int request_add(struct text *out, EVP_PKEY *, const struct list *names, struct fault *);

/* Adds the data of a TLSA record 3 1 1 (RFC 6698): the hexadecimal SHA-256 of the public key. */
int key_add_digest(struct text *out, const EVP_PKEY *, struct fault *);

#endif
