/* SPDX-License-Identifier: ISC */
/*
 * attributes.c - named values of mailboxes (RFC 5464), in Dovecot's file
 */
#include "store/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/dotlock.h"
#include "store/small_file.h"
#include "store/uidlist.h"

#define ATTRIBUTES_FILE "dovecot-attributes"

enum { STALE_SECONDS = 60, WAIT_MS = 30000, HEAD = 512 };

static const char plain[] = {'\0', '\1', '\t', '\r', '\n'};
static const char escaped[] = {'0', '1', 't', 'r', 'n'};

static void
add_unescaped(struct span s, struct text *out)
{
	for (size_t i = 0; i < s.len; i++) {
		const char *at;

		if (s.at[i] == '\1' && i + 1 < s.len && (at = memchr(escaped, s.at[i + 1], sizeof escaped))) {
			text_add_byte(out, plain[at - escaped]);
			i++;
		} else {
			text_add_byte(out, s.at[i]);
		}
	}
}

static void
add_escaped(struct span s, struct text *out)
{
	for (size_t i = 0; i < s.len; i++) {
		const char *at = memchr(plain, s.at[i], sizeof plain);

		if (at)
			text_add_byte(out, '\1');
		text_add_byte(out, at ? escaped[at - plain] : s.at[i]);
	}
}

void
attributes_parse(struct span file, struct attributes *a)
{
	struct span key, value;

	*a = (struct attributes){0};
	while (file.len && span_split(&file, '\n', &key) && span_split(&file, '\n', &value)) {
		a->at = mem_grow(a->at, a->count + 1, sizeof *a->at);
		a->at[a->count] = (struct attribute){0};
		add_unescaped(key, &a->at[a->count].key);
		add_unescaped(value, &a->at[a->count].value);
		a->count++;
	}
}

void
attributes_free(struct attributes *a)
{
	for (size_t i = 0; i < a->count; i++) {
		text_free(&a->at[i].key);
		text_free(&a->at[i].value);
	}
	free(a->at);
	*a = (struct attributes){0};
}

int
attributes_read(struct maildir *m, struct attributes *a, struct fault *why)
{
	autotext struct text file = {0};
	struct fault         own = {0};

	*a = (struct attributes){0};
	if (small_file_read(maildir_root(m), ATTRIBUTES_FILE, ATTRIBUTES_LARGEST, &file, NULL, &own) < 0) {
		if (own.error == ENOENT)
			return 0;
		if (why)
			*why = own;
		return -1;
	}
	attributes_parse(text_span(&file), a);
	return 0;
}

const struct attribute *
attributes_find(const struct attributes *a, struct span key)
{
	for (size_t i = 0; i < a->count; i++)
		if (span_equal_nocase(text_span(&a->at[i].key), key))
			return &a->at[i];
	return NULL;
}

void
attributes_apply(struct attributes *a, const struct attribute_change *c)
{
	struct attribute *there = (struct attribute *)attributes_find(a, c->key);

	if (c->remove) {
		if (!there)
			return;
		text_free(&there->key);
		text_free(&there->value);
		*there = a->at[--a->count];
		return;
	}
	if (!there) {
		a->at = mem_grow(a->at, a->count + 1, sizeof *a->at);
		there = &a->at[a->count++];
		*there = (struct attribute){0};
		text_set(&there->key, c->key);
	}
	text_set(&there->value, c->value);
}

static int
write_all(struct maildir *m, const struct attributes *a, struct fault *why)
{
	autotext struct text file = {0};

	for (size_t i = 0; i < a->count; i++) {
		add_escaped(text_span(&a->at[i].key), &file);
		text_add_byte(&file, '\n');
		add_escaped(text_span(&a->at[i].value), &file);
		text_add_byte(&file, '\n');
	}
	if (file.len > ATTRIBUTES_LARGEST || a->count > ATTRIBUTES_MOST)
		return fault_set(why, FAULT_DENIED, "too many annotations");
	return small_file_replace(maildir_root(m), ATTRIBUTES_FILE, ATTRIBUTES_FILE ".tmp", text_span(&file), 0, why);
}

int
attributes_change(struct maildir *m, const struct attribute_change *changes, size_t count, struct fault *why)
{
	struct attributes a;
	struct dotlock    lock = {0};
	int               result;

	if (dotlock_take(maildir_root(m), ATTRIBUTES_FILE, STALE_SECONDS, clock_after(WAIT_MS), &lock, why) < 0)
		return -1;
	result = attributes_read(m, &a, why);
	if (result == 0) {
		for (size_t i = 0; i < count; i++)
			attributes_apply(&a, &changes[i]);
		result = write_all(m, &a, why);
	}
	attributes_free(&a);
	dotlock_release(&lock);
	return result;
}

bool
attributes_mailbox_guid(struct maildir *m, const char *folder, char guid[40])
{
	autoclose int  dir = maildir_folder_open(m, folder, NULL);
	autoclose int  fd = dir < 0 ? -1 : file_open_beneath(dir, UIDLIST_FILE, O_RDONLY | O_NONBLOCK, 0, NULL);
	char           head[HEAD];
	ssize_t        n = fd < 0 ? -1 : read(fd, head, sizeof head);
	struct uidlist list;
	struct span    line = span_at(head, n < 0 ? 0 : (size_t)n);
	ptrdiff_t      end = span_find(line, '\n');

	if (end < 0)
		return false;
	uidlist_init(&list);
	uidlist_parse(span_first(line, (size_t)end + 1), &list);
	memcpy(guid, list.guid, sizeof list.guid);
	uidlist_free(&list);
	return guid[0] != '\0';
}
