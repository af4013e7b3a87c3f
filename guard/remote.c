/* SPDX-License-Identifier: ISC */
/*
 * remote.c - a table that a server answers: its servers, its connections, one lookup
 */
#include "guard/remote.h"

#include <netdb.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "mail/charset.h"
#include "net/address.h"
#include "service/sandbox.h"

enum { POOL_MAX = 20, HOSTS_MAX = 64, IDLE_SECONDS = 60, RETRY_SECONDS = 60, PAUSE_MS = 1000 };

struct remote_link {
	void   *connection;
	size_t  host;
	int64_t since;
};

/* ---- opening ---- */

static int
open_domains(struct remote *r, struct fault *why)
{
	if (list_parse(span_of(remote_string(r->config, "domain", "")), &r->domains, why) < 0)
		return -1;
	if (r->domains.count == 0)
		return 0;
	r->domain = match_list_make(&r->domains, 0, &match_tables, why);
	return r->domain ? 0 : fault_prefix(why, "domain");
}

static int
read_common(struct remote *r, struct fault *why)
{
	int idle, retry;

	r->format = remote_string(r->config, "result_format", remote_string(r->config, "result_filter", "%s"));
	if (remote_words_check(r->format, why) < 0)
		return fault_prefix(why, "result_format");
	if (remote_number(r->config, "expansion_limit", 0, &r->limit, why) < 0 ||
	    remote_number(r->config, "idle_interval", IDLE_SECONDS, &idle, why) < 0 ||
	    remote_number(r->config, "retry_interval", RETRY_SECONDS, &retry, why) < 0)
		return -1;
	r->idle_ms = idle * 1000;
	r->retry_ms = retry * 1000;
	return open_domains(r, why);
}

static int
open_any(struct table *t, const struct remote_driver *driver, bool parameters, struct remote_config *given, struct fault *why)
{
	struct remote *r = mem_alloc(sizeof *r);

	t->data = r;
	t->owner = (uid_t)-1;          /* what a server says runs nothing */
	r->driver = driver;
	r->table = t;
	r->query = r->format = "%s";
	r->idle_ms = IDLE_SECONDS * 1000;
	r->retry_ms = RETRY_SECONDS * 1000;
	monitor_init(&r->lock);
	if (parameters) {
		uid_t owner = t->owner;

		r->identifies = given != NULL;
		r->config = given ? given : remote_config_open(t, why);
		t->owner = owner;
		if (!r->config || read_common(r, why) < 0)
			return -1;
	}
	if (driver->prepare(r, why) < 0)
		return -1;
	if (r->config)
		remote_config_leftovers(r->config);
	return r->hosts ? 0 : fault_set(why, FAULT_INPUT, "no server is named");
}

int
remote_open(struct table *t, const struct remote_driver *driver, struct fault *why)
{
	return open_any(t, driver, true, NULL, why);
}

int
remote_open_made(struct table *t, const struct remote_driver *driver, struct remote_config *config, struct fault *why)
{
	return open_any(t, driver, true, config, why);
}

int
remote_open_bare(struct table *t, const struct remote_driver *driver, struct fault *why)
{
	return open_any(t, driver, false, NULL, why);
}

int
remote_add_host(struct remote *r, struct span name, struct span port, bool local, struct fault *why)
{
	struct remote_host *h;
	uint16_t            number;

	if (name.len == 0 || r->hosts == HOSTS_MAX)
		return fault_set(why, FAULT_INPUT, r->hosts == HOSTS_MAX ? "too many servers" : "a server without a name");
	if (!local && port.len) {
		if (net_port(port, &number, why) < 0)
			return -1;
		sandbox_allow_port(number);
		sandbox_allow_port(53);     /* long answers of name servers */
	}
	r->host = mem_grow(r->host, r->hosts + 1, sizeof *r->host);
	h = &r->host[r->hosts++];
	*h = (struct remote_host){.name = mem_span(name), .port = mem_span(port), .local = local};
	return 0;
}

