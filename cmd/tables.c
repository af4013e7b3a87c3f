/* SPDX-License-Identifier: ISC */
/*
 * tables.c - builds every stale table that the configuration names
 *
 *   tables [-c dir] [-f] [-l fd] [-v]
 *
 * A short-lived child of master, as root, since sasl_passwd and its like are
 * readable by root alone.  It looks through all values of main.cf and master.cf for
 * hash: btree: and lmdb:, and builds what is missing or older than its text (-f: all).  -l is the
 * descriptor of the log's datagram socket.  Bad text keeps the old table and is logged with file and line.  Exit status 1 when a table
 * could not be built.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strmap.h"
#include "cmd/command.h"
#include "config/catalogue.h"
#include "config/list.h"
#include "config/master_cf.h"
#include "config/site.h"
#include "table/built.h"

struct search {
	struct main_cf *cf;
	struct strmap  *seen;      /* spec */
	bool            force, failed;
};

static const char *const types[] = {"hash:", "btree:", "lmdb:"};

/* The spec "hash:/x" when the word is one; proxy: in front does not matter. */
static bool
names_table(struct span word, struct span *spec)
{
	while (span_starts(word, "proxy:") || span_starts(word, "!"))
		word = span_from(word, word.at[0] == '!' ? 1 : 6);
	for (size_t i = 0; i < COUNT(types); i++)
		if (span_starts(word, types[i]) && word.len > strlen(types[i])) {
			*spec = word;
			return true;
		}
	return false;
}

static void
refresh(struct search *s, struct span found)
{
	autofree char       *spec = mem_span(found);
	const char          *source = strchr(spec, ':') + 1;
	struct built_options options = {.keep_old = true};
	struct fault         why = {0};
	enum built_state     state;

	if (strmap_put(s->seen, found, s))
		return;
	if (access(source, F_OK) < 0) {
		log_debug("%s: there is no text", spec);      /* a cache, or told when it is opened */
		return;
	}
	state = built_check(source);
	if (state == BUILT_FRESH && !s->force)
		return;
	options.aliases = built_is_aliases(spec) || built_was_aliases(source);
	if (built_make(source, &options, &why) == 0) {
		log_info("table %s built", spec);
		return;
	}
	s->failed = true;
	log_warning("table %s not built: %s", spec, fault_text(&why));
}

/* Words of a value, and of the groups in it. */
static void
search_value(struct search *s, struct span in, int depth)
{
	struct span word, inside, spec;

	while (list_next(&in, ", \t\r\n", &word, NULL) > 0) {
		ptrdiff_t brace = span_find(word, '{');

		if (names_table(word, &spec))
			refresh(s, spec);
		else if (brace >= 0 && depth < 10 && list_group(span_from(word, (size_t)brace), &inside))
			search_value(s, inside, depth + 1);
	}
}

static void
search_text(struct search *s, struct span value)
{
	autotext struct text out = {0};
	struct fault         why = {0};

	if (main_cf_expand(s->cf, value, &out, &why) == 0)
		search_value(s, text_span(&out), 0);
}

static void
search_main(struct search *s)
{
	const struct setting *setting;
	size_t                at = 0;

	while ((setting = main_cf_next(s->cf, &at)))
		search_text(s, span_of(setting->value));
	search_text(s, SPAN("$alias_maps $alias_database"));       /* a default that is a table */
}

static void
search_master(struct search *s, const char *directory)
{
	struct faults     faults = {0};
	struct master_cf *m = master_cf_read(directory, s->cf, &faults);

	for (size_t i = 0; i < m->count; i++)
		for (size_t o = 0; o < m->row[i]->options.count; o++) {
			struct span rest = span_of(m->row[i]->options.item[o]), name;

			span_split(&rest, '=', &name);
			search_text(s, rest);
		}
	faults_free(&faults);      /* master tells them */
	master_cf_free(m);
}

static int
descriptor_of(const char *text)
{
	uint64_t fd;

	return span_number(span_of(text), &fd) && fd < 65536 ? (int)fd : -1;
}

int
main(int argc, char **argv)
{
	const char   *directory = NULL;
	struct search s = {0};
	int           option, log_fd = -1;

	while ((option = getopt(argc, argv, "c:fl:v")) > 0) {
		if (option == 'c')
			directory = optarg;
		else if (option == 'l')
			log_fd = descriptor_of(optarg);
		else if (option == 'f')
			s.force = true;
		else if (option == 'v')
			log_verbose(1);
		else {
			fprintf(stderr, "usage: tables [-c config_dir] [-f] [-l fd] [-v]\n");
			return 1;
		}
	}
	s.cf = command_begin("tables", directory, false);
	if (log_fd >= 0) {
		autofree char *tag = site_log_name("tables");

		log_open(tag, log_fd);
		log_also_stderr(false);
	}
	s.seen = strmap_new();
	search_main(&s);
	search_master(&s, directory);
	strmap_free(s.seen, NULL);
	main_cf_free(s.cf);
	return s.failed ? 1 : 0;
}
