/* SPDX-License-Identifier: ISC */
/*
 * postmap.c - postmap and postalias: build, ask and change lookup tables
 *
 *   postmap [-bfFhimnoprsvwNuU] [-c dir] [-d key] [-q key] [type:]file ...
 *
 * The same program by two names: postalias reads aliases(5) syntax.  hash: btree:
 * and lmdb: are built (lib/table/built.h says where); -q asks a table of any type.
 * -F: values name files, and what is in them goes into the table, in base64; -q and -s give it back as it was.
 * Exit status: 0; 1 when -q or -d found nothing, or something failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "cmd/postmap_message.h"
#include "cmd/remote_ask.h"
#include "config/line.h"
#include "config/list.h"
#include "config/site.h"
#include "table/built.h"
#include "table/contents.h"
#include "table/source.h"
#include "table/table.h"

struct request {
	const char          *name;
	struct built_options build;
	const char          *query, *remove, *directory;
	bool                 increment, walk, headers, body, mime;
	char               **tables;
	int                  n_tables;
};

static _Noreturn void
usage(const char *name)
{
	log_fatal("%s", page_usage(name));
}

/* "hash:/x" for "/x"; *file is what stands behind the colon. Owned. */
static char *
full_spec(const char *written, const char **file)
{
	char *spec = written[0] != '/' && written[0] != '.' && strchr(written, ':')
	           ? mem_string(written) : mem_format("%s:%s", site.default_database_type, written);

	*file = strchr(spec, ':') + 1;
	return spec;
}

static bool
is_built_type(const char *spec)
{
	struct span s = span_of(spec);

	return span_starts(s, "hash:") || span_starts(s, "btree:") || span_starts(s, "lmdb:") || span_starts(s, "cdb:") ||
	       span_starts(s, "dbm:") || span_starts(s, "sdbm:");
}

static void
need_built_type(const struct request *r, const char *spec)
{
	if (!is_built_type(spec))
		log_fatal("%s: a table of this type is not built or changed with %s", spec,
		          r->name);
}

static struct table *
open_table(const struct request *r, const char *written)
{
	const char   *file;
	autofree char *spec = full_spec(written, &file);
	struct fault  why = {0};
	struct table *t;

	/* a table that shall hold contents is built so when it is not there, or old */
	if (r->build.files && is_built_type(spec) && access(file, R_OK) == 0 && built_check(file) != BUILT_FRESH &&
	    built_make(file, &r->build, &why) < 0)
		log_warning("%s", fault_text(&why));
	t = table_open(spec, &why);
	if (!t)
		log_fatal("%s", fault_text(&why));
	return t;
}

/* A built table holds contents in base64, those of other types name the files: 0, 1 none, -1 why. */
static int
contents_of(struct table *t, struct span key, struct text *value, struct fault *why)
{
	autotext struct text found = {0};

	text_add(&found, text_span(value));
	text_clear(value);
	if (is_built_type(table_spec(t)) || table_is_remote(span_of(table_spec(t)))) {
		if (base64_decode(text_span(&found), value, why) == 0)
			return 0;
		log_warning("table %s: key %.*s: malformed BASE64 value: %.100s", table_spec(t), SPAN_ARGS(key), text_string(&found));
		return -1;
	}
	if (contents_read(text_span(&found), value, why) == 0)
		return 0;
	log_warning("%s: %s: skipping this entry", strchr(table_spec(t), ':') + 1, fault_text(why));
	return 1;
}

/* The first table that has the key. */
static bool
ask(const struct request *r, struct table **tables, struct span key, struct text *value)
{
	struct fault why = {0};

	for (int i = 0; i < r->n_tables; i++) {
		int found = table_find(tables[i], key, value, &why);

		if (found == 0 && r->build.files)
			found = contents_of(tables[i], key, value, &why);
		if (found < 0)
			log_fatal("table %s: query error: %s", table_spec(tables[i]),
			          fault_text(&why));
		if (found == 0)
			return true;
	}
	return false;
}

static bool
answer(const struct request *r, struct table **tables, struct span key, bool show_key)
{
	autotext struct text value = {0};

	if (!ask(r, tables, key, &value))
		return false;
	if (show_key)
		printf("%.*s\t", SPAN_ARGS(key));
	printf("%.*s\n", SPAN_ARGS(text_span(&value)));
	return true;
}

