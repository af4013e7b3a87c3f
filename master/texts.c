/* SPDX-License-Identifier: ISC */
/*
 * texts.c - the texts of built tables: when one changes, it is built again
 */
#include "master/texts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "master/master.h"

enum { LOOK_MS = 1000, TEXTS_MAX = 1 << 20, LOG_FD = 4 };

struct text_stamp {
	struct timespec changed, written;
	off_t           size;
	ino_t           inode;
	uid_t           owner;
};

struct watched_text {
	char             *path;
	struct text_stamp built, seen;   /* at the last build, at the last look */
};

static struct watched_text *texts;
static size_t               n_texts;
static pid_t                builder;     /* 0: none */
static int64_t              next_look;

static struct text_stamp
stamp_of(const char *path)
{
	struct stat       s;
	struct text_stamp stamp = {0};

	if (stat(path, &s) == 0)
		stamp = (struct text_stamp){s.st_ctim, s.st_mtim, s.st_size, s.st_ino, s.st_uid};
	return stamp;
}

static bool
same(const struct text_stamp *a, const struct text_stamp *b)
{
	return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec &&
	       a->size == b->size && a->inode == b->inode && a->owner == b->owner;
}

static void
forget_all(void)
{
	for (size_t i = 0; i < n_texts; i++)
		free(texts[i].path);
	free(texts);
	texts = NULL;
	n_texts = 0;
}

static void
learn(struct span list)
{
	struct span line;

	forget_all();
	while (span_next(&list, "\n", &line)) {
		struct watched_text t = {.path = mem_span(line)};

		t.built = t.seen = stamp_of(t.path);
		texts = mem_grow(texts, n_texts + 1, sizeof *texts);
		texts[n_texts++] = t;
	}
}

/* The child: -p lists the texts on `list`; without it (-1) complaints go to the log. */
static pid_t
start_tables(const char *path, int list)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (list >= 0) {
		dup2(list, STDOUT_FILENO);
		execl(path, "tables", "-p", "-c", environment.config_directory, (char *)NULL);
	} else if (environment.log_fd >= 0) {
		dup2(environment.log_fd, LOG_FD);
		fcntl(LOG_FD, F_SETFD, 0);
		execl(path, "tables", "-l", "4", "-c", environment.config_directory, (char *)NULL);
	} else
		execl(path, "tables", "-c", environment.config_directory, (char *)NULL);
	_exit(127);
}

void
texts_build(struct faults *faults)
{
	autofree char       *path = mem_format("%s/tables", site.daemon_directory);
	autotext struct text list = {0};
	int                  ends[2], status = 0;
	pid_t                pid;

	if (access(path, X_OK) < 0)
		return;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		faults_warn(faults, "pipe: %s", strerror(errno));
		return;
	}
	pid = start_tables(path, ends[1]);
	close(ends[1]);
	if (pid > 0)
		file_read_fd(ends[0], TEXTS_MAX, &list, NULL);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		faults_warn(faults, "%s ended with status %d: some tables could not be built", path,
		            WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	learn(text_span(&list));
	next_look = 0;
}

static bool
any_changed(void)
{
	bool any = false;

	for (size_t i = 0; i < n_texts; i++) {
		struct text_stamp now = stamp_of(texts[i].path);
		bool              still = same(&now, &texts[i].seen);

		texts[i].seen = now;
		if (still && !same(&now, &texts[i].built)) {
			texts[i].built = now;
			any = true;
		}
	}
	return any;
}

int64_t
texts_look(int64_t next)
{
	if (n_texts == 0)
		return next;
	if (clock_now() >= next_look && builder == 0) {
		autofree char *path = mem_format("%s/tables", site.daemon_directory);

		next_look = clock_after(LOOK_MS);
		if (any_changed())
			builder = start_tables(path, -1);
		if (builder < 0) {
			log_warning("fork: %s", strerror(errno));
			builder = 0;
		}
	}
	return builder == 0 && next_look < next ? next_look : next;
}

bool
texts_reap(pid_t pid, int status)
{
	if (builder == 0 || pid != builder)
		return false;
	builder = 0;
	if (WIFSIGNALED(status))
		log_warning("tables: killed by signal %d", WTERMSIG(status));
	return true;
}
