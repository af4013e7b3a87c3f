/* SPDX-License-Identifier: ISC */
/*
 * acl.c - dovecot-acl: read, judged, changed (RFC 4314)
 */
#include "store/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/dotlock.h"
#include "store/small_file.h"
#include "store/tree.h"

enum { LOCK_WAIT_MS = 30000, LOCK_STALE_SECONDS = 120, GLOBAL_MOST = 1 << 20 };

struct acl_settings acl_settings;

int
acl_settings_check(const struct acl_settings *s, struct fault *why)
{
	if (strcmp(s->separator, ".") != 0 && strcmp(s->separator, "/") != 0)
		return fault_set(why, FAULT_INPUT, "imap_namespace_separator must be . or /");
	if (*s->prefix && !span_ends(span_of(s->prefix), s->separator))
		return fault_set(why, FAULT_INPUT, "imap_namespace_prefix must end in the separator");
	if (*s->acl && strcmp(s->acl, "vfile") != 0 && strncmp(s->acl, "vfile:/", 7) != 0)
		return fault_set(why, FAULT_INPUT, "acl = %s: only vfile and vfile:/FILE are known here", s->acl);
	return 0;
}

/* NULL: it names none. */
static char *
global_path(const char *setting)
{
	struct span rest = span_of(setting), path;

	span_split(&rest, ':', &path);
	span_split(&rest, ':', &path);
	return path.len ? mem_span(path) : NULL;
}

int
acl_global_check(const char *setting, struct fault *why)
{
	autofree char *path = global_path(setting);
	struct stat    st;

	if (!path)
		return 0;
	if (stat(path, &st) < 0)
		return fault_errno(why, "acl: %s", path);
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_INPUT, "acl: %s is not a regular file", path);
	if (!(st.st_mode & S_IROTH) && !(st.st_gid && st.st_mode & S_IRGRP) && !(st.st_uid && st.st_mode & S_IRUSR))
		return fault_set(why, FAULT_DENIED, "acl: %s: users cannot read it", path);
	return 0;
}

int
acl_read_global(const char *setting, struct text *out, struct fault *why)
{
	autofree char *path = global_path(setting);

	return path ? file_read(path, GLOBAL_MOST, out, why) : 0;
}

bool
acl_letters_parse(struct span in, unsigned *rights)
{
	unsigned r = 0;

	for (size_t i = 0; i < in.len; i++) {
		const char *which = in.at[i] ? strchr(ACL_LETTERS, in.at[i]) : NULL;

		if (which)
			r |= 1u << (which - ACL_LETTERS);
		else if (in.at[i] == 'c')
			r |= ACL_CREATE | ACL_DELETE;
		else if (in.at[i] == 'd')
			r |= ACL_EXPUNGE | ACL_WRITE_DELETED;
		else
			return false;
	}
	*rights = r;
	return true;
}

void
acl_letters_add(unsigned rights, struct text *out)
{
	for (int i = 0; ACL_LETTERS[i]; i++)
		if (rights & 1u << i)
			text_add_byte(out, ACL_LETTERS[i]);
}

/* ------------------------------------------------------------ the file */

static struct acl_entry *
add_entry(struct acl *a, struct span id, bool negative)
{
	a->at = mem_grow(a->at, a->count + 1, sizeof *a->at);
	a->at[a->count] = (struct acl_entry){.id = mem_span(id), .negative = negative};
	return &a->at[a->count++];
}

/* Rights by their full names; one that is not known is kept. */
static void
take_words(struct acl_entry *e, struct span words)
{
	static const char *const names[] = {"lookup", "read", "write", "write-seen", "write-deleted", "insert", "post",
		"expunge", "create", "delete", "admin"};
	autotext struct text kept = {0};
	struct span          word;

	while (span_next(&words, " \t", &word)) {
		size_t i = 0;

		while (i < COUNT(names) && !span_is(word, names[i]))
			i++;
		if (i < COUNT(names))
			e->rights |= 1u << i;
		else
			text_add_format(&kept, "%s%.*s", kept.len ? " " : "", SPAN_ARGS(word));
	}
	e->words = kept.len ? take(kept.at) : NULL;
}

