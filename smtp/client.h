/* SPDX-License-Identifier: ISC */
/*
 * client.h - what the files of the SMTP and LMTP client share
 *
 * One delivery request (lib/ipc/deliver.h) goes: hosts.c finds the servers,
 * deliver.c tries them in order, policy.c says what TLS must be (dane.c asks DNS
 * for it), session.c speaks with one of them (greet, hello, tls, auth) by reply.c,
 * transaction.c sends the message, content.c is what goes over the wire, cache.c
 * keeps the connection. Each step is done, not now, or never:
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
#include "ipc/transcript.h"
#include "mail/smtp_syntax.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/tls.h"
#include "queue/message.h"

struct match_list;
struct table_list;
struct listener;

enum tls_level { TLS_UNSET, TLS_NONE, TLS_MAY, TLS_ENCRYPT, TLS_FINGERPRINT, TLS_DANE, TLS_DANE_ONLY, TLS_VERIFY, TLS_SECURE };
enum dns_level { DNS_UNSET, DNS_DISABLED, DNS_ENABLED, DNS_DNSSEC };

/* A parameter that names tables: opened before the sandbox closes. */
struct maps {
	struct list        names;
	struct table_list *tables;         /* never NULL after client_prepare */
};

extern struct client_config {
	bool        lmtp;
	int         port;                  /* smtp_tcp_port, lmtp_tcp_port */
	const char *helo_name, *port_name;
	int64_t     connect_timeout, helo_timeout, mail_timeout, rcpt_timeout, data_init_timeout, data_xfer_timeout,
	            data_done_timeout, rset_timeout, quit_timeout, starttls_timeout, cache_time, reuse_time, xforward_timeout,
	            tls_session_time, auth_cache_time, body_checks_size;
	bool        skip_5xx_greeting, skip_quit_response, randomize_addresses, defer_if_no_mx_address, assume_final,
	            cache_on_demand, use_tls, enforce_tls, tls_wrappermode, tls_note_offer, log_tls, tls_required, sasl_enable,
	            always_ehlo, never_ehlo, ignore_mx_lookup_error, disable_dns, balance, bind_enforce, no_mime_conversion,
	            per_request_deadline, auth_soft_bounce, dummy_auth, send_xforward, sender_auth, tls_block_early,
	            tls_enforce_peername, tls_force_insecure_tlsa, tls_default_ca, cname_overrides, tls_sts_patterns, srv_fallback, srv_ignore_error;
	int         address_preference, mx_address_limit, mx_session_limit, line_length_limit, reuse_count, tls_level,
	            tls_loglevel, verify_at_data, dns_level, min_data_rate, tls_verify_depth, mime_nesting_limit;
	const char *bind_address, *bind_address6, *tls_ca_file, *tls_ca_path, *tls_cert_file, *tls_key_file,
	           *tls_chain_files, *tls_protocols, *tls_mandatory_protocols, *tls_ciphers, *tls_mandatory_ciphers,
	           *tls_exclude_ciphers, *tls_verify_match, *tls_secure_match, *tls_ec_cert_file, *tls_ec_key_file,
	           *tls_mandatory_exclude_ciphers, *tls_fingerprint_match, *tls_fingerprint_digest, *tls_servername,
	           *tls_dane_digests, *tls_dane_insecure_mx, *auth_cache_name, *password_delimiter;
	struct list discard_keywords, sasl_options, sasl_tls_options, sasl_verified_options, sasl_filter, fallback_relay,
	            cache_destinations, tls_anchor_files, srv_services, propagate_extensions;
	struct maps passwords, header_checks, mime_header_checks, nested_header_checks, body_checks, generic, reply_filter,
	            dns_reply_filter, status_filter, discard_maps, tls_policy, tls_per_site;
	const char *error_recipient;
	struct list notify_classes, filter_classes;
	/* made of these before the sandbox closes */
	unsigned            discarded;     /* enum smtp_keyword */
	struct tls_context *tls_may, *tls_must;
	struct net_address *own;           /* our interfaces and proxies: loops */
	size_t              n_own;
	struct tls_tlsa    *anchors;       /* of tls_anchor_files */
	size_t              n_anchors;
	struct match_list  *mydestination; /* for generic(5) */
} client;

