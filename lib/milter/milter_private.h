/* SPDX-License-Identifier: ISC */
/*
 * milter_private.h - what the files of this room share
 *
 *   talk.c     one milter: connect, agree on options, say something, hear the answer
 *   asking.c   one milter and the content of a message
 *   milter.c   all of them, in turn
 *   local.c    a session that is played
 */
#ifndef MILTER_PRIVATE_H
#define MILTER_PRIVATE_H

#include "milter/content.h"
#include "milter/milter.h"
#include "milter/packet.h"
#include "net/conn.h"

enum milter_state {
	MILTER_FRESH,              /* not connected yet */
	MILTER_UP,
	MILTER_DONE_MESSAGE,       /* has accepted this message */
	MILTER_DONE,               /* has accepted the client */
	MILTER_REFUSED,            /* has refused the client: `sticky` is the reply to everything */
	MILTER_FAILED              /* does its default action */
};

struct milter {
	const struct milter_spec *spec;
	struct conn              *conn;
	enum milter_state         state;
	bool                      in_message;  /* it has heard of MAIL and not of an end */
	unsigned                  version, actions, steps;
	struct list               macros[MILTER_STAGES];
	bool                      has_macros[MILTER_STAGES];
	char                     *sticky;      /* owned */
};

struct milters {
	const struct milter_specs *specs;
	milter_macro              *macro;
	void                      *context;
	bool                       soft_bounce;
	struct text                reply;
	struct milter             *at;         /* owned */
	size_t                     count;
};

/* Something that happens, and what of the protocol speaks of it. */
struct milter_event {
	char              command;
	enum milter_stage stage;
	unsigned          skip, quiet;         /* steps */
	bool              of_client;           /* an answer holds for the whole session */
	unsigned          since;               /* protocol version */
};

WAITS int milter_negotiate(struct milter *);                           /* 0, or -1: it has failed, and that is logged */
void milter_fail(struct milter *);                                     /* hangs up */
enum milter_verdict milter_failed(struct milters *, struct milter *);  /* its default action */
/* What its state says without asking: true with the verdict. */
bool milter_settled(struct milters *, struct milter *, enum milter_verdict *);

/* Puts macros and packet on their way; -1: it has failed. */
WAITS int milter_tell(struct milters *, struct milter *, const struct milter_event *, struct span packet, int64_t timeout);
WAITS int milter_tell_macros(struct milters *, struct milter *, char command, enum milter_stage);
/* The next reply, progress aside; borrowed from `packet`. -1: it has failed. */
WAITS int milter_hear(struct milter *, char command, int64_t timeout, struct text *packet, struct milter_reply *);
/* What a reply that ends an event means. */
enum milter_verdict milter_decide(struct milters *, struct milter *, const struct milter_event *, const struct milter_reply *);
/* All of it. */
WAITS enum milter_verdict milter_event(struct milters *, struct milter *, const struct milter_event *, struct span packet);

WAITS enum milter_verdict milter_content(struct milters *, struct milter *, struct milter_content *);

#endif
