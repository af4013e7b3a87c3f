/* SPDX-License-Identifier: ISC */
/*
 * test_sieve.c - scripts of RFC 5228 and its extensions: what is refused, and what is done with a message
 */
#include "../unit.h"

#include "show.h"
#include "sieve/settings.h"

static const char message[] =
	"Return-Path: <sender@example.org>\n"
	"Received: from a by b; Fri, 20 Nov 2026 09:00:00 +0000\n"
	"Received: from c by d; Thu, 19 Nov 2026 08:30:00 +0100\n"
	"Delivered-To: user+detail@example.com\n"
	"From: Tim Ber <tim+lists@Example.NET>, second@example.org\n"
	"To: \"User, The\" <user@example.com>\n"
	"Cc: a@one.example, b@two.example\n"
	"Subject: =?utf-8?q?L=C3=B6sung?= of the\n  problem\n"
	"Date: Fri, 20 Nov 2026 13:26:05 +0100\n"
	"Message-ID: <one@example.net>\n"
	"X-Score: 0012 points\n"
	"X-Empty:\n"
	"MIME-Version: 1.0\n"
	"Content-Type: multipart/mixed; boundary=b\n"
	"\n"
	"preamble word\n"
	"--b\n"
	"Content-Type: text/plain; charset=iso-8859-1\n"
	"Content-Transfer-Encoding: quoted-printable\n"
	"\n"
	"Gr=FCsse from here\n"
	"--b\n"
	"Content-Type: text/html\n"
	"Content-Transfer-Encoding: base64\n"
	"\n"
	"PGI+SGVsbG88L2I+Cg==\n"
	"--b--\n";

static bool
exists(void *unused, struct span name)
{
	(void)unused;
	return span_is(name, "INBOX") || span_is(name, "There");
}

static bool
known(void *unused, struct span key)
{
	(void)unused;
	return span_find_text(key, SPAN("<two@example.net>")) >= 0;
}

static bool
use_exists(void *unused, const struct span *mailbox, struct span use)
{
	(void)unused;
	return span_is_nocase(use, "\\Junk") && (!mailbox || span_is(*mailbox, "There"));
}

static bool
id_exists(void *unused, struct span id)
{
	(void)unused;
	return span_is(id, "0123");
}

static bool
metadata(void *unused, const struct span *mailbox, struct span entry, struct span *value)
{
	(void)unused;
	*value = SPAN("a value");
	return mailbox ? span_is(*mailbox, "There") && span_is(entry, "/private/comment") : span_is(entry, "/shared/admin");
}

static int
load(void *unused, bool global, struct span name, struct text *out, struct fault *why)
{
	static const struct { bool global; const char *name, *text; } scripts[] = {
		{false, "file", "require \"fileinto\"; fileinto \"Included\";"},
		{false, "return", "require [\"include\", \"fileinto\"]; if true { return; } fileinto \"Never\";"},
		{false, "stop", "stop;"},
		{false, "loop", "require \"include\"; include \"loop\";"},
		{false, "set", "require [\"include\", \"variables\"]; global \"g\"; set \"g\" \"from inside\"; set \"own\" \"x\";"},
		{true, "file", "discard;"},
		{true, "own", "require \"include\"; include :personal \"file\";"},
		{false, "all", "require \"include\"; include :global \"file\";"},
		{true, "files", "require [\"include\", \"fileinto\"]; include :global \"filed\"; include :personal \"filed\";"},
		{true, "filed", "require \"fileinto\"; fileinto \"Global\";"},
		{false, "filed", "require \"fileinto\"; fileinto \"Personal\";"},
		{false, "asks", "require [\"ihave\", \"fileinto\"];"},
		{false, "ihave", "require \"ihave\"; if ihave \"fileinto\" { fileinto \"x\"; }"},
		{false, "bad", "nonsense;"},
	};

	(void)unused;
	(void)why;
	for (size_t i = 0; i < COUNT(scripts); i++)
		if (scripts[i].global == global && span_is(name, scripts[i].name)) {
			text_set(out, span_of(scripts[i].text));
			return 0;
		}
	return 1;
}

static const struct sieve_loader loader = {NULL, load};

static const struct sieve_host host = {
	.message = {message, sizeof message - 1}, .sender = {"sender@example.org", 18}, .recipient = {"user+detail@example.com", 23},
	.original = {"", 0}, .auth = {"", 0}, .delimiters = {"+", 1}, .host_name = "mail.example.com", .domain = "example.com",
	.now = 1795180000, .mailbox_exists = exists, .is_known = known,
	.special_use_exists = use_exists, .mailbox_id_exists = id_exists, .metadata = metadata, .user = {"tester", 6},
};

static void
check_with(const struct sieve_host *at, const char *section, const char *text, const char *want)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    got = {0};
	struct sieve_script    *script;
	struct sieve_result     result;
	struct fault            why = {0};

	if (sieve_compile(arena, span_of(text), "test", &loader, NULL, &script, &why) < 0) {
		text_add_format(&got, "bad: %s", fault_text(&why));
	} else {
		sieve_run(arena, (const struct sieve_script *const[]){script}, 1, NULL, at, &result);
		show_actions(&result, &got);
	}
	/* of what is bad a row says only that, or how the reason begins */
	ck_assert_msg(strcmp(text_string(&got), want) == 0 || (want[0] == 'b' && strncmp(text_string(&got), want, strlen(want)) == 0),
		"%s: %.300s\n  gives %.300s\n  wants %s", section, text, text_string(&got), want);
}

static void
check(const char *section, const char *text, const char *want)
{
	check_with(&host, section, text, want);
}

#define EXT "require [\"fileinto\",\"envelope\",\"variables\",\"relational\",\"comparator-i;ascii-numeric\",\"imap4flags\",\"copy\"," \
	"\"subaddress\",\"body\",\"date\",\"index\",\"regex\",\"mailbox\",\"environment\",\"duplicate\",\"include\"," \
	"\"editheader\",\"mime\",\"foreverypart\",\"extracttext\"," \
	"\"enotify\",\"spamtestplus\",\"virustest\",\"mboxmetadata\",\"servermetadata\",\"special-use\",\"mailboxid\",\"fcc\"," \
	"\"vacation\",\"vnd.dovecot.debug\",\"vnd.dovecot.environment\"];"
/* "fileinto" when the test is true */
#define ASK(test) EXT " if " test " { fileinto \"T\"; }"
#define YES "fileinto \"T\""
#define NO "keep"

