/* SPDX-License-Identifier: ISC */
/*
 * cleanup_utf8.c - is it mail that only SMTPUTF8 can carry? (RFC 6531, 3.2)
 *
 * It is when somebody said so, a client by SMTPUTF8 or smtputf8_autodetect_classes for whom
 * cannot say it, and an address or a header field is not ASCII.  What was announced and is
 * all ASCII goes to every server, as with Postfix.
 */
#include "cleanup.h"
#include "config/site.h"
#include "ipc/ask_verify.h"
#include "mail/charset.h"

/* The names that smtputf8_autodetect_classes has for origins. */
static const struct {
	const char *origin, *class;
} classes[] = {
	{"pickup", "sendmail"}, {"smtpd", "smtpd"}, {"local", "forward"},
	{"bounce", "bounce"},   {"notify", "notify"}, {VERIFY_ORIGIN, "verify"},
};

static bool
is_detected(const char *origin)
{
	const struct list *wanted = &cleanup_config.smtputf8_autodetect_classes;

	if (list_has(wanted, "all"))
		return true;
	for (size_t i = 0; i < COUNT(classes); i++)
		if (strcmp(origin, classes[i].origin) == 0)
			return list_has(wanted, classes[i].class);
	return false;
}

static bool
has_foreign_header(const struct message *m)
{
	for (size_t i = 0; i < m->header.count; i++)
		if (!m->header.at[i].dropped && !span_is_ascii(m->header.at[i].value))
			return true;
	return false;
}

static bool
has_foreign_address(const struct message *m)
{
	if (!span_is_ascii(m->envelope.sender))
		return true;
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!span_is_ascii(m->rcpts[i].address))
			return true;
	return false;
}

bool
message_needs_utf8(const struct message *m)
{
	if (!m->envelope.smtputf8 && !(site.smtputf8_enable && is_detected(m->origin.origin)))
		return false;
	return has_foreign_header(m) || has_foreign_address(m);
}
