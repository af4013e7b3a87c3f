/* SPDX-License-Identifier: ISC */
/*
 * dnsd.c - answers questions about the DNS, and says how far they can be trusted
 *
 * The only program that links libunbound. It forwards to resolv.conf's
 * servers, and validates DNSSEC only where dnsd_trust_anchor_file names an
 * anchor: a forwarder that strips signatures, or an internal zone, must not
 * stop mail (DESIGN.md 9). Grammar: lib/ipc/ask_dns.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strmap.h"
#include "config/site.h"
#include "dnsd_records.h"
#include "dnsd_resolver.h"
#include "ipc/peer.h"
#include "service/service.h"

enum { HOSTS_MAX = 1 << 20, PTR_MAX = 10, ADDRESSES_MAX = 100 };

static struct config {
	const char *servers, *trust_anchor;
	struct list host_lookup;
	int64_t     timeout;
} config;

static struct strmap *hosts;       /* name -> struct text of addresses, blank separated; read-only */

static const struct param params[] = {
	STRING("dnsd_servers", &config.servers, "", "name servers (address, or address@port) instead of resolv.conf's"),
	STRING("dnsd_trust_anchor_file", &config.trust_anchor, "",
	       "DNSSEC trust anchor; empty: no validation, nothing is secure"),
	DURATION("dnsd_timeout", &config.timeout, "15s", "1s", "5m", "how long a question may take"),
	LIST("smtp_host_lookup", &config.host_lookup, "dns", "dns, and native for the hosts file"),
	END_OF_PARAMS
};

static void
add_host(struct span name, struct span ip)
{
	autotext struct text key = {0};
	struct text         *known;

	text_add(&key, name);
	text_lower(&key);
	known = strmap_get(hosts, text_span(&key));
	if (!known) {
		known = mem_alloc(sizeof *known);
		strmap_put(hosts, text_span(&key), known);
	}
	text_add(known, ip);
	text_add_byte(known, ' ');
}

static int
read_hosts(struct fault *why)
{
	autotext struct text all = {0};
	struct span          rest, line, ip, name;

	hosts = strmap_new();
	if (!list_has(&config.host_lookup, "native"))
		return 0;
	if (file_read("/etc/hosts", HOSTS_MAX, &all, why) < 0)
		return -1;
	for (rest = text_span(&all); span_next(&rest, "\r\n", &line);) {
		ptrdiff_t comment = span_find(line, '#');

		if (comment >= 0)
			line = span_first(line, (size_t)comment);
		if (!span_next(&line, " \t", &ip))
			continue;
		while (span_next(&line, " \t", &name))
			add_host(name, ip);
	}
	return 0;
}

static int
prepare(struct fault *why)
{
	struct resolver_settings s = {config.servers, config.trust_anchor, ""};

	return read_hosts(why) < 0 ? -1 : resolver_start(&s, why);
}

/* ------------------------------------------------------------ answers */

static const char *
state_word(enum resolver_state state)
{
	static const char *const words[] = {"found", "none", "nxdomain", "trouble"};

	return words[state];
}

static int
compare_preference(const void *a, const void *b)
{
	struct span x = text_span(a), y = text_span(b), number;
	uint64_t    p = 0, q = 0;

	if (span_split(&x, ' ', &number))
		span_number(number, &p);
	if (span_split(&y, ' ', &number))
		span_number(number, &q);
	return p < q ? -1 : p > q;
}

static void
put_answer(struct frame *answer, const struct resolver_answer *got)
{
	frame_start(answer, "answer");
	frame_put_string(answer, "state", state_word(got->state));
	frame_put_flag(answer, "secure", got->secure);
	frame_put_number(answer, "ttl", got->ttl);
	frame_put(answer, "canonical", text_span(&got->canonical));
	frame_put_string(answer, "trouble", got->trouble);
	for (size_t i = 0; i < got->n_records; i++) {
		if (frame_room(answer) < got->records[i].len + 16)
			break; /* a thousand MX records: the best are enough */
		frame_put(answer, "record", text_span(&got->records[i]));
	}
}

/* A name that cannot be one is never asked for (RFC 1035, 2.3.4). */
static bool
may_be_a_name(struct span name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > 253)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.at[i];

		label = c == '.' ? 0 : label + 1;
		if (label > 63 || c <= ' ' || c >= 0x7f || (c == '.' && (i == 0 || name.at[i - 1] == '.')))
			return false;
	}
	return true;
}

