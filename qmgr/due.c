/* SPDX-License-Identifier: ISC */
/*
 * due.c - a binary heap of due times
 */
#include "due.h"

#include <stdlib.h>

#include "base/mem.h"

struct item {
	uint32_t second;
	char     id[DUE_ID_SIZE];       /* NUL filled */
};

struct heap {
	struct item *at;                /* from 0 */
	size_t       count, room;
};

struct due {
	struct heap now, next;          /* next: while a refill is going on */
	bool        refilling;
};

static void
push(struct heap *h, struct item it)
{
	size_t place;

	if (h->count == h->room) {
		h->room = h->room ? h->room + h->room / 4 + 1 : 64;
		h->at = mem_grow(h->at, h->room, sizeof *h->at);
	}
	for (place = h->count++; place > 0 && it.second < h->at[(place - 1) / 2].second;
	     place = (place - 1) / 2)
		h->at[place] = h->at[(place - 1) / 2];
	h->at[place] = it;
}

static void
pop(struct heap *h)
{
	struct item last = h->at[--h->count];
	size_t      place = 0;

	for (size_t child; (child = place * 2 + 1) < h->count; place = child) {
		if (child + 1 < h->count && h->at[child + 1].second < h->at[child].second)
			child++;
		if (last.second <= h->at[child].second)
			break;
		h->at[place] = h->at[child];
	}
	if (h->count)
		h->at[place] = last;
	if (h->room > 1024 && h->count < h->room / 4) {
		h->room /= 2;
		h->at = mem_grow(h->at, h->room, sizeof *h->at);
	}
}

static bool
make(struct span id, int64_t due_us, struct item *it)
{
	int64_t second = (due_us + 999999) / 1000000;

	if (id.len >= DUE_ID_SIZE)
		return false;
	*it = (struct item){.second = second < 0            ? 0
	                              : second > UINT32_MAX ? UINT32_MAX
	                                                    : (uint32_t)second};
	memcpy(it->id, id.at, id.len);
	return true;
}

struct due *
due_new(void)
{
	return mem_alloc(sizeof(struct due));
}

void
due_free(struct due *d)
{
	free(d->now.at);
	free(d->next.at);
	free(d);
}

void
due_add(struct due *d, struct span id, int64_t due_us)
{
	struct item it;

	if (!make(id, due_us, &it))
		return;
	push(&d->now, it);
	if (d->refilling)
		push(&d->next, it);
}

bool
due_take(struct due *d, int64_t now_us, char id[DUE_ID_SIZE])
{
	if (!d->now.count || d->now.at[0].second > now_us / 1000000)
		return false;
	memcpy(id, d->now.at[0].id, DUE_ID_SIZE);
	pop(&d->now);
	return true;
}

int64_t
due_next(const struct due *d)
{
	return d->now.count ? (int64_t)d->now.at[0].second * 1000000 : INT64_MAX;
}

size_t
due_count(const struct due *d)
{
	return d->now.count;
}

void
due_hurry(struct due *d)
{
	for (size_t i = 0; i < d->now.count; i++)
		d->now.at[i].second = 0; /* all equal is a heap */
}

/* What stands there goes to the front. */
static void
to_front(struct heap *h, size_t place)
{
	struct item it = h->at[place];

	it.second = 0;
	for (; place > 0; place = (place - 1) / 2)
		h->at[place] = h->at[(place - 1) / 2];
	h->at[0] = it;
}

/* From the front on: what moves back has been looked at. */
size_t
due_hurry_some(struct due *d, bool (*wanted)(void *, struct span id), void *context)
{
	size_t count = 0;

	for (size_t i = 0; i < d->now.count; i++)
		if (wanted(context, span_of(d->now.at[i].id))) {
			to_front(&d->now, i);
			count++;
		}
	return count;
}

bool
due_hurry_one(struct due *d, struct span id)
{
	for (size_t i = 0; i < d->now.count; i++)
		if (span_is(id, d->now.at[i].id)) {
			to_front(&d->now, i);
			return true;
		}
	return false;
}

void
due_refill_begin(struct due *d)
{
	free(take(d->next.at));
	d->next = (struct heap){0};
	d->refilling = true;
}

void
due_refill(struct due *d, struct span id, int64_t due_us)
{
	struct item it;

	if (make(id, due_us, &it))
		push(&d->next, it);
}

/* It was cut short: what is there stays. */
void
due_refill_cancel(struct due *d)
{
	free(take(d->next.at));
	d->next = (struct heap){0};
	d->refilling = false;
}

void
due_refill_end(struct due *d)
{
	free(d->now.at);
	d->now = d->next;
	d->next = (struct heap){0};
	d->refilling = false;
}
