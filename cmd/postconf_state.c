/* SPDX-License-Identifier: ISC */
/*
 * postconf_state.c - what becomes of each parameter of Postfix here
 *
 * A line for each: name, grade, state, note, with TABs between.
 *
 *   works      a program (or the frame that they share) declares it
 *   nothing    accepted and without effect; the note says why none is needed
 *   later      accepted with a warning: its feature is not here
 *   refused    the system does not start with it, since ignoring it would open the server or lose mail
 *
 * Declared rows are asked of the programs; what no program declares stands in the catalogue.
 */
#include <stdio.h>

#include "cmd/known.h"
#include "cmd/postconf.h"
#include "config/catalogue.h"
#include "config/site.h"

struct state {
	const char *word, *note;
};

static bool
declares(const struct param *rows, const char *name, struct state *out)
{
	for (; rows && rows->name; rows++)
		if (strcmp(rows->name, name) == 0) {
			bool accepted = strncmp(rows->help, "accepted", 8) == 0;

			*out = (struct state){accepted ? "nothing" : "works", rows->help};
			return true;
		}
	return false;
}

/* "smtp_destination_rate_delay": qmgr asks for them by the names of the transports. */
static bool
is_scheduled(const char *name)
{
	static const char *const transports[] = {"smtp", "lmtp", "relay", "local", "virtual", "error", "retry", "discard", "pipe", "default"};

	for (size_t i = 0; i < COUNT(transports); i++) {
		size_t len = strlen(transports[i]);

		for (size_t g = 0; strncmp(name, transports[i], len) == 0 && known_suffixes[g].suffix; g++)
			if (strcmp(name + len, known_suffixes[g].suffix) == 0)
				return true;
	}
	return false;
}

static struct state
state_of(const struct postconf *p, const char *name)
{
	const struct catalogue_row *old = catalogue_find(span_of(name));
	struct state                s;

	for (size_t i = 0; i < p->programs.count; i++)
		if (declares(p->programs.item[i].params, name, &s))
			return s;
	if (declares(site_params, name, &s) || declares(known_params, name, &s))
		return s;
	if (is_scheduled(name))
		return (struct state){"works", "asked by qmgr for each transport"};
	if (!old)
		return (struct state){"later", "nobody knows it"};
	return (struct state){old->grade == CATALOGUE_NOTHING ? "nothing" : old->grade == CATALOGUE_DANGER ? "refused" : "later",
	                      old->note};
}

static bool
is_asked(const struct postconf *p, const char *name)
{
	for (int i = 0; i < p->n_words; i++)
		if (strcmp(p->words[i], name) == 0)
			return true;
	return p->n_words == 0;
}

int
print_states(const struct postconf *p)
{
	const char *name;

	for (size_t i = 0; (name = catalogue_graded_at(i)); i++) {
		struct state s = state_of(p, name);

		if (is_asked(p, name))
			printf("%s\t%c\t%s\t%s\n", name, catalogue_importance(span_of(name)), s.word, s.note);
	}
	return 0;
}
