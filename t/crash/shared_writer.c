/* SPDX-License-Identifier: ISC */
/*
 * shared_writer.c - writes what t/crash/shared_files.py kills it at
 *
 *   shared_writer seen DIRECTORY FROM TO     \Seen of UIDs FROM ... TO, one by one (store/seen.h)
 *   shared_writer dict DIRECTORY MAILDIR     who shares, as al's files say (store/acl_shared.h)
 *
 * Each step that is durable is said on standard output, at once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/acl_shared.h"
#include "store/seen.h"

enum { VALIDITY = 7 };

static int
write_seen(int dir, uint32_t from, uint32_t to, struct fault *why)
{
	struct seen s;
	int         result;

	seen_start(&s, dir, "origin", "guid", "");
	result = seen_refresh(&s, VALIDITY, why);
	for (uint32_t uid = from; result == 0 && uid <= to; uid++) {
		result = seen_change(&s, &uid, 1, true, true, why);
		if (result == 0)
			printf("%u\n", uid);
	}
	seen_free(&s);
	return result;
}

static int
write_dict(int dir, const char *mail, struct fault *why)
{
	struct maildir *m = NULL;
	int             result = maildir_open(mail, 0, &m, why);

	if (result == 0)
		result = acl_shared_update(dir, "shared", m, "al", why);
	if (result == 0)
		printf("done\n");
	maildir_close(m);
	return result;
}

int
main(int argc, char **argv)
{
	struct fault why = {0};
	int          dir, result = -1;

	log_open("shared_writer", -1);
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc < 4 || (dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		log_fatal("usage: shared_writer seen DIRECTORY FROM TO | dict DIRECTORY MAILDIR");
	if (strcmp(argv[1], "seen") == 0 && argc == 5)
		result = write_seen(dir, (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10), &why);
	else if (strcmp(argv[1], "dict") == 0)
		result = write_dict(dir, argv[3], &why);
	if (result < 0)
		log_error("%s", fault_text(&why));
	return result < 0;
}
