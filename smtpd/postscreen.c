/* SPDX-License-Identifier: ISC */
/*
 * postscreen.c - looks at clients before smtpd speaks with them: parameters, lists, the program
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "mail/smtp_syntax.h"
#include "screen.h"
#include "service/service.h"

enum tls_level { TLS_LEVEL_UNSET, TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT };

struct screen_config screen;

#define S screen
#define ACTION "ignore enforce drop"

static const struct param params[] = {
	LIST    ("postscreen_access_list", &S.access_list, "permit_mynetworks", "clients that are let in, or out, for good"),
	CHOICE  ("postscreen_denylist_action", &S.deny_action, "${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}", ACTION, "what those who are rejected by it get"),
	STRING  ("postscreen_blacklist_action", NULL, "", "the old name of postscreen_denylist_action"),
	LIST    ("postscreen_allowlist_interfaces", &S.allow_interfaces, "${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}", "our addresses on which a new client can pass"),
	STRING  ("postscreen_whitelist_interfaces", NULL, "", "the old name of postscreen_allowlist_interfaces"),
	CHOICE  ("postscreen_greet_action", &S.greet_action, "ignore", ACTION, "for clients that speak before the greeting"),
	STRING  ("postscreen_greet_banner", &S.greet_banner, "$smtpd_banner", "the first half of the greeting; empty: no test"),
	DURATION("postscreen_greet_wait", &S.greet_wait, "${stress?{2}:{6}}s", "1s", "", "how long after it a client must be silent"),
	DURATION("postscreen_greet_ttl", &S.greet_ttl, "1d", "1s", "", "how long that holds"),
	LIST    ("postscreen_dnsbl_sites", &S.dnsbl_sites, "", "DNS lists: zone=127.0.0.[2..11]*weight"),
	NUMBER  ("postscreen_dnsbl_threshold", &S.dnsbl_threshold, "1", "1", "", "the score from which on a client is listed"),
	STRING  ("postscreen_dnsbl_allowlist_threshold", &S.dnsbl_allow_text, "${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}", "the score, negative, up to which he needs no test"),
	STRING  ("postscreen_dnsbl_whitelist_threshold", NULL, "", "the old name of postscreen_dnsbl_allowlist_threshold"),
	CHOICE  ("postscreen_dnsbl_action", &S.dnsbl_action, "ignore", ACTION, "for clients that are listed"),
	STRING  ("postscreen_dnsbl_reply_map", &S.dnsbl_reply_map, "", "names of lists as clients see them"),
	DURATION("postscreen_dnsbl_min_ttl", &S.dnsbl_min_ttl, "60s", "1s", "", "how long a good score holds at least"),
	STRING  ("postscreen_dnsbl_max_ttl", &S.dnsbl_max_ttl_text, "${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h", "and at most"),
	STRING  ("postscreen_dnsbl_ttl", NULL, "", "the old name of postscreen_dnsbl_max_ttl"),
	DURATION("postscreen_dnsbl_timeout", &S.dnsbl_timeout, "10s", "1s", "", "time for DNS lists"),
	BOOLEAN ("postscreen_pipelining_enable", &S.pipelining, "no", "look for clients that do not wait for replies"),
	CHOICE  ("postscreen_pipelining_action", &S.pipelining_action, "enforce", ACTION, "what they get"),
	DURATION("postscreen_pipelining_ttl", &S.pipelining_ttl, "30d", "1s", "", "how long a pass holds"),
	BOOLEAN ("postscreen_non_smtp_command_enable", &S.non_smtp, "no", "look for clients that do not speak SMTP"),
	CHOICE  ("postscreen_non_smtp_command_action", &S.non_smtp_action, "drop", ACTION, "what they get"),
	DURATION("postscreen_non_smtp_command_ttl", &S.non_smtp_ttl, "30d", "1s", "", "how long a pass holds"),
	BOOLEAN ("postscreen_bare_newline_enable", &S.bare_newline, "no", "look for clients that end lines with LF alone"),
	CHOICE  ("postscreen_bare_newline_action", &S.bare_newline_action, "ignore", ACTION, "what they get"),
	DURATION("postscreen_bare_newline_ttl", &S.bare_newline_ttl, "30d", "1s", "", "how long a pass holds"),
	STRING  ("postscreen_upstream_proxy_protocol", &S.upstream_protocol, "", "haproxy: its header tells who the client is"),
	DURATION("postscreen_upstream_proxy_timeout", &S.upstream_timeout, "5s", "1s", "", "time for that header"),
	NUMBER  ("postscreen_client_connection_count_limit", &S.connection_limit, "$smtpd_client_connection_count_limit", "0", "", "clients of one address at a time, 0 for any"),
	NUMBER  ("postscreen_pre_queue_limit", &S.pre_queue_limit, "$default_process_limit", "10", "", "clients that are tested at a time"),
	NUMBER  ("postscreen_post_queue_limit", &S.post_queue_limit, "$default_process_limit", "10", "", "clients that wait for smtpd at a time"),
	NUMBER  ("postscreen_command_count_limit", &S.command_limit, "20", "1", "", "commands in a session of postscreen's own"),
	DURATION("postscreen_command_time_limit", &S.command_time, "${stress?{10}:{300}}s", "1s", "", "time for one"),
	STRING  ("postscreen_command_filter", &S.command_filter, "", "a table from commands to what is taken in their place"),
	LIST    ("postscreen_forbidden_commands", &S.forbidden_commands, "$smtpd_forbidden_commands", "commands that are no SMTP"),
	BOOLEAN ("postscreen_helo_required", &S.helo_required, "$smtpd_helo_required", "MAIL needs a HELO before it"),
	BOOLEAN ("postscreen_disable_vrfy_command", &S.disable_vrfy, "$disable_vrfy_command", "VRFY is refused"),
	LIST    ("postscreen_discard_ehlo_keywords", &S.discard_ehlo, "$smtpd_discard_ehlo_keywords", "EHLO keywords that are not offered"),
	LIST    ("postscreen_discard_ehlo_keyword_address_maps", &S.discard_ehlo_maps, "$smtpd_discard_ehlo_keyword_address_maps", "the same by client address"),
	RAW     ("postscreen_reject_footer", &S.reject_footer, "$smtpd_reject_footer", "what is added to refusals"),
	LIST    ("postscreen_reject_footer_maps", &S.reject_footer_maps, "$smtpd_reject_footer_maps", "the same by refusal"),
	RAW     ("postscreen_expansion_filter", NULL, "$smtpd_expansion_filter", "not needed: only our own names are expanded, and replies are cleaned"),
	STRING  ("smtpd_banner", &S.banner, "$myhostname ESMTP $mail_name", "the greeting"),
	STRING  ("smtpd_service_name", &S.service_name, "smtpd", "the service of type pass that gets clients that pass"),
	BOOLEAN ("respectful_logging", &S.respectful, "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", "log ALLOWLISTED, not WHITELISTED"),
	CHOICE  ("postscreen_tls_security_level", &S.tls_level, "$smtpd_tls_security_level", " none may encrypt", "whether STARTTLS is offered, or required"),
	DURATION("postscreen_starttls_timeout", &S.starttls_timeout, "$smtpd_starttls_timeout", "1s", "", "time for a TLS handshake"),
	BOOLEAN ("postscreen_use_tls", &S.use_tls, "$smtpd_use_tls", "offer STARTTLS; see postscreen_tls_security_level"),
	BOOLEAN ("postscreen_enforce_tls", &S.enforce_tls, "$smtpd_enforce_tls", "require it"),
	STRING  ("tlsproxy_tls_security_level", NULL, "$smtpd_tls_security_level", "not needed: postscreen_tls_security_level counts"),
	BOOLEAN ("tlsproxy_use_tls", NULL, "$smtpd_use_tls", "not needed"),
	BOOLEAN ("tlsproxy_enforce_tls", NULL, "$smtpd_enforce_tls", "not needed"),
	STRING  ("postscreen_tls_chain_files", &S.tls_chain, "$tlsproxy_tls_chain_files", "postscreen's key, certificate and chain"),
	STRING  ("postscreen_tls_cert_file", &S.tls_cert, "$tlsproxy_tls_cert_file", "the certificate with its chain"),
	STRING  ("postscreen_tls_key_file", &S.tls_key, "$tlsproxy_tls_key_file", "its key"),
	STRING  ("postscreen_tls_eccert_file", &S.tls_ec_cert, "$tlsproxy_tls_eccert_file", "a second certificate"),
	STRING  ("postscreen_tls_eckey_file", &S.tls_ec_key, "$tlsproxy_tls_eckey_file", "its key"),
	STRING  ("postscreen_tls_CAfile", &S.tls_ca_file, "$tlsproxy_tls_CAfile", "authorities for client certificates"),
	STRING  ("postscreen_tls_CApath", &S.tls_ca_path, "$tlsproxy_tls_CApath", "a directory of them"),
	STRING  ("postscreen_tls_protocols", &S.tls_protocols, "$tlsproxy_tls_protocols", "TLS protocols"),
	STRING  ("postscreen_tls_mandatory_protocols", &S.tls_mandatory_protocols, "$tlsproxy_tls_mandatory_protocols", "where TLS is required"),
	STRING  ("postscreen_tls_ciphers", &S.tls_ciphers, "$tlsproxy_tls_ciphers", "cipher grade"),
	STRING  ("postscreen_tls_mandatory_ciphers", &S.tls_mandatory_ciphers, "$tlsproxy_tls_mandatory_ciphers", "where TLS is required"),
	STRING  ("postscreen_tls_exclude_ciphers", &S.tls_exclude, "$tlsproxy_tls_exclude_ciphers", "ciphers to leave out"),
	STRING  ("postscreen_tls_mandatory_exclude_ciphers", &S.tls_mandatory_exclude, "$tlsproxy_tls_mandatory_exclude_ciphers", "the same where TLS is required"),
	STRING  ("tlsproxy_tls_chain_files", NULL, "$smtpd_tls_chain_files", "what postscreen_tls_chain_files is without a value of its own"),
	STRING  ("tlsproxy_tls_cert_file", NULL, "$smtpd_tls_cert_file", "what postscreen_tls_cert_file is without a value of its own"),
	STRING  ("tlsproxy_tls_key_file", NULL, "$smtpd_tls_key_file", "what postscreen_tls_key_file is without a value of its own"),
	STRING  ("tlsproxy_tls_eccert_file", NULL, "$smtpd_tls_eccert_file", "what postscreen_tls_eccert_file is without a value of its own"),
	STRING  ("tlsproxy_tls_eckey_file", NULL, "$smtpd_tls_eckey_file", "what postscreen_tls_eckey_file is without a value of its own"),
	STRING  ("tlsproxy_tls_CAfile", NULL, "$smtpd_tls_CAfile", "what postscreen_tls_CAfile is without a value of its own"),
	STRING  ("tlsproxy_tls_CApath", NULL, "$smtpd_tls_CApath", "what postscreen_tls_CApath is without a value of its own"),
	STRING  ("tlsproxy_tls_protocols", NULL, "$smtpd_tls_protocols", "what postscreen_tls_protocols is without a value of its own"),
	STRING  ("tlsproxy_tls_mandatory_protocols", NULL, "$smtpd_tls_mandatory_protocols", "what postscreen_tls_mandatory_protocols is without a value of its own"),
	STRING  ("tlsproxy_tls_ciphers", NULL, "$smtpd_tls_ciphers", "what postscreen_tls_ciphers is without a value of its own"),
	STRING  ("tlsproxy_tls_mandatory_ciphers", NULL, "$smtpd_tls_mandatory_ciphers", "what postscreen_tls_mandatory_ciphers is without a value of its own"),
	STRING  ("tlsproxy_tls_exclude_ciphers", NULL, "$smtpd_tls_exclude_ciphers", "what postscreen_tls_exclude_ciphers is without a value of its own"),
	STRING  ("tlsproxy_tls_mandatory_exclude_ciphers", NULL, "$smtpd_tls_mandatory_exclude_ciphers", "what postscreen_tls_mandatory_exclude_ciphers is without a value of its own"),
	NUMBER  ("tlsproxy_tls_loglevel", &S.tls_loglevel, "$smtpd_tls_loglevel", "0", "", "not needed: failures are always logged"),
	END_OF_PARAMS
};

#undef S

/* ---- start ---- */

