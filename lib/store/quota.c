/* SPDX-License-Identifier: ISC */
/*
 * quota.c - rules of how much mail a user may keep
 *
 * Names and meaning: https://doc.dovecot.org/2.3/configuration_manual/quota/
 */
#include "store/quota.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/quota_private.h"
#include "store/tree.h"

struct quota_settings quota_settings = {.root = "", .grace = "10%",
	.rule = {"", "", "", "", "", "", "", "", ""}, .exceeded_message = "Quota exceeded (mailbox for user is full)"};

/* ------------------------------------------------------------ amounts */

/* "1G", "+100M", "110%"; a bare number counts `unit`. */
static bool
amount_parse(struct span in, int64_t unit, struct quota_amount *out)
{
	static const char letters[] = "bkmgt";
	struct quota_amount a = {.set = true};
	uint64_t            n;

	if (in.len && (in.at[0] == '+' || in.at[0] == '-')) {
		a.kind = QUOTA_RELATIVE;
		a.less = in.at[0] == '-';
		in = span_from(in, 1);
	}
	while (span_ends(in, "%")) { /* "%%" where a value was copied from Dovecot's configuration */
		in.len--;
		a.percent = true;
	}
	if (!a.percent && in.len && unit) {
		char        last = ascii_lower(in.at[in.len - 1]);
		const char *which = ascii_alpha(last) ? strchr(letters, last) : NULL;

		if (which) {
			unit = (int64_t)1 << (10 * (which - letters));
			in.len--;
		}
	}
	if (!span_number(in, &n) || n > (uint64_t)INT64_MAX / (uint64_t)(unit && !a.percent ? unit : 1) / 1000)
		return false;
	a.value = (int64_t)n * (unit && !a.percent ? unit : 1);
	*out = a;
	return true;
}

static int64_t
amount_of(const struct quota_amount *a, int64_t base)
{
	int64_t value = a->percent ? (int64_t)((double)base * (double)a->value / 100) : a->value;

	if (a->kind != QUOTA_RELATIVE)
		return value;
	return a->less ? (base > value ? base - value : 1) : base + value;
}

/* ------------------------------------------------------------ rules */

static int
limit_parse(struct span word, struct quota_rule *r, struct fault *why)
{
	struct span name;
	bool        good;

	if (span_is(word, "ignore")) {
		r->ignore = true;
		return 0;
	}
	span_split(&word, '=', &name);
	if (span_is(name, "storage"))
		good = amount_parse(word, 1024, &r->bytes);
	else if (span_is(name, "bytes"))
		good = amount_parse(word, 1, &r->bytes);
	else if (span_is(name, "messages"))
		good = amount_parse(word, 0, &r->count);
	else if (span_is(name, "mailboxes"))
		good = amount_parse(word, 0, &r->mailboxes) && !r->mailboxes.percent && r->mailboxes.kind == QUOTA_ABSOLUTE;
	else
		return fault_set(why, FAULT_INPUT, "quota rule: unknown limit %.*s", SPAN_ARGS(name));
	return good ? 0 : fault_set(why, FAULT_INPUT, "quota rule: bad amount %.*s", SPAN_ARGS(word));
}

static int
rule_parse(struct quota *q, struct span in, struct fault *why)
{
	struct quota_rule r = {0};
	struct span       name, word;

	span_split(&in, ':', &name);
	if (!name.len || !in.len)
		return fault_set(why, FAULT_INPUT, "quota rule: not MAILBOX:LIMIT");
	while (span_next(&in, ":", &word))
		if (limit_parse(word, &r, why) < 0)
			return -1;
	if (span_is(name, "*") || span_is(name, "?")) {
		if (span_is(name, "?") && q->by_user)
			return 0;
		if (r.bytes.set)
			q->bytes_limit = r.bytes.value;
		if (r.count.set)
			q->count_limit = r.count.value;
		if (r.mailboxes.set)
			q->mailbox_limit = r.mailboxes.value;
		q->limited |= r.bytes.set || r.count.set;
		return 0;
	}
	if (r.mailboxes.set)
		return fault_set(why, FAULT_INPUT, "quota rule: mailboxes= is for all (*), not for %.*s", SPAN_ARGS(name));
	r.mailbox = tree_name(name);
	q->rules = mem_grow(q->rules, q->count + 1, sizeof *q->rules);
	q->rules[q->count++] = r;
	return 0;
}

