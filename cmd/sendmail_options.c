/* SPDX-License-Identifier: ISC */
/*
 * sendmail_options.c - Sendmail's options as Postfix takes them (sendmail(1))
 */
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/sendmail.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "ipc/submit.h"

static const char letters[] = "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx";

static int
parse_notify(const char *words)
{
	static const struct { const char *name; int bit; } names[] = {
		{"never", NOTIFY_NEVER},
		{"success", NOTIFY_SUCCESS},
		{"failure", NOTIFY_FAILURE},
		{"delay", NOTIFY_DELAY},
	};
	struct span rest = span_of(words), word;
	int         bits = 0;

	while (span_next(&rest, ", ", &word)) {
		int found = 0;

		for (size_t i = 0; i < COUNT(names); i++)
			if (span_is_nocase(word, names[i].name))
				found = names[i].bit;
		bits = found && bits >= 0 ? bits | found : -1;
	}
	if (bits > 0 && (!(bits & NOTIFY_NEVER) || bits == NOTIFY_NEVER))
		return bits;
	/* the mail matters more than the notice, as in Postfix */
	log_warning("bad -N option value -- ignored: %s", words);
	return 0;
}

static void
take_mode(struct sendmail *s, const char *value)
{
	switch (value[0]) {
	case 'd':
	case 'l': s->mode = MODE_DAEMON; break;
	case 'h':
	case 'H': s->mode = MODE_IGNORE; break;
	case 'i': s->mode = MODE_NEWALIASES; break;
	case 'm': s->mode = MODE_ENQUEUE; break;
	case 'p': s->mode = MODE_MAILQ; break;
	case 's': s->mode = MODE_STANDALONE; break;
	case 'v': s->verify = true; break;
	default:  command_fatal(SENDMAIL_FAILED, "unsupported: -b%c", value[0]);
	}
}

/* -oi, -oA file, -o x value: the rest is taken and ignored. */
static void
take_old_option(struct sendmail *s, char **argv, const char *value)
{
	switch (value[0]) {
	case 'A':
		if (value[1] == '\0')
			command_fatal(SENDMAIL_FAILED, "-oA requires pathname");
		list_add(&s->aliases, span_of(value + 1));
		break;
	case '7':
	case '8':
	case 'm': break;
	case 'i': s->ignore_dots = true; break;
	default:
		if (value[1] == '\0' && argv[optind])
			optind++;
	}
}

static void
take_flush(struct sendmail *s, const char *value)
{
	if (ascii_digit(value[0])) {
		if (s->mode == MODE_DAEMON)
			log_warning("ignoring -q%s option", value);
		s->interval = true;
		return; /* the queue manager has its own */
	}
	switch (value[0]) {
	case 'R':
		if (value[1] == '\0')
			command_fatal(SENDMAIL_FAILED, "specify: -qRsitename");
		s->flush_site = value + 1;
		break;
	case 'I':
		if (value[1] == '\0')
			command_fatal(SENDMAIL_FAILED, "specify: -qIqueueid");
		s->flush_id = value + 1;
		break;
	default:
		command_fatal(SENDMAIL_FAILED, "-q%c is not implemented", value[0]);
	}
	s->mode = MODE_FLUSH;
}

static void
take_verp(struct sendmail *s, const char *value)
{
	s->verp = value[0] ? value : "+=";
	if (strlen(s->verp) != 2)
		command_fatal(SENDMAIL_FAILED, "-V requires two characters from -=+");
}

/* A directory, or the file in it. */
static const char *
config_directory_of(const char *path)
{
	struct span s = span_of(path);
	ptrdiff_t   slash = span_find_last(s, '/');

	return span_ends(s, ".cf") && slash > 0 ? mem_span(span_first(s, (size_t)slash)) : path;
}

static void
take_body(struct sendmail *s, const char *value)
{
	if (strcmp(value, "8BITMIME") == 0)
		s->body = "8BITMIME";
	else if (strcmp(value, "7BIT") == 0)
		s->body = "7BIT";
	else
		command_fatal(SENDMAIL_FAILED, "-B option needs 8BITMIME or 7BIT");
}

static void
take_return(struct sendmail *s, const char *value)
{
	if (strncasecmp(value, "full", 5) == 0)
		s->ret = "FULL";
	else if (strncasecmp(value, "hdrs", 5) == 0)
		s->ret = "HDRS";
	else
		log_warning("bad -R option value -- ignored");
}

static void
take_option(struct sendmail *s, char **argv, int letter)
{
	switch (letter) {
	case 'B': take_body(s, optarg); break;
	case 'C': s->config = config_directory_of(optarg); break;
	case 'F': s->full_name = optarg; break;
	case 'I': s->mode = MODE_NEWALIASES; break;
	case 'N': s->notify = parse_notify(optarg); break;
	case 'O':
		if (strncasecmp(optarg, "smtputf8=", 9) == 0)
			s->smtputf8 = strcasecmp(optarg + 9, "yes") == 0;
		break;
	case 'R': take_return(s, optarg); break;
	case 'V':
		if (*optarg)
			s->envid = optarg;
		else
			log_warning("bad syntax in -V option value -- ignored");
		break;
	case 'X':
		if (optarg[0] == 'V') /* Postfix: -XV and -XVxy; else a debug log file, ignored */
			take_verp(s, optarg + 1);
		break;
	case 'b': take_mode(s, optarg); break;
	case 'f':
	case 'r': s->sender = optarg; break;
	case 'i': s->ignore_dots = true; break;
	case 'n': command_fatal(SENDMAIL_FAILED, "-n option not supported");
	case 'o': take_old_option(s, argv, optarg); break;
	case 'q': take_flush(s, optarg); break;
	case 't': s->extract = true; break;
	case 'v':
		if (s->trace)
			log_verbose(1);
		s->trace = true;
		break;
	case 'A':
	case 'G':
	case 'L':
	case 'U':
	case 'c':
	case 'e':
	case 'h':
	case 'm':
	case 'p':
	case 'x': break; /* taken and ignored, as by Postfix */
	default:
		command_fatal(SENDMAIL_FAILED, "%s", page_usage("sendmail"));
	}
}

void
sendmail_options(int argc, char **argv, struct sendmail *s)
{
	while (optind < argc && argv[optind]) {
		int letter;

		if (strcmp(argv[optind], "-q") == 0) {
			if (s->mode != MODE_DAEMON)
				s->mode = MODE_FLUSH;
			optind++;
			continue;
		}
		letter = getopt(argc, argv, letters);
		if (letter <= 0)
			break;
		take_option(s, argv, letter);
	}
	s->recipients = argv + optind;
	s->n_recipients = argc - optind;
}
