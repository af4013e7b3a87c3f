#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""managesieve.py - users' scripts over the network: managesieve-login, authd, managesieve (RFC 5804)"""
import base64, os, pwd, re, socket, ssl, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port

PORT = free_port()
t = Tap()
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Client:
    def __init__(self):
        self.s = socket.create_connection(("127.0.0.1", PORT), timeout=30)
        self.f = self.s.makefile("rb")

    def answer(self):
        """([lines], last): strings of literals are lines, too."""
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                raise ConnectionError(lines)
            line = line[:-2]
            if line.endswith(b"}") and (m := re.search(rb"\{(\d+)\}$", line)):
                text = self.f.read(int(m[1]))
                if line.startswith((b"NO", b"OK", b"BYE")):
                    self.f.readline()
                    return lines, line[:m.start()] + text
                lines.append(text)
                self.f.readline()
                continue
            if line.split(b" ")[0].upper() in (b"OK", b"NO", b"BYE"):
                return lines, line
            lines.append(line)

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())

    def ask(self, line):
        self.send(line if isinstance(line, bytes) else line.encode())
        self.send(b"\r\n")
        return self.answer()

    def says(self, line):
        return self.ask(line)[1].decode()

    def put(self, name, text, verb="PUTSCRIPT"):
        text = text.encode()
        return self.says(f'{verb} {chr(34) + name + chr(34) + " " if name else ""}{{{len(text)}+}}\r\n'.encode() + text)

    def login(self, user="alice", password="wonder land"):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.says(f'AUTHENTICATE "PLAIN" "{token}"')

    def starttls(self):
        got = self.says("STARTTLS")
        self.f.close()
        self.s = CONTEXT.wrap_socket(self.s)
        self.f = self.s.makefile("rb")
        return got


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    i = Instance()
    try:
        home = f"{i.dir}/home/alice"
        os.makedirs(home)
        os.chown(home, owner.pw_uid, owner.pw_gid)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", f"{i.dir}/key.pem", "-out", f"{i.dir}/cert.pem"], check=True, capture_output=True)
        with open(f"{i.dir}/users", "w") as f:
            f.write(f"alice:{{PLAIN}}wonder land:{owner.pw_uid}:{owner.pw_gid}::{home}::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\n"
                    f"auth_failure_delay = 0s\nsieve_max_script_size = 20k\nsieve_quota_max_scripts = 4\n"
                    f"sieve_default = {i.dir}/default.sieve\nsieve_default_name = site rules\n"
                    f"smtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n",
                    f"127.0.0.1:{PORT} inet n - n - - managesieve-login\n")
        if not t.ok(i.start().returncode == 0, "the system starts", i.log()):
            return
        c = Client()
        lines, last = c.answer()
        text = b"\n".join(lines).decode()
        t.ok(last.startswith(b"OK") and '"SIEVE" "fileinto ' in text and '"STARTTLS"' in text and '"SASL" "PLAIN LOGIN"' in text and
             '"VERSION" "1.0"' in text and '"IMPLEMENTATION" "' in text, "1.7: the greeting is the capabilities", text)
        t.ok(c.says("LISTSCRIPTS").startswith("NO"), "nothing before login")
        t.ok(c.login(password="wrong") == 'NO "Authentication failed."', "2.1: a wrong password")
        t.ok(c.starttls().startswith("OK"), "2.2: STARTTLS")
        lines, last = c.answer()
        t.ok(last.startswith(b"OK") and b'"STARTTLS"' not in lines and any(b'"SASL" "PLAIN LOGIN"' == x for x in lines),
             "2.2: then the capabilities again, unasked", lines)
        t.ok(c.says('NOOP "a\\"b"') == 'OK (TAG "a\\"b") "Done."', "2.13: NOOP before login")
        c.send('AUTHENTICATE "PLAIN"\r\n')
        t.ok(c.f.readline() == b'""\r\n', "2.1: an empty challenge")
        c.send(b"{28+}\r\n" + base64.b64encode(b"\0alice\0wonder land"[:18] + b"xx")[:28] + b"\r\n")
        t.ok(c.answer()[1].startswith(b"NO"), "2.1: an answer as a literal")
        t.ok(c.login() == 'OK "Logged in."', "2.1: PLAIN with an initial response")
        lines, last = c.ask("CAPABILITY")
        t.ok(b'"OWNER" "alice"' in lines and b'"NOTIFY" "mailto"' in lines and any(x.startswith(b'"MAXREDIRECTS" ') for x in lines), "1.7: and more of them")
        t.ok(b'"SASL" ""' in lines and last.startswith(b"OK"), "2.4: CAPABILITY after login", lines)
        t.ok(c.ask("LISTSCRIPTS") == ([], b'OK "Listscripts completed."'), "2.7: no script")
        good = 'require "fileinto";\r\nif header "subject" "x" { fileinto "X"; }\r\n'
        t.ok(c.put("main", good).startswith("OK"), "2.6: PUTSCRIPT")
        t.ok(c.put("bad", "nonsense;") .startswith("NO") and "line 1" in c.put("bad", "nonsense;"), "2.6: a bad script is refused with the line")
        t.ok(c.put(None, good, "CHECKSCRIPT").startswith("OK") and c.put(None, "keep", "CHECKSCRIPT").startswith("NO"), "2.12: CHECKSCRIPT")
        t.ok(c.ask('GETSCRIPT "main"')[0] == [good.encode()], "2.9: GETSCRIPT gives it back to the byte")
        with open(f"{i.dir}/default.sieve", "w") as f:
            f.write("keep; # of the site\n")
        os.chmod(f"{i.dir}/default.sieve", 0o644)
        d = Client()
        d.answer()
        d.starttls()
        d.answer()
        d.login()
        t.ok(d.ask("LISTSCRIPTS")[0] == [b'"main"', b'"site rules" ACTIVE'], "sieve_default is listed by its name, and active while no other is")
        t.ok(d.ask('GETSCRIPT "site rules"')[0] == [b"keep; # of the site\n"], "and can be read")
        t.ok(d.says('DELETESCRIPT "site rules"').startswith("NO (NONEXISTENT)"), "but not deleted")
        t.ok(d.says('SETACTIVE "main"').startswith("OK") and d.ask("LISTSCRIPTS")[0] == [b'"main" ACTIVE', b'"site rules"'], "another takes over")
        t.ok(d.says('SETACTIVE "site rules"').startswith("OK") and not os.path.lexists(f"{home}/.dovecot.sieve"), "and goes")
        d.says("LOGOUT")
        os.unlink(f"{i.dir}/default.sieve")
        warned = c.put(None, 'require "editheader";\r\ndeleteheader "Received";', "CHECKSCRIPT")
        t.ok(warned.startswith('OK (WARNINGS) "script: line 2: warning: ') and "Received" in warned, "1.3: WARNINGS", warned)
        t.ok(c.says('GETSCRIPT "none"').startswith("NO (NONEXISTENT)"), "2.9: NONEXISTENT")
        t.ok(c.says('SETACTIVE "none"').startswith("NO (NONEXISTENT)"), "2.8: of one that is not there")
        t.ok(c.says('SETACTIVE "main"').startswith("OK"), "2.8: SETACTIVE")
        t.ok(os.readlink(f"{home}/.dovecot.sieve") == "sieve/main.sieve" and open(f"{home}/.dovecot.sieve", newline="").read() == good,
             "is Pigeonhole's link")
        t.ok(os.stat(f"{home}/sieve/main.sieve").st_uid == owner.pw_uid, "files are the user's")
        t.ok(c.put("second", "keep;").startswith("OK") and c.ask("LISTSCRIPTS")[0] == [b'"main" ACTIVE', b'"second"'], "2.7: LISTSCRIPTS")
        t.ok(c.says('DELETESCRIPT "main"').startswith("NO (ACTIVE)"), "2.10: the active one stays")
        t.ok(c.says('RENAMESCRIPT "main" "second"').startswith("NO (ALREADYEXISTS)"), "2.11: ALREADYEXISTS")
        t.ok(c.says('RENAMESCRIPT "main" "l\u00f6s \\"1\\""').startswith("OK") and
             c.ask("LISTSCRIPTS")[0] == ['"l\u00f6s \\"1\\"" ACTIVE'.encode(), b'"second"'], "2.11: RENAMESCRIPT takes the link along")
        t.ok(c.says('SETACTIVE ""').startswith("OK") and not os.path.lexists(f"{home}/.dovecot.sieve"), "2.8: none active")
        t.ok(c.says('DELETESCRIPT "l\u00f6s \\"1\\""').startswith("OK") and c.says('DELETESCRIPT "x"').startswith("NO (NONEXISTENT)"), "2.10: DELETESCRIPT")
        t.ok(c.says('HAVESPACE "x" 100').startswith("OK") and c.says('HAVESPACE "x" 100000').startswith("NO (QUOTA/MAXSIZE)"), "2.5: HAVESPACE")
        t.ok(c.put("big", "#" + "x" * 30000).startswith("NO (QUOTA/MAXSIZE)"), "a script that is too large is refused, and read over")
        for n in "abc":
            c.put(n, "keep;")
        t.ok(c.put("d", "keep;").startswith("NO (QUOTA/MAXSCRIPTS)"), "QUOTA/MAXSCRIPTS")
        for name in ("../x", "", ".hidden", "a/b", "x" * 200, "a\x01b"):
            t.ok(c.put(name, "keep;").startswith("NO"), f"the name {name[:20]!r} is refused")
        t.ok(sorted(os.listdir(home)) == ["sieve"], "nothing was written elsewhere", os.listdir(home))
        with open(f"{home}/.dovecot.sieve", "w") as f:
            f.write("# by hand\nkeep;\n")
        t.ok(c.says('SETACTIVE "second"').startswith("OK") and open(f"{home}/sieve/dovecot.orig.sieve").read().startswith("# by hand"),
             "a script that was put there by hand is kept")
        t.ok(c.says("UNAUTHENTICATE").startswith("NO") and c.says("FOO").startswith("NO"), "what is not known")
        t.ok(c.says("LOGOUT").startswith("OK"), "2.3: LOGOUT")
        t.ok(re.search(r"dovecot\[\d+\]: managesieve-login: Login: user=<alice>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=\d+, TLS,", i.log()),
             "the login is logged in Dovecot's shape", i.log()[-1000:])
        # a stranger
        for attack in (b"x" * 100000, b'AUTHENTICATE "PLAIN" {2000000000+}\r\n', b'NOOP {99999999999999999999+}\r\n' * 10, b"\0" * 100 + b"\r\n" + b"\xff" * 50 + b"\r\n\r\n\r\n\r\n"):
            c = Client()
            c.answer()
            try:
                c.send(attack)
                c.s.shutdown(socket.SHUT_WR)
                while c.s.recv(65536):
                    pass
                closed = True
            except TimeoutError:
                closed = False
            except OSError:
                closed = True
            t.ok(closed, f"{attack[:30]!r}... ends the connection")
    finally:
        if t.failed:
            print("# " + i.log()[-4000:].replace("\n", "\n# "))
        i.__exit__()
    t.end()


main()