static void
resolve(struct span name, int type, int64_t deadline, struct resolver_answer *out)
{
	if (span_ends(name, "."))
		name = span_first(name, name.len - 1);
	*out = (struct resolver_answer){.state = RESOLVER_NXDOMAIN};
	if (may_be_a_name(name))
		resolver_ask(name, type, deadline, out);
}

static int
do_ask(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span name, type; } in;
	static const struct field fields[] = {
		FIELD_TEXT(__typeof__(in), name, "name", FIELD_NEEDED),
		FIELD_TEXT(__typeof__(in), type, "type", FIELD_NEEDED), FIELD_END
	};
	struct resolver_answer got;
	int                    type;

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!(type = dns_type_of(in.type)))
		return fault_set(why, FAULT_INPUT, "record type %.*s", (int)(in.type.len < 20 ? in.type.len : 20), in.type.at);
	resolve(in.name, type, clock_after(config.timeout), &got);
	if (type == DNS_MX && got.n_records)
		qsort(got.records, got.n_records, sizeof *got.records, compare_preference);
	put_answer(answer, &got);
	resolver_answer_free(&got);
	return 0;
}

/* Both families count as one answer: found when one was, trouble when that is all there is. */
static void
merge(struct resolver_answer *all, struct resolver_answer *more)
{
	all->records = mem_grow(all->records, all->n_records + more->n_records, sizeof *all->records);
	for (size_t i = 0; i < more->n_records && all->n_records < ADDRESSES_MAX; i++) {
		all->records[all->n_records++] = more->records[i];
		more->records[i] = (struct text){0};
	}
	if (more->state == RESOLVER_FOUND && all->state != RESOLVER_FOUND) {
		all->state = RESOLVER_FOUND;
		all->secure = more->secure;
		all->ttl = more->ttl;
	} else if (all->state != RESOLVER_FOUND && more->state == RESOLVER_TROUBLE) {
		all->state = RESOLVER_TROUBLE;
		memcpy(all->trouble, more->trouble, sizeof all->trouble);
	} else if (all->state == RESOLVER_NXDOMAIN && more->state == RESOLVER_NONE) {
		all->state = RESOLVER_NONE;
	}
	all->secure = all->secure && more->secure;
	if (!all->canonical.len)
		text_add(&all->canonical, text_span(&more->canonical));
}

static bool
protocol_on(const char *protocol)
{
	return list_has(&site.inet_protocols, protocol) || list_has(&site.inet_protocols, "all");
}

static void
add_record(struct resolver_answer *a, struct span record)
{
	a->records = mem_grow(a->records, a->n_records + 1, sizeof *a->records);
	a->records[a->n_records] = (struct text){0};
	text_add(&a->records[a->n_records++], record);
	a->state = RESOLVER_FOUND;
}

static bool
from_hosts(struct span name, struct resolver_answer *out)
{
	autotext struct text key = {0};
	struct text         *known;
	struct span          rest, ip;

	text_add(&key, name);
	text_lower(&key);
	if (!(known = strmap_get(hosts, text_span(&key))))
		return false;
	for (rest = text_span(known); span_next(&rest, " ", &ip);) {
		bool v6 = span_has(ip, ':');

		if (protocol_on(v6 ? "ipv6" : "ipv4"))
			add_record(out, ip);
	}
	return out->n_records > 0;
}

static void
find_addresses(struct span name, struct resolver_answer *out)
{
	int64_t                deadline = clock_after(config.timeout);
	struct resolver_answer other;
	autofree char         *literal = mem_span(name);
	unsigned char          bytes[16];

	*out = (struct resolver_answer){.state = RESOLVER_NXDOMAIN};
	if (inet_pton(AF_INET, literal, bytes) == 1 || inet_pton(AF_INET6, literal, bytes) == 1) {
		add_record(out, name);
		return;
	}
	/* "native" alone is the system's way, and that ends at DNS, too: "no such host" would
	 * return mail to its sender */
	if (from_hosts(name, out))
		return;
	if (protocol_on("ipv6"))
		resolve(name, DNS_AAAA, deadline, out);
	if (protocol_on("ipv4")) {
		resolve(name, DNS_A, deadline, &other);
		if (!protocol_on("ipv6")) {
			*out = other;
			return;
		}
		merge(out, &other);
		resolver_answer_free(&other);
	}
}

