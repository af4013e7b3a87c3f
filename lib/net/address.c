/* SPDX-License-Identifier: ISC */
/*
 * address.c - socket addresses: parsing, printing, dialing, listening
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

int
net_address_parse(struct span ip, uint16_t port, struct net_address *out, struct fault *why)
{
	struct net_address a = {0};
	char               text[INET6_ADDRSTRLEN + 1];

	if (ip.len > 2 && ip.at[0] == '[' && ip.at[ip.len - 1] == ']')
		ip = span_cut(ip, 1, ip.len - 1);
	if (ip.len >= sizeof text)
		return fault_set(why, FAULT_INPUT, "not an IP address");
	memcpy(text, ip.at, ip.len);
	text[ip.len] = '\0';
	if (inet_pton(AF_INET, text, &a.u.v4.sin_addr) == 1) {
		a.u.v4.sin_family = AF_INET;
		a.u.v4.sin_port = htons(port);
		a.len = sizeof a.u.v4;
	} else if (inet_pton(AF_INET6, text, &a.u.v6.sin6_addr) == 1) {
		a.u.v6.sin6_family = AF_INET6;
		a.u.v6.sin6_port = htons(port);
		a.len = sizeof a.u.v6;
	} else {
		return fault_set(why, FAULT_INPUT, "%s is not an IP address", text);
	}
	*out = a;
	return 0;
}

static bool
is_mapped(const struct net_address *a)
{
	return a->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->u.v6.sin6_addr);
}

void
net_address_print(const struct net_address *a, char *ip, size_t size)
{
	ip[0] = '\0';
	if (is_mapped(a))
		inet_ntop(AF_INET, a->u.v6.sin6_addr.s6_addr + 12, ip, (socklen_t)size);
	else if (a->u.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &a->u.v6.sin6_addr, ip, (socklen_t)size);
	else if (a->u.any.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->u.v4.sin_addr, ip, (socklen_t)size);
	else
		snprintf(ip, size, "local");
}

uint16_t
net_address_port(const struct net_address *a)
{
	if (a->u.any.sa_family == AF_INET)
		return ntohs(a->u.v4.sin_port);
	return a->u.any.sa_family == AF_INET6 ? ntohs(a->u.v6.sin6_port) : 0;
}

bool
net_is_loopback(const struct net_address *a)
{
	if (is_mapped(a))
		return a->u.v6.sin6_addr.s6_addr[12] == 127;
	if (a->u.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
	if (a->u.any.sa_family == AF_INET)
		return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == 127;
	return a->u.any.sa_family == AF_UNIX;
}

int
net_peer(int fd, struct net_address *out, struct fault *why)
{
	struct net_address a = {.len = sizeof a.u};

	if (getpeername(fd, &a.u.any, &a.len) < 0)
		return fault_errno(why, "getpeername");
	*out = a;
	return 0;
}

int
net_local(int fd, struct net_address *out, struct fault *why)
{
	struct net_address a = {.len = sizeof a.u};

	if (getsockname(fd, &a.u.any, &a.len) < 0)
		return fault_errno(why, "getsockname");
	*out = a;
	return 0;
}

/* Names that the site has set, and that were read while /etc could be: read-only after that. */
struct known_ports {
	struct known_port { char *name; uint16_t port; } *at;
	size_t count;
};
static struct known_ports set_ports, read_ports;

static void
know_port(struct known_ports *k, struct span name, uint16_t port)
{
	k->at = mem_grow(k->at, k->count + 1, sizeof *k->at);
	k->at[k->count++] = (struct known_port){mem_span(name), port};
}

static bool
known_port(const struct known_ports *k, struct span name, uint16_t *port)
{
	for (size_t i = 0; i < k->count; i++)
		if (span_is(name, k->at[i].name)) {
			*port = k->at[i].port;
			return true;
		}
	return false;
}

static void
forget_ports(struct known_ports *k)
{
	for (size_t i = 0; i < k->count; i++)
		free(k->at[i].name);
	free(k->at);
	*k = (struct known_ports){0};
}

