/* SPDX-License-Identifier: ISC */
/*
 * posts.c - processes come and go: a post is manned, deserted, retired
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "master/posts.h"
#include "master/texts.h"

enum {
	STOP_MS = 15000,        /* for transactions to end */
	REST_MS = 2000,         /* after that, for those who were asked */
	QUICK_MS = 1000,        /* who dies sooner after "ready" counts as a failed start */
	FAST_RESTARTS = 5, WARN_MS = 60000
};
static size_t
available(const struct post *post, size_t *busy)
{
	size_t n = 0;

	*busy = 0;
	for (size_t i = 0; i < post->n_processes; i++)
		if (!post->process[i].leaving) {
			n++;
			*busy += post->process[i].ready && post->process[i].busy;
		}
	return n;
}

static int
free_slot(const struct post *post)
{
	for (int slot = 0;; slot++) {
		bool taken = false;

		for (size_t i = 0; i < post->n_processes; i++)
			taken |= post->process[i].slot == slot && !post->process[i].leaving;
		if (!taken)
			return slot;
	}
}

void
post_fault(struct post *post, const char *text)
{
	if (self.starting)
		tell_starter("E error: %sservice %s: %s", post->place, post->name, text);
}

static void
start_failed(struct post *post, const char *reason)
{
	int64_t wait = post->failures < 2 ? 100 : 500 * post->failures;

	post->failures++;
	if (self.starting && !(post->job->flags & JOB_LAZY)) {
		self.failed = post->settled = true;
		tell_starter("E error: %sservice %s: %s", post->place, post->name, reason);
	}
	if (post->failures >= FAST_RESTARTS) {
		log_warning("%s: bad command startup -- throttling", post->program);
		wait = self.throttle_ms;
	}
	post->retry_at = clock_after(wait);
}

static int
held_by(const struct post *post)
{
	int sessions = 0;

	for (size_t i = 0; i < post->n_processes; i++)
		sessions += post->process[i].quota;
	return sessions;
}

static bool
is_before(const struct post *old, const struct post *post)
{
	return old->type == post->type && strcmp(old->name, post->name) == 0;
}

/*
 * Sessions within maxproc that nobody has: processes that leave, those of a configuration
 * before too, keep what they serve.  Guards have no limit of sessions.
 */
static int
room(const struct post *post)
{
	int left = post->sessions - held_by(post);

	if (post->job->flags & JOB_GUARD)
		return post->sessions;
	for (size_t i = 0; i < self.n_old; i++)
		if (is_before(self.old[i], post))
			left -= held_by(self.old[i]);
	return left;
}

static void
start_process(struct post *post)
{
	struct fault why = {0};
	size_t       busy, n = available(post, &busy);
	int          slot = free_slot(post), quota = child_share(post, slot), left = room(post);

	post->retry_at = 0;
	post->asked = false;
	if (child_start(post, slot, quota < left ? quota : left, n > 0, &why) < 0) {
		log_warning("%s", fault_text(&why));
		start_failed(post, fault_text(&why));
	}
}

/* Two queue managers would deliver twice. */
static bool
must_wait_for_old(const struct post *post)
{
	bool waits = post->job->flags & JOB_ALONE && post->n_processes > 0;

	for (size_t i = 0; i < self.n_old && post->job->flags & JOB_ALONE; i++)
		waits |= self.old[i]->n_processes > 0 && is_before(self.old[i], post);
	return waits;
}

/* One began while others had to end first: it has less than its share. */
static bool
is_short(const struct post *post)
{
	for (size_t i = 0; i < post->n_processes; i++)
		if (!post->process[i].leaving && post->process[i].quota < child_share(post, post->process[i].slot))
			return true;
	return false;
}

/* Nobody has asked it yet. */
bool
post_is_dormant(const struct post *post)
{
	return post->job->flags & JOB_LAZY && post->n_processes == 0 && !post->asked;
}

