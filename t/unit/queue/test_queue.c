/* SPDX-License-Identifier: ISC */
/*
 * test_queue.c - a message from draft to removal, and what is refused
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "base/file.h"
#include "queue/queue_file.h"

static char root[] = "/tmp/queueXXXXXX";

static struct queue *
fresh(void)
{
	struct queue *q;

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(queue_make(root, (uid_t)-1, (gid_t)-1, NULL), 0);
	ck_assert_int_eq(queue_open(root, &q, NULL), 0);
	return q;
}

static void
gone(struct queue *q)
{
	char *command = mem_format("rm -r %s", root);

	queue_close(q);
	ck_assert_int_eq(system(command), 0);
	free(command);
}

static const struct span content = {"Subject: hi\r\n\r\nbody\r\n", 21};

static void
write_message(struct queue *q, int rcpts, enum queue_state s, struct queue_id *id)
{
	struct queue_draft   *d;
	struct piece          pieces[2] = {{0, 0}, {QUEUE_CONTENT_AT, 21}};
	struct queue_envelope e = {.sender = SPAN("a@example.net"),
	                           .envid = SPAN("x\0y"),
	                           .arrival_us = 17,
	                           .trace = true,
	                           .content = {.pieces = pieces, .n_pieces = 2}};
	char                  address[40];
	struct fault          why = {0};

	ck_assert_msg(queue_draft_open(q, NULL, &d, &why) == 0, "%s", fault_text(&why));
	memcpy(id->text, queue_draft_id(d), QUEUE_ID_SIZE);
	ck_assert_int_eq(file_write_at(queue_draft_fd(d), content, QUEUE_CONTENT_AT, NULL), 0);
	ck_assert_int_eq(
	        file_write_at(queue_draft_fd(d), SPAN("junk"), QUEUE_CONTENT_AT + 21, NULL), 0);
	ck_assert_int_eq(queue_draft_content(d, 21, NULL), 0);
	ck_assert_int_eq(queue_draft_insert(d, SPAN("X: y\r\n"), &pieces[0], NULL), 0);
	ck_assert_int_eq(queue_draft_envelope(d, &e, NULL), 0);
	for (int i = 0; i < rcpts; i++) {
		struct queue_rcpt r = {
		        .address = span_at(address, (size_t)snprintf(address, sizeof address,
		                                                     "u%d@example.org", i)),
		        .orcpt = SPAN("rfc822;u"),
		        .notify = 6};

		ck_assert_int_eq(queue_draft_rcpt(d, &r, NULL), 0);
	}
	ck_assert_msg(queue_draft_commit(d, s, &why) == 0, "%s", fault_text(&why));
}

UNIT_TEST(ids_have_the_known_shape)
{
	static const struct { int64_t us; uint64_t n; const char *text; } rows[] = {
		{0, 0, "0000000000z0"},
		{1795181160123456, 51, NULL},
		{INT64_MAX / 2, UINT64_MAX / 4, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct queue_id id;
		int64_t         us;
		uint64_t        n;

		queue_id_make(rows[i].us, rows[i].n, &id);
		if (rows[i].text)
			ck_assert_str_eq(id.text, rows[i].text);
		ck_assert(queue_id_valid(span_of(id.text)));
		ck_assert(queue_id_parse(span_of(id.text), &us, &n));
		ck_assert(us == rows[i].us && n == rows[i].n);
		ck_assert_uint_eq(
		        strspn(id.text, "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"),
		        strlen(id.text));
	}
	ck_assert(queue_id_parse(SPAN("3Pt2mN2VXxznjll"), NULL,
	                         NULL)); /* postconf(5), enable_long_queue_ids */
	ck_assert(!queue_id_parse(SPAN("A1B2C3D4E5"), NULL, NULL));
	ck_assert(queue_id_valid(SPAN("A1B2C3D4E5")));
	ck_assert(!queue_id_valid(SPAN("../../etc/passwd")) &&
	          !queue_id_valid(SPAN("4gHb2X1Qzkz3D9f.part")));
}
END_TEST

UNIT_TEST(numbers_survive_a_restart)
{
	struct queue   *q = fresh();
	struct queue_id id;
	uint64_t        last = 0, n;

	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < (i == 2 ? 5000 : 3); k++) {
			ck_assert_int_eq(queue_new_id(q, 1000000, &id, NULL), 0);
			ck_assert(queue_id_parse(span_of(id.text), NULL, &n) && n > last);
			last = n;
		}
		queue_close(q);
		ck_assert_int_eq(queue_open(root, &q, NULL), 0);
	}
	gone(q);
}
END_TEST

