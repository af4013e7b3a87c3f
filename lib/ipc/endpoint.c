/* SPDX-License-Identifier: ISC */
/*
 * endpoint.c - the ways to write an endpoint: pure
 */
#include "ipc/ask_dial.h"

static int
normal_inet(struct span rest, struct text *out, struct fault *why)
{
	ptrdiff_t   at = span_find(rest, '@'), colon = span_find_last(rest, ':');
	struct span host, port;

	if (at >= 0) {
		port = span_first(rest, (size_t)at);
		host = span_from(rest, (size_t)at + 1);
	} else if (colon >= 0) {
		host = span_first(rest, (size_t)colon);
		port = span_from(rest, (size_t)colon + 1);
	} else {
		host = SPAN("localhost");
		port = rest;
	}
	if (host.len > 2 && host.at[0] == '[' && span_ends(host, "]"))
		host = span_cut(host, 1, host.len - 1);
	if (!host.len || !port.len || span_find_any(rest, " \t\r\n,{}") >= 0)
		return fault_set(why, FAULT_INPUT, "bad endpoint: inet:%.*s", SPAN_ARGS(span_first(rest, 200)));
	text_clear(out);
	text_add_format(out, "inet:%.*s:%.*s", SPAN_ARGS(host), SPAN_ARGS(port));
	text_lower(out);
	return 0;
}

int
endpoint_normal(struct span in, struct text *out, struct fault *why)
{
	struct span path;

	if (memchr(in.at, '\0', in.len))
		return fault_set(why, FAULT_INPUT, "bad endpoint: it holds a NUL");
	if (span_starts_nocase(in, "inet:"))
		return normal_inet(span_from(in, 5), out, why);
	if (!span_starts_nocase(in, "unix:") && !span_starts_nocase(in, "local:"))
		return fault_set(why, FAULT_INPUT, "bad endpoint: %.*s", SPAN_ARGS(span_first(in, 200)));
	path = span_from(in, (size_t)span_find(in, ':') + 1);
	if (!path.len)
		return fault_set(why, FAULT_INPUT, "bad endpoint: no path");
	text_clear(out);
	text_add_string(out, "unix:");
	text_add(out, path);
	return 0;
}

void
endpoint_of_host(struct span in, struct text *out)
{
	bool port_only = span_find(in, ':') <= 0;

	text_clear(out);
	if (!span_starts_nocase(in, "inet:") && !span_starts_nocase(in, "unix:") && !span_starts_nocase(in, "local:"))
		text_add_string(out, "inet:");
	if (port_only)
		text_add_string(out, in.len && in.at[0] == ':' ? "127.0.0.1" : "127.0.0.1:");
	text_add(out, in);
}
