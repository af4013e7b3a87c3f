/* SPDX-License-Identifier: ISC */
/*
 * proxymap.c - reads lookup tables for those who may not (lib/ipc/ask_table.h)
 *
 * Only tables that proxy_read_maps names with proxy: in front may be asked (by its default:
 * those of the usual parameters of main.cf), and those that a server answers (remote.h), which
 * nobody else can ask, wherever main.cf or master.cf names them; all are opened at start.  unix:passwd.byname
 * is asked of the system each time.  Databases of users that auth_passdb and auth_userdb name (identity.h) are
 * for authd alone: password hashes are in them; the names of all their users root may hear, too.  Writing (proxy_write_maps) does not exist here.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strmap.h"
#include "config/master_cf.h"
#include "config/site.h"
#include "guard/identity.h"
#include "guard/remote.h"
#include "ipc/ask_table.h"
#include "ipc/peer.h"
#include "service/privilege.h"
#include "service/service.h"
#include "table/mentions.h"
#include "table/table.h"

/* "type:name": struct table; read-only once prepare() has ended. */
static struct strmap *approved;
static struct strmap *refused;       /* named, but could not be opened: owned reasons */
static struct strmap *identities;    /* "sql:/path", "ldap:/path": struct identity_base */
static uid_t          authd_uid;

static void
open_approved(struct span word)
{
	autofree char *spec = NULL;
	struct fault   why = {0};
	struct table  *t;

	if (strmap_get(approved, word) || strmap_get(refused, word))
		return;
	spec = mem_span(word);
	t = table_open(spec, &why);
	if (t) {
		strmap_put(approved, word, t);
		service_watch_table(t);
		return;
	}
	log_warning("proxy:%s: %s", spec, fault_text(&why));
	strmap_put(refused, word, mem_string(fault_text(&why)));
}

static void
approve(void *context, struct span word)
{
	(void)context;
	if (span_starts(word, "proxy:"))
		open_approved(span_from(word, 6));
}

/* mysql:x without proxy: in front of it: the configuration names it, and nobody else can ask.  Not the ldap:/x of
 * auth_passdb, which is no table and is opened before. */
static void
approve_remote(void *context, struct span word)
{
	(void)context;
	if (table_is_remote(word) && !strmap_get(identities, word))
		open_approved(word);
}

static void
open_identity(void *context, struct span word)
{
	struct fault          why = {0};
	struct identity_base *b;

	(void)context;
	if ((!span_starts(word, "sql:") && !span_starts(word, "ldap:/")) || strmap_get(identities, word) || strmap_get(refused, word))
		return;
	b = identity_open(word, &why);
	if (b) {
		strmap_put(identities, word, b);
		service_watch_table(identity_table(b));
		return;
	}
	log_warning("%.*s: %s", SPAN_ARGS(word), fault_text(&why));
	strmap_put(refused, word, mem_string(fault_text(&why)));
}

static int
open_identities(struct fault *why)
{
	struct identity who;

	identities = strmap_new();
	authd_uid = geteuid();
	if (privilege_is_root()) {
		if (identity_find(site.auth_owner, &who, why) < 0)
			return -1;
		authd_uid = who.uid;
	}
	table_mentions_of(service->main_cf, "auth_passdb", open_identity, NULL);
	table_mentions_of(service->main_cf, "auth_userdb", open_identity, NULL);
	table_mentions_of(service->main_cf, "auth_master_passdb", open_identity, NULL);
	return 0;
}

/* A table that cannot be opened stops those who ask for it, not everybody. */
static int
prepare(struct fault *why)
{
	struct faults     faults = {0};
	struct master_cf *lines = master_cf_read(service->config_directory, service->main_cf, &faults);

	approved = strmap_new();
	refused = strmap_new();
	table_ask_names(true);
	table_use_modules(remote_types);
	if (open_identities(why) < 0)
		return -1;
	table_mentions_of(service->main_cf, "proxy_read_maps", approve, NULL);
	table_mentions(service->main_cf, lines, NULL, approve_remote, NULL);
	master_cf_free(lines);
	faults_free(&faults);
	return 0;
}

static int
find(void *context, struct span spec, struct span key, struct text *value, struct fault *why)
{
	struct table *t = strmap_get(approved, spec);
	const char   *reason = strmap_get(refused, spec);

	(void)context;
	if (t)
		return table_find(t, key, value, why);
	if (reason)
		return fault_set(why, FAULT_SYSTEM, "%s", reason);
	log_warning("request for unapproved table: \"%.*s\"", SPAN_ARGS(span_first(spec, 200)));
	log_warning("to approve this table for read-only access, list proxy:%.*s in main.cf:proxy_read_maps",
	            SPAN_ARGS(span_first(spec, 200)));
	return fault_set(why, FAULT_DENIED, "proxymap service is not configured for table \"%.*s\"",
	                 SPAN_ARGS(span_first(spec, 200)));
}

static int
identify(void *context, struct span database, const struct identity_question *q, struct text *fields, struct fault *why)
{
	struct identity_base *b = strmap_get(identities, database);
	const char           *reason = strmap_get(refused, database);

	(void)context;
	if (b)
		return identity_look(b, q, fields, why);
	return fault_set(why, FAULT_SYSTEM, "%.*s: %s", SPAN_ARGS(span_first(database, 200)), reason ? reason : "main.cf does not name it");
}

static int
list(void *context, struct span database, struct text *names, struct fault *why)
{
	struct identity_base *b = strmap_get(identities, database);
	const char           *reason = strmap_get(refused, database);

	(void)context;
	if (b)
		return identity_list(b, names, why);
	return fault_set(why, FAULT_SYSTEM, "%.*s: %s", SPAN_ARGS(span_first(database, 200)), reason ? reason : "main.cf does not name it");
}

static void
serve(int fd, const struct listener *listener)
{
	static const struct table_answerer all = {find, NULL, NULL, NULL}, authds = {find, NULL, identify, list}, roots = {find, NULL, NULL, list};
	uid_t                              uid;
	bool                               known = peer_uid(fd, &uid, NULL) == 0;

	(void)listener;
	answer_table(fd, known && uid == authd_uid ? &authds : known && uid == 0 ? &roots : &all);
	close(fd);
}

static const char *const reads[] = {"/etc", NULL};

static const struct service proxymap = {
	.name     = "proxymap",
	.about    = "reads lookup tables for those who may not",
	.role     = ROLE_MAP,
	.model    = SERVE_TASKS,
	.promises = MAY_ACCEPT | MAY_NAME,
	.reads    = reads,
	.tasks    = "1000",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&proxymap, argc, argv);
}
