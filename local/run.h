/* SPDX-License-Identifier: ISC */
/*
 * run.h - one recipient's delivery: what it expands to, and what became of each
 *
 * A run begins with the address that qmgr named and ends with one status.  On
 * its way it visits parties: the recipient, members of aliases, of .forward and
 * :include: files.  Each visit adds outcomes; the worst one is the status
 * (deferred before bounced before sent), the others are logged.
 *
 *   recipient.c   a local party: aliases, .forward, mailbox, or nobody
 *   member.c      a member of a list: address, command, file, include
 *   mailbox steps in target.c; forwarding in forward.c; other agents in pass.c
 */
#ifndef LOCAL_RUN_H
#define LOCAL_RUN_H

#include "base/strmap.h"
#include "local/agent.h"
#include "local/errand.h"
#include "local/settings.h"

enum {
	LEVEL_MAX = 50,    /* aliases in aliases, SECURITY.md row 10 */
	SEEN_MAX = 200000, /* aliases, addresses, commands and files out of one recipient */
};

enum party_origin { PARTY_RECIPIENT, PARTY_ALIAS, PARTY_FORWARD, PARTY_INCLUDE };

struct party {
	struct span       address;        /* internal form, for the log */
	struct span       local, user, extension, domain;
	struct span       unmatched;      /* the extension, while it may be copied to results */
	char              delimiter[2];
	bool              bare;           /* \user: mailbox only */
	enum party_origin origin;
	struct identity   rights;         /* for commands, files and includes that its list names */
	struct span       sender;         /* may be owner-list */
	bool              owned;          /* sender is not the message's own */
	int               level;
};

struct result { struct span address; struct outcome outcome; };
struct forwarding { struct span sender, address; };

struct run {
	struct delivery              *d;
	const struct deliver_rcpt    *rcpt;
	const struct message_content *content;
	struct arena                 *arena;
	struct strmap                *seen;
	bool                          loop_checked, too_much;
	struct result                *results;
	size_t                        n_results, room_results;
	struct forwarding            *forwards;
	size_t                        n_forwards, room_forwards;
	struct span                   circled; /* the address of an alias that was taken before, else "" */
};

/* The delivery of one recipient, as agent_serve asks for it. */
void run_recipient(struct delivery *, const struct message_content *, struct deliver_rcpt *told,
	struct outcome *);

/* Adds an outcome for an address. */
void run_add(struct run *, struct span address, enum deliver_action, const char *dsn,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
void run_add_outcome(struct run *, struct span address, struct outcome *given);
/* True the first time that this is seen (duplicate filter). */
bool run_first_time(struct run *, const char *kind, struct span what, long who);

void recipient_deliver(struct run *, struct party *);
void members_deliver(struct run *, const struct party *, const struct members *);

/* target.c: where a party's mail ends. */
void target_file(struct run *, const struct party *, struct span path);
void target_command(struct run *, const struct party *, struct span command);
/* .forward and mailbox of a user; true: done; false: there was a .forward, in *list. */
bool target_user(struct run *, const struct party *, const struct agent_user *,
	bool look_for_forward, struct members *list);
/* Looks through the header for a loop, once a run. False: it was one, and is told. */
bool target_check_loop(struct run *, const struct party *);
bool target_read_include(
	struct run *, const struct party *, struct span path, struct members *list);

/* forward.c: all that was collected, one message for each sender. */
void forward_add(struct run *, struct span sender, struct span address);
void forward_finish(struct run *);

/* pass.c: "transport:nexthop" gets this recipient. */
void pass_on(struct run *, const struct party *, struct span destination);

/* environment.c: what commands may know; and $name in forward_path and the like. */
const char *const *environment_make(struct run *, const struct party *, const struct agent_user *);
int                environment_expand(struct run *, const struct party *, const struct agent_user *,
		       struct span text, const char *filter, struct text *out, bool *undefined, struct fault *);

#endif
