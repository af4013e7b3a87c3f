/* SPDX-License-Identifier: ISC */
/*
 * tool_sessions.c - who is logged in, and sending them away: anvil's list (ipc/roster.h)
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/roster.h"
#include "mail/netaddr.h"
#include "tool.h"

enum { WRONG = 64, NOBODY = 68, TROUBLE = 75 };

struct session { char *id, *service, *user, *peer; int64_t pid, login; };

struct sessions {
	const char        *mask;         /* of users; NULL: all */
	bool               by_address;
	struct netaddr_net net;
	struct session    *at;
	size_t             count, room;
};

static bool
is_wanted(const struct sessions *s, const struct roster_entry *e)
{
	autofree char *user = mem_span(e->user);
	struct netaddr from;

	if (s->mask && fnmatch(s->mask, user, 0) != 0)
		return false;
	return !s->by_address || (netaddr_parse(e->peer, &from) && netaddr_in(&from, &s->net));
}

static int
keep(void *context, const struct roster_entry *e)
{
	struct sessions *s = context;

	if (!is_wanted(s, e))
		return 0;
	if (s->count == s->room)
		s->at = mem_grow(s->at, s->room = s->room ? 2 * s->room : 64, sizeof *s->at);
	s->at[s->count++] = (struct session){mem_span(e->session), mem_span(e->service), mem_span(e->user), mem_span(e->peer), e->pid, e->login};
	return 0;
}

static void
forget(struct sessions *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->at[i].id);
		free(s->at[i].service);
		free(s->at[i].user);
		free(s->at[i].peer);
	}
	free(s->at);
}

static int
by_user(const void *a, const void *b)
{
	const struct session *x = a, *y = b;
	int                   order = strcmp(x->user, y->user);

	order = order ? order : strcmp(x->service, y->service);
	return order ? order : x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* "[user-mask] [ip[/bits]]": 0, or WRONG and said. */
static int
take_words(struct sessions *s, int count, char **words)
{
	struct fault why = {0};

	for (int i = 0; i < count; i++) {
		if (!s->by_address && netaddr_parse_net(span_of(words[i]), &s->net, &why) == 0) {
			s->by_address = true;
		} else if (!s->mask) {
			s->mask = words[i];
		} else {
			log_error("%s: neither a user nor an address", words[i]);
			return WRONG;
		}
		fault_clear(&why);
	}
	return 0;
}

static int
read_all(struct sessions *s)
{
	struct fault why = {0};

	if (roster_who(keep, s, &why) < 0) {
		log_error("%s (does the mail system run?)", fault_text(&why));
		return TROUBLE;
	}
	qsort(s->at, s->count, s->count ? sizeof *s->at : 1, by_user);
	return 0;
}

static void
show_each(struct tool *t, const struct sessions *s)
{
	static const char *const names[] = {"username", "proto", "pid", "ip"};

	for (size_t i = 0; i < s->count; i++) {
		const struct session *x = &s->at[i];
		autofree char        *pid = mem_format("%lld", (long long)(x->pid ? x->pid : x->login));
		struct span           values[] = {span_of(x->user), span_of(x->service), span_of(pid), span_of(x->peer)};

		tool_row(t, names, values, COUNT(values));
	}
}

static void
add_once(struct text *list, const char *word)
{
	struct span rest = text_span(list), known;

	while (span_next(&rest, " ", &known))
		if (span_is(known, word))
			return;
	text_add_format(list, "%s%s", list->len ? " " : "", word);
}

/* A row a user and service, as doveadm does: who sleeps has his login program's process. */
static void
show_users(struct tool *t, const struct sessions *s)
{
	static const char *const names[] = {"username", "#", "proto", "(pids)", "(ips)"};

	for (size_t i = 0, next; i < s->count; i = next) {
		autotext struct text pids = {0}, ips = {0};

		for (next = i; next < s->count && strcmp(s->at[next].user, s->at[i].user) == 0 && strcmp(s->at[next].service, s->at[i].service) == 0; next++) {
			autofree char *pid = mem_format("%lld", (long long)(s->at[next].pid ? s->at[next].pid : s->at[next].login));

			add_once(&pids, pid);
			add_once(&ips, s->at[next].peer);
		}
		autofree char *count = mem_format("%zu", next - i), *in = mem_format("(%s)", text_string(&pids)),
			      *from = mem_format("(%s)", text_string(&ips));
		struct span    values[] = {span_of(s->at[i].user), span_of(count), span_of(s->at[i].service), span_of(in), span_of(from)};

		tool_row(t, names, values, COUNT(values));
	}
}

int
tool_who(struct tool *t, int argc, char **argv)
{
	struct sessions s = {.mask = NULL};
	bool            each = false;
	int             letter, status;

	optind = 1;
	while ((letter = getopt(argc, argv, "1f:")) != -1)
		if (letter == '1')
			each = true;
		else if (letter == 'f')
			t->format = optarg;
		else
			return WRONG;
	status = take_words(&s, argc - optind, argv + optind);
	status = status ? status : read_all(&s);
	if (status == 0) {
		(each ? show_each : show_users)(t, &s);
		tool_rows_end(t);
	}
	forget(&s);
	return status;
}

int
tool_kick(int argc, char **argv)
{
	struct sessions s = {.mask = NULL};
	struct fault    why = {0};
	const char     *last = NULL;
	int             status = argc < 2 ? WRONG : take_words(&s, argc - 1, argv + 1);

	if (argc < 2)
		fprintf(stderr, "usage: postern kick user-mask [ip[/bits]]\n");
	status = status ? status : read_all(&s);
	for (size_t i = 0; i < s.count && status == 0; i++) {
		const struct session *x = &s.at[i];
		struct roster_entry   e = {.session = span_of(x->id), .login = x->login};
		bool                  found = false;

		if (roster_kick(&e, &found, &why) < 0) {
			log_error("%s", fault_text(&why));
			status = TROUBLE;
		} else if (found && (!last || strcmp(last, x->user) != 0)) {
			if (!last)
				puts("kicked connections from the following users:");
			printf("%s ", x->user);
			last = x->user;
		}
	}
	puts(last ? "" : status == 0 ? "no users kicked" : "");
	forget(&s);
	return status ? status : last ? 0 : NOBODY;
}
