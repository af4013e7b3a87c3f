#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_bounds.py - hostile mail and hostile clients: time grows with their size, memory stays bounded (issue 4)

Time is the CPU time of the session's process for n and 4n of something: at most 2.2 times for each doubling, the best of
several tries, so that a busy machine does not matter.  Memory is what the process has of its own (RssAnon).  TAP.
"""
import gzip, os, random, re, shutil, socket, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, is_sanitized, wait_for

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
GROWTH, TRIES, SLACK_MS = 2.2 * 2.2, 5, 10
tap = Tap()
root = tempfile.mkdtemp(prefix="imap_bounds_")
MEMORY = 20 if is_sanitized() else 1         # shadow, red zones, and freed memory that is kept to be watched


class Session:
    def __init__(self, mail):
        self.p = subprocess.Popen([f"{BUILD}/t/system/imapd_stdio", f"maildir:{mail}", "separator=/"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=open(f"{root}/log", "a"))
        self.p.stdout.readline()
        self.ms = 0

    def ask(self, command, check=True):
        before = self.cpu()
        self.p.stdin.write(b"x " + command.encode() + b"\r\n")
        self.p.stdin.flush()
        got = bytearray()
        while not re.search(rb"(^|\n)x (OK|NO|BAD)[^\n]*\n$", bytes(got[-3000:])):
            part = os.read(self.p.stdout.fileno(), 1 << 20)
            if not part:
                raise EOFError(f"{command[:60]}: {bytes(got[-200:])!r}")
            got += part
        self.ms = self.cpu() - before
        if check and not re.search(rb"(^|\n)x OK[^\n]*\n$", bytes(got[-3000:])):
            raise ValueError(f"{command[:60]}: {bytes(got[-200:])!r}")
        return bytes(got)

    def cpu(self):
        return int(open(f"/proc/{self.p.pid}/schedstat").read().split()[0]) / 1e6

    def own_memory(self):
        return int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{self.p.pid}/status").read()).group(1)) / 1024

    def end(self):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()


def mailbox(messages):
    mail = tempfile.mkdtemp(dir=root)
    for d in ("cur", "new", "tmp"):
        os.mkdir(f"{mail}/{d}")
    for k, data in enumerate(messages):
        with open(f"{mail}/cur/{1700000000 + k}.M{k}.host:2,S", "wb") as f:
            f.write(data)
    return mail


def cost(messages, commands, before=()):
    """CPU of the commands in a new session without index, in ms, and the process's own memory in MiB."""
    mail = mailbox(messages)
    s = Session(mail)
    try:
        s.ask("SELECT INBOX")
        for c in before:
            s.ask(c)
        ms = 0
        for c in commands:
            s.ask(c)
            ms += s.ms
        return ms, s.own_memory()
    finally:
        s.end()
        shutil.rmtree(mail)


def linear(name, make, n, commands, memory, before=()):
    small = large = float("inf")
    for _ in range(TRIES):
        small_ms, _ = cost(make(n), commands(n), before)
        large_ms, most = cost(make(4 * n), commands(4 * n), before)
        small, large = min(small, small_ms), min(large, large_ms)
        if large <= GROWTH * small + SLACK_MS:
            break
    tap.ok(large <= GROWTH * small + SLACK_MS, f"{name}: {n} and {4 * n} of them", f"{small:.1f} ms and {large:.1f} ms")
    tap.ok(most <= memory * MEMORY, f"{name}: memory is bounded", f"{most:.1f} MiB, {memory} allowed")


def head(extra=b""):
    return b"From: a@example.net\nTo: b@example.net\nSubject: s\nDate: Tue, 2 Jan 2024 10:11:12 +0100\n" + extra


def parts(n):
    return [head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + b"--b\n\nx\n" * n + b"--b--\n"]


def nested(n):
    out = [head(b"MIME-Version: 1.0\n")]
    for k in range(n):
        out.append(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (k, k))
    return [b"".join(out) + b"\nx\n"]


def forwarded(n):
    return [head(b"MIME-Version: 1.0\n") + b"Content-Type: message/rfc822\n\n" * n + b"\nx\n"]


