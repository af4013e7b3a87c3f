/* SPDX-License-Identifier: ISC */
/*
 * deliver.c - both ends of "deliver this to these recipients"
 *
 * The recipients ride in the deliver frame as runs of fields, each begun by
 * its index; what does not fit follows in rcpt frames, and the frame with
 * last=yes ends the request. So a message to one recipient is one record.
 */
#include "ipc/deliver.h"

#include <assert.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "config/site.h"
#include "ipc/log_address.h"
#include "base/log.h"

enum { RCPTS_MAX = 100000, TEXT_MAX = 8000, REQUEST_MS = 100 * 1000 };

/* The request. */

struct head {
	struct delivery d;
	int64_t         count;
};

static const struct field head_fields[] = {
	FIELD_TEXT(struct head, d.queue_id, "queue_id", FIELD_NEEDED),
	FIELD_TEXT(struct head, d.transport, "transport", 0),
	FIELD_TEXT(struct head, d.nexthop, "nexthop", FIELD_NEEDED),
	FIELD_TEXT(struct head, d.sender, "sender", FIELD_NEEDED),
	FIELD_TEXT(struct head, d.envid, "envid", 0),
	FIELD_TEXT(struct head, d.ret, "ret", 0),
	FIELD_TEXT(struct head, d.body, "body", 0),
	FIELD_TEXT(struct head, d.log_client, "log_client", 0),
	FIELD_TEXT(struct head, d.sasl_method, "sasl_method", 0),
	FIELD_TEXT(struct head, d.sasl_sender, "sasl_sender", 0),
	FIELD_TEXT(struct head, d.sasl_user, "sasl_user", 0),
	FIELD_TEXT(struct head, d.client_name, "client_name", 0),
	FIELD_TEXT(struct head, d.client_address, "client_address", 0),
	FIELD_TEXT(struct head, d.client_port, "client_port", 0),
	FIELD_TEXT(struct head, d.helo, "helo", 0),
	FIELD_TEXT(struct head, d.protocol, "protocol", 0),
	FIELD_NUMBER(struct head, d.size, "size", FIELD_NEEDED),
	FIELD_NUMBER(struct head, d.arrival_us, "arrival_us", FIELD_NEEDED),
	FIELD_NUMBER(struct head, d.active_us, "active_us", 0),
	FIELD_NUMBER(struct head, d.handed_us, "handed_us", 0),
	FIELD_FLAG(struct head, d.smtputf8, "smtputf8", 0),
	FIELD_FLAG(struct head, d.verify_only, "verify_only", 0),
	FIELD_FLAG(struct head, d.trace, "trace", 0),
	FIELD_FLAG(struct head, d.wants_8bit, "wants_8bit", 0),
	FIELD_FLAG(struct head, d.first_try, "first_try", 0),
	FIELD_FLAG(struct head, d.soft_bounce, "soft_bounce", 0),
	FIELD_TEXT(struct head, d.pieces, "pieces", FIELD_NEEDED),
	FIELD_FD(struct head, d.content, "content", FIELD_NEEDED),
	FIELD_NUMBER(struct head, count, "count", FIELD_NEEDED),
	FIELD_MANY("index"), FIELD_MANY("address"), FIELD_MANY("original"), FIELD_MANY("orcpt"),
	FIELD_MANY("notify"), FIELD_MANY("last"),
	FIELD_END
};

static const struct field more_fields[] = {
	FIELD_MANY("index"), FIELD_MANY("address"), FIELD_MANY("original"), FIELD_MANY("orcpt"),
	FIELD_MANY("notify"), FIELD_MANY("last"),
	FIELD_END
};

static void
put_some(struct frame *f, const char *name, struct span value)
{
	if (value.len)
		frame_put(f, name, value);
}

