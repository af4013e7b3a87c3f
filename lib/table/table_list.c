/* SPDX-License-Identifier: ISC */
/*
 * table_list.c - the tables of one parameter, and the keys of an address
 */
#include <stdlib.h>

#include "config/networks.h"
#include "config/site.h"
#include "mail/address.h"
#include "table/table.h"

struct table_list {
	struct table **table;
	size_t         count;
};

struct table_list *
table_list_open(const struct list *specs, struct fault *why)
{
	struct table_list *l = mem_alloc(sizeof *l);

	l->table = mem_array(specs->count + 1, sizeof *l->table);
	for (size_t i = 0; i < specs->count; i++) {
		l->table[i] = table_open(specs->item[i], why);
		if (!l->table[i]) {
			table_list_close(l);
			return NULL;
		}
		l->count++;
	}
	return l;
}

void
table_list_close(struct table_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		table_close(l->table[i]);
	free(l->table);
	free(l);
}

size_t
table_list_count(const struct table_list *l)
{
	return l ? l->count : 0;
}

struct table *
table_list_at(const struct table_list *l, size_t i)
{
	return i < l->count ? l->table[i] : NULL;
}

/* `partial`: a key that is not the whole address; patterns are not asked for it. */
static int
find(const struct table_list *l, struct span key, bool partial, struct text *value,
     struct table **where, struct fault *why)
{
	for (size_t i = 0; i < l->count; i++) {
		int got;

		if (partial && table_is_pattern(l->table[i]))
			continue;
		got = table_find(l->table[i], key, value, why);
		if (got == 0 && where)
			*where = l->table[i];
		if (got <= 0)
			return got;
	}
	return 1;
}

int
table_list_find(const struct table_list *l, struct span key, struct text *value,
                struct table **where,
                struct fault *why)
{
	return find(l, key, false, value, where, why);
}

ptrdiff_t
address_delimiter(struct span local)
{
	const char *delimiters = site.recipient_delimiter;

	if (!delimiters || !*delimiters)
		return -1;
	if (span_is_nocase(local, "mailer-daemon") ||
	    (site.double_bounce_sender && span_is_nocase(local, site.double_bounce_sender)))
		return -1;
	/* owner-list and list-request have no extension when it is '-' */
	if (strchr(delimiters, '-') && (span_starts_nocase(local, "owner-") ||
	                                span_ends_nocase(local, "-request")))
		return -1;
	for (size_t i = 1; i < local.len; i++)
		if (local.at[i] && strchr(delimiters, local.at[i]))
			return (ptrdiff_t)i;
	return -1;
}

struct lookup {
	const struct table_list  *list;
	const struct table_query *query;
	struct table_match        found;
	struct fault             *why;
	bool                      first;     /* the key to come is the whole address */
};

/* Asks for "before" + "after": 0, 1, -1 */
static int
try_key(struct lookup *l, struct span before, struct span after)
{
	autotext struct text key = {0};
	bool                 partial = !l->first;

	l->first = false;
	text_add(&key, before);
	text_add(&key, after);
	return find(l->list, text_span(&key), partial, &l->found.value, &l->found.table, l->why);
}

/* domain, then its parents as .parent or parent. */
static int
try_domains(struct lookup *l, struct span domain, bool whole)
{
	int       got;
	ptrdiff_t dot;

	l->first = l->first && whole;
	got = try_key(l, domain, SPAN_NONE);
	while (got == 1 && domain.len && (dot = span_find(span_from(domain, 1), '.')) >= 0) {
		domain = span_from(domain, (size_t)dot + 1);
		got = try_key(l, span_from(domain, l->query->parents_plain ? 1 : 0), SPAN_NONE);
	}
	return got;
}

/* The network prefixes of an address: 192.0.2.7 192.0.2 192.0 192 */
static int
try_prefixes(struct lookup *l, struct span address)
{
	char separator = span_has(address, ':') ? ':' : '.';
	int  got = try_key(l, address, SPAN_NONE);

	while (got == 1) {
		ptrdiff_t last = span_find_last(address, separator);

		if (last <= 0)
			return 1;
		address = span_first(address, (size_t)last);
		while (address.len && address.at[address.len - 1] == separator)
			address.len--;
		got = try_key(l, address, SPAN_NONE);
	}
	return got;
}

