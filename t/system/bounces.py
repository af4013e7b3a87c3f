#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""bounces.py - what is refused, returned, told, kept, expanded, and throttled, through all programs"""
import email, json, os, re, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sink import Sink, address
from whole import *

t = Tap()
late = True


def play(verb, argument):
    if verb == "RCPT" and "<bad" in argument:
        return "550 5.1.1 no such user here"
    if verb == "RCPT" and "<late" in argument and late:
        return "451 4.2.0 come again"
    return None


ALIASES = """
two: alice@example.net, bob@example.net
inc: :include:$DIR/list
cmd: "|cat > $DIR/out/cmd"
fails: "|echo gone away; exit 69"
file: $DIR/out/file
loopa: loopb
loopb: loopa
owned: bad-owned@remote.example
owner-owned: bob@example.net
"""
MAIN = """
local_recipient_maps =
myorigin = local.example
recipient_delimiter = +
propagate_unmatched_extensions = canonical, virtual
alias_maps = texthash:$DIR/aliases
forward_path = $DIR/forward/$user${recipient_delimiter}${extension}, $DIR/forward/$user
notify_classes = 2bounce
2bounce_notice_recipient = postbox@example.net
delay_warning_time = 1s
transport_maps = inline:{slow.example=smtp-amavis:[127.0.0.1]:%d, pipe.example=script:, local-dsn.example=virtual:}
maximal_backoff_time = 1s
"""
MASTER = """
smtp-amavis unix - - n - 2 smtp
script   unix - n n -   - pipe
    flags=DRhu user=%s argv=/bin/sh $DIR/pipe.sh ${user} ${extension}
"""


def header(subject):
    return (f"From: a@example.org\r\nTo: b@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
            "Date: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\n").encode()


def mails(w, user, word):
    """Messages of a box that hold a word, parsed; waits for one."""
    def look():
        return [m for m in (open(p, "rb").read() for p in w.box(user)) if word.encode() in m]
    return [email.message_from_bytes(x) for x in wait_for(look, 30) or []]


def report(m):
    """(per-message fields, per-recipient fields) of a multipart/report (RFC 3464)."""
    part = m.get_payload()[1]
    blocks = part.get_payload()
    return blocks[0], blocks[1:]


def send(w, sender, to, subject, parameters="", rcpt_parameters=""):
    c = Smtp(w.ports["smtp"])
    a = c.send(sender, [to] if isinstance(to, str) else to, header(subject) + b"body of " + subject.encode() + b"\r\n",
               parameters, rcpt_parameters)
    c.quit()
    return a


def id_of(w, subject):
    found = wait_for(lambda: re.search(rf"(\w+): message-id=<{subject}@example.org>", w.log()), 10)
    return found[1] if found else "none"


def refused_in_session(w):
    a = send(w, "alice@example.net", "nobody-here@example.net", "unknown")
    t.ok(a.startswith("550 5.1.1") and "User unknown in virtual mailbox table" in a, "an unknown user is refused in the session", a)
    a = send(w, "alice@example.net", "+x@remote.example", "relay")
    t.ok(a.startswith("250"), "a local client may relay", a)


