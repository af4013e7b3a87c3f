/* SPDX-License-Identifier: ISC */
/*
 * service.h - what every program that master starts is
 *
 * A program's main.c is a declaration: parameters, whom it asks, promises,
 * and the function that serves; main() is service_run(&it, argc, argv).
 *
 * master starts it as
 *
 *   smtpd -n NAME -t TYPE -c DIR [-s LISTENERS] [-m SESSIONS] [-k TASKS]
 *         [-i] [-u] [-v] [-o name=value ...] [program's own arguments]
 *
 * LISTENERS are the names of the sockets, joined by commas, in the order of
 * their descriptors; -i: this process is one of several and may leave when it
 * was idle for max_idle.
 *
 * with these descriptors:  0 /dev/null, 1 and 2 master's (start-fg) or
 * /dev/null, 3 the status socket to master (SOCK_SEQPACKET; its end of file
 * means that master is gone: finish and exit), 4 the log's datagram socket,
 * 5... the listeners.
 *
 * What happens, in order (each is a file in lib/service):
 *   1. arguments; `--describe` prints parameters and promises and exits; `--check`
 *      exits after 3, with faults on standard error (postern check, reload);
 *      `--probe` tries forbidden acts where 5 would begin (probe.h)
 *   2. main.cf with the -o overrides; site_params and .params are loaded; all
 *      faults are logged together
 *   3. prepare(): as root still (or as the caller): open tables, read
 *      certificates, warm what would open files later
 *   4. chroot to the role's root, change to the role's user, rlimits,
 *      no_new_privs, Landlock, seccomp by .promises
 *   5. begin(): in the sandbox, before the first session
 *   6. "ready" to master; sessions until told to stop, idle too long
 *      (max_idle), served enough (max_use), master gone, or a table that
 *      was opened with service_watch_table() has changed
 *
 * Models:
 *   SERVE_TASKS   one thread a session, up to -k at once; tasks=1: no thread
 *                 is ever made
 *   SERVE_FORKS   the prepared parent accepts and forks; the child calls
 *                 serve() and exits. No threads. (local, imapd, pop3d, authd's helpers)
 *   SERVE_ITSELF  run() is the whole program (qmgr, pickup): it gets the
 *                 listeners and returns to exit. It must watch service_stopping().
 *
 * Status to master: one record each: "ready", "busy N" / "idle N" when the
 * number of sessions reaches or leaves the limit, "leaving WHY" when no new
 * session will be taken, then "left N" for each change in the number of those that are
 * served, "fault TEXT" before an exit at start. Told by master: "stop" (finish sessions, then exit).
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include <poll.h>

#include "base/fault.h"
#include "base/task.h"
#include "config/param.h"

enum serve_model { SERVE_TASKS, SERVE_FORKS, SERVE_ITSELF };

/* Who it runs as; the name comes from the parameter. ROLE_ROOT keeps root
 * until the program itself becomes somebody (lib/service/privilege.h). */
enum role {
	ROLE_ROOT,   /* no chroot */
	ROLE_MAIL,   /* mail_owner, chroot queue_directory */
	ROLE_NET,    /* net_owner, chroot queue_directory/role/net */
	ROLE_MAP,    /* map_owner, no chroot (reads tables, connects to databases) */
	ROLE_DNS,    /* dns_owner, chroot queue_directory/role/dns */
	ROLE_AUTH,   /* auth_owner, chroot queue_directory/role/auth */
	ROLE_LOG,    /* log_owner, chroot queue_directory/role/log */
	ROLE_DIAL    /* mail_owner with its groups, no chroot */
};

/* What the kernel lets it do after the sandbox has closed. Everybody may read,
 * write, poll, receive descriptors and make threads (tasks). */
