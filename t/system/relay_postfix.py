#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""relay_postfix.py - Postfix relays to us and we relay to Postfix, both ways with TLS; Dovecot's LMTP takes our mail

Postfix and Dovecot are private instances: configuration, queue, data and ports of their own, started and
stopped by their own commands.  What was sent must come out the same to the byte.
"""
import glob, os, re, shutil, signal, smtplib, socket, ssl, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

ROOT = os.getuid() == 0
POSTFIX, DOVECOT = "/usr/sbin/postfix", "/usr/sbin/dovecot"
ports = {name: free_port() for name in ("us", "them", "lmtp")}

POSTERN_MASTER = f"""
127.0.0.1:{ports['us']} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
virtual unix - n n - - virtual
smtp unix - - n - - smtp
plain unix - - n - - smtp -o smtp_tls_security_level=none
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
"""
POSTFIX_MASTER = f"""
127.0.0.1:{ports['them']} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def make_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{directory}/key.pem",
                    "-out", f"{directory}/cert.pem"], check=True, capture_output=True)
    os.chmod(f"{directory}/key.pem", 0o644)


def table_of_boxes(domain):
    return "".join(f"{name}@{domain} {name}/\n" for name in [*MESSAGES, "j\u00f6rg", "swaks", "msmtp", *(f"many{n}" for n in range(1000))])


class Postfix:
    """Why it cannot run here, or None, in .missing."""
    def __init__(self, top, relay_to, uid, gid):
        self.dir = f"{top}/postfix"
        self.missing = None
        if not ROOT:
            self.missing = "a private Postfix needs root"
            return
        if not os.path.exists(POSTFIX):
            self.missing = "package postfix is not installed"
            return
        for d in ("etc", "queue", "data", "boxes"):
            os.makedirs(f"{self.dir}/{d}")
        os.chmod(f"{self.dir}/boxes", 0o777)
        shutil.chown(f"{self.dir}/data", "postfix")
        with open(f"{self.dir}/etc/main.cf", "w") as f:
            f.write(f"""compatibility_level = 3.6
queue_directory = {self.dir}/queue
data_directory = {self.dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {self.dir}/mail.log
maillog_file_prefixes = {self.dir}
myhostname = postfix.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
smtputf8_enable = yes
import_environment = MAIL_CONFIG
virtual_mailbox_domains = theirs.example.net
virtual_mailbox_base = {self.dir}/boxes
virtual_mailbox_maps = texthash:{self.dir}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
smtpd_tls_cert_file = {top}/cert.pem
smtpd_tls_key_file = {top}/key.pem
smtpd_tls_security_level = may
smtp_tls_security_level = encrypt
smtp_tls_loglevel = 1
smtpd_client_connection_count_limit = 0
transport_maps = inline:{{ours.example.net=smtp:[127.0.0.1]:{relay_to}}}
""")
        with open(f"{self.dir}/etc/boxes", "w") as f:
            f.write(table_of_boxes("theirs.example.net"))
        with open(f"{self.dir}/etc/master.cf", "w") as f:
            f.write(POSTFIX_MASTER)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": f"{self.dir}/etc"}

    def run(self, *words):
        return subprocess.run([POSTFIX, "-c", f"{self.dir}/etc", *words], capture_output=True, text=True, env=self.env, timeout=60)

    def start(self):
        r = self.run("start")
        return r.returncode == 0 and wait_for(lambda: answers(ports["them"])), r

    def log(self):
        return open(f"{self.dir}/mail.log", errors="replace").read() if os.path.exists(f"{self.dir}/mail.log") else ""

    def stop(self):
        if not self.missing:
            self.run("stop")


