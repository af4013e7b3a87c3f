/* SPDX-License-Identifier: ISC */
/*
 * required.c - "TLS-Required: no": the sender would rather have his message arrive than have it secret (RFC 8689, 5)
 *
 * Reports on TLS that fails are such mail.  The field is looked for where it makes a difference: when policies may ask
 * for more than smtp_tls_security_level = may.  It counts for the next hop of
 * smtp, a relay as well as an MX host, as in Postfix 3.10; never with smtp_sasl_auth_enable, whether or not this server has a password, since a password is not the
 * sender's to risk, and never for lmtp, which has no such parameter: that server is ours, and no policy of the recipient's asks for TLS there.
 */
#include "client.h"
#include "mail/header.h"
#include "queue/message.h"

enum { HEADER_MOST = 64 * 1024 };

static bool
could_be_lowered(void)
{
	return client.tls_required && !client.sasl_enable &&
	       (client.tls_level > TLS_MAY || client.tls_policy.names.count || client.tls_per_site.names.count);
}

static bool
says_no(struct span head)
{
	struct header_field field;
	size_t              at = 0;

	while (header_next(head, &at, &field))
		if (span_is_nocase(field.name, "TLS-Required"))
			return span_is_nocase(span_trim(field.value), "no");
	return false;
}

bool
tls_is_not_required(const struct delivery *d)
{
	struct message_content content = {.fd = d->content};
	autotext struct text   head = {0};
	bool                   no;

	if (!could_be_lowered() || message_pieces_parse(d->pieces, &content, NULL) < 0)
		return false;
	no = message_header(&content, HEADER_MOST, &head, NULL) == 0 && says_no(text_span(&head));
	message_content_free(&content);
	return no;
}
