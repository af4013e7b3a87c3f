/* SPDX-License-Identifier: ISC */
/*
 * run.c - scripts in their order, commands in theirs; what is to be done is only collected
 */
#include "sieve/sieve_private.h"
#include "mail/charset.h"

int
script_error(struct run *r, const struct node *n, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	text_clean(&text);
	return fault_set(r->why, FAULT_INPUT, "line %u: %s", n->line, text_string(&text));
}

void
script_note(struct run *r, const struct node *n, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	if (r->result->n_notes == SIEVE_NOTES_MAX)
		return;
	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	text_clean(&text);
	r->result->notes[r->result->n_notes++] = (struct sieve_note){n->line, arena_string(r->arena, span_first(text_span(&text), NOTE_MAX))};
}

int
script_cost(struct run *r, const struct node *n, size_t bytes)
{
	r->steps += 1 + bytes / 16;
	if (r->steps > r->limits->steps)
		return script_error(r, n, "the script takes too long");
	if (r->host->out_of_time && (r->steps & 1023) < 1 + bytes / 16 && r->host->out_of_time(r->host->context))
		return script_error(r, n, "the script exceeds its CPU time limit");
	return 0;
}

struct sieve_action *
script_add(struct run *r, const struct node *n, enum sieve_action_kind kind)
{
	struct sieve_result *out = r->result;

	if (out->count >= r->limits->actions) {
		script_error(r, n, "total number of actions exceeds policy limit(%zu)", r->limits->actions);
		return NULL;
	}
	if (out->count == out->room) {
		struct sieve_action *more = arena_alloc(r->arena, (out->room = out->room ? out->room * 2 : 8) * sizeof *more);

		if (out->count)
			memcpy(more, out->actions, out->count * sizeof *more);
		out->actions = more;
	}
	out->actions[out->count] = (struct sieve_action){.kind = kind, .line = n ? n->line : 0, .target = SPAN_NONE, .flags = SPAN_NONE,
		.special_use = SPAN_NONE, .mailbox_id = SPAN_NONE,
		.message = kind == SIEVE_KEEP || kind == SIEVE_FILEINTO || kind == SIEVE_REDIRECT || kind == SIEVE_PIPE ? script_message(r) : NULL};
	return &out->actions[out->count++];
}

/* The last action of that kind and target, of this script or one before; NULL: none. */
static struct sieve_action *
find_action(struct run *r, enum sieve_action_kind kind, struct span target)
{
	for (size_t i = r->result->count; i-- > 0;)
		if (r->result->actions[i].kind == kind && span_equal(r->result->actions[i].target, target))
			return &r->result->actions[i];
	return NULL;
}

static struct span
action_flags(struct run *r, const struct node *n)
{
	const struct argument *a = node_tag(n, TAG_FLAGS);

	return a ? flags_of(r, &a->strings) : r->flags;
}

int
script_refuse_beside_reject(struct run *r, const struct node *n, bool is_reject)
{
	bool conflict = r->rejected;

	for (size_t i = r->first; is_reject && i < r->result->count; i++)
		conflict = conflict || r->result->actions[i].kind != SIEVE_NOTIFY;
	/* RFC 5429, 2.4: it cannot be both delivered and refused, nor answered */
	return conflict ? script_error(r, n, "%s conflicts with another action", n->verb->name) : 0;
}

int
do_nothing(struct run *r, const struct node *n)
{
	(void)r;
	(void)n;
	return 0;
}

int
do_debug_log(struct run *r, const struct node *n)
{
	script_note(r, n, "DEBUG: %.*s", SPAN_ARGS(span_first(word_first(r, n->at[0]), 250)));
	return script_cost(r, n, 256);
}

int
do_stop(struct run *r, const struct node *n)
{
	(void)r;
	(void)n;
	return 1;
}

int
do_return(struct run *r, const struct node *n)
{
	(void)r;
	(void)n;
	return 2;
}

int
do_error(struct run *r, const struct node *n)
{
	return script_error(r, n, "%.*s", SPAN_ARGS(span_first(word_first(r, n->at[0]), 200)));
}

int
do_keep(struct run *r, const struct node *n)
{
	struct sieve_action *a = find_action(r, SIEVE_KEEP, SPAN_NONE);

	if (script_refuse_beside_reject(r, n, false) < 0 || (!a && !(a = script_add(r, n, SIEVE_KEEP))))
		return -1;
	a->flags = action_flags(r, n);
	r->keeps = true;
	r->kept_implicitly = false;
	return 0;
}

