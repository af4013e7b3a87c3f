#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""demo.py - a private mail system on loopback, used as a person would use it

    demo.py [once]

Starts every program from the build tree in a directory of its own, on free
ports.  Sends one message by its sendmail and one by submission with TLS and
AUTH, reads them by POP3S and IMAPS, prints what was said, and stays up until
Enter, Control-C or a kill; with "once" it ends after the transcript, and its
exit status tells whether every step went well.
"""
import email, imaplib, os, poplib, pwd, signal, smtplib, ssl, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "system"))
from instance import Instance, free_port, wait_for

ONCE = "once" in sys.argv[1:]
USER, PASSWORD = "alice", "wonderland"


def say(text=""):
    print(text, flush=True)


def step(title, lines=()):
    say(f"\n=== {title}")
    for line in lines:
        say(f"    {line}")


def make_files(i, owner):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{i.dir}/key.pem",
                    "-out", f"{i.dir}/cert.pem"], check=True, capture_output=True)
    os.mkdir(f"{i.dir}/mail")
    os.chown(f"{i.dir}/mail", owner.pw_uid, owner.pw_gid)
    hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
    with open(f"{i.dir}/users", "w") as f:
        f.write(f"{USER}:{{SHA512-CRYPT}}{hashed}:{owner.pw_uid}:{owner.pw_gid}::{i.dir}/mail/{USER}::\n")


def configure(i, owner, ports):
    main = f"""
mydestination =
virtual_mailbox_domains = example.net
virtual_mailbox_base = {i.dir}/mail
virtual_mailbox_maps = inline:{{{USER}@example.net={USER}/Maildir/}}
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_minimum_uid = 1
smtpd_tls_cert_file = {i.dir}/cert.pem
smtpd_tls_key_file = {i.dir}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
mail_location = maildir:%h/Maildir
auth_mechanisms = plain login
auth_passdb = passwd-file:{i.dir}/users
auth_userdb = passwd-file:{i.dir}/users
"""
    master = f"""
127.0.0.1:{ports['smtp']}        inet n - n - - smtpd
127.0.0.1:{ports['submission']}  inet n - n - - smtpd
    -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt
    -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{ports['imap']}   inet n - n - - imap-login
127.0.0.1:{ports['imaps']}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{ports['pop3']}   inet n - n - - pop3-login
127.0.0.1:{ports['pop3s']}  inet n - n - - pop3-login -o pop3_tls_wrappermode=yes
pickup   unix n - n 60  1 pickup
cleanup  unix n - n -   0 cleanup
qmgr     unix n - n 300 1 qmgr
bounce   unix - - n -   0 bounce
defer    unix - - n -   0 bounce
trace    unix - - n -   0 bounce
local    unix - n n -   - local
virtual  unix - n n -   - virtual
smtp     unix - - n -   - smtp
relay    unix - - n -   - smtp
lmtp     unix - - n -   - lmtp
"""
    i.configure(main, master)


def send_by_sendmail(i):
    message = f"From: {USER}@example.net\nTo: {USER}@example.net\nSubject: by sendmail\n\nThis one came by the sendmail command.\n"
    r = subprocess.run([f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc", "-i", "-f", f"{USER}@example.net", f"{USER}@example.net"],
                       input=message, text=True, capture_output=True, timeout=60)
    step("sent by sendmail", [f"exit status {r.returncode}", *r.stderr.splitlines()])
    return r.returncode == 0


def send_by_submission(ports, context):
    said = []
    with smtplib.SMTP("127.0.0.1", ports["submission"], timeout=60) as s:
        s.ehlo("demo.example.net")
        s.starttls(context=context)
        s.ehlo("demo.example.net")
        said.append(f"TLS: {s.sock.version()} {s.sock.cipher()[0]}")
        said.append("AUTH: %d %s" % (lambda r: (r[0], r[1].decode()))(s.login(USER, PASSWORD)))
        s.mail(f"{USER}@example.net")
        s.rcpt(f"{USER}@example.net")
        code, text = s.data(f"From: {USER}@example.net\r\nTo: {USER}@example.net\r\nSubject: by submission\r\n\r\n"
                            "This one came by SMTP submission, with TLS and AUTH.\r\n")
        said.append(f"DATA: {code} {text.decode()}")
    step("sent by submission", said)
    return code == 250


def delivered(i):
    box = f"{i.dir}/mail/{USER}/Maildir"
    return sum(len(os.listdir(f"{box}/{d}")) for d in ("new", "cur") if os.path.isdir(f"{box}/{d}"))


def read_by_pop3s(ports, context):
    p = poplib.POP3_SSL("127.0.0.1", ports["pop3s"], context=context, timeout=60)
    p.user(USER)
    p.pass_(PASSWORD)
    count = p.stat()[0]
    subjects = [email.message_from_bytes(b"\r\n".join(p.retr(n + 1)[1]))["Subject"] for n in range(count)]
    p.quit()
    step("read by POP3S", [f"{count} messages: {', '.join(subjects)}"])
    return sorted(subjects) == ["by sendmail", "by submission"]


def read_by_imaps(ports, context):
    m = imaplib.IMAP4_SSL("127.0.0.1", ports["imaps"], ssl_context=context, timeout=60)
    m.login(USER, PASSWORD)
    count = int(m.select()[1][0])
    subjects = []
    for n in range(count):
        data = m.fetch(str(n + 1), "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        subjects.append(data[0][1].decode().strip().partition(": ")[2])
    m.logout()
    step("read by IMAPS", [f"{count} messages: {', '.join(subjects)}"])
    return sorted(subjects) == ["by sendmail", "by submission"]


def tell_how(i, ports):
    step("it is up: try it by hand", [
        f"user {USER}, password {PASSWORD}, address {USER}@example.net",
        f"swaks --server 127.0.0.1:{ports['submission']} -tls --auth-user {USER} --auth-password {PASSWORD} "
        f"--from {USER}@example.net --to {USER}@example.net",
        f"curl -k --user {USER}:{PASSWORD} imaps://127.0.0.1:{ports['imaps']}/INBOX",
        f"curl -k --user {USER}:{PASSWORD} pop3s://127.0.0.1:{ports['pop3s']}/1",
        f"openssl s_client -connect 127.0.0.1:{ports['imaps']} -quiet",
        f"{i.dir}/sbin/postern -c {i.dir}/etc status",
        f"tail -f {i.dir}/mail.log"])


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    ports = {name: free_port() for name in ("smtp", "submission", "imap", "imaps", "pop3", "pop3s")}
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: sys.exit(0))
    good = False
    with Instance() as i:
        make_files(i, owner)
        configure(i, owner, ports)
        context = ssl.create_default_context(cafile=f"{i.dir}/cert.pem")
        started = i.start()
        step("postern start", [f"exit status {started.returncode}", *(started.stdout + started.stderr).splitlines()])
        if started.returncode == 0:
            good = send_by_sendmail(i) and send_by_submission(ports, context)
            good = bool(wait_for(lambda: delivered(i) == 2, 60)) and good
            good = read_by_pop3s(ports, context) and read_by_imaps(ports, context) and good
        step("the log", i.log().splitlines())
        say("\n" + ("demo: all went well" if good else "demo: FAILED"))
        if good and not ONCE:
            tell_how(i, ports)
            say("\nStays up until Control-C" + (" or Enter." if sys.stdin.isatty() else "."))
            try:
                sys.stdin.readline() if sys.stdin.isatty() else signal.pause()
            except KeyboardInterrupt:
                pass
        i.run("stop")
    return 0 if good else 1


sys.exit(main())
