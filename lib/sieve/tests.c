/* SPDX-License-Identifier: ISC */
/*
 * tests.c - what a script may ask of a message and its envelope
 */
#include "sieve/sieve_private.h"
#include "mail/address.h"
#include "mail/html.h"

enum { BODY_MAX = 16 << 20 };

/*
 * The fields that a test names, or the one that :index says (RFC 5260, 6.1: counted from
 * 1 over the fields of each name, from the end with :last).
 */
static int
visit_fields(struct matching *m, const struct strings *names, visit_field *visit)
{
	struct run            *r = m->run;
	const struct argument *index = node_tag(m->node, TAG_INDEX);
	bool                   last = m->node->tags & TAG(LAST);

	if (m->node->tags & TAG(MIME))
		return parts_visit(m, names, visit);
	script_fields(r);
	for (size_t k = 0; k < names->count; k++) {
		struct span name = span_trim(word_expand(r, names->at[k]));
		uint64_t    seen = 0;

		for (size_t i = 0; i < r->n_fields; i++) {
			const struct head_field *f = &r->fields[last ? r->n_fields - 1 - i : i];

			if (!field_is(f, name))
				continue;
			if (index && ++seen != index->number)
				continue;
			if (visit(m, f) < 0)
				return -1;
			if (m->found)
				return 0;
		}
		if (script_cost(r, m->node, r->n_fields * 4) < 0)
			return -1;
	}
	return 0;
}

static int
header_value(struct matching *m, const struct head_field *f)
{
	if (m->node->tags & (TAG(TYPE) | TAG(SUBTYPE) | TAG(CONTENTTYPE) | TAG(PARAM)))
		return parts_value(m, f);
	return matching_value(m, script_decoded(m->run, f->value));
}

int
test_header(struct run *r, const struct node *n, bool *answer)
{
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	return visit_fields(&m, &n->at[0]->strings, header_value) < 0 ? -1 : matching_end(&m, answer);
}

int
test_exists(struct run *r, const struct node *n, bool *answer)
{
	if (n->tags & TAG(MIME))
		return parts_have(r, n, &n->at[0]->strings, answer);
	script_fields(r);
	*answer = true;
	for (size_t k = 0; k < n->at[0]->strings.count && *answer; k++) {
		struct span name = word_expand(r, n->at[0]->strings.at[k]);
		bool        found = false;

		for (size_t i = 0; i < r->n_fields && !found; i++)
			found = field_is(&r->fields[i], name);
		*answer = found;
		if (script_cost(r, n, r->n_fields * 4) < 0)
			return -1;
	}
	return 0;
}

/* Addresses: all of it, or a part (RFC 5228, 2.7.4; RFC 5233, 4). */

static int
match_address(struct matching *m, struct span address)
{
	struct span local, domain, user, detail;
	uint64_t    tags = m->node->tags;

	address_split(address, &local, &domain);
	if (tags & TAG(DOMAIN))
		return matching_value(m, domain);
	if (tags & TAG(LOCALPART))
		return matching_value(m, local);
	if (tags & (TAG(USER) | TAG(DETAIL))) {
		ptrdiff_t at = span_find_any(local, m->run->host->delimiters.len ?
			arena_string(m->run->arena, m->run->host->delimiters) : "+");

		user = at < 0 ? local : span_first(local, (size_t)at);
		if (tags & TAG(USER))
			return matching_value(m, user);
		/* without a separator there is no detail: nothing matches (RFC 5233, 4) */
		if (at < 0)
			return 0;
		detail = span_from(local, (size_t)at + 1);
		return matching_value(m, detail);
	}
	return matching_value(m, address);
}

