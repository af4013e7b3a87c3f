/* SPDX-License-Identifier: ISC */
/*
 * domain.c - domain names; libidn2 does the Unicode
 */
#include "mail/domain.h"

#include <idn2.h>
#include <stdlib.h>

#include "mail/charset.h"

static struct span
without_dot(struct span s)
{
	if (s.len > 1 && s.at[s.len - 1] == '.')
		s.len--;
	return s;
}

static int conversion = IDN2_NONTRANSITIONAL;     /* set once, at start */

void
domain_transitional(bool wanted)
{
	conversion = wanted ? IDN2_TRANSITIONAL : IDN2_NONTRANSITIONAL;
}

int
domain_to_ascii(struct arena *a, struct span domain, struct span *ascii, struct fault *why)
{
	autofree char *name = NULL, *result = NULL;
	int            code;

	if (span_is_ascii(domain)) {
		*ascii = domain;
		return 0;
	}
	if (domain.len > 255 * 4 || span_has(domain, '\0') || !utf8_valid(domain))
		return fault_set(why, FAULT_INPUT, "domain name is not UTF-8");
	name = mem_span(domain);
	code = idn2_to_ascii_8z(name, &result, IDN2_NFC_INPUT | conversion);
	if (code != IDN2_OK)
		return fault_set(why, FAULT_INPUT, "domain name: %s", idn2_strerror(code));
	*ascii = arena_span(a, span_of(result));
	return 0;
}

int
domain_to_utf8(struct arena *a, struct span domain, struct span *utf8, struct fault *why)
{
	autofree char *name = NULL, *result = NULL;
	int            code;

	if (span_find_text(domain, SPAN("--")) < 0) {     /* no A-label */
		*utf8 = domain;
		return 0;
	}
	if (domain.len > 255 * 4 || span_has(domain, '\0') || !utf8_valid(domain))
		return fault_set(why, FAULT_INPUT, "domain name is not UTF-8");
	name = mem_span(domain);
	code = idn2_to_unicode_8z8z(name, &result, IDN2_NONTRANSITIONAL);
	if (code != IDN2_OK)
		return fault_set(why, FAULT_INPUT, "domain name: %s", idn2_strerror(code));
	*utf8 = arena_span(a, span_of(result));
	return 0;
}

bool
domain_equal(struct span a, struct span b)
{
	return span_equal_nocase(without_dot(a), without_dot(b));
}

bool
domain_within(struct span name, struct span parent)
{
	struct span tail;

	name = without_dot(name);
	parent = without_dot(parent);
	if (name.len <= parent.len || parent.len == 0)
		return span_equal_nocase(name, parent);
	tail = span_from(name, name.len - parent.len);
	return span_equal_nocase(tail, parent) && name.at[name.len - parent.len - 1] == '.';
}

bool
domain_parent(struct span *name)
{
	ptrdiff_t dot = span_find(*name, '.');

	if (dot < 0 || (size_t)dot + 1 >= name->len)
		return false;
	*name = span_from(*name, (size_t)dot + 1);
	return true;
}
