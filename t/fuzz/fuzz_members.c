/* SPDX-License-Identifier: ISC */
/*
 * fuzz_members.c - aliases, .forward and :include: files hold any bytes
 */
#include "fuzz.h"

#include <assert.h>

#include "local/members.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int form = MEMBERS_OF_ALIAS; form <= MEMBERS_OF_FILE; form++) {
		struct arena  *arena = arena_new();
		struct members m;

		members_parse(arena, span_at(data, size), (enum members_form)form, &m);
		assert(m.count <= MEMBERS_MAX);
		for (size_t i = 0; i < m.count; i++)
			assert(m.at[i].value.len > 0 && !span_has(m.at[i].value, '\0') && !span_has(m.at[i].value, '\n'));
		arena_free(arena);
	}
	return 0;
}
