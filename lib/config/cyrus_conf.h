/* SPDX-License-Identifier: ISC */
/*
 * cyrus_conf.h - what a site's smtpd.conf for Cyrus SASL says, as far as saslauthd can serve it
 *
 *   pwcheck_method: saslauthd          the default of Cyrus SASL, auxprop (sasldb2, sql, ldapdb), is refused: what can be done
 *                                      instead is in the reason
 *   mech_list: plain login             what is to be offered; saslauthd can check passwords in clear alone
 *   saslauthd_path: /run/saslauthd/mux
 *   log_level, autotransition, allowanonymouslogin ...   nothing here depends on them
 */
#ifndef CONFIG_CYRUS_CONF_H
#define CONFIG_CYRUS_CONF_H

#include "base/fault.h"
#include "base/text.h"

struct cyrus_conf {
	struct text socket;          /* saslauthd's, a path */
	struct text mechanisms;      /* "PLAIN LOGIN", or one of them */
};
void cyrus_conf_free(struct cyrus_conf *);

int cyrus_conf_parse(struct span, struct cyrus_conf *, struct fault *);      /* pure */

/* `name` is smtpd_sasl_path, "smtpd": its file is looked for in the directories of cyrus_sasl_config_path (":" between), or where
 * it is empty in sasl/ of the configuration directory, /etc/sasl2, /usr/lib/sasl2 and /usr/local/lib/sasl2.  At start. */
int cyrus_conf_find(const char *directories, const char *config_directory, const char *name, struct cyrus_conf *, struct fault *);

#endif
