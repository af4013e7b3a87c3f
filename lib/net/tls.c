/* SPDX-License-Identifier: ISC */
/*
 * tls.c - TLS contexts from the configuration, and a session of one
 *
 * A server's session knows nothing of the plain text before it; a client's
 * carries its wish.  Verification of a client without must_verify goes on
 * whatever it finds, and tls_facts tells what that was.
 */
#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "net/tls_internal.h"

enum { TLS_MAGIC = 0x544c5343, ALPN_MAX = 255 };

struct tls_context {
	unsigned      magic;
	SSL_CTX      *ctx;
	bool          server;
	unsigned char alpn[ALPN_MAX + 1];   /* in wire form: length, name */
	unsigned      alpn_len;
	struct tls_names *names;            /* SNI */
	char         *digest;               /* of fingerprints */
};

int
tls_fault(struct fault *why, enum fault_class class, const char *what)
{
	unsigned long error = ERR_get_error();
	char          words[200] = "unknown error";

	if (error)
		ERR_error_string_n(error, words, sizeof words);
	ERR_clear_error();
	return fault_set(why, class, "%s: %s", what, words);
}

void
tls_free(struct tls_context *t)
{
	if (!t)
		return;
	assert(t->magic == TLS_MAGIC);
	SSL_CTX_free(t->ctx);
	tls_names_free(t->names);
	free(t->digest);
	t->magic = 0;
	free(t);
}

static int
set_protocols(SSL_CTX *ctx, const struct tls_settings *s, struct fault *why)
{
	struct tls_protocols p;
	autotext struct text ciphers = {0};

	if (tls_parse_protocols(s->protocols, &p, why) < 0 ||
	    tls_cipher_list(s->ciphers, s->exclude_ciphers, &ciphers, why) < 0)
		return -1;
	if (SSL_CTX_set_min_proto_version(ctx, p.low) != 1 || SSL_CTX_set_max_proto_version(ctx, p.high) != 1)
		return tls_fault(why, FAULT_INPUT, "TLS protocols");
	SSL_CTX_set_options(ctx, p.without);
	if (SSL_CTX_set_cipher_list(ctx, text_string(&ciphers)) != 1)
		return tls_fault(why, FAULT_INPUT, "TLS ciphers");
	return 0;
}

/* Two names at most are offered ("imap", "pop3"): a server takes its own or none (RFC 7301, 3.2). */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in, unsigned in_len, void *argument)
{
	const struct tls_context *t = argument;
	unsigned char            *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, len, t->alpn, t->alpn_len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_alpn(struct tls_context *t, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > ALPN_MAX)
		return;
	t->alpn[0] = (unsigned char)len;
	memcpy(t->alpn + 1, name, len);
	t->alpn_len = (unsigned)len + 1;
	if (t->server)
		SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, t);
	else
		SSL_CTX_set_alpn_protos(t->ctx, t->alpn, t->alpn_len);
}

static void
set_cache(SSL_CTX *ctx, const struct tls_settings *s, bool server)
{
	static const unsigned char id[] = "postern";

	SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
	SSL_CTX_set_session_cache_mode(ctx, server && s->session_cache > 0 ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
	if (s->session_cache > 0)
		SSL_CTX_sess_set_cache_size(ctx, s->session_cache);
	SSL_CTX_set_num_tickets(ctx, s->no_tickets ? 0 : 1);
	if (s->no_tickets)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

static void
set_options(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int
take_any(int ok, X509_STORE_CTX *store)
{
	(void)ok, (void)store;
	return 1;
}

/*
 * A certificate that is for servers and not for clients is good where tls_trust_server_ccerts = yes; OpenSSL has called the purpose an
 * error then. It has kept only the last error, so that one before it (an unknown authority, with take_any) is kept here.
 */
static int error_before = -1;          /* an index of ex_data, from before there are tasks */

static int
forgive_purpose(int ok, X509_STORE_CTX *store)
{
	SSL  *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	int   error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);

	if (ok)
		return 1;
	if (error == X509_V_ERR_INVALID_PURPOSE && certificate &&
	    X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, depth > 0) == 1) {
		X509_STORE_CTX_set_error(store, (int)(intptr_t)SSL_get_ex_data(ssl, error_before));
		return 1;
	}
	if (error != X509_V_OK)
		SSL_set_ex_data(ssl, error_before, (void *)(intptr_t)error);
	return 0;
}

static int
forgive_purpose_take_any(int ok, X509_STORE_CTX *store)
{
	forgive_purpose(ok, store);
	return 1;
}

static void
set_client_certificates(SSL_CTX *ctx, const struct tls_settings *s)
{
	int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;

	if (s->trust_server_certificates && error_before < 0)
		error_before = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (s->require_client_certificate)
		SSL_CTX_set_verify(ctx, mode | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, s->trust_server_certificates ? forgive_purpose : NULL);
	else if (s->ask_client_certificate)
		SSL_CTX_set_verify(ctx, mode, s->trust_server_certificates ? forgive_purpose_take_any : take_any);
	if ((s->ask_client_certificate || s->require_client_certificate) && s->ca_file && *s->ca_file)
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(s->ca_file));
}

