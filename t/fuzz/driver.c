/* SPDX-License-Identifier: ISC */
/*
 * driver.c - a fuzz target without libFuzzer, for `make check`
 *
 * Runs every seed of corpus/NAME and FUZZ_ROUNDS (default 2,000) mutations of
 * them, with a fixed seed so that a failure can be had again, and says so in
 * TAP.  A directory or files may be named as arguments instead.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fuzz.h"

static struct text *seeds;
static size_t       n_seeds;
static uint64_t     state = 88172645463325252ull;

static uint64_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void
add_seed(const char *path)
{
	struct text bytes = {0};

	if (file_read(path, 1 << 20, &bytes, NULL) < 0)
		return;
	seeds = mem_grow(seeds, n_seeds + 1, sizeof *seeds);
	seeds[n_seeds++] = bytes;
}

static void
add_directory(const char *path)
{
	struct dirent **names = NULL;
	int             count = scandir(path, &names, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		autofree char *file = mem_format("%s/%s", path, names[i]->d_name);

		if (names[i]->d_name[0] != '.')
			add_seed(file);
		free(names[i]);
	}
	free(names);
}

static void
mutate(struct text *t)
{
	unsigned changes = 1 + (unsigned)(next_random() % 6);

	while (changes--) {
		size_t      at = t->len ? next_random() % t->len : 0;
		static const char odd[] = "\r\n\0\"\\<>@:;,.()[]{}%*=?\t\xff\x80~+-";

		switch (next_random() % 6) {
		case 0:
			if (t->len)
				t->at[at] = (char)next_random();
			break;
		case 1:
			if (t->len)
				t->at[at] = odd[next_random() % (sizeof odd - 1)];
			break;
		case 2:
			text_cut(t, at);
			break;
		case 3:
			if (t->len < 100000) { /* repeat the front */
				struct text copy = {0};

				text_add(&copy, span_first(text_span(t), at));
				text_add(t, text_span(&copy));
				text_free(&copy);
			}
			break;
		case 4:
			text_drop(t, at);
			break;
		default:
			text_add_byte(t, odd[next_random() % (sizeof odd - 1)]);
		}
	}
}

int
main(int argc, char **argv)
{
	const char    *rounds = getenv("FUZZ_ROUNDS"), *top = getenv("top_srcdir");
	const char    *slash = strrchr(argv[0], '/');
	const char    *name = slash ? slash + 1 : argv[0];
	autofree char *corpus = NULL;
	long           count = rounds ? atol(rounds) : 2000;

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	corpus = mem_format("%s/t/fuzz/corpus/%s", top ? top : ".", name);
	if (argc > 1)
		for (int i = 1; i < argc; i++)
			add_seed(argv[i]);
	else
		add_directory(corpus);
	if (n_seeds == 0)
		add_seed("/dev/null");
	for (size_t i = 0; i < n_seeds; i++)
		LLVMFuzzerTestOneInput((const uint8_t *)text_string(&seeds[i]), seeds[i].len);
	for (long i = 0; argc == 1 && i < count; i++) {
		autotext struct text t = {0};

		text_add(&t, text_span(&seeds[next_random() % n_seeds]));
		mutate(&t);
		LLVMFuzzerTestOneInput((const uint8_t *)text_string(&t), t.len);
	}
	printf("1..1\nok 1 - %s: %zu seeds, %ld mutations\n", name, n_seeds, argc == 1 ? count : 0);
	for (size_t i = 0; i < n_seeds; i++)
		text_free(&seeds[i]);
	free(seeds);
	return 0;
}
