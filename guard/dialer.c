/* SPDX-License-Identifier: ISC */
/*
 * dialer.c - connects to the endpoints that the configuration names, for those
 * who may make no connection themselves: milters, policy servers, an outside
 * SASL server, LMTP sockets
 *
 * What is named: every inet:, unix: or local: in the values of main.cf and
 * master.cf (behind a transport's name too), in the text of the transport
 * and milter tables, smtpd_sasl_path, and dialer_endpoints for what comes out of a
 * database; and for the login programs the one server that authd has in mind for who has just logged in, whose ticket
 * they show (ipc/ask_dial.h, "way").  Anything else is refused: a program that was taken over cannot use
 * the dialer to look around.
 */
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strmap.h"
#include "config/cyrus_conf.h"
#include "config/master_cf.h"
#include "config/site.h"
#include "ipc/ask_dial.h"
#include "ipc/peer.h"
#include "net/address.h"
#include "service/service.h"

enum { TABLE_MAX = 16 << 20, DIAL_MS = 30000 };

static struct config {
	struct list endpoints, transport_maps, milter_maps;
	const char *sasl_path, *cyrus_path, *proxy_filter;
	int         ways;
} config;

static const struct param params[] = {
	LIST("dialer_endpoints", &config.endpoints, "", "endpoints that may be dialed beside those which the configuration names"),
	LIST("transport_maps", &config.transport_maps, "", "tables whose texts may name endpoints"),
	LIST("smtpd_milter_maps", &config.milter_maps, "", "tables whose texts may name milters"),
	STRING("smtpd_sasl_path", &config.sasl_path, "smtpd", "the socket of an outside SASL server"),
	STRING("cyrus_sasl_config_path", &config.cyrus_path, "", "where the .conf file of Cyrus SASL is looked for, which names saslauthd's socket"),
	STRING("smtpd_proxy_filter", &config.proxy_filter, "", "the filter before the queue"),
	NUMBER("dialer_proxy_connections", &config.ways, "4096", "1", "8192", "connections to users' other servers (proxy=y of auth_passdb) that may be in the making at once, so that a server that does not answer leaves room for milters and policy servers"),
	END_OF_PARAMS
};

static struct strmap *named;            /* normal form -> itself; read-only once serving */

static void
name_one(struct span endpoint)
{
	autotext struct text normal = {0};

	if (endpoint_normal(endpoint, &normal, NULL) == 0)
		strmap_put(named, text_span(&normal), named);
}

/* Where smtpd_sasl_type is cyrus, smtpd_sasl_path is the name of a file that names saslauthd's socket. */
static void
name_saslauthd(struct span path)
{
	autofree char    *name = mem_span(path);
	struct cyrus_conf c = {0};

	if (!strchr(name, '/') && cyrus_conf_find(config.cyrus_path, service->config_directory, name, &c, NULL) == 0) {
		autofree char *endpoint = mem_format("unix:%s", text_string(&c.socket));

		name_one(span_of(endpoint));
	}
	cyrus_conf_free(&c);
}

/* A socket without a scheme; with one, name_words has seen it. */
static void
name_sasl(struct span path)
{
	autotext struct text endpoint = {0};

	if (path.len == 0 || span_has(path, ':'))
		return;
	text_add_format(&endpoint, "unix:%.*s", SPAN_ARGS(path));
	name_one(text_span(&endpoint));
	name_saslauthd(path);
}

/* "{ inet:h:1, default_action=accept }", "lmtp:unix:private/x", "check_policy_service inet:..." */
static void
name_words(struct span text)
{
	static const char *const schemes[] = {"inet:", "unix:", "local:"};
	struct span              word;

	while (span_next(&text, " \t\r\n,{}\"", &word))
		for (size_t i = 0; i < COUNT(schemes); i++) {
			ptrdiff_t at = span_find_text(word, span_of(schemes[i]));

			if (at == 0 || (at > 0 && word.at[at - 1] == ':'))
				name_one(span_from(word, (size_t)at));
		}
}

