/* SPDX-License-Identifier: ISC */
/*
 * pass.c - another delivery agent takes this recipient: mailbox_transport, fallback_transport
 *
 * local then speaks qmgr's side of ipc/deliver.h.  That agent writes the log line.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/peer.h"
#include "local/run.h"

enum { CONNECT_MS = 30 * 1000 };

static int
ask(struct run *r, const struct party *p, struct span transport, struct span nexthop,
	struct outcome *o, struct fault *why)
{
	autofree char *path =
		mem_format("%s/private/%.*s", site.queue_directory, SPAN_ARGS(transport));
	autoclose int          sock = -1;
	autoframe struct frame f = {0};
	struct deliver_answer  answer;
	struct deliver_rcpt    rcpt = *r->rcpt;
	struct delivery        d = *r->d;
	bool                   told = false;
	int                    got;

	if (span_has(transport, '/'))
		return fault_set(why, FAULT_INPUT, "bad transport name %.*s", SPAN_ARGS(transport));
	if (!span_equal(rcpt.address, p->address) && rcpt.original.len == 0)
		rcpt.original = rcpt.address;
	rcpt.index = 0;
	rcpt.address = p->address;
	d.transport = transport;
	d.nexthop = nexthop;
	d.sender = p->sender;
	d.rcpts = &rcpt;
	d.n_rcpts = 1;
	log_info("%.*s: passing <%.*s> to transport=%.*s", SPAN_ARGS(d.queue_id), SPAN_ARGS(p->address), SPAN_ARGS(transport));
	if (peer_connect(path, clock_after(CONNECT_MS), &sock, why) < 0 ||
	    deliver_ask(sock, &d, clock_after(CONNECT_MS), why) < 0)
		return -1;
	while ((got = deliver_next(sock, &f, &answer, clock_after(site.daemon_timeout), why)) ==
		0) {
		outcome_set(
			o, answer.status.action, answer.dsn, "%.*s", SPAN_ARGS(answer.status.text));
		/* a notice says what that agent saw; who speaks DSN there says a success himself */
		text_add(&o->mta, answer.status.mta);
		text_add(&o->diagnostic, answer.status.diagnostic);
		snprintf(o->report, sizeof o->report, "%s", answer.report);
		o->logged = true;
		told = true;
	}
	if (!told)
		return got < 0 ? -1 : fault_set(why, FAULT_PEER, "no status");
	return 0;
}

void
pass_on(struct run *r, const struct party *p, struct span destination)
{
	struct outcome o = {0};
	struct fault   why = {0};
	struct span    transport, nexthop;

	span_split(&destination, ':', &transport);
	transport = span_trim(transport);
	nexthop = span_trim(destination);
	if (nexthop.len == 0)
		nexthop = p->domain;
	if (ask(r, p, transport, nexthop, &o, &why) < 0)
		outcome_set(&o, DELIVER_DEFERRED, "4.3.0", "transport %.*s: %s",
			SPAN_ARGS(transport), fault_text(&why));
	run_add_outcome(r, p->address, &o);
}
