/* SPDX-License-Identifier: ISC */
/*
 * sandbox_portable.c - a system without a sandbox that we know: uid and root
 * directory are all there is
 */
#include <unistd.h>

#include "service/sandbox.h"
#include "service/sandbox_private.h"

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
	long last = sysconf(_SC_OPEN_MAX);

	for (int fd = first; fd < (last > 0 ? last : 1024); fd++)
		close(fd);
}

int
sandbox_close(const struct sandbox *s, struct fault *why)
{
	(void)s;
	(void)why;
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
	(void)root;
	(void)why;
	return 0;
}

void
sandbox_allow_port(uint16_t port)
{
	(void)port; /* ports are not restricted here */
}