static int
address_value(struct matching *m, const struct head_field *f)
{
	struct address_list list;
	struct span         plain = header_unfolded(m->run->arena, f->value);

	if (script_cost(m->run, m->node, plain.len * 4) < 0)
		return -1;
	address_list_parse(m->run->arena, plain, ADDRESS_LIST_LIMIT, &list);
	for (size_t i = 0; i < list.count && !m->found; i++) {
		if (list.at[i].kind != MAILBOX)
			continue;
		if (match_address(m, mailbox_address(m->run->arena, &list.at[i])) < 0)
			return -1;
	}
	return 0;
}

int
test_address(struct run *r, const struct node *n, bool *answer)
{
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	return visit_fields(&m, &n->at[0]->strings, address_value) < 0 ? -1 : matching_end(&m, answer);
}

int
test_envelope(struct run *r, const struct node *n, bool *answer)
{
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	for (size_t i = 0; i < n->at[0]->strings.count && !m.found; i++) {
		struct span part = word_expand(r, n->at[0]->strings.at[i]);
		int         got = 0;

		if (span_is_nocase(part, "from"))
			got = match_address(&m, r->host->sender);       /* null: "" in every part */
		else if (span_is_nocase(part, "to"))
			got = match_address(&m, r->host->original.len ? r->host->original : r->host->recipient);
		else if (span_is_nocase(part, "auth") && r->host->auth.len)
			got = match_address(&m, r->host->auth);
		if (got < 0)
			return -1;
	}
	return matching_end(&m, answer);
}

/* Body (RFC 5173). */

static bool
part_is_wanted(const struct mime_part *p, struct span type)
{
	ptrdiff_t slash = span_find(type, '/');

	if (type.len == 0)                     /* "" is all (4.3) */
		return true;
	if (slash < 0)
		return span_equal_nocase(p->type, type);
	if (slash == 0 || (size_t)slash + 1 == type.len)    /* malformed: matches nothing */
		return false;
	return span_equal_nocase(p->type, span_first(type, (size_t)slash)) &&
		span_equal_nocase(p->subtype, span_from(type, (size_t)slash + 1));
}

static int
match_part(struct matching *m, const struct mime *mime, const struct mime_part *p)
{
	autotext struct text out = {0};

	if (p->is_multipart) {
		/* 5.2: only what stands before and behind its parts */
		const struct mime_part *last = p->children;

		while (last && last->next)
			last = last->next;
		if (matching_value(m, span_cut(mime->message, p->body, last ? p->children->start : p->end)) < 0)
			return -1;
		return last && !m->found ? matching_value(m, span_cut(mime->message, last->end, p->end)) : 0;
	}
	if (p->is_message && p->children)      /* the header of the message inside */
		return matching_value(m, span_cut(mime->message, p->children->start, p->children->body));
	if (!script_decode_part(m->run, m->node, mime, p, &out))
		return -1;
	/* :text is what a reader would see (5.3) */
	if (!(m->node->tags & TAG(CONTENT)) && span_is_nocase(p->subtype, "html")) {
		autotext struct text words = {0};

		html_text(text_span(&out), &words);
		text_set(&out, text_span(&words));
	}
	return matching_value(m, arena_span(m->run->arena, span_first(text_span(&out), BODY_MAX)));
}

int
test_body(struct run *r, const struct node *n, bool *answer)
{
	const struct argument *content = node_tag(n, TAG_CONTENT);
	const struct strings   text = {(struct span[]){SPAN("text")}, 1, true};
	const struct strings  *types = content ? &content->strings : &text;
	struct matching        m;
	struct mime           *mime;

	matching_start(&m, r, n, &n->at[0]->strings);
	if (n->tags & TAG(RAW)) {
		return matching_value(&m, script_body(r)) < 0 ? -1 : matching_end(&m, answer);
	}
	if (!(mime = script_mime(r, n)))
		return -1;
	for (struct mime_part *p = mime->root; p && !m.found; p = mime_next(p))
		for (size_t i = 0; i < types->count; i++)
			if (part_is_wanted(p, content ? word_expand(r, types->at[i]) : types->at[i])) {
				if (match_part(&m, mime, p) < 0)
					return -1;
				break;
			}
	return matching_end(&m, answer);
}

