/* SPDX-License-Identifier: ISC */
/*
 * probe.c - postern probe DOMAIN: what would the SMTP client find there?
 *
 * The client's own code looks up the servers, asks for the policy, connects, says EHLO, starts
 * TLS and judges; nothing is sent, and nobody logs in.  Every server is tried, not only the
 * first that would do.  DNS is dnsd's work: the mail system must run.
 *
 * Exit status: 0 all servers that were tried would get mail; 1 some would not; 75 none;
 * 68 the domain takes no mail; 64 usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "client.h"
#include "config/site.h"
#include "ipc/peer.h"
#include "rows.h"
#include "service/service.h"
#include "service/tls_rows.h"

static struct service_facts       facts = {.name = "smtp", .program = "smtp"};
const struct service_facts *const service = &facts;

void
service_watch_table(struct table *t)
{
	(void)t;
}

static void
show_policy(const struct tls_policy *p)
{
	printf("  policy: %s", p->level == TLS_UNSET ? "none" : policy_level_name(p->level));
	if (p->n_tlsa)
		printf(", %zu TLSA record%s of %s", p->n_tlsa, p->n_tlsa == 1 ? "" : "s", p->dane_base ? p->dane_base : "trust anchors");
	if (p->match && *p->match && p->level >= TLS_FINGERPRINT)
		printf(", match %s", p->match);
	if (p->mx_patterns)
		printf(", MX must be one of %s", p->mx_patterns);
	putchar('\n');
}

static void
show_offers(const struct session *s)
{
	static const struct { unsigned bit; const char *name; } offers[] = {
		{SMTP_HAS_SIZE, "SIZE"}, {SMTP_HAS_PIPELINING, "PIPELINING"}, {SMTP_HAS_8BITMIME, "8BITMIME"}, {SMTP_HAS_STARTTLS, "STARTTLS"},
		{SMTP_HAS_DSN, "DSN"}, {SMTP_HAS_SMTPUTF8, "SMTPUTF8"}, {SMTP_HAS_CHUNKING, "CHUNKING"}, {SMTP_HAS_AUTH, "AUTH"},
		{SMTP_HAS_REQUIRETLS, "REQUIRETLS"},
	};

	printf("  offers:");
	for (size_t i = 0; i < COUNT(offers); i++)
		if (s->ehlo.has & offers[i].bit)
			printf(" %s", offers[i].name);
	putchar('\n');
}

static void
show_tls(const struct session *s)
{
	static const char *const trust[] = {"Anonymous", "Untrusted", "Trusted", "Verified"};
	struct tls_facts         f;

	if (!s->tls) {
		printf("  TLS: none\n");
		return;
	}
	tls_facts(s->conn, &f);
	printf("  TLS: %s: %s\n", trust[f.trust], s->tls_summary);
	printf("  certificate: %s, issued by %s\n  fingerprint: %s\n  public key: %s\n", f.peer_name[0] ? f.peer_name : "(no name)",
	       f.issuer_name[0] ? f.issuer_name : "(no name)", f.fingerprint, f.key_fingerprint);
	if (f.verify_error[0])
		printf("  chain: %s\n", f.verify_error);
}

/* True: it would get mail. */
static bool
probe_host(const struct host *h, struct span nexthop)
{
	autoarena struct arena *arena = arena_new();
	struct tls_policy       policy = {0};
	struct trouble          t = {0};
	struct session         *s = NULL;
	enum step               step;

	printf("%d %s[%s]:%u%s\n", h->preference, h->name, h->ip, h->port, h->secure ? " (validated by DNSSEC)" : "");
	step = policy_find(h, nexthop, false, arena, &policy, &t);
	if (step == STEP_DONE) {
		show_policy(&policy);
		step = session_open(h, &(struct session_wish){nexthop, SPAN_NONE, true, false}, &s, &t);
	}
	if (step == STEP_DONE) {
		show_tls(s);
		show_offers(s);
		session_quit(s);
	}
	printf("  verdict: %s%s%s\n", step == STEP_DONE ? "ok" : t.dsn, step == STEP_DONE ? "" : " ", step == STEP_DONE ? "" : text_string(&t.text));
	trouble_free(&t);
	return step == STEP_DONE;
}

static int
probe(const char *domain)
{
	autoarena struct arena *arena = arena_new();
	struct destination      d;
	struct host            *hosts = NULL;
	size_t                  count = 0, good = 0;
	struct trouble          t = {0};
	struct fault            why = {0};
	enum step               step;

	if (destination_parse(span_of(domain), arena, &d, &why) < 0) {
		fprintf(stderr, "smtp-probe: %s\n", fault_text(&why));
		return EX_USAGE;
	}
	step = hosts_find(&d, arena, &hosts, &count, &t);
	if (step != STEP_DONE) {
		printf("%s: %s %s\n", domain, t.dsn, text_string(&t.text));
		trouble_free(&t);
		return step == STEP_NEVER ? EX_NOHOST : EX_TEMPFAIL;
	}
	for (size_t i = 0; i < count; i++)
		good += probe_host(&hosts[i], span_of(domain));
	return good == count ? EX_OK : good ? 1 : EX_TEMPFAIL;
}

/* Nobody logs in, nobody is told, and of servers that need no TLS we want to see what they have. */
static void
settle(void)
{
	client.sasl_enable = false;
	list_free(&client.notify_classes);
	if (client.tls_level == TLS_UNSET || client.tls_level == TLS_NONE) {
		printf("smtp_tls_security_level is none: TLS is tried as with may\n");
		client.tls_level = TLS_MAY;
	}
}

int
main(int argc, char **argv)
{
	static const struct param *const tables[] = {smtp_params, service_tls_params, NULL};
	struct faults                    faults = {0};
	struct fault                     why = {0};

	if (argc != 2 || argv[1][0] == '-') {
		if (argc < 2 || strcmp(argv[1], "--describe") != 0)
			fprintf(stderr, "usage: postern probe DOMAIN\n");
		return EX_USAGE;
	}
	log_open("postern-probe", -1);
	facts.main_cf = site_load(NULL, &faults);
	params_load(facts.main_cf, tables, &faults);
	if (faults_first(&faults, &why) < 0)
		log_fatal("%s", fault_text(&why));
	autofree char *sockets = mem_format("%s/role/net", site.queue_directory);

	if (access(sockets, X_OK) < 0)
		log_fatal("%s: %m: the mail system must run, and this needs its rights", sockets);
	peer_directory(sockets);
	settle();
	if (client_prepare(&why) < 0)
		log_fatal("%s", fault_text(&why));
	return probe(argv[1]);
}
