/* SPDX-License-Identifier: ISC */
/*
 * test_config.c - main.cf syntax, $name expansion and typed rows (postconf(5))
 */
#include "base/mem.h"
#include "config/catalogue.h"
#include "config/edit.h"
#include "config/expand.h"
#include "config/list.h"
#include "config/master_cf.h"
#include "config/match.h"
#include "config/networks.h"
#include "config/param.h"
#include "config/site.h"
#include "../unit.h"

static struct main_cf *
cf_of(const char *text, struct faults *faults)
{
	return main_cf_parse("/etc/x", "/etc/x/main.cf", span_of(text), faults);
}

UNIT_TEST(syntax)
{
	struct faults   f = {0};
	struct main_cf *cf = cf_of("# comment\n a = 1\n"
	                           "b = one,\n# in between\n\n   two\n\t three  \n"
	                           "c=x=y\n"
	                           "d =\n"
	                           "c = z\n"
	                           "no equals sign\n"
	                           "= nothing\n", &f);

	ck_assert_str_eq(main_cf_setting(cf, "a")->value, "1");
	ck_assert_str_eq(main_cf_setting(cf, "b")->value, "one,   two\t three");
	ck_assert_int_eq(main_cf_setting(cf, "b")->line, 3);
	ck_assert_str_eq(main_cf_setting(cf, "c")->value, "z");
	ck_assert_str_eq(main_cf_setting(cf, "d")->value, "");
	ck_assert_int_eq(f.warnings, 1);
	ck_assert_str_eq(f.warning[0], "/etc/x/main.cf, line 10: overriding earlier entry: c=x=y");
	ck_assert_int_eq(f.errors, 2);
	ck_assert_str_eq(f.error[0], "/etc/x/main.cf, line 11: missing '=' after attribute name: \"no equals sign\"");
	main_cf_free(cf);
	faults_free(&f);
}
END_TEST

UNIT_TEST(expansion)
{
	static const struct { const char *in, *out; } rows[] = {
		{"$a", "1"}, {"${a}", "1"}, {"$(a)", "1"}, {"x$$y", "x$y"}, {"$a$b", "12"}, {"$chain", "12!"},
		{"$nothing", ""}, {"${nothing}", ""}, {"${a?yes}", "yes"}, {"${e?yes}", ""},
		{"${e:no}", "no"}, {"${a:no}", ""}, {"${a?{yes}:{no}}", "yes"}, {"${e?{yes}:{no}}", "no"},
		{"${nothing ? {yes} : {no}}", "no"}, {"${a?$b}", "2"}, {"${a?{<$b>}}", "<2>"},
		{"${a?{${b?{deep}}}:{x}}", "deep"},
		{"${{$a} == {1} ? {same} : {other}}", "same"}, {"${{$a}!={1}?{x}:{y}}", "y"},
		{"${{9} < {10} ? {number} : {text}}", "number"}, {"${{b} > {a} ? {later}}", "later"},
		{"${{2} >= {2} ? {x}}", "x"}, {"${{x} == {y}}", "bool:false"},
		{"${{3.6} <level {3.11} ? {old} : {new}}", "old"}, {"${{3} >=level {2} ? {1}}", "1"},
		{"${{$compatibility_level} <level {1} ? {yes} : {no}}", "yes"},
		{"${smtpd_timeout}", "300s"}, {"a$-", NULL}, {"${a", NULL}, {"${{a} ~ {b} ? {x}}", NULL},
		{"$loop", NULL}, {"${a?{x}y}", NULL}, {"$", NULL},
	};
	struct faults   f = {0};
	struct main_cf *cf = cf_of("a=1\nb=2\ne=\nchain=$(more)!\nmore=$a${b}\nloop=x$pool\npool=$loop\nsmtpd_timeout=300s", &f);

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};
		struct fault         why = {0};
		int                  got = main_cf_expand(cf, span_of(rows[i].in), &out, &why);

		ck_assert_msg(got == (rows[i].out ? 0 : -1), "%s: %s", rows[i].in, why.reason);
		if (rows[i].out)
			ck_assert_str_eq(text_string(&out), rows[i].out);
	}
	main_cf_free(cf);
}
END_TEST

