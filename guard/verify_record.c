/* SPDX-License-Identifier: ISC */
/*
 * verify_record.c - what is known of an address, and how long it holds
 */
#include "verify.h"

static bool
take_number(struct span *rest, int64_t *out)
{
	struct span one;
	uint64_t    n;

	if (!span_split(rest, ':', &one) || !span_number(one, &n) || n > INT64_MAX)
		return false;
	*out = (int64_t)n;
	return true;
}

bool
verify_record_parse(struct span in, struct verify_record *out)
{
	struct verify_record r = {0};
	int64_t              state;

	if (!take_number(&in, &state) || state > VERIFY_UNKNOWN || !take_number(&in, &r.probed) ||
	    !take_number(&in, &r.updated))
		return false;
	r.state = (enum verify_state)state;
	r.text = in;
	*out = r;
	return true;
}

void
verify_record_print(const struct verify_record *r, struct text *out)
{
	text_add_format(out, "%d:%lld:%lld:%.*s", (int)r->state, (long long)r->probed, (long long)r->updated,
	                SPAN_ARGS(span_first(r->text, 1000)));
}

void
verify_record_age(struct verify_record *r, const struct verify_times *t, int64_t now)
{
	int64_t expire = (r->state == VERIFY_OK ? t->good_expire : t->bad_expire) / 1000;

	if (r->state == VERIFY_UNKNOWN || now - r->updated <= expire)
		return;
	r->state = VERIFY_UNKNOWN;
	r->updated = 0;
	r->text = SPAN("Address verification in progress");
}

bool
verify_record_wants_probe(const struct verify_record *r, const struct verify_times *t, int64_t now)
{
	int64_t refresh = (r->state == VERIFY_OK ? t->good_refresh : t->bad_refresh) / 1000;

	return now - r->probed > VERIFY_PROBE_SECONDS && (r->state == VERIFY_UNKNOWN || now - r->updated > refresh);
}

void
verify_record_take(struct verify_record *r, const struct verify_times *t, enum verify_state state, struct span text,
                   int64_t now)
{
	verify_record_age(r, t, now);
	r->probed = 0;
	if (r->state == VERIFY_OK && state != VERIFY_OK)
		return;
	r->state = state;
	r->updated = now;
	r->text = text;
}
