#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""local_alias.py - aliases, .forward, :include:, commands, and loops of every kind"""
import glob, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import *

t = Tap()
MESSAGE = b"From: a@b\r\nSubject: hi\r\n\r\nhello\r\n"
USERS = {"alice": 5001, "bob": 5002, "carol": 5003, "dave": 5004}
ALIASES = """
boss: alice
both: alice, bob
away: friend@remote.example
mixed: alice, friend@remote.example, second@remote.example
cmd: "|cat > $DIR/out/cmd; echo done"
cmd2: |"cat > $DIR/out/cmd2"
env: "|env > $DIR/out/env; cat >/dev/null"
exit67: "|cat >/dev/null; echo no such person; exit 67"
exit75: "|exit 75"
exit1: "|echo oops; exit 1"
own: "|echo '5.7.9 go away'; exit 77"
killed: "|kill -9 $$"
tofile: $DIR/out/file
todir: $DIR/out/dir/
null: /dev/null
inc: :include:$DIR/out/list
badinc: :include:relative
inccmd: :include:$DIR/out/cmdlist
loopa: loopb
loopb: loopa
self: self, alice
deep0: deep1, deep1
list: alice, friend@remote.example
owner-list: boss@owner.example
dup: alice, alice, boss
ghost: no-such-user
postmaster: /dev/null
bad: ,
slow: "|sleep 30; true"
""" + "".join(f"deep{i}: deep{i + 1}, deep{i + 1}\n" for i in range(1, 30)) + "deep30: alice\n" + \
    "".join(f"chain{i}: chain{i + 1}\n" for i in range(100)) + "chain100: alice\n"

MAIN = """home_mailbox = Maildir/
recipient_delimiter = +
alias_maps = texthash:$DIR/aliases
command_time_limit = 2s
export_environment = TZ MARK=x
"""


def mails(s, user):
    return sorted(glob.glob(s.home(user, "Maildir/new/*")))


