/* SPDX-License-Identifier: ISC */
/*
 * fuzz_netaddr.c - addresses, networks, domain names: what is understood is written and understood again
 */
#include "fuzz.h"

#include "mail/domain.h"
#include "mail/netaddr.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *a = arena_new();
	struct span in = size ? span_at(data, size) : SPAN_NONE, ascii = SPAN_NONE, utf8, name = in;
	struct netaddr     n, again;
	struct netaddr_net net;
	char               text[NETADDR_TEXT_SIZE], ptr[NETADDR_PTR_SIZE];
	size_t             labels = 0;

	if (netaddr_parse(in, &n)) {
		assert(netaddr_parse(span_of(netaddr_string(&n, text)), &again) &&
		       netaddr_equal(&n, &again));
		assert(strlen(netaddr_ptr_name(&n, ptr)) < sizeof ptr);
	}
	(void)netaddr_parse_literal(in, &n);
	if (netaddr_parse_net(in, &net, NULL) == 0) {
		assert(netaddr_in(&net.address, &net));
		again = netaddr_masked(&net.address, net.bits);
		assert(netaddr_equal(&again, &net.address));
	}
	if (domain_to_ascii(a, in, &ascii, NULL) == 0)
		for (size_t i = 0; i < ascii.len; i++)
			assert((unsigned char)ascii.at[i] < 128);
	(void)domain_to_utf8(a, in, &utf8, NULL);
	assert(domain_equal(in, in));
	while (domain_parent(&name))
		assert(++labels <= in.len &&
		       (span_find_text(in, SPAN("..")) >= 0 || domain_within(in, name)));
	return 0;
}
