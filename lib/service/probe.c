/* SPDX-License-Identifier: ISC */
/*
 * probe.c - `PROGRAM --probe -c DIR`: tries forbidden acts in the program's place
 *
 * The program does all that it does before serving; then each act is tried in a
 * child that closes itself in as the program would.  Printed is one line an act:
 * name, what the promises say, what the kernel said.  Status 1: they differ.
 * Acts are harmless where they succeed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/privilege.h"
#include "service/probe.h"
#include "service/sandbox_private.h"
#include "service/service.h"

static struct {
	int inet, listening, directory, terminal;   /* made while it was allowed */
} before = {-1, -1, -1, -1};

static bool
went(long outcome)
{
	return outcome >= 0 || (errno != EPERM && errno != EACCES && errno != EAFNOSUPPORT &&
	                        errno != ENOSYS && errno != ENOTTY);
}

static bool
opened(const char *path, int flags)
{
	return open(path, flags, 0600) >= 0;
}

static bool read_elsewhere(void) { return opened("/usr/bin/env", O_RDONLY); }
static bool read_shadow(void) { return opened("/etc/shadow", O_RDONLY); }
static bool list_elsewhere(void) { return opendir("/usr/bin") != NULL; }
static bool look_elsewhere(void) { struct stat s; return stat("/usr/bin/env", &s) == 0; }

static bool
create_elsewhere(void)
{
	const char *path = "/usr/postern-probe";

	if (!opened(path, O_WRONLY | O_CREAT | O_EXCL))
		return errno == EEXIST;
	unlink(path);
	return true;
}

static bool make_directory(void) { return went(mkdir("/nowhere/here", 0700)); }
static bool remove_file(void) { return went(unlink("/nowhere/here")); }
static bool rename_file(void) { return went(rename("/nowhere/here", "/nowhere/there")); }
static bool link_file(void) { return went(link("/nowhere/here", "/nowhere/there")); }
static bool make_fifo(void) { return went(mknod("/nowhere/fifo", S_IFIFO | 0600, 0)); }
static bool change_directory(void) { return went(fchdir(before.directory)); }
static bool change_root(void) { return went(chroot("/nowhere")); }

static bool socket_unix(void) { return went(socket(AF_UNIX, SOCK_STREAM, 0)); }
static bool socket_tcp(void) { return went(socket(AF_INET, SOCK_STREAM, 0)); }
static bool socket_tcp6(void) { return went(socket(AF_INET6, SOCK_STREAM, 0)); }
static bool socket_udp(void) { return went(socket(AF_INET, SOCK_DGRAM, 0)); }
static bool socket_raw(void) { return went(socket(AF_INET, SOCK_RAW, 1)); }

static bool
connect_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return went(connect(before.inet, (struct sockaddr *)&to, sizeof to));
}

static bool
bind_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return went(bind(before.inet, (struct sockaddr *)&to, sizeof to));
}

static bool listen_tcp(void) { return went(listen(before.inet, 1)); }
static bool accept_one(void) { return went(accept4(before.listening, NULL, NULL, SOCK_CLOEXEC)); }

static bool
execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return went(-1) && errno != ENOENT;
}

static bool
fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static void *
nothing(void *given)
{
	return given;
}

