/* SPDX-License-Identifier: ISC */
/*
 * ask_rate.c - counting clients, both ends
 */
#include "ipc/ask_rate.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { PATIENCE_MS = 1000, LEFT_ALONE_MS = 10000 };

static _Atomic int64_t left_alone_until;

int
ask_rate(const char *what, struct span service, struct span client, struct rate *out, struct fault *why)
{
	autoframe struct frame f = {0};
	struct rate            r = {0};

	if (clock_now() < atomic_load(&left_alone_until))
		return fault_set(why, FAULT_TIME, "anvil: left alone after a failure");
	frame_start(&f, "count");
	frame_put_string(&f, "what", what);
	frame_put(&f, "service", service);
	frame_put(&f, "client", client);
	frame_put_number(&f, "asker", getpid());
	if (peer_call("anvil", &f, clock_after(PATIENCE_MS), why) < 0) {
		atomic_store(&left_alone_until, clock_after(LEFT_ALONE_MS));
		return -1;
	}
	if (!frame_is(&f, "counted") || !frame_get_number(&f, "concurrency", &r.concurrency) ||
	    !frame_get_number(&f, "rate", &r.rate))
		return fault_set(why, FAULT_INPUT, "anvil: strange answer");
	*out = r;
	return 0;
}

int
rate_question_take(struct frame *f, struct rate_question *q, struct fault *why)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct rate_question, what, "what", FIELD_NEEDED),
		FIELD_TEXT(struct rate_question, service, "service", FIELD_NEEDED),
		FIELD_TEXT(struct rate_question, client, "client", FIELD_NEEDED),
		FIELD_NUMBER(struct rate_question, asker, "asker", FIELD_NEEDED),
		FIELD_END
	};

	return frame_decode(f, fields, q, why);
}

void
rate_answer_put(struct frame *f, const struct rate *r)
{
	frame_start(f, "counted");
	frame_put_number(f, "concurrency", r->concurrency);
	frame_put_number(f, "rate", r->rate);
}
