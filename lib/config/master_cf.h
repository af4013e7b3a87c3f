/* SPDX-License-Identifier: ISC */
/*
 * master_cf.h - master.cf: which services there are
 *
 * Eight columns as in master(5): service type private unprivileged chroot wakeup maxproc
 * command; logical lines as in main.cf.  `-o name=value` and `-o { name = value }` are
 * taken out of the arguments into `options`, -v counted and -D noted.
 * Errors go to `faults` with file and line, all together.
 */
#ifndef CONFIG_MASTER_CF_H
#define CONFIG_MASTER_CF_H

#include "config/faults.h"
#include "config/list.h"
#include "config/main_cf.h"

enum master_type { MASTER_INET, MASTER_UNIX, MASTER_FIFO, MASTER_PASS, MASTER_UNIX_DGRAM };

enum { MASTER_DEFAULT = -1 };

struct master_row {
	const char      *service;      /* as written: "smtp", "127.0.0.1:10025", "[::1]:smtp", "cleanup" */
	enum master_type type;
	const char      *host, *port;  /* inet: "" for all interfaces; brackets off */
	bool             private;      /* default y; inet is never */
	bool             unprivileged; /* default y */
	bool             chroot;       /* default n, y below compatibility_level 1 */
	int              wakeup;       /* seconds; 0 never */
	bool             wakeup_if_used;   /* `?` */
	int              maxproc;      /* MASTER_DEFAULT: default_process_limit; 0: no limit */
	const char      *command;
	struct list      arguments;    /* without command, -o, -v, -D; { } off */
	struct list      options;      /* "name=value" of each -o, in order */
	int              verbose;
	bool             debug;
	const char      *field[8];     /* as written, for postconf -M; [7] is command and arguments */
	struct list      words;        /* arguments as written, -o included, braces kept */
	const char      *file;
	int              line;
};

struct master_cf {
	struct master_row **row;
	size_t              count;
};

/* Reads the directory's master.cf; never NULL.  `cf` gives compatibility_level (may be NULL). */
struct master_cf *master_cf_read(const char *directory, const struct main_cf *cf, struct faults *);

/* The same from bytes: pure. */
struct master_cf *master_cf_parse(const char *file, struct span, bool chroot_default, struct faults *);
void master_cf_free(struct master_cf *);

/* The row "smtp inet", or NULL. */
const struct master_row *master_cf_find(const struct master_cf *, const char *service, enum master_type);
const char *master_type_name(enum master_type);

#endif
