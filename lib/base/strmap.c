/* SPDX-License-Identifier: ISC */
/*
 * strmap.c - open addressing with linear probing and tombstones
 */
#include "base/strmap.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

struct slot {
	char    *key;      /* owned, or borrowed; NULL: never used */
	void    *value;
	uint32_t len;
	uint32_t hash : 31;
	bool     dead : 1;
};

static const uint32_t HASH_BITS = 0x7fffffff;

struct strmap {
	struct slot *slots;
	size_t       size, used, live;  /* used counts the dead too */
	bool         borrows;
};

static uint64_t       seed, factor;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void
make_seed(void)
{
	if (getentropy(&seed, sizeof seed) < 0 || getentropy(&factor, sizeof factor) < 0)
		abort();
	factor |= 1;
}

static uint32_t
hash(struct span key)
{
	uint64_t h = seed ^ 0xcbf29ce484222325ull ^ key.len;

	for (size_t i = 0; i < key.len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, key.at + i, key.len - i < 8 ? key.len - i : 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
		h *= factor; /* two differences cancel out only for who knows it */
		h ^= h >> 29;
	}
	return (uint32_t)h & HASH_BITS;
}

struct strmap *
strmap_new(void)
{
	struct strmap *m = mem_alloc(sizeof *m);

	pthread_once(&seeded, make_seed);
	m->size = 16;
	m->slots = mem_array(m->size, sizeof *m->slots);
	return m;
}

struct strmap *
strmap_new_borrowing(void)
{
	struct strmap *m = strmap_new();

	m->borrows = true;
	return m;
}

static void
free_key(const struct strmap *m, struct slot *s)
{
	if (!m->borrows)
		free(s->key);
}

void
strmap_free(struct strmap *m, void (*free_value)(void *))
{
	if (!m)
		return;
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].key && !m->slots[i].dead && free_value)
			free_value(m->slots[i].value);
		free_key(m, &m->slots[i]);
	}
	free(m->slots);
	free(m);
}

static struct slot *
find(const struct strmap *m, struct span key, uint32_t h)
{
	for (size_t i = h & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
		struct slot *s = &m->slots[i];

		if (!s->key)
			return NULL;
		if (!s->dead && s->hash == h && span_equal(span_at(s->key, s->len), key))
			return s;
	}
}

static struct slot *
place(struct slot *slots, size_t size, uint32_t h)
{
	size_t i = h & (size - 1);

	while (slots[i].key)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static void
rebuild(struct strmap *m)
{
	size_t       size = 16;
	struct slot *slots;

	while (size < m->live * 3)
		size *= 2;
	slots = mem_array(size, sizeof *slots);
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].key && !m->slots[i].dead)
			*place(slots, size, m->slots[i].hash) = m->slots[i];
		else
			free_key(m, &m->slots[i]);
	}
	free(m->slots);
	m->slots = slots;
	m->size = size;
	m->used = m->live;
}

void *
strmap_get(const struct strmap *m, struct span key)
{
	struct slot *s = m->live ? find(m, key, hash(key)) : NULL;

	return s ? s->value : NULL;
}

void **
strmap_slot(struct strmap *m, struct span key)
{
	uint32_t     h = hash(key);
	struct slot *s = find(m, key, h);

	assert(key.len <= UINT32_MAX);
	if (s)
		return &s->value;
	if ((m->used + 1) * 4 > m->size * 3)
		rebuild(m);
	s = place(m->slots, m->size, h);
	*s = (struct slot){.key = m->borrows ? (char *)key.at : mem_span(key), .len = (uint32_t)key.len,
		.hash = h & HASH_BITS};
	m->used++;
	m->live++;
	return &s->value;
}

void *
strmap_put(struct strmap *m, struct span key, void *value)
{
	void **slot = strmap_slot(m, key), *before = *slot;

	*slot = value;
	return before;
}

void *
strmap_remove(struct strmap *m, struct span key)
{
	struct slot *s = find(m, key, hash(key));

	if (!s)
		return NULL;
	s->dead = true;
	m->live--;
	return s->value;
}

size_t
strmap_count(const struct strmap *m)
{
	return m->live;
}

bool
strmap_next(const struct strmap *m, size_t *at, struct span *key, void **value)
{
	while (*at < m->size) {
		struct slot *s = &m->slots[(*at)++];

		if (!s->key || s->dead)
			continue;
		*key = span_at(s->key, s->len);
		*value = s->value;
		return true;
	}
	return false;
}
