/* SPDX-License-Identifier: ISC */
/*
 * queue_import_drop.c - what waits for Postfix's pickup is written for ours
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "mail/address.h"
#include "queue/maildrop.h"
#include "queue/queue_import_private.h"

static void
put_yes(struct text *out, const char *name, bool value)
{
	autofree char *both = mem_format("%s=yes", name);

	if (value)
		maildrop_put(out, 'A', span_of(both));
}

static void
put_value(struct text *out, const char *name, struct span value)
{
	autofree char *both = mem_format("%s=%.*s", name, SPAN_ARGS(value));

	if (value.len)
		maildrop_put(out, 'A', span_of(both));
}

static void
put_address(struct text *out, char type, struct span address)
{
	autotext struct text external = {0};

	if (address.len)
		address_external(address, &external);
	maildrop_put(out, type, text_span(&external));
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] & 128)
			return false;
	return true;
}

static void
put_drop_envelope(struct letter *l, struct text *out)
{
	struct queue_envelope e = import_envelope(l);
	autofree char        *notify = mem_format("%d", l->m.rcpts[0].notify & 1 ? 1 : l->m.rcpts[0].notify);
	bool                  ascii = is_ascii(l->m.sender);

	for (size_t i = 0; i < l->m.n_rcpts; i++)
		ascii &= is_ascii(l->m.rcpts[i].address);
	maildrop_put(out, 'V', SPAN("1"));
	put_address(out, 'S', l->m.sender);
	if (l->m.full_name.len)
		maildrop_put(out, 'F', l->m.full_name);
	put_value(out, "ret", e.ret);
	put_value(out, "body", e.body);
	put_value(out, "envid", span_first(e.envid, 100));
	put_value(out, "verp", e.verp);
	if (notify[0] != '0')
		put_value(out, "notify", span_of(notify));
	put_yes(out, "smtputf8", !ascii);
	put_yes(out, "verify", e.verify_only);
	put_yes(out, "trace", e.trace);
	for (size_t i = 0; i < l->m.n_rcpts; i++)
		put_address(out, 'R', l->m.rcpts[i].address);
}

static int
fill_drop(struct letter *l, int fd, struct fault *why)
{
	autotext struct text out = {0};
	int64_t              at = 0;

	if (fchown(fd, l->i->source.st_uid, (gid_t)-1) < 0 && geteuid() == 0)
		return fault_errno(why, "chown");               /* pickup tells the log who it was */
	put_drop_envelope(l, &out);
	if (import_flush(fd, &out, &at, why) < 0 || import_content(l, fd, &at, "\n", true, why) < 0)
		return -1;
	maildrop_put(&out, 'E', SPAN_NONE);
	if (import_flush(fd, &out, &at, why) < 0)
		return -1;
	return fchmod(fd, 0444) < 0 ? fault_errno(why, "chmod") : file_sync(fd, why);
}

int
import_drop(struct letter *l, struct fault *why)
{
	int           dir = queue_directory(l->i->stage, QUEUE_INCOMING);
	autoclose int fd = openat(dir, l->to.text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? fault_errno(why, "create import/incoming/%s", l->to.text) : fill_drop(l, fd, why);
}
