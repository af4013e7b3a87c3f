#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postmap_beside.py - postmap and postalias beside Debian's: the same calls, output and exit status

Compared are standard output (its lines sorted: hash order is nobody's), the exit status, and the
warnings, but for the place that ours name more exactly.
"""
import os, re, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap, BUILD

t = Tap()
if not os.path.exists("/usr/sbin/postmap"):
    print("1..0 # SKIP there is no postfix here to compare with")
    sys.exit(0)
FILES = {
    "main.cf": "compatibility_level=3.6\ndefault_database_type=hash\nqueue_directory=/nonexistent\n", "master.cf": "",
    "t": 'A@Example.com  one\nb two words\n# c\nc\n  continued\na@example.com dup\nkeyonly\n"quoted key" val\n"a b"@example.org v\n',
    "u": "a x\nB y\n", "add": "b z\nd w\n", "keys": "a\nb\n",
    "re": "/^Subject: (.*)/ REJECT $1\n/^body/ WARN b\n/^X-In/ INFO i\n/^Content-Type: text/ INFO ct\n",
    "msg": "Subject: hi\n there\nX-In: 1\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/plain\n\nbody one\nSubject: no\n--q--\n",
    "f1": "one\n", "f2": "two\n", "f3": "no newline", "files": "a f1\nb f1, f2\nc f1 f3 f2\nE f3,f1\n", "lost": "a nofile\nb f1\n", "ref": "/^a/ f1\n", "addf": "n f2\n",
    "th": "a b\nA c\n k  v\n# x\nC d\n", "al": 'root: a, b\n"x y": c\nlist: :include:/x\nbad line\npipe: "|cat"\nMixed: q\nroot: again\n', "aa": "n: v\n",
}
# input file < command; in order, in one directory
CALLS = """postmap t | postmap -w t | postmap -r t | postmap -s t | postmap -q a@example.com t | postmap -q c hash:t | postmap hash:u
postmap -q a hash:u | postmap -q b hash:u | postmap -q B hash:u | postmap -fq B hash:u | postmap -q nokey hash:u | postmap -s hash:u
postmap -f u | postmap -s hash:u | add < postmap -i hash:u | add < postmap -ir hash:u | postmap -s hash:u | postmap -d d hash:u
postmap -d d hash:u | keys < postmap -q - hash:u | keys < postmap -d - hash:u | postmap -s hash:u | postmap -q x hash:nonesuch
postmap nonesuch | postmap -q a nonesuch:u | postmap -q a regexp:nofile | msg < postmap -hq - regexp:re | msg < postmap -bq - regexp:re
msg < postmap -hmq - regexp:re | msg < postmap -bmq - regexp:re | msg < postmap -hbmq - regexp:re | msg < postmap -mq - regexp:re
postmap -b -q x regexp:re | postmap | postmap -Z x | postmap -q a -d b hash:u | postmap -q a texthash:u hash:u | postmap -q a static:foo
postmap -q a inline:{a=b} | postmap regexp:re | postmap -d a regexp:re | postmap -p u | postmap -n u | postmap -o u
postmap -F files | postmap -s files | postmap -Fs files | postmap -q a files | postmap -Fq a files | postmap -Fq c files | postmap -Fq e hash:files | keys < postmap -Fq - hash:files | addf < postmap -Fi files
postmap -Fs files | postmap -F lost | postmap -s lost | postmap -Fq a texthash:files | postmap -Fq b texthash:files | postmap -Fs texthash:files | postmap -Fq a texthash:lost | postmap -Fq a static:f1
postmap -Fq a regexp:ref | postmap -Fq b regexp:ref | postmap -f u | postmap -Fq a hash:u | postmap -s texthash:th | postmap -sf texthash:th | postmap -fq A texthash:th | postmap -q A texthash:th
postmap -s texthash:nofile | postmap -s regexp:re | postmap -s static:x | postmap -s inline:{a=b} | postmap -Fs inline:{a=f1} | postmap -d a texthash:th | postmap texthash:th | aa < postmap -i texthash:th
postalias al | postalias -q root hash:al | postalias -q mixed hash:al | postalias -q Mixed hash:al | postalias -q none hash:al | postalias -s hash:al
postalias -d root hash:al | postalias -q root hash:al | postalias -w al | aa < postalias -i hash:al | postalias -q n hash:al""".replace("\n", " | ").split(" | ")
OF_POSTFIX = re.compile(r"^(@|YP_\w+):\t")      # what postalias adds for NIS


def warnings(text):
    text = re.sub(r"(?m)^(.*table \w+:\S+?)\.db: ", r"\1: ", text)
    return sorted(re.sub(r"^(\S+?)(\.db|, line \d+):", r"\1:", l.split(": ", 1)[-1].removeprefix("warning: ")) for l in text.splitlines() if "warning: " in l)


def outcomes(programs):
    with tempfile.TemporaryDirectory() as d:
        for name, text in FILES.items():
            with open(f"{d}/{name}", "w") as f:
                f.write(text + (f"data_directory={d}/data\n" if name == "main.cf" else ""))
        found = []
        for call in CALLS:
            given, _, command = call.rpartition(" < ")
            words = command.split()
            if "inline" in command:
                words = command.split(" ", 2)[:2] + command.split(" ", 2)[2].split(" ")
            with open(f"{d}/{given}" if given else "/dev/null") as f:
                r = subprocess.run([f"{programs}/{words[0]}", "-c", d, *words[1:]], cwd=d, stdin=f, capture_output=True, text=True, timeout=60)
            found.append((r.returncode, sorted(l for l in r.stdout.splitlines() if not OF_POSTFIX.match(l)), warnings(r.stderr), r.stderr))
        return found


ours, theirs = outcomes(os.path.abspath(BUILD + "/cmd")), outcomes("/usr/sbin")
for call, a, b in zip(CALLS, ours, theirs):
    t.ok(a[:3] == b[:3], call, "ours", a, "theirs", b)
t.end()
