/* SPDX-License-Identifier: ISC */
/*
 * queue_bridge.h - postern import-queue, export-queue, and what start says of a queue that is Postfix's
 *
 * The words are what follows the action, NULL ended.  Both log what they do and return an exit status.
 */
#ifndef CMD_QUEUE_BRIDGE_H
#define CMD_QUEUE_BRIDGE_H

#include "config/main_cf.h"

int bridge_import(struct main_cf *, char **words);
int bridge_export(struct main_cf *, char **words);

/* Mail of Postfix lies in our queue_directory, nobody took it over, and main.cf does not say that it may lie there: told. */
bool bridge_forbids_start(struct main_cf *);

#endif
