/* SPDX-License-Identifier: ISC */
/*
 * queue_record.c - the records of a queue file, as bytes
 *
 * Pure: bytes in, struct or fault out.  Everything that comes from the disk is
 * checked as if an enemy had written it; the sums find torn writes only.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue/crc32.h"
#include "queue/queue_private.h"

/* ---- the head block ---- */

void
queue_head_print(const struct queue_head *h, char block[QUEUE_CONTENT_AT])
{
	int      len = snprintf(block, QUEUE_FLAGS_AT,
	                        "postern-queue 1\nid=%s\ncreated=%" PRId64 "\ncontent=%" PRId64
	                        "\nenvelope=%" PRId64 "\nrcpts=%" PRId64 "\ncount=%" PRId64
	                        "\njournal=%" PRId64 "\nsum=%" PRIu32 "\n",
	                        h->id, h->created_us, h->content_length, h->envelope_at, h->rcpts_at,
	                        h->rcpt_count, h->journal_at, h->envelope_sum);
	uint32_t sum;

	assert(len > 0 && len < QUEUE_FLAGS_AT - 20);
	sum = crc32_add(0, span_at(block, (size_t)len));
	len += snprintf(block + len, QUEUE_FLAGS_AT - (size_t)len, "head=%" PRIu32 "\n", sum);
	memset(block + len, '\0', QUEUE_CONTENT_AT - (size_t)len);
}

static bool
head_number(struct span *rest, const char *name, int64_t *value)
{
	struct span line, key;
	uint64_t    n;

	if (!span_split(rest, '\n', &line) || !span_split(&line, '=', &key))
		return false;
	if (!span_is(key, name) || !span_number(line, &n) || n > INT64_MAX)
		return false;
	*value = (int64_t)n;
	return true;
}

static bool
head_is_sane(const struct queue_head *h)
{
	return h->envelope_at >= QUEUE_CONTENT_AT &&
	       h->content_length <= h->envelope_at - QUEUE_CONTENT_AT &&
	       h->rcpts_at >= h->envelope_at &&
	       h->rcpts_at - h->envelope_at <= QUEUE_ATTRIBUTES_MAX &&
	       h->journal_at >= h->rcpts_at &&
	       h->rcpt_count <= (h->journal_at - h->rcpts_at) / RCPT_HEAD;
}

int
queue_head_parse(const char block[QUEUE_CONTENT_AT], struct queue_head *out, struct fault *why)
{
	struct queue_head h = {0};
	struct span       rest = span_at(block, QUEUE_FLAGS_AT), line, key;
	int64_t           sum, head_sum;
	size_t            summed;

	if (!span_split(&rest, '\n', &line) || !span_is(line, "postern-queue 1"))
		return fault_set(why, FAULT_INPUT, "no commit record");
	if (!span_split(&rest, '\n', &line) || !span_split(&line, '=', &key) ||
	    !span_is(key, "id") || !queue_id_valid(line))
		return fault_set(why, FAULT_INPUT, "commit record without an id");
	memcpy(h.id, line.at, line.len);
	if (!head_number(&rest, "created", &h.created_us) ||
	    !head_number(&rest, "content", &h.content_length) ||
	    !head_number(&rest, "envelope", &h.envelope_at) ||
	    !head_number(&rest, "rcpts", &h.rcpts_at) ||
	    !head_number(&rest, "count", &h.rcpt_count) ||
	    !head_number(&rest, "journal", &h.journal_at) || !head_number(&rest, "sum", &sum) ||
	    sum > UINT32_MAX)
		return fault_set(why, FAULT_INPUT, "malformed commit record");
	summed = (size_t)(rest.at - block);
	if (!head_number(&rest, "head", &head_sum) ||
	    head_sum != crc32_add(0, span_at(block, summed)))
		return fault_set(why, FAULT_INPUT, "commit record with a wrong checksum");
	if (!head_is_sane(&h))
		return fault_set(why, FAULT_INPUT, "commit record with impossible lengths");
	h.envelope_sum = (uint32_t)sum;
	*out = h;
	return 0;
}

/* ---- attributes ---- */

struct attribute {
	const char *name;
	size_t      offset;
	char        kind;               /* 's' span, 'b' bool, 'n' int64_t */
};
#define ATTRIBUTE(member, kind) {#member, offsetof(struct queue_envelope, member), (kind)}

