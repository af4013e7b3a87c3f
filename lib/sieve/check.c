/* SPDX-License-Identifier: ISC */
/*
 * check.c - nodes against the table of commands and tests; and what is included
 *
 * All faults of a script but those that depend on a message are found here, before it is made
 * active.  A script that requires ihave may name what is not known: it fails only when it
 * gets there (RFC 5463, 4).
 */
#include "sieve/sieve_private.h"

const struct sieve_limits sieve_default_limits = {
	.script_size = 1 << 20, .actions = 32, .redirects = 4, .notices = SIEVE_NOTICES_MOST, .steps = 40000000,
	.vacation_default = 7 * 86400, .vacation_least = 86400, .vacation_most = 0,
	.duplicate_default = 12 * 3600, .duplicate_most = 2 * 86400, .header_size = 2048,
	.extensions = UINT64_MAX,
};

struct compiled { struct span key; struct sieve_script *script; bool open; };

struct loop { const struct node *node; struct loop *outer; int depth; };

struct checker {
	struct arena              *arena;
	const struct sieve_loader *loader;
	const struct sieve_limits *limits;
	struct sieve_script       *script;
	struct fault              *why;
	struct compiled           *all;        /* shared by all scripts of one compilation */
	size_t                    *n_all;
	struct warnings           *warnings;   /* and these */
	uint64_t                   allowed;    /* extensions, of this script */
	int                        depth;
	struct loop               *loop;       /* foreverypart around what is checked */
	bool                       commands_begun;
};

