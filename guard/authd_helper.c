/* SPDX-License-Identifier: ISC */
/*
 * authd_helper.c - prepared processes: their pools, and what they do
 */
#include "authd_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authd_command.h"
#include "authd_database.h"
#include "authd_oauth.h"
#include "authd_pam.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/frame.h"
#include "sasl/password.h"
#include "service/privilege.h"
#include "service/sandbox.h"

enum { CRYPT_HELPERS = 2, SYSTEM_HELPERS = 4, COMMAND_HELPERS = 8, HELPERS_MAX = 8, HELPER_QUEUE = 100, WAIT_MS = 30000, ANSWER_MS = 60000,
       OWN_FDS = 1024 };

struct pool {
	struct monitor lock;
	int            idle[HELPERS_MAX];
	size_t         n_idle, waiting;
};
static struct pool crypt_pool, system_pool, command_pool;

static const char *const   *files;
static struct oauth *const *tokens;
static size_t               n_files, n_tokens;

/* ------------------------------------------------------------ in a helper */

static void
put_verdict(struct frame *answer, int verdict, const struct fault *why)
{
	frame_start(answer, "verdict");
	frame_put_string(answer, "is", verdict == 1 ? "yes" : verdict == 0 ? "no" : "error");
	frame_put_string(answer, "reason", verdict == 1 ? "" : why->reason);
}

static struct span
field(const struct frame *f, const char *name)
{
	struct span s = SPAN_NONE;

	frame_get(f, name, &s);
	return s;
}

static void
do_passwd(const struct frame *f, struct frame *answer)
{
	autofree char *user = mem_span(field(f, "user"));
	struct passwd *p = getpwnam(user);

	frame_start(answer, p ? "user" : "none");
	if (!p)
		return;
	frame_put_number(answer, "uid", p->pw_uid);
	frame_put_number(answer, "gid", p->pw_gid);
	frame_put_string(answer, "home", p->pw_dir);
}

