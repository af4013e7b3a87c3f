/* SPDX-License-Identifier: ISC */
/*
 * test_date.c - date and currentdate: parts of a moment in some zone (RFC 5260, 4 and 5)
 */
#include "sieve/sieve_private.h"
#include "mail/date.h"

struct civil { int64_t year; int month, day, hour, minute, second, weekday; int64_t days; };

/* Days since 1970 to a date (proleptic Gregorian), in 400-year eras that begin in March. */
static struct civil
civil_of(int64_t seconds)
{
	struct civil c = {0};
	int64_t      rest = seconds % 86400, z, era, doe, yoe, doy, mp;

	c.days = seconds / 86400;
	if (rest < 0) {
		rest += 86400;
		c.days--;
	}
	c.hour = (int)(rest / 3600);
	c.minute = (int)(rest / 60 % 60);
	c.second = (int)(rest % 60);
	c.weekday = (int)(((c.days + 4) % 7 + 7) % 7);
	z = c.days + 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	return c;
}

/* "+hhmm": minutes; false when it is none. */
static bool
zone_parse(struct span s, int *minutes)
{
	uint64_t n;

	if (s.len != 5 || (s.at[0] != '+' && s.at[0] != '-') || !span_number(span_from(s, 1), &n) || n % 100 > 59 || n > 2400)
		return false;
	*minutes = (int)(n / 100 * 60 + n % 100) * (s.at[0] == '-' ? -1 : 1);
	return true;
}

static void
add_zone(struct text *out, int zone, const char *between)
{
	int minutes = zone < 0 ? -zone : zone;

	text_add_format(out, "%c%02d%s%02d", zone < 0 ? '-' : '+', minutes / 60, between, minutes % 60);
}

/* RFC 5260, 4.2: false when there is no such part. */
static bool
add_part(struct span part, struct date d, struct text *out)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil c = civil_of(d.seconds + d.zone * 60);
	int          year = (int)c.year;

	if (span_is_nocase(part, "year"))
		text_add_format(out, "%04d", year);
	else if (span_is_nocase(part, "month"))
		text_add_format(out, "%02d", c.month);
	else if (span_is_nocase(part, "day"))
		text_add_format(out, "%02d", c.day);
	else if (span_is_nocase(part, "date"))
		text_add_format(out, "%04d-%02d-%02d", year, c.month, c.day);
	else if (span_is_nocase(part, "julian"))
		text_add_format(out, "%lld", (long long)c.days + 40587);
	else if (span_is_nocase(part, "hour"))
		text_add_format(out, "%02d", c.hour);
	else if (span_is_nocase(part, "minute"))
		text_add_format(out, "%02d", c.minute);
	else if (span_is_nocase(part, "second"))
		text_add_format(out, "%02d", c.second);
	else if (span_is_nocase(part, "time"))
		text_add_format(out, "%02d:%02d:%02d", c.hour, c.minute, c.second);
	else if (span_is_nocase(part, "weekday"))
		text_add_format(out, "%d", c.weekday);
	else if (span_is_nocase(part, "zone"))
		add_zone(out, d.zone, "");
	else if (span_is_nocase(part, "std11")) {      /* two digits for the day, as others do */
		text_add_format(out, "%s, %02d %s %04d %02d:%02d:%02d ", days[c.weekday], c.day, months[c.month - 1], year,
			c.hour, c.minute, c.second);
		add_zone(out, d.zone, "");
	}
	else if (span_is_nocase(part, "iso8601")) {
		text_add_format(out, "%04d-%02d-%02dT%02d:%02d:%02d", year, c.month, c.day, c.hour, c.minute, c.second);
		add_zone(out, d.zone, ":");
	} else {
		return false;
	}
	return true;
}

static int
set_zone(struct run *r, const struct node *n, struct date *d)
{
	const struct argument *zone = node_tag(n, TAG_ZONE);

	if (n->tags & TAG(ORIGINALZONE))
		return 0;
	d->zone = date_local(d->seconds).zone;
	if (zone && !zone_parse(word_first(r, zone), &d->zone))
		return script_error(r, n, "invalid zone \"%.*s\"", SPAN_ARGS(span_first(word_first(r, zone), 20)));
	return 0;
}

static int
match_moment(struct matching *m, struct date d, struct span part)
{
	autotext struct text out = {0};

	if (set_zone(m->run, m->node, &d) < 0)
		return -1;
	if (!add_part(part, d, &out))
		return 0;              /* an unknown part matches nothing */
	return matching_value(m, arena_span(m->run->arena, text_span(&out)));
}

/* The date of a field stands at its front, or behind the last ";" (Received). */
static bool
field_date(struct run *r, struct span raw, struct date *out)
{
	struct span value = header_unfolded(r->arena, raw);
	ptrdiff_t   last = span_find_last(value, ';');

	return date_parse(last < 0 ? value : span_trim(span_from(value, (size_t)last + 1)), out);
}

int
test_date(struct run *r, const struct node *n, bool *answer)
{
	const struct argument *index = node_tag(n, TAG_INDEX);
	struct span            name = word_first(r, n->at[0]), part = word_first(r, n->at[1]);
	struct matching        m;
	uint64_t               seen = 0, wanted = index ? index->number : 1;
	struct date            d;

	script_fields(r);
	matching_start(&m, r, n, &n->at[2]->strings);
	for (size_t i = 0; i < r->n_fields; i++) {
		const struct head_field *f = &r->fields[n->tags & TAG(LAST) ? r->n_fields - 1 - i : i];

		if (!field_is(f, name) || ++seen != wanted)
			continue;
		if (script_cost(r, n, f->value.len) < 0 || (field_date(r, f->value, &d) && match_moment(&m, d, part) < 0))
			return -1;
		break;
	}
	return matching_end(&m, answer);
}

int
test_currentdate(struct run *r, const struct node *n, bool *answer)
{
	struct date     now = {.seconds = r->host->now};
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	return match_moment(&m, now, word_first(r, n->at[0])) < 0 ? -1 : matching_end(&m, answer);
}
