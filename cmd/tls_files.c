/* SPDX-License-Identifier: ISC */
/*
 * tls_files.c - private keys, certificates of their own, requests: as PEM files
 */
#include "cmd/tls_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/mem.h"

enum { DAYS = 36525, SERIAL_BITS = 159, PEM_MAX = 4 << 20, NAME_MAX_DNS = 253 };

static int
library_fault(struct fault *why, const char *what)
{
	unsigned long error = ERR_get_error();
	char          words[200] = "unknown error";

	if (error)
		ERR_error_string_n(error, words, sizeof words);
	ERR_clear_error();
	return fault_set(why, FAULT_INPUT, "%s: %s", what, words);
}

/* A password is not asked for: the daemons could not, either. */
static int
no_password(char *buffer, int size, int writing, void *argument)
{
	(void)buffer, (void)size, (void)writing, (void)argument;
	return -1;
}

const char *
key_algorithm(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? "rsa" : "ecdsa";
}

/* The key, given, when it is of an algorithm that a mail server is configured with. */
static EVP_PKEY *
of_known_algorithm(EVP_PKEY *key, const char *path, struct fault *why)
{
	int id = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

	if (id == EVP_PKEY_RSA || id == EVP_PKEY_EC)
		return key;
	if (key)
		fault_set(why, FAULT_INPUT, "%s: the key is neither rsa nor ecdsa", path);
	else
		library_fault(why, path);
	EVP_PKEY_free(key);
	return NULL;
}

/* The whole file, to be read as PEM; the text must outlive it. */
static BIO *
open_pem(const char *path, struct text *bytes, struct fault *why)
{
	if (file_read(path, PEM_MAX, bytes, why) < 0)
		return NULL;
	return BIO_new_mem_buf(text_string(bytes), (int)bytes->len);
}

EVP_PKEY *
key_read(const char *path, struct fault *why)
{
	autotext struct text bytes = {0};
	BIO                 *in = open_pem(path, &bytes, why);
	EVP_PKEY            *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;

	BIO_free(in);
	if (bytes.at)
		mem_wipe(bytes.at, bytes.len);
	return in ? of_known_algorithm(key, path, why) : NULL;
}

EVP_PKEY *
certificate_key(const char *path, struct fault *why)
{
	autotext struct text bytes = {0};
	BIO                 *in = open_pem(path, &bytes, why);
	X509                *certificate = in ? PEM_read_bio_X509(in, NULL, no_password, NULL) : NULL;
	EVP_PKEY            *key = certificate ? X509_get_pubkey(certificate) : NULL;

	BIO_free(in);
	X509_free(certificate);
	return in ? of_known_algorithm(key, path, why) : NULL;
}

/* The library knows one curve by ANSI's name only; RFC 8422 and openssl(1) have this one for it, too. */
static EVP_PKEY *
make_on_curve(const char *name)
{
	return EVP_EC_gen(strcmp(name, "secp256r1") == 0 ? "prime256v1" : name);
}

EVP_PKEY *
key_make(const char *algorithm, const char *bits, struct fault *why)
{
	char         *end = NULL;
	unsigned long n = strcmp(algorithm, "rsa") == 0 ? strtoul(bits, &end, 10) : 0;
	EVP_PKEY     *key;

	if (end && (*end || end == bits || n > OPENSSL_RSA_MAX_MODULUS_BITS)) {
		fault_set(why, FAULT_INPUT, "%s: no number of bits", bits);
		return NULL;
	}
	key = end ? EVP_RSA_gen((size_t)n) : make_on_curve(bits);
	if (!key)
		library_fault(why, bits);
	return key;
}

/* What stands in the memory BIO, given, into a file of that name that nobody has. */
static int
write_new(const char *path, BIO *pem, mode_t mode, struct fault *why)
{
	char         *at = NULL;
	long          len = BIO_get_mem_data(pem, &at);
	autoclose int reserved = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int           outcome = 0;

	if (reserved < 0)
		outcome = fault_errno(why, "create %s", path);
	else if (file_replace(path, (struct span){at, (size_t)len}, mode, why) < 0) {
		unlink(path);
		outcome = -1;
	}
	if (at)
		mem_wipe(at, (size_t)len);
	BIO_free(pem);
	return outcome;
}

int
key_write(const char *path, EVP_PKEY *key, struct fault *why)
{
	BIO *pem = BIO_new(BIO_s_secmem());

	if (!pem || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(pem);
		return library_fault(why, "private key");
	}
	return write_new(path, pem, 0600, why);
}

/* A name of DNS in ASCII, as the library's own text forms would not cut it up. */
static bool
is_host(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!ascii_alpha(*c) && !ascii_digit(*c) && !strchr("-._*", *c))
			return false;
	return *name && strlen(name) <= NAME_MAX_DNS;
}

static bool
push_name(GENERAL_NAMES *all, const char *name)
{
	GENERAL_NAME   *one = GENERAL_NAME_new();
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();

	if (one && string && ASN1_STRING_set(string, name, -1) == 1 && sk_GENERAL_NAME_push(all, one) > 0) {
		GENERAL_NAME_set0_value(one, GEN_DNS, string);
		return true;
	}
	GENERAL_NAME_free(one);
	ASN1_IA5STRING_free(string);
	return false;
}

