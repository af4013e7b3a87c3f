/* SPDX-License-Identifier: ISC */
/*
 * do_idle.c - IDLE (RFC 2177): changes are told as they happen
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "imap_config.h"
#include "notify.h"
#include "search_index.h"
#include "session.h"
#include "sleep.h"
#include "store/watch.h"

static void
tell(struct imap_session *s)
{
	notify_look(s);
	imap_sync(s);
	imap_flush_out(s);
	if (!s->over && conn_flush(s->conn, NULL) < 0) {
		s->over = true;
		s->end = "Connection closed";
	}
}

/* Waits for the client, the mailbox, or the time to say that we are there. */
static void
wait_once(struct imap_session *s, struct watch *w, int64_t *notify, int64_t *sleep)
{
	struct pollfd fds[2] = {{conn_fd(s->conn), POLLIN, 0}, {s->notify ? notify_fd(s) : watch_fd(w), POLLIN, 0}};
	int           wait = clock_left(*notify);
	int           n;

	if (s->notify && notify_timeout(s) >= 0 && notify_timeout(s) < wait)
		wait = notify_timeout(s);
	if (s->folder && fds[1].fd < 0 && wait > WATCH_POLL_MS)
		wait = WATCH_POLL_MS;
	if (imap_config.hibernate_timeout && (wait < 0 || wait > clock_left(*sleep)))
		wait = clock_left(*sleep);
	if (search_index_work(s)) { /* it goes on soon, and nobody sleeps over it */
		wait = wait < INDEX_PAUSE_MS && wait >= 0 ? wait : INDEX_PAUSE_MS;
		*sleep = clock_after(imap_config.hibernate_timeout);
	}
	n = poll(fds, 2, wait);
	if (n < 0 && errno != EINTR) {
		s->over = true;
		s->end = "Poll failed";
		return;
	}
	if (n > 0) /* whatever it is, somebody is not idle */
		*sleep = clock_after(imap_config.hibernate_timeout);
	if (n > 0 && fds[1].revents)
		watch_drain(w);
	if (clock_left(*notify) == 0) {
		imap_say(s, "* OK Still here");
		*notify = clock_after(imap_config.idle_notify_interval);
	}
	conn_deadline(s->conn, clock_after(60000));
	tell(s);
	if (n == 0 && imap_config.hibernate_timeout && clock_left(*sleep) == 0) {
		s->asleep = s->over = imap_sleep(s, s->notify ? notify_fd(s) : watch_fd(w)) == 1;
		*sleep = clock_after(imap_config.hibernate_timeout);
	}
}

static void
end_idle(struct imap_session *s)
{
	struct span line;

	conn_deadline(s->conn, clock_after(60000));
	if (conn_line(s->conn, 1024, &line, NULL, &s->why) < 0) {
		s->over = true;
		s->end = "Disconnected in IDLE";
		return;
	}
	if (span_is_nocase(line, "DONE"))
		imap_finish_synced(s, "OK Idle completed.");
	else
		imap_finish(s, "BAD Expected DONE.");
}

static void
idle(struct imap_session *s, bool greet)
{
	struct watch w = {-1};
	int64_t      notify = clock_after(imap_config.idle_notify_interval), sleep = clock_after(imap_config.hibernate_timeout);

	if (s->folder && !s->notify) {
		folder_follow_stop(s->folder); /* a user has few inotify instances: one a session */
		watch_start(&w, s->folder);
	}
	if (greet)
		imap_send(s, SPAN("+ idling\r\n"));
	tell(s); /* what happened before the watch began */
	search_index_keep_up(s);
	while (!s->over && !conn_input_waits(s->conn))
		wait_once(s, &w, &notify, &sleep);
	watch_stop(&w);
	if (!s->over)
		end_idle(s);
}

void
do_idle(struct imap_session *s)
{
	idle(s, true);
}

/* In a process that took the session up. */
void
idle_go_on(struct imap_session *s)
{
	conn_deadline(s->conn, clock_after(60000));
	idle(s, false);
	arena_reset(s->arena);
}
