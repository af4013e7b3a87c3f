/* SPDX-License-Identifier: ISC */
/*
 * fuzz_lmtp.c - a whole LMTP session: any bytes from the client, and an inside that keeps the rules
 *
 * Whatever comes, the session ends; the front asks only in turn, and what it wants delivered has no
 * bare CR or LF in it and is no longer than message_size_limit.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "fuzz.h"
#include "ipc/frame.h"
#include "local/lmtp.h"

struct lmtp_settings lmtp_settings = {.timeout_ms = 1000, .delivery_ms = 1000};

enum { SIZE_LIMIT = 3000 };

static void
check_content(int fd, int64_t length)
{
	char    bytes[SIZE_LIMIT];
	ssize_t n;

	assert(length >= 0 && length <= SIZE_LIMIT);
	n = pread(fd, bytes, (size_t)length, 0);
	assert(n == length);
	for (ssize_t i = 0; i < n; i++) {
		assert(bytes[i] != '\r' || (i + 1 < n && bytes[i + 1] == '\n'));
		assert(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
	}
}

static void
answer(int sock, const char *verb, const char *reply, int fd)
{
	autoframe struct frame f = {0};

	frame_start(&f, verb);
	if (reply)
		frame_put_string(&f, "reply", reply);
	if (fd >= 0)
		frame_put_fd(&f, "file", fd);
	frame_send(sock, &f, clock_after(1000), NULL);
}

static void *
play_inside(void *argument)
{
	int    sock = *(int *)argument, file = -1;
	size_t rcpts = 0;

	for (;;) {
		autoframe struct frame f = {0};
		struct span            address;
		int64_t                length = -1;

		if (frame_receive(sock, &f, CLOCK_NEVER, NULL) != 0)
			break;
		if (frame_is(&f, "rcpt")) {
			assert(file < 0 && frame_get(&f, "address", &address) && address.len);
			if (address.len % 3 == 0) {
				answer(sock, "refused", "550 5.1.1 no", -1);
				continue;
			}
			rcpts++;
			answer(sock, "known", NULL, -1);
		} else if (frame_is(&f, "content")) {
			assert(rcpts && file < 0);
			file = memfd_create("content", 0);
			answer(sock, "content", NULL, file);
		} else if (frame_is(&f, "deliver")) {
			assert(rcpts && file >= 0 && frame_get_number(&f, "length", &length));
			check_content(file, length);
			for (; rcpts; rcpts--)
				answer(sock, "status", "250 2.0.0 Saved", -1);
			answer(sock, "done", NULL, -1);
			close(file);
			file = -1;
		} else {
			assert(frame_is(&f, "reset"));
			rcpts = 0;
			if (file >= 0)
				close(file);
			file = -1;
		}
	}
	if (file >= 0)
		close(file);
	return NULL;
}

static void
set_up(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	log_open("fuzz", open("/dev/null", O_WRONLY));
	site.myhostname = "mail.example.net";
	site.mail_name = "Postern";
	site.message_size_limit = SIZE_LIMIT;
	site.daemon_timeout = 1000;
	site.smtputf8_enable = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int          client[2], inside[2];
	pthread_t    other;
	struct conn *c;

	if (size > 20000 || socketpair(AF_UNIX, SOCK_STREAM, 0, client) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, inside) < 0)
		return 0;
	set_up();
	if (write(client[1], data, size) != (ssize_t)size)
		abort();
	shutdown(client[1], SHUT_WR);
	if (pthread_create(&other, NULL, play_inside, &inside[1]) != 0)
		abort();
	c = conn_new(client[0]);
	lmtp_front(c, "local", inside[0]);
	conn_free(c);
	close(inside[0]);
	pthread_join(other, NULL);
	close(inside[1]);
	close(client[1]);
	return 0;
}
