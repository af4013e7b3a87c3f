/* SPDX-License-Identifier: ISC */
/*
 * postmulti.h - what the files of postmulti share
 */
#ifndef CMD_POSTMULTI_H
#define CMD_POSTMULTI_H

#include <stdbool.h>

struct instance {
	const char *directory, *name, *group, *queue_directory, *data_directory;
	bool        enabled;
};

/*
 * Removes what the system has made for an instance: queue, data, main.cf and master.cf, and
 * directories that are empty then.  Ends the program, with nothing removed, when it runs or
 * when its queue holds mail.
 */
void instance_destroy(const struct instance *);

#endif
