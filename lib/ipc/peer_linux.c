/* SPDX-License-Identifier: ISC */
/*
 * peer_linux.c - who is at the other end of a Unix socket
 */
#include <sys/socket.h>

#include "ipc/peer.h"

int
peer_uid(int sock, uid_t *uid, struct fault *why)
{
	struct ucred who;
	socklen_t    len = sizeof who;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return fault_errno(why, "SO_PEERCRED");
	*uid = who.uid;
	return 0;
}

bool
peer_pid(int sock, pid_t *pid)
{
	struct ucred who;
	socklen_t    len = sizeof who;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	*pid = who.pid;
	return true;
}
