/* SPDX-License-Identifier: ISC */
/*
 * postsuper.c - changes the queue: delete, hold, release, requeue, expire
 *
 * While qmgr runs it is asked, since it alone knows what is being delivered.
 * Else the directories are changed under the lock of the mail system, so that
 * it cannot start meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "cmd/queue_view.h"
#include "config/site.h"

enum { ORPHAN_SECONDS = 3600 };

static const struct action {
	char        letter;
	const char *what;               /* as qmgr is asked */
	const char *each, *all;         /* as the log says it */
} actions[] = {
	{'d', "delete",  "removed",            "Deleted"},
	{'e', "expire",  "expired",            "Force-expired"},
	{'f', "expire",  "expired",            "Force-expired"},
	{'h', "hold",    "placed on hold",     "Placed on hold"},
	{'H', "release", "released from hold", "Released from hold"},
	{'r', "requeue", "requeued",           "Requeued"},
};

struct wish {
	const struct action *action;
	const char          *id;        /* "ALL", "-" or an id */
	int64_t              count, released;   /* released: by -f */
};

static struct {
	struct queue *queue;            /* not NULL: qmgr does not run, and cannot start */
	char         *public;
	struct span   only[QUEUE_STATES];
	size_t        n_only;
	int           failures;
} super;

static const struct action *
find_action(int letter)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (actions[i].letter == letter)
			return &actions[i];
	return NULL;
}

/* ---- by ourselves ---- */

static int
expire(const char *id, enum queue_state s, struct fault *why)
{
	struct queue_file *f = NULL;
	int                got = queue_file_open(super.queue, s, id, QUEUE_OPEN_WRITE, &f, why);

	if (got != 0)
		return got;
	got = queue_file_set_expired(f, why);
	queue_file_close(f);
	return got < 0 ? -1 : queue_set_due(super.queue, s, id, clock_wall(), why);
}

static int
move(const char *id, enum queue_state from, enum queue_state to, struct fault *why)
{
	int moved;

	if (from == to)
		return 1;
	moved = queue_move(super.queue, id, from, to, why);
	return moved == 0 ? queue_sync(super.queue, to, why) : moved;
}

/* 0 changed; 1 not there, or nothing to change. */
static int
change_here(const struct action *a, const char *id, enum queue_state s, struct fault *why)
{
	switch (a->letter) {
	case 'd': return queue_remove(super.queue, s, id, why);
	case 'e':
	case 'f': return expire(id, s, why);
	case 'h': return move(id, s, QUEUE_HOLD, why);
	case 'H': return s == QUEUE_HOLD ? move(id, s, QUEUE_INCOMING, why) : 1;
	case 'r':
		/* routes are asked for anew whenever a message is loaded; rewriting needs the running system */
		if (s == QUEUE_MAILDROP ||
		    queue_set_due(super.queue, s, id, clock_wall(), why) != 0)
			return s == QUEUE_MAILDROP ? 1 : -1;
		return s == QUEUE_INCOMING ? 0 : move(id, s, QUEUE_INCOMING, why);
	default:  return 1;
	}
}

static bool
is_asked_for(enum queue_state s, const struct action *a)
{
	for (size_t i = 0; i < super.n_only; i++)
		if (span_is(super.only[i], queue_state_name(s)))
			return true;
	return super.n_only == 0 && s != QUEUE_CORRUPT && (s != QUEUE_MAILDROP || a->letter == 'd');
}

static void
change_state(struct wish *w, enum queue_state s)
{
	struct queue_scan *scan;
	struct queue_id    id;
	struct fault       why = {0};

	if (queue_scan_open(super.queue, s, &scan, &why) < 0)
		command_fatal(EX_OSFILE, "%s", fault_text(&why));
	while (queue_scan_next(scan, &id, NULL, &why) == 1) {
		int got = change_here(w->action, id.text, s, &why);

		if (got == 0)
			w->count++;
		else if (got < 0) {
			log_warning("%s", fault_text(&why));
			super.failures++;
		}
	}
	queue_scan_close(scan);
}

static void
change_one_here(struct wish *w, const char *id)
{
	struct fault why = {0};

	for (int s = 0; s < QUEUE_STATES; s++) {
		int64_t due;
		int     got;

		if (!is_asked_for((enum queue_state)s, w->action) ||
		    queue_due(super.queue, (enum queue_state)s, id, &due, &why) != 0)
			continue;
		got = change_here(w->action, id, (enum queue_state)s, &why);
		if (got < 0)
			command_fatal(EX_OSFILE, "%s", fault_text(&why));
		if (got == 0) {
			w->count++;
			log_info("%s: %s", id, w->action->each);
		}
		return;
	}
}

/* ---- through qmgr ---- */

static void
ask(struct wish *w, const char *id, struct span queue)
{
	struct fault why = {0};
	int64_t      count = 0;

	if (queue_change(super.public, w->action->what, span_of(id), queue, &count, &why) < 0) {
		log_warning("%s: %s", id, fault_text(&why));
		super.failures++;
		return;
	}
	if (count && strcmp(id, "ALL") != 0)
		log_info("%s: %s", id, w->action->each);
	w->count += count;
}

