/* SPDX-License-Identifier: ISC */
/*
 * test_table.c - types of tables, their texts, and the keys of an address
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/site.h"
#include "table/built.h"
#include "table/source.h"
#include "table/table.h"

#include "../unit.h"

static char directory[64];

static void
finish(void)
{
	autofree char *command = mem_format("rm -rf '%s'", directory);

	if (system(command) != 0)
		perror(directory);
}

static void
start(void)
{
	snprintf(directory, sizeof directory, "/tmp/test_table.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	atexit(finish);
	site.data_directory = directory;
	site.default_database_type = "hash";
	site.recipient_delimiter = "+";
}

static char *
write_file(const char *name, const char *text)
{
	char        *path = mem_format("%s/%s", directory, name);
	struct fault why = {0};

	ck_assert_msg(file_replace(path, span_of(text), 0644, &why) == 0, "%s", why.reason);
	return path;
}

static struct table *
open_spec(const char *type, const char *name)
{
	autofree char *spec = mem_format("%s:%s", type, name);
	struct fault   why = {0};
	struct table  *t = table_open(spec, &why);

	ck_assert_msg(t != NULL, "%s", why.reason);
	return t;
}

/* "value", NULL: not found, "!": fault */
static void
expect(struct table *t, const char *key, const char *value)
{
	autotext struct text got = {0};
	struct fault         why = {0};
	int                  found = table_find(t, span_of(key), &got, &why);

	if (!value)
		ck_assert_msg(found == 1, "%s %s: %d %s", table_spec(t), key, found, text_string(&got));
	else if (strcmp(value, "!") == 0)
		ck_assert_int_eq(found, -1);
	else {
		ck_assert_msg(found == 0, "%s: %s not found: %s", table_spec(t), key, why.reason);
		ck_assert_str_eq(text_string(&got), value);
	}
}

static const char postmap_text[] =
	"# comment\n"
	"User@Example.COM   one, two\n"
	"\"a b\"@x  quoted\n"
	"\"c d\"   quoted key\n"
	"key   value\n\tcontinued\n"
	"novalue\n"
	"key second\n"
	"a: looks like an alias\n";

UNIT_TEST(hash)
{
	start();
	autofree char *path = write_file("virtual", postmap_text), *built = built_path(path);
	struct table  *t = open_spec("hash", path), *later;

	expect(t, "user@example.com", "one, two");
	expect(t, "USER@EXAMPLE.COM", "one, two");
	expect(t, "\"c d\"", "quoted key");
	expect(t, "key", "value\tcontinued");
	expect(t, "novalue", NULL);
	expect(t, "", NULL);
	ck_assert_int_eq(access(built, R_OK), 0);
	ck_assert_int_eq(built_check(path), BUILT_FRESH);
	ck_assert_int_eq(table_owner(t), geteuid());
	ck_assert(!table_changed(t));

	free(write_file("virtual", "key other\n"));
	ck_assert_int_eq(built_check(path), BUILT_STALE);
	expect(t, "key", "value\tcontinued");      /* a snapshot */
	later = open_spec("lmdb", path);           /* rebuilds */
	expect(later, "key", "other");
	ck_assert(table_changed(t));
	ck_assert(!table_changed(later));
	table_close(t);

	free(write_file("virtual", "key third\nbad\n"));   /* bad text: the old one stays */
	t = open_spec("btree", path);
	expect(t, "key", "other");
	table_close(t);
	table_close(later);

	ck_assert_ptr_null(table_open("hash:/nonexistent/x", NULL));
	ck_assert_ptr_null(table_open("mysql:/x", NULL));
	ck_assert_ptr_null(table_open("what:/x", NULL));
	ck_assert_ptr_null(table_open("hash:", NULL));
}
END_TEST

UNIT_TEST(aliases)
{
	struct list l = {0};
	struct fault why = {0};

	start();
	autofree char *path = write_file("aliases", "postmaster: root\n\"two words\": x\nlist: a,\n  b, \"|/bin/cat x\"\nbad\n");
	autofree char *spec = mem_format("hash:%s", path);

	list_add(&l, span_of(spec));
	site.alias_maps = l;
	ck_assert(built_is_aliases(spec));
	struct table *t = table_open(spec, &why);
	ck_assert_msg(t != NULL, "%s", why.reason);
	expect(t, "Postmaster", "root");
	expect(t, "two words", "x");
	expect(t, "list", "a,  b, \"|/bin/cat x\"");
	table_close(t);
	site.alias_maps = (struct list){0};
}
END_TEST

