/* SPDX-License-Identifier: ISC */
/*
 * bounce.h - the notices of qmgr, turned into mail
 */
#ifndef QMGR_BOUNCE_H
#define QMGR_BOUNCE_H

#include "bounce_template.h"
#include "config/list.h"
#include "ipc/notify.h"
#include "milter/milter.h"

enum { BOUNCE_ID_SIZE = 64 };

struct bounce_config {
	struct list notify_classes, internal_mail_filter_classes;
	const char *bounce_recipient, *double_recipient, *delay_recipient, *template_file;
	int64_t     size_limit;
	bool        threaded;
	struct list non_smtpd_milters;
	struct milter_settings milter;
	struct milter_specs    milters;
};
extern struct bounce_config bounce_config;
extern struct bounce_templates bounce_templates;       /* read-only */

/* One mail: to whom, from which envelope sender, as what. Durable when it returns 0; its id in `id`. */
struct bounce_mail {
	const struct notice *notice;
	struct span          to, sender;
	bool                 to_postmaster, is_double;
};
WAITS int bounce_send(const struct bounce_mail *, char id[BOUNCE_ID_SIZE], struct fault *);

#endif
