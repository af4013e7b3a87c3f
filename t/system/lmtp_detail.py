#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""lmtp_detail.py - user+detail into a mailbox (lmtp_save_to_detail_mailbox), and what its rights say to that (RFC 4314, "p")

The same mail to lmtpd and, where it is installed and we are root, to Dovecot with its acl and sieve plugins: it lies in the
same mailboxes afterwards.  One system of ours serves all: each set of parameters is a service with users of its own domain.  TAP.
"""
import concurrent.futures, contextlib, os, pwd, re, shutil, smtplib, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
DOVECOT = ROOT and shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin") and os.path.exists("/usr/lib/dovecot/lmtp") \
    and os.path.exists("/usr/lib/dovecot/modules/lib90_sieve_plugin.so")


class SharedTap(Tap):
    lock = threading.Lock()

    def ok(self, *words):
        with self.lock:
            return super().ok(*words)


tap = SharedTap()
# mailbox: dovecot-acl (None: no list)
BOXES = {
    "alice": {"": None, "plain": None, "nop": "owner lrs\n", "p": "owner lrsp\n", "any": "anyone p\n", "i": "owner lrsi\n", "neg": "-owner p\n",
              "hid": "owner rs\n", "user": "user=alice@{domain} lr\n", "glob": None, "deaf": "owner lrsp\n", "up": "owner lrsp\n"},
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


def own(top):
    for path, dirs, files in os.walk(top):
        for name in [path] + [f"{path}/{f}" for f in files]:
            os.chown(name, OWNER.pw_uid, OWNER.pw_gid, follow_symlinks=False)


def make_homes(base, domain="x.example"):
    """As large as a directory of its own, with its users and its administrator's list."""
    for user, boxes in BOXES.items():
        for box, acl in boxes.items():
            path = f"{base}/home/{user}/Maildir" + (f"/.{box}" if box else "")
            for d in ("new", "cur", "tmp"):
                os.makedirs(f"{path}/{d}")
            if box:
                open(f"{path}/maildirfolder", "w").close()
            if acl:
                with open(f"{path}/dovecot-acl", "w") as f:
                    f.write(acl.format(domain=domain))
    with open(f"{base}/users", "w") as f:
        f.write("".join(f"{u}@{domain}:{{PLAIN}}x:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/home/{u}::\n" for u in BOXES))
    with open(f"{base}/acls", "w") as f:
        f.write("glob owner lrs\n")
    own(f"{base}/home")


def where(base, mark):
    found = []
    for top, dirs, files in os.walk(f"{base}/home"):
        for name in files:
            if os.path.basename(top) in ("new", "cur") and f"Subject: {mark}\n".encode() in open(f"{top}/{name}", "rb").read().replace(b"\r", b""):
                found.append(os.path.relpath(os.path.dirname(top), f"{base}/home").split("Maildir")[1].lstrip("/."))
    return sorted(found)


def run_cases(base, port, autocreate, who, cases, mark="case", domain="x.example"):
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
            refused = client.sendmail("somebody@else.example", [f"{rcpt}@{domain}"], f"Subject: {mark}{n}\r\n\r\nx\r\n", () if rcpt.isascii() else ("SMTPUTF8",))
        except smtplib.SMTPException as e:
            refused = str(e)
        got = where(base, f"{mark}{n}")
        tap.ok(not refused and got == sorted(want[-1] if autocreate else want[0]),
               f"{who}{', mailboxes are made' if autocreate else ''}: {rcpt!a} {script or ''}", refused, got)
    client.quit()


class Service:
    """An lmtpd with parameters of its own, and its users."""
    def __init__(self, top, name, acl=False, **parameters):
        self.name, self.base, self.domain, self.port = name, f"{top}/{name}", f"{name}.example", free_port()
        os.makedirs(self.base)
        make_homes(self.base, self.domain)
        self.mailboxes = f"{self.base}/home/alice/Maildir"
        self.autocreate = parameters.get("lda_mailbox_autocreate") == "yes"
        if acl:
            parameters["acl"] = f"vfile:{self.base}/acls"
        self.line = f"127.0.0.1:{self.port} inet n - n - - lmtpd" + "".join(f" -o {p}={v}" for p, v in parameters.items()) + "\n"

    def run(self, who, cases, mark="case"):
        run_cases(self.base, self.port, self.autocreate, who, cases, mark, self.domain)


