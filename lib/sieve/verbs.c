/* SPDX-License-Identifier: ISC */
/*
 * verbs.c - the commands and tests that there are, beside the RFCs that say so
 */
#include "sieve/sieve_private.h"

static const char *const capabilities[CAP_COUNT] = {
	[CAP_FILEINTO] = "fileinto", [CAP_REJECT] = "reject", [CAP_EREJECT] = "ereject", [CAP_ENVELOPE] = "envelope",
	[CAP_ENCODED] = "encoded-character", [CAP_VACATION] = "vacation", [CAP_VACATION_SECONDS] = "vacation-seconds",
	[CAP_SUBADDRESS] = "subaddress", [CAP_NUMERIC] = "comparator-i;ascii-numeric", [CAP_OCTET] = "comparator-i;octet",
	[CAP_CASEMAP] = "comparator-i;ascii-casemap", [CAP_RELATIONAL] = "relational", [CAP_REGEX] = "regex",
	[CAP_IMAP4FLAGS] = "imap4flags", [CAP_COPY] = "copy", [CAP_INCLUDE] = "include", [CAP_VARIABLES] = "variables",
	[CAP_BODY] = "body", [CAP_ENVIRONMENT] = "environment", [CAP_MAILBOX] = "mailbox", [CAP_DATE] = "date",
	[CAP_INDEX] = "index", [CAP_IHAVE] = "ihave", [CAP_DUPLICATE] = "duplicate", [CAP_EDITHEADER] = "editheader",
	[CAP_MIME] = "mime", [CAP_FOREVERYPART] = "foreverypart", [CAP_EXTRACTTEXT] = "extracttext",
	[CAP_ENOTIFY] = "enotify", [CAP_SPAMTEST] = "spamtest", [CAP_SPAMTESTPLUS] = "spamtestplus", [CAP_VIRUSTEST] = "virustest",
	[CAP_MBOXMETADATA] = "mboxmetadata", [CAP_SERVERMETADATA] = "servermetadata", [CAP_SPECIAL_USE] = "special-use",
	[CAP_MAILBOXID] = "mailboxid", [CAP_FCC] = "fcc", [CAP_DOVECOT_DEBUG] = "vnd.dovecot.debug",
	[CAP_DOVECOT_ENVIRONMENT] = "vnd.dovecot.environment",
	[CAP_IMAPSIEVE] = "imapsieve", [CAP_DOVECOT_IMAPSIEVE] = "vnd.dovecot.imapsieve",
	[CAP_PIPE] = "vnd.dovecot.pipe", [CAP_FILTER] = "vnd.dovecot.filter", [CAP_EXECUTE] = "vnd.dovecot.execute",
};

int
capability_find(struct span name)
{
	for (int i = 0; i < CAP_COUNT; i++)
		if (span_is(name, capabilities[i]))
			return i;
	return CAP_NONE;
}

void
sieve_capabilities(uint64_t extensions, struct text *out)
{
	for (int i = 0; i < CAP_COUNT; i++)
		if (i != CAP_OCTET && i != CAP_CASEMAP && (extensions >> i & 1))         /* of the base: RFC 5228, 2.7.3 */
			text_add_format(out, "%s%s", out->len ? " " : "", capabilities[i]);
}

#define BIT(c) (1ull << CAP_##c)

uint64_t
sieve_imap_extensions(void)
{
	return BIT(IMAPSIEVE) | BIT(DOVECOT_IMAPSIEVE);
}

bool
sieve_extensions_parse(struct span setting, uint64_t *extensions, struct span *unknown)
{
	/* what runs programs is there only where it is named, what belongs to IMAP only there */
	const uint64_t asked = BIT(PIPE) | BIT(FILTER) | BIT(EXECUTE) | BIT(IMAPSIEVE) | BIT(DOVECOT_IMAPSIEVE);
	const uint64_t all = ((1ull << CAP_COUNT) - 1) & ~asked, base = BIT(OCTET) | BIT(CASEMAP);
	uint64_t       set = all;
	struct span    word, rest = setting;
	bool           known = true;

	while (span_next(&rest, " \t,", &word))
		if (!span_starts(word, "+") && !span_starts(word, "-"))
			set = base;
	while (span_next(&setting, " \t,", &word)) {
		bool less = span_starts(word, "-");
		int  capability = capability_find(span_from(word, less || span_starts(word, "+")));

		if (capability == CAP_NONE) {
			*unknown = word;
			known = false;
		} else if (less) {
			set &= ~(1ull << capability);
		} else {
			set |= 1ull << capability;
		}
	}
	*extensions = set;
	return known;
}

