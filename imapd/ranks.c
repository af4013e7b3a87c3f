/* SPDX-License-Identifier: ISC */
/*
 * ranks.c - numbers that are ordered as messages' subjects and addresses are
 */
#include "ranks.h"

#include <stdlib.h>

#include "base/radix.h"
#include "content.h"
#include "mail/address.h"
#include "mail/casemap.h"
#include "mail/encoded_word.h"
#include "mail/header.h"

#define ADDRESSES_FORM "a"                   /* another letter when address_of gives other texts */

enum { NEW_MOST = 16, NEW_PART = 64 };       /* put between the others: looking for a place costs more than numbering anew costs each */

static const uint64_t RANK_MOST = (uint64_t)1 << 48;

/* What is compared as `field`; NULL: it is none of texts. */
static const char *
order_name(enum sort_field field)
{
	switch (field) {
	case SORT_SUBJECT:
		return "subject-" FACTS_FORM;
	case SORT_FROM:
		return "from-" ADDRESSES_FORM;
	case SORT_TO:
		return "to-" ADDRESSES_FORM;
	case SORT_CC:
		return "cc-" ADDRESSES_FORM;
	case SORT_DISPLAY_FROM:
		return "displayfrom-" ADDRESSES_FORM;
	case SORT_DISPLAY_TO:
		return "displayto-" ADDRESSES_FORM;
	default:
		return NULL;
	}
}

/* ---- texts ---- */

struct reading {
	const struct ranking *of;
	struct arena         *strings, *of_message;
	bool                  failed;        /* a message could not be read: nothing is kept of that */
};

/* Most texts differ in their first bytes: those are compared as a number, which spares to look at them. */
struct item { uint64_t begin; struct span text; size_t at; };

/* The mailbox of the first address, or how it is displayed (RFC 5957, 3). */
static struct span
address_of(struct reading *x, struct span header, const char *name, bool display)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    folded = {0}, shown = {0};
	struct header_field     f;
	struct address_list     list = {0};

	if (!header_find(header, name, &f))
		return SPAN_NONE;
	address_list_parse(arena, f.value, ADDRESS_LIST_LIMIT, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *m = &list.at[i];

		if (m->kind == GROUP_END)
			continue;
		if (display && m->name.len) {
			encoded_word_decode(m->name, &shown);
		} else if (m->kind == GROUP_START) {
			text_add(&shown, m->name);
		} else {
			text_add(&shown, m->local);
			if (display && m->domain.len) {
				text_add_byte(&shown, '@');
				text_add(&shown, m->domain);
			}
		}
		break;
	}
	casemap_add(text_span(&shown), &folded);
	return arena_span(x->strings, text_span(&folded));
}

static struct span
text_of_fields(struct reading *x, struct span header)
{
	switch (x->of->field) {
	case SORT_CC:
		return address_of(x, header, "Cc", false);
	case SORT_TO:
		return address_of(x, header, "To", false);
	case SORT_DISPLAY_TO:
		return address_of(x, header, "To", true);
	default:
		return address_of(x, header, "From", x->of->field == SORT_DISPLAY_FROM);
	}
}

/* Good until the reading and the batch end. */
static struct span
text_of(struct reading *x, uint32_t uid)
{
	struct content      c;
	struct header_facts facts;
	struct span         header, text = SPAN_NONE;

	content_start(&c, x->of->session, uid, x->of_message);
	c.folder = x->of->folder;
	c.batch = x->of->batch;
	if (x->of->field == SORT_SUBJECT) {
		if (content_facts(&c, &facts, NULL) < 0)
			x->failed = true;
		else
			text = c.facts_last ? facts.subject : arena_span(x->strings, facts.subject);
	} else if (content_fields(&c, &header, NULL) < 0) {
		x->failed = true;
	} else {
		text = text_of_fields(x, header);
	}
	content_end(&c);
	return text;
}

static uint64_t
begin_of(struct span text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 8; i++)
		n = n << 8 | (i < text.len ? (unsigned char)text.at[i] : 0);
	return n;
}

static int
compare_items(const struct item *x, const struct item *y)
{
	return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : span_compare(x->text, y->text);
}

static int
compare_at(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int                order = compare_items(x, y);

	return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

/* The items' texts, and the items by them. */
static void
read_items(struct reading *x, const size_t *positions, struct item *items, size_t count)
{
	for (size_t i = 0; i < count && !x->of->session->over; i++) {
		items[i].text = text_of(x, x->of->view->at[positions[items[i].at]].uid);
		items[i].begin = begin_of(items[i].text);
		if (i % 100 == 0)
			progress_tell(x->of->progress, i, count);
	}
	x->failed |= x->of->session->over;
	qsort(items, count, sizeof *items, compare_at);
}

/* ---- places ---- */

/* What is to be kept of the messages at these positions: all, or those of the items. */
static void
keep(const struct ranking *x, const struct index_order *order, const size_t *positions, size_t count, const uint64_t *ranks,
	const bool *chosen)
{
	autofree struct index_place *places = mem_array(count + 1, sizeof *places);
	size_t                       n = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t              uid = x->view->at[positions[i]].uid;
		const struct message *m = folder_find(x->folder, uid);

		if (m && (!chosen || chosen[i]))
			places[n++] = (struct index_place){uid, index_place_hash(message_base(x->folder, m)), ranks[i]};
	}
	index_order_put(x->batch, order_name(x->field), order->generation, !chosen, places, n);
}

