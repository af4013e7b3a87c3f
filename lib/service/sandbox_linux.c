/* SPDX-License-Identifier: ISC */
/*
 * sandbox_linux.c - promises kept by no_new_privs, Landlock and seccomp
 *
 * seccomp says which calls there are (anything else ends the process), Landlock
 * which files, ports, abstract sockets and processes.  Landlock does not restrict
 * connect() to a path socket nor UDP: the chroot and the socket families do.
 * Programs with MAY_EXEC get none of it, since their children would inherit it
 * (DESIGN.md 2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "service/sandbox.h"
#include "service/sandbox_private.h"
#include "service/service.h"

#ifdef POSTERN_SANITIZER
enum { CONFINES = 0 };         /* the sanitizers' own calls would end the process */
#else
enum { CONFINES = 1 };
#endif

/* ---- Landlock: names newer than the distribution's header (FACTS.md 1) ---- */

enum {
	FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6, FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8, FS_MAKE_SOCK = 1 << 9, FS_MAKE_FIFO = 1 << 10, FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14, FS_IOCTL_DEV = 1 << 15,
	NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1,
	RULE_PATH = 1, RULE_PORT = 2, ASK_VERSION = 1,
	READ_RIGHTS = FS_READ_FILE | FS_READ_DIR,
	WRITE_RIGHTS = READ_RIGHTS | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
	               FS_MAKE_REG | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE,
	FILE_RIGHTS = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV
};

struct ruleset { uint64_t fs, net, scope; };
struct path_rule { uint64_t allowed; int32_t parent; } __attribute__((packed));
struct port_rule { uint64_t allowed, port; };

static int
landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
}

/* What this kernel can restrict of what we know. */
static struct ruleset
mask_by_version(struct ruleset r, int version)
{
	uint64_t fs = FS_IOCTL_DEV * 2 - 1;

	if (version < 5)
		fs &= ~(uint64_t)FS_IOCTL_DEV;
	if (version < 3)
		fs &= ~(uint64_t)FS_TRUNCATE;
	if (version < 2)
		fs &= ~(uint64_t)FS_REFER;
	r.fs &= fs;
	r.net = version < 4 ? 0 : r.net;
	r.scope = version < 6 ? 0 : r.scope;
	return r;
}

static size_t
size_by_version(int version)
{
	return version < 4 ? 8 : version < 6 ? 16 : 24;
}

static int
allow_descriptor(int rules, const struct ruleset *r, int fd, const char *path, uint64_t rights, struct fault *why)
{
	struct path_rule rule = {.allowed = rights & r->fs, .parent = fd};
	struct stat      s;

	if (fstat(fd, &s) < 0)
		return fault_errno(why, "stat %s", path);
	if (!S_ISDIR(s.st_mode))
		rule.allowed &= FILE_RIGHTS;
	if (rule.allowed && syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0) < 0)
		return fault_errno(why, "landlock rule for %s", path);
	return 0;
}

static int
allow_path(int rules, const struct ruleset *r, const char *path, uint64_t rights, struct fault *why)
{
	autoclose int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0; /* what is not there needs no right */
	return fd < 0 ? fault_errno(why, "open %s", path) : allow_descriptor(rules, r, fd, path, rights, why);
}

static int
allow_trees(int rules, const struct ruleset *r, const struct sandbox *s, struct fault *why)
{
	for (size_t i = 0; i < s->tree_count; i++)
		if (allow_descriptor(rules, r, s->trees[i].fd, s->trees[i].path, WRITE_RIGHTS, why) < 0)
			return -1;
	return 0;
}

static int
allow_paths(int rules, const struct ruleset *r, const char *const *paths, uint64_t rights, struct fault *why)
{
	for (; paths && *paths; paths++)
		if (allow_path(rules, r, *paths, rights, why) < 0)
			return -1;
	return 0;
}

static uint16_t extra_ports[128];
static size_t   n_extra_ports;

void
sandbox_allow_port(uint16_t port)
{
	for (size_t i = 0; i < n_extra_ports; i++)
		if (extra_ports[i] == port)
			return;
	if (n_extra_ports < COUNT(extra_ports))
		extra_ports[n_extra_ports++] = port;
}

