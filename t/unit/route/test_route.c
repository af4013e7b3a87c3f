/* SPDX-License-Identifier: ISC */
/*
 * test_route.c - from a configuration and an address to transport, next hop and class
 *
 * Rows follow trivial-rewrite(8), transport(5), virtual(5), canonical(5),
 * ADDRESS_CLASS_README and STANDARD_CONFIGURATION_README of Postfix.
 */
#include "t/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "config/site.h"
#include "ipc/ask_rewrite_server.h"
#include "ipc/peer.h"
#include "route/route.h"

static const char base[] =
	"myhostname = mail.example.com\n"
	"mydomain = example.com\n"
	"myorigin = example.com\n"
	"mydestination = mail.example.com, localhost, example.com\n"
	"compatibility_level = 3.6\n"
	"local_recipient_maps = inline:{alice=x, info=x}\n"
	"recipient_delimiter = +\n";

static struct main_cf *cf;

static struct router *
open_router(const char *more)
{
	static const struct param *const tables[] = {site_params, route_params, NULL};
	struct faults        faults = {0};
	autotext struct text all = {0};
	struct fault         why = {0};
	struct router       *r;

	text_add_format(&all, "%s%s\n", base, more);
	cf = main_cf_parse("/nowhere", "main.cf", text_span(&all), &faults);
	params_load(cf, tables, &faults);
	site_settle(cf, &faults);
	ck_assert_msg(faults.errors == 0, "%s: %s", more, faults.errors ? faults.error[0] : "");
	r = router_open(NULL, &why);
	ck_assert_msg(r != NULL, "%s: %s", more, fault_text(&why));
	return r;
}

static void
shut(struct router *r)
{
	router_close(r);
	main_cf_free(cf);
}

