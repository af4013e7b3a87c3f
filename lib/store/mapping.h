/* SPDX-License-Identifier: ISC */
/*
 * mapping.h - is a mapping of a file there, before it is looked at?
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

/* Reads all of it, where the system can say that it cannot (Linux 5.14), else says yes; what it drops later and cannot
 * read again is a SIGBUS all the same. */
bool mapping_is_readable(void *at, size_t bytes);

#endif
