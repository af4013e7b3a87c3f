/* SPDX-License-Identifier: ISC */
/*
 * test_smtpd.c - whole sessions over a socketpair, the other programs faked
 *
 * A dialogue is pairs of what is sent and how the reply begins; NULL sends
 * nothing (the greeting), an empty expectation is the end of the stream.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../smtpd/session.h"
#include "../../../smtpd/settings.h"
#include "../unit.h"
#include "base/clock.h"
#include "base/log.h"
#include "fakes.h"

struct run {
	struct conn   *server;
	struct client  client;
	struct monitor done;
	bool           over;
};

static void
serve(void *argument)
{
	struct run *r = argument;

	session_run(r->server, &r->client);
	monitor_enter(&r->done);
	r->over = true;
	monitor_wake(&r->done);
	monitor_leave(&r->done);
}

static struct conn *
begin(struct run *r, const char *ip)
{
	int pair[2];

	ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	monitor_init(&r->done);
	r->over = false;
	r->client = (struct client){0};
	snprintf(r->client.address, sizeof r->client.address, "%s", ip);
	snprintf(r->client.server_address, sizeof r->client.server_address, "198.51.100.1");
	snprintf(r->client.port, sizeof r->client.port, "4711");
	r->server = conn_new(pair[0]);
	ck_assert(task_start(serve, r, NULL) == 0);
	return conn_new(pair[1]);
}

static void
end(struct run *r, struct conn *c)
{
	conn_free(c);
	monitor_enter(&r->done);
	while (!r->over)
		ck_assert(monitor_wait(&r->done, clock_after(20000)));
	monitor_leave(&r->done);
}

/* The whole reply; its last line is what counts. */
static bool
hear(struct conn *c, struct text *all)
{
	struct span line;

	text_clear(all);
	do {
		if (conn_line(c, 4096, &line, NULL, NULL) < 0)
			return false;
		text_add(all, line);
		text_add_byte(all, '\n');
	} while (line.len > 3 && line.at[3] == '-');
	text_cut(all, all->len - 1);
	return true;
}

struct exchange {
	const char *say, *expect;
};

static void
talk_from(const char *ip, const struct exchange *e)
{
	struct run           r;
	struct conn         *c = begin(&r, ip);
	autotext struct text reply = {0};

	conn_deadline(c, clock_after(10000));
	for (; e->say || e->expect; e++) {
		if (e->say)
			ck_assert(conn_write(c, span_of(e->say), NULL) == 0 && conn_flush(c, NULL) == 0);
		if (!e->expect)
			continue;
		if (!*e->expect) {
			ck_assert_msg(!hear(c, &reply), "after %s: %s, not the end", e->say, text_string(&reply));
			break;
		}
		ck_assert_msg(hear(c, &reply), "after %s: the end, not %s", e->say, e->expect);
		ck_assert_msg(strstr(text_string(&reply), e->expect), "after %s: \"%s\", not \"%s\"", e->say, text_string(&reply), e->expect);
	}
	end(&r, c);
}

#define TALK(...) talk_from("203.0.113.5", (const struct exchange[]){__VA_ARGS__, {NULL, NULL}})
#define BANNER {NULL, "220 mx.example.org ESMTP Postfix"}
#define HELLO  BANNER, {"EHLO client.example.net\r\n", "250 CHUNKING"}
#define TO_DATA HELLO, {"MAIL FROM:<a@example.net>\r\n", "250 2.1.0 Ok"}, {"RCPT TO:<user@example.org>\r\n", "250 2.1.5 Ok"}, \
	{"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>"}
#define QUEUED "250 2.0.0 Ok: queued as 4FakeQueueId1"
#define BYE {"QUIT\r\n", "221 2.0.0 Bye"}, {NULL, ""}

static void
configure(const char *text)
{
	fakes_reset();
	fakes_configure(text, false);
}

UNIT_TEST(a_message)                                        /* RFC 5321, 3.3 */
{
	configure("");
	TALK(TO_DATA, {"Subject: x\r\n\r\n..dot\r\n.\r\n", QUEUED}, BYE);
	ck_assert_int_eq(fakes.committed, 1);
	ck_span(text_span(&fakes.sender), "a@example.net");
	ck_span(text_span(&fakes.rcpts), "user@example.org ");
	ck_assert(span_starts(text_span(&fakes.content),
	                      "Received: from client.example.net (client.example.net [203.0.113.5])\r\n"
	                      "\tby mx.example.org (Postfix) with ESMTP id 4FakeQueueId1\r\n\tfor <user@example.org>; "));
	ck_assert(span_ends(text_span(&fakes.content), ")\r\nSubject: x\r\n\r\n.dot\r\n"));
}
END_TEST

