/* SPDX-License-Identifier: ISC */
/*
 * tool_limits.c - quota set, quota unset: limits of a user, as SETQUOTA of an administrator's session gives them (ipc/ask_auth.h)
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tool.h"

enum { WRONG = 64, NO_USER = 67, TROUBLE = 75 };

bool
tool_sets_limits(const char *word)
{
	return strcmp(word, "set") == 0 || strcmp(word, "unset") == 0;
}

/* "STORAGE 512 MESSAGE 100", each once, as IMAP has it. */
static int
take_words(int argc, char **argv, struct auth_limits *l)
{
	for (int i = 0; i < argc; i += 2) {
		int64_t *limit = auth_limit_of(l, span_of(argv[i]));
		uint64_t n = 0;

		if (!limit || *limit || i + 1 == argc || !span_number(span_of(argv[i + 1]), &n) || n == 0 || n > (uint64_t)AUTH_LIMIT_MOST)
			return -1;
		*limit = (int64_t)n;
	}
	return 0;
}

int
tool_limits(const char *name, int argc, char **argv)
{
	struct auth_limits   l = {.configured = strcmp(argv[0], "unset") == 0};
	struct auth_user     user;
	autotext struct text rule = {0};
	autoclose int        talk = -1;
	struct fault         why = {0};

	if (l.configured ? argc > 1 : argc == 1 || take_words(argc - 1, argv + 1, &l) < 0) {
		fprintf(stderr, "usage: postern quota set -u user [STORAGE KiB] [MESSAGE number] [MAILBOX number]\n"
		                "       postern quota unset -u user\n");
		return WRONG;
	}
	if (ask_auth_administer(span_of(name), &user, &talk, &why) == 0 && ask_auth_limit(talk, &l, &rule, &why) == 0)
		return 0;
	log_error("quota %s: %s: %s", argv[0], name, fault_text(&why));
	return why.class == FAULT_DENIED ? NO_USER : TROUBLE;
}
