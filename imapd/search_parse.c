/* SPDX-License-Identifier: ISC */
/*
 * search_parse.c - search programs (RFC 3501, 6.4.4)
 */
#include "mail/charset.h"
#include "mail/date.h"
#include "search.h"
#include "search/fuzzy.h"
#include "search/message.h"
#include "store/filename.h"

enum { FILTERS_MOST = 100, FILTERS_DEEP = 10 };

struct parsing {
	struct arena          *arena;
	const struct argument *at;
	struct span            charset;
	struct search_needs   *needs;
	const struct search_filters *filters;
	bool                   fuzzy;        /* below FUZZY */
	unsigned               expanded;     /* filters so far: each may name others twice */
	unsigned               nested;       /* filters that this one is in */
	struct fault          *why;
};

enum takes { NOTHING, STRING, DATE, SIZE, WORD, OBJECT_ID, FIELD, SET, ONE_KEY, TWO_KEYS, UID_AFTER, UID_BEFORE, MODSEQ_VALUE, SECONDS };

static const struct key_row {
	const char      *name;
	enum search_kind kind;
	enum takes       takes;
	bool             negated;
	unsigned         flag;
	const char      *field;
} rows[] = {
	{"ALL", SEARCH_ALL, NOTHING, false, 0, NULL},
	{"ANSWERED", SEARCH_FLAG, NOTHING, false, MESSAGE_ANSWERED, NULL},
	{"BCC", SEARCH_HEADER, STRING, false, 0, "Bcc"},
	{"BEFORE", SEARCH_BEFORE, DATE, false, 0, NULL},
	{"BODY", SEARCH_BODY, STRING, false, 0, NULL},
	{"CC", SEARCH_HEADER, STRING, false, 0, "Cc"},
	{"DELETED", SEARCH_FLAG, NOTHING, false, MESSAGE_DELETED, NULL},
	{"DRAFT", SEARCH_FLAG, NOTHING, false, MESSAGE_DRAFT, NULL},
	{"EMAILID", SEARCH_EMAILID, OBJECT_ID, false, 0, NULL},
	{"FLAGGED", SEARCH_FLAG, NOTHING, false, MESSAGE_FLAGGED, NULL},
	{"FROM", SEARCH_HEADER, STRING, false, 0, "From"},
	{"HEADER", SEARCH_HEADER, FIELD, false, 0, NULL},
	{"KEYWORD", SEARCH_KEYWORD, WORD, false, 0, NULL},
	{"LARGER", SEARCH_LARGER, SIZE, false, 0, NULL},
	{"MODSEQ", SEARCH_MODSEQ, MODSEQ_VALUE, false, 0, NULL},
	{"NOT", SEARCH_NOT, ONE_KEY, false, 0, NULL},
	{"OLD", SEARCH_RECENT, NOTHING, true, 0, NULL},
	{"OLDER", SEARCH_OLDER, SECONDS, false, 0, NULL},
	{"ON", SEARCH_ON, DATE, false, 0, NULL},
	{"OR", SEARCH_OR, TWO_KEYS, false, 0, NULL},
	{"RECENT", SEARCH_RECENT, NOTHING, false, 0, NULL},
	{"SAVEDATESUPPORTED", SEARCH_SAVED_SUPPORTED, NOTHING, false, 0, NULL},
	{"SAVEDBEFORE", SEARCH_SAVED_BEFORE, DATE, false, 0, NULL},
	{"SAVEDON", SEARCH_SAVED_ON, DATE, false, 0, NULL},
	{"SAVEDSINCE", SEARCH_SAVED_SINCE, DATE, false, 0, NULL},
	{"SEEN", SEARCH_FLAG, NOTHING, false, MESSAGE_SEEN, NULL},
	{"SENTBEFORE", SEARCH_SENT_BEFORE, DATE, false, 0, NULL},
	{"SENTON", SEARCH_SENT_ON, DATE, false, 0, NULL},
	{"SENTSINCE", SEARCH_SENT_SINCE, DATE, false, 0, NULL},
	{"SINCE", SEARCH_SINCE, DATE, false, 0, NULL},
	{"SMALLER", SEARCH_SMALLER, SIZE, false, 0, NULL},
	{"SUBJECT", SEARCH_HEADER, STRING, false, 0, "Subject"},
	{"TEXT", SEARCH_TEXT, STRING, false, 0, NULL},
	{"THREADID", SEARCH_THREADID, OBJECT_ID, false, 0, NULL},
	{"TO", SEARCH_HEADER, STRING, false, 0, "To"},
	{"UID", SEARCH_UID, SET, false, 0, NULL},
	{"UIDAFTER", SEARCH_UID, UID_AFTER, false, 0, NULL},
	{"UIDBEFORE", SEARCH_UID, UID_BEFORE, false, 0, NULL},
	{"UNANSWERED", SEARCH_FLAG, NOTHING, true, MESSAGE_ANSWERED, NULL},
	{"UNDELETED", SEARCH_FLAG, NOTHING, true, MESSAGE_DELETED, NULL},
	{"UNDRAFT", SEARCH_FLAG, NOTHING, true, MESSAGE_DRAFT, NULL},
	{"UNFLAGGED", SEARCH_FLAG, NOTHING, true, MESSAGE_FLAGGED, NULL},
	{"UNKEYWORD", SEARCH_KEYWORD, WORD, true, 0, NULL},
	{"UNSEEN", SEARCH_FLAG, NOTHING, true, MESSAGE_SEEN, NULL},
	{"YOUNGER", SEARCH_YOUNGER, SECONDS, false, 0, NULL},
};

