#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_qmgr.py - the queue manager with played agents: it carries, tries again, tells, and survives kill -9"""
import os, socket, struct, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage, Tap, agent, become_nobody, receive, resolver, send, wait_for

become_nobody()
tap = Tap()
lock = threading.Lock()


def route(address):
    user, domain = address.rsplit("@", 1)
    if domain == "error.example":
        return "error", "5.1.1 nobody here"
    if domain == "retry.example":
        return "retry", "later"
    if domain == "discard.example":
        return "discard", "silently"
    if domain == "nowhere.example":
        return "nowhere", domain
    return ("local" if domain == "local.example" else "smtp"), domain


class World:
    """Remembers what was delivered and what was told."""
    def __init__(self, stage):
        self.stage, self.delivered, self.notices, self.batches = stage, [], [], []
        self.bounce_works, self.submitted = True, []
        stage.play("role/mail/rewrite", resolver(route))
        stage.play("role/mail/bounce", self.bounce)
        stage.play("role/mail/cleanup", self.cleanup)
        stage.play("private/smtp", agent(self.deliver))
        stage.play("private/local", agent(self.deliver))

    def deliver(self, d):
        with lock:
            self.batches.append((d.id, [r["address"] for r in d.rcpts]))
        if d.nexthop == "crash.example":
            return False
        if d.nexthop == "early.example":
            return d.done()
        if d.nexthop == "dead.example":
            for r in d.rcpts:
                d.status(r, "deferred", "4.4.1", "connect to dead.example[192.0.2.1]:25: Connection refused", relay="none")
            d.done(("destination", "dead"), ("dsn", "4.4.1"), ("text", "connect to dead.example[192.0.2.1]:25: Connection refused"))
            return
        for r in d.rcpts:
            user = r["address"].split("@")[0]
            if user.startswith("bad"):
                d.status(r, "bounced", "5.1.1", 'unknown user: "bad"', diagnostic="550 5.1.1 no", mta="mx.example")
            elif user.startswith("late"):
                d.status(r, "deferred", "4.2.0", "greylisted")
            else:
                with lock:
                    self.delivered.append((d.id, r["address"]))
                d.status(r, "sent", relay="local")
        d.done()

    def cleanup(self, sock):
        rcpts = []
        while (f := receive(sock)) is not None:
            if f.verb == "open":
                send(sock, "opened", ("queue_id", "4again"))
            elif f.verb == "content":
                with tempfile.TemporaryFile() as file:
                    words = b"content\0" + b"".join(n + b"\0" + struct.pack(">I", len(v)) + v for n, v in ((b"at", b"512"), (b"file", b"0")))
                    socket.send_fds(sock, [words], [file.fileno()])
            elif f.verb == "rcpt":
                rcpts.append(f.get("address"))
            elif f.verb == "prepare":
                send(sock, "prepared", ("pieces", "512+1"), ("size", 1), ("end", 513))
            elif f.verb == "commit":
                self.submitted.append(rcpts)
                send(sock, "committed")

    def bounce(self, sock):
        while (f := receive(sock)) is not None:
            rcpts, head = [], f
            while f.get("last") != "yes":
                f = receive(sock)
                for name, value in f.fields:
                    if name == "address":
                        rcpts.append({})
                    if rcpts:
                        rcpts[-1][name] = value
            head.close()
            if not self.bounce_works:
                send(sock, "refused", ("reason", "queue is full"))
                continue
            with lock:
                self.notices.append((head.get("kind"), head.get("queue_id"), head.get("sender"), rcpts))
            send(sock, "noticed", ("queue_id", "4notice"))


def empty(s):
    return not s.ids("incoming") and not s.ids("active") and not s.ids("deferred")


FAST = "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\ntransport_retry_time = 1s\n"