static void
take_line(struct acl *a, struct span line)
{
	struct span       id, letters = SPAN_NONE, words = SPAN_NONE;
	struct acl_entry *e;
	unsigned          rights;
	bool              negative;

	if (!line.len || line.at[0] == '#' || span_has(line, '\0') || a->count == ACL_ENTRIES)
		return;
	if (line.at[0] == '"') {
		line = span_from(line, 1);
		if (!span_split(&line, '"', &id))
			return;
		line = span_trim(line);
	} else {
		span_split(&line, ' ', &id);
	}
	negative = id.len && id.at[0] == '-';
	if (negative)
		id = span_from(id, 1);
	span_split(&line, ':', &letters);
	words = span_trim(line);
	if (!id.len || span_has(id, '"') || !acl_letters_parse(span_trim(letters), &rights))
		return;
	e = add_entry(a, id, negative);
	e->rights = rights;
	take_words(e, words);
}

void
acl_parse(struct span file, struct acl *out)
{
	struct span line;

	*out = (struct acl){0};
	while (span_next(&file, "\r\n", &line))
		take_line(out, span_trim(line));
}

void
acl_format(const struct acl *a, struct text *out)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct acl_entry *e = &a->at[i];
		const char             *quote = strpbrk(e->id, " \t#") ? "\"" : "";

		text_add_format(out, "%s%s%s%s ", quote, e->negative ? "-" : "", e->id, quote);
		acl_letters_add(e->rights, out);
		if (e->words)
			text_add_format(out, " :%s", e->words);
		text_add_byte(out, '\n');
	}
}

void
acl_free(struct acl *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->at[i].id);
		free(a->at[i].words);
	}
	free(a->at);
	*a = (struct acl){0};
}

struct acl_entry *
acl_find(const struct acl *a, struct span id, bool negative)
{
	for (size_t i = 0; i < a->count; i++)
		if (span_is(id, a->at[i].id) && a->at[i].negative == negative)
			return &a->at[i];
	return NULL;
}

/* ------------------------------------------------------------ what it gives */

static bool
is_member(const char *groups, const char *group)
{
	struct span rest = span_of(groups ? groups : ""), one;

	while (span_next(&rest, ", ", &one))
		if (span_is(one, group))
			return true;
	return false;
}

enum kind { ANYONE, AUTHENTICATED, GROUP, OWNER, USER, GROUP_OVERRIDE, KINDS };

/* KINDS: it names somebody else. */
static enum kind
kind_for(const char *id, const struct acl_who *who)
{
	if (strcmp(id, "anyone") == 0 || strcmp(id, "anonymous") == 0)
		return ANYONE;
	if (strcmp(id, "authenticated") == 0)
		return AUTHENTICATED;
	if (strcmp(id, "owner") == 0)
		return who->owner ? OWNER : KINDS;
	if (strncmp(id, "user=", 5) == 0)
		return strcmp(id + 5, who->user) == 0 ? USER : KINDS;
	if (strncmp(id, "group=", 6) == 0)
		return is_member(who->groups, id + 6) ? GROUP : KINDS;
	if (strncmp(id, "group-override=", 15) == 0)
		return is_member(who->groups, id + 15) ? GROUP_OVERRIDE : KINDS;
	return KINDS;
}

struct given { bool named; unsigned rights, less; };

/* From kind `least` on. */
static struct given
look_up(const struct acl *a, const struct acl_who *who, enum kind least)
{
	unsigned     more[KINDS] = {0};
	bool         named[KINDS] = {false};
	struct given g = {0};

	for (size_t i = 0; i < a->count; i++) {
		enum kind k = kind_for(a->at[i].id, who);

		if (k == KINDS || k < least)
			continue;
		if (a->at[i].negative) {
			g.less |= a->at[i].rights;
		} else {
			named[k] = true;
			more[k] |= a->at[i].rights;
		}
	}
	for (enum kind k = least; k < KINDS; k++)
		if (named[k]) {
			g.named = true;
			g.rights = more[k];
		}
	return g;
}

unsigned
acl_rights_under(const struct acl *global, const struct acl *own, const struct acl_who *who)
{
	struct given above = look_up(global, who, ANYONE), here = look_up(own, who, who->owner ? OWNER : ANYONE);
	unsigned     rights = above.named ? above.rights : here.named ? here.rights : who->owner ? ACL_ALL : 0;

	rights &= ~(above.less | here.less);
	return who->owner ? rights | ACL_LOOKUP | ACL_ADMIN : rights;
}

