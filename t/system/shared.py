#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""shared.py - mailboxes of other users and of everybody, by ACL, through the real programs (RFC 4314, 2342, 8440)

Sessions of alice, who owns, bob, to whom she gives rights, and carol, to whom she gives none: each right allows what
RFC 4314, 4 says and nothing else; who has no rights cannot tell what is there from what is not; \\Seen is each user's
own.  All have one uid (a site of virtual users); as root, also with a uid each and a common group.
"""
import imaplib, os, pwd, re, shutil, socket, stat, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

PORT = free_port()
MASTER = f"127.0.0.1:{PORT} inet n - n - - imap-login\n"
MESSAGE = b"From: a@example.net\r\nSubject: one\r\n\r\ntext\r\n"
root = os.getuid() == 0
t = Tap()
imaplib.Commands.update({c: ("AUTH", "SELECTED") for c in ("MYRIGHTS", "LISTRIGHTS", "GETMETADATA", "SETMETADATA", "NOTIFY")})


class Site:
    """Users with homes; uids: one for all, or a list."""

    def __init__(self, users, uids, gid, more="", separator="/"):
        self.i = Instance(master=MASTER)
        d = self.i.dir
        os.makedirs(f"{d}/dict")
        os.makedirs(f"{d}/home")
        lines = []
        for n, user in enumerate(users):
            uid = uids[n % len(uids)]
            os.mkdir(f"{d}/home/{user}")
            os.chown(f"{d}/home/{user}", uid, gid)
            os.chmod(f"{d}/home/{user}", 0o711 if len(uids) > 1 else 0o700)
            groups = "userdb_acl_groups=staff,sales" if user.startswith("bob") else ""
            own = gid if len(uids) == 1 else uid
            lines.append(f"{user}:{{PLAIN}}x:{uid}:{own}::{d}/home/{user}::{groups}\n")
        os.chown(f"{d}/dict", uids[0], gid)
        os.chmod(f"{d}/dict", 0o770)
        with open(f"{d}/users", "w") as f:
            f.writelines(lines)
        self.i.configure(f"""auth_mechanisms = plain login
