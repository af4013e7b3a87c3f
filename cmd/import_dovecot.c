/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot.c - what a Dovecot does, as lines of main.cf and master.cf
 *
 *   doveconf -n | import-dovecot        main.cf
 *   doveconf -n | import-dovecot -m     master.cf
 *
 * Each setting has a line here, needs none, or is named in a comment as without equal: nothing is dropped
 * in silence.  Exit status 1 says that there was such a one.  The input is the administrator's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/import_dovecot.h"
#include "cmd/pages.h"

enum { INPUT_MOST = 4 << 20 };

static void
print_main(void)
{
	printf("# from doveconf -n; lines for master.cf: import-dovecot -m\n");
	print_location();
	print_namespaces();
	print_mechanisms();
	print_databases();
	print_tls();
	print_settings(true);
	print_sieve_scripts("sieve_before");
	print_sieve_scripts("sieve_after");
	print_scanner_texts();
	print_imapsieve_rules();
	pass_over_services();
	print_service("quota-status", "quota-status", false);
	print_service("lmtp", "lmtpd", false);
	if (get("", "protocols") && has_protocol("submission"))
		no_equal("protocols = submission: smtpd(8) does that (master.cf: submission)");
	for (size_t i = 0; i < entry_count; i++)
		if (!entries[i].done)
			no_equal("%s%s%s = %s", entries[i].block, *entries[i].block ? ": " : "", entries[i].key, entries[i].value);
}

int
main(int argc, char **argv)
{
	autotext struct text in = {0};
	struct fault         why = {0};
	bool                 master = false;
	int                  letter, result;

	log_open("import-dovecot", -1);
	while ((letter = getopt(argc, argv, "m")) != -1)
		if (letter == 'm') {
			master = true;
		} else {
			fprintf(stderr, "%s\n", page_usage("import-dovecot"));
			return 2;
		}
	result = optind < argc ? file_read(argv[optind], INPUT_MOST, &in, &why) : file_read_fd(0, INPUT_MOST, &in, &why);
	if (result < 0) {
		log_error("%s", fault_text(&why));
		return 2;
	}
	read_all(text_span(&in));
	if (master)
		print_master();
	else
		print_main();
	return without_equal ? 1 : 0;
}
