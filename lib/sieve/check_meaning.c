/* SPDX-License-Identifier: ISC */
/*
 * check_meaning.c - what the signatures cannot say: values that a command or test refuses
 *
 * A string with a variable in it is judged when the script runs.
 */
#include "sieve/check_private.h"

#define INTO (TAG(CREATE) | TAG(FLAGS) | TAG(SPECIALUSE) | TAG(MAILBOXID))

int
check_match(struct checker *c, struct node *n)
{
	static const char *const relations[] = {"gt", "ge", "lt", "le", "eq", "ne"};
	const struct argument   *a = node_tag(n, TAG_COMPARATOR), *keys = NULL;
	enum comparator          compare = COMPARE_CASEMAP;

	if (a && is_constant(c, a->strings.at[0])) {
		if (!comparator_find(a->strings.at[0], &compare))
			return checker_fail(c, n, "unknown comparator \"%.*s\"", SPAN_ARGS(span_first(a->strings.at[0], 60)));
		if (compare == COMPARE_NUMERIC && !has(c, CAP_NUMERIC))
			return checker_fail(c, n, "comparator i;ascii-numeric is used without require");
		if (compare == COMPARE_NUMERIC && (n->tags & (TAG(CONTAINS) | TAG(MATCHES) | TAG(REGEX))))
			return checker_fail(c, n, "i;ascii-numeric can only be used with :is, :value and :count");
	}
	a = node_tag(n, TAG_COUNT) ? node_tag(n, TAG_COUNT) : node_tag(n, TAG_VALUE);
	if (a) {
		bool known = false;

		for (size_t i = 0; i < COUNT(relations); i++)
			known = known || span_is_nocase(a->strings.at[0], relations[i]);
		if (!known)
			return checker_fail(c, n, "unknown relation \"%.*s\" (RFC 5231, 4)",
				SPAN_ARGS(span_first(a->strings.at[0], 60)));
	}
	for (size_t i = 0; i < COUNT(n->at); i++)
		keys = n->at[i] ? n->at[i] : keys;
	for (size_t i = 0; keys && (n->tags & TAG(REGEX)) && i < keys->strings.count; i++) {
		struct fault bad = {0};

		if (is_constant(c, keys->strings.at[i]) && regex_check(keys->strings.at[i], &bad) < 0)
			return checker_fail(c, n, "%s", fault_text(&bad));
	}
	if ((n->tags & TAG(LAST)) && !(n->tags & TAG(INDEX)) && (n->verb->tags & TAG(INDEX)))
		return checker_fail(c, n, ":last is used without :index");
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
			return checker_fail(c, n, "\"%.*s\" is not the name of a header field",
				SPAN_ARGS(span_first(names->strings.at[i], 60)));
	}
	return 0;
}

static int
check_address(struct checker *c, struct node *n, struct span s)
{
	struct span address;

	if (is_constant(c, s) && !word_is_address(c->arena, s, &address))
		return checker_fail(c, n, "\"%.*s\" is not an address", SPAN_ARGS(span_first(s, 100)));
	return 0;
}

/* Whether it is protected depends on the settings of where it runs: that alone is no error. */
static int
check_edit(struct checker *c, struct node *n)
{
	struct span name = n->at[0]->strings.at[0], value = n->at[1] ? n->at[1]->strings.at[0] : SPAN_NONE;
	bool        deleted = n->verb->run == do_deleteheader;

	if (n->tags & TAG(COUNT))
		return checker_fail(c, n, "deleteheader cannot be used with :count");
	if (is_constant(c, name) && !field_name_valid(name))
		return checker_fail(c, n, "%s command: specified field name `%.*s' is invalid", n->verb->name, SPAN_ARGS(span_first(name, 60)));
	if (!deleted && is_constant(c, value) && span_has(value, '\0'))
		return checker_fail(c, n, "addheader command: specified value is invalid (contains NUL character)");
	if (!deleted && is_constant(c, value) && name.len + value.len > c->limits->header_size)
		return checker_fail(c, n, "addheader command: specified header value is too large (%zu bytes)", value.len);
	if (is_constant(c, name) && field_is_protected(c->limits, name, deleted))
		checker_warn(c, n, "%s command: %s specified header field `%.*s' is forbidden; modification will be denied", n->verb->name,
			deleted ? "deleting" : "adding", SPAN_ARGS(name));
	return 0;
}

