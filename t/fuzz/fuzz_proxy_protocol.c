/* SPDX-License-Identifier: ISC */
/*
 * fuzz_proxy_protocol.c - a PROXY header: never read beyond, and the same however it is cut
 */
#include "fuzz.h"

#include "base/fault.h"
#include "net/proxy_protocol.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span         in = size ? span_at(data, size) : SPAN_NONE;
	struct proxy_header whole = {0}, part = {0};
	size_t              used = 0, part_used = 0;
	int                 outcome = proxy_header_parse(in, &whole, &used, NULL);

	if (outcome != 0)
		return 0;
	assert(used <= size && (whole.local || (whole.source[0] && whole.destination[0])));
	assert(proxy_header_parse(span_first(in, used), &part, &part_used, NULL) == 0 && part_used == used);
	for (size_t i = 0; i < used; i++)
		assert(proxy_header_parse(span_first(in, i), &part, &part_used, NULL) == 1);
	return 0;
}
