/* SPDX-License-Identifier: ISC */
/*
 * main.c - master: starts the programs, hands them their sockets, watches them
 *
 *   master -c DIR [-f] [-w FD]   serve; -f: in the foreground; -w: where to tell
 *                                postern "ready" or what is wrong
 *   master -c DIR -t             find all errors, start nothing
 *
 * master parses nothing that comes from the network and opens no lookup table.
 * TERM and INT stop (transactions end first), QUIT stops at once, HUP reloads,
 * USR1 restarts the logger so that it opens a new file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/expand.h"
#include "config/site.h"
#include "master/posts.h"
#include "master/texts.h"

extern char **environ;

enum {
	START_MS = 60000,       /* for all posts to be ready */
	LOCK_MS = 1000, LOCK_LOOK_MS = 10,
	DESCRIPTORS = 16384
};

struct supervisor self = {.tell = -1, .pid_file = -1};

void
tell_starter(const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	text_add_byte(&line, '\n');
	if (self.tell >= 0)
		(void)!write(self.tell, line.at, line.len);
	else if (self.starting && environment.foreground)
		fprintf(stderr, "%s", line.at + 2);
}

static void
tell_faults(const struct faults *f)
{
	for (int i = 0; i < f->warnings; i++)
		tell_starter("W warning: %s", f->warning[i]);
	for (int i = 0; i < f->errors; i++)
		tell_starter("E error: %s", f->error[i]);
}

/* ---- signals ---- */

static void
on_signal(int number)
{
	char byte = (char)number;
	int  error = errno;

	(void)!write(self.signals[1], &byte, 1);
	errno = error;
}

static const int caught[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGCHLD};

