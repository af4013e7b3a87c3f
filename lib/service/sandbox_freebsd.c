/* SPDX-License-Identifier: ISC */
/*
 * sandbox_freebsd.c - promises kept by Capsicum where the role permits
 *
 * Capability mode knows no names: programs that only accept, read and write
 * what they hold enter it; the others rely on uid and chroot.  Not yet run on
 * FreeBSD.
 */
#include <sys/types.h>
#include <sys/capsicum.h>
#include <sys/procctl.h>
#include <errno.h>
#include <unistd.h>

#include "service/sandbox.h"
#include "service/sandbox_private.h"
#include "service/service.h"

static int
forbid_new_privileges(struct fault *why)
{
	int on = PROC_NO_NEW_PRIVS_ENABLE;

	if (procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &on) < 0 && errno != EINVAL)
		return fault_errno(why, "no_new_privs");
	return 0;
}

int
sandbox_close(const struct sandbox *s, struct fault *why)
{
	const unsigned names = MAY_ASK | MAY_DIAL | MAY_DNS | MAY_READ | MAY_WRITE | MAY_BECOME | MAY_NAME;

	if (s->promises & MAY_EXEC)
		return 0;
	if (forbid_new_privileges(why) < 0)
		return -1;
	if (!(s->promises & names) && cap_enter() < 0 && errno != ENOSYS)
		return fault_errno(why, "capability mode");
	return 0;
}

bool
sandbox_shows_outside(void)
{
	return true;
}

void
sandbox_prepare_mailbox(void)
{
}

int
sandbox_close_mailbox(const char *root, struct fault *why)
{
	(void)root; /* the code opens by path: uid and file modes confine */
	return forbid_new_privileges(why);
}

void
sandbox_trim_memory(void)
{
}

void
sandbox_tune_memory(void)
{
}

void
sandbox_close_descriptors(int first)
{
	closefrom(first);
}

void
sandbox_allow_port(uint16_t port)
{
	(void)port; /* ports are not restricted here */
}
