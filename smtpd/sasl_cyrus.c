/* SPDX-License-Identifier: ISC */
/*
 * sasl_cyrus.c - PLAIN (RFC 4616) and LOGIN, their passwords checked by Cyrus SASL's saslauthd
 *
 * A question on a stream of its own, each part with its length in two bytes: login, password, service, realm.  The answer,
 * with its length too: "OK" or "NO", then words for the log.  The realm is what stands behind the name's last @, or
 * smtpd_sasl_local_domain.
 */
#include "saslauthd.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_dial.h"
#include "net/conn.h"
#include "sasl.h"
#include "session.h"
#include "settings.h"

enum { SASLAUTHD_MS = 60000, USER_MAX = 255, PASSWORD_MAX = 512, ANSWER_BYTES = 2048 };

struct cyrus_auth {
	enum { PLAIN, LOGIN_USER, LOGIN_PASSWORD } awaits;
	char user[USER_MAX + 1];
};

static int
ask(struct span question, struct text *answer, struct fault *why)
{
	autofree char *endpoint = mem_format("unix:%s", text_string(&prepared.cyrus.socket));
	int64_t        deadline = clock_after(SASLAUTHD_MS);
	int            fd = -1, outcome;
	struct conn   *c;

	if (ask_dial(span_of(endpoint), deadline, &fd, why) < 0)
		return fault_prefix(why, "saslauthd");
	c = conn_new(fd);
	conn_deadline(c, deadline);
	outcome = conn_write(c, question, why);
	outcome = outcome < 0 ? -1 : conn_flush(c, why);
	while (outcome == 0 && !saslauthd_is_whole(text_span(answer))) {
		struct span some;

		outcome = conn_some(c, ANSWER_BYTES, &some, why);
		if (outcome == 0)
			text_add(answer, some);
	}
	conn_free(c);
	return outcome;
}

static int
judge(struct cyrus_auth *a, struct span password, struct auth_answer *out, struct fault *why)
{
	autotext struct text question = {0}, answer = {0};
	struct span          user = span_of(a->user);
	struct span          realm = span_of(settings.sasl_local_domain);
	ptrdiff_t            at = span_find_last(user, '@');
	int                  verdict;

	if (password.len == 0 || password.len > PASSWORD_MAX || user.len == 0) {
		out->state = AUTH_NO;
		snprintf(out->reason, sizeof out->reason, "authentication failure");
		return 0;
	}
	if (at > 0)
		realm = span_from(user, (size_t)at + 1);
	saslauthd_question(at > 0 ? span_first(user, (size_t)at) : user, password, span_of(settings.sasl_service), realm, &question);
	verdict = ask(text_span(&question), &answer, why);
	mem_wipe(question.at, question.room);
	if (verdict < 0 || (verdict = saslauthd_verdict(text_span(&answer), why)) < 0)
		return -1;
	out->state = verdict == 1 ? AUTH_YES : AUTH_NO;
	snprintf(out->user, sizeof out->user, "%.*s%s%.*s", SPAN_ARGS(at > 0 ? span_first(user, (size_t)at) : user), realm.len ? "@" : "", SPAN_ARGS(realm));
	snprintf(out->reason, sizeof out->reason, "%s", verdict == 1 ? "" : "authentication failure");
	return 0;
}

static int
no(struct auth_answer *out)
{
	out->state = AUTH_NO;
	snprintf(out->reason, sizeof out->reason, "authentication failure");
	return 0;
}

static int
more(const char *challenge, struct auth_answer *out)
{
	out->state = AUTH_MORE;
	text_set(&out->data, span_of(challenge));
	return 0;
}

static bool
take_user(struct cyrus_auth *a, struct span user)
{
	if (user.len == 0 || user.len > USER_MAX || span_has(user, '\0'))
		return false;
	snprintf(a->user, sizeof a->user, "%.*s", SPAN_ARGS(user));
	return true;
}

/* authzid NUL authcid NUL password; nobody may be somebody else. */
static int
plain(struct cyrus_auth *a, struct span message, struct auth_answer *out, struct fault *why)
{
	struct span authzid, user;

	if (!span_split(&message, '\0', &authzid) || !span_split(&message, '\0', &user) || !take_user(a, user) || span_has(message, '\0') ||
	    (authzid.len && !span_equal(authzid, user)))
		return no(out);
	return judge(a, message, out, why);
}

int
cyrus_more(struct cyrus_auth *a, struct span data, struct auth_answer *out, struct fault *why)
{
	switch (a->awaits) {
	case PLAIN:
		return plain(a, data, out, why);
	case LOGIN_USER:
		a->awaits = LOGIN_PASSWORD;
		return take_user(a, data) ? more("Password:", out) : no(out);
	default:
		return span_has(data, '\0') ? no(out) : judge(a, data, out, why);
	}
}

int
cyrus_start(struct span mechanism, const struct span *initial, struct cyrus_auth **out, struct auth_answer *answer, struct fault *why)
{
	struct cyrus_auth *a = *out = mem_alloc(sizeof *a);

	a->awaits = span_is_nocase(mechanism, "LOGIN") ? LOGIN_USER : PLAIN;
	if (initial)
		return cyrus_more(a, *initial, answer, why);
	return more(a->awaits == PLAIN ? "" : "Username:", answer);
}

void
cyrus_free(struct cyrus_auth *a)
{
	free(a);
}