static struct search_key *
new_key(struct parsing *p, enum search_kind kind)
{
	struct search_key *k = arena_alloc(p->arena, sizeof *k);

	k->kind = kind;
	if (p->fuzzy || kind == SEARCH_OR)
		k->score = arena_alloc(p->arena, 1);
	return k;
}

static struct search_key *
negate(struct parsing *p, struct search_key *k)
{
	struct search_key *not = new_key(p, SEARCH_NOT);

	not->first = k;
	return not;
}

static int
take_string(struct parsing *p, struct span *out)
{
	autotext struct text utf8 = {0}, folded = {0};

	if (!argument_is_astring(p->at))
		return fault_set(p->why, FAULT_INPUT, "Missing a search string");
	charset_to_utf8(p->charset.len ? p->charset : SPAN("utf-8"), p->at->text, &utf8);
	search_string(text_span(&utf8), &folded);
	*out = arena_span(p->arena, text_span(&folded));
	p->at = p->at->next;
	return 0;
}

static int
take_word(struct parsing *p, struct span *out)
{
	if (!argument_is_astring(p->at) || p->at->text.len == 0)
		return fault_set(p->why, FAULT_INPUT, "Missing an argument of a search key");
	*out = p->at->text;
	p->at = p->at->next;
	return 0;
}

/* RFC 8474, 7 */
static bool
is_object_id(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alpha(s.at[i]) && !ascii_digit(s.at[i]) && s.at[i] != '_' && s.at[i] != '-')
			return false;
	return s.len <= 255;
}

static int
take_day(struct parsing *p, int64_t *day)
{
	struct span word;

	if (take_word(p, &word) < 0)
		return -1;
	return date_parse_imap_day(word, day) ? 0 : fault_set(p->why, FAULT_INPUT, "Invalid date");
}

static int
take_size(struct parsing *p, int64_t *size)
{
	struct span word;
	uint64_t    n;

	if (take_word(p, &word) < 0)
		return -1;
	if (!span_number(word, &n) || n > INT64_MAX)
		return fault_set(p->why, FAULT_INPUT, "Invalid size");
	*size = (int64_t)n;
	return 0;
}

/* MODSEQ ["/flags/\\Seen" all] n: we keep one number a message (RFC 7162, 3.1.5) */
static int
take_modseq(struct parsing *p, int64_t *n)
{
	p->needs->modseq = true;
	if (p->at && p->at->type == ARGUMENT_QUOTED) {
		p->at = p->at->next;
		if (!argument_is_atom(p->at, "all") && !argument_is_atom(p->at, "priv")
			&& !argument_is_atom(p->at, "shared"))
			return fault_set(p->why, FAULT_INPUT, "Invalid entry type");
		p->at = p->at->next;
	}
	return take_size(p, n);
}

static int
take_set(struct parsing *p, struct sequence *set)
{
	struct span word;

	if (take_word(p, &word) < 0)
		return -1;
	return sequence_parse(p->arena, word, set) ? 0
		: fault_set(p->why, FAULT_INPUT, "Invalid messageset");
}

/* RFC 9738, 3.2: all UIDs beyond, or below, that one. */
static int
take_open_set(struct parsing *p, bool after, struct sequence *set)
{
	int64_t uid;

	if (take_size(p, &uid) < 0)
		return -1;
	if (uid == 0 || uid > UINT32_MAX)
		return fault_set(p->why, FAULT_INPUT, "Invalid UID");
	*set = (struct sequence){.ranges = arena_alloc(p->arena, sizeof *set->ranges), .count = 1, .resolved = true};
	set->ranges[0] = after ? (struct sequence_range){(uint32_t)uid + 1, UINT32_MAX} : (struct sequence_range){1, (uint32_t)uid - 1};
	if (after ? uid == UINT32_MAX : uid == 1)
		set->count = 0;
	return 0;
}

