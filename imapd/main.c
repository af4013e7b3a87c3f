/* SPDX-License-Identifier: ISC */
/* main.c - imapd: one user's IMAP session (RFC 3501), as that user, behind imap-login */
#include <unistd.h>

#include "base/log.h"
#include "imap_config.h"
#include "imapsieve.h"
#include "service/mailbox.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "session.h"
#include "sleep.h"
#include "store/acl.h"

static int
prepare(struct fault *why)
{
	imap_prepare();
	sandbox_prepare_mailbox();
	log_rename("dovecot");
	if (imap_config_check(why) < 0 || (service->checks && acl_global_check(imap_config.acl, why) < 0))
		return -1;
	if (imapsieve_prepare(why) < 0)
		return -1;
	return mailbox_access_groups(&imap_config.access_groups, why);
}

static void
serve(int sock, const struct listener *unused)
{
	struct mailbox_session s;
	struct spaces          spaces = {.dictionary = -1};
	struct fault           why = {0};

	(void)unused;
	if (mailbox_receive_confined(sock, spaces_settle, &spaces, &s, &why) < 0)
		return;
	struct imap_means means = {s.control, s.user.asked, s.user.token, s.user.key, text_span(&s.state)};
	struct imapsieve_means scripts = {s.programs};
	struct imap_user  user = {.name = s.user.user, .home = s.user.home, .mail = s.user.mail, .quota = s.user.quota,
		.session = s.session, .tag = s.tag, .limits = s.limits < 0 ? NULL : &s.limits, .means = &means, .spaces = &spaces,
		.imapsieve = imapsieve_is_on() ? &scripts : NULL};

	if (imap_session(&user, s.conn, &why) < 0)
		log_error("imap(%s)<%s>: %s", s.user.user, s.session, fault_text(&why));
	conn_free(s.conn);
	close(s.limits);
	close(s.programs);
	spaces_free(&spaces);
}

static const char *const asks[] = {"authd", NULL};

static const struct service imapd = {
	.name = "imapd",
	.about = "one user's IMAP session, as that user",
	.role = ROLE_ROOT,
	.model = SERVE_FORKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_FORK | MAY_BECOME | MAY_READ | MAY_WRITE | MAY_WATCH,
	.params = imap_params,
	.tasks = "1",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&imapd, argc, argv);
}
