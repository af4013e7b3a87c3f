/* SPDX-License-Identifier: ISC */
/*
 * filters.c - other words: for a server's reply, a delivery's status, a DNS record
 *
 * smtp_reply_filter, smtp_delivery_status_filter, smtp_dns_reply_filter. A table that cannot be
 * asked changes nothing, and says so in the log.
 */
#include <stdio.h>

#include "base/log.h"
#include "client.h"
#include "mail/status.h"
#include "table/table.h"

static bool
ask(const struct maps *m, const char *name, struct span key, struct text *value)
{
	struct fault why = {0};
	int          got;

	if (!m->tables || table_list_count(m->tables) == 0)
		return false;
	got = table_list_find(m->tables, key, value, NULL, &why);
	if (got < 0)
		log_warning("%s_%s: %s", client_prefix(), name, fault_text(&why));
	return got == 0;
}

bool
filter_reply(struct span line, struct text *out)
{
	return ask(&client.reply_filter, "reply_filter", line, out);
}

bool
dns_record_counts(struct span name, const char *type, struct span value, int64_t ttl)
{
	autotext struct text key = {0}, action = {0};

	if (!client.dns_reply_filter.tables || table_list_count(client.dns_reply_filter.tables) == 0)
		return true;
	text_add_format(&key, "%.*s. %lld IN %s %.*s%s", SPAN_ARGS(name), (long long)ttl, type, SPAN_ARGS(value),
	                strcmp(type, "MX") == 0 || strcmp(type, "SRV") == 0 ? "." : "");
	if (!ask(&client.dns_reply_filter, "dns_reply_filter", text_span(&key), &action))
		return true;
	if (span_is_nocase(span_trim(text_span(&action)), "IGNORE")) {
		log_info("ignoring DNS RR: %s", text_string(&key));
		return false;
	}
	log_warning("%s_dns_reply_filter: unknown DNS filter action: \"%s\"", client_prefix(), text_string(&action));
	return true;
}

/* 4 and 5 may be changed for one another; success stays success (RFC 3463, 3). */
static bool
take_status(struct span value, const struct deliver_status *st, struct deliver_status *out, char dsn[16])
{
	struct span   word = SPAN_NONE, rest = span_trim(value);
	struct status status;

	if (!span_next(&rest, " \t", &word) || word.len >= 16 || !status_parse(word, &status, NULL) ||
	    (status.class == 2) != (st->action == DELIVER_SENT)) {
		log_warning("%s_delivery_status_filter: bad result \"%.*s\"", client_prefix(), SPAN_ARGS(span_first(value, 100)));
		return false;
	}
	snprintf(dsn, 16, "%.*s", SPAN_ARGS(word));
	out->dsn = dsn;
	out->text = span_trim(rest).len ? span_trim(rest) : st->text;
	if (status.class != 2)
		out->action = status.class == 5 ? DELIVER_BOUNCED : DELIVER_DEFERRED;
	return true;
}

int
filtered_report(struct delivery *d, struct deliver_rcpt *r, const struct deliver_status *st, struct fault *why)
{
	autotext struct text  key = {0}, value = {0};
	struct deliver_status other = *st;
	char                  dsn[16];

	text_add_format(&key, "%s %.*s", st->dsn, SPAN_ARGS(st->text));
	if (ask(&client.status_filter, "delivery_status_filter", text_span(&key), &value) &&
	    take_status(text_span(&value), st, &other, dsn))
		return deliver_report(d, r, &other, why);
	return deliver_report(d, r, st, why);
}

int
filtered_report_rest(struct delivery *d, const struct deliver_status *st, struct fault *why)
{
	for (size_t i = 0; i < d->n_rcpts; i++)
		if (!d->rcpts[i].reported && filtered_report(d, &d->rcpts[i], st, why) < 0)
			return -1;
	return 0;
}
