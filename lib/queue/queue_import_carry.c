/* SPDX-License-Identifier: ISC */
/*
 * queue_import_carry.c - a message of Postfix goes over the bridge, and what lies on it
 *
 * The directory in between is a queue of ours, "import": a message is written in its
 * incoming/, and gets into maildrop/, active/ (which becomes incoming), deferred/ or hold/ there
 * once it is complete. The source is held in Postfix's queue, "postern-import", until that is published.
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
#include "queue/queue_held.h"
#include "queue/queue_import_private.h"

#define HELD "postern-import"
enum { HELD_NAME_SIZE = 2 * QUEUE_ID_SIZE };

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

/* What is held is ours: its new form appears, and then nobody needs the old one. */
static int
publish(struct import *i, const char *held, const char *to, const char *from, enum queue_state staged, struct fault *why)
{
	enum queue_state state = final_state(staged);

	if (remove_logs(i, from, why) < 0 || fault_point("import.logs", why) < 0 ||
	    held_publish(queue_directory(i->stage, staged), to, queue_directory(i->ours, state), to, why) < 0)
		return -1;
	(void)fault_point("import.published", NULL);
	if (queue_sync(i->ours, state, why) < 0)
		return -1;
	i->move->moved++;
	return held_drop(i->held, held, why);
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
	char             held[HELD_NAME_SIZE];

	snprintf(held, sizeof held, "%s.%s", l->to.text, l->id);
	if ((l->m.is_drop ? import_drop(l, why) : import_message(l, why)) < 0) {
		unlinkat(queue_directory(i->stage, QUEUE_INCOMING), l->to.text, 0);
		return -1;
	}
	if (fault_point("import.written", why) < 0 || queue_move(i->stage, l->to.text, QUEUE_INCOMING, staged, why) != 0 ||
	    queue_sync(i->stage, staged, why) < 0 || fault_point("import.staged", why) < 0)
		return -1;
	return held_take(i->held, held, dir, l->id, why) < 0 ? -1 : publish(i, held, l->to.text, l->id, staged, why);
}

/* ---- what an earlier run has left ---- */

/* The name under which the source of that new form is held, and the source's id in it. */
static bool
find_held(const struct text *names, const char *to, struct span *held, struct span *from)
{
	struct span rest = text_span(names), left;

	while (span_split(&rest, '\n', held)) {
		*from = *held;
		if (span_split(from, '.', &left) && span_is(left, to))
			return true;
	}
	return false;
}

/* Its source was not taken: Postfix has it still, or has delivered it meanwhile, wholly or in part. */
static int
finish_one(struct import *i, const struct text *names, const char *to, enum queue_state staged, struct fault *why)
{
	struct span    held, from;
	autofree char *name = NULL, *id = NULL;

	if (!find_held(names, to, &held, &from))
		return unlinkat(queue_directory(i->stage, staged), to, 0) < 0 ? fault_errno(why, "remove import/%s/%s", queue_state_name(staged), to) : 0;
	name = mem_span(held);
	id = mem_span(from);
	return publish(i, name, to, id, staged, why);
}

/* By names alone: what the file system cannot tell of just now is staged all the same. */
static int
finish_state(struct import *i, const struct text *held, enum queue_state state, struct fault *why)
{
	autotext struct text names = {0};
	struct span          rest, name;

	if (held_names(queue_directory(i->stage, state), &names, why) < 0)
		return fault_prefix(why, "import/%s", queue_state_name(state));
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *to = mem_span(name);

		if (queue_id_valid(name) && finish_one(i, held, to, state, why) < 0)
			return -1;
	}
	return 0;
}

/* A run that was killed may not have come to its fsync: what it has taken could be back after a power cut, and what it has published gone. */
static int
settle(struct import *i, struct fault *why)
{
	if (fsync(i->held) < 0)
		return fault_errno(why, "fsync " HELD);
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++)
		if (postfix_sync(i->root, queue_state_name((enum queue_state)s), why) < 0 || queue_sync(i->ours, (enum queue_state)s, why) < 0)
			return -1;
	return 0;
}

/* In incoming nothing is complete, so no source was taken. What is held and staged no more was published. */
int
import_finish(struct import *i, struct fault *why)
{
	static const enum queue_state order[] = {QUEUE_INCOMING, QUEUE_MAILDROP, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD};
	autotext struct text          names = {0};
	struct span                   rest, name;

	if (held_names(i->held, &names, why) < 0 || (names.len && settle(i, why) < 0))
		return -1;
	for (size_t k = 0; k < COUNT(order); k++)
		if (finish_state(i, &names, order[k], why) < 0)
			return -1;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		if (held_drop(i->held, one, why) < 0)
			return -1;
	}
	return 0;
}

/* What cannot be told may be. */
static bool
is_anything_staged(struct import *i)
{
	for (int s = 0; s < QUEUE_CORRUPT; s++) {
		autotext struct text names = {0};
		struct span          rest, name;

		if (s == QUEUE_INCOMING)
			continue;
		if (held_names(queue_directory(i->stage, (enum queue_state)s), &names, NULL) < 0)
			return true;
		for (rest = text_span(&names); span_split(&rest, '\n', &name);)
			if (queue_id_valid(name))
				return true;
	}
	return false;
}

/* Whose files lie in between: those of another directory must not be mixed up with these. 1: an earlier run's. */
static int
check_origin(struct import *i, struct fault *why)
{
	autofree char       *path = mem_format("%s/from", i->stage_path), *real = realpath(i->move->postfix, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", i->move->postfix);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 1;
	if (is_anything_staged(i))
		return fault_set(why, FAULT_INPUT, "an import from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

int
import_open_stage(struct import *i, struct fault *why)
{
	autofree char *ours = realpath(i->move->ours, NULL);
	int            goes_on;

	if (!ours)
		return fault_errno(why, "%s", i->move->ours);
	i->stage_path = mem_format("%s/import", i->move->ours);
	if (queue_make(i->stage_path, (uid_t)-1, (gid_t)-1, why) < 0 || chmod(i->stage_path, 0700) < 0)
		return why->class ? -1 : fault_errno(why, "chmod %s", i->stage_path);
	if (queue_open(i->stage_path, &i->stage, why) < 0 || (goes_on = check_origin(i, why)) < 0)
		return -1;
	i->held = held_open(i->root, HELD, ours, goes_on == 1, why);
	return i->held < 0 ? -1 : 0;
}

/* Only what is empty goes: first what is held, since what it became is told by the stage. */
void
import_remove_stage(struct import *i)
{
	autofree char *from = mem_format("%s/from", i->stage_path), *ids = mem_format("%s/ids", i->stage_path);
	int            swept;

	held_remove(i->root, HELD, i->held);
	i->held = -1;
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
