#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267): results that are kept up to date, with NOTIFY (RFC 5465, 7) and without.
A model keeps each result list by ADDTO and REMOVEFROM alone and is compared with a new search.  Prints TAP."""
import os, random, re, signal, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import imap_test
from imap_test import Client, MAIL, fresh, has, hasnt, is_last, main, path, results, test

results.clear()
SEED = int(os.environ.get("SEED", random.randrange(10**6)))


def pair(*args):
    loc = fresh()
    return Client(loc, *args), Client(loc, *args)


def mail(subject, size=0):
    return "From: a@example.net\r\nSubject: %s\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\n%s\r\n" % (subject, "x" * size)


def expand(text):
    out = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        step = 1 if not high or int(high) >= int(low) else -1
        out += range(int(low), int(high or low) + step, step)
    return out


class Model:
    """A result list as RFC 5267, 4.3.3 and 4.3.4 let a client keep it."""

    def __init__(self, tag, results, uid, ordered):
        self.tag, self.list, self.uid, self.ordered = tag, list(results), uid, ordered

    def hear(self, line):
        m = re.match(r'\* ESEARCH \(TAG "%s"\)( UID)?(.*)$' % self.tag, line)
        if m and ("ADDTO" in line or "REMOVEFROM" in line):
            assert bool(m.group(1)) == self.uid, line
            for item, pairs in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]*)\)", m.group(2)):
                words = pairs.split()
                for position, numbers in zip(words[::2], words[1::2]):
                    self.change(item, int(position), expand(numbers), line)
        m = re.match(r"\* (\d+) EXPUNGE", line)
        if m and not self.uid:
            gone = int(m.group(1))
            assert gone not in self.list, "expunged before REMOVEFROM"
            self.list = [n - (n > gone) for n in self.list]

    def change(self, item, position, numbers, line):
        assert bool(position) == self.ordered, line
        for n in numbers:
            assert (n in self.list) == (item == "REMOVEFROM"), (line, self.list)
        if item == "ADDTO" and position:
            assert position <= len(self.list) + 1, line
            self.list[position - 1:position - 1] = numbers
        elif item == "ADDTO":
            self.list = sorted(self.list + numbers)
        elif position:
            assert self.list[position - 1:position - 1 + len(numbers)] == numbers, (line, self.list)
            del self.list[position - 1:position - 1 + len(numbers)]
        else:
            self.list = [n for n in self.list if n not in numbers]


def found(lines):
    for line in lines:
        m = re.match(r"\* ESEARCH \(TAG \"[^\"]*\"\)(?: UID)?(?: ALL (\S+))?", line)
        if m and "ADDTO" not in line and "REMOVEFROM" not in line:
            return expand(m.group(1)) if m.group(1) else []
    raise AssertionError(lines)


@test
def announced():
    c, b = pair()
    has(c.ok("CAPABILITY"), r"CONTEXT=SEARCH CONTEXT=SORT")
    is_last(c.ask('CANCELUPDATE "x"'), "BAD ")     # nothing is selected
    c.close(), b.close()


@test
def search():
    c, b = pair()
    for i in range(4):
        b.append("INBOX", mail("s%d" % i))
    c.ok("SELECT INBOX"), b.ok("SELECT INBOX")
    c.send("A SEARCH RETURN (UPDATE COUNT CONTEXT) UNDELETED\r\n")
    has(c.until_tag("A"), r'^\* ESEARCH \(TAG "A"\) COUNT 4$')
    c.send("B UID SEARCH RETURN (UPDATE ALL) FLAGGED SUBJECT s\r\n")
    has(c.until_tag("B"), r'^\* ESEARCH \(TAG "B"\) UID$')
    for reuse in ["B SEARCH RETURN (UPDATE) ALL", "A SORT RETURN (UPDATE) (DATE) UTF-8 ALL"]:
        c.send(reuse + "\r\n")
        is_last(c.until_tag(reuse[0]), reuse[0] + " BAD ")
    b.ok(r"STORE 1,3 +FLAGS (\Deleted)")
    b.ok(r"STORE 2:3 +FLAGS (\Flagged)")
    lines = c.ok("NOOP")
    has(lines, r'^\* ESEARCH \(TAG "A"\) REMOVEFROM \(0 1,3\)$')
    has(lines, r'^\* ESEARCH \(TAG "B"\) UID ADDTO \(0 2:3\)$')
    # RFC 5465, 5.1: the FETCH that is the cause comes first
    assert [l.split()[1] for l in lines].index("ESEARCH") == 3, lines
    # its own STORE changes results too
    has(c.ok(r"STORE 1 -FLAGS.SILENT (\Deleted)"), r'^\* ESEARCH \(TAG "A"\) ADDTO \(0 1\)$')
    # 4.3.4: before the EXPUNGE, where numbers are valid; at once also where EXPUNGE must wait (A.3)
    b.ok("NOOP")
    b.ok(r"STORE 2 +FLAGS (\Deleted)")
    c.ok("NOOP")
    b.ok("EXPUNGE")
    lines = c.ok("FETCH 1 (UID)")
    has(lines, r'^\* ESEARCH \(TAG "B"\) UID REMOVEFROM \(0 2:3\)$')
    hasnt(lines, "EXPUNGE")
    has(c.ok("NOOP"), r"^\* 2 EXPUNGE")
    # new ones: EXISTS, then ADDTO
    b.append("INBOX", mail("s9"), r" (\Flagged)")
    lines = c.ok("NOOP")
    kinds = [l.split()[2] if l.split()[1].isdigit() else l.split()[1] for l in lines[:-1]]
    assert kinds.index("EXISTS") < kinds.index("ESEARCH"), lines
    has(lines, r'^\* ESEARCH \(TAG "A"\) ADDTO \(0 3\)$')
    has(lines, r'^\* ESEARCH \(TAG "B"\) UID ADDTO \(0 5\)$')
    # 4.3.5
    is_last(c.ask("CANCELUPDATE"), "BAD ")
    is_last(c.ask('CANCELUPDATE "A" "nosuch"'), "BAD ")
    c.ok('CANCELUPDATE "A"')
    b.ok("NOOP")
    b.ok(r"STORE 1:* +FLAGS (\Deleted)")
    hasnt(c.ok("NOOP"), "ESEARCH")
    # another mailbox ends them; the tag is free again
    c.ok("SELECT INBOX")
    b.ok(r"STORE 1:* -FLAGS (\Flagged)")
    hasnt(c.ok("NOOP"), "ESEARCH")
    c.send("B UID SEARCH RETURN (UPDATE) ALL\r\n")
    is_last(c.until_tag("B"), "B OK")
    c.close(), b.close()


@test
def numbers_are_those_of_the_command():
    c, b = pair()
    for i in range(4):
        b.append("INBOX", mail("s"))
    c.ok("SELECT INBOX"), b.ok("SELECT INBOX")
    c.ok("UID SEARCH RETURN (SAVE) UID 4")
    c.send("A UID SEARCH RETURN (UPDATE) OR 2:3 $ UNSEEN\r\nB UID SEARCH RETURN (UPDATE) UID 4:* UNSEEN\r\n")
    c.until_tag("B")
    c.ok("UID SEARCH RETURN (SAVE) UID 1")
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    b.ok("EXPUNGE")
    hasnt(c.ok("NOOP"), 'TAG "A"')                 # 3 became 2, and nobody moved
    b.ok(r"STORE 1:3 +FLAGS (\Seen)")
    lines = c.ok("NOOP")
    has(lines, r'TAG "A"\) UID REMOVEFROM \(0 2:4\)')
    has(lines, r'TAG "B"\) UID REMOVEFROM \(0 4\)')
    b.append("INBOX", mail("s"))
    lines = c.ok("NOOP")
    hasnt(lines, 'TAG "A"')
    has(lines, r'TAG "B"\) UID ADDTO \(0 5\)')     # '*' is whatever is last
    c.close(), b.close()


@test
def sort():
    c, b = pair()
    for subject in ["c", "a", "e"]:
        b.append("INBOX", mail(subject))
    c.ok("SELECT INBOX"), b.ok("SELECT INBOX")
    c.send("S UID SORT RETURN (UPDATE) (SUBJECT) UTF-8 UNDELETED\r\n")
    has(c.until_tag("S"), r'^\* ESEARCH \(TAG "S"\) UID ALL 2,1,3$')
    c.send("R SORT RETURN (UPDATE COUNT) (REVERSE SUBJECT) UTF-8 ALL\r\n")
    has(c.until_tag("R"), r'^\* ESEARCH \(TAG "R"\) COUNT 3$')
    b.append("INBOX", mail("d"))
    b.append("INBOX", mail("b"))
    lines = c.ok("NOOP")
    has(lines, r'TAG "S"\) UID ADDTO \(3 4 2 5\)$')
    has(lines, r'TAG "R"\) ADDTO \(2 4 4 5\)$')
    b.ok("NOOP")
    b.ok(r"STORE 1,4 +FLAGS (\Deleted)")
    has(c.ok("NOOP"), r'TAG "S"\) UID REMOVEFROM \(3 1 3 4\)$')
    b.ok("EXPUNGE")
    lines = c.ok("NOOP")
    has(lines, r'TAG "R"\) REMOVEFROM \(2 4 2 1\)$')
    hasnt(lines, 'TAG "S"')
    c.close(), b.close()


@test
def too_many():
    c, b = pair()
    b.append("INBOX", mail("s"))
    c.ok("SELECT INBOX")
    for i in range(16):
        hasnt(c.ok("SEARCH RETURN (UPDATE) ALL"), "NOUPDATE")
    c.send("last SEARCH RETURN (UPDATE COUNT) ALL\r\n")
    lines = c.until_tag("last")
    has(lines, r'^\* NO \[NOUPDATE "last"\]')
    has(lines, r"COUNT 1")
    is_last(lines, "last OK")
    c.send("multi ESEARCH IN (personal) RETURN (UPDATE COUNT) ALL\r\n")
    lines = c.until_tag("multi")
    has(lines, r'^\* NO \[NOUPDATE "multi"\]')
    has(lines, r"COUNT 1")
    c.close(), b.close()


@test
def partial():
    c, b = pair()
    for i in range(5):
        b.append("INBOX", mail("s%d" % (9 - i)))
    c.ok("SELECT INBOX")
    has(c.ok("UID SEARCH RETURN (PARTIAL 2:3) ALL"), r"UID PARTIAL \(2:3 2:3\)")
    has(c.ok("UID SEARCH RETURN (PARTIAL 5:4) ALL"), r"UID PARTIAL \(5:4 4:5\)")
    has(c.ok("UID SEARCH RETURN (PARTIAL 4:9 CONTEXT) ALL"), r"UID PARTIAL \(4:9 4:5\)")
    has(c.ok("UID SEARCH RETURN (PARTIAL 10:11) ALL"), r"UID PARTIAL \(10:11 NIL\)")
    has(c.ok("UID SORT RETURN (PARTIAL 1:2 UPDATE) (SUBJECT) UTF-8 ALL"), r"UID PARTIAL \(1:2 5,4\)")
    for bad in ["PARTIAL 1:2 ALL", "PARTIAL 1:2 PARTIAL 3:4", "PARTIAL 0:1", "PARTIAL 1:*", "PARTIAL", "UPDATE UPDATE",
                "UPDATE (NOSUCH)", "UPDATE ()"]:
        is_last(c.ask("UID SEARCH RETURN (%s) ALL" % bad), "BAD ")
    c.close(), b.close()


@test
def with_notify():
    c, b = pair()
    b.append("INBOX", mail("first"))
    c.ok("SELECT INBOX"), b.ok("SELECT INBOX")
    c.ok("NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
    c.send("A UID SEARCH RETURN (UPDATE (BODY.PEEK[HEADER.FIELDS (Subject)] FLAGS)) SUBJECT boss\r\n")
    c.until_tag("A")
    c.send("B UID SORT RETURN (UPDATE) (SUBJECT) UTF-8 FLAGGED\r\n")
    c.until_tag("B")
    b.append("INBOX", mail("the boss"))
    assert c.line() == "* 2 EXISTS"
    c.line()
    line = c.line()                                # 5.2: one FETCH for both
    assert re.match(r"\* 2 FETCH \(UID 2 FLAGS \([^)]*\) BODY\[HEADER.FIELDS \(Subject\)\] \{", line), line
    assert c.line() == '* ESEARCH (TAG "A") UID ADDTO (0 2)'
    b.append("INBOX", mail("the rest"))
    assert c.line() == "* 3 EXISTS"
    c.line()
    assert re.match(r"\* 3 FETCH \(UID 3 FLAGS \([^)]*\)\)$", c.line())
    b.ok("NOOP")
    b.ok(r"STORE 1 +FLAGS (\Flagged)")
    assert c.line().startswith("* 1 FETCH (UID 1 FLAGS")
    assert c.line() == '* ESEARCH (TAG "B") UID ADDTO (1 1)'
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    assert c.line().startswith("* 1 FETCH (UID 1 FLAGS")
    b.ok("EXPUNGE")
    assert c.line() == '* ESEARCH (TAG "B") UID REMOVEFROM (1 1)'
    assert c.line() == "* 1 EXPUNGE"
    # its own message: no FETCH, but the results change
    lines = c.append("INBOX", mail("my boss"))
    hasnt(lines, "FETCH")
    has(lines, r'TAG "A"\) UID ADDTO \(0 4\)')
    c.close(), b.close()


@test
def qresync_and_uidonly():
    c, b = pair()
    b.append("INBOX", mail("s"))
    c.ok("ENABLE QRESYNC UIDONLY")
    c.ok("SELECT INBOX"), b.ok("SELECT INBOX")
    c.send("A UID SEARCH RETURN (UPDATE (UID)) ALL\r\n")
    c.until_tag("A")
    b.append("INBOX", mail("s"))
    lines = c.ok("NOOP")
    has(lines, r"^\* 2 UIDFETCH \(")
    has(lines, r'TAG "A"\) UID ADDTO \(0 2\)')
    b.ok(r"STORE 1 +FLAGS (\Deleted)")
    b.ok("EXPUNGE")
    lines = c.ok("NOOP")
    order = [l for l in lines if "REMOVEFROM" in l or "VANISHED" in l]
    assert re.match(r'\* ESEARCH .* REMOVEFROM \(0 1\)', order[0]) and order[1] == "* VANISHED 1", lines
    c.close(), b.close()


def stress(seed):
    """Random changes by two others; after each NOOP every model is what a new search finds."""
    r = random.Random(seed)
    loc = fresh()
    c, b, d = Client(loc), Client(loc), Client(loc)
    for i in range(30):
        b.append("INBOX", mail(r.choice("abcdef") * r.randint(1, 3), r.randint(0, 50)), r.choice(["", r" (\Seen)", r" (\Flagged)"]))
    for x in (c, b, d):
        x.ok("SELECT INBOX")
    programs = [("SEARCH", "", "UNSEEN"), ("UID SEARCH", "", "FLAGGED"), ("UID SORT", "(SUBJECT) UTF-8 ", "ALL"),
                ("SORT", "(REVERSE SUBJECT SIZE) UTF-8 ", "NOT DELETED"), ("UID SORT", "(SIZE REVERSE ARRIVAL) UTF-8 ", "OR SEEN KEYWORD k"),
                ("UID SEARCH", "", "SUBJECT a OR UNDELETED FLAGGED"), ("SEARCH", "", "ALL")]
    models = []
    for n, (verb, order, keys) in enumerate(programs):
        c.send("M%d %s RETURN (UPDATE ALL) %s%s\r\n" % (n, verb, order, keys))
        models.append(Model("M%d" % n, found(c.until_tag("M%d" % n)), "UID" in verb, "SORT" in verb))

    def tell(lines):
        for line in lines:
            for m in models:
                m.hear(line)

    for step in range(60):
        for _ in range(r.randint(1, 6)):
            who = r.choice([b, d, c])
            act = r.random()
            if act < 0.3:
                for _ in range(r.choice([1, 1, 2, 25])):
                    lines = who.append("INBOX", mail(r.choice("abcdef") * r.randint(1, 3), r.randint(0, 50)),
                                       r.choice(["", r" (\Seen)", r" (\Flagged k)"]))
                    if who is c:
                        tell(lines)
            elif act < 0.85:
                low = r.randint(1, 400)
                lines = who.ok("UID STORE %d:%d %sFLAGS%s (%s)" % (low, low + r.randint(0, 40), r.choice("+-"), r.choice(["", ".SILENT"]),
                               r.choice([r"\Seen", r"\Flagged", "k", r"\Deleted"])))
                if who is c:
                    tell(lines)
            else:
                lines = who.ok("EXPUNGE")
                if who is c:
                    tell(lines)
        if r.random() < 0.3:
            tell(c.ask("FETCH 1:* (FLAGS)"))
        tell(c.ok("NOOP"))
        for m, (verb, order, keys) in zip(models, programs):
            now = c.ok("%s RETURN (ALL) %s%s" % (verb, order, keys))
            tell(now)
            assert m.list == found(now), (step, m.tag, m.list, found(now))
    c.close(), b.close(), d.close()


@test
def models_follow_random_changes():
    print("# SEED=%d" % SEED)
    for i in range(3):
        stress(SEED + i)


if __name__ == "__main__":
    signal.alarm(300)                              # a line that never comes
    sys.exit(main())