auth_passdb = passwd-file:{d}/users
auth_userdb = passwd-file:{d}/users
auth_failure_delay = 0s
first_valid_uid = 1
mail_location = maildir:~/Maildir
imap_namespace_separator = {separator}
acl = vfile
acl_shared_dict = file:{d}/dict/shared
imap_shared_namespace = shared/%%u/=maildir:%%h/Maildir
""".replace("/%%u/", f"{separator}%%u{separator}") + more.replace("$DIR", d), MASTER)
        assert self.i.start().returncode == 0, self.i.log()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if t.failed:
            print("# " + self.i.log().replace("\n", "\n# "))
        self.i.__exit__()

    def login(self, user):
        return Session(user)


class Session:
    def __init__(self, user):
        self.m = imaplib.IMAP4("127.0.0.1", PORT)
        self.m.login(user, "x")

    def __call__(self, command):
        """Sends a line (or several, where literals are); all lines of the answer, the tagged one last without its tag."""
        tag = self.m._new_tag()
        self.m.send(tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        lines = []
        while True:
            line = self.m.readline().rstrip(b"\r\n").decode("utf-8", "replace")
            if line.startswith(tag.decode() + " "):
                return lines + [line[len(tag) + 1:]]
            if not line and not lines:
                return ["gone"]
            lines.append(line)

    def says(self, command, wanted, name=None):
        got = self(command)
        t.ok(re.search(wanted, "\n".join(got), re.S), name or f"{command if isinstance(command, str) else command[:40]!r}: {wanted}", *got)

    def append(self, box, flags=""):
        return self(f'APPEND "{box}" {flags and flags + " "}{{{len(MESSAGE)}+}}\r\n'.encode() + MESSAGE)[-1]

    def end(self):
        self.m.logout()


def flags(s, n):
    got = [x for x in s(f"FETCH {n} (FLAGS)") if " FETCH " in x]
    return set(re.search(r"FLAGS \((.*?)\)", got[0]).group(1).split()) - {"\\Recent"} if got else None


def each_right(site):
    """What one letter more allows, from `lr` on; what is not listed stays refused."""
    a, b = site.login("alice"), site.login("bob")
    box = "shared/alice/Work"
    a("CREATE Work")
    a.append("Work")
    b("CREATE Mine")
    b.append("Mine")

    tries = {
        # name: command, in which mailbox selected, rights that are needed
        "SELECT": (f'SELECT "{box}"', None, "lr"),
        "EXAMINE": (f'EXAMINE "{box}"', None, "lr"),
        "STATUS": (f'STATUS "{box}" (MESSAGES)', None, "lr"),
        "FETCH": ("FETCH 1 (BODY.PEEK[])", box, "lr"),
        "SEARCH": ("SEARCH ALL", box, "lr"),
        "COPY from it": ("COPY 1 Mine", box, "lr"),
        "SUBSCRIBE": (f'SUBSCRIBE "{box}"', None, "l"),
        "STORE +FLAGS (\\Seen)": ("STORE 1 +FLAGS (\\Seen)", box, "lrs"),
        "STORE +FLAGS (\\Flagged)": ("STORE 1 +FLAGS (\\Flagged)", box, "lrw"),
        "STORE +FLAGS (keyword)": ("STORE 1 +FLAGS (keyword)", box, "lrw"),
        "STORE +FLAGS (\\Deleted)": ("STORE 1 +FLAGS (\\Deleted)", box, "lrt"),
        "APPEND": (f'APPEND "{box}" {{{len(MESSAGE)}+}}\r\n{MESSAGE.decode()}', None, "li"),
        "COPY to it": (f'COPY 1 "{box}"', "Mine", "li"),
        "EXPUNGE": ("EXPUNGE", box, "lre"),
        "MOVE from it": ("MOVE 2 Mine", box, "lrte"),
        "CREATE below it": (f'CREATE "{box}/New"', None, "lk"),
        "GETACL": (f'GETACL "{box}"', None, "la"),
        "SETACL": (f'SETACL "{box}" dan lr', None, "la"),
        "LISTRIGHTS": (f'LISTRIGHTS "{box}" dan', None, "la"),
        "GETMETADATA": (f'GETMETADATA "{box}" /shared/comment', None, "lr|ls|lw|li|lp"),     # RFC 5464, 3.3
        "SETMETADATA": (f'SETMETADATA "{box}" (/shared/comment "x")', None, "lw"),
        "GETQUOTAROOT": (f'GETQUOTAROOT "{box}"', None, "lr"),
        "DELETE": (f'DELETE "{box}/Sub"', None, "lx"),
    }
    def grant(folder, letters):
        """As an editor would: SETACL is not what is tried here."""
        with open(f"{site.i.dir}/home/alice/Maildir/.{folder}/dovecot-acl", "w") as f:
            f.write(f"user=bob {letters}\n" if letters else "")
        os.chown(f.name, me.pw_uid, me.pw_gid)

    wrong, changed = [], True
    sets = ["", "l", "r", "lr", "lrs", "lrw", "lrt", "li", "lri", "lre", "lrte", "lk", "lx", "la", "lp", "lrwstipekxa"]
    a("CREATE Work/Sub")
    a("SELECT Work")
    for given in sets:
        for name, (command, selected, needed) in tries.items():
            while changed and len([x for x in a("FETCH 1:* (UID)") if "FETCH" in x]) < 3:
                a.append("Work")
            if changed:
                a("CREATE Work/Sub")
                a("DELETE Work/New")
                a("STORE 1:3 -FLAGS (\\Deleted \\Flagged \\Seen keyword)")
            if selected:
                grant("Work", "lrwstipekxa")
                assert b(f'SELECT "{selected}"')[-1].startswith("OK"), (selected, given)
            grant("Work", given)
            grant("Work.Sub", given)
            answer = b(command)[-1]
            needed = needed.replace("l", "") if selected == box else needed    # it was looked up when it was selected
            changed = expected = any(set(each) <= set(given) for each in needed.split("|"))
            if answer.startswith("OK") != expected:
                wrong.append(f"{given or 'none'}: {name}: {answer}")
            if not expected and "l" not in given and not selected and not re.match(r"NO \[(NONEXISTENT|TRYCREATE|NOPERM)\]", answer):
                wrong.append(f"{given or 'none'}: {name}: {answer} tells")
            if not expected and ("l" in given or selected == box) and not answer.startswith("NO [NOPERM]"):
                wrong.append(f"{given}: {name}: {answer}")
    t.ok(not wrong, f"{len(sets)} sets of rights and {len(tries)} commands: each right allows what RFC 4314, 4 says, and no more", *wrong[:20])
    a("SETACL Work bob lrwstipekxa")
    a.end()
    b.end()


def in_part(site):
    """Flags of which some may be set; FETCH that would set \\Seen; CLOSE (RFC 4314, 4)."""
    a, b = site.login("alice"), site.login("bob")
    a("CREATE Part")
    for _ in range(3):
        a.append("Part")
    a("SETACL Part bob lrs")
    b("SELECT shared/alice/Part")
    b.says("STORE 1 +FLAGS (\\Seen \\Flagged)", r"FETCH \(FLAGS \(\\Seen( \\Recent)?\)\).*OK", "of several flags those that may be set are")
    b.says("STORE 1 FLAGS ()", r"FETCH \(FLAGS \((\\Recent)?\)\).*OK", "to set none takes off what may be taken off")
    b.says("STORE 1 FLAGS (\\Seen \\Draft)", r"FETCH \(FLAGS \(\\Seen( \\Recent)?\)\).*OK", "and of flags that are set those that may be are")
    b.says("STORE 1 FLAGS (\\Draft)", "^NO .NOPERM.", "where none may be it is refused")
    b.says("SELECT shared/alice/Part", r"PERMANENTFLAGS \(\\Seen\)\].*OK \[READ-WRITE\]", "PERMANENTFLAGS tells which")
    b.says("STORE 1 +FLAGS (\\Seen nobodys)", "OK", "a keyword beside them is passed over")
    b.says("STORE 1 +FLAGS (nobodys)", "^NO .NOPERM.", "and refused alone")
    a("SELECT Part")
    a.says("NOOP", "^OK")
    keywords = f"{site.i.dir}/home/alice/Maildir/.Part/dovecot-keywords"
    t.ok(not os.path.exists(keywords) or "nobodys" not in open(keywords).read(), "what cannot be set takes no place among the owner's keywords")
    a("SETACL Part bob lr")
    b.says("SELECT shared/alice/Part", r"PERMANENTFLAGS \(\)\].*OK \[READ-ONLY\]", "with lr the mailbox is READ-ONLY")
    b("FETCH 2 (BODY[])")
    t.ok(flags(b, 2) == set(), "FETCH BODY[] sets no \\Seen without s", flags(b, 2))
    a("SETACL Part bob lrt")
    b("SELECT shared/alice/Part")
    b("STORE 3 +FLAGS (\\Deleted)")
    b.says("CLOSE", "^OK", "CLOSE without e is answered OK")
    b.says("STATUS shared/alice/Part (MESSAGES)", "MESSAGES 3", "and expunges nothing")
    a("SETACL Part bob lri")
    b.append("shared/alice/Part", "(\\Flagged \\Seen key)")
    a("SELECT Part")
    t.ok(flags(a, 4) == set(), "APPEND with i alone saves, without flags", flags(a, 4))
    a("SETACL Part bob lriw")
    b.append("shared/alice/Part", "(\\Flagged \\Deleted key)")
    a("NOOP")
    t.ok(flags(a, 5) == {"\\Flagged", "key"}, "with w those that w is for", flags(a, 5))
    a("SETACL Part bob lr")
    b.says("MYRIGHTS shared/alice/Part", r"MYRIGHTS shared/alice/Part lr\n", "MYRIGHTS")
    b.says('LIST "" shared/alice/Par% RETURN (MYRIGHTS)', r"LIST \(\\HasNoChildren\) \"/\" shared/alice/Part\n\* MYRIGHTS shared/alice/Part lr\n", "LIST-MYRIGHTS (RFC 8440)")
    b.says("RENAME shared/alice/Part Mine2", "^NO", "another's mailbox does not become one's own by RENAME")
    a("SETACL Part bob lrx")
    b.says("RENAME shared/alice/Part shared/alice/Part2", "^NO .NOPERM.", "RENAME needs k above the new name, too")
    a("SETACL INBOX bob lk")
    b.says("RENAME shared/alice/Part shared/alice/Part2", "^OK", "and goes with x and k")
    a.says('LIST "" Par%', "LIST .* Part2\n", "as the owner sees")
    a("CREATE Part2/Kept/Deep")
    a("SETACL Part2/Kept/Deep bob lr")
    a("CREATE Part2/Hidden")
    a("SETACL Part2/Hidden bob lrx")
    b.says("RENAME shared/alice/Part2 shared/alice/Part3", "^NO .NOPERM.", "not with a mailbox below that he may not delete")
    a.says('LIST "" Part*', r"Part2\n.*Part2/Hidden\n.*Part2/Kept/Deep\n", "of which nothing has moved")
    a("SETACL Part2/Kept/Deep bob lrx")
    b.says("RENAME shared/alice/Part2 shared/alice/Part3", "^OK", "and with x on all of them")
    a("RENAME Part3 Part2")
    a("DELETE Part2/Hidden")
    a("DELETE Part2/Kept/Deep")
    a("SETACL Part2 -bob r")
    b.says("SELECT shared/alice/Part2", "^NO .NOPERM.", "a negative entry takes a right away")
    a("DELETEACL Part2 -bob")
    a("DELETEACL Part2 bob")
    a("SETACL Part2 $staff lr")
    b.says("SELECT shared/alice/Part2", "OK .READ-ONLY.", "a group's rights (userdb_acl_groups)")
    a("SETACL Part2 bob l")
    b.says("SELECT shared/alice/Part2", "^NO .NOPERM.", "what is given to him goes before what his groups have")
    a("SETACL Part2 !$sales lrs")
    b.says("MYRIGHTS shared/alice/Part2", "shared/alice/Part2 lrs\n", "an overriding group before that")
    a.says("SETACL Part2 anyone lr", "^BAD", "rights for anyone are refused unless acl_anyone = allow")
    a("DELETEACL INBOX bob")
    a.end()
    b.end()


def nothing_is_told(site):
    """Whoever has no rights gets the same words for what is there, what is not, and whose it would be."""
    a, c = site.login("alice"), site.login("carol")
    a("CREATE Secret")
    a("CREATE Shown")
    a("SETACL Shown carol lr")
    c.end()
    c = site.login("carol")
    c.says('LIST "" *', r'shared/alice/Shown\n', "what is shared is listed in the next session")
    t.ok(not re.search("Secret|Work", "\n".join(c('LIST "" *') + c('LIST "" "shared/alice/*"') + c("LIST () \"\" (*) RETURN (STATUS (MESSAGES))"))),
         "LIST tells nothing else")
    names = ["shared/alice/Secret", "shared/alice/Nowhere", "shared/bob/INBOX", "shared/nobody/INBOX", "shared/alice/Secret/x"]
    for command in ('SELECT "%s"', 'EXAMINE "%s"', 'STATUS "%s" (MESSAGES)', 'GETACL "%s"', 'MYRIGHTS "%s"', 'SETACL "%s" carol lr',
                    'LISTRIGHTS "%s" carol', 'DELETEACL "%s" alice', 'SUBSCRIBE "%s"', 'DELETE "%s"', 'RENAME "%s" Mine', 'CREATE "%s"',
                    'GETMETADATA "%s" /shared/comment', 'SETMETADATA "%s" (/private/comment "x")', 'GETQUOTAROOT "%s"',
                    'APPEND "%s" {3+}\r\nx\r\n', 'COPY 1 "%s"', 'MOVE 1 "%s"', 'ESEARCH IN (mailboxes "%s") ALL', 'LIST "" "%s"', 'LSUB "" "%s"',
                    'APPEND INBOX CATENATE (URL "/%s;UIDVALIDITY=1/;UID=1")'):
        c.append("INBOX")
        c("SELECT INBOX")
        answers = {re.sub("[A-Za-z]+/[A-Za-z/]+", "X", "\n".join(c(command % n))) for n in names}
        t.ok(len(answers) == 1, f"{command.split()[0]}: the same answer for all", *answers)
    a("DELETEACL Shown carol")
    c.says("SELECT shared/alice/Shown", "^NO .NONEXISTENT.", "rights that are taken away are gone at once")
    c.says('LIST "" shared/*', "^OK", "also for LIST")
    dictionary = open(f"{site.i.dir}/dict/shared").read()
    t.ok("user/carol/alice" not in dictionary and "user/bob/alice\n1\n" in dictionary, "the dictionary follows", dictionary)
    a.end()
    c.end()


def own_seen(site):
    a, b, b2, c = (site.login(x) for x in ("alice", "bob", "bob", "carol"))
    a("CREATE Seen")
    for _ in range(3):
        a.append("Seen")
    a("SETACL Seen bob lrs")
    a("SETACL Seen carol lrs")
    for s in (b, b2, c):
        s.end()
    b, b2, c = (site.login(x) for x in ("bob", "bob", "carol"))
    a("SELECT Seen")
    a("STORE 1 +FLAGS (\\Seen)")
    b.says("SELECT shared/alice/Seen", "3 EXISTS.*3 RECENT", "new mail is \\Recent to the first session of another user, too")
    b2.says("SELECT shared/alice/Seen (CONDSTORE)", "0 RECENT", "and not to his second")
    before = int(re.search(r"HIGHESTMODSEQ (\d+)", "\n".join(b2("STATUS shared/alice/Seen (HIGHESTMODSEQ)"))).group(1))
    t.ok(flags(b, 1) == set() and flags(a, 1) == {"\\Seen"}, "what the owner has seen says nothing of the others")
    b("STORE 2 +FLAGS (\\Seen)")
    got = b2("NOOP")
    modseq = re.search(r"2 FETCH \(.*\\Seen.* MODSEQ \((\d+)\)", "\n".join(got))
    t.ok(modseq and int(modseq.group(1)) > before, "his other session hears of it, with a greater MODSEQ", before, *got)
    b2.says(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {before})", r"^\* 2 FETCH [^\n]*\n(UID|OK)|^\* 2 FETCH [^\n]*\nOK", "CHANGEDSINCE finds that message")
    b2.says("STORE 2 (UNCHANGEDSINCE %d) -FLAGS (\\Seen)" % before, r"OK \[MODIFIED 2\]", "UNCHANGEDSINCE minds it")
    t.ok(flags(c, 2) is None and c("SELECT shared/alice/Seen") and flags(c, 2) == set() and flags(a, 2) == set(), "and nobody else")
    for s, n in ((a, 2), (b, 2), (c, 3)):
        s.says(f'STATUS {"Seen" if s is a else "shared/alice/Seen"} (UNSEEN)', f"UNSEEN {n}", f"UNSEEN counts one's own: {n}")
    b.m.send(b"i IDLE\r\n")
    b.m.readline()
    b2("STORE 3 +FLAGS (\\Seen)")
    b.m.sock.settimeout(10)
    told = b.m.readline().decode()
    t.ok("3 FETCH" in told and "\\Seen" in told, "who idles hears what his other session has seen", told)
    b.m.send(b"DONE\r\n")
    b.m.readline()
    c("FETCH 3 (BODY[])")
    c.end()
    c = site.login("carol")
    c("SELECT shared/alice/Seen")
    t.ok([flags(c, n) for n in (1, 2, 3)] == [set(), set(), {"\\Seen"}], "it is kept across sessions")
    a("RENAME Seen Renamed")
    c("UNSELECT")
    c("SELECT shared/alice/Renamed")
    t.ok(flags(c, 3) == {"\\Seen"}, "and when the owner renames the mailbox")
    c("CREATE Own")
    c("COPY 1:3 Own")
    c("SELECT Own")
    t.ok([flags(c, n) for n in (1, 2, 3)] == [set(), set(), {"\\Seen"}], "a copy has been seen by whom copied")
    files = [os.path.join(d, f) for d, _, fs in os.walk(f"{site.i.dir}/home/alice/Maildir") for f in fs if f.endswith(".seen")]
    t.ok(not files, "no such file is the owner's", *files)
    for s in (a, b, b2, c):
        s.end()


def same_guid(site):
    """alice gives a mailbox the GUID of one of bob's: his annotations stay with his."""
    a, b = site.login("alice"), site.login("bob")
    b("CREATE Notes")
    b.append("Notes")
    b('SETMETADATA Notes (/private/comment "bob\'s own")')
    a("CREATE Twin")
    a.append("Twin")
    a("SETACL Twin bob lrswipkxtea")
    a("SELECT Twin")
    a.end()
    b.end()
    path = f"{site.i.dir}/home/alice/Maildir/.Twin/dovecot-uidlist"
    guid = re.search(r" G(\w+)", open(f"{site.i.dir}/home/bob/Maildir/.Notes/dovecot-uidlist").readline()).group(1)
    text, n = re.subn(r" G\w+", f" G{guid}", open(path).read(), count=1)
    t.ok(n == 1, "a mailbox gets the GUID of another's", text)
    with open(path, "w") as f:
        f.write(text)
    b = site.login("bob")
    b.says("GETMETADATA shared/alice/Twin /private/comment", r"\* METADATA shared/alice/Twin \(/private/comment NIL\)", "another's mailbox of the same GUID has not one's own annotation")
    b('SETMETADATA shared/alice/Twin (/private/comment "of the twin")')
    b.says("GETMETADATA Notes /private/comment", "bob's own", "nor does one's own get that of the other")
    b.says("GETMETADATA shared/alice/Twin /private/comment", "of the twin", "which is kept, too")
    b.says("DELETE shared/alice/Twin", "^OK")
    b.says("GETMETADATA Notes /private/comment", "bob's own", "and nothing of one's own goes with the other's mailbox")
    kept = open(f"{site.i.dir}/home/bob/Maildir/dovecot-attributes").read()
    t.ok("of the twin" not in kept, "what belonged to that one does", kept)
    b("DELETE Notes")
    b.end()


