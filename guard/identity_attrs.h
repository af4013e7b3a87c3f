/* SPDX-License-Identifier: ISC */
/*
 * identity_attrs.h - pass_attrs, user_attrs and iterate_attrs of dovecot-ldap.conf.ext: an entry's attributes as fields of a user
 *
 * Separated by commas, so that no text holds one:
 *
 *   mail=user                     the field is the attribute's value, and not there when the entry has none; "mail" is mail=mail
 *   quota=quota_rule=*:bytes=%$   the same in a text, or behind it when the text has no %
 *   =home=/home/%d/%{ldap:uid}    a text, always there
 *
 * In a text stand identity_words.h's variables and %{ldap:attribute}, %{ldap:attribute:default},
 * %{ldap_multi:attribute:separator:default}; one that is not there is its default, or nothing.  Of several values the first is
 * taken.  Entries that others point to (@name, !attribute, attribute@name) are not followed: an error.  Pure.
 */
#ifndef GUARD_IDENTITY_ATTRS_H
#define GUARD_IDENTITY_ATTRS_H

#include "base/arena.h"
#include "guard/identity_words.h"

enum { IDENTITY_ATTRS_MAX = 60 };

struct identity_attrs {
	struct identity_attr { const char *attribute, *field, *text; } at[IDENTITY_ATTRS_MAX];     /* attribute "", text NULL: none */
	size_t count;
	char  *name[IDENTITY_ATTRS_MAX + 1];       /* what is asked of the server; NULL at the end */
	size_t names;
};

/* `without`: a field that is left out, or NULL.  Strings are the arena's. */
int identity_attrs_parse(struct span list, const char *without, struct arena *, struct identity_attrs *, struct fault *);

/* An attribute that an entry has. */
struct identity_value {
	const char  *name;
	struct span *at;
	size_t       count;
};

/* Adds "name=value" and a NUL for each field: 0, or -1 why.  *several: an attribute of whose values the first was taken, or NULL. */
int identity_attrs_fields(const struct identity_attrs *, const struct identity_words *, const struct identity_value *, size_t count,
                          struct text *fields, const char **several, struct fault *);

#endif
