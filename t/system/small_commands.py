#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""small_commands.py - postlock, postkick, qshape"""
import fcntl, os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
with Instance(master="f fifo n - n - - smtpd\nu unix n - n - - smtpd\n", programs={"smtpd": "t/system/echo"}, only=("postlogd",)) as i:
    def run(name, *words):
        return subprocess.run([f"{i.dir}/sbin/{name}", "-c", i.dir + "/etc", *words], capture_output=True, text=True, timeout=90)
    box = i.dir + "/box"
    r = run("postlock", box, "sh", "-c", f"ls {box}.lock; exit 7")
    t.ok(r.returncode == 7 and r.stdout.strip() == box + ".lock", "postlock: the command's status, and a dotlock meanwhile", r)
    t.ok(not os.path.exists(box + ".lock"), "which is gone afterwards")
    probe = f"import fcntl\ntry: fcntl.lockf(open({box!r}, 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept OSError: print('held')"
    r = run("postlock", "-l", "fcntl", box, sys.executable, "-c", probe)
    t.ok(r.stdout == "held\n", "-l fcntl", r)
    t.ok(run("postlock", box).returncode == 75, "usage")
    i.start()
    for service in ("f", "u"):
        before = i.log().count("echo begins")
        r = run("postkick", "public", service, "W")
        t.ok(r.returncode == 0 and wait_for(lambda: i.log().count("echo begins") > before), f"postkick public {service}", r, i.log())
    r = run("postkick", "public", "nobody", "W")
    t.ok(r.returncode == 1 and "Cannot contact class public service nobody" in r.stderr, "postkick: nobody there", r)
    t.ok(run("postkick", "secret", "u", "W").returncode == 1, "usage")

with Instance(master="pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n") as i:
    i.configure("defer_transports = smtp local\n", "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n")
    i.start()
    for n, to in enumerate(("a@one.example", "b@one.example", "c@two.example")):
        subprocess.run([i.dir + "/sbin/sendmail", "-C", i.dir + "/etc", "-f", "s@from.example", to], input=f"Subject: {n}\n\nx\n", text=True, timeout=60)
    show = lambda *words: [l.split() for l in subprocess.run([i.dir + "/sbin/qshape", "-c", i.dir + "/etc", *words], capture_output=True, text=True, timeout=60).stdout.splitlines()]
    t.ok(wait_for(lambda: [r[:3] for r in show("deferred", "active", "incoming")][1:] == [["TOTAL", "3", "3"], ["one.example", "2", "2"], ["two.example", "1", "1"]]),
         "qshape: domains by count", show("deferred", "active", "incoming"), i.log()[-800:])
    t.ok(show("-b", "3", "-t", "10", "deferred")[0] == ["T", "10", "20", "20+"], "-b and -t", show("-b", "3", "-t", "10", "deferred"))
    t.ok(show("-l", "-b", "4", "-t", "7", "deferred")[0] == ["T", "7", "14", "21", "21+"], "-l: linear", show("-l", "-b", "4", "-t", "7", "deferred"))
    for n in range(5):
        subprocess.run([i.dir + "/sbin/sendmail", "-C", i.dir + "/etc", "-f", "s@from.example", f"u@host{n}.sub.example"], input="Subject: sub\n\nx\n", text=True, timeout=60)
    t.ok(wait_for(lambda: [".sub.example", "5"] in [r[:2] for r in show("-p", "deferred", "active", "incoming")]), "-p: a parent of five", show("-p", "deferred", "active", "incoming"))
    t.ok(not any(r[0] == ".sub.example" for r in show("-p", "-m", "6", "deferred", "active", "incoming")), "-m: not one of fewer", show("-p", "-m", "6", "deferred"))
    t.ok(["from.example", "8"] in [r[:2] for r in show("-s", "deferred", "active", "incoming")], "-s", show("-s", "deferred"))
t.end()