static int fail(struct checker *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
fail(struct checker *c, const struct node *n, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	return fault_set(c->why, FAULT_INPUT, "line %u: %s", n->line, text_string(&text));
}

static void warn(struct checker *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What will not do what was meant: told when the script is put in place, and no error. */
static void
warn(struct checker *c, const struct node *n, const char *format, ...)
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

static bool
has(const struct checker *c, int capability)
{
	return capability == CAP_NONE || (c->script->capabilities >> capability & 1);
}

static const struct verb *
find_verb(const struct verb *table, struct span name)
{
	for (; table->name; table++)
		if (span_is_nocase(name, table->name))
			return table;
	return NULL;
}

static enum tag
find_tag(struct span name)
{
	enum tag t = 0;

	while (t < TAGS && !span_is_nocase(name, sieve_tags[t].name))
		t++;
	return t;
}

#define INTO (TAG(CREATE) | TAG(FLAGS) | TAG(SPECIALUSE) | TAG(MAILBOXID))

/* Of each of these a command may hold one. */
static const uint64_t exclusive[] = {
	TAG(IS) | TAG(CONTAINS) | TAG(MATCHES) | TAG(REGEX) | TAG(COUNT) | TAG(VALUE),
	TAG(ALL) | TAG(LOCALPART) | TAG(DOMAIN) | TAG(USER) | TAG(DETAIL),
	TAG(RAW) | TAG(TEXT) | TAG(CONTENT), TAG(OVER) | TAG(UNDER), TAG(LOWER) | TAG(UPPER),
	TAG(LOWERFIRST) | TAG(UPPERFIRST), TAG(QUOTEWILDCARD) | TAG(QUOTEREGEX), TAG(DAYS) | TAG(SECONDS),
	TAG(TYPE) | TAG(SUBTYPE) | TAG(CONTENTTYPE) | TAG(PARAM),
	TAG(ZONE) | TAG(ORIGINALZONE), TAG(PERSONAL) | TAG(GLOBAL), TAG(HEADER) | TAG(UNIQUEID),
};

static bool
fits(const struct argument *a, char kind)
{
	return kind == 'n' ? a->kind == ARG_NUMBER
	     : a->kind == ARG_STRINGS && (kind == 'S' || a->strings.single);
}

static const char *
kind_name(char kind)
{
	return kind == 'n' ? "a number" : kind == 's' ? "a string" : "a string or a list of strings";
}

/* What a tag needs that the command does not bring along. */
static int
tag_needs(const struct node *n, enum tag t)
{
	if (t == TAG_SECONDS && span_is_nocase(n->name, "vacation"))
		return CAP_VACATION_SECONDS;
	if (t == TAG_INDEX || t == TAG_LAST)   /* of index but where the command has its own */
		return n->verb->capability == CAP_DUPLICATE || n->verb->capability == CAP_EDITHEADER ? CAP_NONE : CAP_INDEX;
	if (t == TAG_MIME && !span_is_nocase(n->name, "vacation"))
		return CAP_MIME;
	return sieve_tags[t].capability;
}

/* A tag and its value from args[*i]. */
static int
check_tag(struct checker *c, struct node *n, size_t *i)
{
	const struct argument *a = &n->args[*i], *value = NULL;
	enum tag               t = find_tag(a->tag);

	if (t == TAGS || !(n->verb->tags >> t & 1))
		return fail(c, n, "unknown tag \":%.*s\" for %s", SPAN_ARGS(span_first(a->tag, 60)), n->verb->name);
	if (!has(c, tag_needs(n, t)))
		return fail(c, n, "tag \":%s\" is used without require", sieve_tags[t].name);
	for (size_t k = 0; k < COUNT(exclusive); k++)
		if ((exclusive[k] >> t & 1) && (n->tags & exclusive[k]))
			return fail(c, n, "\":%s\" conflicts with another tag", sieve_tags[t].name);
	if (n->tags >> t & 1)
		return fail(c, n, "\":%s\" stands there twice", sieve_tags[t].name);
	if (sieve_tags[t].value) {
		if (*i + 1 >= n->n_args || !fits(&n->args[*i + 1], sieve_tags[t].value))
			return fail(c, n, "\":%s\" needs %s behind it", sieve_tags[t].name, kind_name(sieve_tags[t].value));
		value = &n->args[++*i];
	}
	n->tags |= 1ull << t;
	n->values[n->n_values++] = (struct tagged){t, value ? value : a};
	return 0;
}

/* What is not a tag, against the signature: "s?S" is one or two. */
static int
check_positional(struct checker *c, struct node *n, const struct argument *const *given, size_t count)
{
	const char *s = n->verb->signature;
	size_t      least = 0, most = 0, used = 0, slot = 0;

	for (const char *p = s; *p; p++)
		if (*p != '?') {
			most++;
			least += p[1] != '?';
		}
	if (count < least || count > most)
		return fail(c, n, "%s takes %zu%s positional argument%s, not %zu", n->verb->name, least,
			most > least ? " or more" : "", least == 1 ? "" : "s", count);
	for (; *s; s++, slot++) {
		char kind = *s;
		bool optional = s[1] == '?';

		s += optional;
		if (optional && count < most)
			continue;
		if (!fits(given[used], kind))
			return fail(c, n, "argument %zu of %s must be %s", used + 1, n->verb->name, kind_name(kind));
		n->at[slot] = given[used++];
	}
	return 0;
}

static int
check_arguments(struct checker *c, struct node *n)
{
	const struct argument *given[ARGUMENTS_MAX];
	size_t                 count = 0;

	n->values = arena_alloc(c->arena, (n->n_args + 1) * sizeof *n->values);
	for (size_t i = 0; i < n->n_args; i++) {
		if (n->args[i].kind != ARG_TAG) {
			given[count++] = &n->args[i];
			continue;
		}
		/* tags come first (RFC 5228, 2.6.2) */
		if (count)
			return fail(c, n, "tag \":%.*s\" stands behind positional arguments",
				SPAN_ARGS(span_first(n->args[i].tag, 60)));
		if (check_tag(c, n, &i) < 0)
			return -1;
	}
	return check_positional(c, n, given, count);
}

/* What the signatures cannot say. */

static bool
is_constant(const struct checker *c, struct span s)
{
	return !has(c, CAP_VARIABLES) || span_find_text(s, SPAN("${")) < 0;
}

static int
check_match(struct checker *c, struct node *n)
{
	static const char *const relations[] = {"gt", "ge", "lt", "le", "eq", "ne"};
	const struct argument   *a = node_tag(n, TAG_COMPARATOR), *keys = NULL;
	enum comparator          compare = COMPARE_CASEMAP;

	if (a && is_constant(c, a->strings.at[0])) {
		if (!comparator_find(a->strings.at[0], &compare))
			return fail(c, n, "unknown comparator \"%.*s\"", SPAN_ARGS(span_first(a->strings.at[0], 60)));
		if (compare == COMPARE_NUMERIC && !has(c, CAP_NUMERIC))
			return fail(c, n, "comparator i;ascii-numeric is used without require");
		if (compare == COMPARE_NUMERIC && (n->tags & (TAG(CONTAINS) | TAG(MATCHES) | TAG(REGEX))))
			return fail(c, n, "i;ascii-numeric can only be used with :is, :value and :count");
	}
	a = node_tag(n, TAG_COUNT) ? node_tag(n, TAG_COUNT) : node_tag(n, TAG_VALUE);
	if (a) {
		bool known = false;

		for (size_t i = 0; i < COUNT(relations); i++)
			known = known || span_is_nocase(a->strings.at[0], relations[i]);
		if (!known)
			return fail(c, n, "unknown relation \"%.*s\" (RFC 5231, 4)",
				SPAN_ARGS(span_first(a->strings.at[0], 60)));
	}
	for (size_t i = 0; i < COUNT(n->at); i++)
		keys = n->at[i] ? n->at[i] : keys;
	for (size_t i = 0; keys && (n->tags & TAG(REGEX)) && i < keys->strings.count; i++) {
		struct fault bad = {0};

		if (is_constant(c, keys->strings.at[i]) && regex_check(keys->strings.at[i], &bad) < 0)
			return fail(c, n, "%s", fault_text(&bad));
	}
	if ((n->tags & TAG(LAST)) && !(n->tags & TAG(INDEX)) && (n->verb->tags & TAG(INDEX)))
		return fail(c, n, ":last is used without :index");
	return 0;
}

static int
check_header_names(struct checker *c, struct node *n, const struct argument *names)
{
	for (size_t i = 0; i < names->strings.count; i++) {
		struct span s = names->strings.at[i];

		if (!is_constant(c, s))
			continue;
		for (size_t k = 0; k < s.len; k++)
			if (s.at[k] <= ' ' || s.at[k] == ':' || s.at[k] == 127)
				s.len = 0;
		if (s.len == 0)
			return fail(c, n, "\"%.*s\" is not the name of a header field",
				SPAN_ARGS(span_first(names->strings.at[i], 60)));
	}
	return 0;
}

static int
check_address(struct checker *c, struct node *n, struct span s)
{
	struct span address;

	if (is_constant(c, s) && !word_is_address(c->arena, s, &address))
		return fail(c, n, "\"%.*s\" is not an address", SPAN_ARGS(span_first(s, 100)));
	return 0;
}

/* Whether it is protected depends on the settings of where it runs: that alone is no error. */
static int
check_edit(struct checker *c, struct node *n)
{
	struct span name = n->at[0]->strings.at[0], value = n->at[1] ? n->at[1]->strings.at[0] : SPAN_NONE;
	bool        deleted = n->verb->run == do_deleteheader;

	if (n->tags & TAG(COUNT))
		return fail(c, n, "deleteheader cannot be used with :count");
	if (is_constant(c, name) && !field_name_valid(name))
		return fail(c, n, "%s command: specified field name `%.*s' is invalid", n->verb->name, SPAN_ARGS(span_first(name, 60)));
	if (!deleted && is_constant(c, value) && span_has(value, '\0'))
		return fail(c, n, "addheader command: specified value is invalid (contains NUL character)");
	if (!deleted && is_constant(c, value) && name.len + value.len > c->limits->header_size)
		return fail(c, n, "addheader command: specified header value is too large (%zu bytes)", value.len);
	if (is_constant(c, name) && field_is_protected(c->limits, name, deleted))
		warn(c, n, "%s command: %s specified header field `%.*s' is forbidden; modification will be denied", n->verb->name,
			deleted ? "deleting" : "adding", SPAN_ARGS(name));
	return 0;
}

static int
check_notify(struct checker *c, struct node *n)
{
	const struct argument *importance = node_tag(n, TAG_IMPORTANCE), *from = node_tag(n, TAG_FROM);
	struct span            level = importance ? importance->strings.at[0] : SPAN("2"), uri = n->at[0]->strings.at[0];
	struct span            ignored = SPAN_NONE;
	struct fault           bad = {0};

	if (is_constant(c, level) && !(level.len == 1 && level.at[0] >= '1' && level.at[0] <= '3'))
		return fail(c, n, "notify command: invalid importance `%.*s'", SPAN_ARGS(span_first(level, 60)));
	if (is_constant(c, uri) && notify_check(c->arena, uri, &ignored, &bad) < 0)
		return fail(c, n, "notify command: %s", fault_text(&bad));
	if (ignored.len)
		warn(c, n, "notify command: mailto URI: ignored header field '%.*s'", SPAN_ARGS(span_first(ignored, 60)));
	if (node_tag(n, TAG_OPTIONS))
		warn(c, n, "notify command: method 'mailto' accepts no options");
	return from ? check_address(c, n, from->strings.at[0]) : 0;
}

/* RFC 5703: what stands in a loop, and what needs :mime beside it. */
static int
check_parts(struct checker *c, struct node *n)
{
	const struct argument *label = node_tag(n, TAG_NAME);
	struct loop           *l = c->loop;

	for (enum tag t = TAG_ANYCHILD; t <= TAG_PARAM; t++)
		if ((n->tags >> t & 1) && !(n->tags & TAG(MIME)))
			return fail(c, n, "\":%s\" for %s cannot be used without :mime", sieve_tags[t].name, n->verb->name);
	if (n->verb->run == do_foreverypart && l && l->depth >= LOOPS_MAX)
		return fail(c, n, "the nested foreverypart loop exceeds the nesting limit (<= %d levels)", LOOPS_MAX);
	if (n->verb->run == do_extracttext && !(has(c, CAP_VARIABLES) && has(c, CAP_FOREVERYPART)))
		return fail(c, n, "extracttext needs variables and foreverypart, too");
	if (n->verb->run == do_extracttext && (!l || !word_is_name(n->at[0]->strings.at[0]) || span_has(n->at[0]->strings.at[0], '.')))
		return fail(c, n, l ? "extracttext needs the name of a variable" : "extracttext is not placed inside a foreverypart loop");
	if (n->verb->run != do_break)
		return 0;
	while (l && label && !(node_tag(l->node, TAG_NAME) &&
	       span_equal(node_tag(l->node, TAG_NAME)->strings.at[0], label->strings.at[0])))
		l = l->outer;
	if (!l)
		return fail(c, n, "the break command is not placed inside a foreverypart loop%s%.*s%s", label ? " named `" : "",
			SPAN_ARGS(label ? span_first(label->strings.at[0], 60) : SPAN_NONE), label ? "'" : "");
	n->loop = l->node;
	return 0;
}

/* Envelope parts (RFC 5228, 5.4), and address fields (5.1). */
static int
check_special(struct checker *c, struct node *n)
{
	const char *name = n->verb->name;

	if (strcmp(name, "size") == 0 && !(n->tags & (TAG(OVER) | TAG(UNDER))))
		return fail(c, n, "size needs :over or :under");
	if ((strcmp(name, "header") == 0 || strcmp(name, "address") == 0 || strcmp(name, "exists") == 0 ||
	     strcmp(name, "date") == 0) && check_header_names(c, n, n->at[0]) < 0)
		return -1;
	if (strcmp(name, "envelope") == 0)
		for (size_t i = 0; i < n->at[0]->strings.count; i++) {
			struct span s = n->at[0]->strings.at[i];

			if (is_constant(c, s) && !span_is_nocase(s, "from") && !span_is_nocase(s, "to") && !span_is_nocase(s, "auth"))
				return fail(c, n, "unknown envelope part \"%.*s\"", SPAN_ARGS(span_first(s, 60)));
		}
	if (n->verb->capability == CAP_EDITHEADER)
		return check_edit(c, n);
	if (strcmp(name, "redirect") == 0)
		return check_address(c, n, n->at[0]->strings.at[0]);
	if ((n->verb->tags & TAG(FCC)) && (n->tags & INTO) && !(n->tags & TAG(FCC)))
		return fail(c, n, "%s names a mailbox without :fcc", name);
	if ((n->tags & TAG(SPECIALUSE)) && is_constant(c, node_tag(n, TAG_SPECIALUSE)->strings.at[0]) &&
	    !special_use_valid(node_tag(n, TAG_SPECIALUSE)->strings.at[0]))
		return fail(c, n, "specialuse tag: invalid special-use flag `%.*s' specified",
			SPAN_ARGS(span_first(node_tag(n, TAG_SPECIALUSE)->strings.at[0], 60)));
	for (size_t i = 0; n->verb->test == test_specialuse_exists && i < n->at[1]->strings.count; i++)
		if (is_constant(c, n->at[1]->strings.at[i]) && !special_use_valid(n->at[1]->strings.at[i]))
			return fail(c, n, "specialuse_exists test: invalid special-use flag `%.*s' specified",
				SPAN_ARGS(span_first(n->at[1]->strings.at[i], 60)));
	if (strcmp(name, "vacation") == 0 && node_tag(n, TAG_FROM))
		return check_address(c, n, node_tag(n, TAG_FROM)->strings.at[0]);
	if (n->verb->run == do_notify)
		return check_notify(c, n);
	if (strcmp(name, "set") == 0) {
		struct span s = n->at[0]->strings.at[0];

		if (!word_is_name(s) || (span_has(s, '.') && !(span_starts_nocase(s, "global.") && has(c, CAP_INCLUDE))))
			return fail(c, n, "\"%.*s\" is not the name of a variable", SPAN_ARGS(span_first(s, 60)));
	}
	if (has(c, CAP_IMAP4FLAGS) && n->at[0] && !has(c, CAP_VARIABLES) && (strstr(name, "flag")))
		return fail(c, n, "%s names a variable without require \"variables\"", name);
	if (strcmp(name, "global") == 0 && !has(c, CAP_VARIABLES))
		return fail(c, n, "global needs variables, too");
	return 0;
}

static int
check_strings(struct checker *c, struct node *n)
{
	for (size_t i = 0; i < n->n_args; i++)
		for (size_t k = 0; n->args[i].kind == ARG_STRINGS && has(c, CAP_ENCODED) && k < n->args[i].strings.count; k++)
			if (!encoded_characters(c->arena, n->args[i].strings.at[k], &n->args[i].strings.at[k]))
				return fail(c, n, "encoded character is out of range");
	return 0;
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
		return known ? fail(c, n, "%s \"%.*s\" is used without require", what, SPAN_ARGS(n->name))
		             : fail(c, n, "unknown %s \"%.*s\"", what, SPAN_ARGS(span_first(n->name, 60)));
	}
	for (const struct node *t = n->tests; t; t = t->next)
		tests++;
	if (n->verb->tests == '*' ? tests == 0 || !n->has_list : tests != (size_t)n->verb->tests || n->has_list)
		return fail(c, n, "%s takes %s", n->verb->name,
			n->verb->tests == '*' ? "a list of tests" : n->verb->tests ? "one test" : "no test");
	if (n->has_block != n->verb->block && table == sieve_commands)
		return fail(c, n, "%s takes %s block", n->verb->name, n->verb->block ? "a" : "no");
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
		return fail(c, n, "require stands behind other commands");
	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		int capability = find_allowed(c, n->at[0]->strings.at[i]);

		if (capability == CAP_NONE)
			return fail(c, n, "unknown Sieve capability `%.*s'", SPAN_ARGS(span_first(n->at[0]->strings.at[i], 60)));
		c->script->capabilities |= 1ull << capability;
	}
	if (has(c, CAP_SPAMTESTPLUS))
		c->script->capabilities |= 1ull << CAP_SPAMTEST;
	if (has(c, CAP_VACATION_SECONDS))
		c->script->capabilities |= 1ull << CAP_VACATION;     /* RFC 6131, 2 */
	return 0;
}

