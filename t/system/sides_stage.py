# SPDX-License-Identifier: ISC
"""sides_stage.py - a stage on which Debian's Postfix and Postern run one after the other with the same files

The test runs itself again in mount and network namespaces of its own: there /etc is a copy, /var/spool, /home,
/run and the like are empty, port 25 is free, and the name server is the test's.  So a configuration keeps its
paths and its ports; only programs that do not exist are replaced, and tables that nobody supplied.
"""
import fcntl, glob, os, pwd, re, shutil, socket, struct, subprocess, sys

MAIL_HOST, STRANGER, UNNAMED, SINK = "192.0.2.10", "192.0.2.77", "192.0.2.78", "192.0.2.3"
TRUSTED = "127.0.0.1"
QUEUE, DATA, LOG = "/var/spool/postfix", "/var/lib/postfix", "/var/log/mail.log"
OUT = "/srv/out"                      # what pipes got
EMPTY = ("/var/spool", "/var/lib/postfix", "/var/log", "/var/mail", "/home", "/run", "/srv", "/opt")
PEOPLE = ("alice", "bob", "vmail", "list", "uucp", "ftn", "bsmtp", "scalemail", "debian-spamd", "zeyple", "nobody2")


def why_not():
    """Why this cannot run here, or None."""
    if os.getuid() != 0:
        return "needs root (namespaces of its own, and Postfix)"
    if not os.path.exists("/usr/lib/postfix/sbin/master"):
        return "package postfix is not installed"
    if not shutil.which("unshare") or not shutil.which("openssl"):
        return "unshare or openssl is not installed"
    if subprocess.run(["unshare", "-m", "-n", "mount", "-t", "tmpfs", "none", "/srv"], capture_output=True).returncode:
        return "no mount and network namespaces here"
    return None


def enter():
    """Runs this script again inside, unless it is already there."""
    if os.environ.get("SIDES_INSIDE") != "1":
        os.environ["SIDES_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", "-n", "--propagation", "private", sys.executable, *sys.argv])


def add_address(name, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if address:
            request = struct.pack("16sH2s4s8s", name.encode(), socket.AF_INET, b"", socket.inet_aton(address), b"")
            fcntl.ioctl(s, 0x8916, request)                     # SIOCSIFADDR
            mask = struct.pack("16sH2s4s8s", name.encode(), socket.AF_INET, b"", socket.inet_aton("255.0.0.0" if address.startswith("127") else "255.255.255.255"), b"")
            fcntl.ioctl(s, 0x891c, mask)                        # SIOCSIFNETMASK
        flags = struct.pack("16sh", name.encode(), 0x1 | 0x8 | 0x40)
        fcntl.ioctl(s, 0x8914, flags)                           # SIOCSIFFLAGS: up


def set_up():
    """Once: the network, /etc and the empty places."""
    add_address("lo", "127.0.0.1")
    for n, address in enumerate((MAIL_HOST, STRANGER, UNNAMED, SINK)):
        add_address(f"lo:{n + 1}", address)
    for place in EMPTY:
        os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "stage", "/srv"], check=True)
    shutil.copytree("/etc", "/srv/etc", symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("main.cf", "master.cf"))
    subprocess.run(["chown", "-R", "--reference=/etc", "/srv/etc"], check=True)
    for place in EMPTY:
        if place != "/srv":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "stage", place], check=True)
    subprocess.run(["mount", "--bind", "/srv/etc", "/etc"], check=True)
    os.chmod("/var/mail", 0o1777)
    write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    write("/etc/hosts", "127.0.0.1 localhost\n")
    write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n")
    write("/etc/mailname", "mailname.sides.test\n")
    write("/etc/aliases", ALIASES)
    people()
    os.makedirs("/srv/bin")
    write("/srv/bin/agent", AGENT, 0o755)
    agent("agent-alias")
    agent("bobs-command")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=sides.test",
                    "-addext", "subjectAltName=DNS:sides.test,DNS:*.sides.test", "-keyout", "/srv/key.pem", "-out", "/srv/cert.pem"], check=True, capture_output=True)
    write("/srv/chain.pem", open("/srv/key.pem").read() + open("/srv/cert.pem").read())


ALIASES = """postmaster: root
root: alice
sales: bob, alice
words: bob alice, root
twice: sales, alice
away: somebody@outside.test
pipe: "|/srv/bin/agent-alias from-alias"
file: /var/mail/file-alias
nowhere: :include:/etc/no-such-list
owners: alice, refused@outside.test
owner-owners: bob
loop: loop2
loop2: loop
"""