int
do_discard(struct run *r, const struct node *n)
{
	(void)n;
	r->kept_implicitly = false;
	return 0;
}

static struct span
optional_word(struct run *r, const struct node *n, enum tag t)
{
	const struct argument *a = node_tag(n, t);

	return a ? word_first(r, a) : SPAN_NONE;
}

/* The same name is another mailbox when it is but what is taken in want of the one that has the use, or the id. */
static struct sieve_action *
find_fileinto(struct run *r, struct span mailbox, struct span use, struct span id)
{
	for (size_t i = r->result->count; i-- > 0;) {
		struct sieve_action *a = &r->result->actions[i];

		if (a->kind == SIEVE_FILEINTO && span_equal(a->target, mailbox) && span_equal_nocase(a->special_use, use) &&
		    span_equal(a->mailbox_id, id))
			return a;
	}
	return NULL;
}

static int
take_mailbox(struct run *r, const struct node *n, struct span mailbox, struct sieve_action *a)
{
	a->target = mailbox;
	a->create = a->create || n->tags & TAG(CREATE);
	a->special_use = optional_word(r, n, TAG_SPECIALUSE);
	a->mailbox_id = optional_word(r, n, TAG_MAILBOXID);
	if (a->special_use.len && !special_use_valid(a->special_use))
		return script_error(r, n, "specialuse tag: invalid special-use flag `%.*s' specified",
			SPAN_ARGS(span_first(a->special_use, 60)));
	return 0;
}

/* RFC 8580: where a copy of what is sent goes. */
int
script_fcc(struct run *r, const struct node *n, const struct sieve_action **out)
{
	const struct argument *flags = node_tag(n, TAG_FLAGS);
	struct sieve_action   *a = arena_alloc(r->arena, sizeof *a);
	struct span            mailbox = optional_word(r, n, TAG_FCC);

	*out = NULL;
	if (!(n->tags & TAG(FCC)))
		return 0;
	if (mailbox.len == 0 || mailbox.len > 500 || !utf8_printable(mailbox))
		return script_error(r, n, "\"%.*s\" is not the name of a mailbox", SPAN_ARGS(span_first(mailbox, 60)));
	*a = (struct sieve_action){.kind = SIEVE_FILEINTO, .line = n->line, .flags = flags ? flags_of(r, &flags->strings) : SPAN_NONE};
	*out = a;
	return take_mailbox(r, n, span_is_nocase(mailbox, "INBOX") ? SPAN("INBOX") : mailbox, a);
}

int
do_fileinto(struct run *r, const struct node *n)
{
	struct span          mailbox = word_first(r, n->at[0]);
	struct sieve_action *a;

	if (mailbox.len == 0 || mailbox.len > 500 || !utf8_printable(mailbox))
		return script_error(r, n, "\"%.*s\" is not the name of a mailbox", SPAN_ARGS(span_first(mailbox, 60)));
	if (span_is_nocase(mailbox, "INBOX"))
		mailbox = SPAN("INBOX");
	if (script_refuse_beside_reject(r, n, false) < 0)
		return -1;
	/* twice into the same mailbox is once (RFC 5228, 2.10.3) */
	a = find_fileinto(r, mailbox, optional_word(r, n, TAG_SPECIALUSE), optional_word(r, n, TAG_MAILBOXID));
	if (!a && !(a = script_add(r, n, SIEVE_FILEINTO)))
		return -1;
	if (take_mailbox(r, n, mailbox, a) < 0)
		return -1;
	a->flags = action_flags(r, n);
	if (!(n->tags & TAG(COPY)))
		r->kept_implicitly = false;
	return 0;
}

