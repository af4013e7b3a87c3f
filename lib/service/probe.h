/* SPDX-License-Identifier: ISC */
/*
 * probe.h - does the kernel keep what the promises say? (--probe)
 */
#ifndef SERVICE_PROBE_H
#define SERVICE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

struct service;
struct probe_act {
	const char *name;
	unsigned    by, unsaid;      /* promises */
	bool      (*act)(void);
};

int    probe_run(const struct service *, void (*close_in)(void));

/* From the system's own sandbox file: acts that only it knows, and whether a
 * program with these promises is confined at all. */
size_t sandbox_acts(const struct probe_act **);
bool   sandbox_confines(unsigned promises);

#endif
