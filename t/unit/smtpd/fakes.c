/* SPDX-License-Identifier: ISC */
/*
 * fakes.c - smtpd without the other programs
 */
#include "fakes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/site.h"
#include "ipc/ask_auth.h"
#include "ipc/ask_dial.h"
#include "ipc/ask_dns.h"
#include "ipc/ask_rate.h"
#include "ipc/ask_rewrite.h"
#include "ipc/submit.h"
#include "net/conn.h"
#include "service/service.h"
#include "../../../smtpd/settings.h"

struct fakes fakes;

static struct service_facts        facts = {.name = "smtp", .program = "smtpd", .config_directory = "/nowhere"};
const struct service_facts *const  service = &facts;

void
service_watch_table(struct table *t)
{
	(void)t;
}

int
service_session_count(void)
{
	return 0;
}

int
fakes_configure(const char *main_cf, bool may_fail)
{
	static const struct param *const tables[] = {site_params, smtpd_params, NULL};
	struct faults                    faults = {0};
	struct fault                     why = {0};
	autofree char                   *all = mem_format(
                "myhostname = mx.example.org\ncompatibility_level = 3.7\nmynetworks = 192.0.2.0/24\nmydestination = example.org\n%s",
                main_cf);

	facts.main_cf = main_cf_parse("/nowhere", "main.cf", span_of(all), &faults);
	memset(&settings, 0, sizeof settings);
	memset(&prepared, 0, sizeof prepared);
	params_load(facts.main_cf, tables, &faults);
	site_settle(facts.main_cf, &faults);
	if (faults_first(&faults, &why) < 0 || settings_prepare(&why) < 0) {
		if (!may_fail) {
			fprintf(stderr, "configure: %s\n", fault_text(&why));
			abort();
		}
		return -1;
	}
	return 0;
}

void
fakes_reset(void)
{
	text_free(&fakes.content);
	text_free(&fakes.sender);
	text_free(&fakes.rcpts);
	text_free(&fakes.envid);
	fakes = (struct fakes){0};
}

static bool
fails(const char *what)
{
	return fakes.fail && strcmp(fakes.fail, what) == 0;
}

/* ---- cleanup ---- */

struct submission {
	int         fd;
	struct text sender, rcpts, envid;
	int64_t     length;
	bool        committed;
};

void
submit_service(const char *name)
{
	(void)name;
}

int
submit_open(const struct submit_origin *o, int64_t deadline, struct submission **out, struct fault *why)
{
	(void)o, (void)deadline;
	if (fails("open"))
		return fault_set(why, FAULT_PEER, "no cleanup");
	*out = mem_alloc(sizeof **out);
	(*out)->fd = -1;
	fakes.opened++;
	return 0;
}

const char *
submit_queue_id(const struct submission *s)
{
	(void)s;
	return "4FakeQueueId1";
}

int
submit_content(struct submission *s, int *fd, int64_t *at, struct fault *why)
{
	if (fails("content"))
		return fault_set(why, FAULT_DENIED, "no room");
	if (fails("space"))
		s->fd = open("/dev/full", O_RDWR);
	else
		s->fd = memfd_create("content", MFD_CLOEXEC);
	*fd = s->fd;
	*at = 100;
	return 0;
}

int
submit_recipient(struct submission *s, const struct submit_rcpt *r, struct fault *why)
{
	if (fails("rcpt"))
		return fault_set(why, FAULT_PEER, "gone");
	text_add_format(&s->rcpts, "%.*s ", SPAN_ARGS(r->address));
	return 0;
}

int
submit_prepare(struct submission *s, const struct submit_envelope *e, struct fault *why)
{
	if (fails("prepare"))
		return fault_set(why, FAULT_DENIED, "too many hops");
	text_add(&s->sender, e->sender);
	text_add(&s->envid, e->envid);
	s->length = e->length;
	return 0;
}

void
submit_deadline(struct submission *s, int64_t deadline)
{
	(void)s, (void)deadline;
}

