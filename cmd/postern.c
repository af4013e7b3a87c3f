/* SPDX-License-Identifier: ISC */
/*
 * postern.c - postern(8), also called postfix: start and stop the mail system
 *
 *   postern [-c DIR] [-v] start | start-fg | stop | abort | reload | status |
 *                         check | flush | logrotate | version | drain | set-permissions |
 *                         upgrade-configuration
 *   postern [-c DIR] tls SUBCOMMAND ...
 *   postern [-c DIR] take-over [-n | -u] [DIR]
 *   postern [-c DIR] import-queue [-n] [DIR] | export-queue [-n] DIR
 *
 * Whether the system runs is what the lock on pid/master.pid says, never its
 * content alone.  The lines are the ones that Postfix's postfix-script writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/known.h"
#include "cmd/pages.h"
#include "cmd/queue_bridge.h"
#include "config/list.h"
#include "config/site.h"

enum { STOP_MS = 40000, DYING_MS = 5000, LOOK_MS = 50, TELL_FD = 3 };

static const char *directory;
static bool        verbose;
static struct main_cf *cf;
static char **operands;                  /* what follows the action; NULL ended */

static void
open_log(void)
{
	autofree char *tag = site_log_name("postfix-script");
	int            fd = command_log_socket();

	log_open(tag, fd);
	if (fd >= 0)
		log_also_stderr(true);
}

/* The pid of a running master, or 0. */
static long
running(void)
{
	autofree char       *path = mem_format("%s/pid/master.pid", site.queue_directory);
	autoclose int        fd = open(path, O_RDONLY | O_CLOEXEC);
	autotext struct text text = {0};

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	if (file_read_fd(fd, 64, &text, NULL) < 0)
		return 0;
	return strtol(text_string(&text), NULL, 10);
}

static char *
master_path(void)
{
	return mem_format("%s/master", site.daemon_directory);
}

/* Runs master with the flag in place of this process. */
static int
become_master(const char *flag, const char *value)
{
	autofree char *path = master_path();

	execl(path, "master", "-c", directory, flag, value, (char *)NULL);
	log_error("cannot run %s: %s", path, strerror(errno));
	return 1;
}

static pid_t
spawn_master(int tell)
{
	pid_t pid = fork();
	int   null;

	if (pid != 0)
		return pid;
	setsid();
	null = open("/dev/null", O_RDWR);
	if (tell != TELL_FD)
		dup2(tell, TELL_FD);
	else
		fcntl(tell, F_SETFD, 0);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	_exit(become_master("-w", "3"));
}

/* Shows what master says until it is ready or gone: 0 when ready. */
static int
watch_start(int in)
{
	FILE *lines = fdopen(in, "r");
	char *line = NULL;
	size_t room = 0;
	int   outcome = 1;

	while (lines && getline(&line, &room, lines) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'R') {
			outcome = 0;
			break;
		}
		if (strlen(line) > 2)
			fprintf(stderr, "postern: %s\n", line + 2);
	}
	free(line);
	if (lines)
		fclose(lines);
	return outcome;
}

/* What is set and not honoured is told by postconf, who knows all names: false when
 * ignoring it would open the server or lose mail. */
