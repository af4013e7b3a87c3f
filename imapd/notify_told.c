/* SPDX-License-Identifier: ISC */
/*
 * notify_told.c - what a client of NOTIFY was told, as bytes
 */
#include "notify_told.h"

#include "sevens.h"

enum { KNOWN = 1, DENIED = 2 };

static void
put_string(struct span s, struct text *out)
{
	sevens_put(s.len, out);
	text_add(out, s);
}

void
notify_told_write(const struct notify_told *t, struct text *out)
{
	put_string(t->command, out);
	sevens_put(t->utf8, out);
	sevens_put(t->mailbox_count, out);
	for (size_t i = 0; i < t->mailbox_count; i++) {
		const struct told_mailbox *m = &t->mailboxes[i];
		const uint64_t numbers[] = {m->device, m->inode, (m->known ? KNOWN : 0) | (m->denied ? DENIED : 0), m->status.messages,
			m->status.unseen, m->status.next, m->status.validity, m->status.modseq};

		put_string(m->folder, out);
		for (size_t k = 0; k < COUNT(numbers); k++)
			sevens_put(numbers[k], out);
	}
	sevens_put(t->subscribed_count, out);
	for (size_t i = 0; i < t->subscribed_count; i++)
		put_string(t->subscribed[i], out);
	sevens_put(t->key_count, out);
	for (size_t i = 0; i < t->key_count; i++) {
		put_string(t->keys[i].key, out);
		sevens_put(t->keys[i].hash, out);
	}
}

static bool
take_string(struct span *in, struct span *out)
{
	uint64_t len;

	if (!sevens_take(in, &len) || len > in->len)
		return false;
	*out = span_first(*in, len);
	*in = span_from(*in, len);
	return true;
}

/* Each of a list takes a byte at least, so that no count makes room for more than there can be. */
static bool
take_count(struct span *in, size_t *count)
{
	uint64_t n;

	if (!sevens_take(in, &n) || n > in->len)
		return false;
	*count = (size_t)n;
	return true;
}

static bool
take_mailbox(struct span *in, struct told_mailbox *m)
{
	uint64_t n[8];

	if (!take_string(in, &m->folder) || span_has(m->folder, '/') || span_has(m->folder, '\0'))
		return false;
	for (size_t k = 0; k < COUNT(n); k++)
		if (!sevens_take(in, &n[k]))
			return false;
	if (n[2] & ~(uint64_t)(KNOWN | DENIED) || n[5] > UINT32_MAX || n[6] > UINT32_MAX)
		return false;
	m->device = n[0];
	m->inode = n[1];
	m->known = n[2] & KNOWN;
	m->denied = n[2] & DENIED;
	m->status = (struct notify_status){(size_t)n[3], (size_t)n[4], (uint32_t)n[5], (uint32_t)n[6], n[7]};
	return true;
}

static bool
take_all(struct arena *a, struct span *in, struct notify_told *t)
{
	uint64_t utf8;

	if (!take_string(in, &t->command) || !sevens_take(in, &utf8) || utf8 > 1 || !take_count(in, &t->mailbox_count))
		return false;
	t->utf8 = utf8;
	t->mailboxes = arena_alloc(a, (t->mailbox_count + 1) * sizeof *t->mailboxes);
	for (size_t i = 0; i < t->mailbox_count; i++)
		if (!take_mailbox(in, &t->mailboxes[i]))
			return false;
	if (!take_count(in, &t->subscribed_count))
		return false;
	t->subscribed = arena_alloc(a, (t->subscribed_count + 1) * sizeof *t->subscribed);
	for (size_t i = 0; i < t->subscribed_count; i++)
		if (!take_string(in, &t->subscribed[i]) || span_has(t->subscribed[i], '\0'))
			return false;
	if (!take_count(in, &t->key_count))
		return false;
	t->keys = arena_alloc(a, (t->key_count + 1) * sizeof *t->keys);
	for (size_t i = 0; i < t->key_count; i++)
		if (!take_string(in, &t->keys[i].key) || !sevens_take(in, &t->keys[i].hash))
			return false;
	return in->len == 0;
}

int
notify_told_read(struct arena *a, struct span in, struct notify_told *out, struct fault *why)
{
	struct notify_told t = {.command = SPAN_NONE};

	if (!take_all(a, &in, &t))
		return fault_set(why, FAULT_INPUT, "not what NOTIFY has told");
	*out = t;
	return 0;
}
