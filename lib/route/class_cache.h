/* SPDX-License-Identifier: ISC */
/*
 * class_cache.h - classes of domains, remembered for a few seconds
 *
 * A monitor.  Bounded; when it is full it starts anew.  What is in remote
 * tables may change at any time: an entry lives CLASS_CACHE_MS.
 */
#ifndef ROUTE_CLASS_CACHE_H
#define ROUTE_CLASS_CACHE_H

#include "base/span.h"
#include "ipc/ask_rewrite.h"

enum { CLASS_CACHE_MS = 10000, CLASS_CACHE_MAX = 20000 };

struct class_cache;

struct class_cache *class_cache_new(void);
void class_cache_free(struct class_cache *);
bool class_cache_get(struct class_cache *, struct span domain, int64_t now, enum route_class *);
void class_cache_put(struct class_cache *, struct span domain, int64_t now, enum route_class);

#endif
