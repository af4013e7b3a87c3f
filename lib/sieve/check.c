/* SPDX-License-Identifier: ISC */
/*
 * check.c - nodes against the table of commands and tests; and what is included
 *
 * All faults of a script but those that depend on a message are found here, before it is made
 * active.  A script that requires ihave may name what is not known: it fails only when it
 * gets there (RFC 5463, 4).
 */
#include "sieve/check_private.h"

const struct sieve_limits sieve_default_limits = {
	.script_size = 1 << 20, .actions = 32, .redirects = 4, .notices = SIEVE_NOTICES_MOST, .steps = 40000000,
	.vacation_default = 7 * 86400, .vacation_least = 86400, .vacation_most = 0,
	.duplicate_default = 12 * 3600, .duplicate_most = 2 * 86400, .header_size = 2048,
	.extensions = UINT64_MAX,
};

int
checker_fail(struct checker *c, const struct node *n, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	return fault_set(c->why, FAULT_INPUT, "line %u: %s", n->line, text_string(&text));
}

void
checker_warn(struct checker *c, const struct node *n, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	if (c->warnings->count == WARNINGS_MAX)
		return;
	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	c->warnings->at[c->warnings->count++] = arena_format(c->arena, "%s%sline %u: warning: %.*s", c->depth ? c->script->name : "",
		c->depth ? ": " : "", n->line, SPAN_ARGS(span_first(text_span(&text), NOTE_MAX)));
}

const char *
sieve_warning(const struct sieve_script *s, size_t n)
{
	return n < s->warnings->count ? s->warnings->at[n] : NULL;
}

static const struct verb *
find_verb(const struct verb *table, struct span name)
{
	for (; table->name; table++)
		if (span_is_nocase(name, table->name))
			return table;
	return NULL;
}

static int check_tests(struct checker *, struct node *);

static int
check_node(struct checker *c, struct node *n, const struct verb *table, const char *what)
{
	size_t tests = 0;

	n->verb = find_verb(table, n->name);
	if (!n->verb || !(has(c, n->verb->capability) || (n->verb->other != CAP_NONE && has(c, n->verb->other)))) {
		bool known = n->verb;

		n->verb = NULL;
		if (has(c, CAP_IHAVE))
			return 0;          /* refused when it is reached */
		return known ? checker_fail(c, n, "%s \"%.*s\" is used without require", what, SPAN_ARGS(n->name))
		             : checker_fail(c, n, "unknown %s \"%.*s\"", what, SPAN_ARGS(span_first(n->name, 60)));
	}
	for (const struct node *t = n->tests; t; t = t->next)
		tests++;
	if (n->verb->tests == '*' ? tests == 0 || !n->has_list : tests != (size_t)n->verb->tests || n->has_list)
		return checker_fail(c, n, "%s takes %s", n->verb->name,
			n->verb->tests == '*' ? "a list of tests" : n->verb->tests ? "one test" : "no test");
	if (n->has_block != n->verb->block && table == sieve_commands)
		return checker_fail(c, n, "%s takes %s block", n->verb->name, n->verb->block ? "a" : "no");
	if (check_strings(c, n) < 0 || check_arguments(c, n) < 0 || check_match(c, n) < 0 || check_special(c, n) < 0 ||
	    check_parts(c, n) < 0)
		return -1;
	return check_tests(c, n);
}

/* As capability_find, of those that this script may use. */
static int
find_allowed(const struct checker *c, struct span name)
{
	int capability = capability_find(name);

	return capability != CAP_NONE && (c->allowed >> capability & 1) ? capability : CAP_NONE;
}

/* An ihave that is true lets what it names be used from here on (RFC 5463, 4). */
static void
take_ihave(struct checker *c, const struct node *n)
{
	uint64_t more = 0;

	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		int capability = find_allowed(c, n->at[0]->strings.at[i]);

		if (capability == CAP_NONE)
			return;
		more |= 1ull << capability;
	}
	c->script->capabilities |= more;
}

static int
check_tests(struct checker *c, struct node *n)
{
	for (struct node *t = n->tests; t; t = t->next) {
		if (check_node(c, t, sieve_tests, "test") < 0)
			return -1;
		if (t->verb && t->verb->test == test_ihave)
			take_ihave(c, t);
	}
	return 0;
}

static int
check_require(struct checker *c, struct node *n)
{
	if (c->commands_begun)
		return checker_fail(c, n, "require stands behind other commands");
	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		int capability = find_allowed(c, n->at[0]->strings.at[i]);

		if (capability == CAP_NONE)
			return checker_fail(c, n, "unknown Sieve capability `%.*s'", SPAN_ARGS(span_first(n->at[0]->strings.at[i], 60)));
		c->script->capabilities |= 1ull << capability;
	}
	if (has(c, CAP_DOVECOT_IMAPSIEVE))
		c->script->capabilities |= 1ull << CAP_IMAPSIEVE;
	if (has(c, CAP_SPAMTESTPLUS))
		c->script->capabilities |= 1ull << CAP_SPAMTEST;
	if (has(c, CAP_VACATION_SECONDS))
		c->script->capabilities |= 1ull << CAP_VACATION;     /* RFC 6131, 2 */
	return 0;
}

static int compile(struct checker *, struct span text, const char *name, struct span key, struct sieve_script **);

