/* SPDX-License-Identifier: ISC */
/*
 * login_name.h - whose mailbox an address is, for those who ask authd
 */
#ifndef LOCAL_LOGIN_NAME_H
#define LOCAL_LOGIN_NAME_H

#include "ipc/ask_auth.h"

/* user+detail@domain: without the detail as it is, and else without a domain that is this machine's.
 * FAULT_DENIED: nobody's. */
WAITS int login_name_find(struct span recipient, struct auth_user *, struct fault *);

/* What stands behind the first recipient_delimiter; empty: nothing does. */
struct span login_name_detail(struct span recipient);

#endif
