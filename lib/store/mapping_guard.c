/* SPDX-License-Identifier: ISC */
/*
 * mapping_guard.c - a mapping whose file was cut short reads as zeros
 *
 * The handler runs where the page was looked at, in the middle of anything; it calls nothing but mmap(2), and what it changes is
 * read afterwards.  A SIGBUS at any other address ends the process, as it would have without.
 */
#include "store/mapping.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static struct guarded *volatile all;
static struct sigaction         before;
static uintptr_t                page_mask;

static void
on_missing_page(int number, siginfo_t *info, void *unused)
{
	uintptr_t at = (uintptr_t)info->si_addr & page_mask;
	int       kept = errno;

	(void)unused;
	for (struct guarded *g = info->si_code > 0 ? all : NULL; g; g = g->next) {
		uintptr_t start = (uintptr_t)g->at;

		if (at < start || at - start >= g->bytes)
			continue;
		g->lost = 1;
		if (mmap((void *)at, g->bytes - (at - start), PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			break;
		errno = kept;
		return;
	}
	sigaction(number, &before, NULL); /* it comes again at once, and is met by that */
}

void
mapping_guard(struct guarded *g, void *at, size_t bytes)
{
	struct sigaction action = {.sa_sigaction = on_missing_page, .sa_flags = SA_SIGINFO};

	if (!page_mask) {
		page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
		sigaction(SIGBUS, &action, &before);
	}
	*g = (struct guarded){.at = at, .bytes = bytes, .next = all};
	atomic_signal_fence(memory_order_seq_cst);
	all = g;
}

void
mapping_unguard(struct guarded *g)
{
	struct guarded *p = all;

	if (p == g)
		all = g->next;
	for (; p; p = p->next)
		if (p->next == g)
			p->next = g->next;
	*g = (struct guarded){0};
}
