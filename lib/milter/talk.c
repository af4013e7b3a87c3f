/* SPDX-License-Identifier: ISC */
/*
 * talk.c - one milter: connect, agree on options, say something, hear the answer
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_dial.h"
#include "milter_private.h"

enum { READ_SIZE = 64 * 1024 };

static const unsigned all_actions = 0x1ff, all_steps = 0x1fffff;

/* What a version knows of steps. */
static unsigned
steps_of(unsigned version)
{
	unsigned plain = NO_CONNECT | NO_HELO | NO_MAIL | NO_RCPT | NO_BODY | NO_HEADER | NO_EOH;

	switch (version) {
	case 2:  return plain;
	case 3:  return plain | NO_UNKNOWN;
	case 4:  return plain | NO_UNKNOWN | NO_DATA;
	default: return all_steps;
	}
}

/* ---- failing ---- */

void
milter_fail(struct milter *m)
{
	if (m->conn)
		conn_free(take(m->conn));
	m->state = MILTER_FAILED;
	m->in_message = false;
}

enum milter_verdict
milter_failed(struct milters *all, struct milter *m)
{
	switch (m->spec->failure) {
	case FAILURE_ACCEPT:     return MILTER_PASS;
	case FAILURE_QUARANTINE: return MILTER_HOLD;
	case FAILURE_REJECT:
		text_set(&all->reply, all->soft_bounce ? SPAN("450 4.5.0 Service unavailable") : SPAN("550 5.5.0 Service unavailable"));
		return MILTER_REPLY;
	case FAILURE_SHUTDOWN:
		text_set(&all->reply, SPAN("421 4.7.0 Server closing connection"));
		return MILTER_REPLY;
	case FAILURE_TEMPFAIL:
		break;
	}
	text_set(&all->reply, SPAN("451 4.7.1 Service unavailable - try again later"));
	return MILTER_REPLY;
}

bool
milter_settled(struct milters *all, struct milter *m, enum milter_verdict *verdict)
{
	*verdict = MILTER_PASS;
	switch (m->state) {
	case MILTER_UP:
		return false;
	case MILTER_DONE:
	case MILTER_DONE_MESSAGE:
		return true;
	case MILTER_REFUSED:
		text_set(&all->reply, span_of(m->sticky));
		*verdict = MILTER_REPLY;
		return true;
	case MILTER_FRESH: /* was never told of the client: it cannot judge, so it is as good as dead */
	case MILTER_FAILED:
		*verdict = milter_failed(all, m);
		return true;
	}
	return true;
}

/* ---- reading ---- */

static int
read_bytes(struct milter *m, size_t count, struct text *into, struct fault *why)
{
	text_clear(into);
	while (into->len < count) {
		size_t      left = count - into->len;
		struct span some;

		if (conn_some(m->conn, left < READ_SIZE ? left : READ_SIZE, &some, why) < 0)
			return -1;
		text_add(into, some);
	}
	return 0;
}

static int
cannot_read(struct milter *m, char command, const char *what, const struct fault *why)
{
	log_warning("milter %s: can't read %s reply packet %s: %s", m->spec->name, milter_command_name(command), what, fault_text(why));
	milter_fail(m);
	return -1;
}

static int
read_packet(struct milter *m, char command, int64_t timeout, struct text *packet)
{
	struct fault         why = {0};
	const unsigned char *n;
	size_t               size;

	conn_deadline(m->conn, clock_after(timeout));
	if (read_bytes(m, 4, packet, &why) < 0)
		return cannot_read(m, command, "header", &why);
	n = (const unsigned char *)packet->at;
	size = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
	if (size == 0 || size > MILTER_PACKET_MAX) {
		fault_set(&why, FAULT_INPUT, "bad length %zu", size);
		return cannot_read(m, command, "header", &why);
	}
	if (read_bytes(m, size, packet, &why) < 0)
		return cannot_read(m, command, "data", &why);
	return 0;
}

