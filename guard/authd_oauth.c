/* SPDX-License-Identifier: ISC */
/*
 * authd_oauth.c - a passdb of tokens: its settings and its keys
 */
#include "authd_oauth.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "sasl/jwt.h"

enum { SETTINGS_MAX = 1 << 20, KEY_MAX = 1 << 16 };

struct oauth {
	struct arena         *arena;
	struct oauth_settings settings;
	struct jwt_rules      rules;
	struct jwt_keys      *keys;
};

/* "%2f" and "%25", as Dovecot writes names that a path cannot hold. */
static void
unescape(const char *in, struct text *out)
{
	for (; *in; in++) {
		bool slash = strncasecmp(in, "%2f", 3) == 0, percent = strncmp(in, "%25", 3) == 0;

		text_add_byte(out, slash ? '/' : *in);
		if (slash || percent)
			in += 2;
	}
}

typedef int entry_visit(struct oauth *, int directory, const char *name, const struct span *above, struct fault *);

static int
walk(struct oauth *o, int directory, const char *name, const struct span *above, entry_visit *visit, struct fault *why)
{
	int            fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), outcome = 0;
	DIR           *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return fault_errno(why, "%s", name);
	}
	while (outcome == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			outcome = visit(o, dirfd(d), e->d_name, above, why);
	closedir(d);
	return outcome < 0 ? fault_prefix(why, "%s", name) : 0;
}

static int
add_key(struct oauth *o, int directory, const char *name, const struct span *above, struct fault *why)
{
	autotext struct text content = {0}, kid = {0};
	autoclose int        fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int                  outcome;

	if (fd < 0)
		return fault_errno(why, "%s", name);
	unescape(name, &kid);
	outcome = file_read_fd(fd, KEY_MAX, &content, why);
	if (outcome == 0)
		outcome = jwt_keys_add(o->keys, above[0], above[1], text_span(&kid), text_span(&content), why);
	if (content.at)
		mem_wipe(content.at, content.room);
	return outcome < 0 ? fault_prefix(why, "%s", name) : 0;
}

static int
add_algorithm(struct oauth *o, int directory, const char *name, const struct span *above, struct fault *why)
{
	struct span here[2] = {above[0], span_of(name)};

	return walk(o, directory, name, here, add_key, why);
}

static int
add_party(struct oauth *o, int directory, const char *name, const struct span *above, struct fault *why)
{
	autotext struct text azp = {0};
	struct span          here[2];

	(void)above;
	unescape(name, &azp);
	here[0] = text_span(&azp);
	return walk(o, directory, name, here, add_algorithm, why);
}

static int
fill(struct oauth *o, const char *path, struct fault *why)
{
	autotext struct text text = {0};
	autoclose int        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), keys = -1;
	struct oauth_settings *s = &o->settings;

	if (fd < 0)
		return fault_errno(why, "open");
	if (file_read_fd(fd, SETTINGS_MAX, &text, why) < 0 || oauth_settings_parse(text_span(&text), o->arena, s, why) < 0)
		return -1;
	o->rules = (struct jwt_rules){s->issuers, s->scope, s->audience, s->username_attribute, s->active_attribute, s->active_value};
	keys = open(s->key_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keys < 0)
		return fault_errno(why, "%s", s->key_directory);
	if (walk(o, keys, "shared", NULL, add_party, why) < 0)
		return fault_prefix(why, "%s", s->key_directory);
	return jwt_keys_count(o->keys) ? 0 : fault_set(why, FAULT_INPUT, "%s/shared: no keys", s->key_directory);
}

struct oauth *
oauth_open(const char *path, struct fault *why)
{
	struct oauth *o = mem_alloc(sizeof *o);

	o->arena = arena_new();
	o->keys = jwt_keys_new();
	if (fill(o, path, why) == 0)
		return o;
	fault_prefix(why, "%s", path);
	jwt_keys_free(o->keys);
	arena_free(o->arena);
	free(o);
	return NULL;
}

const char *
oauth_scope(const struct oauth *o)
{
	return o->settings.scope;
}

const char *
oauth_openid(const struct oauth *o)
{
	return o->settings.openid;
}

int
oauth_check(const struct oauth *o, struct span token, struct text *user, struct fault *why)
{
	return jwt_check(o->keys, &o->rules, token, clock_wall() / 1000000, user, why);
}
