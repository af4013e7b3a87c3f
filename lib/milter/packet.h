/* SPDX-License-Identifier: ISC */
/*
 * packet.h - the milter protocol's packets (Sendmail's mail filter protocol, versions 2 to 6)
 *
 * A packet is a length (4, big-endian: of what follows), a command byte and
 * data.  Building adds whole packets to a text.  Parsing is pure and total: it takes
 * the bytes behind the length; what it gives is borrowed from them.
 *
 * What we say: O options, D macros, C connect, H helo, M mail, R rcpt, T data,
 * U unknown command, L header, N end of header, B body, E end of message, A abort, Q quit.
 */
#ifndef MILTER_PACKET_H
#define MILTER_PACKET_H

#include "base/fault.h"
#include "base/text.h"

enum { MILTER_PACKET_MAX = 2 << 20, MILTER_BODY_MAX = 65535 };

enum milter_action {       /* what a milter may change */
	ACTION_ADD_HEADER = 0x1, ACTION_BODY = 0x2, ACTION_ADD_RCPT = 0x4, ACTION_DELETE_RCPT = 0x8,
	ACTION_CHANGE_HEADER = 0x10, ACTION_QUARANTINE = 0x20, ACTION_SENDER = 0x40, ACTION_ADD_RCPT_ARGS = 0x80,
	ACTION_MACROS = 0x100
};

enum milter_step {         /* NO_x: do not send x; QUIET_x: x has no reply */
	NO_CONNECT = 0x1, NO_HELO = 0x2, NO_MAIL = 0x4, NO_RCPT = 0x8, NO_BODY = 0x10, NO_HEADER = 0x20, NO_EOH = 0x40,
	QUIET_HEADER = 0x80, NO_UNKNOWN = 0x100, NO_DATA = 0x200, MAY_SKIP = 0x400, REJECTED_RCPT = 0x800,
	QUIET_CONNECT = 0x1000, QUIET_HELO = 0x2000, QUIET_MAIL = 0x4000, QUIET_RCPT = 0x8000, QUIET_DATA = 0x10000,
	QUIET_UNKNOWN = 0x20000, QUIET_EOH = 0x40000, QUIET_BODY = 0x80000, LEADING_BLANKS = 0x100000
};

enum milter_reply_code {
	REPLY_ADD_RCPT = '+', REPLY_ADD_RCPT_ARGS = '2', REPLY_DELETE_RCPT = '-', REPLY_SHUTDOWN = '4', REPLY_ACCEPT = 'a',
	REPLY_BODY = 'b', REPLY_CONTINUE = 'c', REPLY_DISCARD = 'd', REPLY_SENDER = 'e', REPLY_CONNECTION_FAILED = 'f',
	REPLY_ADD_HEADER = 'h', REPLY_INSERT_HEADER = 'i', REPLY_CHANGE_HEADER = 'm', REPLY_OPTIONS = 'O',
	REPLY_PROGRESS = 'p', REPLY_QUARANTINE = 'q', REPLY_REJECT = 'r', REPLY_SKIP = 's', REPLY_TEMPFAIL = 't',
	REPLY_TEXT = 'y'
};

struct milter_reply {
	char        code;
	uint32_t    number;                   /* of i and m */
	uint32_t    version, actions, steps;  /* of O */
	struct span first, second;            /* strings, without NUL; of b the bytes; of O (first) the macro lists */
};

int milter_reply_parse(struct span packet, struct milter_reply *, struct fault *);

/* The next macro list of O: 1 with the stage (0 connect, helo, mail, rcpt, data, end of message, 6 end of header)
 * and the names; 0 at the end; -1 malformed. */
int milter_macros_next(struct span *rest, uint32_t *stage, struct span *names, struct fault *);

/* y: "550 5.7.1 no" or "550-5.7.1 one CRLF 550 5.7.1 two", with %% for %: what an SMTP client may be told, CRLF
 * between its lines, nothing behind the last.  `soft`: 5 becomes 4. */
int milter_reply_text(struct span raw, bool soft, struct text *out, struct fault *);

/* The name of a command or reply in logs: "SMFIC_MAIL", "SMFIR_REJECT". */
const char *milter_command_name(char command);
const char *milter_reply_name(char code);

void milter_put(struct text *, char command, struct span data);
void milter_put_options(struct text *, uint32_t version, uint32_t actions, uint32_t steps);
/* Strings, each with a NUL behind it. */
void milter_put_strings(struct text *, char command, const struct span *strings, size_t count);
/* family: '4', '6', 'L' or 'U' (then neither port nor address are sent) */
void milter_put_connect(struct text *, struct span name, char family, unsigned port, struct span address);

#endif
