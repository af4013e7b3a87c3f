#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""qmgr_rules.py - limits, wishes, VERP, filters and what may come twice: the queue manager's rules, one by one"""
import os, signal, sys, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage, Tap, agent, become_nobody, receive, resolver, send, wait_for

become_nobody()
tap = Tap()


class World:
    """Played peers: deliver(d) as a test wants it; notices as they came."""
    def __init__(self, stage, deliver=None, tell=None):
        self.stage, self.tell, self.lock = stage, tell, threading.Lock()
        self.seen, self.notices, self.busy, self.most = [], [], 0, 0
        self.deliver = deliver or self.sent
        stage.play("role/mail/rewrite", resolver(lambda a: ("smtp", a.rsplit("@", 1)[1])))
        stage.play("role/mail/bounce", self.bounce)
        stage.play("private/smtp", agent(self.agent))

    def agent(self, d):
        with self.lock:
            self.seen.append((d.id, d.head.get("sender"), d.nexthop, [r["address"] for r in d.rcpts], time.monotonic()))
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            return self.deliver(d)
        finally:
            with self.lock:
                self.busy -= 1

    def sent(self, d):
        for r in d.rcpts:
            d.status(r)
        d.done()

    def bounce(self, sock):
        while (f := receive(sock)) is not None:
            head, told = f, []
            while f.get("last") != "yes":
                f = receive(sock)
                told += f.all("address")
            head.close()
            if self.tell:
                self.tell()
            self.notices.append((head.get("kind"), head.get("sender"), told))
            send(sock, "noticed", ("queue_id", "4notice"))


def gone(s):
    return not s.ids("incoming") and not s.ids("active") and not s.ids("deferred")


def fill(s, *args, **env):
    ids = s.fill("incoming", *args, **env)
    for i in ids:
        s.notice(i)
    return ids


# --- what may come twice is in the log ---
with Stage() as s:
    dying = {"now": False}

    def deliver(d):
        if dying["now"]:
            dying["now"] = False
            return False        # it has delivered, and dies before it says so
        return w.sent(d)
    w = World(s, deliver)
    s.start()
    fill(s, 1, "a@x.example")
    wait_for(lambda: gone(s))
    dying["now"] = True
    (two,) = fill(s, 1, "b@x.example")
    tap.ok(wait_for(lambda: gone(s)) and len([x for x in w.seen if x[0] == two]) == 2, "an agent that dies on a kept connection: another is asked")
    tap.ok([line for line in s.logged("possible duplicate") if two in line], "and the log says that it may come twice")

with Stage() as s:
    go = threading.Event()

    def deliver(d):
        go.wait(20)
        return w.sent(d)
    w = World(s, deliver)
    s.start()
    (one,) = fill(s, 1, "a@x.example")
    wait_for(lambda: w.busy)
    old = s.process
    s.status.send(b"stop")
    s.start()                   # beside the old one, which drains
    (two,) = fill(s, 1, "b@x.example")
    wait_for(lambda: w.busy == 2)
    go.set()
    old.wait(20)
    tap.ok(wait_for(lambda: gone(s)), "a queue manager drains beside its successor")
    go.clear()
    (three,) = fill(s, 1, "c@x.example")
    wait_for(lambda: w.busy)
    s.kill()
    s.lines.clear()
    s.start()
    go.set()
    tap.ok(wait_for(lambda: [x for x in s.logged("possible duplicate") if three in x]),
           "the good end of the one says nothing about the other, which was killed")
    wait_for(lambda: gone(s))
    s.stop()
    s.lines.clear()
    s.start()
    tap.ok(not s.logged("possible duplicate"), "after a good end nothing is said")

# --- limits ---
with Stage("default_process_limit = 50\n") as s:
    with open(f"{s.dir}/etc/master.cf", "w") as f:
        f.write("smtp unix - - n - 2 smtp\n")

    def deliver(d):
        time.sleep(0.05)
        return w.sent(d)
    w = World(s, deliver)
    s.start()
    fill(s, 20, "a@x%d.example")
    tap.ok(wait_for(lambda: gone(s)) and w.most == 2, f"no more agents than maxproc in master.cf ({w.most})")

with Stage("smtp_transport_rate_delay = 1s\n") as s:
    w = World(s)
    s.start()
    fill(s, 3, "a@x%d.example")
    wait_for(lambda: gone(s))
    times = sorted(x[4] for x in w.seen)
    tap.ok(len(times) == 3 and all(b - a >= 0.95 for a, b in zip(times, times[1:])), "<transport>_transport_rate_delay, over all destinations", )

