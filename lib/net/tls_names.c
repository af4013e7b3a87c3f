/* SPDX-License-Identifier: ISC */
/*
 * tls_names.c - certificates by the name that the client asks for (SNI, RFC 6066, 3)
 *
 * All are read at start: in the sandbox no file can be opened.  A name is looked for as it is,
 * then its parents as ".domain"; without one the context's own certificate stands.
 */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/strmap.h"
#include "net/tls.h"
#include "net/tls_internal.h"

struct tls_names {
	struct strmap *by_name;         /* lower case -> SSL_CTX */
};

static SSL_CTX *
find_name(const struct tls_names *n, const char *asked)
{
	autotext struct text name = {0};
	struct span          rest;
	SSL_CTX             *found;

	text_add(&name, span_first(span_of(asked), 255));
	text_lower(&name);
	rest = text_span(&name);
	found = strmap_get(n->by_name, rest);
	for (ptrdiff_t dot; !found && (dot = span_find(rest, '.')) >= 0; rest = span_from(rest, (size_t)dot + 1))
		found = strmap_get(n->by_name, span_from(rest, (size_t)dot));
	return found;
}

static int
choose(SSL *ssl, int *alert, void *argument)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX    *found = asked ? find_name(argument, asked) : NULL;

	(void)alert;
	if (!found)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_SSL_CTX(ssl, found);
	return SSL_TLSEXT_ERR_OK;
}

int
tls_names_add(SSL_CTX *ctx, struct tls_names **names, struct span name, const char *chain_files, struct fault *why)
{
	struct tls_settings  only = {.chain_files = chain_files};
	autotext struct text lower = {0};
	SSL_CTX             *own;

	text_add(&lower, name);
	text_lower(&lower);
	if (!*names) {
		*names = mem_alloc(sizeof **names);
		(*names)->by_name = strmap_new();
		SSL_CTX_set_tlsext_servername_callback(ctx, choose);
		SSL_CTX_set_tlsext_servername_arg(ctx, *names);
	}
	own = SSL_CTX_new(TLS_server_method());
	if (!own)
		return tls_fault(why, FAULT_SYSTEM, "TLS");
	SSL_CTX_set_app_data(own, SSL_CTX_get_app_data(ctx));
	if (tls_load_keys(own, &only, why) < 0 || !SSL_CTX_get0_certificate(own)) {
		SSL_CTX_free(own);
		return why && why->reason[0] ? -1 : fault_set(why, FAULT_INPUT, "no certificate for %.*s", SPAN_ARGS(name));
	}
	SSL_CTX_free(strmap_put((*names)->by_name, text_span(&lower), own));
	return 0;
}

static void
free_one(void *ctx)
{
	SSL_CTX_free(ctx);
}

void
tls_names_free(struct tls_names *n)
{
	if (!n)
		return;
	strmap_free(n->by_name, free_one);
	free(n);
}