const char *client_prefix(void);           /* "smtp", "lmtp" */
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
	bool               secure;         /* the answer that named it was validated (DNSSEC), or nobody asked DNS */
};

/* ------------------------------------------------------------ hosts.c */

struct destination {                       /* a next hop, taken apart */
	struct span domain;                /* without brackets and port */
	bool        bracketed;             /* [host]: no MX lookup */
	uint16_t    port;
	const char *socket;                /* unix:path */
	struct span service;               /* the port as it was written, for SRV; empty: none */
};
int destination_parse(struct span nexthop, struct arena *, struct destination *, struct fault *);

/* Servers in the order in which to try them; STEP_NEXT, STEP_NEVER: none, and why. */
WAITS enum step hosts_find(const struct destination *, struct arena *, struct host **, size_t *count, struct trouble *);

/* Pure: sorts by preference, random or by address family inside one. */
void hosts_sort(struct host *, size_t count, int address_preference, bool randomize, uint64_t (*random)(void));

/* False: smtp_dns_reply_filter says that this record does not count. */
bool dns_record_counts(struct span name, const char *type, struct span value, int64_t ttl);

/* ------------------------------------------------------------ policy.c */

/* What TLS must be with one host for one next hop. Spans and strings live in the arena. */
struct tls_policy {
	enum tls_level  level;
	const char     *match, *protocols, *ciphers, *exclude, *server_name;   /* NULL: not told by the policy */
	const char     *mx_patterns;       /* of MTA-STS, blank separated: the host must be one of them; NULL: any */
	bool            no_reuse;          /* connection_reuse=no */
	const struct tls_tlsa *tlsa;       /* of DANE, or trust anchors */
	size_t          n_tlsa;
	const char     *dane_base;         /* TLSA base domain; NULL: no DANE */
};
WAITS enum step policy_find(const struct host *, struct span nexthop, bool lowered, struct arena *, struct tls_policy *, struct trouble *);
const char *policy_level_name(enum tls_level);

/* required.c: does its sender say "TLS-Required: no" (RFC 8689, 5), and does that count here? */
bool tls_is_not_required(const struct delivery *);
/* One line of a policy table taken apart: pure but for the arena. */
int policy_parse(struct span line, struct arena *, struct tls_policy *, struct fault *);

/* RFC 8461, 4.1: "mx.example.net" or "*.example.net", one label for the star. Pure. */
bool policy_mx_matches(const char *patterns, struct span host);

/* dane.c: TLSA records, where they can be trusted, into the policy (RFC 7672). */
WAITS enum step dane_apply(const struct host *, struct arena *, struct tls_policy *, struct trouble *);

/* ------------------------------------------------------------ session.c */

/* What a session is for. */
struct session_wish {
	struct span nexthop, sender;
	bool        allow_tls;
	bool        lowered;               /* "TLS-Required: no": TLS as it comes, and nothing is proved */
};

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
	char             key[1100];         /* of the cache */
	int              used;             /* messages before this one */
	struct tls_policy policy;
	struct transcript transcript;      /* notify_classes */
	bool             secret;           /* what is sent now stays out of it */
	bool             keep;             /* cache_wanted() */
	int              trust;            /* enum tls_trust, with tls */
	unsigned         kept_discards;    /* keywords that this host's address discards */
	int64_t          born, idle_since;
};

WAITS enum step session_open(const struct host *, const struct session_wish *, struct session **, struct trouble *);
/* The same over a stream that stands already (given); no second try without TLS. */
WAITS enum step session_begin(struct conn *, const struct host *, const struct session_wish *, struct session **,
                              struct trouble *);
WAITS void session_quit(struct session *);                          /* polite; frees */
void session_free(struct session *);                                /* at once */

