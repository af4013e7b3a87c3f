/* SPDX-License-Identifier: ISC */
/*
 * postmap_message.h - postmap -h -b -m -q -: a message on standard input, asked as header_checks would
 *
 *   headers            each field of the message's own header, with its folds; with mime also those
 *                      of its parts and of messages inside
 *   body               each line behind the header that is not empty; with mime only lines of content
 */
#ifndef CMD_POSTMAP_MESSAGE_H
#define CMD_POSTMAP_MESSAGE_H

#include <stdio.h>

#include "base/span.h"

struct message_question {
	bool   headers, body, mime;
	void  *context;
	void (*ask)(void *context, struct span key);
};

void message_ask(const struct message_question *, FILE *);

#endif
