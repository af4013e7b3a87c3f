/* SPDX-License-Identifier: ISC */
/*
 * login_proxy.c - somebody whose mailbox is at another server
 */
#include "service/login_proxy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_dial.h"
#include "net/address.h"
#include "net/tls.h"
#include "service/login_limit.h"
#include "service/pump.h"

static struct tls_context *tls;         /* NULL: */
static struct fault        no_tls;

/* A file that is not there is no reason to let nobody in: most sites have no such server. */
void
login_proxy_prepare(void)
{
	struct tls_settings s = {
		.ca_file = login_config.client_ca_file, .ca_path = login_config.client_ca_dir, .cert_file = login_config.client_cert,
		.key_file = *login_config.client_key ? login_config.client_key : login_config.client_cert, .protocols = login_config.tls_protocols,
	};

	if (tls_client(&s, &tls, &no_tls) < 0) {
		tls = NULL;
		log_warning("ssl_client_ca_file, ssl_client_ca_dir, ssl_client_cert, ssl_client_key: %s: users' other servers are not reached by TLS",
		            fault_text(&no_tls));
	}
}

/* A server may answer before it is asked: what it was to be asked goes out first all the same, and nothing is left for the pump. */
int
proxy_line(struct proxy_talk *t, struct span *line, struct fault *why)
{
	if (conn_flush(t->conn, why) < 0)
		return -1;
	if (conn_bytes_in(t->conn) > PROXY_INPUT_MAX)
		return fault_set(why, FAULT_INPUT, "Too much said before the login");
	return conn_line(t->conn, PROXY_LINE_MAX, line, NULL, why);
}

/* RFC 4616; RFC 4422, appendix A; RFC 7628; and what Google made before it. */
int
proxy_initial(const struct proxy_talk *t, struct text *out)
{
	if (span_is(t->mechanism, "PLAIN")) {
		text_add(out, t->master.len ? t->user : SPAN_NONE);
		text_add_byte(out, '\0');
		text_add(out, t->master.len ? t->master : t->user);
		text_add_byte(out, '\0');
		text_add(out, t->password);
	} else if (span_is(t->mechanism, "EXTERNAL")) {
		text_add(out, t->user);
	} else if (span_is(t->mechanism, "XOAUTH2")) {
		text_add_format(out, "user=%.*s\001auth=Bearer %.*s\001\001", SPAN_ARGS(t->user), SPAN_ARGS(t->password));
	} else if (span_is(t->mechanism, "OAUTHBEARER") && span_find_any(t->user, ",=") < 0) {
		text_add_format(out, "n,a=%.*s,\001auth=Bearer %.*s\001\001", SPAN_ARGS(t->user), SPAN_ARGS(t->password));
	} else {
		return -1;
	}
	return 0;
}

/* "proxy(ann,192.0.2.1:143): " and what comes behind the words. */
static void
prefix(const struct login *l, struct text *out)
{
	text_add_format(out, "%s-login: proxy(%s", login_config.service, l->user);
	if (*l->proxy_address)
		text_add_format(out, ",%s%s%s:%lld", strchr(l->proxy_address, ':') ? "[" : "", l->proxy_address, strchr(l->proxy_address, ':') ? "]" : "",
		                (long long)l->route->port);
	text_add_string(out, "): ");
}

static void
suffix(const struct login *l, struct text *out)
{
	text_add_format(out, ": user=<%s>, method=%s, rip=%s, lip=%s, %s%ssession=<%s>", l->user, l->method, l->peer, l->local,
	                conn_is_tls(l->conn) ? "TLS, " : "", !conn_is_tls(l->conn) && l->secured ? "secured, " : "", l->session);
}

