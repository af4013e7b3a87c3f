/* SPDX-License-Identifier: ISC */
/*
 * cleanup_envelope.c - who sent it, and to whom it goes
 *
 * While rewrite or a table is away the answer is "not now": nothing is lost,
 * since the client still has the message.
 */
#include <stdlib.h>

#include "cleanup.h"
#include "config/site.h"
#include "ipc/ask_rewrite.h"
#include "ipc/ask_verify.h"
#include "mail/address.h"
#include "table/table.h"
#include "cleanup_tables.h"

enum { BATCH = 100, EXPANDED_MAX = 1000000 };

/* Who is the same recipient. */
static void
add_key(const struct queue_rcpt *r, struct text *key)
{
	if (r->state == RCPT_EXPANDED) { /* a member may have the alias's own address */
		text_add_format(key, "expanded\n%.*s", SPAN_ARGS(r->address));
	} else {
		text_add(key, r->address);
		if (cleanup_config.enable_original_recipient) {
			text_add_format(key, "\n%d\n%.*s\n", r->notify, SPAN_ARGS(r->orcpt));
			text_add(key, r->original);
		}
	}
	text_lower(key);
}

static bool
is_duplicate(struct message *m, const struct queue_rcpt *r)
{
	autotext struct text key = {0};

	if (cleanup_config.duplicate_filter_limit &&
	    strmap_count(m->seen) >= (size_t)cleanup_config.duplicate_filter_limit)
		return false;
	add_key(r, &key);
	return strmap_put(m->seen, text_span(&key), m) != NULL;
}

/* A filter took it away, and may give it again. */
void
message_forget_rcpt(struct message *m, const struct queue_rcpt *r)
{
	autotext struct text key = {0};

	add_key(r, &key);
	strmap_remove(m->seen, text_span(&key));
}

static int
add_unique(struct message *m, const struct queue_rcpt *r, struct fault *why)
{
	if (r->address.len > QUEUE_ADDRESS_MAX)
		return message_refuse(m, "5.1.3", why, "address too long");
	if (is_duplicate(m, r))
		return 0;
	if (m->n_rcpts >= EXPANDED_MAX) /* 100,000 of pickup, a thousand of each alias: memory has an end */
		return message_refuse(m, "5.5.3", why, "too many recipients");
	message_add_rcpt(m, r);
	return 0;
}

static bool
is_alias(struct span address, const struct span *out, size_t count)
{
	return count > 1 || (count == 1 && !span_equal_nocase(address, out[0]));
}

/* RFC 3461, 5.2.7.3: the sender is told that the alias was expanded, and nothing of its members' success. */
static void
add_expanded(struct message *m, const struct queue_rcpt *r)
{
	autotext struct text key = {0};
	struct queue_rcpt    alias = *r;

	alias.state = RCPT_EXPANDED;
	add_key(&alias, &key);
	if (m->n_rcpts >= EXPANDED_MAX || strmap_put(m->seen, text_span(&key), m))
		return;
	message_add_rcpt(m, r);
	m->rcpts[m->n_rcpts - 1].state = RCPT_EXPANDED;
}

static int
notify_of_member(int notify)
{
	return notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : notify & ~NOTIFY_SUCCESS;
}

/* One recipient in its rewritten form: through the virtual aliases, then without duplicates. */
int
message_add_resolved(struct message *m, const struct queue_rcpt *r, bool expand, struct fault *why)
{
	struct span *out;
	size_t       count;

	if (!expand || m->origin.no_address_mapping)
		return add_unique(m, r, why);
	if (ask_expand(r->address, m->arena, &out, &count, why) < 0)
		return why->class == FAULT_INPUT
			? message_refuse(m, "4.6.0", why, "alias expansion error")
			: message_refuse(m, "4.3.0", why, NULL);
	if (r->notify & NOTIFY_SUCCESS && is_alias(r->address, out, count))
		add_expanded(m, r);
	for (size_t i = 0; i < count; i++) {
		struct queue_rcpt one = *r;

		one.address = out[i];
		if (is_alias(r->address, out, count))
			one.notify = notify_of_member(r->notify);
		if (add_unique(m, &one, why) < 0)
			return -1;
	}
	return 0;
}

static int
rewrite_batch(struct message *m, struct queue_rcpt *r, size_t count, struct fault *why)
{
	struct span *was = arena_alloc(m->arena, count * sizeof *was),
	            *is = arena_alloc(m->arena, count * sizeof *is);

	for (size_t i = 0; i < count; i++)
		was[i] = r[i].address;
	if (ask_rewrite("local", was, count, m->arena, is, why) < 0)
		return message_refuse(m, "4.3.0", why, NULL);
	for (size_t i = 0; i < count; i++)
		r[i].address = is[i];
	return 0;
}

