/* SPDX-License-Identifier: ISC */
/*
 * sieve_private.h - scripts as trees, and a run through them
 *
 *   parse.c    text -> nodes (RFC 5228, 8: the grammar, which knows no command)
 *   check.c    nodes against the table of commands and tests (verbs.c); check_private.h has its parts
 *   run.c      commands; tests.c and test_date.c tests; match.c how values are compared
 *   parts.c    foreverypart, and what is asked of a part
 *   message.c  the message as it stands now; edit.c what changes its header
 *   words.c    ${variables} and what else becomes of strings
 *   programs.c pipe, filter and execute
 */
#ifndef SIEVE_PRIVATE_H
#define SIEVE_PRIVATE_H

#include "base/strmap.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "sieve/sieve.h"

enum {
	NESTING_MAX = 32, NODES_MAX = 20000, ARGUMENTS_MAX = 32, STRINGS_MAX = 20000,
	INCLUDE_DEPTH = 10, INCLUDES_MAX = 255, VARIABLES_MAX = 256, VALUE_MAX = 4000, NAME_MAX_BYTES = 128,
	FIELDS_MAX = 2000, MATCH_MAX = 10, FLAGS_MAX = 1000, WARNINGS_MAX = 20, NOTE_MAX = 300, LOOPS_MAX = 4,
};

/* What require may name: bits of a set. */
enum capability {
	CAP_FILEINTO, CAP_REJECT, CAP_EREJECT, CAP_ENVELOPE, CAP_ENCODED, CAP_VACATION, CAP_VACATION_SECONDS,
	CAP_SUBADDRESS, CAP_NUMERIC, CAP_OCTET, CAP_CASEMAP, CAP_RELATIONAL, CAP_REGEX, CAP_IMAP4FLAGS, CAP_COPY,
	CAP_INCLUDE, CAP_VARIABLES, CAP_BODY, CAP_ENVIRONMENT, CAP_MAILBOX, CAP_DATE, CAP_INDEX, CAP_IHAVE,
	CAP_DUPLICATE, CAP_EDITHEADER,
	CAP_MIME, CAP_FOREVERYPART, CAP_EXTRACTTEXT, CAP_ENOTIFY,
	CAP_SPAMTEST, CAP_SPAMTESTPLUS, CAP_VIRUSTEST, CAP_MBOXMETADATA, CAP_SERVERMETADATA, CAP_SPECIAL_USE,
	CAP_MAILBOXID, CAP_FCC, CAP_DOVECOT_DEBUG, CAP_DOVECOT_ENVIRONMENT, CAP_IMAPSIEVE, CAP_DOVECOT_IMAPSIEVE,
	CAP_PIPE, CAP_FILTER, CAP_EXECUTE, CAP_COUNT, CAP_NONE = -1
};
int capability_find(struct span name);          /* CAP_NONE: not here */

enum tag {
	TAG_IS, TAG_CONTAINS, TAG_MATCHES, TAG_REGEX, TAG_COUNT, TAG_VALUE, TAG_COMPARATOR, TAG_ALL, TAG_LOCALPART,
	TAG_DOMAIN, TAG_USER, TAG_DETAIL, TAG_OVER, TAG_UNDER, TAG_COPY, TAG_CREATE, TAG_FLAGS, TAG_INDEX, TAG_LAST,
	TAG_ZONE, TAG_ORIGINALZONE, TAG_RAW, TAG_TEXT, TAG_CONTENT, TAG_LOWER, TAG_UPPER, TAG_LOWERFIRST,
	TAG_UPPERFIRST, TAG_QUOTEWILDCARD, TAG_QUOTEREGEX, TAG_LENGTH, TAG_DAYS, TAG_SECONDS, TAG_SUBJECT, TAG_FROM,
	TAG_ADDRESSES, TAG_MIME, TAG_HANDLE, TAG_PERSONAL, TAG_GLOBAL, TAG_ONCE, TAG_OPTIONAL, TAG_HEADER,
	TAG_UNIQUEID, TAG_ANYCHILD, TAG_TYPE, TAG_SUBTYPE, TAG_CONTENTTYPE, TAG_PARAM, TAG_NAME, TAG_FIRST, TAG_IMPORTANCE,
	TAG_OPTIONS, TAG_MESSAGE, TAG_ENCODEURL, TAG_PERCENT, TAG_SPECIALUSE, TAG_MAILBOXID, TAG_FCC,
	TAG_TRY, TAG_INPUT, TAG_PIPE, TAG_OUTPUT, TAGS
};
#define TAG(t) (1ull << TAG_##t)
_Static_assert(TAGS <= 64 && CAP_COUNT <= 64, "sets of them are 64 bits");

struct strings { struct span *at; size_t count; bool single; };

