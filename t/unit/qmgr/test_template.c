/* SPDX-License-Identifier: ISC */
/*
 * test_template.c - bounce_template_file, as bounce(5) describes it
 */
#include "../unit.h"
#include "../../../qmgr/bounce_template.h"

static const char whole[] =
	"# a comment\n"
	"\n"
	"failure_template = <<EOF\n"
	"Charset: us-ascii\n"
	"From: Postbote (Mail)\n"
	"Subject: It did not go\n"
	"Postmaster-Subject: Look at this\n"
	"\n"
	"From $sitename.\n"
	"\n"
	"Costs 5$$, tried for $lifetime_days days.\n"
	"EOF\n"
	"delay_template = <<  END\n"
	"Subject: late\n"
	"Charset: utf-8\n"
	"\n"
	"caf\xc3\xa9 EOF\n"
	"END\n";

static struct main_cf *
config(void)
{
	struct faults   faults = {0};
	struct main_cf *cf = main_cf_parse("/etc", "main.cf", SPAN("sitename = mx.example\nlifetime = 5d\nx = $sitename $lifetime\n"), &faults);

	faults_free(&faults);
	return cf;
}

UNIT_TEST(templates_are_read_and_expanded)
{
	autoarena struct arena *arena = arena_new();
	struct bounce_templates t;
	struct main_cf         *cf = config();
	struct fault            why = {0};

	ck_assert_msg(bounce_templates_parse(span_of(whole), cf, arena, &t, &why) == 0, "%s", fault_text(&why));
	ck_assert(span_is(t.of[BOUNCE_FAILURE].from, "Postbote (Mail)") && span_is(t.of[BOUNCE_FAILURE].subject, "It did not go"));
	ck_assert(span_is(t.of[BOUNCE_FAILURE].postmaster_subject, "Look at this"));
	ck_assert(span_is(t.of[BOUNCE_FAILURE].text, "From mx.example.\r\n\r\nCosts 5$, tried for 5 days.\r\n"));
	ck_assert(span_is(t.of[BOUNCE_DELAY].text, "caf\xc3\xa9 EOF\r\n") && span_is(t.of[BOUNCE_DELAY].charset, "utf-8"));
	ck_assert(!t.of[BOUNCE_SUCCESS].text.len && !t.of[BOUNCE_VERIFY].text.len);
	main_cf_free(cf);
}
END_TEST

UNIT_TEST(what_is_wrong_is_named)
{
	static const struct { const char *file, *why; } rows[] = {
		{"bounce_template = <<EOF\n\nx\nEOF\n", "no such template"},
		{"failure_template = EOF\n\nx\nEOF\n", "expected"},
		{"failure_template = <<EOF\n\nx\n", "end is missing"},
		{"failure_template = <<EOF\nSubject: x\nEOF\n", "no text"},
		{"failure_template = <<EOF\n\nEOF\n", "no text"},
		{"failure_template = <<EOF\nTo: x\n\nx\nEOF\n", "only Charset"},
		{"failure_template = <<EOF\nSubject\n\nx\nEOF\n", "not a header"},
		{"failure_template = <<EOF\n\ncaf\xc3\xa9\nEOF\n", "8-bit"},
		{"failure_template = <<EOF\n\nx\nEOF\nfailure_template = <<EOF\n\nx\nEOF\n", "already"},
	};
	struct main_cf *cf = config();

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct bounce_templates t;
		struct fault            why = {0};

		ck_assert_msg(bounce_templates_parse(span_of(rows[i].file), cf, arena, &t, &why) < 0, "row %zu", i);
		ck_assert_msg(strstr(fault_text(&why), rows[i].why), "row %zu: %s", i, fault_text(&why));
		fault_clear(&why);
	}
	main_cf_free(cf);
}
END_TEST

UNIT_MAIN("qmgr/template", templates_are_read_and_expanded, what_is_wrong_is_named)
