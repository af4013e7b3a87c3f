#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""IMAP sessions over standard input and output: dialogues, two sessions on one
mailbox, take-over of other servers' trees, crashes, mbsync.  Prints TAP."""
import glob, imaplib, os, re, shutil, signal, subprocess, sys, tarfile, tempfile, threading, time

TOP = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
SERVER = os.path.join(BUILD, "t/system/imapd_stdio")
ROOT = tempfile.mkdtemp(prefix="imap_test_")
os.environ["IMAPD_STDIO_SANDBOX"] = "1"
results = []


def test(f):
    results.append(f)
    return f


class Client:
    """One session; lines end in CRLF, literals are read whole."""

    def __init__(self, location, *args):
        self.p = subprocess.Popen([SERVER, location, *args], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.f = self.p.stdout
        self.buffer = b""
        self.n = 0
        self.greeting = self.line()

    def byte_fill(self):
        more = os.read(self.f.fileno(), 65536)
        if not more:
            raise EOFError("server is gone")
        self.buffer += more

    def raw_line(self):
        while b"\n" not in self.buffer:
            self.byte_fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1]

    def line(self):
        line = self.raw_line()
        while True:
            m = re.search(rb"\{(\d+)\}$", line)
            if not m:
                return line.decode("latin-1")
            n = int(m.group(1))
            while len(self.buffer) < n:
                self.byte_fill()
            line += b"\r\n" + self.buffer[:n]
            self.buffer = self.buffer[n:]
            line += self.raw_line()

    def send(self, data):
        self.p.stdin.write(data if isinstance(data, bytes) else data.encode())

    def until_tag(self, tag):
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if line.startswith(tag + " "):
                return lines

    def ask(self, command):
        """Lines of the answer; the tagged one is last, without its tag."""
        self.n += 1
        tag = "a%d" % self.n
        self.send(tag + " " + command + "\r\n")
        lines = self.until_tag(tag)
        lines[-1] = lines[-1][len(tag) + 1:]
        return lines

    def ok(self, command):
        lines = self.ask(command)
        assert lines[-1].startswith("OK"), (command, lines)
        return lines

    def append(self, box, message, rest=""):
        if isinstance(message, str):
            message = message.encode()
        self.n += 1
        tag = "a%d" % self.n
        self.send("%s APPEND %s%s {%d+}\r\n" % (tag, box, rest, len(message)))
        self.send(message + b"\r\n")
        lines = self.until_tag(tag)
        assert " OK " in lines[-1], lines
        return lines

    def close(self):
        try:
            self.ask("LOGOUT")
        finally:
            self.p.stdin.close()
            self.p.wait()


count = 0


def fresh(*args):
    global count
    count += 1
    return "maildir:%s/m%d" % (ROOT, count)


def path(location):
    return location[len("maildir:"):]


MAIL = ("From: Fred Foobar <fred@example.net>\r\nTo: a@example.org, \"B, c\" <b@example.org>\r\n"
        "Subject: =?utf-8?q?H=C3=A9llo_World?=\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
        "Message-Id: <1@example.net>\r\n\r\nThe body\r\nsays 42.\r\n")
MULTI = ("From: x@example.net\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
         "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n"
         "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
         "gr=FC=DFe\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n"
         "--b--\r\n")


def has(lines, pattern):
    for line in lines:
        if re.search(pattern, line, re.S):
            return True
    raise AssertionError("no %r in %r" % (pattern, lines))


def hasnt(lines, pattern):
    for line in lines:
        assert not re.search(pattern, line, re.S), (pattern, line)


def is_last(lines, pattern):
    assert re.match(pattern, lines[-1]), (pattern, lines[-1])


@test
def greeting_and_capability():
    c = Client(fresh())
    assert c.greeting.startswith("* PREAUTH [CAPABILITY IMAP4rev1 "), c.greeting
    has(c.ok("CAPABILITY"), r"^\* CAPABILITY IMAP4rev1 .*LITERAL\+.*IDLE.*UIDPLUS.*MOVE")
    c.ok("NOOP")
    has(c.ok("NAMESPACE"), r'^\* NAMESPACE \(\("" "\."\)\) NIL NIL$')
    has(c.ok('ID ("name" "x" "version" NIL)'), r"^\* ID \(")
    has(c.ok("ENABLE NOSUCH"), r"^\* ENABLED$")
    has(c.ask("LOGOUT"), r"^\* BYE ")
    c.p.wait()