enum promise {
	MAY_ACCEPT     = 1 << 0,   /* accept connections on its listeners */
	MAY_ASK        = 1 << 1,   /* socket(AF_UNIX) and connect: our own services */
	MAY_DIAL       = 1 << 2,   /* TCP connect (smtp) */
	MAY_DNS        = 1 << 3,   /* UDP and TCP to port 53 (dnsd) */
	MAY_READ       = 1 << 4,   /* open files below `reads` */
	MAY_WRITE      = 1 << 5,   /* create, rename, remove, fsync below `writes` */
	MAY_FORK       = 1 << 6,   /* fork (SERVE_FORKS) */
	MAY_EXEC       = 1 << 7,   /* exec a command that a user or administrator named: such children are exempt */
	MAY_BECOME     = 1 << 8,   /* change uid (root programs) */
	MAY_WATCH      = 1 << 9,   /* inotify */
	MAY_NAME       = 1 << 10   /* getpwnam and the like: reads /etc */
};

struct listener {
	int  fd;
	char name[64];             /* as in master.cf: "smtp", "127.0.0.1:10025", "private/x" */
};

struct service {
	const char        *name;       /* of the program: "smtpd" */
	const char        *about;      /* one line, for --describe and the manual */
	enum role          role;
	enum serve_model   model;
	const char *const *asks;       /* services it may ask, NULL ended; linked into its role's root */
	unsigned           promises;
	const char *const *reads;      /* parameters or paths, NULL ended: "$queue_directory", "/etc" */
	const char *const *writes;
	const struct param *params;    /* beside site_params */
	const struct param *tls_params; /* service_tls_params (tls_rows.h), or NULL */
	const char        *tasks;      /* default of <service>_tasks: "100", "1" */
	int (*prepare)(struct fault *);            /* may be NULL */
	int (*begin)(struct fault *);              /* may be NULL */
	WAITS void (*serve)(int fd, const struct listener *);  /* fd given: one connection */
	WAITS int  (*run)(const struct listener *, size_t count, struct fault *);
	void (*end)(void);                         /* after the last session; may be NULL */
};

int service_run(const struct service *, int argc, char **argv);

/* Facts of this process, set before prepare(). */
struct service_facts {
	const char *name;              /* -n: the service's name in master.cf: "submission", "lmtp", "127.0.0.1:10025" */
	const char *config_directory;
	const char *program;           /* "smtpd" */
	const char *tag;               /* log tag: "postfix/submission/smtpd" */
	int         sessions, tasks;   /* -m, -k */
	int         argc;              /* the program's own arguments: pipe(8), spawn(8) */
	char      **argv;
	bool        root;              /* started as root: roles are real */
	bool        checks;            /* --check, perhaps beside a running system: prepare() says what is wrong, and changes nothing */
	struct main_cf *main_cf;
};
extern const struct service_facts *const service;

bool service_stopping(void);           /* told to stop, or master is gone */
int  service_stop_fd(void);            /* readable when service_stopping(): for poll() */
bool service_ending(void);             /* the whole system stops: a session that only waits must end */
int  service_end_fd(void);             /* for poll(): SERVICE_END_EVENT when service_ending() */
#ifdef POLLRDHUP
enum { SERVICE_END_EVENT = POLLRDHUP };
#else
enum { SERVICE_END_EVENT = POLLHUP };
#endif
/* Type "pass": what came with this task's client (ipc/hand_over.h), or "". */
const char *service_passed(void);
struct table;
void service_watch_table(struct table *);  /* when table_changed(): drain, exit, be replaced */
int  service_session_count(void);
/* SERVE_TASKS: this session goes on after serve() has returned, until somebody calls
 * service_session_over() for it. False: the process serves one at a time and makes no threads; serve() is the session. */
bool service_session_keep(void);
bool service_makes_threads(void);
void service_session_over(void);
/* Such a session is one of this task from now on: serve() is as one that was just accepted. */
WAITS void service_session_again(void (*serve)(void *), void *given);
/* One more path below which the sandbox lets it read, with MAY_READ or MAY_NAME: before it closes. NULL
 * and "" are fine. */
void service_may_read(const char *path);

#endif