static void
note(const struct login *l, bool error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
note(const struct login *l, bool error, const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	prefix(l, &line);
	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	suffix(l, &line);
	if (error)
		log_error("%s", text_string(&line));
	else
		log_info("%s", text_string(&line));
}

static int
start_tls(struct proxy_talk *t, struct fault *why)
{
	const struct auth_route *r = t->route;
	struct net_address       literal;
	bool                     verify = login_config.client_require_cert && !r->any_certificate;
	struct tls_wish          wish = {
		.server_name = net_address_parse(span_of(r->host), 1, &literal, NULL) == 0 ? NULL : r->host, .match = r->host, .must_verify = verify,
	};

	if (!tls)
		return fault_set(why, FAULT_INPUT, "no TLS: %s", fault_text(&no_tls));
	if (conn_pending(t->conn) > 0)
		return fault_set(why, FAULT_INPUT, "Data before the TLS handshake");
	if (verify && !*login_config.client_ca_file && !*login_config.client_ca_dir)
		return fault_set(why, FAULT_INPUT, "ssl_client_ca_file and ssl_client_ca_dir name no authority: no certificate can be verified");
	if (conn_start_tls(t->conn, tls, &wish, why) < 0)
		return fault_prefix(why, "TLS handshaking");
	return 0;
}

/* A server that is this one, at this very socket, would ask this very question again. */
static bool
loops(const struct login *l)
{
	return strcmp(l->proxy_address, l->socket.local) == 0 && l->route->port == l->socket.local_port && strcmp(l->route->user, l->user) == 0;
}

/* It only ever takes away: it is believed from anybody. */
void
login_proxy_ttl(struct login *l, struct span said)
{
	uint64_t n;

	if (span_number(said, &n) && n < (uint64_t)l->proxy_ttl)
		l->proxy_ttl = (int)n;
}

static int
check(const struct login *l, struct fault *why)
{
	const struct auth_route *r = l->route;

	if (!*r->host)
		return fault_set(why, FAULT_INPUT, "host not given");
	if (!*r->password && strcmp(r->mechanism, "EXTERNAL") != 0)
		return fault_set(why, FAULT_INPUT, "password not given");
	if (l->proxy_ttl <= 1)
		return fault_set(why, FAULT_INPUT, "TTL reached zero - proxies appear to be looping?");
	return 0;
}

static void
keep_alive(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static enum proxy_said
hold(struct login *l, struct conn *backend, proxy_dialogue *dialogue, struct text *answer, struct fault *why)
{
	const struct auth_route *r = l->route;
	struct proxy_talk        t = {
		.conn = backend, .user = span_of(r->user), .password = span_of(r->password), .master = span_of(r->master),
		.mechanism = span_of(*r->mechanism ? r->mechanism : *r->master ? "PLAIN" : ""),
		.session = span_of(l->session), .peer = span_of(l->peer), .local = span_of(l->local), .ttl = l->proxy_ttl - 1,
		.peer_port = l->peer_port, .local_port = l->local_port, .trusted = !r->not_trusted, .utf8 = l->utf8,
		.starttls = r->starttls, .start_tls = start_tls, .route = r,
	};

	if (r->tls && !r->starttls && start_tls(&t, why) < 0)
		return why->class == FAULT_INPUT ? PROXY_MISFIT : PROXY_TROUBLE;
	return dialogue(&t, answer, why);
}

/* Guesses at that server cost what guesses here do. */
static void
count_failure(struct login *l)
{
	struct fault why = {0};

	l->attempts++;
	if (l->route->unproved && ask_auth_denied(l->route, span_of(l->peer), &why) < 0)
		log_error("%s-login: %s", login_config.service, fault_text(&why));
}

static enum proxy_said
tell(struct login *l, enum proxy_said said, const struct text *answer, const struct fault *why)
{
	const struct auth_route *r = l->route;

	if (said == PROXY_NO) {
		autofree char *master = *r->master ? mem_format(" (master %s)", r->master) : mem_string("");

		l->proxy_end = "proxy dest auth failed";
		note(l, false, "Login failed%s: %s", master, text_string(answer));
		count_failure(l);
	} else if (said == PROXY_MISFIT) {
		note(l, true, "Aborting due to remote server: %s", fault_text(why));
	} else if (said == PROXY_TROUBLE) {
		note(l, true, "%s", why->class == FAULT_TIME ? "Login timed out" : fault_text(why));
	}
	return said;
}

enum proxy_said
login_proxy(struct login *l, proxy_dialogue *dialogue, struct text *answer)
{
	int64_t         begun = clock_now(), patience = l->route->timeout ? l->route->timeout : login_config.proxy_timeout;
	int             fd = -1, got;
	struct fault    why = {0};
	struct conn    *backend;
	enum proxy_said said;

	*l->proxy_address = '\0';
	l->proxy_end = "internal failure, 1 successful auths";
	if (check(l, &why) < 0) {
		note(l, true, "%s", fault_text(&why));
		return PROXY_MISFIT;
	}
	got = ask_dial_way(l->route->way, l->socket.local, l->socket.local_port, clock_after(patience), &fd, l->proxy_address, &why);
	if (got == DIAL_ITSELF && !*l->ticket) {
		note(l, true, "nopassword= with proxy_maybe=, and the server is this one: nobody has looked at the password");
		return PROXY_MISFIT;
	}
	if (got == DIAL_ITSELF) {
		l->proxy_end = NULL;
		return PROXY_ITSELF;
	}
	if (got < 0) {
		note(l, true, "%s", fault_text(&why));
		return PROXY_TROUBLE;
	}
	if (loops(l)) {
		close(fd);
		note(l, true, "Proxying loops to itself");
		return PROXY_MISFIT;
	}
	keep_alive(fd);
	backend = conn_new(fd);
	conn_deadline(backend, begun + patience);
	said = hold(l, backend, dialogue, answer, &why);
	if (said != PROXY_YES) {
		conn_free(backend);
		return tell(l, said, answer, &why);
	}
	int64_t ms = clock_now() - begun;

	note(l, false, "Started proxying to <%s>%s%s (%lld.%03lld secs)", l->route->host, strcmp(l->route->user, l->user) != 0 ? " as user " : "",
	     strcmp(l->route->user, l->user) != 0 ? l->route->user : "", (long long)ms / 1000, (long long)ms % 1000);
	l->backend = backend;
	return PROXY_YES;
}

static void
leave_address(const struct pump_client *c)
{
	login_limit_leave(c->service, NULL, c->peer);
}

int
login_proxy_enter(struct login *l)
{
	autotext struct text  before = {0}, after = {0};
	struct pump_client    who = {login_config.service, l->user, l->peer, l->local, l->session, l->near, l->counted ? leave_address : NULL, NULL, getpid()};

	if (conn_flush(l->conn, NULL) < 0)
		return -1;
	prefix(l, &before);
	suffix(l, &after);
	l->entered = true;
	l->counted = false;
	conn_deadline(l->backend, CLOCK_NEVER);
	pump_park_behind(take(l->conn), take(l->backend), &who, text_string(&before), text_string(&after));
	return 0;
}

void
login_proxy_end(struct login *l)
{
	conn_free(take(l->backend));
	auth_route_free(take(l->route));
}
