/* SPDX-License-Identifier: ISC */
/*
 * mailbox.c - in the recipient's child: into a Maildir, or onto an mbox file
 *
 * mbox: https://www.rfc-editor.org/rfc/rfc4155 and mbox(5).  The file is locked
 * as mailbox_delivery_lock says, appended to and made durable; an append that
 * fails is cut off again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "local/errand.h"
#include "mail/line.h"
#include "service/sandbox.h"
#include "store/delivered.h"
#include "store/quota.h"

static int
add_to_maildir(void *delivery, struct span s, struct fault *why)
{
	return maildir_delivery_add(delivery, s, why);
}

static int
deliver_to_maildir(struct worker *w, const struct errand *e, struct maildir *m,
                   struct maildir_delivered *done, struct fault *why)
{
	struct maildir_message   message = {.queue_id = e->queue_id,
		.recipient = e->recipient, .arrived = e->arrived, .first_try = e->first_try};
	struct maildir_delivery  *d;
	struct line_unix          lines;
	const char               *attachment;
	struct fault              trouble = {0};
	int64_t                   size = e->content->size + (int64_t)e->prefix.len;

	line_unix_start(&lines, false);
	if (quota_check(e->quota, m, "", size, 1, size, QUOTA_DELIVERING, why) < 0)
		return -1;
	if (maildir_delivery_start(m, "", &d, why) < 0)
		return -1;
	if (errand_content(w, e, &lines, add_to_maildir, d, why) < 0) {
		maildir_delivery_abort(d);
		return -1;
	}
	attachment = delivered_attachment(d, SPAN_NONE);
	if (maildir_delivery_finish(d, &message, done, why) < 0)
		return -1;
	/* it is stored: a keyword that cannot be set is no reason to store it again */
	if (attachment && delivered_mark(m, "", text_span(&done->name), span_of(attachment), &trouble) < 0 && trouble.reason[0])
		log_warning("%s: %s: %s", e->shown, attachment, fault_text(&trouble));
	return 0;
}

static bool
is_too_large(const struct errand *e, struct outcome *o)
{
	if (!e->size_limit || e->content->size + (int64_t)e->prefix.len <= e->size_limit)
		return false;
	outcome_set(o, DELIVER_BOUNCED, "5.2.2", "maildir delivery failed: message is larger than the mailbox limit");
	return true;
}

void
maildir_again(struct worker *w, const struct errand *e, struct maildir *m, struct outcome *o)
{
	autofree char           *doing = mem_format("maildir delivery failed: %s", e->shown);
	struct maildir_delivered done = {0};
	struct fault             why = {0};

	if (is_too_large(e, o))
		return;
	if (deliver_to_maildir(w, e, m, &done, &why) < 0)
		outcome_of_fault(o, &why, doing);
	else
		outcome_set(o, DELIVER_SENT, "2.0.0", "%s%s", e->done, done.duplicate ? ", possible duplicate" : "");
	text_free(&done.name);
}

void
maildir_work(struct worker *w, const struct errand *e, struct maildir **held, struct outcome *o)
{
	autofree char  *doing = mem_format("maildir delivery failed: %s", e->shown);
	struct maildir *m = NULL;
	struct fault    why = {0};

	if (is_too_large(e, o))
		return;
	if (maildir_open(e->directory, MAILDIR_CREATE, &m, &why) == 0) {
		maildir_set_quota(m, e->quota);
		maildir_set_index(m, e->directory);
	}
	if (m && (e->filtered || e->detail.len) && filter_work(w, e, m, o) == 0) {
		maildir_close(m);
		return;
	}
	if (!m || sandbox_close_mailbox(e->directory, &why) < 0) {
		outcome_of_fault(o, &why, doing);
		maildir_close(m);
		return;
	}
	maildir_again(w, e, m, o);
	*held = m;
}

/* mbox */

struct mbox {
	const struct errand *e;
	int                  directory, fd;
	char                *lock;           /* name of the dot lock that we hold */
	bool                 created;
	off_t                size;           /* before us */
};

static void
pause_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static int
lock_once(const struct mbox *m)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if ((m->e->locking.style & LOCK_FCNTL) && fcntl(m->fd, F_SETLK, &whole) < 0)
		return -1;
	if ((m->e->locking.style & LOCK_FLOCK) && flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return 0;
}

static int
lock_file(const struct mbox *m, struct fault *why)
{
	for (int i = 1; lock_once(m) < 0; i++) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return fault_errno(why, "lock");
		if (i >= m->e->locking.attempts)
			return fault_set(
				why, FAULT_TIME, "unable to lock for exclusive access: in use");
		pause_ms(m->e->locking.delay_ms);
	}
	return 0;
}

