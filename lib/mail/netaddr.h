/* SPDX-License-Identifier: ISC */
/*
 * netaddr.h - IPv4 and IPv6 addresses as text, networks, PTR names
 */
#ifndef MAIL_NETADDR_H
#define MAIL_NETADDR_H

#include "base/fault.h"
#include "base/text.h"

#define NETADDR_TEXT_SIZE 46
#define NETADDR_PTR_SIZE  80

struct netaddr {
	int     family;          /* 4 or 6; 0: none */
	uint8_t bytes[16];       /* network order; 4 or 16 used */
};

struct netaddr_net {
	struct netaddr address;
	unsigned       bits;     /* 0 to 32 or 128 */
};

/* 192.0.2.1, 2001:db8::1, ::ffff:192.0.2.1; no brackets, no zone, no leading zeros. */
bool netaddr_parse(struct span, struct netaddr *);
/* [192.0.2.1], [IPv6:2001:db8::1] of RFC 5321, 4.1.3; the tag is a must */
bool netaddr_parse_literal(struct span, struct netaddr *);
const char *netaddr_string(const struct netaddr *, char buffer[NETADDR_TEXT_SIZE]); /* RFC 5952 */
/* no final dot */
const char *netaddr_ptr_name(const struct netaddr *, char buffer[NETADDR_PTR_SIZE]);
bool netaddr_equal(const struct netaddr *, const struct netaddr *);
struct netaddr netaddr_unmapped(const struct netaddr *);     /* ::ffff:a.b.c.d becomes a.b.c.d */
bool netaddr_is_loopback(const struct netaddr *);

/* 10.0.0.0/8, 127.0.0.1, [::1]/128, [2001:db8::]/32, 2001:db8::/32. Bits behind the prefix must
 * be 0. */
int  netaddr_parse_net(struct span, struct netaddr_net *, struct fault *);
bool netaddr_in(const struct netaddr *, const struct netaddr_net *);
/* The address with all but the first bits 0: for rate counting per network. */
struct netaddr netaddr_masked(const struct netaddr *, unsigned bits);

#endif
