/* SPDX-License-Identifier: ISC */
/*
 * fuzz_frame.c - any record, as a frame: refused, or walked within its bytes
 */
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "ipc/frame.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoframe struct frame f = {0};
	struct span            name, value;
	size_t                 at = 0, sum = 0;
	int                    pair[2];

	if (size == 0 || size > 60000 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 0;
	if (send(pair[0], data, size, 0) == (ssize_t)size && frame_receive(pair[1], &f, 0, NULL) == 0) {
		while (frame_next(&f, &at, &name, &value))
			sum += name.len + value.len + 5;
		assert(sum + frame_verb(&f).len + 1 == size);
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}
