/* SPDX-License-Identifier: ISC */
/*
 * service_private.h - what the files of lib/service share
 */
#ifndef SERVICE_PRIVATE_H
#define SERVICE_PRIVATE_H

#include "config/list.h"
#include "service/service.h"

enum { STATUS_FD = 3, LOG_FD = 4, FIRST_LISTENER = 5 };

struct launch {                      /* the command line, and what came of it */
	const struct service *program;
	struct service_facts  facts;
	struct list           options;     /* "name=value" of -o */
	struct listener      *listener;    /* owned */
	size_t                n_listeners;
	bool                  describe, check, probe, may_leave;   /* -i: an idle process may end */
	int                   verbose;
	int64_t               max_idle;    /* ms */
	int64_t               max_served;  /* sessions, then be replaced */
};

int  arguments_parse(int argc, char **argv, struct launch *, struct fault *);
void describe_print(const struct service *);

/* To master; a lost or absent master is noticed elsewhere. */
void status_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool status_told(void);              /* "stop", or master is gone */

/* pass.c: -t, and the client that a connection to a service of type "pass" carries (-1: none). */
extern const char *service_type;
bool pass_is_used(void);
WAITS int pass_receive(int carrier);

/* The models. */
void tasks_prepare(struct launch *);
WAITS void tasks_serve(struct launch *);
WAITS void forks_serve(struct launch *);

/* True when a watched table has changed; NULL until one is watched, so that
 * programs without tables need not link lib/table. */
extern bool (*watch_changed)(void);

/* One connection off the listener: 0, 1 nothing there, -1 the system is short
 * of something: pause. */
int  listener_accept(const struct listener *, int *fd);
void listeners_close(struct launch *);       /* ours only: master keeps its own */

/* service_stop_fd() of a process with threads: readable too when it only wants
 * to be replaced. */
extern int stop_fd;
extern int (*session_count)(void);

#endif
