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
