/* SPDX-License-Identifier: ISC */
/*
 * queue_bridge.c - mail goes over from Postfix's queue to ours, and back, while neither runs
 *
 * Both mail systems hold a lock on pid/master.pid in their queue directory while they run; here
 * it is held until the move is over, so that none can begin meanwhile.
 */
#include "cmd/queue_bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/pages.h"
#include "config/site.h"
#include "queue/queue_move.h"

static void
tell_left(const char *path, const char *why)
{
	log_warning("%s: %s: left where it is", path, why);
}

/* -n and one directory: false when there is something else. */
static bool
take_words(char **words, struct queue_move *m)
{
	if (*words && strcmp(*words, "-n") == 0) {
		m->only_look = true;
		words++;
	}
	if (*words && **words != '-')
		m->postfix = *words++;
	return !*words;
}

static int
usage(void)
{
	fprintf(stderr, "%s\n", page_usage("postern"));
	return 1;
}

/* Held until we end. `before` is the lock of the other queue directory: both may be one. */
static int
lock_queue(const char *directory, int before)
{
	autofree char *pid = mem_format("%s/pid", directory), *path = mem_format("%s/pid/master.pid", directory);
	struct stat    one, other;
	struct flock   record = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int            fd;

	if (mkdir(pid, 0755) < 0 && errno != EEXIST)
		log_fatal("make directory %s: %s", pid, strerror(errno));
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &one) < 0)
		log_fatal("%s: %s", path, strerror(errno));
	if (before >= 0 && fstat(before, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev)
		return before;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fcntl(fd, F_SETLK, &record) < 0)
		log_fatal("a mail system runs with the queue %s: stop it first", directory);
	return fd;
}

static void
prepare(struct main_cf *cf, struct queue_move *m)
{
	struct passwd *owner = getpwnam(site.mail_owner);
	struct group  *drop = getgrnam(site.setgid_group);
	struct fault   why = {0};

	m->ours = site.queue_directory;
	m->left = tell_left;
	m->owner = (uid_t)-1;
	m->hash_names = span_of(main_cf_string(cf, "hash_queue_names"));
	m->hash_depth = (int)strtol(main_cf_string(cf, "hash_queue_depth"), NULL, 10);
	if (geteuid() == 0) {
		if (!owner)
			log_fatal("mail_owner %s does not exist", site.mail_owner);
		m->owner = owner->pw_uid;
	}
	if (m->only_look)
		return;
	if (queue_make(m->ours, m->owner, geteuid() == 0 && drop ? drop->gr_gid : (gid_t)-1, &why) < 0)
		log_fatal("%s", fault_text(&why));
}

static int
move(struct queue_move *m, int (*go)(struct queue_move *, struct fault *), const char *from, const char *to)
{
	struct fault why = {0};
	int          got, lock;

	lock = m->only_look && access(m->ours, F_OK) < 0 ? -1 : lock_queue(m->ours, -1);
	lock_queue(m->postfix, lock);
	got = go(m, &why);
	log_info("%s%" PRId64 " message%s %s from %s to %s", m->only_look ? "would move: " : "", m->moved, m->moved == 1 ? "" : "s",
	         m->only_look ? "can go" : "went", from, to);
	if (m->n_left)
		log_warning("%" PRId64 " file%s stayed: see above", m->n_left, m->n_left == 1 ? "" : "s");
	if (got < 0)
		log_fatal("%s: stopped there; what is over is over, and the same command goes on", fault_text(&why));
	return m->n_left ? 1 : 0;
}

/* It is on its way to Postfix. */
static bool
is_leaving(const struct text *found)
{
	return span_starts(text_span(found), "export/");
}

/* Postfix's queue is ours when ours holds files of it: main.cf says /var/spool/postfix. What was begun
 * goes on where it began. Owned. */
static char *
postfix_queue(void)
{
	autofree char       *path = mem_format("%s/import/from", site.queue_directory);
	autotext struct text found = {0}, from = {0};

	if (file_read(path, PATH_MAX, &from, NULL) == 0 && access(text_string(&from), F_OK) == 0)
		return mem_string(text_string(&from));
	if (queue_is_foreign(site.queue_directory, &found, NULL) == 1 && !is_leaving(&found))
		return mem_string(site.queue_directory);
	return mem_string(POSTFIX_QUEUE);
}

int
bridge_import(struct main_cf *cf, char **words)
{
	struct queue_move m = {.postfix = NULL};

	autofree char    *found = NULL;

	if (!take_words(words, &m))
		return usage();
	if (!m.postfix)
		m.postfix = found = postfix_queue();
	if (access(m.postfix, F_OK) < 0)
		log_fatal("queue directory %s: %s", m.postfix, strerror(errno));
	prepare(cf, &m);
	return move(&m, queue_import, m.postfix, m.ours);
}

int
bridge_export(struct main_cf *cf, char **words)
{
	struct queue_move m = {.postfix = NULL};

	if (!take_words(words, &m) || !m.postfix)
		return usage();
	if (access(m.postfix, F_OK) < 0)
		log_fatal("queue directory %s: %s", m.postfix, strerror(errno));
	prepare(cf, &m);
	return move(&m, queue_export, m.ours, m.postfix);
}

bool
bridge_forbids_start(struct main_cf *cf)
{
	autotext struct text found = {0};
	struct fault         why = {0};
	int                  got;

	if (strcmp(main_cf_string(cf, "ignore_postfix_queue_files"), "yes") == 0)
		return false;
	got = queue_is_foreign(site.queue_directory, &found, &why);
	if (got < 0)
		log_warning("%s", fault_text(&why));
	if (got != 1)
		return false;
	if (is_leaving(&found)) {
		log_error("%s holds mail on its way to Postfix (%s): nobody would deliver it", site.queue_directory, text_string(&found));
		log_error("the same \"postern export-queue\" again ends that; ignore_postfix_queue_files = yes starts without it");
		return true;
	}
	log_error("%s holds mail of Postfix (%s): nobody would deliver it", site.queue_directory, text_string(&found));
	log_error("\"postern import-queue\" takes it over; ignore_postfix_queue_files = yes starts without it");
	return true;
}
