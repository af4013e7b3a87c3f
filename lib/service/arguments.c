/* SPDX-License-Identifier: ISC */
/*
 * arguments.c - the command line by which master starts a program
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "service/service_private.h"

static int
parse_count(const char *text, int *out, struct fault *why)
{
	uint64_t n;

	if (!span_number(span_of(text), &n) || n > 1000000)
		return fault_set(why, FAULT_INPUT, "not a number: %s", text);
	*out = (int)n;
	return 0;
}

/* -s names the sockets in the order of their descriptors: "smtp,smtp" for the
 * two addresses of one service, "private/authd,private/auth". */
static void
parse_listeners(const char *names, struct launch *l)
{
	struct span rest = span_of(names), name;

	while (span_next(&rest, ",", &name)) {
		struct listener *one;

		l->listener = mem_grow(l->listener, l->n_listeners + 1, sizeof *l->listener);
		one = &l->listener[l->n_listeners];
		snprintf(one->name, sizeof one->name, "%.*s", SPAN_ARGS(name));
		one->fd = FIRST_LISTENER + (int)l->n_listeners++;
	}
}

static int
take_option(int letter, struct launch *l, struct fault *why)
{
	switch (letter) {
	case 'n': l->facts.name = optarg; return 0;
	case 'c': l->facts.config_directory = optarg; return 0;
	case 's': parse_listeners(optarg, l); return 0;
	case 'm': return parse_count(optarg, &l->facts.sessions, why);
	case 'k': return parse_count(optarg, &l->facts.tasks, why);
	case 'o': list_add(&l->options, span_of(optarg)); return 0;
	case 'v': l->verbose++; return 0;
	case 'i': l->may_leave = true; return 0;
	case 'd': l->describe = true; return 0;
	case 'C': l->check = true; return 0;
	case 'P': l->probe = l->check = true; return 0;
	case 't': service_type = optarg; return 0;
	case 'u': return 0;
	default:  return fault_set(why, FAULT_INPUT, "unknown option: this program is started by master");
	}
}

int
arguments_parse(int argc, char **argv, struct launch *l, struct fault *why)
{
	static const struct option words[] = {
		{"describe", no_argument, NULL, 'd'}, {"check", no_argument, NULL, 'C'},
		{"probe", no_argument, NULL, 'P'}, {NULL, 0, NULL, 0}
	};
	const char *slash = argc > 0 && argv[0] ? strrchr(argv[0], '/') : NULL;
	int         letter;

	l->facts.program = argc < 1 || !argv[0] ? l->program->name : slash ? slash + 1 : argv[0];
	l->facts.name = l->facts.program;
	l->facts.sessions = l->facts.tasks = 1;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "+n:t:c:s:m:k:o:uvi", words, NULL)) != -1)
		if (take_option(letter, l, why) < 0)
			return -1;
	l->facts.argc = argc > optind ? argc - optind : 0;
	l->facts.argv = argv + (argc > optind ? optind : argc);
	return 0;
}