const struct tag_row sieve_tags[TAGS] = {
	[TAG_IS] = {"is", 0, CAP_NONE}, [TAG_CONTAINS] = {"contains", 0, CAP_NONE}, [TAG_MATCHES] = {"matches", 0, CAP_NONE},
	[TAG_REGEX] = {"regex", 0, CAP_REGEX}, [TAG_COUNT] = {"count", 's', CAP_RELATIONAL},
	[TAG_VALUE] = {"value", 's', CAP_RELATIONAL}, [TAG_COMPARATOR] = {"comparator", 's', CAP_NONE},
	[TAG_ALL] = {"all", 0, CAP_NONE}, [TAG_LOCALPART] = {"localpart", 0, CAP_NONE}, [TAG_DOMAIN] = {"domain", 0, CAP_NONE},
	[TAG_USER] = {"user", 0, CAP_SUBADDRESS}, [TAG_DETAIL] = {"detail", 0, CAP_SUBADDRESS},
	[TAG_OVER] = {"over", 'n', CAP_NONE}, [TAG_UNDER] = {"under", 'n', CAP_NONE}, [TAG_COPY] = {"copy", 0, CAP_COPY},
	[TAG_CREATE] = {"create", 0, CAP_MAILBOX}, [TAG_FLAGS] = {"flags", 'S', CAP_IMAP4FLAGS},
	[TAG_INDEX] = {"index", 'n', CAP_INDEX}, [TAG_LAST] = {"last", 0, CAP_NONE}, [TAG_ZONE] = {"zone", 's', CAP_NONE},
	[TAG_ORIGINALZONE] = {"originalzone", 0, CAP_NONE}, [TAG_RAW] = {"raw", 0, CAP_NONE}, [TAG_TEXT] = {"text", 0, CAP_NONE},
	[TAG_CONTENT] = {"content", 'S', CAP_NONE}, [TAG_LOWER] = {"lower", 0, CAP_NONE}, [TAG_UPPER] = {"upper", 0, CAP_NONE},
	[TAG_LOWERFIRST] = {"lowerfirst", 0, CAP_NONE}, [TAG_UPPERFIRST] = {"upperfirst", 0, CAP_NONE},
	[TAG_QUOTEWILDCARD] = {"quotewildcard", 0, CAP_NONE}, [TAG_QUOTEREGEX] = {"quoteregex", 0, CAP_REGEX},
	[TAG_LENGTH] = {"length", 0, CAP_NONE}, [TAG_DAYS] = {"days", 'n', CAP_NONE}, [TAG_SECONDS] = {"seconds", 'n', CAP_NONE},
	[TAG_SUBJECT] = {"subject", 's', CAP_NONE}, [TAG_FROM] = {"from", 's', CAP_NONE},
	[TAG_ADDRESSES] = {"addresses", 'S', CAP_NONE}, [TAG_MIME] = {"mime", 0, CAP_NONE}, [TAG_HANDLE] = {"handle", 's', CAP_NONE},
	[TAG_PERSONAL] = {"personal", 0, CAP_NONE}, [TAG_GLOBAL] = {"global", 0, CAP_NONE}, [TAG_ONCE] = {"once", 0, CAP_NONE},
	[TAG_OPTIONAL] = {"optional", 0, CAP_NONE}, [TAG_HEADER] = {"header", 's', CAP_NONE},
	[TAG_UNIQUEID] = {"uniqueid", 's', CAP_NONE}, [TAG_ANYCHILD] = {"anychild", 0, CAP_MIME},
	[TAG_TYPE] = {"type", 0, CAP_MIME}, [TAG_SUBTYPE] = {"subtype", 0, CAP_MIME},
	[TAG_CONTENTTYPE] = {"contenttype", 0, CAP_MIME}, [TAG_PARAM] = {"param", 'S', CAP_MIME},
	[TAG_NAME] = {"name", 's', CAP_NONE}, [TAG_FIRST] = {"first", 'n', CAP_NONE},
	[TAG_IMPORTANCE] = {"importance", 's', CAP_NONE}, [TAG_OPTIONS] = {"options", 'S', CAP_NONE},
	[TAG_MESSAGE] = {"message", 's', CAP_NONE}, [TAG_ENCODEURL] = {"encodeurl", 0, CAP_ENOTIFY},
	[TAG_PERCENT] = {"percent", 0, CAP_SPAMTESTPLUS}, [TAG_SPECIALUSE] = {"specialuse", 's', CAP_SPECIAL_USE},
	[TAG_MAILBOXID] = {"mailboxid", 's', CAP_MAILBOXID}, [TAG_FCC] = {"fcc", 's', CAP_FCC},
	[TAG_TRY] = {"try", 0, CAP_NONE}, [TAG_INPUT] = {"input", 's', CAP_NONE}, [TAG_PIPE] = {"pipe", 0, CAP_NONE},
	[TAG_OUTPUT] = {"output", 's', CAP_VARIABLES},
};

