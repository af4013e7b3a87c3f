/* SPDX-License-Identifier: ISC */
/*
 * manual.c - writes the manual pages, from what the programs say of themselves
 *
 *   manual DIRECTORY MASTER_CF PROGRAM ...
 *
 * Runs when the project is built and is not installed.  A program that answers --describe
 * gets a page in section 8 and its parameters in postern-main.cf(5); the others have a row in
 * pages.c; master.cf(5) is the sample's own comments and lines.  DIRECTORY/man1, man5, man8.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/describe.h"
#include "cmd/known.h"
#include "cmd/manual.h"
#include "cmd/pages.h"
#include "config/site.h"

static const struct words { const char *word, *sentence; } promises[] = {
	{"accept", "accept connections on the sockets that it was given"},
	{"ask", "connect to the sockets of the services that it asks"},
	{"dial", "connect to other hosts"},
	{"dns", "ask name servers"},
	{"read", "open the files named under \"reads\""},
	{"write", "create, rename and remove files below what is named under \"writes\""},
	{"fork", "make processes of its own kind"},
	{"exec", "run commands that the configuration or a recipient names; these are not confined"},
	{"become", "become another user"},
	{"watch", "watch directories for changes"},
	{"name", "look users up"},
}, roles[] = {
	{"root", "root, until it becomes the user for whom it works"},
	{"mail", "mail_owner, locked into queue_directory"},
	{"net", "net_owner, locked into a directory of the sockets that it may ask"},
	{"map", "map_owner"},
	{"dns", "dns_owner, locked into a directory of its own"},
	{"auth", "auth_owner, locked into a directory of its own"},
	{"log", "log_owner, locked into a directory of its own"},
	{"dial", "mail_owner with the groups of that user"},
}, models[] = {
	{"tasks", "A process serves several sessions at once."},
	{"forks", "Each session has a process of its own."},
	{"itself", "One process does all the work."},
};

#define SENTENCE(table, word) sentence_of(table, COUNT(table), word)

static const char *
sentence_of(const struct words *table, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].word, word) == 0)
			return table[i].sentence;
	log_fatal("manual: no words for \"%s\"", word);
}

static void
daemon_parameters(struct text *out, const struct description *d)
{
	roff_macro(out, "SH", "PARAMETERS");
	roff_line(out, "Beside those of every program; postern-main.cf(5) has their syntax.");
	if (d->n_params == 0)
		roff_line(out, "There are no others.");
	for (const struct param *p = d->params; p->name; p++)
		roff_parameter(out, p, NULL);
}

static void
write_daemon(const char *directory, const struct description *d)
{
	autotext struct text out = {0};
	struct span          rest = span_of(d->promises), word;

	roff_head(&out, d->program, "8", d->about);
	roff_macro(&out, "SH", "DESCRIPTION");
	roff_line(&out, "Started by master(8) as a line of master.cf(5) says, not by hand.");
	roff_line(&out, SENTENCE(models, d->model));
	if (strcmp(d->model, "tasks") == 0) {
		autofree char *tasks = mem_format("At most %s of them, unless <service>_tasks says otherwise.", d->tasks);

		roff_line(&out, tasks);
	}
	roff_macro(&out, "SH", "PRIVILEGES");
	roff_item(&out, "runs as", SENTENCE(roles, d->role));
	roff_item(&out, "asks", d->asks[0] ? d->asks : "nobody");
	if (d->reads[0])
		roff_item(&out, "reads", d->reads);
	if (d->writes[0])
		roff_item(&out, "writes", d->writes);
	roff_macro(&out, "PP", "");
	roff_line(&out, "Once its sandbox is closed it may, beside reading and writing what is open:");
	while (span_next(&rest, " ", &word)) {
		autofree char *name = mem_span(word);

		roff_item(&out, name, SENTENCE(promises, name));
	}
	daemon_parameters(&out, d);
	roff_macro(&out, "SH", "SEE ALSO");
	roff_line(&out, "postern-main.cf(5), master.cf(5), master(8), postconf(1)");
	roff_write(&out, directory, d->program, "8");
}

static void
write_options(struct text *out, const char *title, const struct page_option *o, size_t most)
{
	if (o->option)
		roff_macro(out, "SH", title);
	for (size_t i = 0; i < most && o[i].option; i++)
		roff_item(out, o[i].option, o[i].text);
}

static void
write_page(const char *directory, const struct page *p)
{
	autotext struct text out = {0};

	if (p->same) {
		text_add_format(&out, ".so man%s/%s.%s\n", p->section, p->same, p->section);
		roff_write(&out, directory, p->name, p->section);
		return;
	}
	roff_head(&out, p->name, p->section, p->about);
	roff_macro(&out, "SH", "SYNOPSIS");
	for (size_t i = 0; i < PAGE_FORMS && p->form[i]; i++) {
		if (i)
			roff_macro(&out, "br", "");
		roff_macro(&out, "B", p->name);
		roff_line(&out, p->form[i]);
	}
	roff_macro(&out, "SH", "DESCRIPTION");
	roff_sentence(&out, p->about);
	roff_line(&out, p->description);
	write_options(&out, "OPTIONS", p->option, PAGE_OPTIONS);
	write_options(&out, "EXIT STATUS", p->exit, PAGE_EXITS);
	roff_macro(&out, "SH", "SEE ALSO");
	roff_line(&out, p->see);
	roff_write(&out, directory, p->name, p->section);
}

static bool
is_same_row(const struct param *a, const struct param *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->fallback, b->fallback) == 0 && a->type == b->type;
}

/* The programs that have this very row, "smtp(8), lmtp(8)"; how many. */
static size_t
users_of(const struct descriptions *all, const struct param *p, struct text *out)
{
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++)
		for (const struct param *q = all->item[i].params; q->name; q++)
			if (is_same_row(p, q))
				text_add_format(out, "%s%s(8)", n++ ? ", " : "", all->item[i].program);
	return n;
}

