/* SPDX-License-Identifier: ISC */
/*
 * names.c - mailbox names between client and store
 */
#include "names.h"

#include <errno.h>

#include "imap_config.h"
#include "mail/imap_body.h"
#include "store/mutf7.h"
#include "store/tree.h"

/* The directory of the same name in UTF-8, if that is the one that is there. */
static char *
courier_directory(struct space *in, const char *folder)
{
	autotext struct text utf8 = {0};

	if (!strchr(folder, '&') || tree_exists(in->maildir, folder)
		|| mutf7_decode(span_of(folder), &utf8, NULL) < 0
		|| !maildir_folder_valid(text_span(&utf8)) || !tree_exists(in->maildir, text_string(&utf8)))
		return NULL;
	return take(utf8.at);
}

bool
name_is_utf8(const struct imap_session *s)
{
	return s->manner.utf8 || s->manner.rev2;
}

/* "shared/alice" is below "shared/alice/", too. */
static bool
is_below(struct span name, struct span prefix, struct span *rest)
{
	bool root = name.len + 1 == prefix.len;

	if (!prefix.len || name.len + 1 < prefix.len || memcmp(name.at, prefix.at, root ? name.len : prefix.len) != 0)
		return false;
	*rest = span_from(name, root ? name.len : prefix.len);
	return true;
}

bool
name_is_foreign(struct span name)
{
	struct span rest = span_of(imap_config.public_namespaces), prefix, where, below;

	if (is_below(name, spaces_shared_stem(), &below))
		return true;
	while (spaces_next_public(&rest, &prefix, &where))
		if (is_below(name, prefix, &below))
			return true;
	return false;
}

bool
name_is_above_foreign(struct span name)
{
	autotext struct text below = {0};
	struct span          rest = span_of(imap_config.public_namespaces), prefix, where;

	text_add(&below, name);
	text_add_string(&below, imap_config.separator);
	if (span_starts(spaces_shared_stem(), text_string(&below)))
		return true;
	while (spaces_next_public(&rest, &prefix, &where))
		if (span_starts(prefix, text_string(&below)))
			return true;
	return false;
}

/* 0 with the space and what follows its prefix. */
static int
find_space(struct imap_session *s, struct span name, struct space **in, struct span *rest, struct fault *why)
{
	struct span prefix = span_of(imap_config.prefix);

	for (size_t i = 0; s->spaces && i < s->spaces->count; i++)
		if (is_below(name, span_of(s->spaces->at[i].prefix), rest)) {
			*in = &s->spaces->at[i];
			if (rest->len || (*in)->kind == SPACE_SHARED)
				return 0;
			break; /* the root of a public one is no mailbox */
		}
	if (name_is_foreign(name)) {
		errno = ENOENT;
		return fault_errno(why, "mailbox");
	}
	*in = &s->mine;
	*rest = name;
	if (prefix.len && span_starts_nocase(name, imap_config.prefix))
		*rest = span_from(name, prefix.len);
	else if (prefix.len)
		return fault_set(why, FAULT_INPUT, "Mailbox names start with %s", imap_config.prefix);
	return 0;
}

static int
find_folder(struct space *in, struct span rest, char **folder, struct fault *why)
{
	autotext struct text out = {0};
	char                 separator = imap_config.separator[0];
	char                *courier;

	if (in->kind == SPACE_SHARED && (rest.len == 0 || span_is_nocase(rest, "INBOX"))) {
		*folder = mem_string("");
		return 0;
	}
	text_add(&out, rest);
	for (size_t i = 0; i < out.len; i++) {
		if (out.at[i] == '.' && separator != '.')
			return fault_set(why, FAULT_INPUT, "Character not allowed in mailbox name: '.'");
		if (out.at[i] == separator)
			out.at[i] = '.';
	}
	if (out.len == 0 || !maildir_folder_valid(text_span(&out)))
		return fault_set(why, FAULT_INPUT, "Invalid mailbox name");
	courier = courier_directory(in, text_string(&out));
	*folder = courier ? courier : take(out.at);
	return 0;
}

int
name_find(struct imap_session *s, struct span name, struct space **in, char **folder, struct fault *why)
{
	autotext struct text encoded = {0};

	if (!name_is_utf8(s))
		return name_find_stored(s, name, in, folder, why);
	if (mutf7_encode_name(name, &encoded, NULL) < 0)
		return fault_set(why, FAULT_INPUT, "Invalid mailbox name: not UTF-8");
	return name_find_stored(s, text_span(&encoded), in, folder, why);
}

