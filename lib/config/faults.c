/* SPDX-License-Identifier: ISC */
/*
 * faults.c - every error of the configuration, told together
 */
#include "config/faults.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"

static void add(char ***, int *, const char *, va_list) __attribute__((format(printf, 3, 0)));

static void
add(char ***list, int *count, const char *format, va_list args)
{
	struct text sentence = {0};

	if (*count < FAULTS_MAX) {
		text_add_args(&sentence, format, args);
		*list = mem_grow(*list, (size_t)*count + 1, sizeof **list);
		(*list)[*count] = mem_string(text_string(&sentence));
		text_free(&sentence);
		++*count;
	}
}

void
faults_add(struct faults *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(&f->error, &f->errors, format, args);
	va_end(args);
}

void
faults_warn(struct faults *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(&f->warning, &f->warnings, format, args);
	va_end(args);
}

void
faults_log(const struct faults *f)
{
	for (int i = 0; i < f->warnings; i++)
		log_warning("%s", f->warning[i]);
	for (int i = 0; i < f->errors; i++)
		log_error("%s", f->error[i]);
}

int
faults_first(const struct faults *f, struct fault *why)
{
	return f->errors ? fault_set(why, FAULT_INPUT, "%s", f->error[0]) : 0;
}

void
faults_free(struct faults *f)
{
	for (int i = 0; i < f->errors; i++)
		free(f->error[i]);
	for (int i = 0; i < f->warnings; i++)
		free(f->warning[i]);
	free(f->error);
	free(f->warning);
	*f = (struct faults){0};
}
