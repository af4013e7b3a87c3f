/* SPDX-License-Identifier: ISC */
/*
 * tls_tool.c - postern tls: opportunistic TLS on, server keys and certificates
 *
 *   tls-tool enable-client [-r randsource]
 *            enable-server [-r randsource] [-a algorithm] [-b bits] [hostname ...]
 *            new-server-key | new-server-cert [-a algorithm] [-b bits] [hostname ...]
 *            deploy-server-cert certfile keyfile
 *            output-server-csr [-k keyfile] [hostname ...]
 *            output-server-tlsa [-h hostname] [keyfile ...]
 *            all-default-client | all-default-server
 *
 * What postfix-tls(1) of Postfix 3.7 does, with its words: scripts read them.  main.cf is changed by one
 * postconf -e, so that it is replaced whole and under postconf's lock.  Files are in tls_files.h's care.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/tls_files.h"
#include "config/site.h"
#include "table/table.h"

enum { NEW = 0, DEPLOY = 1, ENABLE = 2 };       /* how far a new certificate goes */

static struct main_cf *cf;
static const char     *directory;

/* The options of a subcommand, and what came behind them. */
struct call {
	const char *algorithm, *bits, *random, *keyfile, *hostname;
	char      **words;
	int         n_words;
};

/* ------------------------------------------------------------ the configuration */

static const char *const client_settings[] = {
	"smtp_use_tls", "smtp_enforce_tls", "smtp_tls_enforce_peername", "smtp_tls_security_level",
	"smtp_tls_cert_file", "smtp_tls_dcert_file", "smtp_tls_eccert_file", NULL,
};
static const char *const server_settings[] = {
	"smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_security_level",
	"smtpd_tls_cert_file", "smtpd_tls_dcert_file", "smtpd_tls_eccert_file", NULL,
};

static bool
is_set(const char *name)
{
	const struct setting *s = main_cf_setting(cf, name);

	return s && *s->value;
}

static bool
all_default(const char *const *names)
{
	for (; *names; names++)
		if (is_set(*names))
			return false;
	return true;
}

