/* SPDX-License-Identifier: ISC */
/*
 * fuzz_acl.c - dovecot-acl: what was written reads back to the same
 */
#include "../fuzz/fuzz.h"

#include "store/acl.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct acl           a, again, global;
	autotext struct text first = {0}, second = {0};

	acl_parse(span_at(data, size), &a);
	assert((acl_rights(&a, &(struct acl_who){"carol", "staff", false}) & ~(unsigned)ACL_ALL) == 0);
	assert(acl_rights(&a, &(struct acl_who){"carol", "staff", true}) & ACL_ADMIN);
	acl_global_select(span_at(data, size), SPAN("shared/alice/Work"), &global);
	assert((acl_rights_under(&global, &a, &(struct acl_who){"carol", "staff", false}) & ~(unsigned)ACL_ALL) == 0);
	acl_free(&global);
	acl_format(&a, &first);
	acl_parse(text_span(&first), &again);
	acl_format(&again, &second);
	assert(span_equal(text_span(&first), text_span(&second)));
	acl_free(&a);
	acl_free(&again);
	return 0;
}