with Stage("default_destination_rate_delay = 1s\ninitial_destination_concurrency = 9\n") as s:
    w = World(s)
    s.start()
    fill(s, 2, "a@x.example")
    fill(s, 2, "a@y.example")
    wait_for(lambda: gone(s))
    times = {d: sorted(x[4] for x in w.seen if x[2] == d) for d in ("x.example", "y.example")}
    tap.ok(all(t[1] - t[0] >= 0.95 for t in times.values()) and abs(times["x.example"][0] - times["y.example"][0]) < 0.9,
           "default_destination_rate_delay, for each destination")

with Stage("smtp_initial_destination_concurrency = 2\n") as s:
    go = threading.Event()

    def deliver(d):
        go.wait(20)
        return w.sent(d)
    w = World(s, deliver)
    s.start()
    fill(s, 6, "a%d@x.example", SITES=6)
    wait_for(lambda: w.busy == 2)
    time.sleep(0.3)             # that there are no more can only be waited for
    tap.ok(w.busy == 2, "<transport>_initial_destination_concurrency")
    go.set()
    wait_for(lambda: gone(s))

with Stage("defer_transports = smtp\n") as s:
    w = World(s)
    s.start()
    (one,) = fill(s, 1, "a@x.example")
    tap.ok(wait_for(lambda: s.logged("status=deferred (deferred transport)")) and not w.seen, "defer_transports")

# --- wishes ---
with Stage() as s:
    go = threading.Event()

    def deliver(d):
        for r in d.rcpts:
            if r["address"].startswith("bad"):
                d.status(r, "bounced")
            else:
                d.status(r, "deferred")
        d.done()
    telling = threading.Event()
    w = World(s, deliver, lambda: telling.set() or go.wait(20))
    s.start()
    (one,) = fill(s, 1, "bad@x.example", "late@x.example")
    telling.wait(20)
    answers = []
    wishing = threading.Thread(target=lambda: answers.append(s.ask("change", ("what", "delete"), ("queue_id", one))[-1]))
    wishing.start()
    wishing.join(0.5)
    tap.ok(wishing.is_alive(), "a wish for a message whose sender is being told waits")
    go.set()
    wishing.join(20)
    tap.ok(answers[0].verb == "done" and answers[0].get("count") == "1" and gone(s), "and done means done", )

# --- VERP ---
with Stage() as s:
    def deliver(d):
        for r in d.rcpts:
            d.status(r, "bounced" if r["address"].startswith("bad") else "sent")
        d.done()
    w = World(s, deliver)
    s.start()
    fill(s, 1, "good@x.example", "bad1@x.example", "bad2@x.example", sender="owner@list.example", VERP="+=")
    wait_for(lambda: gone(s))
    tap.ok(sorted(x[1] for x in w.seen) == ["owner+bad1=x.example@list.example", "owner+bad2=x.example@list.example",
                                            "owner+good=x.example@list.example"], "VERP: a sender for each recipient")
    tap.ok(sorted((n[1], n[2]) for n in w.notices) == [("owner+bad1=x.example@list.example", ["bad1@x.example"]),
                                                       ("owner+bad2=x.example@list.example", ["bad2@x.example"])], "and a notice to each")
with Stage("disable_verp_bounces = yes\n") as s:
    w = World(s, deliver)
    s.start()
    fill(s, 1, "bad1@x.example", "bad2@x.example", sender="owner@list.example", VERP="+=")
    wait_for(lambda: gone(s))
    tap.ok([(n[1], sorted(n[2])) for n in w.notices] == [("owner@list.example", ["bad1@x.example", "bad2@x.example"])], "disable_verp_bounces: one to the list's owner")

# --- filters ---
with Stage("default_filter_nexthop = filter.example\n") as s:
    w = World(s)
    s.start()
    fill(s, 1, "a@x.example", FILTER="smtp:")
    fill(s, 1, "b@x.example", FILTER="smtp:[other.example]:10025")
    wait_for(lambda: gone(s))
    tap.ok({x[3][0]: x[2] for x in w.seen} == {"a@x.example": "filter.example", "b@x.example": "[other.example]:10025"}, "default_filter_nexthop")
with Stage() as s:
    w = World(s)
    s.start()
    fill(s, 1, "a@x.example", FILTER="smtp:")
    wait_for(lambda: gone(s))
    tap.ok(w.seen[0][2] == "x.example", "without it the recipient's domain")

# --- a delay that is over ---
with Stage("delay_warning_time = 1h\nconfirm_delay_cleared = yes\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n") as s:
    late = {"is": True}

    def deliver(d):
        for r in d.rcpts:
            d.status(r, "deferred" if late["is"] else "sent")
        d.done()
    w = World(s, deliver)
    s.start()
    fill(s, 1, "a@x.example", AGE=7200)
    tap.ok(wait_for(lambda: [n[0] for n in w.notices] == ["delay"]), "late mail: the sender is told")
    late["is"] = False
    tap.ok(wait_for(lambda: gone(s), 30) and [n[0] for n in w.notices] == ["delay", "success"], "confirm_delay_cleared: and when it has arrived")
tap.end()
