/* SPDX-License-Identifier: ISC */
/*
 * child.c - starting a process, and hearing from it
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "master/master.h"

struct environment environment = {.log_fd = -1};

enum { STATUS_FD = 3, LOG_FD = 4, FIRST_LISTENER = 5, HIGH = 200 };

struct words {
	char **word;
	size_t count;
};

static void
say(struct words *w, char *owned)
{
	w->word = mem_grow(w->word, w->count + 2, sizeof *w->word);
	w->word[w->count++] = owned;
	w->word[w->count] = NULL;
}

/* Sessions are shared out so that all processes together have exactly the limit. */
int
child_share(const struct post *post, int slot)
{
	int all = post->sessions / post->processes, rest = post->sessions % post->processes;

	if (strcmp(post->is.model, "forks") == 0)
		return post->sessions;
	return post->processes == 1 ? (post->tasks < post->sessions ? post->tasks : post->sessions)
	                            : all + (slot < rest);
}

/* The FIFO is master's. */
static bool
is_given(const struct endpoint *e)
{
	return e->fd >= 0 && e->kind != ENDPOINT_FIFO;
}

static char *
listener_names(const struct post *post)
{
	struct text names = {0};

	for (size_t i = 0; i < post->n_endpoints; i++)
		if (is_given(&post->endpoint[i]))
			text_add_format(&names, "%s%s", names.len ? "," : "", post->endpoint[i].label);
	return names.at ? names.at : mem_string("");
}

static char **
command_line(const struct post *post, int quota, bool may_leave)
{
	struct words w = {0};

	say(&w, mem_string(post->command));
	say(&w, mem_string("-n"));
	say(&w, mem_string(post->name));
	say(&w, mem_string("-t"));
	say(&w, mem_string(master_type_name(post->type)));
	say(&w, mem_string("-c"));
	say(&w, mem_string(environment.config_directory));
	say(&w, mem_string("-s"));
	say(&w, listener_names(post));
	say(&w, mem_string("-m"));
	say(&w, mem_format("%d", strcmp(post->is.model, "forks") == 0 ? quota : post->sessions));
	say(&w, mem_string("-k"));
	say(&w, mem_format("%d", quota));
	if (may_leave)
		say(&w, mem_string("-i"));
	for (int i = 0; i < post->verbose; i++)
		say(&w, mem_string("-v"));
	for (size_t i = 0; i < post->options.count; i++) {
		say(&w, mem_string("-o"));
		say(&w, mem_string(post->options.item[i]));
	}
	say(&w, mem_string("--"));
	for (size_t i = 0; i < post->arguments.count; i++)
		say(&w, mem_string(post->arguments.item[i]));
	return w.word;
}

/* First out of the way, then into place: no descriptor is overwritten before it was copied. */
static void
place_descriptors(const struct post *post, int status)
{
	int from[HIGH], n = 0, null = open("/dev/null", O_RDWR);

	from[n++] = fcntl(status, F_DUPFD, HIGH);
	from[n++] = fcntl(environment.log_fd >= 0 ? environment.log_fd : null, F_DUPFD, HIGH);
	for (size_t i = 0; i < post->n_endpoints && n < HIGH; i++)
		if (is_given(&post->endpoint[i]))
			from[n++] = fcntl(post->endpoint[i].fd, F_DUPFD, HIGH);
	dup2(null, 0);
	if (!environment.foreground) {
		dup2(null, 1);
		dup2(null, 2);
	}
	for (int i = 0; i < n; i++)
		dup2(from[i], STATUS_FD + i);
	/* the rest is close-on-exec, but for those copies */
	for (int i = 0; i < n; i++)
		close(from[i]);
	if (null > STATUS_FD + n)
		close(null);
}

static _Noreturn void
become(const struct post *post, char **arguments, int status)
{
	sigset_t       none;
	autofree char *complaint = NULL;

	place_descriptors(post, status);
	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the terminal's are master's to answer */
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(post->program, arguments);
	complaint = mem_format("fault cannot start %s: %s", post->program, strerror(errno));
	(void)!send(STATUS_FD, complaint, strlen(complaint), MSG_NOSIGNAL);
	_exit(1);
}

int
child_start(struct post *post, int slot, int quota, bool may_leave, struct fault *why)
{
	int    ends[2];
	char **arguments = command_line(post, quota, may_leave);
	pid_t  pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
		if ((pid = fork()) == 0)
			become(post, arguments, ends[1]);
		if (pid < 0)
			close(ends[0]);
		close(ends[1]);
	}
	for (char **word = arguments; *word; word++)
		free(*word);
	free(arguments);
	if (pid < 0)
		return fault_errno(why, "start %s", post->program);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	post->process = mem_grow(post->process, post->n_processes + 1, sizeof *post->process);
	post->process[post->n_processes++] = (struct process){
		.pid = pid, .status = ends[0], .slot = slot, .quota = quota, .started = clock_now()
	};
	return 0;
}

void
child_tell_stop(struct process *p)
{
	if (!p->told)
		(void)!send(p->status, "stop", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
	p->told = p->leaving = true;
}

/* Beyond "stop": a session that only waits, for a client who idles, ends too. */
void
child_tell_end(struct process *p)
{
	if (!p->told_end)
		shutdown(p->status, SHUT_WR);
	p->told_end = true;
}

static void
take_record(struct post *post, struct process *p, const char *record, void (*fault)(struct post *, const char *))
{
	if (strcmp(record, "ready") == 0) {
		p->ready = post->was_ready = post->settled = true;
		p->since = clock_now();
	} else if (strncmp(record, "busy", 4) == 0)
		p->busy = true;
	else if (strncmp(record, "idle", 4) == 0)
		p->busy = false;
	else if (strncmp(record, "leaving", 7) == 0)
		p->leaving = true;
	else if (strncmp(record, "left ", 5) == 0)
		p->quota = (int)strtol(record + 5, NULL, 10);
	else if (strncmp(record, "fault ", 6) == 0)
		fault(post, record + 6);
}

bool
child_listen(struct post *post, struct process *p, void (*fault)(struct post *, const char *))
{
	char    record[2048];
	ssize_t n;

	while ((n = recv(p->status, record, sizeof record - 1, MSG_DONTWAIT)) > 0) {
		record[n] = '\0';
		take_record(post, p, record, fault);
	}
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}
