/* SPDX-License-Identifier: ISC */
/*
 * submit_edit.c - edits: records of what milters want changed (submit.h has their shape)
 */
#include "ipc/submit.h"

#include <string.h>

static void
put_record(struct text *out, char op, size_t count, const struct span *fields)
{
	text_add_byte(out, op);
	text_add_byte(out, (char)('0' + count));
	for (size_t i = 0; i < count; i++) {
		size_t n = fields[i].len;
		char   len[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

		text_add(out, span_at(len, 4));
		text_add(out, fields[i]);
	}
}

static void
put_header_edit(struct text *out, char op, int64_t number, struct span name, struct span value)
{
	autofree char *n = mem_format("%lld", (long long)number);

	put_record(out, op, 3, (struct span[]){span_of(n), name, value});
}

void
submit_edit_add(struct text *out, int64_t at, struct span name, struct span value)
{
	put_header_edit(out, 'A', at, name, value);
}

void
submit_edit_change(struct text *out, int64_t nth, struct span name, struct span value)
{
	put_header_edit(out, 'C', nth, name, value);
}

void
submit_edit_body(struct text *out, int64_t at, int64_t length)
{
	autofree char *piece = mem_format("%lld+%lld", (long long)at, (long long)length);

	put_record(out, 'B', 1, (struct span[]){span_of(piece)});
}

void
submit_edit_sender(struct text *out, struct span sender)
{
	put_record(out, 'S', 1, &sender);
}

void
submit_edit_rcpt(struct text *out, struct span address, struct span orcpt)
{
	put_record(out, 'R', 2, (struct span[]){address, orcpt});
}

void
submit_edit_rcpt_notify(struct text *out, struct span address, struct span orcpt, int64_t notify)
{
	autofree char *n = mem_format("%lld", (long long)notify);

	put_record(out, 'N', 3, (struct span[]){span_of(n), address, orcpt});
}

void
submit_edit_dsn(struct text *out, struct span ret, struct span envid)
{
	put_record(out, 'E', 2, (struct span[]){ret, envid});
}

void
submit_edit_rcpt_delete(struct text *out, struct span address)
{
	put_record(out, 'D', 1, &address);
}

void
submit_edit_hold(struct text *out)
{
	put_record(out, 'H', 0, NULL);
}

static bool
take_field(struct span *rest, struct span *field)
{
	const unsigned char *n = (const unsigned char *)rest->at;
	size_t               len;

	if (rest->len < 4)
		return false;
	len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
	if (rest->len - 4 < len)
		return false;
	*field = span_cut(*rest, 4, 4 + len);
	*rest = span_from(*rest, 4 + len);
	return true;
}

static bool
read_number(struct span s, int64_t *out)
{
	bool     minus = span_is(s, "-1");
	uint64_t n;

	if (!minus && (!span_number(s, &n) || n > INT64_MAX / 2))
		return false;
	*out = minus ? -1 : (int64_t)n;
	return true;
}

static bool
read_edit(char op, const struct span *fields, struct submit_edit *e)
{
	struct span rest = fields[0], at;

	*e = (struct submit_edit){.op = op, .name = SPAN_NONE, .value = SPAN_NONE};
	switch (op) {
	case 'A':
	case 'C':
	case 'N':
		e->name = fields[1];
		e->value = fields[2];
		return read_number(fields[0], &e->number);
	case 'B':
		return span_split(&rest, '+', &at) && read_number(at, &e->number) &&
		       read_number(rest, &e->length) && e->number >= 0 && e->length >= 0;
	default:
		e->name = fields[0];
		e->value = fields[1];
		return true;
	}
}

int
submit_edit_next(struct span *rest, struct submit_edit *out, struct fault *why)
{
	static const char ops[] = "ACBSRDHNE", counts[] = "331121032";
	struct span       fields[3] = {SPAN_NONE, SPAN_NONE, SPAN_NONE}, left;
	const char       *op;
	struct submit_edit e;

	if (rest->len == 0)
		return 0;
	op = rest->at[0] ? strchr(ops, rest->at[0]) : NULL;
	if (!op || rest->len < 2 || rest->at[1] != counts[op - ops])
		return fault_set(why, FAULT_INPUT, "malformed edit");
	left = span_from(*rest, 2);
	for (int i = 0; i < rest->at[1] - '0'; i++)
		if (!take_field(&left, &fields[i]))
			return fault_set(why, FAULT_INPUT, "malformed edit");
	if (!read_edit(*op, fields, &e))
		return fault_set(why, FAULT_INPUT, "malformed edit");
	*rest = left;
	*out = e;
	return 1;
}