UNIT_TEST(grammar)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"2.10.2", "", "keep"},
		{"2.10.2", "# only a comment", "keep"},
		{"2.3", "/* a\n comment */ keep; # another\r\n", "keep"},
		{"2.3", "/* not closed", "bad: line 1: comment is not closed"},
		{"3.3", "stop; discard;", "keep"},
		{"4.4", "discard;", "discard"},
		{"4.4", "discard; keep;", "keep"},
		{"4.2", "redirect \"a@example.org\";", "redirect \"a@example.org\""},
		{"4.2", "redirect \"not an address\";", "bad: line 1: "},
		{"4.2", "redirect \"a@example.org\"; keep;", "redirect \"a@example.org\"; keep"},
		{"4.1", "fileinto \"x\";", "bad: line 1: command \"fileinto\" is used without require"},
		{"4.1", "require \"fileinto\"; fileinto \"x\"; fileinto \"x\";", "fileinto \"x\""},
		{"4.1", "require \"fileinto\"; fileinto;", "bad: line 1: fileinto takes 1 positional argument, not 0"},
		{"4.1", "require \"fileinto\"; fileinto [\"a\", \"b\"];", "bad: line 1: argument 1 of fileinto must be a string"},
		{"2.10.5", "require \"nonsense\";", "bad: line 1: unknown Sieve capability `nonsense'"},
		{"3.2", "keep; require \"fileinto\";", "bad: line 1: require stands behind"},
		{"3.2", "if true { require \"fileinto\"; }", "bad: line 1: require stands"},
		{"8.2", "keep", "bad: line 1: \";\" or a block is expected"},
		{"8.2", "keep;\nif true { keep; ", "bad: line 2: a block is not closed"},
		{"8.2", "}", "bad: line 1: \"}\" without a block"},
		{"8.2", "unknown;", "bad: line 1: unknown command \"unknown\""},
		{"8.2", "if unknown { }", "bad: line 1: unknown test \"unknown\""},
		{"8.2", "if header :is [] \"x\" { }", "bad: "},
		{"8.2", "if not { }", "bad: line 1: not takes one test"},
		{"8.2", "if allof true { }", "bad: line 1: allof takes a list of tests"},
		{"8.2", "if anyof (false, true) { discard; }", "discard"},
		{"8.2", "if not not true { discard; }", "discard"},
		{"3.1", "if false { } elsif true { discard; } else { redirect \"a@b.example\"; }", "discard"},
		{"3.1", "if false { } elsif false { discard; } else { redirect \"a@b.example\"; }", "redirect \"a@b.example\""},
		{"3.1", "else { }", "bad: line 1: else without if"},
		{"3.1", "if true { } keep; elsif true { }", "bad: line 1: elsif without if"},
		{"2.4.2", "require \"fileinto\"; fileinto \"a\\\"b\\\\c\\d\";", "fileinto \"a\"b\\cd\""},
		{"2.4.2", "require \"reject\"; reject text:\n..one\ntwo\n.\n;", "reject \".one\r\ntwo\r\n\""},
		{"2.4.2", "require \"reject\"; reject text: # comment\r\nx\r\n.\r\n;", "reject \"x\r\n\""},
		{"2.4.2", "require \"reject\"; reject text:\nnot closed", "bad: "},
		{"2.4.2.4", "require [\"fileinto\", \"encoded-character\"]; fileinto \"${hex:41 42}${unicode:f6}${hex:zz}\";",
			"fileinto \"AB\303\266${hex:zz}\""},
		{"2.4.2.4", "require [\"fileinto\", \"encoded-character\"]; fileinto \"${unicode:110000}\";", "bad: "},
		{"2.4.1", "if size :over 1K { }", "keep"},
		{"2.4.1", "if size :over 99999999999999999999 { }", "bad: line 1: number is too large"},
		{"5.9", "if size { }", "bad: line 1: size needs :over or :under"},
		{"5.9", "if size :over 1 :under 2 { }", "bad: "},
		{"2.6.2", "if header \"a\" :is \"b\" { }", "bad: "},
		{"2.7.1", "if header :is :contains \"a\" \"b\" { }", "bad: line 1: \":contains\" conflicts"},
		{"2.7.3", "if header :comparator \"i;unknown\" \"a\" \"b\" { }", "bad: line 1: unknown comparator"},
		{"5.7", "if header \"a:b\" \"x\" { }", "bad: "},
		{"5429 2.4", "require [\"reject\", \"fileinto\"]; fileinto \"x\"; reject \"no\";", "keep; error: line 1: reject conflicts with another action"},
		{"5429", "require \"ereject\"; ereject \"no\";", "reject \"no\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

UNIT_TEST(questions)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"5.7", ASK("header :is \"subject\" \"l\303\266sung of the problem\""), NO},
		{"5.7 2047", ASK("header :is \"subject\" \"L\303\266sung of the  problem\""), YES},
		{"5.7", ASK("header :contains \"SUBJECT\" \"PROBLEM\""), YES},
		{"5.7", ASK("header :contains :comparator \"i;octet\" \"subject\" \"PROBLEM\""), NO},
		{"5.7", ASK("header :matches \"subject\" \"*of?the*\""), YES},
		{"5.7", ASK("header :matches \"subject\" \"L?sung*\""), YES},
		{"5.7", ASK("header :is \"x-empty\" \"\""), YES},
		{"5.7", ASK("header :contains \"x-empty\" \"\""), YES},
		{"5.7", ASK("header :contains \"x-none\" \"\""), NO},
		{"5.5", ASK("exists [\"from\", \"date\"]"), YES},
		{"5.5", ASK("exists [\"from\", \"x-none\"]"), NO},
		{"5.1", ASK("address :is \"from\" \"tim+lists@example.net\""), YES},
		{"5.1", ASK("address :domain :is \"from\" \"example.org\""), YES},
		{"5.1", ASK("address :localpart :is \"to\" \"user\""), YES},
		{"5233", ASK("address :user :is \"from\" \"tim\""), YES},
		{"5233", ASK("address :detail :is \"from\" \"lists\""), YES},
		{"5233", ASK("address :detail :is \"to\" \"\""), NO},
		{"5233", ASK("envelope :detail :is \"to\" \"detail\""), YES},
		{"5.4", ASK("envelope :is \"from\" \"sender@example.org\""), YES},
		{"5.4", ASK("envelope :is \"nonsense\" \"x\""), "bad: line 1: unknown envelope part"},
		{"5.9", ASK("size :over 100"), YES},
		{"5.9", ASK("size :under 100"), NO},
		{"5231", ASK("header :value \"gt\" :comparator \"i;ascii-numeric\" \"x-score\" \"11\""), YES},
		{"5231", ASK("header :value \"lt\" :comparator \"i;ascii-numeric\" \"x-score\" \"011\""), NO},
		{"5231", ASK("header :is :comparator \"i;ascii-numeric\" \"x-score\" \"12\""), YES},
		{"5231", ASK("header :count \"eq\" :comparator \"i;ascii-numeric\" [\"received\"] \"2\""), YES},
		{"5231", ASK("address :count \"ge\" :comparator \"i;ascii-numeric\" [\"to\", \"cc\"] \"3\""), YES},
		{"5231", ASK("header :count \"xx\" \"to\" \"3\""), "bad: line 1: unknown relation"},
		{"4790 9.1", ASK("header :value \"gt\" :comparator \"i;ascii-numeric\" \"subject\" \"999999999999999999999999\""), YES},
		{"5173", ASK("body :contains \"gr\303\234sse\""), NO},     /* only ASCII is folded */
		{"5173", ASK("body :contains \"gr\303\274SSE\""), YES},
		{"5173", ASK("body :contains \"Gr\303\274sse\""), YES},
		{"5173", ASK("body :text :contains \"Hello\""), YES},
		{"5173", ASK("body :raw :contains \"PGI+\""), YES},
		{"5173", ASK("body :raw :contains \"Message-ID\""), NO},
		{"5173", ASK("body :content \"text/html\" :contains \"hello\""), YES},
		{"5173", ASK("body :content \"image\" :contains \"\""), NO},
		{"5173", ASK("body :content \"multipart\" :contains \"preamble\""), YES},
		{"5260", ASK("date :is \"date\" \"year\" \"2026\""), YES},
		{"5260", ASK("date :originalzone :is \"date\" \"hour\" \"13\""), YES},
		{"5260", ASK("date :zone \"+0000\" :is \"date\" \"time\" \"12:26:05\""), YES},
		{"5260", ASK("date :originalzone :is \"date\" \"iso8601\" \"2026-11-20T13:26:05+01:00\""), YES},
		{"5260", ASK("date :zone \"+0000\" :is \"date\" \"weekday\" \"5\""), YES},
		{"5260", ASK("date :zone \"+0000\" :is \"date\" \"julian\" \"61364\""), YES},
		{"5260", ASK("date :zone \"+0000\" :is \"received\" \"date\" \"2026-11-20\""), YES},
		{"5260 6", ASK("date :index 1 :last :zone \"+0000\" :is \"received\" \"date\" \"2026-11-19\""), YES},
		{"5260 6", ASK("header :index 2 :contains \"received\" \"from c\""), YES},
		{"5260 6", ASK("header :index 1 :contains \"received\" \"from c\""), NO},
		{"5260 6", ASK("header :index 1 :last :contains \"received\" \"from c\""), YES},
		{"5260 5", ASK("currentdate :zone \"+0000\" :is \"date\" \"2026-11-20\""), YES},
		{"5260 5", ASK("currentdate :value \"ge\" \"date\" \"2027-01-01\""), NO},
		{"regex", ASK("header :regex \"subject\" \"^l.*(of|at) the +problem$\""), YES},
		{"regex", ASK("header :regex \"subject\" \"(\""), "bad: line 1: invalid regular expression"},
		{"5490", ASK("mailboxexists \"There\""), YES},
		{"5490", ASK("mailboxexists [\"There\", \"Nowhere\"]"), NO},
		{"5183", ASK("environment :is \"location\" \"MDA\""), YES},
		{"5183", ASK("environment :contains \"vnd.unknown\" \"\""), NO},
		{"7352", ASK("duplicate"), NO},
		{"7352", ASK("duplicate :uniqueid \"<two@example.net>\""), YES},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

