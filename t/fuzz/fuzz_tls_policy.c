/* SPDX-License-Identifier: ISC */
/*
 * fuzz_tls_policy.c - any line of a TLS policy table: a level with its attributes, or a reason
 */
#include "fuzz.h"

#include "../../smtp/client.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena     *a = arena_new();
	struct tls_policy p = {.level = TLS_UNSET};
	struct fault      why = {0};

	if (size > 0 && size < 8000) {
		if (policy_parse(span_at(data, size), a, &p, &why) == 0)
			assert(p.level >= TLS_NONE && p.level <= TLS_SECURE);
		else
			assert(p.level == TLS_UNSET && why.reason[0]);
		if (p.mx_patterns)
			(void)policy_mx_matches(p.mx_patterns, span_first(span_at(data, size), 100));
	}
	arena_free(a);
	return 0;
}
