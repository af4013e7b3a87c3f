/* SPDX-License-Identifier: ISC */
/*
 * main_cf.h - main.cf: names and the text of their values
 *
 * Read whole, once, at start; what is wrong goes into `faults`, all together.
 * Syntax as postconf(5): "name = value", a line that starts with a blank goes
 * on with the one before, # starts a comment line, of several settings of a
 * name the last holds.  Every setting keeps its file and line.
 *
 * Values are looked up lazily: $name sees whatever is set or defaulted at the
 * time of asking, overrides of master.cf (-o) included.  A name's default
 * comes from the parameter tables that were given to main_cf_know (params_load
 * does that), else from the catalogue of Postfix's names.
 *
 * Order of use:  main_cf_read, main_cf_override for each -o, params_load; then
 * read-only, and shared by all tasks.
 *
 * Owner: everything that a main_cf hands out lives as long as it does.
 */
#ifndef CONFIG_MAIN_CF_H
#define CONFIG_MAIN_CF_H

#include "base/fault.h"
#include "base/span.h"
#include "base/text.h"
#include "config/faults.h"

enum { MAIN_CF_MAX = 4 << 20 };      /* bytes of a configuration file */

struct main_cf;
struct param;

struct setting {
	const char *name, *value;    /* raw: not expanded, on one line */
	const char *file;            /* "/etc/postern/main.cf", "/etc/postern/master.cf" */
	int         line;
	bool        overrides;       /* by -o */
};

/* The directory that was asked for by -c (may be NULL), MAIL_CONFIG, or built in. */
const char *main_cf_directory(const char *asked);

/* Reads directory/main.cf (directory as above, may be NULL).  Never NULL: when the
 * file cannot be read that is an error in `faults` and all is default. */
struct main_cf *main_cf_read(const char *directory, struct faults *);

/* The same from bytes: pure. */
struct main_cf *main_cf_parse(const char *directory, const char *file, struct span, struct faults *);
void main_cf_free(struct main_cf *);

/* "name=value" of -o; file and line say where it stood. */
int main_cf_override(struct main_cf *, struct span assignment, const char *file, int line,
                     struct fault *);

/* Makes the rows' names known, with their defaults.  The table is borrowed. */
void main_cf_know(struct main_cf *, const struct param *table);

const char *main_cf_config_directory(const struct main_cf *);

/* As written, or NULL when nothing sets it. */
const struct setting *main_cf_setting(const struct main_cf *, const char *name);

/* The raw default, or NULL when nobody knows the name. A computed default is
 * computed.  For start only: it grows the main_cf's arena. */
const char *main_cf_default(const struct main_cf *, const char *name);

/* Adds the expanded value: 0; 1 when it is neither set nor known; -1 why (bad
 * syntax, loops), with "file, line N: name: " before it. */
int main_cf_get(const struct main_cf *, const char *name, struct text *, struct fault *);

/* The same as an owned-by-main_cf string; "" when not set, not known or bad.
 * For start only: it grows the main_cf's arena. */
const char *main_cf_string(struct main_cf *, const char *name);

/* Expands any text. */
int main_cf_expand(const struct main_cf *, struct span, struct text *, struct fault *);

/* "file, line 12: " or "".  For start only. */
const char *main_cf_place(const struct main_cf *, const char *name);

/* All settings in the order of the file, overridden ones left out. */
const struct setting *main_cf_next(const struct main_cf *, size_t *at);

/*
 * Warnings about what is set but not honoured, in postconf's words:
 *   /etc/postern/main.cf: unused parameter: x=y      nobody knows it, no used value mentions it
 *   /etc/postern/main.cf, line 3: x: ...             known to Postfix, not here yet
 * `is_known` (may be NULL) answers for names that only the caller knows.
 */
void main_cf_check(const struct main_cf *, bool (*is_known)(void *context, const char *name),
                   void *context, struct faults *);

/* The second kind for one setting (of master.cf's -o, too); false when nobody knows its name. */
bool main_cf_grade(const struct main_cf *, const struct setting *, struct faults *);

#endif
