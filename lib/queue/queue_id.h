/* SPDX-License-Identifier: ISC */
/*
 * queue_id.h - names of messages: Postfix's long queue ids
 *
 *   4gHb2X  1Qzk  z  3D9f        seconds, microseconds, 'z', counter
 *
 * Digits and consonants without vowels: seconds in base 52 (six digits or
 * more), microseconds in four, then 'z', then in base 51 (without 'z') a number
 * where Postfix has an inode's: ours is a counter that survives restarts
 * (queue.h), so that no id is ever used twice, whatever the clock does.
 * Log tools know the shape, and read the time out of it.
 */
#ifndef QUEUE_QUEUE_ID_H
#define QUEUE_QUEUE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum { QUEUE_ID_SIZE = 40 };            /* buffers; ids are shorter than this */

struct queue_id {
	char text[QUEUE_ID_SIZE];       /* NUL ended */
};

void queue_id_make(int64_t time_us, uint64_t counter, struct queue_id *);
/* Total: false when it is not an id of ours. time_us and counter may be NULL. */
bool queue_id_parse(struct span, int64_t *time_us, uint64_t *counter);
/* Safe as a file name below a queue directory: an id, ours or a short one of Postfix's. */
bool queue_id_valid(struct span);

#endif
