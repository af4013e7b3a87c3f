/* SPDX-License-Identifier: ISC */
/*
 * fuzz_config.c - main.cf, master.cf, $name expansion, match lists
 */
#include <stdlib.h>

#include "config/edit.h"
#include "config/expand.h"
#include "config/main_cf.h"
#include "config/master_cf.h"
#include "config/networks.h"
#include "fuzz.h"

/* Everything but file names, which a match list would open. */
static void
try_lists(struct span in)
{
	struct list    l = {0};
	struct network n;

	if (list_parse(in, &l, NULL) == 0) {
		for (size_t i = 0; i < l.count; i++)
			if (network_parse(span_of(l.item[i]), &n, NULL) == 0)
				assert(network_holds(&n, &n.base));
		list_free(&l);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span           in = span_at(data, size);
	struct faults         f = {0};
	struct main_cf       *cf = main_cf_parse("/", "main.cf", in, &f);
	struct master_cf     *m = master_cf_parse("master.cf", in, false, &f);
	const struct setting *s;
	size_t                at = 0;
	autotext struct text  out = {0};

	for (int i = 0; i < 50 && (s = main_cf_next(cf, &at)); i++) {
		text_clear(&out);
		main_cf_get(cf, s->name, &out, NULL);
		assert(out.len <= 2 * EXPAND_MAX);
	}
	struct edit e = {.key = "a", .action = EDIT_SET, .line = "a = 1"};

	text_clear(&out);
	edit_text(in, EDIT_MAIN, &e, 1, &out);
	text_clear(&out);
	main_cf_expand(cf, in, &out, NULL);
	main_cf_check(cf, NULL, NULL, &f);
	try_lists(in);
	master_cf_free(m);
	main_cf_free(cf);
	faults_free(&f);
	return 0;
}
