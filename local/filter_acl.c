/* SPDX-License-Identifier: ISC */
/*
 * filter_acl.c - may this mail into that mailbox of its recipient's? (RFC 4314, 4; as measured of Dovecot 2.3.19)
 *
 * Dovecot opens mailboxes for a delivery as the recipient and asks for "p", where APPEND asks for "i": what a sender, or
 * anyone, may has no say.  A recipient whom no list names has all rights.  Of a mailbox that he may not look up he is told
 * that it does not exist; and INBOX takes what no other mailbox takes, whatever its list says.
 * Where the administrator's list cannot be read Dovecot keeps mail for other mailboxes back; here INBOX has it.
 */
#include "local/filter_private.h"

#include <errno.h>

#include "store/acl.h"
#include "store/tree.h"

static bool
is_on(void)
{
	return span_starts(span_of(acl_settings.acl), "vfile");
}

int
filter_read_acl(struct filter *f, struct fault *why)
{
	if (!is_on() || acl_read_global(acl_settings.acl, &f->global_acl, why) == 0)
		return 0;
	if (!filter_is_lasting(why))
		return -1;
	f->acl_is_unknown = true;
	filter_warn(f, arena_format(f->arena, "user=<%s>: acl: %.300s: only INBOX takes mail", f->e->user, fault_text(why)));
	fault_clear(why);
	return 0;
}

/* As clients say it: that is how the administrator's list names it. */
static void
name_of(const char *folder, struct text *out)
{
	size_t start;

	if (!*folder) {
		text_add_string(out, "INBOX");
		return;
	}
	text_add_string(out, acl_settings.prefix);
	start = out->len;
	text_add_string(out, folder);
	for (size_t i = start; i < out->len; i++)
		if (out->at[i] == '.')
			out->at[i] = acl_settings.separator[0];
}

static unsigned
rights_of(struct filter *f, const char *folder)
{
	struct acl           own = {0}, global = {0};
	struct acl_who       who = {f->e->user, f->e->groups, true};
	struct fault         why = {0};
	autotext struct text name = {0};
	unsigned             rights;

	if (f->acl_is_unknown)
		return ACL_LOOKUP;
	if (acl_read(f->maildir, folder, &own, &why) < 0)
		return why.error == ENOENT ? ACL_ALL : ACL_LOOKUP | ACL_ADMIN;
	name_of(folder, &name);
	acl_global_select(text_span(&f->global_acl), text_span(&name), &global);
	rights = acl_rights_under(&global, &own, &who);
	acl_free(&own);
	acl_free(&global);
	return rights;
}

bool
filter_may_post(struct filter *f, const char *folder, struct fault *why)
{
	unsigned rights = is_on() && *folder ? rights_of(f, folder) : ACL_ALL;

	if (rights & ACL_POST)
		return true;
	fault_set(why, FAULT_DENIED, rights & ACL_LOOKUP ? "Permission denied" : "Mailbox doesn't exist");
	return false;
}

/* On the nearest mailbox above that there is; one's own top level is one's own. */
bool
filter_may_create(struct filter *f, const char *folder, struct fault *why)
{
	autofree char *above = mem_string(folder);

	if (!is_on())
		return true;
	if (tree_nearest_above(f->maildir, above) ? rights_of(f, above) & ACL_CREATE : !f->acl_is_unknown)
		return true;
	fault_set(why, FAULT_DENIED, "Permission denied");
	return false;
}

int
filter_begin_acl(struct filter *f, const char *folder, struct fault *why)
{
	return is_on() ? acl_inherit(f->maildir, folder, false, why) : 0;
}
