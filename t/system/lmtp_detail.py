#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""lmtp_detail.py - user+detail into a mailbox (lmtp_save_to_detail_mailbox), and what its rights say to that (RFC 4314, "p")

The same mail to lmtpd and, where it is installed and we are root, to Dovecot with its acl and sieve plugins: it lies in the
same mailboxes afterwards.  TAP.
"""
import os, pwd, re, shutil, signal, smtplib, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
DOVECOT = ROOT and shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin") and os.path.exists("/usr/lib/dovecot/lmtp") \
    and os.path.exists("/usr/lib/dovecot/modules/lib90_sieve_plugin.so")
tap = Tap()
# mailbox: dovecot-acl (None: no list)
BOXES = {
    "alice": {"": None, "plain": None, "nop": "owner lrs\n", "p": "owner lrsp\n", "any": "anyone p\n", "i": "owner lrsi\n", "neg": "-owner p\n",
              "hid": "owner rs\n", "user": "user=alice@x.example lr\n", "glob": None, "deaf": "owner lrsp\n", "up": "owner lrsp\n"},
    "bob": {"": "owner lrs\n", "p": "owner p\n"},
}
INTO = 'require "fileinto"; fileinto "%s";'
# to, script, mailboxes; with lda_mailbox_autocreate when it differs
CASES = [
    ("alice", None, [""]),
    ("alice+plain", None, ["plain"]),
    ("alice+p", None, ["p"]),
    ("alice+nop", None, [""]),             # the recipient's right, not the sender's, ...
    ("alice+any", None, ["any"]),          # ... and who is not named has all
    ("alice+i", None, [""]),               # "i" is APPEND's
    ("alice+neg", None, [""]),
    ("alice+hid", None, [""]),
    ("alice+user", None, [""]),
    ("alice+glob", None, [""]),            # by the administrator's list
    ("alice+none", None, [""], ["none"]),
    ("alice+a/b", None, [""], ["a.b"]),
    ("alice+up/new", None, [""], [""]),    # nobody may make mailboxes below it
    ("alice+plain/new", None, [""], ["plain.new"]),
    ("alice+PLAIN", None, [""], ["PLAIN"]),
    ("alice+inbox", None, [""]),
    ("alice+plain+x", None, [""], ["plain+x"]),
    ("alice+", None, [""]),
    ("alice", INTO % "plain", ["plain"]),
    ("alice", INTO % "nop", [""]),
    ("alice", INTO % "p", ["p"]),
    ("alice", INTO % "hid", [""]),
    ("alice", INTO % "glob", [""]),
    ("alice", 'require ["fileinto", "mailbox"]; if mailboxexists "p" { fileinto "p"; }', ["p"]),
    ("alice", 'require ["fileinto", "mailbox"]; if mailboxexists "nop" { fileinto "plain"; }', [""]),     # RFC 5490, 3.1
    ("alice", 'require ["fileinto", "mailbox"]; if mailboxexists "i" { fileinto "plain"; }', [""]),
    ("alice+p", "keep;", ["p"]),
    ("alice+nop", "keep;", [""]),
    ("alice+plain", "#", ["plain"]),
    ("alice+plain", INTO % "p", ["p"]),
    ("alice+plain", INTO % "nop", ["plain"]),
    ("alice+plain", INTO % "INBOX", [""]),
    ("alice+plain", 'require "fileinto"; fileinto "p"; keep;', ["p", "plain"]),
    ("alice+plain", 'require "fileinto"; fileinto "plain"; keep;', ["plain"]),
    ("alice+plain", 'require "fileinto"; fileinto "INBOX"; keep;', ["", "plain"]),
    ("alice+none", "discard;", []),
    ("alice+plain", "this is no script", ["plain"]),
    ("bob", None, [""]),                   # INBOX takes what nobody else takes
    ("bob", "keep;", [""]),
    ("bob+p", None, ["p"]),
]
# the same, with imap_namespace_prefix = INBOX.: names that scripts say begin with it, details do not
EXISTS = 'require ["fileinto", "mailbox"]; if mailboxexists "%s" { fileinto "INBOX.p"; }'
PREFIXED = [
    ("alice", INTO % "INBOX.plain", ["plain"]),
    ("alice", INTO % "plain", [""]),
    ("alice", INTO % "INBOX", [""]),
    ("alice", INTO % "inbox", [""]),
    ("alice", INTO % "INBOX.", [""]),
    ("alice", INTO % "INBOX.none", [""], ["none"]),
    ("alice", 'require ["fileinto", "mailbox"]; fileinto :create "INBOX.made";', ["made"]),
    ("alice", EXISTS % "INBOX.plain", ["p"]),
    ("alice", EXISTS % "plain", [""]),
    ("alice+plain", None, ["plain"]),
    ("alice+plain", INTO % "plain", ["plain"]),            # the implicit keep's
    ("alice+plain", 'require "fileinto"; fileinto "INBOX.plain"; keep;', ["plain"]),
]


def make_homes(base):
    for user, boxes in BOXES.items():
        for box, acl in boxes.items():
            path = f"{base}/home/{user}/Maildir" + (f"/.{box}" if box else "")
            for d in ("new", "cur", "tmp"):
                os.makedirs(f"{path}/{d}")
            if box:
                open(f"{path}/maildirfolder", "w").close()
            if acl:
                with open(f"{path}/dovecot-acl", "w") as f:
                    f.write(acl)
    with open(f"{base}/users", "w") as f:
        f.write("".join(f"{u}@x.example:{{PLAIN}}x:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/home/{u}::\n" for u in BOXES))
    with open(f"{base}/acls", "w") as f:
        f.write("glob owner lrs\n")
    for top, dirs, files in os.walk(f"{base}/home"):
        os.chown(top, OWNER.pw_uid, OWNER.pw_gid)
        for f in files:
            os.chown(f"{top}/{f}", OWNER.pw_uid, OWNER.pw_gid)


def where(base, mark):
    found = []
    for top, dirs, files in os.walk(f"{base}/home"):
        for name in files:
            if os.path.basename(top) in ("new", "cur") and f"Subject: {mark}\n".encode() in open(f"{top}/{name}", "rb").read().replace(b"\r", b""):
                found.append(os.path.relpath(os.path.dirname(top), f"{base}/home").split("Maildir")[1].lstrip("/."))
    return sorted(found)


def run_cases(base, port, autocreate, who, cases, mark="case"):
    client = smtplib.LMTP("127.0.0.1", port)
    for n, (rcpt, script, *want) in enumerate(cases):
        user = rcpt.split("+")[0]
        path = f"{base}/home/{user}/s.sieve"
        if script:
            with open(path, "w") as f:
                f.write(script)
        elif os.path.exists(path):
            os.remove(path)
        try:
            refused = client.sendmail("somebody@else.example", [f"{rcpt}@x.example"], f"Subject: {mark}{n}\r\n\r\nx\r\n")
        except smtplib.SMTPException as e:
            refused = str(e)
        got = where(base, f"{mark}{n}")
        tap.ok(not refused and got == sorted(want[-1] if autocreate else want[0]),
               f"{who}{', mailboxes are made' if autocreate else ''}: {rcpt} {script or ''}", refused, got)
    client.quit()


def ours(autocreate, detail="yes"):
    port = free_port()
    master = f"127.0.0.1:{port} inet n - n - - lmtpd\n"
    with tempfile.TemporaryDirectory(prefix="detail_") as base, Instance(master=master) as i:
        os.chmod(base, 0o755)
        make_homes(base)
        i.configure(f"mydestination =\nrecipient_delimiter = +\nmail_location = maildir:%h/Maildir\nauth_passdb = passwd-file:{base}/users\n"
                    f"auth_userdb = passwd-file:{base}/users\nfirst_valid_uid = 1\nacl = vfile:{base}/acls\nsieve = ~/s.sieve\n"
                    f"lmtp_save_to_detail_mailbox = {detail}\nlda_mailbox_autocreate = {autocreate}\n", master)
        tap.ok(i.start().returncode == 0, "the system starts")
        if detail == "yes":
            run_cases(base, port, autocreate == "yes", "lmtpd", CASES)
            tap.ok(wait_for(lambda: re.search(r"lmtp\(alice@x.example\)<\d+><\w+>: msgid=unspecified: saved mail to plain", i.log())),
                   "the log names the mailbox, as Dovecot's does")
            tap.ok(i.logged("user=<alice@x.example>: failed to store into mailbox 'nop': Permission denied"), "and why another one had it")
            if autocreate == "yes":
                tap.ok(os.path.exists(f"{base}/home/alice/Maildir/.none/cur") and not os.path.exists(f"{base}/home/alice/Maildir/.up.new"), "what was made")
        else:
            client = smtplib.LMTP("127.0.0.1", port)
            client.sendmail("somebody@else.example", ["alice+plain@x.example"], "Subject: off\r\n\r\nx\r\n")
            tap.ok(where(base, "off") == [""], "without lmtp_save_to_detail_mailbox all is INBOX's", where(base, "off"))
            client.quit()


def ours_prefixed(autocreate):
    port = free_port()
    master = f"127.0.0.1:{port} inet n - n - - lmtpd\n"
    with tempfile.TemporaryDirectory(prefix="detail_") as base, Instance(master=master) as i:
        os.chmod(base, 0o755)
        make_homes(base)
        i.configure(f"mydestination =\nrecipient_delimiter = +\nmail_location = maildir:%h/Maildir\nauth_passdb = passwd-file:{base}/users\n"
                    f"auth_userdb = passwd-file:{base}/users\nfirst_valid_uid = 1\nsieve = ~/s.sieve\nimap_namespace_prefix = INBOX.\n"
                    f"lmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = {autocreate}\n", master)
        tap.ok(i.start().returncode == 0, "the system starts")
        run_cases(base, port, autocreate == "yes", "lmtpd, prefix INBOX.", PREFIXED)
        made = [d for d in os.listdir(f"{base}/home/alice/Maildir") if d.startswith(".INBOX")]
        tap.ok(not made, "no directory begins with the prefix", made)


# what lies where a mailbox would, and cannot be one
BROKEN = ("file", "link", "shut", "void", "stuck")


def ours_broken():
    """A mailbox that cannot be opened is no reason to keep mail back: INBOX has it."""
    port = free_port()
    master = f"127.0.0.1:{port} inet n - n - - lmtpd\n"
    with tempfile.TemporaryDirectory(prefix="detail_") as base, Instance(master=master) as i:
        os.chmod(base, 0o755)
        make_homes(base)
        path = f"{base}/home/alice/Maildir"
        open(f"{path}/.file", "w").close()
        os.symlink(f"{path}/.plain", f"{path}/.link")
        os.mkdir(f"{path}/.shut")
        os.chmod(f"{path}/.shut", 0o555)           # cur/ cannot be made in it
        os.chown(f"{path}/.shut", OWNER.pw_uid, OWNER.pw_gid)
        os.makedirs(f"{path}/.void")
        os.symlink(f"{path}/nowhere", f"{path}/.void/cur")
        os.chown(f"{path}/.void", OWNER.pw_uid, OWNER.pw_gid)
        for d in ("cur", "tmp", "new"):
            os.makedirs(f"{path}/.stuck/{d}")
        for top, dirs, files in os.walk(f"{path}/.stuck"):
            os.chown(top, OWNER.pw_uid, OWNER.pw_gid)
        os.chmod(f"{path}/.stuck/new", 0o555)       # the message comes into tmp/, but no further
        i.configure(f"mydestination =\nrecipient_delimiter = +\nmail_location = maildir:%h/Maildir\nauth_passdb = passwd-file:{base}/users\n"
                    f"auth_userdb = passwd-file:{base}/users\nfirst_valid_uid = 1\nsieve = ~/s.sieve\n"
                    "lmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = yes\n", master)
        tap.ok(i.start().returncode == 0, "the system starts")
        into = 'require ["fileinto", "mailbox"]; fileinto :create "%s";'
        cases = [(f"alice+{b}", None, [""]) for b in BROKEN] + [("alice", into % b, [""]) for b in BROKEN]
        run_cases(base, port, True, "lmtpd, what is no mailbox", cases + [("alice+plain", into % "file", ["plain"])])
        tap.ok(i.logged("user=<alice@x.example>: failed to store into mailbox 'file': "), "the log says why", i.log()[-1500:])
        tap.ok(os.path.isfile(f"{path}/.file") and os.path.islink(f"{path}/.link"), "and nothing was put in their place")


def make_unreadable(path):
    os.chmod(path, 0o600 if ROOT else 0)


def make_directory(path):
    os.unlink(path)
    os.mkdir(path)


def ours_unread():
    """The administrator's list cannot be read: check refuses that; where it comes later INBOX has the mail."""
    port = free_port()
    master = f"127.0.0.1:{port} inet n - n - - lmtpd\n"
    cases = [("alice+plain", None, [""]), ("alice+new", None, [""]), ("alice", INTO % "p", [""]), ("alice", "keep;", [""]), ("bob", None, [""]),
             ("alice", 'require ["fileinto", "mailbox"]; fileinto :create "new";', [""]),
             ("alice", 'require ["fileinto", "mailbox"]; if mailboxexists "p" { fileinto "p"; }', [""])]
    with tempfile.TemporaryDirectory(prefix="detail_") as base, Instance(master=master) as i:
        os.chmod(base, 0o755)
        make_homes(base)
        config = (f"mydestination =\nrecipient_delimiter = +\nmail_location = maildir:%h/Maildir\nauth_passdb = passwd-file:{base}/users\n"
                  f"auth_userdb = passwd-file:{base}/users\nfirst_valid_uid = 1\nsieve = ~/s.sieve\n"
                  "lmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = yes\n")
        i.configure(f"{config}acl = yes\n", master)
        r = i.run("check")
        tap.ok(r.returncode != 0 and "acl = yes: only vfile" in r.stderr, "what acl does not know is refused by who delivers, too", r)
        i.configure(f"{config}acl = vfile:{base}/acls\n", master)
        tap.ok(i.start().returncode == 0, "the system starts")
        for name, spoil in (("unreadable", make_unreadable), ("directory", make_directory), ("missing", os.rmdir)):
            spoil(f"{base}/acls")
            r = i.run("check")
            tap.ok(r.returncode != 0 and f"acl: {base}/acls" in r.stderr, f"check refuses a list of rights that is {name}", r)
            run_cases(base, port, False, f"lmtpd, list of rights {name}", cases, name)
        log = i.log()
        tap.ok(re.search(r"warning: user=<alice@x.example>: acl: .*: only INBOX takes mail", log), "the log says so", log[-1500:])
        tap.ok(not os.path.exists(f"{base}/home/alice/Maildir/.new"), "and nothing is made that takes no mail")
        i.run("stop")
        tap.ok(i.start().returncode == 0, "the system starts")
        run_cases(base, port, False, "lmtpd, started without the list", cases[:1], "late")
        tap.ok(i.logged(f"warning: acl: {base}/acls: No such file"), "and its log says at once what is wrong")


