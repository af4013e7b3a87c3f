/* SPDX-License-Identifier: ISC */
/*
 * fuzz_deliver.c - what a delivery agent, qmgr and bounce may be sent
 *
 * The first byte chooses the conversation; frames follow, each led by its
 * length (2, big-endian).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "fuzz.h"
#include "ipc/deliver.h"
#include "ipc/notify.h"

static void
send_frames(int sock, const uint8_t *data, size_t size)
{
	char            control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	autoclose int   fd = open("/dev/null", O_RDONLY);

	for (int i = 0; size >= 2 && i < 32; i++) {
		size_t          len = (size_t)(data[0] << 8 | data[1]);
		struct iovec    bytes = {(void *)(data + 2), len};
		struct msghdr m = {.msg_iov = &bytes,
		                   .msg_iovlen = 1,
		                   .msg_control = control,
		                   .msg_controllen = sizeof control};
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		if (len == 0 || len > size - 2)
			return;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
		if (sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		data += 2 + len;
		size -= 2 + len;
	}
}

static void
receive(int sock, int which)
{
	autoframe struct frame  f = {0};
	autoarena struct arena *arena = arena_new();
	struct deliver_answer   a;
	struct delivery         d = {.content = -1};
	struct notice           n;

	if (which == 0) {
		while (deliver_next(sock, &f, &a, clock_after(1000), NULL) == 0)
			if (!a.status.dsn[0] || a.index < 0)
				abort();
	} else if (which == 1) {
		if (deliver_receive(sock, &d, NULL) == 0) {
			if (d.n_rcpts == 0 || d.content < 0)
				abort();
			deliver_free(&d);
		}
	} else if (notify_receive(sock, &f, &n, arena, NULL) == 0) {
		if (n.n_rcpts == 0 || n.content < 0)
			abort();
		close(n.content);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (size < 1 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 0;
	send_frames(pair[0], data + 1, size - 1);
	close(pair[0]);
	receive(pair[1], data[0] % 3);
	close(pair[1]);
	return 0;
}
