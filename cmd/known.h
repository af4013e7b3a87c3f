/* SPDX-License-Identifier: ISC */
/*
 * known.h - names in the configuration that no program describes
 *
 * What master, the skeleton of programs and the commands read, and the names that a
 * line of master.cf makes: <service>_destination_concurrency_limit and its kin.
 */
#ifndef CMD_KNOWN_H
#define CMD_KNOWN_H

#include "config/param.h"

extern const struct param known_params[];

struct known_suffix {
	const char *suffix, *fallback;
};

extern const struct known_suffix known_suffixes[];      /* of a delivery agent's line; NULL ended */

enum { MASTER_FIELDS = 8 };

struct known_field {
	const char *name, *fallback, *help;
};

extern const struct known_field known_fields[MASTER_FIELDS];    /* the columns of master.cf */

#endif