UNIT_TEST(a_message_is_written_and_read)
{
	struct queue                *q = fresh();
	struct queue_id              id, found;
	struct queue_file           *f;
	const struct queue_envelope *e;
	struct queue_scan           *scan;
	struct queue_rcpt            r;
	autoarena struct arena      *arena = arena_new();
	autotext struct text         header = {0}, all = {0};
	int64_t                      at, position = 0, count = 0;
	int                          fd;

	write_message(q, 3000, QUEUE_INCOMING, &id);
	ck_assert_int_eq(queue_scan_open(q, QUEUE_INCOMING, &scan, NULL), 0);
	ck_assert_int_eq(queue_scan_next(scan, &found, NULL, NULL), 1);
	ck_assert_str_eq(found.text, id.text);
	ck_assert_int_eq(queue_scan_next(scan, &found, NULL, NULL), 0);
	queue_scan_close(scan);
	ck_assert_int_eq(queue_move(q, id.text, QUEUE_INCOMING, QUEUE_ACTIVE, NULL), 0);
	ck_assert_int_eq(queue_move(q, id.text, QUEUE_INCOMING, QUEUE_ACTIVE, NULL), 1);
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, id.text, 0, &f, NULL), 1);
	ck_assert_int_eq(queue_file_open(q, QUEUE_ACTIVE, id.text, QUEUE_OPEN_WRITE, &f, NULL), 0);
	e = queue_file_envelope(f);
	ck_span(e->sender, "a@example.net");
	ck_assert(span_equal(e->envid, SPAN("x\0y")) && e->trace && !e->smtputf8 &&
	          e->arrival_us == 17);
	ck_assert_int_eq(e->content.size, 27);
	ck_assert_int_eq(message_header(&e->content, 1000, &header, NULL), 0);
	ck_span(text_span(&header), "X: y\r\nSubject: hi\r\n\r\n");
	ck_assert_int_eq(message_read(&e->content, &position, 4, &all, NULL), 0);
	ck_span(text_span(&all), "X: y");
	for (at = queue_file_rcpt_first(f); queue_file_rcpt(f, at, arena, &r, NULL) == 1;
	     at = r.next, count++) {
		ck_assert(r.state == RCPT_TODO && r.notify == 6);
		if (count % 2)
			ck_assert_int_eq(queue_file_mark(f, r.at, RCPT_DONE, NULL), 0);
	}
	ck_assert_int_eq(count, 3000);
	ck_span(r.address, "u2999@example.org");
	ck_assert_int_eq(queue_file_sync(f, NULL), 0);
	ck_assert_int_eq(queue_file_content(f, &fd, NULL), 0);
	ck_assert_int_lt((int)write(fd, "x", 1), 0);
	close(fd);
	queue_file_close(f);
	ck_assert_int_eq(queue_file_open(q, QUEUE_ACTIVE, id.text, 0, &f, NULL), 0);
	count = 0;
	for (at = queue_file_rcpt_first(f); queue_file_rcpt(f, at, arena, &r, NULL) == 1;
	     at = r.next)
		count += r.state == RCPT_DONE;
	ck_assert_int_eq(count, 1500);
	queue_file_close(f);
	ck_assert_int_eq(queue_remove(q, QUEUE_ACTIVE, id.text, NULL), 0);
	ck_assert_int_eq(queue_remove(q, QUEUE_ACTIVE, id.text, NULL), 1);
	gone(q);
}
END_TEST

UNIT_TEST(a_file_is_open_for_writing_once)
{
	struct queue      *q = fresh();
	struct queue_id    id;
	struct queue_file *f, *g;
	struct fault       why = {0};

	write_message(q, 1, QUEUE_HOLD, &id);
	ck_assert_int_eq(queue_file_open(q, QUEUE_HOLD, id.text, QUEUE_OPEN_WRITE, &f, NULL), 0);
	ck_assert_int_eq(queue_file_open(q, QUEUE_HOLD, id.text, QUEUE_OPEN_WRITE, &g, &why), -1);
	ck_assert_int_eq(why.class, FAULT_TIME);
	ck_assert_int_eq(queue_file_open(q, QUEUE_HOLD, id.text, 0, &g, NULL), 0);
	queue_file_close(g);
	ck_assert_int_eq(queue_file_set_expired(f, NULL), 0);
	queue_file_close(f);
	ck_assert_int_eq(queue_file_open(q, QUEUE_HOLD, id.text, 0, &g, NULL), 0);
	ck_assert(queue_file_expired(g));
	queue_file_close(g);
	gone(q);
}
END_TEST