static struct match_list *
make_match(const char *name, const struct list *l, struct faults *faults)
{
	struct fault       why = {0};
	struct match_list *made = match_list_make(l, 0, &match_tables, &why);

	if (!made)
		faults_add(faults, "%s: %s", name, fault_text(&why));
	return made;
}

static struct table_list *
make_tables(const char *name, const struct list *l, struct faults *faults)
{
	struct fault       why = {0};
	struct table_list *made = table_list_open(l, &why);

	if (!made)
		faults_add(faults, "%s: %s", name, fault_text(&why));
	for (size_t i = 0; made && i < table_list_count(made); i++)
		service_watch_table(table_list_at(made, i));
	return made;
}

static struct table *
make_table(const char *name, const char *spec, struct faults *faults)
{
	struct fault  why = {0};
	struct table *t = spec[0] ? table_open(spec, &why) : NULL;

	if (t)
		service_watch_table(t);
	else if (spec[0])
		faults_add(faults, "%s: %s", name, fault_text(&why));
	return t;
}

static void
make_access(struct faults *faults)
{
	static const char *const words[] = {"permit_mynetworks", "permit", "reject", "dunno"};
	const struct list       *l = &screen.access_list;

	screen.access = mem_array(l->count + 1, sizeof *screen.access);
	for (size_t i = 0; i < l->count; i++) {
		struct access_rule *r = &screen.access[screen.n_access++];
		size_t              k = 0;

		while (k < COUNT(words) && strcasecmp(l->item[i], words[k]) != 0)
			k++;
		r->kind = k;
		if (k < COUNT(words))
			continue;
		if (table_is_spec(span_of(l->item[i])))
			r->table = make_table("postscreen_access_list", l->item[i], faults);
		else
			faults_add(faults, "postscreen_access_list: unknown element \"%s\"", l->item[i]);
	}
}

