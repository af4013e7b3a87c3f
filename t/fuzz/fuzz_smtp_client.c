/* SPDX-License-Identifier: ISC */
/*
 * fuzz_smtp_client.c - a session and a transaction: any bytes from the server
 *
 * The first byte chooses SMTP or LMTP, EHLO or HELO, the recipients, and whether more servers
 * would follow. Whatever the server says, the client ends; nobody is reported twice
 * or in words that are not one printable line; what goes out has no bare CR or LF; and with
 * nobody accepted no content goes out.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../smtp/client.h"
#include "base/log.h"
#include "config/site.h"
#include "fuzz.h"

static const char content[] = "Subject: s\r\n\r\nSECRET\r\n.dot\r\n";
static int        content_fd;

static void
set_up(void)
{
	static bool done;
	int64_t    *timeouts[] = {&client.helo_timeout, &client.mail_timeout, &client.rcpt_timeout, &client.data_init_timeout,
	                          &client.data_xfer_timeout, &client.data_done_timeout, &client.quit_timeout, &client.starttls_timeout};

	if (done)
		return;
	done = true;
	log_open("fuzz", open("/dev/null", O_WRONLY));
	for (size_t i = 0; i < COUNT(timeouts); i++)
		*timeouts[i] = 1000;
	client.helo_name = "client.example.net";
	client.always_ehlo = client.skip_5xx_greeting = client.skip_quit_response = true;
	client.line_length_limit = 998;
	client.tls_level = TLS_NONE;
	client.mime_nesting_limit = 20;
	client.min_data_rate = 500;
	client.data_xfer_timeout = client.xforward_timeout = 1000;
	client.auth_cache_name = client.password_delimiter = "";
	site.myhostname = "client.example.net";
	content_fd = memfd_create("content", MFD_CLOEXEC);
	if (content_fd < 0 || write(content_fd, content, sizeof content - 1) != sizeof content - 1)
		abort();
}

static void
check_sent(int fd, bool accepted)
{
	autotext struct text all = {0};
	ssize_t              n;

	while ((n = recv(fd, text_room(&all, 65536), 65536, MSG_DONTWAIT)) > 0)
		all.len += (size_t)n;
	for (size_t i = 0; i < all.len; i++) {
		if (all.at[i] == '\r')
			assert(i + 1 == all.len || all.at[i + 1] == '\n');
		if (all.at[i] == '\n')
			assert(i > 0 && all.at[i - 1] == '\r');
	}
	assert(accepted || span_find_text(text_span(&all), SPAN("SECRET")) < 0);
}

/* Takes the reports: how many were sent. */
static size_t
check_reports(int fd, size_t count)
{
	bool   seen[4] = {false};
	size_t sent = 0;

	for (;;) {
		autoframe struct frame f = {0};
		struct deliver_answer  a;
		struct fault           why = {0};
		char                   byte;

		if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) <= 0)
			return sent;
		if (deliver_next(fd, &f, &a, 0, &why) != 0)
			abort();
		assert(a.index >= 0 && (size_t)a.index < count && !seen[a.index]);
		seen[a.index] = true;
		for (size_t i = 0; i < a.status.text.len; i++)
			assert((unsigned char)a.status.text.at[i] >= ' ' && a.status.text.at[i] != 0x7f);
		sent += a.status.action == DELIVER_SENT;
	}
}

static void
deliver(int server, struct delivery *d, bool last, bool *accepted)
{
	struct host     h = {.name = "mx.example.net", .ip = "192.0.2.1", .port = 25};
	struct session *s = NULL;
	struct trouble  t = {0};

	if (session_begin(conn_new(server), &h, &(struct session_wish){.nexthop = d->nexthop, .sender = d->sender, .allow_tls = true}, &s, &t) == STEP_DONE) {
		enum step step = transaction_send(s, d, last, &t);

		assert(step == STEP_DONE || t.text.len > 0);
		s->used++;
		session_quit(s);
		for (size_t i = 0; i < d->n_rcpts; i++)
			*accepted = *accepted || !last || d->rcpts[i].reported || step != STEP_DONE;
	} else {
		assert(t.text.len > 0 && t.dsn[0] != '\0');
	}
	trouble_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deliver_rcpt rcpts[4] = {0};
	char                pieces[32];
	int                 stream[2], reports[2];
	size_t              count;
	bool                accepted = false;

	if (size == 0 || size > 20000)
		return 0;
	set_up();
	count = 1 + (data[0] & 3);
	client.lmtp = data[0] & 4;
	client.never_ehlo = data[0] & 8;
	snprintf(pieces, sizeof pieces, "0+%zu", sizeof content - 1);
	for (size_t i = 0; i < count; i++)
		rcpts[i] = (struct deliver_rcpt){.index = (int64_t)i, .address = SPAN("u@example.net"), .original = SPAN_NONE,
		                                 .orcpt = data[0] & 64 ? SPAN("rfc822;u@example.net") : SPAN_NONE, .notify = data[0] & 64 ? 2 : 0};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, reports) < 0)
		abort();
	if (write(stream[1], data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	shutdown(stream[1], SHUT_WR);
	struct delivery d = {
		.queue_id = SPAN("4jWJG6252Vz1mYYK1"), .transport = SPAN("smtp"), .nexthop = SPAN("example.net"), .sender = SPAN("a@example.net"),
		.envid = SPAN_NONE, .ret = SPAN_NONE, .body = SPAN_NONE, .log_client = SPAN_NONE, .sasl_user = SPAN_NONE, .client_name = SPAN_NONE,
		.client_address = SPAN_NONE, .helo = SPAN_NONE, .protocol = SPAN_NONE, .pieces = span_of(pieces), .content = content_fd,
		.rcpts = rcpts, .n_rcpts = count, .sock = reports[0], .verify_only = data[0] & 32,
	};
	deliver(stream[0], &d, data[0] & 16, &accepted);
	check_reports(reports[1], count);
	check_sent(stream[1], accepted && !d.verify_only);
	close(stream[1]);
	close(reports[0]);
	close(reports[1]);
	return 0;
}
