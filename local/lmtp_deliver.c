/* SPDX-License-Identifier: ISC */
/*
 * lmtp_deliver.c - the inside of lmtpd: whose an address is, and the delivery to him
 *
 * The content lies in a file without a name that the front writes and nobody syncs: it is not
 * promised to anybody; what the recipients' workers store is.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "local/agent.h"
#include "local/errand.h"
#include "local/kept.h"
#include "local/lmtp.h"
#include "local/login_name.h"
#include "local/outgoing.h"
#include "mail/address.h"
#include "mail/date.h"
#include "queue/queue_id.h"
#include "sieve/settings.h"
#include "store/location.h"
#include "store/quota.h"

enum { TEXT_MOST = 400, SAME_SIZE = 65 };

struct party {
	struct span      address;
	struct auth_user who;
};

struct inside {
	int           front;
	struct arena *arena;             /* of a transaction */
	struct party *parties;
	size_t        count;
	int           file;              /* -1: none yet */
	unsigned      transactions;
	struct fault  why;
};

struct wish {
	struct span sender, helo, client, protocol, message_id;
	int64_t     length;
	bool        smtputf8;
};

static const struct field wish_fields[] = {
	FIELD_TEXT(struct wish, sender, "sender", FIELD_NEEDED),
	FIELD_NUMBER(struct wish, length, "length", FIELD_NEEDED),
	FIELD_TEXT(struct wish, helo, "helo", FIELD_NEEDED),
	FIELD_TEXT(struct wish, client, "client", FIELD_NEEDED),
	FIELD_TEXT(struct wish, protocol, "protocol", FIELD_NEEDED),
	FIELD_TEXT(struct wish, message_id, "message_id", FIELD_NEEDED),
	FIELD_FLAG(struct wish, smtputf8, "smtputf8", 0),
	FIELD_END
};

/* What became of one recipient's copy. */
struct copy {
	struct inside                *in;
	const struct party           *party;
	const struct wish            *wish;
	const struct message_content *content;
	const char                   *id;      /* for headers, replies, the log and the file's name */
	const char                   *same;    /* of the message: the same when it comes again */
	struct outcome                outcome;
};

static void
forget(struct inside *in)
{
	if (in->file >= 0)
		close(in->file);
	in->file = -1;
	in->count = 0;
	in->parties = NULL;
	arena_free(in->arena);
	in->arena = arena_new();
}

/* One line of printable characters. */
static void
add_plain(struct text *out, struct span s, bool utf8)
{
	s = span_first(s, TEXT_MOST);
	for (size_t i = 0; i < s.len; i++)
		text_add_byte(out, (unsigned char)s.at[i] < ' ' || s.at[i] == 127 || (!utf8 && (signed char)s.at[i] < 0) ? '?' : s.at[i]);
}

static void
add_address(struct text *out, struct span address, bool utf8)
{
	autotext struct text external = {0};

	address_external(address, &external);
	text_add_byte(out, '<');
	add_plain(out, text_span(&external), utf8);
	text_add_byte(out, '>');
}

static int
answer(struct inside *in, struct frame *f)
{
	return frame_send(in->front, f, clock_after(LMTP_ASK_MS), &in->why);
}

static int
refuse(struct inside *in, const char *code, struct span address, const char *text)
{
	autoframe struct frame f = {0};
	autotext struct text   line = {0};

	text_add_format(&line, "%s ", code);
	if (address.len) {
		add_address(&line, address, true);
		text_add_byte(&line, ' ');
	}
	text_add_string(&line, text);
	frame_start(&f, "refused");
	frame_put(&f, "reply", text_span(&line));
	return answer(in, &f);
}

static int
do_rcpt(struct inside *in, struct frame *f)
{
	autoframe struct frame known = {0};
	struct span            address = SPAN_NONE;
	struct party          *p;

	if (!frame_get(f, "address", &address) || address.len == 0 || address.len > ADDRESS_PATH_LIMIT || in->count >= LMTP_RCPTS_MAX)
		return -1;
	if (!in->parties)
		in->parties = arena_alloc(in->arena, LMTP_RCPTS_MAX * sizeof *in->parties);
	p = &in->parties[in->count];
	*p = (struct party){.address = arena_span(in->arena, address)};
	if (login_name_find(address, &p->who, &in->why) < 0) {
		bool unknown = in->why.class == FAULT_DENIED;

		if (!unknown)
			log_error("lmtp(%ld): rcpt %.*s: %s", (long)getpid(), SPAN_ARGS(span_first(address, 255)), fault_text(&in->why));
		fault_clear(&in->why);
		return unknown ? refuse(in, "550 5.1.1", address, "User doesn't exist")
		               : refuse(in, "451 4.3.0", address, "Temporary user lookup failure");
	}
	in->count++;
	frame_start(&known, "known");
	return answer(in, &known);
}