static void
put_head(struct frame *f, const struct delivery *d)
{
	frame_start(f, "deliver");
	frame_put(f, "queue_id", d->queue_id);
	put_some(f, "transport", d->transport);
	frame_put(f, "nexthop", d->nexthop);
	frame_put(f, "sender", d->sender);
	put_some(f, "envid", d->envid);
	put_some(f, "ret", d->ret);
	put_some(f, "body", d->body);
	put_some(f, "log_client", d->log_client);
	put_some(f, "sasl_method", d->sasl_method);
	put_some(f, "sasl_sender", d->sasl_sender);
	put_some(f, "sasl_user", d->sasl_user);
	put_some(f, "client_name", d->client_name);
	put_some(f, "client_address", d->client_address);
	put_some(f, "client_port", d->client_port);
	put_some(f, "helo", d->helo);
	put_some(f, "protocol", d->protocol);
	frame_put_number(f, "size", d->size);
	frame_put_number(f, "arrival_us", d->arrival_us);
	frame_put_number(f, "active_us", d->active_us);
	frame_put_number(f, "handed_us", d->handed_us);
	if (d->smtputf8)
		frame_put_flag(f, "smtputf8", true);
	if (d->verify_only)
		frame_put_flag(f, "verify_only", true);
	if (d->trace)
		frame_put_flag(f, "trace", true);
	if (d->wants_8bit)
		frame_put_flag(f, "wants_8bit", true);
	if (d->first_try)
		frame_put_flag(f, "first_try", true);
	if (d->soft_bounce)
		frame_put_flag(f, "soft_bounce", true);
	frame_put(f, "pieces", d->pieces);
	frame_put_fd(f, "content", d->content);
	frame_put_number(f, "count", (int64_t)d->n_rcpts);
}

static size_t
rcpt_room(const struct deliver_rcpt *r)
{
	return r->address.len + r->original.len + r->orcpt.len + 160;
}

static void
put_rcpt(struct frame *f, const struct deliver_rcpt *r)
{
	frame_put_number(f, "index", r->index);
	frame_put(f, "address", r->address);
	put_some(f, "original", r->original);
	put_some(f, "orcpt", r->orcpt);
	if (r->notify)
		frame_put_number(f, "notify", r->notify);
}

int
deliver_ask(int sock, const struct delivery *d, int64_t deadline, struct fault *why)
{
	autoframe struct frame f = {0};

	assert(d->n_rcpts > 0 && d->n_rcpts <= RCPTS_MAX && d->content >= 0);
	put_head(&f, d);
	for (size_t i = 0; i < d->n_rcpts; i++) {
		if (frame_room(&f) < rcpt_room(&d->rcpts[i])) {
			if (frame_send(sock, &f, deadline, why) < 0)
				return -1;
			frame_clear(&f);
			frame_start(&f, "rcpt");
		}
		put_rcpt(&f, &d->rcpts[i]);
	}
	frame_put_flag(&f, "last", true);
	return frame_send(sock, &f, deadline, why);
}

/* Adds the recipients of one frame to d, which has room for `count`. */
static int
take_rcpts(const struct frame *f, struct delivery *d, size_t count, struct fault *why)
{
	struct deliver_rcpt *r = NULL;
	struct span          name, value;
	uint64_t             number;

	for (size_t at = 0; frame_next(f, &at, &name, &value);) {
		bool begins = span_is(name, "index"), counts = begins || span_is(name, "notify");

		if (counts && (!span_number(value, &number) || number > INT64_MAX))
			return fault_set(why, FAULT_INPUT, "deliver: a bad number");
		if (begins) {
			if (d->n_rcpts == count)
				return fault_set(why, FAULT_INPUT,
				                 "deliver: more recipients than told");
			r = &d->rcpts[d->n_rcpts++];
			r->index = (int64_t)number;
			continue;
		}
		if (!counts && !span_is(name, "address") && !span_is(name, "original") &&
		    !span_is(name, "orcpt"))
			continue; /* of the head */
		if (!r)
			return fault_set(why, FAULT_INPUT, "deliver: a recipient without index");
		if (counts)
			r->notify = (int64_t)number;
		else if (span_is(name, "address"))
			r->address = arena_span(d->arena, value);
		else if (span_is(name, "original"))
			r->original = arena_span(d->arena, value);
		else
			r->orcpt = arena_span(d->arena, value);
	}
	return 0;
}

static void
keep_spans(struct delivery *d)
{
	struct span *all[] = {&d->queue_id,  &d->transport,   &d->nexthop,        &d->sender,
	                      &d->envid,     &d->ret,         &d->body,           &d->log_client,
	                      &d->sasl_user, &d->client_name, &d->client_address, &d->helo,
	                      &d->protocol,  &d->pieces,      &d->client_port,    &d->sasl_method,
	                      &d->sasl_sender};

	for (size_t i = 0; i < COUNT(all); i++)
		*all[i] = arena_span(d->arena, all[i]->at ? *all[i] : SPAN_NONE);
}

