/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot.h - what the files of import-dovecot share: a Dovecot's settings, and who prints which
 */
#ifndef CMD_IMPORT_DOVECOT_H
#define CMD_IMPORT_DOVECOT_H

#include <stdbool.h>

#include "base/text.h"

enum { ENTRIES = 4000 };

struct entry {
	char *block;          /* "", "plugin", "passdb#2", "namespace inbox/mailbox Trash" */
	char *key, *value;
	bool  done;
};

extern struct entry entries[ENTRIES];
extern size_t       entry_count;
extern int          without_equal;      /* comments that no_equal has written */

void read_all(struct span in);
/* The value, borrowed, which thereby is done; NULL: not set. */
const char *get(const char *block, const char *key);
/* A setting of a plugin that is not loaded does nothing there. */
bool loads(const char *plugin);
bool has_protocol(const char *name);

/* What is dropped is told. */
void no_equal(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_time(const char *name, const char *value);
void print_size(const char *name, const char *value);
void print_plain(const char *name, const char *value);
void put_value(const char *value);

/* main.cf */
void print_location(void);
void print_namespaces(void);
void print_mechanisms(void);
void print_databases(void);
void print_tls(void);
void print_settings(bool print);
void print_sieve_scripts(const char *key);
void print_scanner_texts(void);
void print_imapsieve_rules(void);
void pass_over_services(void);

/* master.cf; print_service: whether there is such a listener, printed or not */
bool print_service(const char *name, const char *program, bool print);
void print_master(void);

#endif