static int
check_program(struct checker *c, struct node *n)
{
	struct span name = n->at[0]->strings.at[0];

	if (!is_constant(c, name))
		return checker_fail(c, n, "the %s command requires a constant string for its program-name argument", n->verb->name);
	if (!program_name_valid(name))
		return checker_fail(c, n, "%s command: invalid program name '%.*s'", n->verb->name, SPAN_ARGS(span_first(name, 80)));
	if (n->at[1] && n->at[1]->strings.count > SIEVE_PROGRAM_ARGUMENTS_MOST)
		return checker_fail(c, n, "%s command: more than %d arguments", n->verb->name, SIEVE_PROGRAM_ARGUMENTS_MOST);
	for (size_t i = 0; n->at[1] && i < n->at[1]->strings.count; i++)
		if (is_constant(c, n->at[1]->strings.at[i]) && !program_argument_valid(n->at[1]->strings.at[i]))
			return checker_fail(c, n, "%s command: specified external program argument `%.*s' is invalid", n->verb->name,
				SPAN_ARGS(span_first(n->at[1]->strings.at[i], 128)));
	if ((n->tags & TAG(OUTPUT)) && !word_is_name(node_tag(n, TAG_OUTPUT)->strings.at[0]))
		return checker_fail(c, n, "\"%.*s\" is not the name of a variable",
			SPAN_ARGS(span_first(node_tag(n, TAG_OUTPUT)->strings.at[0], 60)));
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
		return checker_fail(c, n, "notify command: invalid importance `%.*s'", SPAN_ARGS(span_first(level, 60)));
	if (is_constant(c, uri) && notify_check(c->arena, uri, &ignored, &bad) < 0)
		return checker_fail(c, n, "notify command: %s", fault_text(&bad));
	if (ignored.len)
		checker_warn(c, n, "notify command: mailto URI: ignored header field '%.*s'", SPAN_ARGS(span_first(ignored, 60)));
	if (node_tag(n, TAG_OPTIONS))
		checker_warn(c, n, "notify command: method 'mailto' accepts no options");
	return from ? check_address(c, n, from->strings.at[0]) : 0;
}

int
check_parts(struct checker *c, struct node *n)
{
	const struct argument *label = node_tag(n, TAG_NAME);
	struct loop           *l = c->loop;

	for (enum tag t = TAG_ANYCHILD; t <= TAG_PARAM; t++)
		if ((n->tags >> t & 1) && !(n->tags & TAG(MIME)))
			return checker_fail(c, n, "\":%s\" for %s cannot be used without :mime", sieve_tags[t].name, n->verb->name);
	if (n->verb->run == do_foreverypart && l && l->depth >= LOOPS_MAX)
		return checker_fail(c, n, "the nested foreverypart loop exceeds the nesting limit (<= %d levels)", LOOPS_MAX);
	if (n->verb->run == do_extracttext && !(has(c, CAP_VARIABLES) && has(c, CAP_FOREVERYPART)))
		return checker_fail(c, n, "extracttext needs variables and foreverypart, too");
	if (n->verb->run == do_extracttext && (!l || !word_is_name(n->at[0]->strings.at[0]) || span_has(n->at[0]->strings.at[0], '.')))
		return checker_fail(c, n, l ? "extracttext needs the name of a variable" : "extracttext is not placed inside a foreverypart loop");
	if (n->verb->run != do_break)
		return 0;
	while (l && label && !(node_tag(l->node, TAG_NAME) &&
	       span_equal(node_tag(l->node, TAG_NAME)->strings.at[0], label->strings.at[0])))
		l = l->outer;
	if (!l)
		return checker_fail(c, n, "the break command is not placed inside a foreverypart loop%s%.*s%s", label ? " named `" : "",
			SPAN_ARGS(label ? span_first(label->strings.at[0], 60) : SPAN_NONE), label ? "'" : "");
	n->loop = l->node;
	return 0;
}

