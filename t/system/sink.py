# SPDX-License-Identifier: ISC
"""sink.py - an SMTP server of the tests that keeps what it is sent, byte for byte

    with Sink() as s:  s.port, s.messages, s.most (sessions at once)

`reply(verb, argument)` may return a line that is said instead of the usual 250
(a dot stands for the end of the content); None is the usual one.
"""
import socket, threading, time


class Message:
    def __init__(self, sender):
        self.sender, self.rcpts, self.content, self.when = sender, [], b"", 0.0


class Sink:
    def __init__(self, reply=None, extensions=("PIPELINING", "8BITMIME", "SIZE 0", "DSN", "SMTPUTF8"), delay=0):
        self.reply, self.extensions, self.delay = reply or (lambda verb, argument: None), extensions, delay
        self.messages, self.sessions, self.most, self.lock = [], 0, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    def serve(self, s):
        with self.lock:
            self.sessions += 1
            self.most = max(self.most, self.sessions)
        try:
            with s, s.makefile("rb", 65536) as f:
                s.settimeout(120)
                self.session(s, f)
        except OSError:
            pass
        finally:
            with self.lock:
                self.sessions -= 1

    def session(self, s, f):
        def say(text):
            s.sendall(text.encode() + b"\r\n")
        say(self.reply("CONNECT", "") or "220 sink.example.org ESMTP")
        m = None
        while line := f.readline():
            verb, _, argument = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            verb = verb.upper()
            other = self.reply(verb, argument)
            if verb == "EHLO" and not other:
                lines = ["sink.example.org", *self.extensions]
                say("\r\n".join(f"250{' ' if k == len(lines) - 1 else '-'}{x}" for k, x in enumerate(lines)))
            elif verb == "MAIL" and not other:
                m = Message(argument[5:])
                say("250 2.1.0 ok")
            elif verb == "RCPT" and not other:
                m.rcpts.append(argument[3:])
                say("250 2.1.5 ok")
            elif verb == "DATA" and not other and not m.rcpts:
                say("554 5.5.1 no valid recipients")
            elif verb == "DATA" and not other:
                say("354 go on")
                parts = []
                while (line := f.readline()) != b".\r\n":
                    if not line:
                        return
                    parts.append(line[1:] if line.startswith(b".") else line)
                m.content, m.when = b"".join(parts), time.time()
                if self.delay:
                    time.sleep(self.delay)
                other = self.reply(".", m)
                if not other:
                    with self.lock:
                        self.messages.append(m)
                say(other or "250 2.0.0 taken")
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say(other or "250 2.0.0 ok")


def address(path):
    """What stands between the angle brackets of a path with parameters."""
    return path[path.index("<") + 1:path.index(">")]
