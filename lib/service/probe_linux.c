/* SPDX-License-Identifier: ISC */
/*
 * probe_linux.c - acts that only Linux has
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "service/probe.h"
#include "service/service.h"

#ifdef POSTERN_SANITIZER
enum { CONFINES = 0 };
#else
enum { CONFINES = 1 };
#endif

static bool
went(long outcome)
{
	return outcome >= 0 || (errno != EPERM && errno != EACCES && errno != EAFNOSUPPORT &&
	                        errno != ENOSYS && errno != ENOTTY);
}

static bool socket_netlink(void) { return went(socket(AF_NETLINK, SOCK_RAW, 0)); }
static bool socket_packet(void) { return went(socket(AF_PACKET, SOCK_DGRAM, 0)); }
static bool socket_alg(void) { return went(socket(AF_ALG, SOCK_SEQPACKET, 0)); }
static bool trace_parent(void) { return went(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL)); }
static bool be_traced(void) { return went(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }

static bool
read_parent(void)
{
	char         byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return went(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static bool new_user_namespace(void) { return went(unshare(CLONE_NEWUSER)); }
static bool clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return went(pid);
}
static bool enter_namespace(void) { return went(setns(-1, 0)); }
static bool mount_something(void) { return went(mount("none", "/nowhere", "tmpfs", 0, NULL)); }
static bool unmount_something(void) { return went(umount2("/nowhere", 0)); }
static bool io_uring(void) { return went(syscall(SYS_io_uring_setup, 1, NULL)); }
static bool bpf_load(void) { return went(syscall(SYS_bpf, -1, NULL, 0)); }
static bool perf_open(void) { return went(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)); }
static bool keyring(void) { return went(syscall(SYS_keyctl, 0, -3, 0)); }
static bool fault_handler(void) { return went(syscall(SYS_userfaultfd, 0)); }
static bool execute_fd(void) { return went(syscall(SYS_execveat, -1, "", NULL, NULL, 0)); }
static bool memory_file(void) { return went(syscall(SYS_memfd_create, "probe", 0)); }
static bool change_personality(void) { return went(syscall(SYS_personality, 0x0040000)); }
static bool become_dumpable(void) { return went(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }
static bool load_module(void) { return went(syscall(SYS_init_module, NULL, 0, "")); }
static bool open_handle(void) { return went(syscall(SYS_open_by_handle_at, -1, NULL, 0)); }
static bool shared_memory(void) { return went(syscall(SYS_shmget, 0, 4096, 01600)); }
static bool watch_files(void) { return went(syscall(SYS_inotify_init1, 0)); }
static bool push_input(void) { return went(ioctl(0, TIOCSTI, "x")); }
static bool more_filters(void) { return went(syscall(SYS_seccomp, 2, 0, NULL)); }

static const struct probe_act acts[] = {
	{"socket netlink", 0, 0, socket_netlink},
	{"socket packet", 0, 0, socket_packet},
	{"socket alg", 0, 0, socket_alg},
	{"trace the parent", 0, 0, trace_parent},
	{"be traced", 0, 0, be_traced},
	{"read the parent's memory", 0, 0, read_parent},
	{"new user namespace", 0, 0, new_user_namespace},
	{"clone into a namespace", 0, 0, clone_namespace},
	{"enter a namespace", 0, 0, enter_namespace},
	{"mount", 0, 0, mount_something},
	{"unmount", 0, 0, unmount_something},
	{"io_uring", 0, 0, io_uring},
	{"bpf", 0, 0, bpf_load},
	{"perf events", 0, 0, perf_open},
	{"keyring", 0, 0, keyring},
	{"userfaultfd", 0, 0, fault_handler},
	{"execute a descriptor", 0, 0, execute_fd},
	{"memory file", 0, 0, memory_file},
	{"personality", 0, 0, change_personality},
	{"become dumpable", 0, 0, become_dumpable},
	{"load a module", 0, 0, load_module},
	{"open by handle", 0, 0, open_handle},
	{"shared memory", 0, 0, shared_memory},
	{"watch files", MAY_WATCH | MAY_BECOME, 0, watch_files},
	{"push terminal input", 0, 0, push_input},
	{"load a filter", MAY_BECOME, 0, more_filters},
};

size_t
sandbox_acts(const struct probe_act **out)
{
	*out = acts;
	return COUNT(acts);
}

bool
sandbox_confines(unsigned promises)
{
	return CONFINES && !(promises & MAY_EXEC);
}
