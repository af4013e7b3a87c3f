/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_mail.c - where a Dovecot's mail is, and its names
 */
#include <stdio.h>
#include <string.h>

#include "cmd/import_dovecot.h"

void
print_location(void)
{
	const char *where = get("", "mail_location");
	struct span rest = span_of(where ? where : ""), part;
	autotext struct text out = {0};

	if (!where)
		return;
	if (!span_starts(rest, "maildir:")) {
		no_equal("mail_location = %s: only maildir: is served", where);
		return;
	}
	rest = span_from(rest, 8);
	span_split(&rest, ':', &part);
	text_add_format(&out, "maildir:%.*s", SPAN_ARGS(part));
	while (rest.len) {
		span_split(&rest, ':', &part);
		if (span_starts(part, "INDEX="))
			text_add_format(&out, ":%.*s", SPAN_ARGS(part));
		else
			no_equal("mail_location: %.*s", SPAN_ARGS(part));
	}
	printf("mail_location = %s\n", text_string(&out));
}

static bool
is_mailbox_of(const char *block, const char *namespace)
{
	size_t len = strlen(namespace);

	return strncmp(block, namespace, len) == 0 && strncmp(block + len, "/mailbox ", 9) == 0;
}

static void
print_uses(const char *namespace, const char *prefix)
{
	autotext struct text uses = {0};

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];
		const char   *name;

		if (!is_mailbox_of(e->block, namespace))
			continue;
		name = e->block + strlen(namespace) + 9;
		e->done = true;
		if (strcmp(e->key, "special_use") == 0 && !strchr(name, ' '))
			text_add_format(&uses, "%s%s%s=%s", uses.len ? " " : "", prefix, name, e->value);
		else if (strcmp(e->key, "special_use") == 0)
			no_equal("special_use of \"%s\": the name has a blank (CREATE ... (USE (%s)) does it)", name, e->value);
		else if (strcmp(e->key, "auto") != 0 || strcmp(e->value, "no") != 0)
			no_equal("mailbox %s { %s = %s }", name, e->key, e->value);
	}
	if (uses.len)
		printf("imap_special_use = %s\n", text_string(&uses));
}

/* "PREFIX=maildir:ROOT[:INDEXPVT=..]" of one that is shared or public; an INDEX= of all would be a cache of all. */
static bool
foreign_namespace(const char *block, const char *separator, struct text *out, bool *private)
{
	const char *prefix = get(block, "prefix"), *where = get(block, "location"), *list = get(block, "list");
	const char *own = get(block, "separator"), *subscriptions = get(block, "subscriptions"), *hidden = get(block, "hidden");
	struct span rest = span_of(where ? where : ""), part;

	get(block, "inbox"), get(block, "ignore_on_failure");
	if (strcmp(hidden ? hidden : "no", "yes") == 0)
		no_equal("%s { hidden = yes }: NAMESPACE tells it", block);
	if (!prefix || !span_starts(rest, "maildir:")) {
		no_equal("%s { prefix = %s location = %s }", block, prefix ? prefix : "", where ? where : "");
		return false;
	}
	if (own && *own && strcmp(own, separator) != 0)
		no_equal("%s { separator = %s }: there is one separator, %s", block, own, separator);
	if (list && strcmp(list, "no") == 0)
		no_equal("%s { list = no }: what may be looked up is listed", block);
	if (!subscriptions || strcmp(subscriptions, "no") != 0)
		no_equal("%s { subscriptions = yes }: they are in each user's own list", block);
	span_split(&rest, ':', &part);
	span_split(&rest, ':', &part);
	text_add_format(out, "%s=maildir:%.*s", prefix, SPAN_ARGS(part));
	*private = false;
	while (rest.len) {
		span_split(&rest, ':', &part);
		if (span_starts(part, "INDEXPVT=")) {
			text_add_format(out, ":%.*s", SPAN_ARGS(part));
			*private = true;
		} else if (!span_starts(part, "INDEX=")) {
			no_equal("%s: location: %.*s", block, SPAN_ARGS(part));
		}
	}
	return true;
}

static void
print_foreign_namespaces(const char *separator)
{
	autotext struct text shared = {0}, public = {0};
	bool                 private, all = true;

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];
		bool          is_shared = strcmp(e->value, "shared") == 0;

		if (strncmp(e->block, "namespace", 9) != 0 || strchr(e->block, '/') || strcmp(e->key, "type") != 0
			|| (!is_shared && strcmp(e->value, "public") != 0))
			continue;
		e->done = true;
		if (is_shared && shared.len) {
			no_equal("%s: a second namespace of type shared", e->block);
			continue;
		}
		if (!is_shared && public.len)
			text_add_string(&public, "; ");
		if (foreign_namespace(e->block, separator, is_shared ? &shared : &public, &private))
			all &= private;
	}
	if (shared.len)
		printf("imap_shared_namespace = %s\n", text_string(&shared));
	if (public.len)
		printf("imap_public_namespaces = %s\n", text_string(&public));
	if (!all)
		printf("# yes: each user has a \\Seen of his own there; Dovecot has one for all without INDEXPVT=\n"
			"imap_private_seen = no\n");
}

void
print_namespaces(void)
{
	autofree char *inbox = NULL;

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];

		if (strncmp(e->block, "namespace", 9) != 0 || strchr(e->block, '/') || strcmp(e->key, "inbox") != 0)
			continue;
		e->done = true;
		if (strcmp(e->value, "yes") == 0 && !inbox)
			inbox = mem_string(e->block);
	}
	for (size_t i = 0; i < entry_count && !inbox; i++) /* settings of the inbox without "inbox = yes" told */
		if (strncmp(entries[i].block, "namespace inbox", 15) == 0)
			inbox = mem_string("namespace inbox");
	if (!inbox) {
		print_foreign_namespaces(".");
		return;
	}
	const char *prefix = get(inbox, "prefix"), *separator = get(inbox, "separator"), *where = get(inbox, "location");
	const char *type = get(inbox, "type");

	(void)type;
	if (prefix && *prefix)
		printf("imap_namespace_prefix = %s\n", prefix);
	if (separator && *separator)
		printf("imap_namespace_separator = %s\n", separator);
	if (where && *where)
		no_equal("%s { location = %s }", inbox, where);
	get(inbox, "list"), get(inbox, "subscriptions"), get(inbox, "hidden");
	print_uses(inbox, prefix ? prefix : "");
	print_foreign_namespaces(separator && *separator ? separator : ".");
}
