/* SPDX-License-Identifier: ISC */
/*
 * domain.h - domain names: A-labels and U-labels (RFC 5890, by libidn2), comparison, parents
 */
#ifndef MAIL_DOMAIN_H
#define MAIL_DOMAIN_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

/* xn-- form; ASCII stays as it is. Address literals pass. Non-transitional UTS 46, unless domain_transitional(true) was
 * called, once, before there are tasks: then German sharp s is ss, and so on, as IDNA 2003 had it. */
void domain_transitional(bool);
int domain_to_ascii(struct arena *, struct span domain, struct span *ascii, struct fault *);
int domain_to_utf8(struct arena *, struct span domain, struct span *utf8, struct fault *);

bool domain_equal(struct span, struct span);                 /* ASCII case off, one final dot off */
bool domain_within(struct span name, struct span parent);    /* equal or below */
/* The next parent: "a.b.c" gives "b.c"; false at the last label. */
bool domain_parent(struct span *name);

#endif
