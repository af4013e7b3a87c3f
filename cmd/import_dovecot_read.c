/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_read.c - a Dovecot's settings, as doveconf tells them
 */
#include <string.h>

#include "base/log.h"
#include "cmd/import_dovecot.h"

enum { DEPTH = 12 };

struct entry entries[ENTRIES];
size_t       entry_count;

static void
add_entry(const struct text *block, struct span line)
{
	struct span key;

	if (entry_count == ENTRIES)
		log_fatal("more than %d settings", ENTRIES);
	span_split(&line, '=', &key);
	line = span_trim(line);
	if (line.len > 1 && line.at[0] == '"' && line.at[line.len - 1] == '"')
		line = span_cut(line, 1, line.len - 1);
	entries[entry_count++] = (struct entry){mem_string(text_string(block)), mem_span(span_trim(key)), mem_span(span_trim(line)), false};
}

/* Databases are asked in their order: each has a number. */
static void
enter(struct text *block, struct span name)
{
	static int databases;

	if (block->len)
		text_add_byte(block, '/');
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] != '"')
			text_add_byte(block, name.at[i]);
	if (span_is(name, "passdb") || span_is(name, "userdb") || span_is(name, "namespace"))
		text_add_format(block, "#%03d", databases++);
}

void
read_all(struct span in)
{
	autotext struct text block = {0};
	size_t               start[DEPTH], depth = 0;
	struct span          line;

	while (span_split(&in, '\n', &line) || line.len) {
		line = span_trim(line);
		if (line.len && line.at[0] != '#') {
			if (span_is(line, "}") && depth > 0) {
				text_cut(&block, start[--depth]);
			} else if (span_ends(line, "{") && depth < DEPTH) {
				start[depth++] = block.len;
				enter(&block, span_trim(span_first(line, line.len - 1)));
			} else {
				add_entry(&block, line);
			}
		}
		if (!in.len)
			break;
	}
}

const char *
get(const char *block, const char *key)
{
	for (size_t i = 0; i < entry_count; i++)
		if (strcmp(entries[i].block, block) == 0 && strcmp(entries[i].key, key) == 0) {
			entries[i].done = true;
			return entries[i].value;
		}
	return NULL;
}

/* A setting of a plugin that is not loaded does nothing there. */
bool
loads(const char *plugin)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct span rest = span_of(entries[i].value), word;

		if (strcmp(entries[i].key, "mail_plugins") == 0)
			while (span_next(&rest, " \t", &word))
				if (span_is(word, plugin))
					return true;
	}
	return false;
}

bool
has_protocol(const char *name)
{
	const char *value = get("", "protocols");
	struct span rest = span_of(value ? value : "imap pop3"), word;

	while (span_next(&rest, " ", &word))
		if (span_is(word, name))
			return true;
	return false;
}
