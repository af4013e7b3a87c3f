/* SPDX-License-Identifier: ISC */
/*
 * postlog.c - postlog(1): a script's line into the mail log
 *
 *   postlog [-iv] [-c DIR] [-p PRIORITY] [-t TAG] [TEXT ...]     else lines of standard input
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "config/site.h"

enum { LINE_LIMIT = 2000 };

static const struct { const char *word; enum log_level level; } levels[] = {
	{"info", LOG_LEVEL_INFO}, {"warn", LOG_LEVEL_WARNING}, {"warning", LOG_LEVEL_WARNING},
	{"error", LOG_LEVEL_ERROR}, {"err", LOG_LEVEL_ERROR}, {"fatal", LOG_LEVEL_FATAL},
	{"crit", LOG_LEVEL_FATAL}, {"panic", LOG_LEVEL_PANIC}, {"alert", LOG_LEVEL_PANIC},
	{"emerg", LOG_LEVEL_PANIC}, {"notice", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_INFO},
};

static int
find_level(const char *word, enum log_level *out)
{
	const char *dot = strchr(word, '.'); /* "mail.info" */

	for (size_t i = 0; i < COUNT(levels); i++)
		if (strcmp(levels[i].word, dot ? dot + 1 : word) == 0) {
			*out = levels[i].level;
			return 0;
		}
	return -1;
}

/* The system logger itself, under this tag; NULL: postlogd, or standard error. */
static const char *to_logger;

static void
tell_logger(enum log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void
tell_logger(enum log_level level, const char *format, va_list args)
{
	static const struct { int priority; const char *prefix; } as[] = {
		[LOG_LEVEL_DEBUG] = {LOG_INFO, ""}, [LOG_LEVEL_INFO] = {LOG_INFO, ""},
		[LOG_LEVEL_WARNING] = {LOG_WARNING, "warning: "}, [LOG_LEVEL_ERROR] = {LOG_ERR, "error: "},
		[LOG_LEVEL_FATAL] = {LOG_CRIT, "fatal: "}, [LOG_LEVEL_PANIC] = {LOG_CRIT, "panic: "},
	};
	autotext struct text line = {0};

	text_add_args(&line, format, args);
	openlog(to_logger, LOG_PID, LOG_MAIL);
	syslog(as[level].priority, "%s%s", as[level].prefix, text_string(&line));
	if (isatty(STDERR_FILENO) || level >= LOG_LEVEL_WARNING)
		fprintf(stderr, "%s: %s%s\n", to_logger, as[level].prefix, text_string(&line));
}

static void
say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (to_logger)
		tell_logger(level, format, args);
	else
		log_at(level, format, args);
	va_end(args);
}

static void
copy_input(enum log_level level)
{
	char  *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		say(level, "%.*s", LINE_LIMIT, line);
	}
	free(line);
}

int
main(int argc, char **argv)
{
	const char    *directory = NULL, *tag = NULL;
	enum log_level level = LOG_LEVEL_INFO;
	struct faults  faults = {0};
	struct text    text = {0};
	int            letter, fd;

	while ((letter = getopt(argc, argv, "c:ip:t:v")) != -1)
		switch (letter) {
		case 'c': directory = optarg; break;
		case 'p':
			if (find_level(optarg, &level) < 0) {
				fprintf(stderr, "postlog: unknown priority: %s\n", optarg);
				return 1;
			}
			break;
		case 't': tag = optarg; break;
		case 'i':
		case 'v': break;
		default:
			fprintf(stderr, "%s\n", page_usage("postlog"));
			return 1;
		}
	site_load(directory, &faults);
	if (directory && faults.errors && strncmp(faults.error[0], "open ", 5) == 0) {
		fprintf(stderr, "postlog: fatal: %s\n", faults.error[0]);
		return 1;
	}
	fd = command_log_socket();
	log_open(tag ? tag : site_log_name("postlog"), fd);
	if (fd < 0 && !*site.maillog_file)
		to_logger = tag ? tag : site_log_name("postlog");      /* the system does not run */
	if (fd >= 0 && isatty(STDERR_FILENO))
		log_also_stderr(true);
	for (int i = optind; i < argc; i++)
		text_add_format(&text, "%s%s", i > optind ? " " : "", argv[i]);
	if (optind < argc)
		say(level, "%s", text_string(&text));
	else
		copy_input(level);
	return 0;
}
