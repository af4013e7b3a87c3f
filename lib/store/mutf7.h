/* SPDX-License-Identifier: ISC */
/*
 * mutf7.h - modified UTF-7 of mailbox names (RFC 3501, 5.1.3)
 *
 * mutf7_valid says whether a name is well-formed (printable ASCII, each
 * "&...-" canonical UTF-16).  The two conversions fail with FAULT_INPUT.
 */
#ifndef STORE_MUTF7_H
#define STORE_MUTF7_H

#include "base/fault.h"
#include "base/text.h"

bool mutf7_valid(struct span name);
int  mutf7_decode(struct span name, struct text *utf8, struct fault *);
int  mutf7_encode(struct span utf8, struct text *name, struct fault *);
/* Of a name that somebody says: there is no control in it, and neither line nor paragraph separator (RFC 5198, 2). */
int  mutf7_encode_name(struct span utf8, struct text *name, struct fault *);

#endif
