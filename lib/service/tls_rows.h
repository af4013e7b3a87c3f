/* SPDX-License-Identifier: ISC */
/*
 * tls_rows.h - the tls_* parameters of programs that speak TLS
 *
 * A program names service_tls_params in its struct service, and calls
 * service_tls_prepare first in its prepare().
 */
#ifndef SERVICE_TLS_ROWS_H
#define SERVICE_TLS_ROWS_H

#include "base/fault.h"
#include "config/param.h"

extern const struct param service_tls_params[];
int service_tls_prepare(struct fault *);

#endif