int
do_redirect(struct run *r, const struct node *n)
{
	struct span          written = word_first(r, n->at[0]), address;
	struct sieve_action *a;
	size_t               redirects = 0, versions = 0;
	const struct sieve_message *last = NULL;

	if (!word_is_address(r->arena, written, &address))
		return script_error(r, n, "\"%.*s\" is not an address", SPAN_ARGS(span_first(written, 100)));
	if (r->filtered)
		return script_error(r, n, "redirect behind filter: what a program has made of a message is not sent");
	if (script_refuse_beside_reject(r, n, false) < 0)
		return -1;
	for (size_t i = 0; i < r->result->count; i++) {
		redirects += r->result->actions[i].kind == SIEVE_REDIRECT;
		if (r->result->actions[i].kind == SIEVE_REDIRECT && r->result->actions[i].message != last) {
			last = r->result->actions[i].message;
			versions++;
		}
	}
	if (versions >= SIEVE_VERSIONS_MOST && script_message(r) != last)
		return script_error(r, n, "an edited message is redirected too often");
	if (!find_action(r, SIEVE_REDIRECT, address)) {
		if (redirects >= r->limits->redirects)
			return script_error(r, n, "number of redirect actions exceeds policy limit(%zu)", r->limits->redirects);
		if (!(a = script_add(r, n, SIEVE_REDIRECT)))
			return -1;
		a->target = address;
	}
	if (!(n->tags & TAG(COPY)))
		r->kept_implicitly = false;
	return 0;
}

int
do_reject(struct run *r, const struct node *n)
{
	struct sieve_action *a;

	if (script_refuse_beside_reject(r, n, true) < 0 || !(a = script_add(r, n, SIEVE_REJECT)))
		return -1;
	a->target = word_first(r, n->at[0]);
	r->rejected = true;
	r->kept_implicitly = false;
	return 0;
}

static int64_t
bounded(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : most && value > most ? most : value;
}

static int64_t
vacation_seconds(struct run *r, const struct node *n)
{
	const struct argument *days = node_tag(n, TAG_DAYS), *seconds = node_tag(n, TAG_SECONDS);
	int64_t                wish = r->limits->vacation_default;

	if (days)
		wish = (int64_t)(days->number < 36500 ? days->number : 36500) * 86400;
	if (seconds)
		wish = (int64_t)(seconds->number < 1ull << 31 ? seconds->number : 1ull << 31);
	return bounded(wish, r->limits->vacation_least, r->limits->vacation_most);
}

int
do_vacation(struct run *r, const struct node *n)
{
	const struct argument *addresses = node_tag(n, TAG_ADDRESSES);
	struct sieve_vacation *v = arena_alloc(r->arena, sizeof *v);
	struct sieve_action   *a;
	struct span            from;

	if (script_refuse_beside_reject(r, n, false) < 0)
		return -1;
	for (size_t i = 0; i < r->result->count; i++)
		if (r->result->actions[i].kind == SIEVE_VACATION)      /* RFC 5230, 4.7 */
			return script_error(r, n, "vacation can be used once");
	*v = (struct sieve_vacation){.subject = optional_word(r, n, TAG_SUBJECT), .from = optional_word(r, n, TAG_FROM),
		.handle = optional_word(r, n, TAG_HANDLE), .reason = word_first(r, n->at[0]), .mime = n->tags & TAG(MIME),
		.seconds = vacation_seconds(r, n)};
	if (v->from.len && !word_is_address(r->arena, v->from, &from))
		return script_error(r, n, "\"%.*s\" is not an address", SPAN_ARGS(span_first(v->from, 100)));
	if (addresses) {
		v->addresses = arena_alloc(r->arena, addresses->strings.count * sizeof *v->addresses);
		for (size_t i = 0; i < addresses->strings.count; i++)
			v->addresses[v->n_addresses++] = word_expand(r, addresses->strings.at[i]);
	}
	if (script_fcc(r, n, &v->fcc) < 0)
		return -1;
	if (!(a = script_add(r, n, SIEVE_VACATION)))
		return -1;
	a->vacation = v;
	return 0;
}

/* Flags: the internal variable, or one that is named (RFC 5232, 2). */
static int
change_flags(struct run *r, const struct node *n, char how)
{
	autotext struct text now = {0};
	struct span          given = flags_of(r, &n->at[1]->strings), name = n->at[0] ? word_first(r, n->at[0]) : SPAN_NONE;

	if (n->at[0] && !(r->script->capabilities >> CAP_VARIABLES & 1))
		return script_error(r, n, "a variable is named without require \"variables\"");
	if (n->at[0] && !word_is_name(name))
		return script_error(r, n, "\"%.*s\" is not the name of a variable", SPAN_ARGS(span_first(name, 60)));
	if (how != '=')
		flags_add(&now, n->at[0] ? word_get(r, name) : r->flags);
	if (how == '-')
		flags_remove(&now, given);
	else
		flags_add(&now, given);
	if (n->at[0])
		return word_set(r, n, name, text_span(&now));
	r->flags = arena_span(r->arena, text_span(&now));
	return script_cost(r, n, now.len * 4);
}