UNIT_TEST(pipelined)                                        /* RFC 2920, 3.1 */
{
	configure("");
	TALK(HELLO, {"MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n", "250 2.1.0 Ok"},
	     {NULL, "550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown in local recipient table"},
	     {NULL, "250 2.1.5 Ok"}, {NULL, "354 "}, {".\r\nQUIT\r\n", QUEUED}, {NULL, "221 2.0.0 Bye"});
	ck_assert_int_eq(fakes.committed, 1);
}
END_TEST

UNIT_TEST(out_of_turn)                                      /* RFC 5321, 4.1.4 */
{
	configure("");
	TALK(BANNER, {"RCPT TO:<user@example.org>\r\n", "503 5.5.1 Error: need MAIL command"},
	     {"DATA\r\n", "503 5.5.1 Error: need RCPT command"}, {"EHLO\r\n", "501 Syntax: EHLO hostname"},
	     {"HELO\r\n", "501 Syntax: HELO hostname"}, {"HELO x\r\n", "250 mx.example.org"},
	     {"MAIL FROM:<a@example.net>\r\n", "250 2.1.0 Ok"}, {"MAIL FROM:<a@example.net>\r\n", "503 5.5.1 Error: nested MAIL command"},
	     {"DATA\r\n", "503 5.5.1 Error: need RCPT command"}, {"RCPT TO:<x@example.org>\r\n", "550 5.1.1"},
	     {"DATA\r\n", "554 5.5.1 Error: no valid recipients"}, {"RSET x\r\n", "501 5.5.4 Syntax: RSET"},
	     {"RSET\r\n", "250 2.0.0 Ok"}, {"NOOP\r\n", "250 2.0.0 Ok"}, {"HELP\r\n", "214 "},
	     {"ETRN example.org\r\n", "459 <example.org>: service unavailable"}, BYE);
	configure("smtpd_helo_required = yes\n");
	TALK(BANNER, {"MAIL FROM:<a@example.net>\r\n", "503 5.5.1 Error: send HELO/EHLO first"}, BYE);
}
END_TEST

UNIT_TEST(bad_lines)                                        /* RFC 5321, 4.5.3.1 */
{
	autofree char *lengthy = mem_alloc(5000);

	memset(lengthy, 'x', 4990);
	memcpy(lengthy + 4990, "\r\n", 3);
	configure("smtpd_error_sleep_time = 0\nsmtputf8_enable = yes\n");
	TALK(BANNER, {lengthy, "500 5.5.2 Error: line too long"}, {"BOGUS\r\n", "500 5.5.2 Error: command not recognized"},
	     {"\r\n", "500 5.5.2 Error: bad syntax"}, {"NOOP \xff\r\n", "500 5.5.2 Error: bad UTF-8 syntax"},
	     {"MAIL FROM a@b\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>"}, {"MAIL FROM:<a@b> BOGUS=1\r\n", "555 5.5.4 Unsupported option"},
	     {"MAIL FROM:<a@b\x01>\r\n", "501 5.1.7 Bad sender address syntax"}, {"GET / HTTP/1.1\r\n", "221 2.7.0 Error: I can break rules, too. Goodbye."},
	     {NULL, ""});
}
END_TEST

UNIT_TEST(relaying)
{
	configure("");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250 "}, {"RCPT TO:<b@example.com>\r\n", "454 4.7.1 <b@example.com>: Relay access denied"},
	     {"RCPT TO:<b@relay.example>\r\n", "250 2.1.5 Ok"}, {"RCPT TO:<b%example.com@relay.example>\r\n", "454 4.7.1"},
	     {"RCPT TO:<\"b@example.com\"@relay.example>\r\n", "454 4.7.1"}, {"RCPT TO:<postmaster>\r\n", "250 2.1.5"}, BYE);
	talk_from("192.0.2.9", (const struct exchange[]){HELLO, {"MAIL FROM:<a@example.net>\r\n", "250 "},
	          {"RCPT TO:<b@example.com>\r\n", "250 2.1.5 Ok"}, BYE, {NULL, NULL}});
	configure("smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250 "}, {"RCPT TO:<b@example.com>\r\n", "554 5.7.1 <b@example.com>: Relay access denied"}, BYE);
}
END_TEST

