#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""clients.py - mail is sent and read by programs that are not ours: swaks msmtp curl fetchmail mbsync mutt"""
import os, pty, re, select, shutil, signal, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sink import Sink
from whole import *

t = Tap()
WRONG = "not-the-password"


def missing(program):
    if shutil.which(program):
        return False
    t.n += 1
    print(f"ok {t.n} - {program} # SKIP {program} is not installed", flush=True)
    return True


def message(subject):
    return (f"From: Alice <alice@example.net>\r\nTo: alice@example.net\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n"
            f"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n.dots\r\nGrüße von {subject}\r\n").encode()


def private(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


def run(*words, **more):
    more.setdefault("timeout", 60)
    env = dict(os.environ, HOME=w.dir + "/out", FETCHMAILHOME=w.dir + "/out", LC_ALL="C.UTF-8")
    return subprocess.run(words, capture_output=True, env=env, **more)


def texts():
    return [open(p, "rb").read() for p in w.box()]


def arrived(subject):
    return wait_for(lambda: [x for x in texts() if f"Subject: {subject}\n".encode() in x], 20)


def sent(subject, p):
    got = arrived(subject) if p.returncode == 0 else []
    t.ok(p.returncode == 0 and len(got) == 1 and f".dots\nGrüße von {subject}\n".encode() in got[0], subject, p, got)


def swaks():
    if missing("swaks"):
        return

    def one(subject, port, *words):
        path = f"{w.dir}/out/message"
        with open(path, "wb") as f:
            f.write(message(subject))
        return run("swaks", "--server", "127.0.0.1", "--port", str(w.ports[port]), "--from", "alice@example.net", "--to", "alice@example.net",
                   "--data", "@" + path, "--timeout", "20", *words)
    login = ("--auth-user", "alice", "--auth-password", PASSWORD)
    sent("swaks-plain", one("swaks-plain", "smtp"))
    sent("swaks-starttls", one("swaks-starttls", "smtp", "-tls"))
    sent("swaks-auth-plain", one("swaks-auth-plain", "submission", "-tls", "--auth", "PLAIN", *login))
    sent("swaks-auth-login", one("swaks-auth-login", "submission", "-tls", "--auth", "LOGIN", *login))
    sent("swaks-tls-wrapped", one("swaks-tls-wrapped", "smtps", "-tlsc", "--auth", "PLAIN", *login))
    sent("swaks-pipelined", one("swaks-pipelined", "smtp", "--pipeline"))
    p = one("swaks-wrong", "submission", "-tls", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password", WRONG)
    t.ok(p.returncode == 28 and b"535 5.7.8" in p.stdout, "swaks: a wrong password", p)
    p = one("swaks-no-auth", "submission", "-tls")
    t.ok(p.returncode == 24, "swaks: submission without AUTH is refused at RCPT", p)


def msmtp():
    if missing("msmtp"):
        return
    common = f"host 127.0.0.1\nfrom alice@example.net\ntimeout 20\ntls_trust_file {w.dir}/cert.pem\n"
    rc = private(f"{w.dir}/out/msmtprc", f"""
account plain
{common}port {w.ports['smtp']}
tls off
account tls
{common}port {w.ports['submission']}
tls on
tls_starttls on
auth plain
user alice
password {PASSWORD}
account smtps
{common}port {w.ports['smtps']}
tls on
tls_starttls off
auth login
user alice
password {PASSWORD}
account wrong
{common}port {w.ports['smtps']}
tls on
tls_starttls off
auth plain
user alice
password {WRONG}
""")
    for account in ("plain", "tls", "smtps"):
        name = "msmtp-" + account
        sent(name, run("msmtp", "-C", rc, "-a", account, "alice@example.net", input=message(name).replace(b"\r\n", b"\n")))
    p = run("msmtp", "-C", rc, "-a", "wrong", "alice@example.net", input=message("msmtp-wrong"))
    t.ok(p.returncode == 77 and b"535" in p.stderr, "msmtp: a wrong password", p)


def curl():
    if missing("curl"):
        return
    user = ("--user", f"alice:{PASSWORD}", "-sS", "--max-time", "30", "--cacert", f"{w.dir}/cert.pem")

    def one(*words, **more):
        return run("curl", *user, *words, **more)
    path = f"{w.dir}/out/message"
    for name, url, *words in (("curl-smtp", f"smtp://127.0.0.1:{w.ports['submission']}/client.example.com", "--ssl-reqd"),
                              ("curl-smtps", f"smtps://127.0.0.1:{w.ports['smtps']}/client.example.com")):
        with open(path, "wb") as f:
            f.write(message(name))
        sent(name, one(*words, "--url", url, "--mail-from", "alice@example.net", "--mail-rcpt", "alice@example.net", "--upload-file", path))
    wait_for(w.queue_is_empty)
    want = sorted(x.replace(b"\n", b"\r\n") for x in texts())
    for scheme, words in (("imap", ()), ("imap", ("--ssl-reqd",)), ("imaps", ()), ("pop3", ()), ("pop3", ("--ssl-reqd",)), ("pop3s", ())):
        base = f"{scheme}://127.0.0.1:{w.ports[scheme]}/"
        got = [one(*words, base + (f"INBOX;MAILINDEX={k + 1}" if scheme.startswith("imap") else str(k + 1))) for k in range(len(want))]
        t.ok(sorted(p.stdout for p in got) == want, f"curl {' '.join((scheme, *words))}: every message to the byte", *[p for p in got if p.returncode][:2])
    p = one(f"imap://127.0.0.1:{w.ports['imap']}/INBOX?SUBJECT%20curl-smtps")
    t.ok(re.fullmatch(rb"\* SEARCH \d+\r\n", p.stdout), "curl: SEARCH", p)
    p = one(f"pop3s://127.0.0.1:{w.ports['pop3s']}/")
    t.ok(len(p.stdout.splitlines()) == len(want), "curl: LIST", p)
    with open(path, "wb") as f:
        f.write(message("curl-append"))
    p = one(f"imaps://127.0.0.1:{w.ports['imaps']}/INBOX", "--upload-file", path)
    t.ok(p.returncode == 0 and message("curl-append").replace(b"\r\n", b"\n") in texts(), "curl: APPEND", p)
    p = run("curl", "-sS", "--user", f"alice:{WRONG}", f"imap://127.0.0.1:{w.ports['imap']}/")
    t.ok(p.returncode == 67, "curl: a wrong password", p)


def fetchmail():
    if missing("fetchmail"):
        return
    for kind, port, how in (("imap", "imap", "sslproto ''"), ("imap", "imaps", f"ssl sslcertck sslcertfile {w.dir}/cert.pem"),
                            ("pop3", "pop3", "sslproto ''"), ("pop3", "pop3s", f"ssl sslcertck sslcertfile {w.dir}/cert.pem"),
                            ("pop3", "pop3", f"sslproto 'tls1.2+' sslcertck sslcertfile {w.dir}/cert.pem")):
        out = f"{w.dir}/out/fetched"
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        private(f"{w.dir}/out/take", f"cat > $(mktemp {out}/XXXXXXXX)\n")
        rc = private(f"{w.dir}/out/fetchmailrc",
                     f"poll localhost service {w.ports[port]} protocol {kind} timeout 20\n"
                     f"  user alice password {PASSWORD} is {w.user} here keep fetchall no rewrite nomimedecode {how}\n"
                     f"  mda \"/bin/sh {w.dir}/out/take\"\n")
        want = sorted(re.findall(rb"Subject: (.*)", b"\n".join(texts())))
        p = run("fetchmail", "-f", rc, "--nosyslog", "--nodetach", "-v", "--pidfile", f"{w.dir}/out/fetchmail.pid", "-i", f"{w.dir}/out/fetchids")
        got = sorted(re.findall(rb"Subject: (.*)", b"\n".join(open(f"{out}/{n}", "rb").read() for n in os.listdir(out))))
        t.ok(p.returncode == 0 and got == want, f"fetchmail by {port}{', STLS' if 'tls1.2' in how else ''}", p.stdout[-1500:], p.stderr, got, want)


def mbsync():
    if missing("mbsync"):
        return
    near = f"{w.dir}/out/mbsync"
    os.mkdir(near)
    rc = private(f"{w.dir}/out/mbsyncrc", f"""
IMAPAccount a
Host localhost
Port {w.ports['imaps']}
User alice
Pass {PASSWORD}
SSLType IMAPS
CertificateFile {w.dir}/cert.pem
Timeout 20

IMAPStore far
Account a

MaildirStore near
Path {near}/
Inbox {near}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def sync():
        return run("mbsync", "-c", rc, "-V", "-a")

    def state(top):
        return {os.path.relpath(os.path.join(d, f), top): os.stat(os.path.join(d, f)).st_size for d, _, files in os.walk(top)
                for f in files if not f.startswith((".", "dovecot", "postern")) or f == ".mbsyncstate"}

    def flat(texts_):
        return sorted(re.sub(rb"X-TUID: .*\n", b"", x) for x in texts_)

    def near_texts():
        return [open(f"{near}/INBOX/{d}/{f}", "rb").read() for d in ("new", "cur") for f in os.listdir(f"{near}/INBOX/{d}")]
    p = sync()
    t.ok(p.returncode == 0 and flat(near_texts()) == flat(texts()), "mbsync fetches all, to the byte", p.stdout[-2000:], p.stderr)
    p = sync()   # flags that the first run told
    before = state(near), state(f"{w.dir}/mail/alice")
    p = sync()
    t.ok(p.returncode == 0 and (state(near), state(f"{w.dir}/mail/alice")) == before, "mbsync again changes nothing", p.stdout[-2000:], p.stderr)
    if not near_texts():
        return
    d = "cur" if os.listdir(f"{near}/INBOX/cur") else "new"
    name = sorted(os.listdir(f"{near}/INBOX/{d}"))[0]
    subject = re.search(rb"Subject: (.*)", open(f"{near}/INBOX/{d}/{name}", "rb").read())[1]
    os.rename(f"{near}/INBOX/{d}/{name}", f"{near}/INBOX/cur/{name.split(':')[0]}:2,FS")
    with open(f"{near}/INBOX/new/1.new.here", "wb") as f:
        f.write(message("mbsync-up").replace(b"\r\n", b"\n"))
    os.makedirs(f"{near}/Archive/cur"), os.mkdir(f"{near}/Archive/new"), os.mkdir(f"{near}/Archive/tmp")
    with open(f"{near}/Archive/cur/2.new.here:2,S", "wb") as f:
        f.write(message("mbsync-folder").replace(b"\r\n", b"\n"))
    p = sync()
    flagged = [x for x in w.box() if x.endswith(":2,FS")]
    t.ok(p.returncode == 0 and len(flagged) == 1 and b"Subject: " + subject in open(flagged[0], "rb").read(), "mbsync: flags go up", p.stdout[-1500:], p.stderr, w.box())
    t.ok(any(b"Subject: mbsync-up\n" in x for x in texts()), "mbsync: a new message goes up")
    t.ok(glob.glob(f"{w.dir}/mail/alice/Maildir/.Archive/cur/*:2,S"), "mbsync: a new folder goes up, with its message", p.stderr)
    os.unlink(flagged[0])
    p = sync()
    t.ok(p.returncode == 0 and not any(b"Subject: " + subject + b"\n" in x for x in near_texts()), "mbsync: what is gone here is gone there", p.stderr)


def on_terminal(*words, ready, keys, seconds=40):
    """Runs a program that wants a terminal, and types when it is ready; its exit status and what it showed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", HOME=w.dir + "/out", LC_ALL="C.UTF-8")
        os.execvp(words[0], words)
    shown, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
            if keys and ready in shown:
                os.write(fd, keys)
                keys = b""
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def mutt():
    if missing("mutt"):
        return
    rc = private(f"{w.dir}/out/muttrc", f"""
set imap_user = "alice"
set imap_pass = "{PASSWORD}"
set certificate_file = "{w.dir}/cert.pem"
set ssl_force_tls = yes
set smtp_url = "smtp://alice@localhost:{w.ports['submission']}/"
set smtp_pass = "{PASSWORD}"
set from = "alice@example.net"
set use_envelope_from = yes
set record = ""
set folder = "{w.dir}/out"
set confirmappend = no
set confirmcreate = no
set delete = yes
set mbox_type = mbox
set wait_key = no
set header_cache = ""
set quit = yes
unset mark_old
unset resolve
set charset = utf-8
set send_charset = utf-8
""")
    out = f"{w.dir}/out/mutt.mbox"
    want = sorted(re.findall(rb"^Subject: (.*)", b"\n".join(texts()), re.M))
    copy = f"C{out}\rj"    # copy-message, next-entry
    status, shown = on_terminal("mutt", "-n", "-F", rc, "-f", f"imaps://localhost:{w.ports['imaps']}/INBOX", ready=b"Msgs:",
                                keys=f"={copy * len(want)}q".encode())
    got = sorted(re.findall(rb"^Subject: (.*)", open(out, "rb").read(), re.M)) if os.path.exists(out) else []
    t.ok(status == 0 and got == want, f"mutt reads {len(want)} messages by IMAPS", status, shown[-3000:], got, want)
    p = run("mutt", "-n", "-F", rc, "-s", "mutt-sends", "alice@example.net", input=".dots\nGrüße von mutt-sends\n".encode())
    sent("mutt-sends", p)


with Sink() as sink, Whole(sink.port) as w:
    w.start_or_end(t)
    swaks()
    msmtp()
    curl()
    fetchmail()
    mbsync()
    mutt()
    t.ok("killed by signal" not in w.log() and "panic" not in w.log(), "no program ended by its own fault", w.log()[-2000:])
t.end()
