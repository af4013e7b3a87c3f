/* SPDX-License-Identifier: ISC */
/*
 * search_match.c - does a message match? (RFC 3501, 6.4.4)
 *
 * Strings match in what search/message.h makes of a message: decoded, and folded.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "content.h"
#include "imap_config.h"
#include "mail/date.h"
#include "mail/header.h"
#include "preview.h"
#include "search/fuzzy.h"
#include "search/message.h"
#include "search/segment.h"
#include "search_index.h"
#include "search_run.h"
#include "store/history.h"

enum { OR_FIRST = 1, OR_SECOND = 2 };

struct matching {
	struct imap_session       *session;
	struct folder             *folder;
	const struct message *view;
	const struct message      *message;
	size_t                     position;
	int64_t                    now;
	struct content             content;
	bool                       failed;     /* the message could not be read */
	bool                       scored;     /* how well it matches is asked, too */
	bool                       read;       /* it was, for a string that is in it or not */
};

static bool
load_header(struct matching *m, bool fields, struct span *header)
{
	if ((fields ? content_fields : content_header)(&m->content, header, &m->session->why) == 0)
		return true;
	m->failed = true;
	return false;
}

static bool
sent_day(struct matching *m, int64_t *day)
{
	struct content_date sent;

	if (content_sent(&m->content, &sent, &m->session->why) < 0)
		m->failed = true;
	else if (sent.has)
		*day = sent.day;
	return !m->failed && sent.has;
}

static bool
internal_day(struct matching *m, int64_t *day)
{
	int64_t date;

	if (content_date(&m->content, &date, &m->session->why) < 0) {
		m->failed = true;
		return false;
	}
	*day = date_day(date_local(date));
	return true;
}

static bool
saved_day(struct matching *m, int64_t *day)
{
	int64_t saved;

	if (!history_saved(m->folder, m->view->uid, &saved))
		return false;
	*day = date_day(date_local(saved));
	return true;
}

/* RFC 5032: of the internal date, in seconds. */
static bool
is_older(struct matching *m, int64_t seconds, bool *older)
{
	int64_t date;

	if (content_date(&m->content, &date, &m->session->why) < 0) {
		m->failed = true;
		return false;
	}
	*older = m->now - date >= seconds;
	return true;
}

static bool
has_email_id(struct matching *m, struct span id)
{
	char mine[33];

	if (!(m->message = folder_find(m->folder, m->view->uid)))
		return false;
	object_id_of(folder_guid(m->folder, m->message), mine);
	return span_is(id, mine);
}

static bool
is_saved(const struct imap_session *s, uint32_t uid)
{
	return s->saved_count && bsearch(&uid, s->saved, s->saved_count, sizeof uid, sequence_compare);
}

static bool
date_matches(enum search_kind kind, int64_t day, int64_t wanted)
{
	switch (kind) {
	case SEARCH_BEFORE:
	case SEARCH_SENT_BEFORE:
	case SEARCH_SAVED_BEFORE:
		return day < wanted;
	case SEARCH_ON:
	case SEARCH_SENT_ON:
	case SEARCH_SAVED_ON:
		return day == wanted;
	default:
		return day >= wanted;
	}
}

static bool
full_size(struct matching *m, uint64_t *size)
{
	if (content_full_size(&m->content, size, &m->session->why) == 0)
		return true;
	m->failed = true;
	return false;
}

static bool
keyword_matches(struct matching *m, struct span name)
{
	int n = keywords_find(&m->folder->keywords, name);

	return n >= 0 && m->view->keywords & (uint64_t)1 << n;
}

static bool matches(struct matching *, const struct search_key *);

/* What the index knows of a string in this message. */
static enum search_verdict
verdict(const struct matching *m, const struct search_key *k)
{
	return k->known ? k->known[m->position] : SEARCH_LOOK;
}

/* Cheap keys first, those that read the message after. */
static bool
all_match(struct matching *m, const struct search_key *first)
{
	for (int reads = 0; reads < 2; reads++)
		for (const struct search_key *k = first; k; k = k->next)
			if ((search_key_reads(k) && verdict(m, k) == SEARCH_LOOK) == (reads == 1) && !matches(m, k))
				return false;
	return true;
}

