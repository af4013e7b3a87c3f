/* SPDX-License-Identifier: ISC */
/*
 * sieve.h - mail filters of users: script text in, actions out (RFC 5228)
 *
 * Pure but for the callbacks that the caller gives.  A script and a message may hold any bytes:
 *
 *   sieve_compile   text -> a checked script, with what it includes; -1 and why ("line 3: ...")
 *   sieve_run       scripts, one after the other, and a message -> actions
 *
 *   RFC 5228 base, fileinto, envelope, encoded-character   3894 copy          5173 body
 *   5229 variables      5230 vacation, 6131 seconds         5231 relational    5232 imap4flags
 *   5233 subaddress     5260 date, index                    5183 environment   5429 reject, ereject
 *   5293 editheader     5435 enotify, 5436 mailto       5703 mime, foreverypart, extracttext
 *   5235 spamtest, spamtestplus, virustest                  8579 special-use   9042 mailboxid     8580 fcc
 *   5463 ihave          5490 mailbox, mboxmetadata, servermetadata             6609 include       7352 duplicate
 *   6785 imapsieve (imapd alone), vnd.dovecot.imapsieve
 *   vnd.dovecot.debug, vnd.dovecot.environment; vnd.dovecot.pipe, vnd.dovecot.filter and vnd.dovecot.execute (Pigeonhole's
 *   extprograms), which are there only where the settings name them
 *   comparators i;octet i;ascii-casemap i;ascii-numeric; regex (draft-ietf-sieve-regex, by PCRE2)
 *
 * Bounds (struct sieve_limits and sieve_private.h): size of a script, commands in it, nesting 32,
 * includes 10 deep and 255 in all, values of variables 4,000 bytes, actions, redirects, and
 * work: every comparison costs steps by its length, and regular expressions have PCRE2's limits.
 * A script that goes beyond one ends with a fault, as any script in error, and what it wanted is
 * forgotten: the message is kept (RFC 5228, 2.10.6).
 *
 * Everything lives in the arena that is given; spans in the result may point into message and
 * scripts as well.
 */
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

/* How a scanner's header field is read (settings.h). */
enum { SIEVE_SPAM_TEXTS = 11, SIEVE_VIRUS_TEXTS = 6 };
struct sieve_scanner { const char *status_type, *status_header, *max_value, *max_header, *text[SIEVE_SPAM_TEXTS]; };

struct sieve_limits {
	size_t   script_size;      /* bytes of one script */
	size_t   actions, redirects, notices;
	uint64_t steps;
	int64_t  vacation_default, vacation_least, vacation_most;  /* seconds; most 0: no bound */
	int64_t  duplicate_default, duplicate_most;
	size_t   header_size;      /* bytes of a field that addheader adds */
	const struct sieve_scanner *spam, *virus;  /* NULL: nothing is tested */
	uint64_t extensions, global_extensions;    /* sieve_extensions_parse; what global scripts may use besides */
	bool     global;           /* the script is a global one; of what it includes, include says whether it is */
	const char *forbid_add, *forbid_delete;    /* names of fields, blanks between; NULL: none */
	bool     sends_nothing;    /* redirect is refused when the script is read: who runs it cannot send */
};
extern const struct sieve_limits sieve_default_limits;

/* Where include finds scripts: 0 found, 1 there is none, -1 cannot be known now. */
struct sieve_loader {
	void *context;
	int (*load)(void *context, bool global, struct span name, struct text *out, struct fault *);
};

struct sieve_script;

/* `loader` NULL: what is included is not looked at (a script that is only checked).  When a script could not be loaded just now
 * the fault is FAULT_SYSTEM or FAULT_TIME; else it is the script's. */
int sieve_compile(struct arena *, struct span text, const char *name, const struct sieve_loader *,
	const struct sieve_limits *, struct sieve_script **, struct fault *);

/* The nth thing in a script, and in what it includes, that is no error and will not do what was meant; NULL: no more. */
const char *sieve_warning(const struct sieve_script *, size_t n);

/* "fileinto reject envelope ...": what require may name, of a set of extensions. */
void sieve_capabilities(uint64_t extensions, struct text *out);

/*
 * A set of extensions as Pigeonhole's sieve_extensions says it: "" all but those that run programs and those of
 * IMAP, "+x -y" them and x, but not y, "x y" these and no others.  False: *unknown is a name that there is none of.
 */
bool sieve_extensions_parse(struct span setting, uint64_t *extensions, struct span *unknown);

/* What scripts may require besides where IMAP runs them (RFC 6785). */
uint64_t sieve_imap_extensions(void);

/* A program of one of the administrator's directories (Pigeonhole's extprograms): a name without a slash, arguments without
 * line ends. */
enum sieve_program_kind { SIEVE_PROGRAM_PIPE, SIEVE_PROGRAM_FILTER, SIEVE_PROGRAM_EXECUTE, SIEVE_PROGRAMS };
enum { SIEVE_PROGRAM_NAME_MOST = 128, SIEVE_PROGRAM_ARGUMENTS_MOST = 32, SIEVE_PROGRAM_ARGUMENT_MOST = 1024 };
struct sieve_message;
struct sieve_program {
	enum sieve_program_kind kind;
	struct span  name;
	struct span *args;
	size_t       n_args;
	bool         may_fail;                   /* PIPE: as if it had gone well */
	bool         reads_message, reads_text;  /* what its input is; neither: nothing */
	const struct sieve_message *message;     /* as it is by then; NULL: as it came */
	struct span  text;
};

/* What an IMAP command did (RFC 6785, 7). */
struct sieve_imap_event { struct span cause, mailbox, from, changed_flags, flags; };

