/* SPDX-License-Identifier: ISC */
/*
 * fuzz_packed.c - compressed messages
 *
 * Whatever a file holds, not more comes out than is allowed, and it ends.
 */
#include "../fuzz/fuzz.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/packed.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *from, *to;
	enum packing packing = packing_of(span_at(data, size));
	struct stat  st;

	if (!from) {
		from = tmpfile();
		to = tmpfile();
		assert(from && to);
	}
	if (packing == NOT_PACKED)
		return 0;
	assert(ftruncate(fileno(from), 0) == 0 && pwrite(fileno(from), data, size, 0) == (ssize_t)size);
	assert(lseek(fileno(from), 0, SEEK_SET) == 0 && ftruncate(fileno(to), 0) == 0 && lseek(fileno(to), 0, SEEK_SET) == 0);
	packed_unpack(packing, fileno(from), size, fileno(to), NULL);
	assert(fstat(fileno(to), &st) == 0 && (uint64_t)st.st_size <= PACKED_FREE + size * PACKED_RATIO);
	return 0;
}
