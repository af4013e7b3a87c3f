/* SPDX-License-Identifier: ISC */
/*
 * dnsd_records.h - resource record data (RFC 1035, 3.3), as text
 *
 * Pure. Names in hostile answers may hold any byte: a label with something
 * else than letters, digits, '-', '_' (or '/', for classless PTR zones) makes
 * the record FAULT_INPUT, and it is left out of the answer.
 */
#ifndef GUARD_DNSD_RECORDS_H
#define GUARD_DNSD_RECORDS_H

#include "base/fault.h"
#include "base/text.h"

enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };

int dns_type_of(struct span name);                   /* 0: none that we ask for */
int dns_record_print(int type, struct span rdata, struct text *out, struct fault *);
int dns_reverse_name(const char *ip, struct text *out, struct fault *);   /* 4.3.2.1.in-addr.arpa */

#endif