@test
def syntax_errors():
    c = Client(fresh())
    for bad in ("FROB", "NOOP now", "FETCH 1 FLAGS", "UID NOOP", "SELECT", "SELECT a b", 'SELECT "a',
                "LIST", "SELECT (a)", "CREATE \"a\\b\"", "STATUS INBOX", "STATUS INBOX ()",
                "STATUS INBOX (FOO)", "UID", "APPEND INBOX", "SEARCH ALL"):
        is_last(c.ask(bad), "BAD ")
    c.send("\r\n")
    assert c.line().startswith("* BAD")
    c.send("x\r\n")
    assert c.line().startswith("x BAD")
    c.ok("SELECT INBOX")
    for bad in ("FETCH 1", "FETCH 1 (", "FETCH 1 FLAGS)", "FETCH 0 FLAGS", "FETCH 1 FLAGS", "FETCH a FLAGS",
                "FETCH 1:* BODY[", "FETCH 1:* BODY[FOO]", "FETCH 1:* FOO", "FETCH 1:* ()", "STORE 1:* FLAGS \\Foo",
                "STORE 1:* XFLAGS a", "SEARCH FOO", "SEARCH OR ALL", "SEARCH BEFORE x", "SEARCH (", "COPY 1:*",
                "EXPUNGE 1", "UID EXPUNGE", "SEARCH " + "NOT " * 500 + "ALL", "FETCH 1:* (" + "(" * 40,
                "FETCH 1,,2 FLAGS"):
        is_last(c.ask(bad), "BAD ")
    c.send(b"n SELECT \"a\0b\"\r\n")
    assert c.until_tag("n")[-1].startswith("n BAD")
    c.send("big " + "x" * 70000 + "\r\n")
    assert c.line().startswith("big BAD")
    c.ok("NOOP")
    c.close()


@test
def literals():
    c = Client(fresh())
    c.send("a CREATE {3}\r\n")
    assert c.line().startswith("+ ")
    c.send("foo\r\n")
    assert c.until_tag("a")[-1].startswith("a OK")
    c.send("b STATUS {3+}\r\nfoo {8+}\r\n(MESSAGE\r\n")
    assert c.until_tag("b")[-1].startswith("b BAD")
    c.send("d CREATE {100000}\r\n")
    assert c.until_tag("d")[-1].startswith("d BAD")
    c.send("e CREATE {100000+}\r\n" + "x" * 100000 + "\r\n")
    assert c.until_tag("e")[-1].startswith("e BAD")
    c.ok("NOOP")
    c.close()


@test
def append_and_fetch_everything():
    loc = fresh()
    c = Client(loc)
    lines = c.append("INBOX", MAIL, ' (\\Seen $Label1) "07-Feb-1994 21:52:25 -0800"')
    m = re.search(r"OK \[APPENDUID (\d+) 1\]", lines[-1])
    assert m, lines
    lines = c.ok("SELECT INBOX")
    has(lines, r"^\* 1 EXISTS")
    has(lines, r"^\* OK \[UIDVALIDITY %s\]" % m.group(1))
    has(lines, r"^\* OK \[UIDNEXT 2\]")
    has(lines, r"PERMANENTFLAGS \(.*\$Label1 \\\*\)")
    is_last(lines, r"OK \[READ-WRITE\]")
    lines = c.ok("FETCH 1 FULL")
    has(lines, r'INTERNALDATE "( 8-Feb-1994 05:52:25 \+0000|.7-Feb-1994 .*|.8-Feb-1994 .*)"')
    has(lines, r"RFC822.SIZE %d" % len(MAIL))
    has(lines, r"FLAGS \(\\Seen \$Label1\)")
    has(lines, r'ENVELOPE \("Mon, 7 Feb 1994 21:52:25 -0800" "=\?utf-8\?q\?H=C3=A9llo_World\?=" \(\("Fred Foobar" '
               r'NIL "fred" "example.net"\)\)')
    has(lines, r'BODY \("text" "plain" .*"7bit" 20 2\)' .replace('"text" "plain"', '"(?i:text)" "(?i:plain)"').replace("7bit", "(?i:7bit)"))
    lines = c.ok("FETCH 1 BODY[]")
    has(lines, re.escape("BODY[] {%d}\r\n%s" % (len(MAIL), MAIL)))
    header, body = MAIL.split("\r\n\r\n")
    has(c.ok("FETCH 1 RFC822.HEADER"), re.escape("RFC822.HEADER {%d}\r\n%s\r\n\r\n" % (len(header) + 4, header)))
    has(c.ok("FETCH 1 BODY[TEXT]<4.4>"), re.escape("BODY[TEXT]<4> {4}\r\nbody"))
    has(c.ok("FETCH 1 BODY[]<9999.10>"), re.escape("BODY[]<9999> {0}\r\n"))
    has(c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT \"date\")]"), r"BODY\[HEADER.FIELDS \(.*\)\] \{\d+\}\r\nSubject: .*Date: ")
    c.send("l FETCH 1 BODY[HEADER.FIELDS ({7+}\r\nSUBJECT)]\r\n")
    has(c.until_tag("l"), r"\r\nSubject: ")
    has(c.ok("FETCH 1 BODY[1]"), re.escape("BODY[1] {20}\r\n" + body))
    has(c.ok("FETCH 1 BODY[2]"), r"BODY\[2\] NIL")
    has(c.ok("UID FETCH 1:* FLAGS"), r"^\* 1 FETCH \(UID 1 FLAGS \(")
    c.append("INBOX", MULTI)
    lines = c.ok("NOOP")
    lines = c.ok("FETCH 2 (BODYSTRUCTURE BODY[1.MIME] BODY[2.HEADER] BODY[2.1] BODY[1])")
    has(lines, r'BODYSTRUCTURE \(\("text" "plain" \("charset" "iso-8859-1"\).*"message" "rfc822".*"inner".*"mixed"'.replace('"text" "plain"', '(?i:"text" "plain")').replace('"message" "rfc822"', '(?i:"message" "rfc822")').replace('"mixed"', '(?i:"mixed")'))
    has(lines, re.escape("BODY[2.1] {%d}\r\ninner body" % len("inner body")))
    has(lines, r"BODY\[2.HEADER\] \{18\}\r\nSubject: inner\r\n\r\n")
    has(lines, r"FLAGS \(\\Seen( \\Recent)?\)|FLAGS \(\\Seen \\Recent\)")
    c.close()
    os.unlink(path(loc) + "/postern.index")
    c = Client(loc)
    lines2 = None
    c.ok("EXAMINE INBOX")
    has(c.ok("FETCH 1:2 (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"), r"ENVELOPE")
    c.close()


