# SPDX-License-Identifier: ISC
"""fake_smtp.py - an SMTP or LMTP server that does what a test's script says

    with FakeServer({"RCPT": "550 5.1.1 no"}) as f:  f.port, f.sessions[0].commands, f.messages

The script names a step (GREETING EHLO HELO LHLO STARTTLS MAIL RCPT DATA DOT BDAT RSET QUIT;
BDAT: a chunk that is not the last, which is DOT) and what is done there: a reply, a
list of replies (one a time, the last again and again), or a function(session, argument) that gives a
reply.  "close", "reset", "stall" and "garbage" do that instead of an answer; None sends nothing and goes on.
`keywords` is the EHLO reply.  Whatever is not named is answered as a good server does.
"""
import os, socket, ssl, struct, threading

GOOD = {"GREETING": "220 fake.example.net ESMTP", "HELO": "250 fake.example.net", "MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok",
        "DATA": "354 go on", "DOT": "250 2.0.0 Ok: queued as FAKE", "RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
        "STARTTLS": "220 2.0.0 go on", "AUTH": "235 2.7.0 ok", "BDAT": "250 2.0.0 Ok", "XFORWARD": "250 2.0.0 Ok"}
GARBAGE = bytes(range(1, 256)) * 40 + b"\r\n"


class Over(Exception):
    pass


class Session:
    def __init__(self, server, sock):
        self.server, self.sock, self.commands, self.content, self.tls = server, sock, [], None, False
        self.file = sock.makefile("rb")
        self.rcpts = []

    def send(self, reply):
        self.sock.sendall(reply.encode() + b"\r\n" if isinstance(reply, str) else reply)

    def act(self, step, argument=""):
        """Gives the reply that was sent, or None."""
        how = self.server.script.get(step, GOOD.get(step))
        if isinstance(how, list):
            with self.server.lock:
                how = how.pop(0) if len(how) > 1 else how[0]
        if callable(how):
            how = how(self, argument)
        if how == "close":
            raise Over
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Over
        if how == "stall":
            self.server.stop.wait(60)
            raise Over
        if how == "garbage":
            how = GARBAGE
        if how is not None:
            self.send(how)
        return how

    def hello(self, verb, argument):
        if verb in self.server.script:
            return self.act(verb, argument)
        lines = ["fake.example.net"] + [k for k in self.server.keywords if not (self.tls and k == "STARTTLS")]
        self.send("".join(f"250{'-' if i + 1 < len(lines) else ' '}{l}\r\n" for i, l in enumerate(lines)).encode())

    def read_content(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise Over
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.content = b"".join(lines)

    def data(self, argument):
        how = self.act("DATA", argument)
        if not (isinstance(how, str) and how.startswith("3")):
            return
        self.read_content()
        if self.rcpts:
            with self.server.lock:
                self.server.messages.append(self.content)
        for r in (self.rcpts if self.server.lmtp else [""]):
            self.act("DOT", r)
        self.rcpts = []

    def bdat(self, argument):
        words = argument.split()
        self.chunks = getattr(self, "chunks", b"") + self.file.read(int(words[0]))
        if len(words) == 1:
            self.act("BDAT", argument)
            return
        self.content, self.chunks = self.chunks, b""
        with self.server.lock:
            self.server.messages.append(self.content)
        for r in (self.rcpts if self.server.lmtp else [""]):
            self.act("DOT", r)
        self.rcpts = []

    def one(self, line):
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        self.commands.append(line)
        if verb in ("EHLO", "LHLO"):
            self.hello(verb, argument)
        elif verb == "STARTTLS":
            how = self.act(verb)
            if isinstance(how, str) and how.startswith("2"):
                self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
                self.file, self.tls, self.resumed = self.sock.makefile("rb"), True, self.sock.session_reused
        elif verb == "RCPT":
            how = self.act(verb, argument)
            if isinstance(how, str) and how.startswith("2"):
                self.rcpts.append(argument)
        elif verb == "DATA":
            self.data(argument)
        elif verb == "BDAT":
            self.bdat(argument)
        elif verb == "QUIT":
            self.act(verb)
            raise Over
        else:
            if verb == "MAIL":
                self.rcpts = []
            self.act(verb, argument)

    def run(self):
        try:
            if self.server.wrapper:
                self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
                self.file, self.tls = self.sock.makefile("rb"), True
            self.act("GREETING")
            while True:
                line = self.file.readline(70000)
                if not line:
                    break
                self.one(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        except (Over, OSError, ValueError):
            pass
        finally:
            try:
                self.file.close()
                self.sock.close()
            except OSError:
                pass


class FakeServer:
    def __init__(self, script=None, keywords=("PIPELINING", "8BITMIME", "SIZE 0", "ENHANCEDSTATUSCODES"), lmtp=False, certificate=None,
                 wrapper=False, path=None, address="127.0.0.1", port=0):
        self.script, self.keywords, self.lmtp, self.wrapper = dict(script or {}), list(keywords), lmtp, wrapper
        self.sessions, self.messages, self.lock, self.stop = [], [], threading.Lock(), threading.Event()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o666)
            self.port = None
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((address, port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            s = Session(self, sock)
            with self.lock:
                self.sessions.append(s)
            threading.Thread(target=s.run, daemon=True).start()

    def commands(self):
        return [c for s in self.sessions for c in s.commands]

    def close(self):
        self.stop.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