UNIT_TEST(smuggling)                                        /* SECURITY.md 2, 1 */
{
	static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\n.\r", "\r\n.\r", "\r\n\0.\r\n", "\n\n.\r\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n"};

	for (size_t i = 0; i < COUNT(ends); i++) {
		autotext struct text t = {0};

		configure("");
		text_add_string(&t, "one");
		text_add(&t, i == 7 ? span_at(ends[i], 6) : span_of(ends[i]));
		text_add_string(&t, "MAIL FROM:<evil@example.net>\r\n.\r\n");
		{
			struct run           r;
			struct conn         *c = begin(&r, "203.0.113.5");
			autotext struct text reply = {0};
			static const char *const say[] = {NULL, "EHLO x\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<user@example.org>\r\n", "DATA\r\n"};

			conn_deadline(c, clock_after(10000));
			for (size_t k = 0; k < COUNT(say); k++) {
				if (say[k])
					conn_write(c, span_of(say[k]), NULL);
				ck_assert(hear(c, &reply));
			}
			conn_write(c, text_span(&t), NULL);
			ck_assert(hear(c, &reply));
			ck_assert_msg(strncmp(text_string(&reply), QUEUED, 20) == 0, "%zu: %s", i, text_string(&reply));
			conn_write(c, SPAN("QUIT\r\n"), NULL);
			ck_assert(hear(c, &reply));
			ck_assert_msg(strncmp(text_string(&reply), "221", 3) == 0, "%zu: %s", i, text_string(&reply));
			end(&r, c);
		}
		ck_assert_int_eq(fakes.committed, 1);
		ck_assert(span_find_text(text_span(&fakes.content), SPAN("MAIL FROM:<evil@example.net>\r\n")) > 0);
		for (size_t k = 0; k < fakes.content.len; k++)
			if (fakes.content.at[k] == '\n' || fakes.content.at[k] == '\r')
				ck_assert(fakes.content.at[k] == '\r' ? fakes.content.at[k + 1] == '\n' : fakes.content.at[k - 1] == '\r');
	}
}
END_TEST

UNIT_TEST(bare_newline_refused)
{
	configure("smtpd_forbid_bare_newline = reject\n");
	TALK(TO_DATA, {"a\nb\r\n.\r\n", "550 5.5.2 mx.example.org Error: bare <LF> received"}, {NULL, ""});
	ck_assert_int_eq(fakes.committed, 0);
	TALK(BANNER, {"EHLO x\n", "550 5.5.2"}, {NULL, ""});
	talk_from("192.0.2.9", (const struct exchange[]){TO_DATA, {"a\nb\r\n.\r\n", QUEUED}, BYE, {NULL, NULL}});
}
END_TEST

UNIT_TEST(unauthorized_pipelining)
{
	configure("");
	TALK(BANNER, {"EHLO x\r\nMAIL FROM:<a@example.net>\r\n", "554 5.5.0 mx.example.org Error: SMTP protocol synchronization"}, {NULL, ""});
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nSubject: x\r\n", "250"}, {NULL, "250"},
	     {NULL, "554 5.5.0"}, {NULL, ""});
	configure("smtpd_forbid_unauth_pipelining = no\n");
	TALK(BANNER, {"EHLO x\r\nNOOP\r\n", "250 CHUNKING"}, {NULL, "250 2.0.0 Ok"}, BYE);
}
END_TEST

UNIT_TEST(chunks)                                           /* RFC 3030 */
{
	configure("message_size_limit = 20000\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"},
	     {"BDAT 12\r\nSubject: x\r\n", "250 2.0.0 Ok: 12 bytes"}, {"MAIL FROM:<b@example.net>\r\n", "503 5.5.1 Error: MAIL after BDAT"},
	     {"RCPT TO:<user@example.org>\r\n", "503 5.5.1 Error: RCPT after BDAT"}, {"DATA\r\n", "503 5.5.1 Error: DATA after BDAT"},
	     {"BDAT 8 LAST\r\n\r\n.\r\nend", QUEUED}, BYE);
	ck_assert(span_ends(text_span(&fakes.content), "Subject: x\r\n\r\n.\r\nend\r\n"));
	TALK(HELLO, {"BDAT 4\r\nabcd", "503 5.5.1 Error: need RCPT command"}, {"BDAT x\r\n", "521 5.5.4 Syntax: BDAT count [LAST]"}, {NULL, ""});
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\nBDAT 0 LAST\r\n", "250"}, {NULL, "250"}, {NULL, QUEUED},
	     {"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\nBDAT 3\r\nx\r\nRSET\r\n", "250"}, {NULL, "250"}, {NULL, "250"},
	     {NULL, "250 2.0.0 Ok"}, {"BDAT 1 LAST\r\nx", "503 5.5.1 Error: need RCPT command"}, BYE);
}
END_TEST

