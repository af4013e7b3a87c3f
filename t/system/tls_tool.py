#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""tls_tool.py - postern tls beside Postfix's postfix tls: main.cf, files, words, statuses

Both are called alike on configurations that are alike; afterwards main.cf says the same, certificates and requests hold
the same, and TLSA records are what openssl works out of the key. Postfix's script is run with the environment that
postfix(1) gives it, with a postlog that prints, since the true one prints to terminals only.
"""
import os, re, shutil, stat, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

SCRIPT = "/usr/lib/postfix/sbin/postfix-tls-script"
MAIN = "myhostname = mail.example.net\nalias_maps =\nalias_database =\n"

t = Tap()
if not shutil.which("openssl"):
    print("1..0 # SKIP needs openssl")
    sys.exit(0)


def openssl(*words, text=None):
    return subprocess.run(["openssl", *words], input=text, capture_output=True, timeout=30)


def script(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)


class Theirs:
    def __init__(self, dir):
        self.dir, self.etc = dir, dir + "/etc"
        for d in ("etc", "data", "bin"):
            os.mkdir(f"{dir}/{d}")
        script(dir + "/bin/postconf", f'#!/bin/sh\n[ "$1" = -c ] && shift 2\nexec /usr/sbin/postconf -c {self.etc} "$@"\n')
        script(dir + "/bin/postlog", """#!/bin/sh
