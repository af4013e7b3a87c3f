/* SPDX-License-Identifier: ISC */
/*
 * maildir.c - a Maildir held by its root: opening, folders, names
 *
 * https://cr.yp.to/proto/maildir.html; folders as in Maildir++.
 */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/maildir_private.h"
#include "store/quota.h"
#include "store/shared_mode.h"

static const char *const parts[] = {"cur", "new", "tmp"};

/* Makes what is missing of cur, new and tmp, and makes their names durable. */
static int
make_parts(int dir, struct fault *why)
{
	bool made = false;

	for (size_t i = 0; i < COUNT(parts); i++) {
		if (mkdirat(dir, parts[i], 0700) == 0) {
			shared_mode_follow_directory(dir, parts[i]);
			made = true;
		} else if (errno != EEXIST) {
			return fault_errno(why, "make directory %s", parts[i]);
		}
	}
	if (made && fsync(dir) < 0)
		return fault_errno(why, "fsync of the Maildir");
	return 0;
}

static bool
has_parts(int dir)
{
	struct stat st;

	for (size_t i = 0; i < COUNT(parts); i++)
		if (fstatat(dir, parts[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			return false;
	return true;
}

static int
complete(int dir, struct fault *why)
{
	return has_parts(dir) ? 0 : make_parts(dir, why);
}

static uint64_t
hash_bytes(struct span s)
{
	uint64_t h = 14695981039346656037ull; /* FNV-1a: the same on every host and in every year */

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.at[i]) * 1099511628211ull;
	return h;
}

int
maildir_open(const char *path, unsigned options, struct maildir **out, struct fault *why)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	autoclose int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT && options & MAILDIR_CREATE) {
		autofree char *parent = mem_string(path);
		char          *slash = strrchr(parent, '/');

		if (file_make_directories(path, 0700, why) < 0)
			return -1;
		if (slash && slash != parent) {
			*slash = '\0';
			if (file_sync_directory(parent, why) < 0)
				return -1;
		}
		fd = open(path, flags);
	}
	if (fd < 0)
		return fault_errno(why, "open %s", path);
	if (options & MAILDIR_CREATE && complete(fd, why) < 0)
		return fault_prefix(why, "%s", path);
	*out = maildir_adopt(take_fd(fd), path);
	return 0;
}

struct maildir *
maildir_adopt(int root, const char *path)
{
	struct maildir *m = mem_alloc(sizeof *m);

	m->path = mem_string(path);
	m->root = root;
	m->private = -1;
	return m;
}

void
maildir_set_foreign(struct maildir *m, const char *origin, int private)
{
	snprintf(m->origin, sizeof m->origin, "%016llx", (unsigned long long)hash_bytes(span_of(origin)));
	m->private = private;
}

const char *
maildir_origin(const struct maildir *m)
{
	return m->origin;
}

int
maildir_private(const struct maildir *m)
{
	return m->private;
}

void
maildir_close(struct maildir *m)
{
	if (!m)
		return;
	close(m->root);
	if (m->private >= 0)
		close(m->private);
	free(m->index);
	free(m->path);
	free(m);
}

int
maildir_root(const struct maildir *m)
{
	return m->root;
}

const char *
maildir_path(const struct maildir *m)
{
	return m->path;
}

bool
maildir_folder_valid(struct span folder)
{
	if (folder.len == 0)
		return true;
	if (folder.len > 240 || folder.at[0] == '.' || folder.at[folder.len - 1] == '.')
		return false;
	for (size_t i = 0; i < folder.len; i++) {
		unsigned char c = (unsigned char)folder.at[i];

		if (c < 0x20 || c == 0x7f || c == '/')
			return false;
		if (c == '.' && folder.at[i - 1] == '.')
			return false;
	}
	return true;
}

