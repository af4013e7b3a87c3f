/* SPDX-License-Identifier: ISC */
/*
 * screen_client.c - one client before anybody speaks with him
 *
 * Lists first, then what he has passed before, then the greeting in two halves while the
 * DNS lists are asked: a client that speaks in between is a machine that does not listen
 * (RFC 5321, 4.3.1).  Nothing is read here but by peeking, so that smtpd finds all of it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strmap.h"
#include "config/site.h"
#include "ipc/ask_dns.h"
#include "ipc/ask_verify.h"
#include "ipc/deliver.h"
#include "net/address.h"
#include "net/proxy_protocol.h"
#include "screen.h"

enum { TELL_MS = 2000, HAND_MS = 10000, PEEK = 512 };

/* The monitor of all clients in this process. */
static struct {
	struct monitor lock;
	struct strmap *from;                   /* address -> size_t * */
	int            screening, handing;
} crowd = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static size_t
crowd_enter(const char *address, int *screening)
{
	size_t *n, count;

	monitor_enter(&crowd.lock);
	if (!crowd.from)
		crowd.from = strmap_new();
	n = strmap_get(crowd.from, span_of(address));
	if (!n)
		strmap_put(crowd.from, span_of(address), n = mem_alloc(sizeof *n));
	count = ++*n;
	*screening = ++crowd.screening;
	monitor_leave(&crowd.lock);
	return count;
}

static void
crowd_leave(const char *address)
{
	size_t *n;

	monitor_enter(&crowd.lock);
	n = strmap_get(crowd.from, span_of(address));
	if (n && --*n == 0)
		free(strmap_remove(crowd.from, span_of(address)));
	crowd.screening--;
	monitor_leave(&crowd.lock);
}

static int
crowd_handing(int more)
{
	int n;

	monitor_enter(&crowd.lock);
	n = crowd.handing += more;
	monitor_leave(&crowd.lock);
	return n;
}

/* ---- small things ---- */

void
screen_print_since(const struct screened *s, struct text *out)
{
	deliver_print_delay(out, (clock_now() - s->began) * 1000);
}

void
screen_escape(struct span in, size_t limit, struct text *out)
{
	size_t end = out->len + limit;

	for (size_t i = 0; i < in.len && out->len < end; i++) {
		unsigned char c = (unsigned char)in.at[i];

		if (c == '\r' || c == '\n' || c == '\t' || c == '\\')
			text_add_format(out, "\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
		else if (c < ' ' || c >= 127)
			text_add_format(out, "\\%03o", c);
		else
			text_add_byte(out, (char)c);
	}
}

void
screen_tell(struct screened *s, const char *reply)
{
	struct span rest = span_of(reply);
	int64_t     deadline = clock_after(TELL_MS);

	while (rest.len) {
		ssize_t n = send(s->fd, rest.at, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && ((errno != EAGAIN && errno != EWOULDBLOCK) || task_wait_fd(s->fd, POLLOUT, deadline, NULL) < 0))
			return;
		if (n > 0)
			rest = span_from(rest, (size_t)n);
	}
}

/* Bytes of his that wait would make the close a reset, which may take the reply away from him. */
static void
drain(int fd)
{
	char some[1024];

	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 64 && recv(fd, some, sizeof some, MSG_DONTWAIT) > 0; i++)
		;
}

static void
drop(struct screened *s, const char *reply)
{
	screen_tell(s, reply);
	drain(s->fd);
}

void
screen_pass(struct screened *s, enum screen_test test, int64_t ttl_ms)
{
	int64_t until = clock_wall() / 1000000 + ttl_ms / 1000;

	s->passed |= 1u << test;
	if (until > s->record.until[test])
		s->record.until[test] = until;
}

bool
screen_fail(struct screened *s, enum screen_action action, const char *drop_reply, const char *enforce_reply)
{
	if (action == SCREEN_IGNORE)
		return false;                  /* not passed either: tried anew next time */
	s->failed = true;
	if (action == SCREEN_DROP) {
		drop(s, drop_reply);
		return true;
	}
	s->stays = true;
	if (!s->refusal.len)
		text_add_string(&s->refusal, enforce_reply);
	return false;
}

/* ---- lists ---- */

static int
mynetworks_has(struct screened *s, struct fault *why)
{
	return match_address(screen.mynetworks, SPAN_NONE, span_of(s->who.address), why);
}

