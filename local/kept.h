/* SPDX-License-Identifier: ISC */
/*
 * kept.h - the worker of the last delivery to a Maildir, kept for the next to the same one
 *
 * Mail comes in bursts, and a child that becomes the recipient and closes its sandbox costs more than the
 * delivery.  So an agent's process keeps one, and it is asked again only for an errand that is the same in
 * all but the message: uid, gid and groups, Maildir, limits, quota, where lists and scripts would lie
 * (describe() in kept.c is that list).  It has the sandbox that it closed for the first message, and no more.
 *
 * What was looked at before the sandbox closed is not looked into again: a list or a script that was not there.
 * That it is still not there the child asks the file system (a stat needs no right of Landlock's), and declines
 * when there is something; so it does when the Maildir's path leads elsewhere by now.  Another child then begins
 * from the beginning.  A child that ran a script, read a list, parsed a message's MIME (mail_attachment_detection_options), or had
 * any trouble never stays: nothing of one message's filter can meet the next. What every child reads is the header,
 * for Delivered-To.
 *
 * It ends by itself after 10 s without an errand, after a minute, or after 100 errands.  The parent does not rely on that: by a
 * clock and a counter of its own it asks none that is over a minute old or has had its 100, and ends one that speaks
 * unasked; at the latest all end with the agent's process.  Where a sandbox hides what
 * is outside of it (OpenBSD), no child stays, as it could not see what came.
 */
#ifndef LOCAL_KEPT_H
#define LOCAL_KEPT_H

#include "local/errand.h"

struct maildir;

/* In the parent: as worker_run, by the kept child where that can do it. */
WAITS int kept_run(const struct errand *, const struct worker_job *, struct fault *);
void kept_dismiss(void);

/* In the child: may it stay after this delivery?  And then its life: errand_again for each that comes. */
bool kept_may_stay(const struct errand *, const struct maildir *, const struct outcome *);
WAITS void kept_serve(struct worker *, const struct errand *first, struct maildir *);

#endif