with Stage() as s:
    w = World(s)
    s.start()
    (one,) = s.fill("incoming", 1, "b@example.net")
    s.notice(one)
    tap.ok(wait_for(lambda: empty(s)), "a message is carried")
    tap.ok(w.delivered == [(one, "b@example.net")], "to its recipient, once")
    wait_for(lambda: s.logged("removed"))
    tap.ok(s.logged(f"{one}: from=<a@example.org>, size=67, nrcpt=1 (queue active)") and s.logged(f"{one}: removed"),
           "and the log says so")
    begin = time.monotonic()
    many = s.fill("incoming", 300, "m%d@example.net")
    for i in many:
        s.notice(i)
    tap.ok(wait_for(lambda: empty(s)), "three hundred messages are carried")
    tap.ok(len(set(w.delivered)) == len(w.delivered) == 301, "each once")
    lost = s.fill("incoming", 3, "n%d@example.net")
    tap.ok(wait_for(lambda: empty(s), 25), "lost notices lose no mail")

    (big,) = s.fill("incoming", 1, "1200*u%d@example.net")
    w.batches.clear()
    s.notice(big)
    tap.ok(wait_for(lambda: empty(s)), "1,200 recipients")
    sizes = [len(b[1]) for b in w.batches if b[0] == big]
    tap.ok(sum(sizes) == 1200 and max(sizes) == 50, "in batches of default_destination_recipient_limit")
    (loc,) = s.fill("incoming", 1, "20*u%d@local.example")
    w.batches.clear()
    s.notice(loc)
    wait_for(lambda: empty(s))
    tap.ok([len(b[1]) for b in w.batches] == [1] * 20, "one at a time to local")

    (mixed,) = s.fill("incoming", 1, "x@error.example", "y@discard.example", "bad@example.net", "good@example.net")
    s.notice(mixed)
    tap.ok(wait_for(lambda: empty(s)), "failures end a message too")
    kinds = [(k, sorted(r["address"] for r in rr)) for k, q, snd, rr in w.notices if q == mixed]
    tap.ok(kinds == [("failure", ["bad@example.net", "x@error.example"])], "after the sender was told of exactly those")
    told = {r["address"]: r for r in w.notices[-1][3]}
    tap.ok(told["x@error.example"]["dsn"] == "5.1.1" and told["x@error.example"]["text"] == "nobody here" and
           told["bad@example.net"]["diagnostic"] == "550 5.1.1 no", "with the reasons")
    tap.ok(s.logged(f"{mixed}: to=<x@error.example>, relay=none,") and s.logged("dsn=5.1.1, status=bounced (nobody here)")
           and s.logged("status=sent (silently)"), "error and discard are logged as those agents do")
    never = s.fill("incoming", 1, "bad1@example.net", NOTIFY=1)[0]
    s.notice(never)
    wait_for(lambda: empty(s))
    tap.ok(not [n for n in w.notices if n[1] == never], "NOTIFY=NEVER is told nothing")
    yes = s.fill("incoming", 1, "good1@example.net", NOTIFY=2)[0]
    s.notice(yes)
    wait_for(lambda: empty(s))
    tap.ok([n[0] for n in w.notices if n[1] == yes] == ["success"], "NOTIFY=SUCCESS is told of success")

    (late,) = s.fill("incoming", 1, "late@example.net", "fine@example.net")
    s.notice(late)
    tap.ok(wait_for(lambda: s.ids("deferred") == [late]), "what is deferred goes to deferred/")
    due = os.stat(f"{s.queue}/deferred/{late}").st_mtime - time.time()
    tap.ok(290 < due < 310, "due after minimal_backoff_time")
    answer = s.ask("list")
    tap.ok([f.get("queue_id") for f in answer if f.verb == "message"] == [late] and
           [f.all("address") for f in answer if f.verb == "rcpts"] == [["late@example.net"]] and
           [f.all("reason") for f in answer if f.verb == "rcpts"] == [["greylisted"]], "mailq sees it, and why")
    n = len(w.batches)
    s.ask("flush")
    tap.ok(wait_for(lambda: len(w.batches) == n + 1) and w.batches[-1] == (late, ["late@example.net"]),
           "a flush tries the rest again, and only the rest")
    wait_for(lambda: s.ids("deferred") == [late])
    s.ask("flush_one", ("queue_id", late))
    tap.ok(wait_for(lambda: len(w.batches) == n + 2), "so does flushing one")
    wait_for(lambda: s.ids("deferred") == [late])
    s.ask("flush_site", ("site", "example.net"))
    tap.ok(wait_for(lambda: len(w.batches) == n + 3), "and flushing a site")
    wait_for(lambda: s.ids("deferred") == [late])
    tap.ok(s.ask("change", ("what", "hold"), ("queue_id", late))[-1].get("count") == "1" and s.ids("hold") == [late], "hold")
    tap.ok(s.ask("change", ("what", "release"), ("queue_id", "ALL"))[-1].get("count") == "1", "release")
    tap.ok(wait_for(lambda: s.ids("deferred") == [late]), "what was released is tried")
    tap.ok(s.ask("change", ("what", "expire"), ("queue_id", late))[-1].get("count") == "1" and
           wait_for(lambda: empty(s)), "expire ends it")
    tap.ok(w.notices[-1][:2] == ("failure", late) and s.logged(f"{late}: from=<a@example.org>, status=force-expired, returned to sender"),
           "and tells the sender")
    (gone,) = s.fill("incoming", 1, "late@example.net")
    s.notice(gone)
    wait_for(lambda: s.ids("deferred") == [gone])
    tap.ok(s.ask("change", ("what", "delete"), ("queue_id", gone))[-1].get("count") == "1" and empty(s), "delete")
    tap.ok(s.ask("change", ("what", "delete"), ("queue_id", gone))[-1].get("count") == "0", "there is none any more")
    tap.ok(s.ask("change", ("what", "delete"), ("queue_id", "../etc/passwd"))[-1].verb == "refused", "names are ids")
    w.bounce_works = False
    (stuck,) = s.fill("incoming", 1, "bad2@example.net")
    s.notice(stuck)
    tap.ok(wait_for(lambda: s.ids("deferred") == [stuck]), "what cannot be told stays")
    w.bounce_works = True
    n = len(w.batches)
    tap.ok(wait_for(lambda: s.ask("flush") and empty(s)) and w.notices[-1][1] == stuck and len(w.batches) == n, "and only the telling is tried again")
    w.bounce_works = False
    (again,) = s.fill("incoming", 1, "bad4@example.net", "late4@example.net", "fine4@example.net")
    s.notice(again)
    wait_for(lambda: s.ids("deferred") == [again])
    tap.ok(s.ask("change", ("what", "requeue"), ("queue_id", again))[-1].get("count") == "1" and empty(s), "requeue")
    tap.ok(w.submitted == [["bad4@example.net", "late4@example.net"]],
           "is for all who are not done: so is he whose failure nobody was told")
    w.bounce_works = True
    (early,) = s.fill("incoming", 1, "x@early.example")
    s.notice(early)
    tap.ok(wait_for(lambda: s.ids("deferred") == [early]) and s.logged("done, without an answer for each recipient"),
           "an agent that says done too early delays its message, and no more")
    s.ask("change", ("what", "delete"), ("queue_id", "ALL"))
    with open(f"{s.queue}/incoming/4bQZZZ1234zK5", "w") as f:
        f.write("garbage")
    s.notice("4bQZZZ1234zK5")
    tap.ok(wait_for(lambda: s.ids("corrupt") == ["4bQZZZ1234zK5"]), "a damaged file is kept aside")
    tap.ok(s.stop() == 0, "it stops when told")