static int
allow_port(int rules, uint16_t port, struct fault *why)
{
	struct port_rule rule = {NET_CONNECT_TCP, port};

	if (syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) < 0)
		return fault_errno(why, "landlock rule for port %d", port);
	return 0;
}

static int
allow_ports(int rules, const struct sandbox *s, const struct ruleset *r, struct fault *why)
{
	if (!(r->net & NET_CONNECT_TCP))
		return 0;
	if (s->promises & MAY_DNS && (allow_port(rules, 53, why) < 0 || allow_port(rules, 853, why) < 0))
		return -1;
	for (size_t i = 0; i < n_extra_ports; i++)
		if (allow_port(rules, extra_ports[i], why) < 0)
			return -1;
	return 0;
}

static const char *const name_paths[] = {       /* where NSS looks */
	"/etc", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/local/lib",
	"/run", "/var/run", "/var/lib/sss", "/proc/sys", "/dev/urandom", NULL
};

static int
close_files(const struct sandbox *s, struct fault *why)
{
	int            version = landlock_version();
	struct ruleset r = {FS_IOCTL_DEV * 2 - 1, NET_BIND_TCP | NET_CONNECT_TCP, SCOPE_ABSTRACT | SCOPE_SIGNAL};
	autoclose int  rules = -1;

	if (version <= 0)
		return 0; /* an old kernel: seccomp, uid and chroot remain */
	/* The child that becomes a user closes its files itself; but every ruleset denies renames
	 * between directories unless it grants them, whatever else it handles. */
	if (s->promises & MAY_BECOME)
		r.fs = FS_REFER;
	if (s->promises & MAY_DIAL)
		r.net = 0;
	r = mask_by_version(r, version);
	if (!r.fs && !r.net && !r.scope)
		return 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &r, size_by_version(version), 0);
	if (rules < 0)
		return fault_errno(why, "landlock");
	if (s->promises & MAY_BECOME && r.fs && allow_path(rules, &r, "/", FS_REFER, why) < 0)
		return -1;
	if (r.fs && s->promises & (MAY_READ | MAY_NAME | MAY_WRITE) && allow_paths(rules, &r, s->reads, READ_RIGHTS, why) < 0)
		return -1;
	if (r.fs && s->promises & MAY_NAME && allow_paths(rules, &r, name_paths, READ_RIGHTS | FS_EXECUTE, why) < 0)
		return -1;
	if (r.fs && s->promises & MAY_WRITE && allow_paths(rules, &r, s->writes, WRITE_RIGHTS, why) < 0)
		return -1;
	if (r.fs && s->promises & MAY_WRITE && allow_trees(rules, &r, s, why) < 0)
		return -1;
	if (allow_ports(rules, s, &r, why) < 0)
		return -1;
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return fault_errno(why, "landlock");
	return 0;
}

/* ---- seccomp ---- */

