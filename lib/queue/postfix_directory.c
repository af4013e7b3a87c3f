/* SPDX-License-Identifier: ISC */
/*
 * postfix_directory.c - finding files in Postfix's hashed directories
 */
#include "queue/postfix_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/fault_point.h"
#include "queue/queue_id.h"

enum { DEPTH_MAX = 5, HASH_SIZE = 8, DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

struct names {
	struct name { struct name *next; char *text; bool is_directory; } *first;
};

static bool
is_hash(const char *name)
{
	return (ascii_digit(name[0]) || ascii_alpha(name[0])) && name[1] == '\0';
}

/* All names at once, since visitors change the directory. */
static int
read_names(int dir, struct arena *arena, struct names *out, struct fault *why)
{
	DIR           *d = file_directory(dir);
	struct dirent *e;
	int            result;

	if (!d)
		return fault_errno(why, "open directory");
	while ((result = file_next(d, &e, why)) > 0) {
		bool         hash = is_hash(e->d_name);
		struct name *n;

		if (!hash && !queue_id_valid(span_of(e->d_name)))
			continue;
		n = arena_alloc(arena, sizeof *n);
		*n = (struct name){out->first, arena_string(arena, span_of(e->d_name)), hash};
		out->first = n;
	}
	closedir(d);
	return result < 0 || fault_point("queue.names", why) < 0 ? -1 : 0;
}

static int
walk(int dir, const char *path, int depth, postfix_visit *visit, void *context, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct names            names = {NULL};
	int                     got = read_names(dir, arena, &names, why);

	for (struct name *n = names.first; n && got == 0; n = n->next) {
		autofree char *below = mem_format("%s/%s", path, n->text);

		if (!n->is_directory) {
			got = visit(context, dir, below, n->text, why);
		} else if (depth < DEPTH_MAX) {
			autoclose int sub = openat(dir, n->text, DIRECTORY_FLAGS);

			if (sub >= 0)
				got = walk(sub, below, depth + 1, visit, context, why);
			else if (errno != ENOTDIR && errno != ELOOP)
				got = fault_errno(why, "open directory %s", below);
		}
	}
	return got;
}

int
postfix_walk(int root, const char *name, postfix_visit *visit, void *context, struct fault *why)
{
	autoclose int dir = openat(root, name, DIRECTORY_FLAGS);

	if (dir < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open directory %s", name);
	return walk(dir, name, 0, visit, context, why);
}

static int
sync_below(int dir, const char *path, int depth, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct names            names = {NULL};
	int                     got = read_names(dir, arena, &names, why);

	for (struct name *n = names.first; n && got == 0; n = n->next) {
		autofree char *below = NULL;
		autoclose int  sub = -1;

		if (!n->is_directory || depth == DEPTH_MAX)
			continue;
		below = mem_format("%s/%s", path, n->text);
		sub = openat(dir, n->text, DIRECTORY_FLAGS);
		if (sub >= 0)
			got = sync_below(sub, below, depth + 1, why);
		else if (errno != ENOTDIR && errno != ELOOP)
			got = fault_errno(why, "open directory %s", below);
	}
	return got == 0 && fsync(dir) < 0 ? fault_errno(why, "fsync %s", path) : got;
}

int
postfix_sync(int root, const char *name, struct fault *why)
{
	autoclose int dir = openat(root, name, DIRECTORY_FLAGS);

	if (dir < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open directory %s", name);
	return sync_below(dir, name, 0, why);
}

/* The characters that an id is hashed by. */
static void
hash_of(const char *id, char hash[HASH_SIZE])
{
	int64_t us;

	if (queue_id_parse(span_of(id), &us, NULL))
		snprintf(hash, HASH_SIZE, "%05X", (unsigned)(us % 1000000));
	else
		snprintf(hash, HASH_SIZE, "%.5s", id);
}

int
postfix_find(int root, const char *name, const char *id, int *dir, int *fd, struct fault *why)
{
	char          hash[HASH_SIZE];
	autoclose int at = openat(root, name, DIRECTORY_FLAGS);

	hash_of(id, hash);
	for (int depth = 0; at >= 0; depth++) {
		int  file = openat(at, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), deeper;
		char sub[2] = {hash[depth], '\0'};

		if (file >= 0) {
			*dir = take_fd(at);
			*fd = file;
			return 0;
		}
		if (errno != ENOENT)
			return fault_errno(why, "open %s/%s", name, id);
		if (!sub[0])
			return 1;
		deeper = openat(at, sub, DIRECTORY_FLAGS);
		close(at);
		at = deeper;
	}
	return errno == ENOENT ? 1 : fault_errno(why, "open directory %s", name);
}

/* One that has another owner was made by a run that was killed before it gave it away. */
static int
make_below(int dir, const char *name, uid_t owner, gid_t group, struct fault *why)
{
	autoclose int fd = -1;
	struct stat   st;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s", name);
	fd = openat(dir, name, DIRECTORY_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_errno(why, "open directory %s", name);
	if (owner != (uid_t)-1 && st.st_uid != owner && fchown(fd, owner, group) < 0)
		return fault_errno(why, "chown %s", name);
	if (fsync(dir) < 0)
		return fault_errno(why, "fsync of the directory of %s", name);
	return take_fd(fd);
}

int
postfix_directory(int root, const char *name, const char *id, int depth, uid_t owner, gid_t group, struct fault *why)
{
	char hash[HASH_SIZE];
	int  fd = make_below(root, name, owner, group, why);

	hash_of(id, hash);
	for (int i = 0; i < depth && i < DEPTH_MAX && hash[i] && fd >= 0; i++) {
		char sub[2] = {hash[i], '\0'};
		int  deeper = make_below(fd, sub, owner, group, why);

		close(fd);
		fd = deeper;
	}
	return fd;
}
