/* SPDX-License-Identifier: ISC */
/*
 * json.h - strings of JSON (RFC 8259, 7)
 *
 * Adds the string with its quotes. Bytes that are no UTF-8 must not be in it.
 */
#ifndef CMD_JSON_H
#define CMD_JSON_H

#include "base/text.h"

void json_add(struct text *out, struct span);

#endif