/* subjectAltName: each name, in order. */
static bool
push_names(STACK_OF(X509_EXTENSION) **list, const struct list *names)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	bool           good = all;

	for (size_t i = 0; good && i < names->count; i++)
		good = push_name(all, names->item[i]);
	good = good && X509V3_add1_i2d(list, NID_subject_alt_name, all, 0, X509V3_ADD_APPEND) == 1;
	GENERAL_NAMES_free(all);
	return good;
}

static bool
push_text(STACK_OF(X509_EXTENSION) **list, X509V3_CTX *about, int nid, const char *value)
{
	X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, about, nid, value);
	bool            good = one && X509v3_add_ext(list, one, -1);

	X509_EXTENSION_free(one);
	return good;
}

/* What certificate and request say alike (RFC 5280, 4.2.1); owned by the caller through *list. */
static bool
push_extensions(STACK_OF(X509_EXTENSION) **list, X509V3_CTX *about, const struct list *names)
{
	return push_text(list, about, NID_subject_key_identifier, "hash") &&
	       push_text(list, about, NID_ext_key_usage, "serverAuth,clientAuth") && push_names(list, names);
}

static int
check_names(const struct list *names, struct fault *why)
{
	for (size_t i = 0; i < names->count; i++)
		if (!is_host(names->item[i]))
			return fault_set(why, FAULT_INPUT, "\"%s\" is no host name", names->item[i]);
	return 0;
}

static bool
set_serial(X509 *c)
{
	BIGNUM *n = BN_new();
	bool    good = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
	            BN_to_ASN1_INTEGER(n, X509_get_serialNumber(c));

	BN_free(n);
	return good;
}

static bool
fill_certificate(X509 *c, EVP_PKEY *key, const struct list *names)
{
	X509_NAME  *subject = X509_get_subject_name(c);
	const char *first = names->item[0];
	X509V3_CTX  about;
	STACK_OF(X509_EXTENSION) *list = NULL;
	bool        good = X509_set_version(c, X509_VERSION_3) == 1 && set_serial(c) && X509_gmtime_adj(X509_getm_notBefore(c), 0) &&
	            X509_time_adj_ex(X509_getm_notAfter(c), DAYS, 0, NULL) && X509_set_pubkey(c, key) == 1 &&
	            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)first, -1, -1, 0) == 1 &&
	            X509_set_issuer_name(c, subject) == 1;

	X509V3_set_ctx(&about, c, c, NULL, NULL, 0);
	good = good && push_text(&list, &about, NID_basic_constraints, "CA:false") && push_extensions(&list, &about, names);
	for (int i = 0; good && i < sk_X509_EXTENSION_num(list); i++)
		good = X509_add_ext(c, sk_X509_EXTENSION_value(list, i), -1) == 1;
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return good && X509_sign(c, key, EVP_sha256()) > 0;
}

int
certificate_write(const char *path, EVP_PKEY *key, const struct list *names, struct fault *why)
{
	X509 *c = X509_new();
	BIO  *pem = BIO_new(BIO_s_mem());
	int   outcome = check_names(names, why);

	if (outcome == 0 && (!c || !pem || !fill_certificate(c, key, names) || PEM_write_bio_X509(pem, c) != 1))
		outcome = library_fault(why, "certificate");
	X509_free(c);
	if (outcome == 0)
		return write_new(path, pem, 0644, why);
	BIO_free(pem);
	return outcome;
}

static bool
fill_request(X509_REQ *r, EVP_PKEY *key, const struct list *names)
{
	X509V3_CTX about;
	STACK_OF(X509_EXTENSION) *list = NULL;
	bool       good = X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(r, key) == 1;

	X509V3_set_ctx(&about, NULL, NULL, r, NULL, 0);
	good = good && push_extensions(&list, &about, names) && X509_REQ_add_extensions(r, list) == 1;
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return good && X509_REQ_sign(r, key, EVP_sha256()) > 0;
}

int
request_add(struct text *out, EVP_PKEY *key, const struct list *names, struct fault *why)
{
	X509_REQ *r = X509_REQ_new();
	BIO      *pem = BIO_new(BIO_s_mem());
	char     *at;
	int       outcome = check_names(names, why);

	if (outcome == 0 && (!r || !pem || !fill_request(r, key, names) || PEM_write_bio_X509_REQ(pem, r) != 1))
		outcome = library_fault(why, "request");
	if (outcome == 0) {
		long len = BIO_get_mem_data(pem, &at);

		text_add(out, (struct span){at, (size_t)len});
	}
	X509_REQ_free(r);
	BIO_free(pem);
	return outcome;
}

int
key_add_digest(struct text *out, const EVP_PKEY *key, struct fault *why)
{
	unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
	int            len = i2d_PUBKEY(key, &der);

	if (len < 0 || !SHA256(der, (size_t)len, digest))
		return library_fault(why, "public key");
	for (size_t i = 0; i < sizeof digest; i++)
		text_add_format(out, "%02x", digest[i]);
	OPENSSL_free(der);
	return 0;
}
