/* SPDX-License-Identifier: ISC */
/*
 * describe.c - a program's declaration, printed for master, postconf and people
 *
 *   @program TAB smtpd            @about TAB ...          @role TAB net
 *   @model TAB tasks|forks|itself @tasks TAB 100          @asks TAB cleanup rewrite
 *   @promises TAB accept ask      @reads TAB $x /etc      @writes TAB ...
 *   then its parameters, one a line, as params_describe prints them
 */
#include <stdio.h>

#include "config/site.h"
#include "service/service_private.h"

static const char *const roles[] = {"root", "mail", "net", "map", "dns", "auth", "log", "dial"};
static const char *const models[] = {"tasks", "forks", "itself"};
static const char *const promises[] = {
	"accept", "ask", "dial", "dns", "read", "write", "fork", "exec", "become", "watch", "name"
};

static void
print_words(const char *title, const char *const *words)
{
	printf("@%s\t", title);
	for (const char *space = ""; words && *words; words++, space = " ")
		printf("%s%s", space, *words);
	putchar('\n');
}

static void
print_promises(unsigned have)
{
	const char *space = "";

	printf("@promises\t");
	for (size_t i = 0; i < COUNT(promises); i++)
		if (have & 1u << i) {
			printf("%s%s", space, promises[i]);
			space = " ";
		}
	putchar('\n');
}

void
describe_print(const struct service *s)
{
	const struct param *const tables[] = {s->params, s->tls_params, NULL};

	printf("@program\t%s\n@about\t%s\n@role\t%s\n@model\t%s\n@tasks\t%s\n", s->name,
	       s->about ? s->about : "", roles[s->role], models[s->model],
	       s->tasks ? s->tasks : "1");
	print_words("asks", s->asks);
	print_promises(s->promises);
	print_words("reads", s->reads);
	print_words("writes", s->writes);
	if (s->params)
		params_describe(stdout, tables);
}
