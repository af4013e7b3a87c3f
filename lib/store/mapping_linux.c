/* SPDX-License-Identifier: ISC */
/*
 * mapping_linux.c - is a mapping of a file there?  By madvise(2)
 */
#include "store/mapping.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ   /* glibc before 2.35; an older kernel says EINVAL */
#define MADV_POPULATE_READ 22
#endif

/* A block that the disk does not give would be a SIGBUS later on. */
bool
mapping_is_readable(void *at, size_t bytes)
{
	return bytes == 0 || madvise(at, bytes, MADV_POPULATE_READ) == 0 || errno == EINVAL;
}