def names(site):
    a, b = site.login("alice"), site.login("bob")
    a("CREATE &ZeVnLIqe-/Sub")
    a("SETACL &ZeVnLIqe-/Sub bob lr")
    a("SETACL INBOX bob lr")
    a.append("INBOX")
    b.end()
    b = site.login("bob")
    b.says("NAMESPACE", r'\(\("" "/"\)\) \(\("shared/" "/"\)\) NIL', "NAMESPACE names where others' mailboxes are")
    b.says('LIST "" %', r"LIST \(\\Noselect \\HasChildren\) \"/\" shared\n", "LIST % shows the place")
    b.says('LIST "" shared/%', r"LIST \(\\HasChildren\) \"/\" shared/alice\n", "and whose mailboxes are there: INBOX by its owner's name")
    b.says('LIST "" shared/alice/%', r"LIST \(\\Noselect \\HasChildren\) \"/\" shared/alice/&ZeVnLIqe-\n", "a parent that may not be seen is only a parent")
    b.says('SELECT shared/alice', "1 EXISTS", "INBOX")
    b.says('SELECT shared/alice/inbox', "1 EXISTS", "by both its names")
    b.says("SUBSCRIBE shared/alice", "OK")
    b.says("SUBSCRIBE shared/alice/&ZeVnLIqe-/Sub", "OK")
    b.says('LSUB "" *', r'LSUB \(\) "/" shared/alice\n.*LSUB \(\) "/" shared/alice/&ZeVnLIqe-/Sub\n', "subscriptions")
    b.says('LIST (SUBSCRIBED) "" *', r'LIST \(\\Subscribed \\HasChildren\) "/" shared/alice\n', "LIST (SUBSCRIBED)")
    b("ENABLE IMAP4rev2")
    b.says('LIST "" shared/*', 'shared/alice/日本語/Sub', "in UTF-8 once that is enabled")
    b.says('SELECT "shared/alice/日本語/Sub"', r'\* LIST \(\) "/" "shared/alice/日本語/Sub"\n.*OK', "and in")
    b.says('STATUS "shared/alice/日本語/Sub" (MESSAGES)', 'STATUS "shared/alice/日本語/Sub"')
    b.says('LIST (SUBSCRIBED) "" *', 'Subscribed[^\n]*日本語/Sub')
    a("DELETEACL &ZeVnLIqe-/Sub bob")
    t.ok("日本語" not in "\n".join(b('LIST (SUBSCRIBED) "" *') + b('LSUB "" *')), "a subscription to what is not shared any more is not told")
    b.says('UNSUBSCRIBE "shared/alice/日本語/Sub"', "OK", "and can be given up")
    a("DELETEACL INBOX bob")
    a.end()
    b.end()


