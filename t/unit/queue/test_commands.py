#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_commands.py - postqueue, postsuper, postcat: without qmgr, and through it"""
import fcntl, json, os, re, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *

tap = Tap()
bin = os.path.abspath(BUILD) + "/cmd/"
h = House("command_directory = %s\nqueue_run_delay = 5s\nminimal_backoff_time = 5s" % bin)
ENV = {**os.environ, "MAIL_CONFIG": h.dir, "TZ": "UTC"}


def run(*args, text=b""):
    p = subprocess.run([bin + args[0], *args[1:]], input=text, capture_output=True, env=ENV, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def everywhere():
    return {s: h.messages(s) for s in ("incoming", "active", "deferred", "hold") if h.messages(s)}


h.start("rewrite", "private/rewrite")
h.start("cleanup", "public/cleanup")
t = Talk(h.queue + "/public/cleanup")

status, out, err = run("postqueue", "-p")
tap.ok((status, out) == (0, "Mail queue is empty\n"), "an empty queue", (status, out, err))
ids = []
for i in range(6):
    ident, (verb, _) = submit(t, b"Subject: number %d\r\nTo: x\r\n\r\nline one\r\nline two\r\n" % i, ["r%d@example.net" % i, "s p@example.net"],
                              sender="" if i == 0 else "se nder@example.com")
    ids.append(ident)
status, out, err = run("postqueue", "-p")
lines = out.split("\n")
tap.ok(lines[0] == "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------", "heading", lines[:1])
tap.ok("Mail system is down -- accessing queue directly" in err, "root is told", err)
row = [l for l in lines if l.startswith(ids[0])]
tap.ok(len(row) == 1 and re.fullmatch(r"\S{14,17} +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d MAILER-DAEMON", row[0]), "a message's line", row)
tap.ok(" " * 47 + "r0@example.net" in lines and " " * 47 + '"s p"@example.net' in lines, "recipients in their column", lines[:5])
tap.ok(lines[-2] == "-- 0 Kbytes in 6 Requests." and lines[-3] == "", "the last line", lines[-3:])
status, out, err = run("postqueue", "-j")
objects = [json.loads(l) for l in out.splitlines()]
tap.ok(len(objects) == 6 and {o["queue_id"] for o in objects} == set(ids), "-j: an object a line")
o = [o for o in objects if o["queue_id"] == ids[1]][0]
tap.ok(list(o) == ["queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"] and
       o["sender"] == '"se nder"@example.com' and o["queue_name"] == "incoming" and o["forced_expire"] is False and
       o["recipients"] == [{"address": "r1@example.net"}, {"address": '"s p"@example.net'}], "-j: its members", o)
for args in (["-f"], ["-i", ids[0]], ["-s", "example.net"]):
    status, out, err = run("postqueue", *args)
    tap.ok(status == 69 and "mail system is down" in err, "postqueue %s while down" % args[0], (status, err))
for args, want in (([], 69), (["-f", "-p"], 69), (["-i", "../x"], 69), (["-x"], 69), (["-p", "extra"], 69)):
    tap.ok(run("postqueue", *args)[0] == want, "postqueue %s is wrong" % " ".join(args))

# --- postcat ---
status, out, err = run("postcat", "-q", ids[1])
tap.ok(status == 0 and out.startswith("*** ENVELOPE RECORDS incoming/%s ***\n" % ids[1]) and "sender: se nder@example.com\n" in out and
       "recipient: r1@example.net\n" in out and "*** MESSAGE CONTENTS incoming/%s ***\nSubject: number 1\n" % ids[1] in out and
       out.endswith("line two\n*** HEADER EXTRACTED incoming/%s ***\n*** MESSAGE FILE END incoming/%s ***\n" % (ids[1], ids[1])), "postcat -q", (status, out, err))
tap.ok(run("postcat", "-bh", "-q", ids[1])[1] == "Subject: number 1\nTo: x\n\nline one\nline two\n", "postcat -bh")
tap.ok(run("postcat", "-h", "-q", ids[1])[1] == "Subject: number 1\nTo: x\n", "postcat -h")
tap.ok(run("postcat", "-b", h.queue + "/incoming/" + ids[1])[1] == "\nline one\nline two\n", "postcat -b FILE: from the first line that is no header on")
tap.ok(run("postcat", "-q", "nosuch1234")[0] == 1 and run("postcat", "-q", "../../etc/passwd")[0] == 1, "postcat of no message")
status, out, err = run("postcat", "/etc/passwd")
tap.ok((status, out) == (0, "") and "/etc/passwd: input is not a valid queue file" in err, "postcat of another file is warned about", (status, out, err))
with open(h.queue + "/incoming/" + ids[1], "rb") as f:
    raw = f.read()
status, out, err = run("postcat", "-o", "-q", ids[1])
rows = [(int(l[:9]), l[10:]) for l in out.splitlines() if l[:9].strip().isdigit()]
tap.ok(rows and all(raw[at:at + len(l)] == l.encode() for at, l in rows if l.startswith(("Subject:", "To:", "line "))) and {"line one", "line two"} <= {l for at, l in rows},
       "postcat -o: where each line lies", out)
status, out, err = run("postcat", "-d", "-q", ids[1])
tap.ok(" 78 line one\n" in out and re.search(r"^ 83 sender: ", out, re.M) and re.search(r"^ 82 recipient: ", out, re.M) and re.search(r"^ 77 \*\*\* MESSAGE CONTENTS", out, re.M), "postcat -d: types as Postfix numbers them", out)
at = next(at for at, l in rows if l == "line two")
tap.ok(run("postcat", "-b", "-s", str(at), "-q", ids[1])[1] == "line two\n", "postcat -s: what lies behind")
out = run("postcat", "-r", "-q", ids[1])[1]
tap.ok(0 <= out.find("line two") < out.find("sender:"), "postcat -r: the content lies in front of the envelope", out)
whole = run("postcat", h.queue + "/incoming/" + ids[1])[1]
p = subprocess.run([bin + "postcat"], env=ENV, input=raw, capture_output=True)
tap.ok(p.stdout.decode() == whole.replace(h.queue + "/incoming/" + ids[1], "stdin"), "postcat reads standard input", p)
tap.ok("bad offset: x" in run("postcat", "-s", "x", "-q", ids[1])[2], "postcat -s wants a number")

# --- postsuper by itself ---
status, out, err = run("postsuper", "-h", ids[0])
tap.ok(status == 0 and h.files("hold") == [ids[0]] and "%s: placed on hold" % ids[0] in err and "Placed on hold: 1 message" in err, "-h", (status, err))
tap.ok(ids[0] + "!" in run("postqueue", "-p")[1], "held is marked !")
status, out, err = run("postsuper", "-h", "ALL")
tap.ok(len(h.files("hold")) == 6 and "Placed on hold: 5 messages" in err, "-h ALL", err)
status, out, err = run("postsuper", "-H", "-", text=("\n".join(ids[:2]) + "\n").encode())
tap.ok(sorted(h.files("incoming")) == sorted(ids[:2]) and "Released from hold: 2 messages" in err, "-H -", err)
status, out, err = run("postsuper", "-d", ids[0], "-e", ids[1])
tap.ok(h.files("incoming") == [ids[1]] and "Deleted: 1 message" in err and "Force-expired: 1 message" in err, "-d and -e in one", err)
tap.ok([json.loads(l)["forced_expire"] for l in run("postqueue", "-j")[1].splitlines() if ids[1] in l] == [True], "forced_expire")
tap.ok(ids[1] + "#" in run("postqueue", "-p")[1], "expired is marked #")
status, out, err = run("postsuper", "-r", "ALL", "hold")
tap.ok(status == 0 and not h.files("hold") and "Requeued: 4 messages" in err, "-r ALL hold", err)
status, out, err = run("postsuper", "-d", "../x")
tap.ok(status == 0 and "invalid mail queue id: ../x" in err and "Deleted: 0 messages" in err, "an id that is none is warned about", err)
status, out, err = run("postsuper", "-d", "ALL", "nosuch")
tap.ok(status == 1 and "invalid directory name: nosuch" in err and run("postsuper", "-Q")[0] == 1, "wrong use", err)
status, out, err = run("postsuper", "-h", ids[1])
status, out, err = run("postsuper", "-f", ids[1])
tap.ok(h.files("hold") == [] and "Force-expired: 1 message\n" in err and "Released from hold: 1 message\n" in err, "-f releases what is held", err)
status, out, err = run("postsuper", "-d", "ALL", "deferred")
tap.ok(status == 0 and len(h.messages("incoming")) == 5, "-d ALL of an empty queue removes nothing", everywhere())
open(h.queue + "/incoming/4gHb2X1Qzkz3D9f.part", "w").close()
os.utime(h.queue + "/incoming/4gHb2X1Qzkz3D9f.part", (1, 1))
tap.ok(run("postsuper", "-p")[0] == 0 and len(h.files("incoming")) == 5, "-p purges what dead writers left")
if os.getuid() == 0:
    p = subprocess.run([bin + "postsuper", "-d", "ALL"], env=ENV, capture_output=True, preexec_fn=lambda: os.setuid(12345))
    tap.ok(p.returncode != 0 and len(h.messages("incoming")) == 5, "not for everybody", p.stderr)
    p = subprocess.run([bin + "postqueue", "-p"], env=ENV, capture_output=True, preexec_fn=lambda: os.setuid(12345))
    tap.ok(p.returncode == 69 and b"mail system is down" in p.stderr, "the queue is not shown to everybody", p.stderr)
run("postsuper", "-d", ids[1])  # expired: it would wait for bounce

# --- through qmgr: nobody delivers, so all is deferred ---
lock = open(h.queue + "/pid/master.pid", "a")
fcntl.flock(lock, fcntl.LOCK_EX)
if os.path.isfile(BUILD + "/qmgr/qmgr"):
    h.start("qmgr", "public/qmgr")
    tap.ok(h.wait(lambda: len(h.files("deferred")) == 4), "qmgr defers what nobody delivers", everywhere())
    status, out, err = run("postqueue", "-p")
    tap.ok(status == 0 and err == "" and out.count("@example.net") == 8 and re.search(r"\n +\(.*\)\n +r\d@example.net\n", out), "reasons are shown", (out, err))
    o = [json.loads(l) for l in run("postqueue", "-j")[1].splitlines()]
    tap.ok(len(o) == 4 and all(r["delay_reason"] for x in o for r in x["recipients"]) and all(x["queue_name"] == "deferred" for x in o), "-j with reasons", o)
    for args in (["-f"], ["-i", ids[2]], ["-s", "example.net"], ["-s", "[example.net]"]):
        status, out, err = run("postqueue", *args)
        tap.ok(status == 0 and not err, "postqueue %s" % " ".join(args[:1]), (status, err))
    h.wait(lambda: len(h.files("deferred")) == 4)
    status, out, err = run("postsuper", "-h", ids[2])
    tap.ok(status == 0 and "Placed on hold: 1 message" in err and h.wait(lambda: h.files("hold") == [ids[2]]), "-h", (err, everywhere()))
    status, out, err = run("postsuper", "-d", ids[3], "-d", "nosuch1234")
    tap.ok(h.wait(lambda: all(ids[3] not in v for v in everywhere().values())) and "Deleted: 1 message\n" in err, "-d", (err, everywhere()))
    status, out, err = run("postsuper", "-r", ids[4])
    tap.ok(h.wait(lambda: all(ids[4] not in v for v in everywhere().values()) and sum(map(len, everywhere().values())) == 3), "-r gives it a new id", (err, everywhere()))
    status, out, err = run("postsuper", "-H", "ALL")
    tap.ok(status == 0 and h.wait(lambda: not h.files("hold")), "-H ALL", (err, everywhere()))
    status, out, err = run("postsuper", "-d", "ALL")
    tap.ok(status == 0 and h.wait(lambda: not everywhere()), "-d ALL", (err, everywhere()))
    tap.ok(run("postqueue", "-p")[1] == "Mail queue is empty\n", "and it is empty")
h.end()
tap.done()