static void
say(struct conn *c, const char *line, const char *expect)
{
	autotext struct text reply = {0};

	ck_assert(conn_write(c, span_of(line), NULL) == 0 && conn_flush(c, NULL) == 0);
	ck_assert(hear(c, &reply));
	ck_assert_msg(strstr(text_string(&reply), expect), "after %s: \"%s\", not \"%s\"", line, text_string(&reply), expect);
}

/* RFC 3030, 4.2: behind a chunk that was refused nothing of that message is taken, or its first half would be missing. */
UNIT_TEST(chunks_behind_a_refusal)
{
	struct run   r;
	struct conn *c;

	configure("");
	c = begin(&r, "203.0.113.5");
	conn_deadline(c, clock_after(10000));
	say(c, "", "220");
	say(c, "EHLO x\r\n", "250");
	say(c, "MAIL FROM:<a@example.net>\r\n", "250");
	say(c, "RCPT TO:<user@example.org>\r\n", "250");
	fakes.fail = "content";
	say(c, "BDAT 12\r\nSubject: x\r\n", "451 4.3.0");
	fakes.fail = NULL;
	say(c, "BDAT 4\r\nabcd", "451 4.0.0 Discarded 4 bytes after earlier error");
	say(c, "RCPT TO:<user@example.org>\r\n", "503 5.5.1 Error: RCPT after BDAT");
	say(c, "DATA\r\n", "503 5.5.1 Error: DATA after BDAT");
	say(c, "BDAT 5 LAST\r\nend\r\n", "451 4.0.0 Discarded 5 bytes after earlier error");
	ck_assert_int_eq(fakes.committed, 0);
	say(c, "MAIL FROM:<a@example.net>\r\n", "250");      /* the transaction has ended */
	say(c, "RCPT TO:<user@example.org>\r\n", "250");
	say(c, "BDAT 5 LAST\r\nend\r\n", "250");
	ck_assert_int_eq(fakes.committed, 1);
	say(c, "QUIT\r\n", "221");
	end(&r, c);
}
END_TEST

/* RFC 5321, 4.1.4: a HELO that was refused is none, whatever was accepted before. */
UNIT_TEST(a_refused_hello_is_none)
{
	configure("smtpd_delay_reject = no\nsmtpd_helo_required = yes\nsmtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n");
	TALK(HELLO, {"EHLO short\r\n", "504 5.5.2"}, {"MAIL FROM:<a@example.net>\r\n", "503 5.5.1 Error: send HELO/EHLO first"}, BYE);
}
END_TEST

/* getpeername fails once the client has reset the connection, whose bytes can be read all the same: nobody is not ourselves. */
UNIT_TEST(client_without_an_address)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t          size = sizeof here;
	struct linger      reset = {1, 0};
	struct client      who;
	int                listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), server, pipes[2];

	ck_assert(bind(listener, (struct sockaddr *)&here, sizeof here) == 0 && listen(listener, 1) == 0);
	ck_assert(getsockname(listener, (struct sockaddr *)&here, &size) == 0);
	ck_assert(connect(fd, (struct sockaddr *)&here, sizeof here) == 0 && send(fd, "EHLO x\r\n", 8, 0) == 8);
	ck_assert((server = accept(listener, NULL, NULL)) >= 0);
	ck_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
	close(fd);
	client_of_socket(server, &who);
	ck_assert_str_eq(who.address, "unknown");
	ck_assert_str_eq(who.name, "unknown");
	ck_assert(who.broken);
	close(server);
	close(listener);
	ck_assert(pipe(pipes) == 0);                              /* sendmail -bs: there is no network */
	client_of_socket(pipes[0], &who);
	ck_assert_str_eq(who.address, "127.0.0.1");
	ck_assert(!who.broken);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

