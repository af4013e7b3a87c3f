/* SPDX-License-Identifier: ISC */
/*
 * uidvalidity.c - the next UIDVALIDITY of a user's mailboxes
 */
#include "store/uidvalidity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/shared_mode.h"
#include "store/small_file.h"

#define NAME "dovecot-uidvalidity"

enum { TRIES = 10 };

static bool
parse_value(struct span s, uint32_t *value)
{
	uint32_t n = 0;

	if (s.len != 8)
		return false;
	for (size_t i = 0; i < 8; i++) {
		char        c = ascii_lower(s.at[i]);
		const char *digit = c ? strchr("0123456789abcdef", c) : NULL;

		if (!digit)
			return false;
		n = n << 4 | (uint32_t)(digit - "0123456789abcdef");
	}
	*value = n;
	return n != 0;
}

/* The highest value that a file's name or the counter's content says. */
static uint32_t
highest(int root, bool *counted)
{
	autotext struct text text = {0};
	uint32_t             best = 0, value;
	DIR                 *dir = file_directory(root);

	if (small_file_read(root, NAME, 64, &text, NULL, NULL) == 0
		&& parse_value(span_trim(text_span(&text)), &value))
		best = value;
	*counted = best != 0;
	if (!dir)
		return best;
	for (struct dirent *e; (e = readdir(dir));) {
		struct span s = span_of(e->d_name);

		if (span_starts(s, NAME ".") && parse_value(span_from(s, sizeof NAME), &value)
			&& value >= best) {
			best = value;
			*counted = true;
		}
	}
	closedir(dir);
	return best;
}

static int
write_counter(int root, uint32_t value, struct fault *why)
{
	char          hex[16];
	autoclose int fd = file_open_beneath(root, NAME, O_RDWR | O_CREAT | O_NONBLOCK, 0600, why);
	struct stat   st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_set(why, FAULT_INPUT, NAME " is not a regular file");
	shared_mode_follow(root, fd);
	snprintf(hex, sizeof hex, "%08x", value);
	if (file_write_at(fd, span_first(span_of(hex), 8), 0, why) < 0 || file_sync(fd, why) < 0)
		return fault_prefix(why, NAME);
	return file_sync(root, why);
}

static int
make_first(int root, uint32_t value, struct fault *why)
{
	char name[64];
	int  fd;

	snprintf(name, sizeof name, NAME ".%08x", value);
	fd = openat(root, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (fd < 0)
		return fault_errno(why, "create %s", name);
	close(fd);
	return 0;
}

int
uidvalidity_next(int root, uint32_t *value, struct fault *why)
{
	bool     counted;
	uint32_t old = highest(root, &counted);

	for (int i = 0; i < TRIES; i++) {
		char         from[64], to[64];
		struct fault own = {0};

		if (!counted) {
			uint32_t first = (uint32_t)time(NULL);

			if (make_first(root, first, &own) == 0) {
				*value = first;
				return write_counter(root, first, why);
			}
			if (own.error != EEXIST) {
				if (why)
					*why = own;
				return -1;
			}
			old = highest(root, &counted);
			continue;
		}
		if (old == UINT32_MAX)
			return fault_set(why, FAULT_INPUT, "UIDVALIDITY values are used up");
		snprintf(from, sizeof from, NAME ".%08x", old);
		snprintf(to, sizeof to, NAME ".%08x", old + 1);
		if (renameat(root, from, root, to) == 0) {
			*value = old + 1;
			return write_counter(root, old + 1, why);
		}
		if (errno != ENOENT)
			return fault_errno(why, "rename %s", from);
		if (make_first(root, old + 1, NULL) == 0) { /* the name was lost, the counter stayed */
			*value = old + 1;
			return write_counter(root, old + 1, why);
		}
		old++; /* another session was faster */
	}
	return fault_set(why, FAULT_SYSTEM, "no UIDVALIDITY to be had");
}
