/* SPDX-License-Identifier: ISC */
/*
 * tool_sync.c - backup and sync: a user's mail and a second Maildir (store/mirror.h, store/merge.h)
 *
 * In a process that is the user and reaches these two places only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "store/location.h"
#include "store/merge.h"
#include "store/mirror.h"
#include "tool.h"

enum { TROUBLE = 75, WRONG = 64 };

struct places { struct location mine, other; struct maildir *here, *there; };

/* Opened before, and confined to, both. */
static int
open_places(struct places *p, bool mine_must_be, bool other_must_be, struct fault *why)
{
	const char    *paths[] = {text_string(&p->mine.root), text_string(&p->other.root), NULL};
	struct sandbox box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = paths, .writes = paths};

	if (strcmp(paths[0], paths[1]) == 0)
		return fault_set(why, FAULT_INPUT, "%s: that is the same place", paths[1]);
	if (maildir_open(paths[0], mine_must_be ? 0 : MAILDIR_CREATE, &p->here, why) < 0 ||
	    maildir_open(paths[1], other_must_be ? 0 : MAILDIR_CREATE, &p->there, why) < 0)
		return -1;
	return sandbox_close(&box, why);
}

/* Where the list of what both had lies is where the other side is: one for each user's place that meets it. */
static const char *
list_name(struct tool *t, const struct places *p)
{
	uint64_t hash = 14695981039346656037u;
	struct span path = text_span(&p->mine.root);

	for (size_t i = 0; i < path.len; i++)
		hash = (hash ^ (unsigned char)path.at[i]) * 1099511628211u;
	return arena_format(t->arena, "postern-sync.%016llx", (unsigned long long)hash);
}

static int
backup(struct tool *t, struct places *p, bool reverse, struct fault *why)
{
	struct mirror_count n = {0};

	if (open_places(p, !reverse, reverse, why) < 0 ||
	    maildir_mirror(reverse ? p->there : p->here, reverse ? p->here : p->there, reverse, &n, why) < 0)
		return -1;
	printf("%s: %zu mailboxes, %zu messages copied, %zu renamed, %zu removed\n", t->user->user, n.mailboxes, n.copied, n.renamed, n.removed);
	return 0;
}

static int
sync_both(struct tool *t, struct places *p, struct fault *why)
{
	struct merge_count n = {0};

	if (open_places(p, false, false, why) < 0 || maildir_merge(p->here, p->there, list_name(t, p), &n, why) < 0)
		return -1;
	printf("%s: %zu mailboxes, %zu messages to %s, %zu from there, %zu removed, %zu changed\n", t->user->user, n.mailboxes, n.to_there,
		text_string(&p->other.root), n.to_here, n.removed, n.changed);
	return 0;
}

/* In the child. */
static int
work(struct tool *t, const char *location, bool both, bool reverse)
{
	struct places p = {.here = NULL};
	struct fault  why = {0};
	int           done = -1;

	if (location_parse(span_of(t->user->mail), span_of(t->user->user), span_of(t->user->home), &p.mine, &why) == 0 &&
	    location_parse(span_of(location), span_of(t->user->user), span_of(t->user->home), &p.other, &why) == 0)
		done = both ? sync_both(t, &p, &why) : backup(t, &p, reverse, &why);
	if (done < 0)
		log_error("%s: %s", t->user->user, fault_text(&why));
	maildir_close(p.here);
	maildir_close(p.there);
	location_free(&p.mine);
	location_free(&p.other);
	return done < 0 ? TROUBLE : 0;
}

static int
in_child(struct tool *t, const char *location, bool both, bool reverse)
{
	int   status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		status = work(t, location, both, reverse);
		fflush(stdout);
		_exit(status);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child > 0 && WIFSIGNALED(status))
		log_error("%s: killed by signal %d; the next run goes on", t->user->user, WTERMSIG(status));
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : TROUBLE;
}

int
tool_backup(struct tool *t, int argc, char **argv)
{
	if (argc != 1) {
		fprintf(stderr, "usage: postern backup -u user [-R] maildir:path\n");
		return WRONG;
	}
	return in_child(t, argv[0], false, t->own_option);
}

int
tool_sync(struct tool *t, int argc, char **argv)
{
	if (argc != 1) {
		fprintf(stderr, "usage: postern sync -u user maildir:path\n");
		return WRONG;
	}
	return in_child(t, argv[0], true, false);
}
