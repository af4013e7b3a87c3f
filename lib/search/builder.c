/* SPDX-License-Identifier: ISC */
/*
 * builder.c - making a segment (segment.h)
 *
 * Words are numbered as they come; what is noted of a message is (word, message, zones), 8 bytes each, and put in the
 * order of words at the end.  Memory is about four times the segment.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/little_endian.h"
#include "base/sum.h"
#include "search/message.h"
#include "search/segment_private.h"

enum { SLOTS_FIRST = 4096 };

struct word {
	uint32_t start, len;         /* in the text of words */
	uint32_t note;               /* the last of it, and one; 0: none */
};

struct note { uint32_t word; uint16_t message; uint8_t zones; };

struct search_builder {
	struct text  words, names, messages;
	struct word *word;
	struct note *notes;
	uint32_t    *slots;          /* word number and one; a power of two of them */
	size_t       word_count, word_room, note_count, note_room, slot_count, count, began;
	bool         full;           /* this message brings too much */
};

struct search_builder *
search_builder_new(void)
{
	struct search_builder *b = mem_alloc(sizeof *b);

	b->slot_count = SLOTS_FIRST;
	b->slots = mem_array(b->slot_count, sizeof *b->slots);
	text_add_byte(&b->words, '\n');
	return b;
}

void
search_builder_free(struct search_builder *b)
{
	if (!b)
		return;
	text_free(&b->words);
	text_free(&b->names);
	text_free(&b->messages);
	free(b->word);
	free(b->notes);
	free(b->slots);
	free(b);
}

static void
add_number(struct text *out, uint32_t n)
{
	little_endian_add(n, 4, out);
}

static size_t
hash_of(struct span s)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.at[i]) * 1099511628211ull;
	return (size_t)(h ^ h >> 29);
}

static struct span
text_of(const struct search_builder *b, const struct word *w)
{
	return span_at(b->words.at + w->start, w->len);
}

static uint32_t *
slot_of(struct search_builder *b, struct span s)
{
	size_t mask = b->slot_count - 1, i = hash_of(s) & mask;

	while (b->slots[i] && !span_equal(text_of(b, &b->word[b->slots[i] - 1]), s))
		i = (i + 1) & mask;
	return &b->slots[i];
}

static void
grow_slots(struct search_builder *b)
{
	free(b->slots);
	b->slot_count *= 2;
	b->slots = mem_array(b->slot_count, sizeof *b->slots);
	for (size_t i = 0; i < b->word_count; i++)
		*slot_of(b, text_of(b, &b->word[i])) = (uint32_t)i + 1;
}

static uint32_t
number_of(struct search_builder *b, struct span s)
{
	uint32_t *slot = slot_of(b, s);

	if (*slot)
		return *slot - 1;
	if (b->word_count == b->word_room) {
		b->word_room = b->word_room ? b->word_room * 2 : 1024;
		b->word = mem_grow(b->word, b->word_room, sizeof *b->word);
	}
	b->word[b->word_count] = (struct word){(uint32_t)b->words.len, (uint32_t)s.len, 0};
	text_add(&b->words, s);
	text_add_byte(&b->words, '\n');
	*slot = (uint32_t)++b->word_count;
	if (b->word_count * 2 > b->slot_count)
		grow_slots(b);
	return (uint32_t)b->word_count - 1;
}

static void
note(struct search_builder *b, uint32_t number, size_t message, unsigned zones)
{
	struct word *w = &b->word[number];

	if (w->note && b->notes[w->note - 1].message == message) {
		b->notes[w->note - 1].zones |= (uint8_t)zones;
		return;
	}
	if (b->note_count == b->note_room) {
		b->note_room = b->note_room ? b->note_room * 2 : 4096;
		b->notes = mem_grow(b->notes, b->note_room, sizeof *b->notes);
	}
	b->notes[b->note_count++] = (struct note){number, (uint16_t)message, (uint8_t)zones};
	w->note = (uint32_t)b->note_count;
}

void
search_builder_message(struct search_builder *b, uint32_t uid, struct span base)
{
	assert(b->count < SEGMENT_MESSAGES_MOST);
	text_add(&b->names, base);
	add_number(&b->messages, uid);
	add_number(&b->messages, (uint32_t)b->names.len);
	b->count++;
	b->began = b->words.len;
	b->full = false;
}

/* The message that is being added must always be looked at. */
static void
must_look(struct search_builder *b)
{
	b->messages.at[b->messages.len - 1] |= (char)(SEGMENT_LOOK >> 24);
	b->full = true;
}

