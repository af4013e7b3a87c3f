/* SPDX-License-Identifier: ISC */
/*
 * run.c - one recipient's delivery: parties in, one status out
 */
#include "local/run.h"

#include <stdlib.h>

#include "mail/address.h"
#include "service/service.h"

void
run_add_outcome(struct run *r, struct span address, struct outcome *given)
{
	if (r->n_results == r->room_results) {
		r->room_results = r->room_results ? r->room_results * 2 : 4;
		r->results = mem_grow(r->results, r->room_results, sizeof *r->results);
	}
	r->results[r->n_results++] = (struct result){address, *given};
	*given = (struct outcome){0};
}

void
run_add(struct run *r, struct span address, enum deliver_action action, const char *dsn,
	const char *format, ...)
{
	autotext struct text text = {0};
	struct outcome       o = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	outcome_set(&o, action, dsn, "%s", text_string(&text));
	run_add_outcome(r, address, &o);
}

bool
run_first_time(struct run *r, const char *kind, struct span what, long who)
{
	autotext struct text key = {0};

	text_add_format(&key, "%s %ld %.*s", kind, who, SPAN_ARGS(what));
	text_lower(&key);
	if (strmap_get(r->seen, text_span(&key)))
		return false;
	if (strmap_count(r->seen) >= SEEN_MAX) {
		if (!r->too_much)
			run_add(r, r->rcpt->address, DELIVER_DEFERRED, "4.3.5",
				"expands to too many addresses");
		r->too_much = true;
		return false;
	}
	strmap_put(r->seen, text_span(&key), r);
	return true;
}

/* deferred, bounced, sent: what matters most to the queue. */
static int
weight(const struct outcome *o)
{
	return o->action == DELIVER_DEFERRED ? 2 : o->action == DELIVER_BOUNCED ? 1 : 0;
}

static void
tell(struct run *r, struct deliver_rcpt *told, struct outcome *out)
{
	size_t worst = 0;

	for (size_t i = 1; i < r->n_results; i++)
		if (weight(&r->results[i].outcome) > weight(&r->results[worst].outcome))
			worst = i;
	for (size_t i = 0; i < r->n_results; i++) {
		struct deliver_rcpt one = *told;

		if (!span_equal_nocase(one.address, r->results[i].address)) {
			if (one.original.len == 0)
				one.original = one.address;
			one.address = r->results[i].address;
		}
		if (i != worst) {
			agent_log(r->d, &one, &r->results[i].outcome);
			outcome_free(&r->results[i].outcome);
			continue;
		}
		outcome_free(out);
		*out = r->results[i].outcome;
	}
	/* the final address stays in the arena of the delivery: this run's is gone by then */
	if (!span_equal_nocase(told->address, r->results[worst].address)) {
		if (told->original.len == 0)
			told->original = told->address;
		told->address = arena_span(r->d->arena, r->results[worst].address);
	}
}

void
run_recipient(struct delivery *d, const struct message_content *content, struct deliver_rcpt *told,
              struct outcome *out)
{
	struct run   r = {.d = d,
		  .rcpt = told,
		  .content = content,
		  .arena = arena_new(),
		  .seen = strmap_new()};
	struct party party = {
		.address = told->address, .rights = local_settings.nobody, .sender = d->sender};

	recipient_deliver(&r, &party);
	forward_finish(&r);
	/* aliases that lead to each other and to nobody else */
	if (r.n_results == 0 && r.circled.len) {
		struct span local, domain;

		address_split(r.circled, &local, &domain);
		run_add(&r, r.circled, DELIVER_BOUNCED, "5.4.6", "alias database loop for %.*s", SPAN_ARGS(local));
	}
	if (r.n_results == 0)
		run_add(&r, told->address, DELIVER_SENT, "2.0.0", "expanded to nobody new");
	tell(&r, told, out);
	free(r.results);
	free(r.forwards);
	strmap_free(r.seen, NULL);
	arena_free(r.arena);
}