/* All settings at once: "name = value" each. */
static void
set_parameters(const struct list *settings)
{
	autofree char *path = mem_format("%s/postconf", site.command_directory);
	char         **line = mem_array(settings->count + 5, sizeof *line);
	int            status = 0;
	size_t         n = 0;
	pid_t          child;

	line[n++] = path;
	line[n++] = (char *)(uintptr_t)"-c";
	line[n++] = (char *)(uintptr_t)directory;
	line[n++] = (char *)(uintptr_t)"-e";
	for (size_t i = 0; i < settings->count; i++)
		line[n++] = settings->item[i];
	if ((child = fork()) == 0) {
		execv(path, line);
		log_fatal("cannot run %s: %s", path, strerror(errno));
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	free(line);
	if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		log_fatal("%s -e failed: main.cf is as it was", path);
}

static void
add_setting(struct list *all, const char *name, const char *value)
{
	autofree char *line = mem_format("%s = %s", name, value);

	list_add(all, span_of(line));
}

/* tls_random_source as asked for by -r, or as it is; Postfix writes it down, too. */
static void
add_random_source(struct list *all, const char *asked)
{
	const char *source = asked && *asked ? asked : main_cf_string(cf, "tls_random_source");

	add_setting(all, "tls_random_source", *source ? source : "dev:/dev/urandom");
}

/* Tables that can be written to while they are read, the best first; NULL: none was built in. */
static const char *
cache_type(void)
{
	const char *best = NULL, *type;

	for (size_t i = 0; (type = table_type_at(i)); i++)
		if (strcmp(type, "lmdb") == 0 || (!best && strcmp(type, "btree") == 0))
			best = type;
	return best;
}

/* What a name that the user gave means; relative to the configuration. Owned. */
static char *
in_directory(const char *path)
{
	return *path == '/' ? mem_string(path) : mem_format("%s/%s", directory, path);
}

/* A key's file: of the algorithm that is configured, or by name. Owned, NULL when there is none. */
static char *
key_path(const char *name)
{
	const char *parameter = strcmp(name, "rsa") == 0 ? "smtpd_tls_key_file" : strcmp(name, "ecdsa") == 0 ? "smtpd_tls_eckey_file" : NULL;
	const char *value = !parameter ? name : is_set(parameter) ? main_cf_string(cf, parameter) : "";

	if (!*value || strcmp(value, "none") == 0)
		return NULL;
	return parameter ? mem_string(value) : in_directory(value);
}

/* The names of a certificate: myhostname, unless some are given. */
static void
take_names(const struct call *c, struct list *names)
{
	const char *first = c->n_words && *c->words[0] ? c->words[0] : site.myhostname;

	list_add(names, span_of(first));
	for (int i = 1; i < c->n_words; i++)
		list_add(names, span_of(c->words[i]));
}

/* ------------------------------------------------------------ what is told */

static void
tell_lines(const char *const *lines)
{
	for (; *lines; lines++)
		log_info("%s", *lines);
}

static void
tell_reload(void)
{
	tell_lines((const char *const[]){
		"Run the command:", "  # postfix reload", "if you want the new settings to take effect immediately.", NULL});
}

/* smtpd(8) takes the chain files before all others. */
static void
tell_deployed(int how)
{
	if (how == ENABLE)
		log_info("Enabled opportunistic TLS in the Postfix SMTP server");
	log_info("New TLS private key and certificate deployed.");
	tell_reload();
	if (is_set("smtpd_tls_chain_files"))
		log_warning("smtpd_tls_chain_files is set: as long as it is, its keys and certificates are used, and not these");
}

static void
tell_created(const char *certfile, const char *keyfile, int how, bool new_key)
{
	if (how == NEW) {
		log_info("New private key and self-signed certificate created. To deploy run:");
		log_info("  # postfix tls deploy-server-cert %s %s", certfile, keyfile);
	} else {
		tell_deployed(how);
	}
	log_info("To generate a CSR run:");
	log_info("  # postfix tls output-server-csr -k %s [<hostname> ...]", keyfile);
	log_info("Save the signed certificate chain in %s%s.", certfile, how == NEW ? ", and deploy as above" : "");
	log_info("To generate TLSA records run:");
	log_info("  # postfix tls output-server-tlsa [-h <hostname>] %s", how == NEW ? keyfile : "");
	if (new_key && how == NEW)
		log_info("(deploy after updating the DNS and waiting for stale RRs to expire).");
	else if (new_key)
		tell_lines((const char *const[]){"(If you have DANE TLSA RRs, update them as soon as possible to match",
		                                 "the newly deployed keys).", NULL});
}

static int
tell_client_is_set(void)
{
	tell_lines((const char *const[]){
		"*** Non-default SMTP client TLS settings detected, no changes made.",
		"For opportunistic TLS in the Postfix SMTP client, the below settings", "are typical:",
		"  smtp_tls_security_level = may", "  smtp_tls_loglevel = 1", NULL});
	if (cache_type())
		log_info("  smtp_tls_session_cache_database = %s:${data_directory}/smtp_scache", cache_type());
	return 0;
}

static int
tell_server_is_set(void)
{
	tell_lines((const char *const[]){
		"*** Non-default SMTP server TLS settings detected, no changes made.",
		"For opportunistic TLS in the Postfix SMTP server, the below settings", "are typical:",
		"  smtpd_tls_security_level = may", "  smtpd_tls_loglevel = 1",
		"You can use \"postfix tls new-server-cert\" to create a new certificate.",
		"Or, \"postfix tls new-server-key\" to also force a new private key.",
		"If you publish DANE TLSA records, see:",
		"  https://tools.ietf.org/html/rfc7671#section-8", "  https://tools.ietf.org/html/rfc7671#section-5.1",
		"  https://tools.ietf.org/html/rfc7671#section-5.2",
		"  https://community.letsencrypt.org/t/please-avoid-3-0-1-and-3-0-2-dane-tlsa-records-with-le-certificates/7022", NULL});
	return 0;
}

/* ------------------------------------------------------------ keys and certificates */

static void
deploy(const char *certfile, const char *keyfile, int how, const char *random)
{
	struct fault why = {0};
	EVP_PKEY    *key = key_read(keyfile, &why), *certified;
	struct list  settings = {0};
	bool         rsa;

	if (!key)
		log_fatal("no private key found in file: %s", keyfile);
	if (!(certified = certificate_key(certfile, &why))) {
		log_warning("%s", fault_text(&why));
		log_fatal("error computing certificate public key digest");
	}
	if (EVP_PKEY_eq(key, certified) != 1)
		log_fatal("Certificate in %s does not match key in %s", certfile, keyfile);
	rsa = strcmp(key_algorithm(key), "rsa") == 0;
	add_setting(&settings, rsa ? "smtpd_tls_key_file" : "smtpd_tls_eckey_file", keyfile);
	add_setting(&settings, rsa ? "smtpd_tls_cert_file" : "smtpd_tls_eccert_file", certfile);
	if (how == ENABLE) {
		add_setting(&settings, "smtpd_tls_security_level", "may");
		add_setting(&settings, "smtpd_tls_received_header", "yes");
		add_setting(&settings, "smtpd_tls_loglevel", "1");
		add_random_source(&settings, random);
	}
	set_parameters(&settings);
	list_free(&settings);
	EVP_PKEY_free(key);
	EVP_PKEY_free(certified);
}

/* The key that is to be certified: a copy of the old one, when there is one. */
static EVP_PKEY *
old_or_new_key(const struct call *c, const char *old, const char *keyfile)
{
	struct fault why = {0};
	EVP_PKEY    *key = old ? key_read(old, &why) : key_make(c->algorithm, c->bits, &why);

	if (!key) {
		log_warning("%s", fault_text(&why));
		if (old)
			log_fatal("Error copying private key from '%s' to '%s'", old, keyfile);
		log_fatal("error generating new %s %s private key", c->algorithm, c->bits);
	}
	if (strcmp(key_algorithm(key), c->algorithm) != 0)
		log_fatal("Key algorithm '%s' of '%s' is not '%s'", key_algorithm(key), old, c->algorithm);
	return key;
}

static void
refuse_present(const char *what, const char *path)
{
	if (access(path, F_OK) == 0)
		log_fatal("New %s file already exists: %s", what, path);
}

static void
write_pair(const char *certfile, const char *keyfile, EVP_PKEY *key, const struct list *names)
{
	struct fault why = {0};

	if (key_write(keyfile, key, &why) < 0)
		log_fatal("%s", fault_text(&why));
	if (certificate_write(certfile, key, names, &why) < 0) {
		unlink(keyfile);
		log_warning("%s", fault_text(&why));
		log_fatal("error generating self-signed SSL certificate");
	}
}

/* A key, new or a copy of `old`, and its certificate, as far as `how` says. */
static int
new_certificate(const struct call *c, const char *old, int how)
{
	const char    *ec = strcmp(c->algorithm, "ecdsa") == 0 ? "ec" : "";
	char           stamp[32];
	time_t         now = time(NULL);
	struct tm      tm;
	struct list    names = {0};

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
	autofree char *keyfile = mem_format("%s/%skey-%s.pem", directory, ec, stamp);
	autofree char *certfile = mem_format("%s/%scert-%s.pem", directory, ec, stamp);
	EVP_PKEY      *key;

	refuse_present("private key", keyfile);
	refuse_present("certificate", certfile);
	key = old_or_new_key(c, old, keyfile);
	take_names(c, &names);
	write_pair(certfile, keyfile, key, &names);
	if (how != NEW)
		deploy(certfile, keyfile, how, c->random);
	tell_created(certfile, keyfile, how, !old);
	list_free(&names);
	EVP_PKEY_free(key);
	return 0;
}

/* ------------------------------------------------------------ subcommands */

static int
do_enable_client(struct call *c)
{
	struct list settings = {0};

	if (!all_default(client_settings))
		return tell_client_is_set();
	add_setting(&settings, "smtp_tls_security_level", "may");
	add_setting(&settings, "smtp_tls_loglevel", "1");
	if (cache_type()) {
		autofree char *cache = mem_format("%s:%s/smtp_scache", cache_type(), site.data_directory);

		add_setting(&settings, "smtp_tls_session_cache_database", cache);
	}
	add_random_source(&settings, c->random);
	set_parameters(&settings);
	list_free(&settings);
	log_info("Enabled opportunistic TLS in the Postfix SMTP client.");
	tell_reload();
	return 0;
}

static int
do_enable_server(struct call *c)
{
	return all_default(server_settings) ? new_certificate(c, NULL, ENABLE) : tell_server_is_set();
}

static int
do_new_key(struct call *c)
{
	return new_certificate(c, NULL, NEW);
}

static int
do_new_certificate(struct call *c)
{
	autofree char *old = key_path(c->algorithm);

	if (!old || access(old, F_OK) == 0)
		return new_certificate(c, old, NEW);
	log_warning("Key file: %s not found, creating new keys", old);
	return new_certificate(c, NULL, NEW);
}

static int
do_deploy(struct call *c)
{
	autofree char *certfile = in_directory(c->words[0]);
	autofree char *keyfile = in_directory(c->words[1]);

	deploy(certfile, keyfile, DEPLOY, NULL);
	tell_deployed(DEPLOY);
	return 0;
}

static int
do_request(struct call *c)
{
	autofree char       *path = key_path(c->keyfile && *c->keyfile ? c->keyfile : "rsa");
	autotext struct text out = {0};
	struct list          names = {0};
	struct fault         why = {0};
	EVP_PKEY            *key;

	if (!path && (!c->keyfile || !*c->keyfile))
		path = key_path("ecdsa");
	if (!path || access(path, R_OK) < 0)
		log_fatal("No usable keyfile specified or configured");
	if (!(key = key_read(path, &why)))
		log_fatal("no private key found in file: %s", path);
	take_names(c, &names);
	if (request_add(&out, key, &names, &why) < 0)
		log_fatal("%s", fault_text(&why));
	EVP_PKEY_free(key);
	list_free(&names);
	return fputs(text_string(&out), stdout) < 0;
}

static void
print_record(const char *host, const char *path)
{
	autotext struct text data = {0};
	struct fault         why = {0};
	EVP_PKEY            *key;

	printf("; %s\n", path);
	fflush(stdout);
	if (!(key = key_read(path, &why)))
		log_fatal("no private key found in file: %s", path);
	if (key_add_digest(&data, key, &why) < 0)
		log_fatal("%s", fault_text(&why));
	printf("_25._tcp.%s. IN TLSA 3 1 1 %s\n", host, text_string(&data));
	EVP_PKEY_free(key);
}

static int
do_tlsa(struct call *c)
{
	char         rsa[] = "rsa", ecdsa[] = "ecdsa", *both[] = {rsa, ecdsa};
	const char  *host = c->hostname && *c->hostname ? c->hostname : site.myhostname;
	char       **words = c->n_words ? c->words : both;
	int          n = c->n_words ? c->n_words : (int)COUNT(both);
	bool         found = false;

	for (int i = 0; i < n; i++) {
		autofree char *path = key_path(words[i]);

		if (!path)
			continue;
		print_record(host, path);
		found = true;
	}
	if (!found)
		log_fatal("No usable keyfiles specified or configured");
	return 0;
}

static int
do_all_default_client(struct call *c)
{
	(void)c;
	return !all_default(client_settings);
}

static int
do_all_default_server(struct call *c)
{
	(void)c;
	return !all_default(server_settings);
}

enum { ANY = -1 };

static const struct subcommand {
	const char *word;
	int       (*act)(struct call *);
	const char *letters;
	int         operands;
	const char *usage;               /* what follows the word */
	const char *unsupported;         /* "public", "private": as Postfix calls a bad algorithm's key here */
} subcommands[] = {
	{"enable-client", do_enable_client, "+:r:", 0, " [-r devrandom]", NULL},
	{"enable-server", do_enable_server, "+:a:b:r:", ANY, " [-a algorithm] [-b bits ] [-r devrandom] [hostname ...]", "private"},
	{"new-server-key", do_new_key, "+:a:b:", ANY, " [-a algorithm] [-b bits ] [hostname ...]", "public"},
	{"new-server-cert", do_new_certificate, "+:a:b:", ANY, " [-a algorithm] [-b bits ] [hostname ...]", "private"},
	{"deploy-server-cert", do_deploy, "+:", 2, " certfile keyfile", NULL},
	{"output-server-csr", do_request, "+:k:", ANY, " [-k keyfile] [hostname ...]", NULL},
	{"output-server-tlsa", do_tlsa, "+:h:", ANY, " [-h hostname] [keyfile ...]", NULL},
	{"all-default-client", do_all_default_client, "+:", 0, "", NULL},
	{"all-default-server", do_all_default_server, "+:", 0, "", NULL},
};

static const struct subcommand *
find_subcommand(const char *word)
{
	for (size_t i = 0; i < COUNT(subcommands); i++)
		if (strcmp(subcommands[i].word, word) == 0)
			return &subcommands[i];
	log_error("unknown tls command: '%s'", word);
	log_fatal("usage: postfix tls enable-client (or enable-server, new-server-key, new-server-cert, deploy-server-cert, "
	          "output-server-csr, output-server-tlsa, all-default-client, all-default-server)");
}

static void
take_options(const struct subcommand *s, int argc, char **argv, struct call *c)
{
	int letter;

	while ((letter = getopt(argc, argv, s->letters)) != -1)
		switch (letter) {
		case 'a': c->algorithm = optarg; break;
		case 'b': c->bits = optarg; break;
		case 'h': c->hostname = optarg; break;
		case 'k': c->keyfile = optarg; break;
		case 'r': c->random = optarg; break;
		default: log_fatal("usage: postfix tls %s%s", s->word, s->usage);
		}
	c->words = argv + optind;
	c->n_words = argc - optind;
	if (s->operands != ANY && c->n_words != s->operands)
		log_fatal("usage: postfix tls %s%s", s->word, s->usage);
}

static void
settle_algorithm(const struct subcommand *s, struct call *c)
{
	bool rsa = strcmp(c->algorithm, "rsa") == 0;

	if (!rsa && strcmp(c->algorithm, "ecdsa") != 0)
		log_fatal("Unsupported %s key algorithm: %s", s->unsupported, c->algorithm);
	if (!c->bits || !*c->bits)
		c->bits = rsa ? "2048" : "secp256r1";
}

static void
open_log(void)
{
	autofree char *tag = site_log_name("postfix-tls-script");
	int            fd = command_log_socket();

	log_open(tag, fd);
	log_also_stderr(fd >= 0);
}

int
main(int argc, char **argv)
{
	struct faults            faults = {0};
	struct call              c = {.algorithm = "rsa"};
	const struct subcommand *s;

	directory = realpath(main_cf_directory(NULL), NULL);       /* postern has set MAIL_CONFIG */
	cf = site_load(directory, &faults);
	open_log();
	if (!directory || (faults.errors && strncmp(faults.error[0], "open ", 5) == 0))
		log_fatal("no Postfix configuration directory %s!", main_cf_directory(NULL));
	faults_free(&faults);
	s = find_subcommand(argc > 1 ? argv[1] : "");
	take_options(s, argc - 1, argv + 1, &c);
	if (s->unsupported)
		settle_algorithm(s, &c);
	return s->act(&c) || fflush(stdout) != 0;
}
