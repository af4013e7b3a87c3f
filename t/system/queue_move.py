#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""queue_move.py - mixed messages of Debian's Postfix become ours, and go back

Postfix fills a private queue: in maildrop, incoming, active, deferred (some recipients done, some bounced
and not told of yet) and hold; DSN, 8-bit, long lines, dots, SMTPUTF8, big, null sender, edited headers, redirected, filtered.
What is left to do says its postqueue -j, and what the content is its postcat.  Then

  there   import-queue, and we deliver to a server that counts: those recipients, once, the same to the byte
  back    a copy of the queue is imported and exported again, by commands that are killed -9 over and over:
          Postfix reads all of it (postqueue, postcat), and delivers it

POSTERN_MESSAGES says how many (1000); the default is short.
"""
import collections, json, os, random, re, shutil, signal, smtplib, socket, socketserver, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from milter_peer import Milter, add, change, insert, z
from relay_postfix import POSTFIX, POSTFIX_MASTER, ROOT, ports

COUNT = int(os.environ.get("POSTERN_MESSAGES", "240"))
WANTED_NOTICES = [0]
random.seed(7)


class Sink(socketserver.ThreadingTCPServer):
    """An SMTP server: later* is told to come again and bad* refused, until it is friendly; then it takes all, and keeps them."""
    allow_reuse_address = daemon_threads = True
    request_queue_size = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.port = self.server_address[1]
        self.friendly, self.lock, self.got = False, threading.Lock(), []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass                                    # a client that was killed

    def take(self):
        with self.lock:
            got, self.got = self.got, []
        return got


class Session(socketserver.StreamRequestHandler):
    wbufsize = -1

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")
        self.wfile.flush()

    def handle(self):
        try:
            self.talk()
        except (ConnectionError, OSError):
            pass

    def talk(self):
        sender, rcpts = None, []
        self.say("220 sink.example ESMTP")
        while line := self.rfile.readline().rstrip(b"\r\n"):
            verb = line[:4].upper()
            path = re.search(rb"<(.*?)>", line)
            name = path.group(1).decode() if path else ""
            if verb == b"EHLO":
                self.say("250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE")
            elif verb == b"MAIL":
                sender, rcpts = name, []
                self.say("250 2.1.0 ok")
            elif verb == b"RCPT":
                if not self.server.friendly and name.startswith("later"):
                    self.say("450 4.2.0 come again")
                elif not self.server.friendly and name.startswith("bad"):
                    self.say("550 5.1.1 no such user")
                else:
                    rcpts.append(name)
                    self.say("250 2.1.5 ok")
            elif verb == b"DATA":
                if not rcpts:
                    self.say("554 5.5.1 no recipients")
                    continue
                self.say("354 go on")
                data = []
                while (l := self.rfile.readline()) not in (b".\r\n", b""):
                    data.append(l[1:] if l.startswith(b".") else l)
                with self.server.lock:
                    self.server.got += [(r, sender, b"".join(data)) for r in rcpts]
                self.say("250 2.0.0 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


class Postfix:
    def __init__(self, top, sink, name, milter=""):
        self.dir, self.port = f"{top}/{name}", free_port()
        for d in ("etc", "queue", "data"):
            os.makedirs(f"{self.dir}/{d}")
        shutil.chown(f"{self.dir}/data", "postfix")
        self.queue = f"{self.dir}/queue"
        with open(f"{self.dir}/etc/main.cf", "w") as f:
            f.write(f"""compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {self.dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {self.dir}/mail.log
maillog_file_prefixes = {self.dir}
myhostname = postfix.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtputf8_enable = yes
import_environment = MAIL_CONFIG
always_add_missing_headers = yes
header_checks = pcre:{self.dir}/etc/checks
transport_maps = inline:{{never.example=retry:4.0.0_never}}
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
minimal_backoff_time = 1h
smtpd_client_connection_count_limit = 0
smtpd_milters = {milter}
local_recipient_maps =
line_length_limit = 2048
hash_queue_names = deferred, defer, bounce
enable_long_queue_ids = {'yes' if name == 'first' else 'no'}
""")
        with open(f"{self.dir}/etc/checks", "w") as f:
            f.write(f"/^Subject: prepend/ PREPEND X-Prepended: yes\n/^Subject: hold/ HOLD\n/^Subject: redirect/ REDIRECT later-redirected@to.example\n"
                    f"/^Subject: filter/ FILTER smtp:[127.0.0.1]:{sink}\n")
        with open(f"{self.dir}/mail.log", "w"):
            pass                                # postsuper writes to it, too, as mail_owner
        shutil.chown(f"{self.dir}/mail.log", "postfix")
        self.master(True)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": f"{self.dir}/etc"}

    def master(self, qmgr):
        text = re.sub(r"127\.0\.0\.1:\d+ inet", f"127.0.0.1:{self.port} inet", POSTFIX_MASTER)
        text += "discard unix - - n - - discard\n"
        with open(f"{self.dir}/etc/master.cf", "w") as f:
            f.write(text if qmgr else re.sub(r"(?m)^(qmgr|pickup) .*\n", "", text))

    def run(self, *words, **more):
        return subprocess.run(list(words), capture_output=True, env=self.env, timeout=120, **more)

    def start(self):
        r = self.run(POSTFIX, "start")
        assert r.returncode == 0, (r.stderr, self.log()[-2000:])
        assert wait_for(lambda: answers(self.port)), self.log()[-2000:]

    def stop(self):
        self.run(POSTFIX, "stop")

    def log(self):
        return open(f"{self.dir}/mail.log", errors="replace").read() if os.path.exists(f"{self.dir}/mail.log") else ""

    def listing(self):
        """postqueue -j by id; what waits in maildrop has no good listing of recipients and is left out."""
        r = self.run("postqueue", "-j")
        return {m["queue_id"]: m for m in map(json.loads, r.stdout.splitlines())}

    def content(self, queue_id):
        return self.run("postcat", "-hb", "-q", queue_id).stdout

    def files(self):
        out = subprocess.run(["find", *(f"{self.queue}/{s}" for s in ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")), "-type", "f"],
                             capture_output=True, text=True).stdout.split()
        return collections.Counter(p[len(self.queue) + 1:].split("/")[0] for p in out)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


def letter(n):
    """Headers and body, sender, recipients, MAIL options: the n-th kind."""
    kind = n % 12
    name = f"n{n}"
    rcpts = [f"later-{name}@to.example"]
    sender, options, body, subject = f"s{n}@from.example", [], f"body of {n}\r\n".encode(), f"plain {n}"
    if kind == 1:
        rcpts = [f"ok-{name}@to.example", *rcpts, f"bad-{name}@to.example", f"later2-{name}@to.example"]
    elif kind == 2:
        body, options = b"\xfc\xdf " + bytes(range(0xa0, 0x100)) + b"\r\n", ["BODY=8BITMIME"]
    elif kind == 3:
        body = b"".join(b"." * k + b"\r\n" for k in range(5)) + b"\r\n\r\nFrom x\r\n."
    elif kind == 4:
        body = b"".join(bytes([97 + k % 26]) * random.choice((500, 997)) + b"\r\n" for k in range(20))
    elif kind == 5:
        options, subject = ["SMTPUTF8"], f"gr\u00fc\u00dfe {n}"
        sender, rcpts = f"m\u00fcller{n}@from.example", [f"later-j\u00f6rg{n}@to.example"]
    elif kind == 6:
        sender = ""
    elif kind == 7:
        options, subject = ["RET=HDRS", f"ENVID=env+2B{n}"], f"prepend {n}"
    elif kind == 8:
        subject = f"hold {n}"
    elif kind == 9:
        subject = f"redirect {n}"
        rcpts.append(f"later2-{name}@to.example")
    elif kind == 10:
        subject = f"filter {n}"
    elif kind == 11:
        body = b"0123456789abcdef" * 4 + b"\r\n"
        body *= 20000 if n == 11 else random.randrange(1, 50)
    header = f"From: <{sender}>\r\nTo: undisclosed\r\nSubject: {subject}\r\nX-Number: {n}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
             f"Content-Transfer-Encoding: 8bit\r\n\r\n"
    return header.encode() + body, sender, rcpts, options


def send(smtp, n):
    data, sender, rcpts, options = letter(n)
    notify = ["NOTIFY=SUCCESS,DELAY,FAILURE", f"ORCPT=rfc822;orig+2B{n}@x.example"] if n % 12 == 7 else []
    smtp.command_encoding = "utf-8"
    smtp.sendmail(sender, rcpts, data, options, notify)


def send_many(p, numbers):
    threads = [threading.Thread(target=send_some, args=(p, numbers[k::10])) for k in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def send_some(p, numbers):
    with smtplib.SMTP("127.0.0.1", p.port, timeout=60) as s:
        s.ehlo("client.example.net")
        for n in numbers:
            send(s, n)


def edits(session, data):
    """A milter changes every twelfth message in all the ways that leave pointers in a queue file."""
    n = [int(v) for k, v in session.headers() if k == b"X-Number"][-1]
    if n % 12 != 4:
        return [b"c"]
    return [insert(0, "X-First", "one\n two"), add("X-Last", "x" * 300), change(1, "Subject", f"changed {n} " + "y" * (n % 200)), change(1, "MIME-Version", ""),
            b"b" + b"new body\r\n.\r\n" * (1 + n % 48 * 300), b"e" + z(f"<changed{n}@from.example>"), b"+" + z(f"<later-added{n}@to.example>"),
            b"-" + z(f"<later-n{n}@to.example>"), b"c"]


def forget_bounces(p):
    """Postfix was killed when it had noted failures and told nobody: its log of them is there. How many messages."""
    made = 0
    for queue_id in p.listing():
        at, orcpt = None, ""
        for line in p.run("postcat", "-e", "-o", "-q", queue_id).stdout.decode().splitlines():
            m = re.match(r" *(\d+) done_recipient: (bad-n\d+@\S+)", line)
            at = at or (m and m.groups())
        if not at:
            continue
        log = p.run("find", f"{p.queue}/defer", "-name", queue_id).stdout.decode().strip().replace("/defer/", "/bounce/")     # hashed the same
        os.makedirs(os.path.dirname(log), exist_ok=True)
        shutil.chown(os.path.dirname(log), "postfix")
        with open(log, "w") as f:
            f.write(f"\n<{at[1]}>: said: 550 no such user\nrecipient={at[1]}\noffset={at[0]}\ndsn_orig_rcpt=rfc822;{at[1]}\nstatus=5.1.1\naction=failed\n"
                    f"diag_type=smtp\ndiag_text=550 no such user\nmta_type=dns\nmta_mname=sink.example\nreason=said: 550 no such user\n\n")
        shutil.chown(f.name, "postfix")
        os.chmod(f.name, 0o600)
        made += 1
    return made


def fill(t, p, sink):
    """Half is tried and deferred, then some wait in incoming and active, and last in maildrop."""
    tried, waiting, dropped = range(COUNT // 2), range(COUNT // 2, COUNT * 9 // 10), range(COUNT * 9 // 10, COUNT)
    p.start()
    send_many(p, tried)
    wait_for(lambda: not [f for s in ("incoming", "active") for f in os.listdir(f"{p.queue}/{s}") if len(f) > 1], 120)
    p.stop()
    WANTED_NOTICES[0] = forget_bounces(p)
    p.master(False)
    p.start()
    send_many(p, waiting)
    p.stop()
    for name in os.listdir(f"{p.queue}/incoming")[::3]:
        os.rename(f"{p.queue}/incoming/{name}", f"{p.queue}/active/{name}")
    for n in dropped:
        r = p.run("/usr/sbin/sendmail", "-i", "-f", f"d{n}@from.example", "-F", f"Full {n}", "-N", "never", f"later-d{n}@to.example", f"later-q{n}@to.example",
                  input=f"Subject: dropped {n}\n\n.\n..dots\n{'x' * 3000}\n\u00fc\n".encode())
        assert r.returncode == 0, r.stderr
    p.master(True)
    files = p.files()
    t.ok(all(files[s] for s in ("maildrop", "incoming", "active", "deferred", "hold")) and sum(files.values()) >= COUNT, f"Postfix made {sum(files.values())} messages", files)
    return files


def is_notice(rcpt, sender):
    return sender == "" and rcpt.endswith("@from.example")


def check_delivery(t, got, wanted, drops, who):
    """Each that was wanted once, the same to the byte; nothing else but notices to the senders."""
    got = collections.Counter((r, s, d) for r, s, d in got)
    had = [k for k in wanted if k in got]
    missing = [(r, s) for r, s, d in wanted if (r, s, d) not in got]
    t.ok(not missing, f"{who}: {len(wanted)} deliveries, the same to the byte", len(missing), missing[:5],
         *[(d[:600], [g[:600] for (a, b, g) in got if (a, b) == (r, s)][:1]) for r, s, d in wanted if (r, s, d) not in got][:2])
    t.ok(all(got[k] == 1 for k in had), f"{who}: once each", [k[:2] for k in had if got[k] != 1][:5])
    rest = [k for k in got if k not in set(wanted)]
    dropped = collections.Counter((r, s) for r, s, d in rest if re.match(r"later-[dq]\d+@", r))
    t.ok(len(dropped) == 2 * drops and set(dropped.values()) == {1}, f"{who}: what waited in maildrop, once each", len(dropped), 2 * drops, list(dropped.items())[:5])
    t.ok(all(b"\n.\r\n..dots\r\n" + b"x" * 3000 + b"\r\n\xc3\xbc\r\n" in d.replace(b"\r\n x", b"x") and b"Full" in d for r, s, d in rest if (r, s) in dropped),
         f"{who}: and the same", [d[:800] for r, s, d in rest if (r, s) in dropped][:1])
    strange = [k[:2] for k in rest if k[:2] not in dropped and not is_notice(k[0], k[1])]
    t.ok(not strange, f"{who}: and nothing else", strange[:10])
    return [k for k in rest if is_notice(k[0], k[1])]


def instance(sink, top, long_ids=False):
    i = Instance(main=f"mydestination =\nrelayhost = [127.0.0.1]:{sink}\nsmtp_tls_security_level = none\nsmtputf8_enable = yes\ndnsd_servers = 127.0.0.1@{free_port()}\n"
                      f"always_add_missing_headers = yes\nalias_database =\nimport_environment = MAIL_CONFIG\n",
                 master=f"""pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
""")
    return i


def ours(i):
    r = subprocess.run([f"{i.dir}/sbin/postqueue", "-c", f"{i.dir}/etc", "-j"], capture_output=True, text=True, timeout=60)
    return {m["queue_id"]: m for m in map(json.loads, r.stdout.splitlines())}


def shape(m):
    """What both sides must tell alike. Who has failed is listed by us until the sender is told, and not by Postfix."""
    state = "incoming" if m["queue_name"] == "active" else m["queue_name"]
    return (state, m["sender"], m["arrival_time"], sorted((r["address"], r.get("delay_reason", "")) for r in m["recipients"] if not r["address"].startswith("bad-")))


def same_listing(t, before, after, what):
    drop = lambda l: {k: shape(m) for k, m in l.items() if m["queue_name"] != "maildrop"}
    before, after = drop(before), drop(after)
    for k, v in before.items():                 # Postfix redirects when it delivers, we when we take it
        if k in after and [r[0] for r in after[k][3]] == ["later-redirected@to.example"]:
            before[k] = after[k] if v[:3] == after[k][:3] else v
    wrong = [(k, before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
    t.ok(not wrong and before, f"{what}: {len(before)} ids with queue, sender, arrival, recipients and reasons", len(wrong), *wrong[:4])


def until_done(t, i, words, what):
    """The command is killed over and over, a little later each time; then it runs to its end."""
    wait, kills = 0.004, 0
    while True:
        c = subprocess.Popen([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out = c.communicate(timeout=wait if kills < 60 else 300)
            break
        except subprocess.TimeoutExpired:
            c.kill()
            c.communicate()
            kills, wait = kills + 1, wait * 1.08
    t.ok(c.returncode == 0 and kills > 2, f"{what}, after {kills} kills", c.returncode, out)


def wanted_of(p, listing):
    wanted = []
    for k, m in listing.items():
        if m["queue_name"] == "maildrop":
            continue
        data = p.content(k).replace(b"\n", b"\r\n")
        rcpts = [r["address"] for r in m["recipients"]]
        if "later-redirected@to.example" in rcpts or b"\r\nSubject: redirect " in data:
            rcpts = ["later-redirected@to.example"]
        sender = "" if m["sender"] == "MAILER-DAEMON" else m["sender"]
        wanted += [(r, sender, data) for r in rcpts]
    return wanted


def deliver_by_us(t, i, sink, wanted, drops):
    wanted_notices = WANTED_NOTICES[0]
    sink.friendly = True
    sink.take()
    t.ok(i.start().returncode == 0, "we start on it", i.log()[-2000:])
    subprocess.run([f"{i.dir}/sbin/postsuper", "-c", f"{i.dir}/etc", "-H", "ALL"], capture_output=True)
    i.run("flush")
    t.ok(wait_for(lambda: not os.listdir(f"{i.dir}/queue/maildrop") and not ours(i), 180), "the queue is empty in the end", list(ours(i).items())[:3], i.log()[-3000:])
    notices = check_delivery(t, sink.take(), wanted, drops, "we deliver")
    told = [d for r, s, d in notices if b"no such user" in d]
    t.ok(len(told) == wanted_notices and all(b"bad-n" in d for d in told), f"what had failed before is told of: {wanted_notices} notices", *[n[2][:1500] for n in notices[:3]])
    ids = [re.search(rb"Original-Envelope-Id: (\S+)", d).group(1) for r, s, d in notices if b"Original-Envelope-Id" in d]
    t.ok(ids and all(re.match(rb"env\+\d+$", n) for n in ids), "envelope ids are as they were given", ids[:5])
    bad = [l for l in i.log().splitlines() if re.search(r"panic|Assertion|killed by signal|fatal:|corrupt", l)]
    t.ok(not bad, "nothing was corrupt, no program died", *bad[:10])


def deliver_by_postfix(t, p, sink, wanted, drops):
    wanted_notices = WANTED_NOTICES[0]
    sink.take()
    p.start()
    p.run("postsuper", "-H", "ALL")
    p.run("postqueue", "-f")
    t.ok(wait_for(lambda: not os.listdir(f"{p.queue}/maildrop") and not p.listing(), 180), "Postfix's queue is empty in the end", list(p.listing().items())[:3], p.log()[-3000:])
    p.stop()
    notices = check_delivery(t, sink.take(), wanted, drops, "Postfix delivers")
    told = [d for r, s, d in notices if b"no such user" in d]
    t.ok(len(told) == wanted_notices and all(b"bad-n" in d for d in told), f"what had failed before is told of: {wanted_notices} notices", len(told), len(notices))
    bad = [l for l in p.log().splitlines() if re.search(r"corrupt|warning: .*(queue|record|format)|fatal|panic", l) and "Mail system is down" not in l]
    t.ok(not bad, "Postfix finds nothing wrong", *bad[:10])


def there(t, p, sink, wanted, drops, listing):
    with instance(sink.port, p.dir) as i:
        before = p.files()
        r = i.run("import-queue", "-n", p.queue)
        t.ok(r.returncode == 0 and p.files() == before and f" {sum(before.values())} messages can go" in r.stderr + i.log(), "import-queue -n: all can go, none went", r, i.log()[-500:])
        os.mkdir(f"{p.queue}/deferred/Z")
        hostile = f"{p.queue}/deferred/Z/ZABCDEF0123"
        with open(hostile, "wb") as f:
            f.write(b"C_" + b" " * 95 + b"p\x0f" + b"%15d" % 97 + b"\xff" * 100)
        os.chmod(hostile, 0o700)
        begin = time.monotonic()
        r = i.run("import-queue", p.queue)
        took = time.monotonic() - begin
        t.ok(r.returncode == 1 and "ZABCDEF0123" in r.stderr + i.log() and os.path.exists(hostile), f"import-queue: a hostile file is named and stays ({took:.1f} s)", r)
        os.unlink(hostile)
        os.rmdir(os.path.dirname(hostile))
        t.ok(not sum(p.files().values()) and not [f for d, _, fs in os.walk(p.queue) for f in fs if d.split("/")[-2] in ("defer", "bounce", "trace")],
             "nothing is left of Postfix's messages and logs", p.files())
        r = i.run("import-queue", p.queue)
        t.ok(r.returncode == 0 and " 0 messages went" in r.stderr + i.log(), "again: nothing comes twice", r)
        same_listing(t, listing, ours(i), "our mailq says what Postfix's said")
        deliver_by_us(t, i, sink, wanted, drops)


def back(t, top, sink, wanted, drops, listing, copy, name):
    p = Postfix(top, sink.port, name)
    p.run(POSTFIX, "check")
    with instance(sink.port, top) as i:
        until_done(t, i, ["import-queue", copy], "import-queue")
        imported = ours(i)
        same_listing(t, listing, imported, "after it our mailq")
        until_done(t, i, ["export-queue", p.queue], "export-queue")
        t.ok(not ours(i), "our queue is empty", list(ours(i))[:3])
        after = p.listing()
        same_listing(t, imported, after, "Postfix's mailq says what ours said")
        contents = {d for r, s, d in wanted}
        wrong = [k for k, m in after.items() if m["queue_name"] != "maildrop" and p.content(k).replace(b"\n", b"\r\n") not in contents]
        t.ok(not wrong, "and its postcat the content", wrong[:3])
        deliver_by_postfix(t, p, sink, wanted, drops)


def in_one_directory(t, top, sink, copy, count):
    """main.cf says /var/spool/postfix: start refuses until the mail went over, or until it is told to."""
    with instance(sink.port, top) as i:
        shutil.rmtree(f"{i.dir}/queue", ignore_errors=True)
        subprocess.run(["cp", "-a", copy, f"{i.dir}/queue"], check=True)
        r = i.run("start")
        t.ok(r.returncode != 0 and "import-queue" in r.stderr, "start refuses a directory with Postfix's mail, and says what to do", r)
        with open(f"{i.dir}/etc/main.cf", "a") as f:
            f.write("ignore_postfix_queue_files = yes\n")
        before = sum(len(fs) for _, _, fs in os.walk(f"{i.dir}/queue/deferred"))
        sink.friendly = False
        os.rename(f"{i.dir}/queue/maildrop", f"{i.dir}/drops")     # what lies there unhashed we would look at
        for s in ("incoming", "active", "hold"):
            os.rename(f"{i.dir}/queue/{s}", f"{i.dir}/{s}")
        r = i.run("start")
        t.ok(r.returncode == 0, "with ignore_postfix_queue_files it starts", r, i.log()[-1000:])
        i.run("stop")
        for s in ("incoming", "active", "hold"):
            shutil.rmtree(f"{i.dir}/queue/{s}", ignore_errors=True)
            os.rename(f"{i.dir}/{s}", f"{i.dir}/queue/{s}")
        shutil.rmtree(f"{i.dir}/queue/maildrop", ignore_errors=True)
        os.rename(f"{i.dir}/drops", f"{i.dir}/queue/maildrop")
        t.ok(sum(len(fs) for _, _, fs in os.walk(f"{i.dir}/queue/deferred")) == before, "and leaves them alone")
        i.configure(open(f"{i.dir}/etc/main.cf").read().replace(i.main, "").replace("ignore_postfix_queue_files = yes", ""), open(f"{i.dir}/etc/master.cf").read())
        until_done(t, i, ["import-queue"], "import-queue within one directory")
        t.ok(len(ours(i)) == count, "all are there", len(ours(i)), count)
        r = i.run("start")
        t.ok(r.returncode == 0, "and start is content", r)
        r = i.run("import-queue")
        t.ok(r.returncode != 0 and "stop it first" in r.stderr, "import-queue refuses while we run", r)
        r = i.run("export-queue", f"{i.dir}/queue")
        t.ok(r.returncode != 0 and "stop it first" in r.stderr, "export-queue too", r)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not ROOT or not os.path.exists(POSTFIX):
        print("1..0 # SKIP needs root, and Debian's postfix" if not ROOT else "1..0 # SKIP package postfix is not installed")
        return
    t, top, sink = Tap(), tempfile.mkdtemp(prefix="postern-move."), Sink()
    os.chmod(top, 0o755)
    milter = Milter(answers={"E": edits})
    milter.__enter__()
    p = Postfix(top, sink.port, "first", milter.endpoint)
    try:
        files = fill(t, p, sink)
        listing = p.listing()
        wanted, drops = wanted_of(p, listing), files["maildrop"]
        edited = [d for r, s, d in wanted if d.startswith(b"X-First: one\r\n two\r\n") and b"\r\nnew body\r\n" in d and r.startswith("later-added")]
        t.ok(len(edited) >= COUNT * 9 // 10 // 12 - 5, f"a milter has edited {len(edited)} of them: pointers", len(wanted))
        for n in ("copy", "one"):
            subprocess.run(["cp", "-a", p.queue, f"{top}/{n}"], check=True)
        p.start()
        with instance(sink.port, top) as i:
            r = i.run("import-queue", p.queue)
            t.ok(r.returncode != 0 and "stop it first" in r.stderr, "import-queue refuses while Postfix runs", r)
        p.stop()
        subprocess.run(["rm", "-rf", p.queue], check=True)
        subprocess.run(["cp", "-a", f"{top}/copy", p.queue], check=True)
        there(t, p, sink, wanted, drops, listing)
        back(t, top, sink, wanted, drops, listing, f"{top}/copy", "second")
        in_one_directory(t, top, sink, f"{top}/one", sum(files.values()))
    finally:
        p.stop()
        milter.__exit__()
        shutil.rmtree(top, ignore_errors=True)
    t.end()


if __name__ == "__main__":
    main()
