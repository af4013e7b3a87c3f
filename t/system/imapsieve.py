#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imapsieve.py - scripts that IMAP commands make run (RFC 6785, Pigeonhole's imap_sieve), through the real programs

A spam-learning site: what is moved into and out of Junk is piped to a program.  What the scripts see and do after APPEND,
COPY, MOVE and changes of flags; scripts in error and actions that are not for IMAP leave message and command alone; users'
own scripts by METADATA; what an idle session costs.  TAP.
"""
import base64, glob, os, pwd, re, socket, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for
import imaplib

PORT, SIEVE = free_port(), free_port()
MASTER = f"127.0.0.1:{PORT} inet n - n - - imap-login\n127.0.0.1:{SIEVE} inet n - n - - managesieve-login\n"
ROOT = os.getuid() == 0
owner = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())
t = Tap()
USERS = ("alice", "bob", "carol")
MESSAGE = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: one\r\n\r\nline\r\nlast\r\n"
REQUIRE = ('require ["vnd.dovecot.pipe","vnd.dovecot.execute","copy","imapsieve","environment","variables","imap4flags","fileinto","mailbox",'
           '"vnd.dovecot.imapsieve","vnd.dovecot.environment"];\n')
SEEN = "".join(f'set "{v}" ""; if environment :matches "{item}" "*" {{ set "{v}" "${{1}}"; }}\n' for v, item in
               (("cause", "imap.cause"), ("box", "imap.mailbox"), ("user", "imap.user"), ("email", "imap.email"), ("changed", "imap.changedflags"),
                ("from", "vnd.dovecot.mailbox-from"), ("to", "vnd.dovecot.mailbox-to"), ("where", "location"), ("def", "vnd.dovecot.default-mailbox")))
ARGS = '["cause=${cause}","box=${box}","user=${user}","email=${email}","changed=${changed}","from=${from}","to=${to}","where=${where}","def=${def}"]'
NOTE = """#!/bin/sh
f=$(mktemp "$HOME/got.XXXXXX") || exit 9
{ for a in "$@"; do echo "$a"; done; env | sort; echo "id=$(id -u) cwd=$(pwd)"; echo ----; cat; } > "$f"
mv "$f" "$f.done"
"""
SCRIPTS = {
    "seen": SEEN + f'pipe :copy "note" {ARGS};',
    "ham": 'pipe :copy "note" "ham";', "spam": 'pipe :copy "note" "spam";',
    "nocopy": 'pipe "note" "nocopy";', "fail": 'pipe "fail";', "try": 'pipe :try "fail";', "missing": 'pipe :copy "missing";',
    "discard": "discard;", "fileinto": 'fileinto :create "Other";', "filecopy": 'fileinto :copy :flags "\\\\Answered" :create "Other";',
    "nowhere": 'fileinto "Nowhere";', "unsayable": 'fileinto :create "a\u2028b";', "addflag": 'addflag ["\\\\Flagged","$x"];', "setflag": 'setflag "$only";', "keepflags": 'keep :flags "\\\\Draft";',
    "hasflag": 'if hasflag "\\\\Flagged" { pipe :copy "note" "flagged"; }',
    "syntax": "keep", "reject": 'require "reject"; reject "no";', "vacation": 'require "vacation"; vacation "x";',
    "redirect": 'redirect "a@b.example";', "notify": 'require "enotify"; notify "mailto:a@b.example";', "edit": 'require "editheader"; addheader "X" "y";',
    "loop": 'fileinto :copy "seen"; addflag "$looped";', "exists": 'if mailboxexists ["INBOX", "seen"] { addflag "$there"; } if mailboxexists "Nowhere" { addflag "$wrong"; }',
    "run": 'execute :pipe :output "o" "count"; addflag "${o}";',
}


class Session:
    def __init__(self, user="alice"):
        self.m = imaplib.IMAP4("127.0.0.1", PORT)
        self.m.login(user, "x")

    def __call__(self, command):
        tag = self.m._new_tag()
        self.m.send(tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        lines = []
        while True:
            line = self.m.readline().rstrip(b"\r\n").decode("utf-8", "replace")
            if line.startswith(tag.decode() + " ") or not line:
                return lines + [line[len(tag) + 1:]]
            lines.append(line)

    def good(self, command):
        got = self(command)
        if not got[-1].startswith("OK"):
            t.ok(False, command if isinstance(command, str) else repr(command[:40]), *got)
        return got

    def append(self, box, flags=""):
        return self.good(f'APPEND "{box}" {flags and flags + " "}{{{len(MESSAGE)}+}}\r\n'.encode() + MESSAGE)

    def flags(self, box=None):
        """Of each message, without \\Recent."""
        if box:
            self.good(f'SELECT "{box}"')
        return [set(re.search(r"FLAGS \((.*?)\)", x).group(1).split()) - {"\\Recent"} for x in self.good("UID FETCH 1:* (FLAGS)")[:-1] if "FETCH" in x]

    def end(self):
        self.m.logout()


class Site:
    def __init__(self, main="", rules=(), scripts=SCRIPTS):
        self.i = Instance(master=MASTER)
        d = self.d = self.i.dir
        for sub in ("bin", "scripts", *(f"home/{user}" for user in USERS)):
            os.makedirs(f"{d}/{sub}")
        for name, text in {"note": NOTE, "fail": "#!/bin/sh\ncat > /dev/null\necho oops >&2\nexit 3\n", "count": "#!/bin/sh\nprintf n%d $(wc -l)\n",
                           "slow": "#!/bin/sh\nexec sleep 100\n"}.items():
            with open(f"{d}/bin/{name}", "w") as f:
                f.write(text)
            os.chmod(f"{d}/bin/{name}", 0o755)
        for name, text in scripts.items():
            with open(f"{d}/scripts/{name}.sieve", "w") as f:
                f.write(REQUIRE + text)
        with open(f"{d}/users", "w") as f:
            for user in USERS:
                os.chown(f"{d}/home/{user}", owner.pw_uid, owner.pw_gid)
                f.write(f"{user}:{{PLAIN}}x:{owner.pw_uid}:{owner.pw_gid}::{d}/home/{user}::\n")
        os.chmod(d, 0o755)
        lines, n = [], 0
        for name, origin, causes, script in rules:
            n += 1
            lines.append(f"imapsieve_mailbox{n}_name = {name}\nimapsieve_mailbox{n}_from = {origin}\nimapsieve_mailbox{n}_causes = {causes}\n"
                         f"imapsieve_mailbox{n}_before = file:{d}/scripts/{script}.sieve\n")
        self.i.configure(f"""auth_mechanisms = plain login
