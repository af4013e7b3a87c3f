/* SPDX-License-Identifier: ISC */
/*
 * lender.c - the file of a snapshot, which lends a folder its messages and their names
 */
#include "store/lender.h"

#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/mapping.h"

struct lender *
lender_open(int fd, bool proven, size_t names_at, size_t names_len, uint64_t at, size_t count)
{
	struct lender *l = mem_alloc(sizeof *l);
	char          *map = mmap(NULL, names_at + names_len, PROT_READ, MAP_SHARED, fd, 0);

	*l = (struct lender){.fd = fd, .names_len = names_len, .messages_at = at, .count = count, .proven = proven};
	if (map == MAP_FAILED) {
		lender_close(l);
		return NULL;
	}
	l->mapped = names_at + names_len;
	l->names = map + names_at;
	if (!proven && !mapping_is_readable(map, l->mapped)) {
		lender_close(l);
		return NULL;
	}
	return l;
}

void
lender_close(struct lender *l)
{
	if (!l)
		return;
	if (l->mapped)
		munmap((void *)(l->names + l->names_len - l->mapped), l->mapped);
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
	return messages_map(l->fd, l->messages_at, l->count, !l->proven, room);
}
