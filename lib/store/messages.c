/* SPDX-License-Identifier: ISC */
/*
 * messages.c - the messages of a mailbox in one array, by UID
 */
#include "store/messages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
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
	if (room->mapped) {
		mapping_drop(at);
		munmap(at, room->mapped);
	} else {
		free(at);
	}
}

static struct message *
read_messages(int fd, uint64_t offset, size_t count, struct messages_room *room)
{
	struct message *at = mem_array(count, sizeof *at);

	if (file_read_at(fd, at, count * sizeof *at, (off_t)offset, NULL) < 0) {
		free(at);
		return NULL;
	}
	*room = (struct messages_room){.count = count};
	return at;
}

/* First all of the room, then the file over its beginning: its last page ends in zeros, and may be written to as well. */
struct message *
messages_map(const struct leased *file, uint64_t offset, size_t count, bool whole, struct messages_room *room)
{
	size_t bytes = count * sizeof(struct message), all = bytes + SPARE;
	void  *at;

	if (!file->has)
		return read_messages(file->fd, offset, count, room);
	at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file->fd, (off_t)offset) == MAP_FAILED
		|| !mapping_hold(file, at, bytes)) {
		munmap(at, all);
		return NULL;
	}
	*room = (struct messages_room){.count = all / sizeof(struct message), .mapped = all};
	if (whole && !mapping_is_readable(at, bytes)) {
		messages_free(at, room);
		return NULL;
	}
	return at;
}
