/* SPDX-License-Identifier: ISC */
/*
 * packet.c - the milter protocol's packets
 */
#include "milter/packet.h"

enum shape { NOTHING, STRING, STRING_AND_MORE, TWO_STRINGS, NUMBER_AND_TWO, BYTES, OPTIONS };

static const struct {
	char        code;
	enum shape  shape;
	const char *name;
} replies[] = {
	{REPLY_ADD_RCPT, STRING, "SMFIR_ADDRCPT"},
	{REPLY_ADD_RCPT_ARGS, STRING_AND_MORE, "SMFIR_ADDRCPT_PAR"},
	{REPLY_DELETE_RCPT, STRING, "SMFIR_DELRCPT"},
	{REPLY_SHUTDOWN, NOTHING, "SMFIR_SHUTDOWN"},
	{REPLY_ACCEPT, NOTHING, "SMFIR_ACCEPT"},
	{REPLY_BODY, BYTES, "SMFIR_REPLBODY"},
	{REPLY_CONTINUE, NOTHING, "SMFIR_CONTINUE"},
	{REPLY_DISCARD, NOTHING, "SMFIR_DISCARD"},
	{REPLY_SENDER, STRING_AND_MORE, "SMFIR_CHGFROM"},
	{REPLY_CONNECTION_FAILED, NOTHING, "SMFIR_CONN_FAIL"},
	{REPLY_ADD_HEADER, TWO_STRINGS, "SMFIR_ADDHEADER"},
	{REPLY_INSERT_HEADER, NUMBER_AND_TWO, "SMFIR_INSHEADER"},
	{REPLY_CHANGE_HEADER, NUMBER_AND_TWO, "SMFIR_CHGHEADER"},
	{REPLY_OPTIONS, OPTIONS, "SMFIC_OPTNEG"},
	{REPLY_PROGRESS, NOTHING, "SMFIR_PROGRESS"},
	{REPLY_QUARANTINE, STRING, "SMFIR_QUARANTINE"},
	{REPLY_REJECT, NOTHING, "SMFIR_REJECT"},
	{REPLY_SKIP, NOTHING, "SMFIR_SKIP"},
	{REPLY_TEMPFAIL, NOTHING, "SMFIR_TEMPFAIL"},
	{REPLY_TEXT, STRING, "SMFIR_REPLYCODE"},
};

static const struct {
	char        command;
	const char *name;
} commands[] = {
	{'A', "SMFIC_ABORT"}, {'B', "SMFIC_BODY"}, {'C', "SMFIC_CONNECT"}, {'D', "SMFIC_MACRO"}, {'E', "SMFIC_BODYEOB"},
	{'H', "SMFIC_HELO"}, {'L', "SMFIC_HEADER"}, {'M', "SMFIC_MAIL"}, {'N', "SMFIC_EOH"}, {'O', "SMFIC_OPTNEG"},
	{'Q', "SMFIC_QUIT"}, {'R', "SMFIC_RCPT"}, {'T', "SMFIC_DATA"}, {'U', "SMFIC_UNKNOWN"},
};

const char *
milter_command_name(char command)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (commands[i].command == command)
			return commands[i].name;
	return "SMFIC_UNKNOWN";
}

const char *
milter_reply_name(char code)
{
	for (size_t i = 0; i < COUNT(replies); i++)
		if (replies[i].code == code)
			return replies[i].name;
	return "unknown";
}

/* ---- parsing ---- */

static bool
take_number(struct span *rest, uint32_t *out)
{
	const unsigned char *n = (const unsigned char *)rest->at;

	if (rest->len < 4)
		return false;
	*out = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
	*rest = span_from(*rest, 4);
	return true;
}

static bool
take_string(struct span *rest, struct span *out)
{
	return span_split(rest, '\0', out);
}

static bool
parse_data(enum shape shape, struct span data, struct milter_reply *r)
{
	switch (shape) {
	case NOTHING: /* what some libraries put behind is not ours to judge */
		return true;
	case STRING:
		return take_string(&data, &r->first);
	case STRING_AND_MORE:
		return take_string(&data, &r->first) && (data.len == 0 || take_string(&data, &r->second));
	case TWO_STRINGS:
		return take_string(&data, &r->first) && take_string(&data, &r->second);
	case NUMBER_AND_TWO:
		return take_number(&data, &r->number) && take_string(&data, &r->first) && take_string(&data, &r->second);
	case OPTIONS:
		if (!take_number(&data, &r->version) || !take_number(&data, &r->actions) || !take_number(&data, &r->steps))
			return false;
		/* fall through */
	case BYTES:
		r->first = data;
		return true;
	}
	return false;
}

