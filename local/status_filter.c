/* SPDX-License-Identifier: ISC */
/*
 * status_filter.c - *_delivery_status_filter of local, virtual and pipe
 */
#include "local/status_filter.h"

#include <stdio.h>

#include "base/log.h"
#include "mail/status.h"
#include "service/service.h"
#include "table/table.h"

static struct table_list *tables;       /* read-only once the first request comes */
static const char        *parameter;

int
status_filter_open(const struct list *specs, const char *name, struct fault *why)
{
	parameter = name;
	tables = table_list_open(specs, why);
	if (!tables)
		return fault_prefix(why, "%s", name);
	for (size_t i = 0; i < table_list_count(tables); i++)
		service_watch_table(table_list_at(tables, i));
	return 0;
}

void
status_filter(struct deliver_status *s, struct text *value, char dsn[16])
{
	autotext struct text key = {0};
	struct fault         why = {0};
	struct status        status;
	struct span          rest, word = SPAN_NONE;
	int                  got;

	if (!tables || !table_list_count(tables))
		return;
	text_add_format(&key, "%s %.*s", s->dsn, SPAN_ARGS(s->text));
	got = table_list_find(tables, text_span(&key), value, NULL, &why);
	if (got < 0)
		log_warning("%s: %s", parameter, fault_text(&why));
	fault_clear(&why);
	if (got != 0)
		return;
	rest = span_trim(text_span(value));
	if (!span_next(&rest, " \t", &word) || word.len >= 16 || !status_parse(word, &status, NULL) ||
	    (status.class == 2) != (s->action == DELIVER_SENT)) {
		log_warning("%s: bad result \"%.*s\"", parameter, SPAN_ARGS(span_first(text_span(value), 100)));
		return;
	}
	snprintf(dsn, 16, "%.*s", SPAN_ARGS(word));
	s->dsn = dsn;
	if (span_trim(rest).len)
		s->text = span_trim(rest);
	if (status.class != 2)
		s->action = status.class == 5 ? DELIVER_BOUNCED : DELIVER_DEFERRED;
}