#define VAR "require [\"variables\", \"fileinto\", \"regex\"]; "
#define FLG "require [\"imap4flags\", \"fileinto\", \"variables\", \"relational\", \"comparator-i;ascii-numeric\"]; "
#define INC "require [\"include\", \"fileinto\", \"variables\"]; "

UNIT_TEST(words)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"5229 4", VAR "set \"a\" \"x\"; set \"B\" \"${A}y\"; fileinto \"${b}\";", "fileinto \"xy\""},
		{"5229 3", VAR "fileinto \"a${unknown}b\";", "fileinto \"ab\""},
		{"5229 3", VAR "fileinto \"${not a name}\";", "fileinto \"${not a name}\""},
		{"5229 3", "require \"fileinto\"; fileinto \"${a}\";", "fileinto \"${a}\""},
		{"5229 4", VAR "set \"1a\" \"x\";", "bad: line 1: \"1a\" is not the name of a variable"},
		{"5229 4.1", VAR "set :lower :upperfirst \"a\" \"jUMBLED\"; fileinto \"${a}\";", "fileinto \"Jumbled\""},
		{"5229 4.1", VAR "set :quotewildcard \"a\" \"Rock*\"; fileinto \"${a}\";", "fileinto \"Rock\\*\""},
		{"5229 4.1", VAR "set :length \"a\" \"l\303\266s\"; fileinto \"${a}\";", "fileinto \"3\""},
		{"5229 4.1", VAR "set :lower :upper \"a\" \"x\";", "bad: line 1: \":upper\" conflicts"},
		{"5229 3.2", VAR "if header :matches \"x-score\" \"*1? p*s\" { fileinto \"${1}|${2}|${3}|${0}\"; }",
			"fileinto \"00|2|oint|0012 points\""},
		{"5229 3.2", VAR "if string :matches \"aXbXc\" \"*X*\" { fileinto \"${1}|${2}\"; }", "fileinto \"a|bXc\""},
		{"5229 3.2", VAR "if string :matches \"a*b\" \"a\\\\*b\" { fileinto \"yes\"; }", "fileinto \"yes\""},
		{"regex", VAR "if string :regex \"key=value\" \"([a-z]+)=([a-z]+)\" { fileinto \"${2}.${1}\"; }", "fileinto \"value.key\""},
		{"5229 5", VAR "if string :is \"\" \"\" { fileinto \"yes\"; }", "fileinto \"yes\""},
		{"5232 3", FLG "addflag \"\\\\Seen\"; keep;", "keep (\\Seen)"},
		{"5232 2", FLG "addflag [\"\\\\Seen\", \"$Label1 \\\\seen\"];", "keep (\\Seen $Label1)"},
		{"5232 3", FLG "setflag \"a b\"; removeflag \"A\"; fileinto \"x\";", "fileinto \"x\" (b)"},
		{"5232 5", FLG "fileinto :flags [\"\\\\Flagged\", \"b\"] \"x\";", "fileinto \"x\" (\\Flagged b)"},
		{"5232 3", FLG "addflag \"mine\" \"x y\"; fileinto :flags \"${mine}\" \"z\";", "fileinto \"z\" (x y)"},
		{"5232 4", FLG "addflag \"a b\"; if hasflag :count \"ge\" :comparator \"i;ascii-numeric\" \"2\" { discard; }", "discard"},
		{"5232 4", FLG "addflag \"MyFlag\"; if hasflag :contains \"flag\" { discard; }", "discard"},
		{"5232 2", FLG "addflag \"\\\\Recent (x\"; keep;", "keep"},
		{"6609", INC "include \"file\";", "fileinto \"Included\""},
		{"6609", INC "include :global \"file\";", "discard"},
		{"6609", INC "include \"file\"; include :once \"file\"; keep;", "fileinto \"Included\"; keep"},
		{"6609", INC "include \"return\"; fileinto \"After\";", "fileinto \"After\""},
		{"6609", INC "include \"stop\"; fileinto \"After\";", "keep"},
		{"6609", INC "include \"loop\";", "bad: loop: line 1: script \"loop\" includes itself"},
		{"6609", INC "include \"none\";", "bad: line 1: included script \"none\" is not there"},
		{"6609", INC "include :optional \"none\"; discard;", "discard"},
		{"6609", INC "include \"bad\";", "bad: bad: line 1: unknown command"},
		{"6609", INC "include \"../etc/passwd\";", "bad: line 1: \"../etc/passwd\" is not the name of a script"},
		{"6609 3.4", INC "global \"g\"; include \"set\"; fileinto \"${g}${own}\";", "fileinto \"from inside\""},
		{"6609 3.4", INC "include \"set\"; fileinto \"${global.g}\";", "fileinto \"from inside\""},
		{"3894", "require [\"copy\", \"fileinto\"]; fileinto :copy \"x\";", "fileinto \"x\"; keep"},
		{"3894", "require \"copy\"; redirect :copy \"a@example.org\";", "redirect \"a@example.org\"; keep"},
		{"5490", "require [\"mailbox\", \"fileinto\"]; fileinto :create \"x\";", "fileinto \"x\" create"},
		{"5230", "require \"vacation\"; vacation \"away\";", "vacation \"away\" 604800; keep"},
		{"5230", "require \"vacation\"; vacation :days 0 \"away\";", "vacation \"away\" 86400; keep"},
		{"5230", "require \"vacation\"; vacation :seconds 10 \"away\";", "bad: line 1: tag \":seconds\" is used without require"},
		{"6131", "require \"vacation-seconds\"; vacation :seconds 172800 \"away\";", "vacation \"away\" 172800; keep"},
		{"5230 4.7", "require \"vacation\"; vacation \"a\"; vacation \"b\";", "keep; error: line 1: vacation can be used once"},
		{"5463", "require \"ihave\"; if ihave \"nonsense\" { nonsense :foo \"x\"; } else { discard; }", "discard"},
		{"5463", "require \"ihave\"; if ihave \"fileinto\" { fileinto \"x\"; }", "fileinto \"x\""},
		{"5463", "require \"ihave\"; nonsense;", "keep; error: line 1: unknown command \"nonsense\""},
		{"5463 5", "require \"ihave\"; error \"no good\";", "keep; error: line 1: no good"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

/* What a user could do to us. */
UNIT_TEST(bounds)
{
	autotext struct text script = {0}, big = {0};

	for (int i = 0; i < 40; i++)
		text_add_string(&script, "if true { ");
	check("nesting", text_string(&script), "bad: line 1: nested too deeply");
	text_clear(&script);
	text_add_string(&script, "if ");
	for (int i = 0; i < 1000; i++)
		text_add_string(&script, "not ");
	check("nesting", text_string(&script), "bad: line 1: nested too deeply");
	text_clear(&script);
	for (int i = 0; i < 30000; i++)
		text_add_string(&script, "keep;");
	check("commands", text_string(&script), "bad: line 1: too many commands and tests");
	text_clear(&script);
	text_add_string(&script, "require \"fileinto\";");
	for (int i = 0; i < 40; i++)
		text_add_format(&script, "fileinto \"f%d\";", i);
	check("actions", text_string(&script), "keep; error: line 1: total number of actions exceeds policy limit(32)");
	text_clear(&script);
	for (int i = 0; i < 5; i++)
		text_add_format(&script, "redirect \"f%d@example.org\";", i);
	check("redirects", text_string(&script), "keep; error: line 1: number of redirect actions exceeds policy limit(4)");
	/* doubling a value: cut at 4,000 bytes, and it ends */
	text_clear(&script);
	text_add_string(&script, VAR "set \"a\" \"xxxxxxxxxx\";");
	for (int i = 0; i < 40; i++)
		text_add_string(&script, "set \"a\" \"${a}${a}${a}${a}${a}${a}${a}${a}\";");
	text_add_string(&script, "set :length \"l\" \"${a}\"; fileinto \"${l}\";");
	check("values", text_string(&script), "fileinto \"4000\"");
	/* wildcards cannot explode; a regular expression is stopped */
	for (int i = 0; i < 4000; i++)
		text_add_byte(&big, 'a');
	text_clear(&script);
	text_add_format(&script, VAR "if string :matches \"%s\" \"*a*a*a*a*a*a*a*a*a*a*a*b\" { discard; }", text_string(&big));
	check("wildcards", text_string(&script), "keep");
	text_clear(&script);
	text_add_format(&script, VAR "if string :regex \"%s!\" \"^(a+)+$\" { discard; }", text_string(&big));
	check("regex", text_string(&script), "keep; error: line 1: regular expression is too costly");
}
END_TEST

/* Several scripts: the next one runs while the message would be kept. */
UNIT_TEST(sequence)
{
	static const struct { const char *first, *second, *want; } rows[] = {
		{"", "discard;", "discard"},
		{"keep;", "discard;", "discard"},
		{"discard;", "keep;", "discard"},
		{"require \"fileinto\"; fileinto \"Spam\";", "redirect \"a@example.org\";", "fileinto \"Spam\""},
		{"require [\"fileinto\",\"copy\"]; fileinto :copy \"Log\";", "discard;", "fileinto \"Log\""},
		{"require \"imap4flags\"; addflag \"x\";", "keep;", "keep (x)"},
		{"stop;", "discard;", "discard"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autotext struct text    got = {0};
		struct sieve_script    *scripts[2];
		struct sieve_result     result;
		struct fault            why = {0};

		ck_assert(sieve_compile(arena, span_of(rows[i].first), "1", NULL, NULL, &scripts[0], &why) == 0);
		ck_assert(sieve_compile(arena, span_of(rows[i].second), "2", NULL, NULL, &scripts[1], &why) == 0);
		sieve_run(arena, (const struct sieve_script *const *)scripts, 2, NULL, &host, &result);
		show_actions(&result, &got);
		ck_assert_msg(strcmp(text_string(&got), rows[i].want) == 0, "%zu: %s", i, text_string(&got));
	}
}
END_TEST

UNIT_TEST(vacation)
{
	static const struct { const char *sender, *head, *why; } rows[] = {
		{"a@example.org", "To: user@example.com\n", NULL},
		{"", "To: user@example.com\n", "null sender"},
		{"MAILER-DAEMON@example.org", "To: user@example.com\n", "sender is a robot"},
		{"owner-list@example.org", "To: user@example.com\n", "sender is a robot"},
		{"user@example.com", "To: user@example.com\n", "sender is the recipient"},
		{"a@example.org", "To: user@example.com\nList-Id: <x>\n", "mailing list"},
		{"a@example.org", "To: user@example.com\nAuto-Submitted: auto-replied\n", "auto-submitted"},
		{"a@example.org", "To: user@example.com\nAuto-Submitted: no\n", NULL},
		{"a@example.org", "To: user@example.com\nPrecedence: bulk\n", "precedence"},
		{"a@example.org", "To: everybody@example.com\n", "recipient is not named in the header"},
		{"a@example.org", "Cc: X <also@example.com>\n", NULL},
	};
	const struct sieve_vacation v = {.subject = SPAN_NONE, .from = SPAN_NONE, .handle = SPAN_NONE, .reason = SPAN("Away.\n.\nBye"),
		.addresses = (struct span[]){SPAN("also@example.com")}, .n_addresses = 1};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0}, key = {0}, head = {0};
		struct sieve_host    h = host;
		const char          *why;
		bool                 got;

		text_add_format(&head, "%sSubject: hi\nMessage-ID: <m@x>\nReferences: <l@x>\n\nbody\n", rows[i].head);
		h.message = text_span(&head);
		h.sender = span_of(rows[i].sender);
		h.recipient = SPAN("user@example.com");
		got = sieve_vacation_answer(&h, &v, &out, &key, &why);
		ck_assert_msg(got == !rows[i].why && (got || strcmp(why, rows[i].why) == 0), "row %zu: %s", i, why);
		if (!got)
			continue;
		ck_assert(strstr(out.at, "To: <a@example.org>\r\n") && strstr(out.at, "From: user@example.com\r\n"));
		ck_assert(strstr(out.at, "Subject: Auto: hi\r\n") && strstr(out.at, "Auto-Submitted: auto-replied (vacation)\r\n"));
		ck_assert(strstr(out.at, "In-Reply-To: <m@x>\r\n") && strstr(out.at, "References: <l@x> <m@x>\r\n"));
		ck_assert(strstr(out.at, "\r\n\r\nAway.\r\n.\r\nBye\r\n"));
	}
}
END_TEST

