/* SPDX-License-Identifier: ISC */
/*
 * ask_dns.c - asking dnsd (the grammar is in ask_dns.h; the answers are made
 * in guard/dnsd.c)
 *
 *   ask        name=.. type=..    | answer ...
 *   addresses  name=.. hosts=yes  | answer ...   (A and AAAA together, by inet_protocols)
 *   client     ip=..              | client name=.. reverse=.. [reason=..]
 */
#include "ipc/ask_dns.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/clock.h"
#include "ipc/memo.h"
#include "ipc/peer.h"

/* dnsd has a deadline of its own, which is shorter: this one is for its death. */
enum { ASK_MS = 60000, MAX_RECORDS = 4000 };

static const struct { const char *word; enum dns_state state; } states[] = {
	{"found", DNS_FOUND}, {"none", DNS_NONE}, {"nxdomain", DNS_NXDOMAIN}, {"trouble", DNS_TROUBLE},
};

static void
copy(char *to, size_t size, struct span s)
{
	snprintf(to, size, "%.*s", SPAN_ARGS(s));
}

static void
take_records(const struct frame *f, struct arena *a, struct dns_answer *out)
{
	struct span name, value;
	size_t      at = 0, count = 0;

	while (frame_next(f, &at, &name, &value))
		count += span_is(name, "record");
	out->records = arena_alloc(a, (count + 1) * sizeof *out->records);
	at = 0;
	while (frame_next(f, &at, &name, &value))
		if (span_is(name, "record") && out->n_records < MAX_RECORDS)
			out->records[out->n_records++] = arena_span(a, value);
}

static int
take_answer(const struct frame *f, struct arena *a, struct dns_answer *out, struct fault *why)
{
	struct dns_answer got = {.state = DNS_TROUBLE};
	struct span       s;

	if (!frame_is(f, "answer") || !frame_get(f, "state", &s))
		return fault_set(why, FAULT_INPUT, "dnsd: malformed answer");
	for (size_t i = 0; i < COUNT(states); i++)
		if (span_is(s, states[i].word))
			got.state = states[i].state;
	got.secure = frame_get_flag(f, "secure");
	frame_get_number(f, "ttl", &got.ttl);
	if (frame_get(f, "trouble", &s))
		copy(got.trouble, sizeof got.trouble, s);
	if (frame_get(f, "canonical", &s))
		copy(got.canonical, sizeof got.canonical, s);
	take_records(f, a, &got);
	*out = got;
	return 0;
}

static int
ask(struct frame *f, struct arena *a, struct dns_answer *out, struct fault *why)
{
	return peer_call("dnsd", f, clock_after(ASK_MS), why) < 0 ? -1 : take_answer(f, a, out, why);
}

int
ask_dns_question(struct span name, const char *type, int64_t deadline, int *sock, struct fault *why)
{
	autoframe struct frame f = {0};
	autoclose int          s = -1;

	frame_start(&f, "ask");
	frame_put(&f, "name", name);
	frame_put_string(&f, "type", type);
	if (peer_take("dnsd", deadline, &s, why) < 0 || frame_send(s, &f, deadline, why) < 0)
		return -1;
	*sock = take_fd(s);
	return 0;
}

int
ask_dns_answer(int sock, int64_t deadline, struct arena *a, struct dns_answer *out, struct fault *why)
{
	autoframe struct frame f = {0};
	autoclose int          s = sock;
	int                    got = frame_receive(s, &f, deadline, why);

	if (got != 0)
		return got == 1 ? fault_set(why, FAULT_PEER, "dnsd went away") : -1;
	peer_give("dnsd", take_fd(s));
	return take_answer(&f, a, out, why);
}

int
ask_dns(struct span name, const char *type, struct arena *a, struct dns_answer *out, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "ask");
	frame_put(&f, "name", name);
	frame_put_string(&f, "type", type);
	return ask(&f, a, out, why);
}

static bool
is_literal(struct span host)
{
	unsigned char bytes[16];
	char          text[INET6_ADDRSTRLEN];

	if (host.len >= sizeof text || span_has(host, '\0'))
		return false;
	copy(text, sizeof text, host);
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int
ask_addresses(struct span host, struct arena *a, struct dns_address **out, size_t *count,
              enum dns_state *state, struct fault *why)
{
	autoframe struct frame f = {0};
	struct dns_answer      got;
	struct dns_address    *list;

	if (is_literal(host)) { /* a literal answers for itself */
		list = arena_alloc(a, sizeof *list);
		copy(list->ip, sizeof list->ip, host);
		*out = list;
		*count = 1;
		*state = DNS_FOUND;
		return 0;
	}
	frame_start(&f, "addresses");
	frame_put(&f, "name", host);
	if (ask(&f, a, &got, why) < 0)
		return -1;
	if (got.state == DNS_TROUBLE)
		fault_set(why, FAULT_TIME, "%s", got.trouble);
	list = arena_alloc(a, (got.n_records + 1) * sizeof *list);
	for (size_t i = 0; i < got.n_records; i++)
		copy(list[i].ip, sizeof list[i].ip, got.records[i]);
	*out = list;
	*count = got.n_records;
	*state = got.state;
	return 0;
}

int
ask_client_name(const char *ip, char *name, size_t size, char *reverse_name, size_t reverse_size, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            s;

	frame_start(&f, "client");
	frame_put_string(&f, "ip", ip);
	if (memo_call("dnsd", "client", &f, clock_after(ASK_MS), why) < 0)
		return -1;
	snprintf(name, size, "unknown");
	snprintf(reverse_name, reverse_size, "unknown");
	if (frame_get(&f, "name", &s) && s.len)
		copy(name, size, s);
	if (frame_get(&f, "reverse", &s) && s.len)
		copy(reverse_name, reverse_size, s);
	if (frame_get(&f, "reason", &s) && s.len)
		return fault_set(why, frame_get_flag(&f, "temporary") ? FAULT_TIME : FAULT_DENIED, "%.*s", SPAN_ARGS(s));
	return 0;
}
