/* SPDX-License-Identifier: ISC */
/*
 * tls_binding.c - what of a TLS session an exchange inside it may be tied to
 */
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "net/conn.h"
#include "net/tls.h"
#include "net/tls_internal.h"

/* The first Finished message of the handshake: the client's, or in a resumed session the server's. */
static size_t
finished(SSL *ssl, unsigned char *out, size_t size)
{
	bool ours = (SSL_is_server(ssl) != 0) == (SSL_session_reused(ssl) != 0);

	return ours ? SSL_get_finished(ssl, out, size) : SSL_get_peer_finished(ssl, out, size);
}

bool
tls_binding(const struct conn *c, struct tls_binding *out)
{
	static const char  label[] = "EXPORTER-Channel-Binding";
	struct tls_binding b = {.type = "tls-exporter", .len = 32};
	SSL               *ssl = conn_ssl(c);

	if (!ssl)
		return false;
	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		if (SSL_export_keying_material(ssl, b.bytes, b.len, label, sizeof label - 1, (const unsigned char *)"", 0, 1) != 1)
			b.len = 0;
	} else {
		b.type = "tls-unique";
		b.len = SSL_get_extms_support(ssl) == 1 ? finished(ssl, b.bytes, sizeof b.bytes) : 0;
	}
	ERR_clear_error();
	if (b.len == 0 || b.len > sizeof b.bytes)
		return false;
	*out = b;
	return true;
}

static bool
take_name(const X509_NAME *subject, int nid, struct text *out)
{
	int                  at = X509_NAME_get_index_by_NID(subject, nid, -1);
	const X509_NAME_ENTRY *entry = at >= 0 ? X509_NAME_get_entry(subject, at) : NULL;
	unsigned char       *utf8 = NULL;
	int                  len = entry ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry)) : -1;
	bool                 good = len > 0 && !span_has(span_at(utf8, (size_t)len), '\0');

	if (good)
		text_set(out, span_at(utf8, (size_t)len));
	OPENSSL_free(utf8);
	return good;
}

enum tls_certificate
tls_certificate_name(const struct conn *c, const char *field, struct text *out)
{
	SSL  *ssl = conn_ssl(c);
	X509 *theirs = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	bool  named;

	if (!theirs || tls_trust_of(ssl) < TLS_TRUSTED)
		return TLS_NO_CERTIFICATE;
	named = take_name(X509_get_subject_name(theirs), OBJ_txt2nid(field), out);
	ERR_clear_error();
	return named ? TLS_NAMED : TLS_NAMELESS;
}

bool
tls_certificate_field_known(const char *field)
{
	bool known = OBJ_txt2nid(field) != NID_undef;

	ERR_clear_error();
	return known;
}