/* RFC 5293: the header as the next test, and the mailbox, see it. */
UNIT_TEST(edits)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"4", EXT "addheader \"X-New\" \"a\";", "keep [X-New: a] [X-Score: 0012 points] [X-Empty:]"},
		{"4", EXT "addheader :last \"X-New\" \"a\";", "keep [X-Score: 0012 points] [X-Empty:] [X-New: a]"},
		{"4", EXT "addheader \"X-New\" \"\";", "keep [X-New: ] [X-Score: 0012 points] [X-Empty:]"},
		{"4", EXT "addheader \"X-A\" \"a\n  b\r\n\r\nX-B: c\";", "keep [X-A: a b X-B: c] [X-Score: 0012 points] [X-Empty:]"},
		{"4", EXT "addheader \"X-A\" \"L\303\266we\";", "keep [X-A: =?utf-8?B?TMO2d2U=?=] [X-Score: 0012 points] [X-Empty:]"},
		{"4", EXT "addheader \"X A\" \"a\";", "bad: line 1: addheader command: specified field name `X A' is invalid"},
		{"4", EXT "addheader \"X:\" \"a\";", "bad: "},
		{"4", EXT "set \"n\" \"a b\"; addheader \"${n}\" \"a\";", "keep; error: line 1: addheader action: specified field name `a b' is invalid"},
		{"4", EXT "addheader \"X-A\";", "bad: "},
		{"5", EXT "deleteheader \"x-score\";", "keep [X-Empty:]"},
		{"5", EXT "deleteheader \"x-none\";", "keep"},
		{"5", EXT "deleteheader \"x-score\" \"0012 POINTS\";", "keep [X-Empty:]"},
		{"5", EXT "deleteheader :contains \"x-score\" [\"a\", \"12\"];", "keep [X-Empty:]"},
		{"5", EXT "deleteheader :matches \"x-score\" \"13*\";", "keep"},
		{"5", EXT "deleteheader :value \"gt\" :comparator \"i;ascii-numeric\" \"x-score\" \"11\";", "keep [X-Empty:]"},
		{"5", EXT "deleteheader :count \"gt\" \"x-score\" \"1\";", "bad: line 1: deleteheader cannot be used with :count"},
		{"5", EXT "deleteheader :last \"x-score\";", "bad: line 1: :last is used without :index"},
		{"5", EXT "deleteheader :index 1 \"x-score\" \"a\";", "keep"},
		{"5", "require \"editheader\"; deleteheader :index 2 :last \"received\"; addheader :last \"X-L\" \"\";", "keep [X-Score: 0012 points] [X-Empty:] [X-L: ]"},
		{"6", EXT "deleteheader \"Received\"; if header :count \"eq\" \"received\" \"2\" { discard; }", "discard"},
		{"6", EXT "deleteheader \"Auto-Submitted\"; deleteheader \"delivered-to\"; if exists \"delivered-to\" { discard; }", "discard"},
		{"6", EXT "deleteheader \"Subject\"; addheader \"Subject\" \"b\"; if header :is \"subject\" \"b\" { discard; }", "discard"},
		{"7", EXT "addheader \"X-A\" \"1\"; fileinto \"a\"; deleteheader \"X-A\"; keep; addheader \"X-A\" \"2\"; redirect \"r@example.org\";",
			"fileinto \"a\" [X-A: 1] [X-Score: 0012 points] [X-Empty:]; keep [X-Score: 0012 points] [X-Empty:]; "
			"redirect \"r@example.org\" [X-A: 2] [X-Score: 0012 points] [X-Empty:]"},
		{"7", EXT "addheader \"Cc\" \"c@three.example\"; if address :is \"cc\" \"c@three.example\" { discard; }", "discard"},
		{"7", EXT "if size :over 782 { addheader \"Old\" \"1\"; } addheader \"X-A\" \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\";"
			"addheader \"X-A\" \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"; if not exists \"Old\" { if size :over 782 { discard; } }", "discard"},
		{"7", EXT "addheader \"Content-Type\" \"text/plain\"; deleteheader :index 2 \"Content-Type\";"
			"if body :content \"text\" :contains \"--b\" { discard; }", "discard"},
		{"7", EXT "addheader \"X-A\" \"1\"; if body :text :contains \"hello\" { discard; }", "discard"},
		{"RFC 5228, 2.10.6", EXT "addheader \"X-A\" \"1\"; fileinto \"a\"; error \"x\";", "bad: "},
		{"RFC 5228, 2.10.6", "require [\"editheader\", \"ihave\"]; addheader \"X-A\" \"1\"; keep; error \"x\";", "keep; error: line 1: x"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);

	autotext struct text many = {0};
	struct sieve_host    bare = host;

	bare.message = SPAN("\nno header\n");
	check_with(&bare, "4, no field to be before", EXT "addheader \"X-A\" \"1\";", "keep [X-A: 1]");
	text_add_string(&many, EXT);
	for (int i = 0; i < 2100; i++)
		text_add_string(&many, "addheader \"A\" \"\";");
	check("bounds", text_string(&many), "keep; error: line 1: addheader action: the message has too many header fields");
	text_clear(&many);
	text_add_string(&many, EXT);
	for (int i = 0; i < 300; i++)
		text_add_format(&many, "addheader \"A\" \"%01900d\";", i);
	check("bounds", text_string(&many), "keep; error: line 1: addheader action: the header of the message is too large");
	check("a log's line is one line", "require [\"ihave\", \"encoded-character\"]; error \"a${hex:0a 1b}b\";", "keep; error: line 1: a  b");
}
END_TEST

