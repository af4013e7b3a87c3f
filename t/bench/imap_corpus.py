# SPDX-License-Identifier: ISC
"""imap_corpus.py - a Maildir as people have them, for benches: the same from the same seed

Of 20 messages 7 are plain text (some of a mailing list), 10 text and HTML, 2 forwarded within another message, 1 has
an attachment; a third belongs to threads.  Names carry ,S= and ,W= as Dovecot's and Postern's delivery write them.
"""
import base64, os, random

WORDS = """about account after again agenda agree already answer archive arrive attached available before board budget build
call change check clear client coffee comment compare complete contract copy cost customer data date day deadline decide delay
deliver desk detail develop device document draft early edit email end error estimate evening example expect file final finish
first follow form forward friday full general give glad good group guide happy hello help holiday hope house idea important
include install invoice issue item january join keep kind know large last late learn letter list local look lunch machine mail
make manager march market meet meeting message minute monday month morning move name network never new next note number offer
office open order page paper part pay people person phone picture place plan please point present press price print problem
process product project proposal question quick read ready reason receive regards release remember repeat reply report request
result return review right room sale schedule send september server service session short sign small sorry start station still
street sunday support system table talk team test thank thing thursday ticket time today together tomorrow total train travel
tuesday understand update use value version visit wait week welcome work world write year yesterday""".split()
NAMES = "Anna Berta Carl Dora Emil Frida Georg Hanna Ivan Julia Karl Lena Moritz Nina Otto Paula Quentin Rosa Stefan Tina".split()
SITES = "example.com example.net example.org mail.example.net lists.example.org".split()


class Writer:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.threads = []

    def person(self):
        first, last = self.r.choice(NAMES), self.r.choice(NAMES).lower()
        name = self.r.choice((f"{first} {last.title()}", f'"{last.title()}, {first}"', f"=?utf-8?Q?{first}_M=C3=BCller?="))
        return f"{name} <{first.lower()}.{last}{self.r.randrange(40)}@{self.r.choice(SITES)}>"

    def text(self, size):
        lines, line, total = [], "", 0
        while total < size:
            line += (" " if line else "") + self.r.choice(WORDS)
            if len(line) > 66:
                lines.append(line)
                total += len(line) + 1
                line = ""
            if self.r.random() < 0.004:
                lines.append("")
        return "\n".join(lines) + "\n"

    def html(self, text):
        return ("<html><head><style>body { font-family: sans-serif; margin: 0 }</style></head><body>\n"
                + "".join(f'<p style=3D"margin: 0 0 8px 0">{p}</p>\n' for p in text.split("\n") if p) + "</body></html>\n")

    def body(self, k):
        kind, size = self.r.randrange(20), int(self.r.lognormvariate(6.8, 0.8))
        text = self.text(min(size, 20000))
        if kind < 7:
            return "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n", text + "\n-- \nGr\u00fc\u00dfe\n"
        b = f"----=_Part_{k}_{self.r.randrange(10**9)}"
        both = (f"--{b}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{text}\n"
                f"--{b}\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{self.html(text)}\n--{b}--\n")
        if kind < 17:
            return f'Content-Type: multipart/alternative; boundary="{b}"\n', both
        m = f"mixed{k}"
        if kind < 19:
            inner = f"From: {self.person()}\nTo: {self.person()}\nSubject: {self.text(20).strip()}\nDate: Tue, 2 Jan 2024 10:11:12 +0100\n"
            inner += f'Content-Type: multipart/alternative; boundary="{b}"\n\n{both}'
            rest = f"--{m}\nContent-Type: message/rfc822\n\n{inner}\n"
        else:
            blob = base64.encodebytes(self.r.randbytes(self.r.randrange(8000, 60000))).decode()
            rest = (f'--{m}\nContent-Type: application/pdf; name="plan {k}.pdf"\nContent-Transfer-Encoding: base64\n'
                    f'Content-Disposition: attachment; filename="plan {k}.pdf"\n\n{blob}')
        return f'Content-Type: multipart/mixed; boundary="{m}"\n', f"--{m}\nContent-Type: text/plain\n\n{text}\n{rest}\n--{m}--\n"

    def message(self, k):
        r, site = self.r, self.r.choice(SITES)
        mid = f"<{k}.{r.randrange(10**12)}@{site}>"
        subject, extra = self.text(30).strip().replace("\n", " "), ""
        if self.threads and r.random() < 0.33:
            chain, subject = r.choice(self.threads)
            extra = f"In-Reply-To: {chain[-1]}\nReferences: {' '.join(chain[-8:])}\n"
            chain.append(mid)
            subject = "Re: " + subject
        else:
            self.threads = self.threads[-200:] + [([mid], subject)]
        if r.random() < 0.3:
            extra += (f"List-Id: <dev.{site}>\nList-Post: <mailto:dev@{site}>\nList-Unsubscribe: <https://{site}/u/{r.randrange(10**8)}>\n"
                      "Precedence: list\n")
        date = f"{('Mon', 'Tue', 'Wed')[k % 3]}, {1 + k % 28} {('Jan', 'Mar', 'Jul', 'Oct')[k % 4]} 2024 {k % 24:02}:{k % 60:02}:{k % 59:02} +0{k % 3}00"
        head = f"Return-Path: <bounce-{k}@{site}>\n"
        for hop in range(r.randrange(2, 5)):
            head += (f"Received: from mx{hop}.{site} (mx{hop}.{site} [192.0.2.{k % 250}])\n\tby mail.example.net (Postfix) with ESMTPS id "
                     f"{r.randrange(10**11):X}\n\tfor <user@example.net>; {date}\n")
        head += (f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={site}; s=s1;\n\th=from:to:subject:date:message-id;\n\tbh="
                 f"{base64.b64encode(r.randbytes(32)).decode()};\n\tb={base64.b64encode(r.randbytes(60)).decode()}\n\t "
                 f"{base64.b64encode(r.randbytes(60)).decode()}\n")
        kind, body = self.body(k)
        to = ", ".join(self.person() for _ in range(r.choice((1, 1, 1, 2, 5))))
        head += f"From: {self.person()}\nTo: {to}\n" + (f"Cc: {self.person()}\n" if k % 4 == 0 else "")
        head += f"Subject: {subject}\nDate: {date}\nMessage-ID: {mid}\nMIME-Version: 1.0\n{extra}{kind}"
        return (head + "\n" + body).encode()


def make(mail, count, tiny=False, owner=None, spread=0):
    """`mail`/{cur,new,tmp}; returns bytes.  `tiny`: messages of a few lines."""
    w, total = Writer(42), 0
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{mail}/{d}")
    for k in range(count):
        data = (f"From: a{k % 97}@example.net\nSubject: {WORDS[k % len(WORDS)]} {k}\nMessage-ID: <{k}@example.net>\n\nx\n".encode()
                if tiny else w.message(k))
        flags = "" if k % 5 == 0 else "FS" if k % 11 == 0 else "RS" if k % 7 == 0 else "S"
        name = f"{1700000000 + k}.M{k % 1000000}P7.mail.example.net,S={len(data)},W={len(data) + data.count(10)}:2,{flags}"
        path = f"{mail}/cur/{name}"
        with open(path, "wb") as f:
            f.write(data)
        os.utime(path, (1700000000 + k, 1700000000 + k))
        total += len(data)
    if owner:
        for top, _, files in os.walk(mail):
            os.chown(top, owner, owner)
            for f in files:
                os.chown(f"{top}/{f}", owner, owner)
    return total
