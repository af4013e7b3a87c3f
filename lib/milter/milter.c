/* SPDX-License-Identifier: ISC */
/*
 * milter.c - all the milters of a session, in turn
 */
#include "milter/milter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/netaddr.h"
#include "milter_private.h"

enum { GOODBYE_MS = 1000 };

static const struct milter_event
	connect_event = {.command = 'C', .stage = STAGE_CONNECT, .skip = NO_CONNECT, .quiet = QUIET_CONNECT, .of_client = true},
	helo_event    = {.command = 'H', .stage = STAGE_HELO, .skip = NO_HELO, .quiet = QUIET_HELO, .of_client = true},
	mail_event    = {.command = 'M', .stage = STAGE_MAIL, .skip = NO_MAIL, .quiet = QUIET_MAIL},
	rcpt_event    = {.command = 'R', .stage = STAGE_RCPT, .skip = NO_RCPT, .quiet = QUIET_RCPT},
	data_event    = {.command = 'T', .stage = STAGE_DATA, .skip = NO_DATA, .quiet = QUIET_DATA, .since = 4},
	unknown_event = {.command = 'U', .stage = STAGE_UNKNOWN, .skip = NO_UNKNOWN, .quiet = QUIET_UNKNOWN, .since = 3};

struct milters *
milters_open(const struct milter_specs *specs, milter_macro *macro, void *context, bool soft_bounce)
{
	struct milters *all;

	if (!specs || specs->count == 0)
		return NULL;
	all = mem_alloc(sizeof *all);
	*all = (struct milters){.specs = specs, .macro = macro, .context = context, .soft_bounce = soft_bounce,
	                        .at = mem_array(specs->count, sizeof *all->at), .count = specs->count};
	for (size_t i = 0; i < all->count; i++)
		all->at[i].spec = &specs->at[i];
	return all;
}

/* A word that has no answer. It fails in silence: the next question will tell. */
static void
say(struct milter *m, char command, bool now)
{
	autotext struct text packet = {0};
	struct fault         why = {0};

	milter_put(&packet, command, SPAN_NONE);
	conn_deadline(m->conn, clock_after(GOODBYE_MS));
	if (conn_write(m->conn, text_span(&packet), &why) == 0 && now)
		conn_flush(m->conn, &why);
}

void
milters_close(struct milters *all)
{
	for (size_t i = 0; all && i < all->count; i++) {
		struct milter *m = &all->at[i];

		if (m->conn)
			say(m, 'Q', true);
		conn_free(m->conn);
		free(m->sticky);
		for (size_t k = 0; k < MILTER_STAGES; k++)
			list_free(&m->macros[k]);
	}
	if (!all)
		return;
	text_free(&all->reply);
	free(all->at);
	free(all);
}

const char *
milters_reply(const struct milters *all)
{
	return text_string(&all->reply);
}

bool
milters_look(const struct milters *all)
{
	for (size_t i = 0; all && i < all->count; i++) {
		const struct milter *m = &all->at[i];

		if (m->state == MILTER_FAILED ? m->spec->failure != FAILURE_ACCEPT
		                              : m->state != MILTER_DONE && m->state != MILTER_DONE_MESSAGE)
			return true;
	}
	return false;
}

bool
milters_want_rejected(const struct milters *all)
{
	for (size_t i = 0; all && i < all->count; i++)
		if (all->at[i].state == MILTER_UP && (all->at[i].steps & REJECTED_RCPT))
			return true;
	return false;
}

/* ---- commands ---- */

/* A hold does not keep the others from looking; what else there is ends the round. */
static enum milter_verdict
tell_all(struct milters *all, const struct milter_event *e, struct span packet)
{
	enum milter_verdict held = MILTER_PASS;

	for (size_t i = 0; all && i < all->count; i++) {
		struct milter      *m = &all->at[i];
		enum milter_verdict v;

		if (!milter_settled(all, m, &v))
			v = milter_event(all, m, e, packet);
		if (v == MILTER_HOLD)
			held = v;
		else if (v != MILTER_PASS)
			return v;
	}
	return held;
}

static char
family_of(struct span address)
{
	struct netaddr a;

	return !netaddr_parse(address, &a) ? 'U' : a.family == 6 ? '6' : '4';
}

