/* SPDX-License-Identifier: ISC */
/*
 * mailboxes.c - what a script may ask about mailboxes: RFC 5490, RFC 8579 (special uses), RFC 9042 (ids)
 */
#include "sieve/sieve_private.h"

enum { LOOK_UP = 65536 };    /* bytes that one question is worth */

int
test_mailboxexists(struct run *r, const struct node *n, bool *answer)
{
	*answer = true;
	for (size_t i = 0; i < n->at[0]->strings.count && *answer; i++)
		*answer = r->host->mailbox_exists &&
			r->host->mailbox_exists(r->host->context, word_expand(r, n->at[0]->strings.at[i]));
	return script_cost(r, n, 4096);
}

/* "\Junk" */
bool
special_use_valid(struct span use)
{
	if (!span_starts(use, "\\") || use.len < 2 || use.len > 60)
		return false;
	for (size_t i = 1; i < use.len; i++)
		if (!ascii_alpha(use.at[i]) && !ascii_digit(use.at[i]) && use.at[i] != '-')
			return false;
	return true;
}

int
test_specialuse_exists(struct run *r, const struct node *n, bool *answer)
{
	struct span mailbox = n->at[0] ? word_first(r, n->at[0]) : SPAN_NONE;

	*answer = true;
	for (size_t i = 0; i < n->at[1]->strings.count && *answer; i++) {
		struct span use = word_expand(r, n->at[1]->strings.at[i]);

		if (!special_use_valid(use))
			return script_error(r, n, "specialuse_exists test: invalid special-use flag `%.*s' specified",
				SPAN_ARGS(span_first(use, 60)));
		*answer = r->host->special_use_exists &&
			r->host->special_use_exists(r->host->context, n->at[0] ? &mailbox : NULL, use);
		if (script_cost(r, n, LOOK_UP) < 0)
			return -1;
	}
	return 0;
}

int
test_mailboxidexists(struct run *r, const struct node *n, bool *answer)
{
	*answer = true;
	for (size_t i = 0; i < n->at[0]->strings.count && *answer; i++) {
		*answer = r->host->mailbox_id_exists &&
			r->host->mailbox_id_exists(r->host->context, word_expand(r, n->at[0]->strings.at[i]));
		if (script_cost(r, n, LOOK_UP) < 0)
			return -1;
	}
	return 0;
}

static bool
find_metadata(struct run *r, const struct span *mailbox, struct span entry, struct span *value)
{
	return r->host->metadata && r->host->metadata(r->host->context, mailbox, entry, value);
}

static int
match_metadata(struct run *r, const struct node *n, const struct span *mailbox, struct span entry, const struct strings *keys, bool *answer)
{
	struct matching m;
	struct span     value;

	matching_start(&m, r, n, keys);
	if (script_cost(r, n, LOOK_UP) < 0 || (find_metadata(r, mailbox, entry, &value) && matching_value(&m, value) < 0))
		return -1;
	return matching_end(&m, answer);
}

int
test_metadata(struct run *r, const struct node *n, bool *answer)
{
	struct span mailbox = word_first(r, n->at[0]);

	return match_metadata(r, n, &mailbox, word_first(r, n->at[1]), &n->at[2]->strings, answer);
}

int
test_servermetadata(struct run *r, const struct node *n, bool *answer)
{
	return match_metadata(r, n, NULL, word_first(r, n->at[0]), &n->at[1]->strings, answer);
}

static int
all_exist(struct run *r, const struct node *n, const struct span *mailbox, const struct strings *entries, bool *answer)
{
	*answer = true;
	for (size_t i = 0; i < entries->count && *answer; i++) {
		struct span value;

		*answer = find_metadata(r, mailbox, word_expand(r, entries->at[i]), &value);
		if (script_cost(r, n, LOOK_UP) < 0)
			return -1;
	}
	return 0;
}

int
test_metadataexists(struct run *r, const struct node *n, bool *answer)
{
	struct span mailbox = word_first(r, n->at[0]);

	return all_exist(r, n, &mailbox, &n->at[1]->strings, answer);
}

int
test_servermetadataexists(struct run *r, const struct node *n, bool *answer)
{
	return all_exist(r, n, NULL, &n->at[0]->strings, answer);
}
