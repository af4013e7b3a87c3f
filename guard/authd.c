/* SPDX-License-Identifier: ISC */
/*
 * authd.c - says who somebody is (grammar: lib/ipc/ask_auth.h)
 *
 * The only program that sees password hashes. smtpd and the login programs ask
 * whether a try is good; imapd and pop3d redeem the ticket of a good one and
 * are told uid, home and mailbox (authd_owner.c). Other servers ask in Dovecot's
 * protocol on private/auth.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd_limits.h"
#include "authd_owner.h"
#include "authd_penalty.h"
#include "authd_talk.h"
#include "authd_ticket.h"
#include "authd_try.h"
#include "authd_users.h"
#include "authd_wake.h"
#include "base/log.h"
#include "config/site.h"
#include "service/privilege.h"
#include "service/service.h"

struct auth_config   auth_config;
struct sasl_library *auth_sasl;
static const char   *quota_set;

static const struct param params[] = {
	LIST("auth_mechanisms", &auth_config.mechanisms, "plain", "mechanisms that are offered: plain, login, scram-sha-1, scram-sha-256, the same with -plus (tied to the TLS session), external (a client certificate), oauthbearer, xoauth2 (a token: auth_passdb = oauth2:PATH), cram-md5 (the last needs passwords that are stored in clear)"),
	LIST("auth_passdb", &auth_config.passdb, "", "where passwords are: passwd-file:PATH, pam[:SERVICE], static:..., sql:PATH, ldap:PATH, checkpassword:PATH (a command, run as root; {PATH arguments}), oauth2:PATH, in order; behind one for whom it is asked and what follows: mechanisms={plain login} username_filter={*@example.com} deny=yes pass=yes skip= result_success= result_failure= result_internalfail="),
	LIST("auth_userdb", &auth_config.userdb, "", "who users are: passwd, passwd-file:PATH, static:uid= gid= home= (has mail for those whom auth_passdb knows; allow_all_users=yes: for every name), sql:PATH, ldap:PATH, checkpassword:PATH, prefetch, in order; behind one what follows from its answer: skip=found result_success=continue-ok result_failure= result_internalfail="),
	LIST("auth_master_passdb", &auth_config.master_passdb, "", "where those are who may log in as anybody (auth_master_user_separator), as auth_passdb"),
	STRING("auth_master_user_separator", &auth_config.master_separator, "", "\"*\": anna*boss logs in as anna with boss' password, who must be in auth_master_passdb"),
	RAW("auth_username_chars", &auth_config.username_chars, "", "characters that a user name may have; empty: all that no path and no log line is made of"),
	BYTES("auth_cache_size", &auth_config.cache_size, "0", "0", "1G", "memory for logins that were good a moment ago; 0: none is remembered"),
	DURATION("auth_checkpassword_timeout", &auth_config.command_ms, "30s", "1s", "50s", "how long a command of checkpassword: may take; then it is killed"),
	DURATION("auth_cache_ttl", &auth_config.cache_ttl, "1h", "0s", "1w", "how long"),
	RAW("mail_location", &auth_config.mail_location, "maildir:%h/Maildir", "where mailboxes are; %u %n %d %h"),
	RAW("auth_username_format", &auth_config.username_format, "%Lu", "how a user name is made uniform"),
	STRING("auth_default_realm", &auth_config.default_realm, "", "domain of names without one"),
	STRING("auth_pam_service", &auth_config.pam_service, "dovecot", "PAM service when auth_passdb names none"),
	BOOLEAN("auth_ssl_require_client_cert", &auth_config.require_certificate, "no", "nobody logs in without a client certificate that verifies"),
	BOOLEAN("auth_ssl_username_from_cert", &auth_config.name_from_certificate, "no", "who shows a client certificate is who it says, whatever name he gives; needed for EXTERNAL"),
	DURATION("auth_failure_delay", &auth_config.failure_delay, "2s", "0s", "1m", "how long a failed try waits"),
	BOOLEAN("auth_penalty", &auth_config.penalty, "yes", "an address whose logins fail waits longer each time: 4, 8, then 15 seconds"),
	BOOLEAN("disable_plaintext_auth", &auth_config.disable_plaintext, "yes", "passwords in clear only over TLS or on this machine"),
	NUMBER("first_valid_uid", &auth_config.first_valid_uid, "500", "0", "", "lowest uid of a mailbox's owner"),
	NUMBER("last_valid_uid", &auth_config.last_valid_uid, "0", "0", "", "highest uid; 0: any"),
	RAW("quota_set", &quota_set, "", "file:/PATH (its directory root's alone) keeps limits that administrators give users by SETQUOTA and postern quota set, before those of quota_rule and the userdb; administrators are users whose userdb says admin=y, and master users with userdb_admin=y; empty: nobody is one"),
	NUMBER("first_valid_gid", &auth_config.first_valid_gid, "1", "0", "", "lowest gid of a mailbox's owner"),
	END_OF_PARAMS
};

static int
prepare(struct fault *why)
{
	struct users_settings s = {auth_config.passdb, auth_config.userdb, auth_config.master_passdb, auth_config.pam_service,
	                                      auth_config.cache_size, auth_config.cache_ttl, auth_config.command_ms};

	bool                  tokens = false;

	owner_start();
	log_rename("dovecot"); /* the tag under which log readers look for "auth: ..." */
	if (sasl_library_open(&auth_sasl, why) < 0)
		return -1;
	for (size_t i = 0; i < auth_config.mechanisms.count; i++) {
		autofree char *name = mem_string(auth_config.mechanisms.item[i]);

		for (char *p = name; *p; p++)
			*p = ascii_upper(*p);
		if (!sasl_mechanism_known(auth_sasl, name))
			return fault_set(why, FAULT_INPUT, "auth_mechanisms: %s is not supported", name);
		tokens = tokens || strcmp(name, "OAUTHBEARER") == 0 || strcmp(name, "XOAUTH2") == 0;
		if (strcmp(name, "EXTERNAL") == 0 && !auth_config.name_from_certificate)
			return fault_set(why, FAULT_INPUT, "auth_mechanisms: external needs auth_ssl_username_from_cert = yes, "
			                 "so that a certificate opens its own user's mailbox alone");
	}
	tickets_start();
	if (wake_prepare(site.data_directory, why) < 0)
		return -1;
	if (users_prepare(&s, why) < 0 || limits_prepare(quota_set, service->checks, why) < 0)
		return -1;
	return tokens && !users_have_tokens() ? fault_set(why, FAULT_INPUT, "auth_mechanisms: oauthbearer and xoauth2 need auth_passdb = oauth2:PATH") : 0;
}

