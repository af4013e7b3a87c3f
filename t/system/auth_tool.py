#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""auth_tool.py - postern pw and auth: what is made is what authd takes, and doveadm too.  TAP."""
import os, pwd, shutil, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap

OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
tap = Tap()
base = tempfile.mkdtemp(prefix="auth_tool_")
os.chmod(base, 0o755)
MAIN = f"""mail_location = maildir:%h/Maildir
auth_passdb = passwd-file:{base}/users
auth_userdb = passwd-file:{base}/users
first_valid_uid = 1
"""

with Instance(MAIN, "authd unix - n n - - authd\n") as i:
    def run(*words, text=None):
        r = subprocess.run([f"{i.dir}/sbin/postern", "-c", f"{i.dir}/etc", *words], input=text, capture_output=True, text=True, timeout=60)
        run.status, run.err = r.returncode, r.stderr
        return r.stdout

    schemes = run("pw", "-l").split()
    tap.ok(len(schemes) > 15 and "ARGON2ID" in schemes and "SCRAM-SHA-256" in schemes, "pw -l", schemes)
    made = {s: run("pw", "-s", s, "-p", "corréct horse").strip() for s in schemes}
    tap.ok(all(m.startswith("{%s}" % s) for s, m in made.items()), "each scheme is made, and named", made)
    tap.ok(all(run("pw", "-t", m, "-p", "corréct horse").endswith(" (verified)\n") and run.status == 0 for m in made.values()), "pw -t: it is the password")
    tap.ok(all(run("pw", "-t", m, "-p", "corréct hors") and run.status == 1 for m in made.values()), "and another is not: 1")
    salted = [s for s in schemes if not s.startswith(("SHA1", "SHA2", "SHA5", "PLAIN", "CLEAR", "LDAP", "CRAM")) or s.endswith("CRYPT")]
    tap.ok(all(run("pw", "-s", s, "-p", "corréct horse").strip() != made[s] for s in salted if s != "SHA"), "no salt comes twice")
    tap.ok(run("pw", "-s", "SSHA", text="from a pipe\n").startswith("{SSHA}") and run.status == 0, "a password from standard input")
    run("pw", "-s", "NONE", "-p", "x")
    tap.ok(run.status == 64 and "unknown scheme" in run.err, "an unknown scheme: 64", run.err)
    if shutil.which("doveadm"):
        theirs = {s: subprocess.run(["doveadm", "pw", "-t", m, "-p", "corréct horse"], capture_output=True, text=True) for s, m in made.items()}
        known = {s: r for s, r in theirs.items() if "scheme" not in r.stderr}
        tap.ok(len(known) > 12 and all("(verified)" in r.stdout for r in known.values()), f"doveadm pw -t takes {len(known)} of {len(made)}",
               {s: (r.stdout, r.stderr) for s, r in known.items() if "(verified)" not in r.stdout}, sorted(set(theirs) - set(known)))
        for s in ("BLF-CRYPT", "SHA512-CRYPT", "SSHA256", "SCRAM-SHA-256", "PBKDF2", "CRAM-MD5", "SMD5"):
            r = subprocess.run(["doveadm", "pw", "-s", s, "-p", "secret"], capture_output=True, text=True)
            if r.returncode == 0:
                run("pw", "-t", r.stdout.strip(), "-p", "secret")
                tap.ok(run.status == 0, f"and what doveadm makes is taken: {s}", r.stdout)
    else:
        tap.ok(True, "doveadm takes it # SKIP no doveadm here")
    with open(f"{base}/users", "w") as f:
        for n, m in enumerate(made.values()):
            f.write(f"u{n}:{m}:{OWNER.pw_uid}:{OWNER.pw_gid}::{base}/u{n}::\n")
    run("auth", "test", "u0", "corréct horse")
    tap.ok(run.status == 75 and "does the mail system run" in run.err, "auth without a running system: 75", run.err)
    i.start()
    good = [n for n in range(len(made)) if run("auth", "test", f"u{n}", "corréct horse") == f"passdb: u{n} auth succeeded\nextra fields:\n  user=u{n}\n"]
    tap.ok(len(good) == len(made), "authd takes each of them", [s for n, s in enumerate(made) if n not in good])
    tap.ok(run("auth", "test", "u0", "wrong").startswith("passdb: u0 auth failed") and run.status == 77, "a wrong one: 77", run.status)
    out = run("auth", "login", "-x", "service=pop3", "-x", "rip=192.0.2.7", "u1", text="corréct horse\n")
    tap.ok(run.status == 0 and f"  home={base}/u1\n" in out, "auth login tells the userdb's fields", out, run.err)
shutil.rmtree(base, ignore_errors=True)
tap.end()