static void
remove_stale_lock(const struct mbox *m, const char *name)
{
	struct stat st;

	if (fstatat(m->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    time(NULL) - st.st_mtime > m->e->locking.stale_ms / 1000)
		unlinkat(m->directory, name, 0);
}

static int
lock_by_dot(struct mbox *m, struct fault *why)
{
	autofree char *name = mem_format("%s.lock", m->e->file);

	for (int i = 1;; i++) {
		autoclose int fd = file_open_beneath(
			m->directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600, why);

		if (fd >= 0) {
			m->lock = take(name);
			return 0;
		}
		if ((why->error == EACCES || why->error == EPERM || why->error == EROFS) &&
			m->e->dotlock_may_fail)
			return 0;
		if (why->error != EEXIST || i >= m->e->locking.attempts)
			return fault_prefix(why, "unable to create lock file %s", name);
		remove_stale_lock(m, name);
		pause_ms(m->e->locking.delay_ms);
	}
}

static int
open_mbox(struct mbox *m, struct fault *why)
{
	m->directory = open(m->e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->directory < 0)
		return fault_errno(why, "open %s", m->e->directory);
	m->fd = file_open_beneath(m->directory, m->e->file, O_RDWR | O_APPEND | O_NONBLOCK, 0, why);
	if (m->fd < 0 && why->error == ENOENT) {
		fault_clear(why);
		m->fd = file_open_beneath(
			m->directory, m->e->file, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0600, why);
		m->created = m->fd >= 0;
		if (m->fd < 0 && why->error == EEXIST)      /* somebody else made it just now */
			m->fd = file_open_beneath(
				m->directory, m->e->file, O_RDWR | O_APPEND | O_NONBLOCK, 0, why);
	}
	return m->fd < 0 ? -1 : 0;
}

static int
check_mbox(struct mbox *m, struct fault *why)
{
	struct stat st;

	if (fstat(m->fd, &st) < 0)
		return fault_errno(why, "stat");
	m->size = st.st_size;
	if (!S_ISREG(st.st_mode))
		return fault_set(
			why, FAULT_DENIED, "destination %s is not a regular file", m->e->shown);
	if (st.st_nlink > 1)
		return fault_set(
			why, FAULT_DENIED, "destination %s has more than one link", m->e->shown);
	if (m->e->must_own && st.st_uid != m->e->who.uid)
		return fault_set(
			why, FAULT_DENIED, "destination %s is not owned by recipient", m->e->shown);
	if (m->e->size_limit &&
		st.st_size + m->e->content->size + (int64_t)m->e->prefix.len > m->e->size_limit) {
		fault_set(why, FAULT_SYSTEM, "mailbox %s is full", m->e->shown);
		why->error = EFBIG;
		return -1;
	}
	return 0;
}

static int
add_to_mbox(void *mbox, struct span s, struct fault *why)
{
	return file_write(((struct mbox *)mbox)->fd, s, why);
}

static int
append(struct worker *w, struct mbox *m, struct fault *why)
{
	struct line_unix lines;

	line_unix_start(&lines, true);
	if (errand_content(w, m->e, &lines, add_to_mbox, m, why) < 0 ||
		file_write(m->fd, SPAN("\n"), why) < 0 || file_sync(m->fd, why) < 0) {
		if (ftruncate(m->fd, m->size) < 0)
			fault_prefix(why, "cannot cut off a partial message");
		return -1;
	}
	if (m->created && fsync(m->directory) < 0)
		return fault_errno(why, "sync directory %s", m->e->directory);
	return 0;
}

static int
deliver_to_mbox(struct worker *w, struct mbox *m, struct fault *why)
{
	if (open_mbox(m, why) < 0 || sandbox_close_mailbox(m->e->directory, why) < 0 ||
		check_mbox(m, why) < 0)
		return -1;
	if (lock_file(m, why) < 0 || ((m->e->locking.style & LOCK_DOT) && lock_by_dot(m, why) < 0))
		return -1;
	return check_mbox(m, why) < 0 || append(w, m, why) < 0
		? -1
		: 0; /* again: its size, under the lock */
}

void
mbox_work(struct worker *w, const struct errand *e, struct outcome *o)
{
	struct mbox    m = {.e = e, .directory = -1, .fd = -1};
	autofree char *doing =
		mem_format("cannot update mailbox %s for user %s", e->shown, e->user);
	struct fault   why = {0};

	if (deliver_to_mbox(w, &m, &why) < 0)
		outcome_of_fault(o, &why, doing);
	else
		outcome_set(o, DELIVER_SENT, "2.0.0", "%s", e->done);
	if (m.lock)
		unlinkat(m.directory, m.lock, 0);
	free(m.lock);
	auto_close(&m.fd);
	auto_close(&m.directory);
}