with Stage(FAST) as s:
    w = World(s)
    s.start()
    old = s.fill("incoming", 1, "late@example.net", AGE=6 * 86400)[0]
    s.notice(old)
    tap.ok(wait_for(lambda: empty(s)) and s.logged(f"{old}: from=<a@example.org>, status=expired, returned to sender"),
           "after maximal_queue_lifetime it is returned")
    (dead,) = s.fill("incoming", 1, *[f"u{i}@dead.example" for i in range(3)])
    s.notice(dead)
    tap.ok(wait_for(lambda: s.ids("deferred") == [dead]), "a dead destination defers")
    s.ask("change", ("what", "delete"), ("queue_id", "ALL"))
    dead = s.fill("incoming", 40, "v%d@dead.example")
    for i in dead:
        s.notice(i)
    tap.ok(wait_for(lambda: s.logged("delivery temporarily suspended: connect to dead.example[192.0.2.1]:25: Connection refused")),
           "and suspends what follows")
    tap.ok(wait_for(lambda: s.ask("change", ("what", "delete"), ("queue_id", "ALL"))[-1].get("count") == "0"), "delete all")
    (no,) = s.fill("incoming", 1, "x@nowhere.example")
    s.notice(no)
    tap.ok(wait_for(lambda: s.logged(f"{no}: to=<x@nowhere.example>") and s.logged("status=deferred (mail transport unavailable)")),
           "a transport that is not there defers")
    tap.ok(s.logged("warning: connect to transport private/nowhere: "), "and warns")
    s.play("private/nowhere", agent(w.deliver))
    tap.ok(wait_for(lambda: (no, "x@nowhere.example") in w.delivered), "when it is back, mail goes on")
    (killer,) = s.fill("incoming", 1, "x@crash.example")
    s.notice(killer)
    tap.ok(wait_for(lambda: s.ids("hold") == [killer], 60), "a message that kills agents three times goes to hold")
    tap.ok(len([b for b in w.batches if b[0] == killer]) <= 6, "after few tries")

