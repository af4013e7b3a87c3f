/* SPDX-License-Identifier: ISC */
/*
 * queue_export.c - our messages become Postfix's: the walk through our queue
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/queue_export_private.h"

/* ---- one message ---- */

static void
leave(struct export *x, enum queue_state s, const char *id, const char *why)
{
	autofree char *path = mem_format("%s/%s", queue_state_name(s), id);

	x->move->n_left++;
	x->move->left(path, why);
}

bool
export_is_theirs(struct export *x, enum queue_state s, const char *id)
{
	autoclose int fd = openat(queue_directory(x->ours, s), id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char          start[POSTFIX_SIZE_RECORD];
	ssize_t       n = fd < 0 ? -1 : read(fd, start, sizeof start);

	return n > 0 && postfix_file_begins(span_at(start, (size_t)n));
}

static int
export_queued(struct export *x, enum queue_state s, const char *id, struct fault *why)
{
	struct queue_file *f = NULL;
	struct writer      w = {.fd = -1};
	struct crossing    c;
	char               part[EXPORT_NAME_SIZE];
	int64_t            due;
	mode_t             mode;
	int                got = queue_file_open(x->ours, s, id, QUEUE_OPEN_WRITE, &f, why);

	if (got != 0)
		return got == 1 ? 0 : why->class == FAULT_INPUT && export_is_theirs(x, s, id) ? fault_clear(why), 0 : -1;
	mode = queue_file_expired(f) ? 0710 : 0700;
	export_stage_name(part, id, "part");
	got = queue_due(x->ours, s, id, &due, why);
	if (got == 0 && !x->move->only_look)
		got = export_choose(x, id, s, &c, why) < 0 || (w.fd = export_create(x, part, x->owner, why)) < 0 ||
		      export_message(&w, f, why) < 0 || export_complete(x, &w, &c, mode, due, why) < 0 ||
		      export_hand_over(x, &c, s, why) < 0 ? -1 : 0;
	else if (got == 0)
		x->move->moved++;
	queue_file_close(f);
	export_writer_free(&w);
	return got < 0 ? -1 : 0;
}

static int
write_drop(struct export *x, const char *id, int fd, const struct stat *st, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct maildrop_reader  in = {.fd = fd};
	struct writer           w = {.fd = -1};
	struct crossing         c;
	char                    part[EXPORT_NAME_SIZE];
	int64_t                 time_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	int                     got;

	export_stage_name(part, id, "part");
	got = export_choose(x, id, QUEUE_MAILDROP, &c, why) < 0 || (w.fd = export_create(x, part, st->st_uid, why)) < 0 ||
	      export_drop(&w, &in, time_us, arena, why) < 0 || export_complete(x, &w, &c, 0744, time_us, why) < 0 ? -1 : 0;
	maildrop_reader_free(&in);
	export_writer_free(&w);
	return got < 0 ? -1 : export_hand_over(x, &c, QUEUE_MAILDROP, why);
}

/* Cleanup has it already, and pickup had no time to remove it here: it goes with the message (queue_draft_claim). */
static int
is_submitted(struct export *x, const char *id, struct fault *why)
{
	enum queue_state s;
	int              got = queue_where(x->ours, id, &s, why);

	return got != 0 ? got == 1 ? 0 : -1 : !export_is_theirs(x, s, id);
}

static int
export_waiting(struct export *x, const char *id, struct fault *why)
{
	autoclose int fd = openat(queue_directory(x->ours, QUEUE_MAILDROP), id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat   st;
	int           submitted;

	if (fd < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open");
	if (export_is_theirs(x, QUEUE_MAILDROP, id))
		return 0;
	if ((submitted = is_submitted(x, id, why)) != 0)
		return submitted < 0 ? -1 : 0;
	if (fstat(fd, &st) < 0)
		return fault_errno(why, "stat");
	if (!maildrop_is_ready(&st))
		return fault_set(why, FAULT_INPUT, "was never completed: whoever sent it was not told that it is accepted");
	if (x->move->only_look) {
		x->move->moved++;
		return 0;
	}
	return write_drop(x, id, fd, &st, why);
}

static int
export_one(struct export *x, enum queue_state s, const char *id, struct fault *why)
{
	struct fault one = {0};

	if ((s == QUEUE_MAILDROP ? export_waiting(x, id, &one) : export_queued(x, s, id, &one)) == 0)
		return 0;
	if (one.class != FAULT_INPUT && one.class != FAULT_TIME)
		return fault_set(why, one.class, "%s/%s: %s", queue_state_name(s), id, fault_text(&one));
	leave(x, s, id, fault_text(&one));
	return 0;
}

/* ---- all of them ---- */

/* All names first: what is published may lie in the same directory. */
static int
export_state(struct export *x, enum queue_state s, struct fault *why)
{
	autotext struct text names = {0};
	struct queue_scan   *scan;
	struct queue_id      id;
	struct span          rest, name;
	int                  got;

	if (queue_scan_open(x->ours, s, &scan, why) < 0)
		return -1;
	while ((got = queue_scan_next(scan, &id, NULL, why)) == 1)
		text_add_format(&names, "%s\n", id.text);
	if (got == 0 && queue_scan_unseen(scan))
		got = fault_set(why, FAULT_SYSTEM, "%s: %llu files cannot be looked at", queue_state_name(s), (unsigned long long)queue_scan_unseen(scan));
	queue_scan_close(scan);
	for (rest = text_span(&names); got == 0 && span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		if (s == QUEUE_CORRUPT)
			leave(x, s, one, "is in the directory of corrupt files");
		else
			got = export_one(x, s, one, why);
	}
	return got;
}

/* Postfix's files belong to whom its queue belongs. */
static int
open_theirs(struct export *x, struct fault *why)
{
	struct stat st;

	x->root = open(x->move->postfix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->root < 0)
		return fault_errno(why, "open queue directory %s", x->move->postfix);
	if (fstatat(x->root, "incoming", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return fault_set(why, FAULT_INPUT, "%s has no directory incoming: start Postfix once, or run \"postfix check\"", x->move->postfix);
	x->owner = st.st_uid;
	x->group = st.st_gid;
	return 0;
}

static int
export_all(struct export *x, struct fault *why)
{
	if (open_theirs(x, why) < 0 || queue_open(x->move->ours, &x->ours, why) < 0)
		return -1;
	if (!x->move->only_look && export_open_stage(x, why) < 0)
		return -1;
	for (int s = QUEUE_MAILDROP; s < QUEUE_STATES; s++)
		if (export_state(x, (enum queue_state)s, why) < 0)
			return -1;
	if (!x->move->only_look)
		export_remove_stage(x);
	return 0;
}

int
queue_export(struct queue_move *move, struct fault *why)
{
	struct export x = {.move = move, .root = -1, .stage = -1, .held = -1};
	int           got;

	move->moved = move->n_left = 0;
	got = export_all(&x, why);
	queue_close(x.ours);
	if (x.stage >= 0)
		close(x.stage);
	if (x.held >= 0)
		close(x.held);
	if (x.root >= 0)
		close(x.root);
	return got;
}
