/* SPDX-License-Identifier: ISC */
/*
 * fuzz_dovecot_index.c - dovecot.index and its logs, courierpop3dsizelist
 *
 * A seed is one file; it is read as index, as log, and as both ends of one.
 * Whatever it says, no message gets a name that is not there.
 */
#include "../fuzz/fuzz.h"

#include <stdlib.h>

#include "store/courier.h"
#include "store/dovecot_index.h"

static bool
any(struct span name, const void *unused)
{
	(void)unused;
	return !span_is(name, "kw.0");
}

static void
look(struct span index, struct span old_log, struct span log, uint32_t validity)
{
	struct extra_message  messages[40];
	struct extra_keywords k = {.messages = messages, .count = COUNT(messages), .validity = validity, .is_wanted = any};

	for (uint32_t i = 0; i < COUNT(messages); i++)
		messages[i] = (struct extra_message){i + 1, 0};
	dovecot_index_parse(index, old_log, log, &k);
	assert(k.names <= EXTRA_NAMES);
	for (size_t i = 0; i < k.count; i++)
		assert(k.messages[i].uid == i + 1 && k.messages[i].names >> k.names == 0);
	for (size_t i = 0; i < k.names; i++)
		assert(*k.name[i] && strcmp(k.name[i], "kw.0") != 0);
	extra_keywords_free(&k);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span    in = span_at(data, size);
	struct strmap *map = strmap_new();
	uint32_t       validity = 0;

	/* as the seed tells it, so that it is not passed over: offset 24 of an index */
	for (size_t i = 0; i < 4 && size >= 28; i++)
		validity |= (uint32_t)data[24 + i] << 8 * i;
	look(in, SPAN_NONE, SPAN_NONE, validity);
	look(in, SPAN_NONE, span_from(in, 300), validity);
	look(SPAN_NONE, span_first(in, size / 2), in, 0);
	look(SPAN_NONE, SPAN_NONE, in, 0x6b0cdf39);
	courier_sizelist_parse(in, map);
	strmap_free(map, free);
	return 0;
}