int
message_resolve_sender(struct message *m, struct fault *why)
{
	struct span *sender = &m->envelope.sender;

	if (sender->len == 0)
		return 0;
	if (ask_rewrite("local", sender, 1, m->arena, sender, why) < 0 ||
	    (!m->origin.no_address_mapping &&
	     ask_map("sender", sender, 1, m->arena, sender, why) < 0))
		return message_refuse(m, "4.3.0", why, NULL);
	if (sender->len > QUEUE_ADDRESS_MAX)
		return message_refuse(m, "5.1.7", why, "sender address too long");
	return 0;
}

/* A copy that nobody asked to be told about: NOTIFY=NEVER. */
static int
add_copy(struct message *m, struct span external, struct fault *why)
{
	struct queue_rcpt r = {.notify = NOTIFY_NEVER};
	struct span       address;

	if (address_parse(m->arena, external, ADDRESS_UTF8, &address, NULL) < 0 || !address.len)
		return message_refuse(m, "4.3.5", why, "malformed bcc address");
	r.address = r.original = address;
	if (rewrite_batch(m, &r, 1, why) < 0)
		return -1;
	r.original = r.address;
	return message_add_resolved(m, &r, true, why);
}

static int
add_copies_by_map(struct message *m, const struct table_list *maps, struct span key,
                  struct fault *why)
{
	const struct table_query q = {.order = TABLE_ADDRESS, .local = cleanup_is_local(key)};
	struct table_match       found = {0};
	int                      got;

	if (!table_list_count(maps) || !key.len)
		return 0;
	got = table_list_find_address(maps, &q, key, &found, why);
	if (got < 0)
		message_refuse(m, "4.3.0", why, NULL);
	else if (got == 0)
		got = add_copy(m, text_span(&found.value), why) < 0 ? -1 : 0;
	else
		got = 0;
	text_free(&found.value);
	text_free(&found.extension);
	return got;
}

static int
add_copies(struct message *m, struct fault *why)
{
	size_t resolved = m->n_rcpts;

	/* what bounce and local (forwarding) make themselves had its copies when it came in */
	if (m->origin.no_address_mapping || strcmp(m->origin.origin, "bounce") == 0 ||
	    strcmp(m->origin.origin, "local") == 0 ||
	    strcmp(m->origin.origin, VERIFY_ORIGIN) == 0)
		return 0;
	if (cleanup_config.always_bcc[0] &&
	    add_copy(m, span_of(cleanup_config.always_bcc), why) < 0)
		return -1;
	if (add_copies_by_map(m, cleanup_tables.sender_bcc, m->envelope.sender, why) < 0)
		return -1;
	for (size_t i = 0; i < resolved; i++)
		if (m->rcpts[i].state != RCPT_EXPANDED &&
		    add_copies_by_map(m, cleanup_tables.recipient_bcc, m->rcpts[i].address, why) < 0)
			return -1;
	return 0;
}

/* REDIRECT: instead of all recipients. */
static void
redirect_all(struct message *m, struct queue_rcpt **given, size_t *count)
{
	if (!m->redirect.len || !*count)
		return;
	m->filter = SPAN_NONE;                   /* access(5): it overrides FILTER and content_filter */
	(*given)[0].address = m->redirect;
	*count = 1;
}

/* By a filter's header, when all were resolved: what message_resolve does, for these. */
int
message_redirect(struct message *m, struct fault *why)
{
	struct queue_rcpt r;

	if (m->n_rcpts == 0)
		return 0;
	r = m->rcpts[0];
	r.address = m->redirect;
	r.state = 0;
	while (m->n_rcpts > 0)
		message_forget_rcpt(m, &m->rcpts[--m->n_rcpts]);
	m->filter = SPAN_NONE;
	return rewrite_batch(m, &r, 1, why) < 0 ? -1 : message_add_resolved(m, &r, true, why);
}

/* The last recipient is a BCC as it was written. */
int
message_resolve_copy(struct message *m, struct fault *why)
{
	struct queue_rcpt r = m->rcpts[--m->n_rcpts];

	if (rewrite_batch(m, &r, 1, why) < 0)
		return -1;
	r.original = r.address;
	return message_add_resolved(m, &r, true, why);
}

int
message_resolve(struct message *m, struct fault *why)
{
	autofree struct queue_rcpt *given = m->rcpts;
	size_t                      count = m->n_rcpts;

	m->rcpts = NULL;
	m->n_rcpts = m->rcpts_room = 0;
	redirect_all(m, &given, &count);
	for (size_t at = 0; at < count; at += BATCH) {
		size_t n = count - at < BATCH ? count - at : BATCH;

		if (rewrite_batch(m, given + at, n, why) < 0)
			return -1;
		for (size_t i = at; i < at + n; i++)
			if (message_add_resolved(m, &given[i], true, why) < 0)
				return -1;
	}
	if (m->n_rcpts == 0)
		return message_refuse(m, "5.1.0", why, "No recipients specified");
	return add_copies(m, why);
}