UNIT_TEST(typed)
{
	static struct { const char *s, *d; bool b; int n, c; int64_t t, u, z; struct list l; } v;
	static const struct param table[] = {
		STRING("s", &v.s, "$n and more", ""), STRING("d", &v.d, "$n and more", ""),
		BOOLEAN("b", &v.b, "no", ""), NUMBER("n", &v.n, "20", "1", "100", ""),
		DURATION("t", &v.t, "5d", "", "", ""), DURATION("u", &v.u, "300s", "1s", "1h", ""),
		BYTES("z", &v.z, "10240000", "", "", ""), LIST("l", &v.l, "", ""),
		CHOICE("c", &v.c, "", " none may encrypt", ""), END_OF_PARAMS
	};
	static const struct param *const tables[] = {table, NULL};
	struct faults   f = {0};
	struct main_cf *cf = cf_of("s = hello\nb = YES\nn=7\nt=2\nu=3m\nz=5k\nl=a, {b c, d}  !e\nc=May", &f);

	ck_assert_int_eq(params_load(cf, tables, &f), 0);
	ck_assert_str_eq(v.s, "hello");
	ck_assert_str_eq(v.d, "7 and more");
	ck_assert(v.b);
	ck_assert_int_eq(v.t, 2 * 86400000LL);     /* the default's unit */
	ck_assert_int_eq(v.u, 180000);
	ck_assert_int_eq(v.z, 5120);
	ck_assert_int_eq(v.l.count, 3);
	ck_assert_str_eq(v.l.item[1], "{b c, d}");
	ck_assert_int_eq(v.c, 2);
	main_cf_free(cf);

	cf = cf_of("b = maybe\nn=101\nt=2y\nl={a\nc=might\nu=$t", &f);
	ck_assert_int_eq(params_load(cf, tables, &f), -1);
	ck_assert_int_eq(f.errors, 6);      /* all together */
	ck_assert_str_eq(f.error[1], "/etc/x/main.cf, line 2: n: more than its maximum 100");
	ck_assert_int_eq(v.n, 20);
	main_cf_free(cf);
	faults_free(&f);
}
END_TEST

UNIT_TEST(overrides)
{
	struct faults        f = {0};
	struct main_cf      *cf = cf_of("x = $y\ny = 1", &f);
	autotext struct text out = {0};

	ck_assert_int_eq(main_cf_override(cf, SPAN("y = 2"), "/etc/x/master.cf", 9, NULL), 0);
	ck_assert_int_eq(main_cf_get(cf, "x", &out, NULL), 0);
	ck_assert_str_eq(text_string(&out), "2");
	ck_assert_int_eq(main_cf_override(cf, SPAN("y"), "m", 9, NULL), -1);
	ck_assert_int_eq(main_cf_get(cf, "zzz", &out, NULL), 1);
	main_cf_free(cf);
}
END_TEST

UNIT_TEST(transports)
{
	struct faults   f = {0};
	struct main_cf *cf = cf_of("default_destination_concurrency_limit = 9\namavis_destination_concurrency_limit=3", &f);
	int             n;

	ck_assert_int_eq(param_transport_number(cf, "amavis", "_destination_concurrency_limit", "default_destination_concurrency_limit", &n, NULL), 0);
	ck_assert_int_eq(n, 3);
	ck_assert_int_eq(param_transport_number(cf, "mine", "_destination_concurrency_limit", "default_destination_concurrency_limit", &n, NULL), 0);
	ck_assert_int_eq(n, 9);
	ck_assert_int_eq(param_transport_number(cf, "local", "_destination_concurrency_limit", "default_destination_concurrency_limit", &n, NULL), 0);
	ck_assert_int_eq(n, 2);     /* Postfix's own default */
	main_cf_free(cf);
}
END_TEST

UNIT_TEST(unused)
{
	struct faults   f = {0};
	struct main_cf *cf = cf_of("mine = permit\nsmtpd_noop_commands = $mine\nbiff = no\nforeign = 1", &f);

	main_cf_check(cf, NULL, NULL, &f);
	ck_assert_int_eq(f.warnings, 3);
	ck_assert_str_eq(f.warning[2], "/etc/x/main.cf: unused parameter: foreign=1");
	main_cf_free(cf);
	faults_free(&f);
}
END_TEST

UNIT_TEST(catalogue)
{
	const struct catalogue_row *row;

	for (size_t i = 1; (row = catalogue_at(i)); i++)
		ck_assert(strcmp(catalogue_at(i - 1)->name, row->name) < 0);
	ck_assert_str_eq(catalogue_find(SPAN("smtpd_forbid_bare_newline"))->fallback, "normalize");
	ck_assert_ptr_null(catalogue_find(SPAN("nobody_knows")));
}
END_TEST

