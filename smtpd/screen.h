/* SPDX-License-Identifier: ISC */
/*
 * screen.h - postscreen: who may speak with smtpd at all
 *
 *   postscreen.c      parameters, lists, the program
 *   screen_score.c    DNS lists: sites, filters, weights (pure)
 *   screen_record.c   what a client has passed, and until when (pure)
 *   screen_client.c   one client: lists, cache, tests, where he goes
 *   screen_access.c   what postscreen_access_list says of him
 *   screen_early.c    the tests before the greeting
 *   screen_crowd.c    how many there are, and from where
 *   screen_talk.c     a server that takes nothing: the tests after the greeting, and refusals
 *
 * One task a client; what they share (how many there are, from where) is a monitor.  A client
 * that has passed goes on, as a descriptor, to the service smtpd_service_name ("pass" in master.cf),
 * whose -o options rule his session.  Source: postscreen(8) and POSTSCREEN_README of Postfix.
 */
#ifndef SMTPD_SCREEN_H
#define SMTPD_SCREEN_H

#include "base/arena.h"
#include "base/text.h"
#include "config/list.h"
#include "config/match.h"
#include "ipc/hand_over.h"
#include "mail/netaddr.h"
#include "net/tls.h"
#include "table/table.h"

enum screen_action { SCREEN_IGNORE, SCREEN_ENFORCE, SCREEN_DROP };

/* ---- screen_record.c ---- */

enum screen_test { TEST_PREGREET, TEST_DNSBL, TEST_PIPELINING, TEST_NON_SMTP, TEST_BARE_NEWLINE, SCREEN_TESTS };
enum { TESTS_BEFORE = 1 << TEST_PREGREET | 1 << TEST_DNSBL,
       TESTS_AFTER = 1 << TEST_PIPELINING | 1 << TEST_NON_SMTP | 1 << TEST_BARE_NEWLINE };

/* "until;until;until;until;until", in the order of the tests: seconds since 1970, 0: never passed. */
struct screen_record { int64_t until[SCREEN_TESTS]; };
bool screen_record_parse(struct span, struct screen_record *);
void screen_record_print(const struct screen_record *, struct text *);
/* The enabled tests that are due: a set of 1 << enum screen_test. */
unsigned screen_record_due(const struct screen_record *, unsigned enabled, int64_t now);

/* ---- screen_score.c ---- */

/* "zen.example=127.0.0.[2..11;13]*3": one line of postscreen_dnsbl_sites. */
struct dnsbl_site {
	struct span zone, filter;          /* borrowed; no filter: any address */
	int         weight;
};
int  dnsbl_site_parse(struct span, struct dnsbl_site *, struct fault *);
bool dnsbl_filter_valid(struct span filter);
bool dnsbl_filter_matches(struct span filter, struct span address);

struct dnsbl {                             /* one zone, which is asked once, and what its answers weigh */
	char              *zone;           /* owned; the name that is told is by postscreen_dnsbl_reply_map */
	char              *told;
	struct dnsbl_site *sites;
	size_t             count;
};
/* Each site counts once, whichever of the addresses matches. */
int dnsbl_score(const struct dnsbl *, const struct span *addresses, size_t count);

/* ---- settings ---- */

struct access_rule {
	enum { ACCESS_MYNETWORKS, ACCESS_PERMIT, ACCESS_REJECT, ACCESS_DUNNO, ACCESS_TABLE } kind;
	struct table *table;
};

extern struct screen_config {
	struct list access_list, allow_interfaces, dnsbl_sites, forbidden_commands, discard_ehlo, discard_ehlo_maps,
	            reject_footer_maps;
	const char *banner, *greet_banner, *dnsbl_reply_map, *dnsbl_max_ttl_text, *upstream_protocol, *command_filter,
	           *reject_footer, *service_name;
	int         deny_action, greet_action, dnsbl_action, pipelining_action, non_smtp_action, bare_newline_action;
	int         dnsbl_threshold, connection_limit, command_limit, pre_queue_limit, post_queue_limit;
	const char *dnsbl_allow_text;
	int64_t     greet_wait, greet_ttl, dnsbl_min_ttl, dnsbl_max_ttl, dnsbl_timeout, pipelining_ttl, non_smtp_ttl,
	            bare_newline_ttl, command_time, starttls_timeout, upstream_timeout;
	bool        pipelining, non_smtp, bare_newline, helo_required, disable_vrfy, respectful, use_tls, enforce_tls;
	int         tls_level, tls_loglevel;
	const char *tls_chain, *tls_cert, *tls_key, *tls_ec_cert, *tls_ec_key, *tls_ca_file, *tls_ca_path, *tls_protocols,
	           *tls_mandatory_protocols, *tls_ciphers, *tls_mandatory_ciphers, *tls_exclude, *tls_mandatory_exclude;
	/* made of these at start */
	struct access_rule *access;
	size_t              n_access;
	struct match_list  *mynetworks, *allowed_interfaces, *forbidden;
	bool                forbid_odd;
	struct dnsbl       *dnsbl;
	size_t              n_dnsbl;
	int                 dnsbl_allow;               /* 0: nobody is let in by it */
	struct table_list  *discard_maps, *footer_maps;
	struct table       *filter;
	unsigned            discard, enabled;          /* smtp_keyword; tests */
	struct tls_context *tls;
	bool                must_tls;
} screen;

/* ---- one client ---- */

struct screened {
	int                  fd;
	struct handed        who;
	char                 label[100];               /* "[192.0.2.1]:40022" */
	int64_t              began;                    /* clock_now() */
	struct screen_record record;
	bool                 is_new;
	unsigned             due, passed;              /* tests */
	bool                 failed;                   /* something, so that nothing is passed */
	struct text          refusal;                  /* of every RCPT; empty: none, he may go on */
	bool                 spoke;                    /* too soon, and that counts */
	bool                 stays;                    /* he is not handed over in this session */
};

WAITS void screen_client(int fd);
/* Ends a test badly. True: the session is over, he was told. */
WAITS bool screen_fail(struct screened *, enum screen_action, const char *drop, const char *enforce);
void screen_pass(struct screened *, enum screen_test, int64_t ttl_ms);
void screen_print_since(const struct screened *, struct text *);     /* seconds since he came: "0.14" */
void screen_escape(struct span, size_t limit, struct text *);        /* CR as \r and so on */
WAITS void screen_tell(struct screened *, const char *reply);        /* plain, without waiting long */

/* ---- screen_access.c: 'p' permit, 'r' reject, 'd' neither ---- */
WAITS int screen_judge_access(struct screened *);

/* ---- screen_early.c: the tests before the greeting. True: the session is over. ---- */
WAITS bool screen_test_early(struct screened *);

/* ---- screen_crowd.c: a monitor ---- */
size_t crowd_enter(const char *address, int *screening);   /* clients from there, and in all; this one counts */
void   crowd_leave(const char *address);
int    crowd_handing(int more);                /* how many are being handed to smtpd; more: +1 or -1 */

/* ---- screen_talk.c ---- */

/* Speaks until the end; takes the descriptor. */
WAITS void screen_talk(struct screened *);

#endif
