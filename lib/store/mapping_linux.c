/* SPDX-License-Identifier: ISC */
/*
 * mapping_linux.c - is a mapping of a file there, and does it stay as it is?  By madvise(2) and leases (fcntl(2))
 */
#include "store/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef MADV_POPULATE_READ   /* glibc before 2.35; an older kernel says EINVAL */
#define MADV_POPULATE_READ 22
#endif

/* A block that the disk does not give would be a SIGBUS later on. */
bool
mapping_is_readable(void *at, size_t bytes)
{
	return bytes == 0 || madvise(at, bytes, MADV_POPULATE_READ) == 0 || errno == EINVAL;
}

/* Both lists are changed by one store at a time, and the compiler keeps what it shows before it: the handler may come between any two. */
struct held { char *at; size_t bytes; struct held *volatile next; };
static struct held *volatile   all_held;
static struct leased *volatile all_leased;

static bool
copy_held(struct held *h)
{
	void *copy = mmap(NULL, h->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return false;
	memcpy(copy, h->at, h->bytes);
	if (mremap(copy, h->bytes, h->bytes, MREMAP_MAYMOVE | MREMAP_FIXED, h->at) != MAP_FAILED)
		return true;
	munmap(copy, h->bytes);
	return false;
}

/* Where somebody waits to write: copies of all, in their places, then he may.  Without memory for them the leases stay until the
 * kernel's patience ends. */
static void
on_break(int number)
{
	int  kept = errno;
	bool good = true;

	(void)number;
	for (struct held *h = all_held; h && good; h = h->next)
		good = copy_held(h);
	for (struct leased *l = all_leased; l && good; l = l->next) {
		l->broken = 1;
		fcntl(l->fd, F_SETLEASE, F_UNLCK);
	}
	errno = kept;
}

bool
mapping_lease(struct leased *l, int fd)
{
	static bool      started;
	struct sigaction action = {.sa_handler = on_break, .sa_flags = SA_RESTART};

	*l = (struct leased){.fd = fd};
	if (!started && sigaction(SIGIO, &action, NULL) < 0)
		return false;
	started = true;
	l->next = all_leased;
	atomic_signal_fence(memory_order_seq_cst);
	all_leased = l;
	l->has = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
	if (!l->has)
		mapping_lease_end(l);
	return l->has;
}

void
mapping_lease_end(struct leased *l)
{
	if (all_leased == l)
		all_leased = l->next;
	for (struct leased *p = all_leased; p; p = p->next)
		if (p->next == l)
			p->next = l->next;
	l->has = false;
}

/* Whole pages: what lies behind the end of the file is in memory already. */
bool
mapping_hold(const struct leased *l, void *at, size_t bytes)
{
	size_t       page = (size_t)sysconf(_SC_PAGESIZE);
	struct held *h = mem_alloc(sizeof *h);

	*h = (struct held){at, (bytes + page - 1) / page * page, all_held};
	atomic_signal_fence(memory_order_seq_cst);
	all_held = h;
	if (l->has && !l->broken)
		return true;
	mapping_drop(at);
	return false;
}

void
mapping_drop(void *at)
{
	struct held *h = all_held, *before = NULL;

	for (; h && h->at != (char *)at; h = h->next)
		before = h;
	if (!h)
		return;
	if (before)
		before->next = h->next;
	else
		all_held = h->next;
	free(h);
}
