/* SPDX-License-Identifier: ISC */
/*
 * fuzz_login_proxy.c - any bytes from the server at which somebody's mailbox is, before the pump has them
 *
 * The first byte chooses IMAP or POP3, the mechanism, STARTTLS and what else is said.  Whatever the server says, the dialogue ends;
 * there is a yes or a no only with one line for the client; and what goes out are whole lines (but a literal), without the
 * password where STARTTLS was wanted, which never succeeds here.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../imapd/imap_proxy.h"
#include "../../pop3d/pop3_proxy.h"
#include "base/clock.h"
#include "fuzz.h"

static int
no_tls(struct proxy_talk *t, struct fault *why)
{
	(void)t;
	return fault_set(why, FAULT_PEER, "no TLS here");
}

static void
read_all(int fd, struct text *all)
{
	ssize_t n;

	while ((n = recv(fd, text_room(all, 65536), 65536, MSG_DONTWAIT)) > 0)
		all->len += (size_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const mechanisms[] = {"", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "", "PLAIN"};
	autotext struct text     answer = {0}, sent = {0};
	struct fault             why = {0};
	int                      pair[2];

	if (size == 0 || size > 100000)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		abort();
	size_t room = size - 1 < 65536 ? size - 1 : 65536;

	if (write(pair[1], data + 1, room) != (ssize_t)room)
		abort();
	shutdown(pair[1], SHUT_WR);
	struct proxy_talk t = {
		.conn = conn_new(pair[0]), .user = data[0] & 8 ? SPAN("an\"na\xc3\xbc") : SPAN("anna"), .password = SPAN("SECRET"), .master = data[0] & 64 ? SPAN("boss") : SPAN_NONE,
		.mechanism = span_of(mechanisms[data[0] & 7]), .session = SPAN("s"), .peer = SPAN("192.0.2.1"), .local = SPAN("192.0.2.2"), .ttl = 4,
		.trusted = data[0] & 16, .utf8 = data[0] & 1, .starttls = data[0] & 32, .start_tls = no_tls,
	};

	conn_deadline(t.conn, clock_after(5000));
	enum proxy_said said = (data[0] & 128 ? pop3_proxy : imap_proxy)(&t, &answer, &why);

	assert(said == PROXY_YES || said == PROXY_NO || said == PROXY_TROUBLE || said == PROXY_MISFIT);
	if (said == PROXY_YES || said == PROXY_NO)
		assert(answer.len > 0 && answer.len <= PROXY_INPUT_MAX && !span_has(text_span(&answer), '\n') && !t.starttls);
	else
		assert(fault_text(&why)[0]);
	conn_flush(t.conn, NULL);
	read_all(pair[1], &sent);
	if (t.starttls)
		assert(span_find_text(text_span(&sent), SPAN("SECRET")) < 0 && span_find_text(text_span(&sent), SPAN("LOGIN")) < 0);
	conn_free(t.conn);
	close(pair[1]);
	return 0;
}
