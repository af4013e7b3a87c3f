/* SPDX-License-Identifier: ISC */
/*
 * saslauthd.h - the words that saslauthd(8) and its clients speak.  Pure.
 */
#ifndef SMTPD_SASLAUTHD_H
#define SMTPD_SASLAUTHD_H

#include "base/fault.h"
#include "base/text.h"

void saslauthd_question(struct span login, struct span password, struct span service, struct span realm, struct text *out);
bool saslauthd_is_whole(struct span answer);                       /* also when it is hopeless */
int  saslauthd_verdict(struct span answer, struct fault *);        /* 1 yes, 0 no, -1 it cannot tell now, or makes no sense */

#endif
