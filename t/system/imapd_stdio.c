/* SPDX-License-Identifier: ISC */
/*
 * imapd_stdio.c - an IMAP session on standard input and output, for tests
 *
 *   imapd_stdio MAIL_LOCATION [name=value ...]
 *
 * Already authenticated (PREAUTH) as whoever runs it; parameters: separator,
 * prefix, notify (ms), size (of a message), quota, quota_rule, lazy, lazy_only_last, lazy_exclude1 ..., acl, notify_mailboxes, message_limit,
 * save_limit, attachments, search_index (bytes).  With IMAPD_STDIO_SANDBOX in the
 * environment the sandbox of imapd is closed around it.
 */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "imap_config.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "session.h"
#include "store/delivered.h"
#include "store/lazy.h"
#include "store/quota.h"

static void
set(struct span argument)
{
	struct span name;
	uint64_t    n = 0, i = 0;

	if (!span_split(&argument, '=', &name))
		return;
	span_number(argument, &n);
	if (span_is(name, "separator"))
		imap_config.separator = mem_span(argument);
	else if (span_is(name, "prefix"))
		imap_config.prefix = mem_span(argument);
	else if (span_is(name, "notify"))
		imap_config.idle_notify_interval = (int64_t)n;
	else if (span_is(name, "quota"))
		quota_settings.root = mem_span(argument);
	else if (span_is(name, "quota_rule"))
		quota_settings.rule[0] = mem_span(argument);
	else if (span_is(name, "lazy"))
		lazy_settings.mailbox = mem_span(argument);
	else if (span_is(name, "lazy_only_last"))
		lazy_settings.only_last = true;
	else if (span_starts(name, "lazy_exclude") && span_number(span_from(name, 12), &i) && i >= 1 && i <= LAZY_EXCLUDES)
		lazy_settings.exclude[i - 1] = mem_span(argument);
	else if (span_is(name, "quota_rule2"))
		quota_settings.rule[1] = mem_span(argument);
	else if (span_is(name, "acl"))
		imap_config.acl = mem_span(argument);
	else if (span_is(name, "attachments"))
		delivered_settings.attachments = mem_span(argument);
	else if (span_is(name, "message_limit"))
		imap_config.message_limit = (int)n;
	else if (span_is(name, "save_limit"))
		imap_config.save_limit = (int)n;
	else if (span_is(name, "notify_mailboxes"))
		imap_config.notify_mailboxes = (int)n;
	else if (span_is(name, "search_index"))
		imap_config.search_index_limit = (int64_t)n;
	else if (span_is(name, "size"))
		imap_config.max_message = (int64_t)n;
}

/* As lib/service/mailbox.c does it. */
static int
confine(const struct imap_user *user, struct fault *why)
{
	struct location l = {0};
	const char     *paths[3] = {NULL, NULL, NULL};
	struct sandbox  box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = paths, .writes = paths};

	if (location_parse(span_of(user->mail), span_of(user->name), span_of(user->home), &l, why) < 0)
		return -1;
	paths[0] = text_string(&l.root);
	if (l.index.len)
		paths[1] = text_string(&l.index);
	if (file_make_directories(paths[0], 0700, why) < 0 || sandbox_close(&box, why) < 0)
		return -1;
	location_free(&l);
	return 0;
}

int
main(int argc, char **argv)
{
	const char      *home = getenv("HOME"), *name = getenv("USER");
	struct imap_user user = {.name = name ? name : "test", .home = home ? home : "/"};
	struct fault     why = {0};
	struct conn     *c;

	signal(SIGPIPE, SIG_IGN);
	log_open("imapd_stdio", -1);
	if (argc < 2)
		log_fatal("usage: imapd_stdio MAIL_LOCATION [name=value ...]");
	user.mail = argv[1];
	for (int i = 2; i < argc; i++)
		set(span_of(argv[i]));
	imap_prepare();
	if (getenv("IMAPD_STDIO_SANDBOX") && confine(&user, &why) < 0)
		log_fatal("%s", fault_text(&why));
	c = conn_new_pair(dup(0), dup(1));
	if (imap_session(&user, c, &why) < 0)
		log_error("%s", fault_text(&why));
	conn_free(c);
	return 0;
}
