/* SPDX-License-Identifier: ISC */
/*
 * bounce_template.c - reading bounce_template_file (bounce(5))
 */
#include "bounce_template.h"

#include "config/expand.h"
#include "config/param.h"
#include "mail/charset.h"

static const char *const names[BOUNCE_KINDS] = {"failure_template", "delay_template", "success_template",
                                                "verify_template"};

struct reading {
	struct span              rest;
	int                      line;
	const struct main_cf    *cf;
	struct arena            *arena;
	struct bounce_templates *out;
};

static bool
next_line(struct reading *r, struct span *line)
{
	if (!r->rest.len)
		return false;
	(void)span_split(&r->rest, '\n', line);
	if (span_ends(*line, "\r"))
		*line = span_first(*line, line->len - 1);
	r->line++;
	return true;
}

/* ---- expansion ---- */

static const struct { const char *suffix; int64_t ms; } units[] = {
	{"_seconds", 1000}, {"_minutes", 60 * 1000}, {"_hours", 3600 * 1000}, {"_days", 86400 * 1000}, {"_weeks", 604800 * 1000},
};

static int
lookup_time(const struct main_cf *cf, struct span name, struct text *value, struct fault *why)
{
	for (size_t i = 0; i < COUNT(units); i++) {
		autotext struct text whole = {0};
		autofree char       *parameter = NULL;
		int64_t              ms;

		if (!span_ends(name, units[i].suffix))
			continue;
		parameter = mem_span(span_first(name, name.len - strlen(units[i].suffix)));
		if (main_cf_get(cf, parameter, &whole, why) != 0 ||
		    param_parse_duration(text_span(&whole), text_span(&whole), &ms, why) < 0)
			return 1;
		text_add_format(value, "%lld", (long long)(ms / units[i].ms));
		return 0;
	}
	return 1;
}

static int
lookup(void *context, struct span name, struct text *value, struct fault *why)
{
	const struct main_cf *cf = context;
	autofree char        *parameter = mem_span(name);
	int                   got = main_cf_get(cf, parameter, value, why);

	if (got == 1)
		got = lookup_time(cf, name, value, why);
	return got == 1 ? fault_set(why, FAULT_INPUT, "undefined $%.*s in a template", SPAN_ARGS(span_first(name, 100))) : got;
}

/* ---- one template ---- */

static int
bad(const struct reading *r, struct fault *why, const char *what)
{
	return fault_set(why, FAULT_INPUT, "line %d: %s", r->line, what);
}

static int
take_field(const struct reading *r, struct span line, struct dsn_template *t, struct fault *why)
{
	static const char *const fields[] = {"Charset", "From", "Subject", "Postmaster-Subject"};
	struct span *to[] = {&t->charset, &t->from, &t->subject, &t->postmaster_subject};
	struct span  name;

	if (!span_split(&line, ':', &name))
		return bad(r, why, "not a header line");
	for (size_t i = 0; i < COUNT(fields); i++)
		if (span_is_nocase(name, fields[i])) {
			*to[i] = arena_span(r->arena, span_trim(line));
			if (!span_is_ascii(*to[i]) || !to[i]->len)
				return bad(r, why, "a header value is empty or not ASCII");
			return 0;
		}
	return bad(r, why, "only Charset, From, Subject and Postmaster-Subject are known");
}

static int
take_body(const struct reading *r, struct span body, struct dsn_template *t, struct fault *why)
{
	struct expander      e = {.lookup = lookup, .context = (void *)(uintptr_t)r->cf};
	autotext struct text text = {0}, wire = {0};
	struct span          rest, line;

	if (!r->cf)
		text_add(&text, body);
	else if (expand_text(&e, body, &text, why) < 0)
		return -1;
	rest = text_span(&text);
	while (rest.len) {
		(void)span_split(&rest, '\n', &line);
		if (line.len > 900 || span_has(line, '\0') || span_has(line, '\r'))
			return bad(r, why, "a line is too long, or holds CR or NUL");
		text_add(&wire, line);
		text_add(&wire, SPAN("\r\n"));
	}
	if (!span_is_ascii(text_span(&wire)) && (!t->charset.len || span_is_nocase(t->charset, "us-ascii")))
		return bad(r, why, "8-bit text: Charset says us-ascii");
	t->text = arena_span(r->arena, text_span(&wire));
	return t->text.len ? 0 : bad(r, why, "the template has no text");
}

static int
take_template(struct reading *r, struct span end, struct dsn_template *t, struct fault *why)
{
	struct span line = SPAN_NONE, body;
	const char *begin;
	bool        ended = false;

	while (next_line(r, &line) && line.len) {
		if (span_equal(line, end))
			return bad(r, why, "the template has no text");
		if (take_field(r, line, t, why) < 0)
			return -1;
	}
	begin = r->rest.at;
	body = SPAN_NONE;
	while (!ended && next_line(r, &line)) {
		ended = span_equal(span_trim(line), end);
		if (!ended)
			body = span_at(begin, (size_t)(line.at + line.len - begin));
	}
	if (!ended)
		return bad(r, why, "the template's end is missing");
	return take_body(r, body, t, why);
}

int
bounce_templates_parse(struct span file, const struct main_cf *cf, struct arena *arena, struct bounce_templates *out,
                       struct fault *why)
{
	struct reading r = {.rest = file, .cf = cf, .arena = arena, .out = out};
	struct span    line, name;

	*out = (struct bounce_templates){0};
	while (next_line(&r, &line)) {
		struct span value = span_trim(line);
		size_t      kind = 0;

		if (!value.len || value.at[0] == '#')
			continue;
		if (!span_split(&value, '=', &name) || !span_starts(value = span_trim(value), "<<"))
			return bad(&r, why, "expected: name_template = <<EOF");
		while (kind < BOUNCE_KINDS && !span_is(span_trim(name), names[kind]))
			kind++;
		if (kind == BOUNCE_KINDS)
			return bad(&r, why, "no such template: failure_, delay_, success_ or verify_template");
		if (out->of[kind].text.len)
			return bad(&r, why, "this template was given already");
		if (take_template(&r, span_trim(span_from(value, 2)), &out->of[kind], why) < 0)
			return -1;
	}
	return 0;
}
