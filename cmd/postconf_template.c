/* SPDX-License-Identifier: ISC */
/*
 * postconf_template.c - -b and -t: the words of notices
 *
 * bounce has them and knows how they are expanded, so it is asked: ours, never a Postfix's.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/postconf.h"
#include "config/site.h"

_Noreturn void
print_templates(const struct postconf *p, bool expand)
{
	struct faults  faults = {0};
	struct main_cf *cf = main_cf_read(p->directory, &faults);
	autofree char *path = NULL, *theirs = NULL;
	char          *argv[] = {"bounce", expand ? "--expanded-templates" : "--templates", NULL, NULL};

	if (p->n_words > 1)
		log_fatal("options -b and -t require at most one template file");
	if (faults.errors)
		log_fatal("%s", faults.error[0]);
	main_cf_know(cf, site_params);
	theirs = mem_format("%s/trivial-rewrite", main_cf_string(cf, "daemon_directory"));
	path = mem_format("%s/bounce", access(theirs, F_OK) == 0 ? DAEMON_DIRECTORY : main_cf_string(cf, "daemon_directory"));
	if (p->n_words)
		argv[2] = p->words[0];
	if (p->directory)
		setenv("MAIL_CONFIG", p->directory, 1);
	execv(path, argv);
	log_fatal("%s: %m", path);
}
