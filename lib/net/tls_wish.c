/* SPDX-License-Identifier: ISC */
/*
 * tls_wish.c - what a client asks of a handshake, and how far it came true
 *
 * A wish without must_verify lets every handshake end, so that the caller can say what was wrong;
 * tls_trust_of is then the only judge, for fresh and for resumed sessions alike: the certificate of
 * a resumed session is the one that was seen first.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/file.h"
#include "net/tls_internal.h"

enum { ANCHORS_MAX = 100, ANCHOR_FILE_MAX = 4 << 20 };

struct kept_wish {
	char *match, *fingerprints, *digest;
	bool  dane;
};

static int            kept_index;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void
free_kept(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long l, void *p)
{
	struct kept_wish *k = pointer;

	(void)parent, (void)data, (void)index, (void)l, (void)p;
	if (!k)
		return;
	free(k->match);
	free(k->fingerprints);
	free(k->digest);
	free(k);
}

static void
make_index(void)
{
	kept_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_kept);
}

static int
keep_wish(SSL *ssl, const struct tls_wish *w, struct fault *why)
{
	struct kept_wish *k = mem_alloc(sizeof *k);

	pthread_once(&kept_once, make_index);
	k->match = w->match ? mem_string(w->match) : NULL;
	k->fingerprints = w->fingerprints ? mem_string(w->fingerprints) : NULL;
	k->digest = mem_string(w->digest && *w->digest ? w->digest : "sha256");
	k->dane = w->n_tlsa > 0 && w->dane_base;
	if (SSL_set_ex_data(ssl, kept_index, k) == 1)
		return 0;
	free_kept(NULL, k, NULL, 0, 0, NULL);
	return tls_fault(why, FAULT_SYSTEM, "TLS");
}

/* ".example.com" takes any name below it, as SSL_add1_host does. */
static int
set_match(SSL *ssl, const char *names, struct fault *why)
{
	struct span rest = span_of(names ? names : ""), piece;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	while (span_next(&rest, ", :\t", &piece)) {
		autofree char *name = mem_span(piece);

		if (SSL_add1_host(ssl, name) != 1)
			return tls_fault(why, FAULT_INPUT, "certificate name");
	}
	return 0;
}

