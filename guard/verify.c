/* SPDX-License-Identifier: ISC */
/*
 * verify.c - the program that knows which addresses exist, and which clients were screened
 *
 * Asked by smtpd (reject_unverified_*) it answers at once out of its cache, and sends a probe when
 * it does not know, or what it knows is old: a message to that address which agents try up to
 * RCPT.  qmgr tells what the probe met.  postscreen keeps its clients' passes here, since it may not
 * touch files.  Asked: cleanup, by one task, so that nobody who asks here waits for it.
 * Source: verify(8), postscreen(8), ADDRESS_VERIFICATION_README of Postfix.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "verify.h"
#include "ipc/ask_verify.h"
#include "ipc/peer.h"
#include "service/privilege.h"
#include "service/service.h"

static struct config {
	const char         *address_map, *client_map;
	struct verify_times times;
	bool                negative_cache;
	int                 pending_limit;
	int64_t             address_cleanup, client_cleanup, client_retention;
} config;

static const struct param params[] = {
	STRING  ("address_verify_map", &config.address_map, "btree:$data_directory/verify_cache", "where probe results are kept; empty: in memory"),
	DURATION("address_verify_positive_expire_time", &config.times.good_expire, "31d", "1s", "", "an address that exists is probed anew before it is believed"),
	DURATION("address_verify_positive_refresh_time", &config.times.good_refresh, "7d", "1s", "", "it is believed, and probed anew"),
	DURATION("address_verify_negative_expire_time", &config.times.bad_expire, "3d", "1s", "", "the same of an address that does not"),
	DURATION("address_verify_negative_refresh_time", &config.times.bad_refresh, "3h", "1s", "", "and its refreshment"),
	BOOLEAN ("address_verify_negative_cache", &config.negative_cache, "yes", "keep failed probes"),
	NUMBER  ("address_verify_pending_request_limit", &config.pending_limit, "5000", "1", "", "probes on their way at a time"),
	STRING  ("address_verify_sender", &probe_config.sender, "$double_bounce_sender", "the sender of probes"),
	DURATION("address_verify_sender_ttl", &probe_config.sender_ttl, "0s", "0s", "", "how long a probe's sender is the same; 0: always"),
	STRING  ("cleanup_service_name", &probe_config.cleanup_service, "cleanup", "who takes the probes"),
	DURATION("address_verify_cache_cleanup_interval", &config.address_cleanup, "12h", "0s", "", "how often expired results are removed"),
	STRING  ("postscreen_cache_map", &config.client_map, "btree:$data_directory/postscreen_cache", "where postscreen keeps what clients have passed"),
	DURATION("postscreen_cache_cleanup_interval", &config.client_cleanup, "12h", "0s", "", "how often expired clients are removed"),
	DURATION("postscreen_cache_retention_time", &config.client_retention, "7d", "1s", "", "how long behind its expiry a client is remembered as an old one"),
	END_OF_PARAMS
};

static struct cache *addresses, *clients;
static uid_t         mail_uid;
static bool          is_root;

/* ---- addresses ---- */

/* A key is the address as it is, but for the case of its domain. */
static void
key_of(struct span address, struct text *out)
{
	ptrdiff_t at = span_find_last(address, '@');

	text_add(out, address);
	for (size_t i = at < 0 ? out->len : (size_t)at; i < out->len; i++)
		out->at[i] = ascii_lower(out->at[i]);
}

static int
find_record(struct span key, struct verify_record *r, struct arena *arena, struct fault *why)
{
	autotext struct text value = {0};
	int                  got = cache_find(addresses, key, &value, why);

	*r = (struct verify_record){.state = VERIFY_UNKNOWN, .text = SPAN("Address verification in progress")};
	if (got < 0)
		return -1;
	if (got == 0 && !verify_record_parse(arena_span(arena, text_span(&value)), r))
		log_warning("bad address verify table entry: %.100s", text_string(&value));
	return 0;
}

static int
put_record(struct span key, const struct verify_record *r, struct fault *why)
{
	autotext struct text value = {0};

	verify_record_print(r, &value);
	return cache_put(addresses, key, text_span(&value), why);
}

static int
query(void *unused, struct span address, enum verify_state *state, struct text *text, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    key = {0};
	struct verify_record    r;
	int64_t                 now = clock_wall() / 1000000;
	bool                    bad;

	(void)unused;
	key_of(address, &key);
	if (find_record(text_span(&key), &r, arena, why) < 0)
		return -1;
	verify_record_age(&r, &config.times, now);
	*state = r.state;
	text_set(text, r.text);
	bad = r.state == VERIFY_BOUNCE || r.state == VERIFY_DEFER;
	if (bad && !config.negative_cache)
		return cache_remove(addresses, text_span(&key), why);
	if (!verify_record_wants_probe(&r, &config.times, now) || !probe_wanted(text_span(&key), config.pending_limit))
		return 0;
	r.probed = now;
	return put_record(text_span(&key), &r, why);
}