/* ------------------------------------------------------------ a try, and where it leads */

/* Where a service is by default: host= without port= */
static int64_t
port_of(const char *protocol, const struct route *r)
{
	bool pop = strcmp(protocol, "pop3") == 0, tls = r->tls && !r->starttls;

	return r->port ? r->port : strcmp(protocol, "managesieve") == 0 ? 4190 : pop ? (tls ? 995 : 110) : tls ? 993 : 143;
}

/* The login program may ask the dialer for this one connection, and the dialer asks here where it goes. */
static void
put_way(const struct talk *t, const struct route *r, struct frame *answer)
{
	struct ticket_of of = t->of;
	char             ticket[40];

	of.way.is = true;
	of.way.maybe = r->maybe;
	of.way.any_port = !r->port;          /* as Dovecot has it: a host alone is this one at all its ports */
	of.way.port = port_of(t->service, r);
	of.way.timeout = r->timeout;
	snprintf(of.way.host, sizeof of.way.host, "%.*s", SPAN_ARGS(r->host));
	snprintf(of.way.address, sizeof of.way.address, "%.*s", SPAN_ARGS(r->address));
	ticket_make(&of, ticket);
	frame_put_string(answer, "way", ticket);
	mem_wipe(ticket, sizeof ticket);
}

static void
put_route(const struct talk *t, const struct route *r, struct frame *answer)
{
	frame_put(answer, "host", r->host);
	frame_put_number(answer, "port", port_of(t->service, r));
	frame_put(answer, "destuser", r->user.len ? r->user : span_of(try_user(t->try)));
	if (r->nologin) {
		frame_put_flag(answer, "nologin", true);
		frame_put(answer, "told", r->reason);
		return;
	}
	frame_put_string(answer, "proxy", r->maybe ? "maybe" : "yes");
	frame_put(answer, "pass", r->password);
	frame_put(answer, "master", r->master);
	frame_put(answer, "mech", r->mechanism);
	frame_put_number(answer, "timeout", r->timeout);
	frame_put_string(answer, "tls", r->starttls ? "starttls" : r->tls ? "yes" : "no");
	frame_put_flag(answer, "anycert", r->any_certificate);
	frame_put_flag(answer, "untrusted", r->not_trusted);
	if (r->nopassword)
		frame_put_number(answer, "guess", (int64_t)try_what(t->try));
	put_way(t, r, answer);
}

