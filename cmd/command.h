/* SPDX-License-Identifier: ISC */
/*
 * command.h - how a command of the administrator begins
 *
 * command_begin logs to standard error as "NAME: ...", reads the configuration
 * of the directory (NULL: MAIL_CONFIG or built in) and fills `site`; what is
 * wrong with it is told, and fatal only with `strict`, or when the directory was named and has no main.cf
 * (another system's queue must not be taken for it).
 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "config/main_cf.h"

struct main_cf *command_begin(const char *name, const char *directory, bool strict);

/* The last part of argv[0], "lt-" off. */
const char *command_name(const char *argv0);

/* "NAME: fatal: ..." and exit with a status of sysexits.h. */
_Noreturn void command_fatal(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Letters, digits and _, as any Postfix's queue id: else it is no name to look for. */
bool queue_id_looks_right(const char *);

/* A socket to postlogd, owned; -1 when it does not listen. After site_load. */
int command_log_socket(void);

#endif
