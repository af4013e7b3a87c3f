/* SPDX-License-Identifier: ISC */
/*
 * saslauthd.c - the words that saslauthd(8) and its clients speak
 */
#include "saslauthd.h"

enum { ANSWER_MAX = 1024 };

static void
add_counted(struct span s, struct text *out)
{
	text_add_byte(out, (char)(s.len >> 8));
	text_add_byte(out, (char)(s.len & 0xff));
	text_add(out, s);
}

void
saslauthd_question(struct span login, struct span password, struct span service, struct span realm, struct text *out)
{
	add_counted(login, out);
	add_counted(password, out);
	add_counted(service, out);
	add_counted(realm, out);
}

static size_t
length_of(struct span answer)
{
	return (size_t)(unsigned char)answer.at[0] << 8 | (unsigned char)answer.at[1];
}

bool
saslauthd_is_whole(struct span answer)
{
	return answer.len >= 2 && (length_of(answer) > ANSWER_MAX || answer.len >= 2 + length_of(answer));
}

int
saslauthd_verdict(struct span answer, struct fault *why)
{
	size_t len = answer.len >= 2 ? length_of(answer) : 0;

	if (answer.len < 2 || len < 2 || len > ANSWER_MAX || answer.len != 2 + len)
		return fault_set(why, FAULT_PEER, "saslauthd: an answer that makes no sense");
	answer = span_from(answer, 2);
	if (span_starts(answer, "OK") && (answer.len == 2 || answer.at[2] == ' ' || answer.at[2] == '\0'))
		return 1;
	if (span_starts(answer, "NO") && (answer.len == 2 || answer.at[2] == ' ' || answer.at[2] == '\0'))
		return 0;
	return fault_set(why, FAULT_PEER, "saslauthd: an answer that makes no sense");
}