int
milter_reply_parse(struct span packet, struct milter_reply *out, struct fault *why)
{
	struct milter_reply r = {.first = SPAN_NONE, .second = SPAN_NONE};

	if (packet.len == 0)
		return fault_set(why, FAULT_INPUT, "empty reply packet");
	r.code = packet.at[0];
	for (size_t i = 0; i < COUNT(replies); i++) {
		if (replies[i].code != r.code)
			continue;
		if (!parse_data(replies[i].shape, span_from(packet, 1), &r))
			return fault_set(why, FAULT_INPUT, "malformed %s packet", replies[i].name);
		*out = r;
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "unknown reply packet 0x%02x", (unsigned char)r.code);
}

int
milter_macros_next(struct span *rest, uint32_t *stage, struct span *names, struct fault *why)
{
	struct span left = *rest;

	if (left.len == 0)
		return 0;
	if (!take_number(&left, stage) || !take_string(&left, names))
		return fault_set(why, FAULT_INPUT, "malformed macro list");
	*rest = left;
	return 1;
}

/* "550", "550 text", "550-text" */
static bool
line_is_reply(struct span line)
{
	return line.len >= 3 && (line.at[0] == '4' || line.at[0] == '5') && ascii_digit(line.at[1]) && ascii_digit(line.at[2]) &&
	       (line.len == 3 || line.at[3] == ' ' || line.at[3] == '-') &&
	       /* an enhanced code of the same class (RFC 2034, 4) */
	       (line.len < 6 || !ascii_digit(line.at[4]) || line.at[5] != '.' || line.at[4] == line.at[0]);
}

static void
add_line(struct span line, bool soft, bool last, struct text *out)
{
	text_add_byte(out, soft ? '4' : line.at[0]);
	text_add(out, span_cut(line, 1, 3));
	text_add_byte(out, last ? ' ' : '-');
	for (size_t i = 4; i < line.len; i++) {
		char c = line.at[i];

		if (i == 4 && soft && c == '5' && line.len > 5 && line.at[5] == '.')
			c = '4';
		text_add_byte(out, (unsigned char)c < 32 || c == 127 ? (c == '\t' ? ' ' : '?') : c);
		if (c == '%' && i + 1 < line.len && line.at[i + 1] == '%')
			i++;
	}
	if (!last)
		text_add(out, SPAN("\r\n"));
}

int
milter_reply_text(struct span raw, bool soft, struct text *out, struct fault *why)
{
	autotext struct text text = {0};
	struct span          line, code;
	bool                 more = true;

	while (raw.len && (raw.at[raw.len - 1] == '\n' || raw.at[raw.len - 1] == '\r'))
		raw.len--;
	code = span_first(raw, 3);
	while (more) {
		more = span_split(&raw, '\n', &line);
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (!line_is_reply(line) || !span_equal(span_first(line, 3), code) || text.len > 16384)
			return fault_set(why, FAULT_INPUT, "malformed reply: %.*s", SPAN_ARGS(span_first(line, 100)));
		add_line(line, soft && code.at[0] == '5', !more, &text);
	}
	text_set(out, text_span(&text));
	return 0;
}

/* ---- building ---- */

static void
put_number(struct text *out, uint32_t n)
{
	char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

	text_add(out, span_at(bytes, 4));
}

void
milter_put(struct text *out, char command, struct span data)
{
	put_number(out, (uint32_t)data.len + 1);
	text_add_byte(out, command);
	text_add(out, data);
}

void
milter_put_options(struct text *out, uint32_t version, uint32_t actions, uint32_t steps)
{
	put_number(out, 13);
	text_add_byte(out, 'O');
	put_number(out, version);
	put_number(out, actions);
	put_number(out, steps);
}

void
milter_put_strings(struct text *out, char command, const struct span *strings, size_t count)
{
	size_t size = 1;

	for (size_t i = 0; i < count; i++)
		size += strings[i].len + 1;
	put_number(out, (uint32_t)size);
	text_add_byte(out, command);
	for (size_t i = 0; i < count; i++) {
		text_add(out, strings[i]);
		text_add_byte(out, '\0');
	}
}

void
milter_put_connect(struct text *out, struct span name, char family, unsigned port, struct span address)
{
	bool known = family != 'U';

	put_number(out, (uint32_t)(1 + name.len + 1 + 1 + (known ? 2 + address.len + 1 : 0)));
	text_add_byte(out, 'C');
	text_add(out, name);
	text_add_byte(out, '\0');
	text_add_byte(out, family);
	if (!known)
		return;
	text_add_byte(out, (char)(port >> 8));
	text_add_byte(out, (char)port);
	text_add(out, address);
	text_add_byte(out, '\0');
}
