/* SPDX-License-Identifier: ISC */
/*
 * fetch_items.c - what a FETCH asks for (RFC 3501, 6.4.5)
 */
#include "fetch_items.h"

#include "mail/header.h"

static const struct {
	const char          *name;
	enum fetch_item_kind kind;
} plain[] = {
	{"UID", FETCH_UID}, {"FLAGS", FETCH_FLAGS}, {"INTERNALDATE", FETCH_INTERNALDATE},
	{"RFC822.SIZE", FETCH_SIZE}, {"ENVELOPE", FETCH_ENVELOPE}, {"BODY", FETCH_BODY},
	{"BODYSTRUCTURE", FETCH_BODYSTRUCTURE}, {"MODSEQ", FETCH_MODSEQ}, {"EMAILID", FETCH_EMAILID},
	{"THREADID", FETCH_THREADID}, {"SAVEDATE", FETCH_SAVEDATE}, {"PREVIEW", FETCH_PREVIEW},
};

static const struct {
	const char *name, *items;
} macros[] = {
	{"ALL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"}, {"FAST", "FLAGS INTERNALDATE RFC822.SIZE"},
	{"FULL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"},
};

static void
add_item(struct fetch_items *items, struct fetch_item item)
{
	items->sets_seen |= item.sets_seen;
	items->has_flags |= item.kind == FETCH_FLAGS;
	items->has_uid |= item.kind == FETCH_UID;
	items->has_email_id |= item.kind == FETCH_EMAILID;
	items->has_modseq |= item.kind == FETCH_MODSEQ;
	for (size_t i = 0; i < items->count; i++) /* asked for twice is told once */
		if (span_equal(items->at[i].label, item.label))
			return;
	items->at[items->count++] = item;
}

/* "RFC822", "RFC822.HEADER", "RFC822.TEXT": BODY[...] under their old names. */
static bool
parse_rfc822(struct span name, struct fetch_item *item)
{
	static const struct {
		const char            *name;
		enum imap_section_kind kind;
		bool                   sets_seen;
	} old[] = {
		{"RFC822", SECTION_ALL, true}, {"RFC822.HEADER", SECTION_HEADER, false},
		{"RFC822.TEXT", SECTION_TEXT, true},
	};

	for (size_t i = 0; i < COUNT(old); i++)
		if (span_is_nocase(name, old[i].name)) {
			*item = (struct fetch_item){.kind = FETCH_SECTION, .label = span_of(old[i].name),
				.section = {.kind = old[i].kind}, .sets_seen = old[i].sets_seen};
			return true;
		}
	return false;
}

/* Literals among header names become quoted strings: lib/mail takes those. */
static int
without_literals(struct arena *arena, struct span *section, struct fault *why)
{
	ptrdiff_t            open = span_find(*section, '(');
	struct argument     *list;
	size_t               count;
	autotext struct text out = {0};

	if (!span_has(*section, '{') || open < 0)
		return 0;
	if (grammar_parse_list(arena, span_from(*section, (size_t)open), &list, &count, why) < 0)
		return -1;
	if (count != 1 || list->type != ARGUMENT_LIST)
		return fault_set(why, FAULT_INPUT, "Invalid section");
	text_add(&out, span_first(*section, (size_t)open));
	text_add_byte(&out, '(');
	for (const struct argument *a = list->children; a; a = a->next) {
		text_add_string(&out, a == list->children ? "\"" : " \"");
		text_add(&out, a->text);
		text_add_byte(&out, '"');
	}
	text_add_byte(&out, ')');
	*section = arena_span(arena, text_span(&out));
	return 0;
}

static bool
parse_partial(struct span s, struct fetch_item *item)
{
	struct span first;

	if (s.len == 0)
		return true;
	if (s.at[0] != '<' || !span_ends(s, ">"))
		return false;
	s = span_cut(s, 1, s.len - 1);
	item->partial = true;
	return span_split(&s, '.', &first) && span_number(first, &item->start)
		&& span_number(s, &item->count) && item->count > 0;
}

/* Can it be answered without what header_skim leaves out? */
static bool
needs_fields_only(const struct imap_section *s)
{
	if (s->depth != 0 || s->kind != SECTION_HEADER_FIELDS)
		return false;
	for (size_t i = 0; i < s->field_count; i++)
		if (header_is_skimmed_off(s->fields[i]))
			return false;
	return true;
}

