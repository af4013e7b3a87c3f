/* SPDX-License-Identifier: ISC */
/*
 * tls_cache.c - sessions of clients that may be resumed (RFC 8446, 2.2; RFC 5077)
 *
 * A monitor, one for the process. Each session is used once (RFC 8446, C.4), and only under the key
 * under which it was made: the key names the peer and all that was asked of it.
 */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/strmap.h"
#include "base/task.h"
#include "net/tls_internal.h"

enum { CACHE_MAX = 500 };

struct entry {
	char        *key;
	SSL_SESSION *session;
	int64_t      until;
};

static struct {
	struct monitor lock;
	struct entry   kept[CACHE_MAX];  /* oldest first */
	size_t         count;
	int            key_index;
	int64_t        ms;
} cache;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
free_key(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long l, void *p)
{
	(void)parent, (void)data, (void)index, (void)l, (void)p;
	free(pointer);
}

static void
make_cache(void)
{
	monitor_init(&cache.lock);
	cache.key_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_key);
}

static SSL_SESSION *
remove_at(size_t i)
{
	SSL_SESSION *session = cache.kept[i].session;

	free(cache.kept[i].key);
	memmove(cache.kept + i, cache.kept + i + 1, (cache.count - i - 1) * sizeof cache.kept[0]);
	cache.count--;
	return session;
}

/* OpenSSL gives a reference with it: 1 keeps that. */
static int
keep(SSL *ssl, SSL_SESSION *session)
{
	const char  *key = SSL_get_ex_data(ssl, cache.key_index);
	SSL_SESSION *oldest = NULL;

	if (!key || !SSL_SESSION_is_resumable(session))
		return 0;
	monitor_enter(&cache.lock);
	if (cache.count == CACHE_MAX)
		oldest = remove_at(0);
	cache.kept[cache.count++] = (struct entry){mem_string(key), session, clock_after(cache.ms)};
	monitor_leave(&cache.lock);
	SSL_SESSION_free(oldest);
	return 1;
}

static SSL_SESSION *
take_session(const char *key)
{
	SSL_SESSION *found = NULL;

	monitor_enter(&cache.lock);
	while (cache.count && cache.kept[0].until < clock_now())
		SSL_SESSION_free(remove_at(0));
	for (size_t i = cache.count; i > 0 && !found; i--)
		if (strcmp(cache.kept[i - 1].key, key) == 0)
			found = remove_at(i - 1);
	monitor_leave(&cache.lock);
	return found;
}

void
tls_cache_enable(SSL_CTX *ctx, int64_t ms)
{
	pthread_once(&once, make_cache);
	cache.ms = ms;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep);
}

void
tls_cache_use(SSL *ssl, const char *key)
{
	SSL_SESSION *session;
	char        *copy;

	pthread_once(&once, make_cache);
	copy = mem_string(key);
	if (SSL_set_ex_data(ssl, cache.key_index, copy) != 1) {
		free(copy);
		return;
	}
	session = take_session(key);
	if (session && SSL_set_session(ssl, session) != 1)
		ERR_clear_error();
	SSL_SESSION_free(session);
}
