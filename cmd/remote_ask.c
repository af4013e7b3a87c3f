/* SPDX-License-Identifier: ISC */
/*
 * remote_ask.c - a command asks tables that a server answers
 */
#include "cmd/remote_ask.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "ipc/peer.h"
#include "table/table.h"

enum { STATUS, LOG, LISTENER, SOCKETS, FIRST_PLACE = 3, AWAY = 100 };      /* as in service.h */

static char **named;
static size_t n_named;
static const char *configuration;
static int    status = -1;          /* to proxymap, kept open: it ends with us */

/* Which tables it is to open: an option of master.cf's kind, of no parameter's name. */
static char *
option(void)
{
	autotext struct text all = {0};

	text_add_string(&all, "postmap_tables=");
	for (size_t i = 0; i < n_named; i++) {
		struct span spec = span_of(named[i]);

		while (span_starts(spec, "proxy:"))
			spec = span_from(spec, 6);
		text_add(&all, spec);
		text_add_byte(&all, ' ');
	}
	return mem_string(all.at);
}

static int
listen_in(const char *directory, struct fault *why)
{
	autofree char     *path = mem_format("%s/proxymap", directory);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	autoclose int      fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (fd < 0 || strlen(path) >= sizeof to.sun_path)
		return fault_errno(why, "socket");
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 5) < 0)
		return fault_errno(why, "%s", path);
	return take_fd(fd);
}

static _Noreturn void
become_proxymap(const int *socket)
{
	autofree char *path = mem_format("%s/proxymap", site.daemon_directory), *tables = option();
	autofree char *directory = mem_string(configuration);
	char          *words[] = {path, "-n", "proxymap", "-t", "unix", "-c", directory, "-s", "private/proxymap", "-m", "10",
	                          "-k", "10", "-o", tables, NULL};

	for (int i = 0; i < SOCKETS; i++)
		dup2(socket[i], AWAY + i);
	for (int i = 0; i < SOCKETS; i++) {
		dup2(AWAY + i, FIRST_PLACE + i);
		close(AWAY + i);
	}
	execv(path, words);
	_exit(127);
}

static int
await_ready(const char *path, struct fault *why)
{
	char    said[1000];
	ssize_t got = recv(status, said, sizeof said, 0);

	if (got >= 5 && memcmp(said, "ready", 5) == 0)
		return 0;
	if (got > 6 && memcmp(said, "fault ", 6) == 0)
		return fault_set(why, FAULT_SYSTEM, "proxymap: %.*s", (int)got - 6, said + 6);
	return fault_set(why, FAULT_SYSTEM, "%s/proxymap could not be started", path);
}

static int
start(const char *directory, struct fault *why)
{
	int pair[2], log[2], given[SOCKETS];

	given[LISTENER] = listen_in(directory, why);
	if (given[LISTENER] < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, log) < 0)
		return fault_errno(why, "socketpair");
	given[STATUS] = pair[1];
	given[LOG] = log[1];         /* nobody reads it: what matters comes with the answer */
	switch (fork()) {
	case -1: return fault_errno(why, "fork");
	case 0:  become_proxymap(given);
	}
	for (int i = 0; i < SOCKETS; i++)
		close(given[i]);
	status = pair[0];
	return await_ready(site.daemon_directory, why);
}

/* One connection is made and kept; the socket's name can go at once. */
static int
begin(struct fault *why)
{
	char           directory[] = "/tmp/postmap.XXXXXX";
	autofree char *path = NULL;
	int            sock, outcome;

	if (!mkdtemp(directory))
		return fault_errno(why, "%s", directory);
	peer_directory(directory);
	path = mem_format("%s/proxymap", directory);
	outcome = start(directory, why);
	if (outcome == 0 && (outcome = peer_take("proxymap", clock_after(ASK_TABLE_MS), &sock, why)) == 0)
		peer_give("proxymap", sock);
	unlink(path);
	rmdir(directory);
	return outcome;
}

static int
ask(const char *spec, struct span key, struct text *value, struct fault *why)
{
	if (status < 0 && begin(why) < 0)
		return -1;
	return ask_table_find(spec, key, value, why);
}

void
remote_ask_use(char **specs, size_t count, const char *config_directory)
{
	named = specs;
	n_named = count;
	configuration = config_directory;
	table_use_remote(ask);
}
