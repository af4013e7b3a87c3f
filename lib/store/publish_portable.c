/* SPDX-License-Identifier: ISC */
/*
 * publish_portable.c - rename that never overwrites, where the system has none
 */
#include "store/publish.h"

int
publish_no_replace(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	return publish_by_link(from_dir, from, to_dir, to, why);
}
