/* SPDX-License-Identifier: ISC */
/*
 * faults.h - every error of the configuration, told together
 *
 * Reading the configuration does not stop at the first error: each is added
 * here as one finished sentence that starts with "file, line N: " where a
 * place is known.  Warnings stop nothing.  A zeroed struct is empty and valid.
 */
#ifndef CONFIG_FAULTS_H
#define CONFIG_FAULTS_H

#include "base/fault.h"

enum { FAULTS_MAX = 1000 };     /* what comes after is counted, not kept */

struct faults {
	char **error, **warning;    /* owned sentences */
	int    errors, warnings;
};

void faults_add(struct faults *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void faults_warn(struct faults *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void faults_log(const struct faults *);      /* log_warning and log_error, one a line */
int  faults_first(const struct faults *, struct fault *why);  /* -1 and the first error, or 0 */
void faults_free(struct faults *);

#endif
