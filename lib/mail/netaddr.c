/* SPDX-License-Identifier: ISC */
/*
 * netaddr.c - IP addresses (RFC 4291, 2.2; RFC 5952), networks, PTR names (RFC 3596, 2.5)
 */
#include "mail/netaddr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

static size_t
size_of(const struct netaddr *a)
{
	assert(a->family == 4 || a->family == 6);
	return a->family == 4 ? 4 : 16;
}

static bool
parse_v4(struct span in, uint8_t bytes[4])
{
	struct span octet;

	for (int i = 0; i < 4; i++) {
		uint64_t value;
		bool     more = span_split(&in, '.', &octet);

		if (more != (i < 3) || octet.len > 3 || !span_number(octet, &value) ||
		    value > 255 || (octet.len > 1 && octet.at[0] == '0'))
			return false;
		bytes[i] = (uint8_t)value;
	}
	return true;
}

bool
netaddr_parse(struct span in, struct netaddr *out)
{
	struct netaddr a = {0};
	char           text[NETADDR_TEXT_SIZE];

	if (in.len == 0 || in.len >= sizeof text)
		return false;
	if (!span_has(in, ':')) {
		a.family = 4;
		if (!parse_v4(in, a.bytes))
			return false;
	} else {
		for (size_t i = 0; i < in.len; i++)      /* no NUL, no zone */
			if (!ascii_digit(in.at[i]) &&
			    !strchr("abcdefABCDEF:.", in.at[i] ? in.at[i] : ' '))
				return false;
		a.family = 6;
		snprintf(text, sizeof text, "%.*s", SPAN_ARGS(in));
		if (inet_pton(AF_INET6, text, a.bytes) != 1)
			return false;
	}
	*out = a;
	return true;
}

bool
netaddr_parse_literal(struct span in, struct netaddr *out)
{
	struct netaddr a;
	bool           tagged;

	if (in.len < 2 || in.at[0] != '[' || in.at[in.len - 1] != ']')
		return false;
	in = span_cut(in, 1, in.len - 1);
	tagged = span_starts_nocase(in, "IPv6:");
	if (!netaddr_parse(tagged ? span_from(in, 5) : in, &a) || tagged != (a.family == 6))
		return false;
	*out = a;
	return true;
}

const char *
netaddr_string(const struct netaddr *a, char buffer[NETADDR_TEXT_SIZE])
{
	if (a->family == 0)
		return "unknown";
	if (!inet_ntop(size_of(a) == 4 ? AF_INET : AF_INET6, a->bytes, buffer, NETADDR_TEXT_SIZE))
		assert(!"an address fits");
	return buffer;
}

const char *
netaddr_ptr_name(const struct netaddr *a, char buffer[NETADDR_PTR_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char             *at = buffer;

	if (size_of(a) == 4) {
		snprintf(buffer, NETADDR_PTR_SIZE, "%d.%d.%d.%d.in-addr.arpa", a->bytes[3],
		         a->bytes[2], a->bytes[1], a->bytes[0]);
		return buffer;
	}
	for (int i = 15; i >= 0; i--) {
		*at++ = hex[a->bytes[i] & 15];
		*at++ = '.';
		*at++ = hex[a->bytes[i] >> 4];
		*at++ = '.';
	}
	memcpy(at, "ip6.arpa", sizeof "ip6.arpa");
	return buffer;
}

bool
netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
	return a->family == b->family &&
	       (a->family == 0 || memcmp(a->bytes, b->bytes, size_of(a)) == 0);
}

struct netaddr
netaddr_unmapped(const struct netaddr *a)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct netaddr       v4 = {.family = 4};

	if (a->family != 6 || memcmp(a->bytes, prefix, sizeof prefix) != 0)
		return *a;
	memcpy(v4.bytes, a->bytes + 12, 4);
	return v4;
}

bool
netaddr_is_loopback(const struct netaddr *given)
{
	static const uint8_t one[16] = {[15] = 1};
	struct netaddr       a = netaddr_unmapped(given);

	return a.family == 4 ? a.bytes[0] == 127 : a.family == 6 && memcmp(a.bytes, one, 16) == 0;
}

struct netaddr
netaddr_masked(const struct netaddr *a, unsigned bits)
{
	struct netaddr masked = *a;

	for (size_t i = 0; i < size_of(a); i++) {
		unsigned here = bits > i * 8 ? bits - (unsigned)i * 8 : 0;

		if (here < 8)
			masked.bytes[i] &= (uint8_t)(0xff00 >> here);
	}
	return masked;
}

int
netaddr_parse_net(struct span in, struct netaddr_net *net, struct fault *why)
{
	struct netaddr a, masked;
	struct span    address = in, prefix = SPAN_NONE;
	ptrdiff_t      slash = span_find_last(in, '/');
	uint64_t       bits;

	if (slash >= 0) {
		address = span_first(in, (size_t)slash);
		prefix = span_from(in, (size_t)slash + 1);
	}
	if (address.len > 2 && address.at[0] == '[' && address.at[address.len - 1] == ']')
		address = span_cut(address, 1, address.len - 1);
	if (!netaddr_parse(address, &a))
		return fault_set(why, FAULT_INPUT, "bad address in \"%.*s\"", SPAN_ARGS(in));
	bits = size_of(&a) * 8;
	if (slash >= 0 && (prefix.len > 3 || !span_number(prefix, &bits) || bits > size_of(&a) * 8))
		return fault_set(why, FAULT_INPUT, "bad prefix length in \"%.*s\"", SPAN_ARGS(in));
	masked = netaddr_masked(&a, (unsigned)bits);
	if (!netaddr_equal(&masked, &a)) {
		char text[NETADDR_TEXT_SIZE];

		return fault_set(why, FAULT_INPUT,
		                 "non-zero host bits in \"%.*s\", perhaps you should use \"%s/%d\"",
		                 SPAN_ARGS(in), netaddr_string(&masked, text), (int)bits);
	}
	*net = (struct netaddr_net){a, (unsigned)bits};
	return 0;
}

bool
netaddr_in(const struct netaddr *a, const struct netaddr_net *net)
{
	struct netaddr masked;

	if (a->family != net->address.family || a->family == 0)
		return false;
	masked = netaddr_masked(a, net->bits);
	return netaddr_equal(&masked, &net->address);
}