/* libseccomp's comparison macros leave datum_b to be zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CALL(name) SCMP_SYS(name)
#define END        INT32_MIN

/* Everybody: what needs a descriptor that is there, time, memory, threads. */
static const int base_calls[] = {
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64), CALL(preadv),
	CALL(pwritev), CALL(preadv2), CALL(pwritev2), CALL(recvmsg), CALL(sendmsg), CALL(recvfrom), CALL(sendto),
	CALL(recvmmsg), CALL(sendmmsg), CALL(sendfile), CALL(splice), CALL(copy_file_range), CALL(close),
	CALL(close_range), CALL(fstat), CALL(fstatfs), CALL(lseek), CALL(munmap), CALL(mremap), CALL(brk),
	CALL(madvise), CALL(msync), CALL(mincore), CALL(fadvise64), CALL(fsync), CALL(fdatasync), CALL(ftruncate),
	CALL(fallocate), CALL(flock), CALL(futex), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),
	CALL(rt_sigtimedwait), CALL(rt_sigsuspend), CALL(rt_sigpending), CALL(sigaltstack), CALL(epoll_create1),
	CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6),
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday),
	CALL(time), CALL(times), CALL(getrandom), CALL(gettid), CALL(getpid), CALL(getppid), CALL(getuid),
	CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getresuid), CALL(getresgid), CALL(getgroups),
	CALL(set_robust_list), CALL(get_robust_list), CALL(exit), CALL(exit_group), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(timerfd_gettime), CALL(eventfd2), CALL(fcntl), CALL(dup), CALL(dup2),
	CALL(dup3), CALL(pipe2), CALL(restart_syscall), CALL(rseq), CALL(membarrier), CALL(sched_yield),
	CALL(sched_getaffinity), CALL(uname), CALL(sysinfo), CALL(getrusage), CALL(getrlimit), CALL(getsockname),
	CALL(getpeername), CALL(getsockopt), CALL(setsockopt), CALL(shutdown), CALL(set_tid_address),
	CALL(arch_prctl), CALL(tgkill), CALL(getcwd), END
};
static const int accept_calls[] = {CALL(accept4), CALL(accept), END};
static const int connect_calls[] = {CALL(connect), END};
static const int bind_calls[] = {CALL(bind), END};
/* Calls that name files: Landlock says which. */
static const int read_calls[] = {
	CALL(access), CALL(faccessat), CALL(faccessat2), CALL(stat), CALL(lstat), CALL(newfstatat), CALL(statx),
	CALL(readlink), CALL(readlinkat), CALL(getdents64), CALL(getdents), CALL(statfs), CALL(umask),
	CALL(chdir), END
};
static const int write_calls[] = {
	CALL(mkdir), CALL(mkdirat), CALL(rename), CALL(renameat), CALL(renameat2), CALL(unlink), CALL(unlinkat),
	CALL(rmdir), CALL(link), CALL(linkat), CALL(symlink), CALL(symlinkat), CALL(chmod), CALL(fchmod),
	CALL(fchmodat), CALL(truncate), CALL(utimensat), CALL(utimes), CALL(futimesat), CALL(fchown),
	CALL(fsetxattr), CALL(fgetxattr), CALL(sync_file_range), CALL(creat), END
};
static const int fork_calls[] = {
	CALL(fork), CALL(vfork), CALL(wait4), CALL(waitid), CALL(kill), CALL(setpgid), CALL(setsid), CALL(getpgrp),
	CALL(getpgid), CALL(setrlimit), CALL(pidfd_open), CALL(pidfd_send_signal), END
};
static const int become_calls[] = {
	CALL(setuid), CALL(setgid), CALL(setresuid), CALL(setresgid), CALL(setreuid), CALL(setregid),
	CALL(setgroups), CALL(setfsuid), CALL(setfsgid), CALL(landlock_create_ruleset), CALL(landlock_add_rule),
	CALL(landlock_restrict_self), CALL(seccomp), CALL(chown), CALL(fchownat), CALL(lchown), END
};
static const int watch_calls[] = {CALL(inotify_init1), CALL(inotify_add_watch), CALL(inotify_rm_watch), END};
/* Names without a right to files: the C library opens and stats by itself and takes no for an answer. */
static const int unnamed_calls[] = {
	CALL(open), CALL(openat), CALL(openat2), CALL(stat), CALL(lstat), CALL(statx), CALL(access),
	CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat), END
};

static int failed_rule;       /* the first; told by filter_load */

static void
note(int outcome)
{
	/* a call that this architecture has not (EDOM) needs no rule */
	if (outcome < 0 && outcome != -EDOM && outcome != -EEXIST && !failed_rule)
		failed_rule = outcome;
}

static void
allow(scmp_filter_ctx f, const int *calls)
{
	for (; *calls != END; calls++)
		note(seccomp_rule_add(f, SCMP_ACT_ALLOW, *calls, 0));
}

static void
answer(scmp_filter_ctx f, const int *calls, int error)
{
	for (; *calls != END; calls++)
		note(seccomp_rule_add(f, SCMP_ACT_ERRNO((uint16_t)error), *calls, 0));
}

static void
allow_masked(scmp_filter_ctx f, int call, unsigned argument, uint64_t mask, uint64_t value)
{
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
	                      SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value)));
}

