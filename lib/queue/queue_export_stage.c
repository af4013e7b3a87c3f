/* SPDX-License-Identifier: ISC */
/*
 * queue_export_stage.c - our messages go over the bridge, and what lies on it
 *
 * The directory in between is "postern-export" in Postfix's queue directory: ID.part is being written,
 * ID.defer, ID.bounce, ID.trace are its logs, and ID.incoming (ID.deferred ...) is complete; ID.incoming.OTHER
 * shall have another id there. Ours is held in "export" until that is published.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "queue/postfix_directory.h"
#include "queue/queue_export_private.h"
#include "queue/queue_held.h"

#define STAGE "postern-export"
#define HELD  "export"

const char *const export_log_names[LOGS] = {"bounce", "defer", "trace"};

void
export_stage_name(char name[EXPORT_NAME_SIZE], const char *id, const char *suffix)
{
	snprintf(name, EXPORT_NAME_SIZE, "%s.%s", id, suffix);
}

static void
whole_name(char name[EXPORT_NAME_SIZE], const struct crossing *c)
{
	bool same = strcmp(c->id.text, c->to.text) == 0;

	snprintf(name, EXPORT_NAME_SIZE, "%s.%s%s%s", c->id.text, queue_state_name(c->state), same ? "" : ".", same ? "" : c->to.text);
}

/* Where both queues are one directory, what is ours does not count: it is the message itself. 1, 0, -1. */
static int
is_in_use(struct export *x, const char *id, struct fault *why)
{
	for (int s = QUEUE_MAILDROP; s < QUEUE_STATES; s++) {
		autoclose int dir = -1, fd = -1;
		char          start[POSTFIX_SIZE_RECORD];
		int           got = postfix_find(x->root, queue_state_name((enum queue_state)s), id, &dir, &fd, why);
		ssize_t       n = got == 0 ? read(fd, start, sizeof start) : 0;

		if (got < 0)
			return -1;
		if (got == 0 && n > 0 && postfix_file_begins(span_at(start, (size_t)n)))
			return 1;
	}
	return 0;
}

