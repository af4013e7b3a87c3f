# SPDX-License-Identifier: ISC
"""grok.py - a small reader of grok patterns, as logstash and crowdsec write them

    names = grok_patterns(text_of_file)         {"POSTFIX_SMTPD": "..."}
    re.search(grok_compile("^%{POSTFIX_SMTPD}$", names), line)

Captures keep their last name only: what counts here is whether a line is understood, and by which pattern.
"""
import re

BASE = {
    "HOSTNAME": r"\b(?:[0-9A-Za-z_][0-9A-Za-z_-]{0,62})(?:\.(?:[0-9A-Za-z_][0-9A-Za-z_-]{0,62}))*\.?\b",
    "IPV4": r"(?:\d{1,3}\.){3}\d{1,3}", "IPV6": r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+", "IP": "(?:%{IPV6}|%{IPV4})",
    "INT": r"(?:[+-]?\d+)", "NUMBER": r"(?:[+-]?(?:\d+(?:\.\d+)?|\.\d+))", "WORD": r"\b\w+\b", "DATA": ".*?", "GREEDYDATA": ".*",
    "PATH": r"(?:/[\w_%!$@:.,+~-]*)+", "SYSLOGTIMESTAMP": r"[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d", "QS": r'"[^"]*"', "NOTSPACE": r"\S+",
    "EMAILADDRESS": r"[^<>\s]+@[^<>\s]+", "SPACE": r"\s*", "USERNAME": r"[a-zA-Z0-9._-]+",
}


def grok_patterns(text):
    found = {}
    for line in text.splitlines():
        name, _, pattern = line.partition(" ")
        if re.fullmatch("[A-Z0-9_]+", name) and pattern:
            found[name] = pattern.strip()
    return found


def grok_expand(pattern, names, depth=0):
    if depth > 12:
        raise ValueError("patterns that name each other")

    def one(m):
        inner = names.get(m.group(1), BASE.get(m.group(1)))
        if inner is None:
            raise ValueError("no such pattern: " + m.group(1))
        return "(?:" + grok_expand(inner, names, depth + 1) + ")"
    out = re.sub(r"%\{(\w+)(?::[^}]*)?\}", one, pattern)
    out = re.sub(r"\(\?<([\w-]+)>", "(?:", out)
    return out.replace("((?i)", "((?i:").replace("(?i:LOGIN|PLAIN|(?:CRAM|DIGEST)-MD5)", "(?i:LOGIN|PLAIN|(?:CRAM|DIGEST)-MD5))")


def grok_compile(pattern, names):
    return re.compile(grok_expand(pattern, names))
