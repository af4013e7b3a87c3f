/* SPDX-License-Identifier: ISC */
/*
 * filter_log.c - what was wrong with a script goes into the user's own log
 *
 * By a child of its own: the one that delivered was confined to the Maildir.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "local/errand.h"
#include "sieve/settings.h"

struct log_job { const struct errand *e; struct span lines; };
enum { LOG_MS = 60000, LOG_MAX = 100 * 1024 };

static void
write_log(struct worker *w, void *context)
{
	const struct log_job *job = context;
	struct sieve_user     user = {span_of(job->e->user), span_of(job->e->home)};
	struct sieve_place    place = {0};
	autotext struct text  path = {0}, out = {0}, old = {0};
	struct span           rest = job->lines, line;
	struct stat           st;
	time_t                now = time(NULL);
	struct tm             tm;
	char                  date[64] = "";

	(void)w;
	sieve_settings_own(span_of(job->e->own ? job->e->own : ""));
	if (sieve_place(&user, &place, NULL) < 0 || !place.active.len)
		return;
	if (sieve_settings.user_log[0] ? sieve_expand(span_of(sieve_settings.user_log), &user, &path, NULL) < 0
	                               : (text_add_format(&path, "%s.log", text_string(&place.active)), 0))
		return;
	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%b %d %H:%M:%S", &tm);
	while (rest.len) {
		span_split(&rest, '\n', &line);
		text_add_format(&out, "sieve: info: %s: %.*s\n", date, SPAN_ARGS(line));
	}
	text_add_format(&old, "%s.0", text_string(&path));
	if (stat(text_string(&path), &st) == 0 && st.st_size > LOG_MAX)
		rename(text_string(&path), text_string(&old));
	autoclose int fd = open(text_string(&path), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		file_write(fd, text_span(&out), NULL);
	sieve_place_free(&place);
}

static int
hear_nothing(void *context, struct frame *f, struct fault *why)
{
	(void)context;
	(void)f;
	return fault_set(why, FAULT_INPUT, "malformed report");
}

void
filter_log(const struct errand *e, struct span lines)
{
	struct log_job          context = {e, lines};
	const struct worker_job job = {.who = &e->who, .work = write_log, .hear = hear_nothing, .context = &context, .limit_ms = LOG_MS};
	struct fault            why = {0};

	if (worker_run(&job, NULL, &why) < 0)
		log_warning("sieve: log of %s: %s", e->user, fault_text(&why));
}
