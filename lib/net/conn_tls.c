/* SPDX-License-Identifier: ISC */
/*
 * conn_tls.c - the switch to TLS, and its polite end
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>

#include "net/conn_internal.h"
#include "net/tls.h"
#include "net/tls_internal.h"

static int
begin_tls(struct conn *c, struct tls_context *t, const struct tls_wish *wish, struct fault *why)
{
	if (conn_flush(c, why) < 0)
		return -1;
	assert(!c->ssl && conn_pending(c) == 0); /* nothing survives the switch */
	text_free(&c->in);
	c->in_start = 0;
	c->ssl = tls_session(t, wish, why);
	if (!c->ssl)
		return -1;
	if (SSL_set_rfd(c->ssl, c->in_fd) != 1 || SSL_set_wfd(c->ssl, c->out_fd) != 1)
		return tls_fault(why, FAULT_SYSTEM, "TLS");
	return 0;
}

static int
shake_hands(struct conn *c, int (*step)(SSL *), struct fault *why)
{
	for (;;) {
		int ok;

		ERR_clear_error();
		errno = 0;
		ok = step(c->ssl);
		if (ok == 1)
			return 0;
		if (conn_tls_step(c, ok, why) < 0) {
			c->dead = true;
			return -1;
		}
	}
}

int
conn_accept_tls(struct conn *c, struct tls_context *t, struct fault *why)
{
	return begin_tls(c, t, NULL, why) < 0 ? -1 : shake_hands(c, SSL_accept, why);
}

int
conn_start_tls(struct conn *c, struct tls_context *t, const struct tls_wish *wish, struct fault *why)
{
	return begin_tls(c, t, wish, why) < 0 ? -1 : shake_hands(c, SSL_connect, why);
}

void
conn_close_notify(struct conn *c)
{
	struct fault ignored = {0};

	if (conn_flush(c, &ignored) == 0 && c->ssl && !c->dead) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* sends ours, does not wait for theirs */
	}
}

bool
conn_is_tls(const struct conn *c)
{
	return c->ssl != NULL;
}

void *
conn_ssl(const struct conn *c)
{
	return c->ssl;
}
