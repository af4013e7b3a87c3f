# SPDX-License-Identifier: ISC
"""sides_mail.py - envelopes for two systems, how they are sent, and what became of them

A session is a list of steps; `converse` sends each and writes down code, enhanced code and text.  A message
carries its token in its Message-Id or in a field of its own, so that whatever comes out anywhere can be named.
"""
import base64, glob, os, random, re, socket, ssl, subprocess, time

from sides_fakes import PASSWORD
from sides_stage import *


class Session:
    def __init__(self, name, steps, source=STRANGER, port=25, wrapped=False):
        self.name, self.steps, self.source, self.port, self.wrapped = name, steps, source, port, wrapped


def plain(user, password=PASSWORD):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def content(token, sender, rcpt, subject="hello", more=(), body="hello\r\n", fields=("From", "To", "Date", "Message-Id")):
    lines = {"From": f"From: <{sender or 'nobody@outside.test'}>", "To": f"To: <{rcpt}>", "Date": "Date: Fri, 20 Nov 2026 12:00:00 +0000",
             "Message-Id": f"Message-Id: <{token}@client.sides.test>"}
    return "".join(lines[f] + "\r\n" for f in fields) + f"Subject: {subject}\r\nX-Sides: {token}\r\n" + "".join(m + "\r\n" for m in more) + "\r\n" + body


def deliver(token, sender, rcpts, helo="client.sides.test", mail_options="", rcpt_options="", login=None, tls=False, **about):
    """The steps of one ordinary message; `about` is for content()."""
    steps = [f"EHLO {helo}"]
    if tls:
        steps += ["STARTTLS", f"EHLO {helo}"]
    if login:
        steps.append("AUTH PLAIN " + plain(*login))
    steps.append(f"MAIL FROM:<{sender}>{mail_options}")
    steps += [f"RCPT TO:<{r}>{rcpt_options}" for r in rcpts]
    return steps + ["DATA", ("content", content(token, sender, rcpts[0] if rcpts else "", **about)), "QUIT"]


