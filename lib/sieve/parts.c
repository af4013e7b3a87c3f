/* SPDX-License-Identifier: ISC */
/*
 * parts.c - foreverypart, extracttext, and tests of a part's own header: :mime, :anychild, :type, :param (RFC 5703)
 *
 * A loop in a loop goes through the parts inside of the one that is looked at.  Outside of
 * loops the part is the message.
 */
#include "sieve/sieve_private.h"
#include "mail/html.h"

static bool
is_beneath(const struct mime_part *p, const struct mime_part *top)
{
	while (p && p != top)
		p = p->parent;
	return p;
}

int
do_foreverypart(struct run *r, const struct node *n)
{
	const struct mime      *mime = r->loop_mime, *before = mime;
	const struct mime_part *outer = r->part, *p;
	int                     got = 0;

	if (!outer && !(mime = script_mime(r, n)))
		return -1;
	/* mime_next leaves a part that has nothing inside */
	p = !outer ? mime->root : outer->children;
	for (; p && got == 0 && (!outer || is_beneath(p, outer)); p = mime_next(p)) {
		r->loop_mime = mime;
		r->part = p;
		got = script_cost(r, n, 16 * (size_t)p->depth) < 0 ? -1 : script_commands(r, n->block);
		if (got == 3 && r->breaks == n) {
			got = 0;
			break;
		}
	}
	r->loop_mime = before;
	r->part = outer;
	return got;
}

int
do_break(struct run *r, const struct node *n)
{
	r->breaks = n->loop;
	return 3;
}

int
do_extracttext(struct run *r, const struct node *n)
{
	const struct argument *first = node_tag(n, TAG_FIRST);
	autotext struct text   text = {0}, words = {0}, out = {0};
	struct span            value;

	if (span_is_nocase(r->part->type, "text") && !script_decode_part(r, n, r->loop_mime, r->part, &text))
		return -1;
	value = text_span(&text);
	if (span_is_nocase(r->part->subtype, "html")) {
		html_text(value, &words);
		value = text_span(&words);
	}
	/* characters, not bytes (7) */
	for (size_t at = 0, count = 0; first && at < value.len; at++)
		if (((unsigned char)value.at[at] & 0xc0) != 0x80 && count++ == first->number)
			value = span_first(value, at);
	script_modify(n->tags, value, &out);
	return word_set(r, n, n->at[0]->strings.at[0], text_span(&out));
}

/* The part that a test looks at. */
static const struct mime_part *
part_of(struct run *r, const struct node *n, const struct mime **mime)
{
	if (r->part) {
		*mime = r->loop_mime;
		return r->part;
	}
	*mime = script_mime(r, n);
	return *mime ? (*mime)->root : NULL;
}

/* The next field of a part.  The message's own are as editheader has left them. */
struct walk { struct run *run; const struct mime *mime; const struct mime_part *part; size_t at; };

static bool
walk_next(struct walk *w, struct head_field *out)
{
	struct header_field f;

	if (!w->part->parent) {
		script_fields(w->run);
		if (w->at == w->run->n_fields)
			return false;
		*out = w->run->fields[w->at++];
		return true;
	}
	if (!header_next(mime_header(w->mime, w->part), &w->at, &f))
		return false;
	*out = (struct head_field){.name = f.name, .value = f.value, .whole = SPAN_NONE};
	return true;
}

static int
visit_part(struct matching *m, const struct mime *mime, const struct mime_part *p, const struct strings *names, visit_field *visit)
{
	const struct argument *index = node_tag(m->node, TAG_INDEX);
	struct head_field      f;

	for (size_t k = 0; k < names->count && !m->found; k++) {
		struct span name = span_trim(word_expand(m->run, names->at[k]));
		struct walk w = {.run = m->run, .mime = mime, .part = p};
		uint64_t    there = 0, seen = 0;

		if (script_cost(m->run, m->node, mime_header(mime, p).len * 2) < 0)
			return -1;
		while (index && walk_next(&w, &f))
			there += field_is(&f, name);
		w.at = 0;
		while (!m->found && walk_next(&w, &f)) {
			if (!field_is(&f, name))
				continue;
			seen++;
			if (index && index->number != (m->node->tags & TAG(LAST) ? there - seen + 1 : seen))
				continue;
			if (visit(m, &f) < 0)
				return -1;
		}
	}
	return 0;
}

int
parts_visit(struct matching *m, const struct strings *names, visit_field *visit)
{
	const struct mime      *mime;
	const struct mime_part *top = part_of(m->run, m->node, &mime), *p = top;

	if (!top)
		return -1;
	for (; p && is_beneath(p, top) && !m->found; p = mime_next(p)) {
		if (visit_part(m, mime, p, names, visit) < 0)
			return -1;
		if (!(m->node->tags & TAG(ANYCHILD)))
			break;
	}
	return 0;
}

static int
part_has(struct run *r, const struct node *n, const struct mime *mime, const struct mime_part *p, struct span name, bool *found)
{
	struct walk       w = {.run = r, .mime = mime, .part = p};
	struct head_field f;

	while (!*found && walk_next(&w, &f))
		*found = field_is(&f, name);
	return script_cost(r, n, mime_header(mime, p).len);
}

/* Every name in the part; with :anychild each in it or in any that it holds. */
int
parts_have(struct run *r, const struct node *n, const struct strings *names, bool *answer)
{
	const struct mime      *mime;
	const struct mime_part *top = part_of(r, n, &mime);
	bool                    all = true;

	if (!top)
		return -1;
	for (size_t k = 0; k < names->count && all; k++) {
		struct span name = word_expand(r, names->at[k]);
		bool        found = false;

		for (const struct mime_part *p = top; p && is_beneath(p, top) && !found; p = mime_next(p)) {
			if (part_has(r, n, mime, p, name, &found) < 0)
				return -1;
			if (!(n->tags & TAG(ANYCHILD)))
				break;
		}
		all = found;
	}
	*answer = all;
	return 0;
}

/* Content-Type and Content-Disposition in their pieces; other fields have none (4.2). */
int
parts_value(struct matching *m, const struct head_field *f)
{
	struct run            *r = m->run;
	const struct argument *wanted = node_tag(m->node, TAG_PARAM);
	struct span            plain = header_unfolded(r->arena, f->value), type = SPAN_NONE, subtype = SPAN_NONE;
	struct mime_params     params = {0};

	if (script_cost(r, m->node, plain.len * 16) < 0)
		return -1;
	if (span_is_nocase(f->name, "Content-Type"))
		mime_parse_content_type(r->arena, plain, &type, &subtype, &params);
	else if (span_is_nocase(f->name, "Content-Disposition"))
		mime_parse_disposition(r->arena, plain, &type, &params);
	else
		return 0;
	if (!wanted && !type.len)              /* it makes no sense */
		return 0;
	if (m->node->tags & TAG(TYPE))
		return matching_value(m, type);
	if (m->node->tags & TAG(SUBTYPE))
		return matching_value(m, subtype);
	if (m->node->tags & TAG(CONTENTTYPE))
		return matching_value(m, subtype.len ? span_of(arena_format(r->arena, "%.*s/%.*s", SPAN_ARGS(type), SPAN_ARGS(subtype))) : type);
	for (size_t i = 0; i < wanted->strings.count && !m->found; i++) {
		char             *name = arena_string(r->arena, word_expand(r, wanted->strings.at[i]));
		struct mime_param p;

		for (char *c = name; *c; c++)
			*c = ascii_lower(*c);
		if (mime_param_find(&params, name, &p) && matching_value(m, mime_param_text(r->arena, &params, name)) < 0)
			return -1;
	}
	return 0;
}
