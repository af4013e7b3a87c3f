/* SPDX-License-Identifier: ISC */
/*
 * postconf.c - show and change the configuration
 *
 *   postconf [-dfhHjnopqvx] [-c dir] [-C class,...] [-o name=value] [name ...]   parameters
 *   postconf [-c dir] [-e] name=value ...     set;  -X name ... remove;  -# name ... comment out
 *   postconf -M [-fjx] [service[/type] ...]   lines of master.cf; -Me -MX -M# change them
 *   postconf -F [-fhHjx] [service/type/field ...]      fields; -Fe changes
 *   postconf -P [-fhHjx] [service/type[/name] ...]     -o options of a line; -Pe -PX change
 *   postconf -b | -t [template_file]          the words of notices, expanded or as templates
 *   postconf -m | -l | -a | -A                types of tables, locks, SASL servers and clients
 *   postconf -T compile-version | run-version | public-key-algorithms
 *
 * -j is of Postfix 3.11: an object {"name": "value"} a line.
 * Ours alone:
 *   postconf -R                               who may do what: what each program says of itself
 *   postconf -S [name ...]                    state of each parameter: works, nothing, later, refused
 *   postconf -W                               only warnings: what is set and not honoured; status 1
 *                                             when ignoring it would open the server or lose mail
 *
 * Names and defaults come from the rows of the programs, asked with --describe, and
 * from the catalogue of Postfix's names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include "base/log.h"
#include "cmd/known.h"
#include "cmd/pages.h"
#include "cmd/postconf.h"
#include "config/list.h"
#include "config/site.h"
#include "table/table.h"

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
print_types(void)
{
	const char *names[64];
	size_t      n = 0;

	while (n < COUNT(names) && (names[n] = table_type_at(n)))
		n++;
	qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++)
		puts(names[i]);
	return 0;
}

static _Noreturn void
usage(void)
{
	fprintf(stderr, "%s\n", page_usage("postconf"));
	exit(1);
}

static void
tell(const struct faults *f, bool fatal, bool quiet)
{
	for (int i = 0; i < f->warnings && !quiet; i++)
		log_warning("%s", f->warning[i]);
	for (int i = 0; i < f->errors; i++)
		log_error("%s", f->error[i]);
	if (fatal && f->errors)
		exit(1);
}

static void
know_programs(struct postconf *p)
{
	const char *directory = main_cf_string(p->cf, "daemon_directory");

	descriptions_read(directory, &p->programs);
	if (p->programs.count == 0 && strcmp(directory, DAEMON_DIRECTORY) != 0)
		descriptions_read(DAEMON_DIRECTORY, &p->programs);
	for (size_t i = 0; i < p->programs.count; i++)
		main_cf_know(p->cf, p->programs.item[i].params);
	main_cf_know(p->cf, known_params);
	main_cf_know(p->cf, site_params);      /* computed defaults win over "(computed)" */
}

static bool
has_assignment(const struct postconf *p)
{
	for (int i = 0; i < p->n_words; i++)
		if (strchr(p->words[i], '='))
			return true;
	return false;
}

static void
begin(struct postconf *p, const struct list *overrides)
{
	static const struct param *const tables[] = {site_params, NULL};
	struct faults                    faults = {0}, ignored = {0};
	struct fault                     why = {0};

	if (p->defaults)
		p->cf = main_cf_parse(main_cf_directory(p->directory), "main.cf", SPAN_NONE,
		                      &faults);
	else
		p->cf = main_cf_read(p->directory, &faults);
	tell(&faults, !(p->edit || p->remove || p->comment || has_assignment(p)), p->quiet);
	if (p->directory && !p->defaults) {
		autofree char *named = mem_format("config_directory=%s", p->directory);

		main_cf_override(p->cf, span_of(named), "command line", 0, NULL);
	}
	for (size_t i = 0; i < overrides->count; i++) {
		if (!strchr(overrides->item[i], '='))
			log_fatal("invalid parameter override: %s: missing '=' after attribute name", overrides->item[i]);
		if (main_cf_override(p->cf, span_of(overrides->item[i]), "command line", 0,
		                     &why) < 0)
			log_fatal("invalid parameter override: %s: %s", overrides->item[i], fault_text(&why));
	}
	params_load(p->cf, tables, &ignored);   /* bad values are shown, not judged */
	faults_free(&ignored);
	faults_free(&faults);
}

static void
read_master(struct postconf *p, bool needed)
{
	struct faults faults = {0};

	p->master = master_cf_read(p->directory, p->cf, &faults);
	if (needed)
		tell(&faults, true, p->quiet);
	faults_free(&faults);
}

