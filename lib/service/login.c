/* SPDX-License-Identifier: ISC */
/*
 * login.c - a client before it is somebody
 */
#include "service/login.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/login.h"
#include "net/tls.h"
#include "service/login_limit.h"
#include "service/login_proxy.h"
#include "service/login_trust.h"
#include "service/pump.h"
#include "service/tls_rows.h"

struct login_config login_config;

int
login_prepare(const char *name, struct fault *why)
{
	struct tls_settings s = {
		.chain_files = login_config.tls_chain_files, .cert_file = login_config.tls_cert_file,
		.key_file = *login_config.tls_key_file ? login_config.tls_key_file : login_config.tls_cert_file,
		.ca_file = login_config.tls_ca_file, .ca_path = "", .ask_client_certificate = login_config.tls_ask_certificate, .protocols = login_config.tls_protocols, .ciphers = "medium",
		.exclude_ciphers = "", .alpn = name,
	};
	bool has_certificate = *login_config.tls_cert_file || *login_config.tls_chain_files;

	login_config.service = name;
	log_rename("dovecot"); /* the tag that log readers know */
	if (login_config.tls_ask_certificate && !*login_config.tls_ca_file)
		return fault_set(why, FAULT_INPUT, "%s_tls_ask_ccert requires %s_tls_CAfile", name, name);
	if (!tls_certificate_field_known(login_config.certificate_field))
		return fault_set(why, FAULT_INPUT, "ssl_cert_username_field: unknown field %s", login_config.certificate_field);
	if (!has_certificate && login_config.tls_wrappermode)
		return fault_set(why, FAULT_INPUT, "%s_tls_wrappermode requires %s_tls_cert_file", name, name);
	if (service_tls_prepare(why) < 0 || login_trust_prepare(why) < 0)
		return -1;
	login_proxy_prepare();
	return !has_certificate ? 0 : tls_server(&s, &login_config.tls, why);
}

/* ------------------------------------------------------------ the connection */

static void
make_session_id(char *out, size_t size)
{
	autotext struct text id = {0};
	unsigned char        random[12];

	if (getentropy(random, sizeof random) < 0)
		abort();
	base64_encode(span_at(random, sizeof random), &id);
	snprintf(out, size, "%s", text_string(&id));
}