/* Every byte of head and envelope counts, but for those that change in place. */
UNIT_TEST(damage_is_found)
{
	struct queue        *q = fresh();
	struct queue_id      id;
	struct queue_file   *f;
	autotext struct text whole = {0};
	autofree char       *path = NULL;
	int                  taken = 0;

	write_message(q, 2, QUEUE_INCOMING, &id);
	path = mem_format("%s/incoming/%s", root, id.text);
	ck_assert_int_eq(file_read(path, 1 << 20, &whole, NULL), 0);
	for (size_t i = 0; i < whole.len; i++) {
		bool changes = i >= 504 && i < 512, body = i >= 512 && i < 539, state;

		if (whole.at[i] == '\0' && i < 504)
			continue;
		state = whole.at[i] == '.' && i > 539;
		whole.at[i] ^= 1;
		ck_assert_int_eq(file_replace(path, text_span(&whole), 0600, NULL), 0);
		if (queue_file_open(q, QUEUE_INCOMING, id.text, 0, &f, NULL) == 0) {
			ck_assert_msg(changes || body || state, "byte %zu", i);
			queue_file_close(f);
			taken++;
		}
		whole.at[i] ^= 1;
	}
	ck_assert_int_eq(taken, 8 + 27);
	for (size_t cut = 0; cut < whole.len; cut++) {
		ck_assert_int_eq(truncate(path, 0), 0);
		ck_assert_int_eq(file_replace(path, span_first(text_span(&whole), cut), 0600, NULL),
		                 0);
		ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, id.text, 0, &f, NULL), -1);
	}
	gone(q);
}
END_TEST

UNIT_TEST(another_name_or_kind_is_refused)
{
	struct queue      *q = fresh();
	struct queue_id    id, other;
	struct queue_file *f;
	struct fault       why = {0};
	int                in;

	write_message(q, 1, QUEUE_INCOMING, &id);
	in = queue_directory(q, QUEUE_INCOMING);
	queue_id_make(5, 5, &other);
	ck_assert_int_eq(linkat(in, id.text, in, other.text, 0), 0);
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, other.text, 0, &f, &why), -1);
	ck_assert_int_eq(why.class, FAULT_INPUT);
	ck_assert_int_eq(queue_quarantine(q, QUEUE_INCOMING, other.text, fault_text(&why), NULL),
	                 0);
	queue_id_make(6, 6, &other);
	ck_assert_int_eq(symlinkat(id.text, in, other.text), 0);
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, other.text, 0, &f, &why), -1);
	ck_assert_int_eq(why.class, FAULT_INPUT);
	queue_id_make(7, 7, &other);
	ck_assert_int_eq(mkfifoat(in, other.text, 0600), 0);
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, other.text, 0, &f, &why), -1);
	ck_assert_int_eq(why.class, FAULT_INPUT);
	gone(q);
}
END_TEST

UNIT_TEST(the_journal_may_lose_its_tail)
{
	struct queue           *q = fresh();
	struct queue_id         id;
	struct queue_file      *f;
	struct queue_event      e = {.kind = EVENT_DEFERRED,
	                             .rcpt_at = 700,
	                             .when_us = 8,
	                             .dsn = SPAN("4.4.1"),
	                             .text = SPAN("no\0route")};
	autoarena struct arena *arena = arena_new();
	autofree char          *path = NULL;
	int64_t                 at = 0, last = 0;
	struct stat             st;

	write_message(q, 1, QUEUE_INCOMING, &id);
	path = mem_format("%s/incoming/%s", root, id.text);
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, id.text, QUEUE_OPEN_WRITE, &f, NULL),
	                 0);
	for (e.number = 0; e.number < 3; e.number++)
		ck_assert_int_eq(queue_journal_add(f, &e, NULL), 0);
	for (int i = 0; i < 3; i++) {
		last = at;
		ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 1);
		ck_assert(e.number == i && e.kind == EVENT_DEFERRED && e.rcpt_at == 700 &&
		          e.when_us == 8);
		ck_span(e.text, "no route");
		ck_span(e.dsn, "4.4.1");
	}
	ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 0);
	queue_file_close(f);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 3), 0); /* the third is torn */
	ck_assert_int_eq(queue_file_open(q, QUEUE_INCOMING, id.text, QUEUE_OPEN_WRITE, &f, NULL),
	                 0);
	at = last;
	ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 0);
	e = (struct queue_event){.kind = EVENT_TRIED, .number = 9};
	ck_assert_int_eq(queue_journal_add(f, &e, NULL), 0);
	at = last;
	ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 1);
	ck_assert(e.number == 9 && e.kind == EVENT_TRIED);
	ck_assert_int_eq(queue_journal_next(f, &at, arena, &e, NULL), 0);
	queue_file_close(f);
	gone(q);
}
END_TEST

