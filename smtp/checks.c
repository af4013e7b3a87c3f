/* SPDX-License-Identifier: ISC */
/*
 * checks.c - smtp_header_checks, smtp_mime_header_checks, smtp_nested_header_checks, smtp_body_checks
 *
 * The actions that make sense while a message leaves (header_checks(5)): DUNNO IGNORE INFO PREPEND
 * REPLACE STRIP WARN. A check changes what this server gets and nothing else.
 */
#include "base/log.h"
#include "client.h"
#include "mail/header.h"
#include "mail/mime_stream.h"
#include "table/table.h"

enum verdict { KEEP, DROP, REPLACE, PREPEND };

static bool
any(const struct maps *m)
{
	return m->tables && table_list_count(m->tables) > 0;
}

bool
checks_exist(void)
{
	return any(&client.header_checks) || any(&client.mime_header_checks) || any(&client.nested_header_checks) ||
	       any(&client.body_checks) || any(&client.generic);
}

static void
log_action(const struct checker *c, const char *action, const char *where, struct span line, struct span text)
{
	autotext struct text flat = {0};

	header_unfold(span_first(line, 200), &flat);
	log_info("%.*s: %s: %s %s%s%.*s", SPAN_ARGS(c->d->queue_id), action, where, text_string(&flat), text.len ? ": " : "",
	         SPAN_ARGS(text));
}

static enum verdict
act(const struct checker *c, const char *where, struct span line, struct span value, struct span *text)
{
	static const struct { const char *word, *logged; enum verdict verdict; bool needs_text; } actions[] = {
		{"DUNNO", NULL, KEEP, false}, {"OK", NULL, KEEP, false}, {"INFO", "info", KEEP, false},
		{"WARN", "warning", KEEP, false}, {"IGNORE", NULL, DROP, false}, {"STRIP", "strip", DROP, false},
		{"REPLACE", "replace", REPLACE, true}, {"PREPEND", "prepend", PREPEND, true},
	};
	struct span word = SPAN_NONE;

	*text = value;
	span_next(text, " \t", &word);
	*text = span_trim(*text);
	for (size_t i = 0; i < COUNT(actions); i++) {
		if (!span_is_nocase(word, actions[i].word))
			continue;
		if (actions[i].needs_text && !text->len)
			break;
		if (actions[i].logged)
			log_action(c, actions[i].logged, where, line, *text);
		return actions[i].verdict;
	}
	log_warning("%.*s: %s_%s_checks: cannot be done here, or has no text: %.*s", SPAN_ARGS(c->d->queue_id), client_prefix(),
	            where, SPAN_ARGS(span_first(value, 100)));
	return KEEP;
}

/* *text is what REPLACE or PREPEND puts there, in value's room. */
static enum verdict
look(struct checker *c, const struct maps *m, const char *where, struct span line, struct text *value, struct span *text)
{
	autotext struct text key = {0};
	struct fault         why = {0};
	int                  got;

	if (!any(m))
		return KEEP;
	for (size_t i = 0; i < line.len; i++) /* a fold is one LF, as in Postfix */
		if (line.at[i] != '\r')
			text_add_byte(&key, line.at[i]);
	got = table_list_find(m->tables, text_span(&key), value, NULL, &why);
	if (got < 0) {
		log_warning("%.*s: %s_%s_checks: %s", SPAN_ARGS(c->d->queue_id), client_prefix(), where, fault_text(&why));
		c->failed = true;
	}
	return got == 0 ? act(c, where, line, span_trim(text_span(value)), text) : KEEP;
}

static void
add_line(struct span line, struct text *out)
{
	text_add(out, line);
	text_add(out, SPAN("\r\n"));
}

void
check_field(struct checker *c, int place, struct span field, struct text *out)
{
	static const char *const where[] = {"header", "mime_header", "nested_header"};
	const struct maps       *maps[] = {&client.header_checks, &client.mime_header_checks, &client.nested_header_checks};
	autotext struct text     value = {0}, rewritten = {0};
	struct span              text = SPAN_NONE;
	enum verdict             v = look(c, maps[place], where[place], field, &value, &text);

	if (v == DROP)
		return;
	if (v == PREPEND)
		add_line(text, out);
	if (v == REPLACE)
		field = text;
	if (place == MIME_PRIMARY && generic_field(field, c->arena, &rewritten, &c->failed))
		field = text_span(&rewritten);
	add_line(field, out);
}

bool
check_line(struct checker *c, bool first, struct span line, struct text *out)
{
	autotext struct text value = {0};
	struct span          text = SPAN_NONE;
	enum verdict         v;

	if (first)
		c->seen = 0;
	c->seen += (int64_t)line.len + 2;
	if (c->seen - (int64_t)line.len > client.body_checks_size)
		return true;
	v = look(c, &client.body_checks, "body", line, &value, &text);
	if (v == REPLACE || v == PREPEND)
		add_line(text, out);
	if (v == PREPEND)
		add_line(line, out);
	return v == KEEP;
}
