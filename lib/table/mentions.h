/* SPDX-License-Identifier: ISC */
/*
 * mentions.h - every word of the configuration that may name a table
 *
 * All values that main.cf sets, those of -o in master.cf (may be NULL), and the further
 * names' (a NULL-ended list; for defaults that are tables), expanded, cut into words; what
 * stands in { } is cut too.  A leading ! is off.
 */
#ifndef TABLE_MENTIONS_H
#define TABLE_MENTIONS_H

#include "config/main_cf.h"
#include "config/master_cf.h"

void table_mentions(const struct main_cf *, const struct master_cf *, const char *const *names,
                    void (*each)(void *context, struct span word), void *context);

/* The words of one parameter alone. */
void table_mentions_of(const struct main_cf *, const char *name, void (*each)(void *context, struct span word), void *context);

#endif
