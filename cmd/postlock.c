/* SPDX-License-Identifier: ISC */
/*
 * postlock.c - runs a command while a mailbox is locked
 *
 *   postlock [-c dir] [-l style] file command ...
 *
 * Locked as local does it, by mailbox_delivery_lock: fcntl, flock, dotlock.  Status: the command's, or 75 when
 * the lock could not be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/pages.h"
#include "config/site.h"

enum { ATTEMPTS = 20, DELAY_MS = 1000 };

/* 75 for all that goes wrong before the command is run: procmail recipes and the like come again. */
static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
fail(const char *format, ...)
{
	autotext struct text t = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&t, format, args);
	va_end(args);
	log_error("%s", text_string(&t));
	exit(EX_TEMPFAIL);
}

static int
lock_once(int fd, struct span style, const char *dot, bool *dotted)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (span_is(style, "fcntl"))
		return fcntl(fd, F_SETLK, &whole);
	if (span_is(style, "flock"))
		return flock(fd, LOCK_EX | LOCK_NB);
	if (span_is(style, "dotlock")) {
		int made = open(dot, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (made < 0)
			return -1;
		*dotted = true;
		return close(made);
	}
	fail("unknown lock style: %.*s", SPAN_ARGS(style));
}

static bool
lock_all(int fd, const char *styles, const char *dot, bool *dotted)
{
	struct span rest = span_of(styles), style;

	while (span_next(&rest, ", \t", &style))
		for (int tries = 1; lock_once(fd, style, dot, dotted) < 0; tries++) {
			if (tries == ATTEMPTS)
				return false;
			poll(NULL, 0, DELAY_MS);
		}
	return true;
}

int
main(int argc, char **argv)
{
	static const struct param own[] = {
		STRING("mailbox_delivery_lock", NULL, "fcntl, dotlock", "how mailboxes are locked"), END_OF_PARAMS
	};
	const char    *directory = NULL, *styles = NULL;
	struct faults  faults = {0};
	struct main_cf *cf;
	bool           dotted = false;
	int            letter, fd, status = 0;
	pid_t          pid;

	log_open("postlock", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "+c:l:v")) > 0)
		switch (letter) {
		case 'c': directory = optarg; break;
		case 'l': styles = optarg; break;
		case 'v': break;
		default: argc = 0;
		}
	if (argc - optind < 2)
		fail("%s", page_usage("postlock"));
	cf = site_load(directory, &faults);
	main_cf_know(cf, own);
	if (!styles)
		styles = main_cf_string(cf, "mailbox_delivery_lock");
	autofree char *dot = mem_format("%s.lock", argv[optind]);

	fd = open(argv[optind], O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		fail("open file %s: %s", argv[optind], strerror(errno));
	if (!lock_all(fd, styles, dot, &dotted)) {
		log_warning("lock %s: %m", argv[optind]);
		status = EX_TEMPFAIL;
	} else if ((pid = fork()) == 0) {
		execvp(argv[optind + 1], argv + optind + 1);
		log_error("execvp %s: %m", argv[optind + 1]);
		_exit(1);
	} else {
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
		status = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	if (dotted)
		unlink(dot);
	return status;
}
