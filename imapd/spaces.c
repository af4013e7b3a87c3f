/* SPDX-License-Identifier: ISC */
/*
 * spaces.c - whose mailboxes this session may see
 */
#include "spaces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "imap_config.h"
#include "imapsieve.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "store/acl_shared.h"
#include "store/location.h"
#include "store/quota.h"
#include "store/tree.h"

#define OWN_SEEN "postern-seen"      /* in one's own Maildir, where INDEXPVT= says nothing else */

/* ------------------------------------------------------------ opening them */

struct settling {
	struct spaces         *out;
	const struct auth_user *user;
	struct location_user    me;
	struct location         own;
	struct sandbox_tree    *trees;       /* what the sandbox is to leave open; owned */
	size_t                  tree_count;
	char                  **paths;       /* of trees; owned */
};

static void
leave_open(struct settling *t, int fd, const char *path)
{
	t->trees = mem_grow(t->trees, t->tree_count + 1, sizeof *t->trees);
	t->paths = mem_grow(t->paths, t->tree_count + 1, sizeof *t->paths);
	t->paths[t->tree_count] = mem_string(path);
	t->trees[t->tree_count] = (struct sandbox_tree){fd, t->paths[t->tree_count]};
	t->tree_count++;
}

/* Links above his home are the administrator's; below it nobody's are followed. */
static int
open_beneath_home(const char *home, const char *path, struct fault *why)
{
	size_t        len = strlen(home);
	autoclose int top = -1;

	while (len > 1 && home[len - 1] == '/')
		len--;
	if (len == 0 || strncmp(path, home, len) != 0 || path[len] != '/') { /* the administrator's path but for its end */
		top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return top < 0 ? fault_errno(why, "open %s", path) : take_fd(top);
	}
	top = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0) /* a home that may only be passed through */
		top = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return fault_errno(why, "open %s", home);
	path += len;
	while (*path == '/')
		path++;
	return file_open_beneath(top, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0, why);
}

/* Where this user's own \Seen is kept; -1: in the file names. */
static int
open_private(struct settling *t, const struct location *l, struct fault *why)
{
	autofree char *standard = mem_format("%s/" OWN_SEEN, text_string(&t->own.root));
	const char    *path = l->private.len ? text_string(&l->private) : imap_config.private_seen ? standard : NULL;
	int            fd;

	if (!path)
		return -1;
	if (file_make_directories(path, 0700, why) < 0)
		return -2;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fault_errno(why, "open %s", path);
		return -2;
	}
	if (t->tree_count == 0 || strcmp(t->paths[t->tree_count - 1], path) != 0)
		leave_open(t, fd, path);
	return fd;
}

static int
add_space(struct settling *t, struct space *s, int root, const struct location *l, struct fault *why)
{
	autofree char *origin = mem_format("%s/%s", s->owner ? s->owner : "", s->owner ? "" : s->prefix);
	int            private = open_private(t, l, why);

	if (private == -2) {
		close(root);
		return -1;
	}
	s->maildir = maildir_adopt(root, text_string(&l->root));
	maildir_set_foreign(s->maildir, origin, private);
	maildir_set_quota(s->maildir, s->quota);
	leave_open(t, root, text_string(&l->root));
	t->out->at = mem_grow(t->out->at, t->out->count + 1, sizeof *t->out->at);
	t->out->at[t->out->count++] = *s;
	return 0;
}

static void
free_space(struct space *s)
{
	maildir_close(s->maildir);
	quota_free(s->quota);
	free(s->prefix);
	free(s->owner);
}

static int
open_owner(struct settling *t, const char *name, const struct auth_user *owner, struct fault *why)
{
	struct span                prefix, where;
	const struct location_user his = {span_of(name), span_of(owner->home)};
	struct location            l = {0};
	autotext struct text       full = {0};
	struct space               s = {.kind = SPACE_SHARED};
	struct stat                st;
	int                        root, done;

	spaces_split(span_of(imap_config.shared_namespace), &prefix, &where);
	if (location_expand_prefix(prefix, &his, &full, why) < 0 || location_parse_foreign(where, &t->me, &his, &l, why) < 0)
		return -1;
	root = open_beneath_home(owner->home, text_string(&l.root), why);
	if (root >= 0 && (fstat(root, &st) < 0 || st.st_uid != owner->uid)) {
		close(root);
		root = fault_set(why, FAULT_DENIED, "%s does not belong to uid %ld", text_string(&l.root), (long)owner->uid);
	}
	done = root < 0 ? -1 : quota_make(&quota_settings, span_of(owner->quota), &s.quota, why);
	if (done == 0) {
		s.prefix = mem_string(text_string(&full));
		s.owner = mem_string(name);
		done = add_space(t, &s, root, &l, why);
		if (done < 0)
			free_space(&s);
	} else if (root >= 0) {
		close(root);
	}
	location_free(&l);
	return done;
}

