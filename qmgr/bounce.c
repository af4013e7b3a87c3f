/* SPDX-License-Identifier: ISC */
/*
 * bounce.c - tells senders what became of their mail
 *
 * qmgr asks, with the recipients and the message; the answer comes when the
 * notice is on stable storage. A message without sender makes no notice; its
 * failure is told to the postmaster when notify_classes has 2bounce; and what
 * was sent to the postmaster as such is never answered at all.
 */
#include "bounce.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "service/service.h"

struct bounce_config bounce_config;

static const struct param params[] = {
	LIST("notify_classes", &bounce_config.notify_classes, "resource, software",
             "what the postmaster is told: bounce, 2bounce, delay, policy, protocol, resource, software"),
	LIST("internal_mail_filter_classes", &bounce_config.internal_mail_filter_classes, "",
             "bounce: notices are subject to checks and milters"),
	STRING("bounce_notice_recipient", &bounce_config.bounce_recipient, "postmaster",
               "who gets copies of failure notices"),
	STRING("2bounce_notice_recipient", &bounce_config.double_recipient, "postmaster",
               "who gets what could not be returned"),
	STRING("delay_notice_recipient", &bounce_config.delay_recipient, "postmaster",
               "who gets copies of delay notices"),
	STRING("bounce_template_file", &bounce_config.template_file, "", "templates of notices (bounce(5))"),
	LIST("non_smtpd_milters", &bounce_config.non_smtpd_milters, "", "see pickup: for notices by internal_mail_filter_classes"),
	MILTER_PARAMS(bounce_config.milter),
	BYTES("bounce_size_limit", &bounce_config.size_limit, "50000", "1", "",
              "largest original that is returned whole"),
	BOOLEAN("enable_threaded_bounces", &bounce_config.threaded, "no",
                "notices have In-Reply-To: and References: of the original"),
	END_OF_PARAMS};

struct bounce_templates bounce_templates;

/* Before the sandbox. */
static int
prepare(struct fault *why)
{
	static struct arena *arena;     /* as long as the process */
	autotext struct text file = {0};

	if (milter_specs_parse(&bounce_config.non_smtpd_milters, &bounce_config.milter, &bounce_config.milters, why) < 0)
		return fault_prefix(why, "non_smtpd_milters");
	if (!bounce_config.template_file[0])
		return 0;
	arena = arena_new();
	if (file_read(bounce_config.template_file, BOUNCE_TEMPLATES_MAX, &file, why) < 0 ||
	    bounce_templates_parse(text_span(&file), service->main_cf, arena, &bounce_templates, why) < 0)
		return fault_prefix(why, "bounce_template_file = %s", bounce_config.template_file);
	return 0;
}

/* "postmaster" as an address of this site. */
static struct span
complete(const char *name, struct text *out)
{
	text_add_string(out, name);
	if (!strchr(name, '@'))
		text_add_format(out, "@%s", site.myorigin);
	return text_span(out);
}

static bool
is_double_bounce(struct span sender)
{
	ptrdiff_t at = span_find_last(sender, '@');

	return span_is_nocase(at < 0 ? sender : span_first(sender, (size_t)at),
	                      site.double_bounce_sender);
}

static int
to_postmaster(const struct notice *n, const char *who, bool is_double, const char *what,
              struct fault *why)
{
	autotext struct text to = {0}, from = {0};
	struct bounce_mail   m = {.notice = n, .to_postmaster = true, .is_double = is_double};
	char                 id[BOUNCE_ID_SIZE];

	m.to = complete(who, &to);
	m.sender = complete(site.double_bounce_sender, &from);
	if (bounce_send(&m, id, why) < 0)
		return -1;
	log_info("%.*s: postmaster %s notification: %s", SPAN_ARGS(n->queue_id), what, id);
	return 0;
}

static int
to_sender(const struct notice *n, const char *what, char id[BOUNCE_ID_SIZE], struct fault *why)
{
	struct bounce_mail m = {.notice = n, .to = n->sender, .sender = SPAN_NONE};

	if (bounce_send(&m, id, why) < 0)
		return -1;
	log_info("%.*s: sender %s notification: %s", SPAN_ARGS(n->queue_id), what, id);
	return 0;
}

