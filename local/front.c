/* SPDX-License-Identifier: ISC */
/*
 * front.c - a connection's two processes: one that hears strangers, one that may do things
 */
#include "local/front.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config/site.h"
#include "service/privilege.h"
#include "service/programs.h"
#include "service/sandbox.h"
#include "service/service.h"

static struct identity nobody;

int
front_prepare(struct fault *why)
{
	if (privilege_is_root() && identity_find(site.net_owner, &nobody, why) < 0)
		return -1;
	nobody.name[0] = '\0';         /* no groups: looking them up loads modules, which the sandbox forbids */
	return 0;
}

static int
confine(void)
{
	const char *const nothing[] = {NULL};
	struct sandbox    box = {.promises = 0, .reads = nothing, .writes = nothing};
	struct fault      why = {0};

	programs_leave();
	if ((!privilege_is_root() || user_become(&nobody, &why) == 0) && sandbox_close(&box, &why) == 0)
		return 0;
	log_error("%s: %s", service->program, fault_text(&why));
	return -1;
}

void
front_serve(int client, void (*front)(int client, int inside), void (*inside)(int front))
{
	int   ends[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		log_warning("%s: socketpair: %s", service->program, strerror(errno));
		close(client);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		if (confine() == 0)
			front(client, ends[1]);
		_exit(0);
	}
	close(client);
	close(ends[1]);
	if (pid > 0)
		inside(ends[0]);
	else
		log_warning("%s: fork: %s", service->program, strerror(errno));
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		log_error("%s: the process that hears the client was killed by signal %d", service->program, WTERMSIG(status));
}