int
milter_hear(struct milter *m, char command, int64_t timeout, struct text *packet, struct milter_reply *reply)
{
	struct fault why = {0};

	do { /* each sign of life gives it its time anew */
		if (read_packet(m, command, timeout, packet) < 0)
			return -1;
		if (milter_reply_parse(text_span(packet), reply, &why) < 0) {
			log_warning("milter %s: %s after event %s", m->spec->name, fault_text(&why), milter_command_name(command));
			milter_fail(m);
			return -1;
		}
	} while (reply->code == REPLY_PROGRESS);
	return 0;
}

/* ---- options ---- */

static int
bad_handshake(struct milter *m, const char *what)
{
	log_warning("milter %s: %s in initial handshake", m->spec->name, what);
	milter_fail(m);
	return -1;
}

static int
take_macro_lists(struct milter *m, struct span rest)
{
	static const enum milter_stage stages[] = {STAGE_CONNECT, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_EOM, STAGE_EOH};
	struct fault                   why = {0};
	struct span                    names, name;
	uint32_t                       stage;
	int                            got;

	while ((got = milter_macros_next(&rest, &stage, &names, &why)) > 0) {
		if (stage >= COUNT(stages))
			continue;
		list_free(&m->macros[stages[stage]]);
		m->has_macros[stages[stage]] = true;
		while (span_next(&names, ", \t\r\n", &name))
			list_add(&m->macros[stages[stage]], name);
	}
	return got < 0 ? bad_handshake(m, fault_text(&why)) : 0;
}

static int
agree(struct milter *m)
{
	autotext struct text packet = {0}, offer = {0};
	struct fault         why = {0};
	struct milter_reply  r;
	unsigned             steps = steps_of(m->spec->version) | (m->spec->no_header_reply ? QUIET_HEADER : 0);

	milter_put_options(&offer, m->spec->version, all_actions, steps);
	conn_deadline(m->conn, clock_after(m->spec->connect_timeout));
	if (conn_write(m->conn, text_span(&offer), &why) < 0 || conn_flush(m->conn, &why) < 0) {
		log_warning("milter %s: write error in initial handshake: %s", m->spec->name, fault_text(&why));
		milter_fail(m);
		return -1;
	}
	if (milter_hear(m, 'O', m->spec->connect_timeout, &packet, &r) < 0) {
		log_warning("milter %s: read error in initial handshake", m->spec->name);
		return -1;
	}
	if (r.code != REPLY_OPTIONS)
		return bad_handshake(m, "unexpected reply");
	/* what we did not offer we would not do: it must not count on that */
	if (r.version < 2 || r.version > m->spec->version || (r.steps & ~steps) || (r.actions & ~all_actions)) {
		log_warning("milter %s: protocol version %u conflict with MTA protocol version %u (actions %x, steps %x)", m->spec->name,
		            r.version, m->spec->version, r.actions, r.steps);
		return bad_handshake(m, "option conflict");
	}
	m->version = r.version;
	m->actions = r.actions;
	m->steps = r.steps | (m->spec->no_header_reply ? QUIET_HEADER : 0);
	if (take_macro_lists(m, r.first) < 0)
		return -1;
	m->state = MILTER_UP;
	return 0;
}

int
milter_negotiate(struct milter *m)
{
	struct fault why = {0};
	int          fd;

	if (ask_dial(span_of(m->spec->name), clock_after(m->spec->connect_timeout), &fd, &why) < 0) {
		log_warning("connect to Milter service %s: %s", m->spec->name, fault_text(&why));
		milter_fail(m);
		return -1;
	}
	m->conn = conn_new(fd);
	return agree(m);
}

/* ---- telling ---- */

static void
add_macro(struct milters *all, const char *name, struct text *out)
{
	autotext struct text value = {0};
	struct span          by_default;

	if (!all->macro(all->context, name, &value)) {
		if (!milter_macro_default(all->specs->settings, name, &by_default))
			return;
		text_set(&value, by_default);
	}
	text_add_string(out, name);
	text_add_byte(out, '\0');
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i])
			text_add_byte(out, value.at[i]);
	text_add_byte(out, '\0');
}

