/* SPDX-License-Identifier: ISC */
/*
 * fuzz_login_told.c - what a proxy says of its client: the words of XCLIENT, or fields of ID, a line each ("name value")
 *
 * Whatever is said: an address that is taken is one, and as we would print it; a port is one; nothing of which a log line or a
 * command is made gets into a session's name; a fault leaves what it is about as it was.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "service/login_told.h"

static void
check_address(const char *text)
{
	struct netaddr a;
	char           again[NETADDR_TEXT_SIZE];

	if (*text)
		assert(netaddr_parse(span_of(text), &a) && strcmp(netaddr_string(&a, again), text) == 0);
}

static void
check(const struct told *t)
{
	uint64_t n;

	check_address(t->peer);
	check_address(t->local);
	assert(t->peer_port >= 0 && t->peer_port <= 65535 && t->local_port >= 0 && t->local_port <= 65535);
	assert(strlen(t->session) <= TOLD_SESSION_MAX && strcspn(t->session, " <>\"\\,\r\n\t\x7f") == strlen(t->session));
	assert(!t->ttl[0] || (span_number(span_of(t->ttl), &n) && n <= 999));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told  t = {0}, before;
	struct fault why = {0};
	struct span  rest, line, name;

	if (size == 0)
		return 0;
	rest = span_at(data + 1, size - 1);
	if (data[0] & 1) {
		if (told_xclient(rest, &t, &why) < 0)
			assert(fault_text(&why)[0]);
		check(&t);
		assert(!t.local[0] && !t.local_port);
	}
	while (!(data[0] & 1) && span_next(&rest, "\n", &line)) {
		span_split(&line, ' ', &name);
		before = t;
		if (told_take(&t, TOLD_BY_ID, name, line, &why) < 0)
			assert(fault_text(&why)[0] && told_same(&before, &t) && before.said == t.said);
		check(&t);
	}
	told_no_client(&t);
	assert(!told_who(&t) && !t.peer[0] && !t.session[0]);
	return 0;
}
