/* SPDX-License-Identifier: ISC */
/*
 * policy.c - what TLS must be with a host: smtp_tls_policy_maps, smtp_tls_per_site, smtp_tls_security_level
 *
 * The result is one enum (SECURITY.md 2, row 18): whoever reads it never finds a way from "must" to
 * clear text, but the one that the administrator opens by tls_required_enable (required.c).  A policy that
 * cannot be understood stops the delivery for now; it never weakens it.
 */
#include <stdio.h>

#include "base/log.h"
#include "client.h"
#include "table/table.h"

static const char *const levels[] = {"", "none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"};

const char *
policy_level_name(enum tls_level level)
{
	return levels[level];
}

static int
parse_level(struct span word, enum tls_level *out, struct fault *why)
{
	for (size_t i = TLS_NONE; i < COUNT(levels); i++)
		if (span_is_nocase(word, levels[i])) {
			*out = (enum tls_level)i;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "unknown TLS security level \"%.*s\"", SPAN_ARGS(span_first(word, 40)));
}

static void
add_match(struct tls_policy *p, struct span value, struct arena *a)
{
	const char *separators = p->level == TLS_FINGERPRINT ? "|" : ":";
	struct span piece;

	while (span_next(&value, separators, &piece))
		p->match = p->match ? arena_format(a, "%s,%.*s", p->match, SPAN_ARGS(piece)) : arena_string(a, piece);
}

/* Only what was read before the sandbox closed: smtp_tls_trust_anchor_file names it. */
static int
use_anchors(struct span path, struct tls_policy *p, struct fault *why)
{
	for (size_t i = 0; i < client.tls_anchor_files.count; i++)
		if (span_is(path, client.tls_anchor_files.item[i])) {
			p->tlsa = client.anchors;
			p->n_tlsa = client.n_anchors;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "tafile=%.*s must be named by %s_tls_trust_anchor_file too",
	                 SPAN_ARGS(span_first(path, 200)), client_prefix());
}

static int
parse_attribute(struct span name, struct span value, struct arena *a, struct tls_policy *p, struct fault *why)
{
	if (span_is_nocase(name, "match"))
		add_match(p, value, a);
	else if (span_is_nocase(name, "protocols"))
		p->protocols = arena_string(a, value);
	else if (span_is_nocase(name, "ciphers"))
		p->ciphers = arena_string(a, value);
	else if (span_is_nocase(name, "exclude"))
		p->exclude = arena_string(a, value);
	else if (span_is_nocase(name, "servername"))
		p->server_name = arena_string(a, value);
	else if (span_is_nocase(name, "tafile"))
		return use_anchors(value, p, why);
	else if (span_is_nocase(name, "mx_host_pattern"))
		p->mx_patterns = arena_format(a, "%s %.*s", p->mx_patterns ? p->mx_patterns : "", SPAN_ARGS(value));
	else if (span_is_nocase(name, "connection_reuse"))
		p->no_reuse = span_is_nocase(value, "no");
	else if (!span_is_nocase(name, "enable_rpk") && !span_is_nocase(name, "policy_type") && !span_is_nocase(name, "policy_domain") &&
	         !span_is_nocase(name, "policy_string") && !span_is_nocase(name, "policy_ttl") &&
	         !span_is_nocase(name, "policy_failure"))
		return fault_set(why, FAULT_INPUT, "unknown attribute \"%.*s\"", SPAN_ARGS(span_first(name, 40)));
	return 0;
}

int
policy_parse(struct span line, struct arena *a, struct tls_policy *out, struct fault *why)
{
	struct tls_policy p = {.level = TLS_UNSET};
	struct span       word = SPAN_NONE, name;

	if (!span_next(&line, " \t\r\n,", &word) || parse_level(word, &p.level, why) < 0)
		return word.len ? -1 : fault_set(why, FAULT_INPUT, "no TLS security level");
	while (span_next(&line, " \t\r\n,", &word)) {
		struct span value = word;

		if (!span_split(&value, '=', &name))
			return fault_set(why, FAULT_INPUT, "\"%.*s\" has no value", SPAN_ARGS(span_first(word, 40)));
		if (parse_attribute(name, value, a, &p, why) < 0)
			return -1;
	}
	*out = p;
	return 0;
}

