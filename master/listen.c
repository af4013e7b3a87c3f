/* SPDX-License-Identifier: ISC */
/*
 * listen.c - the sockets at which posts are asked; master makes them and hands
 * them on, and keeps them so that nobody is refused while a program restarts
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "master/master.h"
#include "net/address.h"

#ifndef SO_SNDBUFFORCE
#define SO_SNDBUFFORCE SO_SNDBUF       /* Linux alone lets root exceed the limit */
#endif

enum { BACKLOG = 1024, LOG_ROOM = 1 << 20, INHERIT_MS = 10000, LOOK_MS = 20 };

static struct endpoint *
grow(struct post *post)
{
	struct endpoint *e;

	post->endpoint = mem_grow(post->endpoint, post->n_endpoints + 1, sizeof *e);
	e = &post->endpoint[post->n_endpoints++];
	*e = (struct endpoint){.fd = -1};
	return e;
}

void
endpoint_add(struct post *post, enum endpoint_kind kind, const char *path, bool yields)
{
	struct endpoint *e = grow(post);

	e->kind = kind;
	e->label = mem_string(path ? path : "log");
	e->path = path ? mem_string(path) : NULL;
	e->yields = yields;
}

static bool
has_protocol(int family)
{
	const char *wanted = family == AF_INET ? "ipv4" : "ipv6";

	return list_has(&site.inet_protocols, wanted) || list_has(&site.inet_protocols, "all");
}

static void
add_address(struct post *post, const struct sockaddr *address, socklen_t len)
{
	struct endpoint *e;

	for (size_t i = 0; i < post->n_endpoints; i++)
		if (post->endpoint[i].kind == ENDPOINT_INET && post->endpoint[i].address.len == len &&
		    memcmp(&post->endpoint[i].address.u, address, len) == 0)
			return;
	e = grow(post);
	e->kind = ENDPOINT_INET;
	e->label = mem_string(post->name);
	e->address.len = len;
	memcpy(&e->address.u, address, len);
}

static int
add_host(struct post *post, const char *host, const char *port, struct fault *why)
{
	struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	struct span      bare = span_of(host);
	autofree char   *name = NULL;
	size_t           before = post->n_endpoints;
	int              error;
	char             digits[8];

	if (bare.len > 2 && bare.at[0] == '[' && span_ends(bare, "]"))
		bare = span_cut(bare, 1, bare.len - 1);
	name = mem_span(bare);
	error = getaddrinfo(*name ? name : NULL, net_port_digits(port, digits), &hints, &found);
	if (error)
		return fault_set(why, FAULT_INPUT, "service %s: %s, port %s: %s", post->name,
		                 *name ? name : "any address", port, gai_strerror(error));
	for (struct addrinfo *a = found; a; a = a->ai_next)
		if ((a->ai_family == AF_INET || a->ai_family == AF_INET6) && has_protocol(a->ai_family))
			add_address(post, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(found);
	if (post->n_endpoints == before && *name)
		log_debug("service %s: %s has no address of inet_protocols that is new", post->name, name);
	return 0;
}

int
endpoint_add_inet(struct post *post, const struct master_row *row, struct fault *why)
{
	const struct list *on = &site.inet_interfaces;

	if (*row->host)
		return add_host(post, row->host, row->port, why);
	if (on->count == 0 || list_has(on, "all"))
		return add_host(post, "", row->port, why);
	if (list_has(on, "loopback-only")) {
		if (add_host(post, "127.0.0.1", row->port, why) < 0)
			return -1;
		return add_host(post, "::1", row->port, why);
	}
	for (size_t i = 0; i < on->count; i++)
		if (add_host(post, on->item[i], row->port, why) < 0)
			return -1;
	return 0;
}

static int
unix_address(const char *path, struct sockaddr_un *out, struct fault *why)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof out->sun_path)
		return fault_set(why, FAULT_INPUT, "socket path %s is too long", path);
	memcpy(out->sun_path, path, strlen(path) + 1);
	return 0;
}

static bool
somebody_answers(const struct sockaddr_un *at, int type)
{
	autoclose int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN);
}

/* Who was left by a master that was killed goes when he has seen its end; another program stays. */
static bool
is_served_by_another(const struct sockaddr_un *at, int type)
{
	int64_t until = clock_after(environment.inherits ? INHERIT_MS : 0);

	while (somebody_answers(at, type)) {
		if (clock_left(until) == 0)
			return true;
		poll(NULL, 0, LOOK_MS);
	}
	return false;
}

static int
socket_type(enum endpoint_kind kind)
{
	return kind == ENDPOINT_DATAGRAM ? SOCK_DGRAM : kind == ENDPOINT_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
}

/*
 * Mode 0666: the directory says who may.  By the umask, since chmod of a name in a directory
 * that mail_owner may write would follow the link that he had put there in between.
 */
static int
bind_for_all(int fd, const struct sockaddr_un *at)
{
	mode_t before = umask(0111);
	int    outcome = bind(fd, (const struct sockaddr *)at, sizeof *at), error = errno;

	umask(before);
	errno = error;
	return outcome;
}