enum argument_kind { ARG_TAG, ARG_NUMBER, ARG_STRINGS };
struct argument {
	enum argument_kind kind;
	unsigned           line;
	struct span        tag;
	uint64_t           number;
	struct strings     strings;
};

struct verb;
struct sieve_script;
struct tagged { enum tag tag; const struct argument *value; };
struct node {
	struct span          name;
	unsigned             line;
	struct argument     *args;
	size_t               n_args;
	struct node         *tests, *block, *next;
	bool                 has_list, has_block;
	/* checked */
	const struct verb   *verb;             /* NULL: not known; only behind ihave */
	uint64_t             tags;             /* TAG() bits */
	struct tagged       *values;
	size_t               n_values;
	const struct argument *at[4];          /* positional; NULL: left out */
	struct sieve_script *included;         /* NULL: an :optional one that is not there */
	const struct node   *loop;             /* of break: the one that it leaves */
};

struct warnings { const char *at[WARNINGS_MAX]; size_t count; };

struct sieve_script {
	const char  *name;
	struct node *commands;
	uint64_t     capabilities;             /* 1 << enum capability */
	uint64_t     allowed;                  /* that it may require */
	const struct warnings *warnings;       /* of all scripts of one compilation */
	struct span  key;                      /* of include: for :once and circles */
};

struct run;
struct verb {
	const char *name, *section;
	int         capability, other;         /* CAP_NONE, CAP_NONE: always there; else one of them */
	uint64_t    tags;
	const char *signature;                 /* s string, S strings, n number; '?' behind: may be missing */
	char        tests;                     /* 0 none, 1 one, '*' a list */
	bool        block;
	int (*run)(struct run *, const struct node *);                 /* 0 go on, 1 stop, 2 return, 3 break, -1 */
	int (*test)(struct run *, const struct node *, bool *answer);  /* 0, -1 */
};
extern const struct verb sieve_commands[], sieve_tests[];
struct tag_row { const char *name; char value; int capability; };
extern const struct tag_row sieve_tags[TAGS];
const struct argument *node_tag(const struct node *, enum tag);    /* the value; NULL: not there */

int sieve_parse(struct arena *, struct span text, struct node **, struct fault *);

/* One run. */
struct variable { struct span name, value; };
struct scope { struct variable *at; size_t count, room; struct span *globals; size_t n_globals; };

struct head_field { struct span name, value, whole; };   /* name empty: a line that is no field */
struct run {
	struct arena              *arena;
	const struct sieve_script *script;
	const struct sieve_limits *limits;
	const struct sieve_host   *host;
	struct sieve_result       *result;
	struct span                message;            /* as it came, or as a filter has made it: in the arena then */
	struct head_field         *fields;
	size_t                     n_fields, room_fields;
	bool                       has_fields, too_many_fields, edited, filtered;
	size_t                     body_at;            /* of the message that came; 0: not looked for */
	const struct sieve_message *snapshot;          /* of what is edited, as it is now */
	struct mime               *mime, *mime_as_it_came;
	const struct mime         *loop_mime;          /* in foreverypart: the part that is looked at, and its tree */
	const struct mime_part    *part;
	const struct node         *breaks;             /* this loop */
	uint64_t                   steps;
	struct scope              *scope, globals;     /* of the script that runs; global */
	struct span                flags;              /* the internal variable of RFC 5232 */
	struct span                groups[MATCH_MAX];  /* ${0} ... */
	struct span               *once;               /* scripts that were included */
	size_t                     n_once;
	int                        depth;
	size_t                     first;              /* action of this script */
	size_t                     programs;           /* that have run */
	size_t                     printed;            /* by them, and kept until the end */
	const char                *not_run;            /* why the last one could not */
	bool                       kept_implicitly, keeps, rejected;
	struct fault              *why;
};

