/* SPDX-License-Identifier: ISC */
/*
 * trouble.c - why a step did not go well
 */
#include <stdarg.h>
#include <stdio.h>

#include "client.h"

void
trouble_set(struct trouble *t, const char *dsn, const char *format, ...)
{
	va_list args;

	snprintf(t->dsn, sizeof t->dsn, "%s", dsn);
	text_clear(&t->text);
	text_clear(&t->mta);
	text_clear(&t->diagnostic);
	t->relay[0] = '\0';
	va_start(args, format);
	text_add_args(&t->text, format, args);
	va_end(args);
}

void
trouble_free(struct trouble *t)
{
	text_free(&t->text);
	text_free(&t->mta);
	text_free(&t->diagnostic);
}
