/* SPDX-License-Identifier: ISC */
/*
 * auth.c - logging in to a server that the password maps know (RFC 4954)
 *
 * CRAM-MD5 (RFC 2195), PLAIN (RFC 4616), LOGIN; SCRAM, DIGEST-MD5 and tokens are auth_prove.c's. Which, is said by
 * smtp_sasl_mechanism_filter and smtp_sasl_security_options. A login that failed is remembered in this process where
 * smtp_sasl_auth_cache_name is set: it is not tried again with the same password.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "auth.h"
#include "sasl/client.h"
#include "table/table.h"

enum { FAILURES_MAX = 200 };

/* ------------------------------------------------------------ logins that failed */

/* A monitor. A failure is known by a digest of server, user and password. */
static struct {
	struct monitor lock;
	struct failure {
		unsigned char digest[32];
		int64_t       until;
		char          said[200];
	} kept[FAILURES_MAX];              /* oldest first */
	size_t count;
} failures;
static pthread_once_t failures_once = PTHREAD_ONCE_INIT;

static void
failures_start(void)
{
	monitor_init(&failures.lock);
}

static void
digest_of(const struct session *s, const struct auth_login *l, unsigned char digest[32])
{
	autotext struct text all = {0};

	text_add_format(&all, "%s%c%.*s%c%.*s", s->host.name, 0, SPAN_ARGS(l->user), 0, SPAN_ARGS(l->password));
	EVP_Digest(all.at, all.len, digest, NULL, EVP_sha256(), NULL);
	mem_wipe(all.at, all.room);
}

static bool
failed_before(const struct session *s, const struct auth_login *l, char said[200])
{
	unsigned char digest[32];
	bool          found = false;

	if (!*client.auth_cache_name)
		return false;
	pthread_once(&failures_once, failures_start);
	digest_of(s, l, digest);
	monitor_enter(&failures.lock);
	for (size_t i = 0; i < failures.count && !found; i++)
		if (failures.kept[i].until > clock_now() && memcmp(failures.kept[i].digest, digest, 32) == 0) {
			found = true;
			memcpy(said, failures.kept[i].said, sizeof failures.kept[i].said);
		}
	monitor_leave(&failures.lock);
	return found;
}

static void
remember_failure(const struct session *s, const struct auth_login *l)
{
	struct failure f = {.until = clock_after(client.auth_cache_time)};

	if (!*client.auth_cache_name)
		return;
	digest_of(s, l, f.digest);
	snprintf(f.said, sizeof f.said, "%s", text_string(&s->reply.text));
	monitor_enter(&failures.lock);
	if (failures.count == FAILURES_MAX)
		memmove(failures.kept, failures.kept + 1, --failures.count * sizeof failures.kept[0]);
	failures.kept[failures.count++] = f;
	monitor_leave(&failures.lock);
}

/* ------------------------------------------------------------ whose password */

static int
find_password(struct session *s, const struct session_wish *w, struct text *value, struct fault *why)
{
	autofree char *with_port = mem_format("[%s]:%u", s->host.name, s->host.port);
	struct span    keys[] = {client.sender_auth ? w->sender : SPAN_NONE, w->nexthop, span_of(with_port), span_of(s->host.name)};

	for (size_t i = 0; i < COUNT(keys); i++) {
		struct table_match m = {0};
		int                got;

		if (keys[i].len == 0)
			continue;
		if (i == 0) { /* user+ext@domain, user@domain, @domain */
			got = table_list_find_address(client.passwords.tables, &(struct table_query){.order = TABLE_MAILBOX}, keys[i], &m, why);
			if (got == 0)
				text_set(value, text_span(&m.value));
			text_free(&m.value);
			text_free(&m.extension);
		} else {
			got = table_list_find(client.passwords.tables, keys[i], value, NULL, why);
		}
		if (got <= 0)
			return got;
	}
	return 1;
}

/* ------------------------------------------------------------ mechanisms */

int
auth_send_base64(struct session *s, const char *before, struct span bytes)
{
	autotext struct text line = {0};
	int                  sent;

	text_add_string(&line, before);
	base64_encode(bytes, &line);
	s->secret = true;
	sent = session_send(s, "%s", text_string(&line));
	s->secret = false;
	mem_wipe(line.at, line.room);
	return sent;
}