unsigned
acl_rights(const struct acl *a, const struct acl_who *who)
{
	const struct acl none = {0};

	return acl_rights_under(&none, a, who);
}

/* "PATTERN ID RIGHTS"; a pattern with blanks is quoted. */
void
acl_global_select(struct span file, struct span mailbox, struct acl *out)
{
	struct span line, pattern;

	*out = (struct acl){0};
	while (span_next(&file, "\r\n", &line)) {
		line = span_trim(line);
		if (!line.len || line.at[0] == '#')
			continue;
		if (line.at[0] == '"') {
			line = span_from(line, 1);
			span_split(&line, '"', &pattern);
		} else {
			ptrdiff_t blank = span_find_any(line, " \t");

			pattern = span_first(line, blank < 0 ? line.len : (size_t)blank);
			line = span_from(line, pattern.len);
		}
		if (span_matches(mailbox, pattern))
			take_line(out, span_trim(line));
	}
}

/* ------------------------------------------------------------ the file of a mailbox */

static int
read_in(int dir, struct acl *out, struct fault *why)
{
	autotext struct text body = {0};
	struct fault         own = {0};

	*out = (struct acl){0};
	if (small_file_read(dir, ACL_FILE, ACL_FILE_MOST, &body, NULL, &own) < 0) {
		if (own.error == ENOENT)
			return 0;
		if (why)
			*why = own;
		return -1;
	}
	acl_parse(text_span(&body), out);
	return 0;
}

int
acl_read(struct maildir *m, const char *folder, struct acl *out, struct fault *why)
{
	autoclose int dir = -1;

	if (!*folder) /* also where the root is no mailbox: nothing is made there */
		return read_in(maildir_root(m), out, why);
	dir = maildir_folder_open(m, folder, why);
	return dir < 0 ? -1 : read_in(dir, out, why);
}

static int
write_in(int dir, const struct acl *a, struct fault *why)
{
	autotext struct text body = {0};

	acl_format(a, &body);
	return small_file_replace(dir, ACL_FILE, ACL_FILE ".tmp", text_span(&body), 0, why);
}

int
acl_change(struct maildir *m, const char *folder, struct span id, bool negative, char kind, unsigned rights,
	struct fault *why)
{
	autoclose int     dir = maildir_folder_open(m, folder, why);
	struct dotlock    lock = {0};
	struct acl        a = {0};
	struct acl_entry *e;
	int               result = -1;

	if (dir < 0 || dotlock_take(dir, ACL_FILE, LOCK_STALE_SECONDS, clock_after(LOCK_WAIT_MS), &lock, why) < 0)
		return -1;
	if (read_in(dir, &a, why) == 0) {
		e = acl_find(&a, id, negative);
		if (!e && a.count < ACL_ENTRIES)
			e = add_entry(&a, id, negative);
		if (!e) {
			fault_set(why, FAULT_DENIED, "too many entries");
		} else {
			e->rights = kind == '+' ? e->rights | rights : kind == '-' ? e->rights & ~rights : rights;
			if (!e->rights && !e->words) {
				free(e->id);
				*e = a.at[--a.count];
			}
			result = write_in(dir, &a, why);
		}
	}
	acl_free(&a);
	dotlock_release(&lock);
	return result;
}

int
acl_inherit(struct maildir *m, const char *folder, bool of_inbox, struct fault *why)
{
	autofree char *above = mem_string(folder);
	bool           has_above = tree_nearest_above(m, above);
	struct acl     a = {0};
	int            result = 0;

	if ((!has_above && !of_inbox) || acl_read(m, has_above ? above : "", &a, NULL) < 0)
		return 0;
	if (a.count) {
		autoclose int dir = maildir_folder_open(m, folder, why);

		result = dir < 0 ? -1 : write_in(dir, &a, why);
	}
	acl_free(&a);
	return result;
}

void
acl_forget_list(struct maildir *m)
{
	unlinkat(maildir_root(m), "dovecot-acl-list", 0);
}