/* reply.c */
WAITS int session_send(struct session *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One reply, multi-line and bounded; -1: lost or timed out, the session is dead. */
WAITS int session_read(struct session *, int64_t timeout, struct fault *);
/* The same; `each` gets the lines of a 250, counted from 0. */
WAITS int session_read_each(struct session *, int64_t timeout, struct fault *, void (*each)(struct session *, size_t n, struct span line));
void session_lost(struct session *, const struct fault *, struct trouble *);   /* "lost connection with ... while ..." */
/* "host X said: TEXT (in reply to COMMAND)". Only 5xx is for good, whatever else the server may say. */
enum step session_refused(struct session *, const char *command, struct trouble *);
/* Greeting and hello: "host X refused to talk to me: TEXT". */
enum step session_unwilling(struct session *, bool never, struct trouble *);
void session_note_relay(const struct session *, struct trouble *);   /* which server it was */

WAITS enum step session_authenticate(struct session *, const struct session_wish *, struct trouble *);   /* auth.c */

/* xforward.c: tells an after-queue filter where the mail came from (smtp_send_xforward_command). -1: the session is lost. */
WAITS int session_xforward(struct session *, const struct delivery *, struct fault *);

/* ------------------------------------------------------------ content.c */

/* A message as it goes to one server: rules applied, converted, with its line ends. */
struct content;
/* Looks at the message, as far as the session needs that: -1 it cannot be read. */
WAITS int content_open(const struct session *, const struct delivery *, const struct message_content *, struct content **,
                       struct fault *);
void    content_close(struct content *);               /* NULL is fine */
bool    content_is_8bit(const struct content *);       /* BODY=8BITMIME has to be said */
bool    content_by_bdat(const struct content *);       /* the server takes chunks: no DATA */
/* Sends it with the final dot, or as one or more BDAT whose last reply is the message's. *unreadable: it was our disk;
 * *refused: a chunk that was not the last was (its reply is the session's). */
WAITS int content_send(struct content *, struct session *, bool *unreadable, bool *refused, struct fault *);

/* checks.c: smtp_header_checks and its kin. generic.c: smtp_generic_maps. Both are hooks of content.c. */
struct checker {
	const struct delivery *d;
	struct arena          *arena;
	int64_t                seen;       /* bytes of this segment, for body_checks_size_limit */
	bool                   failed;     /* a table could not be asked: the message must not go */
};
bool checks_exist(void);
WAITS void check_field(struct checker *, int place, struct span field, struct text *out);
WAITS bool check_line(struct checker *, bool first, struct span line, struct text *out);
/* 0 and the address that takes its place (in the arena), 1 no other, -1 */
WAITS int generic_address(struct span internal, struct arena *, struct span *out, struct fault *);
/* A field whose addresses are rewritten; false: it has none, or they stay. */
WAITS bool generic_field(struct span field, struct arena *, struct text *out, bool *failed);

/* filters.c: reports a status after smtp_delivery_status_filter. */
WAITS int filtered_report(struct delivery *, struct deliver_rcpt *, const struct deliver_status *, struct fault *);
WAITS int filtered_report_rest(struct delivery *, const struct deliver_status *, struct fault *);
/* smtp_reply_filter: the line that takes this one's place, in out; false: it stays. */
WAITS bool filter_reply(struct span line, struct text *out);

/* ------------------------------------------------------------ transaction.c */

/* Sends the message to the recipients without a status; reports those whose fate is sealed. `last`: no other
 * server will be tried, so 4xx is reported too. STEP_NEXT: the session is of no more use, trouble says why. A
 * verify_only delivery ends before DATA. */
WAITS enum step transaction_send(struct session *, struct delivery *, bool last, struct trouble *);

/* ------------------------------------------------------------ cache.c */

struct session *cache_take(const char *key);                        /* owned, or NULL */
WAITS void cache_give(struct session *);                            /* given */
int cache_start(struct fault *);                                    /* the task that closes idle ones */
void cache_key(const struct host *, const struct session_wish *, char *key, size_t size);
bool cache_wanted(struct span nexthop);                 /* smtp_connection_cache_on_demand, _destinations */

#endif
