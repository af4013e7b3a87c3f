/* SPDX-License-Identifier: ISC */
/*
 * attributes.h - "name=value ... argv=command arguments" of pipe(8) and spawn(8) in master.cf
 *
 * All that follows argv= belongs to the command.  Everything is borrowed from
 * the program's own arguments.
 */
#ifndef LOCAL_ATTRIBUTES_H
#define LOCAL_ATTRIBUTES_H

#include "service/privilege.h"

struct attributes {
	const char        *user, *flags, *directory, *chroot, *eol, *null_sender;
	int64_t            size;          /* 0: no limit */
	const char *const *argv;          /* NULL ended; argv[0] without "argv=" */
	struct identity    who;           /* of user= */
};

/* `known`: names that this program takes, blank separated.  FAULT_INPUT. */
int service_attributes_parse(int argc, char **argv, const char *known, struct attributes *, struct fault *);

#endif
