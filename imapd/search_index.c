/* SPDX-License-Identifier: ISC */
/*
 * search_index.c - the index that answers SEARCH for strings, and its making while nobody waits
 */
#include "search_index.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "content.h"
#include "imap_config.h"
#include "names.h"
#include "search/fuzzy.h"
#include "search/message.h"
#include "search/shelf.h"
#include "search_run.h"

enum { KEYS_MOST = 32, KNOWN_BYTES_MOST = 64 << 20, SLICE_MS = INDEX_PAUSE_MS, LINGER_MS = 20000 };

struct search_index {
	struct imap_session   *session;
	struct folder         *folder;       /* borrowed */
	int                    directory;    /* owned, or -1: the mailbox's */
	struct shelf           shelf;
	bool                   wanted;
	struct search_builder *builder;      /* of the segment that is being made; the lock is held meanwhile */
	uint32_t               first, next;  /* UIDs: it begins with, the next to look at */
	struct arena          *arena;        /* of a message */
};

/* ------------------------------------------------------------ where it is */

static int
open_directory(const char *path, struct fault *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? fault_errno(why, "open %s", path) : fd;
}

/* Beside those of other mailboxes: named by what stays when a mailbox is renamed. */
static char *
prefix_of(const struct folder *f)
{
	const char *name = f->list.guid[0] ? f->list.guid : f->name;
	uint64_t    h = 14695981039346656037ull;

	for (size_t i = 0; name[i]; i++)
		h = (h ^ (unsigned char)name[i]) * 1099511628211ull;
	return mem_format("postern.search.%016llx.", (unsigned long long)h);
}

static struct search_index *
index_of(struct imap_session *s, struct folder *f)
{
	struct search_index *x;
	autofree char       *prefix = NULL;
	int                  directory = -1;

	if (f->maildir != s->maildir) /* somebody else's: what is written there would be ours, and he could not read it */
		return NULL;
	if (!imap_config.search_index_limit || (s->index_directory && strcmp(s->index_directory, "MEMORY") == 0))
		return NULL;
	if (s->index_directory && (directory = open_directory(s->index_directory, NULL)) < 0)
		return NULL;
	prefix = s->index_directory ? prefix_of(f) : mem_string("postern.search.");
	x = mem_alloc(sizeof *x);
	*x = (struct search_index){.session = s, .folder = f, .directory = directory, .arena = arena_new()};
	shelf_open(&x->shelf, directory >= 0 ? directory : f->dir, prefix, f->list.validity);
	return x;
}

static struct search_index *
selected(struct imap_session *s)
{
	if (!s->search && s->folder)
		s->search = index_of(s, s->folder);
	if (s->search && s->search->shelf.directory != s->folder->dir && s->search->directory < 0)
		s->search->shelf.directory = s->folder->dir; /* cur/ and new/ were made anew */
	return s->search;
}

/* ------------------------------------------------------------ asking */

struct asking {
	struct search_key *keys[KEYS_MOST];
	size_t             count;
};

static void
collect(struct asking *a, struct search_key *k)
{
	for (; k; k = k->next) {
		k->known = NULL; /* of an earlier command, where the program is kept */
		if (k->kind >= SEARCH_HEADER && k->text.len && a->count < KEYS_MOST)
			a->keys[a->count++] = k;
		collect(a, k->first);
		collect(a, k->second);
	}
}

/* Positions in the view of a segment's messages; SIZE_MAX: it is not there, or another under that UID. */
static void
find_positions(const struct search_segment *g, const struct folder *f, const struct view *v, size_t *positions)
{
	for (size_t i = 0; i < g->count; i++) {
		uint32_t              uid = search_segment_uid(g, i);
		const struct message *m = folder_find(f, uid);
		size_t                at = view_position(v, uid);

		positions[i] = m && at < v->count && span_equal(message_base(f, m), search_segment_base(g, i)) ? at : SIZE_MAX;
	}
}

static void
ask_segment(const struct asking *a, const struct search_segment *g, const size_t *positions)
{
	autofree unsigned char *verdicts = mem_alloc(g->count + 1), *scores = mem_alloc(g->count + 1);

	for (size_t k = 0; k < a->count; k++) {
		struct search_key *key = a->keys[k];
		unsigned           zones = search_key_zones(key);

		if (key->fuzzy)
			search_segment_like(g, key->fuzzy, zones, verdicts, scores);
		else
			search_segment_ask(g, key->text, zones, verdicts);
		for (size_t i = 0; i < g->count; i++) {
			if (positions[i] == SIZE_MAX)
				continue;
			/* fields without a zone of their own share one */
			key->known[positions[i]] = verdicts[i] == SEARCH_YES && zones == ZONE_HEADER ? SEARCH_LOOK : verdicts[i];
			if (key->fuzzy)
				key->known_scores[positions[i]] = scores[i];
		}
	}
}

