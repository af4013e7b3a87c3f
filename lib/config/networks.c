/* SPDX-License-Identifier: ISC */
/*
 * networks.c - IP networks: CIDR patterns, and those of our own interfaces
 */
#include "config/networks.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

int
ip_parse(struct span s, struct ip *out, struct fault *why)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ip             a = {0};
	char                       text[INET6_ADDRSTRLEN];
	bool                       six = span_has(s, ':');

	if (s.len == 0 || s.len >= sizeof text || span_has(s, '\0'))
		return fault_set(why, FAULT_INPUT, "bad address: \"%.*s\"",
		                 SPAN_ARGS(span_first(s, 60)));
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	a.family = six ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return fault_set(why, FAULT_INPUT, "bad address: \"%.*s\"",
		                 SPAN_ARGS(span_first(s, 60)));
	if (six && memcmp(a.bytes, mapped, sizeof mapped) == 0) {
		a.family = AF_INET;
		memmove(a.bytes, a.bytes + 12, 4);
		memset(a.bytes + 4, 0, 12);
	}
	*out = a;
	return 0;
}

static int
all_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* Clears what is beyond the mask; true when that changed something. */
static bool
mask_bits(struct ip *a, int bits)
{
	bool changed = false;

	for (int i = 0; i < all_bits(a->family) / 8; i++) {
		int           keep = bits - 8 * i;
		unsigned char mask = keep >= 8 ? 0xff : keep <= 0 ? 0 : (unsigned char)(0xff << (8 - keep));

		if (a->bytes[i] & ~mask)
			changed = true;
		a->bytes[i] &= mask;
	}
	return changed;
}

static int
host_bits(struct span s, const struct network *n, struct fault *why)
{
	char           text[INET6_ADDRSTRLEN] = "";
	struct ip base = n->base;

	mask_bits(&base, n->bits);
	inet_ntop(base.family, base.bytes, text, sizeof text);
	return fault_set(why, FAULT_INPUT, "non-null host address bits in \"%.*s\", perhaps you should use \"%s%s%s/%d\" instead",
	                 SPAN_ARGS(span_first(s, 60)), base.family == AF_INET6 ? "[" : "", text,
	                 base.family == AF_INET6 ? "]" : "", n->bits);
}

int
network_parse(struct span s, struct network *out, struct fault *why)
{
	struct network n = {0};
	struct ip check;
	struct span    base = s, bits = SPAN_NONE;
	ptrdiff_t      slash = span_find_last(s, '/');
	uint64_t       count;
	bool           mapped;

	if (slash >= 0) {
		base = span_first(s, (size_t)slash);
		bits = span_from(s, (size_t)slash + 1);
	}
	if (base.len > 1 && base.at[0] == '[' && base.at[base.len - 1] == ']')
		base = span_cut(base, 1, base.len - 1);
	if (ip_parse(base, &n.base, why) < 0)
		return -1;
	mapped = n.base.family == AF_INET && span_has(base, ':');
	n.bits = all_bits(n.base.family);
	if (slash >= 0) {
		if (!span_number(bits, &count) || count > (mapped ? 128U : (unsigned)n.bits) ||
		    (mapped && count < 96))
			return fault_set(why, FAULT_INPUT, "bad net/mask pattern: \"%.*s\"",
			                 SPAN_ARGS(span_first(s, 60)));
		n.bits = (int)count - (mapped ? 96 : 0);
	}
	check = n.base;
	if (mask_bits(&check, n.bits))
		return host_bits(s, &n, why);
	*out = n;
	return 0;
}

bool
network_holds(const struct network *n, const struct ip *a)
{
	struct ip masked = *a;

	if (a->family != n->base.family)
		return false;
	mask_bits(&masked, n->bits);
	return memcmp(masked.bytes, n->base.bytes, sizeof masked.bytes) == 0;
}

