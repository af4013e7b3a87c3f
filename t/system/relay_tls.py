#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_tls.py - TLS of the client: every security level with a fake server and with Postfix, policies, sessions

A recipient's domain names the transport and the port of a server: m2525.example.net goes by `m` to
[127.0.0.1]:2525.
"""
import os, re, shutil, smtplib, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import *
from fake_smtp import *
from instance import *

t = Tap()
port, postfix_port = free_port(), free_port()
top = tempfile.mkdtemp(prefix="postern-tls.")
os.chmod(top, 0o755)
ca, other = Authority(f"{top}/ca"), Authority(f"{top}/other", "Other CA")
good = ca.server("fake.example.net", ["fake.example.net", "*.wild.example.net"])
strange = other.server("fake.example.net")
FP, KEYFP, FP1 = fingerprint(der(good[0])), fingerprint(key_der(good[0])), fingerprint(der(good[0]), "sha1")
CAFILE = f"-o smtp_tls_CAfile={ca.pem}"
TRANSPORTS = {
    "n": "-o smtp_tls_security_level=none -o smtp_tls_note_starttls_offer=yes",
    "m": "-o smtp_tls_security_level=may",
    "e": "-o smtp_tls_security_level=encrypt",
    "f": f"-o smtp_tls_security_level=fingerprint -o smtp_tls_fingerprint_cert_match={'00:' * 31}00,{FP}",
    "k": f"-o smtp_tls_security_level=fingerprint -o smtp_tls_fingerprint_cert_match={KEYFP}",
    "h": f"-o smtp_tls_security_level=fingerprint -o smtp_tls_fingerprint_digest=sha1 -o smtp_tls_fingerprint_cert_match={FP1}",
    "v": f"-o smtp_tls_security_level=verify -o smtp_tls_verify_cert_match=fake.example.net {CAFILE}",
    "w": f"-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=.wild.example.net {CAFILE}",
    "s": f"-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=mx.other.example.net {CAFILE}",
    "a": f"-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=fake.example.net -o smtp_tls_trust_anchor_file={ca.pem}",
    "b": f"-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=fake.example.net -o smtp_tls_trust_anchor_file={ca.pem} -o smtp_tls_CAfile={other.pem}",
    "o": "-o smtp_tls_security_level=encrypt -o smtp_tls_mandatory_protocols=>=TLSv1.2,<=TLSv1.2 -o smtp_tls_mandatory_exclude_ciphers=AES256",
    "p": f"-o smtp_tls_security_level=may -o smtp_tls_policy_maps=regexp:{top}/policy {CAFILE} -o smtp_tls_trust_anchor_file={ca.pem}",
    "r": f"-o smtp_tls_security_level=encrypt -o smtp_connection_cache_on_demand=no {CAFILE}",
    "z": "-o smtp_tls_security_level=encrypt -o smtp_connection_cache_on_demand=no -o smtp_tls_session_cache_timeout=0",
    "l": "-o smtp_enforce_tls=yes",
    "y": "-o smtp_enforce_tls=yes -o smtp_tls_enforce_peername=no",
    "q": "-o smtp_tls_per_site=inline:{{127.0.0.1=MUST_NOPEERMATCH}}",
    "u": "-o smtp_tls_security_level=encrypt -o smtp_tls_block_early_mail_reply=yes",
}
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
""" + "".join(f"{name} unix - - n - - smtp {options}\n" for name, options in TRANSPORTS.items())
BODY = "Subject: s\r\n\r\nhello\r\n"
count = 0


def send(transport, to_port):
    global count
    count += 1
    rcpt = f"r{count}@{transport}{to_port}.example.net"
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.sendmail("", [rcpt], BODY)
    s.quit()
    got = wait_for(lambda: [l for l in i.log().splitlines() if f"to=<{rcpt}>" in l and " status=" in l], 30)
    return got[0] if got else i.log()[-1000:]