static void
ask_shelf(struct shelf *shelf, const struct asking *a, const struct folder *f, const struct view *v)
{
	for (size_t i = 0; i < shelf->count; i++) {
		const struct search_segment *g = &shelf->at[i].segment;
		autofree size_t             *positions = mem_array(g->count + 1, sizeof *positions);

		find_positions(g, f, v, positions);
		ask_segment(a, g, positions);
	}
}

void
search_index_ask(struct imap_session *s, struct folder *f, const struct view *v, size_t messages, struct search_key *program)
{
	struct asking        a = {0};
	struct search_index *x;

	collect(&a, program);
	while (a.count && a.count * v->count > KNOWN_BYTES_MOST)
		a.count--;
	if (!a.count || messages < INDEX_WANTED_FROM || !(x = f == s->folder ? selected(s) : index_of(s, f)))
		return;
	shelf_look(&x->shelf);
	for (size_t k = 0; k < a.count && x->shelf.count; k++) {
		a.keys[k]->known = arena_alloc(s->arena, v->count);
		memset(a.keys[k]->known, SEARCH_LOOK, v->count);
		if (a.keys[k]->fuzzy)
			a.keys[k]->known_scores = arena_alloc(s->arena, v->count);
	}
	if (x->shelf.count)
		ask_shelf(&x->shelf, &a, f, v);
	if (f != s->folder)
		search_index_free(x);
}

/* ------------------------------------------------------------ making */

/* A message that came after this snapshot is another session's. */
static bool
is_there(void *context, uint32_t uid, struct span base)
{
	const struct search_index *x = context;
	const struct message      *m = folder_find(x->folder, uid);

	return uid > x->folder->highest || (m && span_equal(message_base(x->folder, m), base));
}

static void
put(struct search_index *x, struct search_builder *b, uint32_t first, uint32_t last, size_t replaced, size_t count)
{
	autotext struct text bytes = {0};
	struct fault         why = {0};

	search_builder_write(b, x->shelf.validity, first, last, &bytes);
	if (shelf_put(&x->shelf, text_span(&bytes), replaced, count, &why) < 0) {
		log_warning("imap(%s): search index: %s", x->session->user->name, fault_text(&why));
		x->wanted = false;
	}
}

/* Files from `at` on become one, without what is gone. */
static void
join(struct search_index *x, size_t at, size_t count)
{
	struct search_builder *b = search_builder_new();
	const struct shelf    *s = &x->shelf;

	for (size_t i = at; i < at + count; i++)
		search_builder_segment(b, &s->at[i].segment, is_there, x);
	put(x, b, s->at[at].first, s->at[at + count - 1].last, at, count);
	search_builder_free(b);
}

/* The newest two, when the newer has become half of the other: so there are few, and no word is written often. */
static bool
join_newest(struct search_index *x)
{
	const struct shelf      *s = &x->shelf;
	const struct shelf_file *a, *b;

	if (s->count < 2)
		return false;
	a = &s->at[s->count - 2];
	b = &s->at[s->count - 1];
	if (b->len < a->len / 2 || a->len + b->len > INDEX_SEGMENT_BYTES || a->segment.count + b->segment.count > SEGMENT_MESSAGES_MOST)
		return false;
	join(x, s->count - 2, 2);
	return x->wanted;
}

/* A file of which a quarter is gone is written anew, so that words of what was deleted do not stay. */
static bool
drop_deleted(struct search_index *x)
{
	for (size_t i = 0; i < x->shelf.count; i++) {
		const struct search_segment *g = &x->shelf.at[i].segment;
		size_t                       gone = 0;

		for (size_t k = 0; k < g->count; k++)
			gone += !is_there(x, search_segment_uid(g, k), search_segment_base(g, k));
		if (gone * 4 > g->count) {
			join(x, i, 1);
			return x->wanted;
		}
	}
	return false;
}

static bool
stop(struct search_index *x)
{
	x->wanted = false;
	shelf_unlock(&x->shelf);
	return false;
}

/* True: there is a builder now, or a file was put in order. */
static bool
begin(struct search_index *x)
{
	struct shelf *s = &x->shelf;

	if (!shelf_lock(s))
		return stop(x);
	shelf_look(s);
	if (s->crowded)
		shelf_tidy(s);
	if (join_newest(x) || drop_deleted(x))
		return true;
	if (!x->wanted) /* nothing can be written */
		return stop(x);
	x->first = x->next = s->count ? s->at[s->count - 1].last + 1 : 1;
	if (x->next == 0 || x->folder->count - folder_position(x->folder, x->next) < INDEX_WANTED_FROM
		|| shelf_bytes(s) >= (uint64_t)imap_config.search_index_limit)
		return stop(x);
	x->builder = search_builder_new();
	return true;
}

static bool
add_piece(void *builder, const struct search_piece *p)
{
	search_builder_piece(builder, p);
	return true;
}

