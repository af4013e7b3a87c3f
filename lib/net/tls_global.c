/* SPDX-License-Identifier: ISC */
/*
 * tls_global.c - what holds for all TLS of a program: the tls_* parameters
 */
#include "net/tls_global.h"

#include <openssl/conf.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/tls_internal.h"

static struct tls_global global;
static uint64_t          option_bits;

/* Names as in tls_ssl_options of postconf(5). */
static const struct {
	const char *name;
	uint64_t    bit;
} options[] = {
	{"ENABLE_KTLS", SSL_OP_ENABLE_KTLS},
	{"LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT},
	{"NO_TICKET", SSL_OP_NO_TICKET},
	{"NO_COMPRESSION", SSL_OP_NO_COMPRESSION},
	{"NO_RENEGOTIATION", SSL_OP_NO_RENEGOTIATION},
	{"NO_SESSION_RESUMPTION_ON_RENEGOTIATION", SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION},
	{"PRIORITIZE_CHACHA", SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE},
	{"ENABLE_MIDDLEBOX_COMPAT", SSL_OP_ENABLE_MIDDLEBOX_COMPAT},
	{"NO_ANTI_REPLAY", 0},                      /* early data is never taken here */
};

static int
parse_options(struct span words, uint64_t *out, struct fault *why)
{
	uint64_t    bits = 0;
	struct span word;

	while (span_next(&words, " ,:\t\r\n", &word)) {
		size_t i = 0;

		if (span_starts_nocase(word, "0x")) {
			autofree char *text = mem_span(word);
			char          *end;

			bits |= strtoull(text, &end, 16);
			if (*end)
				return fault_set(why, FAULT_INPUT, "tls_ssl_options: bad number \"%s\"", text);
			continue;
		}
		while (i < COUNT(options) && !span_is_nocase(word, options[i].name))
			i++;
		if (i == COUNT(options))
			return fault_set(why, FAULT_INPUT, "tls_ssl_options: unknown option \"%.*s\"", SPAN_ARGS(span_first(word, 60)));
		bits |= options[i].bit;
	}
	*out = bits;
	return 0;
}

/* Before anything else of OpenSSL is called: it would read its default file by itself. */
static int
read_config(const char *file, const char *name, struct fault *why)
{
	OPENSSL_INIT_SETTINGS *settings;
	bool                   none = file && strcmp(file, "none") == 0, usual = !file || !*file || strcmp(file, "default") == 0;
	int                    ok;

	if (usual && (!name || !*name))
		return 0;
	settings = OPENSSL_INIT_new();
	if (!usual && !none)
		OPENSSL_INIT_set_config_filename(settings, file);
	if (name && *name)
		OPENSSL_INIT_set_config_appname(settings, name);
	if (!usual && !none)
		OPENSSL_INIT_set_config_file_flags(settings, 0);
	ERR_clear_error();
	ok = OPENSSL_init_ssl(none ? OPENSSL_INIT_NO_LOAD_CONFIG : OPENSSL_INIT_LOAD_CONFIG, settings);
	OPENSSL_INIT_free(settings);
	return ok == 1 ? 0 : tls_fault(why, FAULT_INPUT, "tls_config_file");
}

int
tls_set_global(const struct tls_global *g, struct fault *why)
{
	uint64_t bits = 0;

	if (parse_options(span_of(g->options ? g->options : ""), &bits, why) < 0 ||
	    read_config(g->config_file, g->config_name, why) < 0)
		return -1;
	global = *g;
	option_bits = bits;
	return 0;
}

const char *
tls_global_list(const char *grade)
{
	const struct {
		const char *grade, *list;
	} lists[] = {{"high", global.high}, {"medium", global.medium}, {"low", global.low}, {"export", global.export},
	             {"null", global.null}};

	for (size_t i = 0; i < COUNT(lists); i++)
		if (span_is_nocase(span_of(grade), lists[i].grade))
			return lists[i].list && *lists[i].list ? lists[i].list : NULL;
	return NULL;
}

/* Groups that this library does not have are left out: the default names what another one has. */
static int
set_groups(SSL_CTX *ctx, struct fault *why)
{
	struct span          rest = span_of(global.groups ? global.groups : ""), word;
	autotext struct text have = {0};

	while (span_next(&rest, " ,:\t\r\n", &word)) {
		autofree char *name = mem_span(word);
		SSL_CTX       *probe = SSL_CTX_new(TLS_method());

		if (probe && SSL_CTX_set1_groups_list(probe, name) == 1)
			text_add_format(&have, "%s%s", have.len ? ":" : "", name);
		SSL_CTX_free(probe);
	}
	ERR_clear_error();
	if (have.len && SSL_CTX_set1_groups_list(ctx, text_string(&have)) != 1)
		return tls_fault(why, FAULT_INPUT, "tls_eecdh_auto_curves");
	return 0;
}

int
tls_global_apply(SSL_CTX *ctx, bool server, struct fault *why)
{
	SSL_CTX_set_options(ctx, option_bits | (server && global.preempt ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0));
	return set_groups(ctx, why);
}