static void
name_main(struct main_cf *cf)
{
	const struct setting *s;

	for (size_t at = 0; (s = main_cf_next(cf, &at)) != NULL;) {
		autotext struct text value = {0};

		if (main_cf_expand(cf, span_of(s->value), &value, NULL) == 0)
			name_words(text_span(&value));
	}
}

static void
name_filter(struct span host)
{
	autotext struct text endpoint = {0};

	if (span_trim(host).len == 0)
		return;
	endpoint_of_host(span_trim(host), &endpoint);
	name_one(text_span(&endpoint));
}

static void
name_master(const struct main_cf *cf)
{
	struct faults     faults = {0};
	struct master_cf *lines = master_cf_read(service->config_directory, cf, &faults);

	for (size_t i = 0; i < lines->count; i++)
		for (size_t k = 0; k < lines->row[i]->options.count; k++) {
			autotext struct text value = {0};
			struct span          option = span_of(lines->row[i]->options.item[k]), name;

			span_split(&option, '=', &name);
			if (main_cf_expand(cf, option, &value, NULL) == 0)
				name_words(text_span(&value));
			if (span_is(span_trim(name), "smtpd_proxy_filter"))
				name_filter(text_span(&value));
			if (span_is(span_trim(name), "smtpd_sasl_path"))
				name_sasl(span_trim(text_span(&value)));
		}
	master_cf_free(lines);
	faults_free(&faults);
}

static void
name_tables(const struct list *tables)
{
	for (size_t i = 0; i < tables->count; i++) {
		const char          *colon = strchr(tables->item[i], ':');
		autotext struct text text = {0};

		if (colon && colon[1] == '/' && file_read(colon + 1, TABLE_MAX, &text, NULL) == 0)
			name_words(text_span(&text));
	}
}

static int
prepare(struct fault *why)
{
	(void)why;
	named = strmap_new();
	name_main(service->main_cf);
	name_master(service->main_cf);
	name_tables(&config.transport_maps);
	name_tables(&config.milter_maps);
	name_filter(span_of(config.proxy_filter));
	for (size_t i = 0; i < config.endpoints.count; i++)
		name_words(span_of(config.endpoints.item[i]));
	name_sasl(span_of(config.sasl_path));
	return 0;
}

/* ---- dialing ---- */

static int
dial_unix(const char *path, int64_t deadline, int *fd, struct fault *why)
{
	autofree char *below = mem_format("%s/%s", site.queue_directory, path + (*path == '/'));

	if (*path != '/')
		return net_dial_unix(below, deadline, fd, why);
	if (access(path, F_OK) < 0 && access(below, F_OK) == 0)
		return net_dial_unix(below, deadline, fd, why); /* sites with chroot=y */
	return net_dial_unix(path, deadline, fd, why);
}

static int
dial_inet(struct span endpoint, int64_t deadline, int *fd, struct fault *why)
{
	ptrdiff_t        colon = span_find_last(endpoint, ':');
	autofree char   *host = mem_span(span_first(endpoint, (size_t)colon));
	autofree char   *port = mem_span(span_from(endpoint, (size_t)colon + 1));
	char             digits[8];
	const char      *number = net_port_digits(port, digits);
	struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
	int              error = getaddrinfo(host, number, &hints, &found), outcome = -1;

	if (error == EAI_NONAME || error == EAI_ADDRFAMILY) { /* loopback alone counts for no family */
		hints.ai_flags = 0;
		error = getaddrinfo(host, number, &hints, &found);
	}
	if (error)
		return fault_set(why, FAULT_SYSTEM, "%s: %s", host, gai_strerror(error));
	for (struct addrinfo *a = found; a && outcome < 0; a = a->ai_next) {
		struct net_address to = {.len = a->ai_addrlen};

		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		memcpy(&to.u, a->ai_addr, a->ai_addrlen);
		outcome = net_dial(&to, NULL, deadline, fd, why);
	}
	freeaddrinfo(found);
	return outcome;
}

