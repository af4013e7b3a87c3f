/* SPDX-License-Identifier: ISC */
/*
 * authd_owner.c - whose mailbox it is
 */
#include "authd_owner.h"

#include <stdio.h>
#include <unistd.h>

#include "authd_limits.h"
#include "authd_try.h"
#include "authd_users.h"
#include "authd_wake.h"
#include "base/log.h"
#include "ipc/ask_auth.h"
#include "ipc/peer.h"

enum { OWNERS_MOST = 2000 };

static uid_t launched_as;

void
owner_start(void)
{
	launched_as = getuid();
}

static bool
may_own_a_mailbox(const struct user_facts *u)
{
	bool good = u->uid >= (uid_t)auth_config.first_valid_uid && u->gid >= (gid_t)auth_config.first_valid_gid &&
	            (auth_config.last_valid_uid == 0 || u->uid <= (uid_t)auth_config.last_valid_uid);

	if (launched_as != 0)
		return u->uid == launched_as; /* a private instance serves its own user's mailboxes */
	if (!good)
		log_error("auth: Mail access for users with UID %ld, GID %ld not permitted (see first_valid_uid, "
		          "first_valid_gid): %s", (long)u->uid, (long)u->gid, u->user);
	return good;
}

static void
put_token(const char *user, struct frame *answer)
{
	char token[WAKE_TOKEN], key[WAKE_HEX];

	wake_make(user, token, key);
	frame_put_string(answer, "asked", user);
	frame_put_string(answer, "token", token);
	frame_put_string(answer, "key", key);
}

/* What an administrator has set comes last, and holds. */
static int
add_limits(struct user_facts *u, struct fault *why)
{
	autotext struct text rule = {0};
	int                  got = limits_find(u->user, &rule, why);

	if (got == 1)
		text_add_format(&u->quota, "%squota_set=%s", u->quota.len ? "\t" : "", text_string(&rule));
	if (got >= 0 && u->quota.len >= sizeof ((struct auth_user *)NULL)->quota)
		return fault_set(why, FAULT_INPUT, "quota_rule= and its like are too long");
	return got < 0 ? -1 : 0;
}

/* Whoever logged in may hear that he is an administrator here, and then be one. */
static void
note_admin(struct talk *t, const struct user_facts *u, struct frame *answer)
{
	t->admin = limits_are_kept() && (u->admin || t->of.admin);
	snprintf(t->user, sizeof t->user, "%s", u->user);
	frame_put_flag(answer, "admin", t->admin);
}

static bool
put_user(struct talk *t, const char *asked, const struct origin *from, struct frame *answer)
{
	bool                 known = false;
	struct user_facts    u = {0};
	autotext struct text home = {0}, mail = {0};
	struct fault         why = {0};
	/* a recipient's name may come from a stranger, and its parts are directories in many a mail_location */
	int                  got = user_name_plausible(asked) ? users_find(asked, from, &u, &why) : 1;

	if (got == 0 && !user_name_plausible(u.user))
		got = fault_set(&why, FAULT_INPUT, "user=%.100s is no name", u.user);
	if (got == 0 && u.sieve.len >= sizeof ((struct auth_user *)NULL)->sieve)
		got = fault_set(&why, FAULT_INPUT, "sieve= and its like are too long");
	if (got == 0)
		got = add_limits(&u, &why);
	if (got == 0) {
		expand_variables(text_string(&u.home), u.user, "", &home);
		expand_variables(u.mail.len ? text_string(&u.mail) : auth_config.mail_location, u.user, text_string(&home), &mail);
	}
	if (got < 0) {
		log_error("auth: userdb(%s): %s", asked, fault_text(&why));
		peer_refuse(answer, "temporary internal failure");
	} else if (got == 1 || !may_own_a_mailbox(&u)) {
		if (got == 1 && from)
			log_error("auth: userdb(%s): unknown user", asked);
		frame_start(answer, "no");
	} else {
		frame_start(answer, "user");
		frame_put_string(answer, "user", u.user);
		frame_put_number(answer, "uid", u.uid);
		frame_put_number(answer, "gid", u.gid);
		frame_put(answer, "home", text_span(&home));
		frame_put(answer, "mail", text_span(&mail));
		frame_put(answer, "quota", text_span(&u.quota));
		frame_put(answer, "groups", text_span(&u.groups));
		frame_put(answer, "sieve", text_span(&u.sieve));
		known = true;
		if (from) {
			put_token(asked, answer); /* not u.user: whoever wakes him asks the userdb again */
			note_admin(t, &u, answer);
		}
	}
	user_facts_free(&u);
	return known;
}

/* Only those that go on to become the user: they were started as we were. */
static bool
may_redeem(const struct talk *t)
{
	return t->peer == launched_as;
}

int
owner_redeem(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span ticket; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), ticket, "ticket", FIELD_NEEDED), FIELD_END};
	struct talk     *t = conversation;
	struct ticket_of of;

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!may_redeem(t))
		return fault_set(why, FAULT_DENIED, "uid %ld may not redeem tickets", (long)t->peer);
	if (ticket_redeem(in.ticket, &of) && !of.way.is) {
		t->of.admin = of.admin;
		return put_user(t, of.user, &(struct origin){of.service, span_of(of.peer), span_of(of.local), NULL, NULL}, answer) ? REDEEMED : AT_START;
	}
	frame_start(answer, "no");
	return AT_START;
}

