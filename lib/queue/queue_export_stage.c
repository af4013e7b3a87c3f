/* SPDX-License-Identifier: ISC */
/*
 * queue_export_stage.c - our messages go over the bridge, and what lies on it
 *
 * The directory in between is "postern-export" in Postfix's queue directory: ID.part is being written,
 * ID.defer, ID.bounce, ID.trace are its logs, and ID.incoming (ID.deferred ...) is complete.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "queue/postfix_directory.h"
#include "queue/queue_export_private.h"

#define STAGE "postern-export"

const char *const export_log_names[LOGS] = {"bounce", "defer", "trace"};

void
export_stage_name(char name[EXPORT_NAME_SIZE], const char *id, const char *suffix)
{
	snprintf(name, EXPORT_NAME_SIZE, "%s.%s", id, suffix);
}

int
export_create(struct export *x, const char *name, uid_t owner, struct fault *why)
{
	int fd;

	unlinkat(x->stage, name, 0);
	fd = openat(x->stage, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_errno(why, "create %s/%s", STAGE, name);
	if (geteuid() == 0 && fchown(fd, owner, x->group) < 0) {
		fault_errno(why, "chown %s/%s", STAGE, name);
		close(fd);
		return -1;
	}
	return fd;
}

static int
write_logs(struct export *x, const struct writer *w, const char *id, struct fault *why)
{
	for (int k = 0; k < LOGS; k++) {
		char          name[EXPORT_NAME_SIZE];
		autoclose int fd = -1;

		export_stage_name(name, id, export_log_names[k]);
		if (!w->logs[k].len) {
			unlinkat(x->stage, name, 0);
			continue;
		}
		fd = export_create(x, name, x->owner, why);
		if (fd < 0 || file_write(fd, text_span(&w->logs[k]), why) < 0 || file_sync(fd, why) < 0)
			return -1;
	}
	return 0;
}

/* The first step ends: mode, time, and the name that says that it is whole. */
int
export_complete(struct export *x, struct writer *w, const char *id, enum queue_state state, mode_t mode, int64_t due_us, struct fault *why)
{
	struct timespec at = {(time_t)(due_us / 1000000), due_us % 1000000 * 1000}, both[2] = {at, at};
	char            part[EXPORT_NAME_SIZE], whole[EXPORT_NAME_SIZE];

	export_stage_name(part, id, "part");
	export_stage_name(whole, id, queue_state_name(state));
	if (write_logs(x, w, id, why) < 0)
		return -1;
	if (fchmod(w->fd, mode) < 0 || futimens(w->fd, both) < 0)
		return fault_errno(why, "set mode and time of %s/%s", STAGE, part);
	if (file_sync(w->fd, why) < 0 || fault_point("export.written", why) < 0)
		return -1;
	if (renameat(x->stage, part, x->stage, whole) < 0 || fsync(x->stage) < 0)
		return fault_errno(why, "rename %s/%s", STAGE, part);
	return fault_point("export.staged", why);
}

static int
into(struct export *x, const char *from, const char *queue, const char *id, struct fault *why)
{
	int           depth = 0;
	struct span   rest = x->move->hash_names, word;
	autoclose int dir = -1;

	while (span_next(&rest, ", \t", &word))
		if (span_is(word, queue))
			depth = x->move->hash_depth;
	dir = postfix_directory(x->root, queue, id, depth, geteuid() == 0 ? x->owner : (uid_t)-1, x->group, why);
	if (dir < 0)
		return -1;
	if (renameat(x->stage, from, dir, id) < 0)
		return fault_errno(why, "rename %s/%s to %s", STAGE, from, queue);
	return fsync(dir) < 0 ? fault_errno(why, "fsync %s", queue) : 0;
}

