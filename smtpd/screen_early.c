/* SPDX-License-Identifier: ISC */
/*
 * screen_early.c - the tests before the greeting
 *
 * The greeting comes in two halves, and in between the DNS lists are asked: a client that
 * speaks before the second is a machine that does not listen (RFC 5321, 4.3.1).  What it
 * says is peeked at and not read, so that smtpd finds all of it.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_dns.h"
#include "screen.h"

enum { ASK_MS = 2000, PEEK = 512 };

struct question {
	const struct dnsbl *list;
	int                 sock;              /* -1: answered, or lost */
};

struct early {
	struct screened *s;
	struct arena    *arena;
	struct question *asked;
	size_t           n, open;
	int              score;
	int64_t          ttl;                  /* seconds, of the shortest answer; -1: none */
	const char      *named;                /* who weighs most */
	int              named_weight;
	bool             spoke, gone;
};

static struct span
reversed(struct arena *arena, const char *address)
{
	struct netaddr a;
	char           name[NETADDR_PTR_SIZE];
	struct span    full;

	if (!netaddr_parse(span_of(address), &a))
		return SPAN_NONE;
	full = span_of(netaddr_ptr_name(&a, name));
	return arena_span(arena, span_first(full, (size_t)span_find_text(full, a.family == 4 ? SPAN(".in-addr") : SPAN(".ip6"))));
}

static void
ask_lists(struct early *e)
{
	struct span what = reversed(e->arena, e->s->who.address);

	e->asked = arena_alloc(e->arena, (screen.n_dnsbl + 1) * sizeof *e->asked);
	for (size_t i = 0; what.len && i < screen.n_dnsbl; i++) {
		struct question *q = &e->asked[e->n++];
		struct fault     why = {0};
		const char      *name = arena_format(e->arena, "%.*s.%s", SPAN_ARGS(what), screen.dnsbl[i].zone);

		*q = (struct question){&screen.dnsbl[i], -1};
		if (ask_dns_question(span_of(name), "A", clock_after(ASK_MS), &q->sock, &why) < 0)
			log_warning("%s: DNSBL lookup: %s", name, fault_text(&why));
		else
			e->open++;
	}
}

static void
log_listed(const struct early *e, const struct question *q, const struct dns_answer *a)
{
	log_as("dnsblog");
	for (size_t i = 0; i < a->n_records; i++)
		log_info("addr %s listed by domain %s as %.*s", e->s->who.address, q->list->zone, SPAN_ARGS(a->records[i]));
	log_as(NULL);
}

static void
take_answer(struct early *e, struct question *q)
{
	struct dns_answer a = {0};
	struct fault      why = {0};
	int               score;

	e->open--;
	if (ask_dns_answer(take_fd(q->sock), clock_after(ASK_MS), e->arena, &a, &why) < 0 || a.state == DNS_TROUBLE) {
		log_warning("%s: DNSBL lookup of %s: %s", e->s->label, q->list->zone,
		            why.class ? fault_text(&why) : a.trouble[0] ? a.trouble : "Host not found, try again");
		return;
	}
	if (e->ttl < 0 || a.ttl < e->ttl)
		e->ttl = a.ttl;
	if (a.state != DNS_FOUND)
		return;
	log_listed(e, q, &a);
	score = dnsbl_score(q->list, a.records, a.n_records);
	e->score += score;
	if (!e->named || score > e->named_weight) {
		e->named = q->list->told;
		e->named_weight = score;
	}
}

/* He speaks, or hangs up. */
static void
look_at_client(struct early *e)
{
	autotext struct text line = {0};
	autofree char       *bytes = mem_alloc(PEEK);
	ssize_t              n = recv(e->s->fd, bytes, PEEK, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		e->gone = true;
		return;
	}
	e->spoke = true;
	if (!(e->s->due & 1u << TEST_PREGREET))
		return;
	text_add_format(&line, "PREGREET %zd after ", n);
	screen_print_since(e->s, &line);
	text_add_format(&line, " from %s: ", e->s->label);
	screen_escape(span_at(bytes, (size_t)n), 100, &line);
	log_info("%s", text_string(&line));
}

