#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sites.py - a deep queue to very many sites, four of which are ill: the others must not notice

    top_builddir=. t/bench/sites.py [MESSAGES=100000 [SITES=1000]]

One site stalls (its agent never answers), one refuses each recipient for good, one is
slow (half a second each), one is dead (connection refused, as smtp reports it). All messages
fall due at once. The same queue without the four is the measure: the healthy sites get
their mail in the same time. Of the played peers and the test itself as much CPU is spent
as of qmgr, so that rates say little about qmgr alone; the ratio is what counts.

A TAP script with a few hundred messages; `make check` runs that.
"""
import os, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from stage import Stage, Tap, agent, become_nobody, receive, resolver, send, wait_for

become_nobody()
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 400
SITES = int(sys.argv[2]) if len(sys.argv) > 2 else (1000 if COUNT >= 10000 else 40)
ILL = {"d0.example": "stalls", "d1.example": "refuses", "d2.example": "slow", "d3.example": "dead"}
MAIN = """minimal_backoff_time = 4000s
bounce_queue_lifetime = 5d
"""


class Run:
    def __init__(self, ill):
        self.ill, self.lock, self.over = ill, threading.Lock(), threading.Event()
        self.times, self.tried, self.busy, self.most = {}, {}, {}, {}
        self.notices = 0

    def deliver(self, d):
        site = d.nexthop
        how = self.ill.get(site)
        with self.lock:
            self.tried[site] = self.tried.get(site, 0) + len(d.rcpts)
            self.busy[site] = self.busy.get(site, 0) + 1
            self.most[site] = max(self.most.get(site, 0), self.busy[site])
        try:
            self.answer(d, site, how)
        finally:
            with self.lock:
                self.busy[site] -= 1

    def answer(self, d, site, how):
        if how == "stalls":
            self.over.wait()
            raise EOFError
        for r in d.rcpts:
            if how == "refuses":
                d.status(r, "bounced", text=f"host {site}[192.0.2.1] said: 550 no")
            elif how == "dead":
                d.status(r, "deferred", "4.4.1", text=f"connect to {site}[192.0.2.1]:25: Connection refused")
            else:
                if how == "slow":
                    self.over.wait(0.5)
                with self.lock:
                    self.times.setdefault(site, []).append(time.monotonic())
                d.status(r)
        if how == "dead":
            d.done(("destination", "dead"), ("dsn", "4.4.1"), ("text", f"connect to {site}[192.0.2.1]:25: Connection refused"))
        else:
            d.done()

    def bounce(self, sock):
        while (f := receive(sock)) is not None:
            f.close()
            while f.get("last") != "yes":
                f = receive(sock)
            with self.lock:
                self.notices += 1
            send(sock, "noticed", ("queue_id", "4x"))


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(ill):
    """Seconds until all healthy sites have their mail, and the Run."""
    per = COUNT // SITES
    with Stage(MAIN) as s:
        r = Run(ill)
        s.play("role/mail/rewrite", resolver(lambda a: ("smtp", a.split("@")[1])))
        s.play("private/smtp", agent(r.deliver))
        s.play("private/bounce", r.bounce)
        s.play("role/mail/bounce", r.bounce)
        # message n goes to site n % SITES, as they would come in: mixed
        s.fill("deferred", COUNT, f"x@d%d.example", due=0, SITES=SITES)
        healthy = {f"d{n}.example" for n in range(SITES)} - set(ill)
        begun = time.monotonic()
        s.start()
        done = lambda: sum(len(r.times.get(d, ())) for d in healthy) >= per * len(healthy)
        ended = wait_for(done, 30 + COUNT / 50)
        seconds = time.monotonic() - begun
        used = cpu(s.process.pid)
        last = max((t for d in healthy for t in r.times.get(d, ())), default=begun) - begun
        r.over.set()
        return (last if ended else None), used, seconds, r, per


tap = Tap()
well, used, _, r, per = run({})
tap.ok(well is not None, f"{COUNT} messages to {SITES} sites that are well")
print(f"# all well:   {well and round(well, 2)} s, {COUNT / (well or 1):.0f} messages/s, qmgr {used:.2f} s of CPU")
ill, used, seconds, r, per = run(ILL)
tap.ok(ill is not None, "with four ill sites all others get their mail")
others = COUNT - 4 * per
print(f"# four ill:   {ill and round(ill, 2)} s, {others / (ill or 1):.0f} messages/s, qmgr {used:.2f} s of CPU; "
      f"meanwhile: stalling {r.tried.get('d0.example', 0)} tried, refusing {r.tried.get('d1.example', 0)}, "
      f"slow {len(r.times.get('d2.example', ()))} delivered, dead {r.tried.get('d3.example', 0)} tried")
tap.ok(well and ill and ill < well * 1.5 + 2, f"in the same time ({ill or 0:.1f} s; {well or 0:.1f} s without the ill)")
tap.ok(r.most.get("d0.example", 0) <= 5, "the stalling one holds no more agents than a new destination may have")
tap.ok(r.tried.get("d3.example", 0) <= 10, "the dead one is not tried for each message")
tap.ok(r.notices >= 1 and r.tried.get("d1.example", 0) >= min(per, 5), "who is refused is told")
tap.end()
