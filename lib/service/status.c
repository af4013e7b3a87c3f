/* SPDX-License-Identifier: ISC */
/*
 * status.c - the talk with master on descriptor 3
 *
 * master says one thing only, "stop": take no more, finish what you have. So
 * nobody reads the socket: that it is readable is the message, for every
 * thread and every forked child at once. Its end of file says more: the whole
 * system ends (or master is dead), and sessions that only wait end too.
 */
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "service/service_private.h"

int stop_fd = STATUS_FD;
int (*session_count)(void);

void
status_send(const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	(void)!send(STATUS_FD, line.at, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool
status_told(void)
{
	struct pollfd p = {.fd = STATUS_FD, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

bool
service_stopping(void)
{
	return status_told();
}

bool
service_ending(void)
{
	struct pollfd p = {.fd = STATUS_FD, .events = SERVICE_END_EVENT};

	return poll(&p, 1, 0) > 0 && p.revents & (SERVICE_END_EVENT | POLLHUP);
}

int
service_end_fd(void)
{
	return STATUS_FD;
}

int
service_stop_fd(void)
{
	return stop_fd;
}

int
service_session_count(void)
{
	return session_count ? session_count() : 0;
}