UNIT_TEST(networks)
{
	struct network n;
	struct ip a;
	struct fault   why = {0};

	ck_assert_int_eq(network_parse(SPAN("192.0.2.0/24"), &n, NULL), 0);
	ck_assert_int_eq(ip_parse(SPAN("192.0.2.77"), &a, NULL), 0);
	ck_assert(network_holds(&n, &a));
	ck_assert_int_eq(ip_parse(SPAN("::ffff:192.0.3.1"), &a, NULL), 0);
	ck_assert(!network_holds(&n, &a));
	ck_assert_int_eq(network_parse(SPAN("[2001:db8::]/32"), &n, NULL), 0);
	ck_assert_int_eq(ip_parse(SPAN("2001:db8:1::1"), &a, NULL), 0);
	ck_assert(network_holds(&n, &a));
	ck_assert_int_eq(network_parse(SPAN("[::ffff:127.0.0.0]/104"), &n, NULL), 0);
	ck_assert_int_eq(n.bits, 8);
	ck_assert_int_eq(network_parse(SPAN("192.0.2.1/24"), &n, &why), -1);
	ck_assert_str_eq(why.reason, "non-null host address bits in \"192.0.2.1/24\", perhaps you should use \"192.0.2.0/24\" instead");
	ck_assert_int_eq(network_parse(SPAN("192.0.2.0/33"), &n, NULL), -1);
	ck_assert_int_eq(network_parse(SPAN("example.com"), &n, NULL), -1);
}
END_TEST

UNIT_TEST(site_defaults)
{
	static const struct param *const tables[] = {site_params, NULL};
	struct faults                    f = {0};
	struct main_cf                  *cf = cf_of("myhostname = mail.example.com\ncompatibility_level=3.6", &f);

	ck_assert_msg(params_load(cf, tables, &f) == 0, "%s", f.errors ? f.error[0] : "");
	ck_assert_str_eq(site.mydomain, "example.com");
	ck_assert_str_eq(site.myorigin, "mail.example.com");
	ck_assert_str_eq(site.syslog_name, "postfix");
	ck_assert_str_eq(site.config_directory, "/etc/x");
	ck_assert_int_eq(site.mydestination.count, 3);
	ck_assert_str_eq(site.mydestination.item[1], "localhost.example.com");
	ck_assert(site.mynetworks.count >= 1);
	ck_assert(!site.append_dot_mydomain);
	main_cf_free(cf);
}
END_TEST

UNIT_TEST(master)
{
	struct faults            f = {0};
	const struct master_row *r;
	struct master_cf        *m = master_cf_parse("/etc/x/master.cf", SPAN(
	    "# service type\n"
	    "smtp      inet  n       -       n       -       -       smtpd\n"
	    "[::1]:submission inet n - n - 5 smtpd -v -o a=b\n"
	    "   # comment\n"
	    "   -o { c = d e } -oz=y\n"
	    "qmgr      unix  n       -       y       300?       1       qmgr\n"
	    "dovecot unix - n n - - pipe flags=DRhu user=v:v argv=/x/deliver -o {a b} ${recipient}\n"
	    "postlog unix-dgram n - n - 1 postlogd\n"
	    "bad unix n\n"
	    "bad2 unix n q n - - x\n"
	    "bad3 nuix n n n - - x\n"
	    "bad4 inet n n n - - /bin/x\n"
	    "::1:25 inet n - n - - smtpd\n"
	    "smtp      inet  n       -       n       -       7       smtpd\n"), false, &f);

	ck_assert_int_eq(m->count, 5);
	ck_assert_int_eq(f.errors, 5);
	ck_assert_int_eq(f.warnings, 1);
	ck_assert_str_eq(f.error[1], "/etc/x/master.cf, line 10: field \"unprivileged\": bad value: \"q\" (y, n or -)");
	r = master_cf_find(m, "smtp", MASTER_INET);
	ck_assert_int_eq(r->maxproc, 7);
	r = m->row[1];
	ck_assert_str_eq(r->host, "::1");
	ck_assert_str_eq(r->port, "submission");
	ck_assert_int_eq(r->verbose, 1);
	ck_assert_int_eq(r->options.count, 3);
	ck_assert_str_eq(r->options.item[1], "c=d e");
	ck_assert_int_eq(r->line, 3);
	r = m->row[2];
	ck_assert(r->wakeup == 300 && r->wakeup_if_used && r->chroot && !r->private);
	r = m->row[3];
	ck_assert(r->private && !r->unprivileged);
	ck_assert_int_eq(r->options.count, 0);
	ck_assert_str_eq(r->arguments.item[2], "argv=/x/deliver");
	ck_assert_str_eq(r->arguments.item[4], "a b");
	ck_assert_int_eq(m->row[4]->type, MASTER_UNIX_DGRAM);
	master_cf_free(m);
	faults_free(&f);
}
END_TEST

