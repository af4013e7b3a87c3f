/* SPDX-License-Identifier: ISC */
/*
 * edit.h - change main.cf or master.cf and keep all comments and the order
 *
 * Pure: text in, text out.  An edit names an entry by key: a parameter's name, or
 * "service/type" of master.cf.
 *
 *   EDIT_SET      the first such entry becomes `line` (further ones go); at the end when there is none
 *   EDIT_REMOVE   the entry and its continuation lines go
 *   EDIT_COMMENT  they get a # in front
 *
 * Comments and empty lines stay, also those between the lines of an entry.
 */
#ifndef CONFIG_EDIT_H
#define CONFIG_EDIT_H

#include "base/text.h"

enum edit_kind { EDIT_MAIN, EDIT_MASTER };
enum edit_action { EDIT_SET, EDIT_REMOVE, EDIT_COMMENT };

struct edit {
	const char      *key;
	enum edit_action action;
	const char      *line;     /* SET: without the last line end */
	bool             done;     /* out: such an entry was there */
};

void edit_text(struct span in, enum edit_kind, struct edit *, size_t count, struct text *out);

#endif
