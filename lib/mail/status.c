/* SPDX-License-Identifier: ISC */
/*
 * status.c - enhanced status codes (RFC 3463)
 */
#include "mail/status.h"

#include <stdio.h>

static bool
take_number(struct span *in, size_t digits, uint16_t *value)
{
	unsigned n = 0;
	size_t   i = 0;

	while (i < in->len && i < digits && ascii_digit(in->at[i]))
		n = n * 10 + (unsigned)(in->at[i++] - '0');
	if (i == 0)
		return false;
	*value = (uint16_t)n;
	*in = span_from(*in, i);
	return true;
}

static bool
take_dot(struct span *in)
{
	if (in->len == 0 || in->at[0] != '.')
		return false;
	*in = span_from(*in, 1);
	return true;
}

bool
status_parse(struct span in, struct status *status, struct span *rest)
{
	struct status s = {0};

	if (!take_number(&in, 1, &s.class) || !take_dot(&in) || !take_number(&in, 3, &s.subject) ||
	    !take_dot(&in) || !take_number(&in, 3, &s.detail))
		return false;
	if ((s.class != 2 && s.class != 4 && s.class != 5) ||
	    (in.len && !strchr(" \t\r\n", in.at[0] ? in.at[0] : '0')))
		return false;
	*status = s;
	if (rest)
		*rest = span_trim(in);
	return true;
}

const char *
status_string(struct status s, char buffer[STATUS_TEXT_SIZE])
{
	snprintf(buffer, STATUS_TEXT_SIZE, "%u.%u.%u", s.class % 10u, s.subject % 1000u,
	         s.detail % 1000u);
	return buffer;
}

void
status_add(struct status s, struct text *out)
{
	char buffer[STATUS_TEXT_SIZE];

	text_add_string(out, status_string(s, buffer));
}

bool
status_equal(struct status a, struct status b)
{
	return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}

struct status
status_of_code(int code)
{
	int class = code / 100;

	return (struct status){(uint16_t)(class == 2 || class == 4 ? class : 5), 0, 0};
}

struct status
status_with_class(struct status s, int class)
{
	s.class = (uint16_t)class;
	return s;
}
