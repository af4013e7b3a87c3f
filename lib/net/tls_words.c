/* SPDX-License-Identifier: ISC */
/*
 * tls_words.c - Postfix's words for protocols and ciphers
 *
 * smtpd_tls_protocols is ">=TLSv1.2, <=TLSv1.3" or a list of names to have,
 * or of !names to leave out.  What is below TLS 1.2 is never on, whoever asks
 * (RFC 8996).  A cipher grade is a list of OpenSSL's; TLS 1.3 has no grades.
 */
#include "base/text.h"
#include "net/tls_internal.h"

static const struct {
	const char *name;
	int         version;
	uint64_t    without;
} versions[] = {
	{"SSLv2", 0x0002, 0},
	{"SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3},
	{"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
	{"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
	{"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
	{"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};

static int
find_version(struct span word, size_t *at, struct fault *why)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		autofree char *hex = mem_format("%04x", versions[i].version);

		if (span_is_nocase(word, versions[i].name) || span_is_nocase(word, hex)) {
			*at = i;
			return 0;
		}
	}
	return fault_set(why, FAULT_INPUT, "unknown TLS protocol \"%.*s\"", SPAN_ARGS(span_first(word, 40)));
}

int
tls_parse_protocols(const char *words, struct tls_protocols *out, struct fault *why)
{
	struct tls_protocols p = {.low = TLS1_2_VERSION};
	struct span          rest = span_of(words ? words : ""), word;
	uint64_t             wanted = 0;
	size_t               at = 0;

	while (span_next(&rest, " ,:\t\r\n", &word)) {
		bool low = span_starts(word, ">="), high = span_starts(word, "<="), not = span_starts(word, "!");

		if (find_version(span_from(word, low || high ? 2 : not), &at, why) < 0)
			return -1;
		if (low && versions[at].version > p.low)
			p.low = versions[at].version;
		else if (high)
			p.high = versions[at].version;
		else if (not)
			p.without |= versions[at].without;
		else if (!low)
			wanted |= 1u << at;
	}
	for (size_t i = 0; wanted && i < COUNT(versions); i++)
		if (!(wanted & 1u << i))
			p.without |= versions[i].without;
	if ((p.high && p.high < p.low) ||
	    ((p.without & SSL_OP_NO_TLSv1_2) && (p.without & SSL_OP_NO_TLSv1_3)))
		return fault_set(why, FAULT_INPUT, "\"%s\" leaves no TLS protocol (those below TLSv1.2 are off)", words);
	*out = p;
	return 0;
}

static const struct {
	const char *grade, *list;
} grades[] = {
	{"high", "HIGH"},
	{"medium", "HIGH:MEDIUM"},
	{"low", "HIGH:MEDIUM"},
	{"export", "HIGH:MEDIUM"},
	{"null", "eNULL"},
};

int
tls_cipher_list(const char *grade, const char *exclude, struct text *out, struct fault *why)
{
	struct span rest = span_of(exclude ? exclude : ""), word;
	const char *own;

	for (size_t i = 0; i < COUNT(grades); i++) {
		if (!span_is_nocase(span_of(grade && *grade ? grade : "medium"), grades[i].grade))
			continue;
		own = tls_global_list(grades[i].grade);
		text_add_string(out, own ? own : grades[i].list);
		text_add_string(out, ":!aNULL:!kRSA:!kPSK:!kSRP:!RC4:!3DES:@STRENGTH");
		while (span_next(&rest, " ,:\t\r\n", &word))
			text_add_format(out, ":!%.*s", SPAN_ARGS(word));
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "unknown TLS cipher grade \"%s\"", grade);
}
