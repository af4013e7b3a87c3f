/* SPDX-License-Identifier: ISC */
/*
 * server_names.h - tls_server_sni_maps: certificates by the name that a client asks for
 *
 * Keys are "mx.example.com" or ".example.com", values files with key and chain, as in
 * smtpd_tls_chain_files.  All are read at start, so the tables must be such that can be read whole:
 * hash: btree: lmdb: texthash: (their text) and inline:.
 */
#ifndef SMTPD_SERVER_NAMES_H
#define SMTPD_SERVER_NAMES_H

#include "config/faults.h"
#include "config/list.h"

struct tls_context;

void server_names_load(struct tls_context *, const struct list *tables, struct faults *);

#endif
