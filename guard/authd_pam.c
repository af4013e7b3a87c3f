/* SPDX-License-Identifier: ISC */
/*
 * authd_pam.c - one question to PAM: authenticate, then is the account valid
 */
#include "authd_pam.h"

#include <security/pam_appl.h>
#include <string.h>

#include "base/mem.h"

/* Modules that prompt get the password; what they say is not for anyone. */
static int
converse(int count, const struct pam_message **messages, struct pam_response **out, void *password)
{
	struct pam_response *answers;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	answers = mem_array((size_t)count, sizeof *answers);
	for (int i = 0; i < count; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF || messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			answers[i].resp = mem_string(password);
	*out = answers;
	return PAM_SUCCESS;
}

/* authd delays failures by a timer: no process waits for that. */
static void
no_delay(int status, unsigned usec, void *unused)
{
	(void)status;
	(void)usec;
	(void)unused;
}

int
pam_check(const char *service, const char *user, const char *password, const char *peer, struct fault *why)
{
	struct pam_conv conversation = {converse, (void *)(uintptr_t)password};
	pam_handle_t   *pam = NULL;
	int             status = pam_start(service, user, &conversation, &pam);

	if (status != PAM_SUCCESS)
		return fault_set(why, FAULT_SYSTEM, "pam_start() failed: %s", pam_strerror(pam, status));
	pam_set_item(pam, PAM_RHOST, peer);
	pam_set_item(pam, PAM_TTY, "postern");
	pam_set_item(pam, PAM_FAIL_DELAY, (const void *)(uintptr_t)no_delay);
	status = pam_authenticate(pam, PAM_SILENT);
	if (status == PAM_SUCCESS && (status = pam_acct_mgmt(pam, PAM_SILENT)) != PAM_SUCCESS)
		fault_set(why, FAULT_DENIED, "pam_acct_mgmt() failed: %s", pam_strerror(pam, status));
	else if (status == PAM_USER_UNKNOWN)
		fault_set(why, FAULT_DENIED, "unknown user");
	else if (status != PAM_SUCCESS)
		fault_set(why, FAULT_DENIED, "pam_authenticate() failed: %s%s", pam_strerror(pam, status),
		          status == PAM_AUTH_ERR ? " (Password mismatch?)" : "");
	pam_end(pam, status);
	if (status == PAM_SUCCESS)
		return 1;
	return status == PAM_SYSTEM_ERR || status == PAM_SERVICE_ERR || status == PAM_BUF_ERR ||
	       status == PAM_AUTHINFO_UNAVAIL ? -1 : 0;
}
