/* SPDX-License-Identifier: ISC */
/*
 * packed.h - messages that are compressed in their files
 *
 * Dovecot's zlib plugin, and scripts beside it that set the flag Z, leave
 * files in a Maildir whose content is gzip or zstd; S= and W= in the name are
 * sizes of what is in it.  They are told by their first bytes, with which no
 * message begins, and read into a file that has no name, in the mailbox's tmp/.
 *
 * Bounded: at most PACKED_MOST bytes come out, and of a small file not more
 * than deflate could have put into it (PACKED_RATIO, beyond PACKED_FREE);
 * zstd's window is at most 2^PACKED_WINDOW bytes.  What is torn, broken, too
 * large, or bzip2, xz and LZ4 (which the plugin could write, too) is FAULT_INPUT.
 */
#ifndef STORE_PACKED_H
#define STORE_PACKED_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { PACKED_MOST = 256 << 20, PACKED_RATIO = 1100, PACKED_FREE = 16 << 20, PACKED_WINDOW = 25 };

enum packing { NOT_PACKED, PACKED_GZIP, PACKED_ZSTD, PACKED_OTHERWISE };
enum packing packing_of(struct span first_bytes);

/* What was unpacked last: a client that fetches a message in parts asks for the same one again and again.  It holds that file, so
 * at most PACKED_MOST bytes of tmp/, until another is unpacked or it is dropped. */
struct unpacked {
	int         fd;                  /* valid when `held`; owned */
	bool        held;
	struct stat packed;              /* the file that it came from */
};
void unpacked_drop(struct unpacked *);

/* When the file is compressed, *fd becomes (and *st is of) another with the message, at its beginning;
 * mtime and ctime stay those of the file.  `first` gets up to `most` bytes from the message's beginning.  Its reading position is shared
 * with later ones of the same message: whoever reads it begins at the beginning, and ends before the next is opened. */
WAITS int packed_open(int mailbox_dir, struct unpacked *last, int *fd, struct stat *st, struct text *first, size_t most, struct fault *);

/* From where `from` is to its end. */
WAITS int packed_unpack(enum packing, int from, uint64_t packed_size, int to, struct fault *);

#endif