def try_plain(i, service):
    service.run("lmtpd", CASES)
    tap.ok(wait_for(lambda: re.search(rf"lmtp\(alice@{service.domain}\)<\d+><\w+>: msgid=unspecified: saved mail to plain", i.log())),
           "the log names the mailbox, as Dovecot's does")
    tap.ok(i.logged(f"user=<alice@{service.domain}>: failed to store into mailbox 'nop': Permission denied"), "and why another one had it")
    if service.autocreate:
        tap.ok(os.path.exists(f"{service.mailboxes}/.none/cur") and not os.path.exists(f"{service.mailboxes}/.up.new"), "what was made")


def try_prefixed(i, service):
    service.run("lmtpd, prefix INBOX.", PREFIXED)
    made = [d for d in os.listdir(service.mailboxes) if d.startswith(".INBOX")]
    tap.ok(not made, "no directory begins with the prefix", made)


def try_off(i, service):
    service.run("lmtpd, without lmtp_save_to_detail_mailbox", [("alice+plain", None, [""])])


# what lies where a mailbox would, and cannot be one
BROKEN = ("file", "link", "shut", "void", "stuck")


def spoil(path):
    open(f"{path}/.file", "w").close()
    os.symlink(f"{path}/.plain", f"{path}/.link")
    os.mkdir(f"{path}/.shut")
    os.chmod(f"{path}/.shut", 0o555)           # cur/ cannot be made in it
    os.makedirs(f"{path}/.void")
    os.symlink(f"{path}/nowhere", f"{path}/.void/cur")
    for d in ("cur", "tmp", "new"):
        os.makedirs(f"{path}/.stuck/{d}")
    os.chmod(f"{path}/.stuck/new", 0o555)       # the message comes into tmp/, but no further
    own(path)


def try_broken(i, service):
    """A mailbox that cannot be opened is no reason to keep mail back: INBOX has it."""
    spoil(service.mailboxes)
    into = 'require ["fileinto", "mailbox"]; fileinto :create "%s";'
    cases = [(f"alice+{b}", None, [""]) for b in BROKEN] + [("alice", into % b, [""]) for b in BROKEN]
    # a name that no client that has enabled UTF8=ACCEPT could say
    cases += [("alice+a\u2028b", None, [""]), ("alice", 'require "encoded-character"; ' + into % "a${unicode:2028}b", [""])]
    service.run("lmtpd, what is no mailbox", cases + [("alice+plain", into % "file", ["plain"])])
    tap.ok(i.logged(f"user=<alice@{service.domain}>: failed to store into mailbox 'file': "), "the log says why", i.log()[-1500:])
    tap.ok(os.path.isfile(f"{service.mailboxes}/.file") and os.path.islink(f"{service.mailboxes}/.link"), "and nothing was put in their place")


def make_unreadable(path):
    os.chmod(path, 0o600 if ROOT else 0)


def make_directory(path):
    os.unlink(path)
    os.mkdir(path)


UNREAD = {"unreadable": make_unreadable, "directory": make_directory, "missing": os.unlink}


def spoil_list(service):
    UNREAD[service.name](f"{service.base}/acls")


def try_unread(i, service):
    """The administrator's list can be read no more: INBOX has the mail."""
    spoil_list(service)
    service.run(f"lmtpd, list of rights {service.name}", [
        ("alice+plain", None, [""]), ("alice+new", None, [""]), ("alice", INTO % "p", [""]), ("alice", "keep;", [""]), ("bob", None, [""]),
        ("alice", 'require ["fileinto", "mailbox"]; fileinto :create "new";', [""]),
        ("alice", 'require ["fileinto", "mailbox"]; if mailboxexists "p" { fileinto "p"; }', [""])])
    tap.ok(wait_for(lambda: re.search(rf"warning: user=<alice@{service.domain}>: acl: .*: only INBOX takes mail", i.log())), "the log says so", i.log()[-1500:])
    tap.ok(not os.path.exists(f"{service.mailboxes}/.new"), "and nothing is made that takes no mail")


