/* SPDX-License-Identifier: ISC */
/*
 * map.c - canonical(5), masquerading, virtual(5)
 *
 * A table's value is a list of addresses in external form; "@domain" keeps the
 * local part that was asked about, and an extension that did not match is
 * carried over where propagate_unmatched_extensions says so.
 */
#include "config/site.h"
#include "mail/address.h"
#include "route/route_private.h"

enum { CANONICAL_NESTING = 10 };

/* Addresses in a growing array that lies in an arena. */
struct addresses {
	struct arena *arena;
	struct span  *at;
	size_t        count, room;
};

static void
addresses_add(struct addresses *a, struct span address)
{
	if (a->count == a->room) {
		size_t       room = a->room ? a->room * 2 : 8;
		struct span *more = arena_alloc(a->arena, room * sizeof *more);

		if (a->count)
			memcpy(more, a->at, a->count * sizeof *more);
		a->at = more;
		a->room = room;
	}
	a->at[a->count++] = address;
}

/* The next member up to a comma outside of quotes, angles and comments are the parser's. */
static bool
next_member(struct span *rest, struct span *member)
{
	bool   quoted = false;
	size_t i = 0;

	if (rest->len == 0)
		return false;
	for (; i < rest->len && (quoted || rest->at[i] != ','); i++) {
		if (rest->at[i] == '\\' && i + 1 < rest->len)
			i++;
		else if (rest->at[i] == '"')
			quoted = !quoted;
	}
	*member = span_trim(span_first(*rest, i));
	*rest = span_from(*rest, i + 1);
	return true;
}

static struct span
with_extension(struct arena *arena, struct span address, struct span extension)
{
	struct span local, domain;

	if (extension.len == 0)
		return address;
	address_split(address, &local, &domain);
	return span_of(arena_format(arena, "%.*s%.*s%s%.*s", SPAN_ARGS(local), SPAN_ARGS(extension),
	                            domain.len ? "@" : "", SPAN_ARGS(domain)));
}

/* One member of a table's value, made whole as mail from here. */
static int
read_member(const struct router *r, struct arena *arena, struct span asked, struct span member,
            struct span extension, struct span *out, struct fault *why)
{
	struct span address, local, domain;

	if (member.at[0] == '@' && !span_has(member, ':')) {
		address_split(asked, &local, &domain);
		address = span_of(
			arena_format(arena, "%.*s%.*s", SPAN_ARGS(local), SPAN_ARGS(member)));
		extension = SPAN_NONE;          /* the local part has it already */
	} else if (address_parse(arena, member, ADDRESS_UTF8, &address, why) < 0) {
		return fault_prefix(why, "address mapping of %.*s", SPAN_ARGS(asked));
	}
	router_rewrite(r, true, with_extension(arena, address, extension), arena, out);
	return 0;
}

/* "a@b c@d": addresses that no comma parts. */
static int
read_words(const struct router *r, struct span asked, const struct address_list *words, struct span extension,
           struct addresses *out, struct fault *why)
{
	struct span one;

	for (size_t i = 0; i < words->count; i++) {
		autotext struct text external = {0};

		if (words->at[i].kind != MAILBOX)
			continue;
		address_external(mailbox_address(out->arena, &words->at[i]), &external);
		if (read_member(r, out->arena, asked, arena_span(out->arena, text_span(&external)), extension, &one, why) < 0)
			return -1;
		addresses_add(out, one);
	}
	return 0;
}

static int
read_value(const struct router *r, struct span asked, const struct table_match *match,
	bool propagate, struct addresses *out, struct fault *why)
{
	struct span rest = arena_span(out->arena, text_span(&match->value)), member, one;
	struct span extension =
		propagate ? arena_span(out->arena, text_span(&match->extension)) : SPAN_NONE;

	while (next_member(&rest, &member)) {
		struct address_list words;

		if (member.len == 0)
			continue;
		address_words_parse(out->arena, member, SIZE_MAX, &words); /* how many are too many, the expansion limit says */
		if (words.mailboxes > 1) {
			if (read_words(r, asked, &words, extension, out, why) < 0)
				return -1;
			continue;
		}
		if (read_member(r, out->arena, asked, member, extension, &one, why) < 0)
			return -1;
		addresses_add(out, one);
	}
	return 0;
}

/* 0 and at least one address, 1 not found, -1 */
static int
look_up(struct router *r, const struct table_list *tables, struct span asked, bool propagate,
        struct addresses *out, struct fault *why)
{
	struct table_match match = {0};
	size_t             before = out->count;
	int                got = router_find_address(r, tables, asked, &match, why);

	if (got == 0 && read_value(r, asked, &match, propagate, out, why) < 0)
		got = -1;
	text_free(&match.value);
	text_free(&match.extension);
	return got == 0 && out->count == before ? 1 : got;
}

/* Looks up again what came out, until it stays the same. */
static int
canonical(struct router *r, const struct table_list *tables, struct arena *arena,
	struct span *address, struct fault *why)
{
	bool propagate = list_has(&route_settings.propagate, "canonical");

	for (int i = 0; i < CANONICAL_NESTING; i++) {
		struct addresses found = {.arena = arena};
		int              got = look_up(r, tables, *address, propagate, &found, why);

		if (got)
			return got < 0 ? -1 : 0;
		if (span_equal_nocase(found.at[0], *address)) {
			*address = found.at[0];
			return 0;
		}
		*address = found.at[0];
	}
	return 0;        /* a loop: as far as it came, as in Postfix */
}

