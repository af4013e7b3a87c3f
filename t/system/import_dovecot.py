#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""import_dovecot.py - a Dovecot's configuration becomes ours, and the same users log in

Real `doveconf -n` output where Debian's Dovecot is installed; the lines that are printed start a system
in which the users of Dovecot's own files log in and see the same names.  TAP.
"""
import imaplib, os, poplib, pwd, re, shutil, smtplib, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="import_dovecot_")
os.chmod(base, 0o755)
os.mkdir(f"{base}/mail")
os.chown(f"{base}/mail", OWNER.pw_uid, OWNER.pw_gid)
imap, pop3, status, lmtp = free_port(), free_port(), free_port(), free_port()


def convert(text, *options):
    r = subprocess.run([f"{BUILD}/cmd/import-dovecot", *options], input=text, capture_output=True, text=True)
    return r.stdout, r.returncode


CONF = f"""protocols = imap pop3 lmtp
mail_location = maildir:{base}/mail/%n
first_valid_uid = 1
disable_plaintext_auth = no
ssl = no
auth_mechanisms = plain login
mail_plugins = quota lazy_expunge
imap_idle_notify_interval = 3 mins
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
  default_fields = uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={base}/mail/%n
}}
namespace inbox {{
  inbox = yes
  prefix = INBOX.
  separator = .
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
  quota_rule2 = Trash:storage=+10%%
  lazy_expunge = INBOX.EXPUNGED
  lazy_expunge_exclude = \\Trash
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  unix_listener /var/spool/postfix/private/dovecot-lmtp {{
    mode = 0600
  }}
}}
service quota-status {{
  executable = quota-status -p postfix
  inet_listener {{
    address = 127.0.0.1
    port = {status}
  }}
}}
"""
with open(f"{base}/users", "w") as f:
    f.write("alice@v.example:secret::::::\nbob@v.example:{PLAIN}other::::::userdb_quota_rule=*:storage=5M\n")
with open(f"{base}/dovecot.conf", "w") as f:
    f.write(CONF)
text = CONF
if shutil.which("doveconf"):
    r = subprocess.run(["doveconf", "-n", "-c", f"{base}/dovecot.conf"], capture_output=True, text=True)
    tap.ok(r.returncode == 0 and "passdb" in r.stdout, "doveconf -n speaks", r.stdout, r.stderr)
    text = r.stdout
main, code = convert(text)
master, _ = convert(text, "-m")
tap.ok(code == 0 and "NO EQUAL" not in main, "all of it has its equal", main)
tap.ok("imap_idle_notify_interval = 3m\n" in main and "quota_rule2 = Trash:storage=+10%\n" in main and
       "imap_special_use = INBOX.Junk=\\Junk INBOX.Trash=\\Trash\n" in main, "units, percent signs, special uses", main)
tap.ok(re.search(rf"^127.0.0.1:{imap} +inet n - n - - imap-login$", master, re.M) and "wrappermode" not in master and
       f"127.0.0.1:{status} inet n n n - - quota-status\n" in master and f"127.0.0.1:{lmtp} inet n n n - - lmtpd\ndovecot-lmtp unix - n n - - lmtpd\n" in master, "listeners, and none for port 0", master)
with Instance(main, master) as i:
    tap.ok(i.start().returncode == 0, "the printed lines start a system", main, master)
    m = imaplib.IMAP4("127.0.0.1", imap)
    tap.ok(m.login("alice@v.example", "secret")[0] == "OK", "a user of Dovecot's file logs in")
    m.create("INBOX.Trash")
    m.append("INBOX", None, None, b"Subject: x\r\n\r\nbody\r\n")
    tap.ok(any(b"\\Trash" in x and b"INBOX.Trash" in x for x in m.list('""', "*")[1]) and
           os.path.isdir(f"{base}/mail/alice/.Trash"), "names and places are Dovecot's")
    for box in ("INBOX", "INBOX.Trash"):
        m.append(box, None, None, b"Subject: x\r\n\r\nbody\r\n")
        m.select(box)
        m.store("1", "+FLAGS", "\\Deleted")
        m.expunge()
    tap.ok(m.status("INBOX.EXPUNGED", "(MESSAGES)")[1] == [b"INBOX.EXPUNGED (MESSAGES 1)"], "lazy_expunge, but not in Trash", main)
    m.logout()
    m = imaplib.IMAP4("127.0.0.1", imap)
    m.login("bob@v.example", "other")
    m._simple_command("GETQUOTAROOT", "INBOX")
    tap.ok(b"(STORAGE 0 5120)" in m.response("QUOTA")[1][0], "his own quota")
    m.logout()
    p = poplib.POP3("127.0.0.1", pop3)
    p.user("alice@v.example")
    p.pass_("secret")
    tap.ok(p.stat()[0] == 1, "and POP3")
    p.quit()
    with smtplib.LMTP("127.0.0.1", lmtp) as s:
        s.sendmail("s@x.example", ["alice@v.example"], "Subject: x\r\n\r\nx\r\n")
    p = poplib.POP3("127.0.0.1", pop3)
    p.user("alice@v.example")
    p.pass_("secret")
    tap.ok(p.stat()[0] == 2, "and LMTP")
    p.quit()

main, code = convert("mail_location = mbox:~/mail:INBOX=/var/mail/%u\npassdb {\n  args = /etc/dovecot/dovecot-sql.conf.ext\n  driver = lua\n}\n"
                     "passdb {\n  driver = pam\n}\nuserdb {\n  driver = passwd\n}\nauth_mechanisms = plain gssapi\nprotocols = imap lmtp sieve\n"
                     "protocol imap {\n  mail_plugins = quota lazy_expunge imap_sieve\n}\nplugin {\n  lazy_expunge = .EXPUNGED/\n  sieve = file:~/sieve\n  made_up_too = 1\n  sieve_before2 = /b2\n  sieve_before = /b/%%d\n  sieve_after3 = /a3\n  sieve_extensions = +editheader\n  sieve_spamtest_text_value3 = maybe\n  sieve_plugins = sieve_imapsieve sieve_extprograms\n  sieve_pipe_bin_dir = /usr/lib/sieve\n  sieve_pipe_exec_timeout = 30 secs\n  imapsieve_mailbox1_name = Junk\n  imapsieve_mailbox1_before = file:/x/spam.sieve\n  imapsieve_url = sieve://x\n  sieve_filter_socket_dir = f\n}\nssl_cert = </etc/ssl/x.pem\nssl_key = # hidden, use -P to show it\nmade_up = yes\n")
tap.ok(code == 1 and all(f"# NO EQUAL: {x}" in main for x in ("mail_location = mbox", "passdb lua", "auth_mechanisms = gssapi", "plugin: made_up_too",
       "ssl_key: hidden", "made_up = yes", "plugin: lazy_expunge = .EXPUNGED/")), "what has no equal is named", main)
tap.ok("auth_passdb = pam:dovecot\n" in main and "auth_userdb = passwd\n" in main and "imap_tls_cert_file = /etc/ssl/x.pem\n" in main and
       "sieve = file:~/sieve\n" in main and "sieve_before = /b/%d /b2\n" in main and "sieve_after = /a3\n" in main and
       "sieve_extensions = +editheader\n" in main and "sieve_spamtest_text_value3 = maybe\n" in main, "and the rest is printed", main)
tap.ok(all(x in main for x in ("sieve_pipe_bin_dir = /usr/lib/sieve\n", "sieve_pipe_exec_timeout = 30s\n", "imapsieve_mailbox1_name = Junk\n",
       "imapsieve_mailbox1_before = file:/x/spam.sieve\n", "imapsieve_url = sieve://x\n", "# NO EQUAL: plugin: sieve_filter_socket_dir")) and
       "sieve_plugins" not in main, "scripts of IMAP events and programs of scripts", main)
rules = lambda *numbers: "protocol imap {\n  mail_plugins = imap_sieve\n}\nplugin {\n" + "".join(f"  imapsieve_mailbox{n}_name = b{n}\n" for n in numbers) + "}\n"
main, code = convert(rules(1, 3))
tap.ok("\nimapsieve_mailbox1_name = b1\n" in main and "\n# imapsieve_mailbox3_name = b3: no rule" in main and "\nimapsieve_mailbox3" not in main, "a rule of IMAP events behind a gap is none", main)
main, code = convert(rules(*range(1, 19)))
tap.ok(code == 1 and "\nimapsieve_mailbox16_name = b16\n" in main and "# NO EQUAL: imapsieve_mailbox17_name" in main and "\nimapsieve_mailbox17" not in main, "and one too many has no equal", main)
main, code = convert("passdb {\n  driver = ldap\n  args = /etc/dovecot/dovecot-ldap.conf.ext\n}\nuserdb {\n  driver = ldap\n  args = /etc/dovecot/dovecot-ldap-users.conf.ext\n"
                     "  default_fields = home=/v/%u\n}\n")
tap.ok(code == 0 and "auth_passdb = ldap:/etc/dovecot/dovecot-ldap.conf.ext\n" in main and
       "auth_userdb = ldap:/etc/dovecot/dovecot-ldap-users.conf.ext home=/v/%u\n" in main, "a directory", main)
main, code = convert("login_trusted_networks = 192.0.2.0/24, 10.1.2.3/8 2001:db8::1\n")
tap.ok("\nlogin_trusted_networks = 192.0.2.0/24 10.0.0.0/8 2001:db8::1\n" in "\n" + main, "trusted networks, with the bits that Dovecot does not look at", main)
main, code = convert("login_trusted_networks = 192.0.2.0/24 proxy.example\n")
tap.ok("NO EQUAL: login_trusted_networks: proxy.example is no network" in main, "and what is none", main)
if os.path.exists("/etc/dovecot/dovecot.conf") and shutil.which("doveconf"):
    text = subprocess.run(["doveconf", "-n"], capture_output=True, text=True).stdout
    main, code = convert(text)
    tap.ok(code == 1 and "NO EQUAL: mail_location" in main and "auth_passdb = pam:dovecot\n" in main and
           main.count("imap_special_use") == 1, "this machine's own", main)
shutil.rmtree(base, ignore_errors=True)
tap.end()
