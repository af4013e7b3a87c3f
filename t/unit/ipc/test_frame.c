/* SPDX-License-Identifier: ISC */
/*
 * test_frame.c - frames arrive whole, or not at all
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "ipc/frame.h"

struct ask {
	struct span address;
	int64_t     size;
	bool        utf8;
	int         content;
};

static const struct field fields[] = {
	FIELD_TEXT(struct ask, address, "address", FIELD_NEEDED),
	FIELD_NUMBER(struct ask, size, "size", 0),
	FIELD_FLAG(struct ask, utf8, "utf8", 0),
	FIELD_FD(struct ask, content, "content", 0),
	FIELD_END
};

static void
pass(struct frame *f, struct frame *got)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(frame_send(pair[0], f, clock_after(1000), NULL), 0);
	ck_assert_int_eq(frame_receive(pair[1], got, clock_after(1000), NULL), 0);
	close(pair[0]);
	close(pair[1]);
}

UNIT_TEST(fields_and_descriptors_arrive)
{
	autoframe struct frame f = {0}, got = {0};
	struct ask             a = {.content = -1};
	int                    p[2];
	char                   byte = 'x';

	ck_assert_int_eq(pipe(p), 0);
	frame_start(&f, "ask");
	frame_put(&f, "address", SPAN("a\0b"));
	frame_put_number(&f, "size", -5);
	frame_put_flag(&f, "utf8", true);
	frame_put_fd(&f, "content", p[1]);
	pass(&f, &got);
	ck_assert(frame_is(&got, "ask"));
	ck_assert_int_eq(frame_decode(&got, fields, &a, NULL), 0);
	ck_assert(span_equal(a.address, SPAN("a\0b")) && a.size == -5 && a.utf8);
	ck_assert_int_eq(write(a.content, &byte, 1), 1);
	ck_assert_int_eq(read(p[0], &byte, 1), 1);
}
END_TEST

UNIT_TEST(unknown_missing_and_malformed_fields_are_refused)
{
	static const struct { const char *name, *value; } rows[] = {
		{"odd", "x"}, {"size", "5"}, {"size", "five"}, {"utf8", "maybe"}, {"content", "0"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoframe struct frame f = {0}, got = {0};
		struct ask             a = {.content = -1};

		frame_start(&f, "ask");
		if (i != 1)
			frame_put_string(&f, "address", "a");
		frame_put_string(&f, rows[i].name, rows[i].value);
		pass(&f, &got);
		ck_assert_int_lt(frame_decode(&got, fields, &a, NULL), 0);
	}
}
END_TEST

UNIT_TEST(too_large_is_refused_before_sending)
{
	autoframe struct frame f = {0};
	autotext struct text   big = {0};
	struct fault           why = {0};

	text_room(&big, FRAME_MAX);
	big.len = FRAME_MAX;
	memset(big.at, 'x', big.len);
	frame_start(&f, "ask");
	frame_put(&f, "address", text_span(&big));
	ck_assert_int_lt(frame_send(0, &f, 0, &why), 0);
	ck_assert_int_eq(why.class, FAULT_INPUT);
}
END_TEST

UNIT_MAIN("ipc/frame", fields_and_descriptors_arrive, unknown_missing_and_malformed_fields_are_refused,
          too_large_is_refused_before_sending)
