/* SPDX-License-Identifier: ISC */
/*
 * outcome.c - what became of one delivery
 */
#include "local/outcome.h"

#include <errno.h>
#include <stdio.h>

#include "mail/status.h"
#include "store/quota.h"

enum { OUTCOME_TEXT_MAX = 4000 };

void
outcome_set(struct outcome *o, enum deliver_action action, const char *dsn, const char *format, ...)
{
	va_list args;

	o->action = action;
	snprintf(o->dsn, sizeof o->dsn, "%s", dsn);
	text_clear(&o->text);
	text_clear(&o->mta);
	text_clear(&o->diagnostic);
	o->report[0] = '\0';
	va_start(args, format);
	text_add_args(&o->text, format, args);
	va_end(args);
	text_cut(&o->text, OUTCOME_TEXT_MAX);
}

void
outcome_free(struct outcome *o)
{
	text_free(&o->text);
	text_free(&o->mta);
	text_free(&o->diagnostic);
}

void
outcome_of_fault(struct outcome *o, const struct fault *why, const char *doing)
{
	if (why->class == FAULT_DENIED && why->error == EDQUOT)      /* store/quota.h: in its own words */
		outcome_set(o, quota_settings.tempfail ? DELIVER_DEFERRED : DELIVER_BOUNCED,
			quota_settings.tempfail ? "4.2.2" : "5.2.2", "%s", fault_text(why));
	else if (why->class == FAULT_DENIED && why->error == EFBIG)
		outcome_set(o, DELIVER_BOUNCED, "5.2.3", "%s", fault_text(why));
	else if (why->error == ENOSPC || why->error == EDQUOT)
		outcome_set(o, DELIVER_DEFERRED, "4.2.2", "%s. %s", doing, fault_text(why));
	else if (why->error == EFBIG)
		outcome_set(o, DELIVER_BOUNCED, "5.2.2", "%s. %s", doing, fault_text(why));
	else
		outcome_set(o, DELIVER_DEFERRED, "4.2.0", "%s. %s", doing, fault_text(why));
}

static const char *const action_names[] = {"sent", "deferred", "bounced"};

void
outcome_put(const struct outcome *o, struct frame *f)
{
	frame_start(f, "status");
	frame_put_string(f, "action", action_names[o->action]);
	frame_put_string(f, "dsn", o->dsn);
	frame_put(f, "text", text_span(&o->text));
}

struct told { struct span action, dsn, text; bool stays; };
static const struct field fields[] = {
	FIELD_TEXT(struct told, action, "action", FIELD_NEEDED),
	FIELD_TEXT(struct told, dsn, "dsn", FIELD_NEEDED),
	FIELD_TEXT(struct told, text, "text", FIELD_NEEDED),
	FIELD_FLAG(struct told, stays, "stays", 0),            /* local/kept.c */
	FIELD_END
};

/* "4.2.0" and nothing else: a worker is not trusted. */
static bool
is_dsn_of(struct span dsn, char class)
{
	struct status status;
	struct span   rest;
	char          again[STATUS_TEXT_SIZE];

	return status_parse(dsn, &status, &rest) && dsn.at[0] == class &&
	       span_is(dsn, status_string(status, again));
}

int
outcome_take(struct frame *f, struct outcome *o, struct fault *why)
{
	struct told told;

	if (frame_decode(f, fields, &told, why) < 0)
		return -1;
	for (int i = 0; i < (int)COUNT(action_names); i++)
		if (span_is(told.action, action_names[i]) && is_dsn_of(told.dsn, "245"[i])) {
			outcome_set(o, (enum deliver_action)i, "", "%.*s", SPAN_ARGS(told.text));
			snprintf(o->dsn, sizeof o->dsn, "%.*s", SPAN_ARGS(told.dsn));
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "malformed status from a delivery process");
}
