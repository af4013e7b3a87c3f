/* SPDX-License-Identifier: ISC */
/*
 * queue_view.c - listing the queue without qmgr
 */
#include "cmd/queue_view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strmap.h"
#include "queue/maildrop.h"

bool
queue_is_ours(const char *queue_directory)
{
	autofree char *path = mem_format("%s/incoming", queue_directory);
	struct stat    st;

	return stat(path, &st) == 0 && (geteuid() == 0 || st.st_uid == geteuid());
}

static struct span
key_of(const int64_t *at)
{
	return span_at(at, sizeof *at);
}

/* The last reason of each recipient that still waits: the later one counts. */
static struct strmap *
read_reasons(struct queue_file *f, struct arena *arena)
{
	struct strmap     *map = strmap_new();
	struct queue_event e;
	int64_t            at = 0;

	while (queue_journal_next(f, &at, arena, &e, NULL) == 1)
		if (e.kind == EVENT_DEFERRED || e.kind == EVENT_FAILED) {
			struct span *kept = arena_alloc(arena, sizeof *kept);

			*kept = e.text;
			strmap_put(map, key_of(&e.rcpt_at), kept);
		}
	return map;
}

static int
view_rcpts(struct queue_file *f, const struct queue_list_reader *r, struct fault *why)
{
	autoarena struct arena *reasons = arena_new();
	struct strmap          *map = read_reasons(f, reasons);
	int64_t                 at = queue_file_rcpt_first(f);
	int                     got = 1, over = 0;

	while (got == 1 && over == 0) {
		autoarena struct arena  *arena = arena_new();
		struct queue_rcpt        one;
		struct queue_listed_rcpt listed;
		const struct span       *reason;

		got = queue_file_rcpt(f, at, arena, &one, why);
		if (got != 1)
			break;
		at = one.next;
		if (one.state == RCPT_DONE || one.state == RCPT_SUCCESS || one.state == RCPT_EXPANDED)
			continue;
		reason = strmap_get(map, key_of(&one.at));
		listed = (struct queue_listed_rcpt){one.address, reason ? *reason : SPAN_NONE};
		over = r->rcpt(r->context, &listed);
	}
	strmap_free(map, NULL);
	return got < 0 ? -1 : over != 0;
}

static int
view_message(struct queue *q, enum queue_state state, const char *id,
             const struct queue_list_reader *r)
{
	struct queue_file           *f = NULL;
	struct fault                 why = {0};
	const struct queue_envelope *e;
	struct queue_listed          m;
	int                          got = queue_file_open(q, state, id, QUEUE_OPEN_READ, &f, &why);

	if (got != 0) {
		if (got < 0)
			log_warning("%s", fault_text(&why));
		return 0;
	}
	e = queue_file_envelope(f);
	m = (struct queue_listed){.queue = span_of(queue_state_name(state)),
	                          .queue_id = span_of(id),
	                          .sender = e->sender,
	                          .arrival_us = e->arrival_us,
	                          .size = e->content.size,
	                          .expired = queue_file_expired(f)};
	got = r->message(r->context, &m) != 0 || view_rcpts(f, r, &why) != 0;
	queue_file_close(f);
	return got;
}

/* What waits for pickup: its records say sender and recipients. */
static int
view_drop(struct queue *q, const char *id, const struct queue_list_reader *r)
{
	autoclose int          fd = openat(queue_directory(q, QUEUE_MAILDROP), id,
	                                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct maildrop_reader in = {.fd = fd};
	struct queue_listed    m = {.queue = SPAN("maildrop"), .queue_id = span_of(id)};
	struct stat            st;
	char                   type;
	struct span            value;
	int                    over = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || !maildrop_is_ready(&st))
		return 0;
	m.arrival_us = (int64_t)st.st_mtim.tv_sec * 1000000;
	m.size = st.st_size;
	while (over == 0 && maildrop_next(&in, &type, &value, NULL) == 1 && type != 'D') {
		struct queue_listed_rcpt one = {value, SPAN_NONE};

		if (type == 'S') {
			m.sender = value;
			over = r->message(r->context, &m);
		} else if (type == 'R')
			over = r->rcpt(r->context, &one);
	}
	maildrop_reader_free(&in);
	return over;
}

int
queue_view(struct queue *q, const struct queue_list_reader *r, struct fault *why)
{
	static const enum queue_state order[] = {QUEUE_MAILDROP, QUEUE_ACTIVE, QUEUE_INCOMING,
	                                         QUEUE_DEFERRED, QUEUE_HOLD};

	for (size_t i = 0; i < COUNT(order); i++) {
		struct queue_scan *scan;
		struct queue_id    id;
		int                got, over = 0;

		if (queue_directory(q, order[i]) < 0)
			continue;
		if (queue_scan_open(q, order[i], &scan, why) < 0)
			return -1;
		while (over == 0 && (got = queue_scan_next(scan, &id, NULL, why)) == 1)
			over = order[i] == QUEUE_MAILDROP ? view_drop(q, id.text, r)
			                                  : view_message(q, order[i], id.text, r);
		queue_scan_close(scan);
		if (over)
			return 0;
	}
	return 0;
}
