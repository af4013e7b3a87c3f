#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postconf_compat.py - our postconf and Debian's print the same for the same files

Configurations are generated here, to exercise the syntax; the directory that POSTERN_CONFIGS names, of
other people's files, is read too when it is there.  What differs on purpose is in KNOWN.
"""
import os, re, shutil, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Tap, BUILD

t = Tap()
THEIRS = "/usr/sbin/postconf"
if not os.path.exists(THEIRS):
    print("1..0 # SKIP there is no postfix here to compare with")
    sys.exit(0)
OURS = os.path.abspath(f"{BUILD}/cmd/postconf")
# values that are ours by intent: paths, users, identity, and the defaults of ARCHITECTURE.md
KNOWN = re.compile("^(mail_version|mail_release_date|process_id|process_id_directory|.*_directory|mail_owner|setgid_group|"
                   "smtpd_forbid_bare_newline|smtpd_forbid_unauth_pipelining|enable_long_queue_ids|.*_path|"
                   r"alias_maps|.*_tls_(mandatory_)?protocols|default_database_type|myhostname|mydomain|mynetworks|debugger_command)\b")
QUERIES = ["-n", "-nf", "-nh", "-nH", "-nx", "-M", "-Mf", "-F", "-P", "-Ph", "-PH", "-FH", "-M smtp/inet", "-M */unix", "-F smtp/inet",
           "-F */*/command", "-P */*/smtpd_milters", "myorigin", "-h myorigin", "-d myorigin", "-dh mydestination", "-x mydestination",
           "-o myorigin=other.example myorigin", "-C builtin -d alias_maps", "-C user", "-C user -n", "-C service -n", "-C all -n", "-f smtpd_relay_restrictions",
           "nonesuch", "-d nonesuch", "-H relayhost", "-xn", "-nC builtin"]
EDITS = ["-e myorigin=b.example", "relayhost=[x]:25", "-X relayhost", "-# myorigin", "-e newname=1", "-X nonesuch",
         "-M smtp/inet", "-Me x/unix=x_unix_-_-_n_-_-_smtp_-o_a=b", "-M x2/unix=x2_unix_-_-_n_-_-_smtp", "-MX smtp/unix", "-M# relay/unix",
         "-Fe smtp/inet/chroot=y", "-Fe */unix/process_limit=7", "-Pe smtp/inet/smtpd_milters=inet:localhost:1", "-PX submission/inet/syslog_name", "-Pe smtp/inet/a={x_y}"]
MAIN = [r"""# a comment
myhostname = mail.example.org
   # an indented comment
mydomain = example.org
mydestination = $myhostname, localhost.$mydomain,
    localhost
# between
    other.example
