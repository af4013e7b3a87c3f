/* SPDX-License-Identifier: ISC */
/*
 * verify_sender.h - the sender of address probes: address_verify_sender
 *
 * With address_verify_sender_ttl its local part ends in the number of the present stretch of
 * time, so that an address that was once seen is soon worth nothing to a spammer: the one
 * before and the one after are taken too, since clocks differ and mail takes time.
 * Pure.  `configured` is as in main.cf: a local part, an address, "" or "<>".
 */
#ifndef MAIL_VERIFY_SENDER_H
#define MAIL_VERIFY_SENDER_H

#include "base/text.h"

void verify_sender_make(struct span configured, int64_t ttl_ms, int64_t now_us, struct text *out);
/* Is this one of ours now? A configured local part matches in any domain: the caller knows which are ours. */
bool verify_sender_is(struct span configured, int64_t ttl_ms, int64_t now_us, struct span address);

#endif
