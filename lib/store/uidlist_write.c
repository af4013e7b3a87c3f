/* SPDX-License-Identifier: ISC */
/*
 * uidlist_write.c - dovecot-uidlist: appending and rewriting, under its lock
 *
 * New mail is appended in whole lines and made durable before any client hears
 * of its UID; a rewrite is a new file renamed over the old.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/small_file.h"
#include "store/uidlist.h"

static void
format_record(const struct uidlist_record *r, struct text *out)
{
	char   digits[10];
	size_t at = sizeof digits;

	for (uint32_t n = r->uid; at > 0 && (n || at == sizeof digits); n /= 10)
		digits[--at] = (char)('0' + n % 10);
	text_add(out, span_at(digits + at, sizeof digits - at));
	text_add_byte(out, ' ');
	if (r->fields.len) {
		text_add(out, r->fields);
		text_add_byte(out, ' ');
	}
	text_add_byte(out, ':');
	text_add(out, r->base);
	text_add_byte(out, '\n');
}

static void
remember(struct uidlist *l, int dir)
{
	struct stat st;

	if (fstatat(dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		uidlist_pin(l, dir, &st);
	l->broken = l->foreign = l->unterminated = l->courier = false;
}

static void
put_aside(int dir)
{
	if (linkat(dir, UIDLIST_FILE, dir, UIDLIST_FILE ".broken", 0) < 0 && errno == EEXIST)
		return; /* the first broken one tells more than the last */
	log_warning("kept the broken %s as %s.broken", UIDLIST_FILE, UIDLIST_FILE);
}

int
uidlist_rewrite(struct uidlist *l, int dir, bool (*keep)(const struct uidlist_record *, const void *),
	const void *context, struct fault *why)
{
	autotext struct text out = {0};
	size_t               kept = 0;

	if (!l->guid[0])
		uidlist_new_guid(l->guid);
	text_add_format(&out, "3 V%u N%u G%s", l->validity, l->next, l->guid);
	text_add(&out, l->other);
	text_add_byte(&out, '\n');
	for (size_t i = 0; i < l->count; i++)
		if (!keep || keep(&l->records[i], context))
			format_record(&l->records[i], &out);
	if (l->broken)
		put_aside(dir);
	if (small_file_replace(dir, UIDLIST_FILE, UIDLIST_FILE ".tmp", text_span(&out), 0, why) < 0)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		if (keep && !keep(&l->records[i], context)) {
			if (uidlist_find(l, l->records[i].base) == (ptrdiff_t)i)
				strmap_remove(l->by_base, l->records[i].base);
			continue;
		}
		l->records[kept] = l->records[i];
		if (uidlist_find(l, l->records[kept].base) == (ptrdiff_t)i)
			strmap_put(l->by_base, l->records[kept].base, (void *)(uintptr_t)(kept + 1));
		kept++;
	}
	l->count = kept;
	l->read_to = (off_t)out.len;
	remember(l, dir);
	return 0;
}

int
uidlist_write(struct uidlist *l, int dir, size_t first, struct fault *why)
{
	autotext struct text out = {0};

	if (l->broken || l->foreign || l->unterminated || l->read_to == 0 || !l->guid[0])
		return uidlist_rewrite(l, dir, NULL, NULL, why);
	if (first == l->count)
		return 0;
	autoclose int fd = file_open_beneath(dir, UIDLIST_FILE, O_RDWR | O_NONBLOCK, 0, why);
	struct stat   st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != l->read_to
		|| st.st_ino != l->seen.st_ino)
		return fault_set(why, FAULT_SYSTEM, "%s changed although it is locked", UIDLIST_FILE);
	for (size_t i = first; i < l->count; i++)
		format_record(&l->records[i], &out);
	if (file_write_at(fd, text_span(&out), st.st_size, why) < 0) {
		if (ftruncate(fd, st.st_size) < 0) /* full disk: half a line is no record */
			log_warning("%s has a torn last line", UIDLIST_FILE);
		return fault_prefix(why, "%s", UIDLIST_FILE);
	}
	if (fdatasync(fd) < 0)
		return fault_errno(why, "fdatasync %s", UIDLIST_FILE);
	l->read_to += (off_t)out.len;
	remember(l, dir);
	return 0;
}