/* One line of standard input, without its end. */
static bool
input_line(char **line, size_t *room, struct span *out)
{
	ssize_t got = getline(line, room, stdin);

	if (got < 0)
		return false;
	while (got > 0 && ((*line)[got - 1] == '\n' || (*line)[got - 1] == '\r'))
		got--;
	*out = span_at(*line, (size_t)got);
	return true;
}

struct asked {
	const struct request *request;
	struct table        **tables;
	bool                  found;
};

static void
ask_part(void *context, struct span key)
{
	struct asked *a = context;

	a->found |= answer(a->request, a->tables, key, true);
}

static bool
ask_message(const struct request *r, struct table **tables)
{
	struct asked            a = {r, tables, false};
	struct message_question q = {r->headers, r->body, r->mime, &a, ask_part};

	message_ask(&q, stdin);
	return a.found;
}

static int
query(const struct request *r)
{
	struct table **tables = mem_array((size_t)r->n_tables, sizeof *tables);
	autofree char *line = NULL;
	size_t         room = 0;
	struct span    key;
	bool           found = false;

	table_ask_names(true);
	remote_ask_use(r->tables, (size_t)r->n_tables, r->directory);
	for (int i = 0; i < r->n_tables; i++) {
		tables[i] = open_table(r, r->tables[i]);
		if (r->build.keep_case)
			table_keep_case(tables[i]);
	}
	if (strcmp(r->query, "-") != 0)
		found = answer(r, tables, span_of(r->query), false);
	else if (r->headers || r->body)
		found = ask_message(r, tables);
	else
		while (input_line(&line, &room, &key))
			found |= answer(r, tables, key, true);
	for (int i = 0; i < r->n_tables; i++)
		table_close(tables[i]);
	free(tables);
	return found ? 0 : 1;
}

static bool
remove_key(const struct request *r, struct span key)
{
	bool found = false;

	for (int i = 0; i < r->n_tables; i++) {
		const char         *file;
		autofree char      *spec = full_spec(r->tables[i], &file);
		struct built_change change = {key, NULL};
		struct fault        why = {0};
		bool                removed = false;

		need_built_type(r, spec);
		if (built_check(file) == BUILT_MISSING)
			log_fatal("%s: this table is not built", spec);
		if (built_edit(file, &change, 1, &r->build, &removed, &why) < 0)
			log_fatal("%s", fault_text(&why));
		found |= removed;
	}
	return found;
}

static int
remove_keys(const struct request *r)
{
	autofree char *line = NULL;
	size_t         room = 0;
	struct span    key;
	bool           found = false;

	if (strcmp(r->remove, "-") != 0)
		return remove_key(r, span_of(r->remove)) ? 0 : 1;
	while (input_line(&line, &room, &key))
		found |= remove_key(r, key);
	return found ? 0 : 1;
}

struct walking {
	const struct request *request;
	const char           *spec;
	bool                  encoded;
};

static void
print_pair(void *context, struct span key, struct span value)
{
	const struct walking *w = context;
	autotext struct text  contents = {0};
	struct fault          why = {0};

	if (w->request->build.files && w->encoded && base64_decode(value, &contents, &why) < 0) {
		log_warning("table %s: key %.*s: malformed BASE64 value: %.*s", w->spec, SPAN_ARGS(key), SPAN_ARGS(span_first(value, 100)));
		return;
	}
	if (w->request->build.files && !w->encoded && contents_read(value, &contents, &why) < 0) {
		log_warning("%s: %s: skipping this entry", strchr(w->spec, ':') + 1, fault_text(&why));
		return;
	}
	if (w->request->build.files)
		value = text_span(&contents);
	printf(w->request->build.aliases ? "%.*s:\t%.*s\n" : "%.*s\t%.*s\n", SPAN_ARGS(key), SPAN_ARGS(value));
}

static void
walk(const struct request *r, const char *spec, const char *file)
{
	struct fault   why = {0};
	struct walking w = {r, spec, is_built_type(spec)};
	struct table  *t;

	if (w.encoded) {
		if (built_walk(file, print_pair, &w, &why) < 0)
			log_fatal("%s", fault_text(&why));
		return;
	}
	t = open_table(r, spec);
	if (table_walk(t, print_pair, &w, &why) < 0)
		log_fatal("%s", fault_text(&why));
	table_close(t);
}