int
submit_commit(struct submission *s, struct span edits, struct fault *why)
{
	struct submit_edit edit;

	if (fails("commit"))
		return fault_set(why, FAULT_PEER, "gone");
	while (submit_edit_next(&edits, &edit, NULL) > 0)
		fakes.held |= edit.op == 'H';
	text_clear(&fakes.content);
	file_read_at(s->fd, text_room(&fakes.content, (size_t)s->length), (size_t)s->length, 100, NULL);
	fakes.content.len = (size_t)s->length;
	text_set(&fakes.sender, text_span(&s->sender));
	text_set(&fakes.rcpts, text_span(&s->rcpts));
	text_set(&fakes.envid, text_span(&s->envid));
	fakes.committed++;
	s->committed = true;
	return 0;
}

const char *
submit_status(const struct submission *s)
{
	(void)s;
	return fakes.fail_status ? fakes.fail_status : "4.3.0";
}

void
submit_close(struct submission *s)
{
	if (!s)
		return;
	fakes.aborted += !s->committed;
	if (s->fd >= 0)
		close(s->fd);
	text_free(&s->sender);
	text_free(&s->rcpts);
	text_free(&s->envid);
	free(s);
}

struct span
submit_pieces(const struct submission *s)
{
	(void)s;
	return SPAN_NONE;
}

int64_t
submit_end(const struct submission *s)
{
	(void)s;
	return 0;
}

/* ---- rewrite ---- */

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
}

int
ask_rewrite(const char *context, const struct span *in, size_t count, struct arena *a, struct span *out,
            struct fault *why)
{
	(void)context;
	if (fails("rewrite"))
		return fault_set(why, FAULT_TIME, "no rewrite");
	for (size_t i = 0; i < count; i++)
		out[i] = arena_span(a, in[i]);
	return 0;
}

int
ask_resolve(struct span sender, const struct span *in, size_t count, struct arena *a, struct route *out, struct fault *why)
{
	(void)sender;
	if (fails("resolve"))
		return fault_set(why, FAULT_TIME, "no rewrite");
	for (size_t i = 0; i < count; i++) {
		struct span d = domain_of(in[i]);

		out[i] = (struct route){.recipient = arena_span(a, in[i]), .class = ROUTE_DEFAULT};
		if (d.len == 0 || span_is_nocase(d, "example.org"))
			out[i].class = ROUTE_LOCAL;
		else if (span_is_nocase(d, "relay.example"))
			out[i].class = ROUTE_RELAY;
	}
	return 0;
}

int
ask_known(struct span sender, struct span address, struct route_known *out, struct fault *why)
{
	struct span d = domain_of(address);

	(void)sender;
	if (fails("known"))
		return fault_set(why, FAULT_TIME, "no rewrite");
	*out = (struct route_known){.known = !span_is_nocase(d, "example.org") || span_starts_nocase(address, "user") ||
	                                     span_starts_nocase(address, "postmaster"),
	                            .code = 550};
	snprintf(out->table, sizeof out->table, "local recipient table");
	return 0;
}

/* ---- the others ---- */

int
ask_rate(const char *what, struct span svc, struct span client, struct rate *out, struct fault *why)
{
	(void)what, (void)svc, (void)client, (void)why;
	*out = (struct rate){fakes.rate, fakes.rate};
	return 0;
}

int
ask_client_name(const char *ip, char *name, size_t size, char *reverse, size_t reverse_size, struct fault *why)
{
	(void)ip, (void)why;
	snprintf(name, size, "client.example.net");
	snprintf(reverse, reverse_size, "client.example.net");
	return 0;
}

int
ask_dns(struct span name, const char *type, struct arena *a, struct dns_answer *out, struct fault *why)
{
	(void)why;
	*out = (struct dns_answer){.state = DNS_NXDOMAIN};
	if (span_is(name, "slow.example"))
		out->state = DNS_TROUBLE;
	else if (span_ends(name, ".example.net") || span_is(name, "example.net"))
		out->state = strcmp(type, "MX") ? DNS_NONE : DNS_FOUND;
	else if (span_is(name, "null.example") || span_is(name, "5.2.0.192.list.example"))
		out->state = DNS_FOUND;
	if (out->state == DNS_FOUND) {
		out->records = arena_alloc(a, sizeof *out->records);
		out->n_records = 1;
		out->records[0] = span_is(name, "null.example") ? SPAN("0 .")
		                  : strcmp(type, "TXT") == 0    ? SPAN("because")
		                  : strcmp(type, "A") == 0      ? SPAN("127.0.0.2")
		                                                : SPAN("10 mx.example.net");
	}
	return 0;
}

