/* SPDX-License-Identifier: ISC */
/*
 * pattern.h - the lines of regexp: and pcre:, without a file (for the fuzzer)
 */
#ifndef TABLE_PATTERN_H
#define TABLE_PATTERN_H

#include "table/rules.h"

rules_parse pattern_parse;      /* context: a bool *, true for POSIX syntax */
void pattern_free(void *);
int  pattern_find(const struct rules *, struct span key, struct text *value, struct fault *);

#endif
