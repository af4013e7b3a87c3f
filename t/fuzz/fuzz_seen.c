/* SPDX-License-Identifier: ISC */
/*
 * fuzz_seen.c - a user's own \Seen, and the dictionary of who shares: what is written reads back to the same
 */
#include "../fuzz/fuzz.h"

#include "store/acl_shared.h"
#include "store/seen.h"
#include "store/tree.h"

static void
fuzz_sets(struct span in)
{
	struct seen          a = {0}, b = {0};
	autotext struct text first = {0}, second = {0}, file = {0};

	text_add_string(&file, "postern-seen 1 7\n");
	text_add(&file, in);
	seen_parse(text_span(&file), 7, &a);
	for (size_t i = 0; i < a.count; i++) {
		assert(a.at[i].first && a.at[i].first <= a.at[i].last);
		assert(i == 0 || a.at[i].first > (uint64_t)a.at[i - 1].last + 1);
		assert(seen_has(&a, a.at[i].first) && seen_has(&a, a.at[i].last) && !seen_has(&a, a.at[i].first - 1));
	}
	seen_format(&a, &first);
	seen_parse(text_span(&first), 7, &b);
	assert(b.whole && b.count == a.count && b.told == a.told);
	seen_format(&b, &second);
	assert(span_equal(text_span(&first), text_span(&second)));
	seen_free(&a);
	seen_parse(in, 7, &a);
	seen_free(&a);
	seen_free(&b);
}

static void
fuzz_dictionary(struct span in)
{
	struct acl_shared    d, again;
	struct tree          owners;
	autotext struct text first = {0}, second = {0};

	acl_shared_parse(in, &d);
	acl_shared_owners(&d, &(struct acl_who){"bob", "staff", false}, true, &owners);
	for (size_t i = 1; i < owners.count; i++)
		assert(strcmp(owners.names[i - 1], owners.names[i]) < 0);
	tree_free(&owners);
	acl_shared_format(&d, &first);
	acl_shared_parse(text_span(&first), &again);
	acl_shared_format(&again, &second);
	assert(span_equal(text_span(&first), text_span(&second)));
	acl_shared_free(&d);
	acl_shared_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sets(span_at(data, size));
	fuzz_dictionary(span_at(data, size));
	return 0;
}