static const struct attribute attributes[] = {
        ATTRIBUTE(sender, 's'),         ATTRIBUTE(envid, 's'),       ATTRIBUTE(ret, 's'),
        ATTRIBUTE(body, 's'),           ATTRIBUTE(auth, 's'),        ATTRIBUTE(filter, 's'),
        ATTRIBUTE(redirect, 's'),       ATTRIBUTE(verp, 's'),        ATTRIBUTE(client_name, 's'),
        ATTRIBUTE(client_address, 's'), ATTRIBUTE(client_port, 's'), ATTRIBUTE(helo, 's'),
        ATTRIBUTE(protocol, 's'),       ATTRIBUTE(sasl_method, 's'), ATTRIBUTE(sasl_user, 's'),
        ATTRIBUTE(origin, 's'),         ATTRIBUTE(encoding, 's'),    ATTRIBUTE(arrival_us, 'n'),
        ATTRIBUTE(smtputf8, 'b'),       ATTRIBUTE(verify_only, 'b'), ATTRIBUTE(trace, 'b'),
};

static void
put_attribute(struct text *out, const char *name, struct span value)
{
	char head[4] = {(char)(value.len >> 24), (char)(value.len >> 16), (char)(value.len >> 8),
	                (char)value.len};

	text_add(out, span_at(name, strlen(name) + 1));
	text_add(out, span_at(head, 4));
	text_add(out, value);
}

void
queue_attributes_print(const struct queue_envelope *e, struct text *out)
{
	autotext struct text pieces = {0};

	for (size_t i = 0; i < COUNT(attributes); i++) {
		const struct attribute *a = &attributes[i];
		const char             *member = (const char *)e + a->offset;
		autotext struct text    number = {0};

		if (a->kind == 's' && (((const struct span *)member)->len || i == 0))
			put_attribute(out, a->name, *(const struct span *)member);
		if (a->kind == 'b' && *(const bool *)member)
			put_attribute(out, a->name, SPAN("yes"));
		if (a->kind == 'n') {
			text_add_format(&number, "%" PRId64, *(const int64_t *)member);
			put_attribute(out, a->name, text_span(&number));
		}
	}
	message_pieces_print(&e->content, &pieces);
	put_attribute(out, "pieces", text_span(&pieces));
}

/* Names that we do not know are left out: a later version may have written them. */
static int
set_attribute(struct queue_envelope *e, struct span name, struct span value, struct fault *why)
{
	uint64_t n;

	if (span_is(name, "pieces")) {
		if (e->content.pieces)
			return fault_set(why, FAULT_INPUT, "pieces twice");
		return message_pieces_parse(value, &e->content, why);
	}
	for (size_t i = 0; i < COUNT(attributes); i++) {
		char *member = (char *)e + attributes[i].offset;

		if (!span_is(name, attributes[i].name))
			continue;
		if (attributes[i].kind == 's')
			*(struct span *)member = value;
		else if (attributes[i].kind == 'b')
			*(bool *)member = span_is(value, "yes");
		else if (!span_number(value, &n) || n > INT64_MAX)
			return fault_set(why, FAULT_INPUT, "malformed number in the envelope");
		else
			*(int64_t *)member = (int64_t)n;
	}
	return 0;
}

/* The next attribute off the front of *in; false when it is malformed. */
static bool
take_attribute(struct span *in, struct span *name, struct span *value)
{
	ptrdiff_t            end = span_find(*in, '\0');
	const unsigned char *n = (const unsigned char *)in->at + end + 1;
	size_t               start = (size_t)end + 5, len;

	if (end <= 0 || in->len < start)
		return false;
	len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
	if (in->len - start < len)
		return false;
	*name = span_first(*in, (size_t)end);
	*value = span_cut(*in, start, start + len);
	*in = span_from(*in, start + len);
	return true;
}

static int
read_attributes(struct span in, struct queue_envelope *e, struct fault *why)
{
	struct span name, value;

	while (in.len) {
		if (!take_attribute(&in, &name, &value))
			return fault_set(why, FAULT_INPUT, "malformed envelope");
		if (set_attribute(e, name, value, why) < 0)
			return -1;
	}
	return e->content.pieces ? 0 : fault_set(why, FAULT_INPUT, "envelope without pieces");
}