with Stage() as s:  # a clock that was wrong
    w = World(s)
    s.fill("deferred", 1, "good@example.net", due=10 * 365 * 86400)
    s.start()
    tap.ok(wait_for(lambda: empty(s)), "a due time years ahead is treated as now")

with Stage() as s:  # stopping while deliveries are in flight, and another qmgr beside it
    w = World(s)

    def slow(d):
        time.sleep(1.5)
        with lock:
            w.delivered.extend((d.id, r["address"]) for r in d.rcpts)
        for r in d.rcpts:
            d.status(r)
        d.done()
    w.deliver = slow
    s.players[-2].serve = agent(slow)
    s.start()
    for i in s.fill("incoming", 1, "60*u%d@local.example") + s.fill("incoming", 30, "v%d@example.net"):
        s.notice(i)
    wait_for(lambda: s.logged("queue active"))
    time.sleep(0.5)
    old, status = s.process, s.status
    begin = time.monotonic()
    status.send(b"stop")
    s.start()
    tap.ok(old.wait(20) == 0 and time.monotonic() - begin < 10, "a qmgr that is told to stop ends what is in flight")
    tap.ok(wait_for(lambda: empty(s), 60), "its successor takes over the rest")
    tap.ok(len(w.delivered) == len(set(w.delivered)) == 90, "nobody got anything twice")

with Stage(FAST) as s:  # kill -9 at random moments under load
    w = World(s)
    s.start()
    expected, end, kills = set(), time.monotonic() + 8, 0
    k = 0
    while time.monotonic() < end:
        for i in s.fill("incoming", 15, f"k{k}-%d@example.net", f"late{k}-%d@retry.example", f"j{k}-%d@local.example"):
            expected |= {i}
            s.notice(i)
        k += 1
        if k % 2 == 0:
            s.kill()
            s.start()
            kills += 1
    tap.ok(wait_for(lambda: not s.ids("incoming") and not s.ids("active"), 30), f"after {kills} kills nothing is stuck")
    wanted = len(expected) * 2
    tap.ok(wait_for(lambda: len(set(w.delivered)) == wanted, 30), "no recipient is lost")
    twice = len(w.delivered) - len(set(w.delivered))
    tap.ok(twice <= kills * 60, f"few twice ({twice} of {len(w.delivered)})")
    tap.ok(sorted(s.ids("deferred")) == sorted(expected) or wait_for(lambda: sorted(s.ids("deferred") + s.ids("active")) == sorted(expected)),
           "what waits, waits once")
tap.end()
