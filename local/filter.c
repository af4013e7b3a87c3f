/* SPDX-License-Identifier: ISC */
/*
 * filter.c - in the recipient's child: his Sieve scripts say where a message goes
 *
 * In this order: the scripts are read; the child is confined to the Maildir (and may read the
 * directories that include looks in); only then is anything parsed.  The message is written to
 * tmp/ as always, looked at there, and stored: into folders first, INBOX last, each with the name that
 * tells a second try.  What is to be sent is reported after all is stored, and sent by the parent.
 *
 * A script in error keeps the message (RFC 5228, 2.10.6); a disk that is full, or a script that
 * cannot be read just now, defers it.
 */
#include "local/filter_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/line.h"
#include "service/service.h"
#include "store/acl.h"
#include "store/tree.h"

void
filter_warn(struct filter *f, const char *text)
{
	autoframe struct frame told = {0};

	frame_start(&told, "warning");
	frame_put_string(&told, "text", text);
	worker_tell(f->worker, &told);
}

void
filter_complain(struct filter *f, const char *script, const char *what)
{
	const char *slash = strrchr(script, '/');

	text_add_format(&f->trouble, "%s: error: %.300s.\n", slash ? slash + 1 : script, what);
	filter_warn(f, arena_format(f->arena, "sieve: user=<%s>: %.200s: %.300s", f->e->user, script, what));
}

bool
filter_is_lasting(const struct fault *why)
{
	return why->class == FAULT_INPUT || (why->class == FAULT_SYSTEM &&
		(why->error == ENOTDIR || why->error == EISDIR || why->error == ELOOP || why->error == EACCES || why->error == ENOENT));
}

/* The message in tmp/. */

static int
add_to_spool(void *delivery, struct span s, struct fault *why)
{
	return maildir_delivery_add(delivery, s, why);
}