struct additions {
	bool                 files;
	struct built_change *change;
	struct span         *value;
	size_t               count;
};

static int
add_one(void *context, int line, struct span key, struct span value, struct fault *why)
{
	struct additions    *a = context;
	autotext struct text contents = {0};

	if (a->files) {
		if (contents_encode(value, &contents, why) < 0) {
			log_warning("standard input, line %d: %s: skipping this entry", line, fault_text(why));
			return 0;
		}
		value = text_span(&contents);
	}
	a->change = mem_grow(a->change, a->count + 1, sizeof *a->change);
	a->value = mem_grow(a->value, a->count + 1, sizeof *a->value);
	a->change[a->count].key = span_of(mem_span(key));
	a->value[a->count++] = span_of(mem_span(value));
	return 0;
}

static void
warn(void *context, int line, const char *sentence)
{
	(void)context;
	log_warning("standard input, line %d: %s", line, sentence);
}

/* -i: what standard input says is added to what is built. */
static void
increment(const struct request *r, const char *file)
{
	autotext struct text in = {0};
	struct additions     a = {.files = r->build.files};
	struct source_reader reader = {add_one, warn, &a};
	char                 piece[4096];
	size_t               got;
	struct fault         why = {0};

	while ((got = fread(piece, 1, sizeof piece, stdin)) > 0)
		text_add(&in, span_at(piece, got));
	if (source_read(text_span(&in), r->build.aliases ? SOURCE_ALIASES : SOURCE_POSTMAP,
	                &reader, &why) < 0)
		log_fatal("%s", fault_text(&why));
	for (size_t i = 0; i < a.count; i++)
		a.change[i].value = &a.value[i];
	if (built_edit(file, a.change, a.count, &r->build, NULL, &why) < 0)
		log_fatal("%s", fault_text(&why));
}

static void
build(const struct request *r, const char *written)
{
	const char    *file;
	autofree char *spec = full_spec(written, &file);
	struct fault   why = {0};

	if (r->walk) {
		walk(r, spec, file);
		return;
	}
	need_built_type(r, spec);
	if (r->increment)
		increment(r, file);
	else if (built_make(file, &r->build, &why) < 0)
		log_fatal("%s", fault_text(&why));
}

static void
parse_option(struct request *r, int option, const char **directory)
{
	switch (option) {
	case 'c': *directory = optarg; break;
	case 'd': r->remove = optarg; break;
	case 'q': r->query = optarg; break;
	case 'f': r->build.keep_case = true; break;
	case 'r': r->build.replace = true; break;
	case 'w': r->build.quiet_repeats = true; break;
	case 'p': r->build.no_mode = true; break;
	case 'i': r->increment = true; break;
	case 's': r->walk = true; break;
	case 'h': r->headers = true; break;
	case 'm': r->mime = true; break;
	case 'b': r->body = true; break;
	case 'v': log_verbose(1); break;
	case 'n': case 'N': case 'o': case 'u': case 'U': break;      /* nothing to choose here */
	case 'F': r->build.files = true; break;
	default: usage(r->name);
	}
}

int
main(int argc, char **argv)
{
	const char    *directory = NULL;
	struct request r = {.name = command_name(argv[0])};
	int            option;

	r.build.aliases = strcmp(r.name, "postalias") == 0;
	log_open(r.name, -1);
	log_also_stderr(true);
	while ((option = getopt(argc, argv, "bc:d:fFhimnNopq:rsuUvw")) > 0)
		parse_option(&r, option, &directory);
	if (r.build.keep_case)
		table_keep_keys();
	r.tables = argv + optind;
	r.n_tables = argc - optind;
	if ((r.headers || r.body || r.mime) && (!r.query || strcmp(r.query, "-") != 0))
		log_fatal("specify -b -h or -m only with \"-q -\"");
	if (r.mime && !r.headers && !r.body)
		log_warning("ignoring -m option without -b or -h");
	if ((r.query != NULL) + (r.remove != NULL) + r.walk > 1)
		log_fatal("specify only one of -s -q or -d");
	if (r.n_tables == 0)
		usage(r.name);
	main_cf_free(command_begin(r.name, directory, false));
	r.directory = main_cf_directory(directory);
	if (r.query)
		return query(&r);
	if (r.remove)
		return remove_keys(&r);
	for (int i = 0; i < r.n_tables; i++)
		build(&r, r.tables[i]);
	return 0;
}
