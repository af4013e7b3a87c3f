/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_services.c - a Dovecot's listeners and their TLS
 */
#include <stdio.h>
#include <string.h>

#include "cmd/import_dovecot.h"

/* ------------------------------------------------------------ TLS */

void
print_tls(void)
{
	const char *ssl = get("", "ssl"), *certificate = get("", "ssl_cert"), *key = get("", "ssl_key");
	const char *least = get("", "ssl_min_protocol"), *authorities = get("", "ssl_ca"), *asks = get("", "ssl_verify_client_cert");
	static const char *const prefixes[] = {"imap", "pop3", "managesieve"};

	if (ssl && strcmp(ssl, "no") == 0)
		return;
	if (ssl && strcmp(ssl, "required") == 0)
		printf("disable_plaintext_auth = yes\n");
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		if (strcmp(prefixes[i], "imap") != 0 && !has_protocol(i == 2 ? "sieve" : prefixes[i]))
			continue;
		if (certificate && *certificate == '<')
			printf("%s_tls_cert_file = %s\n", prefixes[i], certificate + 1);
		if (key && *key == '<')
			printf("%s_tls_key_file = %s\n", prefixes[i], key + 1);
		if (authorities && *authorities == '<')
			printf("%s_tls_CAfile = %s\n", prefixes[i], authorities + 1);
		if (asks && strcmp(asks, "yes") == 0)
			printf("%s_tls_ask_ccert = yes\n", prefixes[i]);
		if (least && strncmp(least, "TLSv1", 5) == 0)
			printf("%s_tls_protocols = >=%s\n", prefixes[i], least);
	}
	if (key && *key == '#')
		no_equal("ssl_key: hidden; use the output of doveconf -nP");
}

/* ------------------------------------------------------------ master.cf */

static void
print_listener(const char *protocol, const char *listener, const char *wrapped)
{
	autofree char *block = mem_format("service %s-login/inet_listener %s", protocol, listener);
	const char    *port = get(block, "port"), *address = get(block, "address");

	get(block, "ssl");
	if (port && strcmp(port, "0") == 0)
		return;
	printf("%s%s%-10s inet n - n - - %s-login\n%s", address && strcmp(address, "*") != 0 ? address : "",
		address && strcmp(address, "*") != 0 ? ":" : "", port ? port : strcmp(listener, "sieve") == 0 ? "4190" : listener, protocol, wrapped);
}

/* Listeners of a service that is one program here: "service lmtp/unix_listener /var/spool/postfix/private/dovecot-lmtp". */
bool
print_service(const char *name, const char *program, bool print)
{
	autofree char *block = mem_format("service %s", name);
	size_t         len = strlen(block);
	bool           found = false;
	const char    *last = "";

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];
		const char   *path = strstr(e->block, "/unix_listener ");

		if (strncmp(e->block, block, len) != 0 || (e->block[len] && e->block[len] != '/'))
			continue;
		e->done = true;
		if (path && strcmp(e->block, last) != 0) {
			const char *base = strrchr(path, '/');

			last = e->block;
			found = true;
			base = base == path ? path + 15 : base + 1;
			if (print)         /* "lmtp" is the client's name in master.cf */
				printf("%s unix - n n - - %s\n", strcmp(base, "lmtp") == 0 ? "dovecot-lmtp" : base, program);
		} else if (!path && strcmp(e->key, "port") == 0) {
			const char *address = get(e->block, "address");

			found = true;
			if (print)
				printf("%s:%s inet n n n - - %s\n", address && strcmp(address, "*") != 0 ? address : "127.0.0.1", e->value, program);
		}
	}
	return found;
}

void
print_master(void)
{
	if (has_protocol("imap")) {
		print_listener("imap", "imap", "");
		print_listener("imap", "imaps", "    -o imap_tls_wrappermode=yes\n");
	}
	if (has_protocol("pop3")) {
		print_listener("pop3", "pop3", "");
		print_listener("pop3", "pop3s", "    -o pop3_tls_wrappermode=yes\n");
	}
	if (has_protocol("sieve"))
		print_listener("managesieve", "sieve", "");
	print_service("quota-status", "quota-status", true);
	if (has_protocol("lmtp") && !print_service("lmtp", "lmtpd", true))
		printf("dovecot-lmtp unix - n n - - lmtpd\n");
}

/* What concerns how Dovecot's own processes are run. */
void
pass_over_services(void)
{
	static const char *const running[] = {"user", "group", "chroot", "service_count", "process_min_avail", "process_limit",
		"client_limit", "vsz_limit", "idle_kill", "executable", "mode", "port", "address", "ssl", "extra_groups", "drop_priv_before_exec"};

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];

		if (strncmp(e->block, "service ", 8) != 0 || strncmp(e->block, "service managesieve", 19) == 0)
			continue;
		for (size_t k = 0; k < COUNT(running); k++)
			e->done |= strcmp(e->key, running[k]) == 0;
	}
}