int
remote_add_host_word(struct remote *r, struct span word, const char *default_port, struct fault *why)
{
	struct span host, port = span_of(default_port);
	ptrdiff_t   colon;

	if (span_starts(word, "unix:"))
		return remote_add_host(r, span_from(word, 5), SPAN_NONE, true, why);
	if (span_starts(word, "inet:"))
		word = span_from(word, 5);
	host = word;
	colon = span_find_last(word, ':');
	if (colon > 0 && span_find(word, ':') == colon)
		host = span_first(word, (size_t)colon), port = span_from(word, (size_t)colon + 1);
	if (span_starts(word, "[")) {
		ptrdiff_t end = span_find(word, ']');

		if (end < 0)
			return fault_set(why, FAULT_INPUT, "%.*s: ] is missing", SPAN_ARGS(word));
		host = span_cut(word, 1, (size_t)end);
		port = colon > end ? span_from(word, (size_t)colon + 1) : span_of(default_port);
	}
	return remote_add_host(r, host, port, false, why);
}

int
remote_sql_query(struct remote *r, struct fault *why)
{
	struct remote_config *c = r->config;
	const char           *function = remote_string(c, "select_function", NULL);
	const char           *query = remote_string(c, "query", NULL), *table, *field, *where, *more;

	if (r->identifies)
		return 0;
	table = remote_string(c, "table", NULL);
	field = remote_string(c, "select_field", NULL);
	where = remote_string(c, "where_field", NULL);
	more = remote_string(c, "additional_conditions", "");
	if (query)
		r->query = query;
	else if (function)
		r->query = r->made = mem_format("SELECT %s('%%s')", function);
	else if (table && field && where)
		r->query = r->made = mem_format("SELECT %s FROM %s WHERE %s = '%%s' %s", field, table, where, more);
	else
		return fault_set(why, FAULT_INPUT, "query is missing");
	return remote_words_check(r->query, why) < 0 ? fault_prefix(why, "query") : 0;
}

/* ---- connections ---- */

static void
drop_old(struct remote *r, struct remote_link *old, size_t *n)
{
	size_t  kept = 0;
	int64_t now = clock_now();

	for (size_t i = 0; i < r->n_idle; i++)
		if (now - r->idle[i].since > r->idle_ms)
			old[(*n)++] = r->idle[i];
		else
			r->idle[kept++] = r->idle[i];
	r->n_idle = kept;
}

/* A server to ask next, by its worth: -1 when all failed a moment ago, or were tried. */
static ptrdiff_t
choose_host(const struct remote *r, uint64_t tried)
{
	ptrdiff_t best = -1;
	uint64_t  best_worth = 0;
	int64_t   now = clock_now();

	for (size_t i = 0; i < r->hosts; i++) {
		const struct remote_host *h = &r->host[i];
		bool                      up = h->down_until <= now;
		uint16_t                  chance = 0;
		uint64_t                  worth;

		if (tried & (uint64_t)1 << i || (!up && now - h->tried < PAUSE_MS))
			continue;
		(void)!getrandom(&chance, sizeof chance, 0);
		worth = (uint64_t)up << 40 | (uint64_t)h->local << 32 | ((uint64_t)chance + 1);
		if (worth > best_worth)
			best = (ptrdiff_t)i, best_worth = worth;
	}
	return best;
}

/* Room for one more connection; a kept one is given when there is one. */
static bool
take_link(struct remote *r, int64_t deadline, struct remote_link *link, bool *kept)
{
	struct remote_link old[POOL_MAX];
	size_t             n_old = 0;
	bool               room = true;

	monitor_enter(&r->lock);
	while (r->n_used >= POOL_MAX && room)
		room = monitor_wait(&r->lock, deadline);
	drop_old(r, old, &n_old);
	*kept = room && r->n_idle > 0;
	if (*kept)
		*link = r->idle[--r->n_idle];
	r->n_used += room;
	monitor_leave(&r->lock);
	for (size_t i = 0; i < n_old; i++)
		r->driver->disconnect(old[i].connection);
	return room;
}

