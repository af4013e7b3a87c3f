/* SPDX-License-Identifier: ISC */
/*
 * quota.c - what a recipient may keep: the settings, and authd's word on his own rules
 */
#include "local/agent.h"

#include "base/log.h"
#include "ipc/ask_auth.h"
#include "store/quota.h"

/* Whom authd does not know (his mail is read elsewhere) the settings alone bind. */
int
agent_quota(struct span user, struct quota **out, struct outcome *o)
{
	struct auth_user who = {0};
	struct fault     why = {0};

	*out = NULL;
	if (!*quota_settings.root)
		return 0;
	if (ask_auth_lookup(user, &who, &why) < 0 && why.class != FAULT_DENIED) {
		outcome_set(o, DELIVER_DEFERRED, "4.3.0", "quota lookup failure: %s", fault_text(&why));
		return -1;
	}
	fault_clear(&why);
	if (quota_make(&quota_settings, span_of(who.quota), out, &why) < 0) {
		log_warning("recipient %.*s: %s", SPAN_ARGS(user), fault_text(&why));
		outcome_set(o, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
		return -1;
	}
	return 0;
}