static int
do_addresses(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span name; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), name, "name", FIELD_NEEDED), FIELD_END};
	struct resolver_answer got;

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	find_addresses(in.name, &got);
	put_answer(answer, &got);
	resolver_answer_free(&got);
	return 0;
}

/* ------------------------------------------------------------ the name of a client */

struct client {
	const char *ip;
	char        reason[400];
	bool        temporary, verified;
	char        reverse[256];
};

static bool
same_address(const char *a, struct span b)
{
	autofree char *other = mem_span(b);
	unsigned char  x[16], y[16];

	if (inet_pton(AF_INET, a, x) == 1)
		return inet_pton(AF_INET, other, y) == 1 && memcmp(x, y, 4) == 0;
	return inet_pton(AF_INET6, a, x) == 1 && inet_pton(AF_INET6, other, y) == 1 && memcmp(x, y, 16) == 0;
}

static void
check_forward(struct client *c)
{
	struct resolver_answer got;
	int                    type = strchr(c->ip, ':') ? DNS_AAAA : DNS_A;

	resolve(span_of(c->reverse), type, clock_after(config.timeout), &got);
	for (size_t i = 0; i < got.n_records && !c->verified; i++)
		c->verified = same_address(c->ip, text_span(&got.records[i]));
	c->temporary = got.state == RESOLVER_TROUBLE;
	if (c->verified)
		c->reason[0] = '\0';
	else if (got.state == RESOLVER_FOUND)
		snprintf(c->reason, sizeof c->reason, "hostname %s does not resolve to address %s", c->reverse, c->ip);
	else
		snprintf(c->reason, sizeof c->reason, "hostname %s does not resolve to address %s: %s", c->reverse, c->ip,
		         c->temporary ? "Temporary failure in name resolution" : "Name or service not known");
	resolver_answer_free(&got);
}

/* Whoever owns an address writes its PTR record: a number there must not pass for another's address. */
static bool
is_number(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_digit(name.at[i]) && name.at[i] != '.')
			return false;
	return true;
}

static void
find_client(struct client *c)
{
	autotext struct text   name = {0};
	struct resolver_answer got;

	snprintf(c->reason, sizeof c->reason, "no name");
	if (dns_reverse_name(c->ip, &name, NULL) < 0)
		return;
	resolve(text_span(&name), DNS_PTR, clock_after(config.timeout), &got);
	c->temporary = got.state == RESOLVER_TROUBLE;
	if (got.state == RESOLVER_FOUND && is_number(text_span(&got.records[0]))) {
		snprintf(c->reason, sizeof c->reason, "numeric result %s in address->name lookup for %s", text_string(&got.records[0]), c->ip);
	} else if (got.state == RESOLVER_FOUND) {
		snprintf(c->reverse, sizeof c->reverse, "%s", text_string(&got.records[0]));
		check_forward(c);
	}
	resolver_answer_free(&got);
}

static int
do_client(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span ip; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), ip, "ip", FIELD_NEEDED), FIELD_END};
	struct client             c = {0};
	autofree char            *ip = NULL;

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	c.ip = ip = mem_span(in.ip);
	find_client(&c);
	frame_start(answer, "client");
	frame_put_string(answer, "name", c.verified ? c.reverse : "");
	frame_put_string(answer, "reverse", c.reverse);
	frame_put_string(answer, "reason", c.reason);
	frame_put_flag(answer, "temporary", c.temporary);
	return 0;
}

static const struct peer_verb verbs[] = {
	{"ask", 0, 0, do_ask},
	{"addresses", 0, 0, do_addresses},
	{"client", 0, 0, do_client},
	{NULL, 0, 0, NULL}
};

static void
serve(int sock, const struct listener *unused)
{
	(void)unused;
	peer_serve(sock, verbs, NULL);
	close(sock);
}

static const struct service dnsd = {
	.name = "dnsd",
	.about = "answers questions about the DNS, with DNSSEC where an anchor is set",
	.role = ROLE_DNS,
	.model = SERVE_TASKS,
	.promises = MAY_ACCEPT | MAY_DNS,
	.params = params,
	.tasks = "1000",
	.prepare = prepare,
	.begin = resolver_begin,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&dnsd, argc, argv);
}