while getopts t:p: o; do [ $o = p ] && p=$OPTARG; done; shift $((OPTIND - 1))
case $p in info) p=;; warn) p="warning: ";; *) p="$p: ";; esac
if [ $# -gt 0 ]; then echo "$p$*"; else while IFS= read -r l; do echo "$p$l"; done; fi >&2
""")
        with open(self.etc + "/master.cf", "w") as f:
            f.write("pickup unix n - n 60 1 pickup\n")
        self.reset()

    def reset(self, more=""):
        with open(self.etc + "/main.cf", "w") as f:
            f.write("compatibility_level = 3.6\n" + f"data_directory = {self.dir}/data\n" + MAIN + more)

    def run(self, *words):
        return subprocess.run(["sh", SCRIPT, *words], capture_output=True, text=True, timeout=60, cwd="/",
                              env={"PATH": "/usr/sbin:/usr/bin:/bin", "MAIL_CONFIG": self.etc, "config_directory": self.etc, "command_directory": self.dir + "/bin",
                                   "daemon_directory": "/usr/lib/postfix/sbin", "data_directory": self.dir + "/data", "MAIL_LOGTAG": "postfix"})


class Ours:
    def __init__(self, i):
        self.i, self.dir, self.etc = i, i.dir, i.dir + "/etc"
        with open(self.etc + "/main.cf") as f:
            self.first = f.read()
        self.reset()

    def reset(self, more=""):
        with open(self.etc + "/main.cf", "w") as f:
            f.write(self.first + more)

    def run(self, *words):
        return subprocess.run([self.dir + "/sbin/postern", "-c", self.etc, "tls", *words], capture_output=True, text=True, timeout=60, cwd="/")


def settings(side):
    with open(side.etc + "/main.cf") as f:
        rows = dict(re.findall(r"^(\S+) *= *(.*)$", f.read(), re.M))
    return {n: plain(side, v) for n, v in rows.items() if "tls" in n}


def plain(side, s):
    s = re.sub(r"^postfix/postfix-tls-script\[\d+\]: ", "", s.replace(side.dir, "D"), flags=re.M)
    s = re.sub(r"key-\d{8}-\d{6}", "key-STAMP", re.sub(r"cert-\d{8}-\d{6}", "cert-STAMP", s))
    return re.sub(r"\b(lmdb|btree):", "TYPE:", s)


def words(side, r):
    """What was said, but what a failing openssl said"""
    lines = [l.rstrip() for l in plain(side, r.stderr).splitlines()]
    return [l for l in lines if not re.match("warning: (?!Key file|smtpd_tls)", l)]


def new_files(side):
    return sorted(f for f in os.listdir(side.etc) if f.endswith(".pem"))


def take(side):
    """The pair that was just made, under names without a time"""
    out = {}
    for f in new_files(side):
        m = re.match(r"((?:ec)?(?:key|cert))-\d+-\d+\.pem$", f)
        if m:
            out[m[1]] = f"{side.etc}/{f}"
    return out


def certificate(path):
    text = openssl("x509", "-in", path, "-noout", "-text").stdout.decode()
    return re.sub(r"(?m)^\s+([0-9A-Fa-f]{2}:)+.*\n|Not (Before|After).*", "", text)


def request(text):
    return re.sub(r"(?m)^\s+([0-9A-Fa-f]{2}:)+.*\n", "", openssl("req", "-noout", "-text", "-verify", text=text.encode()).stdout.decode())


def spki_digest(path):
    der = openssl("pkey", "-in", path, "-pubout", "-outform", "DER").stdout
    return openssl("dgst", "-sha256", "-r", text=der).stdout.decode().split()[0]


def clean(side):
    for f in new_files(side):
        os.unlink(f"{side.etc}/{f}")


def alone(us):
    """What needs no peer"""
    us.reset()
    old = os.umask(0)
    r = us.run("enable-server", "-a", "ecdsa", "one.example.net", "two.example.net")
    os.umask(old)
    made = take(us)
    t.ok(r.returncode == 0 and set(made) == {"eckey", "eccert"}, "enable-server makes a pair", r)
    t.ok(stat.S_IMODE(os.stat(made["eckey"]).st_mode) == 0o600 and stat.S_IMODE(os.stat(made["eccert"]).st_mode) == 0o644, "the key is the owner's alone, whatever the umask is")
    s = settings(us)
    t.ok(s["smtpd_tls_security_level"] == "may" and s["smtpd_tls_eckey_file"] == "D/etc/eckey-STAMP.pem" and s["smtpd_tls_eccert_file"] == "D/etc/eccert-STAMP.pem", "main.cf names it", s)
    t.ok(openssl("verify", "-CAfile", made["eccert"], "-verify_hostname", "two.example.net", made["eccert"]).returncode == 0, "openssl takes the certificate for its names")
    r = us.run("output-server-tlsa", "-h", "mx.example.net")
    t.ok(r.stdout == f"; {made['eckey']}\n_25._tcp.mx.example.net. IN TLSA 3 1 1 {spki_digest(made['eckey'])}\n", "TLSA is what openssl works out", r)
    r = us.run("output-server-csr")
    t.ok(openssl("req", "-noout", "-verify", text=r.stdout.encode()).returncode == 0, "the request is signed by its key", r)
    r = us.run("enable-server")
    t.ok(r.returncode == 0 and settings(us) == s and len(new_files(us)) == 2, "a second enable-server changes nothing", r)
    for bad in ("a b.example.net", "x,DNS:evil.example.net", "é.example.net", "x" * 65 + ".example.net"):
        r = us.run("new-server-key", bad)
        t.ok(r.returncode == 1 and len(new_files(us)) == 2, f"no certificate for {bad[:24]}, and no file is left", r)
    us.reset("smtpd_tls_chain_files = /nowhere\n")
    r = us.run("deploy-server-cert", os.path.basename(made["eccert"]), os.path.basename(made["eckey"]))
    t.ok(r.returncode == 0 and "smtpd_tls_chain_files is set" in r.stderr, "chain files that come before it are told of", r)
    openssl("genrsa", "-aes128", "-passout", "pass:x", "-out", us.etc + "/locked.pem")
    r = us.run("output-server-tlsa", "locked.pem")
    t.ok(r.returncode == 1 and "no private key found in file: " in r.stderr, "a key with a password is none", r)
    clean(us)


def beside(them, us):
    both = (them, us)

    def call(what, *args, same_output=True):
        a, b = them.run(*args), us.run(*args)
        t.ok(a.returncode == b.returncode and words(them, a) == words(us, b) and (not same_output or plain(them, a.stdout) == plain(us, b.stdout)),
             what, "Postfix:", a.returncode, words(them, a), a.stdout, "Postern:", b.returncode, words(us, b), b.stdout)
        t.ok(settings(them) == settings(us), what + ": main.cf", settings(them), settings(us))
        return a, b

    for side in both:
        clean(side)
        side.reset()
    for args in (("nonsense",), (), ("enable-client", "-x"), ("enable-client", "x"), ("enable-server", "-a", "dsa"), ("new-server-key", "-a", "dsa"), ("new-server-cert", "-q"),
                 ("new-server-key", "-b", "ten"), ("new-server-key", "-a", "ecdsa", "-b", "nosuchcurve"), ("deploy-server-cert", "one"), ("deploy-server-cert", "a", "b"), ("output-server-csr",),
                 ("output-server-csr", "-k", "nosuch"), ("output-server-tlsa",), ("output-server-tlsa", "nosuch"), ("all-default-client", "x"), ("all-default-client",), ("all-default-server",)):
        call(" ".join(args) or "no word", *args)
    t.ok(not new_files(us), "what failed left no file", new_files(us))
    call("enable-client", "enable-client", "-r", "dev:/dev/random")
    call("enable-client again", "enable-client")
    call("all-default-client", "all-default-client")
    call("enable-server", "enable-server")
    t.ok(certificate(take(them)["cert"]) == certificate(take(us)["cert"]), "the certificates are alike", *[certificate(take(s)["cert"]) for s in both])
    call("all-default-server", "all-default-server")
    call("enable-server again", "enable-server")
    for side in both:
        os.rename(take(side)["key"], side.etc + "/key.pem")
        os.rename(take(side)["cert"], side.etc + "/cert.pem")
    call("deploy-server-cert", "deploy-server-cert", "cert.pem", "key.pem")
    call("new-server-cert", "new-server-cert", "new.example.net", "old.example.net")
    t.ok(spki_digest(take(us)["key"]) == spki_digest(us.etc + "/key.pem"), "it is for a copy of the deployed key")
    t.ok(certificate(take(them)["cert"]) == certificate(take(us)["cert"]), "and has the names", certificate(take(us)["cert"]))
    call("new-server-key, ecdsa", "new-server-key", "-a", "ecdsa", "-b", "secp384r1")
    t.ok(certificate(take(them)["eccert"]) == certificate(take(us)["eccert"]), "on that curve", certificate(take(us)["eccert"]))
    for side in both:
        os.rename(take(side)["eckey"], side.etc + "/ec.pem")
    call("a pair that is none", "deploy-server-cert", "cert.pem", "ec.pem")
    shutil.copy(them.etc + "/ec.pem", us.etc + "/ec.pem")       # Postfix's own file, then the same lines from both
    shutil.copy(them.etc + "/key.pem", us.etc + "/key.pem")
    call("output-server-tlsa", "output-server-tlsa", "-h", "mx.example.net", "rsa", "ecdsa", "ec.pem")
    a, b = call("output-server-csr", "output-server-csr", "-k", "ec.pem", "a.example.net", "b.example.net", same_output=False)
    t.ok(request(a.stdout) == request(b.stdout) and "DNS:a.example.net, DNS:b.example.net" in request(b.stdout), "the requests are alike", request(a.stdout), request(b.stdout))
    for side in both:
        os.unlink(side.etc + "/key.pem")
    call("the key is gone", "new-server-cert", "gone.example.net")


with Instance(main=MAIN, master="pickup unix n - n 60 1 pickup\n") as i:
    us = Ours(i)
    alone(us)
    if not os.path.exists(SCRIPT) or not shutil.which("postconf", path="/usr/sbin") or os.getuid() != 0:
        t.ok(True, "beside Postfix # SKIP needs Debian's postfix, and root")
    else:
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            beside(Theirs(d), us)
t.end()