int
milter_tell_macros(struct milters *all, struct milter *m, char command, enum milter_stage stage)
{
	const struct list   *names = m->has_macros[stage] ? &m->macros[stage] : &all->specs->settings->macros[stage];
	autotext struct text data = {0}, packet = {0};
	struct fault         why = {0};

	text_add_byte(&data, command);
	for (size_t i = 0; i < names->count; i++)
		add_macro(all, names->item[i], &data);
	if (data.len == 1)
		return 0;
	milter_put(&packet, 'D', text_span(&data));
	if (conn_write(m->conn, text_span(&packet), &why) == 0)
		return 0;
	log_warning("milter %s: can't send SMFIC_MACRO packet: %s", m->spec->name, fault_text(&why));
	milter_fail(m);
	return -1;
}

int
milter_tell(struct milters *all, struct milter *m, const struct milter_event *e, struct span packet, int64_t timeout)
{
	struct fault why = {0};

	conn_deadline(m->conn, clock_after(timeout));
	if (e->stage != MILTER_STAGES && milter_tell_macros(all, m, e->command, e->stage) < 0)
		return -1;
	if (conn_write(m->conn, packet, &why) == 0)
		return 0;
	log_warning("milter %s: can't send %s packet: %s", m->spec->name, milter_command_name(e->command), fault_text(&why));
	milter_fail(m);
	return -1;
}

/* ---- deciding ---- */

static enum milter_verdict
refuse(struct milters *all, struct milter *m, const struct milter_event *e, struct span reply)
{
	text_set(&all->reply, reply);
	if (e->of_client || span_starts(reply, "421")) {
		free(m->sticky);
		m->sticky = mem_span(reply);
		m->state = MILTER_REFUSED;
	}
	return MILTER_REPLY;
}

static enum milter_verdict
refuse_in_its_words(struct milters *all, struct milter *m, const struct milter_event *e, struct span raw)
{
	autotext struct text text = {0};
	struct fault         why = {0};

	if (milter_reply_text(raw, all->soft_bounce, &text, &why) == 0)
		return refuse(all, m, e, text_span(&text));
	log_warning("milter %s: %s", m->spec->name, fault_text(&why));
	milter_fail(m);
	return milter_failed(all, m);
}

enum milter_verdict
milter_decide(struct milters *all, struct milter *m, const struct milter_event *e, const struct milter_reply *r)
{
	switch (r->code) {
	case REPLY_CONTINUE:
		return MILTER_PASS;
	case REPLY_ACCEPT:
		m->state = e->of_client ? MILTER_DONE : MILTER_DONE_MESSAGE;
		return MILTER_PASS;
	case REPLY_DISCARD:
		if (e->of_client) {
			log_warning("milter %s: DISCARD action is not allowed for connect or helo", m->spec->name);
			return MILTER_PASS;
		}
		m->state = MILTER_DONE_MESSAGE;
		return MILTER_DISCARD;
	case REPLY_REJECT:
		return refuse(all, m, e, all->soft_bounce ? SPAN("450 4.7.1 Command rejected") : SPAN("550 5.7.1 Command rejected"));
	case REPLY_TEMPFAIL:
		return refuse(all, m, e, SPAN("451 4.7.1 Service unavailable - try again later"));
	case REPLY_SHUTDOWN:
		return refuse(all, m, e, SPAN("421 4.7.0 Server closing connection"));
	case REPLY_TEXT:
		return refuse_in_its_words(all, m, e, r->first);
	default:
		log_warning("milter %s: unexpected filter response %s after event %s", m->spec->name, milter_reply_name(r->code),
		            milter_command_name(e->command));
		milter_fail(m);
		return milter_failed(all, m);
	}
}

enum milter_verdict
milter_event(struct milters *all, struct milter *m, const struct milter_event *e, struct span packet)
{
	autotext struct text buffer = {0};
	struct milter_reply  reply;
	int64_t              timeout = m->spec->command_timeout;

	if ((m->steps & e->skip) || m->version < e->since)
		return MILTER_PASS;
	if (milter_tell(all, m, e, packet, timeout) < 0)
		return milter_failed(all, m);
	if (m->steps & e->quiet)
		return MILTER_PASS;
	if (milter_hear(m, e->command, timeout, &buffer, &reply) < 0)
		return milter_failed(all, m);
	return milter_decide(all, m, e, &reply);
}
