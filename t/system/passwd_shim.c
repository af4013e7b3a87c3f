/* SPDX-License-Identifier: ISC */
/*
 * passwd_shim.c - a password file of the test's own, by LD_PRELOAD
 *
 * The users of the file that TEST_PASSWD names exist; the machine's do too.
 * For tests that need users with homes which they may ruin.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int
find(const char *name, uid_t uid, struct passwd *out, char *room, size_t size)
{
	const char *path = getenv("TEST_PASSWD");
	FILE       *f = path ? fopen(path, "re") : NULL;
	char        line[1024];
	int         found = 0;

	while (f && !found && fgets(line, sizeof line, f)) {
		char *part[7] = {0}, *rest = line;

		line[strcspn(line, "\n")] = 0;
		for (int i = 0; i < 7; i++)
			part[i] = strsep(&rest, ":");
		if (!part[6] || (name ? strcmp(part[0], name) != 0 : (uid_t)strtoul(part[2], NULL, 10) != uid))
			continue;
		if (size < sizeof line)
			break;
		memcpy(room, line, sizeof line);
		*out = (struct passwd){.pw_name = room + (part[0] - line), .pw_passwd = room + (part[1] - line),
			.pw_uid = (uid_t)strtoul(part[2], NULL, 10), .pw_gid = (gid_t)strtoul(part[3], NULL, 10),
			.pw_gecos = room + (part[4] - line), .pw_dir = room + (part[5] - line),
			.pw_shell = room + (part[6] - line)};
		found = 1;
	}
	if (f)
		fclose(f);
	return found;
}

int
getpwnam_r(const char *name, struct passwd *out, char *room, size_t size, struct passwd **result)
{
	int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) = dlsym(RTLD_NEXT, "getpwnam_r");

	if (find(name, 0, out, room, size)) {
		*result = out;
		return 0;
	}
	return real(name, out, room, size, result);
}

int
getpwuid_r(uid_t uid, struct passwd *out, char *room, size_t size, struct passwd **result)
{
	int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **) = dlsym(RTLD_NEXT, "getpwuid_r");

	if (find(NULL, uid, out, room, size)) {
		*result = out;
		return 0;
	}
	return real(uid, out, room, size, result);
}
