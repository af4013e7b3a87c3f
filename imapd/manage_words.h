/* SPDX-License-Identifier: ISC */
/*
 * manage_words.h - the words of ManageSieve's commands (RFC 5804, 4)
 *
 * A command is an atom and arguments: strings, quoted or as literals ({N+} CRLF and N bytes), and numbers.
 * manage_words takes what stands in one line; a literal is announced at the line's end, and
 * whoever reads the line reads it and calls again with the rest.  Pure, total.
 */
#ifndef IMAPD_MANAGE_WORDS_H
#define IMAPD_MANAGE_WORDS_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

enum { MANAGE_WORDS_MAX = 8 };

enum manage_kind { MANAGE_ATOM, MANAGE_STRING, MANAGE_NUMBER };
struct manage_word { enum manage_kind kind; struct span text; uint64_t number; };
struct manage_command { struct manage_word words[MANAGE_WORDS_MAX]; size_t count; };

/* Adds the words of a line.  *literal: bytes of the string that follows, or -1. */
int manage_words(struct arena *, struct span line, struct manage_command *, int64_t *literal, struct fault *);

/* A string as a server tells it: quoted when it can be, else a literal (4: no "+"). */
void manage_add_string(struct span, struct text *out);

#endif
