/* SPDX-License-Identifier: ISC */
/*
 * retry.c - back-off and lifetime of a message
 */
#include "retry.h"

static int64_t
age_ms(int64_t arrival_us, int64_t now_us)
{
	return now_us > arrival_us ? (now_us - arrival_us) / 1000 : 0;
}

int64_t
retry_due(const struct retry_policy *p, int64_t arrival_us, int64_t now_us)
{
	int64_t wait = age_ms(arrival_us, now_us);

	if (wait < p->minimal_backoff)
		wait = p->minimal_backoff;
	if (wait > p->maximal_backoff)
		wait = p->maximal_backoff;
	return now_us + wait * 1000;
}

int64_t
retry_expires(const struct retry_policy *p, bool null_sender, int64_t arrival_us)
{
	int64_t lifetime = null_sender && p->bounce_lifetime < p->lifetime ? p->bounce_lifetime
	                                                                   : p->lifetime;

	return arrival_us + lifetime * 1000;
}

bool
retry_expired(const struct retry_policy *p, bool null_sender, int64_t arrival_us, int64_t now_us)
{
	return now_us >= retry_expires(p, null_sender, arrival_us);
}

bool
retry_warns(const struct retry_policy *p, int64_t arrival_us, int64_t now_us)
{
	return p->warning > 0 && age_ms(arrival_us, now_us) >= p->warning;
}
