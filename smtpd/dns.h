/* SPDX-License-Identifier: ISC */
/*
 * dns.h - DNS as smtpd's rules see it: through smtpd_dns_reply_filter
 *
 * The calls and their answers are those of ipc/ask_dns.h; a record for which the filter
 * says IGNORE is not there.  The tables are asked for "name. ttl IN TYPE value".
 */
#ifndef SMTPD_DNS_H
#define SMTPD_DNS_H

#include "ipc/ask_dns.h"

WAITS int dns_records(struct span name, const char *type, struct arena *, struct dns_answer *, struct fault *);
WAITS int dns_addresses(struct span host, struct arena *, struct dns_address **, size_t *count, enum dns_state *, struct fault *);

#endif
