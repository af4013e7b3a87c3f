/* SPDX-License-Identifier: ISC */
/*
 * dane.c - level dane: TLSA records that can be trusted say what the certificate must be (RFC 7672)
 *
 * What there is           dane                              dane-only
 *   usable records        they decide                       they decide
 *   none usable (2.1)     encrypt                           not now
 *   none, or not secure   may, or for an MX that was not    not now
 *                         validated smtp_tls_dane_insecure_mx_policy
 *   trouble (2.1.2)       not now: it may be an attack      not now
 */
#include <stdio.h>

#include "base/base64.h"
#include "base/log.h"
#include "client.h"
#include "ipc/ask_dns.h"

enum { TLSA_MAX = 100 };

static enum step
without(enum tls_level instead, const struct host *h, struct tls_policy *p, const char *words, struct trouble *t)
{
	if (p->level == TLS_DANE_ONLY) {
		trouble_set(t, "4.7.5", "%s: %s", h->name, words);
		return STEP_NEXT;
	}
	p->level = instead;
	return STEP_DONE;
}

static enum step
no_answer(const struct host *h, const char *name, struct trouble *t)
{
	trouble_set(t, "4.7.5", "TLSA lookup error for %s:%u", name, h->port);
	return STEP_NEXT;
}

static bool
parse_record(struct span line, struct arena *a, struct tls_tlsa *out)
{
	struct span          word;
	uint64_t             number[3];
	autotext struct text bytes = {0};

	for (size_t i = 0; i < 3; i++)
		if (!span_next(&line, " ", &word) || !span_number(word, &number[i]) || number[i] > 255)
			return false;
	if (hex_decode(span_trim(line), &bytes, NULL) < 0)
		return false;
	*out = (struct tls_tlsa){(uint8_t)number[0], (uint8_t)number[1], (uint8_t)number[2], arena_span(a, text_span(&bytes))};
	return true;
}

static void
take_records(const struct dns_answer *got, const char *name, struct arena *a, struct tls_policy *p)
{
	struct tls_tlsa *list = arena_alloc(a, TLSA_MAX * sizeof *list);
	size_t           n = 0;

	for (size_t i = 0; i < got->n_records && n < TLSA_MAX; i++)
		if (dns_record_counts(span_of(name), "TLSA", got->records[i], got->ttl) && parse_record(got->records[i], a, &list[n]) &&
		    tls_tlsa_usable(&list[n]))
			n++;
	p->tlsa = list;
	p->n_tlsa = n;
}

/* *found: there are secure records at that name. */
static enum step
ask_tlsa(const struct host *h, const char *name, struct arena *a, struct tls_policy *p, bool *found, struct trouble *t)
{
	const char       *question = arena_format(a, "_%u._tcp.%s", h->port, name);
	struct dns_answer got;
	struct fault      why = {0};

	if (ask_dns(span_of(question), "TLSA", a, &got, &why) < 0 || got.state == DNS_TROUBLE)
		return no_answer(h, name, t);
	*found = got.state == DNS_FOUND && got.secure && got.n_records > 0;
	if (*found) {
		take_records(&got, question, a, p);
		p->dane_base = arena_string(a, span_of(name));
	}
	return STEP_DONE;
}

/* The host's address: validated? A name that is an alias is known by its canonical one too (2.2.2). */
static enum step
ask_address(const struct host *h, struct arena *a, bool *secure, const char **canonical, struct trouble *t)
{
	bool              v6 = h->address.u.any.sa_family == AF_INET6;
	struct dns_answer got;
	struct fault      why = {0};

	if (ask_dns(span_of(h->name), v6 ? "AAAA" : "A", a, &got, &why) < 0 || got.state == DNS_TROUBLE)
		return no_answer(h, h->name, t);
	*secure = got.secure;
	*canonical = got.secure && got.canonical[0] ? arena_string(a, span_of(got.canonical)) : h->name;
	return STEP_DONE;
}

static enum step
find_records(const struct host *h, struct arena *a, struct tls_policy *p, bool *found, struct trouble *t)
{
	const char *canonical = h->name;
	bool        secure = false;
	enum step   step = ask_address(h, a, &secure, &canonical, t);

	if (step != STEP_DONE || (!secure && !client.tls_force_insecure_tlsa))
		return step;
	if (!span_is_nocase(span_of(canonical), h->name) && (step = ask_tlsa(h, canonical, a, p, found, t)) != STEP_DONE)
		return step;
	return *found ? STEP_DONE : ask_tlsa(h, h->name, a, p, found, t);
}

enum step
dane_apply(const struct host *h, struct arena *a, struct tls_policy *p, struct trouble *t)
{
	enum tls_level insecure = TLS_MAY;
	bool           found = false;

	if (h->socket)
		return without(TLS_ENCRYPT, h, p, "no DANE over a Unix socket", t);
	if (client.dns_level != DNS_DNSSEC) {
		log_warning("%s: dane configured with dnssec lookups disabled", h->name);
		return without(TLS_MAY, h, p, "dane configured with dnssec lookups disabled", t);
	}
	if (!h->secure) {
		if (strcmp(client.tls_dane_insecure_mx, "may") == 0)
			return without(TLS_MAY, h, p, "non DNSSEC destination", t);
		if (strcmp(client.tls_dane_insecure_mx, "encrypt") == 0)
			insecure = TLS_ENCRYPT;
		if (p->level == TLS_DANE_ONLY)
			return without(TLS_MAY, h, p, "non DNSSEC destination", t);
	}
	if (find_records(h, a, p, &found, t) != STEP_DONE)
		return STEP_NEXT;
	if (!found)
		return without(insecure, h, p, "no TLSA records found", t);
	if (p->n_tlsa == 0) {
		p->dane_base = NULL;
		return without(TLS_ENCRYPT, h, p, "TLSA records unusable", t);
	}
	p->server_name = p->dane_base;
	return STEP_DONE;
}