static void
change_by_action(struct wish *w, const char *id)
{
	bool all = strcmp(id, "ALL") == 0;

	if (!queue_id_looks_right(id))
		log_warning("invalid mail queue id: %s", id);
	if (!all && !queue_id_valid(span_of(id)))
		return;          /* no message has that name */
	if (super.queue && all) {
		for (int s = 0; s < QUEUE_STATES; s++)
			if (is_asked_for((enum queue_state)s, w->action))
				change_state(w, (enum queue_state)s);
	} else if (super.queue) {
		change_one_here(w, id);
	} else if (super.n_only == 0) {
		ask(w, id, SPAN_NONE);
	} else
		for (size_t i = 0; i < super.n_only; i++)
			ask(w, id, super.only[i]);
}

/* -f also releases what is held, so that it can be returned. */
static void
change(struct wish *w, const char *id)
{
	struct wish release = {find_action('H'), id, 0, 0};

	change_by_action(w, id);
	if (w->action->letter != 'f')
		return;
	change_by_action(&release, id);
	w->released += release.count;
}

/* ---- ids from standard input ---- */

static void
change_listed(struct wish *w)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		autofree char *id = mem_span(span_trim(span_of(line)));

		change(w, id);
	}
	free(line);
}

/* ---- beginning ---- */

/* The lock that master holds while it runs; ours until we end. */
static bool
take_lock(void)
{
	autofree char *path = mem_format("%s/pid/master.pid", site.queue_directory);
	int            fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		command_fatal(EX_OSFILE, "%s: %s", path, strerror(errno));
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void
begin(void)
{
	struct fault why = {0};

	super.public = mem_format("%s/public", site.queue_directory);
	if (!queue_is_ours(site.queue_directory))
		command_fatal(EX_NOPERM, "use of this command is reserved for the superuser");
	if (take_lock() && queue_open(site.queue_directory, &super.queue, &why) < 0)
		command_fatal(EX_OSFILE, "%s", fault_text(&why));
}

/* -s: the directories are there; -p: what dead writers left is gone. */
static void
repair(void)
{
	struct fault  why = {0};
	struct queue *q;
	int           count;

	if (queue_open(site.queue_directory, &q, &why) < 0 ||
	    queue_sweep(q, ORPHAN_SECONDS, &count, &why) < 0)
		command_fatal(EX_OSFILE, "%s", fault_text(&why));
	queue_close(q);
	if (count)
		log_info("Removed: %d stale file%s", count, count == 1 ? "" : "s");
}

/* Postfix keeps reasons in these; here they are in the messages. */
static bool
is_log_directory(const char *name)
{
	static const char *const logs[] = {"bounce", "defer", "trace", "flush"};

	for (size_t i = 0; i < COUNT(logs); i++)
		if (strcmp(logs[i], name) == 0)
			return true;
	return false;
}

static void
take_queues(char **names)
{
	enum queue_state s;

	for (; *names; names++) {
		if (is_log_directory(*names))
			continue;
		if (!queue_state_find(span_of(*names), &s))
			command_fatal(1, "invalid directory name: %s", *names);
		if (super.n_only < QUEUE_STATES)
			super.only[super.n_only++] = span_of(*names);
	}
}

static void
fulfil(struct wish *w)
{
	if (strcmp(w->id, "-") == 0)
		change_listed(w);
	else
		change(w, w->id);
}

/* One line for each kind of change that was asked for, in Postfix's order. */
static void
sum_up(const struct wish *wishes, size_t count)
{
	static const char order[] = "defrhH";

	for (const char *letter = order; *letter; letter++) {
		const struct action *a = find_action(*letter);
		int64_t              total = 0;
		bool                 asked = false;

		for (size_t i = 0; i < count; i++)
			if (wishes[i].action == a) {
				asked = true;
				total += wishes[i].count;
			} else if (a->letter == 'H' && wishes[i].action->letter == 'f') {
				asked = true;
				total += wishes[i].released;
			}
		if (asked)
			log_info("%s: %" PRId64 " message%s", a->all, total, total == 1 ? "" : "s");
	}
}

int
main(int argc, char **argv)
{
	struct wish *wishes = mem_array((size_t)argc + 1, sizeof *wishes);
	const char  *directory = NULL;
	size_t       n_wishes = 0;
	bool         check = false;
	int          letter;

	log_open("postfix/postsuper", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) > 0)
		switch (letter) {
		case 'c': directory = optarg; break;
		case 'p':
		case 's':
		case 'S': check = true; break;
		case 'v': log_verbose(1); break;
		case '?':
			command_fatal(1, "%s", page_usage("postsuper"));
		default:  wishes[n_wishes++] = (struct wish){find_action(letter), optarg, 0, 0};
		}
	take_queues(argv + optind);
	command_begin("postsuper", directory, false);
	begin();
	if (check || n_wishes == 0)
		repair();
	for (size_t i = 0; i < n_wishes; i++)
		fulfil(&wishes[i]);
	sum_up(wishes, n_wishes);
	return super.failures ? 1 : EX_OK;
}