int
ask_addresses(struct span host, struct arena *a, struct dns_address **out, size_t *count, enum dns_state *state, struct fault *why)
{
	(void)host, (void)a, (void)why;
	*out = NULL;
	*count = 0;
	*state = DNS_NXDOMAIN;
	return 0;
}

struct auth_talk {
	struct text response;
	bool        login, have_user;
};

void
auth_answer_free(struct auth_answer *a)
{
	text_free(&a->data);
}

int
ask_auth_mechanisms(struct text *names, struct fault *why)
{
	(void)why;
	text_add_string(names, "PLAIN LOGIN ANONYMOUS");
	return 0;
}

static int
judge(struct span secret, struct auth_answer *a)
{
	a->state = fakes.password && span_is(secret, fakes.password) ? AUTH_YES : AUTH_NO;
	snprintf(a->user, sizeof a->user, "user");
	snprintf(a->reason, sizeof a->reason, "authentication failure");
	return 0;
}

int
ask_auth_more(struct auth_talk *t, struct span data, struct auth_answer *a, struct fault *why)
{
	(void)why;
	if (t->login && !t->have_user) {
		t->have_user = true;
		a->state = AUTH_MORE;
		text_set(&a->data, SPAN("Password:"));
		return 0;
	}
	if (!t->login) {
		ptrdiff_t zero = span_find_last(data, '\0');

		data = span_from(data, (size_t)(zero + 1));
	}
	return judge(data, a);
}

int
ask_auth_start(const struct auth_client *c, struct span mechanism, const struct span *initial, struct auth_talk **out,
               struct auth_answer *a, struct fault *why)
{
	(void)c;
	if (fails("auth"))
		return fault_set(why, FAULT_PEER, "no authd");
	*out = mem_alloc(sizeof **out);
	(*out)->login = span_is_nocase(mechanism, "LOGIN");
	if (initial)
		return ask_auth_more(*out, *initial, a, why);
	a->state = AUTH_MORE;
	text_set(&a->data, (*out)->login ? SPAN("Username:") : SPAN(""));
	return 0;
}

void
ask_auth_end(struct auth_talk *t)
{
	free(t);
}

/* A policy server that gives one answer, or Dovecot's that takes fakes.password. */
static void
serve_policy(void *argument)
{
	struct conn *c = argument;
	struct span  line;

	conn_deadline(c, clock_after(5000));
	while (conn_line(c, 4096, &line, NULL, NULL) == 0)
		if (line.len == 0)
			conn_print(c, NULL, "action=%s\n\n", fakes.policy ? fakes.policy : "DUNNO");
	conn_free(c);
}

static void
serve_dovecot(void *argument)
{
	struct conn *c = argument;
	struct span  line;

	conn_deadline(c, clock_after(5000));
	conn_print(c, NULL, "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tx\nDONE\n");
	while (conn_line(c, 4096, &line, NULL, NULL) == 0) {
		if (!span_starts(line, "AUTH\t"))
			continue;
		if (span_find_text(line, SPAN("resp=AHVzZXIAc2VjcmV0")) >= 0)
			conn_print(c, NULL, "OK\t1\tuser=user\n");
		else
			conn_print(c, NULL, "FAIL\t1\tuser=user\treason=no\n");
	}
	conn_free(c);
}

int
ask_dial(struct span endpoint, int64_t deadline, int *fd, struct fault *why)
{
	int pair[2];

	(void)deadline;
	if (fails("dial") || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return fault_set(why, FAULT_PEER, "Connection refused");
	if (task_start(span_find_text(endpoint, SPAN("auth")) >= 0 ? serve_dovecot : serve_policy, conn_new(pair[1]), why) < 0)
		return -1;
	*fd = pair[0];
	return 0;
}
