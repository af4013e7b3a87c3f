/* SPDX-License-Identifier: ISC */
/*
 * verify.h - what verify knows of an address, and how it learns it
 *
 * A record is text, "state:probed:updated:text": seconds since 1970; probed is when the last
 * probe was sent, 0 when none is on its way.  What is known good stays good until it
 * expires, whatever probes meet meanwhile: a server that is down for a day must not make us
 * refuse its users' mail.
 */
#ifndef GUARD_VERIFY_H
#define GUARD_VERIFY_H

#include "base/arena.h"
#include "ipc/ask_verify.h"
#include "table/cache.h"

enum { VERIFY_PROBE_SECONDS = 1000 };          /* then a probe counts as lost */

struct verify_times { int64_t good_expire, good_refresh, bad_expire, bad_refresh; };   /* ms */

struct verify_record {
	enum verify_state state;
	int64_t           probed, updated;
	struct span       text;                /* borrowed */
};

/* verify_record.c: pure. */
bool verify_record_parse(struct span, struct verify_record *);
void verify_record_print(const struct verify_record *, struct text *);
void verify_record_age(struct verify_record *, const struct verify_times *, int64_t now);     /* expired: unknown */
bool verify_record_wants_probe(const struct verify_record *, const struct verify_times *, int64_t now);
void verify_record_take(struct verify_record *, const struct verify_times *, enum verify_state, struct span text, int64_t now);

/* verify_probe.c: one task sends probes, in order; a monitor. */
extern struct probe_config {
	const char *sender, *cleanup_service;
	int64_t     sender_ttl;
} probe_config;
int  probes_begin(struct fault *);
bool probe_wanted(struct span address, int limit);   /* false: one is on its way, or too many are */
void probe_ended(struct span address);

#endif
