/* SPDX-License-Identifier: ISC */
/*
 * settings.h - which milters, and how they are spoken to: smtpd_milters and its kin
 *
 * A program that asks milters has a struct milter_settings, puts MILTER_PARAMS(it) into its
 * rows, and makes lists of milters out of "inet:host:port", "unix:path" and
 * "{ inet:host:port, connect_timeout=10s, default_action=accept, ... }".
 * Lists are immutable once made, and shared by all tasks.
 */
#ifndef MILTER_SETTINGS_H
#define MILTER_SETTINGS_H

#include "config/list.h"
#include "config/param.h"

enum milter_stage {
	STAGE_CONNECT, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_EOM, STAGE_EOH, STAGE_UNKNOWN, MILTER_STAGES
};

enum milter_failure {      /* milter_default_action, in the order of its words */
	FAILURE_ACCEPT, FAILURE_REJECT, FAILURE_TEMPFAIL, FAILURE_QUARANTINE, FAILURE_SHUTDOWN
};

struct milter_settings {
	int64_t     connect_timeout, command_timeout, content_timeout;
	int         default_action;        /* enum milter_failure */
	const char *protocol;              /* "6", "6 no_header_reply" */
	const char *daemon_name, *v;
	struct list macros[MILTER_STAGES], macro_defaults;
};

#define MILTER_PARAMS(m) \
	DURATION("milter_connect_timeout", &(m).connect_timeout, "30s", "1s", "", "time to connect to a milter and agree on options"), \
	DURATION("milter_command_timeout", &(m).command_timeout, "30s", "1s", "", "time for a milter's answer to an SMTP command"), \
	DURATION("milter_content_timeout", &(m).content_timeout, "300s", "1s", "", "time for a milter's answer to content"), \
	CHOICE("milter_default_action", &(m).default_action, "tempfail", "accept reject tempfail quarantine shutdown", "when a milter is not there or does wrong"), \
	STRING("milter_protocol", &(m).protocol, "6", "version 2, 3, 4 or 6, and no_header_reply"), \
	STRING("milter_macro_daemon_name", &(m).daemon_name, "$myhostname", "the macro {daemon_name}"), \
	STRING("milter_macro_v", &(m).v, "$mail_name $mail_version", "the macro v"), \
	LIST("milter_macro_defaults", &(m).macro_defaults, "", "name=value of macros that have no value"), \
	LIST("milter_connect_macros", &(m).macros[STAGE_CONNECT], "j {daemon_name} {daemon_addr} v _", "macros at connect"), \
	LIST("milter_helo_macros", &(m).macros[STAGE_HELO], "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}", "macros at HELO and EHLO"), \
	LIST("milter_mail_macros", &(m).macros[STAGE_MAIL], "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}", "macros at MAIL"), \
	LIST("milter_rcpt_macros", &(m).macros[STAGE_RCPT], "i {rcpt_addr} {rcpt_host} {rcpt_mailer}", "macros at RCPT"), \
	LIST("milter_data_macros", &(m).macros[STAGE_DATA], "i", "macros at DATA"), \
	LIST("milter_end_of_header_macros", &(m).macros[STAGE_EOH], "i", "macros at the end of the header"), \
	LIST("milter_end_of_data_macros", &(m).macros[STAGE_EOM], "i", "macros at the end of the message"), \
	LIST("milter_unknown_command_macros", &(m).macros[STAGE_UNKNOWN], "", "macros at an unknown command")

struct milter_spec {
	char               *name;          /* the endpoint as it was written */
	int64_t             connect_timeout, command_timeout, content_timeout;
	enum milter_failure failure;
	unsigned            version;       /* 2, 3, 4, 6 */
	bool                no_header_reply;
};

struct milter_specs {
	struct milter_spec           *at;  /* owned */
	size_t                        count;
	const struct milter_settings *settings;
};

/* Pure. -1: which element, and why; *out is empty then. */
int  milter_specs_parse(const struct list *, const struct milter_settings *, struct milter_specs *out, struct fault *);
void milter_specs_free(struct milter_specs *);

/* The value of a macro by milter_macro_defaults: false when it has none. */
bool milter_macro_default(const struct milter_settings *, const char *name, struct span *value);

#endif
