/* SPDX-License-Identifier: ISC */
/*
 * login_name.c - whose mailbox an address is, for those who ask authd
 */
#include "local/login_name.h"

#include "config/site.h"

struct span
login_name_detail(struct span recipient)
{
	ptrdiff_t   at = span_find_last(recipient, '@');
	struct span local = at < 0 ? recipient : span_first(recipient, (size_t)at);
	ptrdiff_t   cut = *site.recipient_delimiter ? span_find_any(local, site.recipient_delimiter) : -1;

	return cut > 0 ? span_from(local, (size_t)cut + 1) : SPAN_NONE;
}

int
login_name_find(struct span recipient, struct auth_user *out, struct fault *why)
{
	ptrdiff_t   at = span_find_last(recipient, '@');
	struct span local = at < 0 ? recipient : span_first(recipient, (size_t)at);
	struct span domain = at < 0 ? SPAN_NONE : span_from(recipient, (size_t)at + 1);
	ptrdiff_t   cut = *site.recipient_delimiter ? span_find_any(local, site.recipient_delimiter) : -1;
	bool        here = at < 0;

	if (cut > 0)
		local = span_first(local, (size_t)cut);
	autofree char *whole = mem_format("%.*s%s%.*s", SPAN_ARGS(local), at < 0 ? "" : "@", SPAN_ARGS(domain));

	if (ask_auth_lookup(span_of(whole), out, why) == 0)
		return 0;
	for (size_t i = 0; i < site.mydestination.count; i++)
		here |= span_is_nocase(domain, site.mydestination.item[i]);
	if (why->class != FAULT_DENIED || at < 0 || !here)
		return -1;
	fault_clear(why);
	return ask_auth_lookup(local, out, why);
}