int  script_error(struct run *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Work was done, by so many bytes: -1 when it is too much. */
int  script_cost(struct run *, const struct node *, size_t bytes);
struct sieve_action *script_add(struct run *, const struct node *, enum sieve_action_kind);   /* NULL: too many */
/* What delivers, sends on or answers asks this first (RFC 5429, 2.4). */
int  script_refuse_beside_reject(struct run *, const struct node *, bool is_reject);
int  script_test(struct run *, const struct node *, bool *answer);
int  script_commands(struct run *, const struct node *first);
void script_modify(uint64_t tags, struct span value, struct text *out);    /* modifiers of set: RFC 5229, 4.1 */
void script_note(struct run *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* message.c */
void script_fields(struct run *);
bool field_is(const struct head_field *, struct span name);
struct span script_body(struct run *);
const char *script_line_end(const struct run *);
const struct sieve_message *script_message(struct run *);                /* NULL: as it came */
struct mime *script_mime(struct run *, const struct node *);             /* NULL: too much work */
struct span script_decoded(struct run *, struct span raw);
bool script_decode_part(struct run *, const struct node *, const struct mime *, const struct mime_part *, struct text *out); /* false: too much */

/* parts.c */
struct matching;
typedef int visit_field(struct matching *, const struct head_field *);
int parts_visit(struct matching *, const struct strings *names, visit_field *);        /* fields of a part: :mime */
int parts_have(struct run *, const struct node *, const struct strings *names, bool *answer);
int parts_value(struct matching *, const struct head_field *);                         /* :type, :param ... */

/* notify.c: is this the URI of a method?  *ignored: a field in it that is passed over, or empty. */
int notify_check(struct arena *, struct span uri, struct span *ignored, struct fault *);

/* edit.c: a script in error has edited nothing, and filtered nothing. */
struct edits { struct head_field *fields; size_t n_fields; bool edited, filtered; struct span message; };
void edits_save(struct run *, struct edits *);
void edits_restore(struct run *, const struct edits *);
bool field_name_valid(struct span);
bool field_is_protected(const struct sieve_limits *, struct span name, bool deleted);

/* programs.c */
bool program_name_valid(struct span);
bool program_argument_valid(struct span);

/* words.c */
struct span word_expand(struct run *, struct span);
struct span word_first(struct run *, const struct argument *);           /* expanded */
int  word_set(struct run *, const struct node *, struct span name, struct span value);
struct span word_get(struct run *, struct span name);
bool word_is_name(struct span);
/* One address, "a@b" or "Name <a@b>" (RFC 5228, 2.4.2.3), in internal form. */
bool word_is_address(struct arena *, struct span, struct span *address);
void flags_add(struct text *, struct span flags);          /* each once, case ignored */
void flags_remove(struct text *, struct span flags);
struct span flags_of(struct run *, const struct strings *);
void text_clean(struct text *);               /* words.c: controls out of what goes into a log */
int  from_add(struct text *out, struct span address);       /* "From: ...": the name in it encoded as needed */
bool environment_item(const struct run *, struct span name, struct span *value);      /* tests.c */
bool special_use_valid(struct span);                                                    /* mailboxes.c */
int  script_fcc(struct run *, const struct node *, const struct sieve_action **);       /* run.c: NULL: none */
bool encoded_characters(struct arena *, struct span in, struct span *out);   /* RFC 5228, 2.4.2.4; false: bad code */

/* match.c */
enum comparator { COMPARE_CASEMAP, COMPARE_OCTET, COMPARE_NUMERIC };
bool comparator_find(struct span name, enum comparator *);
struct matching {
	struct run           *run;
	const struct node    *node;
	const struct strings *keys;
	uint64_t              count;
	bool                  found;
};
void matching_start(struct matching *, struct run *, const struct node *, const struct strings *keys);
int  matching_value(struct matching *, struct span value);      /* 0; -1; m->found once it matched */
int  matching_end(struct matching *, bool *answer);
int  regex_check(struct span pattern, struct fault *);
bool regex_group(struct span pattern, struct span value, struct span *out);

#define COMMAND(name) int name(struct run *, const struct node *)
#define TEST(name)    int name(struct run *, const struct node *, bool *)
COMMAND(do_keep); COMMAND(do_discard); COMMAND(do_fileinto); COMMAND(do_redirect); COMMAND(do_stop);
COMMAND(do_reject); COMMAND(do_vacation); COMMAND(do_setflag); COMMAND(do_addflag); COMMAND(do_removeflag);
COMMAND(do_include); COMMAND(do_return); COMMAND(do_global); COMMAND(do_set); COMMAND(do_error); COMMAND(do_nothing);
COMMAND(do_addheader); COMMAND(do_deleteheader); COMMAND(do_foreverypart); COMMAND(do_break); COMMAND(do_extracttext);
COMMAND(do_enotify); COMMAND(do_debug_log); COMMAND(do_pipe); COMMAND(do_filter); COMMAND(do_execute);
TEST(test_true); TEST(test_false); TEST(test_not); TEST(test_allof); TEST(test_anyof); TEST(test_address);
TEST(test_header); TEST(test_exists); TEST(test_size); TEST(test_envelope); TEST(test_body); TEST(test_string);
TEST(test_hasflag); TEST(test_date); TEST(test_currentdate); TEST(test_environment); TEST(test_mailboxexists);
TEST(test_ihave); TEST(test_duplicate); TEST(test_valid_notify_method); TEST(test_notify_method_capability);
TEST(test_spamtest); TEST(test_virustest); TEST(test_specialuse_exists); TEST(test_mailboxidexists); TEST(test_metadata);
TEST(test_filter); TEST(test_execute); TEST(test_metadataexists); TEST(test_servermetadata); TEST(test_servermetadataexists);

#endif
