/* SPDX-License-Identifier: ISC */
/*
 * authd_try.h - one try to log in, whoever asks: our frames or Dovecot's protocol
 */
#ifndef GUARD_AUTHD_TRY_H
#define GUARD_AUTHD_TRY_H

#include "authd_route.h"
#include "base/arena.h"
#include "config/list.h"
#include "sasl/server.h"

struct auth_config {
	struct list mechanisms, passdb, userdb, master_passdb;
	const char *master_separator, *username_chars;
	int64_t     cache_size, cache_ttl, command_ms;
	const char *mail_location, *username_format, *default_realm, *pam_service;
	int64_t     failure_delay;
	bool        disable_plaintext, penalty, require_certificate, name_from_certificate;
	int         first_valid_uid, last_valid_uid, first_valid_gid;
};
extern struct auth_config auth_config;
extern struct sasl_library *auth_sasl;

struct try;
struct try_client {
	const char *service;
	struct span peer, local;
	bool        secured, certificate;         /* a client certificate that verified */
	struct span name;                         /* what it says */
	struct span bound, binding;               /* the TLS session; bound is empty without */
};

/* NULL and why (in words for the client): FAULT_INPUT no such mechanism, FAULT_DENIED not without TLS, FAULT_PEER no certificate. */
struct try *try_start(const struct try_client *, struct span mechanism, struct fault *);
WAITS enum sasl_state try_step(struct try *, struct span input, struct text *output);
/* How many ms the answer to that step shall be late (authd_penalty.h); once a step. */
int64_t try_lateness(struct try *, enum sasl_state);
uint64_t try_what(const struct try *);          /* for penalty_note, when another server refuses him */
const char *try_user(const struct try *);       /* normalized; "" before it was told */
/* NULL: his mailbox is here. Borrowed from the try; behind a SASL_YES. */
const struct route *try_route(const struct try *);
bool try_admin(const struct try *);             /* a master user who is one has logged in */
void try_free(struct try *);

/* False: a name that could be a path, or split a log line. */
bool user_name_plausible(const char *user);

/* %u %n %d %h %L%% of Dovecot; home may be empty. */
void expand_variables(const char *format, const char *user, const char *home, struct text *out);

WAITS void dovecot_serve(int sock);             /* authd_dovecot.c: Dovecot's auth protocol for clients */

#endif
