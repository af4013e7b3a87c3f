/* SPDX-License-Identifier: ISC */
/*
 * directories.c - the queue's directories with Postfix's owners and modes, and
 * the roots of the roles
 *
 * role/ROLE holds nothing but links to the sockets which the programs of that
 * role may ask (as their --describe says).  It belongs to root and is open to
 * the role's group alone.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/site.h"
#include "master/master.h"
#include "service/privilege.h"

enum owner { OWNER_ROOT, OWNER_MAIL };
enum group_of { GROUP_ROOT, GROUP_MAIL, GROUP_DROP };

static const struct { const char *name; mode_t mode; enum owner owner; enum group_of group; } directories[] = {
	{"pid",      0755,  OWNER_ROOT, GROUP_ROOT},
	{"maildrop", 01730, OWNER_MAIL, GROUP_DROP},
	{"incoming", 0700,  OWNER_MAIL, GROUP_MAIL},
	{"active",   0700,  OWNER_MAIL, GROUP_MAIL},
	{"deferred", 0700,  OWNER_MAIL, GROUP_MAIL},
	{"hold",     0700,  OWNER_MAIL, GROUP_MAIL},
	{"corrupt",  0700,  OWNER_MAIL, GROUP_MAIL},
	{"ids",      0700,  OWNER_MAIL, GROUP_MAIL},
	{"public",   0710,  OWNER_MAIL, GROUP_DROP},
	{"private",  0700,  OWNER_MAIL, GROUP_MAIL},
	{"role",     0711,  OWNER_ROOT, GROUP_ROOT},
};

struct role {
	const char        *name;
	const char *const *owner;      /* the parameter's value; NULL: root */
	const char        *parameter;
};
static const struct role roles[] = {
	{"root", NULL, NULL},
	{"mail", &site.mail_owner, "mail_owner"}, {"dial", &site.mail_owner, "mail_owner"},
	{"net", &site.net_owner, "net_owner"},    {"map", &site.map_owner, "map_owner"},
	{"dns", &site.dns_owner, "dns_owner"},    {"auth", &site.auth_owner, "auth_owner"},
	{"log", &site.log_owner, "log_owner"},
};

static int
make_one(const char *path, mode_t mode, uid_t uid, gid_t gid, bool claim, struct faults *faults)
{
	bool exists = mkdir(path, mode) < 0;

	if (exists && errno != EEXIST) {
		faults_add(faults, "create %s/%s: %s", site.queue_directory, path, strerror(errno));
		return -1;
	}
	if (!privilege_is_root() || (exists && !claim))
		return 0;
	if (lchown(path, uid, gid) < 0 || chmod(path, mode) < 0) {
		faults_add(faults, "owner and mode of %s/%s: %s", site.queue_directory, path, strerror(errno));
		return -1;
	}
	return 0;
}

static bool
role_is_used(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->post[i]->is.role && strcmp(p->post[i]->is.role, name) == 0)
			return true;
	return false;
}

int
users_check(const struct plan *p, struct faults *faults)
{
	int before = faults->errors;

	if (!privilege_is_root())
		return 0;
	for (size_t i = 0; i < COUNT(roles); i++) {
		struct identity who;
		struct fault    why = {0};

		if (!roles[i].owner || (!role_is_used(p, roles[i].name) && strcmp(roles[i].name, "mail") != 0))
			continue;
		if (identity_find(*roles[i].owner, &who, &why) < 0)
			faults_add(faults, "%s: %s: create it: useradd --system --no-create-home --shell /usr/sbin/nologin %s",
			           roles[i].parameter, fault_text(&why), *roles[i].owner);
	}
	if (!getgrnam(site.setgid_group))
		faults_add(faults, "setgid_group: no such group: %s: create it: groupadd --system %s",
		           site.setgid_group, site.setgid_group);
	return faults->errors > before ? -1 : 0;
}

static void
make_roles(const struct plan *p, bool claim, struct faults *faults)
{
	for (size_t i = 0; i < COUNT(roles); i++) {
		struct identity who = {0};
		autofree char  *path = mem_format("role/%s", roles[i].name);

		if (!role_is_used(p, roles[i].name))
			continue;
		if (privilege_is_root() && roles[i].owner && identity_find(*roles[i].owner, &who, NULL) < 0)
			continue; /* users_check has said so */
		make_one(path, 0750, 0, who.gid, claim, faults);
	}
}

