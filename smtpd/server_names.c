/* SPDX-License-Identifier: ISC */
/*
 * server_names.c - tls_server_sni_maps: certificates by the name that a client asks for
 */
#include "server_names.h"

#include "base/file.h"
#include "net/tls.h"
#include "service/service.h"
#include "table/source.h"
#include "table/table.h"

enum { TEXT_MAX = 4 << 20 };

struct loading {
	struct tls_context *tls;
	const char         *spec;
	struct faults      *faults;
};

static int
add_pair(void *context, int line, struct span key, struct span value, struct fault *unused)
{
	struct loading *l = context;
	autofree char  *files = mem_span(value);
	struct fault    why = {0};

	(void)unused;
	if (tls_server_name(l->tls, key, files, &why) < 0)
		faults_add(l->faults, "tls_server_sni_maps: %s, line %d: %s", l->spec, line, fault_text(&why));
	return 0;
}

static void
complain(void *context, int line, const char *sentence)
{
	struct loading *l = context;

	faults_add(l->faults, "tls_server_sni_maps: %s, line %d: %s", l->spec, line, sentence);
}

static void
load_text(struct loading *l, const char *path)
{
	const struct source_reader reader = {add_pair, complain, l};
	autotext struct text       text = {0};
	struct fault               why = {0};

	if (file_read(path, TEXT_MAX, &text, &why) < 0 || source_read(text_span(&text), SOURCE_POSTMAP, &reader, &why) < 0)
		faults_add(l->faults, "tls_server_sni_maps: %s: %s", l->spec, fault_text(&why));
}

/* inline:{name=/file, {name = /key, /chain}} */
static void
load_inline(struct loading *l, struct span text)
{
	struct list  pairs = {0};
	struct fault why = {0};
	struct span  inside, name, value;

	if (!list_group(text, &inside) || list_parse(inside, &pairs, &why) < 0)
		faults_add(l->faults, "tls_server_sni_maps: %s: bad table", l->spec);
	for (size_t i = 0; i < pairs.count; i++) {
		struct span pair = span_of(pairs.item[i]);

		list_group(pair, &pair);
		if (list_assignment(pair, &name, &value, &why) < 0)
			faults_add(l->faults, "tls_server_sni_maps: %s: %s", l->spec, fault_text(&why));
		else
			add_pair(l, 0, name, value, NULL);
	}
	list_free(&pairs);
}

/* A change of the text replaces the process, as with every table. */
static void
watch(const struct loading *l)
{
	struct fault  why = {0};
	struct table *t = table_open(l->spec, &why);

	if (t)
		service_watch_table(t);
	else
		faults_add(l->faults, "tls_server_sni_maps: %s", fault_text(&why));
}

void
server_names_load(struct tls_context *tls, const struct list *tables, struct faults *faults)
{
	static const char *const texts[] = {"hash:", "btree:", "lmdb:", "texthash:"};

	for (size_t i = 0; i < tables->count; i++) {
		struct loading l = {tls, tables->item[i], faults};
		struct span    spec = span_of(l.spec);
		const char    *path = NULL;

		if (span_starts(spec, "proxy:"))
			spec = span_from(spec, 6);
		for (size_t k = 0; k < COUNT(texts); k++)
			if (span_starts(spec, texts[k]))
				path = spec.at + strlen(texts[k]);
		if (span_starts(spec, "inline:")) {
			load_inline(&l, span_from(spec, 7));
		} else if (path) {
			load_text(&l, path);
			watch(&l);
		} else {
			faults_add(faults, "tls_server_sni_maps: %s: only tables that can be read whole at start: hash, btree, lmdb, texthash, inline",
			           l.spec);
		}
	}
}