enum { NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                        CLONE_NEWPID | CLONE_NEWNET };

static void
allow_memory_and_tasks(scmp_filter_ctx f, unsigned promises)
{
	uint64_t exec = promises & MAY_NAME ? 0 : PROT_EXEC; /* NSS loads its modules late */

	allow_masked(f, CALL(mmap), 2, exec, 0);
	allow_masked(f, CALL(mprotect), 2, exec, 0);
	/* clone3 hides its flags behind a pointer: the C library falls back to clone */
	note(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0));
	if (promises & MAY_FORK)
		allow_masked(f, CALL(clone), 0, NEW_NAMESPACES, 0);
	else
		allow_masked(f, CALL(clone), 0, (uint64_t)NEW_NAMESPACES | CLONE_THREAD, CLONE_THREAD);
	/* reading a limit, not setting one */
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(prlimit64), 1, SCMP_A2_64(SCMP_CMP_EQ, 0)));
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(prctl), 1, SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME)));
	if (promises & MAY_BECOME)
		note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(prctl), 1, SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS)));
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(ioctl), 1, SCMP_A1_64(SCMP_CMP_EQ, FIONREAD)));
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(ioctl), 1, SCMP_A1_64(SCMP_CMP_EQ, FIONBIO)));
	note(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOTTY), CALL(ioctl), 1, SCMP_A1_64(SCMP_CMP_EQ, TCGETS)));
	note(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOTTY), CALL(ioctl), 1, SCMP_A1_64(SCMP_CMP_EQ, TIOCGWINSZ)));
}

static void
allow_family(scmp_filter_ctx f, int call, int family, bool stream_only)
{
	if (!stream_only) {
		note(seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1, SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)family)));
		return;
	}
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 2, SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)family),
	                      SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM)));
}

/* Datagrams but no raw sockets. */
static void
allow_datagrams(scmp_filter_ctx f, int family)
{
	note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(socket), 2, SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)family),
	                      SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM)));
}

static void
forbid_family(scmp_filter_ctx f, int family)
{
	note(seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), CALL(socket), 1, SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)family)));
}

static void
allow_sockets(scmp_filter_ctx f, unsigned promises)
{
	bool dial = promises & (MAY_DIAL | MAY_DNS), names = promises & (MAY_DNS | MAY_NAME);

	allow_family(f, CALL(socketpair), AF_UNIX, false);
	if (promises & (MAY_ASK | MAY_NAME))
		allow_family(f, CALL(socket), AF_UNIX, false);
	else
		forbid_family(f, AF_UNIX);
	if (dial || names) {
		allow_family(f, CALL(socket), AF_INET, true);
		allow_family(f, CALL(socket), AF_INET6, true);
		allow(f, bind_calls);
	} else {
		forbid_family(f, AF_INET);
		forbid_family(f, AF_INET6);
	}
	if (names) {
		allow_datagrams(f, AF_INET);
		allow_datagrams(f, AF_INET6);
	}
	forbid_family(f, AF_NETLINK);
	if (dial || names || promises & MAY_ASK)
		allow(f, connect_calls);
}

static void
allow_files(scmp_filter_ctx f, unsigned promises)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;

	if (!(promises & (MAY_READ | MAY_WRITE | MAY_NAME | MAY_BECOME))) {
		/* fstat() is newfstatat(fd, "", AT_EMPTY_PATH) in this C library */
		note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(newfstatat), 1, SCMP_A3_64(SCMP_CMP_EQ, AT_EMPTY_PATH)));
		note(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOENT), CALL(newfstatat), 1, SCMP_A3_64(SCMP_CMP_NE, AT_EMPTY_PATH)));
		answer(f, unnamed_calls, ENOENT);
		return;
	}
	allow(f, read_calls);
	if (promises & (MAY_WRITE | MAY_BECOME)) {
		static const int open_calls[] = {CALL(open), CALL(openat), CALL(openat2), END};

		allow(f, write_calls);
		allow(f, open_calls);
		return;
	}
	allow_masked(f, CALL(openat), 2, writing, O_RDONLY);
	allow_masked(f, CALL(open), 1, writing, O_RDONLY);
	note(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(openat2), 0));
}

