/* SPDX-License-Identifier: ISC */
/*
 * networks.h - IP networks: CIDR patterns, and those of our own interfaces
 *
 * Network forms: 192.0.2.7, 192.0.2.0/24, [2001:db8::1], [2001:db8::]/32 and
 * 2001:db8::/32.  Bits beyond the mask must be zero, as in Postfix.
 */
#ifndef CONFIG_NETWORKS_H
#define CONFIG_NETWORKS_H

#include "base/fault.h"
#include "base/text.h"

struct ip {
	int           family;      /* AF_INET or AF_INET6 */
	unsigned char bytes[16];   /* network order; 4 of them for AF_INET */
};

struct network {
	struct ip base;
	int            bits;
};

/* Without brackets; "::ffff:192.0.2.1" becomes AF_INET. */
int  ip_parse(struct span, struct ip *, struct fault *);
int  network_parse(struct span, struct network *, struct fault *);
bool network_holds(const struct network *, const struct ip *);

/* True when the text looks like a network and not like a domain or a table:
 * digits and dots, or with a colon in brackets. */
bool network_looks_so(struct span);

/* Adds "127.0.0.0/8 192.0.2.0/24 [::1]/128" by the style (host, subnet, class) for the
 * interfaces ("all", "loopback-only" or a list of addresses and names) and protocols. */
void networks_of_interfaces(const char *style, struct span interfaces, struct span protocols,
                            struct text *out);

/*
 * Remembers which addresses of this host inet_interfaces chooses; before the sandbox closes.  Then: is it
 * one of them?  For [ip] literals: mail for an address that we do not listen on is not ours.
 */
void networks_note_own(struct span interfaces);
bool ip_is_ours(const struct ip *);

#endif
