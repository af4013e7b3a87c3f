/* SPDX-License-Identifier: ISC */
/*
 * tables.c - builds every stale table that the configuration names
 *
 *   tables [-c dir] [-f] [-l fd] [-p] [-v]
 *
 * A short-lived child of master, as root, since sasl_passwd and its like are readable by
 * root alone.  It looks through all values of main.cf and master.cf for hash: btree: and
 * lmdb:, and builds what is missing or older than its text (-f: all).  -l is the descriptor
 * of the log's datagram socket.  Bad text keeps the old table and is logged with file and
 * line; -p prints the texts, one a line, for master to look at.  Exit status 1 when a table could not be built.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strmap.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "config/master_cf.h"
#include "config/site.h"
#include "table/built.h"
#include "table/mentions.h"

struct search {
	struct main_cf *cf;
	struct strmap  *seen;      /* spec */
	bool            force, failed, print;
};

static const char *const types[] = {"hash:", "btree:", "lmdb:", "cdb:", "dbm:", "sdbm:"};

/* The spec "hash:/x" when the word is one; proxy: in front does not matter. */
static bool
names_table(struct span word, struct span *spec)
{
	while (span_starts(word, "proxy:"))
		word = span_from(word, 6);
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
	if (s->print)
		printf("%s\n", source);
	if (access(source, F_OK) < 0) {
		log_debug("%s: there is no text", spec);      /* a cache, or told when it is opened */
		return;
	}
	state = built_check(source);
	if (state == BUILT_FRESH && !s->force)
		return;
	options.aliases = built_is_aliases(spec) || built_was_aliases(source);
	options.files = built_was_files(source);
	if (built_make(source, &options, &why) == 0) {
		log_info("table %s built", spec);
		return;
	}
	s->failed = true;
	log_warning("table %s not built: %s", spec, fault_text(&why));
}

static void
look_at(void *context, struct span word)
{
	struct span spec;

	if (names_table(word, &spec))
		refresh(context, spec);
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
	static const char *const defaults[] = {"alias_maps", "alias_database", NULL};

	const char       *directory = NULL;
	struct master_cf *m;
	struct search     s = {0};
	struct faults     faults = {0};
	int               option, log_fd = -1;

	while ((option = getopt(argc, argv, "c:fl:pv")) > 0) {
		if (option == 'c')
			directory = optarg;
		else if (option == 'l')
			log_fd = descriptor_of(optarg);
		else if (option == 'f')
			s.force = true;
		else if (option == 'p')
			s.print = true;
		else if (option == 'v')
			log_verbose(1);
		else {
			fprintf(stderr, "%s\n", page_usage("tables"));
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
	m = master_cf_read(directory, s.cf, &faults);
	table_mentions(s.cf, m, defaults, look_at, &s);
	faults_free(&faults);      /* master tells them */
	master_cf_free(m);
	strmap_free(s.seen, NULL);
	main_cf_free(s.cf);
	return s.failed ? 1 : 0;
}
