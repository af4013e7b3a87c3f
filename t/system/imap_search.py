#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_search.py - SEARCH with an index finds what SEARCH without one finds, whatever happens meanwhile

    imap_search.py [SECONDS [SEED]]

One session has an index, another (search_index=0) reads every message; both get the same random queries, while a third
appends, expunges and renames, index files are removed, cut short and scribbled on, and sessions end and begin.  TAP."""
import glob, os, random, re, shutil, subprocess, sys, tempfile, time

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SERVER = os.path.join(BUILD, "t/system/imapd_stdio")
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 8
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10 ** 6)
ROOT = tempfile.mkdtemp(prefix="imap_search_")
os.environ["IMAPD_STDIO_SANDBOX"] = "1"
rng = random.Random(SEED)
count = 0


def ok(true, title, *why):
    global count
    count += 1
    print(f"{'ok' if true else 'not ok'} {count} - {title}" + ("" if true else f"\n# seed {SEED} " + " ".join(map(str, why))[:2000].replace("\n", " ")), flush=True)
    return true


class Session:
    def __init__(self, mail, *more, box="INBOX"):
        self.p = subprocess.Popen([SERVER, "maildir:" + mail, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.n = 0
        self.p.stdout.readline()
        if box:
            self.ok(f"SELECT {box}")

    def ask(self, *pieces):
        """Pieces: str as it is, bytes as a literal."""
        self.n += 1
        out = b"t%d " % self.n + b"".join(p.encode() if isinstance(p, str) else b"{%d+}\r\n" % len(p) + p for p in pieces) + b"\r\n"
        self.p.stdin.write(out)
        self.p.stdin.flush()
        lines = []
        while True:
            line = self.p.stdout.readline()
            if not line.endswith(b"\n"):
                raise EOFError(f"server is gone after {pieces}")
            m = re.search(rb"\{(\d+)\}\r\n$", line)
            while m:
                line += self.p.stdout.read(int(m.group(1))) + self.p.stdout.readline()
                m = re.search(rb"\{(\d+)\}\r\n$", line[-20:])
            if line.startswith(b"t%d " % self.n):
                return lines, line.decode("latin-1")
            lines.append(line.decode("latin-1"))

    def ok(self, *pieces):
        lines, last = self.ask(*pieces)
        if " OK" not in last[:8]:
            raise AssertionError((pieces, last))
        return lines

    def found(self, *pieces):
        lines = self.ok("UID SEARCH CHARSET UTF-8 ", *pieces)
        return next(line for line in lines if line.startswith("* SEARCH")).split()[2:]

    def scored(self, *pieces):
        """UIDs and how well they match (RFC 6203)."""
        lines = self.ok("UID SEARCH RETURN (ALL RELEVANCY) CHARSET UTF-8 FUZZY ALL ", *pieces)
        return next(line for line in lines if line.startswith("* ESEARCH")).split(")", 1)[1].split()

    def end(self):
        try:
            self.ask("LOGOUT")
        except EOFError:
            pass
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()


VOCABULARY = ["alpha", "Beta", "GAMMA", "stra\u00dfe", "\u00c9t\u00e9", "\u03a3\u03b1\u03c2", "delta-ray", "user@example.net", "x.y.z", "don't",
              "\u65e5\u672c\u8a9e\u306e\u6587", "a+b", "under_score", "42", "quarter", "<tag>", "&amp;", "one", "two", "three", "four", "five", "\ud55c\uad6d"]


def words(n):
    return " ".join(rng.choice(VOCABULARY) + rng.choice(["", "", ",", ".", ":"]) for _ in range(n)) if n else ""


def message(k):
    import base64, quopri
    body = "\n".join(words(rng.randint(0, 8)) for _ in range(rng.randint(0, 6))) + f"\nunique{k}\n"
    head = f"From: \"{rng.choice(['Ann', 'Bob', 'Zo'])}\" <{rng.choice('abc')}@example.{rng.choice(['net', 'org'])}>\nTo: list{rng.randint(1, 4)}@example.com\nSubject: {words(rng.randint(0, 4))}\nMIME-Version: 1.0\n"
    kind = rng.randrange(5)
    if kind == 0:
        text = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{quopri.encodestring(body.encode()).decode()}"
    elif kind == 1:
        text = f"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{base64.encodebytes(('<p>' + body.replace('one', 'o<b>n</b>e') + '</p>').encode()).decode()}"
    elif kind == 2:
        text = f"Content-Type: multipart/mixed; boundary=b{k}\n\n--b{k}\nContent-Type: text/plain; charset=utf-8\n\n{body}\n--b{k}\nContent-Type: message/rfc822\n\nSubject: inner {words(2)}\n\n{words(3)}\n--b{k}\nContent-Type: image/png; name=pic{k}.png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b{k}--\n"
    else:
        text = f"Content-Type: text/plain; charset=utf-8\n\n{body}"
    return (head + text).replace("\n", "\r\n").encode()


def needle():
    one = rng.choice(VOCABULARY)
    kind = rng.randrange(8)
    if kind == 0:
        return one[rng.randrange(len(one)):] or one
    if kind == 1:
        return words(rng.randint(2, 3))
    if kind == 2:
        return one.swapcase()
    if kind == 3:
        return f"unique{rng.randint(1, 300)}"
    if kind == 4:
        return rng.choice([" ", ".", "e", "\r\n", "subject: ", "text/plain", "png", "boundary", "nowhere", "@example.", "inner", "ONE\r\ntwo"])
    if kind == 5:
        return one[:rng.randint(1, len(one))] + rng.choice(["", " ", ", "])
    return one


def typo(word):
    at = rng.randrange(len(word))
    return rng.choice([word[:at] + word[at + 1:], word[:at] + rng.choice("ABexy\u00e9") + word[at:], word[:at] + "z" + word[at + 1:],
                       word[:at] + word[at:at + 2][::-1] + word[at + 2:], word + "s", word[:at + 1]]) or word


def key(depth=0):
    if rng.random() < 0.2:
        kind = rng.choice(["TEXT", "BODY", "SUBJECT", "FROM", "HEADER Content-Type"])
        return [f"FUZZY {kind} ", " ".join(typo(rng.choice(VOCABULARY)) for _ in range(rng.choice([1, 1, 2]))).encode()]
    kind = rng.randrange(12 if depth < 2 else 7)
    if kind == 11:
        return ["FUZZY ", *key(depth + 1)]
    if kind < 3:
        return ["TEXT ", needle().encode()]
    if kind == 3:
        return ["BODY ", needle().encode()]
    if kind < 6:
        return [rng.choice(["FROM ", "TO ", "CC ", "SUBJECT "]), needle().encode()]
    if kind == 6:
        return [f"HEADER {rng.choice(['From', 'Content-Type', 'X-None', 'Subject'])} ", rng.choice([needle().encode(), b""])]
    if kind == 7:
        return ["NOT ", *key(depth + 1)]
    if kind == 8:
        return ["OR ", *key(depth + 1), " ", *key(depth + 1)]
    return ["(", *key(depth + 1), " ", *key(depth + 1), ")"]


def files(mail):
    return [f for f in glob.glob(f"{mail}/postern.search.*") if re.search(r"[0-9a-f]{8}-[0-9a-f]{8}$", f)]


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


def append(s, k, box="INBOX"):
    s.ok(f"APPEND {box} ", message(k))


def by_itself():
    """A search that had to read makes the index while the session waits; the next one reads no file."""
    mail = ROOT + "/itself"
    s = Session(mail)
    for k in range(60):
        append(s, k)
    s.ok("NOOP")
    first = s.found("TEXT ", b"unique7")
    ok(until(lambda: files(mail)), "after a SEARCH that read everything the session makes an index while it waits")
    hidden = glob.glob(f"{mail}/cur/*") + glob.glob(f"{mail}/new/*")
    for f in hidden:
        os.chmod(f, 0)
    trusting = os.getuid() != 0            # root reads them all the same
    if trusting:
        ok(s.found("TEXT ", b"nique7") == first, "and then a word is found without a look into the messages", first)
    for f in hidden:
        os.chmod(f, 0o600)
    before = set(files(mail))
    for k in range(60, 70):
        append(s, k)
    s.ok("NOOP")
    ok(s.found("TEXT ", b"unique65") == ["66"] and set(files(mail)) == before, "what came since is found, too")
    for k in range(70, 100):
        append(s, k)
    s.p.stdin.write(b"i IDLE\r\n")
    s.p.stdin.flush()
    ok(until(lambda: any(f.endswith("-00000064") for f in files(mail))), "an index that is there is kept up while the client idles", files(mail))
    s.p.stdin.write(b"DONE\r\n")
    s.p.stdin.flush()
    while not s.p.stdout.readline().startswith(b"i OK"):
        pass
    s.ok("UID STORE 1:60 +FLAGS.SILENT (\\Deleted)")
    s.ok("EXPUNGE")
    s.found("TEXT ", b" ")
    gone = lambda: not any(b"UNIQUE7\n" in open(f, "rb").read() for f in files(mail))
    ok(until(gone), "words of what was deleted leave the index")
    s.end()
    s = Session(mail)
    for f in files(mail):
        os.unlink(f)
    ok(s.found("TEXT ", b"unique99") == ["100"], "without its files all is found as before")
    s.end()
    mail = ROOT + "/none"
    s = Session(mail, "search_index=0")
    for k in range(30):
        append(s, k)
    s.ok("NOOP")
    s.found("TEXT ", b"unique7")
    s.ok("XINDEX INBOX")
    ok(not glob.glob(f"{mail}/postern.search*"), "imap_search_index_limit = 0: no index is made")
    s.end()


def answers_first():
    """Who searches does not wait for the files that his search makes: of 5,000 messages they are five, made one after the other."""
    mail = ROOT + "/first"
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{mail}/{d}")
    for k in range(5000):
        with open(f"{mail}/cur/{k}.x.host:2,S", "w") as f:
            f.write(f"From: a@example.net\nSubject: number {k}\n\n" + f"text{k} alpha beta gamma delta {k % 7}\n" * 20)
    s = Session(mail)
    s.found("BODY ", b"nowhere")
    at_answer = files(mail)                  # small ones are put together meanwhile: their number tells nothing
    ok(until(lambda: files(mail) != at_answer, 60), "the answer comes before the index is made", at_answer)
    s.end()


def elsewhere():
    """INDEX= of mail_location: beside the other index, a mailbox each."""
    mail, index = ROOT + "/else", ROOT + "/else-index"
    os.mkdir(index)
    s = Session(f"{mail}:INDEX={index}")
    s.ok("CREATE Box")
    for box in ("INBOX", "Box"):
        for k in range(25):
            append(s, k, box)
        s.ok(f"XINDEX {box}")
    made = [f for f in os.listdir(index) if re.fullmatch(r"postern\.search\.[0-9a-f]{16}\.[0-9a-f]{8}-[0-9a-f]{8}", f)]
    ok(len(made) == 2 and not glob.glob(f"{mail}/postern.search*"), "INDEX= of mail_location says where it is", made)
    s.ok("NOOP")
    ok(s.found("TEXT ", b"unique24") == ["25"], "and it is asked there")
    lines = s.ok('ESEARCH IN (mailboxes (INBOX Box)) RETURN (COUNT) TEXT unique3')
    ok(len(lines) == 2 and all("COUNT 1" in x for x in lines), "ESEARCH asks the index of each mailbox", lines)
    s.end()


def spoil(mail):
    """What may happen to files of a cache."""
    all_files = files(mail)
    if not all_files:
        return
    f, kind = rng.choice(all_files), rng.randrange(4)
    try:
        if kind == 0:
            os.unlink(f)
        elif kind == 1:                    # another file of that name: what is mapped is never cut
            data = open(f, "rb").read()
            open(f + ".x", "wb").write(data[:rng.randrange(len(data))])
            os.rename(f + ".x", f)
        elif kind == 2:
            data = bytearray(open(f, "rb").read())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            open(f + ".x", "wb").write(data)
            os.rename(f + ".x", f)
        else:
            shutil.copy(f, re.sub(r"[0-9a-f]{8}-[0-9a-f]{8}$", "%08x-%08x" % (rng.randint(1, 50), rng.randint(51, 400)), f))
    except FileNotFoundError:
        pass


def rename(mail):
    names = os.listdir(mail + "/cur")
    for name in rng.sample(names, min(3, len(names))):
        base = name.split(":2,")[0]
        try:
            os.rename(f"{mail}/cur/{name}", f"{mail}/cur/{base}:2,{rng.choice(['', 'S', 'FS', 'R'])}")
        except FileNotFoundError:
            pass


def against_the_scan():
    mail = ROOT + "/both"
    writer = Session(mail)
    for k in range(80):
        append(writer, k)
    made, rounds, hits, trouble = 80, 0, 0, None
    indexed, scanning = Session(mail), Session(mail, "search_index=0")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not trouble:
        rounds += 1
        what = rng.randrange(12)
        if what < 4:
            for _ in range(rng.randint(1, 12)):
                append(writer, made)
                made += 1
        elif what < 6:
            writer.ok("NOOP")
            uids = writer.found("ALL")
            if len(uids) > 60:
                writer.ok(f"UID STORE {','.join(rng.sample(uids, rng.randint(1, 15)))} +FLAGS.SILENT (\\Deleted)")
                writer.ok("EXPUNGE")
        elif what == 6:
            rename(mail)
        elif what == 7:
            spoil(mail)
        elif what == 8:
            writer.ok("XINDEX INBOX")
        elif what == 9:
            indexed.end()
            indexed = Session(mail)
        for _ in range(4):
            indexed.ok("NOOP")
            scanning.ok("NOOP")
            query = key()
            how = Session.scored if rng.random() < 0.4 else Session.found
            a, b = how(indexed, *query), how(scanning, *query)
            hits += len(b) > (how == Session.scored)
            if a != b:
                trouble = (query, "index:", a, "scan:", b)
                break
        if rng.random() < 0.3:
            time.sleep(0.03)               # the sessions work at the index meanwhile
    for s in (indexed, scanning, writer):
        s.end()
    ok(not trouble, f"the index and the scan find the same ({rounds} rounds, {hits} queries with hits, {made} messages)", trouble)
    ok(hits > rounds, "queries find something", hits)


try:
    print(f"# seed {SEED}")
    by_itself()
    answers_first()
    elsewhere()
    against_the_scan()
finally:
    print(f"1..{count}")
    shutil.rmtree(ROOT, ignore_errors=True)