/* RFC 5703; t/system/sieve_pigeonhole.py has more of it. */
UNIT_TEST(parts)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"3", EXT "foreverypart { fileinto \"x\"; stop; }", "fileinto \"x\""},
		{"3", EXT "foreverypart { return; } discard;", "keep"},
		{"3", EXT "set \"n\" \"\"; foreverypart { set \"n\" \"${n}x\"; foreverypart { set \"n\" \"${n}y\"; } } fileinto \"${n}\";", "fileinto \"xyyxx\""},
		{"3", EXT "set \"n\" \"n\"; foreverypart { set \"n\" \"${n}x\"; break; } fileinto \"${n}\";", "fileinto \"nx\""},
		{"3", EXT "foreverypart { include \"bad\"; }", "bad: "},
		{"3", EXT "foreverypart { if true { break :name \"x\"; } }", "bad: line 1: the break command is not placed inside a foreverypart loop named `x'"},
		{"3", "require \"foreverypart\"; if true { break; }", "bad: line 1: the break command is not placed inside a foreverypart loop"},
		{"3", EXT "foreverypart { if false { } else { break; } discard; }", "keep"},
		{"3", EXT "if false { } foreverypart { } if true { discard; }", "discard"},
		{"4.2", ASK("header :mime :type \"content-type\" \"multipart\""), YES},
		{"4.2", ASK("header :mime :anychild :param \"charset\" \"content-type\" \"iso-8859-1\""), YES},
		{"4.2", ASK("header :mime :param \"charset\" \"content-type\" \"iso-8859-1\""), NO},
		{"4.2", EXT "deleteheader \"content-type\"; foreverypart { if header :mime :type \"content-type\" \"multipart\" { discard; } }", "keep [X-Score: 0012 points] [X-Empty:]"},
		{"7", EXT "foreverypart { extracttext \"t\"; if string :matches \"${t}\" \"Gr*from*\" { fileinto \"G${1}\"; } }", "fileinto \"G\303\274sse \""},
		{"7", EXT "foreverypart { extracttext :first 3 \"t\"; if string \"${t}\" \"Gr\303\274\" { fileinto \"T\"; } }", YES},
		{"7", EXT "foreverypart { extracttext :first 0 \"t\"; if not string \"${t}\" \"\" { fileinto \"T\"; } }", NO},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

/* RFC 5435 and 5436. */
UNIT_TEST(notices)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"RFC 6068, 2", EXT "notify \"mailto:a@b.example,%22c%20d%22@e.example?cc=f@g.example&BCC=h@i.example\";",
			"notify <a@b.example> <c d@e.example> <f@g.example> <h@i.example> 2 \"\" \"\"; keep"},
		{"RFC 6068, 2", EXT "notify \"mailto:?to=a@b.example&body=l%0D%0Am&subject=\";", "notify <a@b.example> 2 \"\" \"l\r\nm\"; keep"},
		{"RFC 6068, 2", EXT "notify \"mailto:a@b.example?body=%00\";", "bad: "},
		{"RFC 6068, 2", EXT "notify \"mailto:a@b.example?body=%ff\";", "bad: "},
		{"RFC 6068, 2", EXT "notify \"mailto:\";", "bad: "},
		{"3", EXT "notify \"mailto:a@b.example,b@b.example,c@b.example,d@b.example,e@b.example,f@b.example,g@b.example,h@b.example,i@b.example\";",
			"bad: line 1: notify command: mailto URI exceeds the maximum number of recipients (8)"},
		{"3", EXT "notify \"mailto:a@b.example\"; notify \"mailto:b@b.example\"; notify \"mailto:c@b.example\"; notify \"mailto:d@b.example\"; notify \"mailto:e@b.example\";",
			"keep; error: line 1: number of notify actions exceeds policy limit(4)"},
		{"3", EXT "set \"u\" \"http://x\"; notify \"${u}\";", "keep; error: line 1: notify action: invalid or unknown notification method 'http://x'"},
		{"3.3", EXT "set \"i\" \"9\"; notify :importance \"${i}\" \"mailto:a@b.example\";", "keep; error: line 1: notify action: invalid importance"},
	};
	struct span          to[] = {SPAN("a@b.example")};
	struct sieve_notice  n = {.to = to, .n_to = 1, .shown_to = SPAN("<a@b.example>"), .shown_cc = SPAN_NONE, .from = SPAN_NONE,
		.subject = SPAN_NONE, .body = SPAN("one\ntwo\rx"), .importance = '1'};
	struct sieve_host    h = host;
	autotext struct text out = {0};
	const char          *why = NULL;

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
	ck_assert(sieve_notice_mail(&h, &n, &out, &why));
	ck_assert(strstr(out.at, "From: user+detail@example.com\r\nTo: <a@b.example>\r\nSubject: =?utf-8?"));
	ck_assert(strstr(out.at, "\r\nAuto-Submitted: auto-notified; owner-email=\"user+detail@example.com\"\r\n"));
	ck_assert(strstr(out.at, "\r\nImportance: High\r\n") && strstr(out.at, "\r\n\r\none\r\ntwo x\r\n"));
	h.message = SPAN("From: x\nAuto-Submitted: auto-notified; x\n\n");
	ck_assert(!sieve_notice_mail(&h, &n, &out, &why) && strcmp(why, "auto-submitted") == 0);
	h.message = SPAN("Auto-Submitted: no\n\n");
	ck_assert(sieve_notice_mail(&h, &n, &out, &why));
}
END_TEST

