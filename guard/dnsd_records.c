/* SPDX-License-Identifier: ISC */
/*
 * dnsd_records.c - resource record data (RFC 1035, 3.3), as text
 *
 * libunbound hands out names without compression, so a pointer is malformed.
 */
#include "dnsd_records.h"

#include <arpa/inet.h>

#include "base/base64.h"

static const struct { const char *name; int type; } types[] = {
	{"A", DNS_A}, {"NS", DNS_NS}, {"CNAME", DNS_CNAME}, {"PTR", DNS_PTR}, {"MX", DNS_MX},
	{"TXT", DNS_TXT}, {"AAAA", DNS_AAAA}, {"SRV", DNS_SRV}, {"TLSA", DNS_TLSA},
};

int
dns_type_of(struct span name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (span_is(name, types[i].name))
			return types[i].type;
	return 0;
}

static bool
host_byte(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '/';
}

static int
print_name(struct span wire, struct text *out, struct fault *why)
{
	bool first = true;

	for (;;) {
		size_t      len = wire.len ? (unsigned char)wire.at[0] : 64;
		struct span label = span_cut(wire, 1, 1 + len);

		if (len > 63 || label.len != len || out->len > 255)
			return fault_set(why, FAULT_INPUT, "malformed name");
		wire = span_from(wire, 1 + len);
		if (len == 0)
			break;
		if (!first)
			text_add_byte(out, '.');
		first = false;
		for (size_t i = 0; i < len; i++) {
			if (!host_byte(label.at[i]))
				return fault_set(why, FAULT_INPUT, "a name with odd bytes");
			text_add_byte(out, ascii_lower(label.at[i]));
		}
	}
	if (first)
		text_add_byte(out, '.'); /* the root: a null MX (RFC 7505) */
	return wire.len ? fault_set(why, FAULT_INPUT, "bytes behind a name") : 0;
}

static unsigned
number16(struct span s, size_t at)
{
	return (unsigned)(unsigned char)s.at[at] << 8 | (unsigned char)s.at[at + 1];
}

static int
print_address(int family, struct span rdata, struct text *out, struct fault *why)
{
	char ip[INET6_ADDRSTRLEN];

	if (rdata.len != (family == AF_INET ? 4 : 16) || !inet_ntop(family, rdata.at, ip, sizeof ip))
		return fault_set(why, FAULT_INPUT, "malformed address");
	text_add_string(out, ip);
	return 0;
}

/* A preference or priorities, then a name. */
static int
print_numbers_and_name(size_t numbers, struct span rdata, struct text *out, struct fault *why)
{
	autotext struct text name = {0};

	if (rdata.len < numbers * 2 + 1)
		return fault_set(why, FAULT_INPUT, "record too short");
	if (print_name(span_from(rdata, numbers * 2), &name, why) < 0)
		return -1;
	for (size_t i = 0; i < numbers; i++)
		text_add_format(out, "%u ", number16(rdata, i * 2));
	text_add(out, text_span(&name));
	return 0;
}

static int
print_strings(struct span rdata, struct text *out, struct fault *why)
{
	autotext struct text all = {0};

	while (rdata.len) {
		size_t      len = (unsigned char)rdata.at[0];
		struct span part = span_cut(rdata, 1, 1 + len);

		if (part.len != len)
			return fault_set(why, FAULT_INPUT, "malformed TXT record");
		text_add(&all, part);
		rdata = span_from(rdata, 1 + len);
	}
	text_add(out, text_span(&all));
	return 0;
}

static int
print_tlsa(struct span rdata, struct text *out, struct fault *why)
{
	if (rdata.len < 4)
		return fault_set(why, FAULT_INPUT, "malformed TLSA record");
	text_add_format(out, "%u %u %u ", (unsigned char)rdata.at[0], (unsigned char)rdata.at[1], (unsigned char)rdata.at[2]);
	hex_encode(span_from(rdata, 3), out);
	return 0;
}

int
dns_record_print(int type, struct span rdata, struct text *out, struct fault *why)
{
	switch (type) {
	case DNS_A:
		return print_address(AF_INET, rdata, out, why);
	case DNS_AAAA:
		return print_address(AF_INET6, rdata, out, why);
	case DNS_MX:
		return print_numbers_and_name(1, rdata, out, why);
	case DNS_SRV:
		return print_numbers_and_name(3, rdata, out, why);
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return print_numbers_and_name(0, rdata, out, why);
	case DNS_TXT:
		return print_strings(rdata, out, why);
	case DNS_TLSA:
		return print_tlsa(rdata, out, why);
	default:
		return fault_set(why, FAULT_INPUT, "record type %d", type);
	}
}

int
dns_reverse_name(const char *ip, struct text *out, struct fault *why)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, ip, bytes) == 1) {
		text_add_format(out, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
	} else if (inet_pton(AF_INET6, ip, bytes) == 1) {
		for (int i = 15; i >= 0; i--)
			text_add_format(out, "%x.%x.", bytes[i] & 15, bytes[i] >> 4);
		text_add_string(out, "ip6.arpa");
	} else {
		return fault_set(why, FAULT_INPUT, "%s is not an IP address", ip);
	}
	return 0;
}
