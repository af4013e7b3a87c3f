/* SPDX-License-Identifier: ISC */
/*
 * crc32.h - the checksum of queue records (IEEE 802.3; against torn writes, not attackers)
 *
 * Start with 0 and go on with what came out, so that a record's sum can begin
 * with its queue id: yesterday's record in a recycled block is then no record.
 */
#ifndef QUEUE_CRC32_H
#define QUEUE_CRC32_H

#include "base/span.h"

uint32_t crc32_add(uint32_t so_far, struct span);

#endif
