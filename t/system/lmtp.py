#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""lmtp.py - lmtpd takes mail by LMTP (RFC 2033), one reply a recipient; Postfix delivers through it

Replies are asserted with what then lies in the Maildirs.  TAP.
"""
import glob, os, pwd, re, shutil, smtplib, socket, ssl, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, descendants, free_port, wait_for

ROOT = os.getuid() == 0
OWNER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="lmtp_")
os.chmod(base, 0o755)
os.chown(base, OWNER.pw_uid, OWNER.pw_gid)


class Talk:
    """A client that reads whole replies."""
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.buffer = b""
        self.greeting = self.reply()

    def line(self):
        while b"\n" not in self.buffer:
            more = self.s.recv(65536)
            if not more:
                return ""
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def send(self, *lines):
        self.s.sendall("".join(x + "\r\n" for x in lines).encode())

    def ask(self, line):
        self.send(line)
        return self.reply()

    def tls(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.s = context.wrap_socket(self.s)

    def close(self):
        self.s.close()


def mails(user):
    return [open(p, "rb").read() for p in sorted(glob.glob(f"{base}/{user}/Maildir/new/*"))]


def a_system():
    smtp, lmtp = free_port(), free_port()
    ids = f"{OWNER.pw_uid}:{OWNER.pw_gid}"
    with open(f"{base}/users", "w") as f:
        for user in ("ann", "bob", "sid", "dup"):
            f.write(f"{user}@v.example:{{PLAIN}}secret:{ids}::{base}/{user}::\n")
        f.write(f"few@v.example:{{PLAIN}}secret:{ids}::{base}/few::userdb_quota_rule=*:messages=1\n"
                f"own@v.example:{{PLAIN}}secret:{ids}::{base}/own::userdb_sieve=~/scripts/mine.sieve\n"
                f"kim@v.example:{{PLAIN}}secret:{ids}::{base}/kim::userdb_sieve=~/kim.sieve\n"
                f"kip@v.example:{{PLAIN}}secret:{ids}::{base}/kim::userdb_sieve=~/kip.sieve\n"
                f"off@v.example:{{PLAIN}}secret:{ids}::{base}/off::userdb_sieve=\n"
                f"lost@v.example:{{PLAIN}}secret:{ids}::{base}/closed/lost::\n")
    os.mkdir(f"{base}/closed", 0o755 if not ROOT else 0o711)
    if not ROOT:
        os.chmod(f"{base}/closed", 0o500)
    for user, script in (("sid", 'require ["fileinto", "reject", "mailbox"];\nif header :contains "subject" "refuse" { reject "not\nwanted"; }\n'
                                 'elsif header :contains "subject" "file" { fileinto :create "lists"; }\n'),
                         ("own", 'require ["fileinto", "mailbox"];\nfileinto :create "mine";\n'), ("off", 'require "reject";\nreject "no";\n'),
                         ("dup", 'require ["duplicate", "fileinto"];\nif duplicate { discard; } else { redirect "else@v.example"; keep; }\n')):
        os.makedirs(f"{base}/{user}")
        os.makedirs(f"{base}/{user}/scripts")
        with open(f"{base}/{user}/" + ("scripts/mine.sieve" if user == "own" else ".dovecot.sieve"), "w") as f:
            f.write(script)
        os.chown(f"{base}/{user}", OWNER.pw_uid, OWNER.pw_gid)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.example.net", "-days", "2",
                    "-keyout", f"{base}/key.pem", "-out", f"{base}/cert.pem"], check=True, capture_output=True)
    main = f"""virtual_mailbox_domains = v.example
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
virtual_mailbox_maps = static:yes
mydestination =
recipient_delimiter = +
mail_location = maildir:%h/Maildir
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
quota = maildir:User quota
quota_rule = *:storage=1M
quota_grace = 0
sieve = file:~/sieve;active=~/.dovecot.sieve
message_size_limit = 100000
lmtpd_tls_cert_file = {base}/cert.pem
lmtpd_tls_key_file = {base}/key.pem
"""
    master = f"""127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{lmtp} inet n - n - - lmtpd