/* Envelope parts (RFC 5228, 5.4), and address fields (5.1). */
int
check_special(struct checker *c, struct node *n)
{
	const char *name = n->verb->name;

	if (strcmp(name, "size") == 0 && !(n->tags & (TAG(OVER) | TAG(UNDER))))
		return checker_fail(c, n, "size needs :over or :under");
	if ((strcmp(name, "header") == 0 || strcmp(name, "address") == 0 || strcmp(name, "exists") == 0 ||
	     strcmp(name, "date") == 0) && check_header_names(c, n, n->at[0]) < 0)
		return -1;
	if (strcmp(name, "envelope") == 0)
		for (size_t i = 0; i < n->at[0]->strings.count; i++) {
			struct span s = n->at[0]->strings.at[i];

			if (is_constant(c, s) && !span_is_nocase(s, "from") && !span_is_nocase(s, "to") && !span_is_nocase(s, "auth"))
				return checker_fail(c, n, "unknown envelope part \"%.*s\"", SPAN_ARGS(span_first(s, 60)));
		}
	if (n->verb->capability == CAP_EDITHEADER)
		return check_edit(c, n);
	if (n->verb->capability == CAP_PIPE || n->verb->capability == CAP_FILTER || n->verb->capability == CAP_EXECUTE)
		return check_program(c, n);
	if (strcmp(name, "redirect") == 0 && c->limits->sends_nothing)
		return checker_fail(c, n, "redirect cannot be used here: nothing is sent");
	if (strcmp(name, "redirect") == 0)
		return check_address(c, n, n->at[0]->strings.at[0]);
	if ((n->verb->tags & TAG(FCC)) && (n->tags & INTO) && !(n->tags & TAG(FCC)))
		return checker_fail(c, n, "%s names a mailbox without :fcc", name);
	if ((n->tags & TAG(SPECIALUSE)) && is_constant(c, node_tag(n, TAG_SPECIALUSE)->strings.at[0]) &&
	    !special_use_valid(node_tag(n, TAG_SPECIALUSE)->strings.at[0]))
		return checker_fail(c, n, "specialuse tag: invalid special-use flag `%.*s' specified",
			SPAN_ARGS(span_first(node_tag(n, TAG_SPECIALUSE)->strings.at[0], 60)));
	for (size_t i = 0; n->verb->test == test_specialuse_exists && i < n->at[1]->strings.count; i++)
		if (is_constant(c, n->at[1]->strings.at[i]) && !special_use_valid(n->at[1]->strings.at[i]))
			return checker_fail(c, n, "specialuse_exists test: invalid special-use flag `%.*s' specified",
				SPAN_ARGS(span_first(n->at[1]->strings.at[i], 60)));
	if (strcmp(name, "vacation") == 0 && node_tag(n, TAG_FROM))
		return check_address(c, n, node_tag(n, TAG_FROM)->strings.at[0]);
	if (n->verb->run == do_enotify)
		return check_notify(c, n);
	if (strcmp(name, "set") == 0) {
		struct span s = n->at[0]->strings.at[0];

		if (!word_is_name(s) || (span_has(s, '.') && !(span_starts_nocase(s, "global.") && has(c, CAP_INCLUDE))))
			return checker_fail(c, n, "\"%.*s\" is not the name of a variable", SPAN_ARGS(span_first(s, 60)));
	}
	if (has(c, CAP_IMAP4FLAGS) && n->at[0] && !has(c, CAP_VARIABLES) && (strstr(name, "flag")))
		return checker_fail(c, n, "%s names a variable without require \"variables\"", name);
	if (strcmp(name, "global") == 0 && !has(c, CAP_VARIABLES))
		return checker_fail(c, n, "global needs variables, too");
	return 0;
}
