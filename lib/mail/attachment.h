/* SPDX-License-Identifier: ISC */
/*
 * attachment.h - has a message attachments?  Dovecot's rule and its words
 *
 * mail_attachment_detection_options, words apart by blanks:
 *
 *   add-flags            the keywords $HasAttachment or $HasNoAttachment are set when a message is saved;
 *                        without it nothing is done (add-flags-on-save is the same)
 *   exclude-inlined      what is shown inline is none, though it has a file's name
 *   content-type=TYPE    only those, with * in them; !TYPE: all but those.  The first that fits decides; where none
 *                        does, it counts if the last began with !
 *   no-flags-on-fetch    means nothing here: a FETCH never sets them
 *
 * An attachment is a part whose Content-Disposition is attachment, or inline with a filename.
 */
#ifndef MAIL_ATTACHMENT_H
#define MAIL_ATTACHMENT_H

#include "base/fault.h"
#include "mail/mime.h"

/* Pure. -1: a word that is not known. */
int attachment_check(struct span options, struct fault *);
bool attachment_wanted(struct span options);                    /* add-flags is among them */
bool attachment_is(struct span options, const struct mime_part *);
/* "$HasAttachment" or "$HasNoAttachment" */
const char *attachment_keyword(struct span options, struct mime *);

#endif