def unended(n):
    return [head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * n]


def addresses(n):
    return [head() + b"Cc: " + b",\n ".join(b'"N, %d" <u%d@example.net>' % (k, k) for k in range(n)) + b"\n\nx\n"]


def comments(n):
    return [head() + b"Cc: " + b"(" * n + b"\nBcc: " + b'"' * n + b"\nReply-To: " + b"<" * n + b"\nSender: " + b"a:" * n + b"\n\nx\n"]


def fields(n):
    return [head() + b"".join(b"X-%d: y\n" % k for k in range(n)) + b"\nx\n"]


def long_field(n):
    return [head(b"X-Long: " + b"word =?utf-8?Q?=C3=A4?= \n " * n + b"\n") + b"\nx\n"]


def parameters(n):
    return [head(b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8" + b"".join(b";\n name*%d*=%%41" % k for k in range(n))
                 + b"\nContent-Disposition: attachment" + b"".join(b"; p%d=v" % k for k in range(n)) + b"\n") + b"\nx\n"]


def lines(n):
    return [head() + b"\n" + b"a line of words\n" * n]


def references(n):
    """Everybody names thirty before, and is newer than they."""
    return [b"Date: Tue, 2 Jan 2024 %02d:%02d:%02d +0100\nMessage-ID: <%d@x>\nReferences: %s\n" % (k // 3600, k // 60 % 60, k % 60, k, b" ".join(b"<%d@x>" % j for j in range(max(0, k - 30), k))) + b"\nx\n"
            for k in range(n)]


def chain(n):
    """Each answers the one before, told backwards."""
    return [head(b"Message-ID: <%d@x>\nIn-Reply-To: <%d@x>\n" % (k, k + 1)) + b"\nx\n" for k in range(n)]


def subjects(n):
    return [b"Subject: Re: same\nMessage-ID: <%d@x>\nReferences: <lost%d@x>\n\nx\n" % (k, k // 2) for k in range(n)]


def small(n):
    return [b"Subject: %d\n\nx\n" % k for k in range(n)]


def hostile_mail():
    describe = lambda n: ("FETCH 1 (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE)", "FETCH 1 (BODY.PEEK[1.1.TEXT] BODY.PEEK[HEADER] PREVIEW)",
                          "SEARCH TEXT nothing", "SORT (TO CC DISPLAYFROM SUBJECT) UTF-8 ALL")
    linear("MIME parts", parts, 2500, describe, 32)
    linear("nested multiparts", nested, 2500, describe, 32)
    linear("nested messages", forwarded, 2500, describe, 32)
    linear("nested multiparts of one boundary", unended, 2500, describe, 32)
    linear("addresses", addresses, 25000, describe, 64)
    linear("comments, quotes, routes and groups without end", comments, 25000, describe, 32)
    linear("header fields", fields, 25000, describe, 32)
    linear("words in a field", long_field, 12500, describe, 48)
    linear("RFC 2231 parameters", parameters, 5000, describe, 32)
    linear("lines", lines, 200000, describe, 48)
    for kind in ("REFERENCES", "REFS"):
        linear(f"THREAD={kind}, many references in each", references, 400, lambda n: (f"THREAD {kind} UTF-8 ALL",), 64)
        linear(f"THREAD={kind}, a chain", chain, 500, lambda n: (f"THREAD {kind} UTF-8 ALL",), 48)
        linear(f"THREAD={kind}, one subject, dummies", subjects, 500, lambda n: (f"THREAD {kind} UTF-8 ALL",), 48)


def hostile_commands():
    odd = lambda n: ",".join(str(k) for k in range(1, 2 * n, 2))
    linear("ranges of a set", lambda n: small(4000), 500, lambda n: (f"FETCH {odd(n)} FLAGS", f"SEARCH {odd(n)}", f"UID FETCH {odd(n)} UID",
                                                                    f"SEARCH NOT UID {odd(n)}"), 32)
    linear("the same range again", lambda n: small(100), 2500, lambda n: ("FETCH " + ",".join(["1:*"] * n) + " FLAGS",), 32)
    linear("search keys", lambda n: small(50), 1000, lambda n: ("SEARCH " + "SUBJECT a " * n, "SEARCH " + "OR ALL " * 50 + "ALL"), 32)
    linear("keywords", lambda n: small(n), 500, lambda n: ("STORE 1:* +FLAGS.SILENT (" + " ".join(f"key{k}" for k in range(26)) + ")",
                                                           "FETCH 1:* FLAGS"), 32)
    linear("a saved result, again and again", lambda n: small(n), 1500, lambda n: ("SEARCH RETURN (SAVE) ALL",) + ("SEARCH " + "$ " * 20 + "ALL",) * 2, 32)
    linear("messages that another has changed", lambda n: small(n), 1500, lambda n: ("STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\\Deleted)",) * 20, 32)
    linear("items", lambda n: small(1), 200, lambda n: ("FETCH 1 (" + " ".join(f"BODY.PEEK[HEADER.FIELDS (X{k})]" for k in range(n)) + ")",), 32)


def parts_of_compressed():
    """Fetched in parts, as phones do, a compressed message is unpacked once: little more than one that is not compressed."""
    n = 64
    plain = head() + b"\n" + random.Random(1).randbytes(24576).hex().encode() * n
    commands = [f"FETCH 1 BODY.PEEK[]<{49152 * k}.49152>" for k in range(n)]
    times = [min(cost([message], commands)[0] for _ in range(TRIES)) for message in (plain, gzip.compress(plain))]
    tap.ok(times[1] <= 2 * times[0] + 100, f"{n} parts of a compressed message", f"{times[0]:.1f} ms plain, {times[1]:.1f} ms compressed")


def broken_compression():
    """It is tried again for each key, in the same room."""
    s = Session(mailbox([b"\x1f\x8bno member " + bytes(100000)]))
    try:
        s.ask("SELECT INBOX")
        for k in range(20):
            s.ask("SEARCH " + " ".join(f"NOT LARGER {n}" for n in range(50)))
        tap.ok(s.own_memory() < 16 * MEMORY, "keys that ask for a message that cannot be read", f"{s.own_memory():.1f} MiB")
    finally:
        s.end()


def broken_among():
    """What is behind it is not told by a FETCH that fails there; but it is \\Seen now, and another session flagged it: that is told later."""
    mail = mailbox([b"Subject: a\n\nhi\n", b"\x1f\x8bno member " + bytes(1000), b"Subject: c\n\nhi\n"])
    s, other = Session(mail), Session(mail)
    try:
        s.ask("SELECT INBOX")
        s.ask("STORE 1:3 -FLAGS.SILENT (\\Seen)")
        other.ask("SELECT INBOX")
        other.ask("STORE 3 +FLAGS.SILENT (\\Flagged)")
        got = s.ask("FETCH 1:3 BODY[TEXT]", check=False)
        later = s.ask("NOOP")
        tap.ok(b"* 1 FETCH (BODY[TEXT]" in got and b"* 3 FETCH" not in got and b" NO " in got, "a message that cannot be read ends a FETCH", got)
        told = re.search(rb"\* 3 FETCH \(FLAGS \(([^)]*)\)", got + later)
        tap.ok(told and {b"\\Seen", b"\\Flagged"} <= set(told.group(1).split()) and b"* 1 FETCH (FLAGS" not in later, "and the flags of those behind it are told later", got, later)
    finally:
        s.end()
        other.end()


def sliced(n):
    return [head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + b"--b\n\nx\n--b\nContent-Transfer-Encoding: base64\n\n"
            + (b"QUFB" * 19 + b"\n") * (n * 840) + b"--b--\n"]


def overwritten():
    """Who shares a mailbox writes into a message of it, and sets size and time as they were: no literal is shorter than announced."""
    s = Session(mail := mailbox([head() + b"x\n" * 200000]))
    s.ask("SELECT INBOX")
    s.ask("FETCH 1 BODY.PEEK[]<0.65536>")
    path = f"{mail}/cur/{os.listdir(f'{mail}/cur')[0]}"
    before = os.stat(path)
    with open(path, "r+b") as f:
        f.seek(65536)
        f.write(b"y" * (before.st_size - 65536))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    got = s.ask("FETCH 1 BODY.PEEK[]<300000.300000>")
    announced = int(re.search(rb"\{(\d+)\}\r\n", got).group(1))
    rest = got[got.index(b"}\r\n") + 3 + announced:]
    tap.ok(rest.startswith(b")\r\n"), "a message that was overwritten between two parts: the literal is whole", (announced, len(got), rest[:60]))
    s.end()


def writes_in_turn(path, at, *words):
    return subprocess.Popen([sys.executable, "-c", f"import os\nf = os.open({path!r}, os.O_WRONLY)\nwhile True:\n"
                             + "".join(f"    os.pwrite(f, {word!r}, {at})\n" for word in words)])


def written_meanwhile():
    """The same by one who never stops: what is short is told with the length that it has when it is told."""
    lines, one = b"x\n" * 15000, b"xx" * 15000
    message = head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + b"--b\n\n" + lines + b"\n--b\n\n" + b"y\n" * 600000 + b"--b--\n"
    s = Session(mail := mailbox([message]))
    path = f"{mail}/cur/{os.listdir(f'{mail}/cur')[0]}"
    writer = writes_in_turn(path, message.index(lines), one, lines)
    try:
        s.ask("SELECT INBOX")
        wrong, lengths = [], set()
        for _ in range(400):
            got = s.ask("FETCH 1 BODY.PEEK[1]")
            announced = int(re.search(rb"\{(\d+)\}\r\n", got).group(1))
            lengths.add(announced)
            if not got[got.index(b"}\r\n") + 3 + announced:].startswith(b")\r\n"):
                wrong.append(announced)
        tap.ok(not wrong and len(lengths) > 1, "a message that is written to while it is sent: each literal is whole", wrong[:3], len(wrong), len(lengths))
    finally:
        writer.kill()
        writer.wait()
        s.end()


def described_meanwhile():
    """Nor is what is told of its parts longer than there is room."""
    plain, quotes = b"d" * 900, b'"' * 900
    message = head(b"MIME-Version: 1.0\nContent-Description: " + plain + b"\n") + b"\n" + b"y\n" * 600000
    s = Session(f"{(mail := mailbox([message]))}:INDEX=MEMORY")
    path = f"{mail}/cur/{os.listdir(f'{mail}/cur')[0]}"
    writer = writes_in_turn(path, message.index(plain), quotes, plain)
    try:
        s.ask("SELECT INBOX")
        for n in range(3000):
            got = s.ask("FETCH 1 BODY")
            told = re.search(rb' NIL "((?:d|\\")*)" "7bit"', got)
            if not told:
                break
        tap.ok(told, "a part whose description is written to while it is told", n, got[:2000])
    except (EOFError, OSError) as e:
        tap.ok(False, "a part whose description is written to while it is told", e)
    finally:
        writer.kill()
        writer.wait()
        s.end()


def slices():
    """What is fetched in parts is not read from its begin for each of them; and the parts are the whole, in any order."""
    for what in ("BODY.PEEK[]", "BODY.PEEK[2]", "BODY.PEEK[TEXT]"):
        linear(f"{what} in parts", sliced, 40, lambda n: [f"FETCH 1 {what}<{65536 * k}.65536>" for k in range(n)], 32)
    chance = random.Random(9)
    mixed = b"".join(chance.choice((b"\n", b"\r\n", b"a\rb\n", b"x" * 7000 + b"\n", b"nul \0\n", b"some words of it\n", b"\r\r\n")) for _ in range(3000))
    for text in (mixed, b"y" * 300000, b"\r\n" * 200000 + b"z"):
        s = Session(mail := mailbox([head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + b"--b\n\nfirst\n--b\n\n" + text + b"\n--b--\n"] * 2))
        s.ask("SELECT INBOX")
        wrong = []
        for section in ("", "2", "TEXT"):
            whole = literal(s.ask(f"FETCH 1 BODY.PEEK[{section}]"))
            places = [40000 * k for k in range(len(whole) // 40000 + 2)] if len(whole) < 5000000 else [400000 * k for k in range(len(whole) // 400000 + 2)]
            places += [chance.randrange(len(whole)) for _ in range(20)] + [len(whole) - 1, len(whole), len(whole) + 9]
            for at in places:
                n = chance.choice((1, 2, 40000, 400000))
                for message in (1, 2) if chance.random() < 0.2 else (1,):
                    if literal(s.ask(f"FETCH {message} BODY.PEEK[{section}]<{at}.{n}>")) != whole[at:at + n]:
                        wrong.append((section, at, n, message))
        tap.ok(not wrong, f"parts of {len(text)} bytes of odd lines are what the whole has there", *wrong[:5])
        s.end()
        shutil.rmtree(mail)


def literal(got):
    m = re.search(rb"\{(\d+)\}\r\n", got)
    return got[m.end():m.end() + int(m.group(1))]


def names():
    """LIST of many mailboxes, each asked whether there is something below."""
    def ms(n):
        mail = mailbox([])
        with open(f"{mail}/subscriptions", "w") as f:
            f.write("".join(f"a{k % 7}.b{k}\n" for k in range(n)))
        s = Session(mail)
        got = s.ask('LIST (SUBSCRIBED RECURSIVEMATCH) "" (*) RETURN (CHILDREN)')
        s.end()
        shutil.rmtree(mail)
        return s.ms if got.count(b"\\Subscribed") == n else float("inf")
    small, large = min(ms(3000) for _ in range(TRIES)), min(ms(12000) for _ in range(TRIES))
    tap.ok(large <= GROWTH * small + SLACK_MS, "LIST: 3000 and 12000 names", f"{small:.1f} ms and {large:.1f} ms")


def large_message():
    part = b"--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n" + b"QUFB" * 19 + b"\n" * 1
    mail = mailbox([head(b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n") + part + (b"QUFB" * 19 + b"\n") * 680000 + b"--b--\n"])
    s = Session(mail)
    s.ask("SELECT INBOX")
    for item in ("BODY.PEEK[]", "BODY.PEEK[1]", "BODYSTRUCTURE", "BODY.PEEK[]<50000000.10>"):
        got = s.ask(f"FETCH 1 ({item})")
        tap.ok(len(got) > (50 << 20 if item in ("BODY.PEEK[]", "BODY.PEEK[1]") else 10) and s.own_memory() < 24 * MEMORY,
               f"{item} of a message of 52 MB streams", f"{len(got)} bytes, {s.own_memory():.1f} MiB")
    size = 30 << 20
    s.p.stdin.write(b"x APPEND INBOX {%d+}\r\n" % size)
    most = 0
    for k in range(30):
        s.p.stdin.write((b"y" * 1023 + b"\n") * 1024)
        s.p.stdin.flush()
        most = max(most, s.own_memory())
    s.p.stdin.write(b"\r\n")
    s.p.stdin.flush()
    line = b""
    while not line.startswith(b"x "):
        line = s.p.stdout.readline()
    tap.ok(line.startswith(b"x OK") and most < 24 * MEMORY, "APPEND of 30 MB streams to the disk", line, f"{most:.1f} MiB")
    s.end()
    shutil.rmtree(mail)


def odd_files():
    mail = mailbox([b"Subject: one\n\nx\n", b"Subject: two\n\nx\n"])
    for d in ("cur", "new"):
        for k in range(300):
            os.mkfifo(f"{mail}/{d}/17{k:08}.fifo:2,")
            os.symlink("/etc/passwd", f"{mail}/{d}/18{k:08}.link:2,S")
        os.mkdir(f"{mail}/{d}/1900000000.directory:2,")
        with socket.socket(socket.AF_UNIX) as u:
            u.bind(f"{mail}/{d}/1900000001.socket")
        if os.getuid() == 0:
            os.mknod(f"{mail}/{d}/1900000002.zero:2,", 0o666 | 0o020000, os.makedev(1, 5))
    os.symlink("/etc", f"{mail}/.Etc")
    for name in ("subscriptions", "maildirsize", "dovecot-acl", "postern.index", "postern-modseq"):
        os.mkfifo(f"{mail}/{name}")
    s = Session(mail)
    told = s.ask("SELECT INBOX")
    s.ask('LIST "" *')
    s.ask('LSUB "" *', check=False)
    bodies = s.ask("FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[])")
    found = s.ask("SEARCH TEXT root")
    tap.ok(b"* 2 EXISTS" in told and b"root:" not in bodies and b"SEARCH\r\n" in found,
           "of FIFOs, links, sockets, directories and devices only the two messages are seen", told, bodies[:300])
    s.ask("SELECT Etc", check=False)
    s.ask("STORE 1:* +FLAGS (\\Deleted)", check=False)
    tap.ok(b"NO" in s.ask("STATUS Etc (MESSAGES)", check=False), "a link to a directory is no mailbox")
    os.mkfifo(f"{mail}/dovecot-keywords")
    tap.ok(b"x NO" in s.ask("SELECT INBOX", check=False) and b"x OK" in s.ask("NOOP"), "names of keywords in a FIFO: refused, and the session goes on")
    s.end()
    shutil.rmtree(mail)


def before_login():
    imap, pop = free_port(), free_port()
    master = f"127.0.0.1:{imap} inet n - n - - imap-login\n127.0.0.1:{pop} inet n - n - - pop3-login\n"
    with Instance(master=master) as i:
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\n"
                    "mail_max_userip_connections = 0\nlogin_penalty = 0s\n", master)
        open(f"{i.dir}/users", "w").close()
        if i.start().returncode:
            tap.ok(False, "the system starts", i.log())
            return
        for name, port, words in (("imap-login", imap, (b"a" * 300000, b"x LOGIN {60000}\r\n" + b"z" * 59000, b"x LOGIN {1000000+}\r\n" + b"y" * 300000,
                                                        b"x ID (" + b'"a" "b" ' * 40000, b"x AUTHENTICATE PLAIN\r\n" + b"A" * 300000)),
                                  ("pop3-login", pop, (b"a" * 300000, b"AUTH PLAIN\r\n" + b"A" * 300000, b"USER " + b"b" * 300000))):
            crowd(i, name, port, words)


def pss(pids):
    return sum(int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{p}/smaps_rollup").read(), re.M).group(1)) for p in pids)


def crowd(i, name, port, words, n=60):
    for w in words:
        first = socket.create_connection(("127.0.0.1", port), timeout=20)
        first.recv(1000)
        wait_for(lambda: i.named(name))
        before, clients = pss(i.named(name)), []
        for _ in range(n):
            c = socket.create_connection(("127.0.0.1", port), timeout=20)
            c.recv(1000)
            clients.append(c)
        for c in clients:
            c.setblocking(False)
        left = {c: w for c in clients}
        quiet = 0
        while left and quiet < 10:           # until the server takes no more, or has hung up
            sent = 0
            for c in list(left):
                try:
                    k = c.send(left[c][:65536])
                    sent += k
                    left[c] = left[c][k:]
                    if not left[c]:
                        del left[c]
                except BlockingIOError:
                    pass
                except OSError:
                    del left[c]
            quiet = 0 if sent else quiet + 1
            if not sent:
                wait_for(lambda: False, 0.02)
        each = (pss(i.named(name)) - before) / n
        tap.ok(each <= 64 * MEMORY, f"{name}: {w[:24]!r}... holds at most 64 KiB for a connection", f"{each:.1f} KiB")
        for c in clients + [first]:
            c.close()


def main():
    try:
        for work in (hostile_mail, hostile_commands, overwritten, written_meanwhile, described_meanwhile, slices, names, parts_of_compressed, broken_compression, broken_among, large_message, odd_files, before_login):
            if len(sys.argv) < 2 or work.__name__ in sys.argv[1:]:
                work()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    tap.end()


main()