@test
def append_refusals():
    c = Client(fresh(), "size=1000")
    c.send("a APPEND none {5}\r\n")
    assert c.until_tag("a")[-1].startswith("a NO [TRYCREATE]")
    c.send("b APPEND INBOX {2000}\r\n")
    assert c.until_tag("b")[-1].startswith("b NO [TOOBIG]")
    c.send("c APPEND INBOX {2000+}\r\n" + "x" * 2000 + "\r\n")
    assert c.until_tag("c")[-1].startswith("c NO [TOOBIG]")
    c.send("d APPEND INBOX {0+}\r\n\r\n")
    assert c.until_tag("d")[-1].startswith("d NO")
    c.send("e APPEND INBOX (\\Foo) {3+}\r\nabc\r\n")
    assert c.until_tag("e")[-1].startswith("e BAD")
    c.send("f APPEND INBOX \"no date\" {3+}\r\nabc\r\n")
    assert c.until_tag("f")[-1].startswith("f BAD")
    c.ok("NOOP")
    has(c.ok("STATUS INBOX (MESSAGES)"), r"MESSAGES 0")
    c.close()


@test
def flags():
    c = Client(fresh())
    for _ in range(3):
        c.append("INBOX", MAIL)
    c.ok("SELECT INBOX")
    has(c.ok("FETCH 1 FLAGS"), r"FLAGS \(\\Recent\)")
    has(c.ok("STORE 1:2 +FLAGS (\\Deleted $Work)"), r"^\* 2 FETCH \(FLAGS \(\\Deleted \\Recent \$Work\)\)")
    has(c.ok("UID STORE 2 -FLAGS \\Deleted"), r"^\* 2 FETCH \(UID 2 FLAGS \(\\Recent \$Work\)\)")
    lines = c.ok("STORE 3 FLAGS.SILENT (\\Flagged \\Answered)")
    hasnt(lines, r"FETCH")
    has(c.ok("FETCH 3 FLAGS"), r"FLAGS \(\\Answered \\Flagged \\Recent\)")
    c.ok("FETCH 3 BODY.PEEK[]")
    has(c.ok("FETCH 3 FLAGS"), r"FLAGS \(\\Answered \\Flagged \\Recent\)")
    has(c.ok("FETCH 3 RFC822.TEXT"), r"\\Seen")
    for i in range(40):
        is_last(c.ask("STORE 3 +FLAGS.SILENT kw%d" % i), "OK")
    has(c.ok("FETCH 3 FLAGS"), r"kw0 .*kw39")
    is_last(c.ask("STORE 3 +FLAGS (%s)" % " ".join("z%d" % i for i in range(40))), r"NO \[LIMIT\]")
    is_last(c.ask("STORE 3 +FLAGS %s" % ("x" * 51)), "BAD")
    lines = c.ok("EXPUNGE")
    has(lines, r"^\* 1 EXPUNGE")
    c.ok("EXAMINE INBOX")
    is_last(c.ask("STORE 1 +FLAGS \\Seen"), r"NO \[READ-ONLY\]")
    has(c.ok("FETCH 1:* FLAGS"), r"\$Work")
    hasnt(c.ok("FETCH 1 BODY[]"), r"FLAGS")
    is_last(c.ask("EXPUNGE"), r"NO \[READ-ONLY\]")
    c.close()