int
queue_attributes_parse(struct span in, struct queue_envelope *e, struct fault *why)
{
	struct queue_envelope got = {.sender = SPAN_NONE};

	if (read_attributes(in, &got, why) < 0) {
		message_content_free(&got.content);
		return -1;
	}
	*e = got;
	return 0;
}

/* ---- recipients ---- */

int
queue_rcpt_print(const struct queue_rcpt *r, struct text *out, struct fault *why)
{
	const struct span *fields[] = {&r->address, &r->original, &r->orcpt};

	for (size_t i = 0; i < COUNT(fields); i++)
		if (fields[i]->len > QUEUE_ADDRESS_MAX)
			return fault_set(why, FAULT_INPUT, "address longer than %d bytes",
			                 QUEUE_ADDRESS_MAX);
	assert(r->notify >= 0 && r->notify < 16);
	text_add_byte(out, RCPT_TODO); /* the sum is over this, whatever the state */
	text_add_byte(out, (char)('0' + r->notify));
	for (size_t i = 0; i < COUNT(fields); i++) {
		text_add_byte(out, (char)(fields[i]->len >> 8));
		text_add_byte(out, (char)fields[i]->len);
	}
	for (size_t i = 0; i < COUNT(fields); i++)
		text_add(out, *fields[i]);
	return 0;
}

static bool
state_is_known(char state)
{
	return state == RCPT_TODO || state == RCPT_DONE || state == RCPT_FAILED ||
	       state == RCPT_SUCCESS || state == RCPT_EXPANDED;
}

ptrdiff_t
queue_rcpt_parse(struct span in, struct queue_rcpt *r)
{
	const unsigned char *n = (const unsigned char *)in.at + 2;
	size_t               a, o, p;

	if (in.len < RCPT_HEAD || !state_is_known(in.at[0]) || in.at[1] < '0' ||
	    in.at[1] > '0' + 15)
		return -1;
	a = (size_t)n[0] << 8 | n[1];
	o = (size_t)n[2] << 8 | n[3];
	p = (size_t)n[4] << 8 | n[5];
	if (a > QUEUE_ADDRESS_MAX || o > QUEUE_ADDRESS_MAX || p > QUEUE_ADDRESS_MAX ||
	    in.len < RCPT_HEAD + a + o + p)
		return -1;
	*r = (struct queue_rcpt){.state = in.at[0], .notify = in.at[1] - '0',
	                         .address = span_cut(in, RCPT_HEAD, RCPT_HEAD + a),
	                         .original = span_cut(in, RCPT_HEAD + a, RCPT_HEAD + a + o),
	                         .orcpt = span_cut(in, RCPT_HEAD + a + o, RCPT_HEAD + a + o + p)};
	return (ptrdiff_t)(RCPT_HEAD + a + o + p);
}

/* ---- events of the journal ---- */

enum { EVENT_TEXT_MAX = 2000 };

void
queue_event_print(const struct queue_event *e, struct text *out)
{
	const struct span *texts[] = {&e->dsn, &e->text, &e->mta, &e->diagnostic, &e->action};

	text_add_format(out, "%c %" PRId64 " %" PRId64 " %" PRId64, (char)e->kind, e->rcpt_at,
	                e->when_us, e->number);
	for (size_t i = 0; i < COUNT(texts); i++) {
		text_add_byte(out, '\0');
		for (size_t k = 0; k < texts[i]->len && k < EVENT_TEXT_MAX; k++)
			text_add_byte(out, texts[i]->at[k] ? texts[i]->at[k] : ' ');
	}
}

bool
queue_event_parse(struct span in, struct queue_event *out)
{
	struct queue_event e = {0};
	struct span       *texts[] = {&e.dsn, &e.text, &e.mta, &e.diagnostic, &e.action};
	int64_t           *numbers[] = {&e.rcpt_at, &e.when_us, &e.number};
	struct span        head, word;
	uint64_t           n;

	if (!span_split(&in, '\0', &head) || head.len < 2 || !strchr("dfstwk", head.at[0]) ||
	    head.at[0] == '\0' || head.at[1] != ' ')
		return false;
	e.kind = (enum queue_event_kind)head.at[0];
	head = span_from(head, 2);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		span_split(&head, ' ', &word);
		if (!span_number(word, &n) || n > INT64_MAX)
			return false;
		*numbers[i] = (int64_t)n;
	}
	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_split(&in, '\0', texts[i]) != (i + 1 < COUNT(texts)))
			return false;
	*out = e;
	return true;
}