enum milter_verdict
milters_connect(struct milters *all, struct span name, struct span address, unsigned port)
{
	autotext struct text packet = {0};

	for (size_t i = 0; all && i < all->count; i++)
		if (all->at[i].state == MILTER_FRESH)
			milter_negotiate(&all->at[i]);
	milter_put_connect(&packet, name, family_of(address), port, address);
	return tell_all(all, &connect_event, text_span(&packet));
}

enum milter_verdict
milters_helo(struct milters *all, struct span name)
{
	autotext struct text packet = {0};

	milter_put_strings(&packet, 'H', &name, 1);
	return tell_all(all, &helo_event, text_span(&packet));
}

enum milter_verdict
milters_mail(struct milters *all, const struct span *arguments, size_t count)
{
	autotext struct text packet = {0};

	for (size_t i = 0; all && i < all->count; i++) {
		struct milter *m = &all->at[i];

		if (m->state == MILTER_DONE_MESSAGE)
			m->state = MILTER_UP;
		m->in_message = m->state == MILTER_UP;
	}
	milter_put_strings(&packet, 'M', arguments, count);
	return tell_all(all, &mail_event, text_span(&packet));
}

/* Those that want to know what we have refused; their answers change nothing. */
static void
tell_rejected(struct milters *all, struct span packet)
{
	for (size_t i = 0; i < all->count; i++) {
		struct milter    *m = &all->at[i];
		enum milter_state before = m->state;

		if (m->state != MILTER_UP || !(m->steps & REJECTED_RCPT))
			continue;
		milter_event(all, m, &rcpt_event, packet);
		if (m->state == MILTER_DONE_MESSAGE)
			m->state = before;
	}
}

enum milter_verdict
milters_rcpt(struct milters *all, const struct span *arguments, size_t count, bool rejected)
{
	autotext struct text packet = {0};

	if (!all)
		return MILTER_PASS;
	milter_put_strings(&packet, 'R', arguments, count);
	if (!rejected)
		return tell_all(all, &rcpt_event, text_span(&packet));
	tell_rejected(all, text_span(&packet));
	return MILTER_PASS;
}

enum milter_verdict
milters_data(struct milters *all)
{
	autotext struct text packet = {0};

	milter_put(&packet, 'T', SPAN_NONE);
	return tell_all(all, &data_event, text_span(&packet));
}

enum milter_verdict
milters_unknown(struct milters *all, struct span command)
{
	autotext struct text packet = {0};

	milter_put_strings(&packet, 'U', &command, 1);
	return tell_all(all, &unknown_event, text_span(&packet));
}

void
milters_abort(struct milters *all)
{
	for (size_t i = 0; all && i < all->count; i++) {
		struct milter *m = &all->at[i];

		if (m->in_message && m->conn)
			say(m, 'A', false);
		m->in_message = false;
		if (m->state == MILTER_DONE_MESSAGE)
			m->state = MILTER_UP;
	}
}

/* ---- the message ---- */

static enum milter_verdict
show_all(struct milters *all, struct milter_content *content, struct text *edits)
{
	enum milter_verdict held = MILTER_PASS;

	for (size_t i = 0; i < all->count; i++) {
		struct milter      *m = &all->at[i];
		enum milter_verdict v;

		if (!milter_settled(all, m, &v))
			v = milter_content(all, m, content);
		if (v == MILTER_HOLD && m->state == MILTER_FAILED)
			submit_edit_hold(edits);
		if (v == MILTER_HOLD)
			held = v;
		else if (v != MILTER_PASS)
			return v;
	}
	content_edits(content, edits);
	return held;
}

enum milter_verdict
milters_message(struct milters *all, const struct submission *submission, int fd, int64_t size_limit, struct text *edits)
{
	struct milter_content content;
	enum milter_verdict   verdict;
	struct fault          why = {0};

	if (!all)
		return MILTER_PASS;
	if (content_open(&content, fd, submit_pieces(submission), submit_end(submission), submit_queue_id(submission), size_limit, &why) == 0) {
		verdict = show_all(all, &content, edits);
	} else {
		log_warning("%s: reading for milters: %s", submit_queue_id(submission), fault_text(&why));
		text_set(&all->reply, SPAN("451 4.3.0 Error: queue file write error"));
		verdict = MILTER_REPLY;
	}
	content_free(&content);
	return verdict;
}
