/* SPDX-License-Identifier: ISC */
/*
 * fuzz_maildrop.c - any bytes, as a file of maildrop: refused, or taken by the grammar
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "queue/maildrop.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maildrop_reader r = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
	autotext struct text   again = {0};
	char                   type;
	struct span            value;
	int                    got;

	if (r.fd < 0)
		return 0;
	assert(file_write(r.fd, span_at(data, size), NULL) == 0 && lseek(r.fd, 0, SEEK_SET) == 0);
	while ((got = maildrop_next(&r, &type, &value, NULL)) == 1) {
		if (type == 'R' || type == 'S' || type == 'A' || type == 'F')
			for (size_t i = 0; i < value.len; i++)
				assert((unsigned char)value.at[i] >= ' ');
		maildrop_put(&again, type, value);
	}
	if (got == 0) {
		maildrop_put(&again, 'E', SPAN_NONE);
		assert(again.len == size && memcmp(again.at, data, size) == 0 && r.rcpts > 0 && r.seen_sender);
	}
	maildrop_reader_free(&r);
	close(r.fd);
	return 0;
}