@test
def search_keys():
    c = Client(fresh())
    c.append("INBOX", MAIL, ' (\\Seen) " 7-Feb-1994 12:00:00 +0000"')
    c.append("INBOX", MULTI, ' ($Work)')
    c.append("INBOX", "From: me\r\nSubject: nothing\r\nX-A: b\r\n\r\nbase\r\n", " (\\Deleted \\Draft \\Answered \\Flagged)")
    c.ok("SELECT INBOX")
    rows = [("ALL", "1 2 3"), ("1:2", "1 2"), ("UID 2:*", "2 3"), ("SEEN", "1"), ("UNSEEN", "2 3"), ("DELETED", "3"),
            ("UNDELETED", "1 2"), ("DRAFT", "3"), ("UNDRAFT", "1 2"), ("ANSWERED", "3"), ("UNANSWERED", "1 2"),
            ("FLAGGED", "3"), ("UNFLAGGED", "1 2"), ("KEYWORD $work", "2"), ("UNKEYWORD $Work", "1 3"),
            ("FROM fred", "1"), ("TO b@example.org", "1"), ("CC x", ""), ("BCC x", ""), ('SUBJECT "H\u00e9LLO w"', "1"),
            ("CHARSET UTF-8 SUBJECT \"h\u00c9llo\"", "1"), ("BODY gr\u00fc\u00dfe", "2"), ("TEXT inner", "2"), ("BODY 42", "1"),
            ("HEADER X-A \"\"", "3"), ("HEADER X-A b", "3"), ("HEADER X-A c", ""), ("BEFORE 8-Feb-1994", "1"),
            ("ON 7-Feb-1994", "1"), ("SINCE 8-Feb-1994", "2 3"), ("SENTBEFORE 1-Jan-2000", "1"), ("SENTON 7-Feb-1994", "1"),
            ("SENTSINCE 8-Feb-1994", ""), ("LARGER 100", "1 2"), ("SMALLER 100", "3"), ("NOT SEEN", "2 3"),
            ("OR SEEN DELETED", "1 3"), ("OR (SEEN FROM fred) (DELETED SUBJECT nothing)", "1 3"), ("(SEEN)", "1"),
            ("NEW", "2" if False else None), ("UNSEEN LARGER 100", "2"), ("TEXT nowhere", ""), ("NOT TEXT inner", "1 3"), ("*", "3")]
    for key, want in rows:
        lines = c.ask("SEARCH " + key)
        assert lines[-1].startswith("OK"), (key, lines)
        if want is not None:
            assert lines[0] == ("* SEARCH " + want).strip(), (key, lines)
    assert c.ok("UID SEARCH SEEN")[0] == "* SEARCH 1"
    c.send("u SEARCH CHARSET iso-8859-1 BODY {5+}\r\n".encode() + "gr\u00fc\u00dfe".encode("latin-1") + b"\r\n")
    assert c.until_tag("u")[0] == "* SEARCH 2"
    is_last(c.ask("SEARCH CHARSET x-none TEXT a"), r"NO \[BADCHARSET")
    c.close()


@test
def copy_and_move():
    loc = fresh()
    c = Client(loc)
    for i in range(3):
        c.append("INBOX", MAIL.replace("42", str(i)), " (\\Seen $A)")
    c.ok("SELECT INBOX")
    is_last(c.ask("COPY 1 Other"), r"NO \[TRYCREATE\]")
    c.ok("CREATE Other")
    is_last(c.ok("COPY 1:2 Other"), r"OK \[COPYUID \d+ 1:2 1:2\]")
    lines = c.ok("UID MOVE 2:3 Other")
    has(lines, r"^\* OK \[COPYUID \d+ 2:3 3:4\]")
    has(lines, r"^\* 2 EXPUNGE")
    has(c.ok("STATUS INBOX (MESSAGES UIDNEXT)"), r"MESSAGES 1 UIDNEXT 4")
    is_last(c.ok("COPY 1 INBOX"), r"OK \[COPYUID \d+ 1 4\]")
    c.ok("NOOP")
    c.ok("SELECT Other")
    has(c.ok("FETCH 1:* (UID FLAGS)"), r"^\* 4 FETCH \(UID 4 FLAGS \(\\Seen \$A\)\)")
    is_last(c.ok("UID COPY 77 INBOX"), "OK")
    c.ok("CLOSE")
    is_last(c.ask("FETCH 1 FLAGS"), "BAD")
    c.close()
    assert os.path.exists(path(loc) + "/.Other/maildirfolder")