def everybody(site):
    """Public mailboxes: the root's list where there is none, \\Seen of one's own."""
    a, b, c = (site.login(x) for x in ("alice", "bob", "carol"))
    b.says("NAMESPACE", r'\(\("Public/" "/"\)\)', "NAMESPACE names it")
    b.says('LIST "" Public*', r'LIST \(\\Noselect \\HasChildren\) "/" Public\n\* LIST .*Public/News\n', "listed for who may look them up")
    c.says('LIST "" Public*', "^OK", "not for others")
    c.says("SELECT Public/News", "^NO .NONEXISTENT.", "nor there for them")
    b.says("SELECT Public/News", "1 EXISTS.*READ-WRITE", "the root's list counts for a mailbox without one")
    b.says("CREATE Public/More", "^OK", "k on the root")
    b.says("SELECT Public/Closed", "^NO .NOPERM.", "a mailbox's own list goes before it")
    b.says("SELECT Public", "^NO", "the root is no mailbox")
    b("SELECT Public/News")
    b("STORE 1 +FLAGS (\\Seen)")
    a.says("STATUS Public/News (UNSEEN)", "UNSEEN 1", "seen by one is not seen by the other")
    b.says("STATUS Public/News (UNSEEN)", "UNSEEN 0", "but by him")
    b.says("GETQUOTAROOT Public/News", r"QUOTAROOT Public/News\n", "whose quota it is is not told")
    for s in (a, b, c):
        s.end()


