#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""idle.py - memory of idle IMAP connections, ours and Dovecot's (issue 4): PSS of every process, and what the kernel adds

    top_builddir=... t/bench/idle.py [-n 1000] [--only ours|dovecot]      (as root: users have uids of their own)

Each connection logs in, selects INBOX and sends IDLE. PSS of all processes of the system is summed before and after,
when hibernation is over and without it. Users are spread over uids, since the kernel allows a uid 128 inotify instances.
"""
import argparse, os, re, resource, shutil, socket, ssl, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
from instance import Instance, free_port, wait_for

BASE_UID, PER_UID = 23000, 100


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                todo += [int(x) for x in open(f"/proc/{p}/task/{task}/children").read().split()]
        except OSError:
            pass
    return found


def command(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read()
    except OSError:
        return ""


def pss(pid):
    total, count = 0, 0
    for p in descendants(pid):
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{p}/smaps_rollup").read(), re.M).group(1))
            count += 1
        except (OSError, AttributeError):
            pass
    return total, count


def make_users(base, n):
    lines = []
    for k in range(n):
        uid, home = BASE_UID + k // PER_UID, f"{base}/home/u{k}"
        for d in ("new", "cur", "tmp"):
            os.makedirs(f"{home}/Maildir/{d}")
        with open(f"{home}/Maildir/cur/1700000000.M{k}P1.host:2,S", "w") as f:
            f.write("Subject: one\n\nx\n")
        subprocess.run(["chown", "-R", f"{uid}:{uid}", home], check=True)
        lines.append(f"u{k}:{{PLAIN}}secret:{uid}:{uid}::{home}::\n")
    open(f"{base}/users", "w").writelines(lines)
    os.chmod(f"{base}/users", 0o644)


def connect(port, tls, n):
    clients = []
    for k in range(n):
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        if tls:
            s = tls.wrap_socket(s)
        s.recv(4096)
        s.sendall(f"a LOGIN u{k} secret\r\n".encode())
        got = b""
        while b"a OK" not in got:
            part = s.recv(4096)
            if not part or b"a NO" in got:
                raise SystemExit(f"login {k}: {got!r}")
            got += part
        s.sendall(b"b SELECT INBOX\r\nc IDLE\r\n")
        while b"\n+ " not in got:
            got += s.recv(4096)
        clients.append(s)
    return clients


def settled(pid):
    """When the number of processes and their memory stand still."""
    last, still = None, 0
    while still < 4:
        time.sleep(1)
        now = pss(pid)
        still = still + 1 if last and now[1] == last[1] and abs(now[0] - last[0]) < 64 else 0
        last = now
    return last


def rounds(name, pid, ports, tls, n, until):
    for words, port, context in (("plain", ports[0], None), ("TLS", ports[1], tls)):
        connect(port, context, 1)[0].close()         # what the first costs is not each one's
        before = settled(pid)
        start = time.monotonic()
        clients = connect(port, context, n)
        took = time.monotonic() - start
        until(n)
        after = settled(pid)
        print(f"{name:24} {words:6} {n:5} connections: {(after[0] - before[0]) / n:8.1f} KiB each "
              f"({before[0]} -> {after[0]} KiB, {before[1]} -> {after[1]} processes; {n / took:.0f} logins/s)", flush=True)
        for c in clients:
            c.close()
        wait_for(lambda: pss(pid)[1] <= before[1] + 2, 60)


def ours(n, tls, hibernate):
    plain, secure = free_port(), free_port()
    master = f"""
127.0.0.1:{plain}   inet n - n - - imap-login
127.0.0.1:{secure}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
"""
    with Instance(master=master) as i:
        make_users(i.dir, n)
        certificate(i.dir)
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\n"
                    f"imap_hibernate_timeout = {hibernate}\nmail_max_userip_connections = 0\nsmtpd_tls_cert_file = {i.dir}/cert.pem\n"
                    f"smtpd_tls_key_file = {i.dir}/key.pem\n", master)
        if i.start().returncode:
            raise SystemExit(i.log())
        sessions = i.sessions
        rounds("Postern" + ("" if hibernate == "0" else ", hibernated"), i.master_pid(), (plain, secure), tls, n,
               (lambda n: wait_for(lambda: sessions() == n)) if hibernate == "0" else (lambda n: wait_for(lambda: sessions() == 0, 120)))


def certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, capture_output=True)


def dovecot(n, tls, hibernate):
    base = tempfile.mkdtemp(prefix="idle_dovecot_")
    os.chmod(base, 0o755)
    plain, secure = free_port(), free_port()
    try:
        make_users(base, n)
        certificate(base)
        with open(f"{base}/dovecot.conf", "w") as f:
            f.write(f"""base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{base}/cert.pem
ssl_key = <{base}/key.pem
mail_location = maildir:~/Maildir
first_valid_uid = 500
mail_max_userip_connections = 10000
imap_hibernate_timeout = {hibernate}
default_vsz_limit = 1G
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  process_limit = 2
  client_limit = {n + 100}
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {secure}
    ssl = yes
  }}
}}
service imap {{
  process_limit = {n + 100}
  extra_groups = $default_internal_group
  unix_listener imap-master {{
    user = $default_internal_user
    group = $default_internal_group
    mode = 0660
  }}
}}
service imap-hibernate {{
  client_limit = {n + 100}
  unix_listener imap-hibernate {{
    mode = 0666
  }}
}}
service anvil {{
  client_limit = {4 * n + 400}
}}
service auth {{
  client_limit = {4 * n + 400}
}}
""")
        subprocess.run(["dovecot", "-c", f"{base}/dovecot.conf"], check=True)
        wait_for(lambda: os.path.exists(f"{base}/run/master.pid"))
        pid = int(open(f"{base}/run/master.pid").read())
        imaps = lambda: sum("imap\0" in command(p) for p in descendants(pid))
        rounds("Dovecot" + ("" if hibernate == "0" else ", hibernated"), pid, (plain, secure), tls, n,
               (lambda n: None) if hibernate == "0" else (lambda n: wait_for(lambda: imaps() <= 5, 60)))
    finally:
        os.kill(pid, 15)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
        shutil.rmtree(base, ignore_errors=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("-n", type=int, default=1000)
    a.add_argument("--only", choices=("ours", "dovecot"))
    a = a.parse_args()
    if os.getuid() != 0:
        raise SystemExit("root only: users have uids of their own")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if a.only != "dovecot":
        ours(a.n, tls, "2s")
        ours(a.n // 4, tls, "0")
    if a.only != "ours" and shutil.which("dovecot"):
        dovecot(a.n, tls, "2s")
        dovecot(a.n // 4, tls, "0")


main()
