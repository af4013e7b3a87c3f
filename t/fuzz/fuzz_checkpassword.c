/* SPDX-License-Identifier: ISC */
/*
 * fuzz_checkpassword.c - what a checkpassword command says of somebody: any bytes
 *
 * Fields have a name and no byte that ends a line; a verdict is one of three, and yes only with status 0 and something said.
 */
#include "authd_command.h"
#include "authd_file.h"
#include "authd_route.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *a = arena_new();
	struct span             rest = span_at(data + (size > 0), size - (size > 0)), name, value;
	struct passwd_entry     e;
	struct route            r;
	size_t                  count = 0;
	int                     verdict = size ? command_verdict(data[0], rest, NULL) : 0;

	assert(verdict != 1 || (data[0] == 0 && rest.len));
	if (size > COMMAND_REPLY_MAX)
		return 0;
	passwd_entry_empty(&e);
	while (command_field(a, &rest, &name, &value)) {
		assert(name.len && !span_has(name, '=') && !span_has(value, '\n') && !span_has(value, '\0') && ++count <= size);
		passwd_entry_passdb(a, &e, name, value);
	}
	if (route_parse(e.route, &r, NULL) == 0)
		assert(!span_has(r.host, ' ') && r.port <= 65535);
	return 0;
}