static int compile(struct checker *, struct span text, const char *name, struct span key, struct sieve_script **);

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
		return fail(c, n, "\"%.*s\" is not the name of a script", SPAN_ARGS(span_first(name, 60)));
	text_add_format(&key, "%s %.*s", global ? "global" : "personal", SPAN_ARGS(name));
	for (size_t i = 0; i < *c->n_all; i++) {
		if (!span_equal(c->all[i].key, text_span(&key)))
			continue;
		if (c->all[i].open)
			return fail(c, n, "script \"%.*s\" includes itself", SPAN_ARGS(name));
		n->included = c->all[i].script;
		return 0;
	}
	if (!c->loader)
		return 0;
	if (c->depth >= INCLUDE_DEPTH)
		return fail(c, n, "scripts are included too deeply");
	got = c->loader->load(c->loader->context, global, name, &text, c->why);
	if (got < 0)
		return fault_prefix(c->why, "include \"%.*s\"", SPAN_ARGS(name));
	if (got == 1)
		return n->tags & TAG(OPTIONAL) ? 0 : fail(c, n, "included script \"%.*s\" is not there", SPAN_ARGS(name));
	allowed = c->allowed;
	c->allowed |= global ? c->limits->global_extensions : 0;
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
			return fail(c, n, "%.*s without if", SPAN_ARGS(n->name));
		if (check_node(c, n, sieve_commands, "command") < 0)
			return -1;
		if (span_is_nocase(n->name, "require")) {
			if (!top)
				return fail(c, n, "require stands inside of a block");
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
		.why = why, .n_all = &n_all, .warnings = warnings, .allowed = limits ? limits->extensions : UINT64_MAX, .all = arena_alloc(arena, INCLUDES_MAX * sizeof(struct compiled))};

	return compile(&c, arena_span(arena, text), arena_string(arena, span_of(name)), SPAN_NONE, out);
}