lmtp unix - - n - - lmtp
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
"""
    return smtp, lmtp, main, master


def hello(port):
    t = Talk(port)
    t.ask("LHLO client.example")
    return t


def dialogue(port):
    t = Talk(port)
    tap.ok(re.match(r"220 mail\.example\.net .*ready", t.greeting) is not None, "a greeting", t.greeting)
    tap.ok(t.ask("EHLO x").startswith("502 5.5.1") and t.ask("HELO x").startswith("502 5.5.1"), "RFC 2033, 4.1: no EHLO, no HELO")
    tap.ok(t.ask("MAIL FROM:<>").startswith("503 5.5.1"), "MAIL before LHLO: 503")
    lhlo = t.ask("LHLO client.example")
    tap.ok(all(x in lhlo for x in ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING", "SIZE 100000", "STARTTLS", "SMTPUTF8")),
           "RFC 2033, 5: what an LMTP server must offer, and more", lhlo)
    tap.ok(t.ask("RCPT TO:<ann@v.example>").startswith("503"), "RCPT before MAIL: 503")
    tap.ok(t.ask("MAIL FROM:<s@x.example> SIZE=200000").startswith("552 5.3.4"), "SIZE beyond message_size_limit: 552")
    tap.ok(t.ask("MAIL FROM:<s@x.example> BODY=8BITMIME").startswith("250 2.1.0"), "MAIL")
    tap.ok(t.ask("MAIL FROM:<s@x.example>").startswith("503 5.5.1"), "a second MAIL: 503")
    tap.ok(t.ask("DATA").startswith("503 5.5.1"), "RFC 2033, 4.2: DATA without a good recipient: 503")
    tap.ok(t.ask("RCPT TO:<nobody@v.example>").startswith("550 5.1.1 <nobody@v.example> User doesn't exist"), "who is nobody: 550 5.1.1")
    tap.ok(t.ask("RCPT TO:<../../etc@v.example>")[:3] == "550", "a path is nobody")
    t.send("RCPT TO:<ann@v.example>", "RCPT TO:<lost@v.example>", "RCPT TO:<few@v.example>", "RCPT TO:<few@v.example>", "RCPT TO:<bob+box@v.example>", "DATA")
    tap.ok([t.reply()[:9] for _ in range(5)] == ["250 2.1.5"] * 5 and t.reply().startswith("354"), "five recipients in one go (PIPELINING)")
    t.send("Subject: one", "Message-ID: <1@x.example>", "", "..dotted", "8 bit: \u00e4", ".")
    got = [t.reply() for _ in range(5)]
    tap.ok(got[0].startswith("250 2.0.0 <ann@v.example> ") and got[0].endswith(" Saved"), "RFC 2033, 4.2: a reply for the first", got)
    tap.ok(re.match(r"45[12] 4\.\d\.\d <lost@v.example> ", got[1]) is not None, "for who cannot be delivered to now: 4xx, and the others go on", got)
    tap.ok(got[2].startswith("250") and got[3].startswith("552 5.2.2 <few@v.example> Quota exceeded"), "a quota of one message: once 250, then 552 5.2.2", got)
    tap.ok(got[4].startswith("250 2.0.0 <bob+box@v.example>"), "an extension is no part of the user's name", got)
    mail = mails("ann")[0]
    tap.ok(mail.startswith(b"Return-Path: <s@x.example>\nDelivered-To: ann@v.example\nReceived: from client.example ([127.0.0.1])\n\tby mail.example.net") and
           b" with LMTP id " in mail and b"\tfor <ann@v.example>; " in mail and mail.endswith(b"\n\n.dotted\n8 bit: \xc3\xa4\n"),
           "what was stored: Return-Path, Delivered-To, Received, dots unstuffed", mail)
    tap.ok(len(mails("bob")) == 1 and len(mails("few")) == 1, "and once for each")
    tap.ok(t.ask("NOOP").startswith("250") and t.ask("VRFY ann").startswith("252") and t.ask("RSET").startswith("250"), "NOOP, VRFY, RSET")
    tap.ok(t.ask("FROB").startswith("502 5.5.2"), "an unknown verb: 502")
    tap.ok(t.ask("NOOP " + "x" * 9000).startswith("500 5.5.2") and t.ask("NOOP").startswith("250"), "a line that is too long: 500, and the next is heard")

    t.ask("MAIL FROM:<>")
    t.ask("RCPT TO:<ann@v.example>")
    t.ask("RCPT TO:<bob@v.example>")
    tap.ok(t.ask("DATA").startswith("354"), "DATA")
    t.s.sendall(b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 998 + b"\r\n") * 101 + b".\r\n")
    tap.ok([t.reply()[:9] for _ in range(2)] == ["552 5.3.4"] * 2, "larger than message_size_limit: 552 for each")
    tap.ok(len(mails("ann")) == 1, "and nothing is stored")

    t.ask("MAIL FROM:<>")
    t.ask("RCPT TO:<ann@v.example>")
    t.s.sendall(b"BDAT 12\r\nSubject: two" + b"BDAT 6 LAST\r\n\r\n\r\n.\r")
    tap.ok(t.reply().startswith("250 2.0.0 12 octets"), "BDAT: one reply for a chunk (RFC 3030)")
    tap.ok(t.reply().startswith("250 2.0.0 <ann@v.example>"), "and one a recipient behind LAST")
    tap.ok(wait_for(lambda: any(b"Subject: two\n\n." in m for m in mails("ann"))), "a dot in a chunk is content", mails("ann")[-1])
    tap.ok(t.ask("BDAT 3").startswith("503"), "BDAT without recipients: 503")
    t.s.sendall(b"abc")
    tap.ok(t.ask("NOOP").startswith("250"), "its chunk was read")
    tap.ok(t.ask("QUIT").startswith("221"), "QUIT")
    t.close()

    t = hello(port)
    t.ask("MAIL FROM:<s@x.example>")
    t.ask("RCPT TO:<ann@v.example>")
    t.ask("DATA")
    t.s.sendall(b"Subject: smuggled\r\n\r\nx\n.\nMAIL FROM:<evil@x.example>\r\nx\r\n.\r\n")
    tap.ok(t.reply().startswith("250") and t.ask("NOOP").startswith("250 2.0.0 OK"), "LF.LF does not end the content (SMTP smuggling)")
    t.close()
    t = hello(port)
    t.s.sendall(b"STARTTLS\r\nNOOP\r\n")
    tap.ok(t.reply().startswith("554") and t.line() == "", "CVE-2011-0411: what stands behind STARTTLS ends the connection")
    t.close()
    t = hello(port)
    tap.ok(t.ask("STARTTLS").startswith("220"), "STARTTLS")
    t.tls()
    tap.ok(t.ask("MAIL FROM:<>").startswith("503"), "nothing said before is remembered")
    tap.ok("STARTTLS" not in t.ask("LHLO again"), "no second STARTTLS")
    t.ask("MAIL FROM:<>")
    t.ask("RCPT TO:<bob@v.example>")
    t.ask("DATA")
    t.send("Subject: safe", "", "x", ".")
    tap.ok(t.reply().startswith("250") and any(b" with LMTPS id " in m for m in mails("bob")), "delivered over TLS")
    t.close()
    t = hello(port)
    t.send(*["FROB"] * 20)
    got = [t.reply() for _ in range(21)]
    tap.ok(got[19].startswith("502") and got[20].startswith("421 4.7.0") and t.line() == "", "who errs without end is sent away", got[-2:])
    t.close()
    t = hello(port)
    t.ask("MAIL FROM:<s@x.example>")
    for i in range(40):
        t.ask(f"RCPT TO:<nobody{i}@v.example>")
    tap.ok(t.ask("RCPT TO:<ann@v.example>").startswith("250"), "unknown recipients are no errors of the client")
    t.close()


def filters(port, instance):
    def one(user, subject):
        t = hello(port)
        t.ask("MAIL FROM:<s@x.example>")
        t.ask(f"RCPT TO:<{user}@v.example>")
        t.ask("DATA")
        t.send("From: s@x.example", f"Subject: {subject}", f"Message-ID: <{subject}@x.example>", "", "x", ".")
        got = t.reply()
        t.close()
        return got

    got = one("sid", "refuse")
    tap.ok(got.startswith("550 5.7.1 <sid@v.example> Rejected by recipient: not wanted"), "Sieve's reject is the reply itself (RFC 5429, 2.1)", got)
    tap.ok(one("own", "x").startswith("250") and len(glob.glob(f"{base}/own/Maildir/.mine/new/*")) == 1, "the userdb's sieve= names another script")
    tap.ok(one("off", "x").startswith("250") and len(mails("off")) == 1, "or none at all")
    tap.ok(one("sid", "file").startswith("250") and len(glob.glob(f"{base}/sid/Maildir/.lists/new/*")) == 1, "fileinto")
    tap.ok(wait_for(lambda: re.search(r"dovecot\[\d+\]: lmtp\(sid@v.example\)<\d+><\w+>: sieve: msgid=<file@x.example>: stored mail into mailbox 'lists'", instance.log())),
           "the log line is Pigeonhole's", instance.log()[-800:])
    tap.ok(wait_for(lambda: re.search(r"dovecot\[\d+\]: lmtp\(ann@v.example\)<\d+><\w+>: msgid=<1@x.example>: saved mail to INBOX", instance.log())), "and Dovecot's")
    # the redirect cannot be queued: the client is told to come again, and is no duplicate of itself then
    mode = os.stat(f"{instance.dir}/queue/incoming").st_mode & 0o777
    os.chmod(f"{instance.dir}/queue/incoming", 0)
    got = one("dup", "again")
    os.chmod(f"{instance.dir}/queue/incoming", mode)
    tap.ok(got.startswith("451 4."), "a redirect that cannot be queued: 451, and the client keeps the message", got)
    got = one("dup", "again")
    tap.ok(got.startswith("250") and wait_for(lambda: "sieve: redirect queued as" in instance.log()), "the second try is no duplicate of the first", got, instance.log()[-1500:])
    seen = instance.log().count("sieve: redirect queued as")
    one("dup", "again more")
    tap.ok(wait_for(lambda: instance.log().count("sieve: redirect queued as") == seen + 1), "another message is redirected, too")


def kept(port, instance):
    """The child of the last delivery is kept for the next of the same session to the same Maildir (local/kept.h)."""
    os.mkdir(f"{base}/kim")
    os.chown(f"{base}/kim", OWNER.pw_uid, OWNER.pw_gid)
    c = hello(port)

    def processes():
        return set().union(*(descendants(p) for p in instance.named("lmtpd")))

    c.ask("MAIL FROM:<>")
    c.ask("RCPT TO:<kim@v.example>")
    c.ask("RSET")
    before = processes()

    def one(user, *lines):
        """The reply, and the child that is kept then, or None."""
        c.ask("MAIL FROM:<s@x.example>")
        c.ask(f"RCPT TO:<{user}@v.example>")
        c.ask("DATA")
        c.send(*lines, ".")
        got = c.reply()[:9]
        wait_for(lambda: len(processes() - before) < 2)
        return got, next(iter(processes() - before), None)

    got, first = one("kim", "Subject: first", "Message-ID: <k@x.example>", "", "x")
    tap.ok(got == "250 2.0.0" and first, "a first message of a session: its child stays", got, first)
    again = one("kim", "Subject: second", "Message-ID: <k2@x.example>", "", "y")
    tap.ok(again == ("250 2.0.0", first), "and has the second", again, first)
    again = [one("kim", "Subject: second", "Message-ID: <k2@x.example>", "", "y") for _ in range(2)]
    tap.ok(again == [("250 2.0.0", first)] * 2 and len(mails("kim")) == 4, "the same message again is another delivery", again, len(mails("kim")))
    again = one("kim", "Delivered-To: kim@v.example", "Subject: round", "", "z")
    tap.ok(again == ("250 2.0.0", first), "LMTP looks for no loops, nor does a child that stays", again)
    stored = mails("kim")
    tap.ok(len(stored) == 5 and all(m.startswith(b"Return-Path: <s@x.example>\nDelivered-To: kim@v.example\n") for m in stored) and
           len({re.search(rb" id (\w+)", m).group(1) for m in stored}) == 5, "each has headers and an id of its own", *stored)
    got, other = one("kip", "Subject: kip", "", "x")
    tap.ok(got == "250 2.0.0" and other not in (None, first) and len(mails("kim")) == 6, "who has the same Maildir and another script: another child", got, other)
    with open(f"{base}/kim/kip.sieve", "w") as f:
        f.write('require ["fileinto", "mailbox"];\nfileinto :create "kip";\n')
    got = one("kip", "Subject: kip", "", "x")
    tap.ok(got == ("250 2.0.0", None) and len(glob.glob(f"{base}/kim/Maildir/.kip/new/*")) == 1, "his script that came meanwhile is run, and its child does not stay", got)
    got = one("kim", "Subject: last", "", "x")
    tap.ok(got[0] == "250 2.0.0" and got[1] and len(mails("kim")) == 7, "which is no matter of the other's", got)
    c.close()
    tap.ok(wait_for(lambda: not processes() - before), "no child outlives its session", processes() - before)


def through_smtp(smtp, instance):
    with smtplib.SMTP("127.0.0.1", smtp, timeout=60) as s:
        s.sendmail("s@x.example", ["ann@v.example", "bob@v.example"], "Subject: whole way\r\n\r\nx\r\n")
    tap.ok(wait_for(lambda: all(any(b"whole way" in m for m in mails(u)) for u in ("ann", "bob"))), "through smtpd, queue and our LMTP client")
    tap.ok(wait_for(lambda: re.search(r"to=<ann@v.example>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*dsn=2.0.0, status=sent \(250 2.0.0 <ann@v.example> \w+ Saved\)", instance.log())),
           "logged as Dovecot's LMTP would be", instance.log()[-600:])


def strangers(main, master, port):
    """A static userdb has a place for every name: whether there is such a user only the passdb knows."""
    fixed = f"auth_userdb = static:uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={base}/static/%n"
    for more, want in (("", "550 5.1.1"), (" allow_all_users=yes", "250 2.1.5")):
        with Instance(main.replace(f"auth_userdb = passwd-file:{base}/users", fixed + more), master) as i:
            i.start()
            c = hello(port)
            c.ask("MAIL FROM:<s@x.example>")
            tap.ok(c.ask("RCPT TO:<ann@v.example>").startswith("250 2.1.5"), f"static{more}: who can log in has mail")
            tap.ok(c.ask("RCPT TO:<stranger@v.example>").startswith(want), f"static{more}: who cannot: {want}", i.log()[-400:])
            c.close()


def no_room_for_content(port, instance):
    """Nowhere to put it: the last chunk still has one reply a recipient (RFC 2033, 4.3), and none is for good."""
    data = f"{instance.dir}/data"
    for chunks in (["BDAT 3 LAST\r\nab\n"], ["BDAT 3\r\nab\n", "BDAT 3 LAST\r\ncd\n"]):
        c = hello(port)
        for line in ("MAIL FROM:<s@x.example>", "RCPT TO:<ann@v.example>", "RCPT TO:<bob@v.example>"):
            c.ask(line)
        os.rename(data, data + ".away")
        try:
            c.s.sendall("".join(chunks).encode())
            replies = [c.reply() for _ in range(len(chunks) + 1)]
        finally:
            os.rename(data + ".away", data)
        after = c.ask("NOOP")
        tap.ok(all(r.startswith("451 4.3.0") for r in replies) and after.startswith("250"), f"{len(chunks)} chunks that cannot be kept, two recipients", replies, after)
        c.close()


smtp, lmtp, main, master = a_system()
try:
    with Instance(main, master) as i:
        tap.ok(i.start().returncode == 0, "a system with lmtpd starts")
        dialogue(lmtp)
        filters(lmtp, i)
        kept(lmtp, i)
        no_room_for_content(lmtp, i)
        through_smtp(smtp, i)
        tap.ok("killed by signal" not in i.log() and "panic" not in i.log(), "nothing died", [x for x in i.log().splitlines() if "killed" in x])
    strangers(main, master, lmtp)
finally:
    if not ROOT:
        os.chmod(f"{base}/closed", 0o700)
    shutil.rmtree(base, ignore_errors=True)
tap.end()
