/* SPDX-License-Identifier: ISC */
/*
 * qshape.c - the queue by domain and age: qshape [-s] [-c dir] [-b buckets] [-t minutes] [queue ...]
 *
 * A line for each recipient domain (-s: sender domain), a column for each age: up to -t minutes (5), then twice
 * that, and so on for -b columns (10), and what is older.  Queues: incoming and active unless others are named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strmap.h"
#include "cmd/pages.h"
#include "cmd/queue_view.h"
#include "config/site.h"

enum { BUCKETS_MAX = 30, NAME_WIDTH = 38, MINUTE_US = 60 * 1000000 };

struct row {
	const char *domain;
	long        total, age[BUCKETS_MAX + 1];
};

static struct shape {
	struct strmap *rows;
	struct row     total;
	bool           by_sender, wanted;
	int            buckets, first, bucket;
	char         **queues;
} shape = {.buckets = 10, .first = 5};

static void
count(struct span address)
{
	ptrdiff_t            at = span_find_last(address, '@');
	autotext struct text domain = {0};
	struct row          *r;

	text_add(&domain, address.len == 0 ? SPAN("MAILER-DAEMON") : at < 0 ? SPAN("localhost") : span_from(address, (size_t)at + 1));
	text_lower(&domain);
	r = strmap_get(shape.rows, text_span(&domain));
	if (!r) {
		r = mem_alloc(sizeof *r);
		r->domain = mem_string(text_string(&domain));
		strmap_put(shape.rows, text_span(&domain), r);
	}
	r->total++, r->age[shape.bucket]++;
	shape.total.total++, shape.total.age[shape.bucket]++;
}

static int
take_message(void *context, const struct queue_listed *m)
{
	int64_t      limit = (int64_t)shape.first * MINUTE_US, age = clock_wall() - m->arrival_us;

	(void)context;
	shape.wanted = !*shape.queues && (span_is(m->queue, "incoming") || span_is(m->queue, "active"));
	for (char **q = shape.queues; *q; q++)
		shape.wanted |= span_is(m->queue, *q);
	for (shape.bucket = 0; shape.bucket < shape.buckets - 1 && age > limit; shape.bucket++)
		limit *= 2;
	if (age > limit)
		shape.bucket = shape.buckets;
	if (shape.wanted && shape.by_sender)
		count(m->sender);
	return 0;
}

static int
take_rcpt(void *context, const struct queue_listed_rcpt *r)
{
	(void)context;
	if (shape.wanted && !shape.by_sender)
		count(r->address);
	return 0;
}

static int
by_total(const void *a, const void *b)
{
	const struct row *one = *(struct row *const *)a, *other = *(struct row *const *)b;

	return one->total != other->total ? (one->total < other->total) - (one->total > other->total)
	                                  : strcmp(one->domain, other->domain);
}

static void
print_row(const struct row *r)
{
	printf("%*s %5ld", NAME_WIDTH, r->domain, r->total);
	for (int b = 0; b <= shape.buckets; b++)
		printf(" %5ld", r->age[b]);
	putchar('\n');
}

static void
print(void)
{
	struct row **rows = mem_array(strmap_count(shape.rows) + 1, sizeof *rows);
	size_t       at = 0, n = 0;
	struct span  key;
	void        *row;
	long         limit = shape.first;

	printf("%*s %5s", NAME_WIDTH, "", "T");
	for (int b = 0; b < shape.buckets; b++, limit *= 2)
		printf(" %5ld", limit);
	printf(" %4ld+\n", limit / 2);
	shape.total.domain = "TOTAL";
	print_row(&shape.total);
	while (strmap_next(shape.rows, &at, &key, &row))
		rows[n++] = row;
	qsort(rows, n, sizeof *rows, by_total);
	for (size_t i = 0; i < n; i++)
		print_row(rows[i]);
}

static bool
take_number(const char *text, int low, int high, int *out)
{
	return param_parse_number(span_of(text), out, NULL) == 0 && *out >= low && *out <= high;
}

int
main(int argc, char **argv)
{
	static const struct queue_list_reader reader = {NULL, take_message, take_rcpt};
	const char   *directory = NULL;
	struct faults faults = {0};
	struct fault  why = {0};
	struct queue *q;
	int           letter;
	bool          good = true;

	log_open("qshape", -1);
	while ((letter = getopt(argc, argv, "sc:b:t:lp")) > 0)
		switch (letter) {
		case 's': shape.by_sender = true; break;
		case 'c': directory = optarg; break;
		case 'b': good &= take_number(optarg, 1, BUCKETS_MAX, &shape.buckets); break;
		case 't': good &= take_number(optarg, 1, 100000, &shape.first); break;
		default: good = false;
		}
	if (!good) {
		fprintf(stderr, "%s\n", page_usage("qshape"));
		return 1;
	}
	shape.queues = argv + optind;
	shape.rows = strmap_new();
	site_load(directory, &faults);
	if (queue_open(site.queue_directory, &q, &why) < 0 || queue_view(q, &reader, &why) < 0)
		log_fatal("%s", fault_text(&why));
	queue_close(q);
	print();
	return fflush(stdout) != 0;
}