int
do_setflag(struct run *r, const struct node *n)
{
	return change_flags(r, n, '=');
}

int
do_addflag(struct run *r, const struct node *n)
{
	return change_flags(r, n, '+');
}

int
do_removeflag(struct run *r, const struct node *n)
{
	return change_flags(r, n, '-');
}

/* RFC 5435, 6: what is not unreserved becomes %XX.  What would not fit is left out by whole characters. */
static void
encode_url(struct text *text)
{
	autotext struct text plain = {0};

	text_add(&plain, text_span(text));
	text_clear(text);
	for (size_t i = 0, n; i < plain.len; i += n) {
		struct span rest = span_from(text_span(&plain), i);

		n = utf8_length(rest);
		n = n ? n : 1;
		if (text->len + 3 * n > VALUE_MAX)
			return;
		for (size_t k = 0; k < n; k++)
			if (ascii_alpha(rest.at[k]) || ascii_digit(rest.at[k]) || strchr("-._~", rest.at[k] ? rest.at[k] : ' '))
				text_add_byte(text, rest.at[k]);
			else
				text_add_format(text, "%%%02X", (unsigned char)rest.at[k]);
	}
}

/* RFC 5229, 4.1: modifiers by precedence, not by their order. */
void
script_modify(uint64_t tags, struct span value, struct text *out)
{
	text_set(out, span_first(value, VALUE_MAX));
	for (size_t i = 0; i < out->len && tags & (TAG(LOWER) | TAG(UPPER)); i++)
		out->at[i] = tags & TAG(LOWER) ? ascii_lower(out->at[i]) : ascii_upper(out->at[i]);
	if (out->len && tags & TAG(LOWERFIRST))
		out->at[0] = ascii_lower(out->at[0]);
	if (out->len && tags & TAG(UPPERFIRST))
		out->at[0] = ascii_upper(out->at[0]);
	if (tags & (TAG(QUOTEWILDCARD) | TAG(QUOTEREGEX))) {
		autotext struct text plain = {0};
		const char          *special = tags & TAG(QUOTEWILDCARD) ? "*?\\" : "*?\\.[]{}()^$|+";

		text_add(&plain, text_span(out));
		text_clear(out);
		for (size_t i = 0; i < plain.len; i++) {
			if (plain.at[i] && strchr(special, plain.at[i]))
				text_add_byte(out, '\\');
			text_add_byte(out, plain.at[i]);
		}
	}
	if (tags & TAG(ENCODEURL))
		encode_url(out);
	if (tags & TAG(LENGTH)) {
		size_t characters = 0;

		for (size_t i = 0; i < out->len; i++)
			characters += ((unsigned char)out->at[i] & 0xc0) != 0x80;
		text_clear(out);
		text_add_format(out, "%zu", characters);
	}
}

int
do_set(struct run *r, const struct node *n)
{
	autotext struct text out = {0};

	script_modify(n->tags, word_first(r, n->at[1]), &out);
	return word_set(r, n, n->at[0]->strings.at[0], text_span(&out));
}

int
do_global(struct run *r, const struct node *n)
{
	struct scope *s = r->scope;

	for (size_t i = 0; i < n->at[0]->strings.count; i++) {
		struct span  name = n->at[0]->strings.at[i];
		struct span *more;

		if (!word_is_name(name) || span_has(name, '.'))
			return script_error(r, n, "\"%.*s\" is not the name of a variable", SPAN_ARGS(span_first(name, 60)));
		if (s->n_globals >= VARIABLES_MAX)
			return script_error(r, n, "too many variables");
		more = arena_alloc(r->arena, (s->n_globals + 1) * sizeof *more);
		if (s->n_globals)
			memcpy(more, s->globals, s->n_globals * sizeof *more);
		s->globals = more;
		s->globals[s->n_globals++] = name;
		if (script_cost(r, n, s->n_globals * sizeof *more) < 0)
			return -1;
	}
	return 0;
}