/* What stands in a table: 'p', 'r', 'd' (dunno: the end), 0 (go on) */
static int
judge_words(struct screened *s, struct span words, struct fault *why)
{
	struct span word;

	while (span_next(&words, ", \t\r\n", &word)) {
		int in;

		if (span_is_nocase(word, "permit"))
			return 'p';
		if (span_is_nocase(word, "reject"))
			return 'r';
		if (span_is_nocase(word, "dunno"))
			return 'd';
		if (!span_is_nocase(word, "permit_mynetworks")) {
			log_warning("postscreen_access_list: bad word in a table: \"%.*s\"", SPAN_ARGS(span_first(word, 80)));
			return 'd';
		}
		in = mynetworks_has(s, why);
		if (in != 0)
			return in < 0 ? -1 : 'p';
	}
	return 0;
}

static int
judge_rule(struct screened *s, const struct access_rule *r, struct fault *why)
{
	autotext struct text value = {0};
	int                  got;

	switch (r->kind) {
	case ACCESS_PERMIT: return 'p';
	case ACCESS_REJECT: return 'r';
	case ACCESS_DUNNO: return 'd';
	case ACCESS_MYNETWORKS:
		got = mynetworks_has(s, why);
		return got < 0 ? -1 : got ? 'p' : 0;
	case ACCESS_TABLE: break;
	}
	got = table_find(r->table, span_of(s->who.address), &value, why);
	return got < 0 ? -1 : got > 0 ? 0 : judge_words(s, text_span(&value), why);
}

static int
judge_access(struct screened *s)
{
	for (size_t i = 0; i < screen.n_access; i++) {
		struct fault why = {0};
		int          got = judge_rule(s, &screen.access[i], &why);

		if (got < 0)
			log_warning("postscreen_access_list: %s", fault_text(&why));
		if (got > 0)
			return got;
	}
	return 'd';
}

/* ---- where he goes ---- */

static void
log_pass(const struct screened *s)
{
	if (s->passed && (s->due & ~s->passed) == 0)
		log_info("PASS %s %s", s->is_new ? "NEW" : "OLD", s->label);
}

static void
save(struct screened *s)
{
	autotext struct text value = {0};
	struct fault         why = {0};

	if (!s->passed)
		return;
	screen_record_print(&s->record, &value);
	if (ask_remember(span_of(s->who.address), text_span(&value), &why) < 0)
		log_warning("postscreen cache: %s", fault_text(&why));
}

static void
remember(struct screened *s)
{
	if (s->failed)
		s->passed = 0;
	log_pass(s);
	save(s);
}

static void
give_to_smtpd(struct screened *s)
{
	struct fault why = {0};
	int          handing = crowd_handing(1);

	if (handing > screen.post_queue_limit) {
		log_info("NOQUEUE: reject: CONNECT from %s: all server ports busy", s->label);
		drop(s, "421 4.3.2 All server ports are busy\r\n");
	} else if (hand_over(screen.service_name, s->fd, &s->who, clock_after(HAND_MS), &why) < 0) {
		log_warning("%s", fault_text(&why));
		drop(s, "421 4.3.2 No system resources\r\n");
	}
	crowd_handing(-1);
}

/* ---- the tests before the greeting ---- */

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
		if (ask_dns_question(span_of(name), "A", clock_after(TELL_MS), &q->sock, &why) < 0)
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
	if (ask_dns_answer(take_fd(q->sock), clock_after(TELL_MS), e->arena, &a, &why) < 0 || a.state == DNS_TROUBLE) {
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

/* True: the session is over. */
static bool
test_early(struct screened *s)
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

/* ---- the whole ---- */

static void
recall(struct screened *s)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	int                  got = ask_recall(span_of(s->who.address), &value, &why);

	if (got < 0)
		log_warning("postscreen cache: %s", fault_text(&why));
	s->is_new = got != 0 || !screen_record_parse(text_span(&value), &s->record);
	s->due = screen_record_due(&s->record, screen.enabled, clock_wall() / 1000000);
}

/* Only on some of our addresses can one become known (a primary MX host's). True: go on as usual. */
static void
veto(struct screened *s)
{
	struct fault why = {0};
	int          got = match_address(screen.allowed_interfaces, SPAN_NONE, span_of(s->who.server_address), &why);

	if (got > 0)
		return;
	if (got < 0)
		log_warning("postscreen_allowlist_interfaces: %s", fault_text(&why));
	log_info("%s VETO %s", screen.respectful ? "ALLOWLIST" : "WHITELIST", s->label);
	screen_fail(s, SCREEN_ENFORCE, "", "450 4.3.2 Service currently unavailable");
}

