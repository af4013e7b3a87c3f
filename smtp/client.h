/* SPDX-License-Identifier: ISC */
/*
 * client.h - what the files of the SMTP and LMTP client share
 *
 * One delivery request (lib/ipc/deliver.h) goes: hosts.c finds the servers,
 * deliver.c tries them in order, session.c speaks with one of them (greet,
 * hello, tls, auth), transaction.c sends the message, cache.c keeps the
 * connection. Each step is done, not now, or never:
 *
 *   STEP_DONE   went well
 *   STEP_NEXT   this server will not do now: trouble says why; another may
 *   STEP_NEVER  the message cannot go there: trouble says why
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "base/arena.h"
#include "config/list.h"
#include "ipc/deliver.h"
#include "mail/smtp_syntax.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/tls.h"
#include "queue/message.h"

struct table_list;
struct listener;

enum tls_level { TLS_UNSET, TLS_NONE, TLS_MAY, TLS_ENCRYPT, TLS_VERIFY, TLS_SECURE };

extern struct client_config {
	bool        lmtp;
	int         port;                  /* smtp_tcp_port, lmtp_tcp_port */
	const char *helo_name, *port_name;
	int64_t     connect_timeout, helo_timeout, mail_timeout, rcpt_timeout, data_init_timeout, data_xfer_timeout,
	            data_done_timeout, rset_timeout, quit_timeout, starttls_timeout, cache_time, reuse_time;
	bool        skip_5xx_greeting, skip_quit_response, randomize_addresses, defer_if_no_mx_address, assume_final,
	            cache_on_demand, use_tls, enforce_tls, tls_wrappermode, tls_note_offer, sasl_enable,
	            always_ehlo, never_ehlo, ignore_mx_lookup_error, disable_dns;
	int         address_preference, mx_address_limit, mx_session_limit, line_length_limit, reuse_count, tls_level,
	            tls_loglevel;
	const char *bind_address, *bind_address6, *tls_ca_file, *tls_ca_path, *tls_cert_file, *tls_key_file,
	           *tls_chain_files, *tls_protocols, *tls_mandatory_protocols, *tls_ciphers, *tls_mandatory_ciphers,
	           *tls_exclude_ciphers, *tls_verify_match, *tls_secure_match;
	struct list discard_keywords, sasl_password_maps, sasl_options, sasl_tls_options, sasl_filter, fallback_relay;
	/* made of these before the sandbox closes */
	unsigned            discarded;     /* enum smtp_keyword */
	struct tls_context *tls_may, *tls_must;
	struct table_list  *passwords;
	struct net_address *own;           /* our interfaces and proxies: loops */
	size_t              n_own;
} client;

int client_prepare(struct fault *);        /* tables, certificates, our addresses: before the sandbox */
WAITS void client_serve(int sock, const struct listener *);

enum step { STEP_DONE, STEP_NEXT, STEP_NEVER };

/* Why a step did not go well, in the words of log, mailq and notice. */
struct trouble {
	char        dsn[16];
	struct text text;
	struct text mta, diagnostic;       /* from a server's reply, else empty */
	char        relay[360];            /* who spoke with us, or "": nobody did */
};
void trouble_set(struct trouble *, const char *dsn, const char *format, ...) __attribute__((format(printf, 3, 4)));
void trouble_free(struct trouble *);

struct host {
	char               name[256];      /* of the server, or the literal */
	int                preference;
	bool               best;           /* no server is preferred to it: a loop is for sure there */
	struct net_address address;
	char               ip[46];
	uint16_t           port;
	const char        *socket;         /* LMTP by Unix socket: its path; else NULL */
};

/* ------------------------------------------------------------ hosts.c */

struct destination {                       /* a next hop, taken apart */
	struct span domain;                /* without brackets and port */
	bool        bracketed;             /* [host]: no MX lookup */
	uint16_t    port;
	const char *socket;                /* unix:path */
};
int destination_parse(struct span nexthop, struct arena *, struct destination *, struct fault *);

/* Servers in the order in which to try them; STEP_NEXT, STEP_NEVER: none, and why. */
WAITS enum step hosts_find(const struct destination *, struct arena *, struct host **, size_t *count, struct trouble *);

/* Pure: sorts by preference, random or by address family inside one. */
void hosts_sort(struct host *, size_t count, int address_preference, bool randomize, uint64_t (*random)(void));

/* ------------------------------------------------------------ session.c */

struct reply {
	int         code;                  /* 0: none came */
	struct status status;
	struct text text;                  /* all lines as they came, joined by blanks, one line */
};

struct session {
	struct conn     *conn;
	struct host      host;
	char             where[340];       /* "mx.example.net[192.0.2.1]" */
	char             relay[360];       /* with :port */
	struct smtp_ehlo ehlo;
	struct arena    *arena;
	struct reply     reply;            /* the last one */
	const char      *state;            /* "performing the EHLO handshake": for "lost connection while" */
	bool             tls, tls_failed, dead;
	bool             ourselves;        /* it says our own name */
	char             tls_summary[300];
	char             key[400];         /* of the cache */
	int              used;             /* messages before this one */
	int64_t          born, idle_since;
};

WAITS enum step session_open(const struct host *, struct span nexthop, bool allow_tls, struct session **, struct trouble *);
/* The same over a stream that stands already (given); no second try without TLS. */
WAITS enum step session_begin(struct conn *, const struct host *, struct span nexthop, bool allow_tls, struct session **,
                              struct trouble *);
WAITS void session_quit(struct session *);                          /* polite; frees */
void session_free(struct session *);                                /* at once */
WAITS int session_send(struct session *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One reply, multi-line and bounded; -1: lost or timed out, the session is dead. */
WAITS int session_read(struct session *, int64_t timeout, struct fault *);
void session_lost(struct session *, const struct fault *, struct trouble *);   /* "lost connection with ... while ..." */
/* "host X said: TEXT (in reply to COMMAND)". Only 5xx is for good, whatever else the server may say. */
enum step session_refused(struct session *, const char *command, struct trouble *);

WAITS enum step session_authenticate(struct session *, struct span nexthop, struct trouble *);   /* auth.c */

/* ------------------------------------------------------------ transaction.c */

/* Sends the message to the recipients without a status; reports those whose fate is sealed. `last`: no other
 * server will be tried, so 4xx is reported too. STEP_NEXT: the session is of no more use, trouble says why. A
 * verify_only delivery ends before DATA. */
WAITS enum step transaction_send(struct session *, struct delivery *, bool last, struct trouble *);

/* ------------------------------------------------------------ cache.c */

struct session *cache_take(const char *key);                        /* owned, or NULL */
WAITS void cache_give(struct session *);                            /* given */
int cache_start(struct fault *);                                    /* the task that closes idle ones */
void cache_key(const struct host *, struct span nexthop, char *key, size_t size);

#endif
