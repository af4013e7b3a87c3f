/* SPDX-License-Identifier: ISC */
/*
 * table_type.h - what each kind of table gives to table.c (inside lib/table, and for proxymap's modules)
 *
 * open fills `data`, and may set owner, held and stamp; find is called with a
 * key that is not empty, already folded when the type folds, and with an empty
 * value.
 */
#ifndef TABLE_TABLE_TYPE_H
#define TABLE_TABLE_TYPE_H

#include <sys/stat.h>

#include "base/strmap.h"
#include "table/table.h"

struct table_type {
	const char *name;
	bool        folds, is_pattern;
	int       (*open)(struct table *, struct fault *);
	int       (*find)(struct table *, struct span key, struct text *value, struct fault *);
	void      (*close)(struct table *);
	bool      (*changed)(const struct table *);    /* NULL: by what it holds */
};

enum { TABLE_MAGIC = 0x7ab1e };
struct table {
	unsigned                 magic;
	const struct table_type *type;
	char                    *spec;
	const char              *name;      /* in spec, behind the colon */
	bool                     is_pattern;
	bool                     keeps_case; /* table_keep_case() */
	uid_t                    owner;
	struct table_held {
		int         fd;             /* whose change means ours; -1 */
		struct stat stamp;          /* of it, when opened */
	} held[2];
	void                    *data;
};

extern const struct table_type table_hash, table_btree, table_lmdb, table_cdb, table_dbm, table_sdbm, table_texthash, table_inline,
	table_static, table_cidr, table_regexp, table_pcre, table_unix, table_fail, table_proxy,
	table_pipemap, table_unionmap, table_randmap, table_environ;

/* remote.c: the module of a type that a server answers, or who asks proxymap; NULL: no such type. */
const struct table_type *table_remote_type(struct span name);

/* Keeps fd (given) as what table_changed looks at, two at most; its owner becomes the
 * table's. */
int table_hold(struct table *, int fd, struct fault *);

/* Reads the text file of the table whole and holds it. */
int table_read_text(struct table *, const char *path, struct text *out, struct fault *);

/* A table in memory: texthash, inline, passwd, and built tables that could not be built. */
struct memory;
struct memory *memory_new(void);
int  memory_find(const struct memory *, struct span key, struct text *value);
void memory_free(struct memory *);
int  memory_from_source(struct memory *, const char *path, struct span text, bool aliases);

/* The elements of {a,b}, opened. */
int  table_open_many(struct span, struct table ***, size_t *count, struct fault *);

#endif
