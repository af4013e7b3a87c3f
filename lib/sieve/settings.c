/* SPDX-License-Identifier: ISC */
/*
 * settings.c - the parameters of Sieve, and where a user's scripts are
 */
#include "sieve/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "mail/charset.h"

struct sieve_settings sieve_settings;

void
sieve_settings_limits(struct sieve_limits *out)
{
	struct span unknown;

	*out = sieve_default_limits;
	out->script_size = (size_t)sieve_settings.script_size;
	out->actions = (size_t)sieve_settings.actions;
	out->redirects = (size_t)sieve_settings.redirects;
	out->vacation_least = sieve_settings.vacation_least / 1000;
	out->vacation_most = sieve_settings.vacation_most / 1000;
	out->vacation_default = sieve_settings.vacation_default / 1000;
	out->duplicate_default = sieve_settings.duplicate_default / 1000;
	out->duplicate_most = sieve_settings.duplicate_most / 1000;
	out->header_size = (size_t)sieve_settings.header_size;
	sieve_extensions_parse(span_of(sieve_settings.extensions), &out->extensions, &unknown);
	out->global_extensions = 0;
	if (sieve_settings.global_extensions[0])
		sieve_extensions_parse(span_of(sieve_settings.global_extensions), &out->global_extensions, &unknown);
	out->spam = &sieve_settings.spam;
	out->virus = &sieve_settings.virus;
	out->forbid_add = sieve_settings.forbid_add;
	out->forbid_delete = sieve_settings.forbid_delete;
}

void
sieve_settings_check(void)
{
	const char *const settings[] = {sieve_settings.extensions, sieve_settings.global_extensions};

	for (size_t i = 0; i < COUNT(settings); i++) {
		uint64_t    set;
		struct span unknown;

		if (!sieve_extensions_parse(span_of(settings[i]), &set, &unknown))
			log_warning("sieve%s_extensions: unknown extension `%.*s'", i ? "_global" : "", SPAN_ARGS(unknown));
	}
}

static const char  *const own[] = {SIEVE_OWN};
static const char **const own_to[] = {
	&sieve_settings.location, &sieve_settings.fallback, &sieve_settings.user_log, &sieve_settings.user_email,
};
_Static_assert(COUNT(own) == COUNT(own_to), "each name has its place");

void
sieve_settings_own(struct span fields)
{
	struct span one, name;

	while (span_next(&fields, "\t", &one)) {
		span_split(&one, '=', &name);
		for (size_t i = 0; i < COUNT(own); i++)
			if (span_is(name, own[i]))
				*own_to[i] = mem_span(one);       /* for as long as the process is */
	}
}

bool
sieve_settings_filter(struct span fields)
{
	bool        filters = sieve_settings.location[0] != '\0';
	struct span one, name;

	while (span_next(&fields, "\t", &one)) {
		span_split(&one, '=', &name);
		if (span_is(name, "sieve"))
			filters = one.len > 0;
	}
	return filters;
}

/* A part of a name is never a path: what a stranger's address holds is no directory. */
static int
add_part(struct span part, struct text *out, struct fault *why)
{
	if (part.len == 0 || span_has(part, '/') || span_has(part, '\0') || span_is(part, ".."))
		return fault_set(why, FAULT_DENIED, "user name \"%.*s\" cannot be part of a path", SPAN_ARGS(span_first(part, 100)));
	text_add(out, part);
	return 0;
}

int
sieve_expand(struct span setting, const struct sieve_user *user, struct text *out, struct fault *why)
{
	ptrdiff_t at = span_find_last(user->name, '@');

	for (size_t i = 0; i < setting.len; i++) {
		int done = 0;

		if (i == 0 && setting.at[0] == '~' && (setting.len == 1 || setting.at[1] == '/')) {
			if (user->home.len == 0)
				return fault_set(why, FAULT_INPUT, "%.*s: the user has no home directory", SPAN_ARGS(setting));
			text_add(out, user->home);
			continue;
		}
		if (setting.at[i] != '%') {
			text_add_byte(out, setting.at[i]);
			continue;
		}
		switch (++i < setting.len ? setting.at[i] : 0) {
		case '%': text_add_byte(out, '%'); break;
		case 'h': text_add(out, user->home); break;
		case 'u': done = add_part(user->name, out, why); break;
		case 'n': done = add_part(at < 0 ? user->name : span_first(user->name, (size_t)at), out, why); break;
		case 'd': done = add_part(at < 0 ? SPAN_NONE : span_from(user->name, (size_t)at + 1), out, why); break;
		default: return fault_set(why, FAULT_INPUT, "%.*s: unknown %%", SPAN_ARGS(setting));
		}
		if (done < 0)
			return -1;
	}
	return 0;
}

int
sieve_place(const struct sieve_user *user, struct sieve_place *out, struct fault *why)
{
	struct sieve_place p = {0};
	struct span        rest = span_trim(span_of(sieve_settings.location)), active = SPAN_NONE, option, directory;
	int                done = 0;

	if (rest.len == 0) {
		*out = p;
		return 0;
	}
	if (!span_starts(rest, "file:")) {
		active = rest;
		directory = SPAN_NONE;
	} else {
		rest = span_from(rest, 5);
		span_split(&rest, ';', &directory);
		while (rest.len && done == 0) {
			span_split(&rest, ';', &option);
			if (span_starts(option, "active="))
				active = span_from(option, 7);
			else
				done = fault_set(why, FAULT_INPUT, "sieve: unknown option \"%.*s\"", SPAN_ARGS(option));
		}
		if (active.len == 0)
			active = SPAN("~/.dovecot.sieve");
	}
	if (done == 0 && (sieve_expand(active, user, &p.active, why) < 0 || sieve_expand(directory, user, &p.directory, why) < 0))
		done = -1;
	if (done == 0 && sieve_settings.fallback && sieve_settings.fallback[0])
		done = sieve_expand(span_of(sieve_settings.fallback), user, &p.fallback, why);
	if (done == 0 && (!span_starts(text_span(&p.active), "/") || (p.directory.len && p.directory.at[0] != '/')))
		done = fault_set(why, FAULT_INPUT, "sieve: %s is not an absolute path", text_string(&p.active));
	if (done < 0)
		sieve_place_free(&p);
	else
		*out = p;
	return done;
}

void
sieve_place_free(struct sieve_place *p)
{
	text_free(&p->directory);
	text_free(&p->active);
	text_free(&p->fallback);
}

bool
sieve_name_valid(struct span name)
{
	return name.len > 0 && name.len <= 128 && name.at[0] != '.' && !span_has(name, '/') && utf8_printable(name);
}

int
sieve_read(const char *path, struct text *out, struct fault *why)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat   st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_errno(why, "%s", path);
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_INPUT, "%s is not a regular file", path);
	if (st.st_size > sieve_settings.script_size)
		return fault_set(why, FAULT_INPUT, "%s is larger than sieve_max_script_size", path);
	return file_read_fd(fd, (size_t)sieve_settings.script_size, out, why);
}
