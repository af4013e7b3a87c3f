/* SPDX-License-Identifier: ISC */
/*
 * client.h - who is at the other end
 *
 * Filled once at the start of a session; plain values, owns nothing.  A local
 * stream (a socketpair, stdin) counts as localhost[127.0.0.1].
 */
#ifndef SMTPD_CLIENT_H
#define SMTPD_CLIENT_H

#include "base/fault.h"
#include "base/task.h"

struct client {
	char address[64], port[8];
	char server_address[64], server_port[8];
	char name[256];            /* verified, or "unknown" */
	char reverse_name[256];    /* what PTR says, or "unknown" */
	char label[400];           /* NAME[ADDR], or NAME[ADDR]:PORT */
	char rate_key[64];         /* the address, masked: what anvil counts */
	bool name_trouble;         /* the lookup failed for now */
	bool ipv6;
	bool in_mynetworks;
	bool own;                  /* one of our own addresses */
	bool no_limits;            /* smtpd_client_event_limit_exceptions */
	bool bare_newline_ok;      /* smtpd_forbid_bare_newline_exclusions */
	bool no_auth;              /* smtpd_sasl_exceptions_networks */
	int  connections;          /* of this client, when anvil was asked; else 0 */
	bool counted;              /* anvil knows of the connection */
	bool broken;               /* nobody can say who it is: to be hung up on */
};

WAITS void client_of_socket(int fd, struct client *);          /* addresses */
struct match_list;
WAITS bool client_listed(const struct match_list *, const struct client *);   /* a table that fails is logged, and no */
WAITS void client_know(struct client *);                       /* names and lists, from the addresses */

/* True when the client is beyond the limit (0: none); logs it as Postfix does. */
WAITS bool client_exceeds(struct client *, const char *what, const char *words, int limit);
/* Counts the connection; NULL or what to say. */
WAITS const char *client_count(struct client *);
WAITS void client_uncount(struct client *);

#endif
