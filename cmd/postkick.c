/* SPDX-License-Identifier: ISC */
/*
 * postkick.c - sends a trigger to a service: postkick [-c dir] class service request
 *
 * class is private or public.  Programs that speak in records take the connection alone for "look now";
 * qmgr is told with frames (postqueue -f), so a request of F to it is that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/pages.h"
#include "config/site.h"
#include "ipc/queue_talk.h"

static int
kick_fifo(const char *path, const char *request)
{
	autoclose int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 || write(fd, request, strlen(request)) < 0 ? -1 : 0;
}

static int
kick(const char *path, const char *request)
{
	static const int   types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct stat        s;

	if (stat(path, &s) == 0 && S_ISFIFO(s.st_mode))
		return kick_fifo(path, request);
	if (strlen(path) >= sizeof to.sun_path)
		log_fatal("%s is too long", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	for (size_t i = 0; i < COUNT(types); i++) {
		autoclose int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
			continue;
		return types[i] == SOCK_SEQPACKET || send(fd, request, strlen(request), MSG_NOSIGNAL) >= 0 ? 0 : -1;
	}
	return -1;
}

static int
no_contact(char **words, const char *why)
{
	log_warning("Cannot contact class %s service %s - perhaps the mail system is down: %s", words[0], words[1], why);
	return 1;
}

int
main(int argc, char **argv)
{
	const char   *directory = NULL;
	struct faults faults = {0};
	struct fault  why = {0};
	int           letter;

	log_open("postkick", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "c:v")) > 0)
		if (letter == 'c')
			directory = optarg;
		else if (letter == '?')
			argc = 0;
	if (argc - optind != 3)
		log_fatal("%s", page_usage("postkick"));
	if (strcmp(argv[optind], "private") != 0 && strcmp(argv[optind], "public") != 0)
		return no_contact(argv + optind, "no such class");
	site_load(directory, &faults);
	autofree char *class = mem_format("%s/%s", site.queue_directory, argv[optind]);
	autofree char *path = mem_format("%s/%s", class, argv[optind + 1]);

	if (strcmp(argv[optind + 1], "qmgr") == 0 && strchr(argv[optind + 2], 'F')) {
		if (queue_flush(class, SPAN_NONE, SPAN_NONE, &why) < 0)
			return no_contact(argv + optind, fault_text(&why));
		return 0;
	}
	if (kick(path, argv[optind + 2]) < 0)
		return no_contact(argv + optind, strerror(errno));
	return 0;
}
