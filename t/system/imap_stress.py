#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_stress.py - several IMAP sessions on one mailbox, every answer checked against a model

    imap_stress.py [SECONDS [SEED [PART]]]      parts 1, 2, 3; all of them without PART

Each session is a thread with a server of its own.  It sends random commands and
keeps what a client may believe: which message has which number, what was told of its flags.
Everything that comes is checked:

  - numbers and UIDs agree; EXPUNGE and VANISHED name what is there; EXISTS never shrinks
  - a UID has one content for ever, and never comes back once it is gone
  - mod-sequences of a message and HIGHESTMODSEQ never go back (RFC 7162)
  - what a session stored and nobody else could change is what it reads back
  - a session that ends and comes back with QRESYNC knows afterwards what a new one is told

Beside them one program delivers into new/ and another renames files in cur/ (as
mutt and procmail do).  Then Dovecot serves the same mailbox at the same time: its
sessions are believed in what they tell, with their UIDs, but not in mod-sequences,
which each server counts by itself.  At the end all sessions must agree with the files, and
every message that was acknowledged and not expunged is there.  Prints TAP.
"""
import glob, os, pwd, random, re, shutil, subprocess, sys, tempfile, threading, time

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SERVER = os.path.join(BUILD, "t/system/imapd_stdio")
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 9
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10 ** 6)
ROOT = tempfile.mkdtemp(prefix="imap_stress_")
MAIL = ROOT + "/Maildir"
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"] + ["$Key%d" % i for i in range(30)]
WITH_LETTERS = FLAGS[:5 + 22]      # Dovecot keeps the 27th keyword to itself
AS_USER = []                       # Dovecot serves nobody's mail as root


class Contradiction(Exception):
    pass


class World:
    """What is true for all sessions, whoever learnt it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.content = {}            # uid -> the id in its subject
        self.uid_of = {}             # and the other way round
        self.acknowledged = {}       # id -> uid, from APPENDUID
        self.deleted = set()         # UIDs that ever got \\Deleted: they may be gone
        self.made = 0
        self.highest = 0

    def new_id(self):
        with self.lock:
            self.made += 1
            return "m%d" % self.made

    def delete(self, uids):
        with self.lock:
            self.deleted.update(numbers(uids))

    def saw(self, uid, ident):
        with self.lock:
            before = self.content.setdefault(uid, ident)
            number = self.uid_of.setdefault(ident, uid)
        if before != ident:
            raise Contradiction(f"UID {uid} was {before} and is {ident}")
        if number != uid:
            raise Contradiction(f"{ident} was UID {number} and is {uid}")


world = World()