/* One string that is looked for in pieces of a message (search/message.h). */
struct looking {
	const struct search_key *key;
	unsigned                 zones;
	bool                     found;
	unsigned char            levels[FUZZY_WORDS_MOST];
};

static bool
look_at(void *context, const struct search_piece *p)
{
	struct looking *l = context;
	struct span     text = p->text;

	if (!(p->zone & l->zones))
		return true;
	if (l->key->kind == SEARCH_HEADER) {
		if (!span_equal_nocase(p->name, l->key->field))
			return true;
		text = span_from(text, p->value);
	}
	l->found = span_find_text(text, l->key->text) >= 0;
	return !l->found;
}

static void
look_into_body(struct matching *m, const struct search_visitor *v, const struct looking *l)
{
	struct mime *mime;

	if (content_mime(&m->content, &mime, &m->session->why) < 0)
		m->failed = true;
	else
		search_body(mime, l->zones & (ZONE_BODY | ZONE_MIME), v);
}

/* FUZZY: how well, not only whether; the name of a field is the header's (search_builder_piece). */
static bool
look_like(void *context, const struct search_piece *p)
{
	struct looking *l = context;
	unsigned        name_zone = p->zone & ZONE_FIELDS ? ZONE_HEADER : p->zone;

	if (!(p->zone & l->zones) || (l->key->kind == SEARCH_HEADER && !span_equal_nocase(p->name, l->key->field)))
		return true;
	if (l->key->kind != SEARCH_HEADER)
		fuzzy_look(l->key->fuzzy, span_first(p->text, p->value), fuzzy_weight(name_zone, l->zones), l->levels);
	fuzzy_look(l->key->fuzzy, span_from(p->text, p->value), fuzzy_weight(p->zone, l->zones), l->levels);
	return true;
}

static bool
text_matches(struct matching *m, const struct search_key *k)
{
	struct looking        l = {.key = k, .zones = search_key_zones(k)};
	struct search_visitor v = {.visit = k->fuzzy ? look_like : look_at, .context = &l};
	struct span           header;
	bool                  fields = k->kind == SEARCH_HEADER && k->field.len && !header_is_skimmed_off(k->field);

	if (k->fuzzy)
		*k->score = k->known ? k->known_scores[m->position] : 0;
	if (verdict(m, k) != SEARCH_LOOK)
		return verdict(m, k) == SEARCH_YES;
	if (k->text.len == 0 && k->kind != SEARCH_HEADER)
		return true;
	m->read = true;
	if (k->kind == SEARCH_HEADER)
		v.field = k->field;
	if (l.zones & ZONE_FIELDS && load_header(m, fields, &header))
		search_header(header, &v);
	if (!l.found && l.zones & (ZONE_BODY | ZONE_MIME) && !m->failed)
		look_into_body(m, &v, &l);
	if (!k->fuzzy)
		return l.found;
	*k->score = (unsigned char)fuzzy_score(k->fuzzy, l.levels);
	return *k->score > 0;
}

/* Which of an OR's keys do is kept where scores are wanted. */
static bool
one_matches(struct matching *m, const struct search_key *k)
{
	*k->score = matches(m, k->first) ? OR_FIRST : 0;
	if ((!*k->score || m->scored) && matches(m, k->second))
		*k->score |= OR_SECOND;
	return *k->score;
}

