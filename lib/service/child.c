/* SPDX-License-Identifier: ISC */
/* child.c - see child.h */
#include "service/child.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool
child_begin(int input, int output, int errors, const char *directory)
{
	sigset_t none;

	if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
		return false;
	closefrom(3);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	if (directory && chdir(directory) < 0 && chdir("/") < 0)
		return false;
	umask(077);
	setpgid(0, 0);                 /* so that it can be ended with whatever it started */
	return true;
}

static void
note_child(int signal_number)
{
	(void)signal_number;
}

void
child_watch(sigset_t *while_waiting)
{
	struct sigaction on_child = {.sa_handler = note_child};
	sigset_t         blocked;

	sigaction(SIGCHLD, &on_child, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, while_waiting);
	sigdelset(while_waiting, SIGCHLD);
}

void
child_end(pid_t pid, int *status)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);            /* its group may not have begun */
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}
