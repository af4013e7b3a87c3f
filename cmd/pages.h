/* SPDX-License-Identifier: ISC */
/*
 * pages.h - what the commands say of themselves: usage messages and manual pages
 *
 * One row a program that does not answer --describe.  Synopses are what follows the
 * name, one form of the call each; a row with `same` is another name of a page.
 */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

enum { PAGE_FORMS = 24, PAGE_OPTIONS = 28, PAGE_EXITS = 4 };

struct page_option {
	const char *option, *text;       /* "-c config_dir" */
};

struct page {
	const char        *name, *section, *same;
	const char        *about;        /* one line */
	const char        *form[PAGE_FORMS];         /* NULL ended */
	const char        *description;
	struct page_option option[PAGE_OPTIONS];
	struct page_option exit[PAGE_EXITS];         /* "0", "what it means" */
	const char        *see;
};

extern const struct page pages[];        /* ends with a name of NULL */

const struct page *page_find(const char *name);      /* or NULL */

/* "usage: NAME form | form ...": owned. */
char *page_usage(const char *name);

#endif
