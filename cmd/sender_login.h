/* SPDX-License-Identifier: ISC */
/*
 * sender_login.h - as whom may a local user send? (local_login_sender_maps)
 *
 * The tables are asked by login name ("uid:NUMBER" without one), and answer patterns:
 *   *  any sender    <>  the null sender    @domain  any of it    user  user@domain
 * Case does not count; an address extension of the sender is left out in a second look.
 */
#ifndef CMD_SENDER_LOGIN_H
#define CMD_SENDER_LOGIN_H

#include "base/fault.h"
#include "base/span.h"
#include "config/main_cf.h"

/* One pattern against a sender as it was given ("" is the null sender). Pure. */
bool sender_pattern_matches(struct span pattern, struct span sender, struct span null_key, const char *delimiters);

/* 0 he may; -1: FAULT_DENIED, or a table could not be asked. */
int sender_login_check(struct main_cf *, struct span sender, struct fault *);

#endif