static void
add_words(struct search_builder *b, struct span text, unsigned zone)
{
	for (size_t at = 0, end; at < text.len && !b->full; at = end + 1) {
		for (end = at; end < text.len && !segment_separates(text.at[end]);)
			end++;
		if (end > at && b->words.len + (end - at) - b->began > SEGMENT_WORDS_OF_ONE)
			must_look(b);
		else if (end > at)
			note(b, number_of(b, span_cut(text, at, end)), b->count - 1, zone);
	}
}

/* The name of a field is part of TEXT, but not of its value. */
void
search_builder_piece(struct search_builder *b, const struct search_piece *p)
{
	assert(b->count);
	add_words(b, span_first(p->text, p->value), p->zone & ZONE_FIELDS ? ZONE_HEADER : p->zone);
	add_words(b, span_from(p->text, p->value), p->zone);
}

void
search_builder_segment(struct search_builder *b, const struct search_segment *g,
	bool (*keeps)(void *context, uint32_t uid, struct span base), void *context)
{
	autofree uint32_t *becomes = mem_array(g->count + 1, sizeof *becomes);   /* number and one; 0: left out */

	for (size_t i = 0; i < g->count; i++) {
		struct span base = search_segment_base(g, i);

		if (!keeps(context, search_segment_uid(g, i), base))
			continue;
		search_builder_message(b, search_segment_uid(g, i), base);
		if (segment_must_look(g, i))
			must_look(b);
		becomes[i] = (uint32_t)b->count;
	}
	for (size_t i = 0; i < g->word_count; i++) {
		struct span postings = segment_postings(g, i), word;
		size_t      message = 0;
		unsigned    zones;

		word = span_cut(g->words, segment_word_start(g, i), segment_word_start(g, i + 1) - 1);
		for (bool first = true; segment_posting(&postings, &message, first, &zones); first = false)
			if (message < g->count && becomes[message])
				note(b, number_of(b, word), becomes[message] - 1, zones);
	}
}

size_t
search_builder_count(const struct search_builder *b)
{
	return b->count;
}

size_t
search_builder_size(const struct search_builder *b)
{
	return b->words.len + b->names.len + b->messages.len + b->word_count * 8 + b->note_count * 5 / 2;
}

static void
add_posting(struct text *out, size_t distance, unsigned zones)
{
	for (; distance > 0x7f; distance >>= 7)
		text_add_byte(out, (char)(distance | 0x80));
	text_add_byte(out, (char)distance);
	text_add_byte(out, (char)zones);
}

/* Notes by word; those of a word stay in the order of messages. */
static struct note *
sorted(const struct search_builder *b, size_t *ends)
{
	struct note *out = mem_array(b->note_count + 1, sizeof *out);
	size_t       sum = 0;

	for (size_t i = 0; i < b->note_count; i++)
		ends[b->notes[i].word]++;
	for (size_t i = 0; i < b->word_count; i++) {
		size_t mine = ends[i];

		ends[i] = sum;
		sum += mine;
	}
	for (size_t i = 0; i < b->note_count; i++)
		out[ends[b->notes[i].word]++] = b->notes[i];
	return out;
}

void
search_builder_write(const struct search_builder *b, uint32_t validity, uint32_t first, uint32_t last, struct text *out)
{
	autofree size_t      *ends = mem_array(b->word_count + 1, sizeof *ends);
	autofree struct note *notes = sorted(b, ends);
	autotext struct text  postings = {0}, body = {0};
	size_t                n = 0;

	add_number(&body, validity);
	add_number(&body, first);
	add_number(&body, last);
	add_number(&body, (uint32_t)b->count);
	add_number(&body, (uint32_t)b->word_count);
	add_number(&body, (uint32_t)b->names.len);
	add_number(&body, (uint32_t)b->words.len);
	size_t at_postings = body.len;
	add_number(&body, 0);
	text_add(&body, text_span(&b->messages));
	text_add(&body, text_span(&b->names));
	for (size_t i = 0; i < b->word_count; i++) {
		size_t before = 0;

		add_number(&body, b->word[i].start);
		add_number(&body, (uint32_t)postings.len);
		for (; n < ends[i]; n++) {
			add_posting(&postings, notes[n].message - before, notes[n].zones);
			before = notes[n].message;
		}
	}
	add_number(&body, (uint32_t)b->words.len);
	add_number(&body, (uint32_t)postings.len);
	text_add(&body, text_span(&b->words));
	little_endian_put(body.at + at_postings, postings.len, 4);
	text_add(&body, text_span(&postings));
	text_add_string(out, SEGMENT_MAGIC);
	little_endian_add(sum_bytes(text_span(&body)), 8, out);
	text_add(out, text_span(&body));
}
