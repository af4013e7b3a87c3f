/* SPDX-License-Identifier: ISC */
/*
 * manual.h - roff, as man(7) has it: what the pages are written with
 *
 * All text is plain: what means something to roff is escaped here and nowhere else.
 */
#ifndef CMD_MANUAL_H
#define CMD_MANUAL_H

#include "base/text.h"
#include "config/param.h"

void roff_head(struct text *, const char *name, const char *section, const char *about);
void roff_macro(struct text *, const char *macro, const char *argument);   /* ".SH argument" */
void roff_line(struct text *, const char *);
void roff_span(struct text *, struct span);
void roff_sentence(struct text *, const char *);     /* a capital in front, a stop behind */
void roff_item(struct text *, const char *name, const char *);
void roff_verbatim(struct text *, struct span);

/* A parameter with default, bounds and help; `users` are its programs, or NULL. */
void roff_parameter(struct text *, const struct param *, const char *users);

/* DIRECTORY/manSECTION/NAME.SECTION; ends the program when it cannot be written. */
void roff_write(const struct text *, const char *directory, const char *name, const char *section);

/* manual_tables.c: postern-tables(5) */
void write_tables(const char *directory);

#endif