def try_late(i, service):
    service.run("lmtpd, started without the list", [("alice+plain", None, [""])])
    tap.ok(i.logged(f"warning: acl: {service.base}/acls: No such file"), "and its log says at once what is wrong")


WRONG = (("acl=yes", "acl = yes: only vfile"), ("imap_namespace_separator=", "imap_namespace_separator must be . or /"),
         ("imap_namespace_prefix=INBOX", "imap_namespace_prefix must end in the separator"))


def check(i, top, main):
    """What is wrong is refused before anything starts."""
    lists = [Service(top, name, acl=True) for name in UNREAD]
    for service in lists:
        spoil_list(service)
    i.configure(main, "".join(f"127.0.0.1:{free_port()} inet n - n - - lmtpd -o {wrong}\n" for wrong, said in WRONG)
                + "".join(service.line for service in lists))
    r = i.run("check")
    for wrong, said in WRONG:
        tap.ok(r.returncode != 0 and said in r.stderr, f"check refuses {wrong}, as of imapd", r)
    for service in lists:
        tap.ok(r.returncode != 0 and f"acl: {service.base}/acls" in r.stderr, f"check refuses a list of rights that is {service.name}", r)


def at_once(work, things):
    """For most of a delivery both sides wait."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, things))


def ours():
    with tempfile.TemporaryDirectory(prefix="detail_") as top, Instance() as i:
        os.chmod(top, 0o755)
        tried = []
        for autocreate in ("no", "yes"):
            made = {"lda_mailbox_autocreate": autocreate}
            tried.append((try_plain, Service(top, f"plain-{autocreate}", acl=True, **made)))
            tried.append((try_prefixed, Service(top, f"prefixed-{autocreate}", imap_namespace_prefix="INBOX.", **made)))
        tried.append((try_broken, Service(top, "broken", lda_mailbox_autocreate="yes")))
        tried.append((try_off, Service(top, "off", lmtp_save_to_detail_mailbox="no")))
        tried.extend((try_unread, Service(top, name, acl=True)) for name in UNREAD)
        tried.append((try_late, Service(top, "late", acl=True)))
        os.unlink(f"{top}/late/acls")
        users = " ".join(f"passwd-file:{service.base}/users" for how, service in tried)
        main = (f"mydestination =\nrecipient_delimiter = +\nmail_location = maildir:%h/Maildir\nauth_passdb = {users}\nauth_userdb = {users}\n"
                "first_valid_uid = 1\nsieve = ~/s.sieve\nlmtp_save_to_detail_mailbox = yes\n")
        check(i, f"{top}/check", main)
        i.configure(main, "".join(service.line for how, service in tried))
        tap.ok(i.start().returncode == 0, "the system starts")
        at_once(lambda one: one[0](i, one[1]), tried)


def dovecot(autocreate, prefix, leaving):
    port = free_port()
    base = leaving.enter_context(tempfile.TemporaryDirectory(prefix="detail_"))
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
    server = subprocess.Popen(["dovecot", "-F", "-c", f"{base}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    leaving.callback(server.wait)
    leaving.callback(server.terminate)
    return base, port


def listens(port):
    try:
        smtplib.LMTP("127.0.0.1", port).quit()
        return True
    except OSError:
        return False


def theirs(autocreate, prefix, leaving):
    base, port = dovecot(autocreate, prefix, leaving)
    if wait_for(lambda: listens(port), 20):
        run_cases(base, port, autocreate == "yes", "Dovecot" + (prefix and ", prefix INBOX."), PREFIXED if prefix else CASES)
    else:
        tap.ok(True, "Dovecot # SKIP does not start here")


ours()
if DOVECOT:
    with contextlib.ExitStack() as leaving:
        at_once(lambda one: theirs(*one, leaving), [(autocreate, prefix) for autocreate in ("no", "yes") for prefix in ("", "INBOX.")])
else:
    tap.ok(True, "Dovecot # SKIP needs root and Dovecot with lmtp and sieve")
tap.end()