int
name_find_stored(struct imap_session *s, struct span name, struct space **in, char **folder, struct fault *why)
{
	struct span   rest = SPAN_NONE;
	struct space *found = NULL;

	if (span_is_nocase(name, "INBOX")) {
		*in = &s->mine;
		*folder = mem_string("");
		return 0;
	}
	if (!mutf7_valid(name))
		return fault_set(why, FAULT_INPUT, "Invalid mailbox name: not modified UTF-7");
	if (find_space(s, name, &found, &rest, why) < 0 || find_folder(found, rest, folder, why) < 0)
		return -1;
	*in = found;
	return 0;
}

char *
name_take(struct imap_session *s, const struct argument *a, struct space **in)
{
	char *folder = NULL;

	if (!argument_is_astring(a)) {
		imap_bad_arguments(s);
		return NULL;
	}
	if (name_find(s, a->text, in, &folder, &s->why) < 0) {
		imap_finish_fault(s, "Bad mailbox name");
		return NULL;
	}
	return folder;
}

char *
name_take_existing(struct imap_session *s, const struct argument *a, const char *code, struct space **in)
{
	autofree char *folder = name_take(s, a, in);

	if (folder && !imap_exists(s, *in, folder)) {
		imap_finish(s, "NO [%s] Mailbox doesn't exist.", code);
		return NULL;
	}
	return take(folder);
}

int
name_to_folder(struct imap_session *s, struct span name, char **folder, struct fault *why)
{
	autofree char *found = NULL;
	struct space  *in;

	if (name_find(s, name, &in, &found, why) < 0)
		return -1;
	if (in->kind != SPACE_OWN)
		return fault_set(why, FAULT_DENIED, "only of one's own mailboxes");
	*folder = take(found);
	return 0;
}

static void
add_with_prefix(struct span prefix, const char *folder, struct text *out)
{
	size_t start;

	text_add(out, prefix);
	start = out->len;
	/* "R&D" in a directory's name is Courier's UTF-8, too: as it is, nobody could select it */
	if (mutf7_valid(span_of(folder)) || mutf7_encode(span_of(folder), out, NULL) < 0)
		text_add_string(out, folder);
	for (size_t i = start; i < out->len; i++)
		if (out->at[i] == '.')
			out->at[i] = imap_config.separator[0];
}

void
name_of(const struct space *in, const char *folder, struct text *out)
{
	struct span prefix = span_of(in->prefix);

	if (in->kind == SPACE_OWN)
		name_of_folder(folder, out);
	else
		add_with_prefix(*folder ? prefix : span_first(prefix, prefix.len - 1), folder, out);
}

void
name_of_folder(const char *folder, struct text *out)
{
	if (*folder)
		add_with_prefix(span_of(imap_config.prefix), folder, out);
	else
		text_add_string(out, "INBOX");
}

void
name_add(struct span name, struct text *out)
{
	bool atom = name.len > 0 && !span_is_nocase(name, "NIL");

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.at[i];

		atom &= c > ' ' && c < 0x7f && !strchr("(){%*\"\\]", c);
	}
	if (atom)
		text_add(out, name);
	else
		imap_add_string(name, out);
}

void
name_tell(const struct imap_session *s, struct span name, struct text *out)
{
	autotext struct text utf8 = {0};

	if (!name_is_utf8(s) || !span_has(name, '&') || mutf7_decode(name, &utf8, NULL) < 0) {
		name_add(name, out);
		return;
	}
	text_add_byte(out, '"');
	for (size_t i = 0; i < utf8.len; i++) {
		if (utf8.at[i] == '"' || utf8.at[i] == '\\')
			text_add_byte(out, '\\');
		text_add_byte(out, utf8.at[i]);
	}
	text_add_byte(out, '"');
}

void
name_tell_other(struct imap_session *s, struct span said, struct span name, const char *attributes)
{
	autotext struct text line = {0}, utf8 = {0};
	bool                 same = name_is_utf8(s) && mutf7_decode(name, &utf8, NULL) == 0
		? span_equal(said, text_span(&utf8)) : span_equal(said, name);

	text_add_format(&line, "* LIST (%s) ", attributes);
	name_add_separator(&line);
	text_add_byte(&line, ' ');
	name_tell(s, name, &line);
	if (!same) {
		text_add_string(&line, " (\"OLDNAME\" (");
		imap_add_string(said, &line);
		text_add_string(&line, "))");
	}
	imap_say(s, "%s", text_string(&line));
}

void
name_add_separator(struct text *out)
{
	imap_add_string(span_of(imap_config.separator), out);
}