struct parts {
	struct span local, user, extension, at_domain, domain;   /* extension with its delimiter */
};

static struct parts
split(struct span address, bool is_local_part)
{
	struct parts p = {.local = address, .at_domain = SPAN_NONE, .domain = SPAN_NONE};
	ptrdiff_t    at = is_local_part ? -1 : span_find_last(address, '@'), cut;

	if (at >= 0) {
		p.local = span_first(address, (size_t)at);
		p.at_domain = span_from(address, (size_t)at);
		p.domain = span_from(address, (size_t)at + 1);
	}
	cut = address_delimiter(p.local);
	p.user = cut < 0 ? p.local : span_first(p.local, (size_t)cut);
	p.extension = span_from(p.local, p.user.len);
	return p;
}

/* user+ext@domain, user@domain */
static int
try_full(struct lookup *l, const struct parts *p)
{
	int got = try_key(l, p->local, p->at_domain);

	if (got == 1 && p->extension.len) {
		got = try_key(l, p->user, p->at_domain);
		if (got == 0)
			text_set(&l->found.extension, p->extension);
	}
	return got;
}

/* user+ext, user; with `after` behind */
static int
try_local(struct lookup *l, const struct parts *p, struct span after)
{
	int got = 1;

	if (p->extension.len)
		got = try_key(l, p->local, after);
	if (got == 1) {
		got = try_key(l, p->user, after);
		if (got == 0 && p->extension.len)
			text_set(&l->found.extension, p->extension);
	}
	return got;
}

static int
try_address(struct lookup *l, const struct parts *p, bool with_local)
{
	int got = try_full(l, p);

	if (got == 1 && with_local && p->domain.len)
		got = try_local(l, p, SPAN_NONE);
	if (got == 1 && p->domain.len) {
		got = try_key(l, p->at_domain, SPAN_NONE);
		l->found.catch_all = got == 0;
	}
	return got;
}

static int
try_transport(struct lookup *l, const struct parts *p)
{
	int got = try_full(l, p);

	if (got == 1 && p->domain.len)
		got = try_domains(l, p->domain, false);
	if (got == 1) {
		got = try_key(l, SPAN("*"), SPAN_NONE);
		l->found.catch_all = got == 0;
	}
	return got;
}

static int
try_access(struct lookup *l, const struct parts *p)
{
	int got = try_full(l, p);

	if (got == 1 && p->domain.len)
		got = try_domains(l, p->domain, false);
	if (got == 1)
		got = try_local(l, p, SPAN("@"));
	return got;
}

static int
find_form(const struct table_list *list, const struct table_query *query, struct span address, struct table_match *match,
          struct fault *why)
{
	struct lookup l = {.list = list, .query = query, .why = why, .first = true};
	struct parts  p = split(address, query->order == TABLE_ALIAS);
	int           got = 1;

	if (list->count == 0)
		return 1;
	switch (query->order) {
	case TABLE_ADDRESS:   got = try_address(&l, &p, query->local); break;
	case TABLE_MAILBOX:   got = try_address(&l, &p, false); break;
	case TABLE_ALIAS:     got = try_full(&l, &p); break;
	case TABLE_TRANSPORT: got = try_transport(&l, &p); break;
	case TABLE_ACCESS:    got = try_access(&l, &p); break;
	case TABLE_DOMAIN:    got = try_domains(&l, address, true); break;
	case TABLE_IP:        got = try_prefixes(&l, address); break;
	}
	if (got == 0)
		*match = l.found;
	else {
		text_free(&l.found.value);
		text_free(&l.found.extension);
	}
	return got;
}

/* Tables hold addresses as people write them, "a b"@example.com; as bytes, without quotes, they are looked for then. */
int
table_list_find_address(const struct table_list *list, const struct table_query *query,
                        struct span address, struct table_match *match, struct fault *why)
{
	autotext struct text external = {0};
	ptrdiff_t            at = span_find_last(address, '@');
	int                  got = 1;

	if (query->order <= TABLE_ACCESS && query->order != TABLE_ALIAS &&
	    address_local_needs_quotes(at < 0 ? address : span_first(address, (size_t)at)) && address.len) {
		address_external(address, &external);
		got = find_form(list, query, text_span(&external), match, why);
	}
	return got == 1 ? find_form(list, query, address, match, why) : got;
}
