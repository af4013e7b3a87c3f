/* SPDX-License-Identifier: ISC */
/*
 * login_told.c - what a proxy says of the client for whom it speaks
 */
#include "service/login_told.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct field {
	const char *id, *xclient;         /* NULL: that has none */
	size_t      at;
	int       (*parse)(struct span value, void *at);
};

static int
take_address(struct span value, void *at)
{
	struct netaddr a;

	if (!netaddr_parse(value, &a))
		return -1;
	a = netaddr_unmapped(&a);
	netaddr_string(&a, at);
	return 0;
}

static int
take_port(struct span value, void *at)
{
	uint64_t n;

	if (value.len > 5 || !span_number(value, &n) || n == 0 || n > 65535)
		return -1;
	*(int *)at = (int)n;
	return 0;
}

/* Some say more than 999, and mean none. */
static int
take_ttl(struct span value, void *at)
{
	uint64_t n;

	if (!span_number(value, &n))
		return -1;
	snprintf(at, sizeof ((struct told *)NULL)->ttl, "%d", n > 999 ? 999 : (int)n);
	return 0;
}

static int
take_session(struct span value, void *at)
{
	if (value.len > TOLD_SESSION_MAX)
		return 0;
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] <= ' ' || value.at[i] >= 0x7f || strchr("<>\"\\,(){}[]%*=", value.at[i]))
			return 0;
	snprintf(at, TOLD_SESSION_MAX + 1, "%.*s", SPAN_ARGS(value));
	return 0;
}

enum { TTL = 5 };

static const struct field fields[] = {
	{"x-originating-ip", "ADDR", offsetof(struct told, peer), take_address},
	{"x-originating-port", "PORT", offsetof(struct told, peer_port), take_port},
	{"x-connected-ip", NULL, offsetof(struct told, local), take_address},
	{"x-connected-port", NULL, offsetof(struct told, local_port), take_port},
	{"x-session-id", "SESSION", offsetof(struct told, session), take_session},
	[TTL] = {"x-proxy-ttl", "TTL", offsetof(struct told, ttl), take_ttl},
};

int
told_take(struct told *t, enum told_style style, struct span name, struct span value, struct fault *why)
{
	for (size_t i = 0; i < COUNT(fields); i++) {
		const char *known = style == TOLD_BY_ID ? fields[i].id : fields[i].xclient;

		if (!known || !span_is_nocase(name, known))
			continue;
		if (t->said & 1u << i)
			return fault_set(why, FAULT_INPUT, "%s is said twice", known);
		if (fields[i].parse(value, (char *)t + fields[i].at) < 0)
			return fault_set(why, FAULT_INPUT, "%s has a value that is none", known);
		t->said |= 1u << i;
		return 0;
	}
	return 0;
}

int
told_xclient(struct span words, struct told *t, struct fault *why)
{
	struct span word, name;

	while (span_next(&words, " ", &word)) {
		span_split(&word, '=', &name);
		if (told_take(t, TOLD_BY_XCLIENT, name, word, why) < 0)
			return -1;
	}
	return 0;
}

void
told_no_client(struct told *t)
{
	struct told kept = {.said = t->said & 1u << TTL};

	memcpy(kept.ttl, t->ttl, sizeof kept.ttl);
	*t = kept;
}

bool
told_who(const struct told *t)
{
	return t->said & ~(1u << TTL);
}

bool
told_same(const struct told *a, const struct told *b)
{
	return strcmp(a->peer, b->peer) == 0 && strcmp(a->local, b->local) == 0 && strcmp(a->session, b->session) == 0 &&
		a->peer_port == b->peer_port && a->local_port == b->local_port;
}
