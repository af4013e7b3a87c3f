/* SPDX-License-Identifier: ISC */
/*
 * peer.c - a pool of kept connections, and a loop that serves one
 */
#include "ipc/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { POOL_SIZE = 256, RETRY_MS = 50 };

static struct {
	struct monitor lock;
	char           directory[200];
	struct kept { char service[32]; int sock; } kept[POOL_SIZE];
	size_t         n_kept;
} pool = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

void
peer_directory(const char *path)
{
	snprintf(pool.directory, sizeof pool.directory, "%s", path);
}

/* The newest kept connection to the service, or -1. */
static int
take_kept(const char *service)
{
	int sock = -1;

	monitor_enter(&pool.lock);
	for (size_t i = pool.n_kept; i > 0 && sock < 0; i--)
		if (strcmp(pool.kept[i - 1].service, service) == 0) {
			sock = pool.kept[i - 1].sock;
			pool.kept[i - 1] = pool.kept[--pool.n_kept];
		}
	monitor_leave(&pool.lock);
	return sock;
}

void
peer_give(const char *service, int sock)
{
	bool kept = false;

	monitor_enter(&pool.lock);
	if (pool.n_kept < POOL_SIZE && strlen(service) < sizeof pool.kept[0].service) {
		struct kept *k = &pool.kept[pool.n_kept++];

		snprintf(k->service, sizeof k->service, "%s", service);
		k->sock = sock;
		kept = true;
	}
	monitor_leave(&pool.lock);
	if (!kept)
		close(sock);
}

/* A service that is stopped has a full queue of listeners one day, and connect would wait for it for ever. */
static void
wait_no_longer(int fd, int64_t deadline)
{
	int            left = clock_left(deadline);
	struct timeval most = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

	if (left == 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	else if (left > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

static int
connect_once(const char *path, int64_t deadline, int *sock, struct fault *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	autoclose int      fd = -1;

	if (strlen(path) >= sizeof to.sun_path)
		return fault_set(why, FAULT_INPUT, "socket path %s is too long", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_errno(why, "socket");
	wait_no_longer(fd, deadline);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return fault_errno(why, "connect to %s", path);
	*sock = take_fd(fd);
	return 0;
}

/* A service that master.cf has as a FIFO is talked to beside it. */
static int
connect_or_beside(const char *path, int64_t deadline, int *sock, struct fault *why)
{
	autofree char *beside = NULL;
	struct stat    s;
	int            error;

	if (connect_once(path, deadline, sock, why) == 0)
		return 0;
	error = errno;
	if (error != ECONNREFUSED || stat(path, &s) < 0 || !S_ISFIFO(s.st_mode)) {
		errno = error;
		return -1;
	}
	beside = mem_format("%s.talk", path);
	return connect_once(beside, deadline, sock, why);
}

int
peer_connect(const char *path, int64_t deadline, int *sock, struct fault *why)
{
	while (connect_or_beside(path, deadline, sock, why) < 0) {
		bool away = errno == ECONNREFUSED || errno == ENOENT || errno == EAGAIN;

		if (!away || clock_left(deadline) == 0)
			return -1;
		poll(NULL, 0, RETRY_MS); /* master restarts what was killed */
	}
	return 0;
}

static int
connect_service(const char *service, int64_t deadline, int *sock, struct fault *why)
{
	autofree char *path = mem_format("%s/%s", pool.directory, service);

	return peer_connect(path, deadline, sock, why);
}

static bool
is_alive(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};

	return poll(&p, 1, 0) == 0; /* idle: readable means closed, or out of turn */
}

char *
peer_path(const char *service)
{
	return mem_format("%s/%s", pool.directory, service);
}

int
peer_take(const char *service, int64_t deadline, int *sock, struct fault *why)
{
	int kept;

	while ((kept = take_kept(service)) >= 0) {
		if (is_alive(kept)) {
			*sock = kept;
			return 0;
		}
		close(kept);
	}
	return connect_service(service, deadline, sock, why);
}

static int
ask_once(int sock, struct frame *request, struct frame *answer, int64_t deadline, struct fault *why)
{
	int got;

	if (frame_send(sock, request, deadline, why) < 0)
		return -1;
	got = frame_receive(sock, answer, deadline, why);
	if (got == 1)
		return fault_set(why, FAULT_PEER, "connection closed before an answer");
	return got;
}

int
peer_call(const char *service, struct frame *f, int64_t deadline, struct fault *why)
{
	autoframe struct frame answer = {0};
	struct span            reason = SPAN_NONE;

	for (int tries = 0;; tries++) {
		autoclose int sock = -1;

		if (peer_take(service, deadline, &sock, why) < 0)
			return fault_prefix(why, "%s", service);
		if (ask_once(sock, f, &answer, deadline, why) == 0) {
			peer_give(service, take_fd(sock));
			break;
		}
		if (tries > 2 || (why && why->class == FAULT_TIME) || clock_left(deadline) == 0)
			return fault_prefix(why, "%s", service);
	}
	frame_clear(f);
	*f = answer;
	answer = (struct frame){0};
	if (!frame_is(f, "refused"))
		return 0;
	frame_get(f, "reason", &reason);
	return fault_set(why, FAULT_DENIED, "%.*s", SPAN_ARGS(reason));
}

void
peer_refuse(struct frame *answer, const char *format, ...)
{
	autotext struct text reason = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&reason, format, args);
	va_end(args);
	frame_start(answer, "refused");
	frame_put(answer, "reason", text_span(&reason));
}

static const struct peer_verb *
find_verb(const struct peer_verb *verbs, const struct frame *request, int state)
{
	for (; verbs->verb; verbs++)
		if (frame_is(request, verbs->verb))
			return state >= verbs->from && state <= verbs->until ? verbs : NULL;
	return NULL;
}

static int stop_fd = -1;

void
peer_stop_fd(int fd)
{
	stop_fd = fd;
}

/* Waits for a request: false when there is none and this process wants to leave. */
static bool
may_go_on(int sock, int state)
{
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

	if ((state != 0 && state < PEER_RESTS) || stop_fd < 0)
		return true;
	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return p[0].revents != 0;
}

void
peer_serve(int sock, const struct peer_verb *verbs, void *conversation)
{
	autoframe struct frame request = {0}, answer = {0};
	struct fault           why = {0};
	int                    state = 0, got = 0;

	while (may_go_on(sock, state)) {
		const struct peer_verb *v;
		struct span             verb;

		if ((got = frame_receive(sock, &request, CLOCK_NEVER, &why)) != 0)
			break;
		v = find_verb(verbs, &request, state);
		verb = frame_verb(&request);
		if (!v) {
			log_warning("internal request %.*s out of turn: hanging up",
			            (int)(verb.len < 40 ? verb.len : 40), verb.at);
			return;
		}
		frame_clear(&answer);
		state = v->handle(conversation, &request, &answer, &why);
		if (state < 0) {
			log_warning("internal request %s: %s", v->verb, fault_text(&why));
			return;
		}
		if (answer.bytes.len && frame_send(sock, &answer, CLOCK_NEVER, &why) < 0)
			return;
		frame_clear(&answer); /* a descriptor that was handed on must not stay open here */
	}
	if (got < 0 && why.class == FAULT_INPUT)
		log_warning("internal request: %s: hanging up", fault_text(&why));
}