def chosen(d):
    """By hand: what administrators and clients do.  `d` has the domains: local, virtual, alias, relay, hostname."""
    out, local, virtual = [], d["local"] or d["hostname"], d["virtual"] or d["local"] or d["hostname"]
    home = local if d["local"] else virtual

    def add(name, sender="friend@outside.test", rcpts=(), source=STRANGER, port=25, wrapped=False, **more):
        out.append(Session(name, deliver(name, sender, list(rcpts), **more), source, port, wrapped))
    add("local-user", rcpts=[f"alice@{home}"])
    add("local-case", rcpts=[f"ALICE@{home.upper()}"])
    add("local-unknown", rcpts=[f"nobody-here@{home}"])
    add("local-extension", rcpts=[f"alice+lists@{home}"])
    add("local-extension-unknown", rcpts=[f"nobody-here+x@{home}"])
    add("relay-denied", rcpts=["somebody@outside.test"])
    add("relay-trusted", sender=f"alice@{home}", rcpts=["somebody@outside.test"], source=TRUSTED)
    add("relay-trusted-refused", sender=f"alice@{home}", rcpts=["refused@outside.test"], source=TRUSTED)
    add("relay-trusted-later", sender=f"alice@{home}", rcpts=["later@outside.test"], source=TRUSTED)
    add("roles", rcpts=[f"postmaster@{home}", f"abuse@{home}", f"root@{home}"])
    add("postmaster-bare", rcpts=["postmaster"])
    add("null-sender", sender="", rcpts=[f"alice@{home}"])
    add("mixed", rcpts=[f"alice@{home}", f"nobody-here@{home}", "somebody@outside.test", f"bob@{home}", f"alice@{home}"])
    add("virtual", rcpts=[f"alice@{virtual}", f"alice+lists@{virtual}", f"nobody-here@{virtual}"])
    add("virtual-alias", rcpts=[f"sales@{virtual}"])
    add("virtual-words", rcpts=[f"words@{virtual}"])
    add("virtual-chain", rcpts=[f"chain@{virtual}", f"forward@{virtual}", f"local@{virtual}"])
    add("catch-all", rcpts=["anything@catch.test", "any+thing@example.org"])
    add("alias-domain", rcpts=[f"sales@{d['alias'] or 'catch.test'}", f"nobody-here@{d['alias'] or 'catch.test'}"])
    add("relay-domain", rcpts=[f"alice@{d['relay'] or 'relay.sides.test'}", f"carol@{d['relay'] or 'relay.sides.test'}", f"alice@sub.{d['relay'] or 'relay.sides.test'}"])
    add("aliases", sender=f"bob@{home}", rcpts=[f"sales@{home}", f"twice@{home}", f"away@{home}", f"pipe@{home}", f"file@{home}"], source=TRUSTED)
    add("aliases-words", sender=f"bob@{home}", rcpts=[f"words@{home}"], source=TRUSTED)
    add("aliases-broken", sender=f"bob@{home}", rcpts=[f"nowhere@{home}", f"loop@{home}", f"owners@{home}"], source=TRUSTED)
    add("transport", sender=f"alice@{home}", rcpts=["x@routed.test", "x@refusing.test", "x@sub.below.test", "x@here.test", "user@outside.test"], source=TRUSTED)
    add("routes", rcpts=[f"alice%outside.test@{home}", f"outside.test!alice@{home}", f"@outside.test:alice@{home}", f"alice%{home}", f"{home}!alice"])
    add("routes-trusted", sender=f"alice@{home}", rcpts=[f"alice%outside.test@{home}", "alice@[192.0.2.3]", f"alice@[{MAIL_HOST}]", "alice@192.0.2.3", "alice@"], source=TRUSTED)
    add("bare-names", sender="alice", rcpts=["alice", "bob@host", "alice@localhost"], source=TRUSTED)
    add("bare-odd", sender="al.ice%a@host", rcpts=["first.last@host", "a%b@host", "a%b.c@host", "a!b@host", "a.c!b@host", "b@host%c"], source=TRUSTED)
    add("quoted", rcpts=[f'"alice"@{home}', f'"alice lists"@{home}', f'"alice@outside.test"@{home}'])
    add("final-dot", rcpts=[f"bob@{home}."])
    add("final-dot-twin", rcpts=[f"alice@{home}", f"alice@{home}."])
    add("no-such-sender-domain", sender="x@nx.invalid", rcpts=[f"alice@{home}"])
    add("no-fqdn-sender", sender="x@host", rcpts=[f"alice@{home}"])
    add("no-such-rcpt-domain", sender=f"alice@{home}", rcpts=["x@nx.invalid"], source=TRUSTED)
    add("blocked-sender", sender="blocked@outside.test", rcpts=[f"alice@{home}"])
    add("own-sender-stranger", sender=f"alice@{home}", rcpts=[f"bob@{home}"])
    add("helo-bare", rcpts=[f"alice@{home}"], helo="client")
    add("helo-bad", rcpts=[f"alice@{home}"], helo="bad_name..x")
    add("helo-unknown", rcpts=[f"alice@{home}"], helo="nx.invalid")
    add("client-unnamed", rcpts=[f"alice@{home}"], source=UNNAMED)
    add("too-big", rcpts=[f"alice@{home}"], mail_options=" SIZE=99999999999")
    add("size-8bit", rcpts=[f"alice@{home}"], mail_options=" SIZE=2000 BODY=8BITMIME", body="gr\u00fc\u00dfe\r\n.dot\r\n")
    add("8bit-away", sender=f"alice@{home}", rcpts=["somebody@outside.test"], source=TRUSTED, mail_options=" BODY=8BITMIME", body="gr\u00fc\u00dfe\r\n",
        more=("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"))
    add("smtputf8", sender="m\u00fcller@outside.test", rcpts=[f"alice@{home}"], mail_options=" SMTPUTF8", subject="gr\u00fc\u00dfe")
    add("smtputf8-undeclared", sender="m\u00fcller@outside.test", rcpts=[f"alice@{home}"])
    add("header-check", rcpts=[f"alice@{home}"], subject="Viagra for free $$$", more=("X-Mailer: tool", "User-Agent: tool", "Received: from inner (inner [10.0.0.1]) by outer with ESMTPSA id 1; Fri, 20 Nov 2026 12:00:00 +0000",
        "X-Originating-IP: 10.0.0.1", "X-Spam-Flag: YES", "Content-Disposition: attachment; filename=\"a.exe\""))
    add("headers-missing", sender=f"alice@{home}", rcpts=[f"bob@{home}"], source=TRUSTED, fields=())
    add("headers-missing-stranger", rcpts=[f"bob@{home}"], fields=("From",))
    add("headers-incomplete", sender=f"alice@{home}", rcpts=[f"bob@{home}"], source=TRUSTED, fields=("Date", "Message-Id"),
        more=("From: alice", "To: Bob <bob>, carol@host, \"Q. X\" <q.x@" + home + ">", "Cc: group: one, two@host;", "Bcc: secret@outside.test", "Return-Path: <x@y.test>", "Content-Length: 5"))
    add("headers-without-commas", sender=f"alice@{home}", rcpts=[f"bob@{home}"], source=TRUSTED, fields=("Date", "Message-Id"),
        more=("From: alice", f"To: bob@host carol@host", "Cc: one two four@outside.test", "Reply-To: alice bob@outside.test, Bob B <bob> carol@host"))
    add("headers-without-commas-kept", sender=f"alice@{home}", rcpts=[f"bob@{home}"], source=TRUSTED, fields=("Date", "Message-Id"),
        more=(f"From: alice@{home}", "To: bob@outside.test carol@outside.test", "Cc: one@outside.test (x) <two@outside.test> three@outside.test"))
    add("headers-incomplete-stranger", rcpts=[f"bob@{home}"], fields=("Date", "Message-Id"), more=("From: alice", "To: bob"))
    add("hops", rcpts=[f"alice@{home}"], more=["Received: from a by b; Fri, 20 Nov 2026 12:00:00 +0000"] * 60)
    add("dsn", sender=f"alice@{home}", rcpts=[f"bob@{home}"], source=TRUSTED, mail_options=" RET=HDRS ENVID=abc", rcpt_options=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bob@x.test")
    add("dsn-never", sender=f"alice@{home}", rcpts=["refused@outside.test"], source=TRUSTED, rcpt_options=" NOTIFY=NEVER")
    add("many-bad-options", rcpts=[f"alice@{home}"], mail_options=" FOO=bar")
    user, bob = f"alice@{virtual}", (f"alice@{virtual}", "wrong")
    out.append(Session("no-helo", ["MAIL FROM:<friend@outside.test>", f"RCPT TO:<alice@{home}>", "QUIT"]))
    out.append(Session("helo-only", ["HELO client.sides.test", "MAIL FROM:<friend@outside.test>", f"RCPT TO:<alice@{home}>", "DATA", ("content", content("helo-only", "friend@outside.test", f"alice@{home}")), "QUIT"]))
    out.append(Session("commands", ["NOOP", "HELP", "VRFY alice", f"VRFY <nobody-here@{home}>", "ETRN outside.test", "ETRN", "FOO", "RSET", "EHLO", "HELO", "EHLO client.sides.test", "EXPN x", "RSET x", "NOOP x",
                                    "DATA", "RCPT TO:<x@y.test>", "BDAT 0 LAST", "AUTH", "AUTH FOO", "STARTTLS x", "QUIT x"]))
    out.append(Session("syntax", ["EHLO client.sides.test", "MAIL", "MAIL FROM", "MAIL FROM:", "MAIL FROM: friend@outside.test", "RSET", "MAIL FROM:<friend@outside.test", "RSET", "MAIL FROM:friend@outside.test>", "RSET",
                                  "MAIL FROM:<a b@outside.test>", "RSET", "MAIL FROM:<@>", "RSET", "MAIL FROM:<.a@outside.test>", "RSET", "MAIL FROM:<a..b@outside.test>", "RSET", "MAIL FROM:<friend@outside..test>", "RSET",
                                  "MAIL FROM:<friend@-outside.test>", "RSET", "MAIL FROM:<friend@[1.2.3]>", "RSET", "MAIL TO:<friend@outside.test>", "RSET", "MAIL FROM:<friend@outside.test> SIZE=x", "RSET",
                                  "MAIL FROM:<friend@outside.test> BODY=9BIT", "RSET", "MAIL FROM:<friend@outside.test> RET=X", "RSET", "MAIL FROM:<friend@outside.test>", "MAIL FROM:<friend@outside.test>", "RCPT", "RCPT TO:", "RCPT TO:<>",
                                  "RCPT TO:<alice", f"RCPT TO:alice@{home}", f"RCPT TO:< alice@{home}>", f"RCPT TO:<alice@{home}> NOTIFY=X", f"RCPT TO:<alice@{home}> FOO=x", f"RCPT TO:<alice@{home}> ORCPT=x", "RCPT TO:<@>", f"RCPT TO:<\"a\nb\"@{home}>".replace("\n", "\\n"),
                                  f"RCPT TO:<{'x' * 300}@{home}>", f"RCPT TO:<alice@{'x' * 70}.test>", "QUIT"]))
    out.append(Session("two-messages", deliver("two-1", "friend@outside.test", [f"alice@{home}"])[:-1] + deliver("two-2", "friend@outside.test", [f"bob@{home}"])[1:]))
    out.append(Session("submission-no-auth", deliver("submission-no-auth", user, ["somebody@outside.test"]), port=587))
    out.append(Session("submission-no-auth-tls", deliver("submission-no-auth-tls", user, ["somebody@outside.test", f"bob@{home}"], tls=True), port=587))
    out.append(Session("submission", deliver("submission", user, ["somebody@outside.test", f"bob@{home}"], tls=True, login=(user,), more=("User-Agent: tool", "X-Originating-IP: [10.1.2.3]")), port=587))
    out.append(Session("submission-wrong", deliver("submission-wrong", user, ["somebody@outside.test"], tls=True, login=bob), port=587))
    out.append(Session("submission-other-sender", deliver("submission-other-sender", f"bob@{virtual}", ["somebody@outside.test"], tls=True, login=(user,)), port=587))
    out.append(Session("submissions", deliver("submissions", user, ["somebody@outside.test"], login=(user,)), port=465, wrapped=True))
    out.append(Session("auth-login", ["EHLO client.sides.test", "STARTTLS", "EHLO client.sides.test", "AUTH LOGIN", base64.b64encode(user.encode()).decode(), base64.b64encode(PASSWORD.encode()).decode(),
                                      "AUTH PLAIN x", "QUIT"], port=587))
    out.append(Session("auth-syntax", ["EHLO client.sides.test", "STARTTLS", "EHLO client.sides.test", "AUTH PLAIN", "*", "AUTH PLAIN !!!!", "AUTH SCRAM-SHA-9 x", f"AUTH PLAIN {plain(user)}", f"AUTH PLAIN {plain(user)}", "QUIT"], port=587))
    out.append(Session("auth-on-25", deliver("auth-on-25", user, ["somebody@outside.test"], login=(user,))))
    out.append(Session("tls-on-25", deliver("tls-on-25", "friend@outside.test", [f"alice@{home}"], tls=True)))
    out.append(Session("auth-on-25-tls", deliver("auth-on-25-tls", user, ["somebody@outside.test"], tls=True, login=(user,))))
    return out


# ---- what programs on the host give to sendmail

class Submission(Session):
    def __init__(self, name, arguments, text):
        super().__init__(name, [])
        self.arguments, self.text = arguments, text


def submitted(d):
    """As root, as cron and daemons do: (name, arguments, more about the content)."""
    home = d["local"] or d["virtual"] or d["hostname"]
    about = {"sender": f"bob@{home}", "rcpt": f"alice@{home}"}
    out = []

    def add(name, arguments, **more):
        out.append(Submission(name, arguments, content(name, **{**about, **more}).replace("\r\n", "\n")))
    add("sendmail-plain", [f"alice@{home}"])
    add("sendmail-bare", ["alice"], fields=("Message-Id",))
    add("sendmail-headers", ["-t"], fields=("From", "Date", "Message-Id"), more=(f"To: alice@{home}, \"B. O. B.\" <bob@{home}>", "Cc: somebody@outside.test", f"Bcc: alice+bcc@{home}"))
    add("sendmail-headers-and-more", ["-t", f"bob@{home}"], fields=("Message-Id",), more=(f"To: alice@{home}",))
    add("sendmail-resent", ["-t"], more=(f"Resent-To: bob@{home}", f"Resent-From: alice@{home}"))
    add("sendmail-cron", ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"], fields=("Message-Id",), more=("From: root (Cron Daemon)", f"To: bob@{home}", "Auto-Submitted: auto-generated"))
    add("sendmail-from", ["-f", "friend@outside.test", "-F", "A Friend", f"alice@{home}"], fields=("Message-Id",))
    add("sendmail-from-r", ["-rfriend@outside.test", f"alice@{home}"], fields=("Message-Id", "To"))
    add("sendmail-null", ["-f", "", f"alice@{home}"])
    add("sendmail-dot", [f"alice@{home}"], body="before\n.\nbehind\n")
    add("sendmail-dot-i", ["-i", f"alice@{home}"], body="before\n.\n..two\nFrom here\nbehind\n")
    add("sendmail-no-newline", ["-i", f"alice@{home}"], body="last line")
    add("sendmail-8bit", ["-i", "-B8BITMIME", "somebody@outside.test"], body="gr\u00fc\u00dfe\n")
    add("sendmail-never", ["-N", "never", "refused@outside.test"])
    add("sendmail-refused", ["-f", f"bob@{home}", "refused@outside.test", "somebody@outside.test"])
    add("sendmail-success", ["-N", "success,failure", "-V", "env-1", "-R", "hdrs", "-f", f"bob@{home}", f"alice@{home}"])
    add("sendmail-comma", [f"alice@{home},bob@{home}"])
    add("sendmail-name", [f"Alice <alice@{home}>", f"bob@{home} (Bob)"])
    add("sendmail-nobody", ["-t"], fields=("From", "Message-Id"))
    add("sendmail-no-arguments", [])
    add("sendmail-bad-option", ["-Z", f"alice@{home}"])
    add("sendmail-bad-dsn", ["-N", "sometimes", f"alice@{home}"])
    add("sendmail-unknown", ["-f", f"bob@{home}", f"nobody-here@{home}"])
    return out


# ---- a small grammar of envelopes, from a seed

def drawn(d, seed, count):
    r = random.Random(seed)
    domains = [x for x in (d["local"], d["virtual"], d["alias"], d["relay"], d["hostname"]) if x]
    users = ["alice", "bob", "nobody-here", "postmaster", "sales", "chain", "forward", "root", "twice", "x"]

    def address(own):
        user = r.choice(users) + r.choice(["", "", "", "+ext", "+ext+more", "-ext", "+"])
        user = r.choice([user] * 8 + [user.upper(), f'"{user}"', f"{user}%outside.test"])
        place = r.choice(domains) if own else r.choice(["outside.test", "routed.test", "sub.below.test", "refusing.test", "catch.test", "nx.invalid", "host", "", f"sub.{domains[0]}"])
        place = r.choice([place] * 6 + [place.upper(), place + "." * (place != "host")]) if place else place     # "host." is complete there
        return f"{user}@{place}" if place else user

    out = []
    for n in range(count):
        token = f"drawn-{seed}-{n}"
        source = r.choice([STRANGER, STRANGER, TRUSTED])
        port = r.choice([25, 25, 25, 587])
        tls = port == 587 or r.random() < 0.2
        login = (f"{r.choice(['alice', 'bob'])}@{d['virtual'] or d['local'] or d['hostname']}", r.choice([PASSWORD, PASSWORD, "wrong"])) if tls and r.random() < 0.6 else None
        sender = r.choice(["", "friend@outside.test", address(True), address(False), f"{login[0]}" if login else "blocked@outside.test"])
        rcpts = list({a.lower().rstrip("."): a for a in (address(r.random() < 0.75) for _ in range(r.choice([1, 1, 2, 3])))}.values())
        more = [m for m in (f"Cc: {address(True)}, Somebody <{address(False)}>", "X-Spam-Flag: YES", "MIME-Version: 1.0\r\nContent-Type: text/html", "Reply-To: alice", f"Sender: {address(True)}",
                            f"Resent-To: {address(True)}", "X-Long: " + "word " * r.randrange(1, 60)) if r.random() < 0.2]
        out.append(Session(token, deliver(token, sender, rcpts, helo=r.choice(["client.sides.test"] * 4 + ["host", "[192.0.2.77]"]), tls=tls, login=login,
            mail_options=r.choice(["", "", " BODY=8BITMIME", " SIZE=1000"]), rcpt_options=r.choice([""] * 5 + [" NOTIFY=NEVER", " NOTIFY=DELAY"]),
            fields=r.choice([("From", "To", "Date", "Message-Id")] * 3 + [("From",), (), ("To", "Message-Id")]), more=more, body=r.choice(["hello\r\n", "", ".\r\n..x\r\n" if False else "..x\r\n", "gr\u00fc\r\n", "l" * 900 + "\r\n"]),
            subject=r.choice(["hello", "=?utf-8?q?x?=", "", "x" * 200])), source, port))
    return out


# ---- sending

class Reply:
    def __init__(self, lines):
        self.lines = lines
        text = lines[-1] if lines else "(closed)"
        m = re.match(r"(\d\d\d)[ -](?:(\d\.\d{1,3}\.\d{1,3}) )?(.*)", text, re.S)
        self.code, self.status, self.text = (m.group(1), m.group(2) or "", m.group(3)) if m else (text, "", "")

    def keywords(self):
        return sorted(l[4:].strip() for l in self.lines[1:])


def read_reply(f):
    lines = []
    while True:
        line = f.readline()
        if not line:
            return Reply(lines)
        lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
        if line[3:4] != b"-":
            return Reply(lines)


def converse(session):
    """[(step, Reply)]; it ends where the server does."""
    got = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        s = socket.create_connection((MAIL_HOST, session.port), 60, (session.source, 0))
        if session.wrapped:
            s = context.wrap_socket(s)
        f = s.makefile("rwb")
        got.append(("connect", read_reply(f)))
        for step in session.steps:
            if isinstance(step, tuple):
                if got[-1][1].code != "354":
                    continue
                data = step[1].encode("utf-8", "surrogateescape")
                f.write(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
                label = "(content)"
            else:
                f.write(step.encode("utf-8", "surrogateescape") + b"\r\n")
                label = step
            f.flush()
            reply = read_reply(f)
            got.append((label, reply))
            if not reply.lines:
                break
            if label == "STARTTLS" and reply.code == "220":
                f.close()
                s = context.wrap_socket(s)
                f = s.makefile("rwb")
        s.close()
    except (OSError, ssl.SSLError) as e:
        got.append(("(connection)", Reply([f"000 {type(e).__name__}"])))
    return got


# ---- what became of it

def queue_files(*names):
    return [f for n in names for d, _, files in os.walk(f"{QUEUE}/{n}") for f in files]


def log_text():
    try:
        with open(LOG, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def settle(seconds=60):
    """Until nothing is on its way: incoming, active and maildrop are empty and the queue manager said a last word of each."""
    end = time.monotonic() + seconds
    calm = 0
    while time.monotonic() < end and calm < 3:
        log = log_text()
        active = {m for m in re.findall(r"qmgr\[\d+\]: (\w+): from=", log)}
        done = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log)) | set(re.findall(r": (\w+): to=.*status=deferred", log)) | set(re.findall(r": (\w+): .*(?:skipped|status=expired|hold)", log))
        calm = calm + 1 if not queue_files("incoming", "active", "maildrop") and not active - done else 0
        time.sleep(0.1)
    return calm >= 3


TOKEN = re.compile(rb"(?im)^X-Sides: (\S+)")


def token_of(data):
    found = TOKEN.search(data)
    notice = b"\nX-Sides:" not in b"\n" + data.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
    return (found.group(1).decode() if found else "?") + (" notice" if notice else "")


def mask(text):
    text = re.sub(r"(@[\w-][\w.-]*?)\.(?=[>;,\s]|$)", r"\1", text)      # user@domain. as the client wrote it, and without the dot
    text = re.sub(r"<\d{14}\.(?=\w{14,}@)", "<", text)                # Message-Id: ours has the time before the queue id
    text = re.sub(r"\b[A-Z][a-z]{2}, +\d+ [A-Z][a-z]{2} \d{4} [\d:]{8} [+-]\d{4} ?(\([A-Z]+\))?", "DATE", text)
    text = re.sub(r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}", "DATE", text)
    text = re.sub(r"(?<![\w.])(?=[0-9B-Zb-z]*\d)[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{8,}z[0-9B-Zb-z]+\b", "ID", text)
    text = re.sub(r"\b[0-9A-F]{8,13}\b", "ID", text)
    text = re.sub(r"--\S+/sides-boundary", "", text)
    text = re.sub(r"ID\.\d+/", "ID.N/", text)
    text = re.sub(r"using TLSv1\S* with cipher .*?(?=\n\s*by|\n\s*\(|$)", "using TLS", text, flags=re.S)
    return re.sub(r"\[\d+\]: ", "[]: ", text)


def header_shape(data):
    """Names in order, with masked unfolded values."""
    head = data.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    fields = re.sub(r"\n[ \t]+", " ", head).split("\n")
    return [re.sub(r"\s+", " ", mask(f)) for f in fields if f]


def report_shape(text):
    """RFC 3464's fields, without what is only ours to choose: case and blanks of types, dates, the words of success."""
    fields = re.sub(r"\n[ \t]+", " ", mask(text)).split("\n")
    fields = [re.sub(r"delivery via \S+: ", "", re.sub(r": (\S+); *", lambda m: f": {m.group(1).lower()};", f)) for f in fields]
    fields = [re.sub(r"mail for \S+ loops back|for name=[^ :]*", lambda m: m.group(0).lower(), f) for f in fields]
    fields = [re.sub(r" type=(A|MX|AAAA)", "", re.sub(r';"([\w.+-]+)"@', r";\1@", f)) for f in fields]
    return "\n".join(sorted({f for f in fields if f.strip() and not f.startswith(("Last-Attempt-Date", "Content-"))}))


def body_shape(data):
    data = data.replace(b"\r\n", b"\n")
    if token_of(data).endswith(" notice"):              # the words of a notice are ours; what machines read is the standard's
        report = re.search(rb"(?s)\nContent-Type: message/(?:global-)?delivery-status\n(.*?)\n--", data)
        return report_shape(report.group(1).decode("utf-8", "replace")) if report else "no report"
    parts = data.split(b"\n\n", 1)
    return re.sub(r"\s+$", "", mask(parts[1].decode("utf-8", "replace"))) if len(parts) > 1 else ""


def read(path):
    with open(path, "rb") as f:
        return f.read()


def mbox_messages(data):
    return [b"From " + m for m in re.split(rb"(?:\A|\n)From (?=\S+ +[A-Z][a-z]{2} [A-Z][a-z]{2})", data)[1:]]


def arrivals(sinks):
    """[(token, place, envelope, content)] of everything that left the queue."""
    out = []
    for path in glob.glob("/home/**/new/*", recursive=True) + glob.glob("/var/mail/**/new/*", recursive=True) + glob.glob("/srv/**/new/*", recursive=True) + glob.glob("/opt/**/new/*", recursive=True):
        data = read(path)
        out.append((token_of(data), "maildir " + path.rsplit("/new/", 1)[0], "", data))
    for path in glob.glob("/var/mail/*") + glob.glob("/home/*/mbox") + glob.glob("/home/*/Mailbox") + glob.glob("/var/mail/vhosts/*/*"):
        if os.path.isfile(path) and not path.endswith(".lock"):
            for data in mbox_messages(read(path)):
                out.append((token_of(data), "mbox " + path, "", data.split(b"\n", 1)[1] if b"\n" in data else data))
    for path in glob.glob(f"{OUT}/*.got"):
        first, _, data = read(path).partition(b"\n")
        out.append((token_of(data), "pipe", first.decode("utf-8", "replace"), data))
    for sink in sinks:
        for m in sink.got:
            m["rcpts"] = [mask(" ".join([r.split(" ")[0], *sorted(r.split(" ")[1:])])) for r in m["rcpts"]]
            m["rcpts"] = [re.sub(r"(;)\"([\w.+-]+)\"@", r"\1\2@", r) for r in m["rcpts"]]     # ORCPT's needless quotes
            m["sender"] = m["sender"].replace(" BODY=8BITMIME", "")             # by what the content is, not by what the client said
            out.append((token_of(m["content"]), "sink " + sink.name, mask(re.sub(r" SIZE=\d+", "", m["sender"])) + " -> " + mask(", ".join(m["rcpts"])), m["content"]))
    return out


def original_shape(original, to):
    """Without needless quotes and a final dot; nothing when that is the recipient."""
    shape = re.sub(r'^"([\w.+-]+)"@', r"\1@", (original or "").rstrip("."))
    return "" if shape == to else shape


def fates(log):
    """{token: [(to, orig_to, status, dsn, relay, text)]} by the log's own words; bounces go by the message they are about."""
    owner = {}
    for qid, mid in re.findall(r"cleanup\[\d+\]: (\w+): message-id=<([^@>\s]+)@client\.sides\.test>", log):
        owner[qid] = mid
    for qid, child in re.findall(r": (\w+): sender (?:non-)?delivery (?:status )?notification: (\w+)", log):
        if qid in owner:
            owner[child] = owner[qid] + " notice"
    found = {}
    for qid, rest in re.findall(r": (\w+): (to=.*)", log):
        m = re.match(r"to=<([^>]*)>,(?: orig_to=<([^>]*)>,)? relay=(\S+), .*?dsn=([\d.]+), status=(\w+) (.*)", rest)
        if m and qid in owner:
            to, orig, relay, dsn, status, text = m.groups()
            text = re.sub(r"ID: |queued as \S+|\d+ bytes", "", mask(text))
            found.setdefault(owner[qid], []).append((to, original_shape(orig, to), status, dsn, re.sub(r"\[/[^]]*\]", "[path]", relay), text))
    return {k: sorted(v) for k, v in found.items()}
