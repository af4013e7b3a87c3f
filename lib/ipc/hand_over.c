/* SPDX-License-Identifier: ISC */
/*
 * hand_over.c - a client's connection, given to another program
 */
#include "ipc/hand_over.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ipc/peer.h"
#include "net/address.h"

static int
send_with(int sock, struct span text, int client, struct fault *why)
{
	struct iovec   bytes = {(void *)(uintptr_t)text.at, text.len};
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	struct msghdr  message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.room,
	                          .msg_controllen = sizeof control.room};
	struct cmsghdr *c;

	memset(&control, 0, sizeof control);
	c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof client);
	memcpy(CMSG_DATA(c), &client, sizeof client);
	return sendmsg(sock, &message, MSG_NOSIGNAL) < 0 ? fault_errno(why, "pass a client") : 0;
}

int
hand_over(const char *service, int client, const struct handed *h, int64_t deadline, struct fault *why)
{
	autofree char *path = peer_path(service);
	autoclose int  sock = -1;
	char           text[200];

	snprintf(text, sizeof text, "%s %s %s %s", h->address, h->port, h->server_address, h->server_port);
	if (net_dial_unix(path, deadline, &sock, why) < 0)
		return fault_prefix(why, "connect to service %s", service);
	return send_with(sock, span_of(text), client, why);
}

static bool
take_word(struct span *rest, char *to, size_t size)
{
	struct span word;

	if (!span_next(rest, " ", &word) || word.len >= size)
		return false;
	memcpy(to, word.at, word.len);
	to[word.len] = '\0';
	return true;
}

bool
handed_parse(struct span in, struct handed *out)
{
	struct handed h = {0};

	if (!take_word(&in, h.address, sizeof h.address) || !take_word(&in, h.port, sizeof h.port) ||
	    !take_word(&in, h.server_address, sizeof h.server_address) ||
	    !take_word(&in, h.server_port, sizeof h.server_port))
		return false;
	*out = h;
	return true;
}