static const struct quota_rule *
rule_for(const struct quota *q, const char *folder)
{
	for (size_t i = 0; i < q->count; i++)
		if (strcmp(q->rules[i].mailbox, folder) == 0)
			return &q->rules[i];
	for (size_t i = 0; i < q->count; i++)
		if (span_matches(span_of(folder), span_of(q->rules[i].mailbox)))
			return &q->rules[i];
	return NULL;
}

bool
quota_ignores(const struct quota *q, const char *folder)
{
	const struct quota_rule *r = q ? rule_for(q, folder) : NULL;

	return r && r->ignore;
}

/* ------------------------------------------------------------ one user's */

static int
root_parse(struct quota *q, struct span in, struct fault *why)
{
	struct span driver, name, word;

	span_split(&in, ':', &driver);
	if (!span_is(driver, "maildir") && !span_is(driver, "count"))
		return fault_set(why, FAULT_INPUT, "quota = %.*s: only maildir: is counted here", SPAN_ARGS(driver));
	span_split(&in, ':', &name);
	q->name = mem_span(name);
	while (span_next(&in, ":", &word)) {
		if (span_is(word, "noenforcing"))
			q->lenient = true;
		else if (!span_is(word, "hidden") && !span_is(word, "ns="))
			return fault_set(why, FAULT_INPUT, "quota: %.*s is not supported", SPAN_ARGS(word));
	}
	return 0;
}

/* "quota_rule2" is 1; -1: no rule's name. */
static int
rule_number(struct span name)
{
	uint64_t n = 1;

	if (!span_starts(name, "quota_rule"))
		return -1;
	name = span_from(name, 10);
	if (name.len && (!span_number(name, &n) || n < 2 || n > QUOTA_RULES))
		return -1;
	return (int)n - 1;
}

static int
fill(struct quota *q, const struct quota_settings *s, struct span user_rules, struct fault *why)
{
	struct span rule[QUOTA_RULES], word, set = SPAN_NONE;

	for (int i = 0; i < QUOTA_RULES; i++)
		rule[i] = span_trim(span_of(s->rule[i]));
	while (span_next(&user_rules, "\t", &word)) {
		struct span name;
		int         n;

		span_split(&word, '=', &name);
		if (span_is(name, "quota_set")) {
			set = word;
			continue;
		}
		n = rule_number(name);
		if (n < 0)
			return fault_set(why, FAULT_INPUT, "%.*s of the userdb is not supported", SPAN_ARGS(name));
		rule[n] = word;
		q->by_user = true;
	}
	for (int pass = 0; pass < QUOTA_RULES; pass++)
		if (rule[pass].len && rule_parse(q, rule[pass], why) < 0)
			return -1;
	if (set.len) {
		q->bytes_limit = q->count_limit = q->mailbox_limit = 0;
		q->limited = true;
		if (rule_parse(q, set, why) < 0)
			return -1;
	}
	q->exceeded = mem_string(s->exceeded_message);
	q->largest = s->largest;
	if (!amount_parse(span_trim(span_of(s->grace)), 1024, &q->grace))
		return fault_set(why, FAULT_INPUT, "quota_grace: bad amount %s", s->grace);
	return 0;
}

int
quota_make(const struct quota_settings *s, struct span user_rules, struct quota **out, struct fault *why)
{
	struct quota *q;

	*out = NULL;
	if (!*s->root)
		return 0;
	q = mem_alloc(sizeof *q);
	q->user_rules = mem_span(user_rules);
	if (root_parse(q, span_of(s->root), why) < 0 || fill(q, s, user_rules, why) < 0) {
		quota_free(q);
		return -1;
	}
	*out = q;
	return 0;
}