static void
catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (pipe2(self.signals, O_CLOEXEC | O_NONBLOCK) < 0)
		log_fatal("pipe: %s", strerror(errno));
	for (size_t i = 0; i < COUNT(caught); i++)
		sigaction(caught[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
settle_in(struct plan *p, struct plan *before, struct faults *faults)
{
	if (users_check(p, faults) < 0 || directories_make(p, true, faults) < 0)
		return;
	endpoints_open(p, before, faults);
	if (faults->errors == 0)
		directories_link(p, faults);
	if (faults->errors == 0)
		texts_build(faults);
}

static void
read_configuration(struct plan *p, struct faults *faults)
{
	static const struct param own[] = {
		DURATION("service_throttle_time", &self.throttle_ms, "60s", "1s", "", "a program that keeps dying is started again after this"),
		END_OF_PARAMS
	};
	const struct param *const tables[] = {own, NULL};

	plan_read(environment.config_directory, p, faults);
	params_load(p->cf, tables, faults);
}

static void
close_status(struct post *post, struct process *p)
{
	(void)post;
	close(p->status);
}

/*
 * A child that looks at the configuration, which takes seconds, has nothing of master's: if master is killed
 * meanwhile, the next one wants the lock and the ports, and the programs wait for the end of their socket.
 */
static void
let_go(void)
{
	for (size_t i = 0; i < COUNT(caught); i++)
		signal(caught[i], SIG_DFL);
	for (size_t i = 0; i < COUNT(self.signals); i++)
		close(self.signals[i]);
	close(self.pid_file);
	posts_each(close_status);
	for (size_t i = 0; i < self.plan.count; i++)
		for (size_t k = 0; k < self.plan.post[i]->n_endpoints; k++)
			if (self.plan.post[i]->endpoint[k].fd >= 0)
				close(self.plan.post[i]->endpoint[k].fd);
}

/* In a child, so that a bad file changes nothing here. */
static bool
configuration_is_good(void)
{
	int   status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct plan   p = {0};
		struct faults faults = {0};

		let_go();
		plan_read(environment.config_directory, &p, &faults);
		users_check(&p, &faults);
		check_programs(&p, &faults);
		for (int i = 0; i < faults.errors; i++)
			log_error("%s", faults.error[i]);
		_exit(faults.errors ? 1 : 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* In Postfix's words: log watchers know them. */
static void
tell_old_defaults(void)
{
	static const char *const level = "3.6";

	if (expand_level(span_of(site.compatibility_level)) >= expand_level(span_of(level)))
		return;
	log_info("Postfix is using backwards-compatible default settings");
	log_info("See http://www.postfix.org/COMPATIBILITY_README.html for details");
	log_info("To disable backwards compatibility use \"postconf compatibility_level=%s\" and \"postfix reload\"", level);
}

static void
reload(void)
{
	struct plan   fresh = {0}, before = self.plan;
	struct faults faults = {0};
	autofree char *queue = mem_string(site.queue_directory);

	if (self.stopping)
		return;
	if (!configuration_is_good()) {
		log_error("the configuration has errors: going on with the one before");
		return;
	}
	read_configuration(&fresh, &faults);
	if (strcmp(queue, site.queue_directory) != 0) {
		log_error("queue_directory has changed: stop and start instead; now stopping");
		posts_begin_stop();
		return;
	}
	settle_in(&fresh, &before, &faults);
	faults_log(&faults);
	faults_free(&faults);
	self.plan = fresh;
	for (size_t i = 0; i < before.count; i++)
		post_retire(before.post[i]);
	tell_old_defaults();
	log_info("reload -- version %s, configuration %s", site.mail_version, environment.config_directory);
}

static void
rotate(void)
{
	for (size_t i = 0; i < self.plan.count; i++)
		if (self.plan.post[i]->job->rank == RANK_LOG)
			for (size_t k = 0; k < self.plan.post[i]->n_processes; k++)
				child_tell_stop(&self.plan.post[i]->process[k]);
}

static void
take_signals(void)
{
	char    byte[64];
	ssize_t n = read(self.signals[0], byte, sizeof byte);

	for (ssize_t i = 0; i < n; i++)
		switch (byte[i]) {
		case SIGCHLD: break;
		case SIGHUP:  reload(); break;
		case SIGUSR1: rotate(); break;
		case SIGQUIT: self.aborting = true; self.deadline = 0; /* fall through */
		default:
			if (!self.stopping)
				log_info("terminating on signal %d", byte[i]);
			posts_begin_stop();
			if (self.aborting)
				self.deadline = 0;
		}
}

/* ---- the loop ---- */

static int64_t
look_after(struct post *post, int64_t next)
{
	post_man(post);
	if (post->retry_at && post->retry_at < next)
		next = post->retry_at;
	if (post->wakeup && (!post->wakeup_if_used || post->n_processes)) {
		if (!post->next_wakeup)
			post->next_wakeup = clock_after((int64_t)post->wakeup * 1000);
		if (clock_now() >= post->next_wakeup) {
			post_wake(post);
			post->next_wakeup = clock_after((int64_t)post->wakeup * 1000);
		}
		if (post->next_wakeup < next)
			next = post->next_wakeup;
	}
	return next;
}

static void
finish_start(void)
{
	for (size_t i = 0; i < self.plan.count; i++)
		if (!self.plan.post[i]->settled) {
			if (clock_now() < self.deadline)
				return;
			self.failed = true;
			tell_starter("E error: %sservice %s: not ready after %d seconds",
			             self.plan.post[i]->place, self.plan.post[i]->name, START_MS / 1000);
		}
	if (self.failed) {
		self.aborting = true;
		posts_begin_stop();
		self.deadline = 0;
		return;
	}
	tell_starter("R %ld", (long)getpid());
	if (self.tell >= 0)
		close(take_fd(self.tell));
	self.starting = false;
	environment.inherits = false;
}

static struct pollfd *polled;
static size_t         n_polled;

static void
add_polled(struct post *post, struct process *p)
{
	(void)post;
	polled = mem_grow(polled, n_polled + 1, sizeof *polled);
	polled[n_polled++] = (struct pollfd){.fd = p->status, .events = POLLIN};
}

static void
listen_to(struct post *post, struct process *p)
{
	child_listen(post, p, post_fault); /* its end is told by SIGCHLD */
}

/* FIFOs, and the sockets of those who sleep until they are asked; a throttled one is not listened to. */
static void
add_dormant(struct post *post)
{
	for (size_t i = 0; i < post->n_endpoints && !self.stopping; i++)
		if (post->endpoint[i].kind == ENDPOINT_FIFO) {
			polled = mem_grow(polled, n_polled + 1, sizeof *polled);
			polled[n_polled++] = (struct pollfd){.fd = post->endpoint[i].fd, .events = POLLIN};
		}
	if (self.stopping || !post_is_dormant(post) || (post->retry_at && clock_now() < post->retry_at))
		return;
	for (size_t i = 0; i < post->n_endpoints; i++) {
		if (post->endpoint[i].kind == ENDPOINT_FIFO)
			continue;
		polled = mem_grow(polled, n_polled + 1, sizeof *polled);
		polled[n_polled++] = (struct pollfd){.fd = post->endpoint[i].fd, .events = POLLIN};
	}
}

static void
wake_dormant(struct post *post, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < post->n_endpoints; i++)
		for (size_t k = 0; k < n; k++)
			if (p[k].revents && p[k].fd >= 0 && p[k].fd == post->endpoint[i].fd) {
				if (post->endpoint[i].kind == ENDPOINT_FIFO)
					post_take_triggers(post);
				else
					post->asked = true;
			}
}

static void
wait_for_something(int64_t until)
{
	size_t dormant;

	n_polled = 0;
	for (size_t i = 0; i < self.plan.count; i++)
		add_dormant(self.plan.post[i]);
	dormant = n_polled;
	posts_each(add_polled);
	polled = mem_grow(polled, n_polled + 1, sizeof *polled);
	polled[n_polled++] = (struct pollfd){.fd = self.signals[0], .events = POLLIN};
	if (poll(polled, n_polled, clock_left(until)) <= 0)
		return;
	for (size_t i = 0; dormant && i < self.plan.count; i++)
		wake_dormant(self.plan.post[i], polled, dormant);
	/* One that closed its status socket but has not ended yet must not make us spin. */
	for (size_t i = dormant; i + 1 < n_polled; i++)
		if ((polled[i].revents & (POLLHUP | POLLERR)) && !(polled[i].revents & POLLIN)) {
			poll(NULL, 0, 5);
			break;
		}
}

static void
forget_old(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < self.n_old; i++)
		if (self.old[i]->n_processes)
			self.old[kept++] = self.old[i];
	self.n_old = kept;
}

static void
supervise(void)
{
	for (;;) {
		int64_t next = CLOCK_NEVER;

		take_signals();
		posts_each(listen_to);
		posts_reap();
		forget_old();
		if (self.stopping) {
			if (posts_go_on_stopping())
				return;
			next = self.deadline;
		} else {
			for (size_t i = 0; i < self.plan.count; i++)
				next = look_after(self.plan.post[i], next);
			next = texts_look(next);
			if (self.starting) {
				next = self.deadline < next ? self.deadline : next;
				finish_start();
				if (self.stopping)
					continue;
			}
		}
		wait_for_something(next);
	}
}

/* ---- beginning and end ---- */

static void
clean_environment(void)
{
	static const char *const also[] = {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	char **kept = mem_array(site.import_environment.count + COUNT(also) + 2, sizeof *kept);
	size_t n = 0;

	kept[n++] = mem_string("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < site.import_environment.count; i++) {
		const char *name = site.import_environment.item[i];

		if (strchr(name, '='))
			kept[n++] = mem_string(name);
		else if (getenv(name))
			kept[n++] = mem_format("%s=%s", name, getenv(name));
	}
	for (size_t i = 0; i < COUNT(also); i++)
		if (getenv(also[i]))
			kept[n++] = mem_format("%s=%s", also[i], getenv(also[i]));
	environ = kept;
}

/* Who asks whether master runs holds the lock for an instant. */
static int
take_lock(int fd)
{
	int64_t until = clock_after(LOCK_MS);

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_now() >= until)
			return -1;
		poll(NULL, 0, LOCK_LOOK_MS);
	}
	return 0;
}

static int
lock_pid_file(struct faults *faults)
{
	autofree char *text = mem_format("%ld\n", (long)getpid());
	struct stat    before;

	self.pid_file = open("pid/master.pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (self.pid_file < 0 || take_lock(self.pid_file) < 0) {
		faults_add(faults, errno == EWOULDBLOCK ? "the mail system is already running" :
		           "%s/pid/master.pid: %s", site.queue_directory, strerror(errno));
		return -1;
	}
	/* One that stopped took the file away: its processes may still leave, and hold our ports. */
	environment.inherits = fstat(self.pid_file, &before) == 0 && before.st_size > 0;
	/* In this order it is never empty, which would say that nobody was killed. */
	if (pwrite(self.pid_file, text, strlen(text), 0) < 0 || ftruncate(self.pid_file, (off_t)strlen(text)) < 0)
		faults_add(faults, "write pid/master.pid: %s", strerror(errno));
	return 0;
}

static int
enter_queue_directory(struct faults *faults)
{
	struct fault why = {0};

	if (file_make_directories(site.queue_directory, 0755, &why) < 0 || chdir(site.queue_directory) < 0) {
		faults_add(faults, "queue_directory: %s: %s", site.queue_directory,
		           why.class ? fault_text(&why) : strerror(errno));
		return -1;
	}
	if (mkdir("pid", 0755) < 0 && errno != EEXIST) {
		faults_add(faults, "create %s/pid: %s", site.queue_directory, strerror(errno));
		return -1;
	}
	return 0;
}

static int
check_only(const struct plan *p, struct faults *faults)
{
	/* As with Postfix, a check makes the directories that are missing: programs open them. Those that are there may be
	 * another mail system's, at work while its configuration is looked at. */
	if (enter_queue_directory(faults) == 0 && users_check(p, faults) == 0)
		directories_make(p, false, faults);
	check_programs(p, faults);
	self.starting = environment.foreground = true;
	tell_faults(faults);
	return faults->errors ? 1 : 0;
}

static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	if (files.rlim_cur < DESCRIPTORS && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < DESCRIPTORS ? files.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int
usage(void)
{
	fprintf(stderr, "usage: master [-c directory] [-f | -t | -w descriptor]\n");
	return 64;
}

/* Becomes the running system: 0, or -1 when the faults say why not. */
static int
prepare(struct faults *faults)
{
	autofree char *tag = site_log_name("master");

	if (faults->errors || enter_queue_directory(faults) < 0 || lock_pid_file(faults) < 0)
		return -1;
	settle_in(&self.plan, NULL, faults);
	if (faults->errors) {
		endpoints_close(&self.plan);
		return -1;
	}
	log_open(tag, environment.log_fd);
	for (int i = 0; i < faults->warnings; i++)
		log_warning("%s", faults->warning[i]);
	return 0;
}

static int
arguments(int argc, char **argv, bool *check, const char **directory)
{
	int letter;

	while ((letter = getopt(argc, argv, "c:ftw:dv")) != -1)
		switch (letter) {
		case 'c': *directory = optarg; break;
		case 'd':
		case 'f': environment.foreground = true; break;
		case 't': *check = true; break;
		case 'v': log_verbose(1); break;
		case 'w': self.tell = (int)strtol(optarg, NULL, 10); break;
		default: return -1;
		}
	return optind == argc ? 0 : -1;
}

int
main(int argc, char **argv)
{
	bool          check = false;
	const char   *directory = NULL;
	struct faults faults = {0};

	if (arguments(argc, argv, &check, &directory) < 0)
		return usage();
	umask(022);
	environment.config_directory = realpath(main_cf_directory(directory), NULL);
	if (!environment.config_directory)
		environment.config_directory = mem_string(main_cf_directory(directory));
	read_configuration(&self.plan, &faults);
	if (check)
		return check_only(&self.plan, &faults);
	self.starting = true;
	clean_environment();
	raise_limits();
	if (self.tell >= 0)
		fcntl(self.tell, F_SETFD, FD_CLOEXEC);
	if (prepare(&faults) < 0) {
		tell_faults(&faults);
		return 1;
	}
	tell_faults(&faults);
	catch_signals();
	self.deadline = clock_after(START_MS);
	tell_old_defaults();
	log_info("daemon started -- version %s, configuration %s", site.mail_version, environment.config_directory);
	supervise();
	endpoints_close(&self.plan);
	unlink("pid/master.pid");
	return self.failed ? 1 : 0;
}
