/* SPDX-License-Identifier: ISC */
/*
 * fault.c - reasons, by value
 */
#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
fault_set(struct fault *f, enum fault_class class, const char *format, ...)
{
	va_list args;

	if (!f)
		return -1;
	f->class = class;
	f->error = 0;
	va_start(args, format);
	vsnprintf(f->reason, sizeof f->reason, format, args);
	va_end(args);
	return -1;
}

int
fault_errno(struct fault *f, const char *format, ...)
{
	int     error = errno;
	va_list args;
	char    what[256];

	if (!f)
		return -1;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	f->class = FAULT_SYSTEM;
	f->error = error;
	snprintf(f->reason, sizeof f->reason, "%s: %s", what, strerror(error));
	errno = error;
	return -1;
}

int
fault_prefix(struct fault *f, const char *format, ...)
{
	va_list args;
	char    before[200], all[sizeof f->reason + sizeof before + 2];

	if (!f)
		return -1;
	va_start(args, format);
	vsnprintf(before, sizeof before, format, args);
	va_end(args);
	snprintf(all, sizeof all, "%s: %s", before, f->reason);
	memcpy(f->reason, all, sizeof f->reason - 1);
	f->reason[sizeof f->reason - 1] = '\0';
	return -1;
}

void
fault_clear(struct fault *f)
{
	*f = (struct fault){0};
}

const char *
fault_text(const struct fault *f)
{
	return f->reason[0] ? f->reason : "no reason given";
}
