/* SPDX-License-Identifier: ISC */
/*
 * memory.c - what a user's filter has answered and seen
 */
#include "local/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strmap.h"
#include "base/text.h"

enum { MEMORY_MAX = 8 << 20, HASH_BYTES = 20, ENTRIES_MAX = 40000, GROWS_MEANWHILE = 65536, LOCK_MS = 5000, LOCK_PAUSE_MS = 20 };
static const char file_name[] = "postern-sieve-memory";

struct memory {
	int            directory, fd;       /* fd -1: cannot be had */
	struct strmap *keys;
	size_t         lines;
	bool           too_long;            /* not all of it was read */
};

static void
add_hash(struct span key, struct text *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	EVP_Digest(key.at, key.len, digest, &len, EVP_sha256(), NULL);
	for (int i = 0; i < HASH_BYTES; i++)
		text_add_format(out, "%02x", digest[i]);
}

static void
load(struct memory *m)
{
	autotext struct text in = {0};
	struct span          rest, line, hash;
	uint64_t             until;
	time_t               now = time(NULL);
	struct stat          st;

	/* the end of it, where the newest are */
	if (fstat(m->fd, &st) < 0 || lseek(m->fd, st.st_size > MEMORY_MAX ? st.st_size - MEMORY_MAX : 0, SEEK_SET) < 0 ||
	    file_read_fd(m->fd, MEMORY_MAX + GROWS_MEANWHILE, &in, NULL) < 0)
		return;
	rest = text_span(&in);
	if (st.st_size > MEMORY_MAX) {
		span_split(&rest, '\n', &line);       /* a piece of one */
		m->too_long = true;
	}
	while (span_next(&rest, "\n", &line)) {
		m->lines++;
		if (span_split(&line, ' ', &hash) && hash.len == 2 * HASH_BYTES && span_number(line, &until) &&
		    until > (uint64_t)now)
			strmap_put(m->keys, hash, (void *)(uintptr_t)until);
	}
}

struct kept { struct span key; uint64_t until; };

static int
by_end(const void *a, const void *b)
{
	uint64_t x = ((const struct kept *)a)->until, y = ((const struct kept *)b)->until;

	return x < y ? -1 : x > y;
}

/* Only what is still good, in the same file: a crash in between forgets, no more.  Of too many those that would
 * have ended first go. */
static void
compact(struct memory *m)
{
	autotext struct text out = {0};
	struct span          key;
	size_t               at = 0;
	void                *until;

	struct kept         *all;
	size_t               count = 0, first;

	if (m->lines < 2 * strmap_count(m->keys) + 1000 && strmap_count(m->keys) <= ENTRIES_MAX && !m->too_long)
		return;
	all = mem_alloc((strmap_count(m->keys) + 1) * sizeof *all);
	while (strmap_next(m->keys, &at, &key, &until))
		all[count++] = (struct kept){key, (uint64_t)(uintptr_t)until};
	qsort(all, count, sizeof *all, by_end);
	first = count > ENTRIES_MAX ? count - ENTRIES_MAX / 2 : 0;
	for (size_t i = first; i < count; i++)
		text_add_format(&out, "%.*s %llu\n", SPAN_ARGS(all[i].key), (unsigned long long)all[i].until);
	if (ftruncate(m->fd, 0) == 0 && file_write(m->fd, text_span(&out), NULL) == 0)
		m->lines = count - first;
	free(all);
}

/* Two deliveries at once answer once: the other waits, but not for a user who holds his own file. */
static bool
lock(int fd)
{
	int64_t until = clock_after(LOCK_MS);

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_left(until) == 0)
			return false;
		poll(NULL, 0, LOCK_PAUSE_MS); /* a lock of flock cannot be waited for with a limit */
	}
	return true;
}

void
memory_open(int directory, struct memory **out)
{
	struct memory *m = mem_alloc(sizeof *m);
	struct stat    st;

	m->directory = directory;
	m->keys = strmap_new();
	m->fd = file_open_beneath(directory, file_name, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, 0600, NULL);
	if (m->fd >= 0 && (fstat(m->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)) {
		close(m->fd);
		m->fd = -1;
	}
	if (m->fd >= 0) {
		bool locked = lock(m->fd);

		load(m);
		if (locked) {
			compact(m);
		} else {
			close(m->fd);
			m->fd = -1;
		}
	}
	*out = m;
}

bool
memory_has(const struct memory *m, struct span key)
{
	autotext struct text hash = {0};

	add_hash(key, &hash);
	return strmap_get(m->keys, text_span(&hash)) != NULL;
}

int
memory_add(struct memory *m, struct span key, int64_t seconds, struct fault *why)
{
	autotext struct text line = {0};
	uint64_t             until = (uint64_t)time(NULL) + (uint64_t)(seconds > 0 ? seconds : 1);

	if (m->fd < 0)
		return fault_set(why, FAULT_SYSTEM, "%s cannot be opened", file_name);
	add_hash(key, &line);
	strmap_put(m->keys, text_span(&line), (void *)(uintptr_t)until);
	text_add_format(&line, " %llu\n", (unsigned long long)until);
	m->lines++;
	return file_write(m->fd, text_span(&line), why) < 0 || file_sync(m->fd, why) < 0 ? -1 : 0;
}

void
memory_close(struct memory *m)
{
	if (!m)
		return;
	if (m->fd >= 0)
		close(m->fd);
	strmap_free(m->keys, NULL);
	free(m);
}