/* Modules leak, crash and change the process: each request has one of its own. */
static void
do_pam(const struct frame *f, struct frame *answer)
{
	struct fault why = {0};
	int          pipe_fd[2], verdict = -1, status;
	pid_t        pid;

	fault_set(&why, FAULT_SYSTEM, "cannot run PAM");
	if (pipe2(pipe_fd, O_CLOEXEC) == 0 && (pid = fork()) >= 0) {
		if (pid == 0) {
			autofree char *service = mem_span(field(f, "service")), *user = mem_span(field(f, "user")),
			              *password = mem_span(field(f, "password")), *peer = mem_span(field(f, "peer"));

			verdict = pam_check(service, user, password, peer, &why);
			if (write(pipe_fd[1], why.reason, strlen(why.reason)) < 0)
				_exit(2);
			_exit(verdict < 0 ? 2 : verdict);
		}
		close(pipe_fd[1]);
		ssize_t n = read(pipe_fd[0], why.reason, sizeof why.reason - 1);

		why.reason[n > 0 ? n : 0] = '\0';
		close(pipe_fd[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		verdict = WIFEXITED(status) && WEXITSTATUS(status) < 2 ? WEXITSTATUS(status) : -1;
	}
	put_verdict(answer, verdict, &why);
}

static void
do_open(const struct frame *f, struct frame *answer, int *opened)
{
	int64_t index = -1;

	frame_get_number(f, "index", &index);
	if (index >= 0 && (size_t)index < n_files)
		*opened = open(files[index], O_RDONLY | O_CLOEXEC | O_NOCTTY);
	frame_start(answer, *opened >= 0 ? "file" : "none");
	if (*opened >= 0)
		frame_put_fd(answer, "file", *opened);
}

static void
do_token(const struct frame *f, struct frame *answer)
{
	autotext struct text user = {0};
	struct fault         why = {0};
	int64_t              index = -1;
	bool                 known = frame_get_number(f, "index", &index) && index >= 0 && (size_t)index < n_tokens;
	int                  verdict = known ? oauth_check(tokens[index], field(f, "token"), &user, &why) : 0;

	put_verdict(answer, verdict, &why);
	if (verdict == 1) {
		frame_start(answer, "verdict");
		frame_put_string(answer, "is", "yes");
		frame_put(answer, "reason", text_span(&user));
	}
}

/* The command was named at start: what is asked can choose which one, and not what it is. */
static void
do_command(const struct frame *f, struct frame *answer)
{
	struct command_question q = {field(f, "user"), field(f, "password"), field(f, "service"), field(f, "peer"), field(f, "local"), frame_get_flag(f, "login"), databases.command_ms};
	autofree char          *path = mem_format("%s/checkpassword-reply", site.daemon_directory);
	autotext struct text    reply = {0};
	struct fault            why = {0};
	int64_t                 index = -1;
	int                     status;

	frame_get_number(f, "index", &index);
	if (index < 0 || (size_t)index >= databases.n_command || span_has(q.user, '\0') || span_has(q.password, '\0'))
		status = fault_set(&why, FAULT_INPUT, "no such command");
	else
		status = command_run(databases.command[index], path, &q, &reply, &why);
	if (status < 0) {
		put_verdict(answer, -1, &why);
		return;
	}
	frame_start(answer, "ended");
	frame_put_number(answer, "status", status);
	frame_put(answer, "reply", text_span(&reply));
}

static void
answer_one(struct frame *f, struct frame *answer, int *opened)
{
	struct fault why = {0};

	if (frame_is(f, "check")) {
		int verdict = password_check(field(f, "stored"), field(f, "password"), &why);

		put_verdict(answer, verdict, &why);
	} else if (frame_is(f, "nobody")) {
		password_check_nobody(field(f, "password"));
		put_verdict(answer, 0, &why);
	} else if (frame_is(f, "token")) {
		do_token(f, answer);
	} else if (frame_is(f, "pam")) {
		do_pam(f, answer);
	} else if (frame_is(f, "command")) {
		do_command(f, answer);
	} else if (frame_is(f, "passwd")) {
		do_passwd(f, answer);
	} else if (frame_is(f, "open")) {
		do_open(f, answer, opened);
	} else {
		frame_start(answer, "none");
	}
}

static _Noreturn void
help(int sock)
{
	autoframe struct frame request = {0}, answer = {0};

	while (frame_receive(sock, &request, CLOCK_NEVER, NULL) == 0) {
		int opened = -1;

		frame_clear(&answer);
		answer_one(&request, &answer, &opened);
		if (frame_send(sock, &answer, CLOCK_NEVER, NULL) < 0)
			break;
		if (opened >= 0)
			close(opened);
		frame_clear(&request); /* a password was in it */
	}
	_exit(0);
}

static int
confine(struct fault *why)
{
	struct sandbox  nothing = {0};
	struct identity who;

	if (identity_find(privilege_is_root() ? site.auth_owner : "", &who, why) < 0 && privilege_is_root())
		return -1;
	if (privilege_is_root() && privilege_drop(&who, NULL, why) < 0)
		return -1;
	return sandbox_close(&nothing, why);
}

static int
start_one(struct pool *p, bool confined, struct fault *why)
{
	int   pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_errno(why, "socketpair");
	if ((pid = fork()) < 0)
		return fault_errno(why, "fork");
	if (pid == 0) {
		struct fault trouble = {0};

		for (int fd = 3; fd < OWN_FDS; fd++) /* the status socket and the listeners are authd's */
			if (fd != pair[1] && fd != 4)
				close(fd);
		if (confined && confine(&trouble) < 0)
			log_fatal("password helper: %s", fault_text(&trouble));
		help(pair[1]);
	}
	close(pair[1]);
	p->idle[p->n_idle++] = pair[0];
	return 0;
}

int
helpers_start(const char *const *names, size_t count, struct oauth *const *validators, size_t n_validators, bool system_needed,
              bool commands_needed, struct fault *why)
{
	files = names;
	n_files = count;
	tokens = validators;
	n_tokens = n_validators;
	monitor_init(&crypt_pool.lock);
	monitor_init(&system_pool.lock);
	monitor_init(&command_pool.lock);
	for (size_t i = 0; commands_needed && i < COMMAND_HELPERS; i++)
		if (start_one(&command_pool, false, why) < 0)
			return -1;
	for (size_t i = 0; i < CRYPT_HELPERS; i++)
		if (start_one(&crypt_pool, true, why) < 0)
			return -1;
	for (size_t i = 0; system_needed && i < SYSTEM_HELPERS; i++)
		if (start_one(&system_pool, false, why) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------ in authd */

static int
take_helper(struct pool *p, int *sock, struct fault *why)
{
	int64_t deadline = clock_after(WAIT_MS);
	bool    late = false;

	monitor_enter(&p->lock);
	late = p->waiting >= HELPER_QUEUE;
	p->waiting++;
	while (!late && p->n_idle == 0)
		late = !monitor_wait(&p->lock, deadline) && p->n_idle == 0;
	if (!late)
		*sock = p->idle[--p->n_idle];
	p->waiting--;
	monitor_leave(&p->lock);
	return late ? fault_set(why, FAULT_TIME, "too many logins at once") : 0;
}

static void
give_helper(struct pool *p, int sock)
{
	monitor_enter(&p->lock);
	p->idle[p->n_idle++] = sock;
	monitor_wake(&p->lock);
	monitor_leave(&p->lock);
}

static int
ask(struct pool *p, struct frame *f, struct fault *why)
{
	autoframe struct frame answer = {0};
	int                    sock = -1, got;

	if (take_helper(p, &sock, why) < 0)
		return -1;
	if (frame_send(sock, f, clock_after(ANSWER_MS), why) < 0 ||
	    (got = frame_receive(sock, &answer, clock_after(ANSWER_MS), why)) != 0) {
		/* It is gone or hangs, and cannot be made again from in here: master starts all anew. */
		log_fatal("a password helper is lost: %s", why ? fault_text(why) : "");
	}
	give_helper(p, sock);
	frame_clear(f);
	*f = answer;
	answer = (struct frame){0};
	return 0;
}

static int
verdict_of(struct frame *f, struct fault *why)
{
	struct span is = field(f, "is"), reason = field(f, "reason");

	if (span_is(is, "yes"))
		return 1;
	fault_set(why, span_is(is, "no") ? FAULT_DENIED : FAULT_SYSTEM, "%.*s", SPAN_ARGS(reason));
	return span_is(is, "no") ? 0 : -1;
}

int
helper_check(struct span stored, struct span password, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, stored.len ? "check" : "nobody");
	frame_put(&f, "stored", stored);
	frame_put(&f, "password", password);
	return ask(&crypt_pool, &f, why) < 0 ? -1 : verdict_of(&f, why);
}

int
helper_token(size_t index, struct span token, struct text *user, struct fault *why)
{
	autoframe struct frame f = {0};
	int                    verdict;

	frame_start(&f, "token");
	frame_put_number(&f, "index", (int64_t)index);
	frame_put(&f, "token", token);
	verdict = ask(&crypt_pool, &f, why) < 0 ? -1 : verdict_of(&f, why);
	if (verdict == 1)
		text_set(user, field(&f, "reason"));
	return verdict;
}

int
helper_command(size_t index, const struct command_question *q, struct text *reply, struct fault *why)
{
	autoframe struct frame f = {0};
	int64_t                status;

	frame_start(&f, "command");
	frame_put_number(&f, "index", (int64_t)index);
	frame_put(&f, "user", q->user);
	frame_put(&f, "password", q->login ? q->password : SPAN_NONE);
	frame_put(&f, "service", q->service);
	frame_put(&f, "peer", q->peer);
	frame_put(&f, "local", q->local);
	frame_put_flag(&f, "login", q->login);
	if (ask(&command_pool, &f, why) < 0)
		return -1;
	if (!frame_is(&f, "ended") || !frame_get_number(&f, "status", &status))
		return verdict_of(&f, why) < 0 ? -1 : fault_set(why, FAULT_SYSTEM, "strange answer");
	text_set(reply, field(&f, "reply"));
	return command_verdict((int)status, text_span(reply), why);
}

int
helper_pam(const char *service, const char *user, const char *password, struct span peer, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "pam");
	frame_put_string(&f, "service", service);
	frame_put_string(&f, "user", user);
	frame_put_string(&f, "password", password);
	frame_put(&f, "peer", peer);
	return ask(&system_pool, &f, why) < 0 ? -1 : verdict_of(&f, why);
}

int
helper_passwd(const char *user, uid_t *uid, gid_t *gid, struct text *home, struct fault *why)
{
	autoframe struct frame f = {0};
	int64_t                u, g;

	frame_start(&f, "passwd");
	frame_put_string(&f, "user", user);
	if (ask(&system_pool, &f, why) < 0)
		return -1;
	if (!frame_is(&f, "user") || !frame_get_number(&f, "uid", &u) || !frame_get_number(&f, "gid", &g))
		return 1;
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	text_set(home, field(&f, "home"));
	return 0;
}

int
helper_open(size_t index, int *fd, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "open");
	frame_put_number(&f, "index", (int64_t)index);
	if (ask(&system_pool, &f, why) < 0)
		return -1;
	*fd = frame_take_fd(&f, "file");
	return *fd >= 0 ? 0 : fault_set(why, FAULT_SYSTEM, "cannot open it any more");
}
