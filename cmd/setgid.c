/* SPDX-License-Identifier: ISC */
/*
 * setgid.c - undoing what a hostile caller has prepared
 */
#include "cmd/setgid.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "config/match.h"
#include "config/site.h"
#include "table/table.h"

extern char **environ;

/* 0, 1 and 2 are something, whatever was closed; all above 2 is closed. */
static void
clean_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
	for (int fd = 3; fd < 65536; fd++)
		if (close(fd) < 0 && errno == EBADF && fd > 1024)
			break;
}

static void
clean_environment(void)
{
	const char   *config = getenv("MAIL_CONFIG"), *zone = getenv("TZ");
	autofree char *keep_config = config && strlen(config) < 1000 ? mem_string(config) : NULL;
	autofree char *keep_zone =
	        zone && strlen(zone) < 100 && !strchr(zone, '/') ? mem_string(zone) : NULL;
	static char  *nothing[] = {NULL};

	environ = nothing;
	setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
	if (keep_config)
		setenv("MAIL_CONFIG", keep_config, 1);
	if (keep_zone)
		setenv("TZ", keep_zone, 1);
}

static void
clean_signals(void)
{
	struct itimerval none = {0};
	sigset_t         nothing;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write, not an end half-way */
	sigemptyset(&nothing);
	sigprocmask(SIG_SETMASK, &nothing, NULL);
	setitimer(ITIMER_REAL, &none, NULL);
	setitimer(ITIMER_VIRTUAL, &none, NULL);
	setitimer(ITIMER_PROF, &none, NULL);
}

/* As far up as the caller's hard limits let us. */
static void
clean_limits(void)
{
	static const int which[] = {RLIMIT_FSIZE, RLIMIT_CPU,   RLIMIT_DATA,
	                            RLIMIT_AS,    RLIMIT_STACK, RLIMIT_NOFILE};
	struct rlimit    limit;

	for (size_t i = 0; i < COUNT(which); i++)
		if (getrlimit(which[i], &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(which[i], &limit);
		}
	limit = (struct rlimit){0, 0};
	setrlimit(RLIMIT_CORE, &limit);
}

void
setgid_clean(void)
{
	clean_descriptors();
	clean_signals();
	clean_limits();
	clean_environment();
	umask(077);
}

static bool
is_named_by(const char *value, const char *directory)
{
	struct span rest = span_of(value), word;

	while (span_next(&rest, ", \t\r\n", &word))
		if (span_is(word, directory))
			return true;
	return false;
}

static void
check_directory(const char *name, const char *asked)
{
	const char     *wanted = main_cf_directory(asked);
	struct faults   faults = {0};
	struct main_cf *cf;

	if (getuid() == 0 || (getgid() == getegid() && getuid() == geteuid()) ||
	    strcmp(wanted, CONFIG_DIRECTORY) == 0)
		return;
	cf = main_cf_read(CONFIG_DIRECTORY, &faults);
	if (!is_named_by(main_cf_string(cf, "alternate_config_directories"), wanted) &&
	    !is_named_by(main_cf_string(cf, "multi_instance_directories"), wanted))
		command_fatal(EX_NOPERM, "%s: unauthorized configuration directory %s", name,
		              wanted);
	main_cf_free(cf);
	faults_free(&faults);
}

struct main_cf *
setgid_begin(const char *name, const char *directory)
{
	autofree char *tag = mem_format("postfix/%s", name);

	log_open(tag, -1);
	log_also_stderr(true);
	check_directory(name, directory);
	return command_begin(name, directory, false);
}

int
user_is_allowed(const struct list *users, char name[64])
{
	struct fault       why = {0};
	struct passwd     *who = getpwuid(getuid());
	struct match_list *list;
	int                got;

	snprintf(name, 64, "%s", who ? who->pw_name : "unknown");
	if (getuid() == 0)
		return 1;
	list = match_list_make(users, 0, &match_tables, &why);
	got = list ? match_string(list, span_of(name), &why) : -1;
	if (got < 0)
		log_warning("list of authorized users: %s", fault_text(&why));
	match_list_free(list);
	return got == 1;
}
