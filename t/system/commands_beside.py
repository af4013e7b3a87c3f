#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""commands_beside.py - the commands of Debian's Postfix and ours say the same when they are used wrongly, or of an empty queue

Exit code, standard output and what is said: each row is run by both, with a configuration and a queue of its own.
EXIT rows compare the exit code alone, since words or the queue's own form differ.
"""
import os, re, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap

if not os.path.exists("/usr/sbin/postsuper"):
    print("1..0 # SKIP there is no postfix here to compare with")
    sys.exit(0)
if os.getuid():
    print("1..0 # SKIP needs root: Postfix's queue belongs to others")
    sys.exit(0)

IDS = "AAAA\n\nbad id\n"
MAIL = "Subject: t\n\nx\n"
SAME = {
    "postsuper": [(), ("-c", "ETC"), ("-d", "ALL"), ("-d", "XYZ"), ("-d", "bad/id"), ("-d", ""), ("-h", "ALL"), ("-H", "ALL"), ("-r", "ALL"), ("-e", "ALL"), ("-f", "ALL"), ("-d", "-"), ("-s",), ("-p",),
                  ("-S",), ("-ps", "deferred"), ("-d", "ALL", "nosuch"), ("-d", "ALL", "deferred", "hold"), ("-d", "ALL", "-h", "ALL"), ("-d", "all"), ("nosuch",), ("-s", "maildrop"), ("-p", "bounce"),
                  ("-r", "ALL", "maildrop"), ("-c", "/nonexistent", "-d", "ALL"), ("-z",), ("-d",)],
    "postqueue": [(), ("-z",), ("-p", "-j"), ("-p",), ("-j",), ("-f",), ("-i", "XYZ"), ("-i", "bad/id"), ("-s", ""), ("-s", "a b"), ("-p", "extra"), ("-pf",), ("-i",), ("-c", "/nonexistent", "-p")],
    "postcat": [("-q", "XYZ"), ("-q", "bad/id"), ("/nonexistent",), ("-s", "x", "/etc/passwd"), ("/etc/passwd",), ("-d", "/etc/passwd"), (), ("-e",), ("-z",), ("-c", "/nonexistent", "-q", "A")],
    "sendmail": [(), ("-bz",), ("-bm",), ("-bi",), ("-bt",), ("-bD",), ("-bh",), ("-bv",), ("-q5m",), ("-qX",), ("-qI",), ("-qSexample.com",), ("-N", "never", "u@example.org"), ("-R", "full", "u@example.org"),
                 ("-R", "bogus", "u@example.org"), ("-V", "", "u@example.org"), ("-XV", "u@example.org"), ("-XVx", "u@example.org"), ("-f", "", "u@example.org"), ("-F", "Full Name", "u@example.org"),
                 ("-O", "x=y", "u@example.org"), ("-oA", "u@example.org"), ("-oi", "u@example.org"), ("-oQ", "x", "u@example.org"), ("-h", "5", "u@example.org"), ("-C", "/nonexistent/main.cf", "u@example.org"),
                 ("-C", "/nonexistent", "u@example.org"), ("u@example.org", "-f", "x@y"), ("-v", "u@example.org"), ("-bv", "u@example.org"), ("-n", "u@example.org"), ("-x", "u@example.org"),
                 ("-bs", "x"), ("-q", "x"), ("-bd", "x"), ("-bp", "x"), ("-bi", "x"), ("-t", "-q"), ("-B", "x", "u@example.org"),
                 ("-B", "8bitmime", "u@example.org"), ("-B", "7bit", "u@example.org"), ("-B", "7BIT", "u@example.org"), ("",), ("()",), ("-t", ""), ("-f", "a b", "u@example.org"), ("-f", "a,b", "u@example.org")],
    "qshape": [(), ("-s",), ("deferred",), ("-b", "3", "-t", "1", "deferred"), ("-l", "-b", "5", "hold"), ("-w", "100"), ("-p",), ("-b", "1")],
}
EXIT = {
    "postlog": [("-z",), ("-p", "nosuch", "x"), ("x",), ("-c", "/nonexistent", "x")],
    "postkick": [(), ("private",), ("private", "nosuch", "x"), ("nosuch", "a", "b"), ("public", "qmgr", "F"), ("-z",)],
    "postlock": [(), ("W/lk",), ("W/lk", "true"), ("W/lk", "false"), ("W/lk", "sh", "-c", "exit 7"), ("-l", "nosuch", "W/lk", "true"), ("-l", "dotlock", "W/lk", "true"), ("W/nodir/lk", "true"),
                 ("W/lk", "/nonexistent"), ("-z",), ("W/lk", "sh", "-c", "kill -9 $$")],
    "postmap": [("nosuch:W/map",), (), ("hash:W/map",), ("-q", "a", "hash:W/map"), ("-q", "zz", "hash:W/map"), ("-d", "zz", "hash:W/map"), ("-s", "-q", "a", "hash:W/map"), ("-b", "hash:W/map"), ("-z",),
                ("-d", "a", "regexp:W/map"), ("texthash:W/map",), ("-q", "a", "fail:x"), ("-q", "a", "hash:W/unbuilt"), ("-c", "/nonexistent", "hash:W/map"), ("hash:W/nosuch",)],
    "qshape": [("-z",), ("-h",)],
}

# What sendmail's words name; the empty address is written down as empty_address_recipient here.
RECIPIENTS = ("", "<>", " ", "()", ",", "undisclosed:;", "a@b", "a@b,", "a@b c@d", "a b c", "a@b, c d", "a@b;c@d", "x <a@b>", "<a@b> <c@d>", "<a@b> c", "a@b (c) d@e", '"a b"@c', 'a"b"', "a @ b c", "g: a, b;",
              "a@b@c", "|cmd", "/file", "(a", ">")

t = Tap()
with Instance(main="default_database_type = hash\n", master="pickup unix n - n 60 1 pickup\n") as i, tempfile.TemporaryDirectory() as their, tempfile.TemporaryDirectory() as work:
    os.chmod(their, 0o755)
    for d in ("etc", "data", "queue"):
        os.mkdir(f"{their}/{d}")
    shutil.chown(their + "/data", "postfix")
    with open(their + "/etc/main.cf", "w") as f:
        f.write(f"compatibility_level = 3.6\nqueue_directory = {their}/queue\ndata_directory = {their}/data\nmyhostname = mail.example.net\nalias_maps =\nalias_database =\ninet_interfaces = loopback-only\n")
    with open(their + "/etc/master.cf", "w") as f:
        f.write("pickup unix n - n 60 1 pickup\n")
    with open(work + "/map", "w") as f:
        f.write("a b\nc d\n")
    subprocess.run(["postfix", "-c", their + "/etc", "check"], capture_output=True, timeout=60)
    i.run("check")

    def plain(s, etc, queue):
        s = s.replace(etc, "ETC").replace(queue, "QUEUE").replace(work, "W")
        s = re.sub(r"^\S*?(post\w+|sendmail|qshape)(/\w+)?: ", "", s, flags=re.M)
        s = re.sub(r"usage: .*", "usage", s)
        s = re.sub(r"^warning: (unable to look up|connect to) public/.*\n", "", s, flags=re.M)
        s = s.replace(" (Connect to the Postfix showq service: No such file or directory)", "")
        return s

    def run(command, ours, words, text):
        root, etc = (i.dir, i.dir + "/etc") if ours else (their, their + "/etc")
        program = f"{i.dir}/sbin/{command}" if ours else f"/usr/sbin/{command}"
        words = [w.replace("ETC", etc) if w == "ETC" else w.replace("W/", work + "/") for w in words]
        r = subprocess.run([program, *words], input=text, capture_output=True, text=True, timeout=60, env=dict(os.environ, MAIL_CONFIG=etc, LC_ALL="C"))
        return r.returncode, plain(r.stdout, etc, root + "/queue"), plain(r.stderr, etc, root + "/queue")

    def recipients(ours, word):
        run("sendmail", ours, (word,), MAIL)
        root, etc, postcat = (i.dir, i.dir + "/etc", i.dir + "/sbin/postcat") if ours else (their, their + "/etc", "/usr/sbin/postcat")
        found = []
        for name in os.listdir(root + "/queue/maildrop"):
            r = subprocess.run([postcat, "-c", etc, "-e", f"{root}/queue/maildrop/{name}"], capture_output=True, text=True, timeout=60)
            found += [re.sub('"', "", l[11:].strip()) or "MAILER-DAEMON" for l in r.stdout.splitlines() if l.startswith("recipient:")]
            os.unlink(f"{root}/queue/maildrop/{name}")
        return found

    for ours in (False, True):
        recipients(ours, "u@example.org")
    wrong = [(word, "Postfix:", recipients(False, word), "Postern:", recipients(True, word)) for word in RECIPIENTS]
    wrong = [w for w in wrong if w[2] != w[4]]
    t.ok(not wrong, f"sendmail: recipients of {len(RECIPIENTS)} words", *wrong)
    for table, what in ((SAME, "words and exit codes"), (EXIT, "exit codes")):
        for command, rows in table.items():
            wrong = []
            for words in rows:
                text = IDS if command == "postsuper" else MAIL if command == "sendmail" else "garbage\n"
                theirs, ours = run(command, False, words, text), run(command, True, words, text)
                if theirs[:1] != ours[:1] or (table is SAME and theirs != ours):
                    wrong.append((words, "Postfix:", theirs, "Postern:", ours))
            t.ok(not wrong, f"{command}: {len(rows)} calls, {what}", *wrong)
t.end()