/* Nothing more can be learned by waiting. */
static bool
is_enough(const struct early *e)
{
	if (e->open)
		return false;
	if (screen.dnsbl_allow < 0 && (e->s->due & 1u << TEST_DNSBL) && e->score <= screen.dnsbl_allow && !e->s->failed && !e->spoke)
		return true;
	return !(e->s->due & 1u << TEST_PREGREET) || e->spoke;
}

/* Up to postscreen_greet_wait. True: the session is over. */
static bool
wait_and_see(struct early *e)
{
	int64_t end = e->s->began + screen.greet_wait, dns_end = e->s->began + screen.dnsbl_timeout;

	while (!e->gone && !is_enough(e) && clock_now() < end) {
		autofree struct pollfd *p = mem_array(e->n + 1, sizeof *p);
		bool                    spoke = e->spoke;

		p[0] = (struct pollfd){.fd = e->spoke ? -1 : e->s->fd, .events = POLLIN};
		for (size_t i = 0; i < e->n; i++)
			p[i + 1] = (struct pollfd){.fd = clock_now() < dns_end ? e->asked[i].sock : -1, .events = POLLIN};
		if (poll(p, e->n + 1, clock_left(end)) <= 0)
			continue;
		for (size_t i = 0; i < e->n; i++)
			if (p[i + 1].revents)
				take_answer(e, &e->asked[i]);
		if (p[0].revents)
			look_at_client(e);
		if (!e->spoke || spoke || !(e->s->due & 1u << TEST_PREGREET))
			continue;
		e->s->spoke = screen.greet_action != SCREEN_IGNORE;
		if (screen_fail(e->s, screen.greet_action, "521 5.5.1 Protocol error\r\n", "550 5.5.1 Protocol error"))
			return true;
	}
	return false;
}

/* Those who are trusted by others need no test of ours. */
static void
let_in(struct screened *s, int64_t ttl_ms)
{
	for (int i = 0; i < SCREEN_TESTS; i++)
		screen_pass(s, (enum screen_test)i, ttl_ms);
}

static bool
judge_score(struct early *e)
{
	struct screened     *s = e->s;
	autotext struct text dropped = {0}, enforced = {0};
	int64_t              ttl = (e->ttl < 0 ? 0 : e->ttl) * 1000;

	if (ttl < screen.dnsbl_min_ttl)
		ttl = screen.dnsbl_min_ttl;
	if (ttl > screen.dnsbl_max_ttl)
		ttl = screen.dnsbl_max_ttl;
	if (e->score < screen.dnsbl_threshold) {
		screen_pass(s, TEST_DNSBL, ttl);
		if (screen.dnsbl_allow < 0 && e->score <= screen.dnsbl_allow && !s->failed && !e->spoke)
			let_in(s, ttl);
		return false;
	}
	log_info("DNSBL rank %d for %s", e->score, s->label);
	text_add_format(&dropped, "521 5.7.1 Service unavailable; client [%s] blocked using %s\r\n", s->who.address, e->named);
	text_add_format(&enforced, "550 5.7.1 Service unavailable; client [%s] blocked using %s", s->who.address, e->named);
	return screen_fail(s, screen.dnsbl_action, text_string(&dropped), text_string(&enforced));
}

static void
log_hangup(struct screened *s)
{
	autotext struct text line = {0};

	text_add_string(&line, "HANGUP after ");
	screen_print_since(s, &line);
	log_info("%s from %s in tests before SMTP handshake", text_string(&line), s->label);
}

bool
screen_test_early(struct screened *s)
{
	autoarena struct arena *arena = arena_new();
	struct early            e = {.s = s, .arena = arena, .ttl = -1};
	bool                    over;

	if (s->due & 1u << TEST_PREGREET) {
		autotext struct text teaser = {0};

		text_add_format(&teaser, "220-%s\r\n", screen.greet_banner);
		screen_tell(s, text_string(&teaser));
	}
	if (s->due & 1u << TEST_DNSBL)
		ask_lists(&e);
	over = wait_and_see(&e);
	for (size_t i = 0; i < e.n; i++)
		auto_close(&e.asked[i].sock);
	if (e.gone) {
		s->failed = true;
		log_hangup(s);
		return true;
	}
	if (over)
		return true;
	if ((s->due & 1u << TEST_PREGREET) && !e.spoke)
		screen_pass(s, TEST_PREGREET, screen.greet_ttl);
	return (s->due & 1u << TEST_DNSBL) && judge_score(&e);
}