static int
take_head(struct frame *f, struct delivery *d, size_t *count, struct fault *why)
{
	struct head h = {.d = {.content = -1, .sock = -1}};

	if (!frame_is(f, "deliver"))
		return fault_set(why, FAULT_INPUT, "deliver: %.*s out of turn",
		                 SPAN_ARGS(span_first(frame_verb(f), 40)));
	if (frame_decode(f, head_fields, &h, why) < 0) {
		auto_close(&h.d.content);
		return -1;
	}
	d->content = h.d.content;
	if (h.count < 1 || h.count > RCPTS_MAX)
		return fault_set(why, FAULT_INPUT, "deliver: %lld recipients", (long long)h.count);
	h.d.arena = d->arena;
	h.d.sock = d->sock;
	*d = h.d;
	keep_spans(d);
	*count = (size_t)h.count;
	d->rcpts = arena_alloc(d->arena, *count * sizeof *d->rcpts);
	for (size_t i = 0; i < *count; i++)
		d->rcpts[i].address = d->rcpts[i].original = d->rcpts[i].orcpt = SPAN_NONE;
	return 0;
}

static int
receive_all(struct frame *f, struct delivery *d, struct fault *why)
{
	int64_t deadline = clock_after(REQUEST_MS);
	size_t  count = 0;
	int     got;

	if (take_head(f, d, &count, why) < 0 || take_rcpts(f, d, count, why) < 0)
		return -1;
	while (!frame_get_flag(f, "last")) {
		frame_clear(f);
		got = frame_receive(d->sock, f, deadline, why);
		if (got != 0)
			return got == 1 ? fault_set(why, FAULT_PEER, "deliver: cut short") : -1;
		if (!frame_is(f, "rcpt") || frame_decode(f, more_fields, d, why) < 0)
			return fault_set(why, FAULT_INPUT, "deliver: a bad rcpt frame");
		if (take_rcpts(f, d, count, why) < 0)
			return -1;
	}
	if (d->n_rcpts != count)
		return fault_set(why, FAULT_INPUT, "deliver: fewer recipients than told");
	return 0;
}

int
deliver_receive(int sock, struct delivery *into, struct fault *why)
{
	autoframe struct frame f = {0};
	struct delivery        d = {.content = -1, .sock = sock};
	int                    got = frame_receive(sock, &f, CLOCK_NEVER, why);

	if (got != 0)
		return got;
	d.arena = arena_new();
	if (receive_all(&f, &d, why) < 0) {
		deliver_free(&d);
		return -1;
	}
	*into = d;
	return 0;
}

void
deliver_free(struct delivery *d)
{
	auto_close(&d->content);
	arena_free(d->arena);
	*d = (struct delivery){.content = -1, .sock = -1};
}

/* The answers. */

static const char *const action_names[] = {"sent", "deferred", "bounced"};

struct told {
	struct span action, dsn, text, relay, mta, diagnostic, report;
	int64_t     index;
};

static const struct field status_fields[] = {
	FIELD_NUMBER(struct told, index, "index", FIELD_NEEDED),
	FIELD_TEXT(struct told, action, "action", FIELD_NEEDED),
	FIELD_TEXT(struct told, dsn, "dsn", FIELD_NEEDED),
	FIELD_TEXT(struct told, text, "text", FIELD_NEEDED),
	FIELD_TEXT(struct told, relay, "relay", 0),
	FIELD_TEXT(struct told, mta, "mta", 0),
	FIELD_TEXT(struct told, diagnostic, "diagnostic", 0),
	FIELD_TEXT(struct told, report, "report", 0),
	FIELD_END
};

static const struct field done_fields[] = {
	FIELD_TEXT(struct told, action, "destination", 0),
	FIELD_TEXT(struct told, dsn, "dsn", 0),
	FIELD_TEXT(struct told, text, "text", 0),
	FIELD_END
};

/* RFC 3463, 2: class "." subject "." detail. */
static bool
is_dsn(struct span dsn)
{
	struct span part;
	uint64_t    n;

	if (dsn.len < 5 || dsn.len > 11 || !strchr("245", dsn.at[0]) || dsn.at[1] != '.')
		return false;
	for (int i = 0; i < 3; i++) {
		bool more = span_split(&dsn, '.', &part);

		if (more != (i < 2) || part.len < 1 || part.len > 3 || !span_number(part, &n))
			return false;
	}
	return true;
}