relayhost =
myorigin=/etc/mailname
 mynetworks_ignored = 1
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, check_policy_service { inet:localhost:1, timeout = 5s }
mua_client_restrictions = permit_sasl_authenticated, reject
unused_thing = 3
local_thing = ${relayhost?{yes}:{no}} ${mydomain:x} ${{$mydomain} == {example.org} ? {same} : {other}}
virtual_alias_maps = $local_thing hash:/etc/virtual
compatibility_level = 3.6
smtpd_milters = unix:/x
milter_default_action = accept
smtpd_restriction_classes = klass
klass = permit
mydestination = $myhostname, twice.example
inet_protocols = all
alias_maps = hash:/etc/aliases
empty =
""", """compatibility_level=2
smtpd_tls_security_level = may
very_long = """ + " ".join(f"word{n}" for n in range(60)) + """
smtpd_client_restrictions = $very_long
slow_destination_recipient_limit = 1
nosuch_destination_recipient_limit = 1
mailbox_command = procmail -a "$EXTENSION" DEFAULT=$HOME/Maildir/
"""]
MASTER = [r"""# comment
smtp      inet  n       -       y       -       -       smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
# a comment within
  -o { smtpd_recipient_restrictions = permit_mynetworks, reject }
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o unknown_thing=$undefined
127.0.0.1:10025 inet n - n - - smtpd -v
[::1]:10026 inet n - n - 10 smtpd
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
smtp unix - - y - - smtp
relay unix - - y - - smtp -o syslog_name=postfix/$service_name
slow unix - - n - 1 smtp
flush unix n - y 1000? 0 flush
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
postlog   unix-dgram n  -       n       -       1       postlogd
smtpd     pass  -       -       y       -       -       smtpd
""", "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\npickup fifo n - n 60 1 pickup\nsubmission inet n - n - - smtpd -o syslog_name=x\n"]


def run(program, directory, words):
    words = [w.replace("_", " ") if "=x_" in w or "=x2_" in w or "{x_y}" in w else w for w in words]
    words = [w.replace("x unix - - n - - smtp -o a=b", "x unix - - n - - smtp -o a=b") for w in words]
    r = subprocess.run([program, "-c", directory, *words], capture_output=True, text=True, timeout=60,
                       env=dict(os.environ, LC_ALL="C"))
    return r


def lines(r, directory):
    out = [l.rstrip() for l in r.stdout.replace(directory, "DIR").replace("/var/lib/postern", "/var/lib/postfix").splitlines()]
    folded, kept = False, []
    for l in out:
        if not l.startswith(" "):
            folded = bool(KNOWN.match(l))
        if not folded:
            kept.append(l)
    return kept


def warnings(r, directory):
    return sorted(set(re.sub(r"^\S*postconf: ", "", l) for l in r.stderr.replace(directory, "DIR").splitlines()
                      if not l.startswith("warning: DIR/c/main.cf, line") and "unused parameter" in l or "unknown parameter" in l or "bad parameter" in l))


def compare(name, main, master):
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(d + "/c")
        wrong = []

        def fresh():
            for f, text in (("main.cf", main), ("master.cf", master)):
                with open(f"{d}/c/{f}", "w") as out:
                    out.write(text)
        fresh()
        for q in QUERIES:
            ours, theirs = run(OURS, d + "/c", q.split()), run(THEIRS, d + "/c", q.split())
            a, b = lines(ours, d), lines(theirs, d)
            if a != b or warnings(ours, d) != warnings(theirs, d) or ours.returncode != theirs.returncode:
                wrong.append((q, [f"-{x}" for x in b if x not in a][:6] + [f"+{x}" for x in a if x not in b][:6],
                              warnings(theirs, d), warnings(ours, d), theirs.returncode, ours.returncode,
                              theirs.stderr[:200] if theirs.returncode != ours.returncode else "", ours.stderr[:200] if theirs.returncode != ours.returncode else ""))
        t.ok(not wrong, f"{name}: {len(QUERIES)} queries", *wrong)
        wrong = []
        for e in EDITS if len(main) < 20000 else []:
            texts = []
            for program in (THEIRS, OURS):
                fresh()
                r = run(program, d + "/c", e.split())
                texts.append((open(d + "/c/main.cf").read(), open(d + "/c/master.cf").read(), r.returncode, r.stderr[:200]))
            if texts[0][:3] != texts[1][:3]:
                import difflib
                wrong.append((e, texts[0][2:], texts[1][2:], *[l for k in (0, 1) for l in difflib.unified_diff(texts[0][k].splitlines(), texts[1][k].splitlines(), lineterm="", n=0)][:12]))
        t.ok(not wrong, f"{name}: {len(EDITS)} edits", *wrong)


for n in range(len(MAIN)):
    compare(f"generated {n}", MAIN[n], MASTER[n])
others = os.environ.get("POSTERN_CONFIGS")
for path, _, files in sorted(os.walk(others))[int(os.environ.get("POSTERN_CONFIGS_FROM", "0")):] if others else []:
    if "main.cf" in files:
        master = f"{path}/master.cf" if "master.cf" in files else None
        main = open(f"{path}/main.cf", errors="surrogateescape").read()
        read = lambda name: open(name, errors="surrogateescape").read().rstrip("\n") + "\n"      # Postfix joins lines to a last one without end
        compare(os.path.relpath(path, others), main, read(master) if master else MASTER[0])
t.end()
