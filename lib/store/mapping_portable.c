/* SPDX-License-Identifier: ISC */
/*
 * mapping_portable.c - is a mapping of a file there?  Where the system does not say
 */
#include "store/mapping.h"

bool
mapping_is_readable(void *at, size_t bytes)
{
	(void)at;
	(void)bytes;
	return true;
}

bool
mapping_lease(struct leased *l, int fd)
{
	*l = (struct leased){.fd = fd};
	return false;
}

void
mapping_lease_end(struct leased *l)
{
	(void)l;
}

bool
mapping_hold(const struct leased *l, void *at, size_t bytes)
{
	(void)l;
	(void)at;
	(void)bytes;
	return false;
}

void
mapping_drop(void *at)
{
	(void)at;
}
