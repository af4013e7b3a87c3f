/* SPDX-License-Identifier: ISC */
/*
 * pipe.c - delivers to a command of the administrator's, for a transport of his own
 *
 *   maildrop unix - n n - - pipe flags=DRhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
 *
 * One command gets all recipients of a request; an argument that names
 * ${recipient}, ${user} and the like is repeated for each.  No shell is involved: an
 * address is one argument, whatever bytes it holds.  Names and behaviour: pipe(8).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/expand.h"
#include "config/param.h"
#include "config/site.h"
#include "local/agent.h"
#include "local/status_filter.h"
#include "local/attributes.h"
#include "local/errand.h"
#include "mail/address.h"
#include "service/service.h"

enum { ARGUMENTS_MAX = 10000 };

static struct {
	int64_t           command_ms, time_limit;
	bool              allow_min_user;
	struct attributes attributes;
	struct text       eol;
	struct list       status_filter;
} config;

static const struct param params[] = {
	DURATION("command_time_limit", &config.command_ms, "1000s", "1s", "", "longest time of a delivery command"),
	LIST("pipe_delivery_status_filter", &config.status_filter, "$default_delivery_status_filter", "tables: another status for a delivery"),
	LIST("default_delivery_status_filter", NULL, "", "default of pipe_delivery_status_filter"),
	BOOLEAN("allow_min_user", &config.allow_min_user, "no", "addresses may start with \"-\""),
	END_OF_PARAMS
};

static bool
has_flag(char flag)
{
	return strchr(config.attributes.flags, flag) != NULL;
}

/* eol=\r\n: the escapes of C. */
static int
read_eol(const char *in, struct text *out, struct fault *why)
{
	for (; *in; in++) {
		static const char letters[] = "nrt\\", bytes[] = "\n\r\t\\";
		const char       *at;

		if (*in != '\\') {
			text_add_byte(out, *in);
			continue;
		}
		at = *++in ? strchr(letters, *in) : NULL;
		if (!at)
			return fault_set(why, FAULT_INPUT, "bad eol= attribute");
		text_add_byte(out, bytes[at - letters]);
	}
	return 0;
}

static int
prepare(struct fault *why)
{
	if (service_attributes_parse(service->argc, service->argv,
		    "user flags directory chroot eol null_sender size", &config.attributes, why) < 0)
		return -1;
	for (const char *f = config.attributes.flags; *f; f++)
		if (!strchr("BDFORXhqu.>", *f))
			return fault_set(why, FAULT_INPUT, "unknown flag: %c", *f);
	if (read_eol(config.attributes.eol, &config.eol, why) < 0)
		return -1;
	if (status_filter_open(&config.status_filter, "pipe_delivery_status_filter", why) < 0)
		return -1;
	return param_transport_duration(service->main_cf, service->name, "_time_limit",
		"command_time_limit", &config.time_limit, why);
}

/* Arguments. */

struct macros {
	const struct delivery     *d;
	const struct deliver_rcpt *rcpt;
	struct arena              *arena;
};

/* An address as an argument: q quotes the local part, u and h fold its two parts. */
static struct span
shape(struct arena *arena, struct span address)
{
	struct text out = {0};
	struct span local, domain, result;

	address_split(address, &local, &domain);
	if (has_flag('q') && address_local_needs_quotes(local))
		address_quote_local(local, &out);
	else
		text_add(&out, local);
	if (has_flag('u'))
		text_lower(&out);
	if (domain.len) {
		autotext struct text lower = {0};

		text_add(&lower, domain);
		if (has_flag('h'))
			text_lower(&lower);
		text_add_byte(&out, '@');
		text_add(&out, text_span(&lower));
	}
	result = arena_span(arena, text_span(&out));
	text_free(&out);
	return result;
}

static struct span
sender_of(const struct macros *m)
{
	return m->d->sender.len ? shape(m->arena, m->d->sender)
				: span_of(config.attributes.null_sender);
}

