/* SPDX-License-Identifier: ISC */
/*
 * quota_file.c - maildirsize (Maildir++): read, believed or counted anew
 *
 * https://www.courier-mta.org/imap/README.maildirquota.html
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "store/filename.h"
#include "store/quota_private.h"
#include "store/scan.h"
#include "store/shared_mode.h"
#include "store/tree.h"

enum { COUNTING_TRIES = 3 };

/* How a sum ends that was counted and not added up, by us: others do not mind the blank, and write none there. */
#define COUNTED " \n"
/* And how the first sum ends where the limits above it are those of rules: without the rules they are nobody's. */
#define BY_RULES "  "

/* ------------------------------------------------------------ the format */

static bool
signed_number(struct span s, int64_t *value)
{
	bool     less = s.len && s.at[0] == '-';
	uint64_t n;

	if (!span_number(less ? span_from(s, 1) : s, &n) || n > (uint64_t)1 << 60)
		return false;
	*value = less ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool
parse_limits(struct span line, struct quota_use *u)
{
	struct span word;
	uint64_t    n;

	while (span_next(&line, ", \t\r", &word)) {
		if (!span_number(span_first(word, word.len - 1), &n) || n > (uint64_t)1 << 60)
			return false;
		if (word.at[word.len - 1] == 'S')
			u->bytes_limit = (int64_t)n;
		else if (word.at[word.len - 1] == 'C')
			u->count_limit = (int64_t)n;
	}
	return true;
}

bool
quota_parse(struct span in, struct quota_use *out, size_t *lines)
{
	struct quota_use u = {0};
	struct span      line;

	*lines = 0;
	if (span_has(in, '\0') || !span_split(&in, '\n', &line) || !parse_limits(line, &u))
		return false;
	while (span_split(&in, '\n', &line)) { /* what is being written ends without LF */
		struct span bytes, count;
		int64_t     b, c;

		if (!span_next(&line, " \t\r", &bytes) || !span_next(&line, " \t\r", &count)
			|| !signed_number(bytes, &b) || !signed_number(count, &c)
			|| __builtin_add_overflow(u.bytes, b, &u.bytes) || __builtin_add_overflow(u.count, c, &u.count))
			return false;
		++*lines;
	}
	if (line.len || u.bytes < 0 || u.count < 0)
		return false;
	*out = u;
	return true;
}

/* Are the limits copied from rules that held when it was counted?  Lines that others add leave the mark; a file that others
 * write has none, and its limits are its own. */
static bool
limits_are_rules(struct span maildirsize)
{
	struct span line;

	return span_split(&maildirsize, '\n', &line) && span_split(&maildirsize, '\n', &line)
		&& span_ends(line, BY_RULES);
}

/* ------------------------------------------------------------ counting */

/* A size that no name tells is asked of the file, which a rename may hide for a moment. */
static int64_t
size_of(const struct scan_entry *e, int new_dir, int cur_dir)
{
	struct file_name parsed;
	struct stat      st;

	file_name_parse(span_of(e->name), &parsed);
	if (parsed.has_size)
		return (int64_t)(parsed.size > (uint64_t)1 << 50 ? 0 : parsed.size);
	if (fstatat(e->in_new ? new_dir : cur_dir, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_size;
}

static int
add_folder(struct maildir *m, const char *folder, struct quota_use *u, struct fault *why)
{
	autoclose int dir = maildir_folder_open(m, folder, why);
	struct scan   scan;
	int           result;

	if (dir < 0)
		return why && why->error == ENOENT ? 0 : -1;
	autoclose int new_dir = file_open_beneath(dir, "new", O_RDONLY | O_DIRECTORY, 0, why);
	autoclose int cur_dir = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0, why);

	if (new_dir < 0 || cur_dir < 0)
		return -1;
	scan_init(&scan);
	result = scan_read(&scan, new_dir, cur_dir, false, why);
	for (size_t i = 0; result == 0 && i < scan.count; i++) {
		u->bytes += size_of(&scan.at[i], new_dir, cur_dir);
		u->count++;
	}
	scan_free(&scan);
	return result;
}

static int
count_all(const struct quota *q, struct maildir *m, struct quota_use *u, struct fault *why)
{
	struct tree tree;
	struct fault own = {0};
	int         result;

	u->bytes = u->count = 0;
	if (tree_list(m, &tree, why) < 0)
		return -1;
	result = quota_ignores(q, "") ? 0 : add_folder(m, "", u, &own);
	for (size_t i = 0; result == 0 && i < tree.count; i++)
		if (!quota_ignores(q, tree.names[i])) {
			fault_clear(&own);
			result = add_folder(m, tree.names[i], u, &own);
		}
	tree_free(&tree);
	if (result < 0 && why)
		*why = own;
	return result;
}

/* What is being written.  It is made before anything is counted, and its time stays that: by the clock of this very
 * file system it is then no later than any change that the count may have missed. */
struct count_file {
	struct text     name;         /* below the root */
	int             fd;           /* -1: none is written */
	struct timespec begun;
};

static int
begin_file(struct maildir *m, struct count_file *c, struct fault *why)
{
	text_add_string(&c->name, "tmp/");
	maildir_unique_name(&c->name);
	c->fd = file_open_beneath(maildir_root(m), text_string(&c->name), O_WRONLY | O_CREAT | O_EXCL, 0600, why);
	return c->fd < 0 ? -1 : 0;
}

static void
stamp_file(struct count_file *c)
{
	struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	struct stat     st;

	if (c->fd >= 0 && futimens(c->fd, now) == 0 && fstat(c->fd, &st) == 0)
		c->begun = st.st_mtim;
}

/* A sum that a power cut takes is counted again; limits that stand only here (others set them) are on stable storage
 * before the new file takes the place of the old. */
static int
write_file(struct maildir *m, struct count_file *c, const struct quota_use *u, bool by_rules, struct fault *why)
{
	autotext struct text body = {0};
	struct timespec      times[2] = {{.tv_nsec = UTIME_OMIT}, c->begun};
	bool                 only_here = !by_rules && (u->bytes_limit || u->count_limit);

	if (u->bytes_limit || !u->count_limit)
		text_add_format(&body, "%lldS", (long long)u->bytes_limit);
	if (u->count_limit)
		text_add_format(&body, "%s%lldC", body.len ? "," : "", (long long)u->count_limit);
	text_add_format(&body, "\n%lld %lld%s", (long long)u->bytes, (long long)u->count, by_rules ? BY_RULES "\n" : COUNTED);
	shared_mode_follow(maildir_root(m), c->fd);
	if (file_write(c->fd, text_span(&body), why) < 0 || (only_here && file_sync(c->fd, why) < 0))
		return -1;
	if (futimens(c->fd, times) < 0
		|| renameat(maildir_root(m), text_string(&c->name), maildir_root(m), "maildirsize") < 0)
		return fault_errno(why, "rename to maildirsize");
	text_clear(&c->name);
	return 0;
}

static void
end_file(struct maildir *m, struct count_file *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->fd >= 0 && c->name.len)
		unlinkat(maildir_root(m), text_string(&c->name), 0);
	text_free(&c->name);
}

static off_t
length_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
}