def theirs(autocreate, prefix=""):
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="detail_") as base:
        os.chmod(base, 0o755)
        make_homes(base)
        with open(f"{base}/conf", "w") as f:
            f.write(f"""base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
ssl = no
protocols = lmtp
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
mail_plugins = acl
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = {autocreate}
protocol lmtp {{
  mail_plugins = acl sieve
}}
plugin {{
  acl = vfile:{base}/acls
  sieve = ~/s.sieve
}}
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {"." if prefix else "/"}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
""")
        dovecot = subprocess.Popen(["dovecot", "-F", "-c", f"{base}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            try:
                smtplib.LMTP("127.0.0.1", port).quit()
                return True
            except OSError:
                return False
        try:
            if wait_for(listens, 20):
                run_cases(base, port, autocreate == "yes", "Dovecot" + (prefix and ", prefix INBOX."), PREFIXED if prefix else CASES)
            else:
                tap.ok(True, "Dovecot # SKIP does not start here")
        finally:
            dovecot.send_signal(signal.SIGTERM)
            dovecot.wait()


for autocreate in ("no", "yes"):
    ours(autocreate)
    ours_prefixed(autocreate)
    if DOVECOT:
        theirs(autocreate)
        theirs(autocreate, "INBOX.")
    else:
        tap.ok(True, "Dovecot # SKIP needs root and Dovecot with lmtp and sieve")
ours_broken()
ours_unread()
ours("no", "no")
tap.end()