@test
def mailboxes():
    c = Client(fresh(), "separator=/")
    for name in ("Archive/2026/01", "&ZeVnLIqe-", "Drafts", '"two words"'):
        c.ok("CREATE " + name)
    is_last(c.ask("CREATE a.b"), r"NO \[CANNOT\]")
    is_last(c.ask("CREATE ../x"), r"NO \[CANNOT\]")
    is_last(c.ask("CREATE &bad"), r"NO \[CANNOT\]")
    is_last(c.ask("CREATE Drafts"), r"NO \[ALREADYEXISTS\]")
    is_last(c.ask("CREATE inbox"), r"NO \[ALREADYEXISTS\]")
    c.ok("CREATE Later/")
    lines = c.ok('LIST "" *')
    has(lines, r'^\* LIST \(\\Noselect \\HasChildren\) "/" Archive$')
    has(lines, r'^\* LIST \(\\HasNoChildren\) "/" Archive/2026/01$')
    has(lines, r'^\* LIST \(\\HasNoChildren\) "/" "two words"$')
    has(lines, r'"/" INBOX$')
    has(lines, r'^\* LIST \(\\HasNoChildren \\Drafts\) "/" Drafts$')
    assert c.ok('LIST "" ""')[0] == '* LIST (\\Noselect) "/" ""'
    lines = c.ok('LIST "" %')
    hasnt(lines, "2026")
    assert len(c.ok('LIST Archive/ %')) == 2
    assert len(c.ok('LIST "" in*')) == 2
    assert len(c.ok('LIST "" *01')) == 2
    c.ok("SUBSCRIBE Archive/2026/01")
    c.ok("SUBSCRIBE inbox")
    is_last(c.ask("SUBSCRIBE none"), r"NO \[NONEXISTENT\]")
    lines = c.ok('LSUB "" *')
    assert len(lines) == 3, lines
    has(c.ok('LSUB "" %'), r'^\* LSUB \(\\Noselect\) "/" Archive$')
    c.ok("UNSUBSCRIBE inbox")
    assert len(c.ok('LSUB "" *')) == 2
    c.ok("RENAME Archive Old")
    has(c.ok('LIST "" *'), r"Old/2026/01$")
    is_last(c.ask("RENAME none x"), r"NO \[NONEXISTENT\]")
    is_last(c.ask("RENAME Drafts Later"), r"NO \[ALREADYEXISTS\]")
    is_last(c.ask("DELETE INBOX"), r"NO \[CANNOT\]")
    is_last(c.ask("DELETE none"), r"NO \[NONEXISTENT\]")
    first = c.ok("STATUS Drafts (UIDVALIDITY)")[0]
    c.ok("DELETE Drafts")
    c.ok("CREATE Drafts")
    assert c.ok("STATUS Drafts (UIDVALIDITY)")[0] != first
    c.append("INBOX", MAIL)
    c.ok("RENAME INBOX Moved")
    has(c.ok("STATUS Moved (MESSAGES)"), "MESSAGES 1")
    has(c.ok("STATUS INBOX (MESSAGES)"), "MESSAGES 0")
    is_last(c.ask("SELECT none"), r"NO \[NONEXISTENT\]")
    c.close()


@test
def two_sessions():
    loc = fresh()
    a, b = Client(loc), Client(loc)
    for _ in range(3):
        a.append("INBOX", MAIL)
    has(a.ok("SELECT INBOX"), r"^\* 3 RECENT")
    has(b.ok("SELECT INBOX"), r"^\* 0 RECENT")
    a.ok("STORE 2 +FLAGS (\\Deleted)")
    has(b.ok("NOOP"), r"^\* 2 FETCH \(FLAGS \(\\Deleted\)\)")
    a.ok("EXPUNGE")
    lines = b.ok("FETCH 1:3 FLAGS") if False else b.ask("FETCH 1 FLAGS")
    hasnt(lines, "EXPUNGE")  # RFC 3501, 7.4.1
    lines = b.ask("FETCH 3 (UID)")
    has(lines, r"^\* 3 FETCH \(UID 3\)")
    lines = b.ask("FETCH 2 BODY.PEEK[]")
    is_last(lines, r"NO \[EXPUNGEISSUED\]")
    has(b.ok("NOOP"), r"^\* 2 EXPUNGE")
    b.ok("STORE 1 +FLAGS \\Flagged")
    a.ok("STORE 1 +FLAGS \\Seen")
    has(a.ok("FETCH 1 FLAGS"), r"\\Flagged \\Seen")
    b.append("INBOX", MAIL)
    has(a.ok("NOOP"), r"^\* 3 EXISTS")
    a.close()
    b.close()


