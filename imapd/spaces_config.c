/* SPDX-License-Identifier: ISC */
/*
 * spaces_config.c - whose mailboxes there are, as the configuration says it
 */
#include <string.h>

#include "imap_config.h"
#include "spaces.h"

bool
spaces_split(struct span in, struct span *prefix, struct span *location)
{
	ptrdiff_t at = span_find_text(in, SPAN("=maildir:"));

	if (at < 1)
		return false;
	*prefix = span_trim(span_first(in, (size_t)at));
	*location = span_trim(span_from(in, (size_t)at + 1));
	return prefix->len > 0;
}

struct span
spaces_shared_stem(void)
{
	struct span prefix = SPAN_NONE, location;
	ptrdiff_t   percent;

	if (!spaces_split(span_of(imap_config.shared_namespace), &prefix, &location))
		return SPAN_NONE;
	percent = span_find(prefix, '%');
	return percent < 0 ? prefix : span_first(prefix, (size_t)percent);
}

bool
spaces_next_public(struct span *rest, struct span *prefix, struct span *location)
{
	struct span one;

	while (span_next(rest, ";", &one))
		if (spaces_split(span_trim(one), prefix, location))
			return true;
	return false;
}

const char *
spaces_dictionary(void)
{
	const char *slash = strrchr(imap_config.acl_shared_dict, '/');

	return slash ? slash + 1 : NULL;
}

static int
check_shared(struct fault *why)
{
	struct span prefix, location;

	if (!*imap_config.shared_namespace)
		return 0;
	if (!spaces_split(span_of(imap_config.shared_namespace), &prefix, &location)
		|| !span_ends(prefix, imap_config.separator) || span_find_text(prefix, SPAN("%%u")) < 0 || spaces_shared_stem().len == 0)
		return fault_set(why, FAULT_INPUT, "imap_shared_namespace is not like shared%s%%%%u%s=maildir:%%%%h/Maildir",
			imap_config.separator, imap_config.separator);
	if (strncmp(imap_config.acl, "vfile", 5) != 0)
		return fault_set(why, FAULT_INPUT, "imap_shared_namespace needs acl = vfile: nothing else says who may do what");
	if (!spaces_dictionary())
		return fault_set(why, FAULT_INPUT, "imap_shared_namespace needs acl_shared_dict = file:/PATH: it says who shares with whom");
	return 0;
}

int
spaces_check(struct fault *why)
{
	struct span rest = span_of(imap_config.public_namespaces), one, prefix, location;

	while (span_next(&rest, ";", &one))
		if (span_trim(one).len && (!spaces_split(span_trim(one), &prefix, &location)
			|| !span_ends(prefix, imap_config.separator)))
			return fault_set(why, FAULT_INPUT, "imap_public_namespaces: \"%.*s\" is not like Public%s=maildir:/PATH",
				SPAN_ARGS(span_trim(one)), imap_config.separator);
	if (*imap_config.acl_shared_dict && (strncmp(imap_config.acl_shared_dict, "file:/", 6) != 0 || !*spaces_dictionary()
		|| strlen(spaces_dictionary()) > 50))
		return fault_set(why, FAULT_INPUT, "acl_shared_dict = %s: only file:/PATH is known here", imap_config.acl_shared_dict);
	return check_shared(why);
}
