#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_clients.py - programs that are not ours read mail by IMAP over TLS

curl, fetchmail, mbsync (the second run changes nothing) and mutt, through
imap-login, authd and imapd; several clients at once; and a mailbox that Dovecot
made, with its UIDs.  A client that is not installed is skipped.  TAP.
"""
import imaplib, os, pwd, re, shutil, ssl, subprocess, sys, tarfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT = {"imap": free_port(), "imaps": free_port()}
MASTER = f"""
127.0.0.1:{PORT['imap']}   inet n - n - - imap-login
127.0.0.1:{PORT['imaps']}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
"""
tap = Tap()
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def message(n):
    return (f"From: a{n}@example.net\r\nTo: alice@example.net\r\nSubject: message {n}\r\n"
            f"Message-ID: <{n}@example.net>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\nBody {n}\r\n.dot\r\n").encode()


def login(user="alice"):
    m = imaplib.IMAP4_SSL("127.0.0.1", PORT["imaps"], ssl_context=context, timeout=60)
    m.login(user, "secret")
    return m


def installed(name):
    if shutil.which(name):
        return True
    tap.ok(True, f"{name} # SKIP not installed")
    return False


def command(*words, home, stdin=None):
    # in a session of its own: what a client does to its terminal and process group must not meet the test
    return subprocess.run(words, capture_output=True, timeout=120, input=stdin or b"", start_new_session=True,
                          env=dict(os.environ, HOME=home, TERM="vt100"))


def curl(home):
    if not installed("curl"):
        return
    url = f"imaps://127.0.0.1:{PORT['imaps']}"
    common = ["curl", "-sSk", "--user", "alice:secret"]
    r = command(*common, f"{url}/INBOX;UID=1", home=home)
    tap.ok(r.stdout == message(1), "curl fetches a message, the same to the byte", r.stdout, r.stderr)
    r = command(*common, url, home=home)
    tap.ok(b"INBOX" in r.stdout, "curl lists mailboxes", r.stdout, r.stderr)
    r = command(*common, f"{url}/INBOX?SUBJECT%20message", home=home)
    tap.ok(r.stdout.startswith(b"* SEARCH 1 2"), "curl searches", r.stdout, r.stderr)
    with open(f"{home}/up", "wb") as f:
        f.write(message(100))
    r = command(*common, "-T", f"{home}/up", f"{url}/INBOX", home=home)
    tap.ok(r.returncode == 0, "curl appends", r.stderr)


def fetchmail(home):
    if not installed("fetchmail"):
        return
    rc = f"{home}/.fetchmailrc"
    with open(rc, "w") as f:
        f.write(f"poll 127.0.0.1 protocol IMAP port {PORT['imaps']} user alice password secret ssl no sslcertck keep "
                f"fetchall no rewrite mda \"cat >> {home}/fetched\"\n")
    os.chmod(rc, 0o600)
    r = command("fetchmail", "-f", rc, "--nodetach", "--pidfile", f"{home}/pid", home=home)
    with open(f"{home}/fetched", "rb") as f:
        got = f.read()
    tap.ok(r.returncode == 0 and got.count(b"Message-ID: <") == 11, "fetchmail fetches all", r.returncode, r.stderr, got.count(b"Message-ID"))


def mbsync(home, i):
    if not installed("mbsync"):
        return
    os.mkdir(f"{home}/local")
    with open(f"{home}/mbsyncrc", "w") as f:
        f.write(f"IMAPAccount a\nHost 127.0.0.1\nPort {PORT['imaps']}\nUser alice\nPass secret\nSSLType IMAPS\n"
                f"CertificateFile {i.dir}/cert.pem\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/local/\n"
                f"Inbox {home}/local/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\n"
                "Expunge Both\nSync All\nSyncState *\n")

    def state():
        out = {}
        for base in (f"{home}/local", f"{i.dir}/home/alice/Maildir"):
            for d, _, files in os.walk(base):
                for name in files:
                    if not name.startswith(("postern.index", ".mbsyncstate")):
                        out[f"{d}/{name}"] = os.stat(f"{d}/{name}").st_ino
        return out

    first = command("mbsync", "-c", f"{home}/mbsyncrc", "-a", home=home)
    count = sum(len(os.listdir(f"{home}/local/INBOX/{d}")) for d in ("new", "cur") if os.path.isdir(f"{home}/local/INBOX/{d}"))
    tap.ok(first.returncode == 0 and count == 11, "mbsync over TLS", first.stderr, count)
    before = state()
    second = command("mbsync", "-c", f"{home}/mbsyncrc", "-a", home=home)
    tap.ok(second.returncode == 0 and state() == before, "the second mbsync changes nothing", second.stderr)


def mutt(home, i):
    if not installed("mutt") or not installed("script"):
        return
    shutil.copy(f"{i.dir}/cert.pem", f"{home}/certs")
    with open(f"{home}/muttrc", "w") as f:
        f.write(f"set imap_user=alice imap_pass=secret spoolfile=imaps://127.0.0.1:{PORT['imaps']}/INBOX\n"
                f"set folder=imaps://127.0.0.1:{PORT['imaps']}/ ssl_verify_host=no certificate_file={home}/certs\n"
                "unset wait_key ssl_verify_dates ssl_usesystemcerts\nset quit=yes delete=yes\n"
                "push \"<first-entry><flag-message><copy-message>=Saved<enter>yy<quit>\"\n")
    shown = command("script", "-qc", f"timeout --foreground -k 5 60 mutt -n -F {home}/muttrc", "/dev/null", home=home)
    m = login()
    r = m.select("Saved")
    good = r[0] == "OK" and r[1] == [b"1"] and b"message" in m.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1]
    m.logout()
    tap.ok(good, "mutt flags a message and copies it into a new mailbox", r, shown.stdout[-2000:])


def crowd():
    """Twenty sessions at once, each with its own commands; every answer comes."""
    faults = []

    def one(n):
        try:
            m = login()
            m.select("INBOX", readonly=True)
            for _ in range(5):
                assert m.fetch("1:*", "(UID FLAGS ENVELOPE)")[0] == "OK"
                assert m.search(None, "BODY", '"Body %d"' % (n % 10 + 1))[1][0]
            m.logout()
        except Exception as e:
            faults.append(repr(e))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.ok(not faults, "twenty sessions at once", faults[:3])


def dovecot(i):
    m = login("bob")
    first = m.select()
    uids = [re.search(rb"UID (\d+)", x).group(1) for x in m.fetch("1:*", "(UID FLAGS)")[1]]
    validity = m.response("UIDVALIDITY")[1] if False else m.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1][0]
    tap.ok(first[1] == [b"4"] and uids == [b"1", b"2", b"4", b"5"] and b"1795173694" in validity and b"UIDNEXT 7" in validity,
           "Dovecot's mailbox keeps its UIDs and UIDVALIDITY", uids, validity)
    m.logout()


def main():
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{i.dir}/key.pem", "-out", f"{i.dir}/cert.pem"],
                       check=True, capture_output=True)
        home = f"{i.dir}/client"
        os.makedirs(home)
        os.makedirs(f"{i.dir}/home/alice")
        with tarfile.open(f"{TOP}/t/unit/store/takeover.tar.gz") as t:
            t.extractall(f"{i.dir}/home")
        os.rename(f"{i.dir}/home/dovecot", f"{i.dir}/home/bob")
        if root:
            for d, _, files in os.walk(f"{i.dir}/home"):
                for name in ["."] + files:
                    os.chown(f"{d}/{name}", owner.pw_uid, owner.pw_gid)
        with open(f"{i.dir}/users", "w") as f:
            for user in ("alice", "bob"):
                f.write(f"{user}:{{PLAIN}}secret:{owner.pw_uid}:{owner.pw_gid}::{i.dir}/home/{user}::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\n"
                    f"auth_userdb = passwd-file:{i.dir}/users\nauth_failure_delay = 0s\nmail_max_userip_connections = 30\n"
                    f"smtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n", MASTER)
        r = i.start()
        if not tap.ok(r.returncode == 0, "the system starts", i.log()):
            return
        m = login()
        for n in range(1, 11):
            m.append("INBOX", "(\\Seen)" if n % 2 else None, None, message(n))
        m.logout()
        curl(home)
        fetchmail(home)
        mbsync(home, i)
        mutt(home, i)
        crowd()
        dovecot(i)
        log = i.log()
        bad = [l for l in log.splitlines() if re.search(r"panic|fatal|error:|killed by|dumped", l)]
        tap.ok(not bad, "nothing is wrong in the log", *bad[:10])


main()
print(f"1..{tap.n}")
sys.exit(1 if tap.failed else 0)
