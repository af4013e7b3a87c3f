/* SPDX-License-Identifier: ISC */
/*
 * kept.c - the worker of the last delivery to a Maildir, kept for the next to the same one
 */
#include "local/kept.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "mail/attachment.h"
#include "service/sandbox.h"
#include "store/delivered.h"
#include "store/maildir.h"
#include "store/quota.h"

enum { IDLE_MS = 10 * 1000, LIFE_MS = 60 * 1000, ERRANDS_MOST = 100, REQUEST_FIELDS_ROOM = 2000 };

/* The parent's side. */

static struct {
	struct worker_child child;
	struct text         what;            /* describe() of what it was made for */
	int64_t             end;             /* the child counts, too, but is not asked to be honest */
	int                 errands;
} kept;

static void
add_part(struct text *out, const char *part)
{
	text_add_string(out, part ? part : "\1none");
	text_add_byte(out, '\0');
}

/* All of an errand that a request (below) does not carry: a child made for it has that in its memory. */
static void
describe(const struct errand *e, struct text *out)
{
	text_add_format(out, "%ld %ld %d", (long)e->who.uid, (long)e->who.gid, e->who.group_count);
	for (int i = 0; i < e->who.group_count; i++)
		text_add_format(out, " %ld", (long)e->who.groups[i]);
	text_add_format(out, " %lld %d %d", (long long)e->size_limit, e->filtered, e->quota != NULL);
	text_add_byte(out, '\0');
	add_part(out, e->who.name);
	add_part(out, e->who.home);
	add_part(out, e->directory);
	add_part(out, e->shown);
	add_part(out, e->done);
	add_part(out, e->home);
	add_part(out, e->own);
	add_part(out, e->quota ? quota_user_rules(e->quota) : NULL);
	for (size_t i = 0; e->lists && e->lists[i]; i++)
		add_part(out, e->lists[i]);
}

static bool
is_of_the_kind(const struct errand *e)
{
	return e->kind == ERRAND_MAILDIR && !e->list_is_include && !e->root && !e->detail.len;
}

/* One that parsed a message's MIME has met too much to be trusted with the next; and it must see what came meanwhile. */
static bool
is_kept_at_all(const struct errand *e)
{
	return is_of_the_kind(e) && sandbox_shows_outside() && !attachment_wanted(span_of(delivered_settings.attachments));
}

static bool
is_at_hand(const struct text *what)
{
	return kept.child.pid && kept.errands < ERRANDS_MOST && clock_left(kept.end) != 0 && span_equal(text_span(what), text_span(&kept.what));
}

/* False where it is too long for one frame. */
static bool
request_put(struct frame *f, const struct errand *e)
{
	size_t len = e->loop_address.len + e->queue_id.len + e->recipient.len + e->same_message.len + e->prefix.len + strlen(e->user);

	if (len > FRAME_MAX - REQUEST_FIELDS_ROOM)
		return false;
	frame_start(f, "another");
	frame_put_number(f, "size", e->content->size);
	frame_put_string(f, "user", e->user);
	frame_put(f, "loop_address", e->loop_address);
	frame_put(f, "queue_id", e->queue_id);
	frame_put(f, "recipient", e->recipient);
	frame_put(f, "same_message", e->same_message.len ? e->same_message : SPAN_NONE);
	frame_put(f, "prefix", e->prefix);
	frame_put_number(f, "arrived", e->arrived);
	frame_put_flag(f, "first_try", e->first_try);
	return true;
}

int
kept_run(const struct errand *e, const struct worker_job *job, struct fault *why)
{
	autotext struct text   what = {0};
	autoframe struct frame request = {0};
	int                    got = 1;

	if (!is_kept_at_all(e))
		return worker_run(job, NULL, why);
	describe(e, &what);
	if (is_at_hand(&what) && request_put(&request, e)) {
		kept.errands++;
		got = worker_again(&kept.child, &request, job, why);
	}
	if (got != 1)
		return got;
	worker_dismiss(&kept.child);
	text_set(&kept.what, text_span(&what));
	kept.end = clock_after(LIFE_MS);
	kept.errands = 1;
	return worker_run(job, &kept.child, why);
}

void
kept_dismiss(void)
{
	worker_dismiss(&kept.child);
}

/* The child's. */

struct request {
	struct span  user, loop_address, queue_id, recipient, same_message, prefix;
	int64_t      size, arrived;
	bool         first_try;
};

static const struct field request_fields[] = {
	FIELD_NUMBER(struct request, size, "size", FIELD_NEEDED),
	FIELD_TEXT(struct request, user, "user", FIELD_NEEDED),
	FIELD_TEXT(struct request, loop_address, "loop_address", FIELD_NEEDED),
	FIELD_TEXT(struct request, queue_id, "queue_id", FIELD_NEEDED),
	FIELD_TEXT(struct request, recipient, "recipient", FIELD_NEEDED),
	FIELD_TEXT(struct request, same_message, "same_message", FIELD_NEEDED),
	FIELD_TEXT(struct request, prefix, "prefix", FIELD_NEEDED),
	FIELD_NUMBER(struct request, arrived, "arrived", FIELD_NEEDED),
	FIELD_FLAG(struct request, first_try, "first_try", FIELD_NEEDED),
	FIELD_END
};

static bool
request_take(struct frame *f, struct errand *e, struct message_content *content, struct text *user)
{
	struct request r;

	if (frame_decode(f, request_fields, &r, NULL) < 0)
		return false;
	text_set(user, r.user);
	content->size = r.size;
	e->content = content;
	e->user = text_string(user);
	e->loop_address = r.loop_address;
	e->queue_id = r.queue_id;
	e->recipient = r.recipient;
	e->same_message = r.same_message;
	e->prefix = r.prefix;
	e->arrived = r.arrived;
	e->first_try = r.first_try;
	return true;
}

/* Nothing but the Maildir has a say, and its path still leads to it. */
static bool
is_plain(const struct errand *e, const struct maildir *m)
{
	struct stat path, held;

	for (size_t i = 0; e->lists && e->lists[i]; i++)
		if (!file_is_absent(e->lists[i]))
			return false;
	if (e->filtered && !filter_is_absent(e))
		return false;
	return stat(e->directory, &path) == 0 && fstat(maildir_root(m), &held) == 0 && path.st_dev == held.st_dev &&
	       path.st_ino == held.st_ino;
}

bool
kept_may_stay(const struct errand *e, const struct maildir *m, const struct outcome *o)
{
	return m && o->action == DELIVER_SENT && is_kept_at_all(e) && is_plain(e, m);
}

void
kept_serve(struct worker *w, const struct errand *first, struct maildir *m)
{
	struct errand e = *first;
	int64_t       end = clock_after(LIFE_MS);

	for (int n = 2; n <= ERRANDS_MOST; n++) {
		autoframe struct frame request = {0};
		autotext struct text   user = {0};
		struct message_content content = {.fd = -1};
		int64_t                idle = clock_after(IDLE_MS);

		if (!worker_next(w, idle < end ? idle : end, &request) || !request_take(&request, &e, &content, &user))
			return;
		if (!is_plain(&e, m)) {
			worker_decline(w);
			return;
		}
		if (!errand_again(w, &e, m, n < ERRANDS_MOST))
			return;
	}
}
