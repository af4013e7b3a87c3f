/* SPDX-License-Identifier: ISC */
/*
 * sleep.c - an idling session ends as a process and goes on in another
 */
#include "sleep.h"

#include <errno.h>
#include <stdlib.h>

#include "acl.h"
#include "base/clock.h"
#include "base/log.h"
#include "imap_config.h"
#include "ipc/login.h"
#include "ipc/wake_proof.h"
#include "net/conn_deflate.h"
#include "notify.h"

enum { MESSAGES_MOST = 10000000 };

#define STILL_HERE "* OK Still here\r\n"
#define GOOD_BYE   "* BYE Server closing connection.\r\n"

/* As it goes on the wire: the login program knows nothing of COMPRESS. */
static void
put_wire(const struct imap_session *s, struct span line, struct text *out)
{
	if (s->compressed)
		conn_deflate_stored(line, out);
	else
		text_add(out, line);
}

static int
write_state(struct imap_session *s, struct text *out)
{
	autotext struct text saved = {0}, dictionary = {0}, notify = {0};
	struct sleep_state   state = {
		.tag = s->command.tag, .selected = s->folder != NULL, .mailbox = span_of(s->folder ? s->folder->name : ""),
		.space = span_of(s->folder && s->in->kind != SPACE_OWN ? s->in->prefix : ""),
		.read_only = s->folder && s->folder->read_only, .validity = s->folder ? s->folder->validity : 0,
		.manner = s->manner, .compressed = s->compressed, .keywords = s->view.keywords, .modseq = s->view.modseq,
		.at = s->view.at, .count = s->view.count, .counts = s->counts, .bytes_in = s->bytes_in + conn_bytes_in(s->conn),
		.bytes_out = s->bytes_out + conn_bytes_out(s->conn),
	};

	if (s->compressed && !conn_deflate_save(conn_filter(s->conn), &dictionary))
		return -1; /* in the middle of a block */
	sequence_add(s->saved, s->saved_count, &saved);
	if (s->notify)
		notify_save(s, &notify);
	state.notify = text_span(&notify);
	state.saved = text_span(&saved);
	state.dictionary = text_span(&dictionary);
	if (dictionary.len + saved.len + notify.len + state.count / 1024 > LOGIN_STATE_MAX)
		return -1;
	sleep_state_write(&state, out);
	return out->len <= LOGIN_STATE_MAX ? 0 : -1;
}

static int
ask(struct imap_session *s, struct span state, int watch)
{
	const struct imap_means *means = s->user->means;
	autotext struct text     notice = {0}, bye = {0}, stats = {0};
	char                     proof[WAKE_HEX];
	struct login_sleep       l;
	struct fault             why = {0};
	int                      got;

	wake_proof(span_of(means->key), state, proof);
	put_wire(s, SPAN(STILL_HERE), &notice);
	put_wire(s, SPAN(GOOD_BYE), &bye);
	imap_add_stats(s, &stats);
	l = (struct login_sleep){
		.user = span_of(means->asked), .token = span_of(means->token), .proof = span_of(proof), .state = state,
		.notice = text_span(&notice), .bye = text_span(&bye), .stats = text_span(&stats),
		.interval = imap_config.idle_notify_interval, .watch = watch,
	};
	if ((got = login_sleep_ask(means->control, &l, &why)) == 0)
		return 0;
	if (got < 0) {
		s->keeps_awake = true; /* the talk is over; the session is not */
		log_warning("imap(%s): cannot hibernate: %s", s->user->name, fault_text(&why));
	}
	return -1;
}

