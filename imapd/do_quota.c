/* SPDX-License-Identifier: ISC */
/*
 * do_quota.c - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208)
 *
 * There is one root; limits are the administrator's, in main.cf and the userdb, where no session may write: QUOTASET is not
 * announced, and SETQUOTA refused.
 */
#include "mail/imap_body.h"
#include "names.h"
#include "session.h"
#include "store/quota.h"

static bool
is_on(struct imap_session *s)
{
	if (!s->quota)
		imap_finish(s, "BAD Unknown command.");
	return s->quota != NULL;
}

/* Only what is limited is told (RFC 9208, 4.1.1); STORAGE is in units of 1024 bytes (5.1). */
static int
tell(struct imap_session *s)
{
	struct quota_use       use = {0};
	struct quota_mailboxes mailboxes = {0};
	const char            *blank = "";

	if (quota_look(s->quota, s->maildir, QUOTA_EXACT, &use, &s->why) < 0
		|| quota_mailboxes(s->quota, s->maildir, &mailboxes, &s->why) < 0)
		return -1;
	text_add_string(&s->out, "* QUOTA ");
	imap_add_string(span_of(quota_name(s->quota)), &s->out);
	text_add_string(&s->out, " (");
	if (use.bytes_limit) {
		text_add_format(&s->out, "STORAGE %lld %lld", (long long)(use.bytes + 1023) / 1024,
			(long long)use.bytes_limit / 1024);
		blank = " ";
	}
	if (use.count_limit) {
		text_add_format(&s->out, "%sMESSAGE %lld %lld", blank, (long long)use.count, (long long)use.count_limit);
		blank = " ";
	}
	if (mailboxes.limit)
		text_add_format(&s->out, "%sMAILBOX %lld %lld", blank, (long long)mailboxes.count, (long long)mailboxes.limit);
	imap_say(s, ")");
	return 0;
}

void
do_getquota(struct imap_session *s)
{
	const struct argument *root = s->command.arguments;

	if (!is_on(s))
		return;
	if (!argument_is_astring(root))
		imap_bad_arguments(s);
	else if (!span_is(root->text, quota_name(s->quota)))
		imap_finish(s, "NO [NONEXISTENT] There is no such quota root.");
	else if (tell(s) < 0)
		imap_finish_fault(s, "Getquota failed");
	else
		imap_finish_synced(s, "OK Getquota completed.");
}

/* The mailbox need not be there (4.1.2). */
void
do_getquotaroot(struct imap_session *s)
{
	const struct argument *name = s->command.arguments;
	autofree char         *folder = NULL;
	struct space          *in;
	autotext struct text   told = {0};
	bool                   counted;

	if (!is_on(s))
		return;
	if (!argument_is_astring(name)) {
		imap_bad_arguments(s);
		return;
	}
	if (name_find(s, name->text, &in, &folder, &s->why) < 0) {
		imap_finish_fault(s, "Bad mailbox name");
		return;
	}
	counted = in->kind == SPACE_OWN && !quota_ignores(s->quota, folder); /* how full another's is is his */
	name_of(in, folder, &told);
	text_add_string(&s->out, "* QUOTAROOT ");
	name_tell(s, text_span(&told), &s->out);
	if (counted) {
		text_add_byte(&s->out, ' ');
		imap_add_string(span_of(quota_name(s->quota)), &s->out);
	}
	imap_say(s, "%s", "");
	if (counted && tell(s) < 0)
		imap_finish_fault(s, "Getquotaroot failed");
	else
		imap_finish_synced(s, "OK Getquotaroot completed.");
}

void
do_setquota(struct imap_session *s)
{
	if (is_on(s))
		imap_finish(s, "NO [NOPERM] Permission denied.");
}