static int
do_plain(struct session *s, const struct auth_login *l, struct fault *why)
{
	autotext struct text secret = {0};

	text_add_byte(&secret, '\0');
	text_add(&secret, l->user);
	text_add_byte(&secret, '\0');
	text_add(&secret, l->password);
	auth_send_base64(s, "AUTH PLAIN ", text_span(&secret));
	mem_wipe(secret.at, secret.room);
	return session_read(s, client.mail_timeout, why);
}

static int
do_login(struct session *s, const struct auth_login *l, struct fault *why)
{
	session_send(s, "AUTH LOGIN");
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	auth_send_base64(s, "", l->user);
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	auth_send_base64(s, "", l->password);
	return session_read(s, client.mail_timeout, why);
}

static int
do_cram_md5(struct session *s, const struct auth_login *l, struct fault *why)
{
	autotext struct text challenge = {0}, answer = {0};
	unsigned char        digest[EVP_MAX_MD_SIZE];
	unsigned             len = 0;

	session_send(s, "AUTH CRAM-MD5");
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	base64_decode_mime(span_trim(span_from(text_span(&s->reply.text), 4)), &challenge);
	if (!HMAC(EVP_md5(), l->password.at, (int)l->password.len, (const unsigned char *)text_string(&challenge), challenge.len,
	          digest, &len)) {
		session_send(s, "*");
		return session_read(s, client.mail_timeout, why);
	}
	text_add_format(&answer, "%.*s ", SPAN_ARGS(l->user));
	hex_encode(span_at(digest, len), &answer);
	auth_send_base64(s, "", text_span(&answer));
	return session_read(s, client.mail_timeout, why);
}

/* What noplaintext, noactive, nodictionary and mutual_auth rule out. */
enum weakness { PLAINTEXT = 1, ACTIVE = 2, DICTIONARY = 4, ONE_SIDED = 8, SECRET_KNOWN = 16 };

static const struct mechanism {
	const char *name;
	unsigned    weak;
	bool        by_filter_only;
	int       (*run)(struct session *, const struct auth_login *, struct fault *);
	int       (*run_named)(struct session *, const char *, const struct auth_login *, struct fault *);
} mechanisms[] = {
	/* the best first; those that need what is no password only where the filter names them */
	{"EXTERNAL", DICTIONARY | ONE_SIDED | SECRET_KNOWN, true, NULL, auth_prove},
	{"OAUTHBEARER", PLAINTEXT | ACTIVE | ONE_SIDED | SECRET_KNOWN, true, NULL, auth_bearer},
	{"XOAUTH2", PLAINTEXT | ACTIVE | ONE_SIDED | SECRET_KNOWN, true, NULL, auth_bearer},
	{"SCRAM-SHA-256-PLUS", DICTIONARY | SECRET_KNOWN, false, NULL, auth_prove},
	{"SCRAM-SHA-1-PLUS", DICTIONARY | SECRET_KNOWN, false, NULL, auth_prove},
	{"SCRAM-SHA-256", DICTIONARY | SECRET_KNOWN, false, NULL, auth_prove},
	{"SCRAM-SHA-1", DICTIONARY | SECRET_KNOWN, false, NULL, auth_prove},
	{"DIGEST-MD5", ACTIVE | DICTIONARY | SECRET_KNOWN, false, NULL, auth_prove},
	{"CRAM-MD5", ACTIVE | DICTIONARY | ONE_SIDED | SECRET_KNOWN, false, do_cram_md5, NULL},
	{"PLAIN", PLAINTEXT | ACTIVE | DICTIONARY | ONE_SIDED | SECRET_KNOWN, false, do_plain, NULL},
	{"LOGIN", PLAINTEXT | ACTIVE | DICTIONARY | ONE_SIDED | SECRET_KNOWN, false, do_login, NULL},
};

static unsigned
forbidden(const struct session *s)
{
	static const struct { const char *word; unsigned weak; } words[] = {
		{"noplaintext", PLAINTEXT}, {"noactive", ACTIVE}, {"nodictionary", DICTIONARY},
		{"mutual_auth", ONE_SIDED}, {"forward_secrecy", SECRET_KNOWN},
	};
	const struct list *rules = !s->tls ? &client.sasl_options
	                           : s->trust == TLS_VERIFIED ? &client.sasl_verified_options : &client.sasl_tls_options;
	unsigned           weak = 0;

	for (size_t i = 0; i < COUNT(words); i++)
		if (list_has(rules, words[i].word))
			weak |= words[i].weak;
	return weak;
}