int
imap_sleep(struct imap_session *s, int watch)
{
	autotext struct text state = {0};

	if (!s->user->means || s->keeps_awake || (s->notify && !notify_may_sleep(s)) || s->contexts || s->over || s->view.behind || s->out.len || ((s->folder || s->notify) && watch < 0) ||
	    conn_input_waits(s->conn) || conn_flush(s->conn, NULL) < 0 || write_state(s, &state) < 0)
		return 0;
	if (ask(s, text_span(&state), watch) < 0)
		return 0;
	if (conn_input_waits(s->conn)) {
		login_sleep_end(s->user->means->control, false, NULL);
		return 0;
	}
	return login_sleep_end(s->user->means->control, true, NULL) == 0;
}

/* ------------------------------------------------------------ and again */

static int
take_saved(struct imap_session *s, struct span text, struct fault *why)
{
	struct sequence set;
	size_t          count = 0;

	if (!text.len)
		return 0;
	if (!sequence_parse(s->arena, text, &set))
		return fault_set(why, FAULT_INPUT, "not the state of a session");
	sequence_resolve(&set, SEQUENCE_STAR - 1); /* now no range is upside down, and none ends where numbers do */
	for (size_t i = 0; i < set.count; i++)
		count += (size_t)(set.ranges[i].last - set.ranges[i].first) + 1;
	if (count > MESSAGES_MOST)
		return fault_set(why, FAULT_INPUT, "not the state of a session");
	s->saved = mem_array(count, sizeof *s->saved);
	for (size_t i = 0; i < set.count; i++)
		for (uint32_t uid = set.ranges[i].first; uid <= set.ranges[i].last; uid++)
			s->saved[s->saved_count++] = uid;
	return 0;
}

static struct space *
find_space(struct imap_session *s, struct span prefix)
{
	if (!prefix.len)
		return &s->mine;
	for (size_t i = 0; s->spaces && i < s->spaces->count; i++)
		if (span_is(prefix, s->spaces->at[i].prefix))
			return &s->spaces->at[i];
	return NULL;
}

static int
take_mailbox(struct imap_session *s, struct sleep_state *state, struct fault *why)
{
	autofree char       *name = mem_span(state->mailbox);
	struct space        *in = find_space(s, state->space);
	unsigned             may = in ? acl_rights_of(s, in, name) : 0;
	struct message      *messages;

	if (!(may & ACL_READ))
		return fault_set(why, FAULT_DENIED, "the mailbox is not shared any more");
	if (imap_open_in(s, in, name, state->read_only ? FOLDER_READ_ONLY : 0, &s->folder) < 0) {
		*why = s->why;
		s->why = (struct fault){0};
		return -1;
	}
	s->in = in;
	if (s->folder->validity != (uint32_t)state->validity)
		return fault_set(why, FAULT_INPUT, "UIDVALIDITY has changed");
	messages = take(state->at);
	s->view = (struct view){
		.at = messages, .count = state->count, .room = {.count = state->count}, .modseq = state->modseq,
		.generation = s->folder->generation - 1, .behind = true, .keywords = state->keywords, .manner = &s->manner,
		.denied = acl_flags(ACL_ALL) & ~acl_flags(may),
	};
	return 0;
}

int
imap_wake(struct imap_session *s, struct fault *why)
{
	struct sleep_state state;
	struct conn_filter *filter;

	if (sleep_state_read(s->user->means->state, MESSAGES_MOST, &state, why) < 0)
		return -1;
	s->manner = state.manner;
	s->counts = state.counts;
	s->bytes_in = state.bytes_in;
	s->bytes_out = state.bytes_out;
	s->command.tag = arena_span(s->arena, state.tag);
	if (state.compressed) {
		filter = conn_deflate_restore(state.dictionary);
		if (!filter || conn_set_filter(s->conn, filter, why) < 0)
			return -1;
		s->compressed = true;
	}
	if (take_saved(s, state.saved, why) < 0 || (state.selected && take_mailbox(s, &state, why) < 0) ||
	    (state.notify.len && notify_wake(s, state.notify, why) < 0)) {
		sleep_state_free(&state);
		return -1;
	}
	sleep_state_free(&state);
	return 0;
}
