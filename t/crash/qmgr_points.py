#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""qmgr_points.py - qmgr dies, or a call fails, at every named point of a message's life

One message with a recipient that takes it, one that refuses, one that is late. Whatever
happens where, after a restart each gets its mail or its sender is told; a second time at most once.
"""
import os, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage, Tap, agent, become_nobody, receive, resolver, send, wait_for

become_nobody()
tap = Tap()
MAIN = "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
POINTS = set()


class Run:
    def __init__(self, stage, sender):
        self.delivered, self.told, self.late = [], [], True
        stage.play("role/mail/rewrite", resolver(lambda a: ("smtp", a.split("@")[1])))
        stage.play("role/mail/bounce", self.bounce)
        stage.play("private/smtp", agent(self.deliver))
        self.stage = stage

    def deliver(self, d):
        for r in d.rcpts:
            if r["address"].startswith("bad"):
                d.status(r, "bounced", text="no")
            elif r["address"].startswith("late") and self.late:
                d.status(r, "deferred", text="later")
            else:
                self.delivered.append(r["address"])
                d.status(r)
        d.done()

    def bounce(self, sock):
        while (f := receive(sock)) is not None:
            f.close()
            told = []
            while f.get("last") != "yes":
                f = receive(sock)
                told += f.all("address")
            self.told += told
            send(sock, "noticed", ("queue_id", "4x"))


def one(how, number):
    """Returns whether the point was reached, and what went wrong."""
    with Stage(MAIN, program="t/crash/qmgr_faults") as s:
        w = Run(s, "a@example.org")
        (ident,) = s.fill("incoming", 1, "good@one.example", "bad@two.example", "late@three.example")
        log = f"{s.queue}/faults"
        s.start({"POSTERN_FAULT": f"*:{number}:{how}", "POSTERN_FAULT_LOG": log})
        settled = lambda: s.process.poll() is not None or s.ids("deferred") == [ident] or s.logged("SUSPENDED") or s.ids("corrupt")
        wait_for(settled, 10)
        w.late = False
        if s.process.poll() is None:
            s.ask("flush")
            wait_for(lambda: s.process.poll() is not None or s.logged("removed") or s.logged("SUSPENDED"), 4)
        died = s.process.poll() is not None
        try:
            with open(log) as f:
                lines = f.read().split("\n")[:-1]
        except FileNotFoundError:
            lines = []
        POINTS.update(line.split()[0] for line in lines if line)
        reached = died or len(lines) >= number
        s.kill()
        s.start()
        if s.ids("hold"):
            s.ask("change", ("what", "release"), ("queue_id", "ALL"))
        s.ask("flush")
        over = wait_for(lambda: not s.ids("incoming") and not s.ids("active") and not s.ids("deferred"), 15)
        wrong = []
        if not over:
            wrong.append(f"not finished: {s.ids('incoming')} {s.ids('active')} {s.ids('deferred')}")
        for what, count in (("good", w.delivered.count("good@one.example")), ("late", w.delivered.count("late@three.example")),
                            ("bad told", w.told.count("bad@two.example"))):
            if not 1 <= count <= 2:
                wrong.append(f"{what} {count} times")
        return reached, wrong


LONG = bool(os.environ.get("LONG"))  # make crash; else every second passage, and kills alone
for how in ("kill", "eio", "enospc") if LONG else ("kill",):
    number, bad = 1, []
    while number < 200:
        reached, wrong = one(how, number)
        if wrong:
            bad.append((number, wrong))
        if not reached:
            break
        number += 1 if LONG else 2
    tap.ok(not bad and number > 8, f"{how} at {'each' if LONG else 'every second'} of {number - 1} passages")
    for b in bad:
        print("#", b, flush=True)
print("# points:", " ".join(sorted(POINTS)))
tap.ok({"qmgr.active", "qmgr.marked", "qmgr.answered", "qmgr.noticed", "qmgr.deferred", "qmgr.removed"} <= POINTS,
       "all of qmgr's points were passed")
tap.end()
