/* SPDX-License-Identifier: ISC */
/*
 * do_quota.c - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208)
 *
 * There is one root. Limits are an administrator's: his session, and no other, has a talk with authd by which it can ask for
 * those of the one user as whom he has logged in (guard/authd_limits.h), and only there QUOTASET is announced.
 */
#include "ipc/ask_auth.h"
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
	folder = name_take(s, name, &in);
	if (!folder)
		return;
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

/* ------------------------------------------------------------ SETQUOTA */

/* "STORAGE 512 MESSAGE 100"; what is not named has no limit any more.  False: it was answered. */
static bool
take_limits(struct imap_session *s, const struct argument *list, struct auth_limits *out)
{
	for (const struct argument *a = list->children; a; a = a->next->next) {
		int64_t *limit;
		uint64_t n;

		if (a->type != ARGUMENT_ATOM || !a->next || a->next->type != ARGUMENT_ATOM || !span_number(a->next->text, &n)) {
			imap_bad_arguments(s);
			return false;
		}
		if (!(limit = auth_limit_of(out, a->text)) || *limit) {
			imap_finish(s, "NO [CANNOT] Only STORAGE, MESSAGE and MAILBOX can be limited, each once.");
			return false;
		}
		if (n == 0 || n > (uint64_t)AUTH_LIMIT_MOST) { /* 0 is none here, not a mailbox that takes nothing */
			imap_finish(s, "NO [CANNOT] A limit is from 1 to %lld.", (long long)AUTH_LIMIT_MOST);
			return false;
		}
		*limit = (int64_t)n;
	}
	return true;
}

static int
use_rule(struct imap_session *s, struct span rule)
{
	autofree char *rules = mem_format("%s\tquota_set=%.*s", s->user->quota ? s->user->quota : "", SPAN_ARGS(rule));
	struct quota  *q;

	if (quota_make(&quota_settings, span_of(rules), &q, &s->why) < 0)
		return -1;
	maildir_set_quota(s->maildir, q);
	quota_free(s->quota);
	s->quota = s->mine.quota = q;
	return 0;
}

void
do_setquota(struct imap_session *s)
{
	const struct argument *root = s->command.arguments, *list = root->next;
	struct auth_limits     limits = {0};
	autotext struct text   rule = {0};

	if (!is_on(s))
		return;
	if (!argument_is_astring(root) || list->type != ARGUMENT_LIST) {
		imap_bad_arguments(s);
		return;
	}
	if (!s->user->limits) {
		imap_finish(s, "NO [NOPERM] Permission denied.");
		return;
	}
	if (!span_is(root->text, quota_name(s->quota))) {
		imap_finish(s, "NO [NONEXISTENT] There is no such quota root.");
		return;
	}
	if (!take_limits(s, list, &limits))
		return;
	if (ask_auth_limit(*s->user->limits, &limits, &rule, &s->why) < 0) {
		imap_finish(s, "NO [UNAVAILABLE] Setquota failed: %s", fault_text(&s->why));
		fault_clear(&s->why);
	} else if (use_rule(s, text_span(&rule)) < 0 || tell(s) < 0) {
		imap_finish_fault(s, "Setquota failed");
	} else {
		imap_finish_synced(s, "OK Setquota completed.");
	}
}
