/* SPDX-License-Identifier: ISC */
/*
 * lender.c - the file of a snapshot, which lends a folder its messages and their names
 */
#include "store/lender.h"

#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/mapping.h"

/* Read, where nobody says when the file is written to. */
static bool
find_names(struct lender *l, size_t names_at)
{
	size_t bytes = names_at + l->names_len;
	char  *map;

	if (!l->lease.has) {
		l->copy = mem_alloc(l->names_len);
		l->names = l->copy;
		return file_read_at(l->fd, l->copy, l->names_len, (off_t)names_at, NULL) == 0;
	}
	map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, l->fd, 0);
	if (map == MAP_FAILED)
		return false;
	if (!mapping_hold(&l->lease, map, bytes)) {
		munmap(map, bytes);
		return false;
	}
	l->mapped = bytes;
	l->names = map + names_at;
	return l->proven || mapping_is_readable(map, bytes);
}

struct lender *
lender_begin(int fd)
{
	struct lender *l = mem_alloc(sizeof *l);

	*l = (struct lender){.fd = fd};
	mapping_lease(&l->lease, fd);
	return l;
}

bool
lender_open(struct lender *l, bool proven, size_t names_at, size_t names_len, uint64_t at, size_t count)
{
	l->proven = proven && l->lease.has;
	l->names_len = names_len;
	l->messages_at = at;
	l->count = count;
	return find_names(l, names_at);
}

void
lender_close(struct lender *l)
{
	if (!l)
		return;
	if (l->mapped) {
		void *map = (void *)(l->names + l->names_len - l->mapped);

		mapping_drop(map);
		munmap(map, l->mapped);
	}
	free(l->copy);
	mapping_lease_end(&l->lease);
	close(l->fd);
	free(l);
}

/* Looked at when it is asked for: to look at all of them would be to read all of them. */
const char *
lender_name(const struct lender *l, const struct message *m)
{
	size_t      room = m->name.at < l->names_len ? l->names_len - (size_t)m->name.at : 0;
	const char *name = room ? l->names + m->name.at : "";
	size_t      len = strnlen(name, room);

	if (len == room || m->base_len == 0 || m->base_len > len || name[0] == '.' || (name[m->base_len] && name[m->base_len] != ':')
		|| memchr(name, '/', len))
		return "";
	return name;
}

bool
lender_is_sound(const struct message *m, size_t count, size_t names_len)
{
	uint32_t last = 0;

	for (size_t i = 0; i < count; last = m[i++].uid)
		if (m[i].uid <= last || m[i].base_len == 0 || m[i].name.at >= names_len || !m[i].lent
			|| m[i].recent || m[i].in_new || m[i].pooled || m[i].touched || m[i].untold)
			return false;
	return true;
}

struct message *
lender_messages(const struct lender *l, struct messages_room *room)
{
	return messages_map(&l->lease, l->messages_at, l->count, !l->proven, room);
}
