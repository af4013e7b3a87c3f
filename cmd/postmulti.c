/* SPDX-License-Identifier: ISC */
/*
 * postmulti.c - several instances on one machine
 *
 *   postmulti -l [-aR] [-g group] [-i name]                   lists them
 *   postmulti -p [-a] [-g group] [-i name] command ...        postern's command for each
 *   postmulti -x [-aR] [-g group] [-i name] command ...       any command, with MAIL_CONFIG set for each
 *   postmulti -e action [-a] [-g group] [-i name] [-I name] [-G group] [parameter=value ...]
 *                                                             changes one (postmulti_edit.c)
 *
 * multi_instance_directories of the primary main.cf names the others.  Unlike Postfix's, the primary
 * may be any directory that MAIL_CONFIG names.
 */
#include "cmd/postmulti.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/known.h"
#include "cmd/pages.h"
#include "config/main_cf.h"
#include "config/site.h"

const char *const multi_actions[] = {"create", "destroy", "import", "deport", "enable", "disable", "assign", "init", NULL};

struct main_cf *
instance_read(const char *directory, struct instance *i)
{
	static const struct param *const tables[] = {site_params, known_params, NULL};
	struct faults                    faults = {0};
	struct main_cf                  *cf = main_cf_read(directory, &faults);

	for (int e = 0; e < faults.errors; e++)
		log_warning("%s", faults.error[e]);
	faults_free(&faults);
	for (const struct param *const *t = tables; *t; t++)
		main_cf_know(cf, *t);
	*i = (struct instance){.directory = mem_string(directory)};
	i->name = main_cf_string(cf, "multi_instance_name");
	i->group = main_cf_string(cf, "multi_instance_group");
	i->queue_directory = main_cf_string(cf, "queue_directory");
	i->data_directory = main_cf_string(cf, "data_directory");
	i->enabled = strcasecmp(main_cf_string(cf, "multi_instance_enable"), "yes") == 0;
	return cf;
}

static struct main_cf *
add_instance(struct instances *all, const char *directory)
{
	all->one = mem_grow(all->one, all->count + 1, sizeof *all->one);
	return instance_read(directory, &all->one[all->count++]);
}

static void
read_all(struct instances *all)
{
	struct main_cf *cf = add_instance(all, main_cf_directory(NULL));
	struct span     rest = span_of(main_cf_string(cf, "multi_instance_directories")), word;

	all->one[0].primary = true;
	all->one[0].enabled = true;      /* whatever it says of itself */
	all->primary = cf;
	all->command_directory = main_cf_string(cf, "command_directory");
	all->daemon_directory = main_cf_string(cf, "daemon_directory");
	while (span_next(&rest, ", \t\r\n", &word)) {
		autofree char *directory = mem_span(word);

		add_instance(all, directory);
	}
}

bool
multi_selects(const struct multi_wish *wish, const struct instance *i)
{
	if (wish->name)
		return strcmp(wish->name, "-") == 0 ? i->primary : strcmp(wish->name, i->name) == 0 || strcmp(wish->name, i->directory) == 0;
	return !wish->group || strcmp(wish->group, i->group) == 0;
}

static void
set_environment(const struct instances *all, const struct instance *i)
{
	const struct { const char *name, *value; } set[] = {
		{"MAIL_CONFIG", i->directory}, {"config_directory", i->directory},
		{"command_directory", all->command_directory}, {"daemon_directory", all->daemon_directory},
		{"queue_directory", i->queue_directory}, {"data_directory", i->data_directory},
		{"multi_instance_name", i->name}, {"multi_instance_group", i->group},
		{"multi_instance_enable", i->enabled ? "yes" : "no"},
	};

	for (size_t k = 0; k < COUNT(set); k++)
		setenv(set[k].name, set[k].value, 1);
}