/* How much room is between two: ranks take 48 bits, of which the last 16 are only used by what comes between; fewer are sorted faster. */
static uint64_t
room_between(size_t count)
{
	uint64_t room = RANK_MOST / (count + 1);

	return room > 0x10000 ? room & ~(uint64_t)0xffff : room;
}

/* From the lowest on. */
static void
number_all(struct reading *x, const struct index_order *order, const size_t *positions, size_t count, uint64_t *ranks)
{
	autofree struct item *items = mem_grow(NULL, count + 1, sizeof *items);
	uint64_t              step = room_between(count), rank = 0;
	bool                  whole = count >= RANKS_KEPT_FROM && count > x->of->view->count / 2;

	for (size_t i = 0; i < count; i++)
		items[i] = (struct item){.text = SPAN_NONE, .at = i};
	read_items(x, positions, items, count);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_items(&items[i - 1], &items[i]) != 0)
			rank += step;
		ranks[items[i].at] = rank;
	}
	if (x->of->batch && whole && !x->failed) /* not of a few, which would forget the others */
		keep(x->of, order, positions, count, ranks, NULL);
}

/* Of what the order has, one message of each rank: by rank.  *future: there are messages that this folder does not know yet. */
static size_t
standing(const struct ranking *x, const struct index_order *order, struct radix *at, bool *future)
{
	autofree struct radix *spare = mem_array(order->count + 1, sizeof *spare);
	size_t                 n = 0, kept = 0;

	for (size_t i = 0; i < order->count; i++) {
		const struct index_place *p = &order->at[i];
		const struct message     *m = folder_find(x->folder, p->uid);

		if (m && index_place_hash(message_base(x->folder, m)) == p->hash)
			at[n++] = (struct radix){p->rank, p->uid};
		*future |= p->uid > x->folder->highest;
	}
	radix_sort(at, spare, n);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || at[i].number != at[i - 1].number)
			at[kept++] = at[i];
	return kept;
}

/* The first that does not stand before it, and whether it is that text. */
static size_t
place_of(struct reading *x, const struct radix *at, size_t count, const struct item *item, bool *same)
{
	size_t low = 0, high = count;

	*same = false;
	while (low < high) {
		size_t      middle = low + (high - low) / 2;
		struct item other = {.text = text_of(x, at[middle].item)};
		int         order;

		other.begin = begin_of(other.text);
		order = compare_items(&other, item);
		*same |= order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Puts sorted items between those that stand.  False: there is no room. */
static bool
put_between(struct reading *x, const struct radix *at, size_t standing_count, const struct item *items, size_t count, uint64_t *ranks)
{
	uint64_t last = 0;            /* rank of the item before */
	size_t   last_place = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		bool     same;
		size_t   place;
		uint64_t high, low;

		if (i && compare_items(&items[i - 1], &items[i]) == 0) {
			ranks[items[i].at] = last;
			continue;
		}
		place = place_of(x, at, standing_count, &items[i], &same);
		high = place < standing_count ? at[place].number : RANK_MOST;
		low = place == last_place ? last : place ? at[place - 1].number : 0;
		if (!same && (high <= low || high - low < 2))
			return false;
		last = same ? high : low + (high - low) / 2;
		last_place = place;
		ranks[items[i].at] = last;
	}
	return true;
}

static bool
number_new(struct reading *x, const struct index_order *order, const size_t *positions, size_t count, struct item *new, size_t n,
	uint64_t *ranks)
{
	autofree struct radix *at = mem_array(order->count + 1, sizeof *at);
	autofree bool         *chosen = mem_array(count + 1, sizeof *chosen);
	bool                   future = false;
	size_t                 standing_count;

	if (!order->count || n > NEW_MOST + order->count / NEW_PART)
		return false;
	for (size_t i = 0; i < n; i++)
		chosen[new[i].at] = true;
	standing_count = standing(x->of, order, at, &future);
	read_items(x, positions, new, n);
	if (x->failed || !put_between(x, at, standing_count, new, n, ranks) || x->failed)
		return false;
	if (!future)
		keep(x->of, order, positions, count, ranks, chosen);
	return true;
}

/* Those that the index knows; the others are items: how many. */
static size_t
take_known(const struct ranking *x, const size_t *positions, size_t count, uint64_t *ranks, struct item **new)
{
	const char *name = order_name(x->field);
	size_t      n = 0, room = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t              uid = x->view->at[positions[i]].uid;
		const struct message *m = folder_find(x->folder, uid);

		if (m && index_place(x->batch, name, uid, message_base(x->folder, m), &ranks[i]))
			continue;
		if (n == room)
			*new = mem_grow(*new, room = room * 2 + 64, sizeof **new);
		(*new)[n++] = (struct item){.text = SPAN_NONE, .at = i};
	}
	return n;
}

void
ranks_of(const struct ranking *of, const size_t *positions, size_t count, uint64_t *ranks)
{
	autoarena struct arena *strings = arena_new(), *of_message = arena_new();
	struct reading          x = {.of = of, .strings = strings, .of_message = of_message};
	struct index_order      order = {0};
	autofree struct item   *new = NULL;
	bool                    kept = of->batch && count >= RANKS_KEPT_FROM;
	size_t                  n = kept ? take_known(of, positions, count, ranks, &new) : count;

	if (n && kept)
		index_order_get(of->batch, order_name(of->field), &order);
	if (n && !(kept && number_new(&x, &order, positions, count, new, n, ranks)))
		number_all(&x, &order, positions, count, ranks);
	free(order.at);
}
