/* SPDX-License-Identifier: ISC */
/*
 * fuzz_token.c - messages of OAUTHBEARER and XOAUTH2, and the tokens in them, as strangers send them
 */
#include "fuzz.h"
#include "sasl/bearer.h"
#include "sasl/jwt.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwt_keys       *keys;
	static const struct jwt_rules rules = {"", "", "", "sub", "", ""};
	struct span                   in = span_at(data, size);

	if (!keys) {
		keys = jwt_keys_new();
		assert(jwt_keys_add(keys, SPAN("default"), SPAN("HS256"), SPAN("default"), SPAN("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"), NULL) == 0);
	}
	for (int oauthbearer = 0; oauthbearer < 2; oauthbearer++) {
		autotext struct text user = {0};
		struct bearer        b;

		if (bearer_parse(oauthbearer, in, &b, NULL) < 0)
			continue;
		assert(b.token.len > 0 && !span_has(b.token, ' ') && !span_has(text_span(&b.user), '\0'));
		/* nobody guesses the secret: only the seed that has the signature is good */
		if (jwt_check(keys, &rules, b.token, 1000, &user, NULL) == 1)
			assert(span_is(text_span(&user), "anna"));
		bearer_free(&b);
	}
	autotext struct text user = {0};

	jwt_check(keys, &rules, in, 1000, &user, NULL);
	return 0;
}
