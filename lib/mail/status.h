/* SPDX-License-Identifier: ISC */
/*
 * status.h - enhanced status codes, 4.2.1 (RFC 3463)
 *
 * A zeroed status is "none". class is 2, 4 or 5; subject and detail 0 to 999.
 */
#ifndef MAIL_STATUS_H
#define MAIL_STATUS_H

#include "base/text.h"

struct status {
	uint16_t class, subject, detail;
};

#define STATUS(c, s, d) ((struct status){c, s, d})
#define STATUS_TEXT_SIZE 16

/* At the front of `in`: false when there is none; *rest (may be NULL) is what follows, blanks
 * off. */
bool status_parse(struct span in, struct status *status, struct span *rest);
void status_add(struct status, struct text *out);
const char *status_string(struct status, char buffer[STATUS_TEXT_SIZE]);   /* gives buffer */
bool status_equal(struct status, struct status);

/* For a reply code without one: class from its first digit, x.0.0 (550 is 5.0.0). */
struct status status_of_code(int code);

/* Postfix's rule for defer_if and soft_bounce: the same subject and detail in another class. */
struct status status_with_class(struct status, int class);

#endif
