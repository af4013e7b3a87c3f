/* SPDX-License-Identifier: ISC */
/*
 * catalogue.h - the parameter names that Postfix 3.7 to 3.12 know
 *
 * Their defaults (3.7's, but for those that DESIGN.md 12 changes), so that
 * $name finds them whichever program owns them, and what becomes of a name
 * that no program here declares.  Rows of programs win over this.
 *
 *   CATALOGUE_LATER     its feature does not exist here yet: a loud warning
 *   CATALOGUE_NOTHING   accepted, has no effect here; the note says why
 *   CATALOGUE_DANGER    ignoring it would open the server or lose mail: an error
 */
#ifndef CONFIG_CATALOGUE_H
#define CONFIG_CATALOGUE_H

#include <stddef.h>

#include "base/span.h"

enum catalogue_grade { CATALOGUE_LATER, CATALOGUE_NOTHING, CATALOGUE_DANGER };

struct catalogue_row {
	const char          *name, *fallback;
	enum catalogue_grade grade;
	const char          *note;
};

const struct catalogue_row *catalogue_find(struct span name);     /* or NULL */
const struct catalogue_row *catalogue_at(size_t index);           /* in order of name; NULL at the end */

/* grades.c: 'A' 'B' 'C', or '-' for a name that is not graded; and the graded names in order. */
char        catalogue_importance(struct span name);
const char *catalogue_graded_at(size_t index);                    /* NULL at the end */

#endif
