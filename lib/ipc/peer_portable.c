/* SPDX-License-Identifier: ISC */
/*
 * peer_portable.c - who is at the other end of a Unix socket, on the BSDs
 */
#include <unistd.h>

#include "ipc/peer.h"

int
peer_uid(int sock, uid_t *uid, struct fault *why)
{
	gid_t gid;

	if (getpeereid(sock, uid, &gid) < 0)
		return fault_errno(why, "getpeereid");
	return 0;
}

bool
peer_pid(int sock, pid_t *pid)
{
	(void)sock;
	(void)pid;
	return false;
}