with Site(MAIN, USERS, {"aliases": ALIASES}) as s:
    os.mkdir(f"{s.dir}/out")
    os.chmod(f"{s.dir}/out", 0o777)
    with open(f"{s.dir}/out/list", "w") as f:
        f.write("# members\nalice\n\nbob, carol # not a comment here\n".replace(" # not a comment here", ""))
    with open(f"{s.dir}/out/cmdlist", "w") as f:
        f.write(f"\"|cat > {s.dir}/out/inccmd\"\n")
    s.start("guard/rewrite", "rewrite", options=[])
    s.start("local/local", "local")
    cleanup = FakeCleanup(s)
    n = [0]

    def send(to, content=MESSAGE, **more):
        n[0] += 1
        return s.one("local", to, content, queue_id=f"4XyZabc{n[0]:05d}", **more)

    t.same(send("boss@example.com"), ("sent", "2.0.0", "delivered to maildir"), "alias to a user")
    t.ok(s.logged("to=<alice@example.com>, orig_to=<boss@example.com>"), "is logged with orig_to", s.logs[-3:])
    t.same(send("BOSS+x@example.com")[0], "sent", "alias without the extension, in any case")
    a, b = len(mails(s, "alice")), len(mails(s, "bob"))
    t.same(send("both@example.com")[0], "sent", "alias to two")
    t.same((len(mails(s, "alice")) - a, len(mails(s, "bob")) - b), (1, 1), "both have it")
    t.same(send("away@example.com", sender="s@x.example"), ("sent", "2.0.0", "forwarded as 4Queued1"), "alias to elsewhere")
    t.same(cleanup.got[0][:2], ("s@x.example", ["friend@remote.example"]), "is a new message with the same sender")
    t.ok(re.fullmatch(rb"Received: by mail\.example\.com \(Postfix\)\r\n\tid 4XyZabc00004; [^\r]+\r\nDelivered-To: away@example\.com\r\n" +
                      re.escape(MESSAGE), cleanup.got[0][2]), "with trace headers, its bytes untouched", cleanup.got[0][2])
    a = len(mails(s, "alice"))
    t.same(send("mixed@example.com")[0], "sent", "alias to here and elsewhere")
    t.same((cleanup.got[1][1], len(mails(s, "alice")) - a), (["friend@remote.example", "second@remote.example"], 1), "one message for all elsewhere")
    t.same(send("list@example.com", sender="s@x.example")[0], "sent", "owner-list")
    t.same(cleanup.got[2][:2], ("owner-list@example.com", ["alice@example.com", "friend@remote.example"]), "is the new sender")
    a = len(mails(s, "alice"))
    t.same(send("dup@example.com")[0], "sent", "the same user three times")
    t.same(len(mails(s, "alice")) - a, 1, "gets one")

    # commands
    t.same(send("cmd@example.com", sender="s@x.example")[2], f"delivered to command: cat > {s.dir}/out/cmd; echo done (done)", "a command")
    data = open(f"{s.dir}/out/cmd", "rb").read()
    t.ok(re.fullmatch(rb"From s@x\.example  [^\n]+\nReturn-Path: <s@x\.example>\nDelivered-To: cmd@example\.com\nFrom: a@b\nSubject: hi\n\nhello\n", data), "gets the message", data)
    t.same(send("cmd2@example.com")[0], "sent", 'the form |"command"')
    if ROOT:
        t.same(os.stat(f"{s.dir}/out/cmd").st_uid, 65534, "runs as default_privs")
    evil = "x$(id)`id`;rm -rf *|&<>'\"@evil.example"
    send("env+ext;$(id)@example.com", sender=evil)
    env = dict(l.split("=", 1) for l in open(f"{s.dir}/out/env").read().splitlines() if "=" in l)
    t.same((env["USER"], env["LOCAL"], env["EXTENSION"], env["DOMAIN"], env["MARK"]), ("env", "env+ext___id_", "ext___id_", "example.com", "x"), "environment")
    t.ok(set(env["SENDER"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@%-_=+:,./"), "SENDER is filtered", env["SENDER"])
    t.same(send("exit67@example.com"), ("bounced", "5.1.1", "user unknown. Command output: no such person"), "exit 67")
    t.same(send("exit75@example.com"), ("deferred", "4.3.0", "temporary failure"), "exit 75")
    t.same(send("exit1@example.com"), ("bounced", "5.3.0", 'Command died with status 1: "echo oops; exit 1". Command output: oops'), "exit 1")
    t.same(send("own@example.com"), ("bounced", "5.7.9", "go away"), "a status of the command's own")
    t.same(send("killed@example.com")[:2], ("deferred", "4.3.0"), "a command that dies")
    t.same(send("slow@example.com"), ("bounced", "5.3.0", 'Command time limit exceeded: "sleep 30; true"'), "a command that takes too long")
    # files
    t.same(send("tofile@example.com"), ("sent", "2.0.0", f"delivered to file: {s.dir}/out/file"), "a file")
    t.same(send("todir@example.com"), ("sent", "2.0.0", "delivered to maildir"), "a Maildir by path")
    t.same(len(glob.glob(f"{s.dir}/out/dir/new/*")), 1, "is made")
    t.same(send("null@example.com")[0], "sent", "/dev/null")
    # includes
    a = [len(mails(s, u)) for u in ("alice", "bob", "carol")]
    t.same(send("inc@example.com")[0], "sent", ":include:")
    t.same([len(mails(s, u)) - k for u, k in zip(("alice", "bob", "carol"), a)], [1, 1, 1], "to all in it")
    t.same(send("badinc@example.com")[:2], ("bounced", "5.2.4"), ":include: of a relative path")
    t.same(send("inccmd@example.com"), ("bounced", "5.7.1", "mail to command is restricted"), "no commands in :include:")
    # loops
    t.same(send("loopa@example.com")[:2], ("bounced", "5.4.6"), "aliases in a circle end, and the mail is not lost")
    a = len(mails(s, "alice"))
    t.same((send("self@example.com")[0], len(mails(s, "alice")) - a), ("sent", 1), "an alias in itself ends")
    a = len(mails(s, "alice"))
    t.same((send("deep0@example.com")[0], len(mails(s, "alice")) - a), ("sent", 1), "2^30 fan-out is one delivery")
    t.same(send("chain0@example.com")[:2], ("bounced", "5.4.6"), "a chain of 100 aliases is too long")
    t.same(send("ghost@example.com"), ("bounced", "5.1.1", 'unknown user: "no-such-user"'), "alias to nobody")
    t.same(send("bad@example.com")[0], "deferred", "an alias without members waits")
    t.same(send("boss@example.com", b"Delivered-To: boss@example.com\r\n" + MESSAGE)[:2], ("bounced", "5.4.6"), "Delivered-To before an alias")

    # .forward
    s.write("bob", ".forward", "friend@remote.example\n")
    c = len(cleanup.got)
    t.same(send("bob@example.com")[2], f"forwarded as 4Queued{c + 1}", ".forward to elsewhere")
    s.write("bob", ".forward", "\\bob, carol, friend@remote.example\n")
    b, k = len(mails(s, "bob")), len(mails(s, "carol"))
    t.same(send("bob@example.com")[0], "sent", ".forward to oneself and others")
    t.same((len(mails(s, "bob")) - b, len(mails(s, "carol")) - k, cleanup.got[-1][1]), (1, 1, ["friend@remote.example"]), "reaches all")
    s.write("bob", ".forward", "bob\n")
    b = len(mails(s, "bob"))
    t.same((send("bob@example.com")[0], len(mails(s, "bob")) - b), ("sent", 1), ".forward to oneself is the mailbox")
    s.write("bob", ".forward", "carol\n")
    s.write("carol", ".forward", "bob\n")
    b = len(mails(s, "bob")) + len(mails(s, "carol"))
    t.same((send("bob@example.com")[0], len(mails(s, "bob")) + len(mails(s, "carol")) - b), ("sent", 1), "two .forwards in a circle end in a mailbox")
    s.write("bob", ".forward", "# nobody\n\n")
    b = len(mails(s, "bob"))
    t.same((send("bob@example.com")[0], len(mails(s, "bob")) - b), ("sent", 1), "an empty .forward forwards nothing")
    s.write("bob", ".forward", f"\"|cat > $DIR/home/bob/got; id -u > $DIR/home/bob/uid\"\n")
    t.same(send("bob@example.com")[0], "sent", ".forward to a command")
    t.same(open(s.home("bob", "uid")).read().strip(), str(os.stat(s.home("bob")).st_uid), "runs as the user")
    os.unlink(s.home("bob", ".forward"))
    s.write("bob", ".forward+lists", f"{s.dir}/home/bob/lists/\n")
    t.same(send("bob+lists@example.com")[2], "delivered to maildir", ".forward+extension")
    t.same(len(glob.glob(s.home("bob", "lists/new/*"))), 1, "goes where it says")
    s.write("bob", ".forward", "friend@remote.example\n", 0o666)
    b = len(mails(s, "bob"))
    t.same((send("bob@example.com")[2], len(mails(s, "bob")) - b), ("delivered to maildir", 1), "a world writable .forward is not believed")
    os.unlink(s.home("bob", ".forward"))
    os.symlink("/etc/passwd", s.home("bob", ".forward"))
    t.same(send("bob@example.com")[2], "delivered to maildir", "nor is a link")
    os.unlink(s.home("bob", ".forward"))
    os.mkfifo(s.home("bob", ".forward"))
    t.same(send("bob@example.com")[2], "delivered to maildir", "nor a FIFO")
    os.unlink(s.home("bob", ".forward"))
    # sendmail -bv
    b = len(mails(s, "bob"))
    t.same((send("bob@example.com", verify_only="yes")[:2], len(mails(s, "bob")) - b), (("sent", "2.0.0"), 0), "sendmail -bv delivers nothing")
    t.same(send("nobody-here@example.com", verify_only="yes")[0], "bounced", "and tells who is unknown")
    with open(f"{s.dir}/out/list", "w") as f:
        f.write("".join(f"member{i}@lists.example\n" for i in range(5000)))
    t.same((send("inc@example.com")[0], len(cleanup.got[-1][1])), ("sent", 5000), "a list of 5000 keeps all of them")
    cleanup.refuse = "4.3.2"
    t.same(send("away@example.com")[:2], ("deferred", "4.3.0"), "cleanup says not now")

with Site("home_mailbox = Maildir/\nmailbox_command = cat > $HOME/bycommand; echo $EXTENSION >> $HOME/bycommand\nrecipient_delimiter = +\n"
          "luser_relay = alice\n", USERS) as s:
    s.start("guard/rewrite", "rewrite")
    s.start("local/local", "local")
    t.ok(s.one("local", "alice+abc@example.com")[2].startswith("delivered to command: cat"), "mailbox_command")
    t.ok(open(s.home("alice", "bycommand")).read().endswith("hello\nabc\n"), "has its environment")
    os.unlink(s.home("alice", "bycommand"))
    t.same(s.one("local", "nobody-here@example.com")[0], "sent", "luser_relay")
    t.ok(os.path.exists(s.home("alice", "bycommand")), "gets it")

with Site("alias_maps = hash:$DIR/none\n", USERS) as s:
    s.start("local/local", "local")
    t.same(s.one("local", "alice@example.com"), ("deferred", "4.3.0", "alias database unavailable"), "without the alias table mail waits")
BOX = f"virtual_mailbox_base = $DIR\nvirtual_mailbox_maps = static:box/\nvirtual_minimum_uid = 1\nvirtual_uid_maps = static:{5001 if ROOT else os.getuid()}\nvirtual_gid_maps = static:{5001 if ROOT else os.getgid()}\n"
with Site("mailbox_transport = virtual:next\nfallback_transport = gone\n" + BOX, USERS) as s:
    os.mkdir(f"{s.dir}/box")
    os.chmod(f"{s.dir}/box", 0o777)
    s.start("local/local", "local")
    s.start("local/virtual", "virtual")
    t.same(s.one("local", "alice@example.com"), ("sent", "2.0.0", "delivered to maildir"), "mailbox_transport")
    t.same(len(glob.glob(f"{s.dir}/box/new/*")), 1, "has delivered it")
    t.same([l for l in s.logs if "status=sent" in l and "relay=virtual" not in l], [], "and only it has logged")
    t.same(s.one("local", "nobody-here@example.com", queue_id="4Xnob")[0], "sent", "for unknown users too")
    s.write("alice", ".forward", f"{s.dir}/home/alice/mine/\n")
    t.same((s.one("local", "alice@example.com", queue_id="4Xfwd")[0], len(glob.glob(s.home("alice", "mine/new/*")))), ("sent", 1), "after .forward")
t.end()