/* The rest. */

int
test_true(struct run *r, const struct node *n, bool *answer)
{
	(void)r;
	(void)n;
	*answer = true;
	return 0;
}

int
test_false(struct run *r, const struct node *n, bool *answer)
{
	(void)r;
	(void)n;
	*answer = false;
	return 0;
}

int
test_not(struct run *r, const struct node *n, bool *answer)
{
	if (script_test(r, n->tests, answer) < 0)
		return -1;
	*answer = !*answer;
	return 0;
}

static int
test_list(struct run *r, const struct node *n, bool until, bool *answer)
{
	*answer = !until;
	for (const struct node *t = n->tests; t && *answer != until; t = t->next)
		if (script_test(r, t, answer) < 0)
			return -1;
	return 0;
}

int
test_allof(struct run *r, const struct node *n, bool *answer)
{
	return test_list(r, n, false, answer);
}

int
test_anyof(struct run *r, const struct node *n, bool *answer)
{
	return test_list(r, n, true, answer);
}

/* In octets as it travels: every line end counts two (RFC 5228, 5.9). */
static uint64_t
size_of(struct span piece)
{
	uint64_t    size = piece.len;
	const char *at = piece.at, *end = piece.at + piece.len;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		size += at == piece.at || at[-1] != '\r';
		at++;
	}
	return size;
}

int
test_size(struct run *r, const struct node *n, bool *answer)
{
	const struct argument      *over = node_tag(n, TAG_OVER), *under = node_tag(n, TAG_UNDER);
	const struct sieve_message *edited = script_message(r);
	uint64_t                    size = edited ? 2 + size_of(edited->body) : size_of(r->message);

	for (size_t i = 0; edited && i < edited->n_fields; i++)
		size += size_of(edited->fields[i]);
	*answer = over ? size > over->number : size < under->number;
	return script_cost(r, n, r->message.len / 16);
}

int
test_string(struct run *r, const struct node *n, bool *answer)
{
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		struct span value = word_expand(r, n->at[0]->strings.at[i]);

		/* :count counts strings that are not empty (RFC 5229, 5) */
		if ((n->tags & TAG(COUNT)) && value.len == 0)
			continue;
		if (matching_value(&m, value) < 0)
			return -1;
		if (m.found)
			break;
	}
	return matching_end(&m, answer);
}

int
test_hasflag(struct run *r, const struct node *n, bool *answer)
{
	struct matching m;
	struct span     flags = r->flags, word;
	autotext struct text all = {0};

	if (n->at[0]) {
		for (size_t i = 0; i < n->at[0]->strings.count; i++)
			flags_add(&all, word_get(r, word_expand(r, n->at[0]->strings.at[i])));
		flags = arena_span(r->arena, text_span(&all));
	}
	matching_start(&m, r, n, &n->at[1]->strings);
	while (!m.found && span_next(&flags, " ", &word))
		if (matching_value(&m, word) < 0)
			return -1;
	return matching_end(&m, answer);
}

