/* SPDX-License-Identifier: ISC */
/*
 * courier.h - keywords and POP3's unique ids that Courier kept, for the first take-over of a mailbox
 *
 * Directory courierimapkeywords: the file ":list" has keyword names, an empty
 * line, and "<base>:<index> <index> ..." lines; files "<base>" and ".<n>.<base>"
 * hold the names of one message, a line each, newer than the list, the one
 * without n and then the highest n being the newest.
 *
 * courierpop3dsizelist: "/<version> <next> <validity>", then a line for each
 * message: file name, size, <uid>:<validity>[:<utf8>].  The unique id is
 * "UID<uid>-<validity>", without validity "UID<uid>", and without uid the name.
 */
#ifndef STORE_COURIER_H
#define STORE_COURIER_H

#include "base/strmap.h"
#include "base/task.h"

/* base -> names with LF behind each; owned: strmap_free(map, free). NULL: none. */
WAITS struct strmap *courier_keywords_read(int mailbox_dir);

/* base -> fields of a uidlist record: P, the unique id, and O, the number in POP3's order (uidlist.h).
 * Owned: strmap_free(map, free). NULL: none. */
WAITS struct strmap *courier_uidls_read(int mailbox_dir);

/* Pure and total: take ":list", and courierpop3dsizelist, into the map. */
void courier_list_parse(struct span text, struct strmap *);
void courier_sizelist_parse(struct span text, struct strmap *);

#endif
