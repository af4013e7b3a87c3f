/* SPDX-License-Identifier: ISC */
/* main.c - pop3d: one user's POP3 session (RFC 1939), as that user, behind pop3-login */
#include <unistd.h>

#include "base/log.h"
#include "mail/charset.h"
#include "service/mailbox.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "session.h"

static int
prepare(struct fault *why)
{
	log_rename("dovecot");
	sandbox_prepare_mailbox();
	charset_prepare();
	return pop3_config_check(why);
}

static void
serve(int sock, const struct listener *unused)
{
	struct mailbox_session s;
	struct fault           why = {0};

	(void)unused;
	if (mailbox_receive(sock, &s, &why) < 0)
		return;
	close(s.control); /* POP3 clients do not idle */
	struct pop3_user user = {.name = s.user.user, .home = s.user.home, .mail = s.user.mail, .quota = s.user.quota, .session = s.session,
		.utf8 = s.utf8, .capabilities = text_string(&s.capabilities)};

	if (pop3_session(&user, s.conn, &why) < 0)
		log_error("pop3(%s)<%s>: %s", s.user.user, s.session, fault_text(&why));
	conn_free(s.conn);
}

static const char *const asks[] = {"authd", NULL};

static const struct service pop3d = {
	.name = "pop3d",
	.about = "one user's POP3 session, as that user",
	.role = ROLE_ROOT,
	.model = SERVE_FORKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_FORK | MAY_BECOME | MAY_READ | MAY_WRITE,
	.params = pop3_params,
	.tasks = "1",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&pop3d, argc, argv);
}