static int
open_unix(struct endpoint *e, struct fault *why)
{
	struct sockaddr_un at;
	autoclose int      fd = -1;

	if (unix_address(e->path, &at, why) < 0)
		return -1;
	if (e->yields && is_served_by_another(&at, socket_type(e->kind))) {
		log_warning("%s is served by another program: leaving it alone", e->path);
		return 0;
	}
	if (unlink(e->path) < 0 && errno != ENOENT)
		return fault_errno(why, "remove old socket %s", e->path);
	fd = socket(AF_UNIX, socket_type(e->kind) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_errno(why, "socket");
	if (bind_for_all(fd, &at) < 0)
		return fault_errno(why, "bind %s", e->path);
	if (e->kind != ENDPOINT_DATAGRAM && listen(fd, BACKLOG) < 0)
		return fault_errno(why, "listen on %s", e->path);
	e->fd = take_fd(fd);
	return 0;
}

/* Open for both, so that it never ends: whoever may enter the directory may write. */
static int
open_fifo(struct endpoint *e, struct fault *why)
{
	mode_t before;
	int    made, error;

	if (unlink(e->path) < 0 && errno != ENOENT)
		return fault_errno(why, "remove old %s", e->path);
	before = umask(0);
	made = mkfifo(e->path, 0622);
	error = errno;
	umask(before);
	errno = error;
	if (made < 0)
		return fault_errno(why, "create FIFO %s", e->path);
	e->fd = open(e->path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return e->fd < 0 ? fault_errno(why, "open FIFO %s", e->path) : 0;
}

/*
 * Everybody's log goes through one pair of record sockets rather than datagrams to
 * a name: a datagram socket holds ten lines only (net.unix.max_dgram_qlen), this
 * one holds bytes.  master keeps both ends, so lines wait while postlogd restarts.
 */
static int
open_log(struct endpoint *e, struct fault *why)
{
	int ends[2], room = LOG_ROOM;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_errno(why, "socketpair");
	if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	e->fd = ends[0];
	environment.log_fd = ends[1];
	return 0;
}

/* Processes of a master that was killed hold the port until their accepting thread has seen it. */
static int
listen_inet(struct endpoint *e, struct fault *why)
{
	int64_t until = clock_after(environment.inherits ? INHERIT_MS : 0);
	int     outcome;

	while ((outcome = net_listen(&e->address, BACKLOG, &e->fd, why)) < 0 && errno == EADDRINUSE && clock_left(until) > 0)
		poll(NULL, 0, LOOK_MS);
	return outcome;
}

static int
open_one(struct endpoint *e, struct fault *why)
{
	int outcome;

	if (e->kind == ENDPOINT_FIFO) {
		outcome = open_fifo(e, why);
	} else if (e->kind == ENDPOINT_INET) {
		outcome = listen_inet(e, why);
		/* inet_protocols = all on a host without IPv6 */
		if (outcome < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
		    e->address.u.any.sa_family == AF_INET6 && list_has(&site.inet_protocols, "all"))
			return 0;
	} else {
		outcome = e->kind == ENDPOINT_LOG ? open_log(e, why) : open_unix(e, why);
	}
	if (outcome == 0 && e->fd >= 0)
		file_descriptor_flags(e->fd, true, true);
	return outcome;
}

static bool
same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind != b->kind || strcmp(a->label, b->label) != 0)
		return false;
	return a->kind != ENDPOINT_INET ||
	       (a->address.len == b->address.len && memcmp(&a->address.u, &b->address.u, a->address.len) == 0);
}

static int
take_over(struct endpoint *e, struct plan *before)
{
	for (size_t i = 0; before && i < before->count; i++)
		for (size_t k = 0; k < before->post[i]->n_endpoints; k++) {
			struct endpoint *old = &before->post[i]->endpoint[k];

			if (old->fd >= 0 && same_endpoint(old, e)) {
				e->fd = take_fd(old->fd);
				return 1;
			}
		}
	return 0;
}

void
endpoints_open(struct plan *p, struct plan *before, struct faults *faults)
{
	struct fault why = {0};

	for (int taking = 1; taking >= 0; taking--) { /* what is given up frees ports for what is new */
		for (size_t i = 0; i < p->count; i++)
			for (size_t k = 0; k < p->post[i]->n_endpoints; k++) {
				struct endpoint *e = &p->post[i]->endpoint[k];

				if (taking)
					take_over(e, before);
				else if (e->fd < 0 && open_one(e, &why) < 0)
					faults_add(faults, "%s%s", p->post[i]->place, fault_text(&why));
			}
		if (taking && before)
			endpoints_close(before);
	}
}

void
endpoints_close(struct plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->post[i]->n_endpoints; k++) {
			struct endpoint *e = &p->post[i]->endpoint[k];

			if (e->fd < 0)
				continue;
			close(take_fd(e->fd));
			if (e->path)
				unlink(e->path);
		}
}