static int
take_dsn(struct span dsn, struct deliver_answer *a, struct fault *why)
{
	if (!is_dsn(dsn))
		return fault_set(why, FAULT_INPUT, "status: not a status code");
	memcpy(a->dsn, dsn.at, dsn.len);
	a->dsn[dsn.len] = 0;
	a->status.dsn = a->dsn;
	return 0;
}

static int
take_action(struct span action, enum deliver_action *out, struct fault *why)
{
	for (size_t i = 0; i < COUNT(action_names); i++)
		if (span_is(action, action_names[i])) {
			*out = (enum deliver_action)i;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "status: no such action");
}

static int
take_report(struct span told, struct deliver_answer *a, struct fault *why)
{
	static const char *const words[] = {"delivered", "relayed", "expanded", "none"};

	if (!told.len)
		told = span_of(span_has(a->status.relay, '[') ? "relayed" : "delivered");
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is(told, words[i])) {
			snprintf(a->report, sizeof a->report, "%s", words[i]);
			a->status.report = a->report;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "status: no such report");
}

static int
take_status(struct frame *f, struct deliver_answer *a, struct fault *why)
{
	static const char classes[] = {'2', '4', '5'};
	struct told t = {
		.relay = SPAN_NONE, .mta = SPAN_NONE, .diagnostic = SPAN_NONE, .report = SPAN_NONE};
	enum deliver_action action = DELIVER_DEFERRED;

	if (frame_decode(f, status_fields, &t, why) < 0 || take_dsn(t.dsn, a, why) < 0 ||
	    take_action(t.action, &action, why) < 0)
		return -1;
	if (a->dsn[0] != classes[action] || t.text.len > TEXT_MAX || t.diagnostic.len > TEXT_MAX ||
	    t.relay.len > 1024 || t.mta.len > 1024 || t.index < 0)
		return fault_set(why, FAULT_INPUT, "status: %s does not go with %s", a->dsn,
		                 action_names[action]);
	a->status.action = action;
	a->status.text = t.text;
	a->status.relay = t.relay;
	a->status.mta = t.mta;
	a->status.diagnostic = t.diagnostic;
	a->index = t.index;
	return take_report(t.report, a, why);
}

static int
take_done(struct frame *f, struct deliver_answer *a, struct fault *why)
{
	struct told t = {.action = SPAN_NONE, .text = SPAN_NONE};

	if (frame_decode(f, done_fields, &t, why) < 0)
		return -1;
	a->destination_dead = span_is(t.action, "dead");
	if (a->destination_dead && take_dsn(t.dsn, a, why) < 0)
		return -1;
	a->status.text = span_first(t.text, TEXT_MAX);
	return 1;
}

int
deliver_next(int sock, struct frame *f, struct deliver_answer *answer, int64_t deadline,
             struct fault *why)
{
	int got;

	*answer = (struct deliver_answer){.index = -1};
	answer->status.dsn = answer->dsn;
	frame_clear(f);
	got = frame_receive(sock, f, deadline, why);
	if (got != 0)
		return got == 1 ? fault_set(why, FAULT_PEER, "the agent went away") : -1;
	if (frame_is(f, "status"))
		return take_status(f, answer, why);
	if (frame_is(f, "done"))
		return take_done(f, answer, why);
	return fault_set(why, FAULT_INPUT, "status: out of turn");
}

/* The log line. */

static int64_t
between(int64_t from, int64_t until)
{
	return from > 0 && until > from ? until - from : 0;
}

/*
 * Seconds as Postfix prints delays: two significant digits, at most
 * delay_logging_resolution_limit behind the point, rounded, no trailing zeros.
 */
void
deliver_print_delay(struct text *out, int64_t us)
{
	int64_t unit = 1000000, rounded;
	char    digits[8];
	int     count = 6;

	for (int i = 0; i < site.delay_logging_resolution_limit; i++)
		unit /= 10;
	while (unit < 1000000 && us + unit / 2 >= 100 * unit)
		unit *= 10;
	rounded = (us < 0 ? 0 : us + unit / 2) / unit * unit;
	snprintf(digits, sizeof digits, "%06d", (int)(rounded % 1000000));
	while (count > 0 && digits[count - 1] == '0')
		count--;
	text_add_format(out, "%lld", (long long)(rounded / 1000000));
	if (count)
		text_add_format(out, ".%.*s", count, digits);
}

