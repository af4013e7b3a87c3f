/* SPDX-License-Identifier: ISC */
/*
 * clock.h - time: a monotonic clock for deadlines, the wall clock for mail
 *
 * Deadlines are clock_now() milliseconds; CLOCK_NEVER waits for ever.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_now(void);                 /* ms, monotonic */
int64_t clock_wall(void);                /* us since 1970 */
int64_t clock_after(int64_t ms);         /* clock_now() + ms, or CLOCK_NEVER */
int     clock_left(int64_t deadline);    /* ms for poll(): 0 gone, -1 for ever */

#endif
