/* SPDX-License-Identifier: ISC */
/*
 * names.c - mailbox names between client and store
 */
#include "names.h"

#include "imap_config.h"
#include "mail/charset.h"
#include "mail/imap_body.h"
#include "store/mutf7.h"
#include "store/tree.h"

/* The directory of the same name in UTF-8, if that is the one that is there. */
static char *
courier_directory(struct imap_session *s, const char *folder)
{
	autotext struct text utf8 = {0};

	if (!strchr(folder, '&') || tree_exists(s->maildir, folder)
		|| mutf7_decode(span_of(folder), &utf8, NULL) < 0
		|| !maildir_folder_valid(text_span(&utf8)) || !tree_exists(s->maildir, text_string(&utf8)))
		return NULL;
	return take(utf8.at);
}

bool
name_is_utf8(const struct imap_session *s)
{
	return s->manner.utf8 || s->manner.rev2;
}

int
name_to_folder(struct imap_session *s, struct span name, char **folder, struct fault *why)
{
	autotext struct text out = {0}, encoded = {0};
	struct span          prefix = span_of(imap_config.prefix);
	char                 separator = imap_config.separator[0];
	char                *courier;

	if (span_is_nocase(name, "INBOX")) {
		*folder = mem_string("");
		return 0;
	}
	if (name_is_utf8(s)) {
		if (!utf8_printable(name) || mutf7_encode(name, &encoded, NULL) < 0)
			return fault_set(why, FAULT_INPUT, "Invalid mailbox name: not UTF-8");
		name = text_span(&encoded);
	}
	if (!mutf7_valid(name))
		return fault_set(why, FAULT_INPUT, "Invalid mailbox name: not modified UTF-7");
	if (prefix.len && span_starts_nocase(name, imap_config.prefix))
		name = span_from(name, prefix.len);
	else if (prefix.len)
		return fault_set(why, FAULT_INPUT, "Mailbox names start with %s", imap_config.prefix);
	text_add(&out, name);
	for (size_t i = 0; i < out.len; i++) {
		if (out.at[i] == '.' && separator != '.')
			return fault_set(why, FAULT_INPUT, "Character not allowed in mailbox name: '.'");
		if (out.at[i] == separator)
			out.at[i] = '.';
	}
	if (out.len == 0 || !maildir_folder_valid(text_span(&out)))
		return fault_set(why, FAULT_INPUT, "Invalid mailbox name");
	courier = courier_directory(s, text_string(&out));
	*folder = courier ? courier : take(out.at);
	return 0;
}

void
name_of_folder(const char *folder, struct text *out)
{
	size_t start;

	if (!*folder) {
		text_add_string(out, "INBOX");
		return;
	}
	text_add_string(out, imap_config.prefix);
	start = out->len;
	/* "R&D" in a directory's name is Courier's UTF-8, too: as it is, nobody could select it */
	if (mutf7_valid(span_of(folder)) || mutf7_encode(span_of(folder), out, NULL) < 0)
		text_add_string(out, folder);
	for (size_t i = start; i < out->len; i++)
		if (out->at[i] == '.')
			out->at[i] = imap_config.separator[0];
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
name_add_separator(struct text *out)
{
	imap_add_string(span_of(imap_config.separator), out);
}
