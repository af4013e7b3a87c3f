/* SPDX-License-Identifier: ISC */
/*
 * packed.c - messages that are compressed in their files
 */
#include "store/packed.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"
#include "store/maildir.h"

enum { PART = 65536, FIRST_BYTES = 16, GZIP_ONLY = 15 + 16 };

enum packing
packing_of(struct span s)
{
	static const struct {
		struct span  magic;
		enum packing packing;
	} table[] = {
		{SPAN("\x1f\x8b"), PACKED_GZIP}, {SPAN("\x28\xb5\x2f\xfd"), PACKED_ZSTD},
		{SPAN("\xfd" "7zXZ"), PACKED_OTHERWISE}, {SPAN("Dovecot-LZ4\x0d\x2a\x9b\xc5"), PACKED_OTHERWISE},
	};

	for (size_t i = 0; i < COUNT(table); i++)
		if (s.len >= table[i].magic.len && memcmp(s.at, table[i].magic.at, table[i].magic.len) == 0)
			return table[i].packing;
	if (span_starts(s, "BZh") && span_starts(span_from(s, 4), "1AY&SY")) /* a field may be called BZh9 */
		return PACKED_OTHERWISE;
	return NOT_PACKED;
}

struct unpacking {
	int           from, to;
	uint64_t      out, most;
	bool          ended;           /* at the end of a frame or member: here the file may end */
	unsigned char in[PART], part[PART];
};

static int
give(struct unpacking *u, size_t n, struct fault *why)
{
	u->out += n;
	if (u->out > u->most)
		return fault_set(why, FAULT_INPUT, "the compressed message is larger than %llu bytes", (unsigned long long)u->most);
	return file_write(u->to, span_at(u->part, n), why);
}

static int
broken(struct fault *why)
{
	return fault_set(why, FAULT_INPUT, "the compressed message is broken");
}

/* One part of the file; more members may follow the first (RFC 1952, 2.2). */
static int
inflate_part(z_stream *z, struct unpacking *u, size_t n, struct fault *why)
{
	z->next_in = u->in;
	z->avail_in = (unsigned)n;
	do {
		int code;

		z->next_out = u->part;
		z->avail_out = PART;
		code = inflate(z, Z_NO_FLUSH);
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return broken(why);
		if (give(u, PART - z->avail_out, why) < 0)
			return -1;
		u->ended = code == Z_STREAM_END;
		if (u->ended && z->avail_in && inflateReset(z) != Z_OK)
			return broken(why);
	} while (z->avail_in || (!u->ended && z->avail_out == 0));
	return 0;
}

static int
unzstd_part(ZSTD_DCtx *z, struct unpacking *u, size_t n, struct fault *why)
{
	ZSTD_inBuffer  in = {u->in, n, 0};
	ZSTD_outBuffer out;

	do {
		size_t code;

		out = (ZSTD_outBuffer){u->part, PART, 0};
		code = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(code))
			return broken(why);
		if (give(u, out.pos, why) < 0)
			return -1;
		u->ended = code == 0;
	} while (in.pos < in.size || (!u->ended && out.pos == PART));
	return 0;
}

static int
unpack_all(struct unpacking *u, z_stream *gzip, ZSTD_DCtx *zstd, struct fault *why)
{
	for (;;) {
		ssize_t n = read(u->from, u->in, PART);

		if (n < 0)
			return fault_errno(why, "read");
		if (n == 0)
			return u->ended ? 0 : broken(why);
		if ((zstd ? unzstd_part(zstd, u, (size_t)n, why) : inflate_part(gzip, u, (size_t)n, why)) < 0)
			return -1;
	}
}

int
packed_unpack(enum packing packing, int from, uint64_t size, int to, struct fault *why)
{
	autofree struct unpacking *u = mem_alloc(sizeof *u);
	z_stream                   gzip = {0};
	ZSTD_DCtx                 *zstd = NULL;
	int                        result;

	if (packing == PACKED_OTHERWISE)
		return fault_set(why, FAULT_INPUT, "the message is compressed, not by gzip or zstd");
	u->from = from;
	u->to = to;
	u->most = size < PACKED_MOST / PACKED_RATIO ? PACKED_FREE + size * PACKED_RATIO : PACKED_MOST;
	if (packing == PACKED_ZSTD) {
		zstd = ZSTD_createDCtx();
		if (!zstd || ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, PACKED_WINDOW)))
			result = fault_set(why, FAULT_SYSTEM, "zstd does not start");
		else
			result = unpack_all(u, NULL, zstd, why);
		ZSTD_freeDCtx(zstd);
		return result;
	}
	if (inflateInit2(&gzip, GZIP_ONLY) != Z_OK)
		return fault_set(why, FAULT_SYSTEM, "zlib does not start");
	result = unpack_all(u, &gzip, NULL, why);
	inflateEnd(&gzip);
	return result;
}

/* A file that goes when it is closed. */
static int
open_nameless(int mailbox_dir, struct fault *why)
{
	autotext struct text name = {0};
	autoclose int        tmp = file_open_beneath(mailbox_dir, "tmp", O_RDONLY | O_DIRECTORY, 0, why);
	int                  fd;

	if (tmp < 0)
		return -1;
	maildir_unique_name(&name);
	fd = openat(tmp, text_string(&name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_errno(why, "create a file in tmp");
	unlinkat(tmp, text_string(&name), 0);
	return fd;
}

void
unpacked_drop(struct unpacked *u)
{
	if (u->held)
		close(u->fd);
	u->held = false;
}

/* A file of a Maildir is not written to: flags change its name, and so ctime. */
static bool
is_the_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* As much as there is, at once. */
static void
read_first(int fd, uint64_t size, size_t most, struct text *first)
{
	ssize_t n;

	most = size < most ? (size_t)size : most;
	text_clear(first);
	n = pread(fd, text_room(first, most), most, 0);
	first->len = n < 0 ? 0 : (size_t)n;
}

int
packed_open(int mailbox_dir, struct unpacked *last, int *fd, struct stat *st, struct text *first, size_t most, struct fault *why)
{
	enum packing packing;
	struct stat  plain;

	read_first(*fd, (uint64_t)st->st_size, most < FIRST_BYTES ? FIRST_BYTES : most, first);
	packing = packing_of(text_span(first));
	if (packing == NOT_PACKED)
		return 0;
	if (!last->held || !is_the_same(&last->packed, st)) {
		autoclose int to = open_nameless(mailbox_dir, why);

		if (to < 0 || packed_unpack(packing, *fd, (uint64_t)st->st_size, to, why) < 0)
			return -1;
		unpacked_drop(last);
		*last = (struct unpacked){take_fd(to), true, *st};
	}
	int again = fcntl(last->fd, F_DUPFD_CLOEXEC, 3);

	if (again < 0 || fstat(again, &plain) < 0 || lseek(again, 0, SEEK_SET) < 0) {
		fault_errno(why, "tmp");
		if (again >= 0)
			close(again);
		return -1;
	}
	st->st_size = plain.st_size;
	close(*fd);
	*fd = again;
	read_first(*fd, (uint64_t)st->st_size, most, first);
	return 0;
}