/* Enough processes for what is asked, within the limit. */
void
post_man(struct post *post)
{
	size_t busy, n = available(post, &busy);

	if (self.stopping || (post->retry_at && clock_now() < post->retry_at))
		return;
	if (post_is_dormant(post)) {
		post->settled = true;
		return;
	}
	if ((n == 0 || busy == n) && room(post) > 0 && (n < (size_t)post->processes || is_short(post))) {
		if (!must_wait_for_old(post))
			start_process(post);
		return;
	}
	if (n && busy == n && clock_now() >= post->warned_at && !(post->job->flags & JOB_GUARD)) {
		post->warned_at = clock_after(WARN_MS);
		log_warning("service \"%s\" (%s) has reached its process limit \"%d\": new clients may "
		            "experience noticeable delays", post->name, post->command, post->sessions);
		log_warning("to avoid this condition, increase the process count in master.cf or "
		            "reduce the service time per client");
	}
}

static void
describe_end(const struct post *post, pid_t pid, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_error("process %s pid %ld made a system call that its sandbox forbids", post->program, (long)pid);
	if (WIFSIGNALED(status) && !self.aborting)
		log_warning("process %s pid %ld killed by signal %d", post->program, (long)pid, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		log_warning("process %s pid %ld exit status %d", post->program, (long)pid, WEXITSTATUS(status));
}

static void
process_ended(struct post *post, size_t at, int status)
{
	struct process p = post->process[at];
	bool           well = WIFEXITED(status) && WEXITSTATUS(status) == 0 && (p.ready || p.told);

	child_listen(post, &post->process[at], post_fault);
	describe_end(post, p.pid, status);
	close(p.status);
	post->process[at] = post->process[--post->n_processes];
	if (self.stopping || p.old)
		return;
	if (!p.ready || (!well && clock_now() - p.since < QUICK_MS))
		start_failed(post, p.ready ? "ended at once" : "did not start");
	else
		post->failures = 0;
}

static bool
find_ended(struct post **posts, size_t count, pid_t pid, int status)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < posts[i]->n_processes; k++)
			if (posts[i]->process[k].pid == pid) {
				process_ended(posts[i], k, status);
				return true;
			}
	return false;
}

void
posts_reap(void)
{
	int   status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!texts_reap(pid, status) && !find_ended(self.plan.post, self.plan.count, pid, status))
			find_ended(self.old, self.n_old, pid, status);
}

void
posts_each(void (*act)(struct post *, struct process *))
{
	for (size_t i = 0; i < self.plan.count; i++)
		for (size_t k = 0; k < self.plan.post[i]->n_processes; k++)
			act(self.plan.post[i], &self.plan.post[i]->process[k]);
	for (size_t i = 0; i < self.n_old; i++)
		for (size_t k = 0; k < self.old[i]->n_processes; k++)
			act(self.old[i], &self.old[i]->process[k]);
}

/* ---- stopping ---- */

static bool rank_is_manned;

static void
stop_if_due(struct post *post, struct process *p)
{
	if (post->job->rank > self.stop_rank)
		return;
	rank_is_manned = true;
	child_tell_stop(p);
	child_tell_end(p);
}

static void
kill_process(struct post *post, struct process *p)
{
	if (self.aborting || post->job->rank <= self.stop_rank)
		kill(p->pid, SIGKILL);
}

void
posts_begin_stop(void)
{
	if (self.stopping)
		return;
	self.stopping = true;
	self.stop_rank = RANK_EDGE;
	self.deadline = clock_after(STOP_MS);
}

/* True when nobody is left. */
bool
posts_go_on_stopping(void)
{
	for (;;) {
		rank_is_manned = false;
		posts_each(stop_if_due);
		if (rank_is_manned)
			break;
		if (self.stop_rank + 1 == RANKS)
			return true;
		self.stop_rank++;
	}
	if (clock_now() >= self.deadline) {
		if (!self.aborting)
			log_warning("processes that did not end in time are killed");
		posts_each(kill_process);
		self.deadline = clock_after(REST_MS);
	}
	return false;
}

/* ---- configuration ---- */

void
post_retire(struct post *post)
{
	for (size_t k = 0; k < post->n_processes; k++) {
		post->process[k].old = true;
		child_tell_stop(&post->process[k]);
	}
	self.old = mem_grow(self.old, self.n_old + 1, sizeof *self.old);
	self.old[self.n_old++] = post;
}
