#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_sort.py - SORT with what the index keeps of an order is SORT without an index, whatever happens meanwhile (RFC 5256)

    imap_sort.py [SECONDS [SEED]]

Two sessions have the index, another (INDEX=MEMORY) none; all get the same random SORTs, while messages come and go between those that
are sorted already, sessions end and begin, and the index is removed.  The subjects' order is worked out here, too.  TAP."""
import os, random, re, shutil, subprocess, sys, tempfile, time, unicodedata

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SERVER = os.path.join(BUILD, "t/system/imapd_stdio")
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 4
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10 ** 6)
ROOT = tempfile.mkdtemp(prefix="imap_sort_")
os.environ["IMAPD_STDIO_SANDBOX"] = "1"
rng = random.Random(SEED)
LONG = "a subject that is longer than what is compared at first, and then it is longer still, and longer "
BASES = [None, "", "Zoo", "zoo", "Äpfel", "apfel", "Apfel", "Ärger und Äpfel", "été", "ete", "ÉTÉ", "Ζεύς", "日本", "8 chars!", "8 chars!!",
         "8 chars", LONG + "a", LONG + "b", LONG + "é", LONG, "x" * 400 + "1", "x" * 400 + "2", "hello  there", "Hello there", "[only]", "-", "~"]
LEADERS = ["", "", "", "Re: ", "[list] ", "Fwd: Re: ", "re: [list] "]
KEYS = ["SUBJECT", "REVERSE SUBJECT", "FROM", "REVERSE FROM", "TO", "CC", "DISPLAYFROM", "DISPLAYTO", "SUBJECT REVERSE DATE", "FROM SUBJECT",
        "REVERSE SUBJECT FROM REVERSE ARRIVAL", "SIZE REVERSE SUBJECT", "SUBJECT SUBJECT", "DATE", "REVERSE DATE"]
count = made = 0


def ok(true, title, *why):
    global count
    count += 1
    print(f"{'ok' if true else 'not ok'} {count} - {title}" + ("" if true else f"\n# seed {SEED} " + " ".join(map(str, why))[:6000].replace("\n", " ")), flush=True)


