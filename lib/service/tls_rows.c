/* SPDX-License-Identifier: ISC */
/*
 * tls_rows.c - the tls_* parameters of programs that speak TLS
 *
 * tls_ffdhe_auto_groups is not among the groups by default: a client that has nothing better
 * than finite fields takes longer than it should.
 */
#include "service/tls_rows.h"

#include "net/tls_global.h"

static struct tls_global global;
static const char       *curves, *fields;

const struct param service_tls_params[] = {
	RAW("tls_high_cipherlist", &global.high, "aNULL:-aNULL:HIGH:@STRENGTH", "ciphers of grade high, in OpenSSL's words"),
	RAW("tls_medium_cipherlist", &global.medium, "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH", "of grade medium"),
	RAW("tls_low_cipherlist", &global.low, "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH", "of grade low"),
	RAW("tls_export_cipherlist", &global.export, "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH", "of grade export"),
	RAW("tls_null_cipherlist", &global.null, "eNULL:!aNULL", "of grade null"),
	BOOLEAN("tls_preempt_cipherlist", &global.preempt, "no", "a server's own order of ciphers counts"),
	STRING("tls_ssl_options", &global.options, "", "options of OpenSSL: NO_TICKET, PRIORITIZE_CHACHA ..."),
	STRING("tls_eecdh_auto_curves", &curves, "X25519 X448 prime256v1 secp521r1 secp384r1", "groups of key exchange, the best first"),
	STRING("tls_ffdhe_auto_groups", &fields, "", "groups of finite fields behind them: ffdhe2048 ffdhe3072"),
	STRING("tls_config_file", &global.config_file, "default", "OpenSSL's configuration: default, none, or a path"),
	STRING("tls_config_name", &global.config_name, "", "the application's name in it"),
	/* taken and without effect */
	STRING("tls_disable_workarounds", NULL, "", "not needed: no workarounds for bugs of others are on"),
	BOOLEAN("tls_fast_shutdown_enable", NULL, "yes", "not needed: nobody waits for the other side's good-bye"),
	STRING("tls_session_ticket_cipher", NULL, "aes-256-cbc", "not needed: tickets are the library's, with keys of the process"),
	BOOLEAN("tls_legacy_public_key_fingerprints", NULL, "no", "not needed: of the whole public key, as Postfix 2.9.6 and later"),
	END_OF_PARAMS
};

int
service_tls_prepare(struct fault *why)
{
	global.groups = mem_format("%s %s", curves, fields);
	return tls_set_global(&global, why);
}