#define MATCH (TAG(IS) | TAG(CONTAINS) | TAG(MATCHES) | TAG(REGEX) | TAG(COUNT) | TAG(VALUE) | TAG(COMPARATOR))
#define PART  (TAG(ALL) | TAG(LOCALPART) | TAG(DOMAIN) | TAG(USER) | TAG(DETAIL))
#define NTH   (TAG(INDEX) | TAG(LAST))
#define MODIFIERS (TAG(LOWER) | TAG(UPPER) | TAG(LOWERFIRST) | TAG(UPPERFIRST) | TAG(QUOTEWILDCARD) | TAG(QUOTEREGEX) | TAG(LENGTH) | TAG(ENCODEURL))
#define IN_PART (TAG(MIME) | TAG(ANYCHILD))
#define PIECE (TAG(TYPE) | TAG(SUBTYPE) | TAG(CONTENTTYPE) | TAG(PARAM))
#define INTO (TAG(CREATE) | TAG(FLAGS) | TAG(SPECIALUSE) | TAG(MAILBOXID))
#define ANSWER (INTO | TAG(FCC) | TAG(DAYS) | TAG(SECONDS) | TAG(SUBJECT) | TAG(FROM) | TAG(ADDRESSES) | TAG(MIME) | TAG(HANDLE))

