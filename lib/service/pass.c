/* SPDX-License-Identifier: ISC */
/*
 * pass.c - services of type "pass": a client comes as a descriptor over a Unix socket
 *
 * Who has looked at the client first (postscreen) connects to the service's stream socket, sends
 * some bytes with the client's connection beside them, and hangs up.  The bytes say who the client is, where
 * that is not what the connection says (ipc/hand_over.h); one NUL says nothing.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "service/service_private.h"

enum { PASS_MS = 10000 };

const char *service_type = "";
static _Thread_local char passed[256];

const char *
service_passed(void)
{
	return passed;
}

bool
pass_is_used(void)
{
	return strcmp(service_type, "pass") == 0;
}

/* The room for one holds two, aligned: who sends more than one is none of ours. */
static int
only_one(const struct cmsghdr *c)
{
	int fds[2] = {-1, -1};

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len > CMSG_LEN(sizeof fds))
		return -1;
	memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (fds[1] < 0)
		return fds[0];
	close(fds[0]);
	close(fds[1]);
	return -1;
}

/* Closes the carrier. -1: nothing came. */
int
pass_receive(int carrier)
{
	struct iovec  bytes = {passed, sizeof passed - 1};
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.room,
	                         .msg_controllen = sizeof control.room};
	struct pollfd p = {.fd = carrier, .events = POLLIN};
	int           fd = -1;

	memset(&control, 0, sizeof control);
	memset(passed, 0, sizeof passed);
	if (poll(&p, 1, PASS_MS) > 0 && recvmsg(carrier, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) > 0)
		fd = only_one(CMSG_FIRSTHDR(&message));
	close(carrier);
	if (fd < 0)
		log_warning("a connection without a client in it");
	return fd;
}
