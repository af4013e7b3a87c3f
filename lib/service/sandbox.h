/* SPDX-License-Identifier: ISC */
/*
 * sandbox.h - promises, kept by the kernel
 *
 * Linux: no_new_privs, Landlock, seccomp (sandbox_linux.c); OpenBSD: unveil
 * and pledge; FreeBSD: Capsicum where the role permits. In a sanitizer build
 * only no_new_privs is set. A forbidden call ends the process (openat and
 * stat without MAY_READ answer ENOENT, FACTS.md 2).
 */
#ifndef SERVICE_SANDBOX_H
#define SERVICE_SANDBOX_H

#include <stdint.h>

#include "base/fault.h"

struct sandbox_tree {
	int         fd;              /* a directory; borrowed */
	const char *path;            /* of it, for kernels that only know paths */
};
struct sandbox {
	unsigned           promises;     /* enum promise */
	const char *const *reads;        /* paths, NULL ended */
	const char *const *writes;
	const struct sandbox_tree *trees; /* like writes, but opened before: whoever owns the path cannot lead elsewhere */
	size_t                     tree_count;
};
int  sandbox_close(const struct sandbox *, struct fault *);
/* For the child that writes one mailbox: files below `root` only.  A parent that makes many such
 * children, or such that promise MAY_READ, MAY_WRITE and MAY_WATCH by sandbox_close, calls sandbox_prepare_mailbox in
 * its prepare(): the rules are then made once. */
void sandbox_prepare_mailbox(void);
int  sandbox_close_mailbox(const char *root, struct fault *);
/* Does a stat of what lies outside of a closed one still tell whether it is there? */
bool sandbox_shows_outside(void);
/* Before sandbox_close: MAY_DNS reaches TCP ports 53 and 853; it, and MAY_NAME, also this one. */
void sandbox_allow_port(uint16_t port);

#endif
