/* SPDX-License-Identifier: ISC */
/*
 * run.c - the skeleton of every program that master starts; service.h tells
 * the order of what happens here
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/peer.h"
#include "mail/domain.h"
#include "net/address.h"
#include "service/privilege.h"
#include "service/probe.h"
#include "service/sandbox.h"
#include "service/sandbox_private.h"
#include "service/service_private.h"

static struct launch launch;
const struct service_facts *const service = &launch.facts;

static int max_use;
static int64_t max_idle;
static const struct param own_params[] = {
	NUMBER("max_use", &max_use, "100", "1", "", "sessions that one task serves before its process is replaced"),
	END_OF_PARAMS
};

static void
complain(const char *reason)
{
	if (launch.check) {
		fprintf(stderr, "%s\n", reason);
		return;
	}
	log_error("%s", reason);
	status_send("fault %s", reason);
}

/* Says it in the log and to master, who tells the administrator who waits. */
static _Noreturn void
give_up(const char *reason)
{
	complain(reason);
	exit(1);
}

/* Without master the places of its sockets are filled, so that nothing else takes them. */
static void
fill_places(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < FIRST_LISTENER)
		;
	if (fd >= FIRST_LISTENER)
		close(fd);
}

static void
prepare_process(void)
{
	struct rlimit no_core = {0, 0};
	time_t        now = time(NULL);
	struct tm     tm;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* the terminal's, with start-fg: master says stop */
	signal(SIGCHLD, SIG_DFL);
	umask(077);
	setrlimit(RLIMIT_CORE, &no_core);
	/* In a chroot the C library would lose the zone at its next look (FACTS.md 2). */
	if (!getenv("TZ"))
		setenv("TZ", ":/etc/localtime", 1);
	tzset();
	localtime_r(&now, &tm);
	sandbox_tune_memory();
	if (launch.check)
		fill_places();
	for (int fd = STATUS_FD; fd < FIRST_LISTENER + (int)launch.n_listeners; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void
override(struct main_cf *cf, const char *name, const char *value)
{
	autofree char *assignment = mem_format("%s=%s", name, value);

	main_cf_override(cf, span_of(assignment), "master.cf", 0, NULL);
}

static void
load_configuration(void)
{
	const struct param *const tables[] = {site_params, own_params, launch.program->params, launch.program->tls_params, NULL};
	struct faults             faults = {0};
	struct main_cf           *cf = main_cf_read(launch.facts.config_directory, &faults);
	struct fault              why = {0};

	override(cf, "service_name", launch.facts.name);
	override(cf, "process_name", launch.facts.program);
	for (size_t i = 0; i < launch.options.count; i++)
		if (main_cf_override(cf, span_of(launch.options.item[i]), "master.cf", 0, &why) < 0)
			faults_add(&faults, "-o %s: %s", launch.options.item[i], fault_text(&why));
	params_load(cf, tables, &faults);
	site_settle(cf, &faults);
	if (!faults.errors && net_ports_set(span_of(site.known_tcp_ports), &why) < 0)
		faults_add(&faults, "%s", fault_text(&why));
	domain_transitional(site.idna2003);
	launch.facts.main_cf = cf;
	launch.facts.config_directory = main_cf_config_directory(cf);
	launch.facts.tag = site_log_name(launch.facts.program);
	max_idle = site.max_idle;
	log_open(launch.facts.tag, launch.check ? -1 : LOG_FD);
	log_verbose(launch.verbose);
	for (int i = 0; i < faults.errors; i++)
		complain(faults.error[i]);
	if (faults.errors)
		exit(1);
	faults_free(&faults); /* warnings about the configuration are master's to log, once */
}

static const char *
role_directory(enum role role)
{
	static const char *const names[] = {"root", "mail", "net", "map", "dns", "auth", "log", "dial"};

	return names[role];
}

static const char *
role_owner(enum role role)
{
	switch (role) {
	case ROLE_MAIL:
	case ROLE_DIAL: return site.mail_owner;
	case ROLE_NET:  return site.net_owner;
	case ROLE_MAP:  return site.map_owner;
	case ROLE_DNS:  return site.dns_owner;
	case ROLE_AUTH: return site.auth_owner;
	case ROLE_LOG:  return site.log_owner;
	default:        return NULL;
	}
}

/* The chroot of a role, owned, or NULL. */
static char *
role_root(enum role role)
{
	switch (role) {
	case ROLE_MAIL: return mem_string(site.queue_directory);
	case ROLE_NET:
	case ROLE_DNS:
	case ROLE_AUTH:
	case ROLE_LOG:  return mem_format("%s/role/%s", site.queue_directory, role_directory(role));
	default:        return NULL;
	}
}

/* Words of an expanded list that name files: "/etc", "hash:/etc/aliases". */
static void
add_paths(struct span words, const char *root, struct list *out)
{
	struct span word;

	while (span_next(&words, ", \t\r\n", &word)) {
		ptrdiff_t colon = span_find_text(word, SPAN(":/"));

		if (colon >= 0)
			word = span_from(word, (size_t)colon + 1);
		if (!span_starts(word, "/"))
			continue;
		if (root && span_starts(word, root))
			word = span_from(word, strlen(root));
		list_add(out, word.len ? word : SPAN("/"));
	}
}

static struct list more_reads;

void
service_may_read(const char *path)
{
	if (path && *path == '/')
		list_add(&more_reads, span_of(path));
}

static const char *const *
paths_of(const char *const *named, const struct list *more, const char *root)
{
	struct list  out = {0};
	const char **end;

	for (size_t i = 0; more && i < more->count; i++)
		list_add(&out, span_of(more->item[i]));

	for (; named && *named; named++) {
		autotext struct text value = {0};
		struct fault         why = {0};

		if (main_cf_expand(launch.facts.main_cf, span_of(*named), &value, &why) < 0)
			give_up(fault_text(&why));
		add_paths(text_span(&value), root, &out);
	}
	end = mem_array(out.count + 1, sizeof *end);
	for (size_t i = 0; i < out.count; i++)
		end[i] = out.item[i];
	return end;
}

static void
close_in(void)
{
	const struct service *s = launch.program;
	autofree char        *root = launch.facts.root ? role_root(s->role) : NULL;
	const char           *owner = role_owner(s->role);
	struct identity       who = {0};
	struct fault          why = {0};
	struct sandbox        box = {.promises = s->promises, .reads = paths_of(s->reads, &more_reads, root),
	                             .writes = paths_of(s->writes, NULL, root)};
	autofree char        *ask = root && s->role != ROLE_MAIL
		? mem_string("/")
		: mem_format("%s/role/%s", root ? "" : site.queue_directory, role_directory(s->role));

	if (launch.facts.root && owner) {
		if (identity_find(owner, &who, &why) < 0)
			give_up(fault_text(&why));
		if (s->role != ROLE_DIAL)
			who.name[0] = '\0';
		if (privilege_drop(&who, root, &why) < 0)
			give_up(fault_text(&why));
	}
	peer_directory(ask);
	if (sandbox_close(&box, &why) < 0)
		give_up(fault_text(&why));
}

static int
run_itself(void)
{
	struct fault why = {0};

	peer_stop_fd(STATUS_FD);
	status_send("ready");
	if (launch.program->run(launch.listener, launch.n_listeners, &why) == 0)
		return 0;
	log_error("%s", fault_text(&why));
	return 1;
}

static int
serve(void)
{
	launch.max_idle = max_idle;
	launch.max_served = (int64_t)max_use * launch.facts.tasks;
	switch (launch.program->model) {
	case SERVE_TASKS:  tasks_serve(&launch); return 0;
	case SERVE_FORKS:  forks_serve(&launch); return 0;
	case SERVE_ITSELF: return run_itself();
	}
	return 1;
}

static bool
has_master(void)
{
	int       type = 0;
	socklen_t size = sizeof type;

	return getsockopt(STATUS_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int
service_run(const struct service *program, int argc, char **argv)
{
	struct fault why = {0};
	int          outcome;

	launch.program = program;
	if (arguments_parse(argc, argv, &launch, &why) < 0) {
		fprintf(stderr, "%s: %s\n", program->name, fault_text(&why));
		return 64;
	}
	if (launch.describe) {
		describe_print(program);
		return 0;
	}
	if (!launch.check && !has_master()) {
		fprintf(stderr, "%s: this program is started by master; --describe tells about it\n", program->name);
		return 64;
	}
	launch.facts.root = privilege_is_root();
	launch.facts.checks = launch.check;
	prepare_process();
	log_open(launch.facts.program, launch.check ? -1 : LOG_FD);
	load_configuration();
	if (program->prepare && program->prepare(&why) < 0)
		give_up(fault_text(&why));
	if (launch.probe)
		return probe_run(program, close_in);
	if (launch.check)
		return 0;
	close_in();
	if (program->model == SERVE_TASKS)
		tasks_prepare(&launch);
	if (program->begin && program->begin(&why) < 0)
		give_up(fault_text(&why));
	outcome = serve();
	if (program->end)
		program->end();
	return outcome;
}