def quota_is_the_owners(site):
    a, b = site.login("alice"), site.login("bob")
    a("CREATE Small")
    a("SETACL Small bob lri")
    b.end()
    b = site.login("bob")
    big = b"Subject: big\r\n\r\n" + b"x" * 60000 + b"\r\n"
    got = [b(b'APPEND "shared/alice/Small" {%d+}\r\n' % len(big) + big)[-1] for _ in range(4)]
    t.ok(got[0].startswith("OK") and "NO [OVERQUOTA]" in got[-1], "what is put into another's mailbox counts for him", *got)
    t.ok(b.append("INBOX").startswith("OK"), "and not for who put it there")
    a.end()
    b.end()


def make_public(directory, uid, gid):
    for box in ("", ".News/", ".Closed/"):
        for part in ("cur", "new", "tmp"):
            os.makedirs(f"{directory}/{box}{part}")
    with open(f"{directory}/.News/new/1700000000.M1P1.host", "wb") as f:
        f.write(MESSAGE.replace(b"\r\n", b"\n"))
    with open(f"{directory}/dovecot-acl", "w") as f:
        f.write("group=staff lrskw\nuser=alice lrs\n")
    with open(f"{directory}/.Closed/dovecot-acl", "w") as f:
        f.write("user=bob l\n")
    for top, _, files in os.walk(directory):
        for x in [top] + [f"{top}/{f}" for f in files]:
            os.chown(x, uid, gid)


