/* SPDX-License-Identifier: ISC */
/*
 * courier.h - keywords that Courier-IMAP kept, for the first take-over of a mailbox
 *
 * Directory courierimapkeywords: the file ":list" has keyword names, an empty
 * line, and "<base>:<index> <index> ..." lines; files "<base>" and ".<n>.<base>"
 * hold the names of one message, a line each, newer than the list, the one
 * without n and then the highest n being the newest.
 */
#ifndef STORE_COURIER_H
#define STORE_COURIER_H

#include "base/strmap.h"
#include "base/task.h"

/* base -> names with LF behind each; owned: strmap_free(map, free). NULL: none. */
WAITS struct strmap *courier_keywords_read(int mailbox_dir);

/* Pure and total: takes ":list" into the map. */
void courier_list_parse(struct span text, struct strmap *);

#endif