static void
keep_alive(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static int
handshake(struct login *l)
{
	struct fault why = {0};

	if (conn_accept_tls(l->conn, login_config.tls, &why) < 0) {
		log_info("%s-login: Disconnected: TLS handshaking: %s (disconnected during TLS handshake): user=<>, rip=%s, lip=%s, "
		         "session=<%s>", login_config.service, fault_text(&why), l->peer, l->local, l->session);
		return -1;
	}
	l->secured = true;
	return 0;
}

/* Somebody of whom nothing is known but where he comes from. */
static void
begin(struct login *l, struct conn *c)
{
	l->conn = c;
	l->started = clock_now();
	l->proxy_ttl = PROXY_TTL;
	l->secured = l->near || l->trusted || conn_is_tls(c);
	conn_deadline(c, clock_after(login_config.timeout));
}

struct login *
login_start(int fd)
{
	struct login *l = mem_alloc(sizeof *l);

	make_session_id(l->socket.session, sizeof l->socket.session);
	if (login_trust_begin(l, fd) < 0) {
		free(l);
		close(fd);
		return NULL;
	}
	keep_alive(fd);
	l->arena = arena_new();
	begin(l, conn_new(fd));
	if (!login_trust_count(l)) {
		l->end = "Too many connections from this address";
		login_end(l);
		return NULL;
	}
	if (login_config.tls_wrappermode && handshake(l) < 0) {
		l->entered = true; /* logged already */
		login_end(l);
		return NULL;
	}
	return l;
}

int
login_starttls(struct login *l)
{
	if (conn_flush(l->conn, NULL) < 0)
		return -1;
	if (conn_pending(l->conn) > 0) { /* injected before the handshake (SECURITY.md 2, row 2) */
		l->end = "Data before the TLS handshake";
		return -1;
	}
	if (handshake(l) < 0) {
		l->entered = true;
		return -1;
	}
	login_untell(l);
	return 0;
}

bool
login_may_use_plaintext(const struct login *l)
{
	return l->secured || conn_is_tls(l->conn) || !login_config.disable_plaintext;
}

static bool
may_offer(struct login *l, struct span name)
{
	struct tls_binding   binding;
	autotext struct text user = {0};

	if (span_is(name, "PLAIN") || span_is(name, "LOGIN") || span_is(name, "OAUTHBEARER") || span_is(name, "XOAUTH2"))
		return login_may_use_plaintext(l);
	if (span_ends(name, "-PLUS"))
		return tls_binding(l->conn, &binding);
	return !span_is(name, "EXTERNAL") || tls_certificate_name(l->conn, login_config.certificate_field, &user) == TLS_NAMED;
}

void
login_mechanisms(struct login *l, struct text *names)
{
	struct fault why = {0};

	autotext struct text all = {0};
	struct span          rest, name;

	if (ask_auth_mechanisms(&all, &why) < 0)
		log_warning("%s-login: %s", login_config.service, fault_text(&why));
	for (rest = text_span(&all); span_next(&rest, " ", &name);)
		if (may_offer(l, name))
			text_add_format(names, "%s%.*s", names->len ? " " : "", SPAN_ARGS(name));
}

/* ------------------------------------------------------------ a try */

static enum login_verdict
judge(struct login *l, struct auth_answer *a)
{
	login_proxy_end(l);
	l->route = take(a->route);
	l->proxy_end = NULL;
	snprintf(l->user, sizeof l->user, "%s", a->user);
	if (a->state == AUTH_YES) {
		snprintf(l->ticket, sizeof l->ticket, "%s", a->ticket);
		return LOGIN_YES;
	}
	if (a->state == AUTH_TROUBLE)
		return LOGIN_TROUBLE;
	if (l->route) {
		l->proxy_end = "internal failure, 1 successful auths";
		return LOGIN_CLOSED;
	}
	if (strcmp(a->status, "5.7.11") == 0) {
		l->refused_plaintext = true;
		return LOGIN_INSECURE;
	}
	if (strcmp(a->status, "5.7.4") == 0)
		return LOGIN_UNKNOWN_MECHANISM;
	l->attempts++;
	return LOGIN_NO;
}

static enum login_verdict
converse(struct login *l, struct auth_talk *t, struct auth_answer *a, login_exchange *exchange)
{
	struct fault why = {0};

	while (a->state == AUTH_MORE) {
		autotext struct text response = {0};
		int                  got = exchange ? exchange(l, text_span(&a->data), &response) : 1;

		if (got != 0)
			return got < 0 ? LOGIN_LOST : LOGIN_ABORTED;
		got = ask_auth_more(t, text_span(&response), a, &why);
		mem_wipe(response.at, response.room);
		if (got < 0) {
			log_error("%s-login: %s", login_config.service, fault_text(&why));
			return LOGIN_TROUBLE;
		}
	}
	return judge(l, a);
}

/* As the log has it; what a stranger invents is not logged. */
static const char *
method_name(struct span mechanism)
{
	static const char *const known[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
	                                    "SCRAM-SHA-256-PLUS", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(mechanism, known[i]))
			return known[i];
	return "PLAIN";
}

enum login_verdict
login_sasl(struct login *l, struct span mechanism, const struct span *initial, login_exchange *exchange)
{
	struct auth_client c = {
		.service = login_config.service, .peer = span_of(l->peer), .local = span_of(l->local),
		.session = span_of(l->session), .tls = conn_is_tls(l->conn), .secured = login_may_use_plaintext(l),
	};
	struct auth_answer   answer = {0};
	struct auth_talk    *talk = NULL;
	struct tls_binding   binding;
	autotext struct text name = {0};
	struct fault         why = {0};
	enum login_verdict   verdict = LOGIN_TROUBLE;

	c.binding = tls_binding(l->conn, &binding) ? &binding : NULL;
	c.certificate = tls_certificate_name(l->conn, login_config.certificate_field, &name) != TLS_NO_CERTIFICATE;
	c.name = text_span(&name);
	l->method = method_name(mechanism);
	l->tried = true;
	if (ask_auth_start(&c, mechanism, initial, &talk, &answer, &why) < 0)
		log_error("%s-login: %s", login_config.service, fault_text(&why));
	else
		verdict = converse(l, talk, &answer, exchange);
	ask_auth_end(talk);
	auth_answer_free(&answer);
	return verdict;
}

enum login_verdict
login_plain(struct login *l, struct span user, struct span password)
{
	autotext struct text secret = {0};
	struct span          initial;
	enum login_verdict   verdict;

	if (span_has(user, '\0') || span_has(password, '\0'))
		return LOGIN_NO;
	text_add_byte(&secret, '\0');
	text_add(&secret, user);
	text_add_byte(&secret, '\0');
	text_add(&secret, password);
	initial = text_span(&secret);
	verdict = login_sasl(l, SPAN("PLAIN"), &initial, NULL);
	mem_wipe(secret.at, secret.room);
	return verdict;
}

/* ------------------------------------------------------------ becoming somebody */

static int
hand_over(struct login *l, struct span tag, int *process, int *control, int64_t *pid, struct fault *why)
{
	struct login_session s = {
		.ticket = span_of(l->ticket), .session = span_of(l->session), .peer = span_of(l->peer),
		.local = span_of(l->local), .tag = tag, .input = SPAN_NONE, .tls = conn_is_tls(l->conn), .utf8 = l->utf8,
		.capabilities = span_of(l->capabilities),
	};
	int pair[2], got;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_errno(why, "socketpair");
	s.stream = pair[1];
	got = login_hand_over(login_config.service, &s, pid, control, why);
	close(pair[1]);
	if (got < 0) {
		close(pair[0]);
		return -1;
	}
	log_info("%s-login: Login: user=<%s>, method=%s, rip=%s, lip=%s, mpid=%lld, %s%ssession=<%s>", login_config.service,
	         l->user, l->method, l->peer, l->local, (long long)*pid, conn_is_tls(l->conn) ? "TLS, " : "",
	         !conn_is_tls(l->conn) && l->secured ? "secured, " : "", l->session);
	*process = pair[0];
	return 0;
}

static void
leave_user(const struct pump_client *c)
{
	login_limit_leave(c->service, c->user, c->peer);
}

static void
leave_both(const struct pump_client *c)
{
	leave_user(c);
	login_limit_leave(c->service, NULL, c->peer);
}

/* The user's own limit is free before the client can log in again; his address stays counted. */
static void
let_go(struct login *l, struct conn *c, const struct pump_client *was)
{
	login_limit_left(was->service, was->user, was->peer);
	l->counted = was->over == leave_both;
	l->entered = l->refused_plaintext = l->too_many = false;
	l->attempts = l->bad_commands = 0;
	l->method = l->end = NULL;
	mem_wipe(l->user, sizeof l->user);
	make_session_id(l->session, sizeof l->session);
	l->told = (struct told){0};
	l->settled = true;
	begin(l, c);
}

static void
come_back(struct conn *c, const struct pump_client *was)
{
	struct login *l = mem_alloc(sizeof *l);

	l->arena = arena_new();
	if (login_trust_begin(l, conn_fd(c)) < 0)
		l->near = was->near;
	snprintf(l->peer, sizeof l->peer, "%s", was->peer);
	snprintf(l->local, sizeof l->local, "%s", was->local);
	let_go(l, c, was);
	login_config.again(l);
}

int
login_enter(struct login *l, struct span tag, struct fault *why)
{
	struct pump_client who = {login_config.service, l->user, l->peer, l->local, l->session, l->near,
	                          l->counted ? leave_both : leave_user, login_config.again ? come_back : NULL, 0};
	struct conn       *back;
	int                process = -1, control = -1;

	if (conn_flush(l->conn, why) < 0)
		return -1;
	if (!login_limit_enter(login_config.service, l->user, l->peer, login_config.userip_connections)) {
		l->too_many = true;
		log_info("%s-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=%d): user=<%s>, "
		         "method=%s, rip=%s, lip=%s%s, session=<%s>", login_config.service, login_config.userip_connections, l->user,
		         l->method, l->peer, l->local, conn_is_tls(l->conn) ? ", TLS" : "", l->session);
		return fault_set(why, FAULT_DENIED, "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=%d)",
		                 login_config.userip_connections);
	}
	if (hand_over(l, tag, &process, &control, &who.pid, why) < 0) {
		login_limit_leave(login_config.service, l->user, l->peer);
		log_error("%s-login: user=<%s>: %s", login_config.service, l->user, fault_text(why));
		return -1;
	}
	l->entered = true;
	l->counted = false; /* the seat is, from now on */
	mem_wipe(l->ticket, sizeof l->ticket);
	back = pump_park(take(l->conn), process, control, &who);
	if (back)
		let_go(l, back, &who);
	return 0;
}

static void
log_end(const struct login *l)
{
	char    what[80] = "no auth attempts";
	int64_t seconds = (clock_now() - l->started) / 1000;

	if (l->attempts)
		snprintf(what, sizeof what, "auth failed, %d attempts", l->attempts);
	else if (l->refused_plaintext)
		snprintf(what, sizeof what, "tried to use disallowed plaintext auth");
	if (l->proxy_end)
		log_info("%s-login: Disconnected: %s (%s): user=<%s>, method=%s, rip=%s, lip=%s%s, session=<%s>", login_config.service,
		         l->end ? l->end : "Connection closed", l->proxy_end, l->user, l->method, l->peer, l->local,
		         conn_is_tls(l->conn) ? ", TLS" : "", l->session);
	else if (l->refused_plaintext && !l->attempts)
		log_info("%s-login: Disconnected: %s (%s): user=<>, rip=%s, lip=%s, session=<%s>", login_config.service,
		         l->end ? l->end : "Connection closed", what, l->peer, l->local, l->session);
	else
		log_info("%s-login: Disconnected: %s (%s in %lld secs): user=<%s>, %s%s%srip=%s, lip=%s%s, session=<%s>",
		         login_config.service, l->end ? l->end : "Connection closed", what, (long long)seconds, l->user,
		         l->method ? "method=" : "", l->method ? l->method : "", l->method ? ", " : "", l->peer, l->local,
		         conn_is_tls(l->conn) ? ", TLS" : "", l->session);
}

void
login_end(struct login *l)
{
	if (!l->entered)
		log_end(l);
	login_proxy_end(l);
	if (l->counted)
		login_limit_leave(login_config.service, NULL, l->peer);
	if (l->conn) {
		conn_deadline(l->conn, clock_after(5000));
		conn_close_notify(l->conn);
		conn_free(l->conn);
	}
	arena_free(l->arena);
	mem_wipe(l, sizeof *l);
	free(l);
}