/* What was added to the old file after it was last looked at belongs to the new one. */
static void
save_tail(struct maildir *m, int old, off_t from)
{
	autotext struct text tail = {0};
	struct quota_use     more = {0};
	size_t               lines;

	if (old < 0 || length_of(old) <= from || lseek(old, from, SEEK_SET) < 0
		|| file_read_fd(old, QUOTA_FILE_MOST, &tail, NULL) < 0)
		return;
	autofree char *whole = mem_format("0S\n%s", text_string(&tail));

	if (quota_parse(span_of(whole), &more, &lines))
		maildir_size_add(m, "", more.bytes, more.count);
}

/* Again when others went on meanwhile. */
static int
count_in_peace(const struct quota *q, struct maildir *m, int old, struct count_file *c, struct quota_use *u, off_t *from,
	struct fault *why)
{
	for (int i = 0; i < COUNTING_TRIES; i++) {
		stamp_file(c);
		*from = length_of(old);
		if (count_all(q, m, u, why) < 0)
			return -1;
		if (length_of(old) == *from)
			break;
	}
	return 0;
}

/* A full disk is no reason to say less than is known. */
static bool
may_be_left(const struct fault *why)
{
	return why->error == ENOSPC || why->error == EDQUOT || why->error == EROFS || why->error == EACCES;
}

int
quota_recount(const struct quota *q, struct maildir *m, struct quota_use *out, struct fault *why)
{
	autoclose int     old = file_open_beneath(maildir_root(m), "maildirsize", O_RDONLY | O_NONBLOCK, 0, NULL);
	struct quota_use  u = *out;
	struct count_file c = {.fd = -1};
	struct fault      own = {0};
	off_t             from = 0;
	int               result = 0;

	if (q->limited) {
		u.bytes_limit = q->bytes_limit;
		u.count_limit = q->count_limit;
	}
	if (u.bytes_limit || u.count_limit || old >= 0)
		result = begin_file(m, &c, &own);
	if (result == 0 || may_be_left(&own))
		result = count_in_peace(q, m, old, &c, &u, &from, &own);
	if (result == 0 && c.fd >= 0) {
		if (write_file(m, &c, &u, q->limited, &own) == 0)
			save_tail(m, old, from);
		else if (!may_be_left(&own))
			result = -1;
	}
	end_file(m, &c);
	if (result < 0 && why)
		*why = own;
	if (result == 0)
		*out = u;
	return result;
}

