/* SPDX-License-Identifier: ISC */
/*
 * qshape.c - the queue by domain and age, in the columns of Postfix's qshape
 *
 * A line for each recipient domain (-s: sender domain), a column for each age: up to -t minutes (5), then twice
 * that, and so on; the last of -b columns (10) has all that is older.  Queues: incoming and active unless others are named.
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

enum { BUCKETS_MAX = 100, WIDTH = 80, NAME_MIN = 18, TOP = 20, MINUTE_US = 60 * 1000000 };

struct row {
	const char *domain;             /* a parent domain begins with a dot */
	long        total, age[BUCKETS_MAX], below;
};

static struct shape {
	struct strmap *rows;
	struct row     total;
	bool           by_sender, parents, linear, wanted;
	int            buckets, tick, bucket, width, below, top;
	char         **queues;
} shape = {.buckets = 10, .tick = 5, .width = WIDTH, .below = 5, .total = {.domain = "TOTAL"}};

static struct row *
row_of(struct span domain)
{
	struct row *r = strmap_get(shape.rows, domain);

	if (!r) {
		r = mem_alloc(sizeof *r);
		r->domain = mem_span(domain);
		strmap_put(shape.rows, domain, r);
	}
	return r;
}

static bool
add_one(struct row *r)
{
	r->age[shape.bucket]++;
	return r->total++ == 0;
}

/* ".b.c" of "a.b.c" or ".a.b.c"; a top-level domain is nobody's parent. */
static bool
parent_of(struct text *domain)
{
	struct span rest = text_span(domain);
	ptrdiff_t   dot;

	if (span_starts(rest, "."))
		rest = span_from(rest, 1);
	dot = span_find(rest, '.');
	if (dot < 0 || span_find(span_from(rest, (size_t)dot + 1), '.') < 0)
		return false;
	text_drop(domain, domain->len - (rest.len - (size_t)dot));
	return true;
}

static void
count(struct span address)
{
	ptrdiff_t            at = span_find_last(address, '@');
	autotext struct text domain = {0};
	bool                 fresh;

	text_add(&domain, address.len == 0 ? SPAN("MAILER-DAEMON") : at < 0 ? SPAN("localhost") : span_from(address, (size_t)at + 1));
	if (address.len)
		text_lower(&domain);
	add_one(&shape.total);
	fresh = add_one(row_of(text_span(&domain)));
	while (shape.parents && parent_of(&domain)) {
		struct row *r = row_of(text_span(&domain));

		r->below += fresh;
		fresh = add_one(r);
	}
}

/* Ages are [0,1) [1,2) [2,4) [4,8) ... ticks, or with -l [0,1) [1,2) [2,3) ... */
static int
bucket_of(int64_t age_us)
{
	int64_t tick = (int64_t)shape.tick * MINUTE_US, limit = tick;
	int     b = 0;

	while (b < shape.buckets - 1 && age_us >= limit) {
		limit += shape.linear ? tick : limit;
		b++;
	}
	return b;
}

static int
take_message(void *context, const struct queue_listed *m)
{
	(void)context;
	shape.wanted = !*shape.queues && (span_is(m->queue, "incoming") || span_is(m->queue, "active"));
	for (char **q = shape.queues; *q; q++)
		shape.wanted |= span_is(m->queue, *q);
	shape.bucket = bucket_of(clock_wall() - m->arrival_us);
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
	size_t            length = strlen(one->domain), its = strlen(other->domain);

	if (one->total != other->total)
		return (one->total < other->total) - (one->total > other->total);
	return length != its ? (length > its) - (length < its) : strcmp(one->domain, other->domain);
}

/* The head of a column: T, then the ages that the buckets end at; the last has no end. */
static char *
head_of(int column)
{
	long t = shape.tick;

	for (int i = 1; i < column && i < shape.buckets - 1; i++)
		t += shape.linear ? shape.tick : t;
	if (column == 0)
		return mem_string("T");
	if (column < shape.buckets)
		return mem_format("%ld", t);
	return shape.buckets > 1 ? mem_format("%ld+", t) : mem_string("0+");
}

static int
width_of(const char *head, long count)
{
	autofree char *number = mem_format("%ld", count);
	size_t         wide = strlen(head) > strlen(number) ? strlen(head) : strlen(number);

	return wide > 2 ? (int)wide + 1 : 3;
}

/* A name that is too long loses its front. */
static void
print_name(const char *name, int width)
{
	size_t len = strlen(name), room = (size_t)width;
	bool   dot = name[0] == '.';

	if (len <= room)
		printf("%*s", width, name);
	else
		printf("%s%s", dot ? ".+" : "+", name + len - room + (dot ? 2 : 1));
}

static void
print_row(const struct row *r, int name_width, const int *columns)
{
	print_name(r->domain, name_width);
	printf("%*ld", columns[0], r->total);
	for (int b = 0; b < shape.buckets; b++)
		printf("%*ld", columns[b + 1], r->age[b]);
	putchar('\n');
}

static void
print_heads(int *name_width, int columns[BUCKETS_MAX + 1])
{
	autotext struct text line = {0};

	*name_width = shape.width;
	for (int i = 0; i <= shape.buckets; i++) {
		autofree char *head = head_of(i);

		columns[i] = width_of(head, i ? shape.total.age[i - 1] : shape.total.total);
		*name_width -= columns[i];
		text_add_format(&line, "%*s", columns[i], head);
	}
	if (*name_width < NAME_MIN)
		*name_width = NAME_MIN;
	printf("%*s%s\n", *name_width, "", text_string(&line));
}

static void
print(void)
{
	struct row **rows = mem_array(strmap_count(shape.rows) + 1, sizeof *rows);
	size_t       at = 0, n = 0;
	int          columns[BUCKETS_MAX + 1], name_width, printed = 1;
	struct span  key;
	void        *row;

	print_heads(&name_width, columns);
	print_row(&shape.total, name_width, columns);
	while (strmap_next(shape.rows, &at, &key, &row))
		rows[n++] = row;
	qsort(rows, n, sizeof *rows, by_total);
	for (size_t i = 0; i < n; i++) {
		if (rows[i]->domain[0] == '.' && rows[i]->below < shape.below)
			continue;
		if (shape.top && printed++ >= shape.top)
			break;
		print_row(rows[i], name_width, columns);
	}
}

static _Noreturn void
usage(void)
{
	fprintf(stderr, "%s\n", page_usage("qshape"));
	exit(255);
}

/* A number that is too small is as if nothing was said. */
static void
take_number(int low, int high, int *out)
{
	int n;

	if (param_parse_number(span_of(optarg), &n, NULL) == 0 && n >= low)
		*out = n < high ? n : high;
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

	log_open("qshape", -1);
	shape.top = isatty(1) ? TOP : 0;
	while ((letter = getopt(argc, argv, "lhc:psw:b:t:m:n:N:")) > 0)
		switch (letter) {
		case 'l': shape.linear = true; break;
		case 'p': shape.parents = true; break;
		case 's': shape.by_sender = true; break;
		case 'c': directory = optarg; break;
		case 'w': take_number(WIDTH + 1, 10000, &shape.width); break;
		case 'b': take_number(1, BUCKETS_MAX, &shape.buckets); break;
		case 't': take_number(1, 100000, &shape.tick); break;
		case 'm': take_number(1, 1000000, &shape.below); break;
		case 'n':
			if (isatty(1))
				take_number(0, 1000000, &shape.top);
			break;
		case 'N': break;                /* interim results: there are none, it is quick */
		default: usage();
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