/* require, if, elsif and else are handled where commands are checked and run. */
const struct verb sieve_commands[] = {
	/* name         section             capability                  tags                                   args  tests block */
	{"require",    "RFC 5228, 3.2",    CAP_NONE, CAP_NONE,         0,                                     "S",   0,   false, do_nothing, NULL},
	{"if",         "RFC 5228, 3.1",    CAP_NONE, CAP_NONE,         0,                                     "",    1,   true,  do_nothing, NULL},
	{"elsif",      "RFC 5228, 3.1",    CAP_NONE, CAP_NONE,         0,                                     "",    1,   true,  do_nothing, NULL},
	{"else",       "RFC 5228, 3.1",    CAP_NONE, CAP_NONE,         0,                                     "",    0,   true,  do_nothing, NULL},
	{"stop",       "RFC 5228, 3.3",    CAP_NONE, CAP_NONE,         0,                                     "",    0,   false, do_stop, NULL},
	{"keep",       "RFC 5228, 4.3",    CAP_NONE, CAP_NONE,         TAG(FLAGS),                            "",    0,   false, do_keep, NULL},
	{"discard",    "RFC 5228, 4.4",    CAP_NONE, CAP_NONE,         0,                                     "",    0,   false, do_discard, NULL},
	{"redirect",   "RFC 5228, 4.2",    CAP_NONE, CAP_NONE,         TAG(COPY),                             "s",   0,   false, do_redirect, NULL},
	{"fileinto",   "RFC 5228, 4.1",    CAP_FILEINTO, CAP_NONE,     TAG(COPY) | INTO,                      "s",   0,   false, do_fileinto, NULL},
	{"reject",     "RFC 5429, 2.2",    CAP_REJECT, CAP_NONE,       0,                                     "s",   0,   false, do_reject, NULL},
	{"ereject",    "RFC 5429, 2.1",    CAP_EREJECT, CAP_NONE,      0,                                     "s",   0,   false, do_reject, NULL},
	{"vacation",   "RFC 5230, 4",      CAP_VACATION, CAP_NONE,     ANSWER,                                "s",   0,   false, do_vacation, NULL},
	{"setflag",    "RFC 5232, 3.1",    CAP_IMAP4FLAGS, CAP_NONE,   0,                                     "s?S", 0,   false, do_setflag, NULL},
	{"addflag",    "RFC 5232, 3.2",    CAP_IMAP4FLAGS, CAP_NONE,   0,                                     "s?S", 0,   false, do_addflag, NULL},
	{"removeflag", "RFC 5232, 3.3",    CAP_IMAP4FLAGS, CAP_NONE,   0,                                     "s?S", 0,   false, do_removeflag, NULL},
	{"set",        "RFC 5229, 4",      CAP_VARIABLES, CAP_NONE,    MODIFIERS,                             "ss",  0,   false, do_set, NULL},
	{"include",    "RFC 6609, 3.2",    CAP_INCLUDE, CAP_NONE,      TAG(PERSONAL) | TAG(GLOBAL) | TAG(ONCE) | TAG(OPTIONAL), "s", 0, false, do_include, NULL},
	{"return",     "RFC 6609, 3.3",    CAP_INCLUDE, CAP_NONE,      0,                                     "",    0,   false, do_return, NULL},
	{"global",     "RFC 6609, 3.4.1",  CAP_INCLUDE, CAP_NONE,      0,                                     "S",   0,   false, do_global, NULL},
	{"error",      "RFC 5463, 5",      CAP_IHAVE, CAP_NONE,        0,                                     "s",   0,   false, do_error, NULL},
	{"addheader",  "RFC 5293, 4",      CAP_EDITHEADER, CAP_NONE,   TAG(LAST),                             "ss",  0,   false, do_addheader, NULL},
	{"deleteheader", "RFC 5293, 5",    CAP_EDITHEADER, CAP_NONE,   MATCH | NTH,                           "sS?", 0,   false, do_deleteheader, NULL},
	{"foreverypart", "RFC 5703, 3",    CAP_FOREVERYPART, CAP_NONE, TAG(NAME),                             "",    0,   true,  do_foreverypart, NULL},
	{"break",      "RFC 5703, 3",      CAP_FOREVERYPART, CAP_NONE, TAG(NAME),                             "",    0,   false, do_break, NULL},
	{"extracttext", "RFC 5703, 7",     CAP_EXTRACTTEXT, CAP_NONE,  MODIFIERS | TAG(FIRST),                "s",   0,   false, do_extracttext, NULL},
	{"notify",     "RFC 5435, 3",      CAP_ENOTIFY, CAP_NONE,      INTO | TAG(FCC) | TAG(FROM) | TAG(IMPORTANCE) | TAG(OPTIONS) | TAG(MESSAGE), "s", 0, false, do_enotify, NULL},
	{"pipe",       "Pigeonhole's",     CAP_PIPE, CAP_NONE,         TAG(COPY) | TAG(TRY),                  "sS?", 0,   false, do_pipe, NULL},
	{"filter",     "Pigeonhole's",     CAP_FILTER, CAP_NONE,       0,                                     "sS?", 0,   false, do_filter, NULL},
	{"execute",    "Pigeonhole's",     CAP_EXECUTE, CAP_NONE,      TAG(INPUT) | TAG(PIPE) | TAG(OUTPUT),  "sS?", 0,   false, do_execute, NULL},
	{"debug_log",  "Pigeonhole's",     CAP_DOVECOT_DEBUG, CAP_NONE, 0,                                    "s",   0,   false, do_debug_log, NULL},
	{NULL, NULL, 0, 0, 0, NULL, 0, false, NULL, NULL},
};