@test
def told_though_the_list_was_rewritten():
    """Another expunges, a third drops the records of what is gone; one NOOP tells who follows by events."""
    loc = fresh()
    a, b = Client(loc), Client(loc)
    for i in range(12):
        a.append("INBOX", MAIL)
    a.ok("SELECT INBOX")
    b.ok("SELECT INBOX")
    a.ok(r"STORE 12 +FLAGS (\Flagged)")            # who changes something follows from then on
    a.ok("NOOP")
    b.ok(r"STORE 3:8 +FLAGS (\Deleted)")
    a.ok("NOOP")
    b.ok("EXPUNGE")
    third = Client(loc)
    third.ok("SELECT INBOX")
    third.append("INBOX", MAIL)                    # six of twelve records are stale: they are dropped when a new one comes
    shutil.copy(glob.glob(loc[8:] + "/cur/*")[0], loc[8:] + "/new/1.M1P1.x")
    third.ok("NOOP")
    assert len(open(loc[8:] + "/dovecot-uidlist").read().splitlines()) < 12
    lines = a.ok("NOOP")
    assert [l for l in lines if "EXPUNGE" in l] == ["* 3 EXPUNGE"] * 6, lines
    a.close(), b.close(), third.close()


@test
def idle():
    loc = fresh()
    a, b = Client(loc, "notify=10000"), Client(loc)
    a.ok("SELECT INBOX")
    a.send("i IDLE\r\n")
    assert a.line() == "+ idling"
    b.append("INBOX", MAIL)
    assert a.line() == "* 1 EXISTS"
    assert a.line() == "* 1 RECENT"
    b.ok("SELECT INBOX")
    b.ok("STORE 1 +FLAGS (\\Deleted)")
    assert a.line() == "* 1 FETCH (FLAGS (\\Deleted \\Recent))"
    b.ok("EXPUNGE")
    assert a.line() == "* 1 EXPUNGE"
    a.send("DONE\r\n")
    assert a.until_tag("i")[-1].startswith("i OK")
    a.close()
    b.close()


