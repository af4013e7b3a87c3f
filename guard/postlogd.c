/* SPDX-License-Identifier: ISC */
/*
 * postlogd.c - writes everybody's lines to the log file, or to the system logger
 *
 * A record is what lib/base/log.c sends: "<priority>TIME_US NAME[PID]: text".
 * The file gets "Nov 20 13:37:00 host NAME[PID]: text", as Postfix writes it.
 * The system logger gets the same by its datagram socket, which stays open in
 * the role's root: syslog(3) loses lines without an error once its connection
 * is gone (FACTS.md 2).  When the logger was restarted its name is out of our reach: the
 * line goes back to the end of the queue and we leave; the next postlogd connects before its
 * root changes.  Meanwhile lines wait in the log socket; what that cannot hold is dropped: mail goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "service/service.h"

enum { LOG_FD = 4, RECORD_MAX = 8192, BATCH = 64 * 1024, RECONNECT_MS = 3000 };

static struct config {
	struct list prefixes, loggers;
	int         permissions;
} config;

static const struct param params[] = {
	LIST("maillog_file_prefixes", &config.prefixes, "/var, /dev/stdout", "where maillog_file may be"),
	CHOICE("maillog_file_permissions", &config.permissions, "0600", "0600 0640 0644", "mode of a new log file"),
	LIST("postlogd_syslog_sockets", &config.loggers, "/dev/log, /var/run/log", "where the system logger listens: the first that answers"),
	END_OF_PARAMS
};

static struct {
	int         file;               /* -1: the system logger */
	int         syslog;             /* its socket; -1: it does not answer */
	int         facility;
	int64_t     retry_at;
	char        host[256];
	struct text batch;
} sink = {.file = -1, .syslog = -1, .facility = LOG_MAIL};