const struct verb sieve_tests[] = {
	{"true",       "RFC 5228, 5.10",   CAP_NONE, CAP_NONE,         0,                                     "",    0,   false, NULL, test_true},
	{"false",      "RFC 5228, 5.6",    CAP_NONE, CAP_NONE,         0,                                     "",    0,   false, NULL, test_false},
	{"not",        "RFC 5228, 5.8",    CAP_NONE, CAP_NONE,         0,                                     "",    1,   false, NULL, test_not},
	{"allof",      "RFC 5228, 5.2",    CAP_NONE, CAP_NONE,         0,                                     "",    '*', false, NULL, test_allof},
	{"anyof",      "RFC 5228, 5.3",    CAP_NONE, CAP_NONE,         0,                                     "",    '*', false, NULL, test_anyof},
	{"address",    "RFC 5228, 5.1",    CAP_NONE, CAP_NONE,         MATCH | PART | NTH | IN_PART,          "SS",  0,   false, NULL, test_address},
	{"header",     "RFC 5228, 5.7",    CAP_NONE, CAP_NONE,         MATCH | NTH | IN_PART | PIECE,         "SS",  0,   false, NULL, test_header},
	{"exists",     "RFC 5228, 5.5",    CAP_NONE, CAP_NONE,         IN_PART,                               "S",   0,   false, NULL, test_exists},
	{"size",       "RFC 5228, 5.9",    CAP_NONE, CAP_NONE,         TAG(OVER) | TAG(UNDER),                "",    0,   false, NULL, test_size},
	{"envelope",   "RFC 5228, 5.4",    CAP_ENVELOPE, CAP_NONE,     MATCH | PART,                          "SS",  0,   false, NULL, test_envelope},
	{"body",       "RFC 5173, 4",      CAP_BODY, CAP_NONE,         MATCH | TAG(RAW) | TAG(TEXT) | TAG(CONTENT), "S", 0, false, NULL, test_body},
	{"string",     "RFC 5229, 5",      CAP_VARIABLES, CAP_NONE,    MATCH,                                 "SS",  0,   false, NULL, test_string},
	{"hasflag",    "RFC 5232, 4",      CAP_IMAP4FLAGS, CAP_NONE,   MATCH,                                 "S?S", 0,   false, NULL, test_hasflag},
	{"date",       "RFC 5260, 4",      CAP_DATE, CAP_NONE,         MATCH | NTH | TAG(ZONE) | TAG(ORIGINALZONE), "ssS", 0, false, NULL, test_date},
	{"currentdate","RFC 5260, 5",      CAP_DATE, CAP_NONE,         MATCH | TAG(ZONE),                     "sS",  0,   false, NULL, test_currentdate},
	{"environment","RFC 5183, 4",      CAP_ENVIRONMENT, CAP_NONE,  MATCH,                                 "sS",  0,   false, NULL, test_environment},
	{"mailboxexists", "RFC 5490, 3.1", CAP_MAILBOX, CAP_NONE,      0,                                     "S",   0,   false, NULL, test_mailboxexists},
	{"ihave",      "RFC 5463, 4",      CAP_IHAVE, CAP_NONE,        0,                                     "S",   0,   false, NULL, test_ihave},
	{"duplicate",  "RFC 7352, 3",      CAP_DUPLICATE, CAP_NONE,    TAG(HANDLE) | TAG(HEADER) | TAG(UNIQUEID) | TAG(SECONDS) | TAG(LAST), "", 0, false, NULL, test_duplicate},
	{"filter",     "Pigeonhole's",     CAP_FILTER, CAP_NONE,       0,                                     "sS?", 0,   false, NULL, test_filter},
	{"execute",    "Pigeonhole's",     CAP_EXECUTE, CAP_NONE,      TAG(INPUT) | TAG(PIPE) | TAG(OUTPUT),  "sS?", 0,   false, NULL, test_execute},
	{"valid_notify_method", "RFC 5435, 4", CAP_ENOTIFY, CAP_NONE,  0,                                     "S",   0,   false, NULL, test_valid_notify_method},
	{"notify_method_capability", "RFC 5435, 5", CAP_ENOTIFY, CAP_NONE, MATCH,                             "ssS", 0,   false, NULL, test_notify_method_capability},
	{"spamtest",   "RFC 5235, 2.2",    CAP_SPAMTEST, CAP_SPAMTESTPLUS, MATCH | TAG(PERCENT),              "s",   0,   false, NULL, test_spamtest},
	{"virustest",  "RFC 5235, 2.3",    CAP_VIRUSTEST, CAP_NONE,    MATCH,                                 "s",   0,   false, NULL, test_virustest},
	{"specialuse_exists", "RFC 8579, 3", CAP_SPECIAL_USE, CAP_NONE, 0,                                    "s?S", 0,   false, NULL, test_specialuse_exists},
	{"mailboxidexists", "RFC 9042, 4", CAP_MAILBOXID, CAP_NONE,    0,                                     "S",   0,   false, NULL, test_mailboxidexists},
	{"metadata",   "RFC 5490, 4.1",    CAP_MBOXMETADATA, CAP_NONE, MATCH,                                 "ssS", 0,   false, NULL, test_metadata},
	{"metadataexists", "RFC 5490, 4.2", CAP_MBOXMETADATA, CAP_NONE, 0,                                    "sS",  0,   false, NULL, test_metadataexists},
	{"servermetadata", "RFC 5490, 5.1", CAP_SERVERMETADATA, CAP_NONE, MATCH,                              "sS",  0,   false, NULL, test_servermetadata},
	{"servermetadataexists", "RFC 5490, 5.2", CAP_SERVERMETADATA, CAP_NONE, 0,                            "S",   0,   false, NULL, test_servermetadataexists},
	{NULL, NULL, 0, 0, 0, NULL, 0, false, NULL, NULL},
};

const struct argument *
node_tag(const struct node *n, enum tag tag)
{
	for (size_t i = 0; i < n->n_values; i++)
		if (n->values[i].tag == tag)
			return n->values[i].value;
	return NULL;
}