static int
spool(struct filter *f, struct fault *why)
{
	struct line_unix lines;
	struct stat      st;
	int              fd;
	void            *at;

	line_unix_start(&lines, false);
	if (maildir_delivery_start(f->maildir, "", &f->spool, why) < 0 ||
	    errand_content(f->worker, f->e, &lines, add_to_spool, f->spool, why) < 0 ||
	    maildir_delivery_file(f->spool, &fd, why) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return fault_errno(why, "stat");
	if (f->programs.sock >= 0 && (f->programs.message = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return fault_errno(why, "dup");
	f->message = SPAN_NONE;
	if (st.st_size == 0)
		return 0;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return fault_errno(why, "map the message");
	f->message = span_at(at, (size_t)st.st_size);
	return 0;
}

/* It is there, and mail can go into it (RFC 5490, 3.1), which is: fileinto would. */
static bool
takes_mail(struct filter *f, const char *folder)
{
	return tree_exists(f->maildir, folder) && filter_may_post(f, folder, NULL);
}

static bool
mailbox_exists(void *context, struct span name)
{
	struct filter *f = context;
	const char    *folder;

	return mailbox_by_name(&f->mailboxes, name, &folder, NULL) == 0 && takes_mail(f, folder);
}

static bool
special_use_exists(void *context, const struct span *mailbox, struct span use)
{
	struct filter *f = context;
	const char    *folder;

	if (!mailbox)
		return mailbox_by_use(&f->mailboxes, use, &folder) && takes_mail(f, folder);
	return mailbox_by_name(&f->mailboxes, *mailbox, &folder, NULL) == 0 && mailbox_has_use(&f->mailboxes, folder, use) && takes_mail(f, folder);
}

static bool
mailbox_id_exists(void *context, struct span id)
{
	struct filter *f = context;
	const char    *folder;

	return mailbox_by_id(&f->mailboxes, id, &folder) && takes_mail(f, folder);
}

static bool
find_metadata(void *context, const struct span *mailbox, struct span entry, struct span *value)
{
	struct filter *f = context;
	const char    *folder = NULL;

	if (mailbox && (mailbox_by_name(&f->mailboxes, *mailbox, &folder, NULL) < 0 || !tree_exists(f->maildir, folder)))
		return false;
	return mailbox_metadata(&f->mailboxes, folder, entry, value);
}

/* That it was this delivery that marked the key, on a try before. */
static void
add_own_key(const struct filter *f, struct span key, struct text *out)
{
	text_add(out, SPAN("by "));
	text_add(out, f->e->same_message.len ? f->e->same_message : f->e->queue_id);
	text_add_byte(out, '\0');
	text_add(out, f->e->recipient);
	text_add_byte(out, '\0');
	text_add(out, key);
}

/* A message is no duplicate of itself: what was deferred (the queue was full, say) comes again, and
 * must not be discarded then (RFC 7352, 3). */
static bool
is_known(void *context, struct span key)
{
	const struct filter *f = context;
	autotext struct text own = {0};

	add_own_key(f, key, &own);
	return memory_has(f->memory, key) && !memory_has(f->memory, text_span(&own));
}

void
filter_mark(struct filter *f, const struct sieve_mark *m)
{
	autotext struct text own = {0};

	add_own_key(f, m->key, &own);
	if (!is_known(f, m->key))
		memory_add(f->memory, text_span(&own), m->seconds, NULL);
	memory_add(f->memory, m->key, m->seconds, NULL);
}

static bool
out_of_time(void *context)
{
	struct timespec t;

	(void)context;
	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 &&
		t.tv_sec * 1000 + t.tv_nsec / 1000000 > sieve_settings.cpu_ms;
}

/* The whole. */

int
filter_prepare(struct fault *why)
{
	sieve_settings_check();        /* without sieve = too: a user may have one of his own */
	charset_prepare();
	date_local(0);                 /* the zone is read once */
	if (sieve_programs_prepare(why) < 0 || acl_settings_check(&acl_settings, why) < 0)
		return -1;
	if (acl_global_check(acl_settings.acl, why) == 0)
		return 0;
	if (service->checks)
		return -1;
	log_warning("%s", fault_text(why));       /* it stops no mail (filter_read_acl) */
	fault_clear(why);
	return 0;
}

static int
compile(struct filter *f, const struct sieve_limits *limits, struct sieve_script **scripts, size_t *count, struct fault *why)
{
	const struct sieve_loader loader = {f, filter_load_included};
	struct sieve_limits       global = *limits;

	global.global = true;
	for (size_t i = 0; i < f->n_sources; i++) {
		if (sieve_compile(f->arena, f->sources[i].text, f->sources[i].name, &loader, f->sources[i].global ? &global : limits, &scripts[*count], why) == 0) {
			++*count;
			continue;
		}
		if (why->class == FAULT_SYSTEM || why->class == FAULT_TIME)
			return -1;
		filter_complain(f, f->sources[i].name, fault_text(why));
		fault_clear(why);
		break;                         /* what follows it would not have run either: the message is kept */
	}
	return 0;
}

/*
 * Each redirect leaves its mark (outgoing.c).  A script that sends to other details of its own
 * address would multiply a message at every hop, and Delivered-To: does not stop it: each address is new.
 */
static int
redirected_times(const struct filter *f)
{
	struct header_field field;
	size_t              at = 0;
	int                 marks = 0;

	for (int i = 0; i < HEADERS_LOOKED_AT && header_next(f->message, &at, &field); i++)
		marks += span_is_nocase(field.name, "X-Sieve-Redirected-From");
	return marks;
}

static int
run(struct filter *f, struct outcome *o, struct fault *why)
{
	struct sieve_script *scripts[SCRIPTS_MAX];
	struct sieve_limits  limits;
	struct sieve_result  result;
	size_t               count = 0;
	bool                 duplicate = false;
	int                  marks;
	autotext struct text email = {0};

	sieve_settings_limits(&limits);
	if (spool(f, why) < 0 || compile(f, &limits, scripts, &count, why) < 0)
		return -1;
	marks = redirected_times(f);
	if (marks >= REDIRECTED_MAX)
		limits.redirects = 0;          /* an error of the script, which keeps the message */
	limits.notices = marks < SIEVE_NOTICES_MOST ? (size_t)(SIEVE_NOTICES_MOST - marks) : 0;
	memory_open(maildir_root(f->maildir), &f->memory);
	if (sieve_settings.user_email[0] && sieve_expand(span_of(sieve_settings.user_email), &f->user, &email, why) < 0)
		return -1;
	const struct sieve_host host = {.context = f, .message = f->message, .sender = f->e->sender,
		.recipient = f->e->recipient, .original = f->e->original, .auth = f->e->auth,
		.delimiters = span_of(site.recipient_delimiter), .host_name = site.myhostname, .domain = site.mydomain,
		.now = clock_wall() / 1000000, .mailbox_exists = mailbox_exists,
		.special_use_exists = special_use_exists, .mailbox_id_exists = mailbox_id_exists, .metadata = find_metadata,
		.user = span_of(f->e->user), .user_email = text_span(&email), .vacation_any_recipient = sieve_settings.vacation_any_recipient, .is_known = is_known, .out_of_time = out_of_time, .run_program = filter_run_program};

	f->programs.host = &host;

	sieve_run(f->arena, (const struct sieve_script *const *)scripts, count, &limits, &host, &result);
	for (size_t i = 0; i < result.n_notes; i++)
		text_add_format(&f->trouble, "line %u: %s.\n", result.notes[i].line, result.notes[i].text);
	if (result.failed)
		filter_complain(f, result.failed, fault_text(&result.why));
	if (filter_store_all(f, &result, count ? f->sources[count - 1].name : "script", &duplicate, why) < 0)
		return -1;
	if (result.count == 0)
		text_add_string(&f->done, "marked message to be discarded if not explicitly delivered (discard action)");
	outcome_set(o, DELIVER_SENT, "2.0.0", "%s", f->e->done);
	filter_tell_all(f, &host, &result, o);
	if (o->action == DELIVER_SENT)
		outcome_set(o, DELIVER_SENT, "2.0.0", "%s%s%s", !f->done.len ? f->e->done : count ? "sieve: " : "",
			text_string(&f->done), duplicate ? ", possible duplicate" : "");
	return 0;
}

int
filter_work(struct worker *w, const struct errand *e, struct maildir *m, struct outcome *o)
{
	autofree struct filter *f = mem_alloc(sizeof *f);
	struct fault            why = {0};
	int                     done;

	*f = (struct filter){.worker = w, .e = e, .maildir = m, .arena = arena_new(),
		.user = {span_of(e->user), span_of(e->home)}, .programs = {.sock = w->programs, .message = -1, .maildir = m}};
	f->mailboxes = (struct filter_mailboxes){.maildir = m, .arena = f->arena};
	sieve_settings_own(span_of(e->own ? e->own : ""));
	done = e->filtered ? filter_read_scripts(f, &why) : 0;
	if (done == 0 && f->n_sources == 0 && !e->detail.len) {
		filter_tell_trouble(f);
		text_free(&f->trouble);
		arena_free(f->arena);
		sieve_place_free(&f->place);
		if (w->programs >= 0)          /* one that stays runs none */
			close(w->programs);
		w->programs = -1;
		return 1;
	}
	if (done < 0 || filter_read_acl(f, &why) < 0 || filter_confine(f, &why) < 0 || run(f, o, &why) < 0)
		outcome_of_fault(o, &why, arena_format(f->arena, "maildir delivery failed: %s", e->shown));
	filter_tell_trouble(f);
	maildir_delivery_abort(f->spool);
	if (f->programs.message >= 0)
		close(f->programs.message);
	text_free(&f->programs.said);
	memory_close(f->memory);
	mailboxes_free(&f->mailboxes);
	if (f->message.len)
		munmap((void *)(uintptr_t)f->message.at, f->message.len);
	sieve_place_free(&f->place);
	text_free(&f->done);
	text_free(&f->trouble);
	text_free(&f->global_acl);
	arena_free(f->arena);
	return 0;
}
