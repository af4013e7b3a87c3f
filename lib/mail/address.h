/* SPDX-License-Identifier: ISC */
/*
 * address.h - the one address parser (RFC 5321, 4.1.2; RFC 5322, 3.4)
 *
 * Inside the house an address is in *internal form*: the local part without
 * quotes, "@", the domain, as bytes without CR, LF, NUL or other controls.
 * It is split at the last "@", since no domain holds one.  Outside (SMTP,
 * headers) it is in *external form*: the local part quoted where it must be.
 * Parsers take external form and give internal form; address_external goes
 * back.  What the parsers give lies in the arena (or in the input).
 *
 * Bounds: a path ADDRESS_PATH_LIMIT bytes, a list the `limit` that the caller
 * names.  All parsers are iterative and linear in their input.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

#define ADDRESS_PATH_LIMIT 1000
#define ADDRESS_LIST_LIMIT 1000

struct address {
	struct span local;       /* unquoted */
	struct span domain;      /* empty: none was given */
};

enum address_flags {
	ADDRESS_STRICT = 1,      /* strict_rfc821_envelopes: <path> and nothing else */
	ADDRESS_UTF8   = 2,      /* SMTPUTF8: valid UTF-8 may stand in both parts */
};

/*
 * The path of MAIL or RCPT at the front of `in`; *rest is what follows it (the
 * parameters, blanks trimmed).  *address is in internal form: empty for "<>",
 * without "@" when no domain was given ("<postmaster>").  A source route is
 * dropped, as is one dot at the end of the domain.  Without ADDRESS_STRICT also
 * takes `user@domain` and what Postfix takes besides: blanks before the path,
 * comments and a display name around one address.
 */
int address_parse_path(struct arena *, struct span in, unsigned flags,
                       struct span *address, struct span *rest, struct fault *why);

/* A bare address in external form (no angles), whole: sendmail's arguments,
 * -f, alias and .forward members.  Same result as address_parse_path. */
int address_parse(struct arena *, struct span in, unsigned flags, struct span *address,
                  struct fault *);

/* Internal form at its last "@"; domain empty when there is none. */
void address_split(struct span internal, struct span *local, struct span *domain);

/* A local part between internal and external form.  address_unquote takes off
 * quotes and backslashes wherever they stand. */
bool address_local_needs_quotes(struct span local);
void address_quote_local(struct span local, struct text *out);
void address_external(struct span internal, struct text *out);  /* "a b"@example.org */

/* Host name (letters, digits, "-", "_" inside, labels to 63, 255 in all, no dot at
 * the end, not only digits) or address literal [192.0.2.1], [IPv6:..]; with
 * ADDRESS_UTF8 labels may hold UTF-8. */
bool address_domain_valid(struct span domain, unsigned flags);
bool address_host_valid(struct span host, unsigned flags);      /* no literals */

/* A host name of two labels or more, or a literal: what reject_non_fqdn_* asks. */
bool address_is_fqdn(struct span domain);

/*
 * recipient_delimiter: cuts `user+ext` at the first of the delimiters after the
 * first byte.  False when there is none, or the name is protected: postmaster,
 * mailer-daemon, double-bounce always; owner-x and x-request when the delimiter is "-" and
 * `owner_request_special`.  *extension is without the delimiter, which is base.at[base.len].
 */
bool address_split_extension(struct span local, struct span delimiters, bool owner_request_special,
                             struct span *base, struct span *extension);

/* Addresses compare equal: domain without case, local part exactly / folded. */
bool address_equal(struct span internal_a, struct span internal_b);        /* local exact */
bool address_equal_nocase(struct span internal_a, struct span internal_b); /* as Postfix looks up */

/*
 * Address lists of header fields (RFC 5322, 3.4 with the obsolete forms of 4.4).
 * Total: gives what can be made out of anything.  Empty members are skipped.
 */
enum mailbox_kind { MAILBOX, GROUP_START, GROUP_END };

struct mailbox {
	enum mailbox_kind kind;
	/* display name (or group name), unquoted, encoded words as they are; else the comment
	 * beside a bare address */
	struct span name;
	struct span local;       /* unquoted; may be empty in broken input */
	struct span domain;      /* empty when missing; literals keep their brackets */
	struct span route;       /* "@a,@b" of an obsolete route, or empty */
	/* the addr-spec in the input (inside the angles): what rewriting replaces */
	size_t      start, end;
	bool        has_name_phrase; /* name is a phrase, not a comment */
};

struct address_list {
	struct mailbox *at;
	size_t          count;
	size_t          mailboxes;  /* count of kind MAILBOX */
	bool            cut;        /* there was more than limit */
	bool            faulty;     /* something could not be understood */
};

void address_list_parse(struct arena *, struct span in, size_t limit, struct address_list *list);

/* The same, but words that stand beside each other are addresses of their own ("a@b c@d", "a b"), not a
 * display name: where recipients are read or addresses rewritten, none may be lost. */
void address_words_parse(struct arena *, struct span in, size_t limit, struct address_list *list);

/* Where in the input a comma is missing between this member and the next: behind the first one's ">" and
 * comments.  0: they are parted. */
size_t mailbox_comma(struct span in, const struct mailbox *, const struct mailbox *next);
/* Copies the input from *at on up to there, and puts the comma. Nothing where none is missing. */
void mailbox_put_comma(struct span in, const struct mailbox *, const struct mailbox *next, size_t *at, struct text *out);

/* Internal form of a list member, in the arena. */
struct span mailbox_address(struct arena *, const struct mailbox *);

#endif
