/* SPDX-License-Identifier: ISC */
/*
 * authd_rules.c - for whom a passdb is asked, and what follows from its answer
 */
#include "authd_rules.h"

#include "base/mem.h"

static const char *const results[] = {
	[RULE_RETURN_OK] = "return-ok",     [RULE_RETURN] = "return",     [RULE_RETURN_FAIL] = "return-fail",
	[RULE_CONTINUE_OK] = "continue-ok", [RULE_CONTINUE] = "continue", [RULE_CONTINUE_FAIL] = "continue-fail",
};
static const char *const skips[] = {[SKIP_NEVER] = "never", [SKIP_AUTHENTICATED] = "authenticated", [SKIP_UNAUTHENTICATED] = "unauthenticated"};
static const char *const answers[] = {"no", "yes"};

void
rules_start(struct rules *r)
{
	*r = (struct rules){.success = RULE_RETURN_OK, .failure = RULE_CONTINUE, .trouble = RULE_CONTINUE, .skip = SKIP_NEVER};
}

/* Which of `words` it is, or -1 why. */
static int
choose(struct span name, struct span value, const char *const *words, size_t count, struct fault *why)
{
	for (size_t i = 0; i < count; i++)
		if (span_is(value, words[i]))
			return (int)i;
	return fault_set(why, FAULT_INPUT, "%.*s=%.*s: no such value", SPAN_ARGS(name), SPAN_ARGS(span_first(value, 40)));
}

static int
take_list(struct span value, struct list *out, struct fault *why)
{
	struct span inside = value;

	list_group(value, &inside);
	return list_parse(inside, out, why) < 0 ? -1 : 1;
}

int
rules_take(struct rules *r, struct span word, struct fault *why)
{
	struct span value = word, name;
	int         n = 0;

	span_split(&value, '=', &name);
	if (span_is(name, "mechanisms"))
		return take_list(value, &r->mechanisms, why);
	if (span_is(name, "username_filter"))
		return take_list(value, &r->names, why);
	if (span_is(name, "result_success"))
		r->success = (enum rule)(n = choose(name, value, results, COUNT(results), why));
	else if (span_is(name, "result_failure"))
		r->failure = (enum rule)(n = choose(name, value, results, COUNT(results), why));
	else if (span_is(name, "result_internalfail"))
		r->trouble = (enum rule)(n = choose(name, value, results, COUNT(results), why));
	else if (span_is(name, "skip"))
		r->skip = (enum rule_skip)(n = choose(name, value, skips, COUNT(skips), why));
	else if (span_is(name, "deny"))
		r->deny = (n = choose(name, value, answers, COUNT(answers), why)) == 1;
	else if (!span_is(name, "pass"))
		return 0;
	else if ((n = choose(name, value, answers, COUNT(answers), why)) == 1 && r->success == RULE_RETURN_OK)
		r->success = RULE_CONTINUE;
	return n < 0 ? -1 : 1;
}

void
rules_start_userdb(struct rules *r)
{
	rules_start(r);
	r->trouble = RULE_GIVE_UP;
}

int
rules_take_userdb(struct rules *r, struct span word, struct fault *why)
{
	static const char *const found[] = {[SKIP_NEVER] = "never", [SKIP_FOUND] = "found", [SKIP_NOT_FOUND] = "notfound"};
	struct span value = word, name;
	int         n;

	if (span_starts(word, "result_"))
		return rules_take(r, word, why);
	span_split(&value, '=', &name);
	if (!span_is(name, "skip"))
		return 0;
	if ((n = choose(name, value, found, COUNT(found), why)) < 0)
		return -1;
	r->skip = (enum rule_skip)n;
	return 1;
}

/* ---- for whom ---- */

static bool
is_named(const struct list *names, const char *user)
{
	bool wanted = false, found = false;

	for (size_t i = 0; i < names->count; i++) {
		const char *one = names->item[i];

		if (*one == '!' && span_matches(span_of(user), span_of(one + 1)))
			return false;
		wanted = wanted || *one != '!';
		found = found || (*one != '!' && span_matches(span_of(user), span_of(one)));
	}
	return found || !wanted;
}

bool
rules_concern(const struct rules *r, const char *user)
{
	return !r->deny && is_named(&r->names, user);
}

bool
rules_apply(const struct rules *r, const char *mechanism, const char *user, bool verified)
{
	if (r->mechanisms.count && !list_has(&r->mechanisms, mechanism ? mechanism : "none"))
		return false;
	if (r->skip == (verified ? SKIP_AUTHENTICATED : SKIP_UNAUTHENTICATED))
		return false;
	return is_named(&r->names, user);
}

/* ---- what follows ---- */

void
rules_note(const struct rules *r, int verdict, struct verdicts *v)
{
	enum rule rule = verdict == 1 ? r->success : verdict == 0 ? r->failure : r->trouble;

	v->trouble = v->trouble || verdict < 0;
	v->given_up = rule == RULE_GIVE_UP;
	v->over = v->given_up || rule == RULE_RETURN || rule == RULE_RETURN_OK || rule == RULE_RETURN_FAIL;
	if (rule == RULE_RETURN_OK || rule == RULE_CONTINUE_OK)
		v->good = true;
	else if (rule == RULE_RETURN_FAIL || rule == RULE_CONTINUE_FAIL)
		v->good = false;
	if (verdict == 1 && (rule == RULE_CONTINUE || rule == RULE_CONTINUE_OK))
		v->verified = true;
}

int
rules_outcome(const struct verdicts *v)
{
	return v->given_up ? -1 : v->good ? 1 : v->trouble ? -1 : 0;
}
