/* SPDX-License-Identifier: ISC */
/*
 * authd_oauth.h - passdb oauth2:PATH: tokens of OAUTHBEARER and XOAUTH2, validated by keys
 *
 * PATH is as Dovecot's dovecot-oauth2.conf.ext, "name = value" lines:
 *
 *   introspection_mode        local; the others would ask a server by HTTP and are refused
 *   local_validation_key_dict fs:posix:prefix=DIRECTORY/ or DIRECTORY; in it shared/AZP/ALGORITHM/KID, as Dovecot has it;
 *                             "/" in a name is %2f, "%" is %25. Read at start: a new key wants a reload
 *   issuers, scope, client_id (must be in the token's "aud"), username_attribute (email), active_attribute, active_value,
 *   openid_configuration_url (told to clients that were refused)
 *
 * Anything else in it is an error at start.  Tokens are taken apart in a helper (authd_helper.h), which may do nothing else.
 */
#ifndef GUARD_AUTHD_OAUTH_H
#define GUARD_AUTHD_OAUTH_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

struct oauth;
struct oauth *oauth_open(const char *path, struct fault *);      /* before the sandbox; NULL and why */

/* The text of such a file: pure. The settings are borrowed from the arena. */
struct oauth_settings {
	const char *key_directory, *issuers, *scope, *audience, *username_attribute, *active_attribute, *active_value, *openid;
};
int oauth_settings_parse(struct span, struct arena *, struct oauth_settings *, struct fault *);

const char *oauth_scope(const struct oauth *);
const char *oauth_openid(const struct oauth *);
int oauth_check(const struct oauth *, struct span token, struct text *user, struct fault *);   /* 1; 0 and why; CPU: in a helper */

#endif
