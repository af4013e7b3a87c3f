/* SPDX-License-Identifier: ISC */
/*
 * test_tls.c - contexts, words, handshakes over a socketpair with a certificate made here
 */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "net/conn.h"
#include "net/tls.h"
#include "net/tls_internal.h"

static char pem_path[] = "/tmp/postern-tls-XXXXXX";

static void
make_certificate(const char *name)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509     *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
	int       fd = mkstemp(pem_path);
	FILE     *out = fdopen(fd, "w");

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"mx.example.org", -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_set_pubkey(cert, key);
	X509_add_ext(cert, san, -1);
	X509_sign(cert, key, EVP_sha256());
	PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(out, cert);
	fclose(out);
	X509_EXTENSION_free(san);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static struct tls_context *
server_of(struct tls_settings s)
{
	struct tls_context *t = NULL;
	struct fault        why = {0};

	strcpy(pem_path + strlen(pem_path) - 6, "XXXXXX");
	make_certificate("DNS:mx.example.org,DNS:*.example.net");
	if (!s.chain_files)
		s.cert_file = pem_path;
	ck_assert_msg(tls_server(&s, &t, &why) == 0, "%s", fault_text(&why));
	return t;
}

struct side {
	struct conn        *c;
	struct tls_context *t;
	struct fault        why;
	int                 outcome;
	struct monitor     *done;
	bool                over;
};

static void
serve(void *argument)
{
	struct side *s = argument;
	struct span  line;

	s->outcome = conn_accept_tls(s->c, s->t, &s->why);
	if (s->outcome == 0)
		s->outcome = conn_line(s->c, 100, &line, NULL, &s->why);
	if (s->outcome == 0)
		s->outcome = conn_print(s->c, &s->why, "you said %.*s\r\n", SPAN_ARGS(line)) < 0 ? -1 : conn_flush(s->c, &s->why);
	monitor_enter(s->done);
	s->over = true;
	monitor_wake(s->done);
	monitor_leave(s->done);
}

static int
talk(struct tls_context *server, struct tls_context *client, const struct tls_wish *wish, struct tls_facts *mine,
     struct tls_facts *theirs)
{
	struct monitor done;
	int            pair[2], outcome;
	struct side    s = {.t = server, .done = &done};
	struct conn   *c;
	struct span    line;
	struct fault   why = {0};

	monitor_init(&done);
	ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	s.c = conn_new(pair[0]);
	c = conn_new(pair[1]);
	conn_deadline(s.c, clock_after(10000));
	conn_deadline(c, clock_after(10000));
	ck_assert(task_start(serve, &s, NULL) == 0);
	outcome = conn_start_tls(c, client, wish, &why);
	if (outcome == 0) {
		tls_facts(c, mine);
		conn_print(c, &why, "hello\r\n");
		outcome = conn_line(c, 100, &line, NULL, &why);
		if (outcome == 0)
			ck_span(line, "you said hello");
	}
	if (outcome < 0)
		shutdown(conn_fd(c), SHUT_RDWR);
	monitor_enter(&done);
	while (!s.over)
		monitor_wait(&done, CLOCK_NEVER);
	monitor_leave(&done);
	tls_facts(s.c, theirs);
	conn_free(c);
	conn_free(s.c);
	return outcome;
}

UNIT_TEST(protocol_words)
{
	struct tls_protocols p;

	ck_assert_int_eq(tls_parse_protocols(">=TLSv1", &p, NULL), 0);
	ck_assert_int_eq(p.low, TLS1_2_VERSION);
	ck_assert_int_eq(tls_parse_protocols("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", &p, NULL), 0);
	ck_assert(!(p.without & SSL_OP_NO_TLSv1_2));
	ck_assert_int_eq(tls_parse_protocols("TLSv1.3", &p, NULL), 0);
	ck_assert(p.without & SSL_OP_NO_TLSv1_2);
	ck_assert_int_eq(tls_parse_protocols(">=TLSv1.3", &p, NULL), 0);
	ck_assert_int_eq(p.low, TLS1_3_VERSION);
	ck_assert_int_eq(tls_parse_protocols("<=TLSv1.1", &p, NULL), -1);
	ck_assert_int_eq(tls_parse_protocols("TLSv1.1", &p, NULL), -1);
	ck_assert_int_eq(tls_parse_protocols("TLSv9", &p, NULL), -1);
}
END_TEST