static const struct { const char *name; int value; } facilities[] = {
	{"mail", LOG_MAIL}, {"daemon", LOG_DAEMON}, {"user", LOG_USER}, {"auth", LOG_AUTH},
	{"authpriv", LOG_AUTHPRIV}, {"syslog", LOG_SYSLOG}, {"news", LOG_NEWS}, {"uucp", LOG_UUCP},
	{"cron", LOG_CRON}, {"kern", LOG_KERN}, {"lpr", LOG_LPR}, {"local0", LOG_LOCAL0},
	{"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
	{"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
};

static int
find_facility(struct fault *why)
{
	for (size_t i = 0; i < COUNT(facilities); i++)
		if (strcasecmp(facilities[i].name, site.syslog_facility) == 0) {
			sink.facility = facilities[i].value;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "syslog_facility: unknown: %s", site.syslog_facility);
}

static bool
is_below_prefix(const char *path)
{
	for (size_t i = 0; i < config.prefixes.count; i++) {
		size_t len = strlen(config.prefixes.item[i]);

		if (strncmp(path, config.prefixes.item[i], len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return true;
	}
	return false;
}

static int
open_file(const char *path, struct fault *why)
{
	static const mode_t modes[] = {0600, 0640, 0644};
	mode_t              before;

	if (!is_below_prefix(path))
		return fault_set(why, FAULT_DENIED, "maillog_file %s is not below any of maillog_file_prefixes", path);
	if (strcmp(path, "/dev/stdout") == 0)
		sink.file = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	else {
		before = umask(0);
		sink.file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, modes[config.permissions]);
		umask(before);
	}
	if (sink.file < 0)
		return fault_errno(why, "open maillog_file %s", path);
	return 0;
}

static int
connect_one(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof to.sun_path)
		path = "";
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
connect_syslog(void)
{
	for (size_t i = 0; i < config.loggers.count && sink.syslog < 0; i++)
		sink.syslog = connect_one(config.loggers.item[i]);
	sink.retry_at = clock_after(RECONNECT_MS);
}

static int
prepare(struct fault *why)
{
	if (gethostname(sink.host, sizeof sink.host - 1) < 0 || !sink.host[0])
		snprintf(sink.host, sizeof sink.host, "localhost");
	sink.host[strcspn(sink.host, ".")] = '\0';
	if (find_facility(why) < 0)
		return -1;
	if (*site.maillog_file)
		return open_file(site.maillog_file, why);
	connect_syslog();
	return 0;
}

/* "<22>1700000000000000 postfix/smtpd[1]: text" */
static bool
record_parse(struct span record, int *priority, int64_t *when_us, struct span *rest)
{
	struct span number, line = record;
	uint64_t    n;

	if (!span_starts(line, "<"))
		return false;
	line = span_from(line, 1);
	if (!span_split(&line, '>', &number) || !span_number(number, &n) || n > 1023)
		return false;
	*priority = (int)n;
	if (!span_split(&line, ' ', &number) || !span_number(number, &n) || n > INT64_MAX)
		return false;
	*when_us = (int64_t)n;
	*rest = line;
	return line.len > 0;
}

static void
stamp(int64_t when_us, char *out, size_t size)
{
	time_t    seconds = (time_t)(when_us / 1000000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(out, size, "%b %e %H:%M:%S", &tm);
}

static void
to_syslog(int priority, const char *time_text, struct span line)
{
	autotext struct text record = {0};

	text_add_format(&record, "<%d>%s %.*s", (priority & LOG_PRIMASK) | sink.facility, time_text, SPAN_ARGS(line));
	if (send(sink.syslog, record.at, record.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE)
		return; /* dropped: mail does not wait for a logger */
	close(take_fd(sink.syslog));
}

static void
flush_batch(void)
{
	size_t at = 0;

	while (at < sink.batch.len) {
		ssize_t n = write(sink.file, sink.batch.at + at, sink.batch.len - at);

		if (n < 0 && errno != EINTR)
			break; /* a full disk loses lines, not mail */
		at += n > 0 ? (size_t)n : 0;
	}
	text_clear(&sink.batch);
}

static void
take_record(struct span record)
{
	char                 time_text[32];
	int                  priority;
	int64_t              when;
	struct span          rest;
	autotext struct text line = {0};

	if (!record_parse(record, &priority, &when, &rest))
		return; /* any member of setgid_group may send: not worth a line */
	log_escape(rest, &line);
	stamp(when, time_text, sizeof time_text);
	if (sink.file < 0) {
		if (sink.syslog >= 0)
			to_syslog(priority, time_text, text_span(&line));
		if (sink.syslog < 0)
			(void)!send(LOG_FD, record.at, record.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	text_add_format(&sink.batch, "%s %s %.*s\n", time_text, sink.host, SPAN_ARGS(text_span(&line)));
	if (sink.batch.len >= BATCH)
		flush_batch();
}

static bool
has_sink(void)
{
	return sink.file >= 0 || sink.syslog >= 0;
}

/* All that waits now. */
static bool
drain(int fd, char *room)
{
	bool    any = false;
	ssize_t n;

	while (has_sink() && (n = recv(fd, room, RECORD_MAX, MSG_DONTWAIT)) > 0) {
		take_record(span_at(room, (size_t)n));
		any = true;
	}
	return any;
}

static int
run(const struct listener *listeners, size_t count, struct fault *why)
{
	autofree char          *room = mem_alloc(RECORD_MAX);
	autofree struct pollfd *p = mem_array(count + 1, sizeof *p);
	bool                    stopping = false, any;

	(void)why;
	do {
		for (size_t i = 0; i < count; i++)
			p[i] = (struct pollfd){.fd = has_sink() ? listeners[i].fd : -1, .events = POLLIN};
		p[count] = (struct pollfd){.fd = service_stop_fd(), .events = POLLIN};
		if (!stopping)
			poll(p, (nfds_t)count + 1, has_sink() ? -1 : clock_left(sink.retry_at));
		stopping = service_stopping();
		if (!has_sink() && clock_left(sink.retry_at) == 0)
			return 0; /* the next one finds the logger, or waits as we did */
		any = false;
		for (size_t i = 0; i < count; i++)
			any |= drain(listeners[i].fd, room);
		if (sink.batch.len)
			flush_batch();
	} while (!stopping || any);
	return 0;
}

static const char *const writes[] = {"/dev/log", NULL};

static const struct service postlogd = {
	.name     = "postlogd",
	.about    = "writes the log lines of all programs to the log file or the system logger",
	.role     = ROLE_LOG,
	.model    = SERVE_ITSELF,
	.promises = MAY_ASK,
	.writes   = writes,
	.params   = params,
	.prepare  = prepare,
	.run      = run,
};

int
main(int argc, char **argv)
{
	return service_run(&postlogd, argc, argv);
}
