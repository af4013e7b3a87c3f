/* SPDX-License-Identifier: ISC */
/*
 * tls_facts.c - what a handshake gave, for logs, Received: and SCRAM
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/base64.h"
#include "net/conn.h"
#include "net/tls.h"
#include "net/tls_internal.h"

/* "X25519", "ECDHE (P-256)", "DHE (2048 bits)" */
static void
add_exchange(EVP_PKEY *key, struct text *out)
{
	char group[80];

	if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1) {
		const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));

		text_add_format(out, "ECDHE (%s)", nist ? nist : group);
	} else if (EVP_PKEY_is_a(key, "DH")) {
		text_add_format(out, "DHE (%d bits)", EVP_PKEY_get_bits(key));
	} else {
		const char *name = EVP_PKEY_get0_type_name(key);

		text_add_string(out, name ? name : "unknown");
	}
}

static void
add_signature(const char *whose, EVP_PKEY *key, int type, int digest, struct text *out)
{
	char        group[80];
	const char *name = EVP_PKEY_get0_type_name(key);

	text_add_format(out, " %s-signature ", whose);
	if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
		text_add_format(out, "%s (%d bits)", type == NID_rsassaPss ? "RSA-PSS" : "RSA", EVP_PKEY_get_bits(key));
	else if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1)
		text_add_format(out, "ECDSA (%s)",
		                EC_curve_nid2nist(OBJ_sn2nid(group)) ? EC_curve_nid2nist(OBJ_sn2nid(group)) : group);
	else
		text_add_string(out, name ? name : "unknown");
	if (digest != NID_undef)
		text_add_format(out, " %s-digest %s", whose, OBJ_nid2sn(digest));
}

/* Only TLS 1.3 says these beside its cipher: in 1.2 the cipher's name does. */
static void
tell_details(SSL *ssl, struct tls_facts *f)
{
	autotext struct text out = {0};
	EVP_PKEY            *exchange = NULL;
	bool                 server = SSL_is_server(ssl);
	X509                *theirs = SSL_get0_peer_certificate(ssl);
	X509                *ours = SSL_get_certificate(ssl);
	int                  type = NID_undef, digest = NID_undef;

	if (SSL_version(ssl) < TLS1_3_VERSION)
		return;
	if (SSL_get_peer_tmp_key(ssl, &exchange) == 1) {
		text_add_string(&out, " key-exchange ");
		add_exchange(exchange, &out);
		EVP_PKEY_free(exchange);
	}
	if (!SSL_session_reused(ssl) && server && ours && SSL_get_signature_type_nid(ssl, &type) == 1) {
		SSL_get_signature_nid(ssl, &digest);
		add_signature("server", X509_get0_pubkey(ours), type, digest, &out);
	}
	if (theirs && SSL_get_peer_signature_type_nid(ssl, &type) == 1 && SSL_get_peer_signature_nid(ssl, &digest) == 1)
		add_signature(server ? "client" : "server", X509_get0_pubkey(theirs), type, digest, &out);
	snprintf(f->details, sizeof f->details, "%s", text_string(&out));
}

/* A common name, as long as it is printable: it goes to logs and headers. */
static void
copy_name(X509_NAME *name, char *out, size_t size)
{
	char cn[256] = "";

	if (X509_NAME_get_text_by_NID(name, NID_commonName, cn, sizeof cn) <= 0)
		return;
	for (char *c = cn; *c; c++)
		if ((unsigned char)*c < 32 || *c == 127)
			*c = '?';
	snprintf(out, size, "%s", cn);
}

/* "AA:BB:..." */
static void
print_fingerprint(const unsigned char *bytes, unsigned len, char out[200])
{
	size_t at = 0;

	for (unsigned i = 0; i < len && at + 4 < 200; i++)
		at += (size_t)snprintf(out + at, 200 - at, "%s%02X", i ? ":" : "", bytes[i]);
}

/* Of the whole SubjectPublicKeyInfo, as DANE and Postfix since 2.9 have it. */
static void
tell_key(X509 *cert, const EVP_MD *md, struct tls_facts *f)
{
	unsigned char *der = NULL, bytes[EVP_MAX_MD_SIZE];
	unsigned       len = 0;
	int            size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (md && size > 0 && EVP_Digest(der, (size_t)size, bytes, &len, md, NULL) == 1)
		print_fingerprint(bytes, len, f->key_fingerprint);
	OPENSSL_free(der);
}

static void
tell_certificate(X509 *cert, const char *digest, struct tls_facts *f)
{
	const EVP_MD *md = EVP_get_digestbyname(digest);
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	copy_name(X509_get_subject_name(cert), f->peer_name, sizeof f->peer_name);
	copy_name(X509_get_issuer_name(cert), f->issuer_name, sizeof f->issuer_name);
	if (md && X509_digest(cert, md, bytes, &len) == 1)
		print_fingerprint(bytes, len, f->fingerprint);
	tell_key(cert, md, f);
}

void
tls_facts(const struct conn *c, struct tls_facts *out)
{
	SSL              *ssl = conn_ssl(c);
	const SSL_CIPHER *cipher = ssl ? SSL_get_current_cipher(ssl) : NULL;
	struct tls_facts  f = {0};

	if (ssl) {
		snprintf(f.protocol, sizeof f.protocol, "%s", SSL_get_version(ssl));
		snprintf(f.cipher, sizeof f.cipher, "%s", cipher ? SSL_CIPHER_get_name(cipher) : "(NONE)");
		f.bits = cipher ? SSL_CIPHER_get_bits(cipher, &f.algorithm_bits) : 0;
		f.trust = tls_trust_of(ssl);
		if (SSL_get_verify_result(ssl) != X509_V_OK)
			snprintf(f.verify_error, sizeof f.verify_error, "%s",
			         X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
		f.resumed = SSL_session_reused(ssl) == 1;
		tell_details(ssl, &f);
		if (SSL_get0_peer_certificate(ssl))
			tell_certificate(SSL_get0_peer_certificate(ssl), tls_context_digest(SSL_get_SSL_CTX(ssl)), &f);
		ERR_clear_error();
	}
	*out = f;
}

void
tls_facts_line(const struct tls_facts *f, struct text *out)
{
	text_add_format(out, "%s with cipher %s (%d/%d bits)%s", f->protocol, f->cipher, f->bits, f->algorithm_bits, f->details);
}