UIDS, GROUP = [20001, 20002, 20003], 20100


def share_by_group(site):
    """What an administrator does once where users have uids of their own: a group, and mode 2770."""
    for n, user in enumerate(("alice", "bob", "carol")):
        mail = f"{site.i.dir}/home/{user}/Maildir"
        os.mkdir(mail)
        for part in ("cur", "new", "tmp"):
            os.mkdir(f"{mail}/{part}")
        for top, _, _ in os.walk(mail):
            os.chown(top, UIDS[n], GROUP)
            os.chmod(top, 0o2770)
    os.chown(f"{site.i.dir}/dict", UIDS[0], GROUP)
    os.chmod(f"{site.i.dir}/dict", 0o2770)


def own_uids(site):
    a = site.login("alice")
    a("CREATE Team")
    a.append("Team")
    a.append("Team")
    a("SETACL Team bob lrswit")
    b = site.login("bob")
    b.says("SELECT shared/alice/Team", "2 EXISTS.*READ-WRITE", "another uid's mailbox is reached by the group of its directories")
    b.says("STORE 1 +FLAGS (\\Seen \\Flagged key)", "1 FETCH .*Flagged.*OK", "and its flags are changed")
    t.ok(b.append("shared/alice/Team").startswith("OK"), "and mail put into it")
    b("CREATE Own")
    b.append("Own")
    b("SELECT Own")
    b.says("COPY 1 shared/alice/Team", "^OK .COPYUID", "and copied into it")
    a.says("SELECT Team", "4 EXISTS", "its owner sees them")
    got = a("FETCH 3:4 (BODY.PEEK[])")
    t.ok(got[-1].startswith("OK") and sum("Subject: one" in x for x in got) == 2, "and can read them: they are of the group, too", *got)
    a.says("STORE 4 +FLAGS (\\Deleted)", "OK")
    a.says("EXPUNGE", "4 EXPUNGE", "and remove them")
    dictionary = os.stat(f"{site.i.dir}/dict/shared")
    t.ok(dictionary.st_gid == GROUP and stat.S_IMODE(dictionary.st_mode) == 0o660, "the dictionary is the group's", oct(dictionary.st_mode))
    b("SETACL Own alice lr")
    t.ok("user/alice/bob" in open(f"{site.i.dir}/dict/shared").read(), "and another uid's changes go into it")
    os.chmod(f"{site.i.dir}/home/alice/Maildir/.Team/cur", 0o700)
    b.says("SELECT shared/alice/Team", "NO .NOPERM.", "what the file system does not give, no list gives")
    os.chmod(f"{site.i.dir}/home/alice/Maildir/.Team/cur", 0o2770)
    a.end()
    b.end()


