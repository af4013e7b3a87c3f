/* SPDX-License-Identifier: ISC */
/*
 * watch_portable.c - changes of a mailbox are looked for, not told
 */
#include "store/watch.h"

void
watch_start(struct watch *w, const struct folder *f)
{
	(void)f;
	w->fd = -1;
}

void
watch_stop(struct watch *w)
{
	w->fd = -1;
}

int
watch_fd(const struct watch *w)
{
	return w->fd;
}

void
watch_drain(struct watch *w)
{
	(void)w;
}

bool
watch_sees_all(int dir)
{
	(void)dir;
	return false;
}

void
watch_many_start(struct watch_many *w)
{
	*w = (struct watch_many){.fd = -1};
}

void
watch_many_stop(struct watch_many *w)
{
	*w = (struct watch_many){.fd = -1};
}

bool
watch_many_add(struct watch_many *w, int dir, const char *path, uint32_t number)
{
	(void)w, (void)dir, (void)path, (void)number;
	return false;
}

void
watch_many_drop(struct watch_many *w, uint32_t number)
{
	(void)w, (void)number;
}

bool
watch_many_next(struct watch_many *w, uint32_t *number, struct span *name)
{
	(void)w, (void)number, (void)name;
	return false;
}
