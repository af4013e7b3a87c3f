/* SPDX-License-Identifier: ISC */
/*
 * deliver.c - a delivery request: the servers of its next hop, one after the other
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "service/service.h"

struct job {
	struct delivery *d;
	struct arena    *arena;
	struct host     *hosts;
	size_t           n_hosts;
	int              sessions;         /* opened, for smtp_mx_session_limit */
	bool             reached;          /* some server spoke with us */
	bool             lowered;          /* what TLS must be, by the message's own word */
	bool             final;            /* no other next hop will be tried */
	struct span      nexthop;          /* the one that is tried: a fallback relay too */
	struct trouble   trouble;          /* the last one */
};

static bool
over(const struct job *j)
{
	for (size_t i = 0; i < j->d->n_rcpts; i++)
		if (!j->d->rcpts[i].reported)
			return false;
	return true;
}

static void
finish(struct job *j, enum step step)
{
	struct deliver_status st = {
		.action = step == STEP_NEVER ? DELIVER_BOUNCED : DELIVER_DEFERRED, .dsn = j->trouble.dsn,
		.text = text_span(&j->trouble.text), .relay = span_of(j->trouble.relay[0] ? j->trouble.relay : "none"), .mta = text_span(&j->trouble.mta),
		.diagnostic = text_span(&j->trouble.diagnostic),
	};
	struct fault why = {0};

	if (!j->trouble.text.len) {
		trouble_set(&j->trouble, "4.3.0", "no server took the message");
		st.text = text_span(&j->trouble.text);
	}
	if (filtered_report_rest(j->d, &st, &why) < 0)
		log_warning("%.*s: cannot report to qmgr: %s", SPAN_ARGS(j->d->queue_id), fault_text(&why));
}

/* A kept session may have died unnoticed: then a fresh one is tried. */
static enum step
with_kept_session(struct job *j, const struct host *h, bool last, bool *used)
{
	char            key[1100];
	struct session *s;
	enum step       step;

	cache_key(h, &(struct session_wish){j->nexthop, j->d->sender, true, j->lowered}, key, sizeof key);
	s = cache_take(key);
	*used = s != NULL;
	if (!s)
		return STEP_DONE;
	j->d->connected_us = clock_wall();
	step = transaction_send(s, j->d, last, &j->trouble);
	s->used++;
	if (step == STEP_DONE && s->reply.code / 100 == 2) {
		cache_give(s);
		j->reached = true;
	} else {
		*used = step == STEP_DONE;
		session_quit(s);
	}
	return step;
}

static enum step
with_new_session(struct job *j, const struct host *h, bool last)
{
	struct session *s = NULL;
	enum step       step = session_open(h, &(struct session_wish){j->nexthop, j->d->sender, true, j->lowered}, &s, &j->trouble);

	if (step == STEP_DONE || j->trouble.relay[0])
		j->sessions++; /* it spoke, if only to refuse */
	if (step != STEP_DONE)
		return step;
	j->reached = true;
	j->d->connected_us = clock_wall();
	step = transaction_send(s, j->d, last, &j->trouble);
	s->used++;
	if (step == STEP_DONE && s->reply.code / 100 == 2)
		cache_give(s);
	else
		session_quit(s);
	return step;
}

static enum step
try_host(struct job *j, const struct host *h, bool last)
{
	bool      used;
	enum step step = with_kept_session(j, h, last, &used);

	return used || over(j) ? step : with_new_session(j, h, last);
}

static enum step
try_hosts(struct job *j)
{
	enum step step = STEP_NEXT;
	size_t    limit = j->n_hosts;

	if (client.mx_address_limit && (size_t)client.mx_address_limit < limit)
		limit = (size_t)client.mx_address_limit;
	for (size_t i = 0; i < limit && !over(j); i++) {
		bool last = i + 1 == limit || (client.mx_session_limit && j->sessions + 1 >= client.mx_session_limit);

		step = try_host(j, &j->hosts[i], last && j->final);
		if (step == STEP_NEVER || (client.mx_session_limit && j->sessions >= client.mx_session_limit))
			break;
	}
	return step;
}

static enum step
try_nexthop(struct job *j, struct span nexthop)
{
	struct destination d;
	struct fault       why = {0};
	enum step          step;

	j->nexthop = nexthop;
	if (destination_parse(nexthop, j->arena, &d, &why) < 0) {
		trouble_set(&j->trouble, "4.3.5", "%s", fault_text(&why));
		return STEP_NEXT;
	}
	step = hosts_find(&d, j->arena, &j->hosts, &j->n_hosts, &j->trouble);
	return step == STEP_DONE ? try_hosts(j) : step;
}

static enum step
try_all(struct job *j)
{
	const struct list *relays = &client.fallback_relay;
	enum step          step;

	j->final = relays->count == 0;
	step = try_nexthop(j, j->d->nexthop);
	/* smtp_fallback_relay: when none of the above could be reached, or found */
	for (size_t i = 0; i < relays->count && !over(j); i++) {
		if (step == STEP_NEVER && strcmp(j->trouble.dsn, "5.4.4") != 0)
			break;
		j->final = i + 1 == relays->count;
		step = try_nexthop(j, span_of(relays->item[i]));
	}
	return step;
}

static void
deliver_one(struct delivery *d)
{
	struct job   j = {.d = d, .arena = arena_new(), .lowered = tls_is_not_required(d)};
	struct fault why = {0};
	enum step    step = try_all(&j);
	char         dsn[16];

	finish(&j, step);
	snprintf(dsn, sizeof dsn, "%s", j.trouble.dsn);
	struct deliver_status dead = {.action = DELIVER_DEFERRED, .dsn = dsn, .text = text_span(&j.trouble.text)};

	if (deliver_done(d, !j.reached && step == STEP_NEXT ? &dead : NULL, &why) < 0)
		log_warning("%.*s: cannot report to qmgr: %s", SPAN_ARGS(d->queue_id), fault_text(&why));
	trouble_free(&j.trouble);
	arena_free(j.arena);
}

void
client_serve(int sock, const struct listener *unused)
{
	struct fault why = {0};

	(void)unused;
	for (;;) {
		struct delivery d = {0};
		int             got = deliver_receive(sock, &d, &why);

		if (got != 0) {
			if (got < 0)
				log_warning("delivery request: %s", fault_text(&why));
			break;
		}
		deliver_one(&d);
		deliver_free(&d);
	}
	close(sock);
}
