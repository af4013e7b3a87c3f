/* SPDX-License-Identifier: ISC */
/*
 * test_verify.c - what is known of an address and for how long; the cache; the sender of probes
 */
#include <stdlib.h>
#include <unistd.h>

#include "../unit.h"
#include "config/site.h"
#include "mail/verify_sender.h"
#include "verify.h"

enum { DAY = 86400, NOW = 1700000000 };
static const struct verify_times times = {31LL * DAY * 1000, 7LL * DAY * 1000, 3LL * DAY * 1000, 3LL * 3600 * 1000};

UNIT_TEST(records_are_read_as_written)
{
	struct verify_record r;
	struct text          out = {0};

	ck_assert(verify_record_parse(SPAN("2:0:1700000000:host mx said: 550 5.1.1: no"), &r));
	ck_assert_int_eq(r.state, VERIFY_BOUNCE);
	ck_span(r.text, "host mx said: 550 5.1.1: no");
	verify_record_print(&r, &out);
	ck_span(text_span(&out), "2:0:1700000000:host mx said: 550 5.1.1: no");
	ck_assert(!verify_record_parse(SPAN("4:0:0:x"), &r));
	ck_assert(!verify_record_parse(SPAN("0:-1:0:x"), &r));
	ck_assert(!verify_record_parse(SPAN("0:1"), &r));
	ck_assert(!verify_record_parse(SPAN(""), &r));
	text_free(&out);
}
END_TEST

/* state, probed, updated -> state that is believed, and whether a probe goes out */
static const struct { struct verify_record r; enum verify_state believed; bool probe; } ages[] = {
	{{VERIFY_OK, 0, NOW - 6 * DAY, {"", 0}}, VERIFY_OK, false},
	{{VERIFY_OK, 0, NOW - 8 * DAY, {"", 0}}, VERIFY_OK, true},
	{{VERIFY_OK, NOW - 10, NOW - 8 * DAY, {"", 0}}, VERIFY_OK, false},
	{{VERIFY_OK, NOW - 2000, NOW - 8 * DAY, {"", 0}}, VERIFY_OK, true},
	{{VERIFY_OK, 0, NOW - 32 * DAY, {"", 0}}, VERIFY_UNKNOWN, true},
	{{VERIFY_BOUNCE, 0, NOW - 3600, {"", 0}}, VERIFY_BOUNCE, false},
	{{VERIFY_BOUNCE, 0, NOW - 4 * 3600, {"", 0}}, VERIFY_BOUNCE, true},
	{{VERIFY_DEFER, 0, NOW - 4 * DAY, {"", 0}}, VERIFY_UNKNOWN, true},
	{{VERIFY_UNKNOWN, 0, 0, {"", 0}}, VERIFY_UNKNOWN, true},
	{{VERIFY_UNKNOWN, NOW - 5, 0, {"", 0}}, VERIFY_UNKNOWN, false},
};

UNIT_TEST(results_age)
{
	for (size_t i = 0; i < COUNT(ages); i++) {
		struct verify_record r = ages[i].r;

		verify_record_age(&r, &times, NOW);
		ck_assert_int_eq(r.state, ages[i].believed);
		ck_assert_int_eq(verify_record_wants_probe(&r, &times, NOW), ages[i].probe);
	}
}
END_TEST

UNIT_TEST(what_is_good_stays_good_until_it_expires)
{
	struct verify_record r = {VERIFY_OK, NOW - 3, NOW - 8 * DAY, SPAN("250 ok")};

	verify_record_take(&r, &times, VERIFY_BOUNCE, SPAN("550 no"), NOW);
	ck_assert_int_eq(r.state, VERIFY_OK);
	ck_assert_int_eq(r.probed, 0);
	verify_record_take(&r, &times, VERIFY_OK, SPAN("250 still"), NOW);
	ck_assert_int_eq(r.updated, NOW);
	verify_record_take(&r, &times, VERIFY_DEFER, SPAN("450 later"), NOW + 32 * DAY);
	ck_assert_int_eq(r.state, VERIFY_DEFER);
	verify_record_take(&r, &times, VERIFY_BOUNCE, SPAN("550 no"), NOW + 32 * DAY);
	ck_assert_int_eq(r.state, VERIFY_BOUNCE);
}
END_TEST