# the name it was called by, its arguments and what it read, as one file
AGENT = """#!/bin/sh
case $0 in *policyd*|*policy-spf*) while read line; do [ -n "$line" ] || printf 'action=DUNNO\\n\\n'; done; exit 0;; esac
t=$(mktemp /srv/out/.XXXXXX) || exit 75
{ echo "@@ $(basename "$0") $*"; cat; } > "$t"
chmod 644 "$t"; mv "$t" "/srv/out/$(basename "$t").got"
"""


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def people():
    names = {p.pw_name for p in pwd.getpwall()}
    passwd, group = open("/etc/passwd").read().rstrip("\n") + "\n", open("/etc/group").read().rstrip("\n") + "\n"
    for n, name in enumerate([p for p in (*PEOPLE, "postern-net", "postern-dns", "postern-auth", "postern-map", "postern-key", "postern-log") if p not in names]):
        uid = 5000 if name == "vmail" else 6000 + n
        passwd += f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n"
        if not re.search(rf"(?m)^{name}:", group):
            group += f"{name}:x:{uid}:\n"
    write("/etc/passwd", passwd)
    write("/etc/group", group)


def empty(place):
    for name in os.listdir(place):
        path = f"{place}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def clean():
    """Everything that a system wrote: mailboxes, queue, caches, log."""
    for place in ("/var/spool", "/var/lib/postfix", "/var/log", "/var/mail", "/home", "/run"):
        empty(place)
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    os.chmod(OUT, 0o1777)
    for name in ("alice", "bob", "vmail"):
        who = pwd.getpwnam(name)
        os.makedirs(who.pw_dir)
        os.chown(who.pw_dir, who.pw_uid, who.pw_gid)
    os.symlink("/var/mail", "/var/spool/mail")
    postfix = pwd.getpwnam("postfix")
    os.makedirs(f"{QUEUE}/etc")
    os.makedirs(f"{QUEUE}/private")
    os.chown(f"{QUEUE}/private", postfix.pw_uid, 0)
    os.chmod(f"{QUEUE}/private", 0o700)
    os.chown(DATA, postfix.pw_uid, postfix.pw_gid)
    for name in ("resolv.conf", "hosts", "services", "nsswitch.conf", "localtime"):
        if os.path.exists(f"/etc/{name}"):
            shutil.copy(f"/etc/{name}", f"{QUEUE}/etc/{name}")


# ---- main.cf and master.cf as text

def logical(text):
    """(name, value) of main.cf in order; a later one takes an earlier one's place."""
    out, last = {}, None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            if last:
                out[last] += "\n" + line
            continue
        name, sign, value = line.partition("=")
        if sign:
            last = name.strip()
            out[last] = value.strip()
    return out


FORCED = {"queue_directory": QUEUE, "data_directory": DATA, "mail_owner": "postfix", "setgid_group": "postdrop", "maillog_file": LOG,
          "inet_interfaces": f"{MAIL_HOST}, 127.0.0.1", "inet_protocols": "ipv4", "smtpd_error_sleep_time": "0", "smtpd_client_connection_rate_limit": "0",
          "smtpd_client_message_rate_limit": "0", "enable_long_queue_ids": "yes", "smtpd_hard_error_limit": "100", "smtpd_soft_error_limit": "100", "smtpd_client_connection_count_limit": "0"}
DROPPED = ("daemon_directory", "command_directory", "sendmail_path", "newaliases_path", "mailq_path", "html_directory", "manpage_directory", "sample_directory",
           "readme_directory", "shlib_directory", "meta_directory", "smtp_bind_address", "smtp_bind_address6", "debugger_command", "config_directory",
           "proxy_read_maps", "debug_peer_list", "default_destination_rate_delay")


def master_for(text):
    """Programs become the agent; services that the stock file has today are added."""
    text = re.sub(r"argv=(?:/bin/python\s+)?(\S+)", lambda m: "argv=" + agent(m.group(1)), text)
    have = {(l.split()[0], l.split()[1]) for l in text.splitlines() if l.strip() and l[0] not in " \t#" and len(l.split()) >= 8}
    for line in ("postlog unix-dgram n - n - 1 postlogd", "verify unix - - n - 1 verify", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
                 "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap", "retry unix - - n - - error", "discard unix - - n - - discard",
                 "trace unix - - n - 0 bounce", "relay unix - - n - - smtp", "tlsmgr unix - - n 1000? 1 tlsmgr", "flush unix n - n 1000? 0 flush", "lmtp unix - - n - - lmtp",
                 "virtual unix - n n - - virtual", "error unix - - n - - error", "showq unix n - n - - showq", "local unix - n n - - local", "pickup unix n - n 60 1 pickup",
                 "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
                 "defer unix - - n - 0 bounce", "smtp unix - - n - - smtp"):
        name, kind = line.split()[:2]
        if (name, kind) not in have and not (name in ("pickup", "qmgr") and (name, "fifo") in have):
            text += ("" if text.endswith("\n") else "\n") + line + "\n"
    return text


