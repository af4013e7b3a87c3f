/* SPDX-License-Identifier: ISC */
/*
 * login.h - what imap-login and pop3-login share: a client before it is somebody
 *
 * A login program speaks with a stranger: TLS, capabilities, a try to log in.
 * authd says yes and gives a ticket; the ticket and one end of a socket pair
 * go to the user's process, and from then on bytes are only passed on (pump.h):
 * TLS stays here, the mailbox stays there.
 *
 *   struct login *l = login_start(fd);              greeting is the protocol's
 *   login_starttls(l)                               when asked
 *   switch (login_plain(l, user, password)) ...     or login_sasl
 *   login_enter(l, tag)                             the session goes on in the pump: l has no connection any more;
 *                                                   or it is over, and l is a stranger again (not l->entered)
 *   login_end(l)                                    logs what the user's process did not
 *
 * Log lines are Dovecot's, under its tag, so that its log readers go on working.
 * Before login at most LOGIN_INPUT_MAX bytes are taken from a client.
 */
#ifndef SERVICE_LOGIN_H
#define SERVICE_LOGIN_H

#include "base/arena.h"
#include "config/param.h"
#include "ipc/ask_auth.h"
#include "net/conn.h"
#include "service/login_told.h"

enum { LOGIN_LINE_MAX = 8192, LOGIN_INPUT_MAX = 65536, LOGIN_BAD_MAX = 3 };

struct login;
struct login_config {
	const char *service;              /* "imap", "pop3": the user processes, and the TLS name */
	const char *tls_cert_file, *tls_key_file, *tls_chain_files, *tls_protocols, *tls_ca_file, *certificate_field;
	bool        tls_wrappermode, tls_ask_certificate, disable_plaintext;
	int64_t     timeout;              /* from connect to login */
	int         userip_connections, address_connections;   /* 0: as many as they like */
	const char *client_ca_file, *client_ca_dir, *client_cert, *client_key;   /* of login_proxy.h */
	bool        client_require_cert;
	int64_t     proxy_timeout;
	struct list trusted_networks;     /* of login_trust.h */
	bool        told_in_clear_holds;  /* behind STARTTLS, until something is told inside TLS */
	struct tls_context *tls;          /* NULL: none is configured */
	/* Whom his process let go (RFC 8437): as after login_start, but greeted. NULL: the protocol has no such thing. */
	WAITS void (*again)(struct login *);
};
extern struct login_config login_config;

/* Rows for the prefix "imap_" or "pop3_". */
#define LOGIN_ROWS(p)                                                                                               \
	STRING(p "tls_cert_file", &login_config.tls_cert_file, "$smtpd_tls_cert_file", "certificate and chain, PEM"), \
	STRING(p "tls_key_file", &login_config.tls_key_file, "$smtpd_tls_key_file", "its key"),                      \
	STRING(p "tls_chain_files", &login_config.tls_chain_files, "", "key and chain in one, instead"),             \
	STRING(p "tls_protocols", &login_config.tls_protocols, ">=TLSv1.2", "TLS versions"),                         \
	STRING(p "tls_CAfile", &login_config.tls_ca_file, "", "authorities for certificates of clients, PEM"),        \
	BOOLEAN(p "tls_ask_ccert", &login_config.tls_ask_certificate, "no", "ask clients for a certificate (auth_ssl_username_from_cert)"), \
	STRING("ssl_cert_username_field", &login_config.certificate_field, "commonName", "which field of a client certificate's subject is the user"), \
	BOOLEAN(p "tls_wrappermode", &login_config.tls_wrappermode, "no", "TLS from the first byte"),                \
	BOOLEAN("disable_plaintext_auth", &login_config.disable_plaintext, "yes", "passwords in clear only over TLS or on this machine"), \
	DURATION("login_timeout", &login_config.timeout, "180s", "1s", "1h", "how long a client may stay without logging in"), \
	LIST("login_trusted_networks", &login_config.trusted_networks, "", "proxies and webmails that are believed when they say for whom they speak (ID \"x-originating-ip\" of IMAP, XCLIENT of POP3 and ManageSieve), and may send passwords in clear"), \
	NUMBER("mail_max_userip_connections", &login_config.userip_connections, "10", "0", "",                       \
	       "sessions of one user from one address; one more ends the one that has been idle longest; 0: any"),   \
	DURATION("login_proxy_timeout", &login_config.proxy_timeout, "30s", "1s", "10m", "how long connecting and logging in to a user's other server may take (proxy=y of auth_passdb), unless he has a proxy_timeout="), \
	STRING("ssl_client_ca_file", &login_config.client_ca_file, "", "authorities for certificates of such servers, PEM"), \
	STRING("ssl_client_ca_dir", &login_config.client_ca_dir, "", "the same, every file in it"),                     \
	STRING("ssl_client_cert", &login_config.client_cert, "", "certificate that is shown to such servers, PEM"),     \
	STRING("ssl_client_key", &login_config.client_key, "", "its key; empty: in ssl_client_cert"),                  \
	BOOLEAN("ssl_client_require_valid_cert", &login_config.client_require_cert, "yes", "TLS to such servers wants a certificate that verifies and has the name that host= says; no: whatever they show"), \
	NUMBER("login_max_connections_per_address", &login_config.address_connections, "1000", "0", "",                 \
	       "connections from one address, logged in or not, but this machine's; one more ends the one that has been idle longest; 0: any")

