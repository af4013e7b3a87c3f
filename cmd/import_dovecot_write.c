/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_write.c - values of a Dovecot, as lines of ours
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import_dovecot.h"

int without_equal;

void
no_equal(const char *format, ...)
{
	va_list args;

	printf("# NO EQUAL: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	without_equal++;
}

/* "2 mins" is 2m here. */
void
print_time(const char *name, const char *value)
{
	static const char *const units[][2] = {{"sec", "s"}, {"min", "m"}, {"hour", "h"}, {"day", "d"}, {"week", "w"}};
	char                    *end;
	long                     n = strtol(value, &end, 10);

	while (*end == ' ')
		end++;
	for (size_t i = 0; i < COUNT(units); i++)
		if (strncmp(end, units[i][0], 3) == 0 || strcmp(end, units[i][1]) == 0) {
			printf("%s = %ld%s\n", name, n, units[i][1]);
			return;
		}
	printf("%s = %lds\n", name, n);
}

/* Percent signs are doubled in Dovecot's plugin block; sizes are as here ("10 M"). */
void
put_value(const char *value)
{
	for (const char *c = value; *c; c++) {
		if (c[0] == '%' && c[1] == '%')
			c++;
		putchar(*c);
	}
}

void
print_plain(const char *name, const char *value)
{
	printf("%s = ", name);
	put_value(value);
	putchar('\n');
}

void
print_size(const char *name, const char *value)
{
	char *end;
	long long n = strtoll(value, &end, 10);

	while (*end == ' ')
		end++;
	printf("%s = %lld%.1s\n", name, n, *end == 'B' || *end == 'b' ? "" : end);
}