UNIT_TEST(sizes)                                            /* RFC 1870 */
{
	autotext struct text big = {0};

	configure("message_size_limit = 2000\n");
	while (big.len < 100000)
		text_add_string(&big, "0123456789 0123456789 0123456789\r\n");
	text_add_string(&big, ".\r\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net> SIZE=2001\r\n", "552 5.3.4 Message size exceeds fixed limit"},
	     {"MAIL FROM:<a@example.net> SIZE=2000\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, {"DATA\r\n", "354"},
	     {text_string(&big), "552 5.3.4 Error: message file too big"}, BYE);
	ck_assert_int_eq(fakes.committed, 0);
	ck_assert_int_eq(fakes.aborted, 1);
}
END_TEST

UNIT_TEST(cleanup_fails)
{
	configure("notify_classes =\n");                    /* else the postmaster's transcript is what is committed */
	fakes.fail = "open";
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "451 4.3.0"}, BYE);
	fakes.fail = "space";
	TALK(TO_DATA, {"x\r\n.\r\n", "452 4.3.1 Insufficient system storage"}, BYE);
	fakes.fail = "commit";
	TALK(TO_DATA, {"x\r\n.\r\n", "451 4.3.0 Error: queue file write error"}, BYE);
	fakes.fail = "prepare";
	fakes.fail_status = "5.4.0";
	TALK(TO_DATA, {"x\r\n.\r\n", "554 5.4.0 Error: too many hops"}, BYE);
	fakes.fail = "resolve";
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "451 4.3.0 <user@example.org>: Temporary lookup failure"}, BYE);
	ck_assert_int_eq(fakes.committed, 0);
}
END_TEST

UNIT_TEST(error_limits)
{
	configure("smtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 3\nsmtpd_junk_command_limit = 2\n");
	TALK(BANNER, {"X\r\n", "500"}, {"Y\r\n", "500"}, {"Z\r\n", "500"}, {NULL, "421 4.7.0 mx.example.org Error: too many errors"}, {NULL, ""});
	TALK(BANNER, {"NOOP\r\n", "250"}, {"NOOP\r\n", "250"}, {"NOOP\r\n", "250"}, {"NOOP\r\n", "250"}, {"NOOP\r\n", "250"}, {"NOOP\r\n", "250"},
	     {NULL, "421 4.7.0"}, {NULL, ""});
	configure("smtpd_recipient_limit = 1\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "452 4.5.3 Error: too many recipients"}, BYE);
	configure("smtpd_client_connection_count_limit = 2\n");
	fakes.rate = 3;
	TALK({NULL, "421 4.7.0 mx.example.org Error: too many connections from 203.0.113.5"}, {NULL, ""});
	configure("smtpd_client_message_rate_limit = 2\nsmtpd_client_connection_count_limit = 0\n");
	fakes.rate = 3;
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "450 4.7.1 Error: too much mail from 203.0.113.5"}, BYE);
}
END_TEST

UNIT_TEST(timeouts)
{
	configure("smtpd_timeout = 1s\n");
	TALK(BANNER, {NULL, "421 4.4.2 mx.example.org Error: timeout exceeded"}, {NULL, ""});
	TALK(TO_DATA, {NULL, "421 4.4.2 mx.example.org Error: timeout exceeded"}, {NULL, ""});
}
END_TEST