/* ------------------------------------------------------------ looking */

static bool
is_newer(int root, const char *path, const struct stat *than)
{
	struct stat st;

	return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mtim.tv_sec > than->st_mtim.tv_sec
		|| (st.st_mtim.tv_sec == than->st_mtim.tv_sec && st.st_mtim.tv_nsec >= than->st_mtim.tv_nsec));
}

/* Did a directory of mail change after the file's time?  Times have the grain of a clock tick, so
 * that the same time may be later; a needless count does no harm. */
static bool
has_changed(struct maildir *m, const struct stat *file)
{
	struct tree tree;
	bool        changed;

	if (tree_list(m, &tree, NULL) < 0)
		return true;
	changed = is_newer(maildir_root(m), "new", file) || is_newer(maildir_root(m), "cur", file);
	for (size_t i = 0; !changed && i < tree.count; i++) {
		autofree char *new_dir = mem_format(".%s/new", tree.names[i]), *cur_dir = mem_format(".%s/cur", tree.names[i]);

		changed = is_newer(maildir_root(m), new_dir, file) || is_newer(maildir_root(m), cur_dir, file);
	}
	tree_free(&tree);
	return changed;
}

static bool
is_over(const struct quota_use *u)
{
	return (u->bytes_limit && u->bytes > u->bytes_limit) || (u->count_limit && u->count > u->count_limit);
}

/* Is it a count of ours and nothing else?  A line behind it makes the file look newer than what had none: a session
 * that was killed between the file and its line.  Other servers give their count the time at which it was done, which
 * hides what went on meanwhile. */
static bool
is_count(struct span maildirsize, size_t lines)
{
	return lines == 1 && span_ends(maildirsize, COUNTED);
}

/* Limits that are the file's alone outlive a sum that is broken, or too long. */
static void
take_limits(struct span maildirsize, struct quota_use *u)
{
	struct span first;

	if (limits_are_rules(maildirsize) || !span_split(&maildirsize, '\n', &first) || !parse_limits(first, u))
		*u = (struct quota_use){0};
}

/* What cannot be read may be where the limits stand: to count on would be to write that there are none. */
static int
unread(const struct quota *q, const struct fault *own, struct fault *why)
{
	if (q->limited || own->error == ENOENT || own->error == ELOOP)
		return 0;
	if (why)
		*why = *own;
	return -1;
}

static bool
is_believed(const struct quota *q, struct maildir *m, enum quota_look how, const struct stat *st, struct span body, struct quota_use *u)
{
	size_t lines;

	if (st->st_size >= QUOTA_FILE_MOST || !quota_parse(body, u, &lines)) {
		take_limits(body, u);
		return false;
	}
	if (!q->limited && limits_are_rules(body) && (u->bytes_limit || u->count_limit)) {
		*u = (struct quota_use){0};      /* the rules are gone, and their limits with them */
		return false;
	}
	if (q->limited && (u->bytes_limit != q->bytes_limit || u->count_limit != q->count_limit))
		return false;
	if (is_over(u) && (lines > 1 || st->st_mtime < time(NULL) - QUOTA_FRESH_SECONDS))
		return false;
	if (how == QUOTA_SURE && !is_count(body, lines))
		return false;
	return lines > 0 && (how == QUOTA_QUICK || !has_changed(m, st));
}

/* 1 the file may be believed; 0 not; -1 it cannot be told. */
static int
read_file(const struct quota *q, struct maildir *m, enum quota_look how, struct quota_use *u, struct fault *why)
{
	struct fault         own = {0};
	autoclose int        fd = file_open_beneath(maildir_root(m), "maildirsize", O_RDONLY | O_NONBLOCK, 0, &own);
	autotext struct text body = {0};
	struct stat          st;
	size_t               size;

	if (fd < 0)
		return unread(q, &own, why);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	size = (size_t)(st.st_size < QUOTA_FILE_MOST ? st.st_size : QUOTA_FILE_MOST);
	if (file_read_at(fd, text_room(&body, size), size, 0, &own) < 0)
		return unread(q, &own, why);
	body.len = size;
	return is_believed(q, m, how, &st, text_span(&body), u);
}

int
quota_look(const struct quota *q, struct maildir *m, enum quota_look how, struct quota_use *out, struct fault *why)
{
	struct quota_use u = {0};
	int              read = read_file(q, m, how, &u, why);

	if (read < 0 || (read == 0 && quota_recount(q, m, &u, why) < 0))
		return -1;
	*out = u;
	return 0;
}