static bool
matches(struct matching *m, const struct search_key *k)
{
	int64_t  day;
	uint64_t size;
	bool     older;

	switch (k->kind) {
	case SEARCH_ALL:
		return true;
	case SEARCH_NOT:
		return !matches(m, k->first);
	case SEARCH_OR:
		return one_matches(m, k);
	case SEARCH_AND:
		return all_match(m, k->first);
	case SEARCH_FLAG:
		return m->view->flags & k->flag;
	case SEARCH_RECENT:
		return m->view->recent;
	case SEARCH_KEYWORD:
		return keyword_matches(m, k->text);
	case SEARCH_SEQUENCE:
		return sequence_has(&k->sequence, (uint32_t)m->position + 1);
	case SEARCH_UID:
		return sequence_has(&k->sequence, m->view->uid);
	case SEARCH_MODSEQ:
		return m->view->modseq >= (uint64_t)k->number;
	case SEARCH_EMAILID:
		return has_email_id(m, k->text);
	case SEARCH_THREADID:
		return false;
	case SEARCH_SAVED_RESULT:
		return is_saved(m->session, m->view->uid);
	case SEARCH_SAVED_SUPPORTED:
		return true;
	case SEARCH_SAVED_BEFORE:
	case SEARCH_SAVED_ON:
	case SEARCH_SAVED_SINCE:
		return saved_day(m, &day) && date_matches(k->kind, day, k->number);
	case SEARCH_OLDER:
		return is_older(m, k->number, &older) && older;
	case SEARCH_YOUNGER:
		return is_older(m, k->number, &older) && !older;
	case SEARCH_LARGER:
		return full_size(m, &size) && size > (uint64_t)k->number;
	case SEARCH_SMALLER:
		return full_size(m, &size) && size < (uint64_t)k->number;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return internal_day(m, &day) && date_matches(k->kind, day, k->number);
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
		return sent_day(m, &day) && date_matches(k->kind, day, k->number);
	case SEARCH_HEADER:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return text_matches(m, k);
	}
	return false;
}

static void add_scores(const struct search_key *, unsigned *sum, unsigned *count);

/* Of an OR whose both keys matched. */
static void
add_better(const struct search_key *k, unsigned *sum, unsigned *count)
{
	unsigned sums[2] = {0}, counts[2] = {0}, better;

	if (*k->score & OR_FIRST)
		add_scores(k->first, &sums[0], &counts[0]);
	if (*k->score & OR_SECOND)
		add_scores(k->second, &sums[1], &counts[1]);
	better = !counts[0] || (counts[1] && sums[1] * counts[0] > sums[0] * counts[1]);
	*sum += sums[better];
	*count += counts[better];
}

/* What the keys below FUZZY gave; keys that are denied gave nothing. */
static void
add_scores(const struct search_key *k, unsigned *sum, unsigned *count)
{
	for (; k; k = k->next) {
		if (k->kind == SEARCH_AND)
			add_scores(k->first, sum, count);
		else if (k->kind == SEARCH_OR)
			add_better(k, sum, count);
		else if (k->kind != SEARCH_NOT && k->score) {
			*sum += *k->score;
			++*count;
		}
	}
}

static unsigned char
score_of(const struct search_key *program)
{
	unsigned sum = 0, count = 0;

	add_scores(program, &sum, &count);
	return (unsigned char)(count ? sum / count : 100);
}

void
search_resolve(struct search_key *k, const struct view *v)
{
	for (; k; k = k->next) {
		struct sequence *set = &k->sequence;

		if (k->kind == SEARCH_UID && v->count)
			sequence_resolve(set, v->at[v->count - 1].uid);
		if (k->kind == SEARCH_SEQUENCE && v->count)
			sequence_resolve(set, (uint32_t)v->count);
		search_resolve(k->first, v);
		search_resolve(k->second, v);
	}
}

/* Is all that it asks in the view? */
static bool
asks_view_alone(const struct search_key *k)
{
	for (; k; k = k->next)
		switch (k->kind) {
		case SEARCH_ALL: case SEARCH_FLAG: case SEARCH_RECENT: case SEARCH_KEYWORD:
		case SEARCH_SEQUENCE: case SEARCH_UID: case SEARCH_MODSEQ: case SEARCH_SAVED_RESULT:
			break;
		case SEARCH_NOT: case SEARCH_OR: case SEARCH_AND:
			if (!asks_view_alone(k->first) || !asks_view_alone(k->second))
				return false;
			break;
		default:
			return false;
		}
	return true;
}

/* Which of those that were looked at are found, a bit each: to touch more memory for every message would cost more than to look at it. */
struct found { unsigned char *bits; size_t count; };

