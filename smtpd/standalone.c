/* SPDX-License-Identifier: ISC */
/*
 * standalone.c - smtpd -S: a session on standard input for `sendmail -bs`
 *
 * Runs with the caller's rights and no other, and asks nobody: the message
 * goes to postdrop as one by the sendmail command would, so that it is taken
 * while the system is stopped too.  This file stands in for the conversations
 * of lib/ipc/submit.h.  Local programs may end lines with LF: a child makes
 * CRLF of it before the session sees it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "queue/maildrop.h"
#include "service/service.h"
#include "session.h"
#include "settings.h"
#include "stress.h"

enum { PORTION = 32768 };

static struct service_facts       facts = {.name = "smtpd", .program = "smtpd"};
const struct service_facts *const service = &facts;

void
service_watch_table(struct table *t)
{
	(void)t;
}

int
service_session_count(void)
{
	return 0;
}

/* ---- a message, kept in a file without a name until postdrop takes it ---- */

struct submission {
	FILE       *file;
	struct text rcpts;      /* records */
	struct text records;    /* of the envelope */
	int64_t     length;
};

int
submit_open(const struct submit_origin *o, int64_t deadline, struct submission **out, struct fault *why)
{
	struct submission *s = mem_alloc(sizeof *s);

	(void)o, (void)deadline;
	s->file = tmpfile();
	if (!s->file) {
		free(s);
		return fault_errno(why, "temporary file");
	}
	*out = s;
	return 0;
}

/* Its queue id is pickup's to give. */
const char *
submit_queue_id(const struct submission *s)
{
	(void)s;
	return "maildrop";
}

void
submit_deadline(struct submission *s, int64_t deadline)
{
	(void)s, (void)deadline;
}

const char *
submit_status(const struct submission *s)
{
	(void)s;
	return "4.3.0";
}

int
submit_content(struct submission *s, int *fd, int64_t *at, struct fault *why)
{
	(void)why;
	*fd = fileno(s->file);
	*at = 0;
	return 0;
}

int
submit_recipient(struct submission *s, const struct submit_rcpt *r, struct fault *why)
{
	autotext struct text external = {0}, notify = {0};

	(void)why;
	if (r->notify) {
		text_add_format(&notify, "notify=%lld", (long long)r->notify);
		maildrop_put(&s->rcpts, 'A', text_span(&notify));
	}
	address_external(r->address, &external);
	maildrop_put(&s->rcpts, 'R', text_span(&external));
	return 0;
}

static void
put_attribute(struct text *out, const char *name, struct span value)
{
	autotext struct text t = {0};

	if (value.len == 0)
		return;
	text_add_format(&t, "%s=%.*s", name, SPAN_ARGS(value));
	maildrop_put(out, 'A', text_span(&t));
}

int
submit_prepare(struct submission *s, const struct submit_envelope *e, struct fault *why)
{
	autotext struct text sender = {0};

	(void)why;
	address_external(e->sender, &sender);
	maildrop_put(&s->records, 'V', SPAN("1"));
	maildrop_put(&s->records, 'S', e->sender.len ? text_span(&sender) : SPAN_NONE);
	put_attribute(&s->records, "ret", e->ret);
	put_attribute(&s->records, "envid", e->envid);
	put_attribute(&s->records, "body", e->body);
	put_attribute(&s->records, "smtputf8", e->smtputf8 ? SPAN("yes") : SPAN_NONE);
	text_add(&s->records, text_span(&s->rcpts));
	s->length = e->length;
	return 0;
}

static pid_t
start_postdrop(int *to, struct fault *why)
{
	autofree char *path = mem_format("%s/postdrop", site.command_directory);
	int            ends[2];
	pid_t          pid;

	if (pipe(ends) < 0)
		return fault_errno(why, "pipe");
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], 0);
		close(ends[0]);
		close(ends[1]);
		execl(path, "postdrop", "-r", (char *)NULL);
		_exit(EX_OSFILE);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return fault_errno(why, "fork");
	}
	*to = ends[1];
	return pid;
}

