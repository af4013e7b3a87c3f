/* SPDX-License-Identifier: ISC */
/*
 * bounce_show.c - the words of notices, for an administrator who wants others (postconf -b, -t)
 */
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "bounce_template.h"
#include "config/site.h"

static const char *const names[BOUNCE_KINDS] = {"failure", "delay", "success", "verify"};

/* The built-in words as a template; their lines end in LF. */
static void
add_builtin(enum bounce_kind kind, struct text *out)
{
	const char *text = dsn_words((enum dsn_kind)kind).text;

	text_add_string(out, "This is the mail system at host $myhostname.\n\n");
	for (const char *c = text; *c; c++)
		if (*c != '\r')
			text_add_byte(out, *c);
	text_add_format(out, "\n%*s$mail_name\n", 19, "");
}

static void
add_field(struct text *out, const char *name, struct span own, const char *builtin)
{
	text_add_format(out, "%s: %.*s\n", name, SPAN_ARGS(own.len ? own : span_of(builtin)));
}

/* The template of a kind as its file would have it: what was given, and ours for the rest. */
static void
add_template(const struct dsn_template *own, enum bounce_kind kind, struct text *out)
{
	struct dsn_words words = dsn_words((enum dsn_kind)kind);

	text_add_format(out, "%s_template = <<EOF\n", names[kind]);
	add_field(out, "Charset", own->charset, "us-ascii");
	add_field(out, "From", own->from, words.from);
	add_field(out, "Subject", own->subject, words.subject);
	if (kind == BOUNCE_FAILURE || kind == BOUNCE_DELAY)
		add_field(out, "Postmaster-Subject", own->postmaster_subject, words.copy_subject);
	text_add_byte(out, '\n');
	if (!own->text.len)
		add_builtin(kind, out);
	for (size_t i = 0; i < own->text.len; i++)
		if (own->text.at[i] != '\r')
			text_add_byte(out, own->text.at[i]);
	text_add_string(out, "EOF\n");
}

static void
add_expanded(const struct dsn_template *t, enum bounce_kind kind, struct text *out)
{
	text_add_format(out, "expanded_%s_text = <<EOF\n", names[kind]);
	for (size_t i = 0; i < t->text.len; i++)
		if (t->text.at[i] != '\r')
			text_add_byte(out, t->text.at[i]);
	text_add_string(out, "EOF\n");
}

static int
fill(const char *path, const struct main_cf *cf, bool expand, struct text *out, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    file = {0}, all = {0};
	struct bounce_templates raw, expanded;

	if (path[0] && file_read(path, BOUNCE_TEMPLATES_MAX, &file, why) < 0)
		return -1;
	if (bounce_templates_parse(text_span(&file), NULL, arena, &raw, why) < 0)
		return fault_prefix(why, "%s", path);
	for (size_t i = 0; i < BOUNCE_KINDS; i++) {
		if (i)
			text_add_byte(&all, '\n');
		add_template(&raw.of[i], (enum bounce_kind)i, &all);
	}
	if (!expand) {
		text_add(out, text_span(&all));
		return 0;
	}
	if (bounce_templates_parse(text_span(&all), cf, arena, &expanded, why) < 0)
		return fault_prefix(why, "%s", path);
	for (size_t i = 0; i < BOUNCE_KINDS; i++) {
		if (i)
			text_add_byte(out, '\n');
		add_expanded(&expanded.of[i], (enum bounce_kind)i, out);
	}
	return 0;
}

int
bounce_templates_print(int argc, char **argv)
{
	bool                 expand = strcmp(argv[1], "--expanded-templates") == 0;
	struct faults        faults = {0};
	struct fault         why = {0};
	autotext struct text out = {0};
	struct main_cf      *cf;

	log_open("postfix/bounce", -1);
	log_also_stderr(true);
	cf = site_load(NULL, &faults);
	for (int i = 0; i < faults.errors; i++)
		log_error("%s", faults.error[i]);
	if (faults.errors)
		return 1;
	if (fill(argc > 2 ? argv[2] : main_cf_string(cf, "bounce_template_file"), cf, expand, &out, &why) < 0)
		log_fatal("%s", fault_text(&why));
	return fwrite(out.at, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
}
