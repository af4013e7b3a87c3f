/* SPDX-License-Identifier: ISC */
/*
 * pages.c - what the commands say of themselves: usage messages and manual pages
 */
#include "cmd/pages.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define DIRECTORY_OPTION {"-c config_dir", "read the configuration of this directory"}
#define VERBOSE_OPTION   {"-v", "tell more"}

const struct page pages[] = {
	{.name = "postern", .section = "1", .about = "starts, stops and checks the mail system",
	 .form = {"[-c config_dir] [-v] start | start-fg | stop | abort | reload | status | check | flush | "
	          "logrotate | version | drain | set-permissions | upgrade-configuration", "probe domain",
	          "[-c config_dir] who | kick | user | mailbox | quota | search | index | fetch | expunge | move | copy | flags | save ...",
	          "import-dovecot [-m] [file]", "[-c config_dir] tls subcommand ...",
	          "[-c config_dir] take-over [-n | -u] [directory]", "[-c config_dir] import-queue [-n] [directory]",
	          "[-c config_dir] export-queue [-n] directory"},
	 .description = "Whether the system runs is what the lock on pid/master.pid in queue_directory says. "
	                "import-queue and export-queue want that neither mail system runs, and hold both locks. Each message is "
	                "in one queue at most at any moment; killed, the same command goes on where it was, also when one of the two "
	                "mail systems ran meanwhile, and nothing comes twice. An id that is in use over there is exchanged for a new one. "
	                "Recipients that were done stay done; ids, times, reasons and what was held stay, too. A file that is no "
	                "message, or not whole, stays where it is and is named. Messages that postsuper -r had put into Postfix's "
	                "maildrop come back to the incoming queue and are routed anew, not rewritten. When queue_directory holds "
	                "messages of Postfix start refuses, unless ignore_postfix_queue_files = yes.",
	 .option = {DIRECTORY_OPTION, VERBOSE_OPTION,
	            {"start", "checks the configuration, starts master(8), waits until it is ready"},
	            {"start-fg", "the same in the foreground, for a supervisor"},
	            {"stop", "ends transactions, then stops"},
	            {"abort", "stops at once"},
	            {"reload", "checks the configuration; new processes take over from the old ones, which finish"},
	            {"status", "says whether the system runs"},
	            {"check", "tells all errors and warnings of the configuration, and starts nothing"},
	            {"flush", "tries all deferred mail now"},
	            {"logrotate", "renames maillog_file, compresses it, and has a new one opened"},
	            {"who, kick, user ... save", "what doveadm does under these words: see mailbox-tool(8)"},
	            {"pw, auth", "makes and checks passwords: see auth-tool(8)"},
	            {"import-dovecot", "prints the lines of main.cf that do what a doveconf -n says: see import-dovecot(8)"},
	            {"tls", "switches TLS on; makes and deploys keys and certificates: see tls-tool(8)"},
	            {"version", "prints the version"},
	            {"probe", "shows the servers of a domain, and of each the TLS policy, certificate and verdict, by smtp(8)'s own eyes; "
	                      "0 all would get mail, 1 some would not, 75 none, 68 the domain takes no mail"},
	            {"drain", "as stop, without waiting for the end"},
	            {"set-permissions", "makes postdrop(1) and postqueue(1) set-gid; all else is set at start"},
	            {"upgrade-configuration", "there is nothing to upgrade, and it says so"},
	            {"take-over", "Postern reads the configuration in that directory (/etc/postfix) from now on; -n: only whether it "
	                          "can; -u: undo"},
	            {"import-queue", "turns the messages in that queue directory of Postfix into ours (where none is named: "
	                             "queue_directory if it holds such, else /var/spool/postfix), with their bounce, defer and trace "
	                             "logs; -n: only reads them all"},
	            {"export-queue", "turns our messages into ones of Postfix, in its queue directory; -n: only reads them all"}},
	 .exit = {{"0", "done; status: it runs; the moves: all went over"}, {"1", "failed, and said why; status: it does not run"}},
	 .see = "master(8), postconf(1), postern-main.cf(5), master.cf(5)"},
	{.name = "postfix", .section = "1", .same = "postern"},
	{.name = "mailbox-tool", .section = "8", .about = "looks at and changes users' mailboxes for the administrator",
	 .form = {"who [-1] [user-mask] [ip[/bits]]", "kick user-mask [ip[/bits]]", "user [-f field] user ... | '*'", "mailbox list | status | create | delete | rename | subscribe | unsubscribe | path -u user ...",
	          "quota get | recalc | set [STORAGE KiB] [MESSAGE number] [MAILBOX number] | unset -u user", "search -u user query", "index -u user mailbox ... | '*'", "fetch -u user \"fields\" query",
	          "expunge -u user mailbox name query", "move | copy -u user mailbox query",
	          "flags add | remove | replace -u user \"flags\" query", "save -u user [mailbox]",
	          "import -u user [-s] maildir:path parent query", "export -u user maildir:path query",
	          "backup -u user [-R] maildir:path", "sync -u user maildir:path",
	          "acl get | rights | set | add | remove | delete -u user mailbox [id [right ...]]", "deduplicate -u user [-m] query",
	          "mailbox metadata list | get | set | unset -u user mailbox entry [value]"},
	 .description = "Run by postern(1) under these words. It asks authd(8) who a user is, becomes him, and does by IMAP "
	                "what his own client could do. A query is IMAP's, with mailbox name and ages (before 30d). import brings messages "
	                "of another Maildir below a mailbox of his, export takes them there. backup makes the other Maildir the "
	                "same as his, UIDs and all, unless his was made anew since (-R: his the same as the other, as after a loss); sync does at each what was done "
	                "at the other since the last time.",
	 .option = {{"-1", "who: a line a connection; of who sleeps (imap_hibernate_timeout) the pid is the login program's"},
	            {"-u user", "whose; may be repeated"}, {"-A", "of all users that auth_userdb lists: passwd, passwd-file:, sql: (by iterate_query), ldap: (by iterate_filter); with static: it is refused"},
	            {"index", "makes the index of words that SEARCH asks, which sessions make by themselves while they idle"},
	            {"-f format", "table, tab, json or flow; fetch and search: as doveadm prints them"}},
	 .exit = {{"0", "done"}, {"67", "no such user"}, {"68", "no such mailbox; kick: nobody was"}, {"75", "not now"}},
	 .see = "postern(1), authd(8), imapd(8)"},
	{.name = "auth-tool", .section = "8", .about = "makes and checks passwords for the administrator",
	 .form = {"pw [-l] [-s scheme] [-r rounds] [-p password] [-t stored]", "auth test | login [-x service=name] [-x rip=address] user [password]"},
	 .description = "Run by postern(1) under these words. pw prints a password as a passwd-file holds it, made by the scheme; auth asks "
	                "the running authd(8) whether the password is the user's, as a login program would.",
	 .option = {{"-l", "lists the schemes that can be made"}, {"-s scheme", "CRYPT, unless it is named: crypt(3)'s bcrypt"},
	            {"-r rounds", "of the schemes that have some"}, {"-p password", "rather than asking for it; others may see it in ps(1)"},
	            {"-t stored", "checks the password against this"}, {"-x service=name", "imap, pop3, smtp; rip=: from this address"}},
	 .exit = {{"0", "done; it is the password"}, {"1", "pw -t: it is not"}, {"75", "not now"}, {"77", "auth: it is not"}},
	 .see = "postern(1), authd(8)"},
	{.name = "checkpassword-reply", .section = "8", .about = "tells authd who a checkpassword command says somebody is",
	 .form = {""},
	 .description = "The last argument of a command that auth_passdb or auth_userdb = checkpassword:PATH names, which runs it when the "
	                "password on descriptor 3 is the user's. Writes USER, HOME, and the variables that EXTRA names (userdb_uid, userdb_gid, "
	                "userdb_mail, proxy ...) to descriptor 4; without these two the uid and gid are the process's own. Where AUTHORIZED is set to 1 "
	                "nobody has told a password, and only a command that sets it to 2 is believed.",
	 .exit = {{"0", "it is told"}, {"2", "AUTHORIZED is not 2"}, {"111", "it cannot be told"}},
	 .see = "authd(8), postern-main.cf(5)"},
	{.name = "import-dovecot", .section = "8", .about = "prints what a Dovecot's configuration is here",
	 .form = {"[-m] [file]"},
	 .description = "Reads the output of doveconf -n from the file or standard input; prints main.cf lines, and as "
	                "comments what has no equal here.",
	 .option = {{"-m", "prints the lines of master.cf instead"}},
	 .exit = {{"0", "all has its equal"}, {"1", "something has none: see the comments"}, {"2", "cannot be read"}},
	 .see = "postern(1), postconf(1)"},
	{.name = "tls-tool", .section = "8", .about = "switches TLS on; makes server keys, certificates, requests and TLSA records",
	 .form = {"enable-client [-r randsource]", "enable-server [-r randsource] [-a algorithm] [-b bits] [hostname ...]",
	          "new-server-key | new-server-cert [-a algorithm] [-b bits] [hostname ...]", "deploy-server-cert certfile keyfile",
	          "output-server-csr [-k keyfile] [hostname ...]", "output-server-tlsa [-h hostname] [keyfile ...]",
	          "all-default-client | all-default-server"},
	 .description = "Run by postern(1) as postern tls, or postfix tls. New files are in the configuration directory: "
	                "key-yyyymmdd-hhmmss.pem and cert-..., eckey- and eccert- for ecdsa, in UTC. Certificates are self-signed, for a "
	                "hundred years, for the names given or myhostname. File names on the command line may be relative to that "
	                "directory; rsa and ecdsa mean the key that main.cf names. smtpd_tls_chain_files, when it is set, comes "
	                "before what is deployed.",
	 .option = {{"enable-client", "smtp_tls_security_level = may and what goes with it, when all of the client's TLS settings are at their default; else it only says what is usual"},
	            {"enable-server", "the same for the server, with a new key and certificate"},
	            {"new-server-key", "a new key and certificate, not deployed"},
	            {"new-server-cert", "a new certificate for a copy of the key that is deployed, so that TLSA records stay"},
	            {"deploy-server-cert", "names the two in main.cf, when they belong together"},
	            {"output-server-csr", "prints a certificate signing request for the key"},
	            {"output-server-tlsa", "prints TLSA records (3 1 1) of port 25 for the keys"},
	            {"all-default-client, all-default-server", "whether all such TLS settings are at their default"},
	            {"-a algorithm", "rsa or ecdsa; rsa"}, {"-b bits", "2048; ecdsa: the curve, secp256r1"},
	            {"-r randsource", "sets tls_random_source, which needs nothing here"}},
	 .exit = {{"0", "done; all are at their default"}, {"1", "failed, and said why; some are not"}},
	 .see = "postern(1), postconf(1), smtpd(8), smtp(8)"},
	{.name = "qshape", .section = "1", .about = "shows the queue by domain and age",
	 .form = {"[-hlps] [-c config_dir] [-b buckets] [-t minutes] [-m subdomains] [-w width] [-n domains] [queue ...]"},
	 .description = "Queues: incoming and active, unless others are named. -N of Postfix's is taken and needs nothing: "
	                "the result comes at once.",
	 .option = {DIRECTORY_OPTION, {"-s", "by the sender's domain"}, {"-b buckets", "columns; 10"},
	            {"-t minutes", "the age of the first column; 5; each further one has twice that"},
	            {"-l", "each further column has as much"}, {"-p", "parent domains too, with a dot in front"},
	            {"-m subdomains", "a parent domain is shown that has so many below it; 5"},
	            {"-w width", "of the lines; more than 80"}, {"-n domains", "on a terminal: so many lines; 20"}},
	 .exit = {{"0", "done"}, {"1", "failed, and said why"}, {"255", "wrong usage"}},
	 .see = "postqueue(1), qmgr(8)"},
	{.name = "postlock", .section = "1", .about = "runs a command while a mailbox is locked",
	 .form = {"[-c config_dir] [-l style] file command ..."},
	 .description = "The mailbox is locked as local does it.",
	 .option = {DIRECTORY_OPTION, {"-l style", "fcntl, flock, dotlock, or several; default: mailbox_delivery_lock"}},
	 .exit = {{"75", "the lock could not be had, or wrong usage; else the command's status"}},
	 .see = "local(8), postconf(1)"},
	{.name = "postkick", .section = "1", .about = "sends a trigger to a service",
	 .form = {"[-c config_dir] private | public service request"},
	 .description = "F to qmgr flushes the queue; for every other service a request means: look now.",
	 .option = {DIRECTORY_OPTION},
	 .exit = {{"0", "sent"}, {"1", "not, and said why"}},
	 .see = "master(8), qmgr(8), postqueue(1)"},
	{.name = "postmulti", .section = "1", .about = "manages several instances on one machine",
	 .form = {"-l [-aR] [-i name] [-g group]", "-p [-a] [-i name] [-g group] command ...", "-x [-aR] [-i name] [-g group] command ...",
	          "-e init", "-e create [-a] [-i name] [-g group] [-I name] [-G group] [config_directory=/path] [queue_directory=/path] [data_directory=/path]",
	          "-e import [-a] [-i name] [-g group] [-I name] [-G group] [config_directory=/path]",
	          "-e enable | disable | deport | destroy -i name", "-e assign -i name [-I name] [-G group]"},
	 .description = "The primary instance is the one of the built-in configuration directory, or of MAIL_CONFIG; its "
	                "multi_instance_directories names the others. -e create makes one of the stock files, or of the primary's "
	                "master.cf where there are none, without inet services, disabled; destroy refuses one that has mail.",
	 .option = {{"-i name", "the instance of that name; - is the primary one"},
	            {"-g group", "all of that group"}, {"-a", "all; the default"},
	            {"-R", "backwards"}, {"-I name, -G group", "the new name or group; - for none"},
	            {"-l", "list: name, group, enabled, configuration directory"},
	            {"-p", "a command of postern: start checks what is not enabled, stop goes backwards and leaves out what is not enabled"},
	            {"-x", "any command, with MAIL_CONFIG"}},
	 .exit = {{"0", "done"}, {"1", "failed; with -p and -x: one of the commands failed"}},
	 .see = "postern(1), postconf(1)"},
	{.name = "postconf", .section = "1", .about = "shows and changes the configuration",
	 .form = {"[-dfhHjnoqvx] [-c config_dir] [-C class,...] [-o name=value] [name ...]",
	          "[-c config_dir] [-e] name=value ...", "-X name ...", "-# name ...",
	          "-M [-fjx] [service[/type] ...]", "-F [-fhHjx] [service/type/field ...]", "-P [-fhHjx] [service[/type[/name]] ...]",
	          "-b [template_file]", "-t [template_file]", "-m | -l | -a | -A", "-T mode", "-W | -R | -S [name ...]"},
	 .description = "Names and defaults come from the programs themselves, and from the catalogue of "
	                "Postfix's names. Files are replaced whole; comments stay.",
	 .option = {DIRECTORY_OPTION,
	            {"-d", "defaults, not what is set"},
	            {"-n", "only what the file sets"},
	            {"-x", "values with $name expanded"},
	            {"-h", "values without names"},
	            {"-H", "names without values"},
	            {"-f", "fold long lines"},
	            {"-o name=value", "as if the file said so"},
	            {"-e", "set; the default when an operand has a ="},
	            {"-X", "remove"},
	            {"-#", "comment out"},
	            {"-M", "lines of master.cf; -Me, -MX and -M# change them"},
	            {"-F", "fields of master.cf; -Fe changes them"},
	            {"-P", "-o options of lines of master.cf (-Pe, -PX change them)"},
	            {"-j", "JSON: an object {\"name\": \"value\"} a line"},
	            {"-b", "the texts of notices as they are sent; a file instead of bounce_template_file, \"\" for ours"},
	            {"-t", "the same as templates, nothing expanded"},
	            {"-C class", "builtin, service, user, all: only parameters of these classes"},
	            {"-q", "no warnings"},
	            {"-T mode", "compile-version, run-version, public-key-algorithms of TLS"},
	            {"-m", "types of lookup tables"},
	            {"-l", "kinds of mailbox locks"},
	            {"-a", "SASL servers"},
	            {"-A", "SASL clients"},
	            {"-W", "only warnings: what is set and not honoured"},
	            {"-R", "which program may do what, and ask whom"},
	            {"-S", "the state of each parameter of Postfix: works, nothing, later, refused"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "done"}, {"1", "failed; with -W: ignoring a parameter would open the server or lose mail"}},
	 .see = "postern-main.cf(5), master.cf(5)"},
	{.name = "postmap", .section = "1", .about = "builds, asks and changes lookup tables",
	 .form = {"[-NbfFhimnoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."},
	 .description = "Tables of the types hash, btree and lmdb are built in data_directory; the text stays "
	                "where it is, and a foreign .db file is never touched. postalias reads the syntax of "
	                "alias files. master(8) rebuilds a table by itself when its text has changed.",
	 .option = {DIRECTORY_OPTION,
	            {"-q key", "print the value of the key; - reads keys from standard input"},
	            {"-d key", "remove the key; - reads keys from standard input"},
	            {"-s", "print all of the table"},
	            {"-i", "add what standard input says"},
	            {"-r", "with -i: replace what is there"},
	            {"-f", "do not fold keys to lower case"},
	            {"-F", "values name files: what is in them goes into the table, in base64; with -q and -s it is printed as it was"},
	            {"-w", "no warning about a key that comes twice"},
	            {"-p", "do not give the table the mode of its text"},
	            {"-h, -m", "with -q -: keys are the header fields of a message"},
	            {"-b", "with -q -: keys are the body lines of a message"},
	            {"-n, -N, -o, -u, -U", "taken for Postfix's sake, without effect"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "done; found"}, {"1", "failed, or -q or -d found nothing"}},
	 .see = "postconf(1), tables(8), proxymap(8)"},
	{.name = "postalias", .section = "1", .same = "postmap"},
	{.name = "postlog", .section = "1", .about = "puts a script's line into the mail log",
	 .form = {"[-iv] [-c config_dir] [-p priority] [-t tag] [text...]"},
	 .description = "Without text each line of standard input is logged.",
	 .option = {DIRECTORY_OPTION,
	            {"-p priority", "info (the default), warn, error, fatal or panic, or syslog's words for them"},
	            {"-t tag", "what the line begins with; syslog_name/postlog without it"},
	            {"-i, -v", "taken, without effect"}},
	 .exit = {{"0", "done"}, {"64", "wrong usage"}},
	 .see = "postlogd(8)"},
	{.name = "postqueue", .section = "1", .about = "shows and flushes the queue, for every user",
	 .form = {"-f", "-i queueid", "-j", "-p", "-s site"},
	 .description = "Set-gid to setgid_group, so that it may ask qmgr(8); authorized_mailq_users and "
	                "authorized_flush_users say who else may. While the system is down root sees the "
	                "directories themselves.",
	 .option = {DIRECTORY_OPTION,
	            {"-p", "the queue, as mailq shows it"},
	            {"-j", "the queue as JSON, one message a line"},
	            {"-f", "try all mail now"},
	            {"-i queueid", "try this message now"},
	            {"-s site", "try the mail for this domain now"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "done"}, {"64", "wrong usage"}, {"other", "as in sysexits.h"}},
	 .see = "postsuper(1), postcat(1), qmgr(8)"},
	{.name = "postsuper", .section = "1",
	 .about = "changes the queue: deletes, holds, releases, requeues, expires",
	 .form = {"[-c config_dir] [-d queue_id (delete)] [-e|-f queue_id (expire)] [-h queue_id (hold)] "
	          "[-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] "
	          "[-s (structure fix)] [-S (redundant structure fix)] [-v (verbose)] [queue...]"},
	 .description = "While the system runs qmgr(8) is asked; else the directories are changed under the "
	                "lock of the mail system, so that it cannot start meanwhile. A queue_id of - reads "
	                "ids from standard input; ALL names all messages of the queues that are named.",
	 .option = {DIRECTORY_OPTION,
	            {"-d queue_id", "delete"},
	            {"-h queue_id", "hold: no delivery until it is released"},
	            {"-H queue_id", "release from hold"},
	            {"-r queue_id", "requeue: a new id, and cleanup once more on the original bytes"},
	            {"-e queue_id", "expire: return to the sender at the next try"},
	            {"-f queue_id", "the same, for held messages too"},
	            {"-p, -s, -S", "mend the directories: temporary files that nobody owns go"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "done, also when a message is not there"}, {"1", "wrong usage, or failed"}, {"other", "as in sysexits.h"}},
	 .see = "postqueue(1), postcat(1), qmgr(8)"},
	{.name = "postcat", .section = "1", .about = "shows a queue file: envelope, header, body",
	 .form = {"[-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] "
	          "[-o (offsets)] [-q (access queue)] [-r (file order)] [-s offset] [-v] [file(s)...]"},
	 .description = "Without a file standard input is read. What is no queue file is warned about.",
	 .option = {DIRECTORY_OPTION,
	            {"-e", "only the envelope"},
	            {"-h", "only the header"},
	            {"-b", "only the body"},
	            {"-q", "operands are queue ids, not files"},
	            {"-d", "the decimal type of each record, as Postfix numbers them"},
	            {"-o", "where in the file each record lies; attributes of the envelope lie together"},
	            {"-r", "in the order of the file, with the content as it was received"},
	            {"-s offset", "only what lies there or behind"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "done"}, {"1", "failed, and said why"}},
	 .see = "postqueue(1), postsuper(1)"},
	{.name = "postdrop", .section = "1", .about = "puts a message from a local user into the queue",
	 .form = {"[-c config_dir] [-v]"},
	 .description = "Set-gid to setgid_group, which may write maildrop/; sendmail(1) calls it. Exit 0 means "
	                "that the message is on stable storage; the system need not run. "
	                "authorized_submit_users says who may.",
	 .option = {DIRECTORY_OPTION, {"-r, -v", "taken, without effect"}},
	 .exit = {{"0", "taken"}, {"64", "wrong usage"}, {"other", "not taken: as in sysexits.h"}},
	 .see = "sendmail(1), pickup(8)"},
	{.name = "sendmail", .section = "1", .about = "Sendmail's command, for all the programs that call it",
	 .form = {"[options] [recipient ...]"},
	 .description = "Reads a message from standard input and gives it to postdrop(1). Called as mailq it "
	                "lists the queue, as newaliases it rebuilds alias_database.",
	 .option = {{"-f sender, -r sender", "the envelope's sender"},
	            {"-F name", "the full name in a From: field that is missing"},
	            {"-t", "recipients are those of To:, Cc: and Bcc:"},
	            {"-i, -oi", "a line with one dot does not end the message"},
	            {"-N conditions", "never, or success, failure, delay with commas: which notices are wanted"},
	            {"-R part", "full or hdrs: what a notice returns"},
	            {"-V id", "the envelope id in notices"},
	            {"-XV, -XVxy", "variable envelope return paths, with these delimiters"},
	            {"-B type", "7BIT or 8BITMIME"},
	            {"-O smtputf8=yes", "the envelope needs SMTPUTF8"},
	            {"-C config_dir", "read the configuration of this directory"},
	            {"-bd, -bl", "a daemon: starts the mail system"},
	            {"-bs", "SMTP on standard input and output"},
	            {"-bp", "lists the queue"},
	            {"-bi, -I", "rebuilds alias_database; -oAfile names others"},
	            {"-bv", "mails a report of what would become of the message, and delivers nothing"},
	            {"-q, -qIid, -qRsite", "tries deferred mail now"},
	            {"-v", "mails a report of the delivery; twice: tells more"},
	            {"-A -G -L -U -c -e -h -m -n -p -x", "taken and ignored, as by Postfix"}},
	 .exit = {{"0", "the message is on stable storage"}, {"75", "it is not, or wrong usage"}, {"other", "what postdrop(1) or postqueue(1) said, as in sysexits.h"}},
	 .see = "postdrop(1), postqueue(1), postalias(1)"},
	{.name = "mailq", .section = "1", .same = "sendmail"},
	{.name = "newaliases", .section = "1", .same = "sendmail"},
	{.name = "master", .section = "8", .about = "starts the programs, hands them their sockets, watches them",
	 .form = {"[-c config_dir] [-f | -t | -w descriptor]"},
	 .description = "Started by postern(1). It parses nothing that comes from the network and opens no "
	                "lookup table. TERM and INT stop, transactions end first; QUIT stops at once; HUP "
	                "reloads; USR1 restarts the logger so that it opens a new file.",
	 .option = {DIRECTORY_OPTION,
	            {"-f, -d", "stay in the foreground"},
	            {"-t", "tell all errors of the configuration, start nothing"},
	            {"-w descriptor", "where to say \"ready\", or what is wrong"},
	            VERBOSE_OPTION},
	 .exit = {{"0", "stopped as asked; -t: no error"}, {"1", "failed, and said why"}},
	 .see = "postern(1), master.cf(5)"},
	{.name = "tables", .section = "8", .about = "builds every stale table that the configuration names",
	 .form = {"[-c config_dir] [-f] [-l fd] [-p] [-v]"},
	 .description = "A short-lived child of master(8), as root, since sasl_passwd and its like are readable "
	                "by root alone; master starts it again when a text has changed. Bad text keeps the old table, and is logged with file and line.",
	 .option = {DIRECTORY_OPTION, {"-f", "all tables, not only stale ones"},
	            {"-l fd", "the descriptor of the log"}, {"-p", "print the texts, one a line"}, VERBOSE_OPTION},
	 .exit = {{"0", "done"}, {"1", "a table could not be built"}},
	 .see = "postmap(1), master(8)"},
	{.name = "smtp-probe", .section = "8", .about = "shows what smtp would find at a domain, for postern probe",
	 .form = {"domain"},
	 .description = "Looks up servers and policy, connects, starts TLS and judges; sends nothing. DNS is asked by way of dnsd(8): "
	                "the system must run.",
	 .exit = {{"0", "all servers would get mail"}, {"1", "some would not"}, {"75", "none would"}, {"68", "the domain takes no mail"}},
	 .see = "postern(1), smtp(8)"},
	{.name = "smtpd-standalone", .section = "8", .about = "SMTP on standard input, for sendmail -bs",
	 .form = {""},
	 .description = "Runs with the caller's rights and no other, asks no other program, and gives each "
	                "message to postdrop(1). Called by smtpd -S, which sendmail(1) calls.",
	 .exit = {{"0", "the session has ended"}, {"other", "as in sysexits.h"}},
	 .see = "smtpd(8), sendmail(1)"},
	{.name = NULL}
};

const struct page *
page_find(const char *name)
{
	for (const struct page *p = pages; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p->same ? page_find(p->same) : p;
	return NULL;
}

char *
page_usage(const char *name)
{
	const struct page *p = page_find(name);
	struct text        out = {0};

	text_add_string(&out, "usage: ");
	for (size_t i = 0; p && i < PAGE_FORMS && p->form[i]; i++)
		text_add_format(&out, "%s%s %s", i ? " | " : "", name, p->form[i]);
	return out.at;
}
