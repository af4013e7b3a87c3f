/* SPDX-License-Identifier: ISC */
/*
 * checkpassword_reply.c - what a checkpassword command runs when all is well: tells authd, on descriptor 4, who it is
 *
 * The environment says it: USER, HOME, and the variables that EXTRA names; the uid and gid are the process's own unless EXTRA
 * has userdb_uid and userdb_gid.  AUTHORIZED=1 (authd_command.h) must have become 2.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

enum { TROUBLE = 111, NOT_AUTHORIZED = 2, OUT = 4 };

static void
add(struct text *out, const char *name, const char *value)
{
	text_add_format(out, "%s=", name);
	for (; *value; value++) {
		const char *found = strchr("\001\t\r\n", *value);

		if (found)
			text_add_byte(out, '\001');
		text_add_byte(out, found ? "1trn"[found - "\001\t\r\n"] : *value);
	}
	text_add_byte(out, '\t');
}

static void
add_number(struct text *out, const char *name, long value)
{
	autofree char *digits = mem_format("%ld", value);

	add(out, name, digits);
}

int
main(void)
{
	autotext struct text out = {0};
	const char          *user = getenv("USER"), *home = getenv("HOME"), *extra = getenv("EXTRA"), *authorized = getenv("AUTHORIZED");
	struct span          rest = span_of(extra ? extra : ""), word;
	bool                 has_uid = false, has_gid = false;

	if (authorized && strcmp(authorized, "2") != 0)
		return NOT_AUTHORIZED;
	if (user)
		add(&out, "user", user);
	if (home)
		add(&out, "userdb_home", home);
	while (span_next(&rest, " \t", &word)) {
		autofree char *name = mem_span(word);
		const char    *value = getenv(name);

		if (!value || strchr(name, '='))
			continue;
		add(&out, name, value);
		has_uid |= strcmp(name, "userdb_uid") == 0;
		has_gid |= strcmp(name, "userdb_gid") == 0;
	}
	if (!has_uid)
		add_number(&out, "userdb_uid", (long)getuid());
	if (!has_gid)
		add_number(&out, "userdb_gid", (long)getgid());
	return write(OUT, out.at, out.len) == (ssize_t)out.len ? 0 : TROUBLE;
}