def hostile_owner(site):
    """mallory has a shell: links, FIFOs and the like in what he shares."""
    d = site.i.dir
    mail = f"{d}/home/alice/Maildir"

    def become_alice(*commands):
        r = subprocess.run(["setpriv", "--reuid", str(UIDS[0]), "--regid", str(UIDS[0]), "--groups", str(GROUP), "sh", "-ec", "\n".join(commands)],
                           capture_output=True, text=True, cwd=f"{d}/home/alice")
        assert r.returncode == 0, r.stderr

    b = site.login("bob")
    b("CREATE Diary")
    b.append("Diary")
    b.end()
    secret = f"{d}/home/bob/Maildir/.Diary"
    a = site.login("alice")
    for box in ("Link", "New", "Fifo", "Uids", "Message", "Far"):
        a(f"CREATE {box}")
        a(f"SETACL {box} bob lrswipkxtea")
        a.append(box)
    a.end()
    become_alice(f"rm -rf Maildir/.Link && ln -s {secret} Maildir/.Link",
                 f"rm -rf Maildir/.New/new Maildir/.New/cur && ln -s {secret}/new Maildir/.New/new && ln -s {secret}/cur Maildir/.New/cur",
                 "rm -f Maildir/.Fifo/dovecot-acl && mkfifo Maildir/.Fifo/dovecot-acl",
                 "rm -f Maildir/.Uids/dovecot-uidlist && mkfifo Maildir/.Uids/dovecot-uidlist Maildir/.Uids/dovecot-keywords",
                 f"cd Maildir/.Message/cur && ln -s {secret}/new/* '1.x:2,' && mkfifo '2.x:2,' && ln -s /etc/passwd '3.x:2,' && mkdir '4.x:2,' && mkfifo ../new/5.x",
                 f"rm -rf {mail}/.Far/tmp && ln -s {secret}/tmp {mail}/.Far/tmp")
    before = sorted(os.listdir(f"{secret}/new") + os.listdir(f"{secret}/cur") + os.listdir(f"{secret}/tmp"))
    b = site.login("bob")
    b.m.sock.settimeout(60)
    harmed = []
    for box in ("Link", "New", "Fifo", "Uids", "Message", "Far"):
        name = f"shared/alice/{box}"
        answers = [b(c % name) for c in ('STATUS "%s" (MESSAGES)', 'SELECT "%s"', 'MYRIGHTS "%s"', 'GETACL "%s"')]
        answers += [b("FETCH 1:* (FLAGS BODY.PEEK[])"), b("STORE 1:* +FLAGS (\\Deleted)"), b("COPY 1:* Diary2"), b("EXPUNGE"), [b.append(name)]]
        everything = "\n".join("\n".join(x) for x in answers)
        if "root:" in everything or "gone" in everything:
            harmed.append(f"{box}: {everything}")
        b("UNSELECT")
    b.says('LIST "" *', "OK", "LIST goes on")
    t.ok(not harmed, "links, FIFOs and directories in what is shared lead nowhere and keep nobody waiting", *harmed)
    t.ok(sorted(os.listdir(f"{secret}/new") + os.listdir(f"{secret}/cur") + os.listdir(f"{secret}/tmp")) == before,
         "and nothing of the other's own is touched", before)
    b.end()
    become_alice("mv Maildir Away", f"ln -s {d}/home/bob/Maildir Maildir")
    b = site.login("bob")
    t.ok("shared/alice" not in "\n".join(b('LIST "" *')), "a Maildir that is a link is not there")
    b.says("SELECT shared/alice/Diary", "^NO .NONEXISTENT.", "nor what it leads to")
    b.end()
    become_alice("rm Maildir", "mv Away Maildir")
    a = site.login("alice")
    with open(f"{d}/dict/shared", "ab") as f: # anybody in the group can write it
        f.write(b"".join(b"shared/shared-boxes/user/bob/%s\n1\n" % n for n in (b"../../etc", b"root", b"carol", b"x" * 5000, b"al\\|ice", b"\xff\x01")))
        f.write(b"torn")
    b = site.login("bob")
    b.says('LIST "" shared/*', "shared/alice/Team", "lines in the dictionary that mean nothing are passed over")
    b.says("SELECT shared/carol", "^NO .NONEXISTENT.", "it only says where to look: carol has given nothing")
    a("SETACL Team bob lr")
    b.says("SELECT shared/alice/Team", "OK", "and it is kept in order")
    for s in (a, b):
        s.end()


def hears(s, wanted, name):
    """The next line that nobody asked for."""
    try:
        got = s.m.readline().decode()
    except TimeoutError:
        got = "nothing"
    t.ok(re.match(wanted, got), name, got)