/* The caller stands in queue_directory. */
int
directories_make(const struct plan *p, bool claim, struct faults *faults)
{
	struct identity mail = {0};
	struct group   *drop = getgrnam(site.setgid_group);
	int             before = faults->errors;

	if (privilege_is_root() && identity_find(site.mail_owner, &mail, NULL) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(directories); i++)
		make_one(directories[i].name, directories[i].mode,
		         directories[i].owner == OWNER_MAIL ? mail.uid : 0,
		         directories[i].group == GROUP_DROP ? (drop ? drop->gr_gid : 0)
		         : directories[i].group == GROUP_MAIL ? mail.gid : 0, claim, faults);
	make_roles(p, claim, faults);
	if (file_make_directories(site.data_directory, 0755, NULL) < 0)
		faults_add(faults, "data_directory: create %s: %s", site.data_directory, strerror(errno));
	return faults->errors > before ? -1 : 0;
}

static bool
same_file(const char *a, const char *b)
{
	struct stat one, other;

	return lstat(a, &one) == 0 && lstat(b, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

static void
link_one(const char *role, const char *name, const char *target, struct faults *faults)
{
	autofree char *path = mem_format("role/%s/%s", role, name);

	if (same_file(path, target))
		return;
	if (unlink(path) < 0 && errno != ENOENT)
		faults_add(faults, "remove %s: %s", path, strerror(errno));
	if (link(target, path) < 0)
		faults_add(faults, "link %s to %s: %s", target, path, strerror(errno));
}

static bool
post_asks(const struct post *post, const char *name)
{
	for (size_t i = 0; i < post->is.asks.count; i++)
		if (strcmp(post->is.asks.item[i], name) == 0 || strcmp(post->is.asks.item[i], "*") == 0)
			return true;
	return false;
}

static bool
role_asks(const struct plan *p, const char *role, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->post[i]->is.role && strcmp(p->post[i]->is.role, role) == 0 && post_asks(p->post[i], name))
			return true;
	return false;
}

/* Whoever may ask cleanup may ask every service that is cleanup: cleanup_service_name chooses among them. */
static bool
role_asks_post(const struct plan *p, const char *role, const struct post *post, const char *name)
{
	return role_asks(p, role, name) || (post->type != MASTER_INET && role_asks(p, role, post->command));
}

static bool
role_asks_endpoint(const struct plan *p, const char *role, const char *name)
{
	const struct endpoint *e = plan_endpoint(p, name);

	for (size_t i = 0; e && i < p->count; i++)
		if (e >= p->post[i]->endpoint && e < p->post[i]->endpoint + p->post[i]->n_endpoints)
			return role_asks_post(p, role, p->post[i], name);
	return false;
}

/* What is there and may no longer be asked goes away. */
static void
remove_others(const struct plan *p, const char *role)
{
	autofree char *path = mem_format("role/%s", role);
	DIR           *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		autofree char *entry = mem_format("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.' && !role_asks_endpoint(p, role, e->d_name))
			unlink(entry);
	}
	if (d)
		closedir(d);
}

/* Beside a FIFO its conversations are at NAME.talk; in a role's root that is NAME. */
static struct span
bare_name(struct span name)
{
	return span_ends(name, ".talk") ? span_first(name, name.len - strlen(".talk")) : name;
}

int
directories_link(const struct plan *p, struct faults *faults)
{
	int before = faults->errors;

	for (size_t r = 0; r < COUNT(roles); r++) {
		if (!role_is_used(p, roles[r].name))
			continue;
		remove_others(p, roles[r].name);
		for (size_t i = 0; i < p->count; i++)
			for (size_t k = 0; k < p->post[i]->n_endpoints; k++) {
				const struct endpoint *e = &p->post[i]->endpoint[k];
				const char            *last = e->path ? strrchr(e->path, '/') + 1 : NULL;
				autofree char         *name = last ? mem_span(bare_name(span_of(last))) : NULL;

				if (name && e->fd >= 0 && e->kind != ENDPOINT_FIFO &&
				    role_asks_post(p, roles[r].name, p->post[i], name))
					link_one(roles[r].name, name, e->path, faults);
			}
	}
	return faults->errors > before ? -1 : 0;
}