static int
set_words(SSL *ssl, const struct tls_wish *w, struct fault *why)
{
	autotext struct text ciphers = {0};
	struct tls_protocols p;

	if (w->protocols) {
		if (tls_parse_protocols(w->protocols, &p, why) < 0)
			return -1;
		SSL_clear_options(ssl, SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
		SSL_set_options(ssl, p.without);
		if (SSL_set_min_proto_version(ssl, p.low) != 1 || SSL_set_max_proto_version(ssl, p.high) != 1)
			return tls_fault(why, FAULT_INPUT, "TLS protocols");
	}
	if (!w->ciphers)
		return 0;
	if (tls_cipher_list(w->ciphers, w->exclude_ciphers, &ciphers, why) < 0)
		return -1;
	return SSL_set_cipher_list(ssl, text_string(&ciphers)) == 1 ? 0 : tls_fault(why, FAULT_INPUT, "TLS ciphers");
}

static int
set_authorities(SSL *ssl, const struct tls_wish *w, struct fault *why)
{
	size_t usable = 0;

	if (w->n_tlsa == 0)
		return 0;
	/* it wants a name, for SNI too: that is set here, and names that are not its business taken back */
	if (SSL_dane_enable(ssl, w->dane_base) <= 0)
		return tls_fault(why, FAULT_SYSTEM, "DANE");
	for (size_t i = 0; i < w->n_tlsa; i++)
		usable += SSL_dane_tlsa_add(ssl, w->tlsa[i].usage, w->tlsa[i].selector, w->tlsa[i].type,
		                            (const unsigned char *)w->tlsa[i].data.at, w->tlsa[i].data.len) > 0;
	ERR_clear_error();
	if (usable == 0) /* none would mean that any authority does */
		return fault_set(why, FAULT_INPUT, "no usable TLSA record");
	return w->dane_base ? set_match(ssl, w->match, why) : 0;
}

int
tls_apply_wish(SSL *ssl, const struct tls_wish *w, struct fault *why)
{
	if (keep_wish(ssl, w, why) < 0 || set_words(ssl, w, why) < 0 || set_authorities(ssl, w, why) < 0)
		return -1;
	if (w->server_name && *w->server_name && SSL_set_tlsext_host_name(ssl, w->server_name) != 1)
		return tls_fault(why, FAULT_INPUT, "SNI");
	SSL_set_verify(ssl, w->must_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (w->must_verify && set_match(ssl, w->match, why) < 0)
		return -1;
	if (w->session_key)
		tls_cache_use(ssl, w->session_key);
	return 0;
}

/* ------------------------------------------------------------ the verdict */

static bool
is_digest(struct span wanted, const unsigned char *digest, unsigned len)
{
	autotext struct text hex = {0};
	size_t               at = 0;

	hex_encode(span_at(digest, len), &hex);
	for (size_t i = 0; i < wanted.len; i++) {
		if (wanted.at[i] == ':')
			continue;
		if (at >= hex.len || ascii_lower(wanted.at[i]) != hex.at[at++])
			return false;
	}
	return at == hex.len && at > 0;
}

static bool
has_fingerprint(X509 *cert, const struct kept_wish *k)
{
	const EVP_MD *md = EVP_get_digestbyname(k->digest);
	unsigned char of_cert[EVP_MAX_MD_SIZE], of_key[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned      cert_len = 0, key_len = 0;
	struct span   rest = span_of(k->fingerprints), piece;
	int           len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool          found = false;

	if (md && len > 0 && X509_digest(cert, md, of_cert, &cert_len) == 1 &&
	    EVP_Digest(der, (size_t)len, of_key, &key_len, md, NULL) == 1)
		while (!found && span_next(&rest, ", \t\r\n|", &piece))
			found = is_digest(piece, of_cert, cert_len) || is_digest(piece, of_key, key_len);
	OPENSSL_free(der);
	return found;
}

static bool
has_name(X509 *cert, const char *names)
{
	struct span rest = span_of(names), piece;

	while (span_next(&rest, ", :\t", &piece))
		if (X509_check_host(cert, piece.at, piece.len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1)
			return true;
	return false;
}

enum tls_trust
tls_trust_of(SSL *ssl)
{
	X509                   *cert = SSL_get0_peer_certificate(ssl);
	const struct kept_wish *k;

	if (!cert)
		return TLS_ANONYMOUS;
	pthread_once(&kept_once, make_index);
	k = SSL_is_server(ssl) ? NULL : SSL_get_ex_data(ssl, kept_index);
	if (k && k->fingerprints && has_fingerprint(cert, k))
		return TLS_VERIFIED;
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return TLS_UNTRUSTED;
	if (!k || k->fingerprints)
		return TLS_TRUSTED;
	return k->dane || (k->match && has_name(cert, k->match)) ? TLS_VERIFIED : TLS_TRUSTED;
}

/* ------------------------------------------------------------ TLSA */

bool
tls_tlsa_usable(const struct tls_tlsa *t)
{
	const unsigned char *at = (const unsigned char *)t->data.at;
	X509                *cert = NULL;
	EVP_PKEY            *key = NULL;
	bool                 good;

	if ((t->usage != 2 && t->usage != 3) || t->selector > 1 || t->type > 2) /* RFC 7672, 3.1.3 */
		return false;
	if (t->type == 1 || t->type == 2)
		return t->data.len == (t->type == 1 ? 32 : 64);
	if (t->selector == 0)
		cert = d2i_X509(NULL, &at, (long)t->data.len);
	else
		key = d2i_PUBKEY(NULL, &at, (long)t->data.len);
	good = cert || key;
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

bool
tls_digest_known(const char *name)
{
	return EVP_get_digestbyname(name) != NULL;
}

static void
add_anchor(uint8_t selector, const unsigned char *data, long len, struct tls_tlsa **list, size_t *count)
{
	char *copy = mem_span(span_at(data, (size_t)len));

	*list = mem_grow(*list, *count + 1, sizeof **list);
	(*list)[(*count)++] = (struct tls_tlsa){2, selector, 0, span_at(copy, (size_t)len)};
}

int
tls_read_anchors(const char *path, struct tls_tlsa **list, size_t *count, struct fault *why)
{
	autotext struct text bytes = {0};
	size_t               before = *count;
	char                *name, *header;
	unsigned char       *data;
	long                 len;
	BIO                 *in;

	if (file_read(path, ANCHOR_FILE_MAX, &bytes, why) < 0)
		return -1;
	in = BIO_new_mem_buf(text_string(&bytes), (int)bytes.len);
	while (in && *count - before < ANCHORS_MAX && PEM_read_bio(in, &name, &header, &data, &len) == 1) {
		if (span_is(span_of(name), "CERTIFICATE"))
			add_anchor(0, data, len, list, count);
		else if (span_is(span_of(name), "PUBLIC KEY"))
			add_anchor(1, data, len, list, count);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	ERR_clear_error();
	BIO_free(in);
	return *count > before ? 0 : fault_set(why, FAULT_INPUT, "%s: no certificate and no public key in it", path);
}