UNIT_TEST(edit)
{
	struct built_options o = {0};
	struct span          v = SPAN("added");
	struct built_change  c = {SPAN("New"), &v};
	bool                 removed = false;

	start();
	autofree char *path = write_file("m", "a 1\nb 2\n");
	struct table *t = open_spec("hash", path);
	table_close(t);
	ck_assert_int_eq(built_edit(path, &c, 1, &o, NULL, NULL), 0);
	c = (struct built_change){SPAN("a"), NULL};
	ck_assert_int_eq(built_edit(path, &c, 1, &o, &removed, NULL), 0);
	ck_assert(removed);
	t = open_spec("hash", path);
	expect(t, "new", "added");
	expect(t, "a", NULL);
	expect(t, "b", "2");
	table_close(t);
}
END_TEST

UNIT_TEST(simple)
{
	struct table *t;

	start();
	t = open_spec("static", "{a b}");
	expect(t, "x", "a b");
	table_close(t);
	t = open_spec("inline", "{ a=1, { B = 2 3 } }");
	expect(t, "A", "1");
	expect(t, "b", "2 3");
	expect(t, "c", NULL);
	table_close(t);
	t = open_spec("fail", "x");
	expect(t, "x", "!");
	table_close(t);
	t = open_spec("unix", "passwd.byname");
	autotext struct text got = {0};
	ck_assert_int_eq(table_find(t, SPAN("root"), &got, NULL), 0);
	ck_assert(span_starts(text_span(&got), "root:x:0:0:"));
	table_close(t);
	t = open_spec("pipemap", "{inline:{a=b},inline:{b=c}}");
	expect(t, "a", "c");
	expect(t, "b", NULL);
	table_close(t);
	t = open_spec("unionmap", "{inline:{a=b},static:z}");
	expect(t, "a", "b,z");
	expect(t, "q", "z");
	table_close(t);
	t = open_spec("proxy", "inline:{a=b}");
	expect(t, "a", "b");
	table_close(t);
	autofree char *path = write_file("text", "k v\n");
	t = open_spec("texthash", path);
	expect(t, "K", "v");
	free(write_file("text", "k w\n"));
	ck_assert(table_changed(t));
	table_close(t);
}
END_TEST

UNIT_TEST(patterns)
{
	struct table *t;

	start();
	autofree char *path = write_file("re",
	    "# c\n"
	    "/^(.*)-outgoing@(.*)$/!  x\n"
	    "/^(.*)-outgoing@(.*)$/  550 Use ${1}@$2 for $$5\n"
	    "/Case/i   sensitive\n"
	    "/case/   insensitive\n"
	    "!/@/   not an address\n"
	    "if /^in/\n"
	    "if !/not/\n"
	    "/x$/ nested\n"
	    "endif\n"
	    "/y$/ inside\n"
	    "endif\n"
	    "/[\\.]end/  bracket\n"
	    "/bad(/ x\n"
	    "/\\<word\\>/ whole\n"
	    "/[[:digit:]]{3}/  digits\n"
	    "endif\n");
	t = open_spec("regexp", path);
	ck_assert(table_is_pattern(t));
	expect(t, "list-outgoing@b.c", "550 Use list@b.c for $5");
	expect(t, "Case@", "sensitive");
	expect(t, "CASE@", "insensitive");
	expect(t, "nobody", "not an address");
	expect(t, "in@x", "nested");
	expect(t, "in-not@x", NULL);
	expect(t, "in-not@y", "inside");
	expect(t, "@.end", "bracket");
	expect(t, "@a word b", "whole");
	expect(t, "@swords", NULL);
	expect(t, "@123", "digits");
	table_close(t);

	path = (free(path), write_file("pcre", "/^(?<a>a+)+$/ loop\n/(.)(.)?/ [$1][$2]\n/unsupported/q x\n"));
	t = open_spec("pcre", path);
	expect(t, "b", "[b][]");
	expect(t, "bc", "[b][c]");
	/* (a+)+ against a non-match is bounded: a fault or no match, soon */
	autotext struct text evil = {0}, out = {0};
	for (int i = 0; i < 4000; i++)
		text_add_byte(&evil, 'a');
	text_add_byte(&evil, '!');
	table_find(t, text_span(&evil), &out, NULL);
	table_close(t);

	path = (free(path), write_file("cidr", "192.0.2.1 one\nif 10.0.0.0/8\n10.1.0.0/16 ten-one\n!10.2.0.0/16 not\nendif\n192.0.2.0/24 net\n2001:db8::/32 six\n1.2.3.4/8 bad\n"));
	t = open_spec("cidr", path);
	expect(t, "192.0.2.1", "one");
	expect(t, "192.0.2.2", "net");
	expect(t, "10.1.9.9", "ten-one");
	expect(t, "10.3.9.9", "not");
	expect(t, "10.2.9.9", NULL);
	expect(t, "2001:db8::1", "six");
	expect(t, "example.com", NULL);
	table_close(t);
	t = open_spec("pcre", "{{/a/ b}, {/c/ d e}}");
	expect(t, "c", "d e");
	table_close(t);
}
END_TEST