bool
policy_mx_matches(const char *patterns, struct span host)
{
	struct span rest = span_of(patterns), pattern;

	while (span_next(&rest, " ", &pattern)) {
		struct span name = host;

		if (span_starts(pattern, "*.")) {
			ptrdiff_t dot = span_find(host, '.');

			if (dot <= 0)
				continue;
			pattern = span_from(pattern, 2);
			name = span_from(host, (size_t)dot + 1);
		}
		if (span_equal_nocase(pattern, name))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ looking up */

/* The next hop as it is; a plain domain by its parents too: ".example.com". */
static int
find_in_tables(struct span nexthop, struct text *value, struct fault *why)
{
	int got = table_list_find(client.tls_policy.tables, nexthop, value, NULL, why);

	if (got != 1 || span_has(nexthop, '[') || span_has(nexthop, ':'))
		return got;
	for (ptrdiff_t dot; (dot = span_find(nexthop, '.')) >= 0;) {
		nexthop = span_from(nexthop, (size_t)dot);
		if ((got = table_list_find(client.tls_policy.tables, nexthop, value, NULL, why)) != 1)
			return got;
		nexthop = span_from(nexthop, 1);
	}
	return 1;
}

static int
old_level(struct span key, enum tls_level *level, struct fault *why)
{
	autotext struct text value = {0};
	int                  got = table_list_find(client.tls_per_site.tables, key, &value, NULL, why);
	struct span          word = span_trim(text_span(&value));
	enum tls_level       found;

	if (got != 0)
		return got < 0 ? -1 : 0;
	if (span_is_nocase(word, "NONE"))
		found = TLS_NONE;
	else if (span_is_nocase(word, "MAY"))
		found = TLS_MAY;
	else if (span_is_nocase(word, "MUST_NOPEERMATCH"))
		found = TLS_ENCRYPT;
	else if (span_is_nocase(word, "MUST"))
		found = TLS_VERIFY;
	else
		return fault_set(why, FAULT_INPUT, "unknown TLS policy \"%.*s\"", SPAN_ARGS(span_first(word, 40)));
	if (*level == TLS_UNSET || found > *level)
		*level = found;
	return 0;
}

static int
look_up(const struct host *h, struct span nexthop, struct arena *a, struct tls_policy *p, struct fault *why)
{
	autotext struct text value = {0};
	enum tls_level       level = TLS_UNSET;
	int                  got;

	if (table_list_count(client.tls_policy.tables)) {
		got = find_in_tables(nexthop, &value, why);
		return got == 0 ? policy_parse(text_span(&value), a, p, why) : got < 0 ? -1 : 0;
	}
	if (!table_list_count(client.tls_per_site.tables))
		return 0;
	if (old_level(span_of(h->name), &level, why) < 0 || old_level(nexthop, &level, why) < 0)
		return -1;
	if (level != TLS_UNSET)
		p->level = level == TLS_VERIFY && !client.tls_enforce_peername ? TLS_ENCRYPT : level;
	return 0;
}

/* ------------------------------------------------------------ names */

static struct span
bare(struct span nexthop)
{
	ptrdiff_t end;

	if (nexthop.len && nexthop.at[0] == '[')
		nexthop = span_from(nexthop, 1);
	end = span_find_any(nexthop, "]:");
	return end < 0 ? nexthop : span_first(nexthop, (size_t)end);
}

/* "hostname", "nexthop" and "dot-nexthop" are what they stand for. */
static const char *
match_names(const struct host *h, struct span nexthop, const char *words, struct arena *a)
{
	struct span rest = span_of(words), word;
	const char *names = "";

	nexthop = bare(nexthop);
	while (span_next(&rest, ", \t:", &word)) {
		bool        dot = span_is_nocase(word, "dot-nexthop");
		struct span name = span_is_nocase(word, "hostname") ? span_of(h->name)
		                   : dot || span_is_nocase(word, "nexthop") ? nexthop : word;

		names = arena_format(a, "%s%s%s%.*s", names, *names ? "," : "", dot ? "." : "", SPAN_ARGS(name));
	}
	return names;
}

static bool
is_literal(const struct host *h)
{
	struct net_address a;

	return h->socket || net_address_parse(span_of(h->name), 0, &a, NULL) == 0;
}

/* RFC 6066, 3: no literals in SNI. */
static void
settle_server_name(const struct host *h, struct span nexthop, struct arena *a, struct tls_policy *p)
{
	const char *name = p->server_name ? p->server_name : client.tls_servername;

	if (strcmp(name, "nexthop") == 0)
		p->server_name = arena_string(a, bare(nexthop));
	else if (*name && strcmp(name, "hostname") != 0)
		p->server_name = name;
	else
		p->server_name = is_literal(h) ? NULL : h->name;
}

static void
settle(const struct host *h, struct span nexthop, struct arena *a, struct tls_policy *p)
{
	if (client.tls_wrappermode && p->level < TLS_ENCRYPT)
		p->level = TLS_ENCRYPT;
	settle_server_name(h, nexthop, a, p);
	if (p->level == TLS_FINGERPRINT && !p->match)
		p->match = client.tls_fingerprint_match;
	if (p->level >= TLS_VERIFY) {
		const char *words = p->match ? p->match : p->level == TLS_SECURE ? client.tls_secure_match : client.tls_verify_match;

		p->match = match_names(h, nexthop, words, a);
		if (!p->n_tlsa) {
			p->tlsa = client.anchors;
			p->n_tlsa = client.n_anchors;
		}
	}
	if (p->exclude || p->ciphers) { /* the one needs the other */
		bool must = p->level >= TLS_ENCRYPT;
		const char *more = must ? client.tls_mandatory_exclude_ciphers : "";

		if (!p->ciphers)
			p->ciphers = must ? client.tls_mandatory_ciphers : client.tls_ciphers;
		p->exclude = arena_format(a, "%s, %s, %s", p->exclude ? p->exclude : "", client.tls_exclude_ciphers, more);
	}
}

/* "TLS-Required: no": nothing is proved, of DANE and MTA-STS neither; which TLS is good enough stays the administrator's. */
static void
lower(struct tls_policy *p)
{
	p->level = TLS_MAY;
	p->match = p->mx_patterns = NULL;
	p->tlsa = NULL;
	p->n_tlsa = 0;
}

enum step
policy_find(const struct host *h, struct span nexthop, bool lowered, struct arena *a, struct tls_policy *out, struct trouble *t)
{
	struct tls_policy p = {.level = (enum tls_level)client.tls_level};
	struct fault      why = {0};

	if (h->socket && p.level > TLS_ENCRYPT) /* nobody there has a name */
		p.level = TLS_ENCRYPT;
	if (look_up(h, nexthop, a, &p, &why) < 0) {
		log_warning("TLS policy for %.*s: %s", SPAN_ARGS(nexthop), fault_text(&why));
		trouble_set(t, "4.7.5", "client TLS configuration problem");
		return STEP_NEXT;
	}
	if (lowered && p.level > TLS_MAY)
		lower(&p);
	if (p.mx_patterns && client.tls_sts_patterns && !policy_mx_matches(p.mx_patterns, span_of(h->name))) {
		trouble_set(t, "4.7.5", "%s is no MX host of the MTA-STS policy of %.*s", h->name, SPAN_ARGS(nexthop));
		return STEP_NEXT;
	}
	settle(h, nexthop, a, &p);
	if (p.level == TLS_FINGERPRINT && !*p.match) {
		log_warning("TLS policy for %.*s: fingerprint without a fingerprint", SPAN_ARGS(nexthop));
		trouble_set(t, "4.7.5", "client TLS configuration problem");
		return STEP_NEXT;
	}
	if ((p.level == TLS_DANE || p.level == TLS_DANE_ONLY) && dane_apply(h, a, &p, t) != STEP_DONE)
		return STEP_NEXT;
	*out = p;
	return STEP_DONE;
}