auth_passdb = passwd-file:{d}/users
auth_userdb = passwd-file:{d}/users
auth_failure_delay = 0s
first_valid_uid = 1
mail_location = maildir:~/Maildir
sieve_pipe_bin_dir = {d}/bin
sieve_execute_bin_dir = {d}/bin
sieve_global_extensions = +vnd.dovecot.pipe +vnd.dovecot.execute +vnd.dovecot.environment
""" + "".join(lines) + main.replace("$DIR", d), MASTER)
        self.started = self.i.start()

    def got(self, user="alice", wait=0):
        """What programs got, in their order: (lines, input); waits until there are so many."""
        names = lambda: sorted(glob.glob(f"{self.d}/home/{user}/got.*.done"), key=os.path.getmtime)
        if wait:
            wait_for(lambda: len(names()) >= wait)
        out = []
        for name in names():
            with open(name, "rb") as f:
                head, body = f.read().split(b"----\n", 1)
            out.append((head.decode().splitlines(), body))
            os.unlink(name)
        return out

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if t.failed:
            print("# " + self.i.log()[-6000:].replace("\n", "\n# "))
        self.i.__exit__()


def learning():
    """What nearly every site with a spam filter has."""
    rules = [("Junk", "*", "COPY APPEND", "spam"), ("*", "Junk", "COPY", "ham")]
    with Site(rules=rules) as site:
        t.ok(site.started.returncode == 0, "a spam-learning site starts", site.started.stdout, site.started.stderr, site.i.log())
        s = Session()
        for box in ("Junk", "Work", "Trash"):
            s.good(f"CREATE {box}")
        s.append("INBOX")
        t.ok(site.got() == [], "APPEND to INBOX is for no rule")
        s.good("SELECT INBOX")
        got = s.good("UID MOVE 1 Junk")
        t.ok(any("COPYUID" in x for x in got), "MOVE to Junk", *got)
        told = site.got(wait=1)
        t.ok(len(told) == 1 and told[0][0][0] == "spam" and told[0][1] == MESSAGE, "is learnt as spam, the message as it is", told)
        s.good("SELECT Junk")
        s.good("UID COPY 1 Work")
        told = site.got(wait=1)
        t.ok(len(told) == 1 and told[0][0][0] == "ham", "COPY out of Junk: as ham", told)
        s.good("UID MOVE 1 INBOX")
        t.ok([x[0][0] for x in site.got(wait=1)] == ["ham"], "MOVE out of Junk, too")
        s.append("Junk")
        t.ok([x[0][0] for x in site.got(wait=1)] == ["spam"], "APPEND to Junk: spam")
        for _ in range(20):
            s.append("Work")
        s.good("SELECT Work")
        got = s.good("MOVE 1:* Junk")
        t.ok(len(site.got(wait=21)) == 21 and sum("EXPUNGE" in x for x in got) == 21, "many at once, each", *got[-3:])
        s.good("SELECT Junk")
        s.good("STORE 1:* +FLAGS.SILENT (\\Seen)")
        s.good("COPY 1 Junk")
        t.ok([x[0][0] for x in site.got(wait=2)] in (["spam", "ham"],), "within Junk both rules match")
        s.end()


def actions():
    rules = [(name, "", "", name) for name in list(SCRIPTS)[:16] if name not in ("ham", "spam")]
    rest = [(name, "", "", name) for name in list(SCRIPTS)[16:]]
    with Site(rules=rules) as site:
        s = Session()
        for r in rules:
            s.good(f"CREATE {r[0]}")
        s.append("INBOX", "(\\Flagged $kw)")
        s.good("SELECT INBOX")
        s.good("COPY 1 seen")
        lines, body = site.got(wait=1)[0]
        want = {"cause=COPY", "box=seen", "user=alice", "email=alice", "changed=", "from=INBOX", "to=seen", "where=MS", "def=seen",
                f"HOME={site.d}/home/alice", "USER=alice", f"id={owner.pw_uid} cwd={site.d}/home/alice"}
        t.ok(want <= set(lines), "COPY: what the script sees and the program gets", *(want - set(lines)), *lines)
        t.ok({x.split("=")[0] for x in lines if re.match("[A-Z_]+=", x)} - {"PWD", "OLDPWD", "_", "SHLVL"} == {"HOME", "HOST", "USER"}, "and no other environment", lines)
        s.good("SELECT seen")
        s.good("STORE 1 +FLAGS (\\Seen \\Flagged)")
        lines, body = site.got(wait=1)[0]
        t.ok({"cause=FLAG", "changed=\\Seen", "from=seen"} <= set(lines), "STORE: what has changed, not what was named", lines)
        s.good("STORE 1 +FLAGS (\\Seen)")
        t.ok(site.got() == [], "where nothing changes nothing runs")
        s.good("STORE 1 FLAGS (\\Draft)")
        lines, body = site.got(wait=1)[0]
        t.ok("changed=\\Flagged \\Seen \\Draft $kw" in lines, "FLAGS: all that came and went", lines)
        s.good("FETCH 1 BODY[TEXT]")
        lines, body = site.got(wait=1)[0]
        t.ok({"cause=FLAG", "changed=\\Seen"} <= set(lines), "FETCH that sets \\Seen is a change, too", lines)
        s.append("seen")
        lines, body = site.got(wait=1)[0]
        t.ok({"cause=APPEND", "from=seen", "changed="} <= set(lines), "APPEND", lines)
        s.good(f"APPEND seen {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE + f" {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE)
        t.ok(len(site.got(wait=2)) == 2, "MULTIAPPEND: each")
        s.good("SELECT seen")
        s.good(f"UID REPLACE 1 seen {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE)
        t.ok("cause=APPEND" in site.got(wait=1)[0][0], "REPLACE is an APPEND")

        def case(name, flags, log=None, after_store=None):
            s.good("SELECT INBOX")
            got = s.good(f"COPY 1 {name}")
            have = s.flags(name)
            t.ok(have == [flags], f"{name}: {flags}", have)
            if after_store is not None:
                s.good("STORE 1 +FLAGS (\\Seen)")
                have = s.flags(name)
                t.ok(have == [after_store], f"{name}: after STORE {after_store}", have)
            if log:
                t.ok(wait_for(lambda: site.i.logged(log)), f"{name}: the log says {log!r}")
        case("nocopy", {"\\Flagged", "$kw", "\\Deleted"})
        case("fail", {"\\Flagged", "$kw"}, "failed to pipe message to program `fail': exit status 3")
        t.ok(site.i.logged("program fail: oops"), "what a program says on standard error is in the log")
        case("try", {"\\Flagged", "$kw", "\\Deleted"})
        case("missing", {"\\Flagged", "$kw"}, "failed to pipe message to program `missing'")
        case("discard", {"\\Flagged", "$kw", "\\Deleted"}, after_store={"\\Flagged", "$kw", "\\Deleted", "\\Seen"})
        s.good("STORE 1 FLAGS ()")
        t.ok(s.flags() == [set()], "discard after a change of flags discards nothing")
        case("fileinto", {"\\Flagged", "$kw", "\\Deleted"})
        t.ok(s.flags("Other") == [{"\\Flagged", "$kw"}], "fileinto: the copy has its flags")
        case("filecopy", {"\\Flagged", "$kw"})
        t.ok(s.flags("Other")[-1] == {"\\Answered"}, "fileinto :copy :flags: the copy has those")
        case("nowhere", {"\\Flagged", "$kw"}, "failed to store into mailbox 'Nowhere': Mailbox doesn't exist")
        case("unsayable", {"\\Flagged", "$kw"}, "failed to store into mailbox")
        t.ok(not any("2028" in x or "ICg" in x for x in s.good('LIST "" *')), "no mailbox is made whose name a client cannot say")
        case("addflag", {"\\Flagged", "$kw", "$x"}, after_store={"\\Flagged", "$kw", "$x", "\\Seen"})
        case("setflag", {"$only"}, after_store={"$only"})
        case("keepflags", {"\\Draft"})
        site.got()
        case("hasflag", {"\\Flagged", "$kw"})
        t.ok(site.got(wait=1)[0][0][0] == "flagged", "hasflag sees the flags of the message")
        got = s("STORE 1 -FLAGS (\\Flagged)")
        t.ok(site.got() == [], "and their change")
        s.end()
    with Site(rules=rest + [("seen", "", "", "seen")]) as site:
        s = Session()
        for r in rest + [("seen",)]:
            s.good(f"CREATE {r[0]}")
        s.append("INBOX", "(\\Flagged $kw)")
        for name, log in (("syntax", "Failed to compile script"), ("reject", "unknown Sieve capability `reject'"), ("vacation", "unknown Sieve capability `vacation'"),
                          ("redirect", "redirect cannot be used here"), ("notify", "unknown Sieve capability `enotify'"), ("edit", "unknown Sieve capability `editheader'")):
            s.good("SELECT INBOX")
            s.good(f"COPY 1 {name}")
            t.ok(s.flags(name) == [{"\\Flagged", "$kw"}] and wait_for(lambda: site.i.logged(log)), f"{name}: refused when it is read, the message stays")
        s.good("SELECT INBOX")
        s.good("COPY 1 loop")
        t.ok(s.flags("loop") == [{"\\Flagged", "$kw", "$looped"}] and s.flags("seen") == [{"\\Flagged", "$kw"}] and site.got() == [],
             "what scripts do makes no script run", s.flags("loop"), s.flags("seen"))
        s.good("SELECT INBOX")
        s.good("COPY 1 exists")
        t.ok(s.flags("exists") == [{"\\Flagged", "$kw", "$there"}], "mailboxexists", s.flags("exists"))
        s.good("SELECT INBOX")
        s.good("COPY 1 run")
        t.ok(s.flags("run") == [{"\\Flagged", "$kw", "n6"}], "execute, with the message piped to it", s.flags("run"))
        # news of the selected mailbox, in the answer of the command itself
        s.good("SELECT exists")
        got = s.append("exists")
        t.ok(any(re.match(r"\* \d+ EXISTS", x) for x in got) and s.flags()[-1] == {"$there"}, "in the selected mailbox", *got)
        s.end()


def discarded():
    """imapsieve_expunge_discarded, and users who do not meet its scripts."""
    rules = [("discard", "", "", "discard"), ("INBOX", "", "FLAG", "late"), ("Junk", "", "COPY", "spam")] + SAME_RULES
    scripts = {"discard": "discard;", "late": 'addflag "$late";', "spam": 'addflag "$spam";'} | SAME
    with Site("imapsieve_expunge_discarded = yes\n", rules, scripts) as site:
        s = Session()
        s.good("CREATE discard")
        s.append("discard")
        s.good("SELECT discard")
        t.ok(s.flags() == [], "imapsieve_expunge_discarded: it is gone")
        got = s.append("discard")
        t.ok(s.flags() == [] and got[-1].startswith("OK [APPENDUID"), "also of the selected mailbox; the command has succeeded", *got)
        s.end()
        same_mailbox("yes")
        mod_sequences("bob")
        half_moved(site, "carol")


def inbox():
    """INBOX of a rule is written in any case."""
    with Site(rules=[("inbox", "", "APPEND", "into"), ("*", "Inbox", "COPY", "out")], scripts={"into": 'addflag "$into";', "out": 'addflag "$out";'}) as site:
        s = Session()
        s.good("CREATE Box")
        s.append("INBOX")
        t.ok(s.flags("INBOX") == [{"$into"}], "a rule for inbox is INBOX's", s.flags("INBOX"))
        s.good("COPY 1 Box")
        t.ok(s.flags("Box") == [{"$into", "$out"}], "and one from Inbox", s.flags("Box"))
        s.end()


def mod_sequences(user):
    """A client that is cut off must not believe that it knows flags which it was not told."""
    s = Session(user)
    s.append("INBOX")
    s.good("SELECT INBOX (CONDSTORE)")
    got = s.good("FETCH 1 (FLAGS MODSEQ BODY[TEXT])")
    told = [(set(m.group(1).split()), int(m.group(2))) for m in re.finditer(r"FLAGS \(([^)]*)\) MODSEQ \((\d+)\)", " ".join(got))]
    t.ok(len(told) == 2 and "\\Seen" in told[0][0] and "$late" not in told[0][0] and "$late" in told[1][0] and told[0][1] < told[1][1],
         "FETCH that sets \\Seen tells the MODSEQ of what it tells, and later that of the script's flags", *got)
    s.end()


def half_moved(site, user):
    """MOVE that copies and cannot take away: scripts run for what is there."""
    s = Session(user)
    s.good("CREATE Junk")
    s.append("INBOX")
    s.flags("INBOX")
    cur = f"{site.d}/home/{user}/Maildir/cur"
    os.chmod(cur, 0o500)
    got = s("MOVE 1 Junk")
    os.chmod(cur, 0o700)
    here = s.flags("INBOX")
    t.ok(got[-1].startswith("NO [NOPERM]") and here == [set()], "MOVE that cannot take a message away fails", *got)
    t.ok(s.flags("Junk") == [{"$spam"}], "and what it left there had its scripts", s.flags("Junk"))
    s.end()


SAME = {"here": 'fileinto "Here";', "flagged": 'fileinto :flags "$x" "Flagged";', "both": 'discard; fileinto "Both"; fileinto :create "Other";'}
SAME_RULES = [(x.capitalize(), "", "APPEND COPY", x) for x in SAME]


def same_mailbox(expunge):
    """fileinto of the mailbox where the message is keeps it there."""
    s = Session()
    for box in SAME:
        s.good(f"CREATE {box.capitalize()}")
    s.append("Here")
    t.ok(s.flags("Here") == [set()], f"fileinto of its own mailbox keeps the message (expunge_discarded = {expunge}): APPEND", s.flags("Here"))
    s.append("INBOX", "(\\Flagged)")
    s.good("SELECT INBOX")
    s.good("MOVE 1 Here")
    t.ok(s.flags("Here") == [set(), {"\\Flagged"}], "MOVE", s.flags("Here"))
    s.good("COPY 2 Flagged")
    t.ok(s.flags("Flagged") == [{"$x"}], "with :flags it has those", s.flags("Flagged"))
    s.append("Both")
    t.ok(s.flags("Both") == [set()] and s.flags("Other") == [set()], "whatever else is done with it", s.flags("Both"))
    s.end()


def kept():
    with Site("imapsieve_expunge_discarded = no\n", SAME_RULES, SAME):
        same_mailbox("no")


def another_mailbox():
    """While scripts are read, another session puts another mailbox in the place of the one that they are for."""
    long = "if false { keep; }\n" * 6000 + "discard;"
    with Site("imapsieve_expunge_discarded = yes\n", [("Race*", "", "APPEND", f"long{n}") for n in range(16)], {f"long{n}": long for n in range(16)}) as site:
        a, b = Session(), Session()
        for n in range(10):
            a.good(f"CREATE Race{n}")
            a.good(f"CREATE Other{n}")
            a.append(f"Other{n}")
            a.m.send(f"x APPEND Race{n} {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE + b"\r\n")
            wait_for(lambda: "MESSAGES 1" in b.good(f"STATUS Race{n} (MESSAGES)")[0])
            b.good(f"RENAME Race{n} Old{n}")
            b.good(f"RENAME Other{n} Race{n}")
            while not (line := a.m.readline()).startswith(b"x ") and line:
                pass
            if b.flags(f"Race{n}") != [set()] or b.flags(f"Old{n}"):      # else the scripts were the first
                break
        t.ok(line.startswith(b"x OK"), "a mailbox is renamed while scripts for it are read: the command succeeds", line)
        t.ok(b.flags(f"Race{n}") == [set()] and b.flags(f"Old{n}") == [set()], "no script runs for what has its name now", b.flags(f"Race{n}"), b.flags(f"Old{n}"))
        t.ok(site.i.logged("it is another by now"), "which the log says")
        a.end()
        b.end()


def cpu_time():
    """Scripts of a command have an end, however many messages it names."""
    slow = 'if header :matches "subject" "' + "*" + "a" * 600 + 'b*" { stop; }\n'
    with Site("sieve_max_cpu_time = 1s\n", [("Slow", "", "", "slow")], {"slow": slow * 600}) as site:
        s = Session()
        s.good("CREATE Slow")
        message = b"Subject: " + b"a" * 30000 + b"\r\n\r\n"
        s.good("APPEND INBOX" + f" {{{len(message)}+}}\r\n{message.decode()}" * 8)
        s.good("SELECT INBOX")
        got = s.good("COPY 1:8 Slow")
        runs = len(re.findall(r"uid=\d+: slow.sieve", site.i.log()))
        t.ok("COPYUID" in got[-1] and s.flags("Slow") == [set()] * 8, "scripts that take long: the command succeeds, the messages stay", *got)
        t.ok(wait_for(lambda: site.i.logged("no script runs for this message and those behind it")) and 1 <= runs <= 5, "and the rest of them runs none", runs)
        s.end()


def imapds(site):
    """Processes of this site's imapd."""
    out = []
    for p in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            words = open(p, "rb").read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"imapd" and any(site.d.encode() in w for w in words):
            out.append(p.split("/")[2])
    return out


