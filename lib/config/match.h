/* SPDX-License-Identifier: ISC */
/*
 * match.h - match lists: mydestination, mynetworks, relay_domains ...
 *
 * Elements, tried from the left, the first that matches decides:
 *
 *   name            that string, case ignored
 *   .domain         (domain lists) subdomains of it
 *   !element        it matches: the answer is no
 *   /file/name      the elements in that file (read when the list is made)
 *   type:table      the key is in the table (access to tables is the caller's:
 *                   lib/table is a floor above)
 *   192.0.2.0/24    (address lists) networks.h has the forms
 *
 * A match_list is immutable once made and shared by all tasks; a table
 * element is opened by `open` at that time and asked by `find`.
 */
#ifndef CONFIG_MATCH_H
#define CONFIG_MATCH_H

#include "base/fault.h"
#include "base/span.h"
#include "base/task.h"
#include "base/text.h"
#include "config/list.h"

struct match_list;

struct match_tables {
	/* An opened table, or NULL why. */
	void *(*open)(void *context, const char *spec, struct fault *);
	/* 0 found, 1 not found, -1 why */
	int   (*find)(void *table, struct span key, struct text *value, struct fault *);
	void  (*close)(void *table);
	void   *context;
};

enum match_flags {
	MATCH_PARENT = 1,      /* example.com matches its subdomains (parent_domain_matches_subdomains) */
};

/* NULL and why when an element is bad; tables NULL: an element type:table is an error.
 * table/match_tables.h has the ready-made `match_tables`. */
struct match_list *match_list_make(const struct list *, unsigned flags, const struct match_tables *,
                                   struct fault *);
void match_list_free(struct match_list *);

/* 1 yes, 0 no, -1 why (a table failed).  _domain: the name, then as MATCH_PARENT
 * says its parents; tables are asked for the name and its parents.  _address:
 * the client's name may be empty, its address is textual.  _string: exact. */
WAITS int match_string(const struct match_list *, struct span string, struct fault *);
WAITS int match_domain(const struct match_list *, struct span domain, struct fault *);
WAITS int match_address(const struct match_list *, struct span name, struct span address, struct fault *);

#endif