static int
update(void *unused, struct span address, enum verify_state state, struct span text, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    key = {0};
	struct verify_record    r;

	(void)unused;
	key_of(address, &key);
	probe_ended(text_span(&key));
	if (state == VERIFY_UNKNOWN)
		return fault_set(why, FAULT_INPUT, "no result");
	if (find_record(text_span(&key), &r, arena, why) < 0)
		return -1;
	verify_record_take(&r, &config.times, state, text, clock_wall() / 1000000);
	return put_record(text_span(&key), &r, why);
}

/* ---- clients ---- */

static int
recall(void *unused, struct span client, struct text *value, struct fault *why)
{
	(void)unused;
	return cache_find(clients, client, value, why);
}

static int
remember(void *unused, struct span client, struct span value, struct fault *why)
{
	(void)unused;
	return cache_put(clients, client, value, why);
}

/* ---- cleaning ---- */

static bool
address_is_stale(void *now, struct span key, struct span value)
{
	struct verify_record r;

	(void)key;
	if (!verify_record_parse(value, &r))
		return true;
	verify_record_age(&r, &config.times, *(int64_t *)now);
	return r.state == VERIFY_UNKNOWN && *(int64_t *)now - r.probed > VERIFY_PROBE_SECONDS;
}

/* Times by semicolons, when each test must be passed anew: the last of them counts. */
static bool
client_is_stale(void *now, struct span key, struct span value)
{
	struct span one;
	uint64_t    when, last = 0;

	(void)key;
	while (span_next(&value, ";", &one))
		if (span_number(one, &when) && when > last)
			last = when;
	return (int64_t)last + config.client_retention / 1000 < *(int64_t *)now;
}

static void
clean(struct cache *c, const char *name, bool (*stale)(void *, struct span, struct span))
{
	int64_t      now = clock_wall() / 1000000;
	size_t       kept = 0, removed = 0;
	struct fault why = {0};

	if (cache_sweep(c, stale, &now, &kept, &removed, &why) < 0)
		log_warning("%s", fault_text(&why));
	else
		log_info("cache %s full cleanup: retained=%zu dropped=%zu entries", name, kept, removed);
}

static void
clean_now_and_then(void *unused)
{
	int64_t addresses_at = clock_after(config.address_cleanup), clients_at = clock_after(config.client_cleanup);

	(void)unused;
	if (config.address_cleanup == 0)
		addresses_at = CLOCK_NEVER;
	if (config.client_cleanup == 0)
		clients_at = CLOCK_NEVER;
	while (task_wait_fd(service_stop_fd(), POLLIN, addresses_at < clients_at ? addresses_at : clients_at, NULL) < 0) {
		if (clock_now() >= addresses_at) {
			clean(addresses, config.address_map, address_is_stale);
			addresses_at = clock_after(config.address_cleanup);
		}
		if (clock_now() >= clients_at) {
			clean(clients, config.client_map, client_is_stale);
			clients_at = clock_after(config.client_cleanup);
		}
	}
}

/* ---- the program ---- */

static int
prepare(struct fault *why)
{
	struct identity mail = {0};

	is_root = privilege_is_root();
	if (is_root && identity_find(site.mail_owner, &mail, why) < 0)
		return -1;
	mail_uid = mail.uid;
	addresses = cache_open(config.address_map, why);
	if (!addresses)
		return fault_prefix(why, "address_verify_map");
	clients = cache_open(config.client_map, why);
	return clients ? 0 : fault_prefix(why, "postscreen_cache_map");
}

static int
begin(struct fault *why)
{
	return probes_begin(why) < 0 ? -1 : task_start(clean_now_and_then, NULL, why);
}

/* Only qmgr knows what became of a probe. */
static int
refuse_update(void *unused, struct span address, enum verify_state state, struct span text, struct fault *why)
{
	(void)unused, (void)address, (void)state, (void)text;
	return fault_set(why, FAULT_DENIED, "not for you to say");
}

static void
serve(int fd, const struct listener *listener)
{
	uid_t                who = (uid_t)-1;
	bool                 is_qmgr = !is_root || (peer_uid(fd, &who, NULL) == 0 && who == mail_uid);
	struct verify_server server = {NULL, query, is_qmgr ? update : refuse_update, recall, remember};

	(void)listener;
	verify_serve(fd, &server);
	close(fd);
}

static const char *const asks[] = {"cleanup", NULL};

static const struct service verify = {
	.name     = "verify",
	.about    = "knows which addresses exist, and keeps postscreen's cache",
	.role     = ROLE_MAP,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK,      /* its caches were opened before */
	.params   = params,
	.tasks    = "1000",
	.prepare  = prepare,
	.begin    = begin,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&verify, argc, argv);
}
