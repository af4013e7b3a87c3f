/* SPDX-License-Identifier: ISC */
/*
 * ask_auth.c - the asker's end (the grammar is in ask_auth.h; authd answers in guard/authd.c)
 *
 * One talk holds one connection until the try is over, so that authd knows
 * when it was abandoned.
 */
#include "ipc/ask_auth.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"
#include "ipc/wake_proof.h"

/* authd bounds itself and delays failures: this is for its death. */
enum { AUTH_MS = 60000 };

struct auth_talk {
	int  sock;
	bool over;
};

static void
copy(char *to, size_t size, struct span s)
{
	snprintf(to, size, "%.*s", SPAN_ARGS(s));
}

static void
copy_field(const struct frame *f, const char *name, char *to, size_t size)
{
	struct span s = SPAN_NONE;

	frame_get(f, name, &s);
	copy(to, size, s);
}

void
auth_route_free(struct auth_route *r)
{
	if (!r)
		return;
	mem_wipe(r, sizeof *r);
	free(r);
}

void
auth_answer_free(struct auth_answer *a)
{
	auth_route_free(take(a->route));
	if (a->data.at)
		mem_wipe(a->data.at, a->data.room);
	text_free(&a->data);
	mem_wipe(a->ticket, sizeof a->ticket);
}

/* A guesser hears late; authd's own task is not held by that. */
static void
wait_as_told(const struct frame *f)
{
	int64_t ms;

	if (frame_get_number(f, "wait", &ms) && ms > 0)
		poll(NULL, 0, ms < AUTH_MS ? (int)ms : AUTH_MS);
}

static struct auth_route *
take_route(const struct frame *f)
{
	struct span        proxy = SPAN_NONE, tls = SPAN_NONE, password = SPAN_NONE;
	bool               nologin = frame_get_flag(f, "nologin");
	struct auth_route *r;

	frame_get(f, "proxy", &proxy);
	frame_get(f, "pass", &password);
	frame_get(f, "tls", &tls);
	if ((!proxy.len && !nologin) || password.len >= sizeof r->password)
		return NULL;
	r = mem_alloc(sizeof *r);
	r->nologin = nologin;
	r->proxy = !nologin;
	r->maybe = span_is(proxy, "maybe");
	r->starttls = span_is(tls, "starttls");
	r->tls = r->starttls || span_is(tls, "yes");
	r->any_certificate = frame_get_flag(f, "anycert");
	r->not_trusted = frame_get_flag(f, "untrusted");
	frame_get_number(f, "port", &r->port);
	frame_get_number(f, "timeout", &r->timeout);
	r->unproved = frame_get_number(f, "guess", &r->guess);
	copy_field(f, "host", r->host, sizeof r->host);
	copy_field(f, "destuser", r->user, sizeof r->user);
	copy_field(f, "master", r->master, sizeof r->master);
	copy_field(f, "mech", r->mechanism, sizeof r->mechanism);
	copy_field(f, "way", r->way, sizeof r->way);
	copy_field(f, "told", r->reason, sizeof r->reason);
	copy(r->password, sizeof r->password, password);
	return r;
}

static int
take_answer(struct auth_talk *t, struct frame *f, struct auth_answer *out, struct fault *why)
{
	struct span s = SPAN_NONE;

	text_clear(&out->data);
	copy_field(f, "user", out->user, sizeof out->user);
	copy_field(f, "ticket", out->ticket, sizeof out->ticket);
	copy_field(f, "status", out->status, sizeof out->status);
	copy_field(f, "reason", out->reason, sizeof out->reason);
	auth_route_free(take(out->route));
	out->route = take_route(f);
	t->over = true;
	if (frame_is(f, "more")) {
		t->over = false;
		out->state = AUTH_MORE;
		frame_get(f, "data", &s);
		text_add(&out->data, s);
	} else if (frame_is(f, "yes")) {
		out->state = AUTH_YES;
	} else if (frame_is(f, "no")) {
		out->state = frame_get_flag(f, "temporary") ? AUTH_TROUBLE : AUTH_NO;
	} else {
		return fault_set(why, FAULT_INPUT, "authd: malformed answer");
	}
	wait_as_told(f);
	return 0;
}

