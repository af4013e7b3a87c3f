/* SPDX-License-Identifier: ISC */
/*
 * authd_route.c - where somebody's mailbox is, as databases say it
 */
#include "authd_route.h"

#include <stddef.h>
#include <stdlib.h>

#include "net/address.h"

enum { NAME_MOST = 255, PASSWORD_MOST = 512, REASON_MOST = 199, TIMEOUT_MOST = 600000 };

struct row;
typedef int taker(const struct row *, struct span value, struct route *, struct fault *);

static int take_flag(const struct row *, struct span, struct route *, struct fault *);
static int take_word(const struct row *, struct span, struct route *, struct fault *);
static int take_words(const struct row *, struct span, struct route *, struct fault *);
static int take_password(const struct row *, struct span, struct route *, struct fault *);
static int take_address(const struct row *, struct span, struct route *, struct fault *);
static int take_port(const struct row *, struct span, struct route *, struct fault *);
static int take_time(const struct row *, struct span, struct route *, struct fault *);
static int take_tls(const struct row *, struct span, struct route *, struct fault *);
static int take_mechanism(const struct row *, struct span, struct route *, struct fault *);
static int take_nothing(const struct row *, struct span, struct route *, struct fault *);

static const struct row {
	const char *name;
	taker      *takes;
	size_t      offset, most;
} rows[] = {
	{"proxy", take_flag, offsetof(struct route, proxy), 0},
	{"proxy_maybe", take_flag, offsetof(struct route, maybe), 0},
	{"nologin", take_flag, offsetof(struct route, nologin), 0},
	{"nopassword", take_flag, offsetof(struct route, nopassword), 0},
	{"proxy_not_trusted", take_flag, offsetof(struct route, not_trusted), 0},
	{"proxy_nopipelining", take_nothing, 0, 0},          /* nothing is ever said before its turn */
	{"host", take_word, offsetof(struct route, host), NAME_MOST},
	{"hostip", take_address, offsetof(struct route, address), NAME_MOST},
	{"destuser", take_words, offsetof(struct route, user), NAME_MOST},
	{"master", take_words, offsetof(struct route, master), NAME_MOST},
	{"reason", take_words, offsetof(struct route, reason), REASON_MOST},
	{"pass", take_password, offsetof(struct route, password), PASSWORD_MOST},
	{"port", take_port, 0, 0},
	{"proxy_timeout", take_time, 0, 0},
	{"proxy_mech", take_mechanism, 0, 0},
	{"ssl", take_tls, 0, 0},
	{"starttls", take_tls, 0, 0},
};

static const struct row *
row_of(struct span name)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (span_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

bool
route_knows(struct span name)
{
	return row_of(name) != NULL;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
			return true;
	return false;
}

void
route_add(struct text *fields, struct span name, struct span value)
{
	bool splits = span_has(value, '\t') || span_has(value, '\0') || span_has(value, '\r') || span_has(value, '\n');

	text_add_format(fields, "%s%.*s=", fields->len ? "\t" : "", SPAN_ARGS(name));
	if (splits)
		text_add_byte(fields, 0x7f);
	else
		text_add(fields, value);
}

static int
bad(const struct row *r, struct fault *why)
{
	return fault_set(why, FAULT_INPUT, "%s= is not as it should be", r->name);
}

static struct span *
span_in(const struct row *r, struct route *out)
{
	return (struct span *)(void *)((char *)out + r->offset);
}

/* Dovecot goes by the name alone; a column may say "N". */
static int
take_flag(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	static const char *const yes[] = {"", "y", "yes", "1", "true"}, *const no[] = {"n", "no", "0", "false"};
	bool                    *flag = (bool *)(void *)((char *)out + r->offset);

	for (size_t i = 0; i < COUNT(yes); i++)
		if (span_is_nocase(value, yes[i])) {
			*flag = true;
			return 0;
		}
	for (size_t i = 0; i < COUNT(no); i++)
		if (span_is_nocase(value, no[i])) {
			*flag = false;
			return 0;
		}
	return bad(r, why);
}

static int
take_words(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	if (value.len > r->most || has_control(value))
		return bad(r, why);
	*span_in(r, out) = value;
	return 0;
}

/* "[::1]" is an address, as ::1 is. */
static int
take_word(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	if (value.len > 2 && value.at[0] == '[' && value.at[value.len - 1] == ']')
		value = span_cut(value, 1, value.len - 1);
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] <= ' ' || strchr("/;\"\\<>()[]{}", value.at[i]))
			return bad(r, why);
	return take_words(r, value, out, why);
}