static void
give_link(struct remote *r, const struct remote_link *link)
{
	monitor_enter(&r->lock);
	r->idle = r->idle ? r->idle : mem_array(POOL_MAX, sizeof *r->idle);
	if (link && r->n_idle < POOL_MAX) {
		r->idle[r->n_idle] = *link;
		r->idle[r->n_idle++].since = clock_now();
		r->host[link->host].down_until = 0;
		link = NULL;
	}
	r->n_used--;
	monitor_wake(&r->lock);
	monitor_leave(&r->lock);
	if (link)
		r->driver->disconnect(link->connection);
}

static void
note_down(struct remote *r, size_t host, const struct fault *why)
{
	monitor_enter(&r->lock);
	r->host[host].tried = clock_now();
	r->host[host].down_until = clock_now() + r->retry_ms;
	monitor_leave(&r->lock);
	log_warning("%s: %s%s%s: %s", r->table->spec, r->host[host].name, r->host[host].port[0] ? ":" : "",
	            r->host[host].port, fault_text(why));
}

static bool
is_broken(const struct fault *why)
{
	return why->class == FAULT_PEER || why->class == FAULT_TIME;
}

/* ---- one lookup ---- */

static int
ask_link(struct remote *r, struct remote_link *link, const struct remote_key *key, struct remote_answer *answer,
         int64_t deadline, struct fault *why)
{
	int got;

	text_clear(&answer->values);
	answer->count = 0;
	got = r->driver->ask(r, link->connection, key, answer, deadline, why);
	if (got < 0 && is_broken(why)) {
		r->driver->disconnect(link->connection);
		give_link(r, NULL);
	} else
		give_link(r, link);
	return got;
}

/* Server by server until one answers. */
static int
ask_servers(struct remote *r, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
            struct fault *why)
{
	uint64_t tried = 0;

	fault_set(why, FAULT_PEER, "all servers failed a moment ago");
	while (clock_now() < deadline) {
		struct remote_link link = {0};
		bool               kept;
		ptrdiff_t          host;

		if (!take_link(r, deadline, &link, &kept))
			return fault_set(why, FAULT_TIME, "no free connection");
		if (kept) {            /* it may have died while nobody looked: that says nothing of the server */
			if (ask_link(r, &link, key, answer, deadline, why) == 0)
				return 0;
			if (!is_broken(why))
				return -1;
			continue;
		}
		monitor_enter(&r->lock);
		host = choose_host(r, tried);
		monitor_leave(&r->lock);
		if (host < 0) {
			give_link(r, NULL);
			return -1;
		}
		tried |= (uint64_t)1 << host;
		link.host = (size_t)host;
		link.connection = r->driver->connect(r, &r->host[host], deadline, why);
		if (!link.connection)
			give_link(r, NULL);
		else if (ask_link(r, &link, key, answer, deadline, why) == 0)
			return 0;
		else if (!is_broken(why))
			return -1;
		note_down(r, (size_t)host, why);
	}
	return -1;
}

/* Only full addresses of the domains are asked: 1 yes, 0 no, -1 why */
static int
is_asked(const struct remote *r, const struct remote_key *key, struct fault *why)
{
	if (span_has(key->whole, '\0') || !utf8_valid(key->whole))
		return 0;
	if (!r->domain)
		return 1;
	if (key->domain.len == 0 || key->user.len == 0)
		return 0;
	return match_domain(r->domain, key->domain, why);
}

int
remote_find(struct table *t, struct span key, struct text *value, struct fault *why)
{
	struct remote       *r = t->data;
	struct remote_key    parts;
	struct remote_answer answer = {0};
	int                  got;

	remote_key_split(key, &parts);
	got = is_asked(r, &parts, why);
	if (got <= 0)
		return got < 0 ? -1 : 1;
	got = ask_servers(r, &parts, &answer, clock_after(REMOTE_MS), why);
	if (got == 0 && answer.values.len)
		text_add(value, text_span(&answer.values));
	else if (got == 0)
		got = 1;
	text_free(&answer.values);
	return got;
}

int
remote_ask(struct remote *r, const struct remote_key *key, struct remote_answer *answer, struct fault *why)
{
	return ask_servers(r, key, answer, clock_after(REMOTE_MS), why);
}

int
remote_query(struct remote *r, const struct remote_key *key, remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	if (key->request)
		return identity_words_expand(key->request->query, key->request->words, quote, context, out, why);
	return remote_words_expand(r->query, key, key, quote, context, out, why);
}