UNIT_TEST(drafts_are_invisible_and_swept)
{
	struct queue       *q = fresh();
	struct queue_draft *d;
	struct queue_scan  *scan;
	int                 count;
	int64_t             due;
	struct queue_id     id;

	ck_assert_int_eq(queue_draft_open(q, NULL, &d, NULL), 0);
	ck_assert_int_eq(queue_scan_open(q, QUEUE_INCOMING, &scan, NULL), 0);
	ck_assert_int_eq(queue_scan_next(scan, NULL, NULL, NULL), 0);
	queue_scan_close(scan);
	ck_assert(queue_sweep(q, -10, &count, NULL) == 0 && count == 0); /* locked */
	queue_draft_abandon(d);
	ck_assert(close(openat(queue_directory(q, QUEUE_INCOMING), "4gHb2X1Qzkz3D9f.part",
	                       O_CREAT | O_WRONLY, 0600)) == 0);
	ck_assert(queue_sweep(q, 1000, &count, NULL) == 0 && count == 0);
	ck_assert(queue_sweep(q, -10, &count, NULL) == 0 && count == 1);
	write_message(q, 1, QUEUE_INCOMING, &id);
	ck_assert_int_eq(queue_set_due(q, QUEUE_INCOMING, id.text, 1234567890123456, NULL), 0);
	ck_assert_int_eq(queue_due(q, QUEUE_INCOMING, id.text, &due, NULL), 0);
	ck_assert_int_eq(due, 1234567890123456);
	gone(q);
}
END_TEST

/* What pickup brings keeps its name: whoever is killed, it is queued once. */
UNIT_TEST(a_name_is_claimed_once)
{
	struct queue       *q = fresh();
	struct queue_id     id;
	struct queue_draft *one, *two;
	struct fault        why = {0};
	int                 fd;

	queue_id_make(1795181160123456, 7, &id);
	ck_assert_int_eq(queue_draft_claim(q, &id, &one, NULL), 0);
	ck_assert(queue_draft_claim(q, &id, &two, &why) < 0 && why.class == FAULT_TIME);
	fault_clear(&why);
	queue_draft_abandon(one);
	fd = openat(queue_directory(q, QUEUE_INCOMING), "4gHb2X1Qzkz9.part", O_CREAT | O_WRONLY, 0600);
	ck_assert(fd >= 0 && write(fd, "half", 4) == 4 && close(fd) == 0);
	memcpy(id.text, "4gHb2X1Qzkz9", 13); /* its writer is dead: taken over, empty */
	ck_assert_int_eq(queue_draft_claim(q, &id, &one, NULL), 0);
	ck_assert_int_lt(queue_draft_content(one, 1, NULL), 0);
	queue_draft_abandon(one);
	for (enum queue_state s = QUEUE_INCOMING; s <= QUEUE_CORRUPT; s++) {
		write_message(q, 1, QUEUE_INCOMING, &id);
		ck_assert_int_eq(queue_move(q, id.text, QUEUE_INCOMING, s, NULL), 0);
		ck_assert_int_eq(queue_draft_claim(q, &id, &one, NULL), 1);
	}
	gone(q);
}
END_TEST

UNIT_TEST(a_finished_message_takes_its_maildrop_file_along)
{
	struct queue   *q = fresh();
	struct queue_id id;
	int             fd, dir = queue_directory(q, QUEUE_MAILDROP);

	write_message(q, 1, QUEUE_INCOMING, &id);
	fd = openat(dir, id.text, O_CREAT | O_WRONLY, 0444);
	ck_assert(fd >= 0 && close(fd) == 0);
	ck_assert_int_eq(queue_remove(q, QUEUE_INCOMING, id.text, NULL), 0);
	ck_assert_int_lt(faccessat(dir, id.text, F_OK, 0), 0);
	gone(q);
}
END_TEST

UNIT_TEST(pieces_are_bounded)
{
	static const char *const bad[] = {
	        "1", "1+", "+1", "1+2,", ",1+2", "1+2 3+4", "-1+2", "1+9223372036854775807", "a+b"};
	struct message_content   m = {0};

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(message_pieces_parse(span_of(bad[i]), &m, NULL) < 0, "%s", bad[i]);
	ck_assert(message_pieces_parse(SPAN("512+1200,3000+80"), &m, NULL) == 0 &&
	          m.n_pieces == 2 && m.size == 1280);
	message_content_free(&m);
	ck_assert(message_pieces_parse(SPAN(""), &m, NULL) == 0 && m.size == 0);
	message_content_free(&m);
}
END_TEST

UNIT_MAIN("queue/queue", ids_have_the_known_shape, numbers_survive_a_restart,
          a_message_is_written_and_read, a_file_is_open_for_writing_once, damage_is_found,
          another_name_or_kind_is_refused, the_journal_may_lose_its_tail,
          drafts_are_invisible_and_swept, a_name_is_claimed_once,
          a_finished_message_takes_its_maildrop_file_along, pieces_are_bounded)
