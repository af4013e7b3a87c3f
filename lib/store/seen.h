/* SPDX-License-Identifier: ISC */
/*
 * seen.h - a \Seen of one's own in a mailbox that is shared
 *
 * Which messages one user has seen in one mailbox of another (or of all), in a file of that user's:
 *
 *   postern-seen 1 1796005588        UIDVALIDITY: another one, and nothing was seen
 *   +1:20,25                         seen
 *   -3                               not seen any more
 *   R 26                             up to here he was told what is \Recent
 *
 * It is named by the owner (maildir_origin) and the mailbox's GUID, so that it goes along when that is renamed.  A change is one line more; after
 * many the file is written anew.  A last line without its end (of a crash) does not count.  Changes are made under
 * "<file>.lock", each with what the file says by then.  Not for roots: runs as the user, in his directory.
 */
#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum {
	SEEN_FILE_MOST = 64 << 20,       /* which three million ranges fit into */
	SEEN_FILE_GROWS = 8 << 20,       /* by lines; beyond, each change writes it anew */
	SEEN_LINES_MOST = 200
};

struct seen_range { uint32_t first, last; };
struct seen {
	int                dir;          /* borrowed */
	char               name[72];
	uint32_t           validity;
	struct seen_range *at;           /* ascending, apart from each other; owned */
	size_t             count;
	uint32_t           told;         /* \Recent was told up to this UID */
	size_t             lines;
	bool               whole;        /* it is there, of this UIDVALIDITY, and ends where a line does */
	bool               looked;
	uint64_t           reads;        /* grows whenever the file said something new */
	struct stat        stamp;        /* of what was read; zero: no file */
};

void seen_start(struct seen *, int dir, const char *origin, const char *guid, const char *folder);
void seen_free(struct seen *);

/* Total; the sets are of `validity`. */
void seen_parse(struct span file, uint32_t validity, struct seen *);
void seen_format(const struct seen *, struct text *out);
bool seen_has(const struct seen *, uint32_t uid);

/* Is what was read what is there? */
bool seen_is_current(const struct seen *);
/* Cheap when nothing changed. */
WAITS int seen_refresh(struct seen *, uint32_t validity, struct fault *);

/* uids ascending.  `durable` false spares the flush. */
WAITS int seen_change(struct seen *, const uint32_t *uids, size_t count, bool is_seen, bool durable, struct fault *);
WAITS int seen_tell(struct seen *, uint32_t up_to, struct fault *);

#endif