/* "smtps=submissions=465" */
static int
set_one(struct known_ports *k, struct span words, struct fault *why)
{
	ptrdiff_t   last = span_find_last(words, '=');
	struct span names = span_first(words, last < 0 ? 0 : (size_t)last), name;
	uint64_t    port;

	if (last <= 0 || !span_number(span_from(words, (size_t)last + 1), &port) || port == 0 || port > 65535)
		return fault_set(why, FAULT_INPUT, "known_tcp_ports: \"%.*s\" is not name=port", SPAN_ARGS(span_first(words, 100)));
	for (bool more = true; more;) {
		more = span_split(&names, '=', &name);
		if (name.len == 0 || span_number(name, &(uint64_t){0}))
			return fault_set(why, FAULT_INPUT, "known_tcp_ports: \"%.*s\" is no name of a service", SPAN_ARGS(span_first(name, 100)));
		know_port(k, name, (uint16_t)port);
	}
	return 0;
}

int
net_ports_set(struct span list, struct fault *why)
{
	struct known_ports k = {0};
	struct span        words;

	while (span_next(&list, ", \t\r\n", &words))
		if (set_one(&k, words, why) < 0) {
			forget_ports(&k);
			return -1;
		}
	forget_ports(&set_ports);
	set_ports = k;
	return 0;
}

const char *
net_port_digits(const char *name, char room[8])
{
	uint16_t port;

	if (!known_port(&set_ports, span_of(name), &port))
		return name;
	snprintf(room, 8, "%u", port);
	return room;
}

void
net_ports_read(void)
{
	struct servent *s;

	setservent(1);
	while ((s = getservent())) {
		if (strcmp(s->s_proto, "tcp") != 0)
			continue;
		know_port(&read_ports, span_of(s->s_name), ntohs((uint16_t)s->s_port));
		for (char **alias = s->s_aliases; *alias; alias++)
			know_port(&read_ports, span_of(*alias), ntohs((uint16_t)s->s_port));
	}
	endservent();
}

int
net_port(struct span name, uint16_t *port, struct fault *why)
{
	autofree char  *text = mem_span(name);
	struct servent *s;
	uint64_t        n;

	if (span_number(name, &n) && n > 0 && n <= 65535) {
		*port = (uint16_t)n;
		return 0;
	}
	if (known_port(&set_ports, name, port) || known_port(&read_ports, name, port))
		return 0;
	if (!(s = getservbyname(text, "tcp")))
		return fault_set(why, FAULT_INPUT, "unknown service: %s/tcp", text);
	*port = ntohs((uint16_t)s->s_port);
	return 0;
}

static int
finish_connect(int fd, int64_t deadline, struct fault *why)
{
	int       error = 0;
	socklen_t len = sizeof error;

	if (task_wait_fd(fd, POLLOUT, deadline, why) < 0)
		return fault_set(why, FAULT_TIME, "Connection timed out");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		errno = error ? error : errno;
		fault_set(why, FAULT_PEER, "%s", strerror(errno));
		return -1;
	}
	return 0;
}

int
net_dial(const struct net_address *to, const struct net_address *source, int64_t deadline, int *out, struct fault *why)
{
	autoclose int fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int           on = 1;

	if (fd < 0)
		return fault_errno(why, "socket");
	if (source && bind(fd, &source->u.any, source->len) < 0)
		return fault_errno(why, "bind");
	if (connect(fd, &to->u.any, to->len) < 0) {
		if (errno != EINPROGRESS)
			return fault_set(why, FAULT_PEER, "%s", strerror(errno));
		if (finish_connect(fd, deadline, why) < 0)
			return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*out = take_fd(fd);
	return 0;
}

int
net_dial_unix(const char *path, int64_t deadline, int *out, struct fault *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	autoclose int      fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fault_errno(why, "socket");
	if (strlen(path) >= sizeof to.sun_path)
		return fault_set(why, FAULT_INPUT, "socket path %s is too long", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	while (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		if (errno != EAGAIN)
			return fault_set(why, FAULT_PEER, "%s", strerror(errno));
		if (clock_left(deadline) == 0)
			return fault_set(why, FAULT_TIME, "timed out");
		poll(NULL, 0, 20); /* the backlog is full, and poll cannot tell when it is not */
	}
	*out = take_fd(fd);
	return 0;
}

int
net_listen(const struct net_address *a, int backlog, int *out, struct fault *why)
{
	autoclose int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int           on = 1;
	char          ip[INET6_ADDRSTRLEN];

	if (fd < 0)
		return fault_errno(why, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->u.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	net_address_print(a, ip, sizeof ip);
	if (bind(fd, &a->u.any, a->len) < 0)
		return fault_errno(why, "bind %s port %d", ip, net_address_port(a));
	if (listen(fd, backlog) < 0)
		return fault_errno(why, "listen on %s port %d", ip, net_address_port(a));
	*out = take_fd(fd);
	return 0;
}
