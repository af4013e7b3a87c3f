/* SPDX-License-Identifier: ISC */
/*
 * privilege.c - the only code that changes the uid
 */
#include "service/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "service/programs.h"

enum { NSS_ROOM = 65536 };

bool
privilege_is_root(void)
{
	return geteuid() == 0;
}

bool
privilege_try_root(void)
{
	return setuid(0) == 0;
}

static void
fill(struct identity *out, const struct passwd *pw)
{
	*out = (struct identity){.uid = pw->pw_uid, .gid = pw->pw_gid};
	snprintf(out->name, sizeof out->name, "%s", pw->pw_name);
	snprintf(out->home, sizeof out->home, "%s", pw->pw_dir ? pw->pw_dir : "/");
}

static int
find_number(struct span text, struct identity *out, struct fault *why)
{
	struct span rest = text, uid;
	uint64_t    u, g;
	bool        both = span_split(&rest, ':', &uid);

	if (!span_number(uid, &u) || u >= UINT32_MAX)
		return fault_set(why, FAULT_INPUT, "no such user: %.*s", SPAN_ARGS(text));
	g = u;
	if (both && (!span_number(rest, &g) || g >= UINT32_MAX))
		return fault_set(why, FAULT_INPUT, "bad group in %.*s", SPAN_ARGS(text));
	*out = (struct identity){.uid = (uid_t)u, .gid = (gid_t)g, .home = "/"};
	return 0;
}

int
identity_find(const char *name, struct identity *out, struct fault *why)
{
	autofree char *room = mem_alloc(NSS_ROOM);
	struct passwd  pw, *found = NULL;
	int            error;

	if (!*name)
		return fault_set(why, FAULT_INPUT, "no user name");
	if (ascii_digit(*name) && strchr(name, ':'))
		return find_number(span_of(name), out, why);
	error = getpwnam_r(name, &pw, room, NSS_ROOM, &found);
	if (found) {
		if (strlen(pw.pw_name) >= sizeof out->name || strlen(pw.pw_dir) >= sizeof out->home)
			return fault_set(why, FAULT_INPUT, "name or home of user %s is too long", name);
		fill(out, &pw);
		return 0;
	}
	if (error && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
		errno = error;
		return fault_errno(why, "look up user %s", name);
	}
	if (ascii_digit(*name))
		return find_number(span_of(name), out, why);
	return fault_set(why, FAULT_INPUT, "no such user: %s", name);
}

/* No way back: not by the saved ids, not by trying. */
static int
change_for_good(const struct identity *who, struct fault *why)
{
	gid_t groups[1 + COUNT(who->groups)] = {who->gid};

	memcpy(groups + 1, who->groups, sizeof who->groups);
	if (who->name[0] ? initgroups(who->name, who->gid) < 0 : setgroups((size_t)who->group_count + 1, groups) < 0)
		return fault_errno(why, "set groups of uid %ld", (long)who->uid);
	if (setresgid(who->gid, who->gid, who->gid) < 0)
		return fault_errno(why, "set gid %ld", (long)who->gid);
	if (setresuid(who->uid, who->uid, who->uid) < 0)
		return fault_errno(why, "set uid %ld", (long)who->uid);
	if (who->uid != 0 && setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return fault_set(why, FAULT_SYSTEM, "root came back after giving it up");
	return 0;
}

static int
must_be_caller(const struct identity *who, struct fault *why)
{
	if (who->uid != geteuid())
		return fault_set(why, FAULT_DENIED, "cannot become uid %ld: not started as root",
		                 (long)who->uid);
	return 0;
}

int
privilege_drop(const struct identity *who, const char *root, struct fault *why)
{
	if (!privilege_is_root())
		return 0;
	if (who->uid == 0)
		return fault_set(why, FAULT_DENIED, "refusing to serve as root");
	/* Supplementary groups by name need files: before the root changes. */
	if (who->name[0] && initgroups(who->name, who->gid) < 0)
		return fault_errno(why, "groups of %s", who->name);
	if (root && (chdir(root) < 0 || chroot(root) < 0 || chdir("/") < 0))
		return fault_errno(why, "change root to %s", root);
	if (!root || !who->name[0])
		return change_for_good(who, why);
	if (setresgid(who->gid, who->gid, who->gid) < 0 || setresuid(who->uid, who->uid, who->uid) < 0)
		return fault_errno(why, "become %s", who->name);
	return 0;
}

int
user_become(const struct identity *who, struct fault *why)
{
	programs_leave();
	if (!privilege_is_root())
		return must_be_caller(who, why);
	return change_for_good(who, why);
}
