/* SPDX-License-Identifier: ISC */
/*
 * queue_import_carry.c - a message of Postfix goes over the bridge, and what lies on it
 *
 * The directory in between is a queue of ours, "import": a message is written in its
 * incoming/, and gets into maildrop/, active/ (which becomes incoming), deferred/ or hold/ there
 * once it is complete.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "queue/postfix_directory.h"
#include "queue/postfix_queue.h"
#include "queue/queue_import_private.h"

static int
sync_directory(int dir, const char *what, struct fault *why)
{
	return fsync(dir) < 0 ? fault_errno(why, "fsync of the directory of %s", what) : 0;
}

static int
remove_logs(struct import *i, const char *id, struct fault *why)
{
	for (int k = 0; k < LOGS; k++) {
		autoclose int dir = -1, fd = -1;
		int           got = postfix_find(i->root, import_log_names[k], id, &dir, &fd, why);

		if (got < 0)
			return -1;
		if (got == 0 && unlinkat(dir, id, 0) < 0 && errno != ENOENT)
			return fault_errno(why, "remove %s of %s", import_log_names[k], id);
	}
	return 0;
}

static enum queue_state
final_state(enum queue_state staged)
{
	return staged == QUEUE_ACTIVE ? QUEUE_INCOMING : staged;
}

/* The third step: nobody else has it any more. */
static int
publish(struct import *i, const char *id, enum queue_state staged, struct fault *why)
{
	enum queue_state to = final_state(staged);

	if (remove_logs(i, id, why) < 0 || fault_point("import.logs", why) < 0)
		return -1;
	if (renameat(queue_directory(i->stage, staged), id, queue_directory(i->ours, to), id) < 0)
		return fault_errno(why, "rename import/%s/%s", queue_state_name(staged), id);
	(void)fault_point("import.published", NULL);
	if (queue_sync(i->ours, to, why) < 0)
		return -1;
	i->move->moved++;
	return 0;
}

static int
remove_source(int dir, const char *id, struct fault *why)
{
	if (unlinkat(dir, id, 0) < 0 && errno != ENOENT)
		return fault_errno(why, "remove %s", id);
	(void)fault_point("import.removed", NULL);
	return sync_directory(dir, id, why);
}

static enum queue_state
stage_of(enum queue_state state, bool is_drop)
{
	return is_drop ? QUEUE_MAILDROP : state == QUEUE_DEFERRED || state == QUEUE_HOLD ? state : QUEUE_ACTIVE;
}

int
import_carry(struct letter *l, int dir, struct fault *why)
{
	struct import   *i = l->i;
	enum queue_state staged = stage_of(i->state, l->m.is_drop);

	if ((l->m.is_drop ? import_drop(l, why) : import_message(l, why)) < 0) {
		unlinkat(queue_directory(i->stage, QUEUE_INCOMING), l->id, 0);
		return -1;
	}
	if (fault_point("import.written", why) < 0 || queue_move(i->stage, l->id, QUEUE_INCOMING, staged, why) != 0 ||
	    queue_sync(i->stage, staged, why) < 0 || fault_point("import.staged", why) < 0)
		return -1;
	if (remove_source(dir, l->id, why) < 0)
		return -1;
	return publish(i, l->id, staged, why);
}

/* ---- what an earlier run has left ---- */

struct leftover {
	struct import *i;
	const char    *id;
	bool           is_drop;
};

static int
remove_if_same(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct leftover     *l = context;
	autoclose int        fd = -1;
	char                 start[POSTFIX_SIZE_RECORD];
	ssize_t              n;

	(void)path;
	if (strcmp(id, l->id) != 0)
		return 0;
	fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, start, sizeof start);
	if (n <= 0 || !postfix_file_begins(span_at(start, (size_t)n)) || (start[0] == 'T') != l->is_drop)
		return 0;
	return remove_source(dir, id, why);
}

static int
finish_one(struct import *i, const char *id, enum queue_state staged, struct fault *why)
{
	struct leftover l = {i, id, staged == QUEUE_MAILDROP};

	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++)
		if (stage_of((enum queue_state)s, l.is_drop) == staged &&
		    postfix_walk(i->root, queue_state_name((enum queue_state)s), remove_if_same, &l, why) != 0)
			return -1;
	return publish(i, id, staged, why);
}

int
import_finish(struct import *i, enum queue_state state, struct fault *why)
{
	for (;;) {
		struct queue_scan *scan;
		struct queue_id    id;
		int                got;

		if (queue_scan_open(i->stage, state, &scan, why) < 0)
			return -1;
		got = queue_scan_next(scan, &id, NULL, why);
		queue_scan_close(scan);
		if (got <= 0)
			return got;
		if (state != QUEUE_INCOMING) {
			if (finish_one(i, id.text, state, why) < 0)
				return -1;
		} else if (queue_remove(i->stage, state, id.text, why) < 0) /* not complete: its source is there */
			return -1;
	}
}

static bool
is_anything_staged(struct import *i)
{
	bool any = false;

	for (int s = 0; s < QUEUE_CORRUPT && !any; s++) {
		struct queue_scan *scan;
		struct queue_id    id;

		if (s == QUEUE_INCOMING || queue_scan_open(i->stage, (enum queue_state)s, &scan, NULL) < 0)
			continue;
		any = queue_scan_next(scan, &id, NULL, NULL) == 1;
		queue_scan_close(scan);
	}
	return any;
}

/* Whose files lie in between: those of another directory must not be mixed up with these. */
static int
check_origin(struct import *i, struct fault *why)
{
	autofree char       *path = mem_format("%s/from", i->stage_path), *real = realpath(i->move->postfix, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", i->move->postfix);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 0;
	if (is_anything_staged(i))
		return fault_set(why, FAULT_INPUT, "an import from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

int
import_open_stage(struct import *i, struct fault *why)
{
	i->stage_path = mem_format("%s/import", i->move->ours);
	if (queue_make(i->stage_path, (uid_t)-1, (gid_t)-1, why) < 0 || chmod(i->stage_path, 0700) < 0)
		return why->class ? -1 : fault_errno(why, "chmod %s", i->stage_path);
	return queue_open(i->stage_path, &i->stage, why) < 0 || check_origin(i, why) < 0 ? -1 : 0;
}

/* Only what is empty goes. */
void
import_remove_stage(struct import *i)
{
	autofree char *from = mem_format("%s/from", i->stage_path), *ids = mem_format("%s/ids", i->stage_path);
	int            swept;

	queue_sweep(i->stage, -10, &swept, NULL);
	for (int s = 0; s < QUEUE_STATES; s++) {
		autofree char *path = mem_format("%s/%s", i->stage_path, queue_state_name((enum queue_state)s));

		if (rmdir(path) < 0)
			return;
	}
	rmdir(ids);
	unlink(from);
	rmdir(i->stage_path);
}
