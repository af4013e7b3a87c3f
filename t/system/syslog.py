#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""syslog.py - lines to the system logger, who restarts now and then, and to a file with its rules"""
import os, re, socket, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()


class Logger:
    """A syslogd: a datagram socket."""
    def __init__(self, path):
        if os.path.exists(path):
            os.unlink(path)
        self.s, self.lines = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), []
        self.s.bind(path)
        os.chmod(path, 0o666)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            try:
                line = self.s.recv(9000)
            except OSError:
                return
            if line == b"end":
                return
            self.lines.append(line.decode())

    def has(self, *words, seconds=20):
        return wait_for(lambda: any(all(w in l for w in words) for l in self.lines), seconds)

    def end(self):
        try:
            self.s.getsockname() and socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"end", self.s.getsockname())
        except OSError:
            pass
        self.thread.join(10)
        self.s.close()


def postlog(i, *words):
    return subprocess.run([i.dir + "/sbin/postlog", "-c", i.dir + "/etc", *words], capture_output=True, text=True, timeout=30)


with Instance(only=("postlogd", "anvil")) as i:
    # outside the role's root, where a restarted logger's name cannot be reached from within
    path = i.dir + "/dev-log"
    logger = Logger(path)
    i.configure(f"maillog_file =\npostlogd_syslog_sockets = {i.dir}/nobody, {path}\nsyslog_facility = local3\n"
                "syslog_name = mta-x\n", "")
    r = i.start()
    t.ok(r.returncode == 0, "start", r.stderr)
    t.ok(logger.has("daemon started -- version"), "the system logger has the first line", logger.lines)
    line = next((l for l in logger.lines if "daemon started" in l), "")
    t.ok(re.match(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d mta-x/master\[\d+\]: daemon started", line), "priority, time, name, pid", line)
    t.ok(line.startswith(f"<{19 * 8 + 6}>"), "syslog_facility local3, info", line)
    postlog(i, "-t", "script", "-p", "error", "an error")
    t.ok(logger.has(f"<{19 * 8 + 3}>", "script[", "error: an error"), "postlog -t -p error", logger.lines)
    postlog(i, "-p", "mail.warn", "careful")
    t.ok(logger.has(f"<{19 * 8 + 4}>", "mta-x/postlog[", "warning: careful"), "postlog -p mail.warn", logger.lines)

    logger.end()
    os.unlink(path)
    before = wait_for(lambda: i.named("postlogd"))
    postlog(i, "while it was away")
    wait_for(lambda: i.named("postlogd") and i.named("postlogd") != before, 10)
    postlog(i, "still away")
    logger = Logger(path)
    t.ok(logger.has("while it was away"), "a logger that comes back gets what waited", logger.lines, i.named("postlogd"))
    t.ok(logger.has("still away"), "all of it", logger.lines)
    postlog(i, "again")
    t.ok(logger.has("again"), "and what follows")
    logger.end()
    logger = Logger(path)     # restarted in between, without a line
    postlog(i, "after a restart")
    t.ok(logger.has("after a restart"), "a restart that nobody saw loses nothing", logger.lines)

    file = i.dir + "/file.log"
    i.configure(f"maillog_file = {file}\nmaillog_file_prefixes = /nowhere\n", "")
    r = i.run("check")
    t.ok(r.returncode != 0 and "maillog_file_prefixes" in r.stderr, "maillog_file outside maillog_file_prefixes is refused", r.stderr)
    i.configure(f"maillog_file = {file}\nmaillog_file_prefixes = {i.dir}\nmaillog_file_permissions = 0640\n"
                "maillog_file_compressor = gzip\nmaillog_file_rotate_suffix = old\n", "")
    t.ok(i.run("reload").returncode == 0, "reload to a file")
    t.ok(wait_for(lambda: os.path.exists(file)), "is there")
    t.ok(os.stat(file).st_mode & 0o777 == 0o640, "maillog_file_permissions")
    # the postlogd of before may still take one
    t.ok(wait_for(lambda: postlog(i, "to the file") and re.search(r"postfix/postlog\[\d+\]: to the file", open(file).read())), "and written", open(file).read())
    r = i.run("logrotate")
    t.ok(r.returncode == 0 and os.path.exists(file + ".old.gz"), "maillog_file_rotate_suffix, maillog_file_compressor", r.stderr, os.listdir(i.dir))
    logger.end()
t.end()
