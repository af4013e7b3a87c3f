/* SPDX-License-Identifier: ISC */
/*
 * fuzz_uidlist.c - dovecot-uidlist, dovecot-keywords, subscriptions, Courier's :list
 *
 * Records ascend, and the next UID is beyond all of them.
 */
#include "../fuzz/fuzz.h"

#include <stdlib.h>

#include "store/courier.h"
#include "store/keywords.h"
#include "store/subscriptions.h"
#include "store/uidlist.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span          in = span_at(data, size);
	struct uidlist       l;
	struct keywords      k = {0};
	struct subscriptions s = {0};
	autotext struct text out = {0};

	uidlist_init(&l);
	uidlist_parse(in, &l);
	for (size_t i = 0; i < l.count; i++) {
		assert(l.records[i].uid < l.next && l.records[i].base.len);
		assert(i == 0 || l.records[i - 1].uid < l.records[i].uid);
		assert(uidlist_find(&l, l.records[i].base) >= (ptrdiff_t)i);
	}
	uidlist_free(&l);
	keywords_parse(in, 0, KEYWORD_LETTERS, &k);
	keywords_free(&k);
	subscriptions_parse(in, &s);
	subscriptions_format(&s, &out);
	subscriptions_free(&s);
	struct strmap *courier = strmap_new();

	courier_list_parse(in, courier);
	strmap_free(courier, free);
	return 0;
}
