/* SPDX-License-Identifier: ISC */
/*
 * ask_dns.h - DNS, with a verdict on its truth
 * asks: smtpd smtp (and the tools).  answers: dnsd.
 *
 *   ask  name=example.org type=MX     | answer state=found|none|nxdomain|trouble secure=yes|no ttl=300 record=... (repeated)
 *
 * Records are text: A, AAAA "192.0.2.1"; MX "10 mx.example.org" (null MX: "0 .");
 * TXT its strings joined (bytes); PTR, CNAME, NS a name; TLSA "3 1 1 hex"; SRV "prio weight port target".
 * Names have no trailing dot. `trouble` is SERVFAIL, bogus, or no answer in time.
 */
#ifndef IPC_ASK_DNS_H
#define IPC_ASK_DNS_H

#include "base/arena.h"
#include "ipc/frame.h"

enum dns_state { DNS_FOUND, DNS_NONE, DNS_NXDOMAIN, DNS_TROUBLE };

struct dns_answer {
	enum dns_state state;
	bool           secure;
	int64_t        ttl;
	struct span   *records;     /* in the arena */
	size_t         n_records;
	char           trouble[80]; /* "Host not found, try again" ... */
	char           canonical[256];
};

WAITS int ask_dns(struct span name, const char *type, struct arena *, struct dns_answer *, struct fault *);

/* The same in halves, for many questions at once: *sock (owned) becomes readable when the answer is there;
 * ask_dns_answer takes it (given). Who does not want it any more closes it. */
WAITS int ask_dns_question(struct span name, const char *type, int64_t deadline, int *sock, struct fault *);
WAITS int ask_dns_answer(int sock, int64_t deadline, struct arena *, struct dns_answer *, struct fault *);

/* Addresses of a host: AAAA and A by inet_protocols, the hosts file first where dnsd_host_lookup says
 * "native"; a literal answers for itself. With DNS_TROUBLE the reason is in the fault, and 0 is returned. */
struct dns_address { char ip[46]; };
WAITS int ask_addresses(struct span host, struct arena *, struct dns_address **, size_t *count, enum dns_state *, struct fault *);
/* Verified name of an address, as in NAME[ADDR]: PTR, then forward must match; "unknown" otherwise. 0: verified.
 * -1: name is "unknown" (reverse_name may be set); FAULT_TIME: DNS trouble, FAULT_DENIED: it does not match or there
 * is none; the reason is worded for "warning: hostname H does not resolve to address A: ...". */
WAITS int ask_client_name(const char *ip, char *name, size_t size, char *reverse_name, size_t reverse_size, struct fault *);

#endif