static bool
make_task(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool signal_parent(void) { return went(kill(getppid(), 0)); }
static bool become_root(void) { return privilege_try_root(); }

static bool
raise_limit(void)
{
	struct rlimit limit = {100, 100};

	return went(setrlimit(RLIMIT_NOFILE, &limit));
}

static bool
memory_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
memory_turn_exec(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at != MAP_FAILED && mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool look_at_clock(void) { struct timespec t; return clock_gettime(CLOCK_REALTIME, &t) == 0; }

enum {
	NEVER = 0,
	ALWAYS = 1 << 30,
	NAMES_FILES = MAY_READ | MAY_WRITE | MAY_NAME | MAY_BECOME,
	CHANGES_FILES = MAY_WRITE | MAY_BECOME,
	NAMES_INET = MAY_DIAL | MAY_DNS | MAY_NAME,
	RESOLVES = MAY_DNS | MAY_NAME,
	ASKS = MAY_ASK | MAY_NAME
};

static const struct act {
	const char *name;
	unsigned    by;            /* any of these promises allows it */
	unsigned    unsaid;        /* with these promises either is right */
	bool      (*act)(void);
} acts[] = {
	{"read a clock", ALWAYS, 0, look_at_clock},
	{"make a thread", ALWAYS, 0, make_task},
	{"accept", MAY_ACCEPT, 0, accept_one},
	{"read a program file", MAY_BECOME, 0, read_elsewhere},
	{"read the shadow file", NEVER, MAY_BECOME, read_shadow},
	{"list a directory", MAY_BECOME, 0, list_elsewhere},
	{"look at a file", NEVER, NAMES_FILES, look_elsewhere},
	{"create a file", NEVER, MAY_BECOME, create_elsewhere},
	{"make a directory", CHANGES_FILES, 0, make_directory},
	{"remove a file", CHANGES_FILES, 0, remove_file},
	{"rename a file", CHANGES_FILES, 0, rename_file},
	{"link a file", CHANGES_FILES, 0, link_file},
	{"make a fifo", NEVER, 0, make_fifo},
	{"leave by a held directory", NEVER, 0, change_directory},
	{"change root", NEVER, 0, change_root},
	{"socket unix", ASKS, 0, socket_unix},
	{"socket tcp", NAMES_INET, 0, socket_tcp},
	{"socket tcp6", NAMES_INET, 0, socket_tcp6},
	{"socket udp", RESOLVES, 0, socket_udp},
	{"socket raw", NEVER, 0, socket_raw},
	{"connect tcp", MAY_DIAL, 0, connect_tcp},
	{"bind tcp", MAY_DIAL, 0, bind_tcp},
	{"listen", NEVER, 0, listen_tcp},
	{"execute a program", NEVER, 0, execute},
	{"fork", MAY_FORK, 0, fork_child},
	{"signal the parent", NEVER, MAY_FORK | MAY_WRITE, signal_parent},
	{"become root", NEVER, MAY_BECOME, become_root},
	{"change a limit", NEVER, MAY_FORK, raise_limit},
	{"executable memory", MAY_NAME, 0, memory_exec},
	{"memory turned executable", MAY_NAME, 0, memory_turn_exec},
};

static void
prepare_acts(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	before.inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	before.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	before.directory = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bind(before.listening, (struct sockaddr *)&any, sizeof any) < 0 || listen(before.listening, 1) < 0)
		perror("listen");
}

/* 1 allowed, 0 refused, -1 neither. */
static int
try_one(bool (*act)(void), void (*close_in)(void))
{
	int   status;
	pid_t pid = fork();

	if (pid == 0) {
		close_in();
		_exit(act() ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGABRT ? 0 : -1;
	return WEXITSTATUS(status) == 0 ? 1 : WEXITSTATUS(status) == 1 ? 0 : -1;
}

static int
report(const char *name, unsigned promises, unsigned by, unsigned unsaid, int seen)
{
	static const char *const words[] = {"neither", "refused", "allowed"};
	int  expected = by & (promises | ALWAYS) ? 1 : 0;
	bool open = promises & unsaid;

	printf("%s\t%s\t%s\n", name, open ? "either" : words[expected + 1], words[seen + 1]);
	return seen < 0 || (!open && seen != expected);
}

int
probe_run(const struct service *s, void (*close_in)(void))
{
	const struct probe_act *more;
	size_t                  n = sandbox_acts(&more);
	int                     wrong = 0;

	if (!sandbox_confines(s->promises)) {
		printf("# not confined: its children run commands of users, or this is a sanitizer's build\n");
		return 0;
	}
	prepare_acts();
	fflush(stdout);
	for (size_t i = 0; i < COUNT(acts); i++)
		wrong |= report(acts[i].name, s->promises, acts[i].by, acts[i].unsaid, try_one(acts[i].act, close_in));
	for (size_t i = 0; i < n; i++) /* what only this system has */
		wrong |= report(more[i].name, s->promises, more[i].by, more[i].unsaid, try_one(more[i].act, close_in));
	return wrong;
}
