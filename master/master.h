/* SPDX-License-Identifier: ISC */
/*
 * master.h - what the files of master share
 *
 * A *job* is what we know about a command of master.cf.  A *post* is one line
 * of master.cf (or a service of our own that it does not name), manned by one
 * or more *processes*; an *endpoint* is a socket at which it is asked.  A
 * *plan* is all posts of one reading of the configuration.
 */
#ifndef MASTER_H
#define MASTER_H

#include <sys/types.h>

#include "base/strmap.h"
#include "config/faults.h"
#include "config/main_cf.h"
#include "config/master_cf.h"
#include "net/address.h"

/* The order in which processes are told to stop: who asks leaves before who is
 * asked, so that a transaction can end. */
enum rank { RANK_EDGE, RANK_QUEUE, RANK_AGENT, RANK_SUBMIT, RANK_GUARD, RANK_LOG, RANKS };

enum job_flags {
	JOB_NOTHING = 1,     /* done elsewhere here: accepted, no process */
	JOB_GUARD   = 2,     /* peers keep connections: maxproc counts processes, not sessions */
	JOB_STREAM  = 4,     /* its Unix sockets are byte streams */
	JOB_ALONE   = 8,     /* never two of it: a new one waits until the old one is gone */
	JOB_LAZY    = 16     /* started when first asked: stock files name commands of users that are not there */
};

struct job {
	const char *command;              /* in master.cf */
	const char *program, *instead;    /* file in daemon_directory; when that is not there */
	enum rank   rank;
	unsigned    flags;
};
const struct job *job_find(const char *command);      /* NULL: not one of ours */

enum endpoint_kind {
	ENDPOINT_INET, ENDPOINT_RECORDS, ENDPOINT_STREAM, ENDPOINT_DATAGRAM,
	ENDPOINT_LOG,                     /* our end of everybody's log socket */
	ENDPOINT_FIFO                     /* master reads it itself: a byte there wakes the post (wake.c) */
};

struct endpoint {
	enum endpoint_kind kind;
	char              *label;         /* "smtp", "private/local" */
	char              *path;          /* below queue_directory; NULL: inet, log */
	bool               yields;        /* somebody else may listen there already: leave it to him */
	struct net_address address;
	int                fd;            /* -1: not open */
};

struct description {                      /* from the program's --describe */
	char       *role, *model;
	int         tasks;
	struct list asks;
	unsigned    known;
	char       *trouble;              /* why there is none */
};

struct process {
	pid_t   pid;
	int     status;                   /* socket to it */
	int     slot;                     /* whose share of the sessions it has */
	int     quota;                    /* sessions that it may have; when it leaves: those that it still has */
	bool    ready, busy, leaving, old;
	bool    told;                     /* to stop */
	bool    told_end;                 /* that the whole system stops */
	int64_t since;                    /* of being ready, clock_now() */
	int64_t started;
};

struct post {
	char              *name;
	enum master_type   type;
	const char        *command;
	const struct job  *job;
	char              *program;       /* path */
	char              *place;         /* "master.cf, line 7: " */
	struct list        options, arguments;
	int                verbose, wakeup;
	bool               wakeup_if_used;
	struct description is;
	struct endpoint   *endpoint;
	size_t             n_endpoints;
	int                sessions, tasks, processes;   /* limits: all, one process's, how many */

	struct process    *process;
	size_t             n_processes;
	int                failures;      /* in a row, before anything worked */
	int64_t            retry_at;      /* throttled until; 0: not */
	int64_t            next_wakeup, warned_at;
	bool               settled;       /* was ready once, or failed: start need not wait */
	bool               was_ready;
	bool               asked;         /* JOB_LAZY: somebody waits at its socket */
};

struct plan {
	struct main_cf   *cf;
	struct master_cf *lines;
	struct post     **post;
	size_t            count;
};

/* plan.c: all errors go to faults; what could be read is in the plan. */
void plan_read(const char *directory, struct plan *, struct faults *);
struct endpoint *plan_endpoint(const struct plan *, const char *name);   /* by the last part of its path */

/* describe.c */
void describe_programs(const struct list *paths, struct strmap *answers);      /* by path; to be freed */

/* directories.c: makes or checks what is below queue_directory, and users.  Only who `claim`s the queue (holds its lock) gives
 * directories that are there their owner and mode. */
int directories_make(const struct plan *, bool claim, struct faults *);
int users_check(const struct plan *, struct faults *);
int directories_link(const struct plan *, struct faults *);   /* sockets into the roles' roots */

/* listen.c */
int  endpoint_add_inet(struct post *, const struct master_row *, struct fault *);
void endpoint_add(struct post *, enum endpoint_kind, const char *path, bool yields);
void endpoints_open(struct plan *, struct plan *before, struct faults *);
void endpoints_close(struct plan *);            /* those still open; sockets in the file system go too */

/* wake.c */
void post_wake(struct post *);                  /* a trigger to each of its sockets, of any kind */
void post_take_triggers(struct post *);         /* what came to its FIFO */

/* child.c */
struct environment {
	const char *config_directory;
	int         log_fd;
	bool        foreground;
	bool        inherits;                     /* the master before was killed */
};
extern struct environment environment;
int  child_share(const struct post *, int slot);     /* sessions of the process in that slot */
int  child_start(struct post *, int slot, int quota, bool may_leave, struct fault *);
void child_tell_end(struct process *);
void child_tell_stop(struct process *);
/* One record from a process: false at its end of file. */
bool child_listen(struct post *, struct process *, void (*fault)(struct post *, const char *));

/* check.c: runs each program with --check; its complaints become faults. */
void check_programs(const struct plan *, struct faults *);

#endif
