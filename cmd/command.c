/* SPDX-License-Identifier: ISC */
/*
 * command.c - how a command of the administrator begins
 */
#include "cmd/command.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "config/site.h"

const char *
command_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return slash ? slash + 1 : argv0;
}

enum { QUEUE_ID_MAX = 100 };

struct main_cf *
command_begin(const char *name, const char *directory, bool strict)
{
	autofree char  *tag = mem_format("postfix/%s", name);
	struct faults   faults = {0};
	struct main_cf *cf;

	signal(SIGPIPE, SIG_IGN);
	log_open(tag, -1);
	log_also_stderr(true);
	cf = site_load(directory, &faults);
	if ((directory || getenv("MAIL_CONFIG")) && faults.errors && strncmp(faults.error[0], "open ", 5) == 0)
		command_fatal(strcmp(name, "postqueue") == 0 ? EX_UNAVAILABLE : strcmp(name, "sendmail") == 0 ? EX_TEMPFAIL : 1,
		              "%s", faults.error[0]);
	for (int i = 0; i < faults.warnings; i++)
		log_warning("%s", faults.warning[i]);
	for (int i = 0; i < faults.errors; i++)
		if (strict)
			log_error("%s", faults.error[i]);
		else
			log_warning("%s", faults.error[i]);
	if (strict && faults.errors)
		exit(1);
	faults_free(&faults);
	return cf;
}

static void __attribute__((format(printf, 1, 2)))
say_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_at(LOG_LEVEL_FATAL, format, args);
	va_end(args);
}

void
command_fatal(int status, const char *format, ...)
{
	autotext struct text t = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&t, format, args);
	va_end(args);
	say_fatal("%s", text_string(&t));
	exit(status);
}

bool
queue_id_looks_right(const char *id)
{
	for (const char *c = id; *c; c++)
		if (!ascii_alpha(*c) && !ascii_digit(*c) && *c != '_')
			return false;
	return *id && strlen(id) < QUEUE_ID_MAX;
}

int
command_log_socket(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	autofree char     *path = mem_format("%s/public/postlog", site.queue_directory);
	autoclose int      fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof to.sun_path)
		return -1;
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -1;
	return take_fd(fd);
}
