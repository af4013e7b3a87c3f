/* SPDX-License-Identifier: ISC */
/* fuzz_office.c - any archive ends, within its budget; pieces of any message are valid UTF-8 within their bounds */
#include "fuzz.h"

#include "mail/charset.h"
#include "search/message.h"
#include "search/office.h"

static bool
look(void *context, const struct search_piece *p)
{
	unsigned *count = context;

	assert(utf8_valid(p->text) && p->value <= p->text.len && p->zone && (p->zone & (p->zone - 1)) == 0);
	assert(p->name.len == 0 || p->value > p->name.len || p->zone == ZONE_BODY || p->zone & (ZONE_FIELDS | ZONE_MIME));
	return ++*count < 5000;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    out = {0};
	size_t                  budget = 1 << 20;
	unsigned                count = 0;
	struct span             in = size ? span_at(data, size) : SPAN_NONE;
	struct search_visitor   v = {.visit = look, .context = &count};

	office_text(in, &budget, &out);
	assert(budget <= 1 << 20 && utf8_valid(text_span(&out)) && out.len <= 3 * ((1 << 20) - budget) + 100);
	search_header(in, &v);
	search_body(mime_parse(arena, in), ZONE_BODY | ZONE_MIME, &v);
	return 0;
}
