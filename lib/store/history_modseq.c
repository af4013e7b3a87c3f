/* SPDX-License-Identifier: ISC */
/*
 * history_modseq.c - which mod-sequence a change gets, so that none ever goes back (history.h)
 */
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/history_private.h"
#include "store/small_file.h"

#define FLOOR_FILE "postern-modseq"

enum { BOOT_SLACK = 120 };      /* seconds by which the clock may be corrected */

static const uint64_t SECOND = 1 << 20;    /* mod-sequences */
static const uint64_t AHEAD_STEP = 3600ull << 20;

static uint64_t
modseq_of(struct timespec t)
{
	return t.tv_sec < 0 ? 0 : ((uint64_t)t.tv_sec << 20) + (((uint64_t)t.tv_nsec << 20) / 1000000000);
}

static uint64_t
modseq_now(void)
{
	int64_t us = clock_wall();

	return modseq_of((struct timespec){us / 1000000, us % 1000000 * 1000});
}

static uint64_t
boot_time(void)
{
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	return (uint64_t)(clock_wall() / 1000000 - up.tv_sec);
}

static uint64_t
file_floor(const struct folder *f)
{
	autotext struct text text = {0};
	uint64_t             n;

	if (small_file_read(f->dir, FLOOR_FILE, 64, &text, NULL, NULL) < 0
		|| !span_number(span_trim(text_span(&text)), &n) || n > INT64_MAX)
		return 0;
	return n;
}

/* The first number of a mailbox whose history is not known (any more). */
static uint64_t
first_modseq(const struct folder *f)
{
	uint64_t    n = larger(larger(modseq_now(), file_floor(f) + 1), f->modseq + 1);
	struct stat st;

	if (fstat(f->new_dir, &st) == 0)
		n = larger(n, modseq_of(st.st_mtim) + 60 * SECOND * (modseq_of(st.st_mtim) > modseq_now()));
	if (fstat(f->cur_dir, &st) == 0)
		n = larger(n, modseq_of(st.st_mtim) + 60 * SECOND * (modseq_of(st.st_mtim) > modseq_now()));
	return n;
}

/* Without a good header nothing that is there counts. */
void
history_start(struct recording *r)
{
	bool     there = history_get_header(r);
	uint64_t boot = boot_time();

	r->first = !there;
	if (!there) {
		r->header = (struct header){.ahead = file_floor(r->folder)};
		r->header.highest = r->header.floor = first_modseq(r->folder) - 1;
		r->header.boot = boot;
		r->differs = true;
	} else if (r->header.highest < r->folder->modseq) { /* told already: the index is another, or an older one came back */
		r->header.highest = first_modseq(r->folder);
		r->header.floor = r->header.highest;
		r->differs = true;
	} else if (boot > r->header.boot + BOOT_SLACK || boot + BOOT_SLACK < r->header.boot) {
		r->header.highest = larger(r->header.highest + 1, first_modseq(r->folder));
		r->header.floor = r->header.highest; /* the last transactions may be lost */
		r->header.boot = boot;
		r->differs = true;
	}
	r->differs |= r->folder->raised;
	r->known = !r->differs && r->folder->modseq && r->header.highest == r->folder->modseq && !r->folder->touched.all;
	r->fresh = larger(r->header.highest + 1, modseq_now());
}

void
history_keep_floor(struct recording *r)
{
	autotext struct text text = {0};
	struct fault         why = {0};

	if (r->header.highest <= modseq_now() + 10 * SECOND || r->header.highest < r->header.ahead)
		return;
	r->header.ahead = r->header.highest + AHEAD_STEP;
	text_add_format(&text, "%llu\n", (unsigned long long)r->header.ahead);
	if (small_file_replace(r->folder->dir, FLOOR_FILE, FLOOR_FILE ".tmp", text_span(&text), 0, &why) < 0)
		log_warning("%s: %s", FLOOR_FILE, fault_text(&why));
}
