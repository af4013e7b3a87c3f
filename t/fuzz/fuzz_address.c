/* SPDX-License-Identifier: ISC */
/*
 * fuzz_address.c - paths and lists: bounded, harmless, and the same after a round trip
 */
#include "fuzz.h"

#include "mail/address.h"
#include "mail/charset.h"
#include "mail/header.h"

static void
assert_harmless(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		assert((unsigned char)s.at[i] >= 32 && s.at[i] != 127);
}

static void
try_path(struct span in, unsigned flags)
{
	autoarena struct arena *a = arena_new();
	autotext struct text external = {0};
	struct span address = SPAN_NONE, again = SPAN_NONE, rest, local, domain;

	if (address_parse_path(a, in, flags, &address, &rest, NULL) < 0)
		return;
	assert(address.len <= ADDRESS_PATH_LIMIT && rest.len <= in.len);
	assert_harmless(address);
	assert((flags & ADDRESS_UTF8) ? utf8_valid(address) : span_is_ascii(address));
	if (address.len == 0)
		return;
	address_split(address, &local, &domain);
	assert(local.len > 0);
	assert(local.len == address.len || address_domain_valid(domain, flags));
	text_add_byte(&external, '<');
	address_external(address, &external);
	text_add_byte(&external, '>');
	if (external.len > ADDRESS_PATH_LIMIT)
		return;
	assert(address_parse_path(a, text_span(&external), flags | ADDRESS_STRICT, &again, &rest,
	                          NULL) == 0);
	assert(span_equal(address, again) && rest.len == 0);
}

/* With the commas that were missing it says the same, and none is missing any more. */
static void
try_commas(struct span in, struct arena *a, const struct address_list *list)
{
	autotext struct text out = {0};
	struct address_list  again;
	size_t               at = 0;

	for (size_t i = 1; i < list->count; i++) {
		const struct mailbox *m = &list->at[i];
		size_t                comma = mailbox_comma(in, m - 1, m);

		if (!comma)
			continue;
		assert(comma >= m[-1].end && comma <= m->start && comma >= at);
		text_add(&out, span_cut(in, at, comma));
		text_add_byte(&out, ',');
		at = comma;
	}
	text_add(&out, span_from(in, at));
	if (list->faulty || list->cut)
		return;
	address_words_parse(a, text_span(&out), 50, &again);
	assert(!again.faulty && again.count == list->count);
	for (size_t i = 0; i < list->count; i++) {
		assert(span_equal(again.at[i].local, list->at[i].local) && span_equal(again.at[i].domain, list->at[i].domain));
		assert(i == 0 || mailbox_comma(text_span(&out), &again.at[i - 1], &again.at[i]) == 0);
	}
}

static void
try_list(struct span in)
{
	autoarena struct arena *a = arena_new();
	autotext struct text out = {0};
	struct address_list list, again;

	address_words_parse(a, in, 50, &list);
	assert(list.count <= 50 && list.mailboxes <= list.count && arena_used(a) < 64 * in.len + 100000);
	for (size_t i = 0; i < list.count; i++)
		assert(list.at[i].start <= list.at[i].end && list.at[i].end <= in.len);
	try_commas(in, a, &list);
	arena_free(take(a));
	a = arena_new();
	address_list_parse(a, in, 50, &list);
	assert(list.count <= 50 && list.mailboxes <= list.count &&
	       arena_used(a) < 64 * in.len + 100000);
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *m = &list.at[i];

		assert(m->start <= m->end && m->end <= in.len);
		assert_harmless(m->name);
		assert_harmless(m->local);
		assert_harmless(m->domain);
		assert_harmless(m->route);
	}
	if (list.faulty || list.cut)
		return;
	assert(header_add_list(&out, "To", &list, NULL) == 0);
	address_list_parse(a, span_from(text_span(&out), 3), 50, &again);
	assert(!again.faulty && again.count == list.count);
	for (size_t i = 0; i < list.count; i++)
		assert(again.at[i].kind == list.at[i].kind &&
		       span_equal(again.at[i].local, list.at[i].local) &&
		       span_equal(again.at[i].domain, list.at[i].domain));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = size ? span_at(data, size) : SPAN_NONE, base, extension;

	for (unsigned flags = 0; flags < 4; flags++)
		try_path(in, flags);
	try_list(in);
	if (address_split_extension(in, SPAN("+-"), true, &base, &extension))
		assert(base.len > 0 && base.len + 1 + extension.len == in.len);
	return 0;
}
