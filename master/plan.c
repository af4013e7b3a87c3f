/* SPDX-License-Identifier: ISC */
/*
 * plan.c - from main.cf and master.cf to posts: who is to be started, with
 * which sockets and how many sessions
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/site.h"
#include "master/master.h"
#include "net/address.h"

/* Where neither maxproc nor default_process_limit is set. */
enum { GUARD_SESSIONS = 16384, TASK_PROCESSES = 20, FORK_SESSIONS = 100, USER_SESSIONS = 10000 };

static struct post *
add_post(struct plan *p, const char *name, enum master_type type, const char *command)
{
	struct post *post = mem_alloc(sizeof *post);

	post->name = mem_string(name);
	post->type = type;
	post->command = command;
	post->job = job_find(command);
	post->place = mem_string("");
	p->post = mem_grow(p->post, p->count + 1, sizeof *p->post);
	p->post[p->count++] = post;
	return post;
}

static const struct post *
find_post(const struct plan *p, const char *name, enum master_type type)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->post[i]->type == type && strcmp(p->post[i]->name, name) == 0)
			return p->post[i];
	return NULL;
}

static bool
uses_command(const struct plan *p, const char *command)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->post[i]->command, command) == 0)
			return true;
	return false;
}

/* Sockets beside the one that the line names. */
static void
add_further_endpoints(struct plan *p, struct post *post)
{
	if (strcmp(post->job->program, "qmgr") == 0)
		endpoint_add(post, ENDPOINT_DATAGRAM, "private/qmgr-notice", false);
	if (strcmp(post->job->program, "postlogd") == 0)
		endpoint_add(post, ENDPOINT_LOG, NULL, false);
	if (strcmp(post->job->program, "authd") == 0 && *main_cf_string(p->cf, "auth_passdb"))
		endpoint_add(post, ENDPOINT_STREAM, "private/auth", true);
}

static void
add_line_endpoint(struct post *post, bool private)
{
	autofree char *path = mem_format("%s/%s", private ? "private" : "public", post->name);

	if (post->type == MASTER_FIFO) {
		autofree char *talk = mem_format("%s.talk", path);

		/* Triggers are taken from the FIFO; our own programs converse beside it (ipc/peer.h). */
		endpoint_add(post, ENDPOINT_FIFO, path, false);
		endpoint_add(post, ENDPOINT_RECORDS, talk, false);
		return;
	}
	endpoint_add(post, post->type == MASTER_UNIX_DGRAM ? ENDPOINT_DATAGRAM
	             : post->type == MASTER_PASS || post->job->flags & JOB_STREAM ? ENDPOINT_STREAM : ENDPOINT_RECORDS, path, false);
}

/* defer and trace are bounce here: one program notices everybody; nobody writes tables by proxy. */
static bool
is_idle_line(const struct job *job, const struct master_row *row)
{
	return job->flags & JOB_NOTHING || strcmp(row->service, "proxywrite") == 0 ||
	       (strcmp(row->command, "bounce") == 0 && strcmp(row->service, "bounce") != 0);
}

/* master_service_disable: "inet", "submission.inet" */
static bool
is_disabled(const struct plan *p, const struct master_row *row)
{
	autofree char *full = mem_format("%s.%s", row->service, master_type_name(row->type));
	struct span    rest = span_of(main_cf_string(p->cf, "master_service_disable")), word;

	while (span_next(&rest, ", \t\r\n", &word))
		if (span_is(word, full) || span_is(word, master_type_name(row->type)))
			return true;
	return false;
}

static int
explicit_limit(const struct plan *p, const struct master_row *row)
{
	if (row->maxproc != MASTER_DEFAULT)
		return row->maxproc;
	return main_cf_setting(p->cf, "default_process_limit") ? site.default_process_limit : -1;
}

static void
take_row(struct plan *p, const struct master_row *row, struct faults *faults)
{
	const struct job *job = job_find(row->command);
	struct fault      why = {0};
	struct post      *post;

	if (!job) {
		faults_add(faults, "%s, line %d: service %s: there is no program %s here", row->file,
		           row->line, row->service, row->command);
		return;
	}
	if (is_idle_line(job, row) || is_disabled(p, row))
		return;
	post = add_post(p, row->service, row->type, row->command);
	free(post->place);
	post->place = mem_format("%s, line %d: ", row->file, row->line);
	post->options = row->options;
	post->arguments = row->arguments;
	post->verbose = row->verbose;
	post->wakeup = row->wakeup;
	post->wakeup_if_used = row->wakeup_if_used;
	post->sessions = explicit_limit(p, row);
	if (row->type != MASTER_INET)
		add_line_endpoint(post, row->private);
	else if (endpoint_add_inet(post, row, &why) < 0)
		faults_add(faults, "%s%s", post->place, fault_text(&why));
	add_further_endpoints(p, post);
}

/* What every system needs and a Postfix master.cf does not name. */
static void
add_own(struct plan *p)
{
	static const struct { const char *name, *command; enum master_type type; bool private; } own[] = {
		{"postlog", "postlogd", MASTER_UNIX_DGRAM, false},
		{"rewrite", "trivial-rewrite", MASTER_UNIX, true},
		{"proxymap", "proxymap", MASTER_UNIX, true},
		{"anvil", "anvil", MASTER_UNIX, true},
		{"dnsd", "dnsd", MASTER_UNIX, true},
		{"authd", "authd", MASTER_UNIX, true},
		{"dialer", "dialer", MASTER_UNIX, true},
		{"verify", "verify", MASTER_UNIX, true},
		{"imap", "imapd", MASTER_UNIX, true},
		{"pop3", "pop3d", MASTER_UNIX, true},
		{"managesieve", "managesieve", MASTER_UNIX, true},
	};

	for (size_t i = 0; i < COUNT(own); i++) {
		struct post *post;

		if (find_post(p, own[i].name, own[i].type))
			continue;
		if ((strcmp(own[i].command, "imapd") == 0 && !uses_command(p, "imap-login")) ||
		    (strcmp(own[i].command, "pop3d") == 0 && !uses_command(p, "pop3-login")) ||
		    (strcmp(own[i].command, "managesieve") == 0 && !uses_command(p, "managesieve-login")))
			continue;
		post = add_post(p, own[i].name, own[i].type, own[i].command);
		post->sessions = -1;
		add_line_endpoint(post, own[i].private);
		add_further_endpoints(p, post);
	}
}