def notify(site):
    """NOTIFY (RFC 5465) of others' mailboxes: those that a group means, with the rights l and r; what comes first is what was meant."""
    a = site.login("alice")
    for box in ("Bell", "Bell/Low", "Shut"):
        a(f"CREATE {box}")
    for box in ("Bell", "Bell/Low"):
        a(f"SETACL {box} bob lri")
    b = site.login("bob")
    b.m.sock.settimeout(60)
    bell = "shared/alice/Bell"
    b("CREATE Own")

    b.says("NOTIFY SET STATUS (subtree shared/alice/Bell (MessageNew MessageExpunge FlagChange MailboxName))",
           f"STATUS {bell} .MESSAGES 0 UIDNEXT 1 .*STATUS {bell}/Low .*OK Notify", "STATUS is told of them first")
    a.append("Shut")
    a.append("Bell")
    hears(b, rf"\* STATUS {bell} \(MESSAGES 1 UIDNEXT 2 ", "a message in another's mailbox is told; of one without rights nothing")
    a.append("Bell/Low")
    hears(b, rf"\* STATUS {bell}/Low \(MESSAGES 1 ", "and below it")
    b.append(bell)
    b.append("Own")
    a("SELECT Bell")
    a("STORE 1 +FLAGS (\\Deleted)")
    a("EXPUNGE")
    hears(b, rf"\* STATUS {bell} \(MESSAGES 1 UIDNEXT 3 ", "what this client appends is not told, what the owner expunges is")

    a("DELETEACL Bell bob")
    hears(b, rf"\* LIST \(\\NoAccess \\HasChildren\) \"/\" {bell}\r", "a right that is lost is told (5.9)")
    a.append("Bell")
    a.append("Bell/Low")
    hears(b, rf"\* STATUS {bell}/Low \(MESSAGES 2 ", "then nothing more of it")
    a("SETACL Bell bob lr")
    hears(b, rf"\* LIST \(\\HasChildren\) \"/\" {bell}\r", "a right that is granted is told")
    hears(b, rf"\* STATUS {bell} \(MESSAGES 2 UIDNEXT 4 ", "and what came meanwhile")

    a("CREATE Bell/New")
    hears(b, rf"\* LIST \(\\HasNoChildren\) \"/\" {bell}/New\r", "a new mailbox below, with the rights of the one above it")
    hears(b, rf"\* LIST \(\\HasChildren\) \"/\" {bell}\r", "and its parent")
    a("RENAME Bell/New Bell/Newer")
    hears(b, rf"\* LIST \(\\HasNoChildren\) \"/\" {bell}/Newer \(\"OLDNAME\" \({bell}/New\)\)", "its new name")
    a("DELETE Bell/Newer")
    hears(b, rf"\* LIST \(\\NonExistent \\HasNoChildren\) \"/\" {bell}/Newer\r", "and its end")
    hears(b, rf"\* LIST \(\\HasChildren\) \"/\" {bell}\r", "and its parent")

    b.says("NOTIFY SET (personal (MessageNew MessageExpunge))", "^OK", "personal")
    a.append("Bell")
    o = site.login("bob")
    o.append("Own")
    hears(b, r"\* STATUS Own \(MESSAGES 2 ", "personal means none of them")
    b(f"SUBSCRIBE {bell}")
    b.says("NOTIFY SET (subscribed (MessageNew MessageExpunge)) (subtree shared (MailboxMetadataChange))", "^OK", "subscribed")
    a.append("Bell/Low")
    a.append("Bell")
    hears(b, rf"\* STATUS {bell} \(MESSAGES 4 ", "subscribed means those that are")
    o(f"UNSUBSCRIBE {bell}")
    o(f"SUBSCRIBE {bell}/Low")
    a.append("Bell")
    a.append("Bell/Low")
    hears(b, rf"\* STATUS {bell}/Low \(MESSAGES 4 ", "as soon as they are")
    a('SETMETADATA Bell (/private/comment "secret")')
    a('SETMETADATA Bell (/shared/comment "open")')
    hears(b, rf"\* METADATA {bell} /shared/comment\r", "annotations that the owner shares, not his own; subtree of what stands above all of them")
    o(f'SETMETADATA {bell} (/private/comment "mine")')
    hears(b, rf"\* METADATA {bell} /private/comment\r", "and one's own of his mailbox")

    b.says("NOTIFY SET (mailboxes (shared/alice/Shut shared/carol/None) (MessageNew MessageExpunge MailboxName))", "^OK",
           "what may not be looked up is as if it did not exist")
    a.append("Shut")
    a("SETACL Shut bob lr")
    hears(b, r"\* LIST \(\\HasNoChildren\) \"/\" shared/alice/Shut\r", "until it may")
    hears(b, r"\* STATUS shared/alice/Shut \(MESSAGES 2 ", "then it is told")
    b("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (mailboxes shared/alice/Bell (MessageNew MessageExpunge FlagChange))")
    b(f"SELECT {bell}")
    a.append("Bell")
    hears(b, r"\* \d+ EXISTS", "while one of them is selected, its events are the selected mailbox's")
    hears(b, r"\* \d+ RECENT", "as ever")
    b("UNSELECT")
    a.append("Bell")
    hears(b, rf"\* STATUS {bell} \(MESSAGES 7 ", "and its own again when it is left")
    for x in (a, b, o):
        x.end()


me = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
with Site(["alice", "bob", "carol"], [me.pw_uid], me.pw_gid,
          "imap_public_namespaces = Public/=maildir:$DIR/public\nquota = maildir:User quota\nquota_rule = *:storage=200K\n") as site:
    make_public(f"{site.i.dir}/public", me.pw_uid, me.pw_gid)
    a = site.login("alice")
    a("SETACL INBOX bob l")
    a.end()
    everybody(site)
    each_right(site)
    same_guid(site)
    in_part(site)
    nothing_is_told(site)
    own_seen(site)
    quota_is_the_owners(site)
with Site(["alice", "bob", "carol"], [me.pw_uid], me.pw_gid) as site:
    a = site.login("alice")
    a("SETACL INBOX bob l")
    a.end()
    notify(site)
with Site(["alice", "bob", "carol"], [me.pw_uid], me.pw_gid) as site:
    names(site)
if root and shutil.which("setpriv"):
    with Site(["alice", "bob", "carol"], UIDS, GROUP, f"mail_access_groups = {GROUP}\n") as site:
        share_by_group(site)
        own_uids(site)
        hostile_owner(site)
else:
    t.ok(True, "users with uids of their own # SKIP not root")
t.end()
