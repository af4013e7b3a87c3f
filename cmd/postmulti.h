/* SPDX-License-Identifier: ISC */
/*
 * postmulti.h - what the files of postmulti share
 *
 * The instances are read once: the primary is the first, then those that its
 * multi_instance_directories names, in order.
 */
#ifndef CMD_POSTMULTI_H
#define CMD_POSTMULTI_H

#include <stdbool.h>
#include <stddef.h>

struct main_cf;

struct instance {
	const char *directory, *name, *group, *queue_directory, *data_directory;
	bool        enabled, primary;
};

struct instances {
	struct instance *one;
	size_t           count;
	struct main_cf  *primary;
	const char      *command_directory, *daemon_directory;
};

/* What the command line said. */
struct multi_wish {
	const char *action;                    /* of -e */
	const char *name, *group;              /* -i, -g */
	const char *new_name, *new_group;      /* -I, -G; "-": none */
	bool        all, backwards;            /* -a, -R */
	char        what;                      /* e l p x */
};

extern const char *const multi_actions[];      /* NULL ended */

/* Borrowed by the instance; main.cf is read, and its faults are warnings. */
struct main_cf *instance_read(const char *directory, struct instance *);

/* Runs a command with MAIL_CONFIG of the instance: its exit status as a shell says it. */
int instance_run(const struct instances *, const struct instance *, char **words);

/* Is it selected by -i, -g or -a? */
bool multi_selects(const struct multi_wish *, const struct instance *);

/* postmulti_edit.c: -e, with the words behind the options.  Ends the program when it cannot. */
int multi_edit(const struct instances *, const struct multi_wish *, char **words);

/*
 * Removes what the system has made for an instance: queue, data, main.cf and master.cf, and
 * directories that are empty then.  Ends the program, with nothing removed, when it runs or
 * when its queue holds mail.
 */
void instance_destroy(const struct instance *);
bool instance_is_running(const struct instance *);

#endif