UNIT_TEST(handshake_and_facts)
{
	struct tls_context *server = server_of((struct tls_settings){.ciphers = "medium", .protocols = ">=TLSv1"});
	struct tls_context *client = NULL;
	struct tls_facts    mine, theirs;
	autotext struct text line = {0};

	ck_assert(tls_client(&(struct tls_settings){0}, &client, NULL) == 0);
	ck_assert_int_eq(talk(server, client, NULL, &mine, &theirs), 0);
	ck_assert_int_eq(theirs.trust, TLS_ANONYMOUS);
	ck_assert_int_eq(mine.trust, TLS_UNTRUSTED);
	ck_assert_str_eq(mine.peer_name, "mx.example.org");
	tls_facts_line(&theirs, &line);
	ck_span(text_span(&line), "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
	        "server-signature RSA-PSS (2048 bits) server-digest SHA256");
	tls_free(client);
	tls_free(server);
	unlink(pem_path);
}
END_TEST

UNIT_TEST(verification)
{
	struct tls_context *server = server_of((struct tls_settings){0});
	struct tls_context *client = NULL;
	struct tls_facts    mine, theirs;

	ck_assert(tls_client(&(struct tls_settings){.ca_file = pem_path}, &client, NULL) == 0);
	ck_assert_int_eq(talk(server, client, &(struct tls_wish){.match = "mx.example.org", .must_verify = true}, &mine, &theirs), 0);
	ck_assert_int_eq(mine.trust, TLS_VERIFIED);
	ck_assert_int_eq(talk(server, client, &(struct tls_wish){.match = "mail.example.net", .must_verify = true}, &mine, &theirs), 0);
	ck_assert_int_eq(talk(server, client, &(struct tls_wish){.match = "mx.example.com", .must_verify = true}, &mine, &theirs), -1);
	ck_assert_int_eq(talk(server, client, &(struct tls_wish){.match = "mx.example.com"}, &mine, &theirs), 0);
	ck_assert_int_eq(mine.trust, TLS_TRUSTED);
	ck_assert_int_eq(talk(server, client, NULL, &mine, &theirs), 0);
	ck_assert_int_eq(mine.trust, TLS_TRUSTED);
	tls_free(client);
	tls_free(server);
	unlink(pem_path);
}
END_TEST

UNIT_TEST(alpn_must_agree)
{
	struct tls_context *server = server_of((struct tls_settings){.alpn = "imap"});
	struct tls_context *imap = NULL, *http = NULL, *none = NULL;
	struct tls_facts    mine, theirs;

	ck_assert(tls_client(&(struct tls_settings){.alpn = "imap"}, &imap, NULL) == 0);
	ck_assert(tls_client(&(struct tls_settings){.alpn = "http/1.1"}, &http, NULL) == 0);
	ck_assert(tls_client(&(struct tls_settings){0}, &none, NULL) == 0);
	ck_assert_int_eq(talk(server, imap, NULL, &mine, &theirs), 0);
	ck_assert_int_eq(talk(server, none, NULL, &mine, &theirs), 0);
	ck_assert_int_eq(talk(server, http, NULL, &mine, &theirs), -1);
	tls_free(imap);
	tls_free(http);
	tls_free(none);
	tls_free(server);
	unlink(pem_path);
}
END_TEST

UNIT_TEST(chain_files_and_faults)
{
	struct tls_context *server = server_of((struct tls_settings){0}), *t = NULL;
	struct fault        why = {0};

	tls_free(server);
	ck_assert_int_eq(tls_server(&(struct tls_settings){.chain_files = pem_path}, &t, &why), 0);
	tls_free(t);
	t = NULL;
	ck_assert_int_eq(tls_server(&(struct tls_settings){0}, &t, &why), -1);
	ck_assert_int_eq(tls_server(&(struct tls_settings){.cert_file = "/nonexistent"}, &t, &why), -1);
	ck_assert_int_eq(tls_server(&(struct tls_settings){.cert_file = pem_path, .ciphers = "best"}, &t, &why), -1);
	ck_assert_int_eq(tls_server(&(struct tls_settings){.cert_file = pem_path, .protocols = "TLSv1"}, &t, &why), -1);
	ck_assert_ptr_null(t);
	unlink(pem_path);
}
END_TEST

/* Where malloc gives what was freed last, as most do: what was to be sent is not in it. */
UNIT_TEST(what_is_freed_holds_no_password)
{
	enum { BLOCKS = 2000 };
	static char *block[BLOCKS];
	int          pair[2], seen = 0;
	struct conn *c;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	c = conn_new(pair[0]);
	ck_assert_int_eq(conn_print(c, NULL, "%s%s", "....................................................", "open-sesame"), 0);
	conn_free(c);
	for (size_t i = 0; i < BLOCKS; i++) {
		size_t size = 16 + i / 4 * 16;

		block[i] = malloc(size);
		seen += span_find_text(span_at(block[i], size), SPAN("open-sesame")) >= 0;
	}
	for (size_t i = 0; i < BLOCKS; i++)
		free(block[i]);
	close(pair[1]);
	ck_assert_int_eq(seen, 0);
}
END_TEST

UNIT_MAIN("net/tls", protocol_words, handshake_and_facts, verification, alpn_must_agree, chain_files_and_faults,
          what_is_freed_holds_no_password)
