/* SPDX-License-Identifier: ISC */
/*
 * fuzz_remote_words.c - keys of strangers in an administrator's query
 */
#include "guard/remote_words.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"'%s'", "'%u' '%d'", "'%1.%2.%9'", "%%'%S%U%D'"};
	struct span              in = span_at(data, size);
	struct remote_key        key;

	remote_key_split(in, &key);
	for (size_t i = 0; i < COUNT(words); i++) {
		autotext struct text sql = {0}, filter = {0}, dn = {0};
		size_t               quotes = 0;

		/* each quote of the key is doubled: the number stays even */
		if (remote_words_expand(words[i], &key, &key, remote_quote_sql, NULL, &sql, NULL) == 0)
			for (size_t k = 0; k < sql.len; k++)
				quotes += sql.at[k] == '\'';
		assert(quotes % 2 == 0);
		if (remote_words_expand(words[i], &key, &key, remote_quote_filter, NULL, &filter, NULL) == 0)
			assert(span_find_any(text_span(&filter), "*()") < 0);
		remote_words_expand(words[i], &key, &key, remote_quote_dn, NULL, &dn, NULL);
	}
	return 0;
}