static struct span
lower_host(struct arena *arena, struct span in)
{
	char *copy = arena_string(arena, in);

	for (size_t i = 0; has_flag('h') && i < in.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return span_at(copy, in.len);
}

static int
look_up(void *context, struct span name, struct text *value, struct fault *why)
{
	const struct macros *m = context;
	struct span recipient = shape(m->arena, m->rcpt->address), local, domain, user, extension;
	struct span original = m->rcpt->original.len ? m->rcpt->original : m->rcpt->address;

	address_split(recipient, &local, &domain);
	user = local;
	extension = SPAN_NONE;
	if (!address_split_extension(
		    local, span_of(site.recipient_delimiter), true, &user, &extension))
		user = local;
	const struct { const char *name; struct span value;
	} known[] = {
		{"recipient", recipient},
		{"mailbox", local},
		{"user", user},
		{"extension", extension},
		{"domain", domain},
		{"original_recipient", shape(m->arena, original)},
		{"sender", sender_of(m)},
		{"nexthop", lower_host(m->arena, m->d->nexthop)},
		{"queue_id", m->d->queue_id},
		{"envid", m->d->envid},
		{"size", span_of(arena_format(m->arena, "%lld", (long long)m->d->size))},
		{"client_address", m->d->client_address},
		{"client_hostname", m->d->client_name},
		{"client_helo", m->d->helo},
		{"client_protocol", m->d->protocol},
		{"client_port", m->d->client_port},
		{"sasl_username", m->d->sasl_user},
		{"sasl_method", m->d->sasl_method},
		{"sasl_sender", m->d->sasl_sender},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is(name, known[i].name)) {
			text_add(value, known[i].value);
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "unknown macro name \"%.*s\" in argv", SPAN_ARGS(name));
}

static void
note_repeated(void *found, struct span name)
{
	static const char *const each[] = {
		"recipient", "mailbox", "user", "extension", "domain", "original_recipient"};

	for (size_t i = 0; i < COUNT(each); i++)
		if (span_is(name, each[i]))
			*(bool *)found = true;
}

static int
add_argument(struct macros *m, const char *word, const char **argv, size_t *n, struct fault *why)
{
	autotext struct text out = {0};
	struct expander      e = {.lookup = look_up, .context = m};

	if (*n >= ARGUMENTS_MAX)
		return fault_set(why, FAULT_INPUT, "too many arguments");
	if (expand_text(&e, span_of(word), &out, why) < 0)
		return -1;
	if (span_has(text_span(&out), '\0'))
		return fault_set(why, FAULT_INPUT, "an argument holds NUL");
	if (word[0] == '$' && out.len && out.at[0] == '-' && !config.allow_min_user)
		return fault_set(
			why, FAULT_DENIED, "an address that starts with \"-\" would be an option");
	argv[(*n)++] = arena_string(m->arena, text_span(&out));
	return 0;
}

static int
make_argv(const struct delivery *d, struct deliver_rcpt *const *rcpts, size_t count,
	struct arena *arena, const char *const **out, struct fault *why)
{
	const char **argv = arena_alloc(arena, (ARGUMENTS_MAX + 1) * sizeof *argv);
	size_t       n = 0;

	for (const char *const *word = config.attributes.argv; *word; word++) {
		bool repeated = false;

		expand_names(span_of(*word), note_repeated, &repeated);
		for (size_t i = 0; i < (repeated ? count : 1); i++) {
			struct macros m = {d, rcpts[i], arena};

			if (add_argument(&m, *word, argv, &n, why) < 0)
				return -1;
		}
	}
	*out = argv;
	return 0;
}

static const char *const *
make_environment(struct arena *arena)
{
	const char **env = arena_alloc(arena, (site.export_environment.count + 3) * sizeof *env);
	size_t       n = 0;

	for (size_t i = 0; i < site.export_environment.count; i++) {
		const char *item = site.export_environment.item[i];

		if (strchr(item, '='))
			env[n++] = item;
		else if (getenv(item))
			env[n++] = arena_format(arena, "%s=%s", item, getenv(item));
	}
	env[n++] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
	return env;
}

/* Deliveries. */

static void
run(const struct delivery *d, const struct message_content *content,
	struct deliver_rcpt *const *rcpts, size_t count, struct arena *arena, struct outcome *o)
{
	autotext struct text headers = {0}, from = {0};
	struct errand_result result;
	struct fault         why = {0};
	unsigned             which = (has_flag('R') ? HEADER_RETURN_PATH : 0u) |
		(has_flag('O') ? HEADER_ORIGINAL_TO : 0u) |
		(has_flag('D') ? HEADER_DELIVERED_TO : 0u);
	struct errand e = {.who = config.attributes.who,
		.content = content,
		.kind = ERRAND_COMMAND,
		.user = config.attributes.user,
		.loop_address = has_flag('D') ? rcpts[0]->address : SPAN_NONE,
		.shown = config.attributes.argv[0],
		.done = arena_format(arena, "delivered via %s service", service->name),
		.environment = make_environment(arena),
		.limit_ms = config.time_limit,
		.quote_from = has_flag('>'),
		.dots = has_flag('.'),
		.blank_end = has_flag('B'),
		.eol = text_span(&config.eol),
		.root = config.attributes.chroot[0] ? config.attributes.chroot : NULL,
		.work_directory = config.attributes.directory[0] ? config.attributes.directory
		                  : config.attributes.chroot[0]  ? NULL
								 : site.queue_directory,
		.from_line = SPAN_NONE,
		.queue_id = d->queue_id,
		.recipient = rcpts[0]->address};

	if (config.attributes.size && content->size > config.attributes.size) {
		outcome_set(o, DELIVER_BOUNCED, "5.2.3",
			"message size %lld exceeds size limit %lld of %s transport",
			(long long)content->size, (long long)config.attributes.size, service->name);
		return;
	}
	if (make_argv(d, rcpts, count, arena, &e.argv, &why) < 0) {
		log_warning("%.*s: %s", SPAN_ARGS(d->queue_id), fault_text(&why));
		if (why.class == FAULT_DENIED) {
			outcome_set(o, DELIVER_BOUNCED, "5.1.3", "bad address syntax");
			return;
		}
		outcome_set(o, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
		return;
	}
	if (d->verify_only) {
		outcome_set(o, DELIVER_SENT, "2.0.0", "delivers to command: %s", e.argv[0]);
		return;
	}
	agent_headers(which, d->sender, rcpts[0]->original, rcpts[0]->address, &headers);
	e.prefix = text_span(&headers);
	if (has_flag('F')) {
		agent_from_line(d->sender, &from);
		e.from_line = text_span(&from);
	}
	errand_run(&e, arena, &result);
	outcome_free(o);
	*o = result.outcome;
	/* flag X: the command is where mail ends; without it, it is on its way (pipe(8)) */
	snprintf(o->report, sizeof o->report, "%s", has_flag('X') ? "delivered" : "relayed");
}

static void
deliver(struct delivery *d, const struct message_content *content)
{
	/* D and O are about one recipient: then each gets a command of its own */
	size_t at_once = has_flag('D') || has_flag('O') ? 1 : d->n_rcpts;

	for (size_t i = 0; i < d->n_rcpts; i += at_once) {
		autoarena struct arena *arena = arena_new();
		struct deliver_rcpt   **rcpts = arena_alloc(arena, at_once * sizeof *rcpts);
		struct outcome          o = {0};

		for (size_t k = 0; k < at_once; k++)
			rcpts[k] = &d->rcpts[i + k];
		run(d, content, rcpts, at_once, arena, &o);
		for (size_t k = 0; k < at_once; k++)
			agent_report(d, rcpts[k], &o);
		outcome_free(&o);
	}
}

static void
serve(int fd, const struct listener *listener)
{
	(void)listener;
	agent_serve_all(fd, deliver);
}

static const char *const asks[] = {NULL};

/* where mailboxes are, only their owners know */
static const char *const anywhere[] = {"/", NULL};

static const struct service pipe_service = {
	.name = "pipe",
	.about = "delivers to a command",
	.role = ROLE_ROOT,
	.model = SERVE_FORKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE | MAY_FORK | MAY_EXEC | MAY_BECOME |
		MAY_NAME,
	.reads = anywhere,
	.writes = anywhere,
	.params = params,
	.tasks = "1",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&pipe_service, argc, argv);
}
