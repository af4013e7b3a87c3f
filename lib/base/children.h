/* SPDX-License-Identifier: ISC */
/*
 * children.h - many programs run, a few at the same time; they are heard in order
 *
 * become(with, i, out) is called in a process of its own: it turns into
 * program i, whose words go to the descriptor `out`, and does not return.
 * hear(with, i, said, status) is called here, for 0, 1, 2 ... in this order,
 * when that program is over: `said` is borrowed, `status` is waitpid's, or -1
 * when it could not be started.  Who is silent for longer than patience ms
 * (0: as long as it likes), or says more than limit bytes, is killed.
 *
 * For commands and for the check of a configuration: it waits, and knows no
 * deadline for the whole.
 */
#ifndef BASE_CHILDREN_H
#define BASE_CHILDREN_H

#include <stddef.h>

#include "base/span.h"

struct children {
	size_t count, limit;
	int    patience;
	void  *with;
	void (*become)(void *with, size_t i, int out);
	void (*hear)(void *with, size_t i, struct span said, int status);
};

void children_run(const struct children *);

#endif
