/* SPDX-License-Identifier: ISC */
/*
 * sandbox_openbsd.c - promises kept by unveil and pledge
 *
 * Programs with MAY_EXEC get none of it, since their children would inherit the
 * veil (DESIGN.md 2).  Not yet run on OpenBSD.
 */
#include <errno.h>
#include <unistd.h>

#include "base/text.h"
#include "service/sandbox.h"
#include "service/sandbox_private.h"
#include "service/service.h"

static const struct { unsigned promises; const char *words; } words[] = {
	{MAY_ACCEPT, "inet unix"}, {MAY_ASK, "unix"}, {MAY_DIAL, "inet"}, {MAY_DNS, "inet dns"},
	{MAY_READ, "rpath"}, {MAY_WRITE, "rpath wpath cpath fattr flock"}, {MAY_FORK, "proc"},
	{MAY_BECOME, "id proc rpath wpath cpath fattr flock unveil"}, {MAY_NAME, "getpw rpath dns"},
};

/* What is not there needs no right. */
static int
unveil_all(const char *const *paths, const char *rights, struct fault *why)
{
	for (; paths && *paths; paths++)
		if (unveil(*paths, rights) < 0 && errno != ENOENT)
			return fault_errno(why, "unveil %s", *paths);
	return 0;
}

int
sandbox_close(const struct sandbox *s, struct fault *why)
{
	autotext struct text list = {0};

	if (s->promises & MAY_EXEC)
		return 0;
	if (s->promises & (MAY_READ | MAY_WRITE | MAY_NAME) && !(s->promises & MAY_BECOME)) {
		if (unveil_all(s->reads, "r", why) < 0)
			return -1;
		if (s->promises & MAY_WRITE && unveil_all(s->writes, "rwc", why) < 0)
			return -1;
		for (size_t i = 0; s->promises & MAY_WRITE && i < s->tree_count; i++)
			if (unveil(s->trees[i].path, "rwc") < 0 && errno != ENOENT)
				return fault_errno(why, "unveil %s", s->trees[i].path);
		if (s->promises & MAY_NAME && unveil("/etc", "r") < 0)
			return fault_errno(why, "unveil /etc");
		if (unveil(NULL, NULL) < 0)
			return fault_errno(why, "unveil");
	}
	text_add_string(&list, "stdio recvfd sendfd");
	for (size_t i = 0; i < COUNT(words); i++)
		if (s->promises & words[i].promises)
			text_add_format(&list, " %s", words[i].words);
	if (pledge(text_string(&list), NULL) < 0)
		return fault_errno(why, "pledge");
	return 0;
}

bool
sandbox_shows_outside(void)
{
	return false; /* unveil hides it: ENOENT */
}

void
sandbox_prepare_mailbox(void)
{
}

int
sandbox_close_mailbox(const char *root, struct fault *why)
{
	if (unveil(root, "rwc") < 0 || unveil(NULL, NULL) < 0)
		return fault_errno(why, "unveil %s", root);
	if (pledge("stdio rpath wpath cpath fattr flock recvfd sendfd", NULL) < 0)
		return fault_errno(why, "pledge");
	return 0;
}

void
sandbox_trim_memory(void)
{
}

void
sandbox_tune_memory(void)
{
}

void
sandbox_close_descriptors(int first)
{
	closefrom(first);
}

void
sandbox_allow_port(uint16_t port)
{
	(void)port; /* ports are not restricted here */
}
