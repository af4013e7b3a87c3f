#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""milter_real.py - Debian's opendkim and rspamd as our milters, unmodified, with real mail

What opendkim signs on submission and by sendmail verifies at the other end, after our smtp has sent it: the signature
covers what is delivered.  rspamd (proxy worker in milter mode, scanning by itself) refuses GTUBE and lets clean mail
pass with headers of its own.
"""
import os, re, shutil, socket, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sink import Sink
from whole import *

t = Tap()
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
USER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
HEAD = b"From: alice@example.net\r\nTo: far@remote.example\r\nSubject:  two  blanks\r\n\tand a fold\r\nMessage-ID: <m@example.net>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


class Program:
    """A milter of Debian's; `missing` says why there is none."""
    def __init__(self, name, words, ready):
        self.missing, self.p = None, None
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
        if not path:
            self.missing = f"package {name} is not installed"
            return
        self.p = subprocess.Popen([path, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        if not wait_for(lambda: ready() or self.p.poll() is not None, 60) or not ready():
            self.stop()
            self.missing = f"{name} does not run here: " + self.p.stdout.read(2000).decode("utf-8", "replace").replace("\n", " ")

    def stop(self):
        if self.p and self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(10)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()


def skip(name, why, count):
    for n in range(count):
        t.ok(True, f"{name} # SKIP {why}")


# ---- opendkim ----

def make_key(directory):
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", f"{directory}/key.pem", "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", f"{directory}/key.pem", "-pubout"], check=True, capture_output=True).stdout.decode()
    os.chmod(f"{directory}/key.pem", 0o600)
    with open(f"{directory}/keys", "w") as f:
        f.write("sel._domainkey.example.net v=DKIM1; k=rsa; p=" + "".join(public.split("\n")[1:-2]) + "\n")


def opendkim(directory, name, mode, endpoint, ready, more=""):
    with open(f"{directory}/{name}.conf", "w") as f:
        f.write(f"Mode {mode}\nSocket {endpoint}\nDomain example.net\nSelector sel\nKeyFile {directory}/key.pem\nTestPublicKeys {directory}/keys\n"
                f"Syslog no\nUMask 0\nRequireSafeKeys no\nAuthservID mail.example.net\nAlwaysAddARHeader yes\nOversignHeaders From\n{more}")
    if os.getuid() == 0:
        shutil.chown(f"{directory}/key.pem", USER)
    return Program("opendkim", ["-f", "-x", f"{directory}/{name}.conf", "-u", USER], ready)


def results(text):
    m = re.search(rb"^Authentication-Results:((?:.*\n)(?:[ \t].*\n)*)", text, re.M)
    return b" ".join(m[1].split()) if m else b""


def dkim(directory):
    make_key(directory)
    verify_port = free_port()
    with Sink() as sink:
        for canonicalization in ("simple/simple", "relaxed/relaxed"):
            path = f"{directory}/{canonicalization[:2]}.sock"
            signer = opendkim(directory, "signer", "s", f"local:{path}", lambda: os.path.exists(path), f"Canonicalization {canonicalization}\n")
            verifier = opendkim(directory, "verifier", "v", f"inet:{verify_port}@127.0.0.1", lambda: reachable(verify_port), "InternalHosts 192.0.2.1\n")
            try:
                why = signer.missing or verifier.missing
                if why:
                    skip(f"opendkim {canonicalization}", why, 8)
                else:
                    sign_and_verify(sink, f"unix:{path}", f"inet:127.0.0.1:{verify_port}", canonicalization)
            finally:
                signer.stop()
                verifier.stop()


def sign_and_verify(sink, signer, verifier, name):
    back = free_port()
    with Whole(sink.port, main=f"smtpd_milters = {verifier}\nnon_smtpd_milters = {signer}\nmilter_default_action = tempfail\n",
               master=f"127.0.0.1:{back} inet n - n - - smtpd -o smtpd_milters={signer} -o milter_macro_daemon_name=ORIGINATING\n") as w:
        w.start_or_end(t)
        before = len(sink.messages)
        body = b"hello\r\n\r\n.dot\r\n trailing  \r\n" + (b"long " * 150 + b"\r\n") * 200 + b"\r\n\r\n"
        c = Smtp(back)
        a = c.send("alice@example.net", ["far@remote.example"], HEAD + b"\r\n" + body)
        c.quit()
        t.ok(a.startswith("250") and wait_for(lambda: len(sink.messages) > before), f"{name}: submission goes out", a, w.log()[-2000:])
        w.command("sendmail", "-i", "-f", "alice@example.net", "far@remote.example", input=b"From: alice@example.net\nSubject: local\n\nby hand\n")
        t.ok(wait_for(lambda: len(sink.messages) > before + 1), f"{name}: and what sendmail took", w.log()[-2000:])
        for m, what in zip(sink.messages[before:], ("submission", "sendmail")):
            signed = b"DKIM-Signature:" in m.content
            c = Smtp(w.ports["smtp"])
            a = c.send("alice@example.net", ["alice@example.net"], m.content)
            c.quit()
            wait_for(lambda: w.box())
            got = [open(p, "rb").read() for p in w.box()]
            t.ok(a.startswith("250") and signed and len(got) == 1 and b"dkim=pass" in results(got[0]), f"{name}: {what}: what is delivered verifies", a, m.content[:1500], got[:1])
            for p in w.box():
                os.unlink(p)
        c = Smtp(w.ports["smtp"])
        a = c.send("alice@example.net", ["alice@example.net"], sink.messages[before].content.replace(b"hello", b"hallo"))
        wait_for(lambda: w.box())
        got = [open(p, "rb").read() for p in w.box()]
        t.ok(a.startswith("250") and got and b"dkim=fail" in results(got[0]), f"{name}: what was changed does not", a, got[:1])
        t.ok("milter" not in w.log().replace("milter-", ""), f"{name}: no complaint", [x for x in w.log().split("\n") if "milter" in x])


# ---- rspamd ----

def rspamd(directory, port):
    with open(f"{directory}/tld", "w") as f:
        f.write("com\nnet\norg\n")
    with open(f"{directory}/rspamd.conf", "w") as f:
        f.write(f"""
options {{
  pidfile = "{directory}/rspamd.pid"; cache_file = "{directory}/symbols.cache"; hs_cache_dir = "{directory}"; url_tld = "{directory}/tld";
  dns {{ nameserver = ["127.0.0.1:{free_port()}"]; timeout = 0.2s; retransmits = 1; }}
  gtube_patterns = "all"; control_socket = "{directory}/control.sock mode=0600"; history_file = null;
}}
logging {{ type = "file"; filename = "{directory}/rspamd.log"; level = "info"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules {{ path = "/usr/share/rspamd/plugins/milter_headers.lua"; }}
milter_headers {{ use = ["x-spamd-bar", "x-spam-status"]; skip_local = false; skip_authenticated = false; }}
actions {{ reject = 15; add_header = 6; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{port}"; milter = yes; timeout = 20s; count = 1; quarantine_on_reject = false;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
""")
    os.chmod(directory, 0o777)
    words = ["-f", "-c", f"{directory}/rspamd.conf"]
    if os.getuid() == 0:
        import grp
        words += ["-u", USER, "-g", grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name]
    return Program("rspamd", words, lambda: reachable(port))


def spam(directory):
    port = free_port()
    p = rspamd(directory, port)
    try:
        if p.missing:
            return skip("rspamd", p.missing, 6)
        with Sink() as sink, Whole(sink.port, main=f"smtpd_milters = inet:127.0.0.1:{port}\nnon_smtpd_milters = $smtpd_milters\nmilter_protocol = 6\n"
                                   "milter_mail_macros = i {mail_addr} {client_addr} {client_name} {auth_authen}\nmilter_default_action = tempfail\n") as w:
            w.start_or_end(t)
            c = Smtp(w.ports["smtp"])
            a = c.send("a@example.org", ["alice@example.net"], HEAD + b"\r\nhello\r\n")
            got = wait_for(lambda: [open(x, "rb").read() for x in w.box()])
            t.ok(a.startswith("250") and got and b"\nX-Spamd-Bar: " in got[0] and got[0].endswith(b"\n\nhello\n"), "rspamd: clean mail passes with its headers", a, got)
            a = c.send("a@example.org", ["alice@example.net"], HEAD + b"\r\n" + GTUBE + b"\r\n")
            t.ok(a == "554 5.7.1 Gtube pattern", "rspamd: GTUBE is refused", a)
            t.ok(wait_for(lambda: "milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Gtube pattern; from=<a@example.org> to=<alice@example.net> proto=ESMTP helo=<client.example.com>" in w.log()),
                 "rspamd: and logged as Postfix does", w.log()[-1500:])
            w.command("sendmail", "-f", "root@example.org", "alice@example.net", input=b"Subject: local\n\n" + GTUBE + b"\n")
            t.ok(wait_for(lambda: "status=bounced (Gtube pattern)" in w.log()), "rspamd: sendmail's too", w.log()[-1500:])
            t.ok(len(w.box()) == 1, "rspamd: only the clean one came", w.box())
            c.quit()
    finally:
        p.stop()


with tempfile.TemporaryDirectory(prefix="milters.") as top:
    os.chmod(top, 0o755)
    for name, run in (("dkim", dkim), ("spam", spam)):
        os.mkdir(f"{top}/{name}")
        os.chmod(f"{top}/{name}", 0o777)
        run(f"{top}/{name}")
t.end()
