/* SPDX-License-Identifier: ISC */
/*
 * flags.c - flags that a client names (RFC 3501, 2.3.2)
 */
#include "flags.h"

#include "imap_config.h"
#include "store/filename.h"

static bool
system_flag(struct span name, unsigned *flag)
{
	static const struct {
		const char *name;
		unsigned    flag;
	} known[] = {
		{"\\Answered", MESSAGE_ANSWERED}, {"\\Flagged", MESSAGE_FLAGGED},
		{"\\Deleted", MESSAGE_DELETED}, {"\\Seen", MESSAGE_SEEN}, {"\\Draft", MESSAGE_DRAFT},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(name, known[i].name)) {
			*flag = known[i].flag;
			return true;
		}
	return false;
}

static bool
is_keyword(struct span s)
{
	if (s.len == 0 || s.len > (size_t)imap_config.max_keyword_length)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c))
			return false;
	}
	return true;
}

static int
parse_one(struct argument *a, struct named_flags *out, struct fault *why)
{
	unsigned flag;

	if (a->type != ARGUMENT_ATOM)
		return fault_set(why, FAULT_INPUT, "Flags must be atoms");
	if (span_starts(a->text, "\\")) {
		if (!system_flag(a->text, &flag))
			return fault_set(why, FAULT_INPUT, "Invalid system flag");
		out->flags |= flag;
		return 0;
	}
	if (!is_keyword(a->text))
		return fault_set(why, FAULT_INPUT, "Invalid keyword");
	out->keywords[out->count++] = a->text;
	return 0;
}

int
flags_parse(struct arena *arena, const struct argument *first, struct named_flags *out,
	struct fault *why)
{
	bool   listed = first && first->type == ARGUMENT_LIST;
	size_t count = 0;

	if (listed && first->next)
		return fault_set(why, FAULT_INPUT, "Too many arguments");
	first = listed ? first->children : first;
	for (const struct argument *a = first; a; a = a->next)
		count++;
	*out = (struct named_flags){.keywords = arena_alloc(arena, (count + 1) * sizeof *out->keywords)};
	for (const struct argument *a = first; a; a = a->next)
		if (parse_one((struct argument *)a, out, why) < 0)
			return -1;
	return 0;
}
