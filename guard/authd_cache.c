/* SPDX-License-Identifier: ISC */
/*
 * authd_cache.c - successes of a while ago
 */
#include "authd_cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct success {
	unsigned char digest[32];
	int64_t       until;
	char          user[USER_NAME_SIZE];
};

static struct {
	struct monitor  lock;
	struct success *entry;
	size_t          count;
	int64_t         ttl;
	uint64_t        age;             /* how often it was emptied */
	unsigned char   key[32];
} cache;

void
cache_prepare(int64_t bytes, int64_t ttl_ms)
{
	monitor_init(&cache.lock);
	cache.count = ttl_ms > 0 ? (size_t)bytes / sizeof(struct success) : 0;
	cache.ttl = ttl_ms;
	if (cache.count == 0)
		return;
	cache.entry = mem_array(cache.count, sizeof *cache.entry);
	if (RAND_bytes(cache.key, sizeof cache.key) != 1)
		cache.count = 0;
}

/* Each part with its length: no two questions are one. */
static void
digest_of(const char *user, const char *password, const struct origin *o, unsigned char digest[32])
{
	autotext struct text all = {0};
	struct span          parts[] = {span_of(o->service), o->peer, o->local, span_of(o->mechanism ? o->mechanism : ""), span_of(user), span_of(password)};
	unsigned             len = 32;

	for (size_t i = 0; i < COUNT(parts); i++)
		text_add_format(&all, "%zu:%.*s", parts[i].len, SPAN_ARGS(parts[i]));
	HMAC(EVP_sha256(), cache.key, sizeof cache.key, (const unsigned char *)all.at, all.len, digest, &len);
	mem_wipe(all.at, all.room);
}

static struct success *
place_of(const unsigned char digest[32])
{
	uint64_t n;

	memcpy(&n, digest, sizeof n);
	return &cache.entry[n % cache.count];
}

bool
cache_knows(char *user, const char *password, const struct origin *o)
{
	unsigned char   digest[32];
	struct success *s;
	bool            known;

	if (cache.count == 0)
		return false;
	digest_of(user, password, o, digest);
	s = place_of(digest);
	monitor_enter(&cache.lock);
	known = s->until > clock_now() && CRYPTO_memcmp(s->digest, digest, sizeof digest) == 0;
	if (known)
		snprintf(user, USER_NAME_SIZE, "%s", s->user);
	monitor_leave(&cache.lock);
	return known;
}

uint64_t
cache_age(void)
{
	uint64_t age;

	monitor_enter(&cache.lock);
	age = cache.age;
	monitor_leave(&cache.lock);
	return age;
}

void
cache_note(const char *asked, const char *password, const struct origin *o, const char *became, uint64_t age)
{
	struct success one = {.until = clock_after(cache.ttl)};

	if (cache.count == 0)
		return;
	digest_of(asked, password, o, one.digest);
	snprintf(one.user, sizeof one.user, "%s", became);
	monitor_enter(&cache.lock);
	if (age == cache.age)
		*place_of(one.digest) = one;
	monitor_leave(&cache.lock);
}

void
cache_empty(void)
{
	if (cache.count == 0)
		return;
	monitor_enter(&cache.lock);
	memset(cache.entry, 0, cache.count * sizeof *cache.entry);
	cache.age++;
	monitor_leave(&cache.lock);
}