static bool
is_known_before(const struct descriptions *all, size_t program, const struct param *p)
{
	for (size_t i = 0; i < program; i++)
		for (const struct param *q = all->item[i].params; q->name; q++)
			if (is_same_row(p, q))
				return true;
	return false;
}

static void
shared_parameters(struct text *out, const struct descriptions *all)
{
	roff_macro(out, "SH", "OF SEVERAL PROGRAMS");
	for (size_t i = 0; i < all->count; i++)
		for (const struct param *p = all->item[i].params; p->name; p++) {
			autotext struct text users = {0};

			if (users_of(all, p, &users) > 1 && !is_known_before(all, i, p))
				roff_parameter(out, p, text_string(&users));
		}
}

static void
own_parameters(struct text *out, const struct descriptions *all, const struct description *d)
{
	bool any = false;

	for (const struct param *p = d->params; p->name; p++) {
		autotext struct text users = {0};

		if (users_of(all, p, &users) > 1)
			continue;
		if (!any) {
			autofree char *title = mem_format("OF %s(8)", d->program);

			roff_macro(out, "SH", title);
			any = true;
		}
		roff_parameter(out, p, NULL);
	}
}

static const char main_cf_syntax[] =
	"Read whole, once, when a program starts; postern reload starts new ones. "
	"A line is \"name = value\"; one that starts with a blank goes on with the line before; one that "
	"starts with # is a comment. Of several settings of a name the last holds, and -o name=value in "
	"master.cf(5) overrides it for one service. In a value $name, ${name}, ${name?text} (when it is "
	"not empty), ${name:text} (when it is) and ${name?{a}:{b}} stand for values. Lists are separated by "
	"commas and blanks. A time has one of the letters s m h d w, or the default's unit; a size may "
	"have k, M or G.";
static const char main_cf_honest[] =
	"Only what is honoured stands here, and what is accepted since it is \"not needed\". A parameter of Postfix that has no effect yet is a warning at "
	"start, and an error where ignoring it would open the server or lose mail: postconf -W tells.";