class Dovecot:
    def __init__(self, top, uid, gid):
        self.dir, self.missing = f"{top}/dovecot", None
        if not ROOT:
            self.missing = "a private Dovecot needs root"
            return
        if not os.path.exists(DOVECOT) or not os.path.exists("/usr/lib/dovecot/lmtp"):
            self.missing = "packages dovecot-core and dovecot-lmtpd are not installed"
            return
        for d in ("run", "mail"):
            os.makedirs(f"{self.dir}/{d}")
            os.chmod(f"{self.dir}/{d}", 0o755)
        os.chown(f"{self.dir}/mail", uid, gid)
        with open(f"{self.dir}/dovecot.conf", "w") as f:
            f.write(f"""base_dir = {self.dir}/run
state_dir = {self.dir}/run
instance_name = postern-test
log_path = {self.dir}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{self.dir}/mail/%n
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
recipient_delimiter = +
auth_username_format = %n
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {self.dir}/users
}}
service lmtp {{
  unix_listener {self.dir}/lmtp.sock {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {ports['lmtp']}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        with open(f"{self.dir}/users", "w") as f:
            f.write("".join(f"{name}::{uid}:{gid}::{self.dir}/mail/{name}::\n" for name in ("alice", "bob")))
        os.chmod(f"{self.dir}/users", 0o644)

    def start(self):
        r = subprocess.run([DOVECOT, "-c", f"{self.dir}/dovecot.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)   # the daemon keeps them open
        return r.returncode == 0 and wait_for(lambda: answers(ports["lmtp"])), r

    def log(self):
        return open(f"{self.dir}/log", errors="replace").read() if os.path.exists(f"{self.dir}/log") else ""

    def stop(self):
        if not self.missing:
            subprocess.run(["/usr/bin/doveadm", "-c", f"{self.dir}/dovecot.conf", "stop"], capture_output=True, timeout=30)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


MESSAGES = {
    "small": b"hello\r\n",
    "dots": b".\r\n..\r\n.leading\r\n\r\n.\r\nFrom here\r\n" * 50,
    "eight": "gr\u00fc\u00dfe \u4f60\u597d\r\n".encode() + bytes(range(0xa0, 0x100)) + b"\r\n",
    "mega": (b"0123456789abcdef" * 4 + b"\r\n") * (1048576 // 66),
    "blanks": b"  two spaces \r\n\ttab\t\r\n\r\n\r\n \r\nend without more\r\n",
    "long": b"x" * 990 + b"\r\n",
}


def body_of(path):
    """Of a file in a Maildir: behind the header, with CRLF as it was sent."""
    with open(path, "rb") as f:
        return f.read().split(b"\n\n", 1)[1].replace(b"\n", b"\r\n")


def delivered(box):
    return glob.glob(f"{box}/new/*") + glob.glob(f"{box}/Maildir/new/*")


def send(port, name, rcpts, body, sender="sender@client.example.net", options=(), tls=False):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as s:
        s.ehlo("client.example.net")
        if tls:
            s.starttls(context=ssl._create_unverified_context())
            s.ehlo("client.example.net")
        header = f"From: <{sender}>\r\nTo: <{rcpts[0]}>\r\nSubject: {name}\r\nMessage-ID: <{name}@client.example.net>\r\nMIME-Version: 1.0\r\n" \
                 f"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        s.command_encoding = "utf-8"
        return s.sendmail(sender, rcpts, header.encode() + body, ["BODY=8BITMIME", *options])


def both_ways(t, i, p, boxes):
    """A message goes in at `first` and must be in a box of the other."""
    for first, domain, box, who in ((ports["us"], "theirs.example.net", f"{p.dir}/boxes", "we to Postfix"),
                                    (ports["them"], "ours.example.net", boxes, "Postfix to us")):
        for name, body in MESSAGES.items():
            send(first, name, [f"{name}@{domain}"], body, tls=name == "mega")
        for name, body in MESSAGES.items():
            files = wait_for(lambda: delivered(f"{box}/{name}"), 30)
            t.ok(files and body_of(files[0]) == body, f"{who}: {name}, the same to the byte", files, i.log()[-3000:], p.log()[-2000:])
        many = [f"many{n}@{domain}" for n in range(1000)]
        send(first, "many", many, b"to a thousand\r\n")
        got = wait_for(lambda: all(delivered(f"{box}/many{n}") for n in range(999, -1, -1)), 60)
        t.ok(got, f"{who}: 1,000 recipients", i.log()[-2000:], p.log()[-2000:])
        t.ok(got and all(len(delivered(f"{box}/many{n}")) == 1 and body_of(delivered(f"{box}/many{n}")[0]) == b"to a thousand\r\n" for n in range(1000)),
             f"{who}: one for each, and the same")
        send(first, "gr\u00fc\u00dfe", [f"j\u00f6rg@{domain}"], "sch\u00f6n\r\n".encode(), sender="m\u00fcller@client.example.net", options=["SMTPUTF8"])
        files = wait_for(lambda: delivered(f"{box}/j\u00f6rg"), 30)
        t.ok(files and body_of(files[0]) == "sch\u00f6n\r\n".encode() and "Subject: gr\u00fc\u00dfe\n".encode() in open(files[0], "rb").read(),
             f"{who}: SMTPUTF8", files, i.log()[-2000:], p.log()[-2000:])


def by_lmtp(t, i, d):
    for name, body in MESSAGES.items():
        send(ports["us"], name, ["alice@tcp.example.net"], body)
    for name, body in MESSAGES.items():
        got = wait_for(lambda: [f for f in glob.glob(f"{d.dir}/mail/alice/new/*") if f"Subject: {name}\n".encode() in open(f, "rb").read()], 30)
        t.ok(got and body_of(got[0]) == body, f"Dovecot's LMTP by TCP: {name}, the same to the byte", i.log()[-2000:], d.log()[-2000:])
    send(ports["us"], "unix", ["bob@unix.example.net", "nobody@unix.example.net", "alice@unix.example.net"], b"by socket\r\n")
    got = wait_for(lambda: [l for l in i.log().splitlines() if "@unix.example.net>, relay=" in l][2:], 30)
    log = i.log()
    t.ok(got is not None and len(re.findall(r"to=<(?:bob|alice)@unix\.example\.net>, relay=mail\.example\.net\[[^]]*/lmtp\.sock\], .*dsn=2\.\S+, status=sent \(250 2", log)) == 2,
         "by Unix socket: two are sent", log[-2000:], d.log()[-1000:])
    t.ok(re.search(r"to=<nobody@unix\.example\.net>, relay=\S+, .*, dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 .*\(in reply to RCPT TO command\)\)", log),
         "and one is not", log[-2000:])


def by_tools(t, i, boxes):
    if shutil.which("swaks"):
        r = subprocess.run(["swaks", "--server", f"127.0.0.1:{ports['us']}", "--tls", "--from", "s@client.example.net", "--to", "swaks@ours.example.net",
                            "--header", "Subject: swaks", "--body", ".dot\nswaks was here"], capture_output=True, text=True, timeout=60)
        files = wait_for(lambda: delivered(f"{boxes}/swaks"))
        t.ok(r.returncode == 0 and files and body_of(files[0]).startswith(b".dot\r\nswaks was here\r\n"), "swaks sends to us by STARTTLS", r.stdout[-2000:])
    else:
        t.ok(True, "swaks # SKIP package swaks is not installed")
    if shutil.which("msmtp"):
        r = subprocess.run(["msmtp", "--host=127.0.0.1", f"--port={ports['us']}", "--tls=on", "--tls-certcheck=off", "--from=s@client.example.net",
                            "--file=/dev/null", "msmtp@ours.example.net"], input="Subject: m\n\n.dot\nmsmtp was here\n", capture_output=True, text=True, timeout=60)
        files = wait_for(lambda: delivered(f"{boxes}/msmtp"))
        t.ok(r.returncode == 0 and files and body_of(files[0]) == b".dot\r\nmsmtp was here\r\n", "msmtp sends to us by STARTTLS", r.stderr)
    else:
        t.ok(True, "msmtp # SKIP package msmtp is not installed")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # whoever ends us ends Postfix and Dovecot too
    t = Tap()
    uid, gid = (5000, 5000) if ROOT else (os.getuid(), os.getgid())
    with Instance(master=POSTERN_MASTER) as i:
        make_certificate(i.dir)
        boxes = f"{i.dir}/boxes"
        os.mkdir(boxes)
        os.chmod(boxes, 0o777)
        p, d = Postfix(i.dir, ports["us"], uid, gid), Dovecot(i.dir, uid, gid)
        with open(f"{i.dir}/etc/boxes", "w") as f:
            f.write(table_of_boxes("ours.example.net"))
        i.configure(f"""mydestination =
smtputf8_enable = yes
virtual_mailbox_domains = ours.example.net
virtual_mailbox_base = {boxes}
virtual_mailbox_maps = texthash:{i.dir}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
smtpd_tls_cert_file = {i.dir}/cert.pem
smtpd_tls_key_file = {i.dir}/key.pem
smtpd_tls_security_level = may
smtpd_client_connection_count_limit = 0
smtp_tls_security_level = encrypt
smtp_tls_loglevel = 1
dnsd_servers = 127.0.0.1@{free_port()}
transport_maps = inline:{{theirs.example.net=smtp:[127.0.0.1]:{ports['them']} tcp.example.net=lmtp:inet:127.0.0.1:{ports['lmtp']} unix.example.net=lmtp:unix:{d.dir}/lmtp.sock}}
""", POSTERN_MASTER)
        t.ok(i.start().returncode == 0, "we start", i.log())
        try:
            if p.missing:
                t.ok(True, f"relaying to and from Postfix # SKIP {p.missing}")
            else:
                up, r = p.start()
                if t.ok(up, "Postfix starts", r, p.log()):
                    both_ways(t, i, p, boxes)
                    t.ok(re.search(r"TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1", i.log()), "with TLS to them")
                    t.ok(re.search(r"TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1", p.log()), "with TLS to us")
            if d.missing:
                t.ok(True, f"Dovecot's LMTP # SKIP {d.missing}")
            else:
                up, r = d.start()
                if t.ok(up, "Dovecot starts", r, d.log()):
                    by_lmtp(t, i, d)
            by_tools(t, i, boxes)
            bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|exit status|fatal:", l)]
            t.ok(not bad, "no program of ours died", *bad[:10])
        finally:
            p.stop()
            d.stop()
    t.end()


if __name__ == "__main__":
    main()
