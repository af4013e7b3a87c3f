/* SPDX-License-Identifier: ISC */
/*
 * authd_command.c - a command of the administrator's says who somebody is
 */
#include "authd_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/list.h"

enum { COMMAND_FDS = 1024, FIRST_OWN = 10, IN = 3, OUT = 4, LOOK_MS = 5 };

int
command_parse(struct span spec, struct arena *a, char *words[COMMAND_WORDS_MAX + 2], struct fault *why)
{
	struct span rest = spec, word;
	size_t      n = 0;

	list_group(spec, &rest);
	while (span_next(&rest, " \t", &word)) {
		if (n == COMMAND_WORDS_MAX)
			return fault_set(why, FAULT_INPUT, "checkpassword: more than %d words", COMMAND_WORDS_MAX);
		words[n++] = arena_string(a, word);
	}
	if (n == 0 || words[0][0] != '/')
		return fault_set(why, FAULT_INPUT, "checkpassword needs a path");
	if (access(words[0], X_OK) < 0)
		return fault_errno(why, "checkpassword: %s", words[0]);
	words[n] = words[n + 1] = NULL;
	return 0;
}

/* ------------------------------------------------------------ in a helper */

static void
put(char *environment[], size_t *n, const char *name, struct span value)
{
	if (value.len && !span_has(value, '\0'))
		environment[(*n)++] = mem_format("%s=%.*s", name, SPAN_ARGS(value));
}

static _Noreturn void
become_command(char *const words[], const char *reply_path, const struct command_question *q, int in, int out)
{
	char         *argv[COMMAND_WORDS_MAX + 2], *environment[16] = {NULL};
	size_t        n = 0, e = 0;
	int           nothing = open("/dev/null", O_RDWR);
	autofree char *uid = mem_format("%ld", (long)getuid());
	struct sigaction usual = {.sa_handler = SIG_DFL};

	for (; words[n]; n++)
		argv[n] = words[n];
	argv[n] = mem_string(reply_path);
	argv[n + 1] = NULL;
	environment[e++] = mem_string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	environment[e++] = mem_string("PROTO=TCP");
	put(environment, &e, "ORIG_UID", span_of(uid));
	put(environment, &e, "SERVICE", q->service);
	put(environment, &e, "TCPREMOTEIP", q->peer);
	put(environment, &e, "TCPLOCALIP", q->local);
	put(environment, &e, "REMOTE_IP", q->peer);
	put(environment, &e, "LOCAL_IP", q->local);
	if (!q->login)
		environment[e++] = mem_string("AUTHORIZED=1");
	sigaction(SIGPIPE, &usual, NULL);
	setsid();
	if (dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0 || dup2(in, IN) < 0 || dup2(out, OUT) < 0)
		_exit(111);
	for (int fd = OUT + 1; fd < COMMAND_FDS; fd++)
		close(fd);
	execve(argv[0], argv, environment);
	_exit(111);
}

static int
read_reply(int fd, int64_t deadline, struct text *reply, struct fault *why)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t       left = deadline - clock_now();
		ssize_t       n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return fault_set(why, FAULT_TIME, "it took too long");
		n = read(fd, text_room(reply, 1024), 1024);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fault_errno(why, "read");
		reply->len += n > 0 ? (size_t)n : 0;
		if (reply->len > COMMAND_REPLY_MAX)
			return fault_set(why, FAULT_INPUT, "it said more than %d bytes", COMMAND_REPLY_MAX);
	}
}

/* It may have closed what it writes to, and go on. */
static int
wait_for_end(pid_t pid, int64_t deadline, int *status, struct fault *why)
{
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (clock_now() >= deadline)
			return fault_set(why, FAULT_TIME, "it took too long");
		poll(NULL, 0, LOOK_MS);
	}
	return got < 0 ? fault_errno(why, "waitpid") : 0;
}

/* Above the descriptors that the command gets. */
static int
make_pipe(int ends[2])
{
	int made[2];

	if (pipe2(made, O_CLOEXEC) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(made[i], F_DUPFD_CLOEXEC, FIRST_OWN);
		close(made[i]);
	}
	return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

static void
close_ends(const int ends[2])
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static void
tell(int fd, const struct command_question *q)
{
	autotext struct text line = {0};

	text_add(&line, q->user);
	text_add_byte(&line, '\0');
	if (q->login)
		text_add(&line, q->password);
	text_add_byte(&line, '\0');
	text_add_byte(&line, '\0');
	(void)!write(fd, line.at, line.len);         /* a pipe takes that at once */
	mem_wipe(line.at, line.room);
}

int
command_run(char *const words[], const char *reply_path, const struct command_question *q, struct text *reply, struct fault *why)
{
	int64_t deadline = clock_after(q->ms);
	int     in[2] = {-1, -1}, out[2] = {-1, -1}, status = 0, outcome;
	pid_t   pid;

	if (make_pipe(in) < 0 || make_pipe(out) < 0 || (pid = fork()) < 0) {
		outcome = fault_errno(why, "pipe and fork");
		close_ends(in);
		close_ends(out);
		return outcome;
	}
	if (pid == 0)
		become_command(words, reply_path, q, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	tell(in[1], q);
	close(in[1]);
	outcome = read_reply(out[0], deadline, reply, why);
	if (outcome == 0)
		outcome = wait_for_end(pid, deadline, &status, why);
	close(out[0]);
	if (outcome < 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);                     /* its session may not have begun */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return fault_set(why, FAULT_SYSTEM, "it died of signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* ------------------------------------------------------------ in authd */

int
command_verdict(int status, struct span reply, struct fault *why)
{
	static const int no[] = {1, 3, 12, 13, 15, 20, 21, 22, 23};

	for (size_t i = 0; i < COUNT(no); i++)
		if (status == no[i])
			return 0;
	if (status == 0 && reply.len)
		return 1;
	if (status == 0)
		return fault_set(why, FAULT_INPUT, "it did not run checkpassword-reply");
	return fault_set(why, FAULT_SYSTEM, status == 2 ? "it exited with status 2 (does it know of AUTHORIZED?)" : "it exited with status %d", status);
}

/* Dovecot's escapes: \001 then 0 1 t r n. */
static struct span
unescape(struct arena *a, struct span s)
{
	static const char from[] = "01trn", to[] = {'\0', '\001', '\t', '\r', '\n'};
	char             *out = arena_alloc(a, s.len + 1);
	size_t            n = 0;

	for (size_t i = 0; i < s.len; i++) {
		const char *found = s.at[i] == '\001' && i + 1 < s.len && s.at[i + 1] ? strchr(from, s.at[i + 1]) : NULL;

		out[n++] = found ? to[found - from] : s.at[i];
		i += found != NULL;
	}
	return span_at(out, n);
}

bool
command_field(struct arena *a, struct span *rest, struct span *name, struct span *value)
{
	while (rest->len) {
		struct span one;

		span_split(rest, '\t', &one);
		if (!span_split(&one, '=', name) || !name->len)
			continue;
		*value = unescape(a, one);
		if (!span_has(*value, '\0') && !span_has(*value, '\n'))
			return true;
	}
	return false;
}