static int
ask(struct auth_talk *t, struct frame *f, struct auth_answer *out, struct fault *why)
{
	autoframe struct frame answer = {0};
	int                    got;

	if (frame_send(t->sock, f, clock_after(AUTH_MS), why) < 0)
		return -1;
	got = frame_receive(t->sock, &answer, clock_after(AUTH_MS), why);
	if (got == 1)
		return fault_set(why, FAULT_PEER, "Connection lost to authentication server");
	return got < 0 ? -1 : take_answer(t, &answer, out, why);
}

int
ask_auth_start(const struct auth_client *c, struct span mechanism, const struct span *initial, struct auth_talk **out,
               struct auth_answer *answer, struct fault *why)
{
	autoframe struct frame f = {0};
	struct auth_talk      *t;
	int                    sock;

	if (peer_take("authd", clock_after(5000), &sock, why) < 0)
		return fault_prefix(why, "Connection lost to authentication server");
	t = mem_alloc(sizeof *t);
	t->sock = sock;
	frame_start(&f, "start");
	frame_put_string(&f, "service", c->service);
	frame_put(&f, "mechanism", mechanism);
	frame_put(&f, "peer", c->peer);
	frame_put(&f, "local", c->local);
	frame_put(&f, "session", c->session);
	frame_put_flag(&f, "tls", c->tls);
	frame_put_flag(&f, "secured", c->secured);
	if (c->binding) {
		frame_put_string(&f, "bound", c->binding->type);
		frame_put(&f, "binding", span_at(c->binding->bytes, c->binding->len));
	}
	frame_put_flag(&f, "certificate", c->certificate);
	if (c->name.len)
		frame_put(&f, "name", c->name);
	if (initial)
		frame_put(&f, "data", *initial);
	if (ask(t, &f, answer, why) < 0) {
		ask_auth_end(t);
		return -1;
	}
	*out = t;
	return 0;
}

int
ask_auth_denied(const struct auth_route *r, struct span peer, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "denied");
	frame_put(&f, "peer", peer);
	frame_put_number(&f, "guess", r->guess);
	if (peer_call("authd", &f, clock_after(AUTH_MS), why) < 0)
		return -1;
	wait_as_told(&f);
	return 0;
}

int
ask_auth_more(struct auth_talk *t, struct span data, struct auth_answer *answer, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "more");
	frame_put(&f, "data", data);
	return ask(t, &f, answer, why);
}

void
ask_auth_end(struct auth_talk *t)
{
	if (!t)
		return;
	if (t->over)
		peer_give("authd", t->sock);
	else
		close(t->sock);
	free(t);
}

static int
take_user(struct frame *f, struct auth_user *out, struct fault *why)
{
	struct auth_user u = {0};
	struct span      reason;
	int64_t          uid, gid;

	if (frame_is(f, "no"))
		return fault_set(why, FAULT_DENIED, "unknown user");
	if (frame_is(f, "refused") && frame_get(f, "reason", &reason))
		return fault_set(why, FAULT_PEER, "authd: %.*s", SPAN_ARGS(reason));
	if (!frame_is(f, "user") || !frame_get_number(f, "uid", &uid) || !frame_get_number(f, "gid", &gid))
		return fault_set(why, FAULT_INPUT, "authd: malformed answer");
	u.uid = (uid_t)uid;
	u.gid = (gid_t)gid;
	copy_field(f, "user", u.user, sizeof u.user);
	copy_field(f, "home", u.home, sizeof u.home);
	copy_field(f, "mail", u.mail, sizeof u.mail);
	copy_field(f, "quota", u.quota, sizeof u.quota);
	copy_field(f, "groups", u.groups, sizeof u.groups);
	copy_field(f, "sieve", u.sieve, sizeof u.sieve);
	copy_field(f, "asked", u.asked, sizeof u.asked);
	copy_field(f, "token", u.token, sizeof u.token);
	copy_field(f, "key", u.key, sizeof u.key);
	u.admin = frame_get_flag(f, "admin");
	*out = u;
	return 0;
}

static int
ask_on(int sock, struct frame *f, struct auth_user *out, struct fault *why)
{
	autoframe struct frame answer = {0};
	int                    got;

	if (frame_send(sock, f, clock_after(AUTH_MS), why) < 0)
		return fault_prefix(why, "authd");
	got = frame_receive(sock, &answer, clock_after(AUTH_MS), why);
	if (got == 1)
		return fault_set(why, FAULT_PEER, "authd: hung up");
	return got < 0 ? -1 : take_user(&answer, out, why);
}

