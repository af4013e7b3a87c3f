/* SPDX-License-Identifier: ISC */
/*
 * fuzz_dns_record.c - record data from a hostile server: first byte the type
 *
 * What is printed has no byte that could break a log line or a host name, but
 * for TXT, and is bounded by what came in.
 */
#include "dnsd_records.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text out = {0};

	if (size == 0)
		return 0;
	if (dns_record_print(data[0], span_at(data + 1, size - 1), &out, NULL) < 0) {
		assert(data[0] == DNS_TLSA || out.len <= 256 + 64);
		return 0;
	}
	assert(out.len <= size * 2 + 64);
	for (size_t i = 0; data[0] != DNS_TXT && i < out.len; i++)
		assert(out.at[i] >= ' ' && out.at[i] < 0x7f);
	return 0;
}
