/* SPDX-License-Identifier: ISC */
/*
 * log_address.c - an address as log lines show it
 */
#include "ipc/log_address.h"

#include "config/site.h"
#include "mail/address.h"

void
log_add_address(struct text *out, const char *before, struct span internal)
{
	text_add_string(out, before);
	text_add_byte(out, '<');
	if (site.log_address_format == LOG_ADDRESS_INTERNAL || span_starts(internal, "@"))
		text_add(out, internal);
	else
		address_external(internal, out);
	text_add_byte(out, '>');
}