static int
parse_section(struct arena *arena, struct span text, struct fetch_item *item, struct fault *why)
{
	ptrdiff_t            open = span_find(text, '['), close = span_find_last(text, ']');
	struct span          name = span_first(text, open < 0 ? 0 : (size_t)open), section;
	autotext struct text label = {0};

	*item = (struct fetch_item){.kind = FETCH_SECTION, .sets_seen = span_is_nocase(name, "BODY")};
	if (open < 0 || close < open || (!item->sets_seen && !span_is_nocase(name, "BODY.PEEK")))
		return fault_set(why, FAULT_INPUT, "Unknown parameter %.*s", SPAN_ARGS(span_first(text, 40)));
	section = span_cut(text, (size_t)open + 1, (size_t)close);
	if (!parse_partial(span_from(text, (size_t)close + 1), item))
		return fault_set(why, FAULT_INPUT, "Invalid partial");
	if (without_literals(arena, &section, why) < 0
		|| imap_section_parse(arena, section, &item->section, why) < 0)
		return -1;
	item->fields_only = needs_fields_only(&item->section);
	text_add_string(&label, "BODY[");
	imap_section_add(&item->section, &label);
	text_add_byte(&label, ']');
	if (item->partial)
		text_add_format(&label, "<%llu>", (unsigned long long)item->start);
	item->label = arena_span(arena, text_span(&label));
	return 0;
}

/* "BINARY[1.2]<0.100>", "BINARY.PEEK[1]", "BINARY.SIZE[1]": a part only (RFC 3516, 4). */
static int
parse_binary(struct arena *arena, struct span text, struct fetch_item *item, struct fault *why)
{
	ptrdiff_t            open = span_find(text, '['), close = span_find_last(text, ']');
	struct span          name = span_first(text, open < 0 ? 0 : (size_t)open);
	autotext struct text label = {0};

	*item = (struct fetch_item){.kind = FETCH_BINARY, .sets_seen = span_is_nocase(name, "BINARY")};
	if (span_is_nocase(name, "BINARY.SIZE"))
		item->kind = FETCH_BINARY_SIZE;
	if (close < open || !parse_partial(span_from(text, (size_t)close + 1), item)
		|| (item->partial && item->kind == FETCH_BINARY_SIZE))
		return fault_set(why, FAULT_INPUT, "Invalid partial");
	if (imap_section_parse(arena, span_cut(text, (size_t)open + 1, (size_t)close), &item->section, why) < 0)
		return -1;
	if (item->section.kind != SECTION_ALL)
		return fault_set(why, FAULT_INPUT, "BINARY wants a part number");
	text_add_string(&label, item->kind == FETCH_BINARY ? "BINARY[" : "BINARY.SIZE[");
	imap_section_add(&item->section, &label);
	text_add_byte(&label, ']');
	if (item->partial)
		text_add_format(&label, "<%llu>", (unsigned long long)item->start);
	item->label = arena_span(arena, text_span(&label));
	return 0;
}

static bool
is_binary(struct span text)
{
	return span_starts_nocase(text, "BINARY[") || span_starts_nocase(text, "BINARY.PEEK[")
		|| span_starts_nocase(text, "BINARY.SIZE[");
}

static int
parse_item(struct arena *arena, struct span text, struct fetch_items *items, struct fault *why)
{
	struct fetch_item item = {0};

	for (size_t i = 0; i < COUNT(plain); i++)
		if (span_is_nocase(text, plain[i].name)) {
			add_item(items, (struct fetch_item){.kind = plain[i].kind,
				.label = span_of(plain[i].name)});
			return 0;
		}
	if (is_binary(text)) {
		if (parse_binary(arena, text, &item, why) < 0)
			return -1;
	} else if (!parse_rfc822(text, &item) && parse_section(arena, text, &item, why) < 0) {
		return -1;
	}
	add_item(items, item);
	return 0;
}

static bool
parse_macro(struct arena *arena, const struct argument *a, struct fetch_items *items)
{
	for (size_t i = 0; i < COUNT(macros); i++) {
		struct span rest = span_of(macros[i].items), word;

		if (!argument_is_atom(a, macros[i].name))
			continue;
		while (span_next(&rest, " ", &word))
			parse_item(arena, word, items, NULL);
		return true;
	}
	return false;
}

/* "PREVIEW (LAZY)" (RFC 8970, 3): what is made at once needs no laziness. */
static const struct argument *
behind_preview(const struct argument *a)
{
	const struct argument *list = a->next;

	if (argument_is_atom(a, "PREVIEW") && list && list->type == ARGUMENT_LIST && list->count == 1
		&& argument_is_atom(list->children, "LAZY"))
		return list->next;
	return list;
}

int
fetch_items_parse(struct arena *arena, const struct argument **at, struct fetch_items *items,
	struct fault *why)
{
	const struct argument *a = *at;
	size_t                 most = a->type == ARGUMENT_LIST ? a->count : 1;

	*items = (struct fetch_items){.at = arena_alloc(arena, (most + 8) * sizeof *items->at)};
	*at = behind_preview(a);
	if (a->type != ARGUMENT_LIST && parse_macro(arena, a, items))
		return 0;
	if (a->type == ARGUMENT_ATOM)
		return parse_item(arena, a->text, items, why);
	if (a->type != ARGUMENT_LIST || a->count == 0)
		return fault_set(why, FAULT_INPUT, "Invalid arguments");
	for (const struct argument *b = a->children; b; b = behind_preview(b)) {
		if (b->type != ARGUMENT_ATOM)
			return fault_set(why, FAULT_INPUT, "Invalid arguments");
		if (parse_item(arena, b->text, items, why) < 0)
			return -1;
	}
	return 0;
}