def agent(command):
    name = "/srv/bin/" + os.path.basename(command)
    if not os.path.lexists(name):
        os.symlink("agent", name)
    return name


def main_for(values, extra):
    values = {k: v for k, v in values.items() if k not in DROPPED}
    values.update(FORCED)
    for name in ("mailbox_command",):
        if values.get(name):
            values[name] = re.sub(r"^\S+", lambda m: agent(m.group(0)), values[name])
    for name, value in values.items():
        values[name] = value.replace("/data/", "/srv/data/") if "/srv/data/" not in value else value
    values.update(extra)
    return "".join(f"{k} = {v}\n" for k, v in values.items())


# ---- tables that the configuration names

TABLE = re.compile(r"(?:proxy:)?(hash|btree|lmdb|texthash|cdb|dbm|mysql|pgsql|ldap|sqlite|regexp|pcre|cidr):(/[^\s,}]+)")
DATABASES = ("mysql", "pgsql", "ldap", "sqlite")
KNOWN_USERS = ("alice", "bob", "postmaster")


def content_for(name, domains):
    """What a site might have in the table of that parameter."""
    d = domains[0]
    if name == "virtual_alias_maps":
        out = ""
        for d in domains:
            out += f"sales@{d} alice@{d}, bob@{d}\nforward@{d} somebody@outside.test\nabuse@{d} alice@{d}\nchain@{d} sales@{d}\nlocal@{d} alice\n"
        return out + f"@catch.test alice@{domains[0]}\n"
    if name == "virtual_alias_domains":
        return "catch.test x\n"
    if name == "virtual_mailbox_domains":
        return f"{d} x\n"
    if name == "relay_domains":
        return "relay.sides.test x\n"
    if name == "virtual_mailbox_maps":
        return "".join(f"{u}@{d} {d}/{u}/\n" for u in KNOWN_USERS)
    if name == "smtpd_sender_login_maps":
        return "".join(f"{u}@{d} {u}@{d}\n" for u in KNOWN_USERS)
    if name in ("alias_maps", "alias_database"):
        return ALIASES
    if name == "transport_maps":
        return "routed.test smtp:[sink.sides.test]\nrefusing.test error:5.7.1 not from here\n.below.test smtp:[sink.sides.test]:25\nhere.test :[sink.sides.test]\nuser@outside.test discard:away\n"
    if name == "smtp_sasl_password_maps":
        return "[smtp.eu.mailgun.org]:587 user:secret\n"
    if name in ("virtual_uid_maps", "virtual_gid_maps"):
        return f"alice@{d} 5000\nbob@{d} 5000\n"
    if name.startswith("relay_recipient"):
        return f"alice@relay.sides.test x\n"
    if name == "rbl_reply_maps" or "tls_policy" in name or "transport" in name:
        return "# nothing\n"
    if "relocated" in name:
        return f"gone@{d} gone@elsewhere.test\n"
    if "canonical" in name:
        return f"old@{d} new@{d}\n"
    return "blocked@outside.test REJECT blocked by the test\nblocked.test REJECT\nfriend@outside.test OK\n"


def first_file_of(spec_path, folder):
    """The file of the configuration that the installed path means."""
    name = spec_path.rsplit("/", 1)[1]
    for path in (folder + spec_path, folder + spec_path.replace("/etc/postfix", "/postfix"), f"{folder}/{name}"):
        if os.path.isfile(path):
            return path
    return None


def certificate_for(name, path, value, values):
    """Key, certificate or both: a certificate file whose key nobody names has it inside."""
    key_file = values.get(name.replace("_cert_file", "_key_file"), "$smtpd_tls_cert_file")
    both = "key" not in value if name.endswith("chain_files") else name.endswith("_cert_file") and (key_file.startswith("$") or key_file == path)
    return "/srv/chain.pem" if both else "/srv/key.pem" if "key" in path.rsplit("/", 1)[1] else "/srv/cert.pem"