static int
do_dial(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	autotext struct text normal = {0};
	autofree char       *shown = NULL;
	struct span          endpoint = SPAN_NONE;
	struct fault         trouble = {0};
	int64_t              deadline = clock_after(DIAL_MS);
	int                  fd, outcome;

	(void)unused;
	if (!frame_get(request, "endpoint", &endpoint) || endpoint_normal(endpoint, &normal, why) < 0)
		return fault_set(why, FAULT_INPUT, "bad endpoint");
	shown = mem_span(text_span(&normal));
	if (!strmap_get(named, text_span(&normal))) {
		log_warning("refusing to dial %s: the configuration does not name it", shown);
		peer_refuse(answer, "%s is not named by the configuration", shown);
		return 0;
	}
	outcome = strncmp(shown, "unix:", 5) == 0 ? dial_unix(shown + 5, deadline, &fd, &trouble)
	                                          : dial_inet(span_from(text_span(&normal), 5), deadline, &fd, &trouble);
	if (outcome < 0) {
		peer_refuse(answer, "connect to %s: %s", shown, fault_text(&trouble));
		return 0;
	}
	frame_start(answer, "dialed");
	frame_put_fd(answer, "stream", fd);
	answer->owns_fds = true;        /* ours is closed with the frame, once sent */
	return 0;
}

/* ---- to somebody's server ---- */

enum { WAY_MS = 30000, WAY_MOST_MS = 600000, ADDRESSES_MOST = 16 };

struct way {
	struct span host, address;
	int64_t     port, timeout;
	bool        maybe, any_port;
};

static _Atomic int ways;                /* that are being made */

static int
resolve(const struct way *w, struct net_address *out, size_t *count, struct fault *why)
{
	autofree char   *host = mem_span(w->host);
	struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
	int              error;

	*count = 1;
	if (net_address_parse(w->address.len ? w->address : w->host, (uint16_t)w->port, &out[0], NULL) == 0)
		return 0;
	error = getaddrinfo(host, NULL, &hints, &found);
	if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {
		hints.ai_flags = 0;
		error = getaddrinfo(host, NULL, &hints, &found);
	}
	if (error)
		return fault_set(why, FAULT_SYSTEM, "DNS lookup of %s failed: %s", host, gai_strerror(error));
	*count = 0;
	for (struct addrinfo *a = found; a && *count < ADDRESSES_MOST; a = a->ai_next) {
		struct net_address to = {.len = a->ai_addrlen};

		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		memcpy(&to.u, a->ai_addr, a->ai_addrlen);
		if (a->ai_family == AF_INET)
			to.u.v4.sin_port = htons((uint16_t)w->port);
		else
			to.u.v6.sin6_port = htons((uint16_t)w->port);
		out[(*count)++] = to;
	}
	freeaddrinfo(found);
	return *count ? 0 : fault_set(why, FAULT_SYSTEM, "DNS lookup of %s gave no address", host);
}

static int
dial_way(const struct way *w, struct span local, int64_t port, struct frame *answer, struct fault *why)
{
	struct net_address to[ADDRESSES_MOST];
	char               ip[64] = "";
	int64_t            deadline = clock_after(w->timeout > 0 && w->timeout < WAY_MOST_MS ? w->timeout : WAY_MS);
	size_t             count;
	int                fd = -1;

	if (resolve(w, to, &count, why) < 0)
		return -1;
	for (size_t i = 0; w->maybe && (w->any_port || w->port == port) && i < count; i++) {
		net_address_print(&to[i], ip, sizeof ip);
		if (span_is(local, ip)) {
			frame_start(answer, "itself");
			frame_put_string(answer, "address", ip);
			return 0;
		}
	}
	for (size_t i = 0; i < count && fd < 0; i++) {
		net_address_print(&to[i], ip, sizeof ip);
		if (net_dial(&to[i], NULL, deadline, &fd, why) < 0)
			fd = -1;
	}
	if (fd < 0)
		return fault_prefix(why, "connect(%s, %lld) failed", ip, (long long)w->port);
	frame_start(answer, "dialed");
	frame_put_fd(answer, "stream", fd);
	frame_put_string(answer, "address", ip);
	answer->owns_fds = true;
	return 0;
}