static int
put_step(struct talk *t, struct span input, struct frame *answer)
{
	autotext struct text output = {0};
	char                 ticket[40];
	enum sasl_state      state = try_step(t->try, input, &output);

	if (state == SASL_MORE) {
		frame_start(answer, "more");
		frame_put(answer, "data", text_span(&output));
		return IN_TRY;
	}
	const struct route *route = state == SASL_YES && strcmp(t->service, "smtp") != 0 ? try_route(t->try) : NULL;
	bool                goes_in = state == SASL_YES && !(route && route->nologin);

	frame_start(answer, goes_in ? "yes" : "no");
	frame_put_string(answer, "user", try_user(t->try));
	frame_put_number(answer, "wait", try_lateness(t->try, state));
	if (route)
		put_route(t, route, answer);
	/* nopassword: the other server looks at the password, and this one, if it is that, has not */
	if (goes_in && !(route && (!route->maybe || route->nopassword))) {
		struct ticket_of of = t->of;

		snprintf(of.user, sizeof of.user, "%s", try_user(t->try));
		of.admin = try_admin(t->try);
		ticket_make(&of, ticket);
		frame_put_string(answer, "ticket", strcmp(t->service, "smtp") == 0 ? "" : ticket);
	} else if (!goes_in) {
		frame_put_string(answer, "status", state != SASL_TROUBLE ? "5.7.8" : "4.7.0");
		frame_put_string(answer, "reason", state != SASL_TROUBLE ? "authentication failure" : "temporary authentication failure");
		frame_put_flag(answer, "temporary", state == SASL_TROUBLE);
	}
	try_free(take(t->try));
	return AT_START;
}

static int
do_start(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct talk *t = conversation;
	struct { struct span service, mechanism, peer, local, session, data, bound, binding, name; bool tls, secured, certificate; }
	in = {.data = {NULL, 0}, .bound = SPAN_NONE, .binding = SPAN_NONE, .name = SPAN_NONE};
	static const struct field fields[] = {
		FIELD_TEXT(__typeof__(in), service, "service", FIELD_NEEDED),
		FIELD_TEXT(__typeof__(in), mechanism, "mechanism", FIELD_NEEDED),
		FIELD_TEXT(__typeof__(in), peer, "peer", FIELD_NEEDED), FIELD_TEXT(__typeof__(in), local, "local", 0),
		FIELD_TEXT(__typeof__(in), session, "session", 0), FIELD_TEXT(__typeof__(in), data, "data", 0),
		FIELD_TEXT(__typeof__(in), bound, "bound", 0), FIELD_TEXT(__typeof__(in), binding, "binding", 0),
		FIELD_TEXT(__typeof__(in), name, "name", 0), FIELD_FLAG(__typeof__(in), certificate, "certificate", 0),
		FIELD_FLAG(__typeof__(in), tls, "tls", FIELD_NEEDED), FIELD_FLAG(__typeof__(in), secured, "secured", FIELD_NEEDED),
		FIELD_END
	};
	struct try_client c;
	struct fault      no = {0};

	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	snprintf(t->service, sizeof t->service, "%.*s", SPAN_ARGS(span_first(in.service, sizeof t->service - 1)));
	snprintf(t->of.service, sizeof t->of.service, "%s", t->service);
	snprintf(t->of.peer, sizeof t->of.peer, "%.*s", SPAN_ARGS(span_first(in.peer, sizeof t->of.peer - 1)));
	snprintf(t->of.local, sizeof t->of.local, "%.*s", SPAN_ARGS(span_first(in.local.at ? in.local : SPAN_NONE, sizeof t->of.local - 1)));
	c = (struct try_client){.service = t->service, .peer = in.peer, .local = in.local.at ? in.local : SPAN_NONE,
	                        .secured = in.secured || in.tls || strcmp(t->service, "smtp") == 0,
	                        .bound = in.bound, .binding = in.binding, .certificate = in.certificate, .name = in.name};
	if (!(t->try = try_start(&c, in.mechanism, &no))) {
		frame_start(answer, "no");
		frame_put_string(answer, "status", no.class == FAULT_DENIED ? "5.7.11" : no.class == FAULT_PEER ? "5.7.8" : "5.7.4");
		frame_put_string(answer, "reason", fault_text(&no));
		return AT_START;
	}
	return put_step(t, in.data, answer);
}