static int
send_content(const struct submission *s, int to, struct fault *why)
{
	autofree char *portion = mem_alloc(PORTION);

	for (int64_t at = 0; at < s->length;) {
		size_t               part = s->length - at < PORTION ? (size_t)(s->length - at) : PORTION;
		autotext struct text record = {0};

		if (file_read_at(fileno(s->file), portion, part, (off_t)at, why) < 0)
			return -1;
		maildrop_put(&record, 'D', span_at(portion, part));
		if (file_write(to, text_span(&record), why) < 0)
			return -1;
		at += (int64_t)part;
	}
	return 0;
}

int
submit_commit(struct submission *s, struct span edits, struct fault *why)
{
	autotext struct text end = {0};
	int                  to = -1, status = 0, outcome;
	pid_t                pid = start_postdrop(&to, why);

	(void)edits;
	if (pid < 0)
		return -1;
	maildrop_put(&end, 'E', SPAN_NONE);
	outcome = file_write(to, text_span(&s->records), why);
	if (outcome == 0)
		outcome = send_content(s, to, why);
	if (outcome == 0) /* the last record is the promise that all is there */
		outcome = file_write(to, text_span(&end), why);
	close(to);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (outcome == 0 && status != 0)
		outcome = fault_set(why, FAULT_SYSTEM, "postdrop has failed");
	return outcome;
}

void
submit_close(struct submission *s)
{
	if (!s)
		return;
	fclose(s->file);
	text_free(&s->rcpts);
	text_free(&s->records);
	free(s);
}

void
submit_service(const char *name)
{
	(void)name;
}

struct span
submit_pieces(const struct submission *s)
{
	(void)s;
	return SPAN_NONE;
}

int64_t
submit_end(const struct submission *s)
{
	(void)s;
	return 0;
}

/* ---- the session ---- */

static void
copy_lines(int to)
{
	struct line_encoder  e;
	autofree char       *in = mem_alloc(PORTION);
	autotext struct text out = {0};
	ssize_t              n;

	line_encoder_start(&e, false, 0);
	e.keep_cr = true;
	while ((n = read(0, in, PORTION)) > 0 || (n < 0 && errno == EINTR)) {
		text_clear(&out);
		line_encode(&e, span_at(in, n > 0 ? (size_t)n : 0), &out);
		if (file_write(to, text_span(&out), NULL) < 0)
			break;
	}
}

static int
input_with_crlf(struct fault *why)
{
	int   pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_errno(why, "socketpair");
	pid = fork();
	if (pid < 0)
		return fault_errno(why, "fork");
	if (pid == 0) {
		close(pair[0]);
		copy_lines(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	return pair[0];
}

/* Nobody there can be told apart, so what is asked of strangers is asked of nobody. */
static void
relax(void)
{
	settings.sasl_enable = settings.helo_required = settings.forbid_unauth_pipelining = false;
	settings.reject_unlisted_recipient = settings.reject_unlisted_sender = false;
	settings.count_limit = settings.rate_limit = settings.message_rate_limit = settings.recipient_rate_limit = 0;
	settings.tls_wrapper = false;
	settings.delay_reject = true;
	settings.content_filter = "";
	list_free(&settings.milters); /* pickup's come: non_smtpd_milters */
	list_free(&settings.milter_maps);
	list_free(&settings.notify_classes); /* the caller sees the session himself */
	limits_prepare();
}

static void
open_log(void)
{
	int pair[2] = {-1, -1};

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0)
		log_open(mem_format("%s/smtpd", site.syslog_name), pair[0]); /* nobody reads: stderr is the caller's */
}

int
main(int argc, char **argv)
{
	static const struct param *const tables[] = {smtpd_params, NULL};
	struct faults                    faults = {0};
	struct fault                     why = {0};
	struct client                    client;
	int                              in;

	if (argc > 1 && strcmp(argv[1], "--describe") == 0)
		return EX_USAGE; /* smtpd speaks for both */
	facts.main_cf = site_load(NULL, &faults);
	params_load(facts.main_cf, tables, &faults);
	if (faults_first(&faults, &why) < 0)
		log_fatal("%s", fault_text(&why));
	relax();
	stress_prepare(&faults);
	open_log();
	in = input_with_crlf(&why);
	if (in < 0)
		log_fatal("%s", fault_text(&why));
	client_of_socket(in, &client);
	session_run(conn_new_pair(in, dup(1)), &client);
	return EX_OK;
}
