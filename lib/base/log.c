/* SPDX-License-Identifier: ISC */
/*
 * log.c - formatting a line and handing it on
 *
 * The name and the descriptor are set before the first task and only read
 * afterwards, so no lock is needed: one sendto() is one line.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
	char name[128];
	int  fd;
	bool also_stderr;
	int  verbose;
} sink = {.name = "postern", .fd = -1};

void
log_open(const char *name, int datagram_fd)
{
	snprintf(sink.name, sizeof sink.name, "%s", name);
	sink.fd = datagram_fd;
}

void
log_rename(const char *name)
{
	snprintf(sink.name, sizeof sink.name, "%s", name);
}

void
log_also_stderr(bool yes)
{
	sink.also_stderr = yes;
}

void
log_verbose(int level)
{
	sink.verbose = level;
}

static _Thread_local const char *speaks_as;

void
log_as(const char *program)
{
	speaks_as = program;
}

/* "postfix/submission/smtpd" with its last part exchanged */
static void
add_name(struct text *out)
{
	struct span name = span_of(sink.name);

	if (speaks_as)
		name = span_first(name, (size_t)(span_find_last(name, '/') + 1));
	text_add(out, name);
	text_add_string(out, speaks_as ? speaks_as : "");
}

const char *
log_name(void)
{
	return sink.name;
}

/* Length of a well-formed UTF-8 sequence at the front (RFC 3629, 4), or 0. */
static size_t
utf8_length(struct span s)
{
	unsigned char a = (unsigned char)s.at[0];
	size_t        len = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
	unsigned long value = a & (0xffu >> (len + 1));

	if (a < 0xc2 || a > 0xf4 || s.len < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		unsigned char b = (unsigned char)s.at[i];

		if ((b & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (b & 0x3f);
	}
	if ((len == 3 && value < 0x800) || (len == 4 && value < 0x10000) ||
	    (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff ||
	    (value >= 0x80 && value < 0xa0))
		return 0;
	return len;
}

void
log_escape(struct span in, struct text *out)
{
	while (in.len) {
		unsigned char c = (unsigned char)in.at[0];
		size_t        len = 1;

		if (c >= 0x80 && (len = utf8_length(in)) > 0) {
			text_add(out, span_first(in, len));
		} else {
			text_add_byte(out, c >= 0x20 && c < 0x7f ? (char)c : '?');
			len = 1;
		}
		in = span_from(in, len);
	}
}

static int
priority(enum log_level level)
{
	static const int of[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_CRIT};

	return LOG_MAIL | of[level];
}

static const char *
word(enum log_level level)
{
	static const char *const of[] = {"", "", "warning: ", "error: ", "fatal: ", "panic: "};

	return of[level];
}

/* A queue of datagrams may hold ten (Linux): a burst waits for the logger, for as long as it takes lines at all. */
enum { FULL_WAIT_MS = 100, FULL_REST_MS = 1000, FULL_TRIES = 1000 };

static _Atomic int64_t full_until;

static void
hand_on(struct span line)
{
	for (int tries = 0; tries < FULL_TRIES && send(sink.fd, line.at, line.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0; tries++) {
		struct pollfd p = {.fd = sink.fd, .events = POLLOUT};

		if (errno == EINTR)
			continue;
		if ((errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) || clock_now() < full_until)
			return; /* a dead or full logger loses lines, never mail */
		if (poll(&p, 1, FULL_WAIT_MS) == 0)
			full_until = clock_now() + FULL_REST_MS;
	}
}

void
log_at(enum log_level level, const char *format, va_list args)
{
	autotext struct text raw = {0}, line = {0};
	int                  error = errno;

	text_add_args(&raw, format, args);
	text_add_format(&line, "<%d>%lld ", priority(level), (long long)clock_wall());
	add_name(&line);
	text_add_format(&line, "[%ld]: %s", (long)getpid(), word(level));
	log_escape(span_first(text_span(&raw), LOG_LINE_MAX), &line);
	if (sink.fd >= 0)
		hand_on(text_span(&line));
	errno = error;
	if (sink.fd < 0 || sink.also_stderr) {
		ptrdiff_t start = span_find(text_span(&line), ' ');
		struct span shown = span_from(text_span(&line), (size_t)start + 1);

		if (sink.also_stderr) { /* a command: "postmap: fatal: ..." */
			start = span_find_text(shown, SPAN("]: "));
			shown = span_from(shown, (size_t)start + 3);
			fprintf(stderr, "%s: ", strrchr(sink.name, '/') ? strrchr(sink.name, '/') + 1 : sink.name);
		}
		fprintf(stderr, "%.*s\n", SPAN_ARGS(shown));
	}
	errno = error;
}

#define LOG_LEVEL(level, format)                                               \
	do {                                                                   \
		va_list args_;                                                 \
		va_start(args_, format);                                       \
		log_at(level, format, args_);                                  \
		va_end(args_);                                                 \
	} while (0)

void
log_info(const char *format, ...)
{
	LOG_LEVEL(LOG_LEVEL_INFO, format);
}

void
log_debug(const char *format, ...)
{
	if (sink.verbose > 0)
		LOG_LEVEL(LOG_LEVEL_DEBUG, format);
}

void
log_warning(const char *format, ...)
{
	LOG_LEVEL(LOG_LEVEL_WARNING, format);
}

void
log_error(const char *format, ...)
{
	LOG_LEVEL(LOG_LEVEL_ERROR, format);
}

void
log_fatal(const char *format, ...)
{
	LOG_LEVEL(LOG_LEVEL_FATAL, format);
	exit(1);
}

#ifdef POSTERN_SANITIZER
/* A daemon has no standard error: what the sanitizers find would be seen by nobody. Leaks are looked for by hand:
 * the finder traces its own process, which set-gid programs and children that changed their uid may not do (FACTS.md 2). */
const char *__asan_default_options(void);
void __asan_set_error_report_callback(void (*)(const char *)) __attribute__((weak));
void __ubsan_on_report(void);
void __ubsan_get_current_report_data(const char **kind, const char **message, const char **file, unsigned *line,
                                     unsigned *column, char **address) __attribute__((weak));
void __tsan_on_report(void *report);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void
tell_report(const char *report)
{
	struct span rest = span_of(report), line;

	while (span_split(&rest, '\n', &line) || line.len)
		log_error("sanitizer: %.*s", SPAN_ARGS(line));
}

void
__ubsan_on_report(void)
{
	const char *kind, *message, *file;
	unsigned    line, column;
	char       *address;

	__ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
	log_error("sanitizer: %s:%u:%u: %s", file, line, column, message);
}

void
__tsan_on_report(void *report)
{
	(void)report;
	log_error("sanitizer: a data race");
}

__attribute__((constructor)) static void
hear_reports(void)
{
	if (__asan_set_error_report_callback)
		__asan_set_error_report_callback(tell_report);
}
#endif
