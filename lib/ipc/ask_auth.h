/* SPDX-License-Identifier: ISC */
/*
 * ask_auth.h - "is this who they say, and who is that?"
 * asks: smtpd, the login programs, dialer, imapd, pop3d, managesieve, lmtpd, local, virtual, quota-status, mailbox-tool.  answers: authd.
 *
 *   start   service=smtp|imap|pop3 mechanism=PLAIN peer=.. local=.. tls=yes session=.. [data=..]
 *           [bound=tls-exporter binding=..] [certificate=yes [name=..]]
 *   more    data=..                   | more data=..  |  yes user=.. [ticket=..]  |  no status=5.7.8 reason=.. [temporary=yes]
 *                                     yes of one whose mailbox is at another server: proxy=yes|maybe way=.. host=.. port=..
 *                                     destuser=.. pass=.. master=.. mech=.. timeout=<ms> tls=no|yes|starttls [anycert=yes] [untrusted=yes]
 *                                     [guess=..: that server has yet to look at the password];
 *                                     no of one who was right and may not: nologin=yes told=.. host=.. port=.. destuser=..
 *                                     yes and no come with wait=<ms>: so late shall the client hear of it; this end waits
 *   redeem  ticket=..                 | user user=.. uid=.. gid=.. home=.. mail=.. quota=.. groups=.. sieve=.. asked=.. token=.. key=.. admin=yes   (imapd, pop3d; once)
 *   way     ticket=..                 | way host=.. address=.. port=.. timeout=.. maybe=.. anyport=..  |  no     (dialer; once)
 *   denied  peer=.. guess=..          | noted wait=..  that server said no: it counts as a failure here does
 *   wake    user=.. token=.. proof=.. digest=..    | as redeem: a session that slept goes on (wake_proof.h; once)
 *   owner   user=..                   | user ... | no | refused reason=..    behind redeem or wake, and nothing else then: who is it
 *                                     whose mailboxes this user may share (userdb alone)
 *   confined                          |               behind redeem or wake whose answer said admin=yes, and only `limit` then
 *   limit   [storage=KiB] [messages=..] [mailboxes=..] [configured=yes]   | limited rule=.. | failed reason=..
 *                                     that user's limits, instead of those before; durable (guard/authd_limits.h)
 *   administer user=..                | as owner       then `limit`: root's, at the command line
 *   lookup  user=..                   | as owner                                        (userdb alone)
 *   "no": there is no such user; "refused": it cannot be told; redeem and wake answer so, too
 *   mechanisms                        | mechanisms names="PLAIN LOGIN"
 *
 * bound and binding tie the try to the TLS session (net/tls.h); who sends them offers the mechanisms that end in -PLUS, where
 * they are configured. certificate: the client has shown one that verified, and its name.
 * Data is raw, not base64. One talk is one try (SECURITY.md 2, 9). A ticket is
 * 128 random bits, good once and for 60 s.
 */
#ifndef IPC_ASK_AUTH_H
#define IPC_ASK_AUTH_H

#include <sys/types.h>

#include "ipc/frame.h"
#include "net/tls.h"

struct auth_client {
	const char *service;
	struct span peer, local, session;     /* addresses as text */
	bool        tls, secured;             /* secured: TLS or loopback, plain text is allowed */
	const struct tls_binding *binding;    /* NULL: none, or -PLUS is not offered */
	bool        certificate;              /* the client's has verified */
	struct span name;                     /* and says this; empty: nothing */
};

enum auth_state { AUTH_MORE, AUTH_YES, AUTH_NO, AUTH_TROUBLE };

/* His mailbox is not here: proxy, or he was told to go elsewhere (nologin). */
struct auth_route {
	bool    proxy, maybe, nologin;
	bool    tls, starttls, any_certificate, not_trusted;
	int64_t port, timeout;                /* ms; 0: not said */
	bool    unproved;                     /* nobody has looked at his password yet: that server does, */
	int64_t guess;                        /* and if it refuses him, authd is told (ask_auth_denied) */
	char    host[256], user[256], master[256], mechanism[16], way[40], reason[200];
	char    password[1024 * 8];           /* or a token */
};
void auth_route_free(struct auth_route *);   /* NULL is fine */

struct auth_answer {
	enum auth_state state;
	struct text     data;                 /* AUTH_MORE: challenge, raw */
	char            user[256], ticket[40];
	struct auth_route *route;             /* owned; NULL: none */
	char            status[16], reason[200];   /* AUTH_NO: "5.7.8", "authentication failed"; Dovecot's words */
};
struct auth_talk;

WAITS int  ask_auth_start(const struct auth_client *, struct span mechanism, const struct span *initial /* NULL: none */,
                          struct auth_talk **, struct auth_answer *, struct fault *);
WAITS int  ask_auth_more(struct auth_talk *, struct span data, struct auth_answer *, struct fault *);
/* Counts as a failed login from there; waits as after one. */
WAITS int  ask_auth_denied(const struct auth_route *, struct span peer, struct fault *);
void       ask_auth_end(struct auth_talk *);              /* NULL is fine; abandons an unfinished try */
void       auth_answer_free(struct auth_answer *);

struct auth_user {
	char  user[256], home[1024], mail[1024];              /* mail: mail_location with %-variables expanded */
	char  quota[1024];                                    /* rules of his own: "quota_rule=.." joined by TAB */
	char  groups[1024];                                   /* acl_groups: "staff,sales" */
	char  sieve[1024];                                    /* sieve=.. and its like, of his own, joined by TAB (sieve/settings.h) */
	uid_t uid;
	gid_t gid;
	char  asked[256];                                     /* of redeem and wake: by which name the userdb knows him, and wakes him */
	char  token[56], key[72];                             /* of the same: to seal a state with */
	bool  admin;                                          /* of the same: may set the limits of what he logged in as */
};
/* With `talk` the connection stays (given; -1: not), and can only ask_auth_owner: for who has become the user and has yet to
 * be confined.  Nobody keeps it longer, but an administrator's session, which has said ask_auth_confined before it hears a byte
 * of its client and can ask for limits of that one user, and nothing else. */
WAITS int ask_auth_redeem(struct span ticket, struct auth_user *, int *talk, struct fault *);    /* FAULT_DENIED: not a ticket */
WAITS int ask_auth_wake(struct span user, struct span token, struct span proof, struct span state, struct auth_user *, int *talk,
                        struct fault *);
WAITS int ask_auth_owner(int talk, const char *owner, struct auth_user *, struct fault *);       /* FAULT_DENIED: no such user */

/* Limits of one user: 0 is none.  configured: those of quota_rule and the userdb hold again. */
struct auth_limits { int64_t storage, messages, mailboxes; bool configured; };      /* storage: in units of 1024 bytes */
#define AUTH_LIMIT_MOST ((int64_t)1 << 42)
int64_t *auth_limit_of(struct auth_limits *, struct span resource);       /* RFC 9208's STORAGE, MESSAGE, MAILBOX; NULL: another */
WAITS int ask_auth_confined(int talk, struct fault *);
WAITS int ask_auth_administer(struct span user, struct auth_user *, int *talk, struct fault *);  /* FAULT_DENIED: no such user; FAULT_PEER: no limits are kept, or authd cannot say */
/* Sets the rule for "quota" (store/quota.h); FAULT_TIME: authd cannot keep it now. */
WAITS int ask_auth_limit(int talk, const struct auth_limits *, struct text *rule, struct fault *);
WAITS int ask_auth_lookup(struct span user, struct auth_user *, struct fault *);      /* FAULT_DENIED: no such user */
WAITS int ask_auth_mechanisms(struct text *names, struct fault *);

#endif