static int
do_more(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span data; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), data, "data", FIELD_NEEDED), FIELD_END};

	return frame_decode(request, fields, &in, why) < 0 ? -1 : put_step(conversation, in.data, answer);
}

/* The server that had yet to look at the password said no.  His answer was late already as those before him made it. */
static int
do_denied(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span peer; int64_t guess; } in;
	static const struct field fields[] = {
		FIELD_TEXT(__typeof__(in), peer, "peer", FIELD_NEEDED), FIELD_NUMBER(__typeof__(in), guess, "guess", FIELD_NEEDED), FIELD_END
	};

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (auth_config.penalty)
		penalty_note(in.peer, true, (uint64_t)in.guess);
	frame_start(answer, "noted");
	frame_put_number(answer, "wait", auth_config.failure_delay);
	return AT_START;
}

static int
do_mechanisms(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	autotext struct text names = {0};

	(void)unused;
	(void)request;
	(void)why;
	for (size_t i = 0; auth_config.passdb.count && i < auth_config.mechanisms.count; i++)
		text_add_format(&names, "%s%s", i ? " " : "", auth_config.mechanisms.item[i]);
	for (size_t i = 0; i < names.len; i++)
		names.at[i] = ascii_upper(names.at[i]);
	frame_start(answer, "mechanisms");
	frame_put(answer, "names", text_span(&names));
	return AT_START;
}

/* The dialer asks.  Whoever else had the ticket would hear what the try's own answer said, and could do nothing with it. */
static int
do_way(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct { struct span ticket; } in;
	static const struct field fields[] = {FIELD_TEXT(__typeof__(in), ticket, "ticket", FIELD_NEEDED), FIELD_END};
	struct ticket_of of;

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!ticket_redeem(in.ticket, &of) || !of.way.is) {
		frame_start(answer, "no");
		return AT_START;
	}
	frame_start(answer, "way");
	frame_put_string(answer, "host", of.way.host);
	frame_put_string(answer, "address", of.way.address);
	frame_put_number(answer, "port", of.way.port);
	frame_put_number(answer, "timeout", of.way.timeout);
	frame_put_flag(answer, "maybe", of.way.maybe);
	frame_put_flag(answer, "anyport", of.way.any_port);
	return AT_START;
}

static const struct peer_verb verbs[] = {
	{"start", AT_START, AT_START, do_start},
	{"more", IN_TRY, IN_TRY, do_more},
	{"redeem", AT_START, AT_START, owner_redeem},
	{"way", AT_START, AT_START, do_way},
	{"denied", AT_START, AT_START, do_denied},
	{"wake", AT_START, AT_START, owner_wake},
	{"owner", REDEEMED, REDEEMED, owner_find},
	{"lookup", AT_START, AT_START, owner_lookup},
	{"confined", REDEEMED, REDEEMED, owner_confined},
	{"administer", AT_START, AT_START, owner_administer},
	{"limit", ADMINISTERS, ADMINISTERS, owner_limit},
	{"mechanisms", AT_START, AT_START, do_mechanisms},
	{NULL, 0, 0, NULL}
};

static void
serve(int sock, const struct listener *unused)
{
	struct talk  t = {0};
	int          type = 0;
	socklen_t    len = sizeof type;
	struct fault why = {0};

	(void)unused;
	if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM) {
		dovecot_serve(sock);
		return;
	}
	if (peer_uid(sock, &t.peer, &why) < 0)
		log_warning("%s", fault_text(&why));
	else
		peer_serve(sock, verbs, &t);
	try_free(t.try);
	close(sock);
}

static const char *const asks[] = {"proxymap", NULL};

static const struct service authd = {
	.name = "authd",
	.about = "says who somebody is: passwords, users, one-time tickets",
	.role = ROLE_AUTH,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK,
	.params = params,
	.tasks = "1000",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&authd, argc, argv);
}
