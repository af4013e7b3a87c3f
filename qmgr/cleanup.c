/* SPDX-License-Identifier: ISC */
/*
 * cleanup.c - takes messages into the queue
 *
 * Every message that is accepted comes through here (ipc/submit.h); when this
 * program has said "committed", the message is on stable storage.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "cleanup.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "ipc/queue_talk.h"
#include "service/service.h"
#include "table/table.h"

struct cleanup_config cleanup_config;
struct queue         *cleanup_queue;

static const struct param params[] = {
	STRING  ("always_bcc", &cleanup_config.always_bcc, "", "address that gets a copy of every message"),
	LIST    ("sender_bcc_maps", &cleanup_config.sender_bcc_maps, "", "tables: a copy of mail from these senders"),
	LIST    ("recipient_bcc_maps", &cleanup_config.recipient_bcc_maps, "", "tables: a copy of mail to these recipients"),
	BOOLEAN ("always_add_missing_headers", &cleanup_config.always_add_missing_headers, "no", "complete the header of remote mail, too"),
	BOOLEAN ("enable_original_recipient", &cleanup_config.enable_original_recipient, "yes", "recipients with different original addresses are different"),
	STRING  ("undisclosed_recipients_header", &cleanup_config.undisclosed_recipients_header, "", "header added when there is no recipient header"),
	STRING  ("remote_header_rewrite_domain", &cleanup_config.remote_header_rewrite_domain, "", "completes addresses in headers of remote mail; empty: leave them alone"),
	LIST    ("message_drop_headers", &cleanup_config.message_drop_headers, "bcc, content-length, resent-bcc, return-path", "headers that are taken out"),
	LIST    ("header_checks", &cleanup_config.header_checks, "", "tables: what to do about a header line"),
	LIST    ("mime_header_checks", &cleanup_config.mime_header_checks, "$header_checks", "tables: what to do about a MIME header line"),
	LIST    ("nested_header_checks", &cleanup_config.nested_header_checks, "$header_checks", "tables: what to do about a header line of an attached message"),
	LIST    ("body_checks", &cleanup_config.body_checks, "", "tables: what to do about a body line"),
	LIST    ("milter_header_checks", &cleanup_config.milter_header_checks, "", "tables: what to do about a header line that a milter adds"),
	BYTES   ("body_checks_size_limit", &cleanup_config.body_checks_size_limit, "51200", "0", "", "how much of each part body_checks sees"),
	BYTES   ("queue_minfree", &cleanup_config.queue_minfree, "0", "0", "", "free space below which no mail is taken"),
	RAW     ("message_strip_characters", &cleanup_config.message_strip_characters, "", "characters that are taken out of a message: \\0\\r, as in C"),
	RAW     ("message_reject_characters", &cleanup_config.message_reject_characters, "", "characters that no message may hold: \\0\\r, as in C"),
	BOOLEAN ("strict_8bitmime", &cleanup_config.strict_8bitmime, "no", "strict_7bit_headers and strict_8bitmime_body"),
	BOOLEAN ("strict_7bit_headers", &cleanup_config.strict_headers, "no", "refuse 8-bit bytes in headers, but for SMTPUTF8"),
	BOOLEAN ("strict_8bitmime_body", &cleanup_config.strict_body, "no", "refuse 8-bit bytes in bodies that no label announces"),
	BOOLEAN ("strict_mime_encoding_domain", &cleanup_config.strict_mime_encoding_domain, "no", "refuse multipart and message types with an encoding"),
	NUMBER  ("mime_nesting_limit", &cleanup_config.mime_nesting_limit, "100", "1", "100", "refuse what is nested deeper; 100: parts deeper are not looked into"),
	BOOLEAN ("disable_mime_input_processing", &cleanup_config.disable_mime_input_processing, "no", "a message is a header and a body, without parts"),
	CHOICE  ("header_from_format", &cleanup_config.header_from_format, "standard", "standard obsolete", "form of a From: that is added"),
	LIST    ("smtputf8_autodetect_classes", &cleanup_config.smtputf8_autodetect_classes, "sendmail, verify",
	         "whose messages are SMTPUTF8 when an address or a header needs it: sendmail smtpd forward bounce notify verify all"),
	STRING  ("full_name_encoding_charset", &cleanup_config.full_name_encoding_charset, "", "of a full name that is not ASCII; empty: utf-8"),
	NUMBER  ("duplicate_filter_limit", &cleanup_config.duplicate_filter_limit, "1000", "0", "", "how many recipients are remembered to find duplicates"),
	END_OF_PARAMS
};

static int notice_sock = -1;

/* Datagrams to qmgr; when there is none, it will find the message by looking. */
static int
connect_notice(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char        *root = service->root ? "" : site.queue_directory;

	if (snprintf(to.sun_path, sizeof to.sun_path, "%s/private/qmgr-notice", root) >=
	            (int)sizeof to.sun_path ||
	    fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

void
cleanup_notice(const char *queue_id)
{
	if (notice_sock >= 0)
		queue_notice(notice_sock, span_of(queue_id));
}

static int
prepare(struct fault *why)
{
	table_use_proxy(ask_table_find);
	table_use_remote(ask_table_find);
	if (queue_open(site.queue_directory, &cleanup_queue, why) < 0)
		return -1;
	if (cleanup_strict_open(why) < 0)
		return -1;
	return cleanup_checks_open(why);
}

static int
begin(struct fault *why)
{
	(void)why;
	notice_sock = connect_notice();
	return 0;
}

static void
serve(int sock, const struct listener *listener)
{
	(void)listener;
	cleanup_session(sock);
}

static const char *const asks[] = {"rewrite", "proxymap", "dialer", NULL};
/* active, deferred and corrupt: is the message that pickup brings there already? */
static const char *const reads[] = {"$queue_directory/incoming", "$queue_directory/hold", "$queue_directory/active",
                                    "$queue_directory/deferred", "$queue_directory/corrupt", NULL};
static const char *const writes[] = {"$queue_directory/incoming", "$queue_directory/hold",
                                     "$queue_directory/ids", NULL};

static const struct service cleanup = {
	.name = "cleanup",
	.about = "takes messages into the queue",
	.role = ROLE_MAIL,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE,
	.reads = reads,
	.writes = writes,
	.params = params,
	.tasks = "100",
	.prepare = prepare,
	.begin = begin,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&cleanup, argc, argv);
}