static int
do_content(struct inside *in)
{
	autoframe struct frame f = {0};

	if (!in->count || in->file >= 0)
		return -1;
	if (file_unnamed(site.data_directory, &in->file, &in->why) < 0) {
		log_error("lmtp(%ld): %s", (long)getpid(), fault_text(&in->why));
		return refuse(in, "451 4.3.0", SPAN_NONE, "Temporary internal error");
	}
	frame_start(&f, "content");
	frame_put_fd(&f, "file", in->file);
	return answer(in, &f);
}

/* ------------------------------------------------------------ one copy */

/* Two tries of a client have this in common: a script must not take the second for a duplicate. */
static int
name_message(const struct wish *w, const struct message_content *content, char same[SAME_SIZE], struct fault *why)
{
	autotext struct text chunk = {0};
	EVP_MD_CTX          *c = EVP_MD_CTX_new();
	unsigned char        sum[EVP_MAX_MD_SIZE];
	unsigned             n = 0;
	int64_t              position = 0;
	int                  good = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, w->sender.at, w->sender.len);

	while (good) {
		if (message_read(content, &position, 65536, &chunk, why) < 0)
			break;
		if (chunk.len == 0)
			break;
		good = EVP_DigestUpdate(c, chunk.at, chunk.len);
	}
	good = good && EVP_DigestFinal_ex(c, sum, &n) && n == 32;
	EVP_MD_CTX_free(c);
	if (why->class != FAULT_NONE)
		return -1;
	if (!good)
		return fault_set(why, FAULT_SYSTEM, "SHA-256: cannot compute");
	for (unsigned i = 0; i < n; i++)
		snprintf(same + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static void
add_trace(const struct copy *c, struct text *out)
{
	autotext struct text date = {0}, helo = {0}, client = {0};

	agent_headers(HEADER_RETURN_PATH | HEADER_DELIVERED_TO, c->wish->sender, SPAN_NONE, c->party->address, out);
	if (!lmtp_settings.received_header)
		return;
	add_plain(&helo, c->wish->helo, c->wish->smtputf8);
	add_plain(&client, c->wish->client, false);
	date_add_local(clock_wall() / 1000000, &date);
	text_add_format(out, "Received: from %s ([%s])\n\tby %s (%s) with %.*s id %s\n\t(envelope-from ", text_string(&helo),
		text_string(&client), site.myhostname, site.mail_name, SPAN_ARGS(span_first(c->wish->protocol, 16)), c->id);
	add_address(out, c->wish->sender, c->wish->smtputf8);
	text_add_string(out, ")\n\tfor ");
	add_address(out, c->party->address, c->wish->smtputf8);
	text_add_format(out, "; %s\n", text_string(&date));
}

static void
configuration_error(struct copy *c, const struct fault *why)
{
	log_error("lmtp(%s): %s", c->party->who.user, fault_text(why));
	outcome_set(&c->outcome, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
}

static void
run(struct copy *c, const char *directory, const struct quota *quota)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    headers = {0};
	struct errand_result    result;
	struct deliver_rcpt     rcpt = {.address = c->party->address, .original = SPAN_NONE, .orcpt = SPAN_NONE};
	struct delivery         d = {.queue_id = span_of(c->id), .sender = c->wish->sender, .envid = SPAN_NONE, .ret = SPAN_NONE,
			.body = SPAN_NONE, .smtputf8 = c->wish->smtputf8, .arrival_us = clock_wall()};
	struct errand           e = {.content = c->content,
			  .who = {.uid = c->party->who.uid, .gid = c->party->who.gid, .home = "/"},
			  .kind = ERRAND_MAILDIR,
			  .user = c->party->who.user,
			  .home = c->party->who.home,
			  .directory = directory,
			  .shown = directory,
			  .done = "saved mail to INBOX",
			  .loop_address = SPAN_NONE,
			  .queue_id = span_of(c->id),
			  .same_message = span_of(c->same),
			  .recipient = c->party->address,
			  .arrived = d.arrival_us,
			  .first_try = true,
			  .sender = c->wish->sender,
			  .original = c->party->address,
			  .auth = SPAN_NONE,
			  .from_line = SPAN_NONE,
			  .eol = SPAN_NONE,
			  .quota = quota,
			  .filtered = sieve_settings_filter(span_of(c->party->who.sieve)),
			  .own = c->party->who.sieve,
			  .groups = c->party->who.groups,
			  .detail = lmtp_settings.to_detail ? login_name_detail(c->party->address) : SPAN_NONE};

	add_trace(c, &headers);
	e.prefix = text_span(&headers);
	errand_run(&e, arena, &result);
	outgoing_send(&d, c->content, &rcpt, e.user, d.sender, &result, &result.outcome);
	errand_result_free(&result);
	outcome_free(&c->outcome);
	c->outcome = result.outcome;
}

static void
deliver_copy(struct copy *c)
{
	struct location where = {0};
	struct quota   *quota = NULL;
	struct fault    why = {0};
	const struct auth_user *who = &c->party->who;

	if (location_parse(span_of(who->mail), span_of(who->user), span_of(who->home), &where, &why) < 0 ||
	    quota_make(&quota_settings, span_of(who->quota), &quota, &why) < 0)
		configuration_error(c, &why);
	else
		run(c, text_string(&where.root), quota);
	quota_free(quota);
	location_free(&where);
}

/* "lmtp(user)<pid><id>: msgid=<..>: saved mail to INBOX": Dovecot's shape. */
static void
log_copy(const struct copy *c)
{
	autotext struct text line = {0}, id = {0};
	struct span          text = text_span(&c->outcome.text);
	bool                 sieve = span_starts(text, "sieve: ");

	if (sieve)
		text = span_from(text, 7);
	add_plain(&id, c->wish->message_id, false);
	text_add_format(&line, "lmtp(%s)<%ld><%s>: %smsgid=%s: ", c->party->who.user, (long)getpid(), c->id, sieve ? "sieve: " : "",
		id.len ? text_string(&id) : "unspecified");
	if (c->outcome.action != DELIVER_SENT)
		text_add_string(&line, "save failed to INBOX: ");
	add_plain(&line, text, true);
	log_info("%s", text_string(&line));
}

/* RFC 3463, 2: the code by the class, and where users know better ones. */
static const char *
code_of(const struct outcome *o)
{
	struct span dsn = span_of(o->dsn);

	switch (o->action) {
	case DELIVER_SENT: return "250";
	case DELIVER_DEFERRED: return span_is(dsn, "4.2.2") || span_is(dsn, "4.3.1") ? "452" : "451";
	default: return span_is(dsn, "5.2.2") || span_is(dsn, "5.2.3") ? "552" : "550";
	}
}

static int
tell_copy(struct inside *in, const struct copy *c)
{
	autoframe struct frame f = {0};
	autotext struct text   line = {0};

	text_add_format(&line, "%s %s ", code_of(&c->outcome), c->outcome.dsn[0] ? c->outcome.dsn : "2.0.0");
	add_address(&line, c->party->address, c->wish->smtputf8);
	if (c->outcome.action == DELIVER_SENT) {
		text_add_format(&line, " %s Saved", c->id);
	} else {
		text_add_byte(&line, ' ');
		add_plain(&line, text_span(&c->outcome.text), c->wish->smtputf8);
	}
	frame_start(&f, "status");
	frame_put(&f, "reply", text_span(&line));
	return answer(in, &f);
}

/* Who hung up hears nothing more, and tries again all that he was not told of: what was not begun is not begun. */
static int
do_deliver(struct inside *in, struct frame *f)
{
	autoframe struct frame done = {0};
	struct message_content content = {.fd = in->file};
	struct piece           whole = {0};
	struct wish            w = {0};
	struct queue_id        id;
	struct stat            st;
	char                   same[SAME_SIZE] = "";
	int                    told = 0;

	if (!in->count || in->file < 0 || frame_decode(f, wish_fields, &w, &in->why) < 0 || w.length < 0 || fstat(in->file, &st) < 0 ||
	    w.length > st.st_size || (site.message_size_limit > 0 && w.length > site.message_size_limit))
		return -1;
	whole.len = content.size = w.length;
	content.pieces = &whole;
	content.n_pieces = w.length > 0;
	if (name_message(&w, &content, same, &in->why) < 0) {
		log_error("lmtp(%ld): %s", (long)getpid(), fault_text(&in->why));
		return -1;
	}
	in->transactions++;
	for (size_t i = 0; i < in->count && told == 0; i++) {
		struct copy c = {.in = in, .party = &in->parties[i], .wish = &w, .content = &content, .id = id.text, .same = same};

		queue_id_make(clock_wall(), (uint64_t)getpid() * 1000000 + in->transactions * (uint64_t)LMTP_RCPTS_MAX + i, &id);
		deliver_copy(&c);
		log_copy(&c);
		told = tell_copy(in, &c);
		outcome_free(&c.outcome);
	}
	forget(in);
	frame_start(&done, "done");
	return told < 0 ? -1 : answer(in, &done);
}

static int
obey(struct inside *in, struct frame *f)
{
	if (frame_is(f, "rcpt"))
		return do_rcpt(in, f);
	if (frame_is(f, "content"))
		return do_content(in);
	if (frame_is(f, "deliver"))
		return do_deliver(in, f);
	if (!frame_is(f, "reset"))
		return -1;
	forget(in);
	return 0;
}

void
lmtp_inside(int front)
{
	struct inside in = {.front = front, .file = -1, .arena = arena_new()};

	for (;;) {
		autoframe struct frame f = {0};

		if (frame_receive(front, &f, INT64_MAX, &in.why) != 0)
			break;
		fault_clear(&in.why);
		if (obey(&in, &f) < 0) {
			log_warning("lmtp(%ld): the process that speaks with the client made no sense, or is gone%s%s", (long)getpid(),
				in.why.reason[0] ? ": " : "", fault_text(&in.why));
			break;
		}
	}
	kept_dismiss();
	forget(&in);
	arena_free(in.arena);
}
