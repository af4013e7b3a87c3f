/* SPDX-License-Identifier: ISC */
/*
 * environment.c - what a command may know, and $name in forward_path and the like
 *
 * Exported values are cut down to command_expansion_filter: what is not in it
 * becomes "_".  Nothing here ever reaches a shell as text of its own.
 */
#include <stdlib.h>

#include "config/expand.h"
#include "config/site.h"
#include "local/run.h"
#include "mail/address.h"

#define COMMAND_PATH "/usr/bin:/bin:/usr/sbin:/sbin"

static void
add_filtered(struct span value, const char *filter, struct text *out)
{
	for (size_t i = 0; i < value.len; i++)
		text_add_byte(out, value.at[i] && (!filter || strchr(filter, value.at[i])) ? value.at[i] : '_');
}

struct variables {
	struct arena *arena;
	const char  **at;
	size_t        count, room;
};

static void
add(struct variables *v, const char *name, struct span value, const char *filter)
{
	autotext struct text t = {0};

	if (v->count + 2 > v->room)
		return;                  /* export_environment is counted before */
	text_add_format(&t, "%s=", name);
	if (filter)
		add_filtered(value, filter, &t);
	else
		text_add(&t, value);
	v->at[v->count++] = arena_string(v->arena, text_span(&t));
}

/* NAME or NAME=value of export_environment. */
static void
add_exported(struct variables *v)
{
	for (size_t i = 0; i < site.export_environment.count; i++) {
		struct span rest = span_of(site.export_environment.item[i]), name;

		if (span_split(&rest, '=', &name)) {
			add(v, arena_string(v->arena, name), rest, NULL);
		} else {
			char       *key = arena_string(v->arena, name);
			const char *value = getenv(key);

			if (value)
				add(v, key, span_of(value), NULL);
		}
	}
}

static struct span
external(struct run *r, struct span address)
{
	autotext struct text t = {0};

	address_external(address, &t);
	return arena_span(r->arena, text_span(&t));
}

const char *const *
environment_make(struct run *r, const struct party *p, const struct agent_user *user)
{
	const char      *filter = local_settings.command_filter;
	struct variables v = {.arena = r->arena, .room = 32 + site.export_environment.count};
	struct span      original = r->rcpt->original.len ? r->rcpt->original : r->rcpt->address;

	v.at = arena_alloc(r->arena, v.room * sizeof *v.at);
	add_exported(&v);
	add(&v, "PATH", span_of(COMMAND_PATH), NULL);
	add(&v, "MAIL_CONFIG", span_of(site.config_directory), NULL);
	if (user) {
		add(&v, "HOME", span_of(user->id.home), filter);
		add(&v, "SHELL", span_of(user->shell[0] ? user->shell : "/bin/sh"), filter);
	}
	add(&v, "USER", p->user, filter);
	add(&v, "LOGNAME", p->user, filter);
	add(&v, "LOCAL", p->local, filter);
	add(&v, "EXTENSION", p->extension, filter);
	add(&v, "DOMAIN", p->domain, filter);
	add(&v, "RECIPIENT", external(r, p->address), filter);
	add(&v, "ORIGINAL_RECIPIENT", external(r, original), filter);
	add(&v, "SENDER", external(r, p->sender), filter);
	add(&v, "CLIENT_ADDRESS", r->d->client_address, filter);
	add(&v, "CLIENT_HELO", r->d->helo, filter);
	add(&v, "CLIENT_HOSTNAME", r->d->client_name, filter);
	add(&v, "CLIENT_PROTOCOL", r->d->protocol, filter);
	add(&v, "SASL_USERNAME", r->d->sasl_user, filter);
	return v.at;
}

struct asked {
	struct run              *run;
	const struct party      *party;
	const struct agent_user *user;
	const char              *filter;
	bool                     undefined;
};

static int
look_up(void *context, struct span name, struct text *value, struct fault *why)
{
	struct asked       *a = context;
	const struct party *p = a->party;
	const struct { const char *name; struct span value;
	} known[] = {
		{"user", p->user},
		{"local", p->local},
		{"extension", p->extension},
		{"domain", p->domain},
		{"recipient", p->address},
		{"recipient_delimiter", span_of(p->delimiter)},
		{"home", span_of(a->user ? a->user->id.home : "")},
		{"shell", span_of(a->user ? a->user->shell : "")},
	};

	(void)why;
	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is(name, known[i].name)) {
			a->undefined = a->undefined || known[i].value.len == 0;
			add_filtered(known[i].value, a->filter, value);
			return 0;
		}
	a->undefined = true;
	return 1;
}

int
environment_expand(struct run *r, const struct party *p, const struct agent_user *user,
	struct span text, const char *filter, struct text *out, bool *undefined, struct fault *why)
{
	struct asked    a = {r, p, user, filter, false};
	struct expander e = {.lookup = look_up, .context = &a};

	if (expand_text(&e, text, out, why) < 0)
		return -1;
	*undefined = a.undefined;
	return 0;
}