class Postfix:
    """A private Postfix that throws away what it takes; .missing says why not."""
    def __init__(self):
        self.dir, self.missing = f"{top}/postfix", None
        if os.getuid() != 0 or not os.path.exists("/usr/sbin/postfix"):
            self.missing = "a private Postfix needs root and the package"
            return
        for d in ("etc", "queue", "data"):
            os.makedirs(f"{self.dir}/{d}")
        shutil.chown(f"{self.dir}/data", "postfix")
        with open(f"{self.dir}/etc/main.cf", "w") as f:
            f.write(f"""compatibility_level = 3.6
queue_directory = {self.dir}/queue
data_directory = {self.dir}/data
maillog_file = {self.dir}/mail.log
maillog_file_prefixes = {self.dir}
myhostname = postfix.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
import_environment = MAIL_CONFIG
mynetworks = 127.0.0.0/8
default_transport = discard
smtpd_tls_cert_file = {good[0]}
smtpd_tls_key_file = {good[1]}
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_client_connection_count_limit = 0
""")
        with open(f"{self.dir}/etc/master.cf", "w") as f:
            f.write(f"127.0.0.1:{postfix_port} inet n - n - - smtpd\n" + "".join(f"{n} unix {rest}\n" for n, rest in (
                ("pickup", "n - n 60 1 pickup"), ("cleanup", "n - n - 0 cleanup"), ("qmgr", "n - n 300 1 qmgr"), ("tlsmgr", "- - n 1000? 1 tlsmgr"),
                ("rewrite", "- - n - - trivial-rewrite"), ("bounce", "- - n - 0 bounce"), ("defer", "- - n - 0 bounce"), ("trace", "- - n - 0 bounce"),
                ("discard", "- - n - - discard"), ("proxymap", "- - n - - proxymap"), ("anvil", "- - n - 1 anvil"))) + "postlog unix-dgram n - n - 1 postlogd\n")
        r = self.run("start")
        if r.returncode:
            self.missing = f"Postfix does not start: {r.stderr[-200:]}"

    def run(self, word):
        return subprocess.run(["/usr/sbin/postfix", "-c", f"{self.dir}/etc", word], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": f"{self.dir}/etc"})

    def close(self):
        if os.path.exists(f"{self.dir}/etc"):
            self.run("stop")


TLS = r"TLSv1\.[23] with cipher [A-Z0-9_-]+ \(\d+/\d+ bits\)"
# transport, goes well, trust in the log line
LEVELS = [("m", True, "Untrusted"), ("e", True, "Untrusted"), ("f", True, "Verified"), ("k", True, "Verified"), ("h", True, "Verified"), ("v", True, "Verified"),
          ("w", True, "Verified"), ("s", False, "Trusted"), ("a", True, "Verified"), ("b", True, "Verified"), ("o", True, "Untrusted"), ("y", True, "Untrusted"),
          ("q", True, "Untrusted"), ("u", True, "Untrusted")]


def levels(who, to_port, certificate_is_good=True):
    for name, well, trust in LEVELS:
        if not certificate_is_good:
            well = well and name in "meoyqu"
            trust = "Untrusted"
        before = len(i.log())
        got = send(name, to_port)
        line = re.search(rf"(\w+) TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:{to_port}: {TLS}", i.log()[before:])
        status = "status=sent (250" in got if well else re.search(r"dsn=4\.7\.5, status=deferred \(Server certificate not (trusted|verified)\)$", got)
        t.ok(line and line.group(1) == trust and status, f"{who}: {TRANSPORTS[name][:70]}: {'goes' if well else 'does not go'}, {trust}", got, i.log()[before:])


def policies(f, clear):
    for server, well, what in ((f["good"], True, "secure match=... CA"), (f["strange"], False, "secure, another CA"), (f["wrong"], False, "secure, another name"),
                               (f["print"], True, "fingerprint match=|"), (f["anchor"], True, "tafile="), (f["tls12"], True, "protocols="),
                               (f["sni"], True, "servername=")):
        got = send("p", server.port)
        t.ok(("status=sent" in got) == well and (well or "dsn=4.7.5" in got and not server.messages), f"policy: {what}", got, i.log()[-700:])
    t.ok(names == ["sni.example.net"] and re.search(rf":{f['tls12'].port}: TLSv1\.2 with", i.log()), "servername= and protocols= have their effect")
    got = send("p", f["none"].port)
    t.ok("status=sent" in got and "STARTTLS" not in f["none"].commands(), "policy: none", got)
    got = send("p", f["nonsense"].port)
    t.ok("dsn=4.7.5, status=deferred (client TLS configuration problem)" in got and not f["nonsense"].sessions, "policy: nonsense stops, and never weakens", got)
    got = send("p", clear.port)
    t.ok("dsn=4.7.4, status=deferred (TLS is required, but was not offered by host 127.0.0.1[127.0.0.1])" in got and not clear.messages, "policy: encrypt, not offered", got)


def sessions():
    f = FakeServer(keywords=("STARTTLS",), certificate=good)
    for n in range(3):
        send("r", f.port)
    t.ok([s.resumed for s in f.sessions] == [False, True, True] and len(f.messages) == 3, "a TLS session is resumed over a new connection", [s.resumed for s in f.sessions])
    t.ok(len(re.findall(rf"Trusted TLS connection established to .*:{f.port}:", i.log())) == 3, "and is trusted as it was", i.log()[-600:])
    f = FakeServer(keywords=("STARTTLS",), certificate=good)
    send("z", f.port), send("z", f.port)
    t.ok([s.resumed for s in f.sessions] == [False, False], "smtp_tls_session_cache_timeout = 0: never")


def odd():
    f = FakeServer(keywords=("STARTTLS",), certificate=good)
    got = send("n", f.port)
    t.ok("status=sent" in got and not f.sessions[0].tls and i.logged("Host offered STARTTLS: [127.0.0.1]"), "level none, and smtp_tls_note_starttls_offer", got)
    got = send("l", f.port)
    t.ok("dsn=4.7.5, status=deferred (Server certificate not trusted)" in got, "the old smtp_enforce_tls wants the name too", got)

    def early(session, argument):
        if session.tls:
            return b"250-fake.example.net\r\n250 SIZE\r\n250 2.1.0 injected\r\n"
        return b"250-fake.example.net\r\n250 STARTTLS\r\n"
    f = FakeServer({"EHLO": early}, certificate=good)
    got = send("u", f.port)
    t.ok("status=deferred" in got and "before their commands" in got and not f.messages, "smtp_tls_block_early_mail_reply", got)


servers = {name: FakeServer(keywords=("STARTTLS",), certificate=strange if name == "strange" else good)
           for name in ("good", "strange", "wrong", "print", "anchor", "tls12", "sni", "none", "nonsense")}
clear = FakeServer(keywords=())
policy = {"good": "secure match=fake.example.net:other.example.net", "strange": "secure match=fake.example.net", "wrong": "secure match=nexthop",
          "print": f"fingerprint match={'00:' * 31}00|{FP}", "anchor": f"secure match=fake.example.net tafile={ca.pem}", "tls12": "encrypt protocols=TLSv1.2 ciphers=high exclude=AES128",
          "sni": "encrypt servername=sni.example.net", "none": "none", "nonsense": "secure sometimes"}
names = []
servers["sni"].context.sni_callback = lambda sock, name, context: names.append(name)
with open(f"{top}/policy", "w") as f:
    f.write("".join(f"/^\\[127\\.0\\.0\\.1\\]:{servers[n].port}$/ {p}\n" for n, p in policy.items()) + f"/:{clear.port}$/ encrypt\n")
with open(f"{top}/transport", "w") as f:
    f.write("/@([a-z])([0-9]+)\\.example\\.net$/ ${1}:[127.0.0.1]:${2}\n")
with Instance() as i:
    i.configure(f"mydestination =\ntransport_maps = regexp:{top}/transport\nlocal_recipient_maps =\nnotify_classes =\nsmtp_tls_loglevel = 1\n"
                f"dnsd_servers = 127.0.0.1@{free_port()}\nbounce_queue_lifetime = 0\n", MASTER)
    if t.ok(i.start().returncode == 0, "start", i.log()):
        f = FakeServer(keywords=("STARTTLS",), certificate=good)
        levels("fake server", f.port)
        f = FakeServer(keywords=("STARTTLS",), certificate=strange)
        levels("another's certificate", f.port, False)
        postfix = Postfix()
        if postfix.missing:
            t.ok(True, f"Postfix at each level # SKIP {postfix.missing}")
        else:
            levels("Postfix", postfix_port)
        postfix.close()
        policies(servers, clear)
        sessions()
        odd()
    bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|terminated|exit status", l)]
    t.ok(not bad, "no program died", *bad[:10])
shutil.rmtree(top, ignore_errors=True)
t.end()
