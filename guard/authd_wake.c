/* SPDX-License-Identifier: ISC */
/*
 * authd_wake.c - tokens of sessions that may sleep
 */
#include "authd_wake.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/task.h"

enum { SECRET_BYTES = 32, RANDOM_BYTES = 16, TIME_HEX = 16, REMEMBERED = 65536 };
static const int64_t lifetime = (int64_t)7 * 86400;

static struct {
	struct monitor lock;
	char           secret[SECRET_BYTES];
	uint64_t      *used;               /* by the low bits of the token's random part */
} wake = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static int
read_secret(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat   s;

	if (fd < 0 || fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) || s.st_uid != geteuid() || s.st_mode & 077)
		return -1;
	return file_read_at(fd, wake.secret, sizeof wake.secret, 0, NULL);
}

int
wake_prepare(const char *data_directory, struct fault *why)
{
	autofree char *path = mem_format("%s/authd.secret", data_directory);

	wake.used = mem_array(REMEMBERED, sizeof *wake.used);
	if (read_secret(path) == 0)
		return 0;
	if (RAND_bytes((unsigned char *)wake.secret, sizeof wake.secret) != 1)
		return fault_set(why, FAULT_SYSTEM, "no randomness");
	return file_replace(path, span_at(wake.secret, sizeof wake.secret), 0600, why);
}

static void
make_key(const char *user, struct span token, char key[WAKE_HEX])
{
	autotext struct text message = {0};

	text_add_string(&message, "wake");
	text_add_byte(&message, '\0');
	text_add_string(&message, user);
	text_add_byte(&message, '\0');
	text_add(&message, token);
	wake_hmac(span_at(wake.secret, sizeof wake.secret), text_span(&message), key);
}

void
wake_make(const char *user, char token[WAKE_TOKEN], char key[WAKE_HEX])
{
	autotext struct text hex = {0};
	unsigned char        random[RANDOM_BYTES];

	if (RAND_bytes(random, sizeof random) != 1)
		abort(); /* without randomness nobody may log in */
	text_add_format(&hex, "%016llx", (unsigned long long)(clock_wall() / 1000000));
	hex_encode(span_at(random, sizeof random), &hex);
	snprintf(token, WAKE_TOKEN, "%s", text_string(&hex));
	make_key(user, span_of(token), key);
}

/* True for the first who comes with it. */
static bool
use(struct span token)
{
	autofree char *low = mem_span(span_from(token, token.len - 16));
	uint64_t       number = strtoull(low, NULL, 16);
	bool           first;

	monitor_enter(&wake.lock);
	first = wake.used[number % REMEMBERED] != number;
	wake.used[number % REMEMBERED] = number;
	monitor_leave(&wake.lock);
	return first;
}

bool
wake_take(const char *user, struct span token, struct span proof, struct span digest)
{
	char    key[WAKE_HEX], right[WAKE_HEX], issued[TIME_HEX + 1];
	int64_t age;

	if (token.len != WAKE_TOKEN - 1 || digest.len != WAKE_HEX - 1)
		return false;
	snprintf(issued, sizeof issued, "%.*s", TIME_HEX, token.at);
	age = clock_wall() / 1000000 - (int64_t)strtoull(issued, NULL, 16);
	make_key(user, token, key);
	wake_hmac(span_of(key), digest, right);
	return wake_same(span_of(right), proof) && age < lifetime && age > -lifetime && use(token);
}