class Session:
    def __init__(self, number, rng, theirs=False):
        self.number, self.rng, self.theirs = number, rng, theirs
        self.qresync = not theirs and rng.random() < 0.7
        self.history = []
        self.known = None            # (validity, modseq, {uid: flags}) of an earlier session
        self.start()

    # ---- the wire ----
    def start(self):
        server = [DOVECOT, "-c", ROOT + "/conf"] if self.theirs else [SERVER, "maildir:" + MAIL]
        self.p = subprocess.Popen(AS_USER + server, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        self.f, self.n = self.p.stdout, 0
        self.uids, self.flags, self.modseq = [], {}, {}
        self.gone, self.selected, self.validity, self.highest = set(), False, 0, 0
        self.line()
        if self.qresync:
            self.ok("ENABLE QRESYNC")
        self.select()

    def line(self):
        out = b""
        while True:
            raw = self.f.readline()
            if not raw.endswith(b"\r\n"):
                raise Contradiction("the server is gone: " + repr(raw))
            out += raw[:-2]
            m = re.search(rb"\{(\d+)\}$", out)
            if not m:
                break
            out += b"\r\n" + self.f.read(int(m.group(1)))
        text = out.decode("latin-1")
        self.history = (self.history + ["S " + text[:300]])[-40:]
        return text

    def ask(self, command, literal=None):
        self.n += 1
        tag = "t%d" % self.n
        self.history = (self.history + ["C " + tag + " " + command])[-40:]
        data = (tag + " " + command).encode()
        if literal is not None:
            data += b" {%d+}\r\n" % len(literal) + literal
        self.p.stdin.write(data + b"\r\n")
        self.p.stdin.flush()
        lines, self.told = [], {}
        self.by_number = command.split()[0] in ("FETCH", "STORE", "SEARCH", "SORT")
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                m = re.search(r"\[HIGHESTMODSEQ (\d+)\]", line)
                if m:
                    self.note_highest(int(m.group(1)))
                return lines, line[len(tag) + 1:]
            self.untagged(line)
            lines.append(line)

    def ok(self, command, literal=None):
        lines, answer = self.ask(command, literal)
        if not answer.startswith("OK"):
            raise Contradiction(f"{command}: {answer}")
        return lines, answer

    # ---- the model ----
    def note_highest(self, n):
        if n < self.highest:
            raise Contradiction(f"HIGHESTMODSEQ went from {self.highest} to {n}")
        self.highest = n

    def untagged(self, line):
        m = re.match(r"\* (\d+) EXISTS", line)
        if m and self.selected:
            count = int(m.group(1))
            if count < len(self.uids):
                raise Contradiction(f"EXISTS {count} after {len(self.uids)}")
            self.uids += [None] * (count - len(self.uids))
        m = re.match(r"\* (\d+) EXPUNGE", line)
        if m:
            at = int(m.group(1)) - 1
            if self.by_number or self.qresync or not 0 <= at < len(self.uids):
                raise Contradiction("that EXPUNGE may not come: " + line)
            self.forget(at)
        m = re.match(r"\* VANISHED ([\d:,]+)", line)
        if m:
            if self.by_number or not self.qresync:
                raise Contradiction("that VANISHED may not come: " + line)
            for uid in numbers(m.group(1)):
                self.forget(self.uids.index(uid) if uid in self.uids else self.place_of(uid))
                self.gone.add(uid)
        m = re.match(r"\* OK \[HIGHESTMODSEQ (\d+)\]", line)
        if m:
            self.note_highest(int(m.group(1)))
        m = re.match(r"\* OK \[UIDVALIDITY (\d+)\]", line)
        if m:
            self.validity = int(m.group(1))
        m = re.match(r"\* (\d+) FETCH \((.*)\)$", line, re.S)
        if m:
            self.fetched(int(m.group(1)) - 1, m.group(2))

    def place_of(self, uid):
        """Of a message of which only EXISTS was told: UIDs ascend."""
        low = max([i for i, u in enumerate(self.uids) if u and u < uid], default=-1)
        high = min([i for i, u in enumerate(self.uids) if u and u > uid], default=len(self.uids))
        if low + 1 >= high:
            raise Contradiction(f"{uid} vanished, and was never there")
        return low + 1

    def forget(self, at):
        uid = self.uids.pop(at)
        if uid is not None:
            self.gone.add(uid)
            self.flags.pop(uid, None)

    def fetched(self, at, items):
        if at >= len(self.uids):
            raise Contradiction(f"FETCH {at + 1} of {len(self.uids)}")
        m = re.search(r"\bUID (\d+)", items)
        uid = int(m.group(1)) if m else self.uids[at]
        if m and self.uids[at] not in (None, uid):
            raise Contradiction(f"number {at + 1} was UID {self.uids[at]} and is {uid}")
        if uid is None:
            return
        if uid in self.gone:
            raise Contradiction(f"UID {uid} was expunged, and is back")
        self.uids[at] = uid
        m = re.search(r"FLAGS \((.*?)\)", items)
        if m:
            self.flags[uid] = frozenset(m.group(1).split()) - {"\\Recent"}
            self.told[uid] = self.flags[uid]
        m = re.search(r"MODSEQ \((\d+)\)", items)
        if m:
            if int(m.group(1)) < self.modseq.get(uid, 0):
                raise Contradiction(f"mod-sequence of {uid} went from {self.modseq[uid]} to {m.group(1)}")
            self.modseq[uid] = int(m.group(1))
        m = re.search(r"Subject: (\S+)", items)
        if m:
            world.saw(uid, m.group(1))

    # ---- commands ----
    def select(self):
        self.uids, self.flags, self.selected = [], {}, True
        parameters = ""
        if self.known and self.qresync:
            validity, modseq, flags = self.known
            parameters = f" (QRESYNC ({validity} {modseq}))"
        lines, _ = self.ok_select("SELECT INBOX" + parameters)
        if parameters:
            self.check_resync(lines)
        self.all()

    def ok_select(self, command):
        self.highest = 0
        self.resyncing = True
        self.n += 1
        tag = "t%d" % self.n
        self.history = (self.history + ["C " + tag + " " + command])[-40:]
        self.p.stdin.write((tag + " " + command + "\r\n").encode())
        self.p.stdin.flush()
        lines, self.told, self.by_number = [], {}, False
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                if " OK " not in line:
                    raise Contradiction(line)
                return lines, line
            if not line.startswith("* VANISHED (EARLIER)"):
                self.untagged(line)
            lines.append(line)

    def check_resync(self, lines):
        """What was known, with what SELECT told, must be what a FETCH of all tells."""
        validity, modseq, flags = self.known
        if validity != self.validity:
            raise Contradiction("UIDVALIDITY changed")
        if self.highest < modseq:
            raise Contradiction(f"HIGHESTMODSEQ {self.highest} after {modseq}")
        believed = dict(flags)
        for line in lines:
            m = re.match(r"\* VANISHED \(EARLIER\) ([\d:,]+)", line)
            if m:
                gone = ranges(m.group(1))
                for uid in [u for u in believed if any(a <= u <= b for a, b in gone)]:
                    del believed[uid]
        believed.update(self.told)
        at_select = self.highest
        self.all()
        for uid, told in believed.items():
            now = self.flags.get(uid)
            if now is None and uid not in self.gone and uid in self.uids:
                raise Contradiction(f"{uid} has no flags")
            if now is None:
                if self.still(uid, at_select):
                    raise Contradiction(f"QRESYNC did not tell that {uid} vanished")
            elif now != told and self.modseq.get(uid, 0) <= at_select:
                raise Contradiction(f"QRESYNC: {uid} is believed {set(told)} and is {set(now)} since "
                                    f"{self.modseq.get(uid)} (asked since {modseq}, told {at_select})")
        for uid in self.uids:
            if uid not in believed and self.modseq.get(uid, 0) <= at_select and uid in flags:
                raise Contradiction(f"QRESYNC: {uid} was told gone and is there")

    def still(self, uid, since):
        """Gone between SELECT and FETCH is no contradiction: VANISHED told it then."""
        return uid not in self.gone

    def all(self):
        if not self.uids:
            return
        self.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]%s)" % (" MODSEQ" if self.qresync else ""))

    def some(self):
        a, b = sorted(self.rng.randint(1, len(self.uids)) for _ in range(2))
        return f"{a}:{min(b, a + 10)}"

    def some_uids(self):
        known = [u for u in self.uids if u]
        return ",".join(str(u) for u in sorted(self.rng.sample(known, min(len(known), self.rng.randint(1, 5)))))

    def step(self):
        choice = self.rng.random()
        if choice < 0.14 or len(self.uids) < 3:
            ident = world.new_id()
            flags = self.rng.sample([f for f in flags_in_use if f != "\\Deleted"], self.rng.randint(0, 3))
            _, answer = self.ok("APPEND INBOX (%s)" % " ".join(flags), b"Subject: %s\r\n\r\nbody of %s\r\n"
                                % (ident.encode(), ident.encode()))
            uid = int(re.search(r"APPENDUID \d+ (\d+)", answer).group(1))
            world.saw(uid, ident)
            with world.lock:
                world.acknowledged[ident] = uid
        elif choice < 0.30:
            self.ask(f"FETCH {self.some()} (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        elif choice < 0.36:
            self.ask(f"FETCH {self.some()} (UID BODY.PEEK[] RFC822.SIZE ENVELOPE)")
        elif choice < 0.60 and any(self.uids):
            sign = self.rng.choice(["+", "-", ""])
            flags = self.rng.sample(flags_in_use, self.rng.randint(1, 3))
            silent = self.rng.choice(["", ".SILENT"])
            condition = f" (UNCHANGEDSINCE {self.highest})" if self.qresync and self.rng.random() < 0.3 else ""
            self.stored(self.some_uids(), condition, sign, silent, flags)
        elif choice < 0.66 and any(self.uids):
            uids = self.some_uids()
            world.delete(uids)
            self.ask(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
            self.ok("UID EXPUNGE " + uids)
        elif choice < 0.69:
            self.ok("EXPUNGE")
        elif choice < 0.72 and any(self.uids):
            self.ask(f"UID COPY {self.some_uids()} Other")
        elif choice < 0.80:
            lines, _ = self.ask("SEARCH " + self.rng.choice(["SEEN", "UNSEEN", "KEYWORD $Key29", "SUBJECT m1", "ALL"]))
            found = [int(x) for l in lines if l.startswith("* SEARCH") for x in l.split()[2:] if x.isdigit()]
            if any(n > len(self.uids) for n in found):
                raise Contradiction(f"SEARCH found {max(found)} of {len(self.uids)}")
        elif choice < 0.90:
            self.ok("NOOP")
        elif choice < 0.93:
            self.all()
            self.check_all_known()
        elif choice < 0.96 and self.qresync:
            since = self.rng.choice(list(self.modseq.values()) or [1])
            self.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")
        else:
            self.again()

    def stored(self, uids, condition, sign, silent, flags):
        if "\\Deleted" in flags:
            world.delete(uids)
        _, answer = self.ask(f"UID STORE {uids}{condition} {sign}FLAGS{silent} ({' '.join(flags)})")
        if not answer.startswith("OK"):
            raise Contradiction("STORE: " + answer)
        if silent or condition:
            for uid in numbers(uids):
                self.flags.pop(uid, None)
            if silent:
                self.all()
            return
        for uid in numbers(uids):
            now = self.flags.get(uid)
            if now is None or uid not in self.told or uid not in self.uids:
                continue

    def check_all_known(self):
        known = [u for u in self.uids if u]
        if known != sorted(set(known)):
            raise Contradiction("UIDs do not ascend")

    def again(self):
        """The session ends, in the middle of things or politely, and comes back."""
        if self.qresync:
            self.all()
            self.ok("NOOP")
            if None not in self.uids and all(u in self.flags for u in self.uids):
                self.known = (self.validity, self.highest, dict(self.flags))
        if self.rng.random() < 0.5:
            self.ask("LOGOUT")
        else:
            self.p.kill()
        self.p.stdin.close()
        self.p.wait()
        self.start()

    def end(self):
        self.ok("NOOP")
        self.uids, self.flags = [], {}
        self.selected = True
        self.known = None
        self.select()
        state = {u: self.flags[u] for u in self.uids}
        self.ask("LOGOUT")
        self.p.stdin.close()
        self.p.wait()
        return state


def ranges(text):
    return [(int(a), int(b or a)) for a, _, b in (p.partition(":") for p in text.split(","))]


def numbers(text):
    return [n for a, b in ranges(text) for n in range(a, b + 1)]


faults = []
over = threading.Event()
counts = {}


def work(number, theirs):
    rng = random.Random(SEED * 100 + number)
    s = None
    try:
        s = Session(number, rng, theirs)
        while not over.is_set():
            s.step()
            counts[number] = counts.get(number, 0) + 1
        states[number] = s
    except Exception as e:
        over.set()
        faults.append(f"session {number}{' (QRESYNC)' if s and s.qresync else ''}{' of Dovecot' if theirs else ''}: {type(e).__name__}: {e}\n"
                      + "\n".join(s.history[-20:] if s else []))


def deliver():
    """As procmail: a file in tmp, linked into new."""
    n = 0
    while not over.wait(0.02):
        n += 1
        ident = world.new_id()
        name = f"{int(time.time())}.P{os.getpid()}N{n}.deliverer"
        with open(f"{MAIL}/tmp/{name}", "w") as f:
            f.write(f"Subject: {ident}\n\nbody of {ident}\n")
        os.rename(f"{MAIL}/tmp/{name}", f"{MAIL}/new/{name}")
        delivered.append(ident)


def rename():
    """As mutt: flags of files in cur change under everybody's hands."""
    rng = random.Random(SEED)
    while not over.wait(0.05):
        files = os.listdir(MAIL + "/cur")
        if not files:
            continue
        name = rng.choice(files)
        base, _, flags = name.partition(":2,")
        letters, comma, foreign = flags.partition(",")
        letters = "".join(sorted(set(letters) ^ {rng.choice("FRS")}))
        try:
            os.rename(f"{MAIL}/cur/{name}", f"{MAIL}/cur/{base}:2,{letters}{comma}{foreign}")
        except OSError:
            pass


def run_lda():
    """As an MTA with Dovecot's delivery agent."""
    while not over.wait(0.05):
        ident = world.new_id()
        r = subprocess.run(AS_USER + [DOVECOT.replace("/imap", "/dovecot-lda"), "-c", ROOT + "/conf"], capture_output=True,
                           input=f"Subject: {ident}\n\nbody of {ident}\n".encode())
        if r.returncode == 0:
            delivered.append(ident)


states, delivered, flags_in_use = {}, [], FLAGS


def run(title, outside, theirs=0):
    global flags_in_use
    flags_in_use = WITH_LETTERS if theirs else FLAGS
    over.clear()
    faults.clear()
    states.clear()
    threads = [threading.Thread(target=work, args=(i, i < theirs)) for i in range(3 + (theirs > 0))]
    threads += [threading.Thread(target=f) for f in outside]
    for t in threads:
        t.start()
    over.wait(SECONDS / 3)
    over.set()
    for t in threads:
        t.join()
    ends = []
    if not faults:
        try:
            ends = [s.end() for s in states.values()]
        except Exception as e:
            faults.append(f"at the end: {type(e).__name__}: {e}")
    for e in ends:
        differ = [u for u in sorted(set(e) | set(ends[0])) if e.get(u) != ends[0].get(u)]
        if differ and not faults:
            faults.append("sessions do not agree at the end: " + "; ".join(f"{u} {[x.get(u) for x in ends]}" for u in differ[:3]))
    if not faults:
        files = {re.search(r"Subject: (\S+)", open(p).read()).group(1) for p in glob.glob(MAIL + "/cur/*") + glob.glob(MAIL + "/new/*")}
        lost = [i for i, uid in world.acknowledged.items() if i not in files and uid not in world.deleted]
        unseen = [i for i in delivered if i not in files and i not in world.uid_of]     # expunged before anybody read it
        lost += [i for i in delivered if i not in files and i in world.uid_of and world.uid_of[i] not in world.deleted]
        if len(unseen) > len(world.deleted - set(world.content)):
            lost += unseen
        if lost:
            faults.append(f"lost: {lost[:5]}")
        if len(ends[0]) != len(files):
            faults.append(f"{len(ends[0])} messages told, {len(files)} files")
    global n
    n += 1
    print(f"{'not ok' if faults else 'ok'} {n} - {title}: {sum(counts.values())} commands (seed {SEED})")
    if faults and theirs:
        with open(ROOT + "/log") as f:
            print("# " + "# ".join([line for line in f if "Warning" in line or "Error" in line][-10:]))
    for f in faults[:2]:
        print("# " + f.replace("\n", "\n# "))
    return not faults


def with_dovecot():
    if not DOVECOT:
        print(f"ok {n + 1} # SKIP Dovecot's imap is not installed")
        return True
    fresh()
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        AS_USER[:] = ["setpriv", "--reuid", "nobody", "--regid", str(nobody.pw_gid), "--clear-groups", "env", "USER=nobody", "HOME=" + ROOT]
        os.umask(0)
        subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", ROOT], check=True)
    with open(ROOT + "/conf", "w") as f:
        f.write(f"protocols = imap\nssl = no\nlog_path = {ROOT}/log\nmail_location = maildir:{MAIL}\nfirst_valid_uid = 1\n"
                "lda_mailbox_autocreate = yes\npostmaster_address = postmaster@example.net\n")
    return run("and Dovecot at the same time: two sessions of each, and its delivery agent", [run_lda] + ([rename] if os.environ.get("RENAME") else []), 2)


def fresh():
    global world
    world = World()
    delivered.clear()
    shutil.rmtree(MAIL, ignore_errors=True)
    for folder in ("", "/.Other"):
        for d in ("cur", "new", "tmp"):
            os.makedirs(f"{MAIL}{folder}/{d}")


n, good = 0, True
PARTS = [lambda: run("three sessions on one mailbox", []),
         lambda: run("and a deliverer, and a program that renames", [deliver, rename]),
         with_dovecot]
chosen = [PARTS[int(sys.argv[3]) - 1]] if len(sys.argv) > 3 else PARTS
SECONDS *= 3 / len(chosen)
fresh()
for part in chosen:
    good &= part()
print(f"1..{len(chosen)}")
shutil.rmtree(ROOT, ignore_errors=True)
sys.exit(0 if good else 1)