static void
print_delays(struct text *out, const struct delivery *d, int64_t now)
{
	int64_t parts[4] = {
		between(d->arrival_us, d->active_us),
		between(d->active_us, d->handed_us ? d->handed_us : now),
		d->handed_us ? between(d->handed_us, d->connected_us) : 0,
		d->handed_us ? between(d->connected_us ? d->connected_us : d->handed_us, now) : 0,
	};

	text_add_string(out, ", delay=");
	deliver_print_delay(out, between(d->arrival_us, now));
	for (size_t i = 0; i < COUNT(parts); i++) {
		text_add_string(out, i ? "/" : ", delays=");
		deliver_print_delay(out, parts[i]);
	}
}

static const char *
status_word(const struct delivery *d, enum deliver_action action)
{
	if (d->verify_only)
		return action == DELIVER_SENT ? "deliverable" : "undeliverable";
	if (action == DELIVER_BOUNCED && d->soft_bounce)
		return "SOFTBOUNCE";
	return action_names[action];
}

void
deliver_print_status(struct text *out, const struct delivery *d, const struct deliver_rcpt *r,
                     const struct deliver_status *s, const char *word)
{
	text_add_format(out, "%.*s: ", SPAN_ARGS(d->queue_id));
	log_add_address(out, "to=", r->address);
	if (r->original.len && !span_equal_nocase(r->original, r->address))
		log_add_address(out, ", orig_to=", r->original);
	text_add_string(out, ", relay=");
	text_add(out, s->relay.len ? s->relay : SPAN("none"));
	if (s->conn_used && s->conn_use > 1)
		text_add_format(out, ", conn_use=%lld", (long long)s->conn_use);
	print_delays(out, d, clock_wall());
	if (s->tls.len)
		text_add_format(out, ", tls=%.*s", SPAN_ARGS(s->tls));
	text_add_format(out, ", dsn=%s, status=%s (%.*s)", s->dsn, word, SPAN_ARGS(s->text));
}

void
deliver_log(const struct delivery *d, const struct deliver_rcpt *r, const struct deliver_status *s,
            const char *word)
{
	autotext struct text line = {0};
	struct deliver_status shown = *s;
	char dsn[16];

	snprintf(dsn, sizeof dsn, "%s", s->dsn);
	if (s->action == DELIVER_BOUNCED && d->soft_bounce)
		dsn[0] = '4';
	shown.dsn = dsn;
	deliver_print_status(&line, d, r, &shown, word ? word : status_word(d, s->action));
	log_info("%s", text_string(&line));
}

/* The agent's answers. */

int
deliver_report(struct delivery *d, struct deliver_rcpt *r, const struct deliver_status *s,
               struct fault *why)
{
	autoframe struct frame f = {0};
	enum deliver_action    action = s->action;
	char                   dsn[16];

	assert(!r->reported && is_dsn(span_of(s->dsn)));
	r->reported = true;
	if (!s->logged)
		deliver_log(d, r, s, NULL);
	snprintf(dsn, sizeof dsn, "%s", s->dsn);
	if (action == DELIVER_BOUNCED && d->soft_bounce)
		action = DELIVER_DEFERRED;
	dsn[0] = "245"[action]; /* an agent's slip must not cost the answer */
	frame_start(&f, "status");
	frame_put_number(&f, "index", r->index);
	frame_put_string(&f, "action", action_names[action]);
	frame_put_string(&f, "dsn", dsn);
	frame_put(&f, "text", span_first(s->text, TEXT_MAX));
	put_some(&f, "relay", span_first(s->relay, 1024));
	put_some(&f, "mta", span_first(s->mta, 1024));
	put_some(&f, "diagnostic", span_first(s->diagnostic, TEXT_MAX));
	if (s->report)
		frame_put_string(&f, "report", s->report);
	return frame_send(d->sock, &f, clock_after(REQUEST_MS), why);
}

int
deliver_report_rest(struct delivery *d, const struct deliver_status *s, struct fault *why)
{
	for (size_t i = 0; i < d->n_rcpts; i++)
		if (!d->rcpts[i].reported && deliver_report(d, &d->rcpts[i], s, why) < 0)
			return -1;
	return 0;
}

int
deliver_done(struct delivery *d, const struct deliver_status *dead, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "done");
	if (dead) {
		frame_put_string(&f, "destination", "dead");
		frame_put_string(&f, "dsn", dead->dsn);
		frame_put(&f, "text", span_first(dead->text, TEXT_MAX));
	}
	return frame_send(d->sock, &f, clock_after(REQUEST_MS), why);
}
