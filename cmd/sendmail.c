/* SPDX-License-Identifier: ISC */
/*
 * sendmail.c - Sendmail's command, for all the programs that call it
 *
 * Also mailq and newaliases, by the name that it is called by.  A message goes
 * through postdrop, which alone may write maildrop/; exit 0 means that it is on
 * stable storage, whether the mail system runs or not.
 */
#include "cmd/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "config/site.h"

/* Becomes another command: argv[0] is its name in the directory. */
static _Noreturn void
run_instead(const char *directory, char **argv, const struct sendmail *s)
{
	autofree char *path = mem_format("%s/%s", directory, argv[0]);

	if (s->config)
		setenv("MAIL_CONFIG", s->config, 1);
	execv(path, argv);
	command_fatal(SENDMAIL_FAILED, "%s: %s", path, strerror(errno));
}

static void
make_aliases(const struct sendmail *s, struct main_cf *cf)
{
	struct list    all = s->aliases;
	struct fault   why = {0};
	char         **argv;

	if (list_parse(span_of(main_cf_string(cf, "alias_database")), &all, &why) < 0)
		command_fatal(SENDMAIL_FAILED, "alias_database: %s", fault_text(&why));
	for (size_t i = 0; i < s->aliases.count; i++)
		list_add(&all, span_of(s->aliases.item[i]));
	if (all.count == 0)
		exit(EX_OK);
	argv = mem_array(all.count + 2, sizeof *argv);
	argv[0] = "postalias";
	for (size_t i = 0; i < all.count; i++)
		argv[i + 1] = all.item[i];
	run_instead(site.command_directory, argv, s);
}

static void
flush_queue(const struct sendmail *s)
{
	char *all[] = {"postqueue", "-f", NULL, NULL};

	if (s->flush_id || s->flush_site) {
		all[1] = s->flush_id ? "-i" : "-s";
		all[2] = (char *)(s->flush_id ? s->flush_id : s->flush_site);
	}
	run_instead(site.command_directory, all, s);
}

/* postdrop, with our end of its standard input. */
static pid_t
start_postdrop(const struct sendmail *s, int *to)
{
	int   ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		command_fatal(SENDMAIL_FAILED, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		command_fatal(SENDMAIL_FAILED, "fork: %s", strerror(errno));
	if (pid == 0) {
		char *argv[] = {"postdrop", "-r", NULL};

		if (dup2(ends[0], 0) < 0)
			_exit(EX_OSERR);
		close(ends[0]);
		close(ends[1]);
		run_instead(site.command_directory, argv, s);
	}
	close(ends[0]);
	*to = ends[1];
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	command_fatal(SENDMAIL_FAILED, "postdrop was ended by signal %d", WTERMSIG(status));
}

static const char *
user_name(void)
{
	const struct passwd *who = getpwuid(getuid());

	return who ? who->pw_name : "you";
}

/* What a mode that takes no message is called when it is given recipients. */
static const char *
mode_without_recipients(enum sendmail_mode mode)
{
	switch (mode) {
	case MODE_MAILQ:      return "display queue";
	case MODE_NEWALIASES: return "alias initialization";
	case MODE_DAEMON:     return "daemon";
	case MODE_STANDALONE: return "stand-alone";
	case MODE_FLUSH:      return "flush queue";
	default:              return NULL;
	}
}

static int
enqueue(const struct sendmail *s)
{
	int   to, status;
	pid_t pid = start_postdrop(s, &to);

	/* a fatal error from here on closes the pipe without the last record: postdrop drops nothing */
	sendmail_enqueue(s, 0, to);
	close(to);
	status = wait_for(pid);
	if (status == EX_OK && (s->trace || s->verify))
		printf("Mail Delivery Status Report will be mailed to <%s>.\n",
		       s->sender ? s->sender : user_name());
	return status;
}

static enum sendmail_mode
mode_of_name(const char *name)
{
	if (strcmp(name, "mailq") == 0)
		return MODE_MAILQ;
	if (strcmp(name, "newaliases") == 0)
		return MODE_NEWALIASES;
	return strcmp(name, "smtpd") == 0 ? MODE_STANDALONE : MODE_ENQUEUE;
}

/* 0, 1 and 2 are something before a pipe could become one of them. */
static void
keep_three_descriptors(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
		;
	if (fd >= 3)
		close(fd);
}

static int
fix_of(const char *word)
{
	static const char *const words[] = {"always", "strict", "never"};

	for (size_t i = 0; i < COUNT(words); i++)
		if (strcasecmp(word, words[i]) == 0)
			return (int)i;
	command_fatal(SENDMAIL_FAILED, "bad value: sendmail_fix_line_endings = %s", word);
}

int
main(int argc, char **argv)
{
	static char    *nobody[] = {"sendmail", NULL};
	struct sendmail s = {0};
	struct main_cf *cf;

	if (argc < 1 || !argv[0]) {
		argc = 1;
		argv = nobody;
	}
	keep_three_descriptors();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored by the caller, it would hide how postdrop ended */
	log_open("postfix/sendmail", -1);
	log_also_stderr(true);
	s.mode = mode_of_name(command_name(argv[0]));
	sendmail_options(argc, argv, &s);
	if (s.extract && s.mode != MODE_ENQUEUE)
		command_fatal(SENDMAIL_FAILED, "-t can be used only in delivery mode");
	if (s.n_recipients && mode_without_recipients(s.mode))
		command_fatal(SENDMAIL_FAILED, "%s mode requires no recipient", mode_without_recipients(s.mode));
	if (s.interval && s.mode == MODE_ENQUEUE && s.n_recipients == 0 && !s.extract)
		return EX_OK;          /* "sendmail -q15m" of old start scripts */
	cf = command_begin("sendmail", s.config, false);
	s.fix_line_endings = fix_of(main_cf_string(cf, "sendmail_fix_line_endings"));
	switch (s.mode) {
	case MODE_ENQUEUE:    return enqueue(&s);
	case MODE_NEWALIASES: make_aliases(&s, cf); break;
	case MODE_MAILQ:
		run_instead(site.command_directory, (char *[]){"postqueue", "-p", NULL}, &s);
	case MODE_DAEMON:
		run_instead(site.command_directory, (char *[]){"postern", "start", NULL}, &s);
	case MODE_STANDALONE:
		run_instead(site.daemon_directory, (char *[]){"smtpd", "-S", NULL}, &s);
	case MODE_FLUSH:      flush_queue(&s); break;
	case MODE_IGNORE:     break;
	}
	return EX_OK;
}