static void
log_disconnect(const struct screened *s)
{
	log_info("DISCONNECT %s", s->label);
}

/* True: he was sent away, or goes on to smtpd. */
static bool
by_lists(struct screened *s)
{
	int judged = judge_access(s);

	if (judged == 'p') {
		log_info("%s %s", screen.respectful ? "ALLOWLISTED" : "WHITELISTED", s->label);
		give_to_smtpd(s);
		return true;
	}
	if (judged != 'r')
		return false;
	log_info("%s %s", screen.respectful ? "DENYLISTED" : "BLACKLISTED", s->label);
	if (!screen_fail(s, (enum screen_action)screen.deny_action, "521 5.3.2 Service currently unavailable\r\n",
	                 "550 5.3.2 Service currently unavailable"))
		return false;
	log_disconnect(s);
	return true;
}

static void
run_tests(struct screened *s)
{
	veto(s);
	if (test_early(s)) {
		remember(s);
		log_disconnect(s);
		return;
	}
	if (s->stays || (s->due & ~s->passed & TESTS_AFTER)) {
		screen_talk(s);
		remember(s);
		log_disconnect(s);
		return;
	}
	remember(s);
	give_to_smtpd(s);
}

static void
serve(struct screened *s, size_t from_here, int screening)
{
	log_info("CONNECT from %s to [%s]:%s", s->label, s->who.server_address, s->who.server_port);
	if (screen.connection_limit && from_here > (size_t)screen.connection_limit) {
		log_info("NOQUEUE: reject: CONNECT from %s: too many connections", s->label);
		drop(s, "421 4.7.0 Error: too many connections\r\n");
		log_disconnect(s);
		return;
	}
	if (by_lists(s))
		return;
	recall(s);
	if (s->due == 0 && !s->failed && !s->stays) {
		log_info("PASS OLD %s", s->label);
		give_to_smtpd(s);
		return;
	}
	if (screening > screen.pre_queue_limit) {
		log_info("NOQUEUE: reject: CONNECT from %s: all screening ports busy", s->label);
		drop(s, "421 4.3.2 All screening ports are busy\r\n");
		log_disconnect(s);
		return;
	}
	run_tests(s);
}

static int
find_ends(struct screened *s, struct fault *why)
{
	struct net_address  peer, local;
	struct proxy_header h;

	if (net_peer(s->fd, &peer, why) < 0 || net_local(s->fd, &local, why) < 0)
		return -1;
	net_address_print(&peer, s->who.address, sizeof s->who.address);
	net_address_print(&local, s->who.server_address, sizeof s->who.server_address);
	snprintf(s->who.port, sizeof s->who.port, "%u", net_address_port(&peer));
	snprintf(s->who.server_port, sizeof s->who.server_port, "%u", net_address_port(&local));
	if (!screen.upstream_protocol[0])
		return 0;
	if (proxy_header_read(s->fd, clock_after(screen.upstream_timeout), &h, why) < 0)
		return fault_prefix(why, "haproxy read from [%s]:%s", s->who.address, s->who.port);
	if (h.local)
		return 0;
	snprintf(s->who.address, sizeof s->who.address, "%s", h.source);
	snprintf(s->who.port, sizeof s->who.port, "%u", h.source_port);
	snprintf(s->who.server_address, sizeof s->who.server_address, "%s", h.destination);
	snprintf(s->who.server_port, sizeof s->who.server_port, "%u", h.destination_port);
	return 0;
}

void
screen_client(int fd)
{
	struct screened s = {.fd = fd, .began = clock_now()};
	struct fault    why = {0};
	size_t          from_here;
	int             screening;

	if (find_ends(&s, &why) < 0) {
		log_warning("%s", fault_text(&why));
		close(fd);
		return;
	}
	s.began = clock_now();
	snprintf(s.label, sizeof s.label, "[%s]:%s", s.who.address, s.who.port);
	from_here = crowd_enter(s.who.address, &screening);
	serve(&s, from_here, screening);
	crowd_leave(s.who.address);
	auto_close(&s.fd);
	text_free(&s.refusal);
}
