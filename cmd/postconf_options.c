/* SPDX-License-Identifier: ISC */
/*
 * postconf_options.c - which of postconf's options go together, in Postfix's words
 *
 * One mode (-p when none is named), and what may be said beside it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "cmd/postconf.h"

static const char order[] = "aAbdefFhHjlmMnopPRStTWxX#";

static const struct { char mode; const char *beside; } modes[] = {
	{'a', ""}, {'A', ""}, {'b', ""}, {'F', "efhHjox"}, {'l', ""}, {'m', ""}, {'M', "efjoxX#"},
	{'p', "defhHjnoxX#"}, {'P', "efhHjoxX"}, {'R', "o"}, {'S', "o"}, {'t', ""}, {'T', ""}, {'W', "o"},
};

static const char *const exclusive[] = {"denX#", "efX#", "ehHX#", "eoX#", "exX#"};

/* " -d -e": of the set, what was given. */
static size_t
given(const char *options, const char *set, bool within, struct text *out)
{
	size_t n = 0;

	for (const char *c = order; *c; c++)
		if (strchr(options, *c) && !strchr(set, *c) == !within) {
			text_add_format(out, " -%c", *c);
			n++;
		}
	return n;
}

char
options_check(const char *options)
{
	static const char    all[] = "aAbFlmMpPRStTW";
	autotext struct text several = {0};
	const char          *beside = NULL;
	char                 mode = 'p';

	if (given(options, all, true, &several) > 1)
		log_fatal("specify one of%s", text_string(&several));
	for (size_t i = 0; i < COUNT(modes); i++)
		if (strchr(options, modes[i].mode))
			mode = modes[i].mode;
	for (size_t i = 0; i < COUNT(modes); i++)
		if (modes[i].mode == mode)
			beside = modes[i].beside;
	autofree char *may = mem_format("%c%s", mode, beside);
	text_clear(&several);
	if (given(options, may, false, &several))
		log_fatal("with option -%c, do not specify%s", mode, text_string(&several));
	if (strchr(options, 'j') && given(options, "efhHX#", true, &several))
		log_fatal("with option -j, do not specify%s", text_string(&several));
	for (size_t i = 0; i < COUNT(exclusive); i++) {
		text_clear(&several);
		if (given(options, exclusive[i], true, &several) > 1)
			log_fatal("specify one of%s", text_string(&several));
	}
	return mode;
}
