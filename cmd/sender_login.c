/* SPDX-License-Identifier: ISC */
/*
 * sender_login.c - as whom may a local user send? (local_login_sender_maps)
 */
#include "cmd/sender_login.h"

#include <pwd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/list.h"
#include "config/site.h"
#include "table/table.h"

static struct span
without_extension(struct span sender, const char *delimiters, struct text *out)
{
	ptrdiff_t at = span_find_last(sender, '@');
	size_t    local = at < 0 ? sender.len : (size_t)at, end = local;

	for (size_t i = 1; i < local && end == local; i++)
		if (strchr(delimiters, sender.at[i]))
			end = i;
	text_add(out, span_first(sender, end));
	text_add(out, span_from(sender, local));
	return text_span(out);
}

static bool
is_of_domain(struct span pattern, struct span sender)
{
	ptrdiff_t at = span_find_last(sender, '@');

	return at >= 0 && span_equal_nocase(pattern, span_from(sender, (size_t)at));
}

bool
sender_pattern_matches(struct span pattern, struct span sender, struct span null_key, const char *delimiters)
{
	autotext struct text base = {0};

	if (span_is(pattern, "*"))
		return true;
	if (sender.len == 0)
		return span_equal(pattern, null_key);
	if (span_starts(pattern, "@"))
		return is_of_domain(pattern, sender);
	return span_equal_nocase(pattern, sender) || span_equal_nocase(pattern, without_extension(sender, delimiters, &base));
}

static int
find_patterns(const char *maps, const char *login, struct text *value, struct fault *why)
{
	struct list        names = {0};
	struct table_list *tables;
	int                got = -1;

	if (list_parse(span_of(maps), &names, why) < 0)
		return -1;
	tables = table_list_open(&names, why);
	if (tables)
		got = table_list_find(tables, span_of(login), value, NULL, why);
	table_list_close(tables);
	list_free(&names);
	return got;
}

int
sender_login_check(struct main_cf *cf, struct span sender, struct fault *why)
{
	const char          *maps = main_cf_string(cf, "local_login_sender_maps");
	struct span          null_key = span_of(main_cf_string(cf, "empty_address_local_login_sender_maps_lookup_key"));
	struct passwd       *who = getpwuid(getuid());
	autofree char       *login = who ? mem_string(who->pw_name) : mem_format("uid:%ld", (long)getuid());
	autotext struct text value = {0};
	struct span          rest, pattern;
	int                  got;

	if (strcmp(maps, "static:*") == 0)
		return 0;
	got = find_patterns(maps, login, &value, why);
	if (got < 0)
		return fault_prefix(why, "local_login_sender_maps");
	rest = text_span(&value);
	while (got == 0 && span_next(&rest, ", \t\r\n", &pattern))
		if (sender_pattern_matches(pattern, sender, null_key, site.recipient_delimiter))
			return 0;
	return fault_set(why, FAULT_DENIED, "not authorized to send mail as <%.*s>", SPAN_ARGS(sender));
}