/* RFC 5235, with the settings of Pigeonhole's manual. */
UNIT_TEST(scores)
{
	static const struct { const char *type, *pattern, *most, *value; const char *spam, *percent; } rows[] = {
		{"score", "X-Spam-Score: (-?[0-9.]+).*", "5.0", "X-Spam-Score: 2.5 of 5\n", "5", "50"},
		{"score", "X-Spam-Score", "5.0", "X-Spam-Score: 2.5\n", "5", "50"},
		{"score", "X-Spam-Score", "5.0", "X-Spam-Score: 2.5 of 5\n", "0", "0"},
		{"score", "X-Spam-Score", "5.0", "X-Spam-Score: -3\n", "1", "0"},
		{"score", "X-Spam-Score", "5.0", "X-Spam-Score: 1e9\n", "10", "100"},
		{"score", "X-Spam-Score", "5.0", "X-Spam-Score: nan\n", "0", "0"},
		{"score", "X-Spam-Score", "0", "X-Spam-Score: 1\n", "0", "0"},
		{"score", "X-Spam-Score", "", "X-Spam-Score: 1\nX-Most: 4\n", "3", "25"},
		{"score", "X-Spam-Score: (", "5", "X-Spam-Score: 1\n", "0", "0"},
		{"score", "X-Spam-Score", "5", "X-Other: 1\n", "0", "0"},
		{"strlen", "X-Spam-Level", "10", "X-Spam-Level: ******\n", "6", "60"},
		{"strlen", "X-Spam-Level", "10", "X-Spam-Level:\n", "1", "0"},
		{"text", "X-Spam", "", "X-Spam: maybe\n", "5", "44"},
		{"text", "X-Spam", "", "X-Spam: none\n", "0", "0"},
		{"text", "X-Spam", "", "X-Spam: other\n", "0", "0"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct sieve_scanner    spam = {.status_type = rows[i].type, .status_header = rows[i].pattern, .max_value = rows[i].most,
			.max_header = "X-Most", .text = {[0] = "none", [5] = "maybe", [10] = "yes"}};
		struct sieve_limits     limits = sieve_default_limits;
		struct sieve_host       h = host;
		struct sieve_script    *script;
		struct sieve_result     result;
		struct fault            why = {0};
		autotext struct text    text = {0}, mail = {0}, got = {0};

		limits.spam = &spam;
		text_add_format(&text, "require [\"spamtestplus\", \"virustest\", \"fileinto\"]; if allof (spamtest \"%s\", spamtest :percent \"%s\", "
			"virustest \"0\") { fileinto \"T\"; }", rows[i].spam, rows[i].percent);
		text_add_format(&mail, "%s\nbody\n", rows[i].value);
		h.message = text_span(&mail);
		ck_assert(sieve_compile(arena, text_span(&text), "t", NULL, &limits, &script, &why) == 0);
		sieve_run(arena, (const struct sieve_script *const[]){script}, 1, &limits, &h, &result);
		show_actions(&result, &got);
		ck_assert_msg(strcmp(text_string(&got), YES) == 0, "row %zu (%s): %s", i, rows[i].value, text_string(&got));
	}
}
END_TEST

/* RFC 5490, 8579, 9042, 8580, and Pigeonhole's own. */
UNIT_TEST(mailboxes)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"8579, 3", ASK("specialuse_exists \"\\\\Junk\""), YES},
		{"8579, 3", ASK("specialuse_exists [\"\\\\Junk\", \"\\\\Sent\"]"), NO},
		{"8579, 3", ASK("specialuse_exists \"There\" \"\\\\junk\""), YES},
		{"8579, 3", ASK("specialuse_exists \"INBOX\" \"\\\\Junk\""), NO},
		{"8579, 3", ASK("specialuse_exists \"Junk\""), "bad: line 1: specialuse_exists test: invalid special-use flag `Junk' specified"},
		{"8579, 4", EXT "fileinto :specialuse \"\\\\Junk\" :create \"Spam\";", "fileinto \"Spam\" \\Junk create"},
		{"8579, 4", EXT "fileinto :specialuse \"Junk\" \"Spam\";", "bad: "},
		{"8579, 4", EXT "fileinto :specialuse \"\\\\Junk\" \"Spam\"; fileinto \"Spam\"; fileinto \"Spam\";", "fileinto \"Spam\" \\Junk; fileinto \"Spam\""},
		{"9042, 3", EXT "fileinto :mailboxid \"0123\" \"Spam\";", "fileinto \"Spam\" 0123"},
		{"9042, 4", ASK("mailboxidexists \"0123\""), YES},
		{"9042, 4", ASK("mailboxidexists [\"0123\", \"0\"]"), NO},
		{"5490, 4", ASK("metadata :contains \"There\" \"/private/comment\" \"VALUE\""), YES},
		{"5490, 4", ASK("metadata :contains \"INBOX\" \"/private/comment\" \"value\""), NO},
		{"5490, 4", ASK("metadataexists \"There\" [\"/private/comment\"]"), YES},
		{"5490, 4", ASK("metadataexists \"There\" [\"/private/comment\", \"/shared/comment\"]"), NO},
		{"5490, 5", ASK("servermetadata \"/shared/admin\" \"a value\""), YES},
		{"5490, 5", ASK("servermetadataexists \"/shared/other\""), NO},
		{"8580, 3", EXT "vacation :fcc \"Sent\" :create :flags \"\\\\Seen\" \"away\";", "vacation \"away\" 604800 fcc \"Sent\" create (\\Seen); keep"},
		{"8580, 3", EXT "vacation :create \"away\";", "bad: line 1: vacation names a mailbox without :fcc"},
		{"8580, 3", EXT "notify :fcc \"inbox\" \"mailto:a@b.example\";", "notify fcc \"INBOX\" () <a@b.example> 2 \"\" \"\"; keep"},
		{"8580, 3", "require \"vacation\"; vacation :fcc \"Sent\" \"away\";", "bad: line 1: tag \":fcc\" is used without require"},
		{"vnd", EXT "fileinto \"${env.vnd.dovecot.username}-${env.vnd.dovecot.default_mailbox}-${env.nothing}\";", "fileinto \"tester-INBOX-\""},
		{"vnd", EXT "if environment \"vnd.dovecot.username\" \"tester\" { discard; }", "discard"},
		{"vnd", "require \"environment\"; if environment \"vnd.dovecot.username\" \"tester\" { discard; }", "keep"},
		{"vnd", EXT "debug_log \"x\";", "keep"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

/* What the administrator does not want is not there: neither for require nor for ihave; a global script may have more. */
UNIT_TEST(extensions)
{
	static const struct { const char *setting, *has, *lacks; } rows[] = {
		{"", "fileinto", "nonsense"}, {"+fileinto", "editheader", "nonsense"}, {"-fileinto", "editheader", "fileinto"},
		{"fileinto, +copy", "copy", "vacation"}, {"", "vacation", "vnd.dovecot.pipe"}, {"+vnd.dovecot.pipe", "vnd.dovecot.pipe", "imapsieve"}, {"fileinto copy -copy", "fileinto", "copy"}, {"-fileinto +fileinto", "fileinto", "x"},
	};
	autoarena struct arena *arena = arena_new();
	struct sieve_limits     limits = sieve_default_limits;
	struct sieve_script    *script;
	struct fault            why = {0};
	struct span             unknown;

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text names = {0};
		uint64_t             set;

		ck_assert(sieve_extensions_parse(span_of(rows[i].setting), &set, &unknown));
		text_add_byte(&names, ' ');
		sieve_capabilities(set, &names);
		text_add_byte(&names, ' ');
		ck_assert_msg(strstr(names.at, arena_format(arena, " %s ", rows[i].has)) && !strstr(names.at, arena_format(arena, " %s ", rows[i].lacks)),
			"%s: %s", rows[i].setting, names.at);
	}
	ck_assert(!sieve_extensions_parse(SPAN("+fileinto +nonsense"), &limits.extensions, &unknown) && span_is(unknown, "+nonsense"));
	ck_assert(sieve_extensions_parse(SPAN("-fileinto -reject"), &limits.extensions, &unknown));
	ck_assert(sieve_extensions_parse(SPAN("fileinto"), &limits.global_extensions, &unknown));
	ck_assert(sieve_compile(arena, SPAN("require \"fileinto\";"), "t", &loader, &limits, &script, &why) < 0);
	ck_assert(strstr(fault_text(&why), "unknown Sieve capability `fileinto'"));
	ck_assert(sieve_compile(arena, SPAN("require \"comparator-i;octet\";"), "t", &loader, &limits, &script, &why) == 0);
	ck_assert(sieve_compile(arena, SPAN("require \"ihave\"; if ihave \"fileinto\" { fileinto \"x\"; }"), "t", &loader, &limits, &script, &why) == 0);
	ck_assert(sieve_compile(arena, SPAN("require \"include\"; include \"file\";"), "t", &loader, &limits, &script, &why) < 0);
	ck_assert(sieve_compile(arena, SPAN("require \"include\"; include :global \"file\";"), "t", &loader, &limits, &script, &why) == 0);
}
END_TEST

