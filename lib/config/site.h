/* SPDX-License-Identifier: ISC */
/*
 * site.h - the parameters that every program shares
 *
 * One row table, `site_params`, and one struct, `site`, that is read-only once
 * params_load has filled it (lib/service does that before main's own rows).
 * Commands use site_load.
 *
 * mynetworks holds what is set, or what mynetworks_style makes of the
 * interfaces.  myorigin may name a file: site.myorigin is what stands in it.
 */
#ifndef CONFIG_SITE_H
#define CONFIG_SITE_H

#include "config/list.h"
#include "config/param.h"

/* Where Postfix's are that was installed as distributions do. */
#define POSTFIX_CONFIG "/etc/postfix"
#define POSTFIX_QUEUE  "/var/spool/postfix"

/* info_log_address_format: external has the quotes that an address needs */
enum log_address_format { LOG_ADDRESS_EXTERNAL, LOG_ADDRESS_INTERNAL };

struct site {
	/* who we are */
	const char *myhostname, *mydomain, *myorigin, *mail_name, *mail_version;
	const char *multi_instance_name, *compatibility_level;
	/* where things are */
	const char *config_directory, *queue_directory, *data_directory, *daemon_directory,
	           *command_directory;
	/* as whom */
	const char *mail_owner, *setgid_group, *net_owner, *dns_owner, *auth_owner, *map_owner,
	           *key_owner, *log_owner, *default_privs;
	/* logging */
	const char *syslog_name, *syslog_facility, *maillog_file;
	/* what is ours; match lists unless said otherwise: see match.h */
	struct list mydestination, mynetworks, relay_domains, virtual_alias_domains,
	            virtual_mailbox_domains, parent_domain_matches_subdomains;
	struct list inet_interfaces, inet_protocols, proxy_interfaces;   /* plain */
	const char *mynetworks_style;
	/* addresses */
	const char *recipient_delimiter, *double_bounce_sender, *empty_address_recipient;
	bool        append_dot_mydomain, append_at_myorigin, soft_bounce, smtputf8_enable;
	bool        idna2003;                      /* domain names by the transitional rules */
	int         log_address_format;            /* enum log_address_format */
	bool        strict_smtputf8, show_user_unknown_table_name;
	/* limits */
	int64_t     message_size_limit, ipc_timeout, max_idle, daemon_timeout;
	int         hopcount_limit, line_length_limit, header_size_limit, default_process_limit;
	int         delay_logging_resolution_limit;
	const char *known_tcp_ports;
	/* tables and children */
	const char *default_database_type;
	struct list alias_maps, alias_database;    /* whose text is in aliases(5) syntax */
	struct list import_environment, export_environment, proxy_read_maps, proxy_write_maps;
	/* users of the commands: match lists of user names */
	struct list authorized_submit_users, authorized_mailq_users, authorized_flush_users;
};

extern struct site site;
extern const struct param site_params[];

/* What comes after params_load with site_params: myorigin out of its file. */
void site_settle(struct main_cf *, struct faults *);

/* Reads main.cf of the directory (NULL: main_cf_directory) and fills `site`: for
 * commands.  Never NULL; errors are in `faults`. */
struct main_cf *site_load(const char *directory, struct faults *);

/* The bare group of the program's log name, "postfix" or "postfix-NAME", is
 * site.syslog_name; site_log_name adds "/program": owned by the caller. */
char *site_log_name(const char *program);

#endif