/* The logs go first: a message whose log comes later would be told of without it. */
static int
publish(struct export *x, const char *id, enum queue_state state, struct fault *why)
{
	char name[EXPORT_NAME_SIZE];

	for (int k = 0; k < LOGS; k++) {
		export_stage_name(name, id, export_log_names[k]);
		if (faccessat(x->stage, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && into(x, name, export_log_names[k], id, why) < 0)
			return -1;
	}
	if (fault_point("export.logs", why) < 0)
		return -1;
	export_stage_name(name, id, queue_state_name(state));
	if (into(x, name, queue_state_name(state), id, why) < 0)
		return -1;
	(void)fault_point("export.published", NULL);
	x->move->moved++;
	return 0;
}

/* Ours goes, durably; then theirs appears. What was active begins anew. */
int
export_hand_over(struct export *x, const char *id, enum queue_state from, enum queue_state to, struct fault *why)
{
	if (queue_remove(x->ours, from, id, why) < 0 || fault_point("export.removed", why) < 0 ||
	    queue_sync(x->ours, from, why) < 0)
		return -1;
	return publish(x, id, to, why);
}

enum queue_state
export_final_state(enum queue_state s)
{
	return s == QUEUE_ACTIVE ? QUEUE_INCOMING : s;
}

/* ---- what an earlier run has left ---- */

static int
finish_one(struct export *x, const char *id, enum queue_state to, struct fault *why)
{
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++)
		if (export_final_state((enum queue_state)s) == to && !export_is_theirs(x, (enum queue_state)s, id) &&
		    (queue_remove(x->ours, (enum queue_state)s, id, why) < 0 || queue_sync(x->ours, (enum queue_state)s, why) < 0))
			return -1;
	return publish(x, id, to, why);
}

/* The names of what lies in between, a line each. */
static int
list_stage(struct export *x, struct text *names, struct fault *why)
{
	int            fd = openat(x->stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR           *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int            result;

	if (!d)
		return fault_errno(why, "open directory %s", STAGE);
	while ((result = file_next(d, &e, why)) > 0)
		if (e->d_name[0] != '.')
			text_add_format(names, "%s\n", e->d_name);
	closedir(d);
	return result < 0 || fault_point("export.listed", why) < 0 ? -1 : 0;
}

/* "ID.deferred": a message that is complete. */
static bool
is_complete(struct span name, struct span *id, enum queue_state *s)
{
	return span_split(&name, '.', id) && queue_id_valid(*id) && queue_state_find(name, s);
}

static int
finish(struct export *x, struct fault *why)
{
	autotext struct text names = {0};
	struct span          rest, name, id;
	enum queue_state     s;

	if (list_stage(x, &names, why) < 0)
		return -1;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = NULL;

		if (!is_complete(name, &id, &s))
			continue;
		one = mem_span(id);
		if (finish_one(x, one, s, why) < 0)
			return -1;
	}
	return 0;
}

/* What cannot be told may be. */
static bool
is_anything_staged(struct export *x)
{
	autotext struct text names = {0};
	struct span          rest, name, id;
	enum queue_state     s;

	if (list_stage(x, &names, NULL) < 0)
		return true;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);)
		if (is_complete(name, &id, &s))
			return true;
	return false;
}

static int
check_origin(struct export *x, struct fault *why)
{
	autofree char       *path = mem_format("%s/" STAGE "/from", x->move->postfix), *real = realpath(x->move->ours, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", x->move->ours);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 0;
	if (is_anything_staged(x))
		return fault_set(why, FAULT_INPUT, "an export from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

/* What is not whole goes: its source is there. That of what is whole may be gone already. */
void
export_remove_stage(struct export *x)
{
	autotext struct text names = {0};
	struct span          rest, name, id;
	enum queue_state     s;

	if (list_stage(x, &names, NULL) < 0)
		return;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);)
		if (is_complete(name, &id, &s))
			return;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		unlinkat(x->stage, one, 0);
	}
	unlinkat(x->root, STAGE, AT_REMOVEDIR);
}

int
export_open_stage(struct export *x, struct fault *why)
{
	if (mkdirat(x->root, STAGE, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s/%s", x->move->postfix, STAGE);
	x->stage = openat(x->root, STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (x->stage < 0)
		return fault_errno(why, "open directory %s/%s", x->move->postfix, STAGE);
	return check_origin(x, why) < 0 ? -1 : finish(x, why);
}
