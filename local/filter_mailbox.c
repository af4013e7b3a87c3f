/* SPDX-License-Identifier: ISC */
/*
 * filter_mailbox.c - which mailbox of the recipient's a script means, and what is written about it
 */
#include "local/filter_mailbox.h"

#include <string.h>

#include "sieve/settings.h"
#include "store/acl.h"
#include "store/folder.h"
#include "store/mutf7.h"

#define SERVER_PREFIX "vendor/vendor.dovecot/pvt/server/"

/* Levels by "." or "/". */
static void
add_dotted(struct span name, struct text *out)
{
	size_t start = out->len;

	text_add(out, name);
	for (size_t i = start; i < out->len; i++)
		if (out->at[i] == '/')
			out->at[i] = '.';
}

static int
to_folder(struct filter_mailboxes *m, struct span name, const char **folder, struct fault *why)
{
	autotext struct text dotted = {0}, encoded = {0};

	add_dotted(name, &dotted);
	if (mutf7_encode_name(text_span(&dotted), &encoded, why) < 0)
		return -1;
	if (!encoded.len || !maildir_folder_valid(text_span(&encoded)))
		return fault_set(why, FAULT_INPUT, "invalid mailbox name '%.*s'", SPAN_ARGS(span_first(name, 100)));
	*folder = arena_string(m->arena, text_span(&encoded));
	return 0;
}

int
mailbox_by_detail(struct filter_mailboxes *m, struct span name, const char **folder, struct fault *why)
{
	if (!span_is_nocase(name, "INBOX"))
		return to_folder(m, name, folder, why);
	*folder = "";
	return 0;
}

int
mailbox_by_name(struct filter_mailboxes *m, struct span name, const char **folder, struct fault *why)
{
	autotext struct text dotted = {0}, prefix = {0};

	if (!acl_settings.prefix[0] || span_is_nocase(name, "INBOX"))
		return mailbox_by_detail(m, name, folder, why);
	add_dotted(name, &dotted);
	add_dotted(span_of(acl_settings.prefix), &prefix);
	if (!span_starts_nocase(text_span(&dotted), text_string(&prefix)))
		return fault_set(why, FAULT_INPUT, "Mailbox doesn't exist: names start with %s", acl_settings.prefix);
	return to_folder(m, span_from(name, prefix.len), folder, why);
}

static void
list_ids(struct filter_mailboxes *m)
{
	struct tree tree = {0};

	if (m->listed)
		return;
	m->listed = true;
	if (tree_list(m->maildir, &tree, NULL) < 0)
		return;
	m->ids = arena_alloc(m->arena, (tree.count + 1) * sizeof *m->ids);
	for (size_t i = 0; i <= tree.count; i++) {
		const char *folder = i ? tree.names[i - 1] : "";
		char        guid[40] = "";

		attributes_mailbox_guid(m->maildir, folder, guid);
		m->ids[m->n_ids++] = (struct mailbox_id){arena_string(m->arena, span_of(folder)), arena_string(m->arena, span_of(guid))};
	}
	tree_free(&tree);
}

static void
read_attributes(struct filter_mailboxes *m)
{
	if (!m->read)
		attributes_read(m->maildir, &m->attributes, NULL);
	m->read = true;
}

static const struct attribute *
find(struct filter_mailboxes *m, const char *kind, const char *guid, const char *prefix, struct span entry)
{
	autotext struct text key = {0};

	if (!guid[0])
		return NULL;
	read_attributes(m);
	text_add_format(&key, "%s/%s/%s%.*s", kind, guid, prefix, SPAN_ARGS(entry));
	text_lower(&key);
	return attributes_find(&m->attributes, text_span(&key));
}

static const char *
guid_of(struct filter_mailboxes *m, const char *folder)
{
	list_ids(m);
	for (size_t i = 0; i < m->n_ids; i++)
		if (strcmp(m->ids[i].folder, folder) == 0)
			return m->ids[i].guid;
	return "";
}

/* What the administrator's list says of a mailbox; its names are those of clients, which may begin with "INBOX.". */
static bool
is_configured(struct filter_mailboxes *m, const char *folder, struct span use)
{
	struct span uses = span_of(sieve_settings.special_use), one;
	const char *named;

	while (span_next(&uses, " \t", &one)) {
		ptrdiff_t   at = span_find_last(one, '=');
		struct span name;

		if (at < 1 || !span_equal_nocase(span_from(one, (size_t)at + 1), use))
			continue;
		name = span_first(one, (size_t)at);
		if (acl_settings.prefix[0] && span_starts(name, acl_settings.prefix))
			name = span_from(name, strlen(acl_settings.prefix));
		else if (span_starts(name, "INBOX.") || span_starts(name, "INBOX/"))
			name = span_from(name, 6);
		if (mailbox_by_detail(m, name, &named, NULL) == 0 && strcmp(named, folder) == 0)
			return true;
	}
	return false;
}

bool
mailbox_has_use(struct filter_mailboxes *m, const char *folder, struct span use)
{
	const struct attribute *set = find(m, "priv", guid_of(m, folder), "", SPAN("specialuse"));

	if (!tree_exists(m->maildir, folder))
		return false;
	return set ? span_equal_nocase(text_span(&set->value), use) : is_configured(m, folder, use);
}

bool
mailbox_by_use(struct filter_mailboxes *m, struct span use, const char **folder)
{
	list_ids(m);
	for (size_t i = 0; i < m->n_ids; i++)
		if (mailbox_has_use(m, m->ids[i].folder, use)) {
			*folder = m->ids[i].folder;
			return true;
		}
	return false;
}

bool
mailbox_by_id(struct filter_mailboxes *m, struct span id, const char **folder)
{
	list_ids(m);
	for (size_t i = 0; i < m->n_ids; i++)
		if (id.len && span_equal(span_of(m->ids[i].guid), id)) {
			*folder = m->ids[i].folder;
			return true;
		}
	return false;
}

bool
mailbox_metadata(struct filter_mailboxes *m, const char *folder, struct span entry, struct span *value)
{
	bool                    private = span_starts_nocase(entry, "/private/");
	const struct attribute *a;

	if (!private && !span_starts_nocase(entry, "/shared/"))
		return false;
	a = find(m, private ? "priv" : "shared", guid_of(m, folder ? folder : ""), folder ? "" : SERVER_PREFIX,
		span_from(entry, private ? 9 : 8));
	if (a)
		*value = text_span(&a->value);
	return a;
}

int
mailbox_set_use(struct filter_mailboxes *m, const char *folder, struct span use, struct fault *why)
{
	autotext struct text    key = {0};
	struct folder          *f;
	struct attribute_change change = {.value = use};
	int                     done;

	/* it has its GUID once it was opened */
	if (folder_open(m->maildir, folder, 0, &f, why) < 0)
		return -1;
	text_add_format(&key, "priv/%s/specialuse", f->list.guid);
	change.key = text_span(&key);
	done = attributes_change(m->maildir, &change, 1, why);
	folder_close(f);
	return done;
}

void
mailboxes_free(struct filter_mailboxes *m)
{
	attributes_free(&m->attributes);
}