static bool
check_parameters(void)
{
	autofree char *path = mem_format("%s/postconf", site.command_directory);
	int            status = 0;
	pid_t          child;

	if (access(path, X_OK) < 0)
		return true;
	if ((child = fork()) == 0) {
		execl(path, "postconf", "-W", (char *)NULL);      /* MAIL_CONFIG is set */
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

/* The same, and then master's errors too: all are told before we give up. */
static bool
is_configuration_good(void)
{
	pid_t child;

	if (check_parameters())
		return true;
	if ((child = fork()) == 0)
		_exit(become_master("-t", NULL));
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return false;
}

static bool
wait_until_gone(int64_t ms)
{
	int64_t until = clock_after(ms);

	while (running()) {
		if (clock_left(until) == 0)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	return true;
}

/* A master that was killed a moment ago still holds the lock until the kernel has taken it apart: on a machine that has no
 * memory left, or whose disk is slow, that takes seconds. */
static int
refuse_running(void)
{
	if (wait_until_gone(DYING_MS))
		return 0;
	log_fatal("the Postfix mail system is already running");
}

static int
do_start(void)
{
	int   ends[2];
	pid_t pid;

	refuse_running();
	if (!is_configuration_good())
		log_fatal("the configuration has errors: not starting");
	if (bridge_forbids_start(cf))
		log_fatal("not starting");
	if (pipe2(ends, O_CLOEXEC) < 0)
		log_fatal("pipe: %s", strerror(errno));
	log_info("starting the Postfix mail system");
	pid = spawn_master(ends[1]);
	close(ends[1]);
	if (pid < 0)
		log_fatal("fork: %s", strerror(errno));
	if (watch_start(ends[0]) == 0)
		return 0;
	waitpid(pid, NULL, 0);
	fprintf(stderr, "postern: fatal: the mail system did not start\n");
	return 1;
}

static int
do_start_fg(void)
{
	refuse_running();
	if (!is_configuration_good())
		log_fatal("the configuration has errors: not starting");
	if (bridge_forbids_start(cf))
		log_fatal("not starting");
	log_info("starting the Postfix mail system");
	return become_master("-f", NULL);
}

static int
end_with(int signal_number, const char *doing)
{
	long pid = running();

	if (!pid)
		log_fatal("the Postfix mail system is not running");
	log_info("%s the Postfix mail system", doing);
	if (kill((pid_t)pid, signal_number) < 0)
		log_fatal("signal %ld: %s", pid, strerror(errno));
	if (wait_until_gone(STOP_MS))
		return 0;
	log_warning("stopping the Postfix mail system with force");
	kill((pid_t)pid, SIGKILL);
	return wait_until_gone(5000) ? 0 : 1;
}

static int
do_stop(void)
{
	return end_with(SIGTERM, "stopping");
}

static int
do_abort(void)
{
	return end_with(SIGQUIT, "aborting");
}

static int
do_check(void)
{
	return is_configuration_good() ? become_master("-t", NULL) : 1;
}

/* Errors are shown here, before the running system is asked to take them. */
static int
do_reload(void)
{
	long  pid = running();
	int   status = 0;
	pid_t child;

	if (!pid)
		log_fatal("the Postfix mail system is not running");
	if ((child = fork()) == 0)
		_exit(is_configuration_good() ? become_master("-t", NULL) : 1);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		log_fatal("the configuration has errors: not reloading");
	log_info("refreshing the Postfix mail system");
	return kill((pid_t)pid, SIGHUP) < 0 ? 1 : 0;
}

static int
do_status(void)
{
	long pid = running();

	if (pid)
		log_info("the Postfix mail system is running: PID: %ld", pid);
	else
		log_info("the Postfix mail system is not running");
	return pid ? 0 : 1;
}

static int
do_flush(void)
{
	autofree char *path = mem_format("%s/postqueue", site.command_directory);

	if (!running())
		log_fatal("the Postfix mail system is not running");
	execl(path, "postqueue", "-c", directory, "-f", (char *)NULL);
	log_fatal("cannot run %s: %s", path, strerror(errno));
}

static int
run_compressor(const char *compressor, const char *file)
{
	pid_t pid = fork();
	int   status = 0;

	if (pid == 0) {
		execlp(compressor, compressor, file, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		log_fatal("%s %s failed", compressor, file);
	return 0;
}

static int
do_logrotate(void)
{
	size_t (*by_format)(char *, size_t, const char *, const struct tm *) = strftime; /* the administrator's */
	char           suffix[128];
	time_t         now = time(NULL);
	struct tm      tm;
	autofree char *to = NULL;
	long           pid = running();

	if (!*site.maillog_file)
		log_fatal("maillog_file is not set: the system logger rotates its own files");
	if (strncmp(site.maillog_file, "/dev/", 5) == 0)
		log_fatal("maillog_file %s cannot be rotated", site.maillog_file);
	localtime_r(&now, &tm);
	if (!by_format(suffix, sizeof suffix, main_cf_string(cf, "maillog_file_rotate_suffix"), &tm))
		log_fatal("bad maillog_file_rotate_suffix");
	to = mem_format("%s.%s", site.maillog_file, suffix);
	if (rename(site.maillog_file, to) < 0)
		log_fatal("rename %s to %s: %s", site.maillog_file, to, strerror(errno));
	if (pid && kill((pid_t)pid, SIGUSR1) < 0)
		log_fatal("signal %ld: %s", pid, strerror(errno));
	while (pid && running() && access(site.maillog_file, F_OK) < 0)
		poll(NULL, 0, LOOK_MS); /* until postlogd has the new file */
	return run_compressor(main_cf_string(cf, "maillog_file_compressor"), to);
}

static int
do_version(void)
{
	printf("postern %s (mail_version = %s)\n", POSTERN_VERSION, site.mail_version);
	return 0;
}

/* As stop, but nobody waits for the end. */
static int
do_drain(void)
{
	long pid = running();

	if (!pid)
		log_fatal("the Postfix mail system is not running");
	log_info("stopping the Postfix mail system");
	return kill((pid_t)pid, SIGTERM) < 0 ? 1 : 0;
}

/* Owners and modes of the queue are master's work at each start; the commands that are set-gid nobody else sets. */
static int
do_set_permissions(void)
{
	static const char *const commands[] = {"postdrop", "postqueue"};
	struct group            *group = getgrnam(site.setgid_group);

	if (geteuid() != 0)
		log_fatal("set-permissions is for the superuser");
	if (!group)
		log_fatal("setgid_group = %s: there is no such group", site.setgid_group);
	for (size_t i = 0; i < COUNT(commands); i++) {
		autofree char *path = mem_format("%s/%s", site.command_directory, commands[i]);

		if (chown(path, 0, group->gr_gid) < 0 || chmod(path, 02755) < 0)
			log_fatal("%s: %s", path, strerror(errno));
	}
	return 0;
}

static int
do_upgrade_configuration(void)
{
	log_info("upgrade-configuration: nothing to do: services that master.cf does not have are supplied at start");
	return 0;
}

static int
do_tls(void)
{
	autofree char *path = mem_format("%s/tls-tool", site.daemon_directory);

	operands[-1] = path;
	execv(path, operands - 1);
	log_fatal("cannot run %s: %s", path, strerror(errno));
}

static int
do_post_install(void)
{
	log_fatal("post-install is not here: make install, or the package, puts files in their places");
}

/* The SMTP client's own program: it says what it would find there. */
static int
do_probe(void)
{
	autofree char *path = mem_format("%s/smtp-probe", site.daemon_directory);

	if (!operands[0] || operands[1])
		log_fatal("usage: postern probe DOMAIN");
	if (!running())
		log_fatal("the Postfix mail system is not running: nobody would ask DNS");
	execl(path, "smtp-probe", operands[0], (char *)NULL);
	log_fatal("cannot run %s: %s", path, strerror(errno));
}

static int
do_take_over(void)
{
	autofree char *path = mem_format("%s/take-over", site.daemon_directory);

	operands[-1] = path;
	execv(path, operands - 1);
	log_fatal("cannot run %s: %s", path, strerror(errno));
}

static int
do_import(void)
{
	return bridge_import(cf, operands);
}

static int
do_export(void)
{
	return bridge_export(cf, operands);
}

static const struct action {
	const char *word;
	int       (*act)(void);
	bool        has_operands;
	bool        reads_on;           /* tells the errors of the configuration itself, or needs none of it */
} actions[] = {
	{"start", do_start, false, true}, {"start-fg", do_start_fg, false, true}, {"quick-start", do_start, false, true},
	{"stop", do_stop, false, false}, {"quick-stop", do_stop, false, false}, {"abort", do_abort, false, false},
	{"drain", do_drain, false, false}, {"reload", do_reload, false, true}, {"status", do_status, false, false},
	{"check", do_check, false, true}, {"flush", do_flush, false, false}, {"logrotate", do_logrotate, false, false},
	{"version", do_version, false, false}, {"set-permissions", do_set_permissions, true, false},
	{"upgrade-configuration", do_upgrade_configuration, false, false}, {"post-install", do_post_install, false, false},
	{"probe", do_probe, true, false}, {"tls", do_tls, true, true}, {"take-over", do_take_over, true, true},
	{"import-queue", do_import, true, false}, {"export-queue", do_export, true, false},
};

/* multi_instance_wrapper: a command for all instances, unless one was named by -c or MAIL_CONFIG. */
static void
become_wrapper(char **words)
{
	const char  *wrapper = main_cf_string(cf, "multi_instance_wrapper");
	struct list  argv = {0};
	struct span  rest = span_of(wrapper), word;
	size_t       n = 0;

	while (span_next(&rest, " \t\r\n", &word))
		list_add(&argv, word);
	if (argv.count == 0)
		return;
	for (; *words; words++)
		list_add(&argv, span_of(*words));
	char **line = mem_array(argv.count + 1, sizeof *line);

	for (; n < argv.count; n++)
		line[n] = (char *)(uintptr_t)argv.item[n];
	execvp(line[0], line);
	log_fatal("multi_instance_wrapper %s: %s", line[0], strerror(errno));
}

/* Programs of their own: the word and what follows it is theirs. */
static const struct { const char *word, *program; } tools[] = {
	{"who", "mailbox-tool"}, {"kick", "mailbox-tool"}, {"import", "mailbox-tool"}, {"export", "mailbox-tool"}, {"backup", "mailbox-tool"},
	{"sync", "mailbox-tool"}, {"acl", "mailbox-tool"}, {"deduplicate", "mailbox-tool"}, {"user", "mailbox-tool"}, {"mailbox", "mailbox-tool"}, {"quota", "mailbox-tool"}, {"search", "mailbox-tool"},
	{"index", "mailbox-tool"},
	{"fetch", "mailbox-tool"}, {"expunge", "mailbox-tool"}, {"move", "mailbox-tool"}, {"copy", "mailbox-tool"},
	{"flags", "mailbox-tool"}, {"save", "mailbox-tool"}, {"import-dovecot", "import-dovecot"},
	{"pw", "auth-tool"}, {"auth", "auth-tool"},
};

static bool
is_tool(const char *word)
{
	for (size_t i = 0; i < COUNT(tools); i++)
		if (strcmp(tools[i].word, word) == 0)
			return true;
	return false;
}

static void
become_tool(char **argv)
{
	for (size_t i = 0; i < COUNT(tools); i++) {
		autofree char *path = NULL;

		if (strcmp(tools[i].word, argv[1]) != 0)
			continue;
		path = mem_format("%s/%s", site.daemon_directory, tools[i].program);
		argv[0] = path;
		execv(path, argv);
		log_fatal("cannot run %s: %s", path, strerror(errno));
	}
}

static int
usage(void)
{
	fprintf(stderr, "%s\n", page_usage("postern"));
	return 1;
}

static const struct action *
find_action(const char *word)
{
	for (size_t i = 0; word && i < COUNT(actions); i++)
		if (strcmp(actions[i].word, word) == 0)
			return &actions[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	struct faults        faults = {0};
	const struct action *action;
	bool                 alone;
	int                  letter;

	while ((letter = getopt(argc, argv, "+c:vD")) != -1)
		switch (letter) {
		case 'c': directory = optarg; break;
		case 'v': verbose = true; break;
		case 'D': break;
		default: return usage();
		}
	if (optind >= argc)
		return usage();
	alone = directory || getenv("MAIL_CONFIG");
	directory = main_cf_directory(directory);
	setenv("MAIL_CONFIG", directory, 1);
	cf = site_load(directory, &faults);
	if (is_tool(argv[optind]))
		become_tool(argv + optind - 1);
	main_cf_know(cf, known_params);
	log_verbose(verbose);
	open_log();
	if (!alone)
		become_wrapper(argv + optind);
	action = find_action(argv[optind]);
	if (!action || (optind + 1 != argc && !action->has_operands))
		return usage();
	operands = argv + optind + 1;
	if (faults.errors && !action->reads_on)
		faults_log(&faults);
	return action->act();
}
