/* SPDX-License-Identifier: ISC */
/*
 * downgrade.h - an internationalized message (RFC 6532) for whoever reads no UTF-8 in headers: in ASCII (RFC 6857)
 *
 * A surrogate, made when it is asked for and never kept: every field, of the message, of its parts and of
 * messages inside, that holds UTF-8 beyond ASCII, is written anew, by what it is:
 *
 *   addresses              names become encoded words; a domain its A-labels, so that an answer arrives; an address
 *                          whose local part is not ASCII has no such form: it becomes the name of an empty group
 *   Content-Type, Content-Disposition       parameters as RFC 2231 has them
 *   message ids, Return-Path                have no such form: in encoded words, as Downgraded-NAME
 *   Received               loses a FOR that is not ASCII
 *   all others             words that are not ASCII become encoded words
 *
 * What is not UTF-8 (8-bit charsets of old) is no such field and stays, and so do bodies: 8bit is MIME's,
 * not RFC 6532's.  Signatures over what was rewritten are broken by it.
 */
#ifndef MAIL_DOWNGRADE_H
#define MAIL_DOWNGRADE_H

#include "base/text.h"
#include "mail/mime_stream.h"

/* A field with its folds, without the last line end: adds it with CRLF, as it is or in ASCII. True: it had to
 * be written anew.  In time linear in the field, whatever is in it; adds at most DOWNGRADE_TIMES its length and
 * DOWNGRADE_MORE: a field whose own form would be longer is treated as the others. */
enum { DOWNGRADE_TIMES = 8, DOWNGRADE_MORE = 1024 };
bool downgrade_field(struct span field, struct text *out);

/* A whole message: fed, ended and freed as mime_stream.h says; *changed becomes true as soon as something had to be
 * written anew, and must live as long.  A field beyond DOWNGRADE_FIELD_MOST is cut. */
enum { DOWNGRADE_FIELD_MOST = 1 << 20 };
struct mime_stream *downgrade_start(bool *changed);

#endif