UNIT_TEST(rewrites)
{
	static const struct { const char *config; bool local; const char *in, *out; } rows[] = {
		{"", true, "", ""},
		{"", true, "@", ""},
		{"", true, "user", "user@example.com"},
		{"", false, "user", "user"},
		{"remote_header_rewrite_domain=domain.invalid", false, "user", "user@domain.invalid"},
		{"append_at_myorigin=no", true, "user", "user"},
		{"", true, "user@host", "user@host"},
		{"append_dot_mydomain=yes", true, "user@host", "user@host.example.com"},
		{"append_dot_mydomain=yes", true, "user@[10.0.0.1]", "user@[10.0.0.1]"},
		{"append_dot_mydomain=yes", false, "user@host", "user@host"},
		{"", true, "user@host.example.", "user@host.example"},
		{"", true, "user@host..", "user@host.."},
		{"", true, "host!user", "user@host"},
		{"", true, "a!b!user", "b!user@a"},
		{"swap_bangpath=no", true, "host!user", "host!user@example.com"},
		{"", true, "user%host", "user@host"},
		{"", true, "user%a%b", "user%a@b"},
		{"allow_percent_hack=no", true, "user%host", "user%host@example.com"},
		{"", true, "@relay,@other:user@host.example", "user@host.example"},   /* RFC 5321, C */
		{"", true, "two words@host.example", "two words@host.example"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct router          *r = open_router(rows[i].config);
		struct span             out;

		router_rewrite(r, rows[i].local, span_of(rows[i].in), arena, &out);
		ck_assert_msg(span_is(out, rows[i].out), "%s: %.*s", rows[i].in, SPAN_ARGS(out));
		shut(r);
	}
}
END_TEST

#define VMAIL "virtual_mailbox_domains=v.example\nvirtual_mailbox_maps=inline:{a@v.example=x}\n"
#define ALIAS "virtual_alias_domains=al.example\nvirtual_alias_maps=inline:{a@al.example=alice}\n"

UNIT_TEST(resolves)
{
	static const struct {
		const char *config, *sender, *address, *transport, *nexthop, *recipient;
		enum route_class class;
		const char *dsn;
	} rows[] = {
		/* classes */
		{"", "", "alice@example.com", "local", "mail.example.com", "alice@example.com", ROUTE_LOCAL, ""},
		{"", "", "Alice@EXAMPLE.com", "local", "mail.example.com", "Alice@EXAMPLE.com", ROUTE_LOCAL, ""},
		{"", "", "alice", "local", "mail.example.com", "alice@mail.example.com", ROUTE_LOCAL, ""},
		{"", "", "alice@example.com.", "local", "mail.example.com", "alice@example.com", ROUTE_LOCAL, ""},
		{"", "", "", "local", "mail.example.com", "MAILER-DAEMON@mail.example.com", ROUTE_LOCAL, ""},
		{"empty_address_recipient=root", "", "", "local", "mail.example.com", "root@mail.example.com", ROUTE_LOCAL, ""},
		{"", "", "bob@elsewhere.example", "smtp", "elsewhere.example", "bob@elsewhere.example", ROUTE_DEFAULT, ""},
		{"", "", "bob@ELSEWHERE.example", "smtp", "elsewhere.example", "bob@ELSEWHERE.example", ROUTE_DEFAULT, ""},
		{"relay_domains=r.example", "", "bob@r.example", "relay", "r.example", "bob@r.example", ROUTE_RELAY, ""},
		{"relay_domains=r.example", "", "bob@sub.r.example", "relay", "sub.r.example", "bob@sub.r.example", ROUTE_RELAY, ""},
		{"relay_domains=r.example\nparent_domain_matches_subdomains=", "", "bob@sub.r.example", "smtp", "sub.r.example", "bob@sub.r.example", ROUTE_DEFAULT, ""},
		{VMAIL, "", "a@v.example", "virtual", "v.example", "a@v.example", ROUTE_VIRTUAL_MAILBOX, ""},
		{VMAIL "virtual_transport=lmtp:unix:private/dovecot-lmtp", "", "a@v.example", "lmtp", "unix:private/dovecot-lmtp", "a@v.example", ROUTE_VIRTUAL_MAILBOX, ""},
		{ALIAS, "", "nobody@al.example", "error", "User unknown in virtual alias table", "nobody@al.example", ROUTE_VIRTUAL_ALIAS, "5.1.1"},
		{ALIAS "show_user_unknown_table_name=no", "", "nobody@al.example", "error", "User unknown", "nobody@al.example", ROUTE_VIRTUAL_ALIAS, "5.1.1"},
		{"virtual_alias_maps=inline:{{al.example=anything}, {a@al.example=alice}}", "", "nobody@al.example", "error", "User unknown in virtual alias table", "nobody@al.example", ROUTE_VIRTUAL_ALIAS, "5.1.1"},
		/* routes through us */
		{"", "", "bob%elsewhere.example@example.com", "smtp", "elsewhere.example", "bob@elsewhere.example", ROUTE_DEFAULT, ""},
		{"", "", "elsewhere.example!bob@example.com", "smtp", "elsewhere.example", "bob@elsewhere.example", ROUTE_DEFAULT, ""},
		{"allow_percent_hack=no", "", "bob%elsewhere.example@example.com", "local", "mail.example.com", "bob%elsewhere.example@example.com", ROUTE_LOCAL, ""},
		{"", "", "a@elsewhere.example@example.com", "smtp", "elsewhere.example", "a@elsewhere.example", ROUTE_DEFAULT, ""},
		/* bad domains */
		{"", "", "bob@", "error", "Bad recipient address syntax", "bob@", ROUTE_ERROR, "5.1.3"},
		{"", "", "bob@a..b", "error", "Bad recipient address syntax", "bob@a..b", ROUTE_ERROR, "5.1.3"},
		{"", "", "bob@10.1.2.3", "error", "Bad recipient address syntax", "bob@10.1.2.3", ROUTE_ERROR, "5.1.3"},
		{"", "", "-x@e.example", "error", "Bad recipient address syntax", "-x@e.example", ROUTE_ERROR, "5.1.3"},
		{"allow_min_user=yes", "", "-x@e.example", "smtp", "e.example", "-x@e.example", ROUTE_DEFAULT, ""},
		{"resolve_numeric_domain=yes", "", "bob@10.1.2.3", "smtp", "[10.1.2.3]", "bob@[10.1.2.3]", ROUTE_DEFAULT, ""},
		{"", "", "bob@[10.1.2.3]", "smtp", "[10.1.2.3]", "bob@[10.1.2.3]", ROUTE_DEFAULT, ""},
		{"", "", "bob@[127.0.0.1]", "local", "mail.example.com", "bob@[127.0.0.1]", ROUTE_LOCAL, ""},
		{"proxy_interfaces=192.0.2.9", "", "bob@[192.0.2.9]", "local", "mail.example.com", "bob@[192.0.2.9]", ROUTE_LOCAL, ""},
		/* relayhost and its kin */
		{"relayhost=[mx.isp.example]:587", "", "bob@e.example", "smtp", "[mx.isp.example]:587", "bob@e.example", ROUTE_DEFAULT, ""},
		{"relayhost=[mx.isp.example]\nrelay_domains=r.example", "", "bob@r.example", "relay", "[mx.isp.example]", "bob@r.example", ROUTE_RELAY, ""},
		{"relayhost=[mx.isp.example]", "", "alice@example.com", "local", "mail.example.com", "alice@example.com", ROUTE_LOCAL, ""},
		{"relayhost=a\nsender_dependent_relayhost_maps=inline:{{s@x.example=[b]:25}, {@y.example=[c]}, {d@x.example=DUNNO}}", "s@x.example", "bob@e.example", "smtp", "[b]:25", "bob@e.example", ROUTE_DEFAULT, ""},
		{"relayhost=a\nsender_dependent_relayhost_maps=inline:{{s@x.example=[b]:25}, {@y.example=[c]}, {d@x.example=DUNNO}}", "any@y.example", "bob@e.example", "smtp", "[c]", "bob@e.example", ROUTE_DEFAULT, ""},
		{"relayhost=a\nsender_dependent_relayhost_maps=inline:{{s@x.example=[b]:25}, {d@x.example=DUNNO}}", "d@x.example", "bob@e.example", "smtp", "a", "bob@e.example", ROUTE_DEFAULT, ""},
		{"sender_dependent_relayhost_maps=inline:{<>=null.example}", "", "bob@e.example", "smtp", "null.example", "bob@e.example", ROUTE_DEFAULT, ""},
		{"sender_dependent_default_transport_maps=inline:{{@x.example=slow:[z]}}", "s@x.example", "bob@e.example", "slow", "[z]", "bob@e.example", ROUTE_DEFAULT, ""},
		{"sender_dependent_default_transport_maps=inline:{{@x.example=slow}}\nrelayhost=h", "s@x.example", "bob@e.example", "slow", "h", "bob@e.example", ROUTE_DEFAULT, ""},
		{"default_transport=smtp:[gw]\nrelayhost=h", "", "bob@e.example", "smtp", "[gw]", "bob@e.example", ROUTE_DEFAULT, ""},
		{"default_transport=error:5.7.1 outside mail is not allowed", "", "bob@e.example", "error", "outside mail is not allowed", "bob@e.example", ROUTE_DEFAULT, "5.7.1"},
		/* transport(5) */
		{"transport_maps=inline:{{bob@e.example=uucp:h1}, {e.example=slow:h2}, {.e.example=slow:h3}, {*=smtp:rest}}", "", "bob@e.example", "uucp", "h1", "bob@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{bob@e.example=uucp:h1}, {e.example=slow:h2}, {.e.example=slow:h3}, {*=smtp:rest}}", "", "bob+x@e.example", "uucp", "h1", "bob+x@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{bob@e.example=uucp:h1}, {e.example=slow:h2}, {.e.example=slow:h3}, {*=smtp:rest}}", "", "eve@e.example", "slow", "h2", "eve@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{bob@e.example=uucp:h1}, {e.example=slow:h2}, {.e.example=slow:h3}, {*=smtp:rest}}", "", "eve@a.b.e.example", "slow", "h3", "eve@a.b.e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{bob@e.example=uucp:h1}, {e.example=slow:h2}, {.e.example=slow:h3}, {*=smtp:rest}}", "", "eve@other.example", "smtp", "rest", "eve@other.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{e.example=slow:}}", "", "eve@E.example", "slow", "e.example", "eve@E.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{e.example=slow}}\nrelayhost=h", "", "eve@e.example", "slow", "e.example", "eve@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{e.example=:}}\nrelayhost=h", "", "eve@e.example", "smtp", "h", "eve@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{e.example=:[k]:26}}\nrelayhost=h", "", "eve@e.example", "smtp", "[k]:26", "eve@e.example", ROUTE_DEFAULT, ""},
		{"transport_maps=inline:{{example.com=lmtp:unix:/x}}", "", "alice@example.com", "lmtp", "unix:/x", "alice@example.com", ROUTE_LOCAL, ""},
		{"transport_maps=inline:{{e.example=error:mail for *.e.example is not deliverable}}", "", "eve@e.example", "error", "mail for *.e.example is not deliverable", "eve@e.example", ROUTE_DEFAULT, "5.0.0"},
		{"transport_maps=inline:{{e.example=error:}}", "", "eve@e.example", "error", "Address is undeliverable", "eve@e.example", ROUTE_DEFAULT, "5.0.0"},
		{"transport_maps=inline:{{e.example=retry:4.7.0 later}}", "", "eve@e.example", "retry", "later", "eve@e.example", ROUTE_DEFAULT, "4.7.0"},
		{ALIAS "transport_maps=inline:{{al.example=smtp:x}}", "", "no@al.example", "error", "User unknown in virtual alias table", "no@al.example", ROUTE_VIRTUAL_ALIAS, "5.1.1"},
		{"relocated_maps=inline:{{old@example.com=new@else.example}}", "", "old@example.com", "error", "User has moved to new@else.example", "old@example.com", ROUTE_LOCAL, "5.1.6"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct router          *r = open_router(rows[i].config);
		struct route            got;
		struct fault            why = {0};

		ck_assert_msg(router_resolve(r, span_of(rows[i].sender), span_of(rows[i].address), arena, &got, &why) == 0,
		              "%s: %s", rows[i].address, fault_text(&why));
		ck_assert_msg(span_is(got.transport, rows[i].transport) && span_is(got.nexthop, rows[i].nexthop) &&
		              span_is(got.recipient, rows[i].recipient) && got.class == rows[i].class &&
		              strcmp(got.dsn, rows[i].dsn) == 0 && got.is_error == (rows[i].dsn[0] != 0),
		              "row %zu, %s: %.*s / %.*s / %.*s / %d / %s", i, rows[i].address, SPAN_ARGS(got.transport),
		              SPAN_ARGS(got.nexthop), SPAN_ARGS(got.recipient), got.class, got.dsn);
		shut(r);
	}
}
END_TEST

static const char *
expanded(struct router *r, const char *address, struct text *out)
{
	autoarena struct arena *arena = arena_new();
	struct span            *all;
	size_t                  count;
	struct fault            why = {0};

	text_clear(out);
	if (router_expand(r, span_of(address), arena, &all, &count, &why) < 0) {
		text_add_format(out, "!%d %s", why.class, fault_text(&why));
		return text_string(out);
	}
	for (size_t i = 0; i < count; i++)
		text_add_format(out, "%s%.*s", i ? " " : "", SPAN_ARGS(all[i]));
	return text_string(out);
}

UNIT_TEST(expands)
{
	static const struct { const char *config, *address, *out; } rows[] = {
		{"", "alice@example.com", "alice@example.com"},
		{"", "", ""},
		{ALIAS, "a@al.example", "alice@example.com"},
		{ALIAS, "A@AL.example", "alice@example.com"},
		{ALIAS, "a+ext@al.example", "alice+ext@example.com"},
		{ALIAS "propagate_unmatched_extensions=canonical", "a+ext@al.example", "alice@example.com"},
		{"virtual_alias_maps=inline:{{@al.example=@bl.example}}", "joe@al.example", "joe@bl.example"},
		{"virtual_alias_maps=inline:{{a@x.example=b@x.example, c@y.example}, {b@x.example=d, a@x.example}}", "a@x.example",
		 "!"},
		{"virtual_alias_maps=inline:{{a@x.example=a@x.example, c@y.example}}", "a@x.example", "a@x.example c@y.example"},
		{"virtual_alias_maps=inline:{{a@x.example=b@x.example, b@x.example, c@y.example}, {b@x.example=d}}", "a@x.example",
		 "d@example.com d@example.com c@y.example"},
		{"virtual_alias_maps=inline:{{info=i@else.example}}", "info@example.com", "i@else.example"},
		{"virtual_alias_maps=inline:{{info=i@else.example}}", "info@other.example", "info@other.example"},
		{"virtual_alias_maps=inline:{{a@x.example=\"b, c\"@y.example, d@z.example}}", "a@x.example", "b, c@y.example d@z.example"},
		{"canonical_maps=inline:{{old@x.example=new@x.example}}", "old@x.example", "new@x.example"},
		{"recipient_canonical_maps=inline:{{@x.example=@y.example}}\nvirtual_alias_maps=inline:{{j@y.example=k@z.example}}", "j@x.example", "k@z.example"},
		{"canonical_maps=inline:{{old@x.example=new@x.example}}\ncanonical_classes=header_sender", "old@x.example", "old@x.example"},
		{"virtual_alias_maps=fail:broken", "a@x.example", "!1"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text got = {0};
		struct router       *r;

		r = open_router(rows[i].config);
		expanded(r, rows[i].address, &got);
		if (rows[i].out[0] == '!')
			ck_assert_msg(span_starts(text_span(&got), rows[i].out), "%s: %s", rows[i].address, text_string(&got));
		else
			ck_assert_msg(span_is(text_span(&got), rows[i].out), "%s: %s", rows[i].address, text_string(&got));
		shut(r);
	}
}
END_TEST

UNIT_TEST(expansion_is_bounded)
{
	autotext struct text got = {0};
	struct router       *r = open_router("virtual_alias_maps=inline:{{a@x.example=b@x.example, e@x.example}, {b@x.example=a@x.example, f@x.example}}");

	expanded(r, "a@x.example", &got);
	ck_assert_msg(span_starts(text_span(&got), "!3 unreasonable"), "%s", text_string(&got));
	shut(r);
	r = open_router("virtual_alias_recursion_limit=10\nvirtual_alias_maps=inline:{{a@x.example=b@x.example}, {b@x.example=a@x.example}}");
	expanded(r, "a@x.example", &got);
	ck_assert_msg(span_starts(text_span(&got), "!3 unreasonable virtual_alias_maps map nesting"), "%s", text_string(&got));
	shut(r);
}
END_TEST

/* The limit says what is too many, whether or not commas part them: nobody is left out in silence. */
UNIT_TEST(many_without_commas)
{
	static const struct { const char *limit, *between; } rows[] = {
		{"1000", ","}, {"1000", " "}, {"2000", ","}, {"2000", " "}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text got = {0}, config = {0};
		struct router       *r;

		text_add_format(&config, "virtual_alias_expansion_limit=%s\nvirtual_alias_maps=inline:{{a@x.example=u0@y.example", rows[i].limit);
		for (int k = 1; k < 1500; k++)
			text_add_format(&config, "%su%d@y.example", rows[i].between, k);
		text_add_string(&config, "}}");
		r = open_router(text_string(&config));
		expanded(r, "a@x.example", &got);
		if (rows[i].limit[0] == '1')
			ck_assert_msg(span_starts(text_span(&got), "!3 unreasonable"), "%.100s", text_string(&got));
		else
			ck_assert_msg(span_ends(text_span(&got), " u1499@y.example"), "%.100s", text_string(&got));
		shut(r);
	}
}
END_TEST

UNIT_TEST(maps)
{
	static const struct { const char *config; enum route_map_kind kind; const char *in, *out; } rows[] = {
		{"", MAP_SENDER, "", ""},
		{"sender_canonical_maps=inline:{{u@x.example=First.Last@x.example}}", MAP_SENDER, "u@x.example", "First.Last@x.example"},
		{"sender_canonical_maps=inline:{{u@x.example=First.Last@x.example}}", MAP_HEADER_SENDER, "u@x.example", "First.Last@x.example"},
		{"sender_canonical_maps=inline:{{u@x.example=First.Last@x.example}}", MAP_RECIPIENT, "u@x.example", "u@x.example"},
		{"masquerade_domains=example.com", MAP_SENDER, "u@host.example.com", "u@example.com"},
		{"masquerade_domains=example.com", MAP_RECIPIENT, "u@host.example.com", "u@host.example.com"},
		{"masquerade_domains=example.com\nmasquerade_exceptions=root", MAP_SENDER, "root@host.example.com", "root@host.example.com"},
		{"masquerade_domains=foo.example.com example.com", MAP_SENDER, "u@a.foo.example.com", "u@foo.example.com"},
		{"masquerade_domains=!foo.example.com example.com", MAP_SENDER, "u@a.foo.example.com", "u@a.foo.example.com"},
		{"masquerade_domains=example.com", MAP_SENDER, "u@notexample.com", "u@notexample.com"},
		{"canonical_maps=inline:{{a@x.example=b@x.example}, {b@x.example=a@x.example}}", MAP_SENDER, "a@x.example", "a@x.example"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct router          *r = open_router(rows[i].config);
		struct span             out;

		ck_assert(router_map(r, rows[i].kind, span_of(rows[i].in), arena, &out, NULL) == 0);
		ck_assert_msg(span_is(out, rows[i].out), "%s: %.*s", rows[i].in, SPAN_ARGS(out));
		shut(r);
	}
}
END_TEST

UNIT_TEST(knows)
{
	static const struct { const char *config, *address; bool known; const char *table; int code; } rows[] = {
		{"", "alice@example.com", true, "", 550},
		{"", "ALICE@example.com", true, "", 550},
		{"", "alice+ext@example.com", true, "", 550},
		{"", "nobody-here@example.com", false, "local recipient table", 550},
		{"unknown_local_recipient_reject_code=450", "nobody-here@example.com", false, "local recipient table", 450},
		{"local_recipient_maps=", "nobody-here@example.com", true, "", 550},
		{"local_recipient_maps=proxy:unix:passwd.byname", "root@example.com", true, "", 550},
		{"local_recipient_maps=proxy:unix:passwd.byname", "root+x@example.com", true, "", 550},
		{"local_recipient_maps=proxy:unix:passwd.byname", "no-such-user-x@example.com", false, "local recipient table", 550},
		{VMAIL, "a@v.example", true, "", 550},
		{VMAIL, "a+b@v.example", true, "", 550},
		{VMAIL, "b@v.example", false, "virtual mailbox table", 550},
		{ALIAS, "a@al.example", true, "", 550},
		{ALIAS, "b@al.example", false, "virtual alias table", 550},
		{"relay_domains=r.example", "x@r.example", true, "", 550},
		{"relay_domains=r.example\nrelay_recipient_maps=inline:{x@r.example=y}", "x@r.example", true, "", 550},
		{"relay_domains=r.example\nrelay_recipient_maps=inline:{x@r.example=y}", "z@r.example", false, "relay recipient table", 550},
		{"virtual_alias_maps=inline:{{ghost@example.com=x@y.example}}", "ghost@example.com", true, "", 550},
		{"canonical_maps=inline:{{ghost@example.com=x@y.example}}", "ghost@example.com", true, "", 550},
		{"", "anybody@e.example", true, "", 550},
		{"", "double-bounce@example.com", true, "", 550},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct router     *r = open_router(rows[i].config);
		struct route_known known;
		struct fault       why = {0};

		ck_assert_msg(router_known(r, SPAN_NONE, span_of(rows[i].address), &known, &why) == 0, "%s", fault_text(&why));
		ck_assert_msg(known.known == rows[i].known && strcmp(known.table, rows[i].table) == 0 &&
		              (known.known || known.code == rows[i].code),
		              "%s: %d %s %d", rows[i].address, known.known, known.table, known.code);
		shut(r);
	}
}
END_TEST

/* A table that fails is "not now", never an answer. */
UNIT_TEST(failing_tables_are_faults)
{
	static const char *const configs[] = {
		"transport_maps=fail:x", "sender_dependent_relayhost_maps=fail:x", "relay_domains=fail:x",
		"relocated_maps=fail:x", "virtual_mailbox_domains=fail:x",
	};

	for (size_t i = 0; i < COUNT(configs); i++) {
		autoarena struct arena *arena = arena_new();
		struct router          *r = open_router(configs[i]);
		struct route            got;

		ck_assert_msg(router_resolve(r, SPAN("s@x.example"), SPAN("b@e.example"), arena, &got, NULL) < 0, "%s", configs[i]);
		shut(r);
	}
}
END_TEST

/* Both ends of ask_rewrite over a real socket. */

static void fake_rewrite(void *c, bool local, struct span in, struct arena *a, struct span *out) { (void)c; *out = span_of(arena_format(a, "%.*s@%s", SPAN_ARGS(in), local ? "l" : "r")); }
static int fake_map(void *c, struct span kind, struct span in, struct arena *a, struct span *out, struct fault *why) { (void)c; (void)why; *out = span_of(arena_format(a, "%.*s/%.*s", SPAN_ARGS(kind), SPAN_ARGS(in))); return 0; }
static int fake_resolve(void *c, struct span s, struct span in, struct arena *a, struct route *r, struct fault *why)
{
	(void)c; (void)a; (void)why;
	*r = (struct route){.transport = SPAN("error"), .nexthop = s, .recipient = in, .class = ROUTE_RELAY, .is_error = true, .dsn = "5.1.1"};
	return 0;
}
static int fake_expand(void *c, struct span in, struct arena *a, struct span **out, size_t *n, struct fault *why)
{
	(void)c;
	if (span_is(in, "loop"))
		return fault_set(why, FAULT_INPUT, "unreasonable");
	if (span_is(in, "down"))
		return fault_set(why, FAULT_SYSTEM, "table is away");
	*n = 1000;
	*out = arena_alloc(a, *n * sizeof **out);
	for (size_t i = 0; i < *n; i++)
		(*out)[i] = span_of(arena_format(a, "%0900zu@x", i));
	return 0;
}
static int fake_known(void *c, struct span s, struct span in, struct route_known *k, struct fault *why) { (void)c; (void)s; (void)why; *k = (struct route_known){.known = span_is(in, "y"), .table = "t t", .dsn = "5.1.1", .code = 450}; return 0; }

static int listening;
static void
answer_one(void *unused)
{
	const struct rewrite_server server = {NULL, fake_rewrite, fake_map, fake_resolve, fake_resolve, fake_expand, fake_known};
	int                         fd = accept(listening, NULL, NULL);

	(void)unused;
	rewrite_serve(fd, &server);
	close(fd);
}

UNIT_TEST(conversation)
{
	char               dir[] = "/tmp/route-XXXXXX", path[64];
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct fault       why = {0};
	autoarena struct arena *arena = arena_new();
	struct span       *in = arena_alloc(arena, 1000 * sizeof *in), *out = arena_alloc(arena, 1000 * sizeof *out), *all;
	struct route      *routes = arena_alloc(arena, 1000 * sizeof *routes);
	struct route_known known;
	size_t             count;

	ck_assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/rewrite", dir);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ck_assert(bind(listening, (struct sockaddr *)&at, sizeof at) == 0 && listen(listening, 5) == 0);
	ck_assert(task_start(answer_one, NULL, &why) == 0);
	peer_directory(dir);
	for (size_t i = 0; i < 1000; i++)
		in[i] = span_of(arena_format(arena, "user%zu", i));
	ck_assert_msg(ask_rewrite("local", in, 1000, arena, out, &why) == 0, "%s", fault_text(&why));
	ck_assert(span_is(out[999], "user999@l") && span_is(out[0], "user0@l"));
	ck_assert(ask_map("sender", in, 3, arena, out, &why) == 0 && span_is(out[2], "sender/user2"));
	ck_assert(ask_resolve(SPAN("s"), in, 1000, arena, routes, &why) == 0);
	ck_assert(span_is(routes[500].recipient, "user500") && routes[500].class == ROUTE_RELAY &&
	          routes[500].is_error && strcmp(routes[500].dsn, "5.1.1") == 0 && span_is(routes[1].nexthop, "s"));
	ck_assert_msg(ask_expand(SPAN("x"), arena, &all, &count, &why) == 0, "%s", fault_text(&why));
	ck_assert(count == 1000 && all[999].len == 902 && all[999].at[899] == '9');
	ck_assert(ask_expand(SPAN("loop"), arena, &all, &count, &why) < 0 && why.class == FAULT_INPUT);
	ck_assert(ask_expand(SPAN("down"), arena, &all, &count, &why) < 0 && why.class == FAULT_SYSTEM);
	ck_assert(ask_known(SPAN_NONE, SPAN("y"), &known, &why) == 0 && known.known && known.code == 450);
	ck_assert_str_eq(known.table, "t t");
	unlink(path);
	rmdir(dir);
}
END_TEST

UNIT_MAIN("route", rewrites, resolves, expands, expansion_is_bounded, many_without_commas, maps, knows, failing_tables_are_faults, conversation)