/* What was active begins anew. */
int
export_choose(struct export *x, const char *id, enum queue_state from, struct crossing *c, struct fault *why)
{
	int used;

	*c = (struct crossing){.state = from == QUEUE_ACTIVE ? QUEUE_INCOMING : from};
	snprintf(c->id.text, sizeof c->id.text, "%s", id);
	c->to = c->id;
	while ((used = is_in_use(x, c->to.text, why)) == 1)
		held_new_id(&c->to);
	if (used == 0 && strcmp(c->to.text, id) != 0)
		log_info("%s: is %s there, since Postfix has another message of that id", id, c->to.text);
	return used;
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
export_complete(struct export *x, struct writer *w, const struct crossing *c, mode_t mode, int64_t due_us, struct fault *why)
{
	struct timespec at = {(time_t)(due_us / 1000000), due_us % 1000000 * 1000}, both[2] = {at, at};
	char            part[EXPORT_NAME_SIZE], whole[EXPORT_NAME_SIZE];

	export_stage_name(part, c->id.text, "part");
	whole_name(whole, c);
	if (write_logs(x, w, c->id.text, why) < 0)
		return -1;
	if (fchmod(w->fd, mode) < 0 || futimens(w->fd, both) < 0)
		return fault_errno(why, "set mode and time of %s/%s", STAGE, part);
	if (file_sync(w->fd, why) < 0 || fault_point("export.written", why) < 0)
		return -1;
	if (renameat(x->stage, part, x->stage, whole) < 0 || fsync(x->stage) < 0)
		return fault_errno(why, "rename %s/%s", STAGE, part);
	return fault_point("export.staged", why);
}

/* The directory in which Postfix looks for it: a descriptor (owned), or -1. */
static int
place(struct export *x, const char *queue, const char *id, struct fault *why)
{
	int         depth = 0;
	struct span rest = x->move->hash_names, word;

	while (span_next(&rest, ", \t", &word))
		if (span_is(word, queue))
			depth = x->move->hash_depth;
	return postfix_directory(x->root, queue, id, depth, geteuid() == 0 ? x->owner : (uid_t)-1, x->group, why);
}

static int
publish_log(struct export *x, const struct crossing *c, const char *log, struct fault *why)
{
	char          name[EXPORT_NAME_SIZE];
	autoclose int dir = -1;

	export_stage_name(name, c->id.text, log);
	if (faccessat(x->stage, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "%s/%s", STAGE, name);
	dir = place(x, log, c->to.text, why);
	if (dir < 0)
		return -1;
	if (renameat(x->stage, name, dir, c->to.text) < 0)
		return fault_errno(why, "rename %s/%s to %s", STAGE, name, log);
	return fsync(dir) < 0 ? fault_errno(why, "fsync %s", log) : 0;
}

/* The logs go first: a message whose log comes later would be told of without it. Then nobody needs ours. */
static int
publish(struct export *x, const struct crossing *c, struct fault *why)
{
	autoclose int dir = -1;
	char          name[EXPORT_NAME_SIZE];
	int           used = is_in_use(x, c->to.text, why);

	if (used != 0)
		return used < 0 ? -1 : fault_set(why, FAULT_INPUT, "Postfix has made another message %s meanwhile: that has to go first", c->to.text);
	for (int k = 0; k < LOGS; k++)
		if (publish_log(x, c, export_log_names[k], why) < 0)
			return -1;
	if (fault_point("export.logs", why) < 0 || (dir = place(x, queue_state_name(c->state), c->to.text, why)) < 0)
		return -1;
	whole_name(name, c);
	if (held_publish(x->stage, name, dir, c->to.text, why) < 0)
		return -1;
	(void)fault_point("export.published", NULL);
	if (fsync(dir) < 0)
		return fault_errno(why, "fsync %s", queue_state_name(c->state));
	x->move->moved++;
	return held_drop(x->held, c->id.text, why);
}

/* Ours goes out of the queue, durably; then theirs appears. */
int
export_hand_over(struct export *x, const struct crossing *c, enum queue_state from, struct fault *why)
{
	int got = queue_take_out(x->ours, from, c->id.text, x->held, why);

	if (got != 0)
		return got < 0 ? -1 : fault_set(why, FAULT_SYSTEM, "is gone");
	if (fsync(x->held) < 0)
		return fault_errno(why, "fsync " HELD);
	return queue_sync(x->ours, from, why) < 0 || fault_point("export.taken", why) < 0 ? -1 : publish(x, c, why);
}

/* ---- what an earlier run has left ---- */

/* "ID.deferred" or "ID.deferred.OTHER": a message that is complete. */
static bool
is_complete(struct span name, struct crossing *c)
{
	struct span id, state;

	if (!span_split(&name, '.', &id) || !queue_id_valid(id))
		return false;
	if (!span_split(&name, '.', &state))
		name = id;
	if (!queue_state_find(state, &c->state) || !queue_id_valid(name))
		return false;
	snprintf(c->id.text, sizeof c->id.text, "%.*s", SPAN_ARGS(id));
	snprintf(c->to.text, sizeof c->to.text, "%.*s", SPAN_ARGS(name));
	return true;
}

/* Ours was not taken: we have it still, or have delivered it meanwhile, wholly or in part. */
static int
discard(struct export *x, const struct crossing *c, struct fault *why)
{
	char name[EXPORT_NAME_SIZE];

	for (int k = 0; k < LOGS; k++) {
		export_stage_name(name, c->id.text, export_log_names[k]);
		unlinkat(x->stage, name, 0);
	}
	whole_name(name, c);
	return unlinkat(x->stage, name, 0) < 0 ? fault_errno(why, "remove %s/%s", STAGE, name) : 0;
}

/* A run that was killed may not have come to its fsync: what it has taken could be back after a power cut, and what it has published gone. */
static int
settle(struct export *x, struct fault *why)
{
	if (fsync(x->held) < 0)
		return fault_errno(why, "fsync " HELD);
	for (int s = QUEUE_MAILDROP; s < QUEUE_STATES; s++)
		if (queue_sync(x->ours, (enum queue_state)s, why) < 0 || postfix_sync(x->root, queue_state_name((enum queue_state)s), why) < 0)
			return -1;
	for (int k = 0; k < LOGS; k++)
		if (postfix_sync(x->root, export_log_names[k], why) < 0)
			return -1;
	return 0;
}

/* What is held and staged no more was published. */
static int
finish(struct export *x, struct fault *why)
{
	autotext struct text staged = {0}, held = {0};
	struct span          rest, name;
	struct crossing      c;

	if (held_names(x->stage, &staged, why) < 0 || held_names(x->held, &held, why) < 0 || (held.len && settle(x, why) < 0))
		return -1;
	for (rest = text_span(&staged); span_split(&rest, '\n', &name);)
		if (is_complete(name, &c) && (held_lists(&held, span_of(c.id.text)) ? publish : discard)(x, &c, why) < 0)
			return -1;
	for (rest = text_span(&held); span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		if (held_drop(x->held, one, why) < 0)
			return -1;
	}
	return 0;
}

/* What cannot be told may be. */
static bool
is_anything_staged(struct export *x)
{
	autotext struct text names = {0};
	struct span          rest, name;
	struct crossing      c;

	if (held_names(x->stage, &names, NULL) < 0)
		return true;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);)
		if (is_complete(name, &c))
			return true;
	return false;
}

/* 1: what lies there is an earlier run's. */
static int
check_origin(struct export *x, struct fault *why)
{
	autofree char       *path = mem_format("%s/" STAGE "/from", x->move->postfix), *real = realpath(x->move->ours, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", x->move->ours);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 1;
	if (is_anything_staged(x))
		return fault_set(why, FAULT_INPUT, "an export from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

/* What is not whole goes: its source is there. That of what is whole may be held. */
void
export_remove_stage(struct export *x)
{
	autoclose int        root = open(x->move->ours, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autotext struct text names = {0};
	struct span          rest, name;

	if (root < 0 || is_anything_staged(x) || held_names(x->stage, &names, NULL) < 0)
		return;
	held_remove(root, HELD, x->held);
	x->held = -1;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		unlinkat(x->stage, one, 0);
	}
	unlinkat(x->root, STAGE, AT_REMOVEDIR);
}

int
export_open_stage(struct export *x, struct fault *why)
{
	autofree char *theirs = realpath(x->move->postfix, NULL);
	autoclose int  root = open(x->move->ours, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int            goes_on;

	if (!theirs || root < 0)
		return fault_errno(why, "open directory %s", theirs ? x->move->ours : x->move->postfix);
	if (mkdirat(x->root, STAGE, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s/%s", x->move->postfix, STAGE);
	x->stage = openat(x->root, STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (x->stage < 0)
		return fault_errno(why, "open directory %s/%s", x->move->postfix, STAGE);
	if ((goes_on = check_origin(x, why)) < 0)
		return -1;
	x->held = held_open(root, HELD, theirs, goes_on == 1, why);
	return x->held < 0 ? -1 : finish(x, why);
}
