/* SPDX-License-Identifier: ISC */
/*
 * tool.c - mailbox-tool: as whom a command runs, and on whose mailboxes
 *
 *   mailbox-tool [-c dir] WORD [-u user | -A] [-f format] arguments
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strmap.h"
#include "config/site.h"
#include "imap_config.h"
#include "ipc/ask_table.h"
#include "ipc/peer.h"
#include "service/privilege.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "session.h"
#include "tool.h"

enum { USERS_FILE_MOST = 64 << 20, TROUBLE = 75, NO_USER = 67, WRONG = 64 };

static struct { struct list userdb; int first_uid; } config;

static const struct param params[] = {
	LIST("auth_userdb", &config.userdb, "", "who users are"),
	NUMBER("first_valid_uid", &config.first_uid, "500", "0", "", "lowest uid of a mailbox's owner"),
	END_OF_PARAMS
};

static const struct word {
	const char *word;
	int       (*act)(struct tool *, int argc, char **argv);
	const char *usage;
	bool        has_second;      /* "quota get -u user": options may follow the second word */
	char        letter;          /* its own option; 0: none */
	bool        alone;           /* it works on files: no session, which would make a mailbox where none is */
} words[] = {
	{"mailbox",  tool_mailbox, "list [pattern ...] | status \"items\" name ... | create name ... | delete name ... | rename from to | subscribe name ... | unsubscribe name ... | path name ... | metadata list | get | set | unset name entry [value]", true, 0, false},
	{"quota",    tool_quota,   "get | recalc | set [STORAGE KiB] [MESSAGE number] [MAILBOX number] | unset", true, 0, false},
	{"search",   tool_search,  "query", false, 0, false},
	{"index",    tool_index,   "mailbox ... | '*'", false, 0, false},
	{"fetch",    tool_fetch,   "\"fields\" query", false, 0, false},
	{"expunge",  tool_expunge, "query", false, 0, false},
	{"move",     tool_move,    "mailbox query", false, 0, false},
	{"copy",     tool_copy,    "mailbox query", false, 0, false},
	{"flags",    tool_flags,   "add | remove | replace \"flags\" query", true, 0, false},
	{"save",     tool_save,    "[mailbox] < message", false, 0, false},
	{"import",   tool_import,  "[-s] maildir:path parent-mailbox query", false, 's', false},
	{"export",   tool_export,  "maildir:path query", false, 0, false},
	{"acl",      tool_acl,     "get | rights | set | add | remove | delete mailbox [id [right ...]]", true, 0, false},
	{"deduplicate", tool_deduplicate, "[-m] query", false, 'm', false},
	{"backup",   tool_backup,  "[-R] maildir:path", false, 'R', true},
	{"sync",     tool_sync,    "maildir:path", false, 0, true},
};

/* ------------------------------------------------------------ one user */

/* The process that touches the mailbox; what it would log at its end is of no interest here. */
static _Noreturn void
be_session(const struct auth_user *u, int fd)
{
	struct imap_user user = {.name = u->user, .home = u->home, .mail = u->mail, .quota = u->quota};
	struct spaces    spaces = {.dictionary = -1};
	struct fault     why = {0};
	int              quiet[2];

	imap_prepare();
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, quiet) == 0)
		log_open("mailbox-tool", quiet[0]); /* nobody reads it: a full socket drops */
	user.spaces = &spaces; /* his own and everybody's; what he gives others is entered where they look */
	if (spaces_settle(&spaces, u, -1, &why) < 0) {
		fprintf(stderr, "mailbox-tool(%s): %s\n", u->user, fault_text(&why));
		_exit(TROUBLE);
	}
	struct conn *c = conn_new(fd);
	int          result = imap_session(&user, c, &why);

	conn_free(c);
	if (result < 0)
		fprintf(stderr, "mailbox-tool(%s): %s\n", u->user, fault_text(&why));
	_exit(result < 0 ? TROUBLE : 0);
}

