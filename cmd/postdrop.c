/* SPDX-License-Identifier: ISC */
/*
 * postdrop.c - puts a message from a local user into maildrop/
 *
 * Runs set-gid: its group may write the directory and its caller may not.
 * Standard input is the stream of queue/maildrop.h.  Exit 0 means that
 * the message is on stable storage; the system need not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/pages.h"
#include "cmd/sender_login.h"
#include "cmd/setgid.h"
#include "config/site.h"
#include "queue/maildrop.h"

enum { ENVELOPE_MAX = 64 << 20 };

static void
poke_fifo(const char *path)
{
	autoclose int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat   s;

	if (fd >= 0 && fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode))
		(void)!write(fd, "W", 1);
}

/* Tells pickup; when it does not run, the message is found when it does. */
static void
poke(const char *path, int type)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	autoclose int      fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		(void)!send(fd, "W", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (errno == EPROTOTYPE && type == SOCK_SEQPACKET)
		poke(path, SOCK_STREAM);
	else if (errno == ECONNREFUSED)
		poke_fifo(path);
}

static _Noreturn void
exit_quietly(struct maildrop_file *f)
{
	maildrop_abandon(f);
	exit(EX_DATAERR);
}

/* Copies record by record: what does not fit the grammar never reaches the file whole. */
static int
copy_records(struct maildrop_file *f, struct main_cf *cf, struct fault *why)
{
	struct maildrop_reader r = {.fd = 0};
	autotext struct text   out = {0};
	char                   type;
	struct span            value;
	int64_t                envelope = 0;
	int                    got;

	while ((got = maildrop_next(&r, &type, &value, why)) > 0) {
		envelope += type == 'D' ? 0 : (int64_t)value.len;
		if ((site.message_size_limit > 0 && r.content > site.message_size_limit) ||
		    envelope > ENVELOPE_MAX) {
			maildrop_reader_free(&r);
			return fault_set(why, FAULT_DENIED, "message file too big");
		}
		if (type == 'S' && sender_login_check(cf, value, why) < 0) {
			maildrop_reader_free(&r);
			return -1;
		}
		maildrop_put(&out, type, value);
		if (out.len >= MAILDROP_RECORD_MAX) {
			if (file_write(f->fd, text_span(&out), why) < 0)
				break;
			text_clear(&out);
		}
	}
	maildrop_reader_free(&r);
	if (r.cut)
		exit_quietly(f); /* sendmail has said why */
	if (got != 0)
		return -1;
	maildrop_put(&out, 'E', SPAN_NONE);
	return file_write(f->fd, text_span(&out), why);
}

static int
exit_status(const struct fault *why)
{
	switch (why->class) {
	case FAULT_DENIED: return EX_UNAVAILABLE;
	case FAULT_INPUT:  return EX_DATAERR;
	default:           return EX_TEMPFAIL;
	}
}

static int
drop(struct main_cf *cf, struct fault *why)
{
	autofree char       *path = mem_format("%s/maildrop", site.queue_directory);
	autofree char       *pickup = mem_format("%s/public/pickup", site.queue_directory);
	autoclose int        dir = -1;
	struct maildrop_file f = {.fd = -1};

	if (chdir(path) < 0)
		return fault_errno(why, "%s", path);
	/* root and private instances may; its group alone may not */
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (maildrop_create(dir < 0 ? AT_FDCWD : dir, &f, why) < 0)
		return -1;
	if (copy_records(&f, cf, why) < 0 || maildrop_commit(&f, why) < 0) {
		maildrop_abandon(&f);
		return -1;
	}
	poke(pickup, SOCK_SEQPACKET);
	return 0;
}

int
main(int argc, char **argv)
{
	const char  *directory = NULL;
	char         user[64];
	struct fault why = {0};
	int          letter;
	struct main_cf *cf;

	setgid_clean();
	opterr = 0;
	while (argc > 0 && (letter = getopt(argc, argv, "c:rv")) > 0)
		if (letter == 'c')
			directory = optarg;
		else if (letter == '?') {
			fprintf(stderr, "%s\n", page_usage("postdrop"));
			return EX_USAGE;
		}
	cf = setgid_begin("postdrop", directory);
	if (!user_is_allowed(&site.authorized_submit_users, user))
		command_fatal(EX_NOPERM, "User %s(%ld) is not allowed to submit mail", user,
		              (long)getuid());
	if (drop(cf, &why) < 0)
		command_fatal(exit_status(&why), "%s(%ld): %s", user, (long)getuid(),
		              fault_text(&why));
	return EX_OK;
}