static struct dnsbl *
zone_of(struct span zone)
{
	for (size_t i = 0; i < screen.n_dnsbl; i++)
		if (span_equal_nocase(zone, span_of(screen.dnsbl[i].zone)))
			return &screen.dnsbl[i];
	screen.dnsbl = mem_grow(screen.dnsbl, screen.n_dnsbl + 1, sizeof *screen.dnsbl);
	screen.dnsbl[screen.n_dnsbl] = (struct dnsbl){.zone = mem_span(zone)};
	return &screen.dnsbl[screen.n_dnsbl++];
}

/* A zone may be a secret (a key in its name): another name is told. */
static void
name_zones(struct faults *faults)
{
	struct table *t = make_table("postscreen_dnsbl_reply_map", screen.dnsbl_reply_map, faults);

	for (size_t i = 0; i < screen.n_dnsbl; i++) {
		autotext struct text told = {0};

		if (t && table_find(t, span_of(screen.dnsbl[i].zone), &told, NULL) == 0)
			screen.dnsbl[i].told = mem_string(text_string(&told));
		else
			screen.dnsbl[i].told = screen.dnsbl[i].zone;
	}
}

static void
make_dnsbl(struct faults *faults)
{
	for (size_t i = 0; i < screen.dnsbl_sites.count; i++) {
		struct dnsbl_site site_of;
		struct fault      why = {0};
		struct dnsbl     *d;

		if (dnsbl_site_parse(span_of(screen.dnsbl_sites.item[i]), &site_of, &why) < 0) {
			faults_add(faults, "postscreen_dnsbl_sites: %s", fault_text(&why));
			continue;
		}
		d = zone_of(site_of.zone);
		d->sites = mem_grow(d->sites, d->count + 1, sizeof *d->sites);
		d->sites[d->count++] = site_of;
	}
	name_zones(faults);
}

