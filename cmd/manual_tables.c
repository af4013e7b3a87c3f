/* SPDX-License-Identifier: ISC */
/*
 * manual_tables.c - postern-tables(5): the types of lookup tables
 *
 * A type that this build has (lib/table) and that has no row here ends the build.
 */
#include <string.h>

#include "base/log.h"
#include "cmd/manual.h"
#include "table/table.h"

static const struct { const char *type, *form, *about; } types[] = {
	{"hash", "hash:/file", "the text of that file (postmap(1)), built into data_directory and built again when it changes"},
	{"btree", "btree:/file", "the same"},
	{"lmdb", "lmdb:/file", "the same"},
	{"cdb", "cdb:/file", "the same: from the text; a /file.cdb beside it is not read"},
	{"dbm", "dbm:/file", "the same"},
	{"sdbm", "sdbm:/file", "the same"},
	{"texthash", "texthash:/file", "the same text, read into memory"},
	{"inline", "inline:{key=value, {key = a value}}", "what stands there"},
	{"static", "static:value", "that value, whatever the key"},
	{"cidr", "cidr:/file", "networks from top to bottom"},
	{"regexp", "regexp:/file", "POSIX patterns from top to bottom"},
	{"pcre", "pcre:/file", "Perl's patterns from top to bottom"},
	{"unix", "unix:passwd.byname", "the system's users; unix:group.byname: its groups"},
	{"fail", "fail:why", "every lookup fails for now"},
	{"proxy", "proxy:type:name", "asked of proxymap(8), if proxy_read_maps names it"},
	{"pipemap", "pipemap:{table, table}", "the value of one is the key of the next"},
	{"unionmap", "unionmap:{table, table}", "the values of all, joined by commas"},
	{"randmap", "randmap:{value, value}", "any of them"},
	{"environ", "environ:x", "the variable of that name in the environment"},
	{"socketmap", "socketmap:inet:host:port:name, socketmap:unix:/path:name", "a server that speaks socketmap; whole keys only"},
	{"tcp", "tcp:host:port", "a server of tcp_table; whole keys only"},
	{"memcache", "memcache:/file.cf", "a memcached, for lookups. In the file: memcache, key_format, backup, line_size_limit, data_size_limit"},
	{"ldap", "ldap:/file.cf", "a directory. In the file: server_host, server_port, version (2; most servers want 3), bind, bind_dn, bind_pw, search_base, "
	         "scope, query_filter, result_attribute, special_result_attribute, leaf_result_attribute, terminal_result_attribute, recursion_limit, "
	         "size_limit, timeout, dereference, start_tls, tls_ca_cert_file, tls_ca_cert_dir, tls_cert, tls_key, tls_cipher_suite, "
	         "tls_require_cert. bind = sasl and chase_referrals are refused"},
	{"mysql", "mysql:/file.cf", "MySQL or MariaDB. In the file: hosts, user, password, dbname, query, charset, option_file, option_group, "
	          "require_result_set, tls_cert_file, tls_key_file, tls_CAfile, tls_CApath, tls_ciphers, tls_verify_cert"},
	{"pgsql", "pgsql:/file.cf", "PostgreSQL. In the file: hosts (postgresql:// too), user, password, dbname, query, encoding"},
	{"sqlite", "sqlite:/file.cf", "an SQLite file. In the file: dbpath, query"},
};

static const char *const words[][2] = {
	{"%s", "the key; in result_format the value"}, {"%u", "its local part, or all of it"}, {"%d", "its domain"},
	{"%S %U %D", "the same of the key, in result_format too"}, {"%1 ... %9", "labels of the key's domain from the right"},
	{"%%", "a percent sign"},
};

static void
write_type(struct text *out, const char *name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].type, name) == 0) {
			roff_item(out, types[i].form, types[i].about);
			return;
		}
	log_fatal("manual: table type %s has no row in manual_tables.c", name);
}

void
write_tables(const char *directory)
{
	autotext struct text out = {0};
	const char          *name;

	roff_head(&out, "postern-tables", "5", "the types of lookup tables");
	roff_macro(&out, "SH", "DESCRIPTION");
	roff_line(&out, "A table is named as type:name. These types are built in (postconf -m tells them too):");
	for (size_t i = 0; (name = table_type_at(i)); i++)
		write_type(&out, name);
	roff_macro(&out, "SH", "TABLES THAT A SERVER ANSWERS");
	roff_line(&out, "ldap, memcache, mysql, pgsql, socketmap, sqlite and tcp are asked by proxymap(8) alone, with or without proxy: in front: "
	                "no other program has the client libraries or may connect. postmap -q starts a proxymap of its own for the question.");
	roff_macro(&out, "PP", "");
	roff_line(&out, "A server that cannot be reached, or that says something else, is \"try again later\" to everybody, never \"unknown\". Servers "
	                "are tried one after the other; one that failed is left alone for retry_interval (60s) while there are others.");
	roff_macro(&out, "PP", "");
	roff_line(&out, "Parameters stand in a file as name = value, or, for mysql:x, in main.cf as x_name = value. Of all that have them: domain (only "
	                "full addresses of these domains are asked), result_format, expansion_limit, idle_interval, retry_interval.");
	roff_macro(&out, "SH", "WORDS IN QUERIES");
	roff_line(&out, "What a key puts into a query is quoted for that server. Where the key has no such part there is no question.");
	for (size_t i = 0; i < COUNT(words); i++)
		roff_item(&out, words[i][0], words[i][1]);
	roff_macro(&out, "SH", "SEE ALSO");
	roff_line(&out, "postmap(1), postconf(1), proxymap(8), postern-main.cf(5)");
	roff_write(&out, directory, "postern-tables", "5");
}