static char *
find_program(const struct job *job)
{
	char *path = mem_format("%s/%s", site.daemon_directory, job->program);

	if (access(path, X_OK) < 0 && job->instead) {
		free(path);
		path = mem_format("%s/%s", site.daemon_directory, job->instead);
	}
	return path;
}

/* <service>_tasks, <command>_tasks, of -o or main.cf, or the program's own default. */
static int
tasks_of(const struct plan *p, const struct post *post, struct faults *faults)
{
	const char *names[] = {post->name, post->command};
	const char *value = NULL;
	int         tasks;

	for (size_t i = 0; i < COUNT(names) && !value; i++) {
		autofree char        *name = mem_format("%s_tasks", names[i]);
		const struct setting *s = main_cf_setting(p->cf, name);

		for (size_t k = 0; k < post->options.count; k++)
			if (strncmp(post->options.item[k], name, strlen(name)) == 0 &&
			    post->options.item[k][strlen(name)] == '=')
				value = post->options.item[k] + strlen(name) + 1;
		if (!value && s)
			value = s->value;
	}
	if (!value)
		return post->is.tasks;
	if (param_parse_number(span_of(value), &tasks, NULL) < 0 || tasks < 1) {
		faults_add(faults, "%s%s_tasks: bad number: %s", post->place, post->name, value);
		return 1;
	}
	return tasks;
}

static void
set_limits(const struct plan *p, struct post *post, struct faults *faults)
{
	bool tasks = strcmp(post->is.model, "tasks") == 0;
	int  given = post->sessions;

	post->tasks = tasks ? tasks_of(p, post, faults) : 1;
	post->processes = 1;
	if (post->job->flags & JOB_GUARD) {
		post->sessions = GUARD_SESSIONS;
		post->tasks = tasks ? GUARD_SESSIONS : 1;
		return;
	}
	if (given <= 0)
		given = tasks && post->tasks > 1 ? post->tasks * TASK_PROCESSES
		        : post->job->rank == RANK_EDGE && !tasks ? USER_SESSIONS : FORK_SESSIONS;
	post->sessions = given;
	if (tasks)
		post->processes = (given + post->tasks - 1) / post->tasks;
}

/* Same program, same answer: it is run once. */
static void
describe_all(const struct plan *p, struct strmap *answers)
{
	struct list programs = {0};

	for (size_t i = 0; i < p->count; i++) {
		const char *program = p->post[i]->program = find_program(p->post[i]->job);

		if (access(program, X_OK) == 0 && !list_has(&programs, program))
			list_add(&programs, span_of(program));
	}
	describe_programs(&programs, answers);
	list_free(&programs);
}

static void
man_post(const struct plan *p, struct post *post, const struct strmap *answers, struct faults *faults)
{
	const struct description *d = strmap_get(answers, span_of(post->program));

	if (!d) {
		if (*post->place && (post->type == MASTER_INET || post->job->rank == RANK_AGENT))
			faults_add(faults, "%sservice %s: there is no program %s", post->place, post->name, post->program);
		else
			faults_warn(faults, "%sservice %s is not started: there is no program %s",
			            post->place, post->name, post->program);
		free(take(post->program));
		return;
	}
	if (d->trouble) {
		faults_add(faults, "%s%s", post->place, d->trouble);
		free(take(post->program));
		return;
	}
	post->is = *d; /* its strings are shared and live as long as master */
	set_limits(p, post, faults);
}

static void
post_free(struct post *post)
{
	for (size_t i = 0; i < post->n_endpoints; i++) {
		free(post->endpoint[i].label);
		free(post->endpoint[i].path);
	}
	free(post->endpoint);
	free(post->process);
	free(post->program);
	free(post->place);
	free(post->name);
	free(post);
}

static void
drop_unmanned(struct plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++)
		if (p->post[i]->program)
			p->post[kept++] = p->post[i];
		else
			post_free(p->post[i]);
	p->count = kept;
}

void
plan_read(const char *directory, struct plan *p, struct faults *faults)
{
	struct strmap *answers = strmap_new();
	struct fault   why = {0};

	p->cf = site_load(directory, faults);
	if (!faults->errors && net_ports_set(span_of(site.known_tcp_ports), &why) < 0)
		faults_add(faults, "%s", fault_text(&why));
	p->lines = master_cf_read(directory, p->cf, faults);
	for (size_t i = 0; i < p->lines->count; i++)
		take_row(p, p->lines->row[i], faults);
	add_own(p);
	describe_all(p, answers);
	for (size_t i = 0; i < p->count; i++)
		man_post(p, p->post[i], answers, faults);
	drop_unmanned(p);
	strmap_free(answers, free);
}

struct endpoint *
plan_endpoint(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->post[i]->n_endpoints; k++) {
			struct endpoint *e = &p->post[i]->endpoint[k];
			const char      *slash = e->path ? strrchr(e->path, '/') : NULL;

			if (slash && strcmp(slash + 1, name) == 0)
				return e;
		}
	return NULL;
}
