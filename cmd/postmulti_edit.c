/* SPDX-License-Identifier: ISC */
/*
 * postmulti_edit.c - postmulti -e: instances are made, taken in, changed and let go
 *
 * What is wrong ends the program before anything is changed; main.cf is changed by postconf.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/postmulti.h"
#include "config/main_cf.h"

/* Of the primary instance, where it sets them: places and owners that all share. */
static const char *const shared[] = {
	"command_directory", "daemon_directory", "meta_directory", "mail_owner", "setgid_group", "sendmail_path", "mailq_path",
	"newaliases_path", "html_directory", "manpage_directory", "sample_directory", "readme_directory", "shlib_directory",
	"net_owner", "dns_owner", "auth_owner", "map_owner", "key_owner", "log_owner", "maillog_file_prefixes",
};

enum { WORDS_MAX = COUNT(shared) + 16 };

/* The words of one call of postconf. */
struct edit {
	char  *word[WORDS_MAX + 5];
	size_t count;
};

static void
add(struct edit *e, char *word)
{
	if (e->count == WORDS_MAX + 4)
		log_fatal("too many words for postconf");
	e->word[e->count++] = word;
}

static void
begin(struct edit *e, const struct instances *all, const char *directory, const char *option)
{
	add(e, mem_format("%s/postconf", all->command_directory));
	add(e, mem_string("-c"));
	add(e, mem_string(directory));
	add(e, mem_string(option));
}

static void
set(struct edit *e, const char *name, const char *value)
{
	add(e, mem_format("%s = %s", name, value));
}

static void
apply(struct edit *e, const struct instances *all, const char *directory)
{
	const struct instance i = {directory, "", "", "", "", false, false};

	if (e->count > 4 && instance_run(all, &i, e->word))
		log_fatal("%s: main.cf could not be changed", directory);
	for (size_t k = 0; k < e->count; k++)
		free(e->word[k]);
	*e = (struct edit){0};
}

static void
set_one(const struct instances *all, const char *directory, const char *name, const char *value)
{
	struct edit e = {0};

	begin(&e, all, directory, "-e");
	set(&e, name, value);
	apply(&e, all, directory);
}

/* ---- which one ---- */

static const struct instance *
the_one(const struct instances *all, const struct multi_wish *wish)
{
	if (!wish->name)
		log_fatal("Select an instance via '-i name'");
	for (size_t i = 0; i < all->count; i++)
		if (multi_selects(wish, &all->one[i]))
			return &all->one[i];
	log_fatal("No instance named %s", wish->name);
}

static const struct instance *
one_to_remove(const struct instances *all, const struct multi_wish *wish)
{
	const struct instance *i = the_one(all, wish);

	if (i->primary)
		log_fatal("Cannot remove the primary instance");
	if (i->enabled)
		log_fatal("Cannot remove enabled instances");
	return i;
}

/* Where a new one goes in the list: before the first that -a, -g or -i selects. */
static size_t
place_for(const struct instances *all, const struct multi_wish *wish)
{
	if (wish->all)
		return 1;
	if (!wish->name && !wish->group)
		return all->count;
	for (size_t i = 1; i < all->count; i++)
		if (multi_selects(wish, &all->one[i]))
			return i;
	log_fatal("No matching secondary instances");
}

/* ---- names ---- */

static bool
is_safe(const char *word)
{
	for (const char *c = word; *c; c++)
		if (!ascii_alpha(*c) && !ascii_digit(*c) && !strchr("-_./:@%+=,", *c))
			return false;
	return true;
}

static void
check_names(const struct multi_wish *wish)
{
	const char *name = wish->new_name;

	if (wish->new_group && !is_safe(wish->new_group))
		log_fatal("Unsafe characters in '-G %s'", wish->new_group);
	if (!name || strcmp(name, "-") == 0)
		return;
	if (!is_safe(name))
		log_fatal("Unsafe characters in new instance name: '%s'", name);
	if (strchr(name, '/'))
		log_fatal("Illegal '/' character in new instance name: '%s'", name);
	if (strncmp(name, "postfix-", 8) != 0)
		log_fatal("New instance name must start with 'postfix-'");
}

