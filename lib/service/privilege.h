/* SPDX-License-Identifier: ISC */
/*
 * privilege.h - the only code that changes the uid
 *
 * Started without root nothing changes: all of these succeed and do nothing
 * but check that the uid asked for is the caller's own (user_become refuses
 * another).
 */
#ifndef SERVICE_PRIVILEGE_H
#define SERVICE_PRIVILEGE_H

#include <sys/types.h>

#include "base/fault.h"

struct identity {
	uid_t uid;
	gid_t gid;
	char  name[64];       /* for initgroups; "": no supplementary groups */
	char  home[256];
	gid_t groups[8];      /* besides gid, where there is no name */
	int   group_count;
};

/* By name, or numeric "uid" / "uid:gid". FAULT_INPUT: no such user. */
int  identity_find(const char *name, struct identity *, struct fault *);
int  privilege_drop(const struct identity *, const char *root, struct fault *);   /* for good; root: chroot there first, or NULL */
/* In a forked child of a root program: become the recipient for good. */
int  user_become(const struct identity *, struct fault *);
bool privilege_is_root(void);
bool privilege_try_root(void);       /* for the probe: did the kernel let it? */

#endif