UNIT_TEST(matching)
{
	static const struct { const char *list; unsigned flags; const char *domain; int hit; } domains[] = {
		{"example.com", 0, "Example.COM", 1}, {"example.com", 0, "a.example.com", 0},
		{"example.com", MATCH_PARENT, "a.example.com", 1}, {"example.com", MATCH_PARENT, "anexample.com", 0},
		{".example.com", 0, "a.example.com", 1}, {".example.com", 0, "example.com", 0},
		{"!a.example.com, .example.com", 0, "a.example.com", 0},
		{"!a.example.com, .example.com", 0, "b.example.com", 1}, {"", 0, "x", 0},
	};
	static const struct { const char *list, *name, *address; int hit; } clients[] = {
		{"127.0.0.0/8 [::1]/128", "", "127.9.9.9", 1}, {"127.0.0.0/8 [::1]/128", "", "::1", 1},
		{"127.0.0.0/8", "", "128.0.0.1", 0}, {"!10.1.0.0/16 10.0.0.0/8", "", "10.1.2.3", 0},
		{"!10.1.0.0/16, 10.0.0.0/8", "", "10.2.2.3", 1}, {".example.com", "a.example.com", "192.0.2.1", 1},
		{"10.0.0.1", "", "10.0.0.1", 1}, {"2001:db8::/32", "", "2001:db8::7", 1},
	};
	struct fault why = {0};

	for (size_t i = 0; i < COUNT(domains); i++) {
		struct list        l = {0};
		struct match_list *m;

		ck_assert_int_eq(list_parse(span_of(domains[i].list), &l, NULL), 0);
		m = match_list_make(&l, domains[i].flags, NULL, &why);
		ck_assert_ptr_nonnull(m);
		ck_assert_msg(match_domain(m, span_of(domains[i].domain), NULL) == domains[i].hit, "%s", domains[i].list);
		match_list_free(m);
		list_free(&l);
	}
	for (size_t i = 0; i < COUNT(clients); i++) {
		struct list        l = {0};
		struct match_list *m;

		ck_assert_int_eq(list_parse(span_of(clients[i].list), &l, NULL), 0);
		m = match_list_make(&l, 0, NULL, &why);
		ck_assert_msg(m != NULL, "%s", why.reason);
		ck_assert_msg(match_address(m, span_of(clients[i].name), span_of(clients[i].address), NULL) == clients[i].hit,
		              "%s %s", clients[i].list, clients[i].address);
		match_list_free(m);
		list_free(&l);
	}
	{
		struct list l = {0};

		list_parse(SPAN("192.0.2.1/24"), &l, NULL);
		ck_assert_ptr_null(match_list_make(&l, 0, NULL, &why));
		list_free(&l);
		list_parse(SPAN("hash:/x"), &l, NULL);
		ck_assert_ptr_null(match_list_make(&l, 0, NULL, &why));
		list_free(&l);
	}
}
END_TEST

UNIT_TEST(editing)
{
	struct edit edits[] = {
		{.key = "a", .action = EDIT_SET, .line = "a = new"},
		{.key = "b", .action = EDIT_REMOVE},
		{.key = "c", .action = EDIT_COMMENT},
		{.key = "z", .action = EDIT_SET, .line = "z = 1"},
	};
	struct edit row = {.key = "smtp/unix", .action = EDIT_SET, .line = "smtp unix x"};
	autotext struct text out = {0}, rows = {0};

	edit_text(SPAN("# top\n\na=1,\n # kept\n  2\nab = 3\nb = 1\n  2\nc = 1\n\t2\na = again\nd=4"), EDIT_MAIN,
	          edits, COUNT(edits), &out);
	ck_assert_str_eq(text_string(&out), "# top\n\na = new\n # kept\nab = 3\n#c = 1\n#\t2\nd=4\nz = 1\n");
	edit_text(SPAN("smtp inet n\n  -o a=b\nsmtp   unix - - -\n  -o c=d\n# end\n"), EDIT_MASTER, &row, 1, &rows);
	ck_assert_str_eq(text_string(&rows), "smtp inet n\n  -o a=b\n# end\nsmtp unix x\n");
}
END_TEST

UNIT_MAIN("config", editing, master, matching, syntax, expansion, typed, overrides, transports, unused, catalogue, networks, site_defaults)