static void
check_conflict(const char *what, const struct instance *a, const char *value, const struct instance *b, const char *other)
{
	if (*value && strcmp(value, other) == 0)
		log_fatal("instance %s, %s=%s conflicts with instance %s, %s=%s", a->directory, what, value, b->directory, what, other);
}

/* No two may have a name or a place together; `self` is what `i` was before. */
static void
check_conflicts(const struct instances *all, const struct instance *i, const struct instance *self)
{
	for (size_t k = 0; k < all->count; k++) {
		const struct instance *b = &all->one[k];

		if (b == self)
			continue;
		if (strcmp(i->directory, b->directory) == 0)
			log_fatal("new config_directory=%s is already in use by instance %s, config_directory=%s", i->directory, b->directory,
			          b->directory);
		check_conflict("multi_instance_name", i, i->name, b, b->name);
		check_conflict("queue_directory", i, i->queue_directory, b, b->queue_directory);
		check_conflict("data_directory", i, i->data_directory, b, b->data_directory);
	}
}

static const char *
assigned(const char *wanted, const char *now)
{
	return !wanted ? now : strcmp(wanted, "-") == 0 ? "" : wanted;
}

static void
assign(const struct instances *all, const struct multi_wish *wish, const char *directory)
{
	struct edit e = {0};

	begin(&e, all, directory, "-e");
	if (wish->new_name)
		set(&e, "multi_instance_name", assigned(wish->new_name, ""));
	if (wish->new_group)
		set(&e, "multi_instance_group", assigned(wish->new_group, ""));
	apply(&e, all, directory);
}

/* ---- the primary's lists ---- */

/* The list without `directory`; true when it was in it. */
static bool
alternates_without(const struct instances *all, const char *directory, struct text *others)
{
	struct span rest = span_of(main_cf_string(all->primary, "alternate_config_directories")), word;
	bool        found = false;

	while (span_next(&rest, ", \t\r\n", &word)) {
		if (span_is(word, directory))
			found = true;
		else
			text_add_format(others, "%s%.*s", others->len ? " " : "", SPAN_ARGS(word));
	}
	return found;
}

/*
 * multi_instance_directories with `added` at its place, or without `drop`.  What is let go but not destroyed becomes
 * one of alternate_config_directories, so that set-gid commands still take it from MAIL_CONFIG.
 */
static void
set_lists(const struct instances *all, const char *added, size_t place, const char *drop, bool becomes_alternate)
{
	autotext struct text list = {0}, others = {0};
	struct edit          e = {0};
	bool                 was_alternate = alternates_without(all, added ? added : drop, &others);

	for (size_t i = 1; i <= all->count; i++) {
		if (added && i == place)
			text_add_format(&list, "%s%s", list.len ? " " : "", added);
		if (i < all->count && (!drop || strcmp(all->one[i].directory, drop) != 0))
			text_add_format(&list, "%s%s", list.len ? " " : "", all->one[i].directory);
	}
	if (becomes_alternate)
		text_add_format(&others, "%s%s", others.len ? " " : "", drop);
	begin(&e, all, all->one[0].directory, "-e");
	set(&e, "multi_instance_directories", text_string(&list));
	if (was_alternate != becomes_alternate)
		set(&e, "alternate_config_directories", text_string(&others));
	apply(&e, all, all->one[0].directory);
}

/* ---- create and import ---- */

/* The primary's directory with the name for its last part; NULL without a name. Owned. */
static char *
beside(const char *primary, const char *name)
{
	const char *slash = strrchr(primary, '/');

	if (!name || strcmp(name, "-") == 0 || !slash)
		return NULL;
	return mem_format("%.*s/%s", (int)(slash - primary), primary, name);
}