UNIT_TEST(the_sender_of_probes_changes_with_time)
{
	struct text a = {0}, b = {0};
	int64_t     now = NOW * 1000000LL, hour = 3600000;

	verify_sender_make(SPAN("double-bounce"), 0, now, &a);
	ck_span(text_span(&a), "double-bounce");
	ck_assert(verify_sender_is(SPAN("double-bounce"), 0, now, SPAN("Double-Bounce@example.com")));
	ck_assert(!verify_sender_is(SPAN("double-bounce"), 0, now, SPAN("double-bounce1@example.com")));
	ck_assert(!verify_sender_is(SPAN("<>"), 0, now, SPAN("")));
	verify_sender_make(SPAN("probe@example.com"), hour, now, &b);
	ck_assert(b.len > 17 && span_ends(text_span(&b), "@example.com"));
	ck_assert(verify_sender_is(SPAN("probe@example.com"), hour, now + hour * 1000, text_span(&b)));
	ck_assert(!verify_sender_is(SPAN("probe@example.com"), hour, now + 3 * hour * 1000, text_span(&b)));
	ck_assert(!verify_sender_is(SPAN("probe@example.com"), hour, now, SPAN("probe@example.com")));
	text_free(&a);
	text_free(&b);
}
END_TEST

static bool
is_old(void *context, struct span key, struct span value)
{
	(void)context, (void)key;
	return span_is(value, "old");
}

static void
use_cache(struct cache *c)
{
	struct text value = {0};
	size_t      kept = 0, removed = 0;

	ck_assert_int_eq(cache_find(c, SPAN("x"), &value, NULL), 1);
	ck_assert_int_eq(cache_put(c, SPAN("x"), SPAN("1"), NULL), 0);
	ck_assert_int_eq(cache_put(c, SPAN("x"), SPAN("2"), NULL), 0);
	ck_assert_int_eq(cache_find(c, SPAN("x"), &value, NULL), 0);
	ck_span(text_span(&value), "2");
	ck_assert_int_eq(cache_remove(c, SPAN("x"), NULL), 0);
	ck_assert_int_eq(cache_remove(c, SPAN("x"), NULL), 0);
	ck_assert_int_eq(cache_find(c, SPAN("x"), &value, NULL), 1);
	for (int i = 0; i < 1000; i++) {
		text_clear(&value);
		text_add_format(&value, "key%d", i);
		ck_assert_int_eq(cache_put(c, text_span(&value), i % 4 ? SPAN("old") : SPAN("new"), NULL), 0);
	}
	ck_assert_int_eq(cache_sweep(c, is_old, NULL, &kept, &removed, NULL), 0);
	ck_assert_uint_eq(removed, 750);
	ck_assert_uint_eq(kept, 250);
	ck_assert_int_eq(cache_find(c, SPAN("key4"), &value, NULL), 0);
	ck_assert_int_eq(cache_find(c, SPAN("key5"), &value, NULL), 1);
	text_free(&value);
}

UNIT_TEST(caches_remember_and_forget)
{
	char         directory[] = "/tmp/cache.XXXXXX";
	struct fault why = {0};
	struct cache *c;
	struct text  value = {0};

	ck_assert_ptr_nonnull(mkdtemp(directory));
	site.data_directory = directory;
	c = cache_open("proxy:btree:/var/lib/x/verify_cache", &why);
	ck_assert_msg(c != NULL, "%s", fault_text(&why));
	use_cache(c);
	cache_close(c);
	c = cache_open("btree:/var/lib/x/verify_cache", &why);
	ck_assert_int_eq(cache_find(c, SPAN("key8"), &value, NULL), 0);      /* over a restart */
	cache_close(c);
	c = cache_open("", &why);
	use_cache(c);
	cache_close(c);
	ck_assert_ptr_null(cache_open("memcache:/etc/postfix/x", &why));
	text_free(&value);
	ck_assert_int_eq(chdir(directory), 0);
	unlink("caches/verify_cache.lmdb");
	rmdir("caches");
	rmdir(directory);
}
END_TEST

/* A full map cannot take what it needs to be emptied: it never comes so far, whatever strangers make us remember. */
UNIT_TEST(a_full_cache_begins_anew)
{
	char         directory[] = "/tmp/cache.XXXXXX", key[32];
	char         bytes[CACHE_VALUE_MAX];
	struct fault why = {0};
	struct cache *c;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	site.data_directory = directory;
	memset(bytes, 'x', sizeof bytes);
	c = cache_open("btree:x", &why);
	ck_assert_msg(c != NULL, "%s", fault_text(&why));
	for (unsigned i = 0; i < 150000; i++) {                      /* 300 MB */
		snprintf(key, sizeof key, "%08x", i * 2654435761u);
		ck_assert_msg(cache_put(c, span_of(key), span_at(bytes, sizeof bytes), &why) == 0, "%u: %s", i, fault_text(&why));
	}
	cache_close(c);
	ck_assert_int_eq(chdir(directory), 0);
	unlink("caches/x.lmdb");
	rmdir("caches");
	rmdir(directory);
}
END_TEST

UNIT_MAIN("guard/verify", records_are_read_as_written, results_age, what_is_good_stays_good_until_it_expires,
          the_sender_of_probes_changes_with_time, caches_remember_and_forget, a_full_cache_begins_anew)
