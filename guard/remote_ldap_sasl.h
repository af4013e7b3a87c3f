/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap_sasl.h - bind = sasl of LDAP servers (RFC 4513, 5.2)
 *
 * SCRAM, DIGEST-MD5 and EXTERNAL of lib/sasl/client.h, over ldap_sasl_bind; a password in clear is what
 * bind = simple sends.  No security layer but TLS is negotiated, so that sasl_minssf above 0 needs TLS or
 * a Unix socket.  sasl_mechs names mechanisms in order; without it the best that the server offers is taken.
 */
#ifndef GUARD_REMOTE_LDAP_SASL_H
#define GUARD_REMOTE_LDAP_SASL_H

#include <ldap.h>

#include "guard/remote.h"

struct ldap_sasl {
	const char *mechanisms;             /* sasl_mechs; "": what the server offers */
	const char *realm, *authorize;      /* sasl_realm, sasl_authz_id; NULL: none */
	int         strength;               /* sasl_minssf */
};

struct ldap_proof {
	const char *user, *password, *host;
	bool        is_private;              /* TLS, or a Unix socket */
};

int ldap_sasl_read(struct remote_config *, struct ldap_sasl *, struct fault *);
/* 0 or -1 why. */
WAITS int ldap_sasl_prove(LDAP *, const struct ldap_sasl *, const struct ldap_proof *, struct fault *);

#endif
