/* SPDX-License-Identifier: ISC */
/*
 * spawn.c - a command of the administrator's for each connection (policy services and the like)
 *
 *   policyd-spf unix - n n - 0 spawn user=policyd-spf argv=/usr/bin/policyd-spf
 *
 * The command gets the connection as standard input, output and error.  Names
 * and behaviour: spawn(8).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/param.h"
#include "config/site.h"
#include "local/attributes.h"
#include "service/child.h"
#include "service/service.h"

static struct {
	int64_t           command_ms, time_limit;
	struct attributes attributes;
	char            **environment;
} config;

static const struct param params[] = {
	DURATION("command_time_limit", &config.command_ms, "1000s", "1s", "", "longest time of a command"),
	END_OF_PARAMS
};

static int
prepare(struct fault *why)
{
	size_t n = 0;

	if (service_attributes_parse(service->argc, service->argv, "user", &config.attributes, why) < 0)
		return -1;
	config.environment =
		mem_array(site.export_environment.count + 2, sizeof *config.environment);
	for (size_t i = 0; i < site.export_environment.count; i++) {
		char *item = site.export_environment.item[i];

		if (strchr(item, '='))
			config.environment[n++] = item;
		else if (getenv(item))
			config.environment[n++] = mem_format("%s=%s", item, getenv(item));
	}
	config.environment[n] = mem_string("PATH=/usr/bin:/bin:/usr/sbin:/sbin");
	return param_transport_duration(service->main_cf, service->name, "_time_limit",
		"command_time_limit", &config.time_limit, why);
}

static _Noreturn void
be_command(int fd)
{
	struct fault why = {0};

	setsid();
	if (user_become(&config.attributes.who, &why) < 0)
		log_fatal("%s", fault_text(&why));
	if (!child_begin(fd, fd, fd, site.queue_directory))
		_exit(1);
	environ = config.environment;
	execvp(config.attributes.argv[0], (char *const *)config.attributes.argv);
	_exit(127);
}

static void
attend(pid_t pid)
{
	int64_t  deadline = clock_after(config.time_limit);
	sigset_t while_waiting;
	int      status = 0;
	bool     late = false;

	child_watch(&while_waiting);
	while (!late && waitpid(pid, &status, WNOHANG) == 0) {
		int             left = clock_left(deadline);
		struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};

		late = left == 0;
		if (late)
			child_end(pid, &status);
		else
			ppoll(NULL, 0, left < 0 ? NULL : &t, &while_waiting);
	}
	if (late)
		log_warning("command %s: time limit exceeded", config.attributes.argv[0]);
	else if (WIFSIGNALED(status))
		log_warning("command %s killed by signal %d", config.attributes.argv[0],
			WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_warning("command %s exit status %d", config.attributes.argv[0],
			WEXITSTATUS(status));
}

static void
serve(int fd, const struct listener *listener)
{
	pid_t pid = fork();

	(void)listener;
	if (pid == 0)
		be_command(fd);
	close(fd);
	if (pid < 0)
		log_warning("fork: %s", strerror(errno));
	else
		attend(pid);
}

static const char *const asks[] = {NULL};

static const struct service spawn_service = {
	.name     = "spawn",
	.about    = "runs a command for each connection",
	.role     = ROLE_ROOT,
	.model    = SERVE_FORKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_FORK | MAY_EXEC | MAY_BECOME | MAY_NAME,
	.params   = params,
	.tasks    = "1",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&spawn_service, argc, argv);
}