/* host.example.com becomes example.com; the first of masquerade_domains that holds it decides. */
static int
masquerade(struct router *r, struct arena *arena, struct span *address, struct fault *why)
{
	struct span local, domain;
	int         exempt;

	address_split(*address, &local, &domain);
	if (domain.len == 0 || route_settings.masquerade_domains.count == 0)
		return 0;
	exempt = match_string(r->masquerade_exceptions, local, why);
	if (exempt)
		return exempt < 0 ? -1 : 0;
	for (size_t i = 0; i < route_settings.masquerade_domains.count; i++) {
		struct span parent = span_of(route_settings.masquerade_domains.item[i]);
		bool        keep = span_starts(parent, "!");

		parent = span_from(parent, keep);
		if (span_equal_nocase(domain, parent))
			return 0;
		if (parent.len == 0 || domain.len <= parent.len ||
			domain.at[domain.len - parent.len - 1] != '.' ||
			!span_equal_nocase(span_from(domain, domain.len - parent.len), parent))
			continue;
		if (!keep)
			*address = span_of(arena_format(
				arena, "%.*s@%.*s", SPAN_ARGS(local), SPAN_ARGS(parent)));
		return 0;
	}
	return 0;
}

static const struct { const char *name, *class; } kinds[] = {
	[MAP_SENDER] = {"sender", "envelope_sender"},
	[MAP_RECIPIENT] = {"recipient", "envelope_recipient"},
	[MAP_HEADER_SENDER] = {"header_sender", "header_sender"},
	[MAP_HEADER_RECIPIENT] = {"header_recipient", "header_recipient"},
};

bool
route_map_kind_parse(struct span name, enum route_map_kind *kind)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (span_is(name, kinds[i].name)) {
			*kind = (enum route_map_kind)i;
			return true;
		}
	return false;
}

int
router_map(struct router *r, enum route_map_kind kind, struct span in, struct arena *arena,
           struct span *out, struct fault *why)
{
	bool                     sender = kind == MAP_SENDER || kind == MAP_HEADER_SENDER;
	const struct list       *own = sender ? &route_settings.sender_canonical_classes
	                                      : &route_settings.recipient_canonical_classes;
	const struct table_list *maps = sender ? r->sender_canonical : r->recipient_canonical;
	struct span              address = arena_span(arena, in);

	if (in.len == 0) {
		*out = address;
		return 0;
	}
	if (list_has(own, kinds[kind].class) && canonical(r, maps, arena, &address, why) < 0)
		return -1;
	if (list_has(&route_settings.canonical_classes, kinds[kind].class) &&
	    canonical(r, r->canonical, arena, &address, why) < 0)
		return -1;
	if (list_has(&route_settings.masquerade_classes, kinds[kind].class) &&
	    masquerade(r, arena, &address, why) < 0)
		return -1;
	*out = address;
	return 0;
}

/* Addresses that came out of themselves are done. */
static bool
is_done(const struct addresses *done, struct span address)
{
	for (size_t i = 0; i < done->count; i++)
		if (span_equal_nocase(done->at[i], address))
			return true;
	return false;
}

/* Replaces all->at[i] by what was found for it; the rest goes to the end. */
static int
replace(struct addresses *all, size_t i, const struct addresses *found, struct addresses *done,
        struct fault *why)
{
	struct span asked = all->at[i];

	for (size_t k = 0; k < found->count; k++) {
		if (found->at[k].len > (size_t)route_settings.length_limit)
			return fault_set(why, FAULT_INPUT,
				"unreasonable virtual_alias_maps map address length of %.*s",
				SPAN_ARGS(asked));
		if (k == 0)
			all->at[i] = found->at[k];
		else
			addresses_add(all, found->at[k]);
		if (span_equal_nocase(asked, found->at[k]))
			addresses_add(done, asked);
	}
	if (all->count > (size_t)route_settings.expansion_limit)
		return fault_set(why, FAULT_INPUT,
			"unreasonable virtual_alias_maps map expansion size for %.*s",
			SPAN_ARGS(asked));
	return 0;
}

static int
expand_aliases(struct router *r, struct addresses *all, struct fault *why)
{
	struct addresses done = {.arena = all->arena};
	bool             propagate = list_has(&route_settings.propagate, "virtual");

	for (size_t i = 0; i < all->count; i++) {
		for (int nesting = 0; !is_done(&done, all->at[i]); nesting++) {
			struct addresses found = {.arena = all->arena};
			int              got;

			if (nesting >= route_settings.recursion_limit)
				return fault_set(why, FAULT_INPUT,
					"unreasonable virtual_alias_maps map nesting for %.*s",
					SPAN_ARGS(all->at[i]));
			got = look_up(r, r->virtual_alias, all->at[i], propagate, &found, why);
			if (got < 0 || (got == 0 && replace(all, i, &found, &done, why) < 0))
				return -1;
			if (got == 1)
				break;
		}
	}
	return 0;
}

int
router_expand(struct router *r, struct span address, struct arena *arena, struct span **out,
              size_t *count, struct fault *why)
{
	struct addresses all = {.arena = arena};
	struct span      mapped;

	if (router_map(r, MAP_RECIPIENT, address, arena, &mapped, why) < 0)
		return -1;
	addresses_add(&all, mapped);
	if (mapped.len && expand_aliases(r, &all, why) < 0)
		return -1;
	*out = all.at;
	*count = all.count;
	return 0;
}
