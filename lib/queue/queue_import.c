/* SPDX-License-Identifier: ISC */
/*
 * queue_import.c - messages of Postfix become ours: the walk through its queues
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "queue/postfix_directory.h"
#include "queue/queue_held.h"
#include "queue/queue_import_private.h"

enum { FILE_LIMIT = 1 << 30 };

static void
leave(struct import *i, const char *path, const char *why)
{
	i->move->n_left++;
	i->move->left(path, why);
}

/* ---- one file ---- */

/* 1: it is none of our business (a file of ours where both queues are one directory). */
static int
look_at(struct import *i, int fd, struct text *bytes, struct fault *why)
{

	if (fstat(fd, &i->source) < 0)
		return fault_errno(why, "stat");
	if (!S_ISREG(i->source.st_mode) || i->source.st_nlink != 1)
		return fault_set(why, FAULT_INPUT, "not a regular file with one name");
	if (i->source.st_size > FILE_LIMIT)
		return fault_set(why, FAULT_INPUT, "larger than %d bytes", FILE_LIMIT);
	if (file_read_fd(fd, FILE_LIMIT, bytes, why) < 0)
		return -1;
	if (span_starts(text_span(bytes), "postern-queue 1\n") || (bytes->len > 6 && memcmp(bytes->at, "V\0\0\0\0011", 6) == 0))
		return 1;
	if ((i->source.st_mode & S_IRWXU) != S_IRWXU)
		return fault_set(why, FAULT_INPUT, "was never completed: whoever sent it was not told that it is accepted");
	return 0;
}

/* The source itself, where both queues are one directory, is not another message. */
static bool
is_free(struct import *i, const char *id)
{
	for (int s = 0; s < QUEUE_STATES; s++) {
		struct stat st;

		if (fstatat(queue_directory(i->ours, (enum queue_state)s), id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (st.st_ino != i->source.st_ino || st.st_dev != i->source.st_dev))
			return false;
	}
	return true;
}

/* A file of ours has its id in it: which it will be is known before it is written. */
static void
choose_id(struct letter *l)
{
	snprintf(l->to.text, sizeof l->to.text, "%s", l->id);
	while (!is_free(l->i, l->to.text))
		held_new_id(&l->to);
	if (strcmp(l->to.text, l->id) != 0)
		log_info("%s: is %s here, since there is another message of that id", l->id, l->to.text);
}

/* As qmgr of Postfix does it: a redirected message goes to one address, for the first that waits. */
static void
redirect(struct postfix_message *m)
{
	bool given = false;

	for (size_t i = 0; m->redirect.len && i < m->n_rcpts; i++) {
		struct postfix_rcpt *r = &m->rcpts[i];

		if (r->done)
			continue;
		r->done = given;
		if (!given && !r->original.len)
			r->original = r->address;
		if (!given)
			r->address = m->redirect;
		given = true;
	}
}

static int
take_over(struct import *i, int dir, int fd, const char *id, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    bytes = {0};
	struct letter           l = {.i = i, .arena = arena, .id = id};
	int                     got;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fault_set(why, FAULT_INPUT, "is open elsewhere");
	got = look_at(i, fd, &bytes, why);
	if (got != 0)
		return got < 0 ? -1 : 0;
	l.file = text_span(&bytes);
	if (postfix_message_parse(l.file, arena, &l.m, why) < 0)
		return -1;
	redirect(&l.m);
	l.due_us = (int64_t)i->source.st_mtim.tv_sec * 1000000 + i->source.st_mtim.tv_nsec / 1000;
	l.expired = i->source.st_mode & S_IXGRP && !l.m.is_drop;
	if (i->move->only_look) {
		i->move->moved++;
		return 0;
	}
	choose_id(&l);
	got = 0;
	for (int k = 0; k < LOGS && !l.m.is_drop && got == 0; k++)
		got = import_log(&l, k, why);
	if (got == 0)
		got = import_carry(&l, dir, why);
	for (int k = 0; k < LOGS; k++)
		strmap_free(l.reasons[k], NULL);
	return got;
}

/* What is wrong with one file is told of it; what the system refuses ends the walk. */
static int
visit(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct import *i = context;
	autoclose int  fd = openat(dir, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct fault   one = {0};

	if (fd < 0) {
		if (errno != ENOENT)
			leave(i, path, strerror(errno));
		return 0;
	}
	if (take_over(i, dir, fd, id, &one) == 0)
		return 0;
	if (one.class == FAULT_INPUT) {
		leave(i, path, fault_text(&one));
		return 0;
	}
	return fault_set(why, one.class, "%s: %s", path, fault_text(&one));
}

static int
name_corrupt(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	(void)dir, (void)id, (void)why;
	leave(context, path, "is in Postfix's directory of corrupt files");
	return 0;
}

/* ---- all of them ---- */

static int
import_all(struct import *i, struct fault *why)
{
	if (!i->move->only_look) {
		if (queue_open(i->move->ours, &i->ours, why) < 0 || import_open_stage(i, why) < 0 || import_finish(i, why) < 0)
			return -1;
	}
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++) {
		i->state = (enum queue_state)s;
		if (postfix_walk(i->root, queue_state_name(i->state), visit, i, why) != 0)
			return -1;
	}
	if (postfix_walk(i->root, queue_state_name(QUEUE_CORRUPT), name_corrupt, i, why) != 0)
		return -1;
	if (!i->move->only_look)
		import_remove_stage(i);
	return 0;
}

int
queue_import(struct queue_move *move, struct fault *why)
{
	struct import i = {.move = move, .held = -1};
	int           got;

	move->moved = move->n_left = 0;
	i.root = open(move->postfix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i.root < 0)
		return fault_errno(why, "open queue directory %s", move->postfix);
	got = import_all(&i, why);
	queue_close(i.stage);
	queue_close(i.ours);
	free(i.stage_path);
	if (i.held >= 0)
		close(i.held);
	close(i.root);
	return got;
}
