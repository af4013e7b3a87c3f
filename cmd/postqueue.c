/* SPDX-License-Identifier: ISC */
/*
 * postqueue.c - shows and flushes the queue, for every user
 *
 * Runs set-gid: its group may enter public/, where qmgr answers.  When the
 * system is down, root sees the directories themselves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "cmd/queue_view.h"
#include "cmd/setgid.h"
#include "config/site.h"

enum wish { NOTHING, FLUSH, FLUSH_ONE, FLUSH_SITE, LIST_TEXT, LIST_JSON };

static _Noreturn void
usage(void)
{
	command_fatal(EX_UNAVAILABLE, "%s", page_usage("postqueue"));
}

static void
choose(enum wish *w, enum wish one)
{
	if (*w != NOTHING)
		usage();
	*w = one;
}

static bool
is_up(const char *public_directory)
{
	autofree char *path = mem_format("%s/qmgr", public_directory);
	struct stat    st;

	return stat(path, &st) == 0; /* access(2) would ask for the caller's group, not for ours */
}

static int
list_directly(const struct queue_list_reader *r)
{
	struct queue *q;
	struct fault  why = {0};
	int           done;

	log_warning("Mail system is down -- accessing queue directly");
	if (queue_open(site.queue_directory, &q, &why) < 0)
		command_fatal(EX_OSFILE, "%s", fault_text(&why));
	done = queue_view(q, r, &why);
	queue_close(q);
	if (done < 0)
		command_fatal(EX_IOERR, "%s", fault_text(&why));
	return EX_OK;
}

static int
list(const char *directory, bool json)
{
	struct queue_printer     p = {.json = json};
	struct queue_list_reader r = {&p, queue_print_message, queue_print_rcpt};
	struct fault             why = {0};
	char                     user[64];

	if (!user_is_allowed(&site.authorized_mailq_users, user))
		command_fatal(EX_NOPERM, "User %s(%ld) is not allowed to view the mail queue", user,
		              (long)getuid());
	if (!is_up(directory) || (queue_list(directory, &r, &why) < 0 && p.count == 0)) {
		if (!queue_is_ours(site.queue_directory))
			command_fatal(EX_UNAVAILABLE,
			              "Queue report unavailable - mail system is down");
		list_directly(&r);
	} else if (why.class != FAULT_NONE)
		command_fatal(EX_UNAVAILABLE, "Queue report is incomplete: %s", fault_text(&why));
	queue_print_end(&p);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int
flush(const char *directory, const char *id, const char *where)
{
	struct fault why = {0};
	char         user[64];

	if (!user_is_allowed(&site.authorized_flush_users, user))
		command_fatal(EX_NOPERM, "User %s(%ld) is not allowed to flush the mail queue",
		              user, (long)getuid());
	if (!is_up(directory) || queue_flush(directory, span_of(id), span_of(where), &why) < 0) {
		if (why.class == FAULT_DENIED)
			command_fatal(EX_UNAVAILABLE, "Cannot flush mail queue: %s", fault_text(&why));
		command_fatal(EX_UNAVAILABLE, "Cannot flush mail queue - mail system is down");
	}
	return EX_OK;
}

/* "example.com", "[example.com]" or "@example.com". */
static const char *
site_name(const char *given)
{
	struct span s = span_of(given);

	if (span_starts(s, "@"))
		s = span_from(s, 1);
	if (span_starts(s, "[") && span_ends(s, "]"))
		s = span_cut(s, 1, s.len - 1);
	return mem_span(s);
}

/* A domain's name or an address in brackets, not more. */
static bool
is_destination(const char *name)
{
	return *name && !strpbrk(name, " \t\r\n/\"\\<>()");
}

int
main(int argc, char **argv)
{
	const char    *directory = NULL, *id = "", *where = "";
	autofree char *public = NULL;
	enum wish      wish = NOTHING;
	int            letter;

	setgid_clean();
	log_open("postfix/postqueue", -1);
	log_also_stderr(true);
	while (argc > 0 && (letter = getopt(argc, argv, "c:fi:jps:v")) > 0)
		switch (letter) {
		case 'c': directory = optarg; break;
		case 'f': choose(&wish, FLUSH); break;
		case 'i': choose(&wish, FLUSH_ONE); id = optarg; break;
		case 'j': choose(&wish, LIST_JSON); break;
		case 'p': choose(&wish, LIST_TEXT); break;
		case 's': choose(&wish, FLUSH_SITE); where = site_name(optarg); break;
		case 'v': log_verbose(1); break;
		default:  usage();
		}
	if (wish == NOTHING || (argc > 0 && optind < argc))
		usage();
	if (wish == FLUSH_ONE && !queue_id_looks_right(id))
		command_fatal(EX_UNAVAILABLE, "Cannot flush queue ID - invalid name: \"%s\"", id);
	if (wish == FLUSH_SITE && !is_destination(where))
		command_fatal(EX_UNAVAILABLE, "Cannot flush mail queue - invalid destination: \"%s\"", where);
	setgid_begin("postqueue", directory);
	public = mem_format("%s/public", site.queue_directory);
	if (wish == LIST_TEXT || wish == LIST_JSON)
		return list(public, wish == LIST_JSON);
	return flush(public, id, where);
}