/* By where a script comes from and not by who includes it: a script that was compiled before has the same. */
static uint64_t
rights(const struct sieve_limits *limits, bool global)
{
	return limits->extensions | (global ? limits->global_extensions : 0);
}

static int
check_include(struct checker *c, struct node *n)
{
	autotext struct text key = {0}, text = {0};
	struct span          name = n->at[0]->strings.at[0];
	bool                 global = n->tags & TAG(GLOBAL);
	uint64_t             allowed;
	int                  got;

	if (name.len == 0 || name.len > NAME_MAX_BYTES || span_has(name, '/') || span_has(name, '\0') ||
	    !is_constant(c, name))
		return checker_fail(c, n, "\"%.*s\" is not the name of a script", SPAN_ARGS(span_first(name, 60)));
	text_add_format(&key, "%s %.*s", global ? "global" : "personal", SPAN_ARGS(name));
	for (size_t i = 0; i < *c->n_all; i++) {
		if (!span_equal(c->all[i].key, text_span(&key)))
			continue;
		if (c->all[i].open)
			return checker_fail(c, n, "script \"%.*s\" includes itself", SPAN_ARGS(name));
		n->included = c->all[i].script;
		return 0;
	}
	if (!c->loader)
		return 0;
	if (c->depth >= INCLUDE_DEPTH)
		return checker_fail(c, n, "scripts are included too deeply");
	got = c->loader->load(c->loader->context, global, name, &text, c->why);
	if (got < 0)
		return fault_prefix(c->why, "include \"%.*s\"", SPAN_ARGS(name));
	if (got == 1)
		return n->tags & TAG(OPTIONAL) ? 0 : checker_fail(c, n, "included script \"%.*s\" is not there", SPAN_ARGS(name));
	allowed = c->allowed;
	c->allowed = rights(c->limits, global);
	c->depth++;
	if (compile(c, arena_span(c->arena, text_span(&text)), arena_string(c->arena, name),
	            arena_span(c->arena, text_span(&key)), &n->included) < 0)
		return -1;
	c->depth--;
	c->allowed = allowed;
	return 0;
}

static int check_commands(struct checker *, struct node *first, bool top);

static int
check_block(struct checker *c, struct node *n)
{
	struct loop inner = {n, c->loop, c->loop ? c->loop->depth + 1 : 1};
	int         done;

	if (!n->verb || n->verb->run != do_foreverypart)
		return check_commands(c, n->block, false);
	c->loop = &inner;
	done = check_commands(c, n->block, false);
	c->loop = inner.outer;
	return done;
}

static int
check_commands(struct checker *c, struct node *first, bool top)
{
	bool after_if = false;

	for (struct node *n = first; n; n = n->next) {
		bool follows = span_is_nocase(n->name, "elsif") || span_is_nocase(n->name, "else");

		if (follows && !after_if)
			return checker_fail(c, n, "%.*s without if", SPAN_ARGS(n->name));
		if (check_node(c, n, sieve_commands, "command") < 0)
			return -1;
		if (span_is_nocase(n->name, "require")) {
			if (!top)
				return checker_fail(c, n, "require stands inside of a block");
			if (check_require(c, n) < 0)
				return -1;
		} else {
			c->commands_begun = true;
		}
		if (n->verb && n->verb->run == do_include && check_include(c, n) < 0)
			return -1;
		after_if = span_is_nocase(n->name, "if") || span_is_nocase(n->name, "elsif");
		if (check_block(c, n) < 0)
			return -1;
	}
	return 0;
}

static int
compile(struct checker *c, struct span text, const char *name, struct span key, struct sieve_script **out)
{
	struct checker       inner = *c;
	struct sieve_script *s = arena_alloc(c->arena, sizeof *s);
	size_t               at = *c->n_all;

	if (text.len > c->limits->script_size)
		return fault_set(c->why, FAULT_INPUT, "script %s is larger than %zu bytes", name, c->limits->script_size);
	if (at >= INCLUDES_MAX)
		return fault_set(c->why, FAULT_INPUT, "too many scripts are included");
	c->all[(*c->n_all)++] = (struct compiled){key, s, true};
	s->name = name;
	s->warnings = c->warnings;
	s->allowed = c->allowed;
	s->key = key;
	inner.script = s;
	inner.commands_begun = false;
	inner.loop = NULL;
	if (sieve_parse(c->arena, text, &s->commands, c->why) < 0 || check_commands(&inner, s->commands, true) < 0)
		return c->depth ? fault_prefix(c->why, "%s", name) : -1;
	c->all[at].open = false;
	*out = s;
	return 0;
}

int
sieve_compile(struct arena *arena, struct span text, const char *name, const struct sieve_loader *loader,
	const struct sieve_limits *limits, struct sieve_script **out, struct fault *why)
{
	size_t          n_all = 0;
	struct warnings *warnings = arena_alloc(arena, sizeof *warnings);
	struct checker  c = {.arena = arena, .loader = loader, .limits = limits ? limits : &sieve_default_limits,
		.why = why, .n_all = &n_all, .warnings = warnings, .all = arena_alloc(arena, INCLUDES_MAX * sizeof(struct compiled))};

	c.allowed = rights(c.limits, c.limits->global);
	return compile(&c, arena_span(arena, text), arena_string(arena, span_of(name)), SPAN_NONE, out);
}