bool
environment_item(const struct run *r, struct span name, struct span *value)
{
	static const struct sieve_imap_event no_event = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE};
	const struct sieve_imap_event       *e = r->host->imap ? r->host->imap : &no_event;
	const int                            any = CAP_NONE, dovecot = CAP_DOVECOT_ENVIRONMENT, imap = CAP_IMAPSIEVE;
	const struct { const char *name; struct span value; int needs; } items[] = {
		{"domain", span_of(r->host->domain ? r->host->domain : ""), any},
		{"host", span_of(r->host->host_name ? r->host->host_name : ""), any},
		{"location", r->host->imap ? SPAN("MS") : SPAN("MDA"), any}, {"name", SPAN("Postern"), any}, {"phase", SPAN("post"), any},
		{"version", SPAN(POSTERN_VERSION), any},
		{"vnd.dovecot.default-mailbox", r->host->imap ? e->mailbox : SPAN("INBOX"), dovecot},
		{"vnd.dovecot.default_mailbox", r->host->imap ? e->mailbox : SPAN("INBOX"), dovecot},
		{"vnd.dovecot.username", r->host->user, dovecot},
		{"imap.user", r->host->imap ? r->host->user : SPAN_NONE, imap},
		{"imap.email", r->host->imap ? r->host->user_email.len ? r->host->user_email : r->host->user : SPAN_NONE, imap},
		{"imap.cause", e->cause, imap}, {"imap.mailbox", e->mailbox, imap}, {"imap.changedflags", e->changed_flags, imap},
		{"vnd.dovecot.mailbox-from", e->from, CAP_DOVECOT_IMAPSIEVE}, {"vnd.dovecot.mailbox-to", e->mailbox, CAP_DOVECOT_IMAPSIEVE},
	};

	for (size_t i = 0; i < COUNT(items); i++)
		if (span_is_nocase(name, items[i].name) && items[i].value.len &&
		    (items[i].needs == CAP_NONE || r->script->capabilities >> items[i].needs & 1)) {
			*value = items[i].value;
			return true;
		}
	return false;
}

int
test_environment(struct run *r, const struct node *n, bool *answer)
{
	struct span     value;
	struct matching m;

	matching_start(&m, r, n, &n->at[1]->strings);
	if (environment_item(r, word_first(r, n->at[0]), &value) && matching_value(&m, value) < 0)
		return -1;
	return matching_end(&m, answer);
}

int
test_ihave(struct run *r, const struct node *n, bool *answer)
{
	*answer = true;
	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		int capability = capability_find(n->at[0]->strings.at[i]);

		*answer = *answer && capability != CAP_NONE && (r->script->allowed >> capability & 1);
	}
	return 0;
}

/* RFC 7352: an id that was there before, by Message-ID, another field, or what is given. */
int
test_duplicate(struct run *r, const struct node *n, bool *answer)
{
	const struct argument *header = node_tag(n, TAG_HEADER), *unique = node_tag(n, TAG_UNIQUEID);
	const struct argument *handle = node_tag(n, TAG_HANDLE), *seconds = node_tag(n, TAG_SECONDS);
	struct span            name = header ? word_first(r, header) : SPAN("Message-ID"), id = SPAN_NONE, key, given;
	int64_t                time = r->limits->duplicate_default;
	bool                   last = n->tags & TAG(LAST);

	*answer = false;
	script_fields(r);
	if (unique)
		id = word_first(r, unique);
	for (size_t i = 0; !unique && i < r->n_fields && id.len == 0; i++)
		if (field_is(&r->fields[i], name))
			id = script_decoded(r, r->fields[i].value);
	if (id.len == 0)                       /* 3: never a duplicate */
		return 0;
	if (seconds)
		time = seconds->number < (uint64_t)r->limits->duplicate_most ? (int64_t)seconds->number : r->limits->duplicate_most;
	given = handle ? span_first(word_first(r, handle), 200) : SPAN_NONE;
	key = span_of(arena_format(r->arena, "duplicate %.*s %s %.*s", SPAN_ARGS(given), unique ? "id" : "header",
		SPAN_ARGS(span_first(id, 2000))));
	*answer = r->host->is_known && r->host->is_known(r->host->context, key);
	if (*answer && !last)
		return 0;
	if (r->result->n_marks >= r->limits->actions)
		return script_error(r, n, "too many duplicate tests");
	struct sieve_mark *more = arena_alloc(r->arena, (r->result->n_marks + 1) * sizeof *more);

	if (r->result->n_marks)
		memcpy(more, r->result->marks, r->result->n_marks * sizeof *more);
	more[r->result->n_marks++] = (struct sieve_mark){key, time};
	r->result->marks = more;
	return 0;
}
