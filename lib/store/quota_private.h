/* SPDX-License-Identifier: ISC */
/*
 * quota_private.h - shared by quota.c and quota_file.c alone
 */
#ifndef STORE_QUOTA_PRIVATE_H
#define STORE_QUOTA_PRIVATE_H

#include "store/quota.h"

enum quota_amount_kind { QUOTA_ABSOLUTE, QUOTA_RELATIVE };

struct quota_amount {
	bool                   set, percent, less;
	enum quota_amount_kind kind;
	int64_t                value;         /* bytes, messages, or percent */
};

struct quota_rule {
	char               *mailbox;      /* storage name or pattern; owned */
	bool                ignore;
	struct quota_amount bytes, count, mailboxes;
};

struct quota {
	char              *name, *exceeded, *user_rules;
	bool               lenient;          /* noenforcing */
	bool               limited;          /* rules have limits; else the file's hold */
	bool               by_user;          /* he has rules of his own */
	int64_t            bytes_limit, count_limit, mailbox_limit, largest;
	struct quota_amount grace;
	struct quota_rule *rules;            /* of single mailboxes */
	size_t             count;
};

#endif
