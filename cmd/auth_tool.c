/* SPDX-License-Identifier: ISC */
/*
 * auth_tool.c - passwords for the administrator: postern pw, postern auth
 *
 *   auth-tool [-c dir] pw [-l] [-s scheme] [-r rounds] [-p password] [-t stored]
 *   auth-tool [-c dir] auth test | login [-x service=name] [-x rip=address] user [password]
 *
 * pw makes and checks what stands in a passwd-file, by the code that authd checks with; auth asks the
 * running authd, as a login program would.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_auth.h"
#include "ipc/peer.h"
#include "pages.h"
#include "sasl/password.h"

enum { WRONG = 64, TROUBLE = 75, DENIED = 77 };

/* What is typed is not shown; from a pipe, a line. */
static int
read_password(const char *prompt, struct text *out)
{
	struct termios before, quiet;
	bool           terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	char           c;

	if (terminal) {
		fputs(prompt, stderr);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n' && out->len <= PASSWORD_MOST)
		text_add_byte(out, c);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	return out->len && out->len <= PASSWORD_MOST ? 0 : -1;
}

static int
new_password(const char *given, struct text *out)
{
	autotext struct text again = {0};
	int                  done;

	if (given) {
		text_set(out, span_of(given));
		return 0;
	}
	if (read_password("Enter new password: ", out) < 0)
		return -1;
	if (!isatty(STDIN_FILENO))
		return 0;
	done = read_password("Retype new password: ", &again) == 0 && span_equal(text_span(out), text_span(&again)) ? 0 : -1;
	if (done < 0)
		log_error("the passwords differ");
	mem_wipe(again.at, again.room);
	return done;
}

static int
list_schemes(void)
{
	for (size_t i = 0; password_scheme_name(i); i++)
		printf("%s%s", i ? " " : "", password_scheme_name(i));
	putchar('\n');
	return 0;
}

static int
check(const char *stored, struct span password)
{
	struct fault why = {0};
	int          got = password_check(span_of(stored), password, &why);

	if (got < 0)
		log_error("%s", fault_text(&why));
	else
		printf("%s%s\n", stored, got ? " (verified)" : " (does not match)");
	return got < 0 ? WRONG : got ? 0 : 1;
}

static int
make(const char *scheme, unsigned rounds, struct span password)
{
	autotext struct text out = {0};
	struct fault         why = {0};

	if (password_make(span_of(scheme), password, rounds, &out, &why) < 0) {
		log_error("%s", fault_text(&why));
		return WRONG;
	}
	puts(text_string(&out));
	mem_wipe(out.at, out.room);
	return 0;
}

static int
do_pw(int argc, char **argv)
{
	const char          *scheme = "CRYPT", *given = NULL, *stored = NULL;
	autotext struct text password = {0};
	unsigned             rounds = 0;
	int                  letter, status;

	optind = 1;
	while ((letter = getopt(argc, argv, "ls:r:p:t:")) != -1)
		switch (letter) {
		case 'l': return list_schemes();
		case 's': scheme = optarg; break;
		case 'r': rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': given = optarg; break;
		case 't': stored = optarg; break;
		default: return WRONG;
		}
	if (optind < argc)
		return WRONG;
	if (stored && !given ? read_password("Enter password to verify: ", &password) < 0 : new_password(given, &password) < 0)
		return WRONG;
	status = stored ? check(stored, text_span(&password)) : make(scheme, rounds, text_span(&password));
	mem_wipe(password.at, password.room);
	return status;
}

static int
tell_user(const char *user)
{
	struct auth_user u = {0};
	struct fault     why = {0};

	if (ask_auth_lookup(span_of(user), &u, &why) < 0) {
		log_error("userdb lookup(%s): %s", user, fault_text(&why));
		return why.class == FAULT_DENIED ? DENIED : TROUBLE;
	}
	printf("userdb: %s\n  uid=%ld\n  gid=%ld\n  home=%s\n  mail=%s\n", u.user, (long)u.uid, (long)u.gid, u.home, u.mail);
	return 0;
}

static int
try(struct auth_client *client, const char *user, struct span password, bool login)
{
	struct auth_talk    *talk = NULL;
	struct auth_answer   answer = {0};
	autotext struct text plain = {0};
	struct fault         why = {0};
	struct span          initial;
	int                  status = TROUBLE;

	text_add_format(&plain, "%c%s%c%.*s", 0, user, 0, SPAN_ARGS(password));
	initial = text_span(&plain);
	if (ask_auth_start(client, SPAN("PLAIN"), &initial, &talk, &answer, &why) < 0) {
		log_error("%s (does the mail system run?)", fault_text(&why));
	} else if (answer.state == AUTH_YES) {
		printf("passdb: %s auth succeeded\nextra fields:\n  user=%s\n", user, answer.user);
		status = login ? tell_user(answer.user) : 0;
	} else if (answer.state == AUTH_NO) {
		printf("passdb: %s auth failed\nextra fields:\n  user=%s\n", user, user);
		status = DENIED;
	} else {
		log_error("authd cannot say now");
	}
	ask_auth_end(talk);
	auth_answer_free(&answer);
	mem_wipe(plain.at, plain.room);
	return status;
}

static int
do_auth(int argc, char **argv)
{
	struct auth_client   client = {.service = "imap", .peer = SPAN("127.0.0.1"), .local = SPAN("127.0.0.1"), .session = SPAN("auth-test"),
		.secured = true, .name = SPAN_NONE};
	autotext struct text password = {0};
	bool                 login = argc > 1 && strcmp(argv[1], "login") == 0;
	int                  letter, status;

	if (argc < 2 || (!login && strcmp(argv[1], "test") != 0))
		return WRONG;
	optind = 2;
	while ((letter = getopt(argc, argv, "x:")) != -1)
		if (letter == 'x' && strncmp(optarg, "service=", 8) == 0)
			client.service = optarg + 8;
		else if (letter == 'x' && strncmp(optarg, "rip=", 4) == 0)
			client.peer = span_of(optarg + 4);
		else
			return WRONG;
	if (optind >= argc || optind + 2 < argc)
		return WRONG;
	if (optind + 1 < argc)
		text_set(&password, span_of(argv[optind + 1]));
	else if (read_password("Password: ", &password) < 0)
		return WRONG;
	status = try(&client, argv[optind], text_span(&password), login);
	mem_wipe(password.at, password.room);
	return status;
}

int
main(int argc, char **argv)
{
	struct faults faults = {0};
	const char   *directory = NULL;
	int           letter, status = WRONG;

	log_open("auth-tool", -1);
	while ((letter = getopt(argc, argv, "+c:v")) != -1)
		if (letter == 'c')
			directory = optarg;
		else if (letter != 'v')
			argc = 0;
	argc -= optind;
	argv += optind;
	if (argc > 0 && strcmp(argv[0], "pw") == 0) {
		status = do_pw(argc, argv);
	} else if (argc > 0 && strcmp(argv[0], "auth") == 0) {
		site_load(directory, &faults);
		if (faults.errors)
			faults_log(&faults);
		peer_directory(mem_format("%s/private", site.queue_directory));
		status = do_auth(argc, argv);
	}
	if (status == WRONG)
		fprintf(stderr, "%s\n", page_usage("auth-tool"));
	return status;
}