/* One that cannot be read stays out, and is looked at by whoever searches. */
static void
add_message(struct search_index *x, const struct message *m)
{
	struct search_visitor v = {.visit = add_piece, .context = x->builder};
	struct content        c;
	struct span           header;
	struct mime          *mime;
	struct fault          why = {0};
	autofree char        *base = mem_span(message_base(x->folder, m));

	content_start(&c, x->session, m->uid, x->arena);
	c.folder = x->folder;
	if (content_mime(&c, &mime, &why) == 0 && content_header(&c, &header, &why) == 0) {
		search_builder_message(x->builder, x->next - 1, span_of(base));
		search_header(header, &v);
		search_body(mime, ZONE_BODY | ZONE_MIME, &v);
	}
	content_end(&c);
	text_free(&x->session->spare); /* no command ends behind it */
	fault_clear(&why);
}

/* What was made becomes a file. */
static void
finish_batch(struct search_index *x)
{
	put(x, x->builder, x->first, x->next - 1, 0, 0);
	search_builder_free(take(x->builder));
}

/* One message, or one file.  False: nothing is left to do. */
static bool
step(struct search_index *x)
{
	size_t at;

	if (!x->wanted)
		return false;
	if (!x->builder)
		return begin(x);
	at = folder_position(x->folder, x->next);
	if (at < x->folder->count && search_builder_count(x->builder) < INDEX_BATCH_MESSAGES
		&& search_builder_size(x->builder) < INDEX_BATCH_BYTES) {
		x->next = x->folder->messages[at].uid + 1;
		add_message(x, &x->folder->messages[at]);
		return true;
	}
	finish_batch(x);
	return x->wanted || stop(x);
}

void
search_index_free(struct search_index *x)
{
	if (!x)
		return;
	if (x->builder && search_builder_count(x->builder) >= INDEX_WANTED_FROM)
		finish_batch(x);
	search_builder_free(x->builder);
	shelf_close(&x->shelf);
	if (x->directory >= 0)
		close(x->directory);
	arena_free(x->arena);
	free(x);
}

/* ------------------------------------------------------------ when */

void
search_index_wants(struct imap_session *s, size_t read)
{
	struct search_index *x = read >= INDEX_WANTED_FROM ? selected(s) : NULL;

	if (x)
		x->wanted = true;
}

void
search_index_keep_up(struct imap_session *s)
{
	struct search_index *x = s->folder ? selected(s) : NULL;

	if (!x || x->wanted)
		return;
	shelf_look(&x->shelf);
	x->wanted = x->shelf.count > 0;
}

bool
search_index_work(struct imap_session *s)
{
	int64_t              until = clock_after(SLICE_MS);
	struct search_index *x = s->search && s->search->wanted ? selected(s) : NULL;

	while (x && x->wanted && clock_left(until) > 0 && !conn_input_waits(s->conn))
		step(x);
	return x && x->wanted;
}

void
search_index_wait(struct imap_session *s, int64_t deadline)
{
	struct pollfd fd = {conn_fd(s->conn), POLLIN, 0};

	if (!s->search || !s->search->wanted || conn_input_waits(s->conn))
		return;
	conn_deadline(s->conn, clock_after(imap_config.timeout));
	if (conn_flush(s->conn, NULL) < 0) { /* its answer comes before the work that it made */
		s->over = true;
		s->end = "Connection closed";
		return;
	}
	while (s->search && clock_left(deadline) > 0 && !conn_input_waits(s->conn) && search_index_work(s))
		poll(&fd, 1, INDEX_PAUSE_MS);
}

void
search_index_linger(struct imap_session *s)
{
	int64_t until = clock_after(LINGER_MS);

	if (!s->user->means || s->asleep || !s->search || !s->search->wanted)
		return;
	shutdown(conn_fd(s->conn), SHUT_RDWR);
	while (clock_left(until) > 0 && step(s->search))
		continue;
}

void
do_xindex(struct imap_session *s)
{
	autofree char       *name = NULL;
	struct search_index *x;
	struct folder       *f;

	if (s->user->means) { /* mailbox-tool's alone: a client's index is made while it does not wait */
		imap_finish(s, "BAD Unknown command.");
		return;
	}
	if (!argument_is_astring(s->command.arguments)) {
		imap_bad_arguments(s);
		return;
	}
	if (name_to_folder(s, s->command.arguments->text, &name, &s->why) < 0 || imap_open_folder(s, name, FOLDER_READ_ONLY, &f) < 0) {
		imap_finish_fault(s, "Index failed");
		return;
	}
	x = index_of(s, f);
	if (x)
		x->wanted = true;
	while (x && step(x))
		continue;
	if (x)
		shelf_look(&x->shelf);
	imap_finish(s, "OK %zu files, %llu bytes.", x ? x->shelf.count : 0, (unsigned long long)(x ? shelf_bytes(&x->shelf) : 0));
	search_index_free(x);
	folder_close(f);
}