static int
take_address(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	struct net_address a;

	if (value.len && net_address_parse(value, 1, &a, NULL) < 0)
		return bad(r, why);
	return take_words(r, value, out, why);
}

static int
take_password(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	if (value.len > r->most || has_control(value))
		return bad(r, why);
	*span_in(r, out) = value;
	out->has_password = true;
	return 0;
}

static int
take_port(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	uint64_t n;

	if (!span_number(value, &n) || n == 0 || n > 65535)
		return bad(r, why);
	out->port = (int64_t)n;
	return 0;
}

static int
take_time(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	static const struct { const char *unit; uint64_t ms; } units[] = {
		{"", 1000}, {"s", 1000}, {"sec", 1000}, {"secs", 1000}, {"second", 1000}, {"seconds", 1000}, {"ms", 1}, {"msec", 1}, {"msecs", 1},
		{"m", 60000}, {"min", 60000}, {"mins", 60000}, {"minute", 60000}, {"minutes", 60000},
	};
	size_t   digits = 0;
	uint64_t n;

	while (digits < value.len && ascii_digit(value.at[digits]))
		digits++;
	if (digits > 6 || !span_number(span_first(value, digits), &n))
		return bad(r, why);
	for (size_t i = 0; i < COUNT(units); i++)
		if (span_is_nocase(span_trim(span_from(value, digits)), units[i].unit)) {
			if (n * units[i].ms > TIMEOUT_MOST)
				return bad(r, why);
			out->timeout = (int64_t)(n * units[i].ms);
			return 0;
		}
	return bad(r, why);
}

static int
take_tls(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	bool any = span_is_nocase(value, "any-cert");

	if (span_is_nocase(value, "starttls"))
		out->starttls = true;
	else if (!any && value.len && !span_is_nocase(value, "yes") && !span_is_nocase(value, "y"))
		return bad(r, why);
	out->tls = true;
	out->any_certificate = any;
	if (r->name[1] == 't')
		out->starttls = true;
	return 0;
}

static int
take_mechanism(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	static const char *const known[] = {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(value, known[i])) {
			out->mechanism = span_of(known[i]);
			return 0;
		}
	return bad(r, why);
}

static int
take_nothing(const struct row *r, struct span value, struct route *out, struct fault *why)
{
	(void)r, (void)value, (void)out, (void)why;
	return 0;
}

int
route_parse(struct span fields, struct route *out, struct fault *why)
{
	struct route r = {.host = SPAN_NONE, .address = SPAN_NONE, .user = SPAN_NONE, .password = SPAN_NONE, .master = SPAN_NONE,
	                  .mechanism = SPAN_NONE, .reason = SPAN_NONE};
	struct span  value;

	while (fields.len) {
		const struct row *row;
		struct span       name;

		span_split(&fields, '\t', &value);
		span_split(&value, '=', &name);
		if (!(row = row_of(name)))
			return fault_set(why, FAULT_INPUT, "%.*s= is not known here", SPAN_ARGS(span_first(name, 40)));
		if (row->takes(row, value, &r, why) < 0)
			return -1;
	}
	r.maybe = r.maybe && !r.proxy;
	r.proxy = r.proxy || r.maybe;
	*out = r;
	return 0;
}
