/* SPDX-License-Identifier: ISC */
/*
 * sleep_state.c - what a client was told, as bytes
 *
 * A frame's form (ipc/frame.h).  The view is runs of messages with adjacent UIDs, equal flags and keywords:
 *   gap to the UID before, how many, flags (bit 7: \Recent), keywords; numbers as in sevens.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/frame.h"
#include "sevens.h"
#include "sleep.h"

enum { RECENT = 0x80, FLAGS = 0x1f, FORM = 3 };

static bool
alike(const struct message *a, const struct message *b)
{
	return a->flags == b->flags && a->recent == b->recent && a->keywords == b->keywords;
}

static void
put_view(const struct message *at, size_t count, struct text *out)
{
	uint32_t before = 0;

	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && at[i + n].uid == at[i].uid + n && alike(&at[i], &at[i + n]); n++)
			;
		sevens_put(at[i].uid - before, out);
		sevens_put(n, out);
		text_add_byte(out, (char)(at[i].flags | (at[i].recent ? RECENT : 0)));
		sevens_put(at[i].keywords, out);
		before = at[i].uid + (uint32_t)n - 1;
	}
}

static bool
take_run(struct span *in, size_t most, uint64_t modseq, uint32_t *before, struct sleep_state *s)
{
	struct message m = {.modseq = modseq};
	uint64_t       gap, n;
	unsigned char  flags;

	if (!sevens_take(in, &gap) || !sevens_take(in, &n) || !in->len)
		return false;
	flags = (unsigned char)*in->at;
	*in = span_from(*in, 1);
	if (!sevens_take(in, &m.keywords) || gap == 0 || n == 0 || gap > UINT32_MAX || n > most - s->count ||
	    (uint64_t)*before + gap + n - 1 > UINT32_MAX || flags & ~(RECENT | FLAGS))
		return false;
	m.flags = flags & FLAGS;
	m.recent = flags & RECENT;
	s->at = mem_grow(s->at, s->count + n, sizeof *s->at);
	for (uint64_t i = 0; i < n; i++) {
		m.uid = (uint32_t)(*before + gap + i);
		s->at[s->count++] = m;
	}
	*before = m.uid;
	return true;
}

static void
put_hex(struct frame *f, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIx64, n);
	frame_put_string(f, name, text);
}

void
sleep_state_write(const struct sleep_state *s, struct text *out)
{
	autoframe struct frame f = {0};
	autotext struct text   view = {0};

	put_view(s->at, s->count, &view);
	frame_start(&f, "asleep");
	frame_put_number(&f, "version", FORM);
	frame_put(&f, "tag", s->tag);
	frame_put_flag(&f, "selected", s->selected);
	frame_put(&f, "mailbox", s->mailbox);
	frame_put(&f, "space", s->space);
	frame_put_flag(&f, "read_only", s->read_only);
	frame_put_number(&f, "validity", s->validity);
	frame_put_flag(&f, "condstore", s->manner.condstore);
	frame_put_flag(&f, "qresync", s->manner.qresync);
	frame_put_flag(&f, "uidonly", s->manner.uidonly);
	frame_put_flag(&f, "rev2", s->manner.rev2);
	frame_put_flag(&f, "utf8", s->manner.utf8);
	frame_put_flag(&f, "compressed", s->compressed);
	frame_put(&f, "dictionary", s->dictionary);
	frame_put(&f, "saved", s->saved);
	put_hex(&f, "keywords", s->keywords);
	put_hex(&f, "modseq", s->modseq);
	frame_put(&f, "view", text_span(&view));
	frame_put(&f, "notify", s->notify);
	put_hex(&f, "expunged", s->counts.expunged);
	put_hex(&f, "bodies", s->counts.bodies);
	put_hex(&f, "body_bytes", s->counts.body_bytes);
	put_hex(&f, "headers", s->counts.headers);
	put_hex(&f, "header_bytes", s->counts.header_bytes);
	put_hex(&f, "bytes_in", s->bytes_in);
	put_hex(&f, "bytes_out", s->bytes_out);
	frame_put_number(&f, "began", s->began);
	text_add(out, text_span(&f.bytes));
}

struct raw {
	struct span tag, mailbox, space, dictionary, saved, keywords, modseq, view, notify, expunged, bodies, body_bytes, headers, header_bytes,
		bytes_in, bytes_out;
	bool        selected, read_only, condstore, qresync, uidonly, rev2, utf8, compressed;
	int64_t     version, validity, began;
};

static const struct field fields[] = {
	FIELD_NUMBER(struct raw, version, "version", FIELD_NEEDED),
	FIELD_TEXT(struct raw, tag, "tag", FIELD_NEEDED), FIELD_FLAG(struct raw, selected, "selected", FIELD_NEEDED),
	FIELD_TEXT(struct raw, mailbox, "mailbox", FIELD_NEEDED), FIELD_TEXT(struct raw, space, "space", FIELD_NEEDED),
	 FIELD_FLAG(struct raw, read_only, "read_only", FIELD_NEEDED),
	FIELD_NUMBER(struct raw, validity, "validity", FIELD_NEEDED), FIELD_FLAG(struct raw, condstore, "condstore", FIELD_NEEDED),
	FIELD_FLAG(struct raw, qresync, "qresync", FIELD_NEEDED), FIELD_FLAG(struct raw, uidonly, "uidonly", FIELD_NEEDED),
	FIELD_FLAG(struct raw, rev2, "rev2", FIELD_NEEDED), FIELD_FLAG(struct raw, utf8, "utf8", FIELD_NEEDED),
	FIELD_FLAG(struct raw, compressed, "compressed", FIELD_NEEDED), FIELD_TEXT(struct raw, dictionary, "dictionary", FIELD_NEEDED),
	FIELD_TEXT(struct raw, saved, "saved", FIELD_NEEDED), FIELD_TEXT(struct raw, keywords, "keywords", FIELD_NEEDED),
	FIELD_TEXT(struct raw, modseq, "modseq", FIELD_NEEDED), FIELD_TEXT(struct raw, view, "view", FIELD_NEEDED),
	FIELD_TEXT(struct raw, notify, "notify", FIELD_NEEDED),
	FIELD_TEXT(struct raw, expunged, "expunged", FIELD_NEEDED), FIELD_TEXT(struct raw, bodies, "bodies", FIELD_NEEDED),
	FIELD_TEXT(struct raw, body_bytes, "body_bytes", FIELD_NEEDED), FIELD_TEXT(struct raw, headers, "headers", FIELD_NEEDED),
	FIELD_TEXT(struct raw, header_bytes, "header_bytes", FIELD_NEEDED), FIELD_TEXT(struct raw, bytes_in, "bytes_in", FIELD_NEEDED),
	FIELD_TEXT(struct raw, bytes_out, "bytes_out", FIELD_NEEDED), FIELD_NUMBER(struct raw, began, "began", FIELD_NEEDED),
	FIELD_END
};

static uint64_t
hex(struct span s)
{
	char text[24];

	snprintf(text, sizeof text, "%.*s", SPAN_ARGS(span_first(s, 16)));
	return strtoull(text, NULL, 16);
}

/* frame.c looks at the form of what it receives; these bytes came another way. */
static bool
well_formed(const struct frame *f)
{
	struct span name, value;
	size_t      at = 0;

	while (frame_next(f, &at, &name, &value))
		;
	return frame_is(f, "asleep") && at == f->bytes.len;
}

