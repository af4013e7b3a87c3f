/* SPDX-License-Identifier: ISC */
/*
 * log.h - one line a decision, in Postfix's shapes
 *
 * log_open names the program ("postfix/smtpd") and says where lines go: a
 * datagram descriptor (postlogd; a full or dead one loses the line and stops
 * nothing), else standard error.  Bytes that are not printable UTF-8 are
 * escaped as '?' and a line is cut at LOG_LINE_MAX: remote text is harmless.
 *
 * A datagram is "<priority>TIME_US NAME[PID]: text" with priority as in
 * syslog(3): mail facility.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>

#include "base/span.h"
#include "base/text.h"

enum { LOG_LINE_MAX = 2000 };
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_PANIC };

void log_open(const char *name, int datagram_fd);   /* -1: standard error; the name is copied */
void log_also_stderr(bool);                         /* commands: to both */
void log_rename(const char *name);                  /* goes on in the same place under another name; copied */
const char *log_name(void);
void log_as(const char *program);                   /* this task speaks as postfix/PROGRAM (not copied); NULL ends it */

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));   /* "warning: ..." */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));     /* "error: ..." */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* exit 1 */
void log_at(enum log_level, const char *format, va_list) __attribute__((format(printf, 2, 0)));
void log_verbose(int level);                        /* > 0 lets log_debug through */

/* Adds `in` to `out` as it may stand in a log line. */
void log_escape(struct span in, struct text *out);

#endif