/* Which digests of TLSA records count, the best first (RFC 7671, 9). */
static int
set_dane(SSL_CTX *ctx, const char *words, struct fault *why)
{
	struct span    rest = span_of(words ? words : "sha512 sha256"), word;
	const EVP_MD  *digest[3] = {NULL};
	uint8_t        rank[3] = {0}, next = 2;

	if (SSL_CTX_dane_enable(ctx) != 1)
		return tls_fault(why, FAULT_SYSTEM, "DANE");
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	while (span_next(&rest, " ,\t", &word)) {
		int type = span_is_nocase(word, "sha256") || span_is_nocase(word, "sha256=1") ? 1
		           : span_is_nocase(word, "sha512") || span_is_nocase(word, "sha512=2") ? 2 : 0;

		if (!type)
			return fault_set(why, FAULT_INPUT, "tls_dane_digests: \"%.*s\" is not sha256 or sha512", SPAN_ARGS(word));
		digest[type] = type == 1 ? EVP_sha256() : EVP_sha512();
		rank[type] = next ? next-- : 0;
	}
	for (uint8_t type = 1; type <= 2; type++)
		if (SSL_CTX_dane_mtype_set(ctx, digest[type], type, rank[type]) != 1)
			return tls_fault(why, FAULT_SYSTEM, "DANE");
	return 0;
}

static int
fill_context(struct tls_context *t, const struct tls_settings *s, struct fault *why)
{
	if (!t->ctx)
		return tls_fault(why, FAULT_SYSTEM, "TLS");
	set_options(t->ctx);
	t->digest = mem_string(s->fingerprint_digest && *s->fingerprint_digest ? s->fingerprint_digest : "sha256");
	SSL_CTX_set_app_data(t->ctx, t);
	if (!tls_digest_known(t->digest))
		return fault_set(why, FAULT_INPUT, "unknown digest for fingerprints: %s", t->digest);
	if (tls_global_apply(t->ctx, t->server, why) < 0 || set_protocols(t->ctx, s, why) < 0 || tls_load_keys(t->ctx, s, why) < 0 ||
	    tls_load_authorities(t->ctx, s, why) < 0)
		return -1;
	if (t->server && !SSL_CTX_get0_certificate(t->ctx))
		return fault_set(why, FAULT_INPUT, "a TLS server needs a certificate");
	if (t->server)
		set_client_certificates(t->ctx, s);
	else if (set_dane(t->ctx, s->dane_digests, why) < 0)
		return -1;
	if (s->verify_depth > 0)
		SSL_CTX_set_verify_depth(t->ctx, s->verify_depth);
	set_cache(t->ctx, s, t->server);
	if (!t->server && s->session_ms > 0)
		tls_cache_enable(t->ctx, s->session_ms);
	set_alpn(t, s->alpn);
	return 0;
}

static int
make_context(const struct tls_settings *s, bool server, struct tls_context **out, struct fault *why)
{
	struct tls_context *t = mem_alloc(sizeof *t);

	t->magic = TLS_MAGIC;
	t->server = server;
	ERR_clear_error();
	t->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (fill_context(t, s, why) < 0) {
		tls_free(t);
		return -1;
	}
	*out = t;
	return 0;
}

int
tls_server_name(struct tls_context *t, struct span name, const char *chain_files, struct fault *why)
{
	assert(t->magic == TLS_MAGIC && t->server);
	return tls_names_add(t->ctx, &t->names, name, chain_files, why);
}

/* A certificate that SNI chose came without settings of its own. */
const char *
tls_context_digest(const SSL_CTX *ctx)
{
	const struct tls_context *t = SSL_CTX_get_app_data(ctx);

	return t ? t->digest : "sha256";
}

int
tls_server(const struct tls_settings *s, struct tls_context **out, struct fault *why)
{
	return make_context(s, true, out, why);
}

int
tls_client(const struct tls_settings *s, struct tls_context **out, struct fault *why)
{
	return make_context(s, false, out, why);
}

SSL *
tls_session(struct tls_context *t, const struct tls_wish *wish, struct fault *why)
{
	SSL *ssl;

	assert(t->magic == TLS_MAGIC);
	ERR_clear_error();
	ssl = SSL_new(t->ctx);
	if (!ssl) {
		tls_fault(why, FAULT_SYSTEM, "TLS");
		return NULL;
	}
	if (!t->server && wish && tls_apply_wish(ssl, wish, why) < 0) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}
