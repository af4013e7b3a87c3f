/* SPDX-License-Identifier: ISC */
/*
 * attributes.c - the arguments of pipe(8) and spawn(8) in master.cf
 */
#include "local/attributes.h"

#include <grp.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/list.h"
#include "config/site.h"

/* argv= may stand in braces when it holds blanks: { argv=... } is one argument then. */
static int
set_attribute(struct attributes *a, struct span name, const char *value, struct fault *why)
{
	const struct { const char *name; const char **to;
	} texts[] = {
		{"user", &a->user},
		{"flags", &a->flags},
		{"directory", &a->directory},
		{"chroot", &a->chroot},
		{"eol", &a->eol},
		{"null_sender", &a->null_sender},
	};
	uint64_t n;

	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_is(name, texts[i].name)) {
			*texts[i].to = value;
			return 0;
		}
	if (span_is(name, "size") && span_number(span_of(value), &n) && n <= INT64_MAX) {
		a->size = (int64_t)n;
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "bad attribute %.*s=%s", SPAN_ARGS(name), value);
}

static bool
is_known(const char *known, struct span name)
{
	struct span rest = span_of(known), word;

	while (span_next(&rest, " ", &word))
		if (span_equal(word, name))
			return true;
	return false;
}

/* "user" or "user:group" as user=; never root, never the mail system's own user. */
static int
attributes_identity(const char *user, struct identity *who, struct fault *why)
{
	struct span     rest = span_of(user), name;
	bool            both = span_split(&rest, ':', &name);
	autofree char  *copy = mem_span(name);
	struct identity owner;
	struct group   *group;

	if (identity_find(copy, who, why) < 0)
		return fault_prefix(why, "user=%s", user);
	if (both) {
		autofree char *group_name = mem_span(rest);
		uint64_t       n;

		group = getgrnam(group_name);
		if (!group && !span_number(rest, &n))
			return fault_set(why, FAULT_INPUT, "user=%s: no such group", user);
		who->gid = group ? group->gr_gid : (gid_t)n;
		who->name[0] = 0;      /* that group and no other */
	}
	if (privilege_is_root() && (who->uid == 0 || who->gid == 0))
		return fault_set(why, FAULT_DENIED, "user=%s: must not be root", user);
	if (privilege_is_root() && identity_find(site.mail_owner, &owner, NULL) == 0 &&
	    (owner.uid == who->uid || owner.gid == who->gid))
		return fault_set(why, FAULT_DENIED, "user=%s: must not be mail_owner", user);
	return 0;
}

int
service_attributes_parse(
	int argc, char **argv, const char *known, struct attributes *out, struct fault *why)
{
	struct attributes a = {.user = "",
		.flags = "",
		.directory = "",
		.chroot = "",
		.eol = "\\n",
		.null_sender = "MAILER-DAEMON"};

	for (int i = 0; i < argc && !a.argv; i++) {
		struct span rest = span_of(argv[i]), name;

		if (!span_split(&rest, '=', &name))
			return fault_set(why, FAULT_INPUT, "bad attribute syntax: %s", argv[i]);
		if (span_is(name, "argv")) {
			argv[i] = argv[i] + 5;
			a.argv = (const char *const *)argv + i;
		} else if (!is_known(known, name)) {
			return fault_set(
				why, FAULT_INPUT, "unknown attribute name: %.*s", SPAN_ARGS(name));
		} else if (set_attribute(&a, name, argv[i] + name.len + 1, why) < 0) {
			return -1;
		}
	}
	if (!a.argv || !a.argv[0][0])
		return fault_set(why, FAULT_INPUT, "missing argv= command-line attribute");
	if (!a.user[0])
		return fault_set(why, FAULT_INPUT, "missing user= command-line attribute");
	if (attributes_identity(a.user, &a.who, why) < 0)
		return -1;
	if (a.chroot[0]) {
		if (a.chroot[0] != '/')
			return fault_set(why, FAULT_INPUT, "chroot=%s: not an absolute path", a.chroot);
		if (!privilege_is_root())
			return fault_set(why, FAULT_DENIED, "chroot=%s: needs root", a.chroot);
		a.who.name[0] = 0;     /* groups are not asked for in there: only the one of user= */
	}
	*out = a;
	return 0;
}
