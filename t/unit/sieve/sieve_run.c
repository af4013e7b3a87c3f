/* SPDX-License-Identifier: ISC */
/*
 * sieve_run.c - a script and a message from files: for comparing with Pigeonhole's sieve-test
 *
 *   sieve_run [-h] SCRIPT [MESSAGE [SENDER [RECIPIENT]]]      exit 1: the script is bad; -h: headers of what is stored
 */
#include <stdio.h>

#include "base/file.h"
#include "mail/header.h"
#include "show.h"

/* The header of each message that is stored, behind a line with its mailbox. */
static void
show_headers(const struct sieve_result *r, struct span message)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];
		autotext struct text       header = {0};

		if (a->kind != SIEVE_KEEP && a->kind != SIEVE_FILEINTO)
			continue;
		if (a->message)
			sieve_message_header(a->message, SPAN_NONE, &header);
		else
			text_set(&header, span_first(message, header_body_offset(message, NULL)));
		printf("=== %s\n%s", a->kind == SIEVE_KEEP ? "INBOX" : mem_span(a->target), text_string(&header));
	}
}

int
main(int argc, char **argv)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    text = {0}, message = {0}, out = {0};
	struct sieve_script    *script;
	struct sieve_result     result;
	struct fault            why = {0};
	struct sieve_limits     limits = sieve_default_limits;
	bool                    headers = argc > 1 && strcmp(argv[1], "-h") == 0;

	limits.spam = &show_spam;
	limits.virus = &show_virus;
	argc -= headers;
	argv += headers;
	if (argc < 2 || file_read(argv[1], 2 << 20, &text, &why) < 0 ||
	    sieve_compile(arena, text_span(&text), argv[1], NULL, &limits, &script, &why) < 0) {
		printf("bad: %s\n", fault_text(&why));
		return 1;
	}
	if (argc < 3)
		return 0;
	if (file_read(argv[2], 64 << 20, &message, &why) < 0)
		return 2;
	struct sieve_host host = {.message = text_span(&message), .sender = span_of(argc > 3 ? argv[3] : "sender@example.org"),
		.recipient = span_of(argc > 4 ? argv[4] : "user+detail@example.com"), .original = SPAN_NONE, .auth = SPAN_NONE,
		.delimiters = SPAN("+"), .host_name = "mail.example.com", .domain = "example.com", .now = 1795180000, .user = SPAN("tester")};

	sieve_run(arena, (const struct sieve_script *const[]){script}, 1, &limits, &host, &result);
	show_actions(&result, &out);
	printf("%s\n", text_string(&out));
	if (headers)
		show_headers(&result, text_span(&message));
	return 0;
}
