/* SPDX-License-Identifier: ISC */
/*
 * agent.h - what local, virtual and pipe share: requests in, statuses out
 *
 * One process serves one connection of qmgr, request after request.  The
 * program gives a function that says for one recipient what became of it.
 */
#ifndef LOCAL_AGENT_H
#define LOCAL_AGENT_H

#include "local/outcome.h"
#include "queue/message.h"
#include "service/privilege.h"

/* `told` starts as the recipient itself; its address may be replaced by the final one (for the
 * log). */
typedef void agent_deliver(struct delivery *, const struct message_content *,
	struct deliver_rcpt *told, struct outcome *);

WAITS void agent_serve(int fd, agent_deliver *deliver);

/* Whole requests, for agents that deliver all recipients at once (pipe). */
typedef void agent_deliver_all(struct delivery *, const struct message_content *);
WAITS void agent_serve_all(int fd, agent_deliver_all *deliver);

/* Sends the status of a recipient; relay is this service's name. */
void agent_report(struct delivery *, struct deliver_rcpt *, const struct outcome *);
void agent_log(const struct delivery *, const struct deliver_rcpt *, const struct outcome *);

/* The lines before the content: From_ (its own result), and the headers by `which`. */
enum agent_headers { HEADER_RETURN_PATH = 1, HEADER_ORIGINAL_TO = 2, HEADER_DELIVERED_TO = 4 };
void agent_from_line(struct span sender, struct text *out);
void agent_headers(unsigned which, struct span sender, struct span original, struct span delivered,
                   struct text *out);

/* A user of the password file, never by number: 0, 1 no such user, -1 not now. */
struct agent_user {
	struct identity id;
	char            shell[128];
};
int agent_user_find(struct span name, struct agent_user *, struct fault *);

bool agent_identity_of_uid(uid_t, struct identity *);

/* Who runs what nobody's rights are there for: default_privs; the caller when not started as root.
 */
int agent_default_identity(struct identity *, struct fault *);

/* "fcntl, dotlock" */
struct list;
int agent_locks_parse(const struct list *, unsigned *style, struct fault *);

#endif