/* The message, and the world as a script may see it. */
struct sieve_host {
	void       *context;
	struct span message;                     /* borrowed; CRLF or LF */
	struct span sender, recipient, original; /* of the envelope, internal form; original may be empty */
	struct span user;                        /* whose script it is, or empty */
	struct span user_email;                  /* his address, where it is known otherwise than by the envelope */
	bool        vacation_any_recipient;      /* he is answered for though no field names him (RFC 5230, 4.5 says not to) */
	struct span auth;                        /* SASL user of the client, or empty */
	struct span delimiters;                  /* recipient_delimiter: subaddress */
	const char *host_name, *domain;
	int64_t     now;                         /* seconds since 1970 */
	bool (*mailbox_exists)(void *context, struct span name);   /* NULL: none exists */
	bool (*special_use_exists)(void *context, const struct span *mailbox, struct span use);   /* mailbox NULL: any */
	bool (*mailbox_id_exists)(void *context, struct span id);
	bool (*metadata)(void *context, const struct span *mailbox, struct span entry, struct span *value);  /* NULL: the server's */
	bool (*is_known)(void *context, struct span key);          /* duplicate: NULL: nothing is known */
	bool (*out_of_time)(void *context);                        /* NULL: never */
	/* filter and execute: 0 it went well and *output (NULL: not wanted) is what it printed; 1 it ended badly; -1 it could not run. NULL:
	 * none can.  PIPE comes as an action. */
	int (*run_program)(void *context, const struct sieve_program *, struct text *output, struct fault *);
	const struct sieve_imap_event *imap;     /* NULL: a delivery */
};

/* A message whose header a script has edited: its fields as they stand now, then an empty line, then the body.  Fields that
 * were there before are pieces of the message that came. */
struct sieve_message {
	struct span *fields;                     /* whole, with their line ends */
	size_t       n_fields;
	struct span  body;
	const char  *line_end;
};
/* The header and the empty line; without the fields that lie in the piece `without` of the message that came. */
enum { SIEVE_HEADER_MOST = 256 * 1024, SIEVE_VERSIONS_MOST = 8 };    /* an edited header; different ones that are redirected */
void sieve_message_header(const struct sieve_message *, struct span without, struct text *out);

enum sieve_action_kind { SIEVE_KEEP, SIEVE_FILEINTO, SIEVE_REDIRECT, SIEVE_REJECT, SIEVE_VACATION, SIEVE_NOTIFY, SIEVE_PIPE };

struct sieve_action;
struct sieve_vacation {
	const struct sieve_action *fcc;          /* FILEINTO: where a copy of the answer goes; NULL: nowhere */
	struct span  subject, from, handle;      /* empty: by default */
	struct span  reason;
	bool         mime;                       /* reason is a MIME entity, header first */
	int64_t      seconds;                    /* no second answer to the same sender before */
	struct span *addresses;                  /* also mine */
	size_t       n_addresses;
};

enum { SIEVE_NOTICE_RECIPIENTS = 8, SIEVE_NOTICES_MOST = 4 };
struct sieve_notice {
	const struct sieve_action *fcc;
	struct span *to;                         /* addresses (internal form) */
	size_t       n_to;
	struct span  shown_to, shown_cc;         /* of its header */
	struct span  from, subject, body;        /* empty: by default */
	char         importance;                 /* '1' high to '3' */
};

struct sieve_action {
	enum sieve_action_kind kind;
	unsigned               line;
	struct span            target;           /* mailbox (UTF-8), address (internal form), reason */
	struct span            flags;            /* "\Seen $Label", blanks between; of KEEP and FILEINTO */
	bool                   create;           /* FILEINTO: make the mailbox */
	struct span            special_use, mailbox_id;  /* rather into the one that has it; or empty */
	const struct sieve_message *message;     /* what is kept, filed, redirected or piped; NULL: as it came */
	struct sieve_vacation *vacation;
	struct sieve_notice   *notice;
	struct sieve_program  *program;
};

/* What the owner of the script should know, though nothing failed: for his log. */
struct sieve_note { unsigned line; const char *text; };
enum { SIEVE_NOTES_MAX = 20 };

struct sieve_mark { struct span key; int64_t seconds; };   /* to remember once all is delivered */

struct sieve_result {
	struct sieve_action *actions;
	size_t               count, room;
	struct sieve_mark   *marks;
	size_t               n_marks;
	struct sieve_note    notes[SIEVE_NOTES_MAX];
	size_t               n_notes;
	const char          *failed;             /* name of the script that ended in error, or NULL */
	struct fault         why;
};

/*
 * Runs scripts in their order; the next one runs only while the message would be kept
 * (explicitly or not).  The result tells all that is to be done, an implicit keep included:
 * no action at all is a discard.  A script in error undoes its own actions and adds a keep.
 */
void sieve_run(struct arena *, const struct sieve_script *const *, size_t count, const struct sieve_limits *,
	const struct sieve_host *, struct sieve_result *);

/*
 * The answer to a message, or false: RFC 5230, 4.5 and 4.6, and RFC 3834 say why there is none
 * (*whyever: one word for the log).  *out is a whole message with CRLF; its Message-ID and Date are
 * for the caller to put in front of it.  *key tells the same sender and reason again (for the memory).
 */
bool sieve_vacation_answer(const struct sieve_host *, const struct sieve_vacation *, struct text *out, struct text *key,
	const char **whyever);

/* The same for a notice: false when what came is automatic itself (RFC 5436, 2.7.1). */
bool sieve_notice_mail(const struct sieve_host *, const struct sieve_notice *, struct text *out, const char **whyever);

#endif
