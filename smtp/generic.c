/* SPDX-License-Identifier: ISC */
/*
 * generic.c - addresses that are good only here, and what takes their place out there (generic(5))
 *
 * Applied once, to the envelope and to the addresses of the message's own header, never to those of
 * attached messages.
 */
#include "client.h"
#include "config/match.h"
#include "config/site.h"
#include "mail/address.h"
#include "mail/header.h"
#include "table/table.h"

static bool
is_local(struct span domain)
{
	return domain.len == 0 || span_is_nocase(domain, site.myorigin) ||
	       (client.mydestination && match_domain(client.mydestination, domain, NULL) == 1);
}

/* "@domain" keeps the local part; an address without a domain gets ours; "+ext" stays where that is wanted. */
static struct span
result_of(struct span from, const struct table_match *m, struct arena *a)
{
	struct span value = span_trim(text_span(&m->value)), local, domain, own_local, own_domain, plain = SPAN_NONE;
	bool        extends = m->extension.len && list_has(&client.propagate_extensions, "generic");

	address_split(from, &own_local, &own_domain);
	if (value.len && value.at[0] == '@')
		return span_of(arena_format(a, "%.*s%.*s", SPAN_ARGS(own_local), SPAN_ARGS(value)));
	if (address_parse(a, value, ADDRESS_UTF8, &plain, NULL) < 0 || plain.len == 0)
		return from;
	address_split(plain, &local, &domain);
	if (!domain.len)
		domain = span_of(site.myorigin);
	return span_of(arena_format(a, "%.*s%.*s@%.*s", SPAN_ARGS(local), extends ? (int)m->extension.len : 0,
	                            text_string(&m->extension), SPAN_ARGS(domain)));
}

int
generic_address(struct span internal, struct arena *a, struct span *out, struct fault *why)
{
	struct table_match m = {0};
	struct span        local, domain, found;
	int                got;

	if (!client.generic.tables || table_list_count(client.generic.tables) == 0 || internal.len == 0)
		return 1;
	address_split(internal, &local, &domain);
	struct table_query q = {.order = TABLE_ADDRESS, .local = is_local(domain)};

	got = table_list_find_address(client.generic.tables, &q, internal, &m, why);
	if (got == 0) {
		found = result_of(internal, &m, a);
		got = span_equal(found, internal);
		if (!got)
			*out = found;
	}
	text_free(&m.value);
	text_free(&m.extension);
	return got;
}

static bool
rewrite_list(struct span value, struct arena *a, struct text *out, bool *failed)
{
	struct address_list list;
	struct span         other;
	size_t              copied = 0;
	bool                changed = false;

	address_words_parse(a, value, ADDRESS_LIST_LIMIT, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *m = &list.at[i];
		struct fault          why = {0};
		int                   got = m->kind == MAILBOX ? generic_address(mailbox_address(a, m), a, &other, &why) : 1;

		*failed = *failed || got < 0;
		if (i)
			mailbox_put_comma(value, m - 1, m, &copied, out);
		if (got != 0 || m->start < copied || m->end < m->start)
			continue;
		text_add(out, span_cut(value, copied, m->start));
		address_external(other, out);
		copied = m->end;
		changed = true;
	}
	text_add(out, span_from(value, copied));
	return changed;
}

bool
generic_field(struct span field, struct arena *a, struct text *out, bool *failed)
{
	autotext struct text value = {0};
	struct header_field  f;
	size_t               at = 0;

	if (!client.generic.tables || table_list_count(client.generic.tables) == 0 || !header_next(field, &at, &f) ||
	    !(header_flags(f.name) & HEADER_ADDRESSES) || !rewrite_list(f.value, a, &value, failed))
		return false;
	text_add_format(out, "%.*s: ", SPAN_ARGS(f.name));
	text_add(out, text_span(&value));
	return true;
}