def supply(main, master, domains):
    """Makes what the files name and nobody has: tables, lists, certificates.  The texts, with databases made local."""
    values = logical(main)
    services = {n: v for n, v in re.findall(r"-o\s*\{?\s*(\w+)\s*=\s*([^\n}]*)", master)}
    kinds = {}

    def local(name):
        def one(m):
            kind, path = m.groups()
            if kind in DATABASES:
                base = re.sub(r"\W+", "_", path)
                path = f"/srv/tables/{base}"
                if path not in kinds:
                    role = name
                    for hint, meant in (("domains", "virtual_mailbox_domains"), ("login", "smtpd_sender_login_maps"), ("permission", "smtpd_sender_login_maps"), ("sender-allow", "smtpd_sender_login_maps"),
                                        ("auth_maps", "smtpd_sender_login_maps"), ("email2email", "virtual_mailbox_maps"), ("mailbox_maps", "virtual_mailbox_maps"), ("mailbox-maps", "virtual_mailbox_maps"),
                                        ("alias_domain", "none"), ("alias-domain", "none")):
                        if hint in path.replace(base, m.group(2)) and not (name == "virtual_alias_domains" and meant == "virtual_mailbox_domains") \
                                and not (hint == "mailbox_maps" and name == "virtual_alias_maps") and not (name == "relay_domains"):
                            role = meant
                    if "virtual_alias" in name and "mailbox" in m.group(2) or "email2email" in m.group(2):
                        text = "".join(f"{u}@{domains[0]} {u}@{domains[0]}\n" for u in KNOWN_USERS)
                    else:
                        text = "# nothing\n" if role == "none" else content_for(role, domains)
                    kinds[path] = role
                    write(path, text)
                return (m.group(0)[:6] if m.group(0).startswith("proxy:") else "") + "texthash:" + path
            if not os.path.exists(path):
                write(path, "# nothing\n" if kind in ("regexp", "pcre", "cidr") else content_for(name, domains))
            return m.group(0)
        return one
    for name, value in values.items():
        values[name] = TABLE.sub(local(name), value)
    master = "\n".join(TABLE.sub(local(next((n for n in services if n in line), "")), line) for line in master.splitlines()) + "\n"
    for name, value in {**services, **values}.items():
        for path in re.findall(r"(?<![\w:/])(/(?:etc|srv|var|opt)/[^\s,}]+)", value):
            if name.startswith(("smtpd_tls", "smtp_tls", "lmtp_tls", "tls")) and not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if name.endswith("CApath"):
                    os.makedirs(path, exist_ok=True)
                elif name.endswith(("_file", "_files", "CAfile")):
                    source = certificate_for(name, path, value, values)
                    shutil.copy(source, path)
                    os.chmod(path, 0o600 if source != "/srv/cert.pem" else 0o644)
            elif name in ("virtual_mailbox_domains", "relay_domains", "mynetworks", "mydestination", "virtual_alias_domains") and not os.path.exists(path):
                write(path, "127.0.0.0/8\n" if name == "mynetworks" else f"{domains[0]}\n")
    return values, master


def make_tables(values):
    """postalias (as newaliases does for alias_database) and postmap of Debian, for what is hash: or btree: there."""
    made = set()
    for name, value in sorted(values.items(), key=lambda v: not v[0].startswith("alias")):
        for kind, path in TABLE.findall(value):
            if kind in ("hash", "btree", "lmdb", "cdb") and os.path.exists(path) and "cache" not in path and "cache" not in name and path not in made:
                made.add(path)
                subprocess.run(["/usr/sbin/postalias" if name.startswith("alias") or path.endswith("aliases") and "virtual" not in name else "/usr/sbin/postmap", f"{kind}:{path}"],
                               capture_output=True)


# ---- the two systems

class Postfix:
    name = "postfix"

    def adapt(self):
        pass

    def run(self, *words):
        return subprocess.run(["/usr/sbin/postfix", "-c", "/etc/postfix", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def sendmail(self):
        return ["/usr/sbin/sendmail", "-C", "/etc/postfix"]

    def gone(self):
        return not glob.glob(f"{QUEUE}/pid/master.pid") or self.run("status").returncode != 0


class Postern:
    name = "postern"

    def __init__(self, instance):
        self.instance = instance

    def adapt(self):
        with open("/etc/postfix/main.cf", "a") as f:
            f.write(f"daemon_directory = {self.instance.dir}/libexec\ncommand_directory = {self.instance.dir}/sbin\n")

    def run(self, *words):
        return subprocess.run([f"{self.instance.dir}/sbin/postern", "-c", "/etc/postfix", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def sendmail(self):
        return [f"{self.instance.dir}/sbin/sendmail", "-C", "/etc/postfix"]

    def gone(self):
        return self.run("status").returncode != 0