@test
def many_at_once():
    """Four sessions store, append, copy and expunge in one mailbox; nothing is lost or doubled."""
    loc = fresh()
    c = Client(loc)
    c.ok("CREATE Copies")
    for i in range(20):
        c.append("INBOX", MAIL)
    faults = []

    def worker(k):
        try:
            w = Client(loc)
            w.ok("SELECT INBOX")
            for i in range(25):
                w.ok("UID STORE 1:20 %sFLAGS (kw%d)" % ("+" if i % 2 == 0 else "-", k))
                w.append("INBOX", MAIL)
                w.ok("UID COPY %d Copies" % (i % 20 + 1))
                hasnt(w.ok("NOOP"), "EXPUNGE")
            w.close()
        except Exception as e:
            faults.append(repr(e))

    threads = [threading.Thread(target=worker, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults, faults
    lines = c.ok("SELECT INBOX")
    has(lines, r"^\* 120 EXISTS")
    has(lines, r"UIDNEXT 121")
    has(c.ok("STATUS Copies (MESSAGES UIDNEXT)"), "MESSAGES 100 UIDNEXT 101")
    for k in range(4):
        assert c.ok("SEARCH UID 1:20 KEYWORD kw%d" % k)[0].count(" ") == 21
    c.close()
    uids = [int(l.split()[0]) for l in open(path(loc) + "/dovecot-uidlist").read().splitlines()[1:]]
    assert uids == sorted(set(uids)) and len(uids) == 120, uids


def take_over(who):
    d = tempfile.mkdtemp(dir=ROOT)
    with tarfile.open(os.path.join(TOP, "t/unit/store/takeover.tar.gz")) as t:
        t.extractall(d)
    return "maildir:%s/%s/Maildir" % (d, who)


def everything(loc, *args):
    """What a client can see of a whole account."""
    c = Client(loc, *args)
    names = sorted(m.group(1) for l in c.ok('LIST "" *') for m in [re.match(r'\* LIST .* "." (.*)$', l)] if m)
    out = []
    for name in names:
        lines = c.ask("EXAMINE " + name)
        if not lines[-1].startswith("OK"):
            out.append((name, None))
            continue
        v = [re.search(r"\[UIDVALIDITY (\d+)", l) for l in lines]
        n = [re.search(r"\[UIDNEXT (\d+)", l) for l in lines]
        messages = c.ok("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")[:-1]
        out.append((name, [m.group(1) for m in v if m], [m.group(1) for m in n if m], messages))
    c.close()
    return out


@test
def dovecot_taken_over():
    loc = take_over("dovecot")
    before = open(path(loc) + "/dovecot-uidlist").read()
    seen = {row[0]: row for row in everything(loc, "separator=/")}
    inbox = seen["INBOX"]
    assert inbox[1] == ["1795173694"] and inbox[2] == ["7"], inbox
    assert [re.search(r"UID (\d+)", m).group(1) for m in inbox[3]] == ["1", "2", "4", "5"]
    assert re.search(r"FLAGS \(\\Flagged \\Seen \$Forwarded\)", inbox[3][1]), inbox[3][1]
    assert seen["Archive/2026"][2] == ["2"]
    assert "&ZeVnLIqe-" in seen and seen["Deep/a/b"][1] is None
    c = Client(loc, "separator=/")
    assert [l.split('"/" ')[1] for l in c.ok('LSUB "" *')[:-1]] == ["Archive", "Archive/2026", "&ZeVnLIqe-", "Drafts"]
    c.ok("SELECT INBOX")
    c.close()
    assert open(path(loc) + "/dovecot-uidlist").read() == before


@test
def courier_taken_over():
    loc = take_over("courier")
    seen = {row[0]: row for row in everything(loc, "prefix=INBOX.")}
    assert seen["INBOX"][1] == ["795174282"] and seen["INBOX"][2] == ["5"], seen["INBOX"]
    assert [re.search(r"UID (\d+)", m).group(1) for m in seen["INBOX"][3]] == ["1", "2", "4"]
    assert "INBOX.Archive" in seen and "INBOX.&ZeVnLIqe-" in seen, sorted(seen)
    assert seen["INBOX.&ZeVnLIqe-"][1] == ["795174282"]


@test
def index_may_go():
    loc = fresh()
    c = Client(loc)
    for m in (MAIL, MULTI, "no header at all", "\r\nonly body\r\n"):
        c.append("INBOX", m)
    c.close()
    first = everything(loc)
    second = everything(loc)          # from the cache
    os.unlink(path(loc) + "/postern.index")
    third = everything(loc)
    open(path(loc) + "/postern.index", "wb").write(b"rubbish" * 1000)
    fourth = everything(loc)
    os.truncate(path(loc) + "/postern.index", 8192)
    fifth = everything(loc)
    assert first == second == third == fourth == fifth
    assert os.path.getsize(path(loc) + "/postern.index") > 8192


@test
def killed_in_append():
    loc = fresh()
    c = Client(loc)
    c.append("INBOX", MAIL)
    c.send("k APPEND INBOX {100000+}\r\n" + "half\r\n" * 1000)
    deadline = time.time() + 10
    while not os.listdir(path(loc) + "/tmp") and time.time() < deadline:
        time.sleep(0.01)
    assert os.listdir(path(loc) + "/tmp")
    c.p.kill()
    c.p.wait()
    c = Client(loc)
    has(c.ok("SELECT INBOX"), r"^\* 1 EXISTS")
    c.append("INBOX", MAIL)
    has(c.ok("NOOP"), r"^\* 2 EXISTS") if False else c.ok("NOOP")
    has(c.ok("STATUS INBOX (MESSAGES UIDNEXT)"), "MESSAGES 2 UIDNEXT 3")
    c.close()
    c = Client(loc)                    # the client goes away in the middle
    c.send("k APPEND INBOX {100+}\r\nhalf")
    c.p.stdin.close()
    c.p.wait()
    assert len(os.listdir(path(loc) + "/tmp")) == 1   # of the killed one only: swept after 36 h
    c = Client(loc)
    has(c.ok("STATUS INBOX (MESSAGES)"), "MESSAGES 2")
    c.close()


@test
def killed_anywhere():
    """SIGKILL at some moment of STORE and MOVE: afterwards each message is there, whole, in one mailbox or both."""
    for i in range(12):
        loc = fresh()
        c = Client(loc)
        c.ok("CREATE Other")
        for n in range(5):
            c.append("INBOX", MAIL.replace("<1@", "<%d@" % n))
        c.ok("SELECT INBOX")
        c.send("x STORE 1:* +FLAGS (\\Seen)\r\ny MOVE 1:* Other\r\nz NOOP\r\n")
        time.sleep(0.0007 * i)
        c.p.kill()
        c.p.wait()
        c.p.stdout.close()
        where = {}
        c = Client(loc)
        for box in ("INBOX", "Other"):
            c.ok("SELECT " + box)
            for l in c.ok("FETCH 1:* (BODY.PEEK[] RFC822.SIZE)")[:-1]:
                m = re.search(r"Message-Id: <(\d+)@", l)
                assert m and "says 42." in l, l
                where.setdefault(m.group(1), []).append(box)
        c.close()
        assert len(where) == 5, where
        for boxes in where.values():   # a kill between copy and removal leaves both: never neither, never more
            assert boxes in (["INBOX"], ["Other"], ["INBOX", "Other"]), where


@test
def python_imaplib():
    loc = fresh()
    box = imaplib.IMAP4_stream("%s %s" % (SERVER, loc))
    assert box.state == "AUTH"
    assert box.append("INBOX", None, None, MAIL.encode())[0] == "OK"
    assert box.select()[1] == [b"1"]
    assert box.fetch("1", "(RFC822)")[1][0][1] == MAIL.encode()
    assert box.search(None, "ALL")[1] == [b"1"]
    box.logout()


@test
def mbsync_twice():
    if not shutil.which("mbsync"):
        return "skip: no mbsync"
    loc = fresh()
    c = Client(loc)
    c.ok("CREATE Archive")
    for i in range(20):
        c.append("INBOX", MAIL.replace("<1@", "<%d@" % i), " (\\Seen)" if i % 2 else "")
    c.append("Archive", MULTI)
    c.close()
    home = tempfile.mkdtemp(dir=ROOT)
    rc = os.path.join(home, "rc")
    open(rc, "w").write(
        "IMAPStore far\nTunnel \"%s %s\"\n\nMaildirStore near\nPath %s/local/\nInbox %s/local/INBOX\nSubFolders Verbatim\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns * INBOX\nCreate Both\nExpunge Both\nSync All\nSyncState *\n"
        % (SERVER, loc, home, home))
    os.mkdir(home + "/local")

    def sync():
        r = subprocess.run(["mbsync", "-c", rc, "-V", "-a"], capture_output=True, text=True, timeout=120,
                           env=dict(os.environ, HOME=home))
        assert r.returncode == 0, r.stderr + r.stdout
        return r.stdout + r.stderr

    def state():
        out = {}
        for base in (path(loc), home + "/local"):
            for d, _, files in os.walk(base):
                for f in files:
                    if not f.startswith(("postern.index", ".mbsyncstate")):
                        s = os.stat(os.path.join(d, f))
                        out[os.path.join(d, f)] = (s.st_ino, s.st_size)
        return out

    sync()
    assert len(os.listdir(home + "/local/INBOX/cur") + os.listdir(home + "/local/INBOX/new")) == 20
    before = state()
    sync()
    assert state() == before
    name = sorted(os.listdir(home + "/local/INBOX/cur"))[0]
    os.rename("%s/local/INBOX/cur/%s" % (home, name), "%s/local/INBOX/cur/%sT" % (home, name))
    open(home + "/local/INBOX/new/1.mine.here", "w").write(MAIL.replace("\r\n", "\n"))
    sync()
    c = Client(loc)
    has(c.ok("STATUS INBOX (MESSAGES)"), "MESSAGES 20")
    c.close()


@test
def outside_changes():
    """What other programs do to the files is reconciled."""
    loc = fresh()
    c = Client(loc)
    for i in range(4):
        c.append("INBOX", MAIL)
    c.ok("SELECT INBOX")
    cur = path(loc) + "/cur/"
    files = sorted(os.listdir(cur))
    os.unlink(cur + files[0])
    os.rename(cur + files[1], cur + files[1] + "FS")
    open(path(loc) + "/new/9.other.host", "w").write("Subject: x\n\nbody\n")
    lines = c.ok("NOOP")
    has(lines, r"EXPUNGE")
    has(lines, r"FLAGS \(\\Flagged \\Seen")
    has(lines, r"^\* 4 EXISTS")
    has(c.ok("FETCH 4 (UID RFC822.SIZE)"), r"UID 5 RFC822.SIZE 20")
    shutil.rmtree(path(loc) + "/cur")
    has(c.ok("NOOP"), r"^\* 1 EXPUNGE")
    c.append("INBOX", MAIL)
    has(c.ok("STATUS INBOX (MESSAGES UIDNEXT)"), "MESSAGES 1 UIDNEXT 7")
    c.ok("CREATE x")
    c.append("x", MAIL)
    d = Client(loc)
    d.ok("SELECT x")
    c.ok("RENAME x y")
    has(d.ok("FETCH 1 BODY.PEEK[]"), "says 42")
    c.ok("DELETE y")
    d.send("z NOOP\r\n")
    assert d.line().startswith("* BYE")
    d.p.wait()
    c.close()


def main():
    print("1..%d" % len(results))
    bad = 0
    for n, f in enumerate(results, 1):
        try:
            note = f()
            print("ok %d - %s%s" % (n, f.__name__, " # SKIP " + note[6:] if note else ""))
        except Exception as e:
            bad += 1
            print("not ok %d - %s" % (n, f.__name__))
            for line in ("%s: %s" % (type(e).__name__, e)).splitlines()[:30]:
                print("# " + line[:1500])
        sys.stdout.flush()
    shutil.rmtree(ROOT, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
