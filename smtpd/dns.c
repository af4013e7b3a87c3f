/* SPDX-License-Identifier: ISC */
/*
 * dns.c - DNS as smtpd's rules see it: through smtpd_dns_reply_filter
 */
#include "dns.h"

#include "base/log.h"
#include "settings.h"

static bool
is_filtered(void)
{
	return prepared.dns_filter && table_list_count(prepared.dns_filter) > 0;
}

/* 1 ignore it, 0 keep it, -1 the table failed */
static int
is_ignored(struct span name, const char *type, int64_t ttl, struct span record, struct fault *why)
{
	autotext struct text key = {0}, value = {0};
	const char          *dot = strcmp(type, "MX") == 0 || strcmp(type, "NS") == 0 ? "." : "";
	int                  found;

	text_add_format(&key, "%.*s. %lld IN %s %.*s%s", SPAN_ARGS(name), (long long)ttl, type, SPAN_ARGS(record), dot);
	found = table_list_find(prepared.dns_filter, text_span(&key), &value, NULL, why);
	if (found == 0 && span_is_nocase(span_trim(text_span(&value)), "IGNORE")) {
		log_info("ignoring DNS RR: %s", text_string(&key));
		return 1;
	}
	if (found == 0)
		log_warning("smtpd_dns_reply_filter: unknown DNS filter action: \"%s\"", text_string(&value));
	return found < 0 ? -1 : 0;
}

int
dns_records(struct span name, const char *type, struct arena *a, struct dns_answer *out, struct fault *why)
{
	size_t kept = 0;

	if (ask_dns(name, type, a, out, why) < 0)
		return -1;
	if (out->state != DNS_FOUND || !is_filtered())
		return 0;
	for (size_t i = 0; i < out->n_records; i++) {
		int ignored = is_ignored(name, type, out->ttl, out->records[i], why);

		if (ignored < 0)
			return -1;
		if (!ignored)
			out->records[kept++] = out->records[i];
	}
	out->n_records = kept;
	if (kept == 0)
		out->state = DNS_NONE;
	return 0;
}

int
dns_addresses(struct span host, struct arena *a, struct dns_address **out, size_t *count, enum dns_state *state, struct fault *why)
{
	size_t kept = 0;

	if (ask_addresses(host, a, out, count, state, why) < 0)
		return -1;
	for (size_t i = 0; is_filtered() && i < *count; i++) {
		int ignored = is_ignored(host, strchr((*out)[i].ip, ':') ? "AAAA" : "A", 0, span_of((*out)[i].ip), why);

		if (ignored < 0)
			return -1;
		if (!ignored)
			(*out)[kept++] = (*out)[i];
	}
	if (is_filtered() && (*count = kept) == 0 && *state == DNS_FOUND)
		*state = DNS_NONE;
	return 0;
}