static int
ask_once(struct frame *f, struct auth_user *out, int *talk, struct fault *why)
{
	autoclose int sock = -1;

	if (peer_take("authd", clock_after(AUTH_MS), &sock, why) < 0)
		return fault_prefix(why, "authd");
	if (ask_on(sock, f, out, why) < 0)
		return -1;
	if (talk)
		*talk = take_fd(sock);
	return 0;
}

int
ask_auth_owner(int talk, const char *owner, struct auth_user *out, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "owner");
	frame_put_string(&f, "user", owner);
	return ask_on(talk, &f, out, why);
}

int
ask_auth_redeem(struct span ticket, struct auth_user *out, int *talk, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "redeem");
	frame_put(&f, "ticket", ticket);
	return ask_once(&f, out, talk, why);
}

int
ask_auth_wake(struct span user, struct span token, struct span proof, struct span state, struct auth_user *out, int *talk,
              struct fault *why)
{
	autoframe struct frame f = {0};
	char                   digest[WAKE_HEX];

	wake_digest(state, digest);
	frame_start(&f, "wake");
	frame_put(&f, "user", user);
	frame_put(&f, "token", token);
	frame_put(&f, "proof", proof);
	frame_put_string(&f, "digest", digest);
	return ask_once(&f, out, talk, why);
}

int
ask_auth_confined(int talk, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "confined");
	return frame_send(talk, &f, clock_after(AUTH_MS), why);
}

int
ask_auth_administer(struct span user, struct auth_user *out, int *talk, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "administer");
	frame_put(&f, "user", user);
	return ask_once(&f, out, talk, why);
}

int
ask_auth_limit(int talk, const struct auth_limits *l, struct text *rule, struct fault *why)
{
	autoframe struct frame f = {0}, answer = {0};
	struct span            said = SPAN_NONE;
	int                    got;

	frame_start(&f, "limit");
	frame_put_number(&f, "storage", l->storage);
	frame_put_number(&f, "messages", l->messages);
	frame_put_number(&f, "mailboxes", l->mailboxes);
	frame_put_flag(&f, "configured", l->configured);
	if (frame_send(talk, &f, clock_after(AUTH_MS), why) < 0)
		return fault_prefix(why, "authd");
	got = frame_receive(talk, &answer, clock_after(AUTH_MS), why);
	if (got != 0)
		return got < 0 ? fault_prefix(why, "authd") : fault_set(why, FAULT_PEER, "authd: hung up");
	if (frame_is(&answer, "failed") && frame_get(&answer, "reason", &said))
		return fault_set(why, FAULT_TIME, "%.*s", SPAN_ARGS(span_first(said, 200)));
	if (!frame_is(&answer, "limited") || !frame_get(&answer, "rule", &said))
		return fault_set(why, FAULT_INPUT, "authd: malformed answer");
	text_set(rule, said);
	return 0;
}

int
ask_auth_lookup(struct span user, struct auth_user *out, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "lookup");
	frame_put(&f, "user", user);
	if (peer_call("authd", &f, clock_after(AUTH_MS), why) == 0)
		return take_user(&f, out, why);
	if (why && why->class == FAULT_DENIED)      /* "refused": it cannot say; that there is nobody it says by "no" */
		why->class = FAULT_PEER;
	return -1;
}

int
ask_auth_mechanisms(struct text *names, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            s;

	frame_start(&f, "mechanisms");
	if (peer_call("authd", &f, clock_after(AUTH_MS), why) < 0)
		return -1;
	if (!frame_get(&f, "names", &s))
		return fault_set(why, FAULT_INPUT, "authd: malformed answer");
	text_set(names, s);
	return 0;
}

int64_t *
auth_limit_of(struct auth_limits *l, struct span resource)
{
	if (span_is_nocase(resource, "STORAGE"))
		return &l->storage;
	if (span_is_nocase(resource, "MESSAGE"))
		return &l->messages;
	return span_is_nocase(resource, "MAILBOX") ? &l->mailboxes : NULL;
}