/* A signed number, and a duration whose old name may end in a unit of its own: "2hh" is 2h. */
static void
make_numbers(struct faults *faults)
{
	struct span  text = span_of(screen.dnsbl_allow_text), ttl = span_of(screen.dnsbl_max_ttl_text);
	struct fault why = {0};
	uint64_t     n;

	if (span_number(span_from(text, span_starts(text, "-")), &n) && n < 100000)
		screen.dnsbl_allow = span_starts(text, "-") ? -(int)n : (int)n;
	else
		faults_add(faults, "postscreen_dnsbl_allowlist_threshold: bad number: %s", screen.dnsbl_allow_text);
	if (screen.dnsbl_allow > 0)
		faults_add(faults, "postscreen_dnsbl_allowlist_threshold: %s is not negative", screen.dnsbl_allow_text);
	if (ttl.len > 2 && span_ends(ttl, "h") && ascii_alpha(ttl.at[ttl.len - 2]))
		ttl.len--;
	if (param_parse_duration(ttl, SPAN("1h"), &screen.dnsbl_max_ttl, &why) < 0)
		faults_add(faults, "postscreen_dnsbl_max_ttl: %s", fault_text(&why));
	if (screen.dnsbl_max_ttl < screen.dnsbl_min_ttl)
		screen.dnsbl_max_ttl = screen.dnsbl_min_ttl;
}

static bool
is_given(const char *file)
{
	return file[0] && strcmp(file, "none") != 0;
}

