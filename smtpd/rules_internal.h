/* SPDX-License-Identifier: ISC */
/*
 * rules_internal.h - what the files of rules share
 */
#ifndef SMTPD_RULES_INTERNAL_H
#define SMTPD_RULES_INTERNAL_H

#include "rules.h"
#include "session.h"
#include "settings.h"

/* One evaluation: about what it is, and how it is named in replies. */
struct check {
	struct session *s;
	enum about      about;
	struct span     name;        /* "<name>: " of the reply */
	const char     *class;       /* "Sender address" */
	bool            warn;        /* warn_if_reject: the next rule only logs */
	int             depth;       /* of classes and table results */
};

struct rule;

struct rule_use {
	const struct rule *rule;
	char              *argument;
	struct table_list *tables;   /* of a table argument */
	struct rule_list  *list;     /* of a class */
	struct policy_options *policy;
};

enum argument { NO_ARGUMENT, WORD, TABLE, ENDPOINT };

struct rule {
	const char    *name;
	enum argument  argument;
	enum verdict (*judge)(struct check *, const struct rule_use *);   /* NULL: known, not here yet */
};

extern const struct rule rules[];    /* ends with a NULL name */

enum { RULES_DEPTH_MAX = 20 };

/* A copy of the check that speaks about something else. */
struct check check_about(const struct check *, enum about);

/* Says no: "CODE DSN TEXT"; the class of the status follows the code.  REJECT, or DUNNO under warn_if_reject. */
enum verdict refuse(struct check *, int code, const char *dsn, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* "<name>: class rejected: reason" */
enum verdict refuse_it(struct check *, int code, const char *dsn, const char *reason);
/* Remembers a refusal for the case that all would be permitted: a lookup failed for now. */
enum verdict defer_if_permit(struct check *, int code, const char *dsn, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
enum verdict refuse_trouble(struct check *);         /* 451 4.3.0 Temporary lookup failure */
enum verdict refuse_misconfigured(struct check *);   /* 451 4.3.5 Server configuration error */

/* smtpd_log_access_permit_actions: what `action` has permitted. */
void log_permit(struct check *, struct span action);
WAITS enum verdict run_list(struct check *, const struct rule_list *);
/* A list as text, from a table or a policy server: rules without tables, and classes. */
WAITS enum verdict run_text(struct check *, struct span);
/* access(5): what a table or policy server answered. */
WAITS enum verdict access_result(struct check *, struct span value, const char *source);
struct rule_list *rules_class(struct span name, enum about);

/* rewrite's answers for the sender and the recipient of now; NULL: trouble. */
WAITS const struct route *sender_route(struct check *);
WAITS const struct route *recipient_route(struct check *);

#define JUDGE(name) enum verdict name(struct check *, const struct rule_use *)
JUDGE(check_client_access); JUDGE(check_helo_access); JUDGE(check_sender_access); JUDGE(check_recipient_access);
JUDGE(check_reverse_client_access); JUDGE(check_sasl_access); JUDGE(check_address_map); JUDGE(check_etrn_access);
JUDGE(check_host_access); JUDGE(permit_tls_clientcerts); JUDGE(check_ccert_access);
JUDGE(reject_unknown_client_hostname); JUDGE(reject_unknown_reverse_client_hostname);
JUDGE(reject_invalid_helo_hostname); JUDGE(reject_non_fqdn_helo_hostname); JUDGE(reject_unknown_helo_hostname);
JUDGE(reject_unknown_sender_domain); JUDGE(reject_unknown_recipient_domain);
JUDGE(reject_non_fqdn_sender); JUDGE(reject_non_fqdn_recipient);
JUDGE(reject_rbl_client); JUDGE(reject_rhsbl_client); JUDGE(reject_rhsbl_reverse_client); JUDGE(reject_rhsbl_helo);
JUDGE(reject_rhsbl_sender); JUDGE(reject_rhsbl_recipient); JUDGE(permit_dnswl_client); JUDGE(permit_rhswl_client);
JUDGE(check_policy_service);
JUDGE(reject_unverified_recipient); JUDGE(reject_unverified_sender);
bool is_verify_sender(struct span address);    /* of our own probes */
JUDGE(permit_mx_backup); JUDGE(check_relay_domains); JUDGE(permit_naked_ip_address); JUDGE(reject_maps_rbl);
JUDGE(reject_unknown_forward_client_hostname);
JUDGE(reject_unlisted_recipient); JUDGE(reject_unlisted_sender);
JUDGE(reject_unauth_destination); JUDGE(defer_unauth_destination); JUDGE(permit_auth_destination);
JUDGE(reject_sender_login_mismatch); JUDGE(reject_authenticated_sender_login_mismatch);
JUDGE(reject_unauthenticated_sender_login_mismatch); JUDGE(reject_known_sender_login_mismatch);

#endif