static int
run_script(struct run *r, const struct sieve_script *s)
{
	const struct sieve_script *before = r->script;
	struct scope              *outer = r->scope, inner = {0};
	int                        got;

	r->script = s;
	r->scope = &inner;
	got = script_commands(r, s->commands);
	r->script = before;
	r->scope = outer;
	return got;
}

int
do_include(struct run *r, const struct node *n)
{
	struct span *more;
	int          got;

	if (!n->included)
		return 0;
	for (size_t i = 0; i < r->n_once; i++)
		if (span_equal(r->once[i], n->included->key) && n->tags & TAG(ONCE))
			return 0;
	if (r->n_once >= INCLUDES_MAX)
		return script_error(r, n, "too many scripts are included");
	more = arena_alloc(r->arena, (r->n_once + 1) * sizeof *more);
	if (r->n_once)
		memcpy(more, r->once, r->n_once * sizeof *more);
	r->once = more;
	r->once[r->n_once++] = n->included->key;
	got = run_script(r, n->included);
	return got == 2 ? 0 : got;
}

int
script_test(struct run *r, const struct node *n, bool *answer)
{
	if (script_cost(r, n, 0) < 0)
		return -1;
	if (!n->verb)
		return script_error(r, n, "unknown test \"%.*s\"", SPAN_ARGS(span_first(n->name, 60)));
	return n->verb->test(r, n, answer);
}

int
script_commands(struct run *r, const struct node *n)
{
	bool decided = false;      /* a branch of this if was taken */

	for (; n; n = n->next) {
		bool is_if, answer = true;
		int  got;

		if (script_cost(r, n, 0) < 0)
			return -1;
		if (!n->verb)
			return script_error(r, n, "unknown command \"%.*s\"", SPAN_ARGS(span_first(n->name, 60)));
		if (!n->has_block || n->verb->run == do_foreverypart) {
			got = n->verb->run(r, n);
		} else {
			is_if = span_is_nocase(n->name, "if");
			if (!is_if && decided)
				continue;
			if (n->tests && script_test(r, n->tests, &answer) < 0)
				return -1;
			decided = answer;
			got = answer ? script_commands(r, n->block) : 0;
		}
		if (got)
			return got;
	}
	return 0;
}

static void
undo(struct run *r, size_t marks)
{
	r->result->count = r->first;
	r->result->n_marks = marks;
}

/* A keep of a script before means "go on": what becomes of the message is the next one's to say. */
static void
defer_keep(struct run *r)
{
	struct sieve_result *out = r->result;
	size_t               left = 0;

	for (size_t i = 0; i < out->count; i++)
		if (out->actions[i].kind == SIEVE_KEEP)
			r->flags = out->actions[i].flags;
		else
			out->actions[left++] = out->actions[i];
	out->count = left;
}

void
sieve_run(struct arena *arena, const struct sieve_script *const *scripts, size_t count, const struct sieve_limits *limits,
	const struct sieve_host *host, struct sieve_result *out)
{
	struct run r = {.arena = arena, .limits = limits ? limits : &sieve_default_limits, .host = host, .result = out,
		.why = &out->why, .flags = host->imap ? host->imap->flags : SPAN_NONE, .kept_implicitly = true, .message = host->message};

	*out = (struct sieve_result){0};
	for (size_t i = 0; i < MATCH_MAX; i++)
		r.groups[i] = SPAN_NONE;
	for (size_t i = 0; i < count && (r.kept_implicitly || r.keeps); i++) {
		size_t       marks = out->n_marks;
		struct edits edits;

		edits_save(&r, &edits);
		defer_keep(&r);
		r.first = out->count;
		r.kept_implicitly = true;
		r.keeps = r.rejected = false;
		if (run_script(&r, scripts[i]) < 0) {
			undo(&r, marks);
			edits_restore(&r, &edits);
			out->failed = scripts[i]->name;
			r.flags = host->imap ? host->imap->flags : SPAN_NONE;
			r.kept_implicitly = true;
			r.keeps = false;
			break;
		}
	}
	if (r.kept_implicitly && !r.keeps) {
		struct sieve_limits more = *r.limits;

		more.actions = out->count + 1;         /* the keep always finds room */
		r.limits = &more;
		script_add(&r, NULL, SIEVE_KEEP)->flags = r.flags;
	}
}
