/* SPDX-License-Identifier: ISC */
/*
 * cleanup_tables.h - the tables that cleanup asks by itself, opened before the sandbox
 */
#ifndef QMGR_CLEANUP_TABLES_H
#define QMGR_CLEANUP_TABLES_H

#include "config/match.h"
#include "table/table.h"

struct cleanup_tables {
	struct table_list *sender_bcc, *recipient_bcc, *milter_header, *header, *mime_header, *nested_header, *body;
	struct match_list *mydestination;
};
extern struct cleanup_tables cleanup_tables;

/* The address's domain is ours: the local part alone is a key, too. */
bool cleanup_is_local(struct span address);

#endif
