/* SPDX-License-Identifier: ISC */
/*
 * postconf.h - what the rooms of postconf share
 */
#ifndef CMD_POSTCONF_H
#define CMD_POSTCONF_H

#include "base/strmap.h"
#include "cmd/describe.h"
#include "config/main_cf.h"
#include "config/master_cf.h"

struct postconf {
	const char         *directory;
	struct main_cf     *cf;
	struct master_cf   *master;
	struct descriptions programs;
	enum { CLASS_BUILTIN = 1, CLASS_SERVICE = 2, CLASS_USER = 4, CLASS_ALL = 7 } classes;   /* -C */
	bool                quiet;         /* -q: no warnings */
	bool                defaults, nondefault, expand, hide_name, hide_value, fold, json, edit, comment, remove;
	char              **words;         /* the operands */
	int                 n_words;
};

/* postconf_options.c: the mode, of the letters that were given; fatal when they do not go together */
char options_check(const char *letters);

/* postconf_print.c: "name = value" by the options */
void print_pair(const struct postconf *, const char *name, const char *value);
int  print_parameters(const struct postconf *);
int  print_warnings(const struct postconf *);        /* -W: 1 when there was an error */

/* Settings of main.cf and options of master.cf that nobody uses, in Postfix's words. */
void print_unused(const struct postconf *, bool of_main);
int  print_states(const struct postconf *);          /* -S: postconf_state.c */

/* postconf_template.c: -b -t, asked of bounce, which has the words */
_Noreturn void print_templates(const struct postconf *, bool expand);

/* postconf_edit.c */
int  edit_main(const struct postconf *);
int  edit_master_rows(const struct postconf *);          /* -Me -MX -M# */
int  edit_master_fields(const struct postconf *);        /* -Fe */
int  edit_master_options(const struct postconf *);       /* -Pe -PX */

/* postconf_master.c */
void master_row_text(const struct postconf *, const struct master_row *, struct text *out, bool fold);
bool master_row_matches(const struct master_row *, const char *pattern);   /* service[/type[/...]] */
int  print_master_rows(const struct postconf *);         /* -M */
int  print_master_fields(const struct postconf *);       /* -F */
int  print_master_options(const struct postconf *);      /* -P service/type... */
int  print_privileges(const struct postconf *);          /* -R */

#endif