UNIT_TEST(orders)
{
	static const struct {
		enum table_order order; bool local, plain; const char *map, *address, *value, *extension; bool all;
	} rows[] = {
		{TABLE_ADDRESS, false, false, "{u+e@d=1}", "U+E@d", "1", "", false},
		{TABLE_ADDRESS, false, false, "{u@d=1}", "u+e@d", "1", "+e", false},
		{TABLE_ADDRESS, false, false, "{u=1}", "u+e@d", NULL, "", false},
		{TABLE_ADDRESS, true, false, "{u=1}", "u+e@d", "1", "+e", false},
		{TABLE_ADDRESS, true, false, "{u+e=2,u=1}", "u+e@d", "2", "", false},
		{TABLE_ADDRESS, false, false, "{@d=1}", "u+e@d", "1", "", true},
		{TABLE_MAILBOX, true, false, "{u=1}", "u@d", NULL, "", false},
		{TABLE_ALIAS, false, false, "{u=1}", "u+e", "1", "+e", false},
		{TABLE_TRANSPORT, false, false, "{.b.c=1}", "u@a.b.c", "1", "", false},
		{TABLE_TRANSPORT, false, false, "{b.c=1}", "u@a.b.c", NULL, "", false},
		{TABLE_TRANSPORT, false, true, "{b.c=1}", "u@a.b.c", "1", "", false},
		{TABLE_TRANSPORT, false, false, "{*=1}", "u@a.b.c", "1", "", true},
		{TABLE_ACCESS, false, false, "{u@=1}", "u+e@d", "1", "+e", false},
		{TABLE_ACCESS, false, true, "{c=1}", "u@a.b.c", "1", "", false},
		{TABLE_DOMAIN, false, true, "{b.c=1}", "a.b.c", "1", "", false},
		{TABLE_DOMAIN, false, false, "{a.b.c=1}", "a.b.c", "1", "", false},
		{TABLE_IP, false, false, "{192.0=1}", "192.0.2.1", "1", "", false},
		{TABLE_IP, false, false, "{2001:db8=1}", "2001:db8::1", "1", "", false},
		{TABLE_IP, false, false, "{192.0.2=1}", "192.0.20.1", NULL, "", false},
		{TABLE_ADDRESS, false, false, "{{\"a b\"@d=1}}", "a b@d", "1", "", false},
		{TABLE_MAILBOX, false, false, "{{\"a b\"@d=1}}", "a b@d", "1", "", false},
		{TABLE_ACCESS, false, false, "{{a b@d=1}}", "a b@d", "1", "", false},
	};

	start();
	for (size_t i = 0; i < COUNT(rows); i++) {
		autofree char      *spec = mem_format("inline:%s", rows[i].map);
		struct list         specs = {0};
		struct table_list  *l;
		struct table_query  q = {rows[i].order, rows[i].local, rows[i].plain};
		struct table_match  m = {0};
		struct fault        why = {0};
		int                 got;

		list_add(&specs, span_of(spec));
		l = table_list_open(&specs, &why);
		ck_assert_msg(l != NULL, "%s", why.reason);
		got = table_list_find_address(l, &q, span_of(rows[i].address), &m, &why);
		ck_assert_msg(got == (rows[i].value ? 0 : 1), "row %zu: %d", i, got);
		if (rows[i].value) {
			ck_assert_str_eq(text_string(&m.value), rows[i].value);
			ck_assert_msg(strcmp(text_string(&m.extension), rows[i].extension) == 0, "row %zu: %s", i, text_string(&m.extension));
			ck_assert_int_eq(m.catch_all, rows[i].all);
			text_free(&m.value);
			text_free(&m.extension);
		}
		table_list_close(l);
		list_free(&specs);
	}
	ck_assert_int_eq(address_delimiter(SPAN("a+b")), 1);
	ck_assert_int_eq(address_delimiter(SPAN("+b")), -1);
	site.recipient_delimiter = "-+";
	ck_assert_int_eq(address_delimiter(SPAN("owner-list")), -1);
	ck_assert_int_eq(address_delimiter(SPAN("list-request")), -1);
	ck_assert_int_eq(address_delimiter(SPAN("mailer-daemon")), -1);
}
END_TEST

UNIT_MAIN("table", hash, aliases, edit, simple, patterns, orders)