/* What the administrator lets his own scripts do is theirs alone, whoever includes whom, and whatever was compiled before. */
UNIT_TEST(rights)
{
	static const struct { bool global; const char *script; bool good; } rows[] = {
		{false, "require \"fileinto\";", false}, {true, "require \"fileinto\";", true},
		{false, "require \"include\"; include :personal \"file\";", false}, {false, "require \"include\"; include :global \"filed\";", true},
		{true, "require \"include\"; include :personal \"file\";", false}, {true, "require \"include\"; include :global \"filed\";", true},
		{true, "require \"include\"; include \"asks\";", false}, {true, "require \"include\"; include :global \"own\";", false},
		{true, "require \"include\"; include :personal \"all\";", true}, {false, "require \"include\"; include :global \"own\";", false},
		{true, "require \"include\"; include :global \"files\";", false}, {false, "require \"include\"; include :global \"files\";", false},
		{true, "require \"include\"; include :global \"filed\"; include :personal \"filed\";", false},
		{true, "require [\"include\", \"fileinto\"]; include :personal \"all\"; fileinto \"x\";", true},
		{true, "require [\"include\", \"fileinto\"]; include :optional :personal \"none\"; fileinto \"x\";", true},
		{true, "require \"include\"; include :global \"filed\"; include :personal \"ihave\";", true},
	};
	autoarena struct arena *arena = arena_new();
	struct sieve_limits     limits = sieve_default_limits;
	struct sieve_result     result;
	struct sieve_script    *script = NULL;
	struct span             unknown;
	struct fault            why = {0};

	ck_assert(sieve_extensions_parse(SPAN("-fileinto"), &limits.extensions, &unknown));
	ck_assert(sieve_extensions_parse(SPAN("fileinto"), &limits.global_extensions, &unknown));
	for (size_t i = 0; i < COUNT(rows); i++) {
		fault_clear(&why);
		limits.global = rows[i].global;
		ck_assert_msg((sieve_compile(arena, span_of(rows[i].script), "t", &loader, &limits, &script, &why) == 0) == rows[i].good, "%s %s: %s",
			rows[i].global ? "global" : "personal", rows[i].script, fault_text(&why));
		ck_assert_msg(rows[i].good || strstr(fault_text(&why), "unknown Sieve capability `fileinto'"), "%s: %s", rows[i].script, fault_text(&why));
	}
	/* the last one: what its own ihave is told when it runs */
	sieve_run(arena, (const struct sieve_script *const[]){script}, 1, &limits, &host, &result);
	ck_assert(!result.failed && result.count == 1 && result.actions[0].kind == SIEVE_FILEINTO && span_is(result.actions[0].target, "Global"));
}
END_TEST