def no_path():
    """A rule that says file: and nothing else names no script; sessions go on, and so do the rules before it."""
    with Site("imapsieve_mailbox1_after = file:\n", [("Junk", "*", "", "spam")]) as site:
        s = Session()
        s.good("CREATE Junk")
        s.append("Junk")
        t.ok([x[0][0] for x in site.got(wait=1)] == ["spam"] and site.i.logged("file: is not an absolute path"), "a script without a path is told in the log")
        s.end()


def costs():
    with Site() as site:
        s = Session()
        t.ok("IMAPSIEVE" not in " ".join(s("CAPABILITY")), "without rules there is no capability")
        s.end()
        t.ok(wait_for(lambda: site.i.sessions() == 0) and len(imapds(site)) == 1, "and no keeper of programs", imapds(site))
    main = "imap_hibernate_timeout = 1s\nsieve_pipe_exec_timeout = 1s\nimapsieve_mailbox4_name = x\nimapsieve_mailbox17_name = x\n"
    with Site(main, [("Junk", "*", "", "spam"), ("slow", "", "", "slow")], {"spam": SCRIPTS["spam"], "slow": 'pipe :copy "slow";'}) as site:
        t.ok(site.started.returncode == 0, "a gap in the numbers ends the rules, and nothing else", site.started.stderr)
        s = Session()
        s.good("CREATE Junk")
        s.append("INBOX")
        s.good("SELECT INBOX")
        s.m.send(b"i IDLE\r\n")
        s.m.readline()
        t.ok(wait_for(lambda: len(imapds(site)) == 2), "an idle session goes to sleep as before: there are the service and the keeper", imapds(site))
        s.m.send(b"DONE\r\n")
        while not s.m.readline().startswith(b"i OK"):
            pass
        s.good("MOVE 1 Junk")
        t.ok([x[0][0] for x in site.got(wait=1)] == ["spam"], "and awake again, its scripts run")
        t.ok(site.i.logged("imapsieve_mailbox4_name: imapsieve_mailbox3_name is not set"), "the log warns of the gap")
        s.good("CREATE slow")
        s.append("slow")
        t.ok(site.i.logged("it takes too long"), "a program that hangs is ended, and the command succeeds")
        s.end()