static void
make_tls(struct faults *faults)
{
	int          level = screen.tls_level;
	struct fault why = {0};
	bool         strict;

	if (level == TLS_LEVEL_UNSET)
		level = screen.enforce_tls ? TLS_LEVEL_ENCRYPT : screen.use_tls ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
	strict = level == TLS_LEVEL_ENCRYPT;
	if (level == TLS_LEVEL_NONE)
		return;
	screen.must_tls = strict;
	if (!is_given(screen.tls_chain) && !is_given(screen.tls_cert) && !is_given(screen.tls_ec_cert)) {
		if (strict)
			faults_add(faults, "TLS is required, and postscreen_tls_cert_file and postscreen_tls_chain_files are empty");
		else
			faults_warn(faults, "No server certs available. TLS won't be enabled");
		return;
	}
	if (tls_server(&(struct tls_settings){
		.chain_files = screen.tls_chain, .cert_file = screen.tls_cert, .key_file = screen.tls_key,
		.ec_cert_file = screen.tls_ec_cert, .ec_key_file = screen.tls_ec_key,
		.ca_file = screen.tls_ca_file, .ca_path = screen.tls_ca_path,
		.protocols = strict ? screen.tls_mandatory_protocols : screen.tls_protocols,
		.ciphers = strict ? screen.tls_mandatory_ciphers : screen.tls_ciphers,
		.exclude_ciphers = mem_format("%s %s", screen.tls_exclude, strict ? screen.tls_mandatory_exclude : ""),
		.alpn = "smtp"}, &screen.tls, &why) < 0)
		faults_add(faults, "postscreen TLS: %s", fault_text(&why));
}

static void
make_words(struct faults *faults)
{
	static const char *const odd = "regexp:{{/^[^A-Z]/ Bogus}}";
	struct list              rest = {0};
	const struct list       *l = &screen.forbidden_commands;

	for (size_t i = 0; i < l->count; i++) { /* a group's blank splits it, as in settings.c */
		if (span_starts(span_of(odd), l->item[i]) && i + 1 < l->count && strlen(l->item[i]) > 8) {
			screen.forbid_odd = true;
			i++;
		} else if (strcmp(l->item[i], odd) == 0) {
			screen.forbid_odd = true;
		} else {
			list_add(&rest, span_of(l->item[i]));
		}
	}
	screen.forbidden = make_match("postscreen_forbidden_commands", &rest, faults);
	list_free(&rest);
	for (size_t i = 0; i < screen.discard_ehlo.count; i++)
		screen.discard |= smtp_keyword_of(span_of(screen.discard_ehlo.item[i]));
}

static void
make_footer(void)
{
	const struct setting *own = main_cf_setting(service->main_cf, "postscreen_reject_footer");
	const struct setting *s = own && strcmp(own->value, "$smtpd_reject_footer") != 0
	                                  ? own : main_cf_setting(service->main_cf, "smtpd_reject_footer");

	screen.reject_footer = s ? s->value : "";
}

static unsigned
enabled_tests(void)
{
	return (screen.greet_banner[0] ? 1u << TEST_PREGREET : 0) | (screen.n_dnsbl ? 1u << TEST_DNSBL : 0) |
	       (screen.pipelining ? 1u << TEST_PIPELINING : 0) | (screen.non_smtp ? 1u << TEST_NON_SMTP : 0) |
	       (screen.bare_newline ? 1u << TEST_BARE_NEWLINE : 0);
}

static int
prepare(struct fault *why)
{
	struct faults faults = {0};
	int           outcome;

	table_use_proxy(ask_table_find);
	table_use_remote(ask_table_find);
	make_access(&faults);
	screen.mynetworks = make_match("mynetworks", &site.mynetworks, &faults);
	screen.allowed_interfaces = make_match("postscreen_allowlist_interfaces", &screen.allow_interfaces, &faults);
	make_dnsbl(&faults);
	make_numbers(&faults);
	make_words(&faults);
	make_footer();
	screen.discard_maps = make_tables("postscreen_discard_ehlo_keyword_address_maps", &screen.discard_ehlo_maps, &faults);
	screen.footer_maps = make_tables("postscreen_reject_footer_maps", &screen.reject_footer_maps, &faults);
	screen.filter = make_table("postscreen_command_filter", screen.command_filter, &faults);
	make_tls(&faults);
	if (screen.upstream_protocol[0] && strcmp(screen.upstream_protocol, "haproxy") != 0)
		faults_add(&faults, "postscreen_upstream_proxy_protocol: \"%s\" is not haproxy", screen.upstream_protocol);
	if (strcmp(screen.service_name, "smtpd") != 0)
		faults_add(&faults, "smtpd_service_name: this version gives clients to the service named smtpd alone");
	screen.enabled = enabled_tests();
	faults_log(&faults);
	outcome = faults_first(&faults, why);
	faults_free(&faults);
	return outcome;
}

static void
serve(int fd, const struct listener *listener)
{
	(void)listener;
	screen_client(fd);
}

static const char *const asks[] = {"smtpd", "verify", "dnsd", "proxymap", NULL};

static const struct service postscreen = {
	.name     = "postscreen",
	.about    = "looks at clients before smtpd speaks with them",
	.role     = ROLE_NET,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK,
	.params   = params,
	.tasks    = "1000",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&postscreen, argc, argv);
}