static void
add_found(struct found *f, size_t done)
{
	f->bits[done / 8] |= (unsigned char)(1 << done % 8);
	f->count++;
}

static size_t *
list_found(struct arena *arena, const struct found *f, const size_t *among, size_t among_count)
{
	size_t *list = arena_alloc(arena, (f->count + 1) * sizeof *list), n = 0;

	for (size_t done = 0; done < among_count && n < f->count; done++)
		if (!f->bits[done / 8])
			done |= 7;
		else if (f->bits[done / 8] >> done % 8 & 1)
			list[n++] = among ? among[done] : done;
	return list;
}

void
search_run_among(struct imap_session *s, struct folder *f, const struct view *v, struct search_key *program,
	const size_t *among, size_t among_count, size_t **positions, size_t *count)
{
	struct arena       *arena = arena_new();
	struct index_batch *batch = index_begin(s->index, f);
	struct matching     m = {.session = s, .folder = f, .now = time(NULL), .scored = program->scores != NULL};
	bool                reads = !asks_view_alone(program);
	autofree unsigned char *bits = mem_alloc(among_count / 8 + 1);
	struct found        found = {.bits = bits};
	struct progress     progress;
	size_t              read = 0;

	search_index_ask(s, f, v, among_count, program);
	progress_start(&progress, s);
	for (size_t done = 0; done < among_count && !s->over; done++) {
		size_t i = among ? among[done] : done;

		m.view = &v->at[i];
		m.position = i;
		m.message = folder_find(f, m.view->uid);
		m.failed = m.read = false;
		if (!m.message)
			continue;
		if (reads) {
			content_start(&m.content, s, m.view->uid, arena);
			m.content.folder = f;
			m.content.batch = batch;
		}
		if (matches(&m, program) && !m.failed) {
			add_found(&found, done);
			if (program->scores)
				program->scores[i] = score_of(program);
		}
		if (reads)
			content_end(&m.content);
		read += m.read;
		if (done % 100 == 0)
			progress_tell(&progress, done, among_count);
	}
	*positions = list_found(s->arena, &found, among, among_count);
	*count = found.count;
	if (f == s->folder)
		search_index_wants(s, read);
	index_end(batch);
	arena_free(arena);
	fault_clear(&s->why);
}

void
search_run(struct imap_session *s, struct folder *f, const struct view *v, struct search_key *program,
	size_t **positions, size_t *count)
{
	search_run_among(s, f, v, program, NULL, v->count, positions, count);
}

void
search_candidates(struct imap_session *s, const struct view *v, const struct search_key *program, size_t **positions, size_t *count)
{
	bool   sets = false;
	size_t n = 0;

	for (const struct search_key *k = program->kind == SEARCH_AND ? program->first : program; k; k = k->next)
		sets |= k->kind == SEARCH_UID || k->kind == SEARCH_SEQUENCE;
	*positions = NULL;
	*count = v->count;
	if (!sets && !imap_config.message_limit)
		return;
	*positions = arena_alloc(s->arena, (v->count + 1) * sizeof **positions);
	for (size_t i = 0; i < v->count; i++) {
		bool in = true;

		for (const struct search_key *k = program->kind == SEARCH_AND ? program->first : program; k && in; k = k->next) {
			if (k->kind == SEARCH_UID)
				in = sequence_has(&k->sequence, v->at[i].uid);
			else if (k->kind == SEARCH_SEQUENCE)
				in = sequence_has(&k->sequence, (uint32_t)i + 1);
		}
		if (in)
			(*positions)[n++] = i;
	}
	*count = n;
}

bool
search_may_sort(struct imap_session *s, const struct search_key *program)
{
	size_t *positions, count;

	if (!imap_config.message_limit)
		return true;
	search_candidates(s, &s->view, program, &positions, &count);
	if (count <= (size_t)imap_config.message_limit)
		return true;
	imap_finish(s, "NO [MESSAGELIMIT %d] Too many messages to be sorted.", imap_config.message_limit);
	return false;
}