int
quota_settings_check(const struct quota_settings *s, struct fault *why)
{
	struct quota *q = NULL;
	int           result = quota_make(s, SPAN_NONE, &q, why);

	quota_free(q);
	return result;
}

void
quota_free(struct quota *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->count; i++)
		free(q->rules[i].mailbox);
	free(q->rules);
	free(q->name);
	free(q->exceeded);
	free(q->user_rules);
	free(q);
}

const char *
quota_name(const struct quota *q)
{
	return q->name;
}

const char *
quota_user_rules(const struct quota *q)
{
	return q->user_rules;
}

/* ------------------------------------------------------------ may it come in */

static bool
fits(int64_t used, int64_t more, int64_t limit, int64_t grace)
{
	if (limit <= 0 || more <= 0)
		return true;
	return used + more <= limit || (grace > 0 && used < limit && used + more <= limit + grace);
}

/* With the limits of this mailbox; a limit of 0 in its rule means none at all. */
static bool
all_fits(const struct quota *q, const char *folder, const struct quota_use *u, int64_t bytes, int64_t count,
	enum quota_how how)
{
	const struct quota_rule *r = rule_for(q, folder);
	int64_t most_bytes = u->bytes_limit, most_count = u->count_limit, grace = 0;

	if (how == QUOTA_DELIVERING)
		grace = q->grace.percent ? amount_of(&q->grace, u->bytes_limit) : q->grace.value;
	if (r && r->bytes.set && (most_bytes || (r->bytes.kind != QUOTA_RELATIVE && !r->bytes.percent)))
		most_bytes = amount_of(&r->bytes, most_bytes);
	if (r && r->count.set && (most_count || (r->count.kind != QUOTA_RELATIVE && !r->count.percent)))
		most_count = amount_of(&r->count, most_count);
	return fits(u->bytes, bytes, most_bytes, grace) && fits(u->count, count, most_count, 0);
}

static int
exceeded(const struct quota *q, struct fault *why)
{
	fault_set(why, FAULT_DENIED, "%s", q->exceeded);
	if (why)
		why->error = EDQUOT;
	return -1;
}

int
quota_check(const struct quota *q, struct maildir *m, const char *folder, int64_t bytes, int64_t count,
	int64_t largest, enum quota_how how, struct fault *why)
{
	struct quota_use use;

	if (!q)
		return 0;
	if (q->largest && largest > q->largest) {
		fault_set(why, FAULT_DENIED, "Mail size is larger than the maximum size allowed by server configuration");
		if (why)
			why->error = EFBIG;
		return -1;
	}
	if (q->lenient || quota_ignores(q, folder))
		return 0;
	if (quota_look(q, m, QUOTA_QUICK, &use, why) < 0)
		return -1;
	if (all_fits(q, folder, &use, bytes, count, how))
		return 0;
	if (quota_look(q, m, QUOTA_SURE, &use, why) < 0) /* nobody is refused on what drifted */
		return -1;
	if (all_fits(q, folder, &use, bytes, count, how))
		return 0;
	return exceeded(q, why);
}

int
quota_mailboxes(const struct quota *q, struct maildir *m, struct quota_mailboxes *out, struct fault *why)
{
	struct quota_mailboxes got = {.limit = q->mailbox_limit};
	struct tree            tree;

	if (got.limit) {
		if (tree_list(m, &tree, why) < 0)
			return -1;
		got.count = !quota_ignores(q, "");
		for (size_t i = 0; i < tree.count; i++)
			got.count += !quota_ignores(q, tree.names[i]);
		tree_free(&tree);
	}
	*out = got;
	return 0;
}

int
quota_check_mailbox(const struct quota *q, struct maildir *m, const char *folder, struct fault *why)
{
	struct quota_mailboxes have;

	if (!q || q->lenient || !q->mailbox_limit || quota_ignores(q, folder))
		return 0;
	if (quota_mailboxes(q, m, &have, why) < 0)
		return -1;
	return have.count < have.limit ? 0 : exceeded(q, why);
}