int
instance_run(const struct instances *all, const struct instance *i, char **words)
{
	int   status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		set_environment(all, i);
		execvp(words[0], words);
		log_warning("execvp %s: %m", words[0]);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid < 0 ? 1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* postmulti_start_commands and its kin, of the primary instance. */
static bool
names_command(const struct instances *all, const char *parameter, const char *command)
{
	struct span rest = span_of(main_cf_string(all->primary, parameter)), word;

	while (span_next(&rest, ", \t\r\n", &word))
		if (span_is(word, command))
			return true;
	return false;
}

static int
run_postern(const struct instances *all, const struct instance *i, char **words, bool instead_check)
{
	autofree char *path = mem_format("%s/postern", all->command_directory);
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
	status = instance_run(all, i, argv);
	free(argv);
	return status;
}

static int
for_each(const struct instances *all, const struct multi_wish *wish, char **words)
{
	bool wraps = wish->what == 'p';
	bool start = wraps && names_command(all, "postmulti_start_commands", words[0]);
	bool stop = wraps && names_command(all, "postmulti_stop_commands", words[0]);
	bool control = wraps && names_command(all, "postmulti_control_commands", words[0]);
	bool any = false, failed = false;

	for (size_t k = 0; k < all->count; k++) {
		const struct instance *i = &all->one[stop || wish->backwards ? all->count - 1 - k : k];
		int                    status;

		if (!multi_selects(wish, i))
			continue;
		any = true;
		if ((control || stop) && !i->enabled)
			continue;
		status = wraps ? run_postern(all, i, words, start && !i->enabled) : instance_run(all, i, words);
		failed |= status != 0;
	}
	if (!any)
		log_fatal("No matching instances");
	return failed;
}

static int
list(const struct instances *all, const struct multi_wish *wish)
{
	for (size_t k = 0; k < all->count; k++) {
		const struct instance *i = &all->one[wish->backwards ? all->count - 1 - k : k];

		if (multi_selects(wish, i))
			printf("%-15s %-15s %-9s %s\n", *i->name ? i->name : "-", *i->group ? i->group : "-", i->enabled ? "y" : "n",
			       i->directory);
	}
	return 0;
}

static const char *
action_named(const char *word)
{
	for (const char *const *a = multi_actions; *a; a++)
		if (strcmp(word, *a) == 0)
			return *a;
	log_fatal("Invalid '-e' edit action '%s'. Specify 'create', 'destroy', 'import', 'deport', 'enable', 'disable', 'assign' or 'init'", word);
}

static void
set_once(const char **what, const char *value, char letter)
{
	if (*what)
		log_fatal("Specify at most one '-%c' option", letter);
	*what = value;
}

static void
set_mode(struct multi_wish *wish, char mode)
{
	wish->what = wish->what ? '?' : mode;
}

static void
parse_option(struct multi_wish *wish, int letter)
{
	switch (letter) {
	case 'a': wish->all = true; break;
	case 'e':
		wish->action = action_named(optarg);
		set_mode(wish, 'e');
		break;
	case 'g': wish->group = optarg; break;
	case 'i': wish->name = optarg; break;
	case 'G': set_once(&wish->new_group, optarg, 'G'); break;
	case 'I': set_once(&wish->new_name, optarg, 'I'); break;
	case 'l': case 'p': case 'x': set_mode(wish, (char)letter); break;
	case 'R': wish->backwards = true; break;
	case 'v': log_verbose(1); break;
	default:  log_fatal("%s", page_usage("postmulti"));
	}
}

static void
check_wish(const struct multi_wish *wish, bool has_words)
{
	if (wish->all + (wish->group != NULL) + (wish->name != NULL) > 1)
		log_fatal("Specify no more than one of '-a', '-g', '-i'");
	if (!wish->what || wish->what == '?')
		log_fatal("Specify exactly one of '-e', '-l', '-p', '-x'");
	if (wish->backwards && (wish->what == 'p' || wish->what == 'e'))
		log_fatal("The '-p' and '-e' options preclude the use of '-R'");
	if (wish->what != 'e' && (wish->new_name || wish->new_group))
		log_fatal("Cannot assign instance name or group without '-e assign'");
	if (wish->what == 'l' && has_words)
		log_fatal("Command not allowed with '-l'");
	if ((wish->what == 'p' || wish->what == 'x') && !has_words)
		log_fatal("Command required with '-p' or '-x' option");
}

int
main(int argc, char **argv)
{
	struct instances  all = {0};
	struct multi_wish wish = {0};
	int               letter;

	log_open("postmulti", -1);
	log_also_stderr(true);
	while ((letter = getopt(argc, argv, "+ae:g:i:G:I:lpRvx")) > 0)
		parse_option(&wish, letter);
	check_wish(&wish, optind < argc);
	read_all(&all);
	if (wish.what == 'e')
		return multi_edit(&all, &wish, argv + optind);
	if (wish.what == 'l')
		return list(&all, &wish);
	return for_each(&all, &wish, argv + optind);
}