UNIT_TEST(auth)                                             /* RFC 4954 */
{
	configure("smtpd_sasl_auth_enable = yes\nauth_passdb = pam\n");
	fakes.password = "secret";
	TALK(BANNER, {"EHLO x\r\n", "250-AUTH PLAIN LOGIN\n"}, {"AUTH\r\n", "501 5.5.4 Syntax: AUTH mechanism"},
	     {"AUTH CRAM-MD5\r\n", "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"},
	     {"AUTH PLAIN x\r\n", "501 5.5.2"}, {"AUTH PLAIN\r\n", "334 "}, {"*\r\n", "501 5.7.0 Authentication aborted"},
	     {"AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n", "535 5.7.8 Error: authentication failed: authentication failure"},
	     {"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6"}, {"dXNlcg==\r\n", "334 UGFzc3dvcmQ6"}, {"c2VjcmV0\r\n", "235 2.7.0 Authentication successful"},
	     {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "503 5.5.1 Error: already authenticated"},
	     {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<b@example.com>\r\n", "250"}, {"AUTH PLAIN\r\n", "503 5.5.1 Error: MAIL transaction in progress"},
	     {"DATA\r\n", "354"}, {".\r\n", QUEUED}, BYE);
	ck_assert(span_find_text(text_span(&fakes.content), SPAN("with ESMTPA id")) > 0);
	configure("");
	TALK(BANNER, {"AUTH PLAIN\r\n", "503 5.5.1 Error: authentication not enabled"}, BYE);
	configure("smtpd_sasl_auth_enable = yes\nauth_passdb = pam\nsmtpd_tls_auth_only = yes\n");
	TALK(BANNER, {"AUTH PLAIN\r\n", "503 5.5.1 Error: authentication not enabled"}, BYE);
	configure("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n");
	TALK(HELLO, {"AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n", "535 5.7.8 Error: authentication failed: no"},
	     {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235 2.7.0 Authentication successful"}, BYE);
	fakes.fail = "dial";
	TALK(HELLO, {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "454 4.7.0 Temporary authentication failure: Connection lost to authentication server"}, BYE);
}
END_TEST

UNIT_TEST(sender_logins)
{
	configure("smtpd_sasl_auth_enable = yes\nauth_passdb = pam\nsmtpd_sender_login_maps = inline:{mine@example.net=user, theirs@example.net=other}\n"
	          "smtpd_sender_restrictions = reject_sender_login_mismatch\n");
	fakes.password = "secret";
	TALK(HELLO, {"MAIL FROM:<mine@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "553 5.7.1 <mine@example.net>: Sender address rejected: not logged in"},
	     {"RSET\r\n", "250"}, {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235"}, {"MAIL FROM:<theirs@example.net>\r\n", "250"},
	     {"RCPT TO:<user@example.org>\r\n", "553 5.7.1 <theirs@example.net>: Sender address rejected: not owned by user user"},
	     {"RSET\r\n", "250"}, {"MAIL FROM:<mine@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, BYE);
}
END_TEST

/* One recipient under one list: what RCPT is told. */
static void
judge(const char *rules, const char *helo, const char *sender, const char *rcpt, const char *expect)
{
	autofree char *config = mem_format("smtpd_recipient_restrictions = %s\nsmtpd_client_connection_count_limit = 0\n", rules);
	autofree char *ehlo = mem_format("EHLO %s\r\n", helo), *mail = mem_format("MAIL FROM:<%s>\r\n", sender),
	              *to = mem_format("RCPT TO:<%s>\r\n", rcpt);

	const char *policy = fakes.policy;

	configure(config);
	fakes.policy = policy;
	TALK(BANNER, {ehlo, "250"}, {mail, "250"}, {to, expect}, BYE);
	fakes.policy = policy;
}

UNIT_TEST(rules_one_by_one)
{
	judge("reject_non_fqdn_helo_hostname", "x", "a@example.net", "user@example.org", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname");
	judge("reject_invalid_helo_hostname", "a_!b", "a@example.net", "user@example.org", "501 5.5.2 <a_!b>: Helo command rejected: Invalid name");
	judge("reject_unknown_helo_hostname", "no.example", "a@example.net", "user@example.org", "450 4.7.1 <no.example>: Helo command rejected: Host not found");
	judge("reject_non_fqdn_sender", "x", "a@b", "user@example.org", "504 5.5.2 <a@b>: Sender address rejected: need fully-qualified address");
	judge("reject_non_fqdn_recipient", "x", "a@example.net", "user", "504 5.5.2 <user>: Recipient address rejected: need fully-qualified address");
	judge("reject_unknown_sender_domain", "x", "a@no.example", "user@example.org", "450 4.1.8 <a@no.example>: Sender address rejected: Domain not found");
	judge("reject_unknown_sender_domain", "x", "a@null.example", "user@example.org", "550 5.7.27 <a@null.example>: Sender address rejected: Domain null.example does not accept mail (nullMX)");
	judge("reject_unknown_sender_domain", "x", "a@slow.example", "user@example.org", "450 4.1.8");
	judge("reject_unknown_sender_domain", "x", "a@slow.example", "nobody@example.org", "450 4.1.8");
	judge("reject_unknown_sender_domain", "x", "a@example.net", "user@example.org", "250 2.1.5 Ok");
	judge("reject_unauth_destination", "x", "a@example.net", "b@example.com", "454 4.7.1");
	judge("reject", "x", "a@example.net", "user@example.org", "554 5.7.1 <user@example.org>: Recipient address rejected: Access denied");
	judge("defer", "x", "a@example.net", "user@example.org", "450 4.3.2 <user@example.org>: Recipient address rejected: Try again later");
	judge("defer_if_permit", "x", "a@example.net", "user@example.org", "450 4.7.0");
	judge("defer_if_permit, reject", "x", "a@example.net", "user@example.org", "554 5.7.1");
	judge("defer_if_reject, reject", "x", "a@example.net", "user@example.org", "450 4.7.0");
	judge("warn_if_reject reject, permit", "x", "a@example.net", "user@example.org", "250");
	judge("reject_rbl_client list.example", "x", "a@example.net", "user@example.org", "250");
	judge("check_client_access inline:{example.net=REJECT}", "x", "a@example.net", "user@example.org",
	      "554 5.7.1 <client.example.net[203.0.113.5]>: Client host rejected: Access denied");
	judge("check_client_access inline:{{203.0.113=550 5.7.9 go away}}", "x", "a@example.net", "user@example.org",
	      "550 5.7.9 <client.example.net[203.0.113.5]>: Client host rejected: go away");
	judge("check_helo_access inline:{{evil.example=DEFER later}}", "evil.example", "a@example.net", "user@example.org",
	      "450 4.7.1 <evil.example>: Helo command rejected: later");
	judge("check_sender_access inline:{{a@example.net=reject no mail from you}}", "x", "a@example.net", "user@example.org",
	      "554 5.7.1 <a@example.net>: Sender address rejected: no mail from you");
	judge("check_sender_access inline:{{<>=554 no bounces}}", "x", "", "user@example.org", "554 5.7.1 <>: Sender address rejected: no bounces");
	judge("check_recipient_access inline:{example.org=OK}, reject", "x", "a@example.net", "user@example.org", "250");
	judge("inline:{user@example.org=450}", "x", "a@example.net", "user@example.org", "450 4.7.1");
	configure("smtpd_recipient_restrictions = check_recipient_access inline:{{user@=421 bye}}\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "421 4.7.1"}, {NULL, ""});
}
END_TEST

UNIT_TEST(rules_with_effects)
{
	configure("smtpd_recipient_restrictions = check_recipient_access inline:{{user@example.org = PREPEND X-Seen: yes}},\n"
	          " check_sender_access inline:{{a@example.net = HOLD look}}, check_client_access inline:{{example.net = BCC user2@example.org}}\n");
	TALK(TO_DATA, {"x\r\n.\r\n", QUEUED}, BYE);
	ck_assert(fakes.held);
	ck_assert(span_starts(text_span(&fakes.content), "X-Seen: yes\r\nReceived: "));
	ck_span(text_span(&fakes.rcpts), "user@example.org user2@example.org ");
	configure("smtpd_data_restrictions = check_sender_access inline:{a@example.net=DISCARD}\n");
	TALK(TO_DATA, {"x\r\n.\r\n", QUEUED}, BYE);
	ck_assert_int_eq(fakes.committed, 0);
	configure("smtpd_restriction_classes = strict\nstrict = reject_unknown_sender_domain, reject\n"
	          "smtpd_recipient_restrictions = check_recipient_access inline:{user@example.org=strict}\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "554 5.7.1"}, BYE);
	configure("smtpd_data_restrictions = reject_multi_recipient_bounce\n");
	TALK(HELLO, {"MAIL FROM:<>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, {"RCPT TO:<user2@example.org>\r\n", "250"},
	     {"DATA\r\n", "550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce"}, BYE);
	configure("smtpd_end_of_data_restrictions = reject\n");
	TALK(TO_DATA, {"x\r\n.\r\n", "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied"}, BYE);
	configure("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n");
	TALK({NULL, "554 5.7.1 <client.example.net[203.0.113.5]>: Client host rejected: Access denied"}, {"EHLO x\r\n", "503 5.7.0 Error: access denied for"}, BYE);
	configure("soft_bounce = yes\nsmtpd_recipient_restrictions = reject\n");
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "454 4.7.1"}, BYE);
}
END_TEST

UNIT_TEST(policy)
{
	fakes.policy = "REJECT greylisted";
	judge("check_policy_service unix:private/policy", "x", "a@example.net", "user@example.org",
	      "554 5.7.1 <user@example.org>: Recipient address rejected: greylisted");
	judge("check_policy_service { unix:private/policy, timeout=10s, default_action=DUNNO }", "x", "a@example.net", "user@example.org", "554 5.7.1");
	fakes.policy = "DUNNO";
	judge("check_policy_service unix:private/policy", "x", "a@example.net", "user@example.org", "250");
	configure("smtpd_recipient_restrictions = check_policy_service unix:private/policy\nsmtpd_policy_service_retry_delay = 1s\nsmtpd_policy_service_try_limit = 1\n");
	fakes.fail = "dial";
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"},
	     {"RCPT TO:<user@example.org>\r\n", "451 4.3.5 <user@example.org>: Recipient address rejected: Server configuration problem"}, BYE);
	configure("smtpd_recipient_restrictions = check_policy_service { unix:private/policy, default_action = DUNNO, try_limit = 1 }\n");
	fakes.fail = "dial";
	TALK(HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, BYE);
}
END_TEST

UNIT_TEST(rbl)
{
	configure("smtpd_recipient_restrictions = reject_rbl_client list.example=127.0.0.[2..4]\nsmtpd_client_connection_count_limit = 0\n");
	talk_from("192.0.2.5", (const struct exchange[]){HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"},
	          {"RCPT TO:<user@example.org>\r\n", "554 5.7.1 Service unavailable; Client host [192.0.2.5] blocked using list.example; because"}, BYE, {NULL, NULL}});
	configure("smtpd_recipient_restrictions = reject_rbl_client list.example=127.0.0.3\n");
	talk_from("192.0.2.5", (const struct exchange[]){HELLO, {"MAIL FROM:<a@example.net>\r\n", "250"}, {"RCPT TO:<user@example.org>\r\n", "250"}, BYE, {NULL, NULL}});
}
END_TEST

UNIT_TEST(bad_configuration)
{
	static const char *const bad[] = {
		"smtpd_recipient_restrictions = permit_mynetwork\n", "smtpd_recipient_restrictions = check_sender_access\n",
		"smtpd_recipient_restrictions = check_sender_access nonsense:/x\n", "smtpd_relay_restrictions = permit\n",
		"smtpd_tls_security_level = encrypt\n", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /nonexistent\n",
		"smtpd_recipient_restrictions = check_policy_service { unix:x, bogus=1 }\n", "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = x\n", "smtpd_sasl_auth_enable = yes\n",
		"smtpd_sasl_auth_enable = yes\nauth_passdb = pam\nsmtpd_sasl_security_options = nonsense\n", "tls_server_sni_maps = pcre:/x\nsmtpd_tls_security_level = encrypt\n",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(fakes_configure(bad[i], true) < 0, "taken: %s", bad[i]);
}
END_TEST

UNIT_TEST(envelope_parameters)
{
	configure("");
	TALK(HELLO, {"MAIL FROM:<a@example.net> BODY=8BITMIME RET=HDRS ENVID=abc+2Bd\r\n", "250"},
	     {"RCPT TO:<user@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y\r\n", "250"}, {"DATA\r\n", "354"}, {".\r\n", QUEUED}, BYE);
	ck_span(text_span(&fakes.envid), "abc+d");
	TALK(HELLO, {"MAIL FROM:<a@example.net> AUTH=<>\r\n", "555 5.5.4"}, {"VRFY x@example.org\r\n", "550 5.1.1"}, {"VRFY user@example.org\r\n", "252 2.0.0 user@example.org"},
	     {"VRFY\r\n", "501 5.5.4 Syntax: VRFY address"}, BYE);
	configure("disable_vrfy_command = yes\nsmtpd_discard_ehlo_keywords = dsn, chunking\n");
	TALK(BANNER, {"EHLO x\r\n", "250 SMTPUTF8"}, {"VRFY user\r\n", "502 5.5.1 VRFY command is disabled"}, BYE);
	/* off, UTF-8 goes by as eight bits, and the parameter is not known; strict, it must be asked for */
	configure("smtputf8_enable = no\n");
	TALK(HELLO, {"MAIL FROM:<j\303\266rg@example.net> SMTPUTF8\r\n", "555 5.5.4"}, {"MAIL FROM:<j\303\266rg@example.net>\r\n", "250 2.1.0 Ok"}, BYE);
	configure("smtputf8_enable = yes\nstrict_smtputf8 = yes\n");
	TALK(HELLO, {"MAIL FROM:<j\303\266rg@example.net>\r\n", "501 5.1.7"}, {"MAIL FROM:<j\303\266rg@example.net> SMTPUTF8\r\n", "250 2.1.0 Ok"}, BYE);
}
END_TEST

UNIT_MAIN("smtpd", a_message, pipelined, out_of_turn, bad_lines, relaying, smuggling, bare_newline_refused, unauthorized_pipelining,
          chunks, chunks_behind_a_refusal, a_refused_hello_is_none, client_without_an_address, sizes, cleanup_fails, error_limits, timeouts, auth, sender_logins, rules_one_by_one, rules_with_effects, policy, rbl,
          bad_configuration, envelope_parameters)