int
owner_wake(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span user, token, proof, digest; } in;
	static const struct field fields[] = {
		FIELD_TEXT(__typeof__(in), user, "user", FIELD_NEEDED), FIELD_TEXT(__typeof__(in), token, "token", FIELD_NEEDED),
		FIELD_TEXT(__typeof__(in), proof, "proof", FIELD_NEEDED), FIELD_TEXT(__typeof__(in), digest, "digest", FIELD_NEEDED),
		FIELD_END
	};
	static const struct origin asleep = {"imap", {"", 0}, {"", 0}, NULL, NULL};
	autofree char             *user = NULL;

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!may_redeem(conversation))
		return fault_set(why, FAULT_DENIED, "uid %ld may wake nobody", (long)((struct talk *)conversation)->peer);
	user = mem_span(span_first(in.user, SASL_USER_MAX));
	if (wake_take(user, in.token, in.proof, in.digest))
		return put_user(conversation, user, &asleep, answer) ? REDEEMED : AT_START;
	frame_start(answer, "no");
	return AT_START;
}

/* Who asks has become the user already, but its client has not been heard: what it names comes from the dictionary of who
 * shares with whom. */
int
owner_find(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span user; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), user, "user", FIELD_NEEDED), FIELD_END};
	struct talk   *t = conversation;
	autofree char *user = NULL;

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (++t->owners > OWNERS_MOST)
		return fault_set(why, FAULT_DENIED, "more than %d owners", OWNERS_MOST);
	user = mem_span(span_first(in.user, SASL_USER_MAX));
	put_user(t, user, NULL, answer);
	return REDEEMED;
}

int
owner_lookup(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span user; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), user, "user", FIELD_NEEDED), FIELD_END};
	autofree char *user = NULL;

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!may_redeem(conversation))
		return fault_set(why, FAULT_DENIED, "not for uid %ld", (long)((struct talk *)conversation)->peer);
	user = mem_span(span_first(in.user, SASL_USER_MAX));
	put_user(conversation, user, NULL, answer);
	return AT_START;
}

/* From here on the asker is confined and hears its client. */
int
owner_confined(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct talk *t = conversation;

	(void)request;
	(void)answer;
	return t->admin ? ADMINISTERS : fault_set(why, FAULT_DENIED, "%s is no administrator", t->user);
}

/* root alone: the command line. */
int
owner_administer(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span user; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), user, "user", FIELD_NEEDED), FIELD_END};
	struct talk   *t = conversation;

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!may_redeem(t))
		return fault_set(why, FAULT_DENIED, "not for uid %ld", (long)t->peer);
	if (!limits_are_kept()) {
		peer_refuse(answer, "quota_set is not configured");
		return AT_START;
	}
	snprintf(t->user, sizeof t->user, "%.*s", SPAN_ARGS(span_first(in.user, SASL_USER_MAX)));
	if (!put_user(t, t->user, NULL, answer))
		return AT_START;
	frame_get(answer, "user", &in.user); /* as the userdb has him */
	snprintf(t->user, sizeof t->user, "%.*s", SPAN_ARGS(span_first(in.user, SASL_USER_MAX)));
	return ADMINISTERS;
}

static void
put_rule(const struct auth_limits *l, struct text *rule)
{
	if (l->configured)
		return;
	text_add_string(rule, "*");
	if (l->storage > 0)
		text_add_format(rule, ":bytes=%lld", (long long)l->storage * 1024);
	if (l->messages > 0)
		text_add_format(rule, ":messages=%lld", (long long)l->messages);
	if (l->mailboxes > 0)
		text_add_format(rule, ":mailboxes=%lld", (long long)l->mailboxes);
	if (rule->len == 1)
		text_add_string(rule, ":bytes=0");
}

int
owner_limit(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct auth_limits l = {0};
	static const struct field fields[] = {
		FIELD_NUMBER(__typeof__(l), storage, "storage", 0), FIELD_NUMBER(__typeof__(l), messages, "messages", 0),
		FIELD_NUMBER(__typeof__(l), mailboxes, "mailboxes", 0), FIELD_FLAG(__typeof__(l), configured, "configured", 0), FIELD_END
	};
	struct talk         *t = conversation;
	autotext struct text rule = {0};
	struct fault         no = {0};

	if (frame_decode(request, fields, &l, why) < 0)
		return -1;
	if (l.storage < 0 || l.storage > AUTH_LIMIT_MOST || l.messages < 0 || l.messages > AUTH_LIMIT_MOST || l.mailboxes < 0 ||
	    l.mailboxes > AUTH_LIMIT_MOST)
		return fault_set(why, FAULT_INPUT, "no limit");
	put_rule(&l, &rule);
	if (limits_set(t->user, text_span(&rule), &no) < 0) {
		log_error("auth: %s: %s", t->user, fault_text(&no));
		frame_start(answer, "failed");
		frame_put_string(answer, "reason", no.class == FAULT_PEER ? "log in again" : "internal error");
		return ADMINISTERS;
	}
	log_info("auth: %s: limits are %s", t->user, rule.len ? text_string(&rule) : "those of the configuration");
	frame_start(answer, "limited");
	frame_put(answer, "rule", text_span(&rule));
	return ADMINISTERS;
}
