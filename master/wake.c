/* SPDX-License-Identifier: ISC */
/*
 * wake.c - triggers: the wakeup column of master.cf, and what is written to a FIFO
 *
 * A trigger is a connection with one byte 'W', or a datagram of it, as Postfix's master sends it.
 * Programs that speak in records get the connection alone: a conversation that ends before its
 * first word asks nothing, but whoever sleeps wakes up.  Bytes from a FIFO are not looked at: each
 * means "look now".
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"

/* Never waits: who cannot be reached at once is busy, and not asleep. */
static int
reach_inet(struct net_address to)
{
	static const unsigned char loopback[4] = {127, 0, 0, 1}, any[4];
	struct timeval             moment = {.tv_usec = 100000};    /* a full queue would hold master for minutes */
	int                        fd = socket(to.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
	if (to.u.any.sa_family == AF_INET && memcmp(&to.u.v4.sin_addr, any, sizeof any) == 0)
		memcpy(&to.u.v4.sin_addr, loopback, sizeof loopback);
	if (fd >= 0 && connect(fd, &to.u.any, to.len) == 0)      /* to ourselves: the queue takes it at once */
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
reach_unix(const char *path, int type)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int                fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) < sizeof to.sun_path)
		memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
trigger(const struct endpoint *e)
{
	autoclose int fd = -1;

	if (e->fd < 0 || e->kind == ENDPOINT_LOG || e->kind == ENDPOINT_FIFO)
		return;
	if (e->kind == ENDPOINT_INET)
		fd = reach_inet(e->address);
	else
		fd = reach_unix(e->path, e->kind == ENDPOINT_DATAGRAM ? SOCK_DGRAM
		                : e->kind == ENDPOINT_RECORDS ? SOCK_SEQPACKET : SOCK_STREAM);
	if (fd < 0)
		return;
	if (e->kind != ENDPOINT_RECORDS)
		(void)!send(fd, "W", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
post_wake(struct post *post)
{
	log_debug("service %s: wakeup", post->name);
	for (size_t i = 0; i < post->n_endpoints; i++)
		trigger(&post->endpoint[i]);
}

void
post_take_triggers(struct post *post)
{
	char bytes[512];
	bool any = false;

	for (size_t i = 0; i < post->n_endpoints; i++)
		while (post->endpoint[i].kind == ENDPOINT_FIFO && read(post->endpoint[i].fd, bytes, sizeof bytes) > 0)
			any = true;
	if (any)
		post_wake(post);
}
