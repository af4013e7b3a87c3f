/* SPDX-License-Identifier: ISC */
/*
 * proxy_protocol.c - the header that a load balancer sends first: who its client is
 */
#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1 ---- */

/* As inet_ntop writes it: one form of an address, whoever sent it. */
static int
take_address(struct span word, bool ipv6, char out[46], struct fault *why)
{
	unsigned char bytes[16];
	char          text[46];

	if (word.len == 0 || word.len >= sizeof text)
		return fault_set(why, FAULT_INPUT, "PROXY: bad address");
	memcpy(text, word.at, word.len);
	text[word.len] = '\0';
	if (strlen(text) != word.len || inet_pton(ipv6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return fault_set(why, FAULT_INPUT, "PROXY: bad address");
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes, out, 46);
	return 0;
}

static int
take_port(struct span word, uint16_t *out, struct fault *why)
{
	uint64_t number;

	if (word.len > 5 || !span_number(word, &number) || number > 65535)
		return fault_set(why, FAULT_INPUT, "PROXY: bad port");
	*out = (uint16_t)number;
	return 0;
}

static int
parse_words(struct span line, struct proxy_header *h, struct fault *why)
{
	struct span word[6] = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE};
	size_t      count = 0;

	while (count < COUNT(word) && span_split(&line, ' ', &word[count++])) /* single blanks, and nothing behind */
		;
	if (count >= 2 && span_is(word[1], "UNKNOWN")) {
		h->local = true;
		return 0;
	}
	h->ipv6 = span_is(word[1], "TCP6");
	if (count != COUNT(word) || line.len || (!h->ipv6 && !span_is(word[1], "TCP4")))
		return fault_set(why, FAULT_INPUT, "PROXY: bad line");
	if (take_address(word[2], h->ipv6, h->source, why) < 0 || take_address(word[3], h->ipv6, h->destination, why) < 0 ||
	    take_port(word[4], &h->source_port, why) < 0 || take_port(word[5], &h->destination_port, why) < 0)
		return -1;
	return 0;
}

static int
parse_line(struct span bytes, struct proxy_header *h, size_t *used, struct fault *why)
{
	ptrdiff_t end = span_find(span_first(bytes, PROXY_LINE_MAX), '\n');

	if (end < 0)
		return bytes.len < PROXY_LINE_MAX ? 1 : fault_set(why, FAULT_INPUT, "PROXY: the line does not end");
	if (end < 1 || bytes.at[end - 1] != '\r')
		return fault_set(why, FAULT_INPUT, "PROXY: the line ends without CR");
	if (parse_words(span_first(bytes, (size_t)end - 1), h, why) < 0)
		return -1;
	*used = (size_t)end + 1;
	return 0;
}

/* ---- version 2 ---- */

static uint16_t
number_at(struct span s, size_t at)
{
	return (uint16_t)((unsigned char)s.at[at] << 8 | (unsigned char)s.at[at + 1]);
}

static int
parse_addresses(struct span body, unsigned family, struct proxy_header *h, struct fault *why)
{
	size_t size = family == 1 ? 4 : 16;
	int    af = family == 1 ? AF_INET : AF_INET6;

	if (body.len < 2 * size + 4)
		return fault_set(why, FAULT_INPUT, "PROXY: addresses are cut");
	h->ipv6 = family == 2;
	inet_ntop(af, body.at, h->source, sizeof h->source);
	inet_ntop(af, body.at + size, h->destination, sizeof h->destination);
	h->source_port = number_at(body, 2 * size);
	h->destination_port = number_at(body, 2 * size + 2);
	return 0;
}

static int
parse_binary(struct span bytes, struct proxy_header *h, size_t *used, struct fault *why)
{
	unsigned version, command, family, transport;
	size_t   length;

	if (bytes.len < 16)
		return 1;
	version = (unsigned char)bytes.at[12] >> 4;
	command = bytes.at[12] & 15;
	family = (unsigned char)bytes.at[13] >> 4;
	transport = bytes.at[13] & 15;
	length = number_at(bytes, 14);
	if (version != 2 || command > 1)
		return fault_set(why, FAULT_INPUT, "PROXY: unknown version or command");
	if (16 + length > PROXY_BINARY_MAX)
		return fault_set(why, FAULT_INPUT, "PROXY: a header of %zu bytes", length);
	if (bytes.len < 16 + length)
		return 1;
	*used = 16 + length;
	if (command == 0) {                     /* LOCAL: the proxy's own, a check of health */
		h->local = true;
		return 0;
	}
	if ((family != 1 && family != 2) || transport != 1)
		return fault_set(why, FAULT_INPUT, "PROXY: neither TCP over IPv4 nor over IPv6");
	return parse_addresses(span_cut(bytes, 16, 16 + length), family, h, why);
}

/* Bytes that begin like `mark` as far as they go. */
static bool
begins(struct span bytes, struct span mark)
{
	size_t len = bytes.len < mark.len ? bytes.len : mark.len;

	return memcmp(bytes.at, mark.at, len) == 0;
}

int
proxy_header_parse(struct span bytes, struct proxy_header *out, size_t *used, struct fault *why)
{
	struct span         line = SPAN("PROXY "), binary = {signature, sizeof signature};
	struct proxy_header h = {0};
	size_t              count = 0;
	int                 outcome;

	if (bytes.len == 0)
		return 1;
	if (begins(bytes, line))
		outcome = bytes.len < line.len ? 1 : parse_line(bytes, &h, &count, why);
	else if (begins(bytes, binary))
		outcome = parse_binary(bytes, &h, &count, why);
	else
		return fault_set(why, FAULT_INPUT, "PROXY: no header");
	if (outcome == 0) {
		*out = h;
		*used = count;
	}
	return outcome;
}

/* ---- off a socket ---- */

static int
wait_for(int fd, int64_t deadline, struct fault *why)
{
	int64_t left = deadline - clock_now();

	if (left <= 0 || poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)left) == 0)
		return fault_set(why, FAULT_TIME, "PROXY: no header in time");
	return 0;
}

/* TLS may follow at once, so nothing behind the header is taken: look, then take what belongs to it. */
int
proxy_header_read(int fd, int64_t deadline, struct proxy_header *out, struct fault *why)
{
	autotext struct text have = {0};
	size_t               used = 0;

	for (;;) {
		char   *room = text_room(&have, PROXY_BINARY_MAX);
		size_t  before = have.len;
		ssize_t got;
		int     state;

		if (wait_for(fd, deadline, why) < 0)
			return -1;
		got = recv(fd, room, PROXY_BINARY_MAX, MSG_PEEK);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return fault_set(why, FAULT_PEER, "PROXY: the connection ended before the header");
		have.len += (size_t)got;
		state = proxy_header_parse(text_span(&have), out, &used, why);
		if (state < 0)
			return -1;
		got = recv(fd, room, state ? (size_t)got : used - before, 0);
		if (got < 0)
			return fault_errno(why, "recv");
		have.len = before + (size_t)got;
		if (state == 0)
			return 0;
	}
}
