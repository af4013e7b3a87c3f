/* SPDX-License-Identifier: ISC */
/*
 * message_id.h - Message-ID (RFC 5322, 3.6.4): <20261120132600.4bQx1z2Yz3z9rxN@mail.example.org>
 */
#ifndef MAIL_MESSAGE_ID_H
#define MAIL_MESSAGE_ID_H

#include "base/text.h"

void message_id_make(int64_t seconds, struct span queue_id, struct span host, struct text *out);

/* The id in a Message-ID or In-Reply-To value, with its angles, blanks and comments off; the value
 * trimmed where there are no angles. For logging it is made printable by the logger. */
struct span message_id_find(struct span value);

#endif
