/* SPDX-License-Identifier: ISC */
/*
 * queue_print.c - the queue, as mailq and postqueue -j show it
 *
 * Programs parse both (postqueue(1)): columns for long queue ids, the reason
 * in parentheses in front of the recipients that share it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cmd/json.h"
#include "cmd/queue_view.h"
#include "base/log.h"
#include "mail/address.h"

enum { REASON_COLUMN = 76 };

static void
external(struct span address, struct text *out)
{
	autotext struct text form = {0};

	if (address.len == 0)
		text_add(&form, SPAN("MAILER-DAEMON"));
	else
		address_external(address, &form);
	log_escape(text_span(&form), out);
}

static char
mark_of(const struct queue_listed *m)
{
	if (span_is(m->queue, "active"))
		return '*';
	if (span_is(m->queue, "hold"))
		return '!';
	return m->expired ? '#' : ' ';
}

/* ---- JSON ---- */

/* Bytes that are no UTF-8 are shown as '?': JSON has no other way. */
static void
json_string(const char *name, struct span s)
{
	autotext struct text clean = {0}, quoted = {0};

	log_escape(s, &clean);
	json_add(&quoted, text_span(&clean));
	printf("\"%s\": %s", name, text_string(&quoted));
}

static void
json_end(struct queue_printer *p)
{
	if (p->open)
		printf("]}\n");
	p->open = false;
}

static void
json_message(const struct queue_listed *m)
{
	autotext struct text sender = {0};

	external(m->sender, &sender);
	putchar('{');
	json_string("queue_name", m->queue);
	printf(", ");
	json_string("queue_id", m->queue_id);
	printf(", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRId64
	       ", \"forced_expire\": %s, ",
	       m->arrival_us / 1000000, m->size, m->expired ? "true" : "false");
	json_string("sender", text_span(&sender));
	printf(", \"recipients\": [");
}

static void
json_rcpt(struct queue_printer *p, const struct queue_listed_rcpt *r)
{
	autotext struct text address = {0};

	external(r->address, &address);
	printf("%s{", p->rcpts++ ? ", " : "");
	json_string("address", text_span(&address));
	if (r->reason.len) {
		printf(", ");
		json_string("delay_reason", r->reason);
	}
	putchar('}');
}

/* ---- text ---- */

static void
text_message(struct queue_printer *p, const struct queue_listed *m)
{
	autotext struct text sender = {0}, id = {0};
	time_t               at = (time_t)(m->arrival_us / 1000000);
	struct tm            local;
	char                 when[40] = "";

	if (p->count == 0)
		printf("%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--",
		       "---Arrival Time----", "--Sender/Recipient------");
	else if (p->open)
		putchar('\n');
	external(m->sender, &sender);
	text_add(&id, m->queue_id);
	text_add_byte(&id, mark_of(m));
	if (localtime_r(&at, &local))
		strftime(when, sizeof when, "%a %b %e %H:%M:%S", &local);
	printf("%-17s %8" PRId64 " %19.19s %s\n", text_string(&id), m->size, when,
	       text_string(&sender));
}

static void
text_rcpt(struct queue_printer *p, const struct queue_listed_rcpt *r)
{
	autotext struct text address = {0}, reason = {0};

	if (!span_equal(text_span(&p->reason), r->reason)) {
		text_set(&p->reason, r->reason);
		log_escape(r->reason, &reason);
		if (reason.len)
			printf("%*s(%s)\n",
			       reason.len < REASON_COLUMN ? (int)(REASON_COLUMN - reason.len) : 0,
			       "", text_string(&reason));
	}
	external(r->address, &address);
	printf("%-17s %8s %-19s %s\n", "", "", "", text_string(&address));
}

/* ---- both ---- */

int
queue_print_message(void *printer, const struct queue_listed *m)
{
	struct queue_printer *p = printer;

	if (p->json) {
		json_end(p);
		json_message(m);
	} else
		text_message(p, m);
	p->open = true;
	p->rcpts = 0;
	p->count++;
	p->bytes += m->size;
	text_clear(&p->reason);
	return ferror(stdout);
}

int
queue_print_rcpt(void *printer, const struct queue_listed_rcpt *r)
{
	struct queue_printer *p = printer;

	if (p->json)
		json_rcpt(p, r);
	else
		text_rcpt(p, r);
	return ferror(stdout);
}

void
queue_print_end(struct queue_printer *p)
{
	if (p->json)
		json_end(p);
	else if (p->count == 0)
		printf("Mail queue is empty\n");
	else
		printf("\n-- %" PRId64 " Kbytes in %" PRId64 " Request%s.\n", p->bytes / 1024,
		       p->count, p->count == 1 ? "" : "s");
	text_free(&p->reason);
}