static bool
by_filter(const char *mechanism)
{
	for (size_t i = 0; i < client.sasl_filter.count; i++) {
		struct span word = span_of(client.sasl_filter.item[i]);

		if (word.len && word.at[0] == '!' && span_is_nocase(span_from(word, 1), mechanism))
			return false;
		if (span_is_nocase(word, mechanism) || span_is(word, "static:all"))
			return true;
	}
	return false;
}

static bool
may_use(const struct session *s, const struct mechanism *m)
{
	struct span        rest = s->ehlo.mechanisms, word;
	struct tls_binding binding;
	bool               offered = false;

	while (span_next(&rest, " \t", &word))
		offered = offered || span_is_nocase(word, m->name);
	if (!offered || (m->weak & forbidden(s)))
		return false;
	if (m->run_named == auth_prove && !sasl_client_knows(m->name))
		return false;
	if (span_ends(span_of(m->name), "-PLUS") && !tls_binding(s->conn, &binding))
		return false;
	return client.sasl_filter.count ? by_filter(m->name) : !m->by_filter_only;
}

/* ------------------------------------------------------------ the whole */

static enum step
refused(const struct session *s, const char *said, bool for_good, struct trouble *t)
{
	trouble_set(t, for_good && !client.auth_soft_bounce ? "5.7.8" : "4.7.8", "SASL authentication failed; server %s said: %s",
	            s->where, said);
	snprintf(t->relay, sizeof t->relay, "%s", s->relay);
	return for_good && !client.auth_soft_bounce ? STEP_NEVER : STEP_NEXT;
}

static enum step
try(struct session *s, const struct auth_login *l, struct trouble *t)
{
	const struct mechanism *m = NULL;
	struct fault            why = {0};
	char                    said[200];

	s->state = "performing the SASL handshake";
	for (size_t i = 0; i < COUNT(mechanisms) && !m; i++)
		if (may_use(s, &mechanisms[i]))
			m = &mechanisms[i];
	if (!m) {
		trouble_set(t, "4.7.0", "SASL authentication failed; cannot authenticate to server %s: no mechanism available", s->where);
		return STEP_NEXT;
	}
	if (failed_before(s, l, said))
		return refused(s, said, true, t);
	if ((m->run ? m->run(s, l, &why) : m->run_named(s, m->name, l, &why)) < 0) {
		session_lost(s, &why, t);
		return STEP_NEXT;
	}
	if (s->reply.code == 235)
		return STEP_DONE;
	if (s->reply.code / 100 == 5)
		remember_failure(s, l);
	log_warning("SASL authentication failed; server %s said: %s", s->where, text_string(&s->reply.text));
	return refused(s, text_string(&s->reply.text), s->reply.code / 100 == 5, t);
}

static struct auth_login
split(struct span value)
{
	struct span  between = span_of(client.password_delimiter && *client.password_delimiter ? client.password_delimiter : ":");
	ptrdiff_t    at = span_find_text(value, between);
	struct auth_login l = {value, SPAN_NONE};

	if (at >= 0) {
		l.user = span_first(value, (size_t)at);
		l.password = span_from(value, (size_t)at + between.len);
	}
	return l;
}

enum step
session_authenticate(struct session *s, const struct session_wish *w, struct trouble *t)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	struct auth_login         l;
	int                  got = find_password(s, w, &value, &why);
	enum step            step;

	if (got < 0) {
		trouble_set(t, "4.3.0", "%s_sasl_password_maps: %s", client_prefix(), fault_text(&why));
		return STEP_NEXT;
	}
	if (got == 1)
		return STEP_DONE;
	if (!(s->ehlo.has & SMTP_HAS_AUTH))
		return STEP_DONE; /* go on without, as Postfix does: the server decides */
	l = split(text_span(&value));
	step = l.user.len ? try(s, &l, t) : STEP_DONE; /* an empty user: no login there */
	mem_wipe(value.at, value.room);
	return step;
}