int
sleep_state_read(struct span in, size_t most, struct sleep_state *out, struct fault *why)
{
	struct raw         r = {0};
	struct frame       f = {.bytes = {(char *)(uintptr_t)in.at, in.len, in.len}};   /* borrowed: never cleared */
	struct sleep_state s = {0};
	uint32_t           before = 0;

	if (!well_formed(&f) || frame_decode(&f, fields, &r, NULL) < 0 || r.version != FORM)
		return fault_set(why, FAULT_INPUT, "not the state of a session");
	s = (struct sleep_state){
		.tag = r.tag, .mailbox = r.mailbox, .space = r.space, .saved = r.saved, .notify = r.notify, .dictionary = r.dictionary, .selected = r.selected,
		.read_only = r.read_only, .compressed = r.compressed, .validity = r.validity,
		.manner = {r.condstore, r.qresync, r.uidonly, r.rev2, r.utf8}, .keywords = hex(r.keywords), .modseq = hex(r.modseq),
		.counts = {.expunged = hex(r.expunged), .bodies = hex(r.bodies), .body_bytes = hex(r.body_bytes),
		           .headers = hex(r.headers), .header_bytes = hex(r.header_bytes)},
		.bytes_in = hex(r.bytes_in), .bytes_out = hex(r.bytes_out), .began = r.began,
	};
	while (r.view.len)
		if (!take_run(&r.view, most, s.modseq, &before, &s)) {
			sleep_state_free(&s);
			return fault_set(why, FAULT_INPUT, "not the state of a session");
		}
	*out = s;
	return 0;
}

void
sleep_state_free(struct sleep_state *s)
{
	free(take(s->at));
	s->count = 0;
}