/* A session of its own on that user's mail, and a connection to it. */
static int
start_session(struct tool *t, const struct auth_user *u)
{
	int               ends[2];
	struct tool_line *told;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		log_fatal("socketpair: %s", strerror(errno));
	t->session = fork();
	if (t->session == 0) {
		if (dup2(ends[1], STDERR_FILENO + 1) < 0)
			_exit(TROUBLE);
		closefrom(STDERR_FILENO + 2);
		be_session(u, STDERR_FILENO + 1);
	}
	close(ends[1]);
	if (t->session < 0)
		log_fatal("fork: %s", strerror(errno));
	t->user = u;
	t->arena = arena_new();
	t->conn = conn_new(ends[0]);
	return tool_ask(t, &told, "ENABLE UTF8=ACCEPT");
}

static void
end_session(struct tool *t)
{
	conn_free(t->conn);
	arena_free(t->arena);
	while (waitpid(t->session, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static bool
is_there(const struct auth_user *u)
{
	struct location l = {0};
	struct fault    why = {0};
	bool            there = location_parse(span_of(u->mail), span_of(u->user), span_of(u->home), &l, &why) == 0;

	if (!there)
		log_error("%s: %s", u->mail, fault_text(&why));
	else if (!(there = access(text_string(&l.root), X_OK) == 0))
		log_error("%s: %s", text_string(&l.root), strerror(errno));
	location_free(&l);
	return there;
}

struct tool *
tool_open(struct tool *t, const char *location, bool must_be_there)
{
	struct tool      *other = mem_alloc(sizeof *other);
	struct auth_user *u = mem_alloc(sizeof *u);
	bool              has_index = span_find_text(span_of(location), SPAN(":INDEX=")) >= 0;

	*u = *t->user;
	u->quota[0] = '\0';           /* what lies elsewhere is not counted */
	*other = (struct tool){.format = t->format, .rows = t->rows, .other = t};
	if ((size_t)snprintf(u->mail, sizeof u->mail, "%s%s", location, has_index ? "" : ":INDEX=MEMORY") < sizeof u->mail &&
	    (!must_be_there || is_there(u))) {
		if (start_session(other, u) == 0)
			return other;
		end_session(other);
	}
	free(u);
	free(other);
	return NULL;
}

void
tool_close(struct tool *other)
{
	struct auth_user *u = (struct auth_user *)(uintptr_t)other->user;

	end_session(other);
	free(u);
	free(other);
}

static int
work(const struct word *w, const struct auth_user *u, struct tool *t, int argc, char **argv)
{
	int status;

	if (w->alone) {
		t->user = u;
		t->arena = arena_new();
		status = w->act(t, argc, argv);
		arena_free(t->arena);
		return status;
	}
	status = start_session(t, u) < 0 ? TROUBLE : w->act(t, argc, argv);
	end_session(t);
	return status;
}

/* A process of its own for each user: there is no way back from him. */
static int
run_as(const struct word *w, const struct auth_user *u, struct tool *t, int argc, char **argv)
{
	struct identity who = {.uid = u->uid, .gid = u->gid};
	struct fault    why = {0};
	int             status = 0;
	pid_t           child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		closefrom(STDERR_FILENO + 1);  /* authd knows root's connection, which is not for him */
		if (privilege_is_root() && (u->uid == 0 || u->gid == 0))
			log_fatal("%s: a mailbox is never root's", u->user);
		if (user_become(&who, &why) < 0)
			log_fatal("%s: %s", u->user, fault_text(&why));
		status = work(w, u, t, argc, argv);
		fflush(stdout);
		_exit(status);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : TROUBLE;
}

static int
find_user(const char *name, struct auth_user *u)
{
	struct fault why = {0};

	if (ask_auth_lookup(span_of(name), u, &why) == 0)
		return 0;
	if (why.class == FAULT_DENIED) {
		log_error("userdb lookup: user %s doesn't exist", name);
		return NO_USER;
	}
	log_error("userdb lookup(%s): %s (does the mail system run?)", name, fault_text(&why));
	return TROUBLE;
}

/* ------------------------------------------------------------ all users (-A) */

struct names { char **at; size_t count; struct strmap *seen; };

static void
add_name(struct names *n, struct span name)
{
	static char is_there;

	if (!n->seen)
		n->seen = strmap_new();
	if (strmap_put(n->seen, name, &is_there))
		return;
	n->at = mem_grow(n->at, n->count + 1, sizeof *n->at);
	n->at[n->count++] = mem_span(name);
}

static void
add_file(struct names *n, const char *path)
{
	autotext struct text all = {0};
	struct fault         why = {0};
	struct span          rest, line, name;

	if (file_read(path, USERS_FILE_MOST, &all, &why) < 0)
		log_fatal("%s", fault_text(&why));
	rest = text_span(&all);
	while (span_next(&rest, "\r\n", &line)) {
		span_split(&line, ':', &name);
		if (name.len && name.at[0] != '#')
			add_name(n, span_trim(name));
	}
}

static void
add_listed(void *names, struct span name)
{
	add_name(names, name);
}

static void
all_users(struct names *n)
{
	struct fault why = {0};

	for (size_t i = 0; i < config.userdb.count; i++) {
		const char    *word = config.userdb.item[i];
		struct passwd *p;

		if (strncmp(word, "passwd-file:", 12) == 0) {
			add_file(n, word + 12);
		} else if (strcmp(word, "passwd") == 0) {
			while ((p = getpwent()))
				if (p->pw_uid >= (uid_t)config.first_uid && p->pw_uid != (uid_t)-2)
					add_name(n, span_of(p->pw_name));
			endpwent();
		} else if (strncmp(word, "static:", 7) == 0) {
			log_fatal("auth_userdb = static: nobody knows who all its users are; name them with -u");
		} else if ((strncmp(word, "sql:", 4) == 0 || strncmp(word, "ldap:", 5) == 0) && ask_table_list(word, add_listed, n, &why) < 0) {
			log_fatal("%s", fault_text(&why));
		}
	}
}

/* ------------------------------------------------------------ user */

static int
show_user(const char *name, struct tool *t, const char *field)
{
	static const char *const names[] = {"field", "value"};
	struct auth_user         u;
	int                      status = find_user(name, &u);
	char                     uid[24], gid[24];

	if (status)
		return status;
	snprintf(uid, sizeof uid, "%ld", (long)u.uid);
	snprintf(gid, sizeof gid, "%ld", (long)u.gid);
	const char *const facts[][2] = {{"uid", uid}, {"gid", gid}, {"home", u.home}, {"mail", u.mail}, {"quota", u.quota}, {"sieve", u.sieve}};

	for (size_t i = 0; i < COUNT(facts); i++) {
		struct span values[2] = {span_of(facts[i][0]), span_of(facts[i][1])};

		if (field && strcmp(field, facts[i][0]) == 0)
			printf("%s\n", facts[i][1]);
		else if (!field && *facts[i][1])
			tool_row(t, names, values, 2);
	}
	return 0;
}

static int
do_user(struct tool *t, int argc, char **argv)
{
	const char *field = NULL;
	int         letter, status = 0, one;

	optind = 1;
	while ((letter = getopt(argc, argv, "f:")) != -1)
		if (letter == 'f')
			field = optarg;
		else
			return WRONG;
	if (optind == argc) {
		fprintf(stderr, "usage: postern user [-f field] user ... | '*'\n");
		return WRONG;
	}
	for (int i = optind; i < argc; i++) {
		if (strcmp(argv[i], "*") == 0) {
			struct names n = {0};

			all_users(&n);
			for (size_t k = 0; k < n.count; k++)
				printf("%s\n", n.at[k]);
			continue;
		}
		one = show_user(argv[i], t, field);
		status = one ? one : status;
	}
	tool_rows_end(t);
	return status;
}

/* Who users are only authd says; without it nobody waits for long. */
static void
must_run(void)
{
	autofree char *path = peer_path("authd");
	autoclose int  sock = -1;
	struct fault   why = {0};

	if (peer_connect(path, clock_after(2000), &sock, &why) < 0)
		log_fatal("%s: does the mail system run?", fault_text(&why));
}

/* ------------------------------------------------------------ the command */

static int
usage(void)
{
	fprintf(stderr, "usage: postern user [-f field] user ... | '*'\n       postern who [-1] [-f format] [user-mask] [ip[/bits]]\n"
	                "       postern kick user-mask [ip[/bits]]\n");
	for (size_t i = 0; i < COUNT(words); i++)
		fprintf(stderr, "       postern %s [-u user | -A] [-f table | tab | json | flow] %s\n", words[i].word, words[i].usage);
	return WRONG;
}

static int
do_word(const struct word *w, struct tool *t, int argc, char **argv)
{
	struct names n = {0};
	bool         all = false;
	char        *second = w->has_second && argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	int          letter, status = 0;
	char         options[] = {'+', 'u', ':', 'A', 'f', ':', w->letter, '\0'};

	if (second)
		argc--, argv++;
	optind = 1;
	while ((letter = getopt(argc, argv, options)) != -1)
		switch (letter) {
		case 'u': add_name(&n, span_of(optarg)); break;
		case 'A': all = true; break;
		case 'f': t->format = optarg; break;
		case 's':
		case 'm':
		case 'R': t->own_option = true; break;
		default: return usage();
		}
	if (second)
		argv[--optind] = second;
	if (all)
		all_users(&n);
	if (!n.count || optind >= argc + (strcmp(w->word, "save") == 0))
		return usage();
	t->many = n.count > 1;
	for (size_t i = 0; i < n.count; i++) {
		struct auth_user u;
		int              one;

		if (w->act == tool_quota && tool_sets_limits(argv[optind]))
			one = tool_limits(n.at[i], argc - optind, argv + optind);
		else if ((one = find_user(n.at[i], &u)) == 0)
			one = run_as(w, &u, t, argc - optind, argv + optind);
		status = one ? one : status;
	}
	t->many = false;
	if (n.count > 1)
		tool_rows_end(t);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct param *const tables[] = {imap_params, params, NULL};
	struct tool    t = {.format = ""};
	struct faults  faults = {0};
	struct fault   why = {0};
	const char    *directory = NULL;
	struct main_cf *cf;
	int            letter;

	signal(SIGPIPE, SIG_IGN);
	log_open("mailbox-tool", -1);
	t.rows = mmap(NULL, sizeof *t.rows, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t.rows == MAP_FAILED)
		log_fatal("mmap: %s", strerror(errno));
	while ((letter = getopt(argc, argv, "+c:v")) != -1)
		if (letter == 'c')
			directory = optarg;
		else if (letter != 'v')
			return usage();
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return usage();
	cf = site_load(directory, &faults);
	if (params_load(cf, tables, &faults) < 0 || faults.errors)
		faults_log(&faults);
	if (imap_config_check(&why) < 0)
		log_fatal("%s", fault_text(&why));
	peer_directory(mem_format("%s/private", site.queue_directory));
	must_run();
	if (strcmp(argv[0], "user") == 0)
		return do_user(&t, argc, argv);
	if (strcmp(argv[0], "who") == 0)
		return tool_who(&t, argc, argv);
	if (strcmp(argv[0], "kick") == 0)
		return tool_kick(argc, argv);
	for (size_t i = 0; i < COUNT(words); i++)
		if (strcmp(words[i].word, argv[0]) == 0)
			return do_word(&words[i], &t, argc, argv);
	return usage();
}