static int
tell_failure(const struct notice *n, char id[BOUNCE_ID_SIZE], struct fault *why)
{
	if (is_double_bounce(n->sender)) {
		log_warning("%.*s: undeliverable postmaster notification discarded",
		            SPAN_ARGS(n->queue_id));
		return 0;
	}
	if (n->sender.len == 0) {
		if (list_has(&bounce_config.notify_classes, "2bounce"))
			return to_postmaster(n, bounce_config.double_recipient, true,
			                     "non-delivery", why);
		log_debug("%.*s: from=<>: undeliverable, and there is nobody to tell",
		          SPAN_ARGS(n->queue_id));
		return 0;
	}
	if (to_sender(n, "non-delivery", id, why) < 0)
		return -1;
	/* A copy only: that the sender was told is what counts. */
	if (list_has(&bounce_config.notify_classes, "bounce") &&
	    to_postmaster(n, bounce_config.bounce_recipient, false, "non-delivery", why) < 0)
		log_warning("%.*s: copy for the postmaster: %s", SPAN_ARGS(n->queue_id),
		            fault_text(why));
	return 0;
}

static int
tell_delay(const struct notice *n, char id[BOUNCE_ID_SIZE], struct fault *why)
{
	if (n->sender.len == 0 || is_double_bounce(n->sender))
		return 0;
	if (to_sender(n, "delay", id, why) < 0)
		return -1;
	if (list_has(&bounce_config.notify_classes, "delay") &&
	    to_postmaster(n, bounce_config.delay_recipient, false, "delay", why) < 0)
		log_warning("%.*s: copy for the postmaster: %s", SPAN_ARGS(n->queue_id),
		            fault_text(why));
	return 0;
}

static int
tell(const struct notice *n, char id[BOUNCE_ID_SIZE], struct fault *why)
{
	id[0] = '\0';
	if (span_is(n->kind, "failure"))
		return tell_failure(n, id, why);
	if (span_is(n->kind, "delay"))
		return tell_delay(n, id, why);
	if (!span_is(n->kind, "success") && !span_is(n->kind, "verify"))
		return fault_set(why, FAULT_INPUT, "no such kind of notice");
	if (n->sender.len == 0 || is_double_bounce(n->sender))
		return 0;
	return to_sender(n, "delivery status", id, why);
}

/* Between notices a process that is to leave does so. */
static bool
wait_for_notice(int sock)
{
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN},
	                      {.fd = service_stop_fd(), .events = POLLIN}};

	while (poll(p, COUNT(p), -1) < 0 && errno == EINTR)
		;
	return p[0].revents != 0;
}

static void
serve(int fd, const struct listener *listener)
{
	autoclose int          sock = fd;
	autoframe struct frame f = {0};
	struct fault           why = {0};

	(void)listener;
	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct notice           n;
		char                    id[BOUNCE_ID_SIZE];
		int                     got, told;

		if (!wait_for_notice(sock))
			return;
		got = notify_receive(sock, &f, &n, arena, &why);
		if (got < 0)
			log_warning("%s: hanging up", fault_text(&why));
		if (got != 0)
			return;
		told = tell(&n, id, &why);
		close(n.content);
		if (told < 0)
			log_warning("%.*s: notice not sent: %s", SPAN_ARGS(n.queue_id),
			            fault_text(&why));
		if ((told < 0 ? notify_refuse(sock, fault_text(&why), &why)
		              : notify_done(sock, id, &why)) < 0)
			return;
	}
}

static const char *const asks[] = {"cleanup", "dialer", NULL};

static const struct service bounce = {
	.name = "bounce",
	.about = "tells senders and the postmaster of failures, delays and deliveries",
	.role = ROLE_MAIL,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK,
	.params = params,
	.tasks = "100",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "--templates") == 0 || strcmp(argv[1], "--expanded-templates") == 0))
		return bounce_templates_print(argc, argv);
	return service_run(&bounce, argc, argv);
}
