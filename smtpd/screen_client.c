/* SPDX-License-Identifier: ISC */
/*
 * screen_client.c - one client before anybody speaks with him
 *
 * Lists first, then what he has passed before, then the tests.  What he says is not
 * read here, so that smtpd finds all of it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_verify.h"
#include "ipc/deliver.h"
#include "net/address.h"
#include "net/proxy_protocol.h"
#include "screen.h"

enum { TELL_MS = 2000, HAND_MS = 10000 };

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
	int judged = screen_judge_access(s);

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
	if (screen_test_early(s)) {
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
