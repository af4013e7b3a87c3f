/* SPDX-License-Identifier: ISC */
/*
 * slice.c - where the last slice of a large section ended
 */
#include "slice.h"

static struct span
name_of_section(struct span label)
{
	ptrdiff_t place = span_find_last(label, '<');

	return place > 0 ? span_first(label, (size_t)place) : label;
}

bool
slice_is_of(const struct slice *s, const struct stat *st, bool global, struct span label)
{
	return s->known && s->device == st->st_dev && s->inode == st->st_ino && s->size == st->st_size &&
	       s->time.tv_sec == st->st_mtim.tv_sec && s->time.tv_nsec == st->st_mtim.tv_nsec &&
	       s->changed.tv_sec == st->st_ctim.tv_sec && s->changed.tv_nsec == st->st_ctim.tv_nsec && s->global == global &&
	       span_is(name_of_section(label), s->label);
}

void
slice_begin(struct slice *s, const struct stat *st, bool global, struct span label, size_t at, size_t len, uint64_t total)
{
	label = name_of_section(label);
	*s = (struct slice){.known = false};
	if (len < SLICE_LEAST || label.len >= SLICE_LABEL || span_has(label, '\0'))
		return;
	*s = (struct slice){.known = true, .global = global, .device = st->st_dev, .inode = st->st_ino, .size = st->st_size,
		.time = st->st_mtim, .changed = st->st_ctim, .at = at, .len = len, .total = total};
	memcpy(s->label, label.at, label.len);
}
