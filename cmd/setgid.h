/* SPDX-License-Identifier: ISC */
/*
 * setgid.h - how a set-gid command makes itself safe from its caller
 *
 * The caller chose descriptors, environment, limits, signals, timers, umask and
 * arguments.  setgid_begin undoes that before anything else happens, then reads
 * the configuration: another directory than the built-in one only when nothing
 * is at stake (the caller is root, or the program has no more rights than he), or
 * when the main.cf of the built-in directory names it in alternate_config_directories
 * or multi_instance_directories.
 */
#ifndef CMD_SETGID_H
#define CMD_SETGID_H

#include "config/list.h"
#include "config/main_cf.h"

void setgid_clean(void);                /* first of all in main() */
struct main_cf *setgid_begin(const char *name, const char *directory);

/* May this user (authorized_*_users)?  1, 0; logs why it cannot say, and says 0. */
int user_is_allowed(const struct list *, char name[64]);

#endif
