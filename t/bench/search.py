#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""search.py - SEARCH beside Dovecot, alternately, on one Maildir each

    search.py [--messages 10000] [--rounds 5]

Ours is timed without its index and with it.  Every answer is compared with Dovecot's.  Needs Dovecot's imap; as root it
serves nobody's mail."""
import argparse, base64, imaplib, itertools, os, pwd, random, shutil, statistics, subprocess, sys, tempfile, time

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
DOVECOT = next((p for p in ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap") if os.path.exists(p)), None)
args = argparse.ArgumentParser()
args.add_argument("--messages", type=int, default=10000)
args.add_argument("--rounds", type=int, default=5)
args = args.parse_args()
root = tempfile.mkdtemp(prefix="bench_search_")
os.chmod(root, 0o755)
rng = random.Random(1)
letters = "abcdefghijklmnopqrstuvwxyz"
words = ["".join(rng.choice(letters) for _ in range(rng.randint(2, 11))) for _ in range(30000)]
weights = list(itertools.accumulate(1 / (k + 10) for k in range(len(words))))


def text(n):
    lines = []
    picked = rng.choices(words, cum_weights=weights, k=n)
    for i in range(0, n, 11):
        lines.append(" ".join(picked[i:i + 11]))
    return "\n".join(lines) + "\n"


def hex_of(bits):
    return "%x" % rng.getrandbits(bits)


def message(k):
    body = text(rng.randint(50, 600)) + ("the common word stands here\n" if k % 10 else "") + ("rarity%d\n" % k if k % 3333 == 7 else "")
    name = rng.choice(words[:2000])
    head = "".join(f"Received: from {rng.choice(words)}.example ([192.0.2.{hop}]) by mx.example.org with ESMTPS id {hex_of(60)};\n"
                   f"\tMon, 02 Nov 2026 10:00:00 +0000\n" for hop in range(3))
    head += ("DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=k; b=" + "".join(rng.choices(letters + letters.upper() + "0123456789+/", k=344)) + "\n"
             f"From: {name.title()} {rng.choice(words).title()} <{name}@{rng.choice(words[:300])}.example>\nTo: me@example.org\n"
             f"Subject: {' '.join(rng.choices(words, cum_weights=weights, k=6))}\nDate: Mon, 02 Nov 2026 10:00:00 +0000\nMessage-ID: <{hex_of(80)}@{name}.example>\n"
             "MIME-Version: 1.0\n")
    if k % 3:
        return f"{head}Content-Type: text/plain; charset=us-ascii\n\n{body}"
    html = "<html><body><p style='margin:0;padding:0'>" + body.replace("\n", "</p>\n<p class='x'>") + "</p></body></html>"
    return (f"{head}Content-Type: multipart/alternative; boundary=bb\n\n--bb\nContent-Type: text/plain; charset=utf-8\n\n{body}\n"
            f"--bb\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{base64.encodebytes(html.encode()).decode()}--bb--\n")


def fill(mail):
    size = 0
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{mail}/{d}")
    for k in range(args.messages):
        b = message(k).encode()
        size += len(b)
        with open(f"{mail}/cur/{1700000000 + k}.M{k}P1.bench,S={len(b)}:2,S", "wb") as f:
            f.write(b)
    return size


def own(path):
    if os.getuid() == 0:
        n = pwd.getpwnam("nobody")
        subprocess.run(["chown", "-R", f"{n.pw_uid}:{n.pw_gid}", path], check=True)


user = "setpriv --reuid nobody --regid nogroup --clear-groups env USER=nobody" if os.getuid() == 0 else "env"
with open(f"{root}/conf", "w") as f:
    f.write("log_path = /dev/stderr\nssl = no\nmail_fsync = never\n")


def ours(mail, more=""):
    return imaplib.IMAP4_stream(f"{user} HOME={root} {BUILD}/t/system/imapd_stdio maildir:{mail} {more} 2>>{root}/log")


def theirs(mail, more=""):
    return imaplib.IMAP4_stream(f"{user} HOME={root} {DOVECOT} -c {root}/conf -o mail_location=maildir:{mail} 2>>{root}/log")


QUERIES = ["TEXT rarity", "TEXT common", "BODY common", 'TEXT "common word stands"', f'TEXT {words[50]}', f'BODY "{words[3]} {words[4]}"',
           f"SUBJECT {words[2]}", f"FROM {words[100]}", "HEADER Message-ID example", "TEXT nosuchword", "NOT TEXT common"]
start = time.monotonic()
size = fill(f"{root}/a")
shutil.copytree(f"{root}/a", f"{root}/b")
own(root)
print(f"{args.messages} messages, {size / 1e6:.1f} MB; made in {time.monotonic() - start:.0f} s", flush=True)


imaplib.Commands["XINDEX"] = ("AUTH",)


def ask(m, query):
    start = time.monotonic()
    status, data = m.search(None, *query.split(" ", 1))
    took = time.monotonic() - start
    assert status == "OK", (query, data)
    return took * 1000, data[0]


def table(title, ms):
    print(title)
    for q in QUERIES:
        a, b = statistics.median(ms[ours, q]), statistics.median(ms[theirs, q])
        print(f"  {q:34} {a:8.1f} {b:8.1f} ms   {a / b:5.2f}", flush=True)


def compare(title, more=""):
    sessions, ms = {}, {(who, q): [] for who in (ours, theirs) for q in QUERIES}
    for who, mail in ((ours, f"{root}/a"), (theirs, f"{root}/b")):
        sessions[who] = who(mail, more)
        sessions[who].select(readonly=True)
    for _ in range(args.rounds):
        for q in QUERIES:
            got = {}
            for who in (ours, theirs):
                took, got[who] = ask(sessions[who], q)
                ms[who, q].append(took)
            if got[ours] != got[theirs]:
                a, b = set(got[ours].split()), set(got[theirs].split())
                print(f"  {q}: {len(a)} messages here, {len(b)} there; here alone {sorted(a - b)[:5]}, there alone {sorted(b - a)[:5]}")
    for s in sessions.values():
        s.logout()
    table(title, ms)


compare(f"{'without an index':34}  Postern  Dovecot", "search_index=0")
start = time.monotonic()
m = ours(f"{root}/a")
got = m._simple_command("XINDEX", "INBOX")
m.logout()
print(f"made in {(time.monotonic() - start):.1f} s: {got[1][0].decode()}")
compare(f"{'with the index':34}  Postern  Dovecot")
shutil.rmtree(root, ignore_errors=True)