static int
print_other(struct postconf *p, char what)
{
	switch (what) {
	case 'm': return print_types();
	case 'l': return puts("flock\nfcntl\ndotlock") < 0;
	case 'a': return puts("cyrus\ndovecot") < 0;
	case 'A': return puts("cyrus") < 0;
	default:  print_templates(p, what == 'b');
	}
}

static int
change(struct postconf *p, char what)
{
	if (what == 'p')
		return edit_main(p);
	read_master(p, true);
	return what == 'M' ? edit_master_rows(p)
	     : what == 'F' ? edit_master_fields(p) : edit_master_options(p);
}

static int
show(struct postconf *p, char what)
{
	read_master(p, what != 'p');
	know_programs(p);
	switch (what) {
	case 'M': print_master_rows(p); break;
	case 'F': print_master_fields(p); break;
	case 'P': print_master_options(p); break;
	case 'W': return print_warnings(p);
	case 'R': return print_privileges(p);
	case 'S': return print_states(p);
	default:  return print_parameters(p);
	}
	print_unused(p, false);
	return 0;
}

static void
take_classes(struct postconf *p, const char *words)
{
	static const struct { const char *word; int class; } classes[] = {
		{"builtin", CLASS_BUILTIN}, {"service", CLASS_SERVICE}, {"user", CLASS_USER}, {"all", CLASS_ALL},
	};
	struct span rest = span_of(words), word;
	int         chosen = 0;

	while (span_next(&rest, ", \t", &word)) {
		int class = 0;

		for (size_t i = 0; i < COUNT(classes); i++)
			if (span_is(word, classes[i].word))
				class = classes[i].class;
		if (!class)
			log_fatal("unknown -C option value \"%.*s\" in \"%s\"", SPAN_ARGS(word), words);
		chosen |= class;
	}
	p->classes = chosen;
}

static _Noreturn void
print_tls(const char *mode)
{
	if (strcmp(mode, "compile-version") == 0)
		puts(OPENSSL_VERSION_TEXT);
	else if (strcmp(mode, "run-version") == 0)
		puts(OpenSSL_version(OPENSSL_VERSION));
	else if (strcmp(mode, "public-key-algorithms") == 0)
		puts("dsa\necdsa\nrsa");
	else {
		log_warning("unknown 'postconf -T' mode: %s", mode);
		exit(1);
	}
	exit(fflush(stdout) != 0);
}

/* A name=value among the operands means -e; without an operand there is nothing to change. */
static bool
is_change(struct postconf *p, const char *letters, char what)
{
	p->edit = p->edit || (strchr("pMFP", what) && has_assignment(p));
	if (p->edit && p->n_words == 0)
		log_fatal("-e requires name=value argument");
	if ((p->remove || p->comment) && p->n_words == 0)
		log_fatal("missing service argument");
	if (p->edit) {
		autofree char *with = mem_format("%se", letters);

		options_check(with);
	}
	return p->edit || p->remove || p->comment;
}

static void
take_option(struct postconf *p, int option, struct list *overrides)
{
	switch (option) {
	case 'c': p->directory = optarg; break;
	case 'd': p->defaults = true; break;
	case 'e': p->edit = true; break;
	case 'X': p->remove = true; break;
	case '#': p->comment = true; break;
	case 'f': p->fold = true; break;
	case 'h': p->hide_name = true; break;
	case 'H': p->hide_value = true; break;
	case 'j': p->json = true; break;
	case 'n': p->nondefault = true; break;
	case 'x': p->expand = true; break;
	case 'o': list_add(overrides, span_of(optarg)); break;
	case 'C': take_classes(p, optarg); break;
	case 'q': p->quiet = true; break;
	case 'v': log_verbose(1); break;
	case '?': usage();
	default: break;
	}
}

int
main(int argc, char **argv)
{
	struct postconf      p = {.classes = CLASS_ALL};
	struct list          overrides = {0};
	autotext struct text letters = {0};
	const char          *tls = NULL;
	char                 what;
	int                  option, status;

	log_open("postconf", -1);
	log_also_stderr(true);
	while ((option = getopt(argc, argv, "aAbc:C:deFfhHjlmMno:pPqRStT:vWxX#")) > 0) {
		if (strchr("bt", option) && strpbrk(text_string(&letters), "bt"))
			log_fatal("specify one of -b and -t");
		if (option == 'T')
			tls = optarg;
		take_option(&p, option, &overrides);
		text_add_byte(&letters, (char)option);
	}
	p.words = argv + optind;
	p.n_words = argc - optind;
	what = options_check(text_string(&letters));
	if (what == 'T')
		print_tls(tls);
	if (strchr("mlaAbt", what)) {
		status = print_other(&p, what);
	} else {
		bool changes = is_change(&p, text_string(&letters), what);

		begin(&p, &overrides);
		status = changes ? change(&p, what) : show(&p, what);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal("write: %m");
	return status;
}
