#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sasl_cyrus.py - smtpd_sasl_type = cyrus, Postfix's default: smtpd.conf says saslauthd, a played one and Debian's own (as rimap, which asks
an IMAP server: a played one)"""
import base64, os, pwd, shutil, smtplib, socket, socketserver, subprocess, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

SMTP, IMAP = free_port(), free_port()
MASTER = f"127.0.0.1:{SMTP} inet n - n - - smtpd\n"
t = Tap()
ok = t.ok
asked, mood = [], ["good"]


class Played(socketserver.StreamRequestHandler):
    def handle(self):
        parts = []
        for _ in range(4):
            n = int.from_bytes(self.rfile.read(2), "big")
            parts.append(self.rfile.read(n).decode())
        asked.append(parts)
        answer = b"OK" if parts[:2] == ["anna", "pencil"] else b"NO"
        if mood[0] == "mad":
            return self.wfile.write(b"\0\x05OKAY!")
        if mood[0] == "gone":
            return None
        for b in len(answer).to_bytes(2, "big") + answer:
            self.wfile.write(bytes([b]))
            self.wfile.flush()


class Imap(socketserver.StreamRequestHandler):
    """What saslauthd -a rimap asks."""
    def handle(self):
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        for line in self.rfile:
            tag, verb, *rest = line.decode().strip().split(" ")
            good = verb.upper() == "LOGIN" and [r.strip('"') for r in rest] == ["anna", "pencil"]
            self.wfile.write(f"{tag} {'OK' if good or verb.upper() != 'LOGIN' else 'NO'} done\r\n".encode())
            if verb.upper() == "LOGOUT":
                return


class Stream(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = allow_reuse_address = True


def connect():
    s = smtplib.SMTP("127.0.0.1", SMTP, timeout=60)
    s.ehlo()
    return s


def auth(mechanism, *lines):
    """The final code; a line None gives up."""
    s = connect()
    code = s.docmd("AUTH", mechanism)[0]
    for line in lines:
        code = s.docmd("*" if line is None else base64.b64encode(line).decode())[0]
    s.close()
    return code


def start(i, conf, more=""):
    if i.master_pid():
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
    os.makedirs(f"{i.dir}/etc/sasl", exist_ok=True)
    for name, text in conf.items():
        with open(f"{i.dir}/etc/sasl/{name}", "w") as f:
            f.write(text)
    i.configure(f"smtpd_sasl_auth_enable = yes\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\ncyrus_sasl_config_path = {i.dir}/etc/sasl\n{more}", MASTER)
    return i.start().returncode == 0


def main():
    with Instance(master=MASTER) as i:
        played = Stream(f"{i.dir}/mux", Played)
        os.chmod(f"{i.dir}/mux", 0o777)
        threading.Thread(target=played.serve_forever, daemon=True).start()
        good = f"# Debian's\npwcheck_method: saslauthd\nmech_list: plain login cram-md5\nsaslauthd_path: {i.dir}/mux\n"
        if not ok(start(i, {"smtpd.conf": good}), "the system starts"):
            return print(i.log())
        s = connect()
        ok(s.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"], "what saslauthd can serve is offered", s.esmtp_features["auth"])
        ok(s.login("anna", "pencil")[0] == 235, "smtplib logs in")
        s.close()
        ok(asked[-1] == ["anna", "pencil", "smtp", ""], "saslauthd hears name, password, service, realm", asked)
        ok(auth("PLAIN " + base64.b64encode(b"\0anna\0pencil").decode()) == 235, "PLAIN with an initial response")
        ok(auth("PLAIN", b"anna\0anna\0pencil") == 235, "and without")
        ok(auth("PLAIN", b"root\0anna\0pencil") == 535, "nobody is somebody else")
        ok(auth("PLAIN", b"\0anna\0pencils") == 535 and auth("PLAIN", b"\0anna\0") == 535 and auth("PLAIN", b"anna") == 535 and auth("PLAIN", b"\0anna\0a\0b") == 535, "wrong ones")
        ok(auth("LOGIN", b"anna", b"pencil") == 235 and auth("LOGIN " + base64.b64encode(b"anna").decode(), b"pencil") == 235, "LOGIN")
        ok(auth("LOGIN", b"anna", b"x") == 535 and auth("LOGIN", b"", ) == 535, "LOGIN: wrong ones")
        ok(auth("CRAM-MD5") == 535, "what needs stored passwords is refused")
        ok(auth("LOGIN", b"anna", None) == 501, "a try that is given up")
        s = connect()
        ok([s.docmd("AUTH LOGIN")[0], s.docmd(base64.b64encode(b"anna").decode())[0], s.docmd("*")[0], s.docmd("AUTH PLAIN")[0],
            s.docmd(base64.b64encode(b"\0\0pencil").decode())[0]] == [334, 334, 501, 334, 535], "nothing of it is left for the next")
        s.close()
        ok(auth("PLAIN", b"\0anna@example.net\0pencil") == 235 and asked[-1][3] == "example.net" and asked[-1][0] == "anna", "the realm is split off", asked[-1])
        mood[0] = "mad"
        ok(auth("PLAIN", b"\0anna\0pencil") == 454, "an answer that makes no sense: not now")
        mood[0] = "gone"
        ok(auth("PLAIN", b"\0anna\0pencil") == 454, "hung up: not now")
        mood[0] = "good"
        ok("signal 31" not in i.log(), "smtpd and dialer keep to their promises")
        played.shutdown(), played.server_close(), os.unlink(f"{i.dir}/mux")
        ok(auth("PLAIN", b"\0anna\0pencil") == 454, "it is away: not now")

        saslauthd = shutil.which("saslauthd") or (os.path.exists("/usr/sbin/saslauthd") and "/usr/sbin/saslauthd")
        if not saslauthd or os.getuid():
            ok(True, "Debian's saslauthd # SKIP it is not installed, or we are not root")
        else:
            imap = Tcp(("127.0.0.1", IMAP), Imap)
            threading.Thread(target=imap.serve_forever, daemon=True).start()
            os.mkdir(f"{i.dir}/real")
            os.chmod(f"{i.dir}/real", 0o755)
            p = subprocess.Popen([saslauthd, "-d", "-a", "rimap", "-O", f"127.0.0.1/{IMAP}", "-m", f"{i.dir}/real", "-n", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 start_new_session=True)            # at its end it ends its whole process group
            try:
                ok(wait_for(lambda: os.path.exists(f"{i.dir}/real/mux"), 20), "Debian's saslauthd starts")
                ok(start(i, {"smtpd.conf": f"pwcheck_method: saslauthd\nsaslauthd_path: {i.dir}/real/mux\n"}, "smtpd_sasl_local_domain =\n"), "with it")
                ok(auth("PLAIN", b"\0anna\0pencil") == 235, "a good password", i.log()[-800:])
                ok(auth("LOGIN", b"anna", b"pencils") == 535, "a wrong one")
            finally:
                p.terminate()
                p.wait(20)
                imap.shutdown()
        for name, text, words in (("auxprop", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n", "auxprop plugins"), ("by default", "mech_list: plain\n", "which is auxprop"),
                                  ("another mechanism", "pwcheck_method: saslauthd\nmech_list: CRAM-MD5\n", "passwords in clear alone")):
            before = len(i.log())
            ok(not start(i, {"smtpd.conf": text}) and words in i.log()[before:], f"{name}: refused at start, with what can be done", i.log()[before:])
        os.unlink(f"{i.dir}/etc/sasl/smtpd.conf")
        before = len(i.log())
        ok(not start(i, {}) and "there is no smtpd.conf" in i.log()[before:], "no file: refused at start", i.log()[before:])


main()
t.end()