struct login {
	struct conn  *conn;
	struct arena *arena;
	char          peer[64], local[64], session[64], user[256], ticket[40];   /* the first three and the ports as told, if they were */
	int           peer_port, local_port;
	struct {
		char      peer[64], local[64], session[24];
		int       peer_port, local_port;
	} socket;                         /* who it is at the other end, whatever was told (login_trust.h) */
	struct told   told;               /* and taken; else nothing */
	bool          trusted;            /* of login_trusted_networks */
	bool          told_in_clear;      /* TLS has begun behind it */
	bool          tried;              /* to log in, since the connection or TLS began */
	bool          settled;            /* was somebody (RFC 8437): whose connection it is stays as it is */
	const char   *method;
	bool          near;               /* the same machine, by the socket */
	bool          secured;            /* TLS, near, or trusted */
	bool          utf8;               /* UTF8 of POP3 (RFC 6856), for the user's process, as are */
	char          capabilities[512];  /* lines of CAPA that were told before login */
	bool          refused_plaintext;
	int           attempts, bad_commands;
	int64_t       started;
	const char   *end;                /* "Inactivity", "Logged out": why it is over */
	bool          entered;
	bool          counted;            /* at anvil, as a connection of this address */
	struct auth_route *route;         /* owned; his mailbox is not here (login_proxy.h) */
	struct conn  *backend;            /* where it is; owned */
	char          proxy_address[64];
	const char   *proxy_end;          /* what the log says when it ends so */
	int           proxy_ttl;          /* how many more servers may hand him on */
	bool          too_many;           /* refused by mail_max_userip_connections, or by the address' limit */
};

/* LOGIN_YES with l->route: his mailbox is at another server. LOGIN_CLOSED: he was right, and may not (l->route says why). */
enum login_verdict { LOGIN_YES, LOGIN_CLOSED, LOGIN_NO, LOGIN_TROUBLE, LOGIN_INSECURE, LOGIN_UNKNOWN_MECHANISM, LOGIN_ABORTED, LOGIN_LOST };

int login_prepare(const char *service, struct fault *);       /* certificates: before the sandbox */
WAITS struct login *login_start(int fd);                      /* NULL: gone already; logged */
WAITS int login_starttls(struct login *);                     /* after "OK begin"; -1: over */
bool login_may_use_plaintext(const struct login *);

/* The client's answer to a base64 challenge, decoded: 0, 1 it gave up ("*"), -1 lost or malformed. */
typedef WAITS int login_exchange(struct login *, struct span challenge, struct text *response);

WAITS enum login_verdict login_plain(struct login *, struct span user, struct span password);
WAITS enum login_verdict login_sasl(struct login *, struct span mechanism, const struct span *initial, login_exchange *);
WAITS int login_enter(struct login *, struct span tag, struct fault *);
void login_end(struct login *);
WAITS void login_mechanisms(struct login *, struct text *names);   /* "PLAIN LOGIN"; "" where nobody may log in */

#endif
