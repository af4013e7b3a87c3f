#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""kill_loop.py - programs are killed at random under load, and every message is accounted for

20 connections send messages with a number each to a Maildir of virtual, one of
local and, by smtp, to a sink, while every 50 to 300 ms a random program gets
SIGKILL (KILL_LOOP_SECONDS, 8; KILL_LOOP_SEED).  Then the queue drains, and what
was acknowledged must be there: whole, and queued once; one queued message comes twice only
where the log says that it may (a line of the log can be lost with its logger alone, and
only between the two).  Nobody lends a hand.
"""
import glob, hashlib, os, pwd, random, re, smtplib, subprocess, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from instance import *
from sink import Sink, address

SECONDS = float(os.environ.get("KILL_LOOP_SECONDS", "8"))
SEED = int(os.environ.get("KILL_LOOP_SEED", str(int(time.time()))))
CONNECTIONS, BY_SENDMAIL = 20, 3
WEIGHTS = {"qmgr": 20, "local": 10, "virtual": 10, "smtpd": 18, "cleanup": 15, "smtp": 10, "master": 4, "trivial-rewrite": 4,
           "pickup": 4, "proxymap": 2, "postlogd": 2, "bounce": 1, "dnsd": 1, "anvil": 1, "dialer": 1}
NEEDED = ("smtpd", "cleanup", "qmgr", "pickup", "local", "virtual", "smtp", "trivial-rewrite", "bounce", "postlogd")
DOMAINS = ("v.example", "l.example", "remote.example")


def body_of(number):
    """Of a length of its own, so that a torn one shows."""
    r = random.Random(number)
    lines = [f"{hashlib.sha256(f'{number}.{k}'.encode()).hexdigest()}" for k in range(r.choice((1, 5, 40, 900)))]
    return "\n".join([f"begin {number}", *lines, f"end {number}", ""])


class Load:
    """Who was sent what, and what the sender was told."""
    def __init__(self, i, port, user):
        self.i, self.port, self.user = i, port, user
        self.lock, self.going, self.next = threading.Lock(), True, 0
        self.acked, self.unsure, self.sent_to, self.odd = set(), set(), {}, []

    def new(self, r):
        with self.lock:
            self.next += 1
            number = self.next
        to = r.sample(DOMAINS, r.choice((1, 1, 2, 3)))
        self.sent_to[number] = set(to)
        rcpts = [f"{self.user if d == 'l.example' else 'u'}@{d}" for d in to]
        return number, rcpts, f"Subject: message\nX-Number: {number}\n\n{body_of(number)}"

    def by_smtp(self, which):
        r, c = random.Random(SEED * 100 + which), None
        while self.going:
            number = None
            try:
                if c is None:
                    c = smtplib.SMTP("127.0.0.1", self.port, timeout=60)
                number, rcpts, text = self.new(r)
                refused = c.sendmail("sender@v.example", rcpts, text.replace("\n", "\r\n"))
                for rcpt, (code, text) in refused.items():
                    self.sent_to[number].discard(rcpt.split("@")[1])
                    if code >= 500:
                        self.odd.append((rcpt, code, text))
                self.acked.add(number)
            except smtplib.SMTPResponseException as e:
                if e.smtp_code < 500:
                    self.unsure.add(number)
                else:
                    self.odd.append(e)
                c = None
            except smtplib.SMTPRecipientsRefused as e:
                if any(code >= 500 for code, _ in e.recipients.values()):
                    self.odd.append(e)
                c = None
            except (smtplib.SMTPException, OSError):
                self.unsure.add(number)
                c = None
            if c is None:
                time.sleep(0.02)

    def by_sendmail(self, which):
        r = random.Random(SEED * 100 + which)
        while self.going:
            number, rcpts, text = self.new(r)
            p = subprocess.run([f"{self.i.dir}/sbin/sendmail", "-C", f"{self.i.dir}/etc", "-i", "-f", "sender@v.example", *rcpts],
                               input=text.encode(), capture_output=True)
            if p.returncode == 0:
                self.acked.add(number)
            else:
                self.odd.append(f"sendmail: {p.returncode} {p.stderr}")
            time.sleep(0.1)


def processes(i):
    """Programs of this instance by name, also those whose master is dead.  A child of master that
    has not yet become another program bears master's name: it is none of them."""
    found, parents = {}, {}
    for d in glob.glob("/proc/[0-9]*"):
        try:
            words = open(f"{d}/cmdline").read().split("\0")
            parent = int(open(f"{d}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        name = os.path.basename(words[0])
        if f"{i.dir}/etc" in words and name in WEIGHTS:
            found.setdefault(name, []).append(int(d[6:]))
            parents[int(d[6:])] = parent
    masters = found.pop("master", [])
    if masters := [p for p in masters if parents[p] not in masters]:
        found["master"] = masters
    return found


def start_again(i):
    begun = time.monotonic()
    return i.run("start"), time.monotonic() - begun


def words_of(starts):
    """What those that failed said, on one line: the summary of all tests shows no more of a test than its name."""
    said = " / ".join(s.stdout + s.stderr for s, _ in starts if s.returncode)
    return ": " + " ".join(said.replace("#", " ").split()) if said else ""


def kill_for(i, seconds, r):
    kills, starts = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(r.uniform(0.05, 0.3))
        there = processes(i)
        if not there:
            break
        name = r.choices(list(there), [WEIGHTS[n] for n in there])[0]
        try:
            os.kill(i.master_pid() if name == "master" else r.choice(there[name]), 9)
        except ProcessLookupError:
            continue
        kills.append((time.time(), name))
        if name == "master":
            starts.append(start_again(i))
    return kills, starts


def queue_files(i):
    return [p for d in ("maildrop", "incoming", "active", "deferred") for p in glob.glob(f"{i.dir}/queue/{d}/**", recursive=True)
            if os.path.isfile(p) and not p.endswith(".part")]   # those were never acknowledged; they are swept some day


def drain(i, seconds):
    """Until it is empty, or nothing has left it for so long: how fast it goes is the machine's affair."""
    end, flushed, least = time.monotonic() + seconds, 0, 1 << 30
    while (left := queue_files(i)) and time.monotonic() < end:
        if len(left) < least:
            least, end = len(left), time.monotonic() + seconds
        if time.monotonic() > flushed + 2:
            subprocess.run([f"{i.dir}/sbin/postqueue", "-c", f"{i.dir}/etc", "-f"], capture_output=True)
            flushed = time.monotonic()
        time.sleep(0.2)
    return queue_files(i)


def number_and_body(text):
    head, _, body = text.partition("\n\n")
    for line in head.split("\n"):
        if line.startswith("X-Number: "):
            return int(line[10:]), body
    return None, text


def queue_id(text):
    found = re.search(r"\sid (\w+)", text)
    return found and found[1]


def gather(i, sink):
    """(number, domain) -> list of (when, body, queue id)"""
    got = {}
    for domain, box in (("v.example", f"{i.dir}/boxes/u"), ("l.example", f"{i.dir}/spool/*")):
        for path in glob.glob(f"{box}/new/*") + glob.glob(f"{box}/cur/*"):
            text = open(path).read()
            number, body = number_and_body(text)
            got.setdefault((number, domain), []).append((os.stat(path).st_mtime, body, queue_id(text)))
    for m in sink.messages:
        text = m.content.decode().replace("\r\n", "\n")
        number, body = number_and_body(text)
        for rcpt in m.rcpts:
            got.setdefault((number, address(rcpt).split("@")[1]), []).append((m.when, body, queue_id(text)))
    return got


def account(t, load, got, kills, log):
    lost = [(n, d) for n in load.acked for d in load.sent_to[n] if (n, d) not in got]
    torn = [k for k, copies in got.items() if k[0] and any(body != body_of(k[0]) for _, body, _ in copies)]
    strange = [k for k in got if k[0] is None or k[1] not in load.sent_to.get(k[0], ())]
    for copies in got.values():
        copies.sort(key=lambda c: c[0])
    twice = {k: c for k, c in got.items() if len(c) > 1 and k[0]}
    told = set(re.findall(r"\b(\w{15,}): .*possible duplicate", log))
    # A line of the log is lost with its logger: a kill of it between the two copies, and what that takes.
    loggers = [when for when, name in kills if name in ("postlogd", "master")]
    queued_twice = [k for k, c in twice.items() if len({x[2] for x in c}) > 1]
    silent = [k for k, c in twice.items() if not any(x[2] in told for x in c)]
    unexplained = [k for k in silent if not any(got[k][0][0] - 0.1 <= when <= got[k][-1][0] + 1 for when in loggers)]
    same = [k for k, c in twice.items() if k[1] != "remote.example" and len({x[2] for x in c}) < len(c)]
    t.ok(not lost, f"none of {len(load.acked)} acknowledged messages is lost", lost[:20])
    t.ok(not torn, "none is torn", torn[:20])
    t.ok(not strange, "nothing came that was not sent: no bounce, no mixed recipient",
         [(k, got[k][0][1][:1500]) for k in strange[:3]])
    t.ok(not same, "none is twice in a Maildir under one queue id", same[:20])
    t.ok(not queued_twice, "none was queued twice", [(k, [x[2] for x in got[k]]) for k in queued_twice[:20]])
    t.ok(not unexplained, "what came twice is a possible duplicate in the log", [(k, [(round(x[0], 2), x[2]) for x in got[k]], kills) for k in unexplained[:20]])
    boxes = len([k for k in twice if k[1] != "remote.example"])
    print(f"# {len(load.acked)} acknowledged, {len(load.unsure)} unsure, {len(kills)} kills; twice: {len(twice) - boxes} relayed, "
          f"{boxes} delivered; {len(silent)} of them lost their line of the log with postlogd")


def make_instance(user, sink, port):
    master = open(f"{TOP}/conf/master.cf").read().replace("\nsmtp        inet", f"\n127.0.0.1:{port} inet", 1)
    i = Instance(master=master)
    for d in ("boxes", "spool"):
        os.mkdir(f"{i.dir}/{d}")
        os.chmod(f"{i.dir}/{d}", 0o1777)
    i.configure(f"""mydestination = l.example
virtual_mailbox_domains = v.example
virtual_mailbox_maps = inline:{{u@v.example=u/, sender@v.example=u/}}
virtual_mailbox_base = {i.dir}/boxes
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
virtual_minimum_uid = 1
mail_spool_directory = {i.dir}/spool/
relayhost = [127.0.0.1]:{sink.port}
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
service_throttle_time = 1s
notify_classes =
smtpd_client_connection_count_limit = 0
""", master)
    return i


TOP = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def main():
    t, r, port = Tap(), random.Random(SEED), free_port()
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    print(f"# seed {SEED}")
    with Sink() as sink, make_instance(user, sink, port) as i:
        if not t.ok(i.start().returncode == 0, "start"):
            print(i.log())
            t.end()
        load = Load(i, port, user.pw_name)
        threads = [threading.Thread(target=load.by_sendmail if n < BY_SENDMAIL else load.by_smtp, args=(n,), daemon=True)
                   for n in range(CONNECTIONS)]
        for x in threads:
            x.start()
        kills, starts = kill_for(i, SECONDS, r)
        if "master" not in [name for _, name in kills]:
            os.kill(i.master_pid(), 9)
            kills.append((time.time(), "master"))
            starts.append(start_again(i))
        load.going = False
        for x in threads:
            x.join(90)
        t.ok(not any(x.is_alive() for x in threads), "all senders got an answer or lost their connection")
        t.ok(all(s.returncode == 0 for s, _ in starts), f"start works again after each of {len(starts)} kills of master{words_of(starts)}")
        print("# starts took", ", ".join(f"{x:.1f} s" for _, x in starts))
        left = drain(i, 60)
        t.ok(not left, "the queue drains", *left[:20])
        t.ok(not load.odd, "nothing was refused for good", *load.odd[:5])
        account(t, load, gather(i, sink), kills, i.log())
        t.ok(not glob.glob(f"{i.dir}/queue/corrupt/*"), "nothing in corrupt/")
        t.ok(not [p for p in glob.glob(f"{i.dir}/queue/hold/**", recursive=True) if os.path.isfile(p)], "nothing in hold/")

        def all_back():
            there, ours = processes(i), i.children()
            return all(any(p in ours for p in there.get(n, ())) for n in NEEDED) and len(there.get("master", ())) == 1
        t.ok(wait_for(all_back, 30), "every program is back", processes(i), i.children())
        t.ok(len(processes(i).get("qmgr", ())) == 1, "one qmgr", processes(i))
        before = len(load.acked)
        load.going = True
        one = threading.Thread(target=load.by_smtp, args=(99,), daemon=True)
        one.start()
        wait_for(lambda: len(load.acked) > before, 30)
        load.going = False
        one.join(60)
        t.ok(len(load.acked) > before and not drain(i, 60), "and mail goes through")
        log = i.log()
        t.ok("killed by signal 31" not in log and "signal 6" not in log and "signal 11" not in log and "panic" not in log,
             "no program ended by its own fault", *[x for x in log.split("\n") if "signal" in x and "signal 9" not in x][:10])
        if t.failed and os.environ.get("KILL_LOOP_KEEP"):
            subprocess.run(["cp", "-a", i.dir, os.environ["KILL_LOOP_KEEP"]])
    t.end()


main()
