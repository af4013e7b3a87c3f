/* SPDX-License-Identifier: ISC */
/*
 * match.c - match lists: mydestination, mynetworks, relay_domains ...
 */
#include "config/match.h"

#include <stdlib.h>

#include "base/file.h"
#include "config/line.h"
#include "config/networks.h"

enum { FILE_DEPTH = 10, FILE_MAX = 16 << 20 };

struct element {
	bool           negative, is_network;
	char          *text;        /* owned: the literal */
	void          *table;       /* or an open table */
	struct network network;
};

struct match_list {
	unsigned                   flags;
	struct element            *element;
	size_t                     count;
	const struct match_tables *tables;
};

static int add_words(struct match_list *, struct span, bool negative, int depth, struct fault *);

static int
add_file(struct match_list *l, struct span name, bool negative, int depth, struct fault *why)
{
	autofree char       *path = mem_span(name);
	autotext struct text in = {0};
	struct line          line = {0};
	struct span          rest;
	int                  done = 0;

	if (depth >= FILE_DEPTH)
		return fault_set(why, FAULT_INPUT, "%s: files nested too deep", path);
	if (file_read(path, FILE_MAX, &in, why) < 0)
		return -1;
	rest = text_span(&in);
	while (done == 0 && config_line_next(&rest, &line))
		done = add_words(l, text_span(&line.text), negative, depth + 1, why);
	line_free(&line);
	return done < 0 ? fault_prefix(why, "%s", path) : 0;
}

/* "type:" at the front, and not an IPv6 address. */
static bool
is_table(struct span s)
{
	size_t i = 0;

	if (s.len && s.at[0] == '[')
		return false;
	while (i < s.len && (ascii_alpha(s.at[i]) || ascii_digit(s.at[i]) || s.at[i] == '-' ||
	                     s.at[i] == '_'))
		i++;
	return i > 0 && i < s.len && s.at[i] == ':' && !network_looks_so(s);
}

static int
add_element(struct match_list *l, struct span s, bool negative, struct fault *why)
{
	struct element e = {.negative = negative};

	if (is_table(s)) {
		autofree char *spec = mem_span(s);

		if (!l->tables)
			return fault_set(why, FAULT_INPUT, "no tables here: %s", spec);
		e.table = l->tables->open(l->tables->context, spec, why);
		if (!e.table)
			return -1;
	} else if (network_looks_so(s)) {
		if (network_parse(s, &e.network, why) == 0)
			e.is_network = true;
		else if (span_has(s, '/'))
			return -1;
	}
	e.text = mem_span(s);
	l->element = mem_grow(l->element, l->count + 1, sizeof *l->element);
	l->element[l->count++] = e;
	return 0;
}

static int
add_word(struct match_list *l, struct span s, bool negative, int depth, struct fault *why)
{
	struct span inside;

	while (s.len && s.at[0] == '!') {
		negative = !negative;
		s = span_trim(span_from(s, 1));
	}
	if (list_group(s, &inside))
		s = inside;
	if (s.len == 0)
		return fault_set(why, FAULT_INPUT, "no pattern after '!'");
	if (s.at[0] == '/')
		return add_file(l, s, negative, depth, why);
	return add_element(l, s, negative, why);
}

static int
add_words(struct match_list *l, struct span in, bool negative, int depth, struct fault *why)
{
	struct span word;
	int         more;

	while ((more = list_next(&in, ", \t\r\n", &word, why)) > 0)
		if (add_word(l, word, negative, depth, why) < 0)
			return -1;
	return more;
}

struct match_list *
match_list_make(const struct list *words, unsigned flags, const struct match_tables *tables,
                struct fault *why)
{
	struct match_list *l = mem_alloc(sizeof *l);

	l->flags = flags;
	l->tables = tables;
	for (size_t i = 0; i < words->count; i++)
		if (add_word(l, span_of(words->item[i]), false, 0, why) < 0) {
			match_list_free(l);
			return NULL;
		}
	return l;
}

void
match_list_free(struct match_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++) {
		if (l->element[i].table)
			l->tables->close(l->element[i].table);
		free(l->element[i].text);
	}
	free(l->element);
	free(l);
}

/* 1, 0, -1 */
static int
in_table(const struct match_list *l, void *table, struct span key, struct fault *why)
{
	autotext struct text value = {0};
	int                  found = l->tables->find(table, key, &value, why);

	return found < 0 ? -1 : found == 0;
}

static int
domain_in_table(const struct match_list *l, void *table, struct span domain, struct fault *why)
{
	int       found = in_table(l, table, domain, why);
	ptrdiff_t dot;

	while (found == 0 && (dot = span_find(span_from(domain, 1), '.')) >= 0) {
		domain = span_from(domain, (size_t)dot + 1);
		found = in_table(l, table, span_from(domain, l->flags & MATCH_PARENT ? 1 : 0), why);
	}
	return found;
}

static bool
domain_matches(const struct match_list *l, const struct element *e, struct span domain)
{
	struct span pattern = span_of(e->text);

	if (span_equal_nocase(pattern, domain))
		return true;
	if (domain.len <= pattern.len || !span_ends_nocase(domain, e->text))
		return false;
	if (pattern.at[0] == '.')
		return true;
	return l->flags & MATCH_PARENT && domain.at[domain.len - pattern.len - 1] == '.';
}

int
match_string(const struct match_list *l, struct span string, struct fault *why)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct element *e = &l->element[i];
		int hit = e->table ? in_table(l, e->table, string, why)
		                   : span_is_nocase(string, e->text);

		if (hit < 0)
			return -1;
		if (hit)
			return !e->negative;
	}
	return 0;
}

int
match_domain(const struct match_list *l, struct span domain, struct fault *why)
{
	if (domain.len == 0)
		return 0;
	for (size_t i = 0; i < l->count; i++) {
		const struct element *e = &l->element[i];
		int hit = e->table ? domain_in_table(l, e->table, domain, why)
		                   : domain_matches(l, e, domain);

		if (hit < 0)
			return -1;
		if (hit)
			return !e->negative;
	}
	return 0;
}

static int
element_holds(const struct match_list *l, const struct element *e, struct span name,
              struct span address, const struct ip *parsed, struct fault *why)
{
	int hit = 0;

	if (e->table) {
		if (name.len)
			hit = domain_in_table(l, e->table, name, why);
		return hit ? hit : in_table(l, e->table, address, why);
	}
	if (e->is_network)
		return parsed && network_holds(&e->network, parsed);
	return (name.len && domain_matches(l, e, name)) || span_is_nocase(address, e->text);
}

int
match_address(const struct match_list *l, struct span name, struct span address, struct fault *why)
{
	struct ip parsed;
	bool           is_address = ip_parse(address, &parsed, NULL) == 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct element *e = &l->element[i];
		int hit = element_holds(l, e, name, address, is_address ? &parsed : NULL, why);

		if (hit < 0)
			return -1;
		if (hit)
			return !e->negative;
	}
	return 0;
}