static void
take_overrides(const char *action, char **words, const char **directory, const char **queue, const char **data)
{
	bool creates = strcmp(action, "create") == 0;

	for (char **w = words; *w; w++) {
		const char *value = strchr(*w, '=');
		struct span name = span_at(*w, value ? (size_t)(value - *w) : 0);

		if (name.len == 0)
			log_fatal("Malformed parameter setting '%s'", *w);
		const char **to = span_is(name, "config_directory") ? directory : creates && span_is(name, "queue_directory") ? queue
		                : creates && span_is(name, "data_directory") ? data : NULL;

		if (!to)
			log_fatal("Parameter '%.*s' not valid with action %s", SPAN_ARGS(name), action);
		if (*++value != '/')
			log_fatal("Parameter setting '%.*s' is not an absolute path", SPAN_ARGS(name));
		*to = value;
	}
}

static bool
is_file(const char *directory, const char *name)
{
	autofree char *path = mem_format("%s/%s", directory, name);
	struct stat    s;

	return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

static void
make_directory(const char *path, mode_t mode)
{
	autofree char *parent = mem_string(path);
	char          *slash = strrchr(parent, '/');
	struct stat    s;

	if (stat(path, &s) == 0)
		return;
	if (slash && slash > parent) {
		*slash = '\0';
		make_directory(parent, 0755);
	}
	if (mkdir(path, mode) < 0)
		log_fatal("create %s: %m", path);
}

/* $meta_directory/<name>.proto where there is one; else what the caller has. */
static bool
copy_stock(const struct instances *all, const char *directory, const char *name)
{
	autofree char       *from = mem_format("%s/%s.proto", main_cf_string(all->primary, "meta_directory"), name);
	autofree char       *to = mem_format("%s/%s", directory, name);
	autotext struct text in = {0};
	struct fault         why = {0};

	if (access(from, F_OK) < 0)
		return false;
	if (file_read(from, MAIN_CF_MAX, &in, &why) < 0 || file_replace(to, text_span(&in), 0644, &why) < 0)
		log_fatal("%s", fault_text(&why));
	return true;
}

static void
write_file(const char *directory, const char *name, struct span content)
{
	autofree char *to = mem_format("%s/%s", directory, name);
	struct fault   why = {0};

	if (file_replace(to, content, 0644, &why) < 0)
		log_fatal("%s", fault_text(&why));
}

/* The stock main.cf with what is shared; no inet services and no local submission for now. */
static void
write_main(const struct instances *all, const struct instance *i)
{
	struct edit sets = {0}, comments = {0};

	if (!copy_stock(all, i->directory, "main.cf"))
		write_file(i->directory, "main.cf", SPAN("# an instance of postmulti\n"));
	begin(&comments, all, i->directory, "-#");
	begin(&sets, all, i->directory, "-e");
	set(&sets, "compatibility_level", main_cf_string(all->primary, "compatibility_level"));
	set(&sets, "queue_directory", i->queue_directory);
	set(&sets, "data_directory", i->data_directory);
	set(&sets, "authorized_submit_users", "");
	set(&sets, "master_service_disable", "inet");
	for (size_t k = 0; k < COUNT(shared); k++) {
		const struct setting *s = main_cf_setting(all->primary, shared[k]);

		if (s)
			set(&sets, shared[k], s->value);
		else
			add(&comments, mem_string(shared[k]));
	}
	apply(&comments, all, i->directory);
	apply(&sets, all, i->directory);
}

static void
write_files(const struct instances *all, const struct instance *i)
{
	autofree char       *master = mem_format("%s/master.cf", all->one[0].directory);
	autotext struct text in = {0};
	struct fault         why = {0};

	make_directory(i->directory, 0755);
	make_directory(i->queue_directory, 0755);
	make_directory(i->data_directory, 0700);
	write_main(all, i);
	if (copy_stock(all, i->directory, "master.cf"))
		return;
	if (file_read(master, MAIN_CF_MAX, &in, &why) < 0)
		log_fatal("%s", fault_text(&why));
	write_file(i->directory, "master.cf", text_span(&in));
}

static int
take_in(const struct instances *all, const struct multi_wish *wish, char **words)
{
	bool            creates = strcmp(wish->action, "create") == 0;
	const char     *directory = NULL, *queue = NULL, *data = NULL;
	autofree char  *directory_made = beside(all->one[0].directory, wish->new_name);
	autofree char  *queue_made = beside(all->one[0].queue_directory, wish->new_name);
	autofree char  *data_made = beside(all->one[0].data_directory, wish->new_name);
	struct instance i = {0};
	size_t          place;
	bool            there;

	take_overrides(wish->action, words, &directory, &queue, &data);
	directory = directory ? directory : directory_made;
	if (!directory)
		log_fatal("Missing config_directory parameter value");
	there = is_file(directory, "main.cf");
	if (there || !creates) {
		if (!there)
			log_fatal("Failed to obtain all required %s/main.cf parameters", directory);
		instance_read(directory, &i);
	} else {
		i = (struct instance){directory, "", "", queue ? queue : queue_made, data ? data : data_made, false, false};
		if (!i.queue_directory || !i.data_directory)
			log_fatal("Missing %s parameter value", i.queue_directory ? "data_directory" : "queue_directory");
	}
	i.name = assigned(wish->new_name, i.name);
	check_conflicts(all, &i, NULL);
	place = place_for(all, wish);
	if (!*main_cf_string(all->primary, "multi_instance_wrapper"))
		log_fatal("multi_instance_wrapper is empty, run 'postmulti -e init' first.");
	if (strcasecmp(main_cf_string(all->primary, "multi_instance_enable"), "yes") != 0)
		log_fatal("multi_instance_enable!=yes, run 'postmulti -e init' first.");
	if (there && !is_file(directory, "master.cf"))
		log_fatal("'%s' lacks a master.cf file", directory);
	if (!there)
		write_files(all, &i);
	assign(all, wish, directory);
	set_lists(all, directory, place, NULL, false);
	return 0;
}

/* ---- the others ---- */

static int
init(const struct instances *all)
{
	struct edit e = {0};

	begin(&e, all, all->one[0].directory, "-e");
	set(&e, "multi_instance_wrapper", "${command_directory}/postmulti -p --");
	set(&e, "multi_instance_enable", "yes");
	apply(&e, all, all->one[0].directory);
	return 0;
}

static int
reassign(const struct instances *all, const struct multi_wish *wish)
{
	const struct instance *i = the_one(all, wish);
	struct instance        wanted = *i;

	wanted.name = assigned(wish->new_name, i->name);
	check_conflicts(all, &wanted, i);
	assign(all, wish, i->directory);
	return 0;
}

static int
let_go(const struct instances *all, const struct multi_wish *wish)
{
	const struct instance *i = one_to_remove(all, wish);

	if (strcmp(wish->action, "destroy") == 0) {
		instance_destroy(i);
		set_lists(all, NULL, 0, i->directory, false);
		return 0;
	}
	if (instance_is_running(i))
		log_fatal("Instance '%s' is not stopped", i->directory);
	set_lists(all, NULL, 0, i->directory, true);
	return 0;
}

int
multi_edit(const struct instances *all, const struct multi_wish *wish, char **words)
{
	const char *action = wish->action;
	bool        takes_in = strcmp(action, "create") == 0 || strcmp(action, "import") == 0;
	bool        assigns = strcmp(action, "assign") == 0, names = wish->new_name || wish->new_group;

	if (assigns && !names)
		log_fatal("Specify new instance name or group with '-e assign'");
	if (!assigns && !takes_in && names)
		log_fatal("Cannot assign instance name or group with '-e %s'", action);
	if (!takes_in && *words)
		log_fatal("Parameter overrides not valid with '-e %s'", action);
	check_names(wish);
	if (takes_in)
		return take_in(all, wish, words);
	if (assigns)
		return reassign(all, wish);
	if (strcmp(action, "init") == 0)
		return init(all);
	if (strcmp(action, "deport") == 0 || strcmp(action, "destroy") == 0)
		return let_go(all, wish);
	set_one(all, the_one(all, wish)->directory, "multi_instance_enable", strcmp(action, "enable") == 0 ? "yes" : "no");
	return 0;
}