/* What cannot be opened is not there; that is told in the log, and to nobody else. */
static void
settle_owners(struct settling *t, const struct tree *owners, int authd)
{
	for (size_t i = 0; i < owners->count; i++) {
		struct auth_user owner;
		struct fault     why = {0};

		if (t->out->count == SPACES_OWNERS_MOST) {
			log_warning("imap(%s): more than %d users share with him: the others are left out", t->user->user, SPACES_OWNERS_MOST);
			return;
		}
		if (ask_auth_owner(authd, owners->names[i], &owner, &why) < 0) {
			if (why.class == FAULT_DENIED)
				continue; /* he is no more */
			log_warning("imap(%s): %s: %s", t->user->user, owners->names[i], fault_text(&why));
			return;
		}
		if (open_owner(t, owners->names[i], &owner, &why) < 0)
			log_info("imap(%s): mailboxes that %s shares: %s", t->user->user, owners->names[i], fault_text(&why));
	}
}

static void
settle_shared(struct settling *t, int authd)
{
	const char    *file = spaces_dictionary();
	autofree char *directory = NULL;
	struct acl_who who = {t->user->user, t->out->groups, false};
	struct fault   why = {0};

	if (!file)
		return;
	directory = mem_span(span_at(imap_config.acl_shared_dict + 5, (size_t)(file - imap_config.acl_shared_dict - 5)));
	t->out->dictionary = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->out->dictionary < 0) {
		log_warning("imap(%s): acl_shared_dict: open %s: %s", t->user->user, directory, strerror(errno));
		return;
	}
	leave_open(t, t->out->dictionary, directory);
	if (!*imap_config.shared_namespace || authd < 0)
		return;
	struct acl_shared d;
	struct tree       owners;

	if (acl_shared_read(t->out->dictionary, file, &d, &why) < 0) {
		if (why.error != ENOENT)
			log_warning("imap(%s): acl_shared_dict: %s", t->user->user, fault_text(&why));
		return;
	}
	acl_shared_owners(&d, &who, *imap_config.acl_anyone != '\0', &owners);
	settle_owners(t, &owners, authd);
	tree_free(&owners);
	acl_shared_free(&d);
}

static void
settle_public(struct settling *t)
{
	struct span rest = span_of(imap_config.public_namespaces), prefix, where;

	while (spaces_next_public(&rest, &prefix, &where)) {
		struct location l = {0};
		struct space    s = {.kind = SPACE_PUBLIC, .prefix = mem_span(prefix)};
		struct fault    why = {0};
		int             root = -1;

		if (location_parse_foreign(where, &t->me, NULL, &l, &why) == 0
			&& (root = open(text_string(&l.root), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
			fault_errno(&why, "open %s", text_string(&l.root));
		if (root < 0 || add_space(t, &s, root, &l, &why) < 0) {
			log_warning("imap(%s): %.*s: %s", t->user->user, SPAN_ARGS(prefix), fault_text(&why));
			free(s.prefix);
		}
		location_free(&l);
	}
}

/* ------------------------------------------------------------ the whole */

static int
close_around(struct settling *t, struct fault *why)
{
	const char    *paths[3] = {text_string(&t->own.root), NULL, NULL}, **reads;
	struct list    more = {0};
	int            done;
	struct sandbox box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = paths, .writes = paths,
		.trees = t->trees, .tree_count = t->tree_count};

	if (t->own.index.len && !span_is(text_span(&t->own.index), "MEMORY"))
		paths[1] = text_string(&t->own.index);
	if (imapsieve_settle(t->user, &more, why) < 0)
		return -1;
	if (!more.count)
		return sandbox_close(&box, why);
	reads = mem_array(more.count + COUNT(paths), sizeof *reads);
	memcpy(reads, paths, sizeof paths);
	for (size_t i = 0, n = paths[1] ? 2 : 1; i < more.count; i++)
		reads[n++] = more.item[i];
	box.reads = reads;
	done = sandbox_close(&box, why);
	free(reads);
	list_free(&more);
	return done;
}

/* The directories of a new user are made as that user, before the sandbox can only be told about what is there. */
static int
settle_own(struct settling *t, struct fault *why)
{
	if (location_parse(span_of(t->user->mail), t->me.name, t->me.home, &t->own, why) < 0
		|| file_make_directories(text_string(&t->own.root), 0700, why) < 0)
		return -1;
	if (!t->own.index.len || span_is(text_span(&t->own.index), "MEMORY"))
		return 0;
	return file_make_directories(text_string(&t->own.index), 0700, why);
}

int
spaces_settle(void *context, const struct auth_user *u, int authd, struct fault *why)
{
	struct spaces  *out = context;
	struct settling t = {.out = out, .user = u, .me = {span_of(u->user), span_of(u->home)}};
	int             result = settle_own(&t, why);

	out->dictionary = -1;
	out->groups = mem_string(u->groups);
	if (result == 0)
		result = acl_read_global(imap_config.acl, &out->global, why);
	if (result == 0) {
		settle_shared(&t, authd);
		settle_public(&t);
		result = close_around(&t, why);
	}
	for (size_t i = 0; i < t.tree_count; i++)
		free(t.paths[i]);
	free(t.paths);
	free(t.trees);
	location_free(&t.own);
	return result;
}

void
spaces_free(struct spaces *s)
{
	for (size_t i = 0; i < s->count; i++)
		free_space(&s->at[i]);
	free(s->at);
	text_free(&s->global);
	free(s->groups);
	if (s->dictionary >= 0)
		close(s->dictionary);
}