class Session:
    def __init__(self, mail):
        self.p = subprocess.Popen([SERVER, "maildir:" + mail], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.p.stdout.readline()
        self.ok("SELECT INBOX")

    def ok(self, *pieces):
        """Pieces: str as it is, bytes as a literal."""
        self.p.stdin.write(b"t " + b"".join(p.encode() if isinstance(p, str) else b"{%d+}\r\n" % len(p) + p for p in pieces) + b"\r\n")
        self.p.stdin.flush()
        lines = []
        while True:
            line = self.p.stdout.readline()
            if not line.endswith(b"\n"):
                raise EOFError(f"server is gone after {pieces}")
            if line.startswith(b"t "):
                if not line.startswith(b"t OK"):
                    raise AssertionError((str(pieces)[:300], line))
                return lines
            lines.append(line.decode("latin-1"))

    def sorted(self, keys, program="ALL"):
        lines = self.ok(f"UID SORT ({keys}) UTF-8 {program}")
        return [int(n) for n in next(line for line in lines if line.startswith("* SORT")).split()[2:]]

    def end(self):
        self.p.stdin.close()
        self.p.wait(timeout=30)
        self.p.stdout.close()


def words(text):
    raw = text.encode()
    return "=?utf-8?q?" + "".join(f"={b:02X}" for b in raw) + "?=" if any(b > 126 for b in raw) else text


def address():
    name = rng.choice(["", "Anna ", "anna ", words("Zoë") + " ", '"Böse, B" '.replace("ö", "o")])
    return f"{name}<{rng.choice(['a', 'A', 'b', 'zoe', 'b.c'])}{rng.randrange(6)}@example.{rng.choice(['net', 'org'])}>"


def message(base):
    global made
    made += 1
    lines = [f"Message-ID: <{made}@example.net>"]
    if base is not None:
        lines.append(f"Subject: {rng.choice(LEADERS) if base else ''}{words(base)}")   # "[list]" alone is no leader
    if rng.random() < 0.9:
        lines.append(f"From: {address()}")
    if rng.random() < 0.8:
        lines.append(f"To: {address()}, {address()}")
    if rng.random() < 0.3:
        lines.append(f"Cc: {address()}")
    if rng.random() < 0.9:
        lines.append(f"Date: {rng.randrange(1, 29)} Jan 20{rng.randrange(70):02} 10:00:{rng.randrange(60):02} +0100")
    return ("\r\n".join(lines) + "\r\n\r\n" + "x" * rng.randrange(40) + "\r\n").encode()


def put(session, bases):
    pieces = ["APPEND INBOX"]
    for base in bases:
        pieces += [" ", message(base)]
    session.ok(*pieces)


def folded(base):
    """i;unicode-casemap, as far as the subjects above need it: none of their letters has a titlecase of its own."""
    return unicodedata.normalize("NFD", " ".join((base or "").split()).upper()).encode()


def numbers(session):
    """UID to the number of the message, as `made` counts."""
    found = {}
    for line in session.ok("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
        m = re.search(r"UID (\d+)", line)
        if m:
            uid = int(m.group(1))
        m = re.match(r"Message-ID: <(\d+)@", line)
        if m:
            found[uid] = int(m.group(1))
    return found


def against_none():
    mail = f"{ROOT}/a"
    fresh = lambda i: Session(mail if i < 2 else mail + ":INDEX=MEMORY")
    writer = Session(mail)
    base_of = {}

    def add(bases):
        first = made
        put(writer, bases)
        base_of.update({first + 1 + i: b for i, b in enumerate(bases)})

    for _ in range(12):
        add([rng.choice(BASES) for _ in range(25)])
    sessions = [fresh(i) for i in range(3)]
    trouble, rounds, mine = None, 0, 0
    end = time.monotonic() + SECONDS
    while not trouble and (time.monotonic() < end or rounds < 40 or not mine):
        rounds += 1
        what = rng.randrange(12)
        if what < 4:
            add([rng.choice(BASES) if rng.random() < 0.7 else f"new {rng.randrange(1000)}" for _ in range(rng.choice((1, 1, 2, 5, 30)))])
        elif what == 4:
            writer.ok(f"UID STORE {','.join(str(rng.randrange(1, made + 2)) for _ in range(8))} +FLAGS.SILENT (\\Deleted)")
            writer.ok("EXPUNGE")
        elif what == 5:
            for name in os.listdir(mail):
                if name.startswith("postern.index"):
                    os.unlink(f"{mail}/{name}")
        elif what < 8:
            i = rng.randrange(3)
            sessions[i].end()
            sessions[i] = fresh(i)
        for s in sessions:
            s.ok("NOOP")
        keys = rng.choice(KEYS)
        low = rng.randrange(1, made + 1)
        program = rng.choice(["ALL", "ALL", f"UID {low}:{low + rng.choice((5, 150, 250))}"])
        got = [s.sorted(keys, program) for s in rng.sample(sessions, 3)]
        if got[0] != got[1] or got[0] != got[2]:
            trouble = (keys, program, *got)
        if program == "ALL" and keys in ("SUBJECT", "REVERSE SUBJECT"):
            mine += 1
            known = numbers(sessions[2])
            want = sorted(sorted(known), key=lambda u: folded(base_of[known[u]]), reverse=keys != "SUBJECT")
            if keys != "SUBJECT":          # equals stay as they are in the mailbox
                want = [u for _, u in sorted(((folded(base_of[known[u]]), -u) for u in known), reverse=True)]
                want = [-u for u in want]
            if got[0] != want:
                trouble = (keys, "got", got[0], "wanted", want)
    for s in sessions + [writer]:
        s.end()
    ok(not trouble, f"SORT is the same with the index and without, and that of this test's own ({rounds} rounds, {mine} by itself, {made} messages)", trouble)


def into_one_gap():
    """Each new one between the last two: there is no room left some time, and all are numbered anew."""
    mail = f"{ROOT}/b"
    writer = Session(mail)
    for _ in range(3):
        put(writer, ["gap a", "gap z"] * 20)
    indexed = Session(mail)
    trouble = None
    for i in range(70):
        put(writer, [f"gap k{999 - i}" if i % 2 else f"gap j{i:03}"])
        indexed.ok("NOOP")
        got = indexed.sorted("SUBJECT")
        new = list(range(121, 122 + i))
        middle = new[::2] + new[1::2][::-1]
        want = list(range(1, 120, 2)) + middle + list(range(2, 121, 2))
        if got != want:
            trouble = (i, got, want)
            break
    indexed.end()
    writer.end()
    ok(not trouble, "70 messages, each between the two before it", trouble)


try:
    print(f"# seed {SEED}")
    against_none()
    into_one_gap()
finally:
    print(f"1..{count}")
    shutil.rmtree(ROOT, ignore_errors=True)