def failure(w):
    a = send(w, "alice@example.net", "bad1@remote.example", "failure", "ENVID=env+2B1", "ORCPT=rfc822;Bad+2B1@remote.example")
    t.ok(a.startswith("250"), "accepted for relay", a)
    got = mails(w, "alice", "<failure@example.org>")
    if not t.ok(len(got) == 1, "its sender gets one notice", w.log()[-3000:]):
        return
    m = got[0]
    t.ok(m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status", "a multipart/report", m)
    t.ok(m["Return-Path"] == "<>" and "MAILER-DAEMON" in m["From"] and m["Auto-Submitted"] == "auto-replied" and "alice@example.net" in m["To"],
         "from the null sender, to the sender", m.items())
    kinds = [p.get_content_type() for p in m.get_payload()]
    t.ok(kinds == ["text/plain", "message/delivery-status", "message/rfc822"], "with three parts", kinds)
    whole, each = report(m)
    t.ok("dns; mail.example.net" in whole["Reporting-MTA"].replace("dns;mail", "dns; mail") and whole["Original-Envelope-Id"] == "env+1" and whole["Arrival-Date"],
         "Reporting-MTA, Original-Envelope-Id, Arrival-Date", whole.items())
    r = each[0]
    t.ok(len(each) == 1 and r["Final-Recipient"] == "rfc822; bad1@remote.example" and r["Original-Recipient"].replace(" ", "") == "rfc822;Bad+1@remote.example",
         "Final-Recipient, Original-Recipient", r.items())
    t.ok(r["Action"] == "failed" and r["Status"] == "5.1.1" and r["Remote-MTA"] and r["Diagnostic-Code"].startswith("smtp; 550 5.1.1 no such user"),
         "Action, Status, Remote-MTA, Diagnostic-Code", r.items())
    inner = m.get_payload()[2].get_payload()[0]
    t.ok(inner["Subject"] == "failure" and inner.get_payload() == "body of failure\n", "and the message", inner.items())
    t.ok(re.search(rf"{id_of(w, 'failure')}: to=<bad1@remote.example>, orig_to=.*dsn=5.1.1, status=bounced \(host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1", w.log())
         or re.search(rf"{id_of(w, 'failure')}: to=<bad1@remote.example>, .*dsn=5.1.1, status=bounced \(host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1", w.log()),
         "and a line in the log", w.log()[-2000:])


def dsn_parameters(w, sink):
    send(w, "alice@example.net", "bad2@remote.example", "hdrs", "RET=HDRS")
    m = mails(w, "alice", "<hdrs@example.org>")[0]
    t.ok(m.get_payload()[2].get_content_type() == "text/rfc822-headers" and "body of" not in m.as_string(), "RET=HDRS: headers only", m)
    send(w, "alice@example.net", "bad3@remote.example", "never", "", "NOTIFY=NEVER")
    send(w, "alice@example.net", "bob@example.net", "success", "RET=HDRS ENVID=s1", "NOTIFY=SUCCESS")
    got = mails(w, "alice", "<success@example.org>")
    r = report(got[0])[1][0] if got else {}
    t.ok(len(got) == 1 and r["Action"] == "delivered" and r["Status"] == "2.0.0" and r["Final-Recipient"] == "rfc822; bob@example.net",
         "NOTIFY=SUCCESS: told when delivered", got, w.log()[-1500:])
    send(w, "alice@example.net", "ok1@remote.example", "passed", "RET=FULL ENVID=p1", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.example")
    m = wait_for(lambda: [m for m in sink.messages if b"<passed@" in m.content], 20)[0]
    t.ok("RET=FULL" in m.sender and "ENVID=p1" in m.sender and "NOTIFY=SUCCESS,DELAY" in m.rcpts[0] and "ORCPT=rfc822;x@y.example" in m.rcpts[0],
         "a server with DSN gets the parameters", m.sender, m.rcpts)
    wait_for(lambda: "removed" in w.log().split(id_of(w, "passed"))[-1])
    t.ok(not [p for p in w.box("alice") if b"<passed@" in open(p, "rb").read()], "and tells about success itself")
    wait_for(w.queue_is_empty)
    t.ok(not [p for p in w.box("alice") if b"<never@" in open(p, "rb").read()], "NOTIFY=NEVER: not told", w.log()[-1500:])


def null_and_double(w):
    a = send(w, "", "bad4@remote.example", "nullsender")
    t.ok(a.startswith("250"), "a null sender is taken", a)
    double = mails(w, "postbox", "nullsender@example.org")
    t.ok(len(double) == 1 and double[0]["Return-Path"] in ("<double-bounce@local.example>", "<>"), "never bounced: the postmaster is told", double)
    send(w, "bad5@remote.example", "bad6@remote.example", "double")
    got = mails(w, "postbox", "rfc822; bad5@remote.example")
    t.ok(len(got) == 1 and got[0].get_content_type() == "multipart/report", "what cannot be returned goes to 2bounce_notice_recipient", got, w.log()[-2000:])
    t.ok(wait_for(w.queue_is_empty), "and that is the end of it", w.log()[-2000:])


def delay(w):
    send(w, "alice@example.net", "late1@remote.example", "delay", "", "NOTIFY=DELAY,FAILURE")
    got = mails(w, "alice", "<delay@example.org>")
    r = report(got[0])[1][0] if got else {}
    t.ok(got and r["Action"] == "delayed" and r["Status"] == "4.2.0" and r["Will-Retry-Until"], "delay_warning_time: told that it is late",
         got, w.log()[-2000:])
    t.ok(re.search(r"status=deferred \(host 127.0.0.1\[127.0.0.1\] said: 451 4.2.0 come again \(in reply to RCPT TO command\)\)", w.log()),
         "deferred in the log", w.log()[-1500:])


def queue_tools(w):
    global late
    a = id_of(w, "delay")
    listing = lambda: w.command("postqueue", "-p", text=True).stdout
    # While it is being tried it bears a star and stands in active/
    t.ok(wait_for(lambda: re.search(rf"^{a}[ *!]? +\d+ \w{{3}} \w{{3}} [ \d]\d [\d:]{{8}} alice@example.net\n\(host 127.0.0.1.* said: 451 4.2.0 come again .*\)\n +late1@remote.example\n",
                                     listing(), re.M)), "postqueue -p", listing())
    t.ok(re.search(r"^-- \d+ Kbytes in 1 Request\.$", listing(), re.M), "and its last line", listing())
    t.ok(wait_for(lambda: w.command("sendmail", "-bp", text=True).stdout == listing()), "sendmail -bp, which mailq is, says the same")

    def by_json():
        rows = [json.loads(x) for x in w.command("postqueue", "-j", text=True).stdout.splitlines()]
        return [x for x in rows if x["queue_id"] == a and x["sender"] == "alice@example.net" and x["queue_name"] in ("deferred", "active")
                and x["recipients"][0]["address"] == "late1@remote.example" and "451" in x["recipients"][0].get("delay_reason", "")]
    t.ok(wait_for(by_json), "postqueue -j", w.command("postqueue", "-j", text=True).stdout)
    text = w.command("postcat", "-q", a, text=True).stdout
    t.ok("late1@remote.example" in text and "alice@example.net" in text and "body of delay" in text, "postcat -q", text)
    t.ok(w.command("postcat", "-bq", a, text=True).stdout == "\nbody of delay\n", "postcat -bq: the body", w.command("postcat", "-bq", a, text=True))
    p = w.command("postsuper", "-h", a, text=True)
    t.ok(p.returncode == 0 and "Placed on hold: 1 message" in p.stderr and wait_for(lambda: re.search(rf"^{a}!", listing(), re.M)), "postsuper -h", p, listing())
    w.command("postqueue", "-f")
    t.ok(re.search(rf"^{a}!", listing(), re.M), "a flush leaves it there")
    p = w.command("postsuper", "-H", a, text=True)
    t.ok(p.returncode == 0 and "Released from hold: 1 message" in p.stderr and wait_for(lambda: not re.search(rf"^{a}!", listing(), re.M)), "postsuper -H", p)
    p = w.command("postsuper", "-r", a, text=True)
    again = lambda: re.search(r"^(\w+)[ *!]? .*alice@example.net$", listing(), re.M)
    t.ok(p.returncode == 0 and "Requeued: 1 message" in p.stderr and wait_for(lambda: again() and again()[1] != a), "postsuper -r gives a new id", p, listing())
    send(w, "alice@example.net", "late2@remote.example", "delete")
    b = id_of(w, "delete")
    p = w.command("postsuper", "-d", b, text=True)
    t.ok(p.returncode == 0 and "Deleted: 1 message" in p.stderr and wait_for(lambda: b not in listing()), "postsuper -d", p, listing())
    t.ok(w.command("postsuper", "-d", "4jWJNV6dbbzDHNMnH", text=True).returncode == 0, "postsuper -d of what is not there")
    late = False
    w.command("postqueue", "-f")
    t.ok(wait_for(w.queue_is_empty, 30) and listing() == "Mail queue is empty\n", "flushed: the queue is empty", listing())


def aliases(w, sink):
    l = "local.example"
    for name in ("two", "inc", "cmd", "file", "loopa", "owned", "fails"):
        t.ok(send(w, "alice@example.net", f"{name}@{l}", "to" + name).startswith("250"), f"to alias {name}")
    t.ok(mails(w, "alice", "<totwo@") and mails(w, "bob", "<totwo@"), "an alias of two")
    t.ok(mails(w, "carol", "<toinc@") and wait_for(lambda: [m for m in sink.messages if b"<toinc@" in m.content]), ":include:")
    read = lambda name: wait_for(lambda: os.path.exists(f"{w.dir}/out/{name}") and open(f"{w.dir}/out/{name}").read())
    t.ok("body of tocmd" in (read("cmd") or ""), "|command", w.log()[-1500:])
    t.ok("body of tofile" in (read("file") or "") and read("file").startswith("From alice@example.net"), "/file/ is an mbox")
    got = mails(w, "alice", "<toloopa@")
    t.ok(got and report(got[0])[1][0]["Status"].startswith("5.4."), "a loop of aliases is returned", got, w.log()[-2000:])
    got = mails(w, "bob", "<toowned@")
    t.ok(got and got[0].get_content_type() == "multipart/report", "owner-: the list's owner gets the notice, not the sender", w.log()[-2000:])
    t.ok(not [p for p in w.box("alice") if b"<toowned@" in open(p, "rb").read()], "and the sender does not")
    got = mails(w, "alice", "<tofails@")
    t.ok(got and "gone away" in got[0].as_string(), "a command that fails: its words are in the notice", got)


def forwards(w):
    path = f"{w.dir}/forward/{w.user}"
    with open(path, "w") as f:
        f.write(f"\\{w.user}, carol@example.net\n")
    with open(path + "+ext", "w") as f:
        f.write("bob@example.net\n")
    for p in (path, path + "+ext"):
        os.chown(p, w.owner.pw_uid, w.owner.pw_gid)
        os.chmod(p, 0o644)
    send(w, "alice@example.net", f"{w.user}@local.example", "forward")
    send(w, "alice@example.net", f"{w.user}+ext@local.example", "extension")
    send(w, "alice@example.net", f"carol+ext@example.net", "vext")
    t.ok(mails(w, "carol", "<forward@"), ".forward", w.log()[-1500:])
    t.ok(wait_for(lambda: "body of forward" in open(f"{w.dir}/spool/{w.user}").read() if os.path.exists(f"{w.dir}/spool/{w.user}") else 0),
         "and a copy for oneself")
    t.ok(mails(w, "bob", "<extension@"), "recipient_delimiter: .forward+ext", w.log()[-1500:])
    t.ok(mails(w, "carol", "<vext@"), "and a virtual mailbox")
    send(w, "alice@example.net", "joe+x@pipe.example", "pipe")
    got = wait_for(lambda: os.path.exists(f"{w.dir}/out/pipe.joe.x") and open(f"{w.dir}/out/pipe.joe.x").read())
    t.ok(got and got.startswith("Return-Path: <alice@example.net>\n") and "Delivered-To: joe+x@pipe.example\n" in got and got.endswith("\n\nbody of pipe\n"),
         "a pipe transport", got, w.log()[-1500:])


def two_at_once(w, slow):
    c = Smtp(w.ports["smtp"])
    for k in range(12):
        c.send("alice@example.net", [f"x{k}@slow.example"], header(f"slow{k}") + b"x\r\n")
    c.quit()
    t.ok(wait_for(lambda: len(slow.messages) == 12, 30), "12 messages to a slow server", len(slow.messages), w.log()[-1500:])
    t.ok(slow.most == 2, "maxproc 2: never three sessions at once, and two are used", slow.most)


def expiry():
    global late
    late = True
    with Sink(play) as sink, Whole(sink.port, users=("alice",), main="maximal_queue_lifetime = 2s\nbounce_queue_lifetime = 2s\nmaximal_backoff_time = 1s\n") as w:
        w.start_or_end(t)
        send(w, "alice@example.net", "late@remote.example", "old")
        got = mails(w, "alice", "<old@example.org>")
        r = report(got[0])[1][0] if got else {}
        t.ok(got and r["Action"] == "failed" and r["Status"].startswith("4."), "maximal_queue_lifetime: returned when it is too old",
             r.items() if got else w.log()[-2000:])
        t.ok("status=expired, returned to sender" in w.log(), "status=expired in the log", w.log()[-2000:])
        t.ok(wait_for(w.queue_is_empty), "and removed")


with Sink(play) as sink, Sink(delay=0.2) as slow:
    w = Whole(sink.port, main=MAIN % slow.port, users=("alice", "bob", "carol", "postbox"), master="")
    with w:
        w.configure(w.main_text, w.master_text + (MASTER % w.user).replace("$DIR", w.dir))
        os.mkdir(f"{w.dir}/forward")
        with open(f"{w.dir}/aliases", "w") as f:
            f.write(ALIASES.replace("$DIR", w.dir))
        with open(f"{w.dir}/pipe.sh", "w") as f:
            f.write(f"cat > {w.dir}/out/pipe.$1.$2\n")
        with open(f"{w.dir}/list", "w") as f:
            f.write("carol@example.net\nok-include@remote.example\n")
        w.start_or_end(t)
        refused_in_session(w)
        failure(w)
        dsn_parameters(w, sink)
        null_and_double(w)
        delay(w)
        queue_tools(w)
        aliases(w, sink)
        forwards(w)
        two_at_once(w, slow)
        t.ok("killed by signal" not in w.log() and "panic" not in w.log(), "no program ended by its own fault", w.log()[-2000:])
expiry()
t.end()