int
remote_row(const struct remote_key *key, struct remote_answer *answer, struct fault *why)
{
	if (key->request && key->request->all)
		text_add_byte(&answer->values, '\0');
	if (key->request && ++answer->count > 1 && !key->request->all)
		return fault_set(why, FAULT_INPUT, "the query finds several users");
	return 0;
}

int
remote_add_field(struct remote *r, const struct remote_key *key, const char *name, struct span value, struct remote_answer *answer,
                 struct fault *why)
{
	if (!key->request)
		return remote_add(r, key, value, answer, why);
	if (span_has(value, '\0'))
		return fault_set(why, FAULT_INPUT, "%s: a NUL byte", name);
	text_add_format(&answer->values, "%s=%.*s", name, SPAN_ARGS(value));
	text_add_byte(&answer->values, '\0');
	return answer->values.len > (key->request->all ? REMOTE_ALL_MOST : TABLE_VALUE_MAX) ? fault_set(why, FAULT_INPUT, "the answer is too long") : 0;
}

int
remote_add(struct remote *r, const struct remote_key *key, struct span value, struct remote_answer *answer,
           struct fault *why)
{
	autotext struct text one = {0};
	struct remote_key    parts;

	if (value.len == 0)
		return 0;
	remote_key_split(value, &parts);
	if (remote_words_expand(r->format, key, &parts, remote_quote_none, NULL, &one, why) || one.len == 0)
		return 0;
	if (r->limit && ++answer->count > r->limit)
		return fault_set(why, FAULT_INPUT, "more than expansion_limit (%d) results for \"%.*s\"", r->limit,
		                 SPAN_ARGS(span_first(key->whole, 100)));
	if (answer->values.len)
		text_add_byte(&answer->values, ',');
	text_add(&answer->values, text_span(&one));
	if (answer->values.len > TABLE_VALUE_MAX)
		return fault_set(why, FAULT_INPUT, "the answer is too long");
	return 0;
}

void
remote_close(struct table *t)
{
	struct remote *r = t->data;

	if (!r)
		return;
	for (size_t i = 0; i < r->n_idle; i++)
		r->driver->disconnect(r->idle[i].connection);
	if (r->driver->free)
		r->driver->free(r);
	for (size_t i = 0; i < r->hosts; i++) {
		free(r->host[i].name);
		free(r->host[i].port);
	}
	free(r->host);
	free(r->idle);
	free(r->made);
	if (r->domain)
		match_list_free(r->domain);
	list_free(&r->domains);
	remote_config_free(r->config);
	free(r);
	t->data = NULL;
}

/* ---- streams ---- */

static int
dial_found(const struct addrinfo *a, int64_t deadline, int *fd, struct fault *why)
{
	int outcome = fault_set(why, FAULT_PEER, "no address");

	for (; a && outcome < 0; a = a->ai_next) {
		struct net_address to = {.len = a->ai_addrlen};

		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		memcpy(&to.u, a->ai_addr, a->ai_addrlen);
		outcome = net_dial(&to, NULL, deadline, fd, why);
	}
	return outcome;
}

int
remote_dial(const struct remote_host *h, int64_t deadline, int *fd, struct fault *why)
{
	struct addrinfo  hints = {.ai_socktype = SOCK_STREAM}, *found;
	int              error, outcome;
	char             digits[8];

	if (h->local)
		outcome = net_dial_unix(h->name, deadline, fd, why);
	else {
		error = getaddrinfo(h->name, net_port_digits(h->port, digits), &hints, &found);
		if (error)
			return fault_set(why, FAULT_PEER, "%s: %s", h->name, gai_strerror(error));
		outcome = dial_found(found, deadline, fd, why);
		freeaddrinfo(found);
	}
	if (outcome < 0)
		why->class = FAULT_PEER;       /* another server may do better */
	return outcome;
}

bool
remote_out_of_turn(struct conn *c, struct fault *why)
{
	return conn_input_waits(c) && fault_set(why, FAULT_PEER, "the server spoke out of turn, or has hung up") < 0;
}
