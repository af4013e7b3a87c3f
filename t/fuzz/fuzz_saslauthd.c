/* SPDX-License-Identifier: ISC */
/*
 * fuzz_saslauthd.c - answers of saslauthd, and smtpd.conf of Cyrus SASL
 */
#include "config/cyrus_conf.h"
#include "fuzz.h"
#include "saslauthd.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span       in = span_at(data, size);
	struct cyrus_conf c = {0};

	if (saslauthd_verdict(in, NULL) == 1)
		assert(saslauthd_is_whole(in) && in.at[2] == 'O' && in.at[3] == 'K');
	if (cyrus_conf_parse(in, &c, NULL) == 0)
		assert(c.socket.at[0] == '/' && c.mechanisms.len >= 5);
	cyrus_conf_free(&c);
	return 0;
}
