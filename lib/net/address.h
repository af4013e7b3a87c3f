/* SPDX-License-Identifier: ISC */
/*
 * address.h - socket addresses: parsing, printing, dialing, listening
 *
 * Hosts are literals here: names are dnsd's business.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct net_address {
	socklen_t len;
	union {
		struct sockaddr         any;
		struct sockaddr_in      v4;
		struct sockaddr_in6     v6;
		struct sockaddr_storage room;
	} u;
};

int  net_address_parse(struct span ip, uint16_t port, struct net_address *, struct fault *);  /* "1.2.3.4", "::1", "[::1]" */
void net_address_print(const struct net_address *, char *ip, size_t size);   /* without port or brackets; v4-mapped as v4 */
uint16_t net_address_port(const struct net_address *);
int  net_peer(int fd, struct net_address *, struct fault *);
int  net_local(int fd, struct net_address *, struct fault *);
bool net_is_loopback(const struct net_address *);
int  net_port(struct span name_or_number, uint16_t *port, struct fault *);   /* getservbyname: before the sandbox, or after net_ports_read */
/* known_tcp_ports: "smtp=25, smtps=submissions=465"; before /etc/services, and instead of what was set before. Before there are tasks. */
int  net_ports_set(struct span list, struct fault *);
/* For getaddrinfo: the number of such a name, else the name itself. */
const char *net_port_digits(const char *name, char room[8]);
void net_ports_read(void);                                                   /* all names of /etc/services, once, before there are tasks */

/* Connects within the deadline; source may be NULL. *fd is owned. */
WAITS int net_dial(const struct net_address *to, const struct net_address *source, int64_t deadline, int *fd, struct fault *);
WAITS int net_dial_unix(const char *path, int64_t deadline, int *fd, struct fault *);    /* SOCK_STREAM */
int  net_listen(const struct net_address *, int backlog, int *fd, struct fault *);

#endif