static void
write_main_cf(const char *directory, const struct descriptions *all)
{
	autotext struct text out = {0};

	roff_head(&out, "postern-main.cf", "5", "the parameters of the mail system");
	roff_macro(&out, "SH", "SYNOPSIS");
	roff_macro(&out, "I", CONFIG_DIRECTORY "/main.cf");
	roff_macro(&out, "SH", "DESCRIPTION");
	roff_line(&out, main_cf_syntax);
	roff_macro(&out, "PP", "");
	roff_line(&out, main_cf_honest);
	roff_macro(&out, "SH", "OF EVERY PROGRAM");
	for (const struct param *p = site_params; p->name; p++)
		roff_parameter(&out, p, NULL);
	roff_macro(&out, "SH", "OF MASTER AND THE COMMANDS");
	for (const struct param *p = known_params; p->name; p++)
		roff_parameter(&out, p, NULL);
	shared_parameters(&out, all);
	for (size_t i = 0; i < all->count; i++)
		own_parameters(&out, all, &all->item[i]);
	roff_macro(&out, "SH", "NAMES MADE OF A SERVICE'S");
	roff_line(&out, "A service of master.cf(5) has these, behind its name.");
	roff_item(&out, "<service>_tasks", "sessions that may share a process; the program has the default");
	roff_item(&out, "<service>_time_limit", "of pipe(8) and spawn(8); default: $command_time_limit");
	for (const struct known_suffix *s = known_suffixes; s->suffix; s++) {
		autofree char *name = mem_format("<transport>%s", s->suffix);
		autofree char *text = mem_format("default: %s", s->fallback);

		roff_item(&out, name, text);
	}
	roff_macro(&out, "SH", "SEE ALSO");
	roff_line(&out, "postconf(1), postern(1), master.cf(5), postern-tables(5)");
	roff_write(&out, directory, "postern-main.cf", "5");
}

/* The comment that a sample begins with, as paragraphs; `in` keeps what comes after it. */
static void
take_comment(struct text *out, struct span *in)
{
	struct span line;

	span_split(in, '\n', &line);             /* the title */
	while (in->len && in->at[0] == '#' && !span_starts(*in, "# service")) {
		span_split(in, '\n', &line);
		if (line.len < 2)
			roff_macro(out, "PP", "");
		else
			roff_span(out, span_from(line, 2));
	}
}

static void
write_master_cf(const char *directory, const char *sample, const struct descriptions *all)
{
	autotext struct text out = {0}, text = {0};
	struct fault         why = {0};
	struct span          in;

	if (file_read(sample, 1 << 20, &text, &why) < 0)
		log_fatal("manual: %s", fault_text(&why));
	in = text_span(&text);
	roff_head(&out, "master.cf", "5", "the services of the mail system");
	roff_macro(&out, "SH", "SYNOPSIS");
	roff_macro(&out, "I", CONFIG_DIRECTORY "/master.cf");
	roff_macro(&out, "SH", "DESCRIPTION");
	take_comment(&out, &in);
	roff_macro(&out, "SH", "COLUMNS");
	roff_line(&out, "A - stands for the default.");
	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		autofree char *about = known_fields[i].fallback[0]
			? mem_format("%s. Default: %s", known_fields[i].help, known_fields[i].fallback)
			: mem_string(known_fields[i].help);

		roff_item(&out, known_fields[i].name, about);
	}
	roff_macro(&out, "SH", "PROGRAMS");
	for (size_t i = 0; i < all->count; i++)
		roff_item(&out, all->item[i].program, all->item[i].about);
	roff_macro(&out, "SH", "EXAMPLE");
	roff_line(&out, "The file that is installed:");
	roff_verbatim(&out, in);
	roff_macro(&out, "SH", "SEE ALSO");
	roff_line(&out, "postern-main.cf(5), master(8), postconf(1)");
	roff_write(&out, directory, "master.cf", "5");
}

int
main(int argc, char **argv)
{
	struct descriptions all = {0};
	struct fault        why = {0};

	log_open("manual", -1);
	log_also_stderr(true);
	if (argc < 4)
		log_fatal("usage: manual directory master.cf program...");
	for (const char *const *s = (const char *const[]){"man1", "man5", "man8", NULL}; *s; s++) {
		autofree char *path = mem_format("%s/%s", argv[1], *s);

		if (file_make_directories(path, 0755, &why) < 0)
			log_fatal("manual: %s", fault_text(&why));
	}
	for (int i = 3; i < argc; i++)
		if (!descriptions_ask(argv[i], &all) && !page_find(strrchr(argv[i], '/') + 1))
			log_fatal("manual: %s says nothing of itself and has no row in pages.c", argv[i]);
	descriptions_sort(&all);
	for (size_t i = 0; i < all.count; i++)
		write_daemon(argv[1], &all.item[i]);
	for (const struct page *p = pages; p->name; p++)
		write_page(argv[1], p);
	write_main_cf(argv[1], &all);
	write_master_cf(argv[1], argv[2], &all);
	write_tables(argv[1]);
	return 0;
}
