/* SPDX-License-Identifier: ISC */
/*
 * tls_keys.c - certificates, keys and authorities out of PEM files
 *
 * Files are read whole at start, before the sandbox closes.  A chain file
 * (smtpd_tls_chain_files) holds a key, its certificate, and the chain; several
 * may follow one another, of different algorithms, cut into files anywhere.
 */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "net/tls.h"
#include "net/tls_internal.h"

enum { PEM_FILE_MAX = 4 << 20 };

struct key_group {
	EVP_PKEY *key;
	X509     *leaf;
	STACK_OF(X509) *chain;
};

static void
group_free(struct key_group *g)
{
	EVP_PKEY_free(g->key);
	X509_free(g->leaf);
	sk_X509_pop_free(g->chain, X509_free);
	*g = (struct key_group){0};
}

static bool
is_key(const char *name)
{
	return span_ends(span_of(name), "PRIVATE KEY");
}

/* Files with passwords cannot be asked for by a daemon. */
static int
no_password(char *buffer, int size, int writing, void *argument)
{
	(void)buffer, (void)size, (void)writing, (void)argument;
	return -1;
}

static EVP_PKEY *
decode_key(const char *name, const unsigned char *data, long len)
{
	const unsigned char *at = data;
	EVP_PKEY *key = NULL;
	BIO      *pem = BIO_new(BIO_s_mem());

	if (pem && PEM_write_bio(pem, name, "", data, len) > 0)
		key = PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL);
	BIO_free(pem);
	return key ? key : d2i_AutoPrivateKey(NULL, &at, len);
}

static int
install(SSL_CTX *ctx, struct key_group *g, struct fault *why)
{
	int ok = 1;

	if (!g->key && !g->leaf)
		return 0;
	if (!g->key)
		return fault_set(why, FAULT_INPUT, "a certificate without its private key before it");
	if (!g->leaf)
		return fault_set(why, FAULT_INPUT, "a private key without its certificate behind it");
	if (SSL_CTX_use_cert_and_key(ctx, g->leaf, g->key, g->chain, 1) != 1)
		ok = tls_fault(why, FAULT_INPUT, "private key and certificate");
	group_free(g);
	return ok < 0 ? -1 : 0;
}

static int
add_certificate(struct key_group *g, const unsigned char *data, long len, struct fault *why)
{
	X509 *cert = d2i_X509(NULL, &data, len);

	if (!cert)
		return tls_fault(why, FAULT_INPUT, "certificate");
	if (!g->leaf) {
		g->leaf = cert;
		return 0;
	}
	if (!g->chain)
		g->chain = sk_X509_new_null();
	sk_X509_push(g->chain, cert);
	return 0;
}

/* One PEM object; key_starts: a further key begins the next group. */
static int
take_object(SSL_CTX *ctx, struct key_group *g, const char *name, const unsigned char *data, long len, bool key_starts,
            struct fault *why)
{
	if (is_key(name)) {
		if (g->key && !key_starts)
			return 0;
		if (g->key && install(ctx, g, why) < 0)
			return -1;
		g->key = decode_key(name, data, len);
		return g->key ? 0 : tls_fault(why, FAULT_INPUT, "private key (it must have no password)");
	}
	if (span_is(span_of(name), "CERTIFICATE") || span_is(span_of(name), "X509 CERTIFICATE"))
		return add_certificate(g, data, len, why);
	return 0;
}

enum wanted { KEYS = 1, CERTIFICATES = 2 };

static int
read_objects(SSL_CTX *ctx, struct key_group *g, const char *path, unsigned wanted, bool key_starts, struct fault *why)
{
	struct text    bytes = {0};
	char          *name, *header;
	unsigned char *data;
	long           len;
	int            outcome = file_read(path, PEM_FILE_MAX, &bytes, why);
	BIO           *in = outcome < 0 ? NULL : BIO_new_mem_buf(text_string(&bytes), (int)bytes.len);

	while (outcome == 0 && in && PEM_read_bio(in, &name, &header, &data, &len) == 1) {
		if (is_key(name) ? wanted & KEYS : wanted & CERTIFICATES)
			outcome = take_object(ctx, g, name, data, len, key_starts, why);
		if (outcome < 0)
			fault_prefix(why, "%s", path);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
	}
	ERR_clear_error();
	BIO_free(in);
	if (bytes.at)
		mem_wipe(bytes.at, bytes.len);
	text_free(&bytes);
	return outcome;
}

static int
load_chain_files(SSL_CTX *ctx, const char *files, struct fault *why)
{
	struct span      rest = span_of(files), piece;
	struct key_group g = {0};
	int              outcome = 0;

	while (outcome == 0 && span_next(&rest, ", \t\r\n", &piece)) {
		autofree char *path = mem_span(piece);

		outcome = read_objects(ctx, &g, path, KEYS | CERTIFICATES, true, why);
	}
	if (outcome == 0)
		outcome = install(ctx, &g, why);
	group_free(&g);
	return outcome;
}

static bool
named(const char *s)
{
	return s && *s && !span_is(span_of(s), "none");
}

static int
load_pair(SSL_CTX *ctx, const char *cert, const char *key, struct fault *why)
{
	struct key_group g = {0};
	const char      *key_path = named(key) ? key : cert;
	int              outcome = read_objects(ctx, &g, key_path, KEYS, false, why);

	if (outcome == 0 && !g.key)
		outcome = fault_set(why, FAULT_INPUT, "%s: no private key in it", key_path);
	if (outcome == 0)
		outcome = read_objects(ctx, &g, cert, CERTIFICATES, false, why);
	if (outcome == 0 && !g.leaf)
		outcome = fault_set(why, FAULT_INPUT, "%s: no certificate in it", cert);
	if (outcome == 0 && install(ctx, &g, why) < 0)
		outcome = fault_prefix(why, "%s", cert);
	group_free(&g);
	return outcome;
}

int
tls_load_keys(SSL_CTX *ctx, const struct tls_settings *s, struct fault *why)
{
	if (named(s->chain_files))
		return load_chain_files(ctx, s->chain_files, why);
	if (named(s->cert_file) && load_pair(ctx, s->cert_file, s->key_file, why) < 0)
		return -1;
	if (named(s->ec_cert_file) && load_pair(ctx, s->ec_cert_file, s->ec_key_file, why) < 0)
		return -1;
	return 0;
}

/* In a chroot nothing can be opened later, so the directory is read whole now. */
static int
load_directory(SSL_CTX *ctx, const char *path, struct fault *why)
{
	DIR           *d = opendir(path);
	struct dirent *e;

	if (!d)
		return fault_errno(why, "open %s", path);
	while ((e = readdir(d))) {
		autofree char *file = mem_format("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			SSL_CTX_load_verify_file(ctx, file); /* what is no certificate is none */
	}
	ERR_clear_error();
	closedir(d);
	return 0;
}

int
tls_load_authorities(SSL_CTX *ctx, const struct tls_settings *s, struct fault *why)
{
	if (named(s->ca_file) && SSL_CTX_load_verify_file(ctx, s->ca_file) != 1)
		return tls_fault(why, FAULT_INPUT, s->ca_file);
	if (named(s->ca_path) && load_directory(ctx, s->ca_path, why) < 0)
		return -1;
	if (s->default_ca && SSL_CTX_load_verify_file(ctx, X509_get_default_cert_file()) != 1) {
		ERR_clear_error();
		return load_directory(ctx, X509_get_default_cert_dir(), why);
	}
	return 0;
}
