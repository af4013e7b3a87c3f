/* SPDX-License-Identifier: ISC */
/*
 * postmulti.c - several instances on one machine
 *
 *   postmulti -l [selection]                     lists them
 *   postmulti -p [selection] command ...         postern's command for each; start only what is enabled
 *   postmulti -x [selection] command ...         any command, with MAIL_CONFIG set for each
 *   postmulti -e init | enable | disable | assign | import | deport | create | destroy   changes one (-i name)
 *
 * Selection: -i name ("-": the primary), -g group, -a all.  multi_instance_directories of the primary
 * main.cf names the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/known.h"
#include "cmd/pages.h"
#include "cmd/postmulti.h"
#include "config/site.h"

static struct {
	struct instance *one;
	size_t           count;
	const char      *command_directory;
	struct main_cf  *primary;
} all;

static struct {
	const char *name, *group, *new_name, *new_group;
	char        what;
} wish;

static struct main_cf *
add_instance(const char *directory)
{
	static const struct param *const tables[] = {site_params, known_params, NULL};
	struct faults                    faults = {0};
	struct main_cf                  *cf = main_cf_read(directory, &faults);
	struct instance                  i = {.directory = mem_string(directory)};

	for (int e = 0; e < faults.errors; e++)
		log_warning("%s", faults.error[e]);
	faults_free(&faults);
	for (const struct param *const *t = tables; *t; t++)
		main_cf_know(cf, *t);
	i.name = main_cf_string(cf, "multi_instance_name");
	i.group = main_cf_string(cf, "multi_instance_group");
	i.queue_directory = main_cf_string(cf, "queue_directory");
	i.data_directory = main_cf_string(cf, "data_directory");
	i.enabled = all.count == 0 || strcasecmp(main_cf_string(cf, "multi_instance_enable"), "yes") == 0;
	all.one = mem_grow(all.one, all.count + 1, sizeof *all.one);
	all.one[all.count++] = i;
	return cf;
}

static void
read_all(void)
{
	struct main_cf *cf = add_instance(main_cf_directory(NULL));
	struct span     rest = span_of(main_cf_string(cf, "multi_instance_directories")), word;

	all.primary = cf;
	all.command_directory = main_cf_string(cf, "command_directory");
	while (span_next(&rest, ", \t\r\n", &word)) {
		autofree char *directory = mem_span(word);

		add_instance(directory);
	}
}

static bool
is_selected(const struct instance *i)
{
	if (wish.name)
		return strcmp(wish.name, *i->name ? i->name : "-") == 0 || strcmp(wish.name, i->directory) == 0;
	return !wish.group || strcmp(wish.group, i->group) == 0;
}

/* Exit status of the child, as a shell says it. */
static int
run(const struct instance *i, char **words)
{
	int   status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("MAIL_CONFIG", i->directory, 1);
		setenv("config_directory", i->directory, 1);
		execvp(words[0], words);
		log_warning("%s: %m", words[0]);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid < 0 ? 1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* postmulti_start_commands and its kin, of the primary instance. */
static bool
names_command(const char *parameter, const char *command)
{
	struct span rest = span_of(main_cf_string(all.primary, parameter)), word;

	while (span_next(&rest, ", \t\r\n", &word))
		if (span_is(word, command))
			return true;
	return false;
}

static int
run_postern(const struct instance *i, char **words, bool instead_check)
{
	autofree char *path = mem_format("%s/postern", all.command_directory);
	char          *line[4] = {path, "-c", (char *)(uintptr_t)i->directory, instead_check ? "check" : words[0]};
	size_t         n = 0;
	char         **argv;
	int            status;

	while (words[n])
		n++;
	argv = mem_array(n + 5, sizeof *argv);
	memcpy(argv, line, sizeof line);
	for (size_t k = 1; k < n && !instead_check; k++)
		argv[3 + k] = words[k];
	status = run(i, argv);
	free(argv);
	return status;
}

static int
for_each(char **words)
{
	bool backwards = wish.what == 'p' && names_command("postmulti_stop_commands", words[0]);
	bool start = wish.what == 'p' && names_command("postmulti_start_commands", words[0]);
	bool control = wish.what == 'p' && names_command("postmulti_control_commands", words[0]);
	int  worst = 0;
	bool any = false;

	for (size_t k = 0; k < all.count; k++) {
		const struct instance *i = &all.one[backwards ? all.count - 1 - k : k];
		int                    status;

		if (!is_selected(i) || (control && !i->enabled))
			continue;
		any = true;
		status = wish.what == 'p' ? run_postern(i, words, start && !i->enabled) : run(i, words);
		worst = status > worst ? status : worst;
	}
	if (!any)
		log_fatal("no matching instances");
	return worst;
}

static int
list(void)
{
	for (size_t i = 0; i < all.count; i++)
		if (is_selected(&all.one[i]))
			printf("%-15s %-15s %-9s %s\n", *all.one[i].name ? all.one[i].name : "-",
			       *all.one[i].group ? all.one[i].group : "-", all.one[i].enabled ? "y" : "n", all.one[i].directory);
	return 0;
}

/* ---- -e ---- */

static void
set(const char *directory, const char *name, const char *value)
{
	const struct instance i = {.directory = directory};
	autofree char        *path = mem_format("%s/postconf", all.command_directory);
	autofree char        *word = mem_format("%s = %s", name, value);
	char                 *argv[] = {path, "-c", (char *)(uintptr_t)directory, "-e", word, NULL};

	if (run(&i, argv))
		log_fatal("%s: %s could not be set", directory, name);
}

/* The list of the primary with `add`, or without `drop`. */
static void
set_directories(const char *add, const char *drop)
{
	autotext struct text value = {0};

	for (size_t i = 1; i < all.count; i++)
		if (!drop || strcmp(all.one[i].directory, drop) != 0)
			text_add_format(&value, "%s%s", value.len ? " " : "", all.one[i].directory);
	if (add)
		text_add_format(&value, "%s%s", value.len ? " " : "", add);
	set(all.one[0].directory, "multi_instance_directories", text_string(&value));
}

static struct instance *
the_one(void)
{
	if (!wish.name)
		log_fatal("-e needs an instance: -i name");
	for (size_t i = 1; i < all.count; i++)
		if (is_selected(&all.one[i]))
			return &all.one[i];
	log_fatal("no such instance, or the primary one: %s", wish.name);
}

static void
check_new_name(const char *name)
{
	if (strncmp(name, "postfix-", 8) != 0 || strpbrk(name, "/ \t\n"))
		log_fatal("instance name '%s' must start with 'postfix-'", name);
	for (size_t i = 0; i < all.count; i++)
		if (strcmp(all.one[i].name, name) == 0)
			log_fatal("instance name '%s' already used by '%s'", name, all.one[i].directory);
}

static void
assign(const char *directory)
{
	if (wish.new_name) {
		check_new_name(wish.new_name);
		set(directory, "multi_instance_name", wish.new_name);
	}
	if (wish.new_group)
		set(directory, "multi_instance_group", strcmp(wish.new_group, "-") == 0 ? "" : wish.new_group);
}

static void
copy_file(const char *from, const char *to)
{
	autotext struct text in = {0};
	struct fault         why = {0};

	if (file_read(from, MAIN_CF_MAX, &in, &why) < 0 || file_replace(to, text_span(&in), 0644, &why) < 0)
		log_fatal("%s", fault_text(&why));
}

/* A new configuration: the primary's files with a queue and data of their own, without inet services, disabled. */
static int
create(char **words)
{
	autofree char *base = mem_string(all.one[0].directory);
	char          *slash = strrchr(base, '/');
	autofree char *directory = NULL, *from = NULL, *to = NULL, *master_from = NULL, *master_to = NULL;

	if (!wish.new_name)
		log_fatal("-e create needs -I name");
	check_new_name(wish.new_name);
	if (slash)
		*slash = '\0';
	for (char **w = words; *w; w++)
		if (strncmp(*w, "config_directory=", 17) == 0)
			directory = mem_string(*w + 17);
	if (!directory)
		directory = mem_format("%s/%s", base, wish.new_name);
	from = mem_format("%s/main.cf", all.one[0].directory), to = mem_format("%s/main.cf", directory);
	master_from = mem_format("%s/master.cf", all.one[0].directory), master_to = mem_format("%s/master.cf", directory);
	if (mkdir(directory, 0755) < 0)
		log_fatal("create %s: %m", directory);
	copy_file(from, to);
	copy_file(master_from, master_to);
	autofree char *queue = mem_format("/var/spool/%s", wish.new_name), *data = mem_format("/var/lib/%s", wish.new_name);
	set(directory, "queue_directory", queue);
	set(directory, "data_directory", data);
	set(directory, "multi_instance_directories", "");
	set(directory, "multi_instance_wrapper", "");
	set(directory, "multi_instance_enable", "no");
	set(directory, "master_service_disable", "inet");
	set(directory, "authorized_submit_users", "");
	for (char **w = words; *w; w++) {
		autofree char *name = mem_string(*w);
		char          *equals = strchr(name, '=');

		if (!equals)
			log_fatal("expected name=value: %s", *w);
		*equals = '\0';
		if (strcmp(name, "config_directory") != 0)
			set(directory, name, equals + 1);
	}
	assign(directory);
	set_directories(directory, NULL);
	return 0;
}

static void
destroy(struct instance *i)
{
	for (size_t k = 0; k < all.count; k++)
		if (&all.one[k] != i && (strcmp(all.one[k].queue_directory, i->queue_directory) == 0 ||
		                         strcmp(all.one[k].data_directory, i->data_directory) == 0))
			log_fatal("%s shares queue_directory or data_directory with %s", i->directory, all.one[k].directory);
	instance_destroy(i);
	set_directories(NULL, i->directory);
}

static int
import(char **words)
{
	const char *directory = *words && strncmp(*words, "config_directory=", 17) == 0 ? *words + 17 : NULL;
	struct stat s;

	if (!directory || stat(directory, &s) < 0 || !S_ISDIR(s.st_mode))
		log_fatal("-e import needs config_directory=/an/existing/directory");
	assign(directory);
	set_directories(directory, NULL);
	return 0;
}

static int
edit(const char *action, char **words)
{
	if (strcmp(action, "init") == 0) {
		set(all.one[0].directory, "multi_instance_wrapper", "${command_directory}/postmulti -p --");
		set(all.one[0].directory, "multi_instance_enable", "yes");
	} else if (strcmp(action, "create") == 0)
		return create(words);
	else if (strcmp(action, "import") == 0)
		return import(words);
	else if (strcmp(action, "enable") == 0 || strcmp(action, "disable") == 0)
		set(the_one()->directory, "multi_instance_enable", *action == 'e' ? "yes" : "no");
	else if (strcmp(action, "assign") == 0)
		assign(the_one()->directory);
	else if (strcmp(action, "deport") == 0)
		set_directories(NULL, the_one()->directory);
	else if (strcmp(action, "destroy") == 0)
		destroy(the_one());
	else
		log_fatal("-e %s: none of init create import enable disable assign deport destroy", action);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *action = NULL;
	int         letter;

	log_open("postmulti", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "+ae:g:i:G:I:lpRvx")) > 0)
		switch (letter) {
		case 'e': action = optarg; wish.what = 'e'; break;
		case 'g': wish.group = optarg; break;
		case 'i': wish.name = optarg; break;
		case 'G': wish.new_group = optarg; break;
		case 'I': wish.new_name = optarg; break;
		case 'l': case 'p': case 'x': wish.what = (char)letter; break;
		case 'a': case 'v': break;
		default:
			fprintf(stderr, "%s\n", page_usage("postmulti"));
			return 1;
		}
	read_all();
	if (wish.what == 'e')
		return edit(action, argv + optind);
	if (wish.what == 'l')
		return list();
	if (!wish.what || optind == argc) {
		fprintf(stderr, "%s\n", page_usage("postmulti"));
		return 1;
	}
	return for_each(argv + optind);
}