def refused():
    with Instance(master=MASTER) as i:
        for line, why in (("imapsieve_mailbox1_name = x\nimapsieve_mailbox1_causes = MOVE\n", "unknown cause"),
                          ("".join(f"imapsieve_mailbox{n}_name = x\n" for n in range(1, 18)), "only 16 rules"), ("imapsieve_mailbox1_name = x\nsieve_pipe_socket_dir = s\n", "sieve_pipe_socket_dir")):
            i.configure(line, MASTER)
            r = i.run("check")
            t.ok(r.returncode != 0 and why in r.stderr, f"refused: {why}", r)


def own(site, name, text, user="alice"):
    d = f"{site.d}/home/{user}/sieve"
    os.makedirs(d, exist_ok=True)
    with open(f"{d}/{name}.sieve", "w") as f:
        f.write(text)
    for p in (d, f"{d}/{name}.sieve"):
        os.chown(p, owner.pw_uid, owner.pw_gid)


def users():
    """Scripts that METADATA names (RFC 6785, 2.2)."""
    rules = [("Both", "", "", "before")]
    scripts = {"before": 'addflag "$before";'}
    with Site("imapsieve_url = sieve://mail.example.com\nsieve = file:~/sieve;active=~/.dovecot.sieve\n", rules, scripts) as site:
        own(site, "mine", 'require ["imapsieve","imap4flags","environment"]; if environment "imap.cause" "APPEND" { addflag "$mine"; }')
        own(site, "other", 'require ["imap4flags","include"]; include "part"; addflag "$other";')
        own(site, "part", 'require "imap4flags"; addflag "$part";')
        own(site, "bad", 'require "vnd.dovecot.pipe"; pipe "note";')
        s = Session()
        t.ok("IMAPSIEVE=sieve://mail.example.com" in s("CAPABILITY")[0].split(), "with imapsieve_url the capability says where scripts are kept")
        for box in ("Box", "Both", "None", "Bad", "Gone"):
            s.good(f"CREATE {box}")
        s.append("Box")
        t.ok(s.flags("Box") == [set()], "no script is named: none runs")
        s.good('SETMETADATA Box (/shared/imapsieve/script "mine")')
        s.append("Box")
        t.ok(s.flags("Box")[-1] == {"$mine"}, "the mailbox's script")
        s.good("COPY 1 Box")
        t.ok(s.flags("Box")[-1] == set(), "which sees the cause")
        s.good('SETMETADATA "" (/shared/imapsieve/script "other")')
        s.append("INBOX")
        t.ok(s.flags("INBOX") == [{"$other", "$part"}], "the server's, for mailboxes without one; it includes another", s.flags("INBOX"))
        s.append("Box")
        t.ok(s.flags("Box")[-1] == {"$mine"}, "the mailbox's goes before it")
        s.good('SETMETADATA None (/shared/imapsieve/script "")')
        s.append("None")
        t.ok(s.flags("None") == [set()], "an empty name is none")
        s.append("Both")
        t.ok(s.flags("Both") == [{"$before", "$other", "$part"}], "behind the administrator's", s.flags("Both"))
        for box, name, log in (("Bad", "bad", "unknown Sieve capability `vnd.dovecot.pipe'"), ("Gone", "gone", None), ("Gone", "../sieve/mine", "no name of a script")):
            s.good(f'SETMETADATA {box} (/shared/imapsieve/script "{name}")')
            s.append(box)
            t.ok(s.flags(box)[-1] == set() and site.got() == [] and (not log or wait_for(lambda: site.i.logged(log))), f"{name}: runs nothing, the message is there")
        s.good('SETMETADATA Box (/shared/imapsieve/script NIL)')
        s.good('SETMETADATA "" (/shared/imapsieve/script NIL)')
        s.append("Box")
        t.ok(s.flags("Box")[-1] == set(), "taken away, none runs")
        s.end()
        m = socket.create_connection(("127.0.0.1", SIEVE), timeout=30)
        f = m.makefile("rwb")

        def until(*words):
            lines = []
            while not lines or not lines[-1].startswith((b"OK", b"NO", b"BYE")):
                lines.append(f.readline())
                if not lines[-1]:
                    break
            return b"".join(lines)
        t.ok(b" imapsieve" in until(), "ManageSieve tells of imapsieve, too")
        f.write(b'AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0alice\0x") + b'"\r\n')
        f.flush()
        until()
        script = b'require ["imapsieve","imap4flags"]; addflag "$new";'
        f.write(b'PUTSCRIPT "new" {%d+}\r\n%s\r\n' % (len(script), script))
        f.flush()
        got = until()
        t.ok(got.startswith(b"OK"), "and takes such a script", got)
        m.close()
        s = Session()
        s.good('SETMETADATA Box (/shared/imapsieve/script "new")')
        s.append("Box")
        t.ok(s.flags("Box")[-1] == {"$new"}, "which then runs", s.flags("Box"))
        s.end()
        b = Session("bob")
        b.good('SETMETADATA INBOX (/shared/imapsieve/script "mine")')
        b.append("INBOX")
        t.ok(b.flags("INBOX") == [set()], "another's script is not one's own")
        b.end()
    with Site(rules=rules, scripts=scripts) as site:
        own(site, "mine", 'require "imap4flags"; addflag "$mine";')
        s = Session()
        s.good('SETMETADATA INBOX (/shared/imapsieve/script "mine")')
        s.append("INBOX")
        t.ok(s.flags("INBOX") == [set()] and "IMAPSIEVE" not in " ".join(s("CAPABILITY")), "without imapsieve_url users' scripts do not run, and that is not announced")
        s.end()


for part in (learning, actions, discarded, kept, inbox, another_mailbox, cpu_time, users, no_path, costs, refused):
    part()
t.end()
