/* SPDX-License-Identifier: ISC */
/*
 * messages.c - the messages of a mailbox in one array, by UID
 */
#include "store/messages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "store/mapping.h"

enum { SPARE = 65536 };       /* bytes behind a mapping's end: address space, until they are used */

struct message *
messages_grow(struct message *at, size_t used, size_t want, struct messages_room *room)
{
	struct message *heap;

	if (at && want <= room->count)
		return at;
	want += want / 8 + 16;
	if (!room->mapped) {
		at = mem_grow(at, want, sizeof *at);
	} else {
		heap = mem_grow(NULL, want, sizeof *at);
		memcpy(heap, at, used * sizeof *at);
		messages_free(at, room);
		at = heap;
	}
	*room = (struct messages_room){.count = want};
	return at;
}

void
messages_free(struct message *at, const struct messages_room *room)
{
	if (room->mapped)
		munmap(at, room->mapped);
	else
		free(at);
}

/* First all of the room, then the file over its beginning: its last page ends in zeros, and may be written to as well. */
struct message *
messages_map(int fd, uint64_t offset, size_t count, bool whole, struct messages_room *room)
{
	size_t bytes = count * sizeof(struct message), all = bytes + SPARE;
	void  *at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED) {
		munmap(at, all);
		return NULL;
	}
	if (whole && !mapping_is_readable(at, bytes)) {
		munmap(at, all);
		return NULL;
	}
	*room = (struct messages_room){.count = all / sizeof(struct message), .mapped = all};
	return at;
}
