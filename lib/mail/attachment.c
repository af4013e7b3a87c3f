/* SPDX-License-Identifier: ISC */
/*
 * attachment.c - has a message attachments?
 */
#include "mail/attachment.h"

#define TYPE_WORD "content-type="

int
attachment_check(struct span options, struct fault *why)
{
	struct span word;

	while (span_next(&options, " \t", &word))
		if (!span_is(word, "add-flags") && !span_is(word, "add-flags-on-save") && !span_is(word, "exclude-inlined")
			&& !span_is(word, "no-flags-on-fetch") && !(span_starts(word, TYPE_WORD) && word.len > sizeof TYPE_WORD - 1))
			return fault_set(why, FAULT_INPUT, "mail_attachment_detection_options: \"%.*s\" is not known", SPAN_ARGS(word));
	return 0;
}

static bool
has_word(struct span options, const char *wanted)
{
	struct span word;

	while (span_next(&options, " \t", &word))
		if (span_is(word, wanted))
			return true;
	return false;
}

bool
attachment_wanted(struct span options)
{
	return has_word(options, "add-flags") || has_word(options, "add-flags-on-save");
}

static bool
type_counts(struct span options, const struct mime_part *p)
{
	autotext struct text type = {0};
	struct span          word;
	bool                 otherwise = true;

	text_add(&type, p->type.len ? p->type : SPAN("text"));
	text_add_byte(&type, '/');
	text_add(&type, p->subtype.len ? p->subtype : SPAN("plain"));
	while (span_next(&options, " \t", &word)) {
		if (!span_starts(word, TYPE_WORD))
			continue;
		word = span_from(word, sizeof TYPE_WORD - 1);
		bool denies = word.at[0] == '!';

		if (span_matches_nocase(text_span(&type), span_from(word, denies)))
			return !denies;
		otherwise = denies;
	}
	return otherwise;
}

bool
attachment_is(struct span options, const struct mime_part *p)
{
	struct mime_param name;

	if (p->is_multipart || !type_counts(options, p))
		return false;
	if (span_is_nocase(p->disposition, "attachment"))
		return true;
	return span_is_nocase(p->disposition, "inline") && !has_word(options, "exclude-inlined")
		&& mime_param_find(&p->disposition_params, "filename", &name);
}

const char *
attachment_keyword(struct span options, struct mime *m)
{
	for (struct mime_part *p = m->root; p; p = mime_next(p))
		if (attachment_is(options, p))
			return "$HasAttachment";
	return "$HasNoAttachment";
}
