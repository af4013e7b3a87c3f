/* SPDX-License-Identifier: ISC */
/*
 * log_address.h - an address as log lines show it: info_log_address_format
 *
 * "external" (the default, as in Postfix since 3.5): a local part that needs quotes has them, so that
 * `to=<"a b"@example.org>` can be told from a display name; "internal": as the house has it.
 */
#ifndef IPC_LOG_ADDRESS_H
#define IPC_LOG_ADDRESS_H

#include "base/text.h"

/* Adds `before`<address>`: before is "to=", ", orig_to=". */
void log_add_address(struct text *out, const char *before, struct span internal);

#endif