int
maildir_folder_open(struct maildir *m, const char *folder, struct fault *why)
{
	autofree char *name = *folder ? mem_format(".%s", folder) : mem_string(".");

	if (!maildir_folder_valid(span_of(folder)))
		return fault_set(why, FAULT_INPUT, "not a mailbox name");
	autoclose int fd = file_open_beneath(m->root, name, O_RDONLY | O_DIRECTORY, 0, why);

	if (fd < 0)
		return -1;
	if (complete(fd, why) < 0)
		return fault_prefix(why, "mailbox %s", *folder ? folder : "INBOX");
	return take_fd(fd);
}

int
maildir_folder_create(struct maildir *m, const char *folder, struct fault *why)
{
	autofree char *name = mem_format(".%s", folder);

	if (!*folder || !maildir_folder_valid(span_of(folder)))
		return fault_set(why, FAULT_INPUT, "not a mailbox name");
	if (mkdirat(m->root, name, 0700) < 0)
		return fault_errno(why, "make mailbox %s", folder);
	shared_mode_follow_directory(m->root, name); /* before its parts are made like it */
	autoclose int fd = file_open_beneath(m->root, name, O_RDONLY | O_DIRECTORY, 0, why);

	if (fd < 0 || make_parts(fd, why) < 0)
		return -1;
	autoclose int mark = openat(fd, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		0600);

	if (mark < 0)
		return fault_errno(why, "make maildirfolder in %s", folder);
	if (file_sync(fd, why) < 0 || file_sync(m->root, why) < 0)
		return -1;
	return 0;
}

/* The host's name as it may stand in a file name (Maildir: '/' and ':' in octal). */
static void
add_host(struct text *out)
{
	char host[256] = "localhost";

	gethostname(host, sizeof host - 1);
	for (size_t i = 0; i < 64 && host[i]; i++) {
		if (host[i] == '/')
			text_add_string(out, "\\057");
		else if (host[i] == ':')
			text_add_string(out, "\\072");
		else if (host[i] > ' ' && host[i] < 0x7f && host[i] != ',')
			text_add_byte(out, host[i]);
	}
}

void
maildir_unique_name(struct text *out)
{
	static atomic_uint counter;
	int64_t            now = clock_wall();

	text_add_format(out, "%lld.M%lldP%ldQ%u.", (long long)(now / 1000000),
		(long long)(now % 1000000), (long)getpid(), atomic_fetch_add(&counter, 1) + 1);
	add_host(out);
}

void
maildir_set_quota(struct maildir *m, const struct quota *q)
{
	m->quota = q;
}

const struct quota *
maildir_quota(const struct maildir *m)
{
	return m->quota;
}

void
maildir_set_index(struct maildir *m, const char *directory)
{
	free(m->index);
	m->index = directory ? mem_string(directory) : NULL;
}

const char *
maildir_index(const struct maildir *m)
{
	return m->index;
}

void
maildir_set_lazy(struct maildir *m, const struct lazy *z)
{
	m->lazy = z;
}

const struct lazy *
maildir_lazy(const struct maildir *m)
{
	return m->lazy;
}

void
maildir_repeatable_name(const struct maildir_message *message, struct text *out)
{
	text_add_format(out, "%lld.M%lldQ", (long long)(message->arrived / 1000000),
		(long long)(message->arrived % 1000000));
	for (size_t i = 0; i < message->queue_id.len && i < 40; i++) {
		char c = message->queue_id.at[i];

		text_add_byte(out, ascii_alpha(c) || ascii_digit(c) ? c : '_');
	}
	text_add_format(out, "R%016llx.", (unsigned long long)hash_bytes(message->recipient));
	add_host(out);
}

void
maildir_size_add(struct maildir *m, const char *folder, int64_t bytes, int64_t count)
{
	if (quota_ignores(m->quota, folder))
		return;
	autoclose int fd = file_open_beneath(m->root, "maildirsize",
		O_WRONLY | O_APPEND | O_NONBLOCK, 0, NULL);
	struct stat   st;
	char          line[64];

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	int n = snprintf(line, sizeof line, "%lld %lld\n", (long long)bytes, (long long)count);

	if (write(fd, line, (size_t)n) != n)
		return; /* it drifts by design: whoever uses it recalculates */
}