static int
ask_way(struct span ticket, struct frame *f, struct way *w, struct fault *why)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct way, host, "host", FIELD_NEEDED), FIELD_TEXT(struct way, address, "address", FIELD_NEEDED),
		FIELD_NUMBER(struct way, port, "port", FIELD_NEEDED), FIELD_NUMBER(struct way, timeout, "timeout", FIELD_NEEDED),
		FIELD_FLAG(struct way, maybe, "maybe", FIELD_NEEDED), FIELD_FLAG(struct way, any_port, "anyport", FIELD_NEEDED), FIELD_END
	};

	frame_start(f, "way");
	frame_put(f, "ticket", ticket);
	if (peer_call("authd", f, clock_after(DIAL_MS), why) < 0)
		return -1;
	if (!frame_is(f, "way"))
		return fault_set(why, FAULT_DENIED, "that is no ticket");
	if (frame_decode(f, fields, w, why) < 0)
		return -1;
	return w->port > 0 && w->port < 65536 ? 0 : fault_set(why, FAULT_INPUT, "authd: strange answer");
}

/* A server of mailboxes that answers nobody must not keep mail waiting: room is left for milters and their like. */
static bool
enter_way(void)
{
	if (atomic_fetch_add(&ways, 1) < config.ways)
		return true;
	atomic_fetch_sub(&ways, 1);
	return false;
}

static int
do_way(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	autoframe struct frame f = {0};
	struct { struct span ticket, local; int64_t port; } in;
	static const struct field fields[] = {
		FIELD_TEXT(__typeof__(in), ticket, "ticket", FIELD_NEEDED), FIELD_TEXT(__typeof__(in), local, "local", FIELD_NEEDED),
		FIELD_NUMBER(__typeof__(in), port, "port", FIELD_NEEDED), FIELD_END
	};
	struct way   w = {.host = SPAN_NONE, .address = SPAN_NONE};
	struct fault trouble = {0};

	(void)unused;
	if (frame_decode(request, fields, &in, why) < 0)
		return -1;
	if (!enter_way()) {
		peer_refuse(answer, "dialer_proxy_connections = %d: so many are in the making already", config.ways);
		return 0;
	}
	if (ask_way(in.ticket, &f, &w, &trouble) < 0 || dial_way(&w, in.local, in.port, answer, &trouble) < 0) {
		if (trouble.class == FAULT_DENIED)
			log_warning("refusing to dial: %s", fault_text(&trouble));
		peer_refuse(answer, "%s", fault_text(&trouble));
	}
	atomic_fetch_sub(&ways, 1);
	return 0;
}

static const char *const asks[] = {"authd", NULL};

static const struct peer_verb verbs[] = {
	{"dial", 0, 0, do_dial},
	{"way", 0, 0, do_way},
	{NULL, 0, 0, NULL}
};

static void
serve(int fd, const struct listener *from)
{
	autoclose int sock = fd;

	(void)from;
	peer_serve(sock, verbs, NULL);
}

static const char *const reads[] = {"/etc", "/run", "/var/run", NULL};

static const struct service dialer = {
	.name     = "dialer",
	.about    = "connects to milters, policy servers and other endpoints of the configuration",
	.role     = ROLE_DIAL,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_DIAL | MAY_DNS | MAY_NAME,
	.reads    = reads,
	.params   = params,
	.tasks    = "1000",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&dialer, argc, argv);
}