static struct search_key *parse_key(struct parsing *, int depth);

static int
fill(struct parsing *p, const struct key_row *row, struct search_key *k, int depth)
{
	switch (row->takes) {
	case NOTHING:
		return 0;
	case STRING:
		return take_string(p, &k->text);
	case FIELD:
		return take_word(p, &k->field) < 0 ? -1 : take_string(p, &k->text);
	case WORD:
		return take_word(p, &k->text);
	case OBJECT_ID:
		return take_word(p, &k->text) < 0 ? -1 : is_object_id(k->text) ? 0 : fault_set(p->why, FAULT_INPUT, "Invalid object id");
	case DATE:
		return take_day(p, &k->number);
	case SIZE:
		return take_size(p, &k->number);
	case MODSEQ_VALUE:
		return take_modseq(p, &k->number);
	case SECONDS:
		if (take_size(p, &k->number) < 0)
			return -1;
		return k->number > 0 ? 0 : fault_set(p->why, FAULT_INPUT, "Invalid interval");
	case SET:
		if (argument_is_atom(p->at, "$")) {
			k->kind = SEARCH_SAVED_RESULT;
			p->at = p->at->next;
			return 0;
		}
		return take_set(p, &k->sequence);
	case UID_AFTER:
	case UID_BEFORE:
		return take_open_set(p, row->takes == UID_AFTER, &k->sequence);
	case TWO_KEYS:
		if (!(k->second = parse_key(p, depth + 1)))
			return -1;
		/* fall through */
	case ONE_KEY:
		return (k->first = parse_key(p, depth + 1)) ? 0 : -1;
	}
	return 0;
}

/* Without a word there is nothing that could be like another: such a string is looked for as it is. */
static void
make_fuzzy(struct parsing *p, struct search_key *k)
{
	if (!p->fuzzy)
		return;
	if (k->kind < SEARCH_HEADER || k->text.len == 0) { /* RFC 6203, 5: no other key is like another */
		*k->score = 100;
		return;
	}
	k->fuzzy = arena_alloc(p->arena, sizeof *k->fuzzy);
	if (fuzzy_parse(k->text, k->fuzzy))
		return;
	k->fuzzy = NULL;
	*k->score = 100;
}

/* A list, or the program itself: all must match. */
static struct search_key *
parse_all(struct parsing *p, int depth)
{
	struct search_key *all = new_key(p, SEARCH_AND), **last = &all->first;

	while (p->at) {
		struct search_key *k = parse_key(p, depth + 1);

		if (!k)
			return NULL;
		*last = k;
		last = &k->next;
	}
	return all;
}

static struct search_key *
parse_list(struct parsing *p, int depth)
{
	const struct argument *list = p->at;
	struct search_key     *k;

	if (list->count == 0) {
		fault_set(p->why, FAULT_INPUT, "Empty list");
		return NULL;
	}
	p->at = list->children;
	k = parse_all(p, depth);
	p->at = list->next;
	return k;
}

/* RFC 5466, 4: ATOM-CHARs without "/" */
static bool
is_filter_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] <= ' ' || (unsigned char)s.at[i] >= 0x7f || strchr("(){%*\"\\]/", s.at[i]))
			return false;
	return s.len > 0;
}

/* FILTER name (RFC 5466, 3.1): its program in place of it; filters may name filters, so deep. */
static struct search_key *
parse_filter(struct parsing *p, int depth)
{
	const struct argument *name = p->at->next, *program = NULL;
	struct span            charset = p->charset;
	struct search_key     *k;

	if (!argument_is_astring(name)) {
		fault_set(p->why, FAULT_INPUT, "Missing the name of a filter");
		return NULL;
	}
	if (!is_filter_name(name->text)) {
		fault_set(p->why, FAULT_INPUT, "That is no name of a filter");
		return NULL;
	}
	p->needs->filtered = true;
	if (p->expanded++ < FILTERS_MOST && p->nested < FILTERS_DEEP && p->filters)
		program = p->filters->find(p->filters->context, name->text);
	if (!program) { /* one in a loop, too: as if it did not exist */
		p->needs->no_filter = true;
		p->needs->filter = name->text;
		fault_set(p->why, FAULT_INPUT, "Undefined filter");
		return NULL;
	}
	p->at = program;
	p->charset = SPAN_NONE; /* UTF-8 (3.2) */
	p->nested++;
	k = parse_all(p, depth + 1);
	p->nested--;
	p->charset = charset;
	p->at = name->next;
	return k;
}

static struct search_key *
parse_fuzzy(struct parsing *p, int depth)
{
	bool               before = p->fuzzy;
	struct search_key *k;

	p->fuzzy = p->needs->fuzzy = true;
	p->at = p->at->next;
	k = parse_key(p, depth + 1);
	p->fuzzy = before;
	return k;
}

