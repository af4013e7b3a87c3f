/* SPDX-License-Identifier: ISC */
/*
 * header_skim.c - a header without what machines wrote for machines
 */
#include "mail/header.h"

enum { SKIM_MOST = 16384 };

bool
header_is_skimmed_off(struct span name)
{
	static const struct span whole[] = {SPAN("Received"), SPAN("X-Received"), SPAN("DKIM-Signature"), SPAN("DomainKey-Signature"),
		SPAN("Authentication-Results"), SPAN("Received-SPF")};
	static const struct span begun[] = {SPAN("ARC-"), SPAN("X-MS-"), SPAN("X-Microsoft-"), SPAN("X-Forefront-"), SPAN("X-Google-"),
		SPAN("X-Gm-"), SPAN("X-Spam-"), SPAN("X-Provags-")};

	for (size_t i = 0; i < COUNT(whole); i++)
		if (name.len == whole[i].len && span_equal_nocase(name, whole[i]))
			return true;
	for (size_t i = 0; i < COUNT(begun); i++)
		if (name.len >= begun[i].len && span_equal_nocase(span_first(name, begun[i].len), begun[i]))
			return true;
	return false;
}

bool
header_skim(struct span header, struct text *out)
{
	struct header_field f;
	size_t              at = 0, kept = 0, count = 0, start = out->len;

	while (header_next(header, &at, &f)) {
		if (header_is_skimmed_off(f.name)) {
			text_add(out, span_cut(header, kept, f.start));
			kept = f.end;
		}
		if (++count == HEADER_FIELD_LIMIT || out->len - start > SKIM_MOST)
			return false;
	}
	text_add(out, span_cut(header, kept, at));
	return at <= HEADER_SIZE_LIMIT && out->len - start <= SKIM_MOST;
}
