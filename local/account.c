/* SPDX-License-Identifier: ISC */
/*
 * account.c - what a recipient may keep and how it is filtered: the settings, and authd's word on what is his own
 */
#include "local/account.h"

#include <stdio.h>

#include "base/log.h"
#include "config/site.h"
#include "local/login_name.h"
#include "sieve/settings.h"
#include "store/quota.h"

struct list account_userdb;

/* Whom authd does not know (his mail is read elsewhere) the settings alone bind. */
static int
look_up(struct span user, struct auth_user *who, struct outcome *o)
{
	struct fault why = {0};
	int          found;

	if (!*quota_settings.root && !account_userdb.count)
		return 0;
	found = ask_auth_lookup(user, who, &why);
	if (found < 0 && why.class == FAULT_DENIED && span_has(user, '@')) {
		fault_clear(&why);
		found = login_name_find(user, who, &why);
	}
	if (found == 0 || why.class == FAULT_DENIED)
		return 0;
	outcome_set(o, DELIVER_DEFERRED, "4.3.0", "user lookup failure: %s", fault_text(&why));
	return -1;
}

int
account_find(struct span user, struct account *out, struct outcome *o)
{
	struct account a = {0};
	struct fault   why = {0};

	if (look_up(user, &a.who, o) < 0)
		return -1;
	if (quota_make(&quota_settings, span_of(a.who.quota), &a.quota, &why) < 0) {
		log_warning("recipient %.*s: %s", SPAN_ARGS(user), fault_text(&why));
		outcome_set(o, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
		return -1;
	}
	*out = a;
	return 0;
}

void
account_apply(const struct account *a, struct errand *e)
{
	e->quota = a->quota;
	e->filtered = sieve_settings_filter(span_of(a->who.sieve));
	e->groups = a->who.groups;
	if (!*a->who.sieve)
		return;
	e->own = a->who.sieve;
	e->home = a->who.home;             /* ~ is the home that ManageSieve has, too */
}

void
account_free(struct account *a)
{
	quota_free(a->quota);
}