/* NULL: no memory; rules that failed are in failed_rule. */
static scmp_filter_ctx
filter_make(unsigned promises)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (!f)
		return NULL;
	failed_rule = 0;
	note(seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1));
	note(seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2)); /* a tree, not a list */
	allow(f, base_calls);
	allow_memory_and_tasks(f, promises);
	allow_sockets(f, promises);
	allow_files(f, promises);
	if (promises & MAY_WRITE) /* "does the maker of this lock still live?", no signal (store/dotlock.c) */
		note(seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(kill), 1, SCMP_A1_64(SCMP_CMP_EQ, 0)));
	if (promises & MAY_ACCEPT)
		allow(f, accept_calls);
	if (promises & MAY_FORK)
		allow(f, fork_calls);
	if (promises & MAY_BECOME)
		allow(f, become_calls);
	if (promises & (MAY_WATCH | MAY_BECOME))
		allow(f, watch_calls);
	return f;
}

/* Making the filter costs over a millisecond of CPU, loading a made one a tenth of that. */
enum { MAILBOX_PROMISES = MAY_READ | MAY_WRITE | MAY_WATCH, FILTER_MAX = 65536 };
static struct sock_fprog mailbox_filter;

static int
filter_load(unsigned promises, struct fault *why)
{
	scmp_filter_ctx f;
	int             outcome;

	if (promises == MAILBOX_PROMISES && mailbox_filter.len) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &mailbox_filter) != 0)
			return fault_errno(why, "seccomp");
		return 0;
	}
	f = filter_make(promises);
	if (!f)
		return fault_set(why, FAULT_SYSTEM, "seccomp: no memory");
	outcome = failed_rule ? failed_rule : seccomp_load(f);
	seccomp_release(f);
	if (outcome < 0) {
		errno = -outcome;
		return fault_errno(why, "seccomp");
	}
	return 0;
}

/* ---- */

static int
forbid_new_privileges(struct fault *why)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fault_errno(why, "no_new_privs");
	return 0;
}

int
sandbox_close(const struct sandbox *s, struct fault *why)
{
	if (s->promises & MAY_EXEC)
		return 0;
	if (forbid_new_privileges(why) < 0)
		return -1;
	if (!CONFINES)
		return 0;
	if (close_files(s, why) < 0)
		return -1;
	return filter_load(s->promises, why);
}

bool
sandbox_shows_outside(void)
{
	return true; /* Landlock asks for no right */
}

void
sandbox_prepare_mailbox(void)
{
	autotext struct text bytes = {0};
	autoclose int        fd = -1;
	scmp_filter_ctx      f;

	if (!CONFINES || mailbox_filter.len || !(f = filter_make(MAILBOX_PROMISES)))
		return;
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (!failed_rule && fd >= 0 && seccomp_export_bpf(f, fd) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	    file_read_fd(fd, FILTER_MAX, &bytes, NULL) == 0) {
		mailbox_filter.len = (unsigned short)(bytes.len / sizeof *mailbox_filter.filter);
		mailbox_filter.filter = (struct sock_filter *)(void *)take(bytes.at);
		bytes = (struct text){0};
	}
	seccomp_release(f);
}

int
sandbox_close_mailbox(const char *root, struct fault *why)
{
	const char *const paths[] = {root, NULL};
	struct sandbox    s = {.promises = MAILBOX_PROMISES, .writes = paths};

	if (forbid_new_privileges(why) < 0)
		return -1;
	if (!CONFINES)
		return 0;
	if (access(root, F_OK) < 0)
		return fault_errno(why, "mailbox directory %s", root);
	if (close_files(&s, why) < 0)
		return -1;
	return filter_load(MAILBOX_PROMISES, why);
}

void
sandbox_tune_memory(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 1 << 20); /* buffers come and go with every line: not to the kernel and back */
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* nor what is made for a command on a large mailbox */
}

void
sandbox_trim_memory(void)
{
	malloc_trim(0);
}

void
sandbox_close_descriptors(int first)
{
	syscall(SYS_close_range, (unsigned)first, ~0U, 0);
}