/* Where scripts are, as Pigeonhole's sieve says it; a user's name is never a path. */
UNIT_TEST(places)
{
	static const struct { const char *setting, *user, *home, *want; } rows[] = {
		{"file:~/sieve;active=~/.dovecot.sieve", "a", "/home/a", "/home/a/sieve /home/a/.dovecot.sieve"},
		{"file:~/sieve", "a", "/home/a", "/home/a/sieve /home/a/.dovecot.sieve"},
		{"file:/s/%d/%n;active=/s/%u.sieve", "a@b.example", "", "/s/b.example/a /s/a@b.example.sieve"},
		{"~/.dovecot.sieve", "a", "/home/a", " /home/a/.dovecot.sieve"},
		{"%h/x", "a", "/home/a", " /home/a/x"},
		{"", "a", "/home/a", " "},
		{"~/x", "a", "", "bad"},
		{"/s/%u", "../../etc", "/h", "bad"},
		{"/s/%u", "..", "/h", "bad"},
		{"/s/%d", "a", "/h", "bad"},
		{"/s/%x", "a", "/h", "bad"},
		{"x/y", "a", "/h", "bad"},
		{"file:/s;bits=5", "a", "/h", "bad"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct sieve_user user = {span_of(rows[i].user), span_of(rows[i].home)};
		autotext struct text    got = {0};
		struct sieve_place      place = {0};

		sieve_settings.location = rows[i].setting;
		if (sieve_place(&user, &place, NULL) < 0)
			text_add_string(&got, "bad");
		else
			text_add_format(&got, "%s %s", text_string(&place.directory), text_string(&place.active));
		sieve_place_free(&place);
		ck_assert_msg(strcmp(text_string(&got), rows[i].want) == 0, "%s: %s", rows[i].setting, text_string(&got));
	}
	ck_assert(sieve_name_valid(SPAN("l\303\266s 1")) && !sieve_name_valid(SPAN("../x")) && !sieve_name_valid(SPAN(".x")));
	ck_assert(!sieve_name_valid(SPAN("")) && !sieve_name_valid(SPAN("a\nb")) && !sieve_name_valid(SPAN("\377")));
}
END_TEST

enum { FLOOD = 50 << 20 };

/* Pigeonhole's extprograms.  Its programs: "upper" makes another message, "flood" a large one, "fail" ends badly, "say" prints its
 * input and arguments. */
static int
run_program(void *context, const struct sieve_program *p, struct text *output, struct fault *why)
{
	(void)context;
	ck_assert(p->kind != SIEVE_PROGRAM_PIPE);
	if (span_is(p->name, "missing"))
		return fault_set(why, FAULT_SYSTEM, "there is none");
	if (span_is(p->name, "upper"))
		text_add_string(output, "SUBJECT: UPPER\nX-New: 1\n\nBODY\n");
	if (span_is(p->name, "crlf"))
		text_add_string(output, "SUBJECT: CRLF\r\nX-New: 1\r\n 2\r\n\r\nBODY\r\n");
	if (span_is(p->name, "flood"))
		memset(text_room(output, FLOOD), 'x', FLOOD), output->len += FLOOD;
	for (size_t i = 0; output && span_is(p->name, "say") && i < p->n_args; i++)
		text_add_format(output, "<%.*s>", SPAN_ARGS(p->args[i]));
	if (output && p->reads_text)
		text_add(output, p->text);
	return span_is(p->name, "fail");
}

#define PROGRAMS "require [\"vnd.dovecot.pipe\",\"vnd.dovecot.filter\",\"vnd.dovecot.execute\",\"variables\",\"copy\",\"fileinto\",\"editheader\",\"foreverypart\"];"

UNIT_TEST(programs)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"pipe", PROGRAMS "pipe \"a\";", "pipe \"a\""},
		{"pipe", PROGRAMS "pipe :copy :try \"a\" [\"b\", \"c d\"];", "pipe \"a\" try <b> <c d>; keep"},
		{"pipe", PROGRAMS "set \"x\" \"1\"; pipe \"a\" \"v=${x}\";", "pipe \"a\" <v=1>"},
		{"pipe", PROGRAMS "addheader \"X-A\" \"b\"; pipe \"a\";", "pipe \"a\" [X-A: b] [X-Score: 0012 points] [X-Empty:]"},
		{"pipe", "require \"vnd.dovecot.pipe\"; pipe :copy \"a\";", "bad: line 1: tag \":copy\" is used without require"},
		{"pipe", "pipe \"a\";", "bad: line 1: command \"pipe\" is used without require"},
		{"pipe", PROGRAMS "pipe \"a/b\";", "bad: line 1: pipe command: invalid program name 'a/b'"},
		{"pipe", PROGRAMS "pipe \"\";", "bad: line 1: pipe command: invalid program name"},
		{"pipe", PROGRAMS "pipe \"..\";", "bad: line 1: pipe command: invalid program name"},
		{"pipe", PROGRAMS "pipe \"${x}\";", "bad: line 1: the pipe command requires a constant string"},
		{"pipe", PROGRAMS "pipe \"a\" \"b\nc\";", "bad: line 1: pipe command: specified external program argument"},
		{"pipe", PROGRAMS "set \"x\" \"b\nc\"; pipe \"a\" \"${x}\";", "keep; error: line 2: specified :args item `b c' is invalid"},
		{"pipe", PROGRAMS "require \"reject\"; reject \"no\"; pipe :copy \"a\";", "keep; error: line 1: pipe conflicts with another action"},
		{"pipe", PROGRAMS "require \"reject\"; pipe :copy \"a\"; reject \"no\";", "keep; error: line 1: reject conflicts with another action"},
		{"pipe", PROGRAMS "pipe [\"a\", \"b\"];", "bad: line 1: argument 1 of pipe must be a string"},
		{"filter", PROGRAMS "filter \"upper\"; if header :is \"subject\" \"UPPER\" { fileinto \"T\"; }", "fileinto \"T\" [X-New: 1]"},
		{"filter", PROGRAMS "addheader \"X-A\" \"b\"; filter \"upper\"; addheader \"X-B\" \"c\";", "keep [X-B: c] [X-New: 1]"},
		{"filter", PROGRAMS "filter \"crlf\"; addheader \"X-B\" \"c\";", "keep [X-B: c] [X-New: 1]"},
		{"filter", PROGRAMS "if not filter \"fail\" { fileinto \"T\"; }", "fileinto \"T\""},
		{"filter", PROGRAMS "if not filter \"missing\" { fileinto \"T\"; }", "fileinto \"T\""},
		{"filter", PROGRAMS "filter \"missing\"; discard;", "keep; error: line 1: filter: failed to execute program `missing': there is none"},
		{"filter", PROGRAMS "filter \"fail\"; discard;", "discard"},
		{"filter", PROGRAMS "filter \"upper\"; redirect \"a@b.example\";", "keep; error: line 1: redirect behind filter: what a program has made of a message is not sent"},
		{"filter", PROGRAMS "if filter \"flood\" { if filter \"flood\" { discard; } }", "discard"},
		{"filter", PROGRAMS "filter \"flood\"; filter \"flood\"; filter \"flood\"; discard;", "keep; error: line 1: filter: programs have printed more than 128 MB"},
		{"filter", PROGRAMS "filter \"upper\"; pipe \"../x\";", "bad: line 1"},
		{"filter", PROGRAMS "foreverypart { filter \"upper\"; }", "keep; error: line 1: filter cannot be used inside a foreverypart loop"},
		{"execute", PROGRAMS "execute :input \"in\" :output \"o\" \"say\" [\"a\", \"b\"]; fileinto \"${o}\";", "fileinto \"<a><b>in\""},
		{"execute", PROGRAMS "if execute \"say\" { fileinto \"T\"; }", "fileinto \"T\""},
		{"execute", PROGRAMS "if execute \"fail\" { fileinto \"T\"; }", "keep"},
		{"execute", PROGRAMS "execute :output \"1\" \"say\";", "bad: line 1: \"1\" is not the name"},
		{"execute", PROGRAMS "execute :input \"a\" :pipe \"say\";", "bad: line 1: \":pipe\" conflicts with another tag"},
		{"execute", "require \"vnd.dovecot.execute\"; execute :output \"o\" \"say\";", "bad: line 1: tag \":output\" is used without require"},
	};
	struct sieve_host h = host;

	check("none", PROGRAMS "execute \"say\";", "keep; error: line 1: execute: failed to execute program `say': no program can be run here");
	h.run_program = run_program;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_with(&h, rows[i].section, rows[i].script, rows[i].want);
}
END_TEST

/* RFC 6785, and Pigeonhole's own items. */
UNIT_TEST(imap_events)
{
	static const struct { const char *section, *script, *want; } rows[] = {
		{"7.1", "environment :is \"imap.cause\" \"FLAG\"", YES}, {"7.2", "environment :is \"imap.mailbox\" \"Junk\"", YES},
		{"7.3", "environment :is \"imap.changedflags\" \"\\\\Seen $a\"", YES}, {"7.4", "environment :is \"imap.user\" \"tester\"", YES},
		{"7.5", "environment :is \"imap.email\" \"tester@example.com\"", YES}, {"5183", "environment :is \"location\" \"MS\"", YES},
		{"Pigeonhole", "environment :is \"vnd.dovecot.mailbox-from\" \"INBOX\"", YES},
		{"Pigeonhole", "environment :is \"vnd.dovecot.mailbox-to\" \"Junk\"", YES},
		{"4", "hasflag :is \"\\\\Flagged\"", YES}, {"4", "hasflag :is \"\\\\Seen\"", "keep (\\Flagged)"},
	};
	const struct sieve_imap_event event = {.cause = SPAN("FLAG"), .mailbox = SPAN("Junk"), .from = SPAN("INBOX"),
		.changed_flags = SPAN("\\Seen $a"), .flags = SPAN("\\Flagged")};
	struct sieve_host h = host;

	h.user_email = SPAN("tester@example.com");
	check("7", EXT "if not environment :contains \"imap.cause\" \"\" { fileinto \"T\"; }", YES);
	h.imap = &event;
	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text text = {0};

		text_add_format(&text, "require [\"imapsieve\",\"vnd.dovecot.imapsieve\"];%s if %s { fileinto :flags \"\" \"T\"; }", EXT, rows[i].script);
		check_with(&h, rows[i].section, text_string(&text), rows[i].want);
	}
	check_with(&h, "4", EXT "addflag \"$x\";", "keep (\\Flagged $x)");
}
END_TEST

UNIT_MAIN("sieve", grammar, questions, words, edits, parts, notices, scores, mailboxes, extensions, rights, bounds, sequence, vacation, places, programs, imap_events)
