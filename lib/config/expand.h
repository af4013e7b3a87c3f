/* SPDX-License-Identifier: ISC */
/*
 * expand.h - $name and its relatives, as in postconf(5)
 *
 *   $name ${name} $(name)          the value; nothing when it has none
 *   ${name?text} ${name?{text}}    text, when name is not empty
 *   ${name:text} ${name:{text}}    text, when name is empty
 *   ${name?{text}:{text}}
 *   ${{text} op {text} ? {text} : {text}}   op: == != < <= > >=, numeric when
 *                                  both are numbers; <level and its like for
 *                                  compatibility levels
 *   $$                             a dollar
 *
 * Pure but for the lookup.  Only an administrator's text is expanded, never
 * bytes from the network.  Bounded by EXPAND_MAX bytes and EXPAND_STEPS pieces.
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include "base/fault.h"
#include "base/text.h"

enum { EXPAND_MAX = 1 << 20, EXPAND_STEPS = 100000, EXPAND_DEPTH = 100 };

/* Adds name's value to *value (already expanded, if it should be): 0, 1 when
 * there is no such name, -1 why. */
struct expander {
	int  (*lookup)(void *context, struct span name, struct text *value, struct fault *);
	void  *context;
	int    steps;       /* spent so far; start with 0 */
	int    depth;
};

int expand_text(struct expander *, struct span, struct text *out, struct fault *);

/* Calls back with every name that the text mentions. */
void expand_names(struct span, void (*each)(void *context, struct span name), void *context);

/* "3.6", "2", "3.7.11" as one comparable number; -1 when it is none. */
int64_t expand_level(struct span);

#endif
