/* SPDX-License-Identifier: ISC */
/*
 * status_filter.h - *_delivery_status_filter: another status for what became of a recipient
 *
 * The key is "5.1.1 text", the value the same anew. 4 and 5 may be changed for one another; success
 * stays success. A table that cannot be asked changes nothing.
 */
#ifndef LOCAL_STATUS_FILTER_H
#define LOCAL_STATUS_FILTER_H

#include "config/list.h"
#include "ipc/deliver.h"

int status_filter_open(const struct list *tables, const char *parameter, struct fault *);     /* before the sandbox */
/* The new status points into `value` and `dsn`. */
void status_filter(struct deliver_status *, struct text *value, char dsn[16]);

#endif