static struct search_key *
parse_key(struct parsing *p, int depth)
{
	struct search_key *k;

	if (depth > SEARCH_DEPTH) {
		fault_set(p->why, FAULT_INPUT, "Search is too deep");
		return NULL;
	}
	if (!p->at) {
		fault_set(p->why, FAULT_INPUT, "Missing a search key");
		return NULL;
	}
	if (p->at->type == ARGUMENT_LIST)
		return parse_list(p, depth);
	if (argument_is_atom(p->at, "FILTER"))
		return parse_filter(p, depth);
	if (argument_is_atom(p->at, "FUZZY"))
		return parse_fuzzy(p, depth);
	if (argument_is_atom(p->at, "NEW")) { /* RECENT UNSEEN */
		k = new_key(p, SEARCH_AND);
		k->first = new_key(p, SEARCH_RECENT);
		k->first->next = new_key(p, SEARCH_FLAG);
		k->first->next->flag = MESSAGE_SEEN;
		k->first->next = negate(p, k->first->next);
		p->at = p->at->next;
		return k;
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!argument_is_atom(p->at, rows[i].name))
			continue;
		k = new_key(p, rows[i].kind);
		k->flag = rows[i].flag;
		k->field = rows[i].field ? span_of(rows[i].field) : SPAN_NONE;
		p->at = p->at->next;
		if (fill(p, &rows[i], k, depth) < 0)
			return NULL;
		if (rows[i].takes != ONE_KEY && rows[i].takes != TWO_KEYS)
			make_fuzzy(p, k);
		return rows[i].negated ? negate(p, k) : k;
	}
	if (argument_is_atom(p->at, "$")) {
		p->at = p->at->next;
		return new_key(p, SEARCH_SAVED_RESULT);
	}
	k = new_key(p, SEARCH_SEQUENCE);
	p->needs->numbers = true;
	if (p->at->type != ARGUMENT_ATOM || !sequence_parse(p->arena, p->at->text, &k->sequence)) {
		fault_set(p->why, FAULT_INPUT, "Unknown argument %.*s", SPAN_ARGS(span_first(p->at->text, 40)));
		return NULL;
	}
	p->at = p->at->next;
	return k;
}

static bool
is_charset(struct span charset)
{
	autotext struct text ignored = {0};

	return charset.len == 0 || span_is_nocase(charset, "US-ASCII")
		|| charset_to_utf8(charset, SPAN("a\xe4"), &ignored);
}

int
search_parse_with(struct arena *arena, struct span charset, const struct argument *a,
	const struct search_filters *filters, struct search_key **out, struct search_needs *needs, struct fault *why)
{
	struct parsing     p = {.arena = arena, .at = a, .charset = charset, .needs = needs, .filters = filters, .why = why};
	struct search_key *k;

	*needs = (struct search_needs){.charset_bad = !is_charset(charset)};
	if (needs->charset_bad)
		return fault_set(why, FAULT_INPUT, "Unknown charset");
	if (!p.at)
		return fault_set(why, FAULT_INPUT, "Missing a search key");
	k = parse_all(&p, 0);
	if (!k)
		return -1;
	needs->filter_charset = needs->filtered && charset.len && !span_is_nocase(charset, "UTF-8") && !span_is_nocase(charset, "US-ASCII");
	if (needs->filter_charset)
		return fault_set(why, FAULT_INPUT, "Filters are in UTF-8");
	*out = k;
	return 0;
}

int
search_parse(struct arena *arena, const struct argument *a, const struct search_filters *filters,
	struct search_key **out, struct search_needs *needs, struct fault *why)
{
	*needs = (struct search_needs){0};
	if (!argument_is_atom(a, "CHARSET"))
		return search_parse_with(arena, SPAN_NONE, a, filters, out, needs, why);
	if (!argument_is_astring(a->next))
		return fault_set(why, FAULT_INPUT, "Missing charset");
	return search_parse_with(arena, a->next->text, a->next->next, filters, out, needs, why);
}

unsigned
search_key_zones(const struct search_key *k)
{
	return k->kind == SEARCH_BODY ? ZONE_BODY : k->kind == SEARCH_TEXT ? ZONE_TEXT : search_zone_of(k->field);
}

bool
search_key_reads(const struct search_key *k)
{
	return k->kind >= SEARCH_SENT_BEFORE
		|| (k->kind >= SEARCH_NOT && k->kind <= SEARCH_AND && (search_reads(k->first) || search_reads(k->second)));
}

bool
search_reads(const struct search_key *k)
{
	while (k && !search_key_reads(k))
		k = k->next;
	return k;
}
