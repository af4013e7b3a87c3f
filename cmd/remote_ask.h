/* SPDX-License-Identifier: ISC */
/*
 * remote_ask.h - a command asks tables that a server answers (postmap -q x mysql:/etc/postern/x.cf)
 *
 * Only proxymap has the client libraries. A command starts one of its own: it runs as map_owner when
 * the caller is root, else as the caller, closed in as always, answers for the tables that are named
 * here, and ends with the command.
 */
#ifndef CMD_REMOTE_ASK_H
#define CMD_REMOTE_ASK_H

#include <stddef.h>

/* Before tables are opened; specs as on the command line, borrowed until exit. Nothing is started
 * until something is asked. */
void remote_ask_use(char **specs, size_t count, const char *config_directory);

#endif