bool
network_looks_so(struct span s)
{
	bool digit = false;

	if (s.len && s.at[0] == '[')
		return true;
	for (size_t i = 0; i < s.len; i++) {
		if (ascii_digit(s.at[i]))
			digit = true;
		else if (s.at[i] != '.' && s.at[i] != '/')
			return span_has(s, ':') &&
			       span_find_any(s, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_-") < 0;
	}
	return digit;
}

static bool
address_of(const struct sockaddr *from, struct ip *out)
{
	*out = (struct ip){.family = from ? from->sa_family : 0};
	if (out->family == AF_INET)
		memcpy(out->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	else if (out->family == AF_INET6)
		memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       16);
	else
		return false;
	return true;
}

static int
bits_of(const struct ip *mask)
{
	int bits = 0;

	while (bits < all_bits(mask->family) && mask->bytes[bits / 8] & (0x80 >> (bits % 8)))
		bits++;
	return bits;
}

/* RFC 791's classes, for mynetworks_style = class. */
static int
class_bits(const struct ip *a)
{
	return a->bytes[0] < 128 ? 8 : a->bytes[0] < 192 ? 16 : 24;
}

static void
add_network(struct text *out, struct ip a, int bits)
{
	char             text[INET6_ADDRSTRLEN] = "";
	autofree char   *one = NULL;

	mask_bits(&a, bits);
	inet_ntop(a.family, a.bytes, text, sizeof text);
	one = a.family == AF_INET ? mem_format("%s/%d", text, bits)
	                          : mem_format("[%s]/%d", text, bits);
	if (span_find_text(text_span(out), span_of(one)) >= 0)
		return;
	if (out->len)
		text_add_byte(out, ' ');
	text_add_string(out, one);
}

/* Does the list of inet_interfaces name this address? */
static bool
is_chosen(const struct ifaddrs *i, const struct ip *a, struct span interfaces)
{
	struct span    rest = interfaces, word;
	struct ip named;

	while (span_next(&rest, ", \t\r\n", &word)) {
		if (span_is_nocase(word, "all"))
			return true;
		if (span_is_nocase(word, "loopback-only") || span_is_nocase(word, "localhost")) {
			if (i->ifa_flags & IFF_LOOPBACK)
				return true;
			continue;
		}
		if (word.len > 1 && word.at[0] == '[')
			word = span_cut(word, 1, word.len - 1);
		if (ip_parse(word, &named, NULL) == 0 && named.family == a->family &&
		    memcmp(named.bytes, a->bytes, sizeof named.bytes) == 0)
			return true;
	}
	return false;
}

static bool
has_protocol(struct span protocols, int family)
{
	struct span rest = protocols, word;

	while (span_next(&rest, ", \t\r\n", &word))
		if (span_is_nocase(word, "all") ||
		    span_is_nocase(word, family == AF_INET ? "ipv4" : "ipv6"))
			return true;
	return false;
}

static void
add_interface(const struct ifaddrs *i, const char *style, struct span interfaces,
              struct span protocols, int family, struct text *out)
{
	struct ip a, mask;
	bool           loopback;
	int            bits;

	if (!address_of(i->ifa_addr, &a) || a.family != family ||
	    !has_protocol(protocols, family) ||
	    !is_chosen(i, &a, interfaces))
		return;
	loopback = i->ifa_flags & IFF_LOOPBACK;
	bits = all_bits(family);
	if (strcmp(style, "subnet") == 0 && address_of(i->ifa_netmask, &mask))
		bits = bits_of(&mask);
	else if (strcmp(style, "class") == 0 && family == AF_INET)
		bits = class_bits(&a);
	if (strcmp(style, "subnet") == 0 && loopback && family == AF_INET && a.bytes[0] == 127)
		bits = 8;
	add_network(out, a, bits);
}

void
networks_of_interfaces(const char *style, struct span interfaces, struct span protocols,
                       struct text *out)
{
	static const int families[] = {AF_INET, AF_INET6};
	autotext struct text got = {0};
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) == 0) {
		for (size_t f = 0; f < COUNT(families); f++)
			for (struct ifaddrs *i = all; i; i = i->ifa_next)
				add_interface(i, style, interfaces, protocols, families[f], &got);
		freeifaddrs(all);
	}
	text_add(out, text_span(&got));
}

/* Written before the sandbox closes, read after. */
static struct ip *own;
static size_t     n_own;

void
networks_note_own(struct span interfaces)
{
	struct ifaddrs *all = NULL;
	struct ip       a;

	if (getifaddrs(&all) < 0)
		return;
	n_own = 0;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!address_of(i->ifa_addr, &a) || !is_chosen(i, &a, interfaces))
			continue;
		own = mem_grow(own, n_own + 1, sizeof *own);
		own[n_own++] = a;
	}
	freeifaddrs(all);
}

bool
ip_is_ours(const struct ip *a)
{
	for (size_t i = 0; i < n_own; i++)
		if (own[i].family == a->family && memcmp(own[i].bytes, a->bytes, sizeof a->bytes) == 0)
			return true;
	return false;
}
