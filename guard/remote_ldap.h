/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap.h - an LDAP server and connections to it, for tables (remote_ldap.c) and for users (remote_ldap_users.c)
 *
 * The parameters are those of ldap_table(5): server_host, server_port, version, bind, bind_dn, bind_pw, scope, dereference,
 * timeout, start_tls, sasl_*, tls_*.  Whoever uses it has the struct first in what `own` of its remote is.
 */
#ifndef GUARD_REMOTE_LDAP_H
#define GUARD_REMOTE_LDAP_H

#include <ldap.h>

#include "guard/remote.h"
#include "guard/remote_ldap_sasl.h"

struct ldap_server {
	const char *bind_dn, *bind_pw, *ca_file, *ca_dir, *cert, *key, *ciphers;
	struct ldap_sasl sasl;
	bool        binds, by_sasl, start_tls, require_cert, tls;
	int         version, timeout, scope, dereference;
};

/* Reads the parameters and adds the hosts. */
int ldap_server_prepare(struct remote *, struct ldap_server *, struct fault *);

/* As remote_driver's. */
WAITS void *ldap_server_connect(struct remote *, const struct remote_host *, int64_t deadline, struct fault *);
void ldap_server_disconnect(void *ld);

/* -1 with what the library or the server says; its class tells whether the connection is of more use. */
int ldap_server_fault(LDAP *, int error, const char *what, struct fault *);

#endif
