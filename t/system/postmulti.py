#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""postmulti.py - instances are made, listed, started in order, and let go"""
import os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
with Instance(only=("postlogd",)) as i:
    def multi(*words):
        return subprocess.run([i.dir + "/sbin/postmulti", *words], capture_output=True, text=True, timeout=90,
                              env=dict(os.environ, MAIL_CONFIG=i.dir + "/etc"))

    def rows():
        return [l.split() for l in multi("-l").stdout.splitlines()]
    t.ok(rows() == [["-", "-", "y", i.dir + "/etc"]], "the primary alone", rows())
    r = multi("-e", "create", "-I", "other")
    t.ok(r.returncode and "must start with 'postfix-'" in r.stderr, "a name that is none", r.stderr)
    r = multi("-e", "create", "-I", "postfix-two")
    t.ok(r.returncode and "-e init" in r.stderr and not os.path.exists(i.dir + "/postfix-two"), "init comes first", r.stderr)
    t.ok(multi("-e", "init").returncode == 0, "init")
    two = i.dir + "/postfix-two"
    r = multi("-e", "create", "-I", "postfix-two", "-G", "mta", f"queue_directory={i.dir}/queue2", f"data_directory={i.dir}/data2")
    t.ok(r.returncode == 0, "create", r.stderr)
    t.ok(rows()[1:] == [["postfix-two", "mta", "n", two]], "it is listed, and disabled", rows())
    text = open(two + "/main.cf").read()
    t.ok("master_service_disable = inet" in text and f"queue_directory = {i.dir}/queue2" in text, "without inet services, with its own queue", text)
    r = multi("-x", "-i", "postfix-two", "sh", "-c", "echo $MAIL_CONFIG")
    t.ok(r.stdout == two + "\n", "-x sets MAIL_CONFIG", r.stdout, r.stderr)
    r = multi("-x", "sh", "-c", "exit 3")
    t.ok(r.returncode == 1, "and fails when the command does", r.returncode)
    r = multi("-p", "start")
    t.ok(r.returncode == 0 and not os.path.exists(i.dir + "/queue2/pid/master.pid"), "start leaves the disabled one", r.stderr)
    r = multi("-e", "enable", "-i", "postfix-two")
    t.ok(r.returncode == 0 and rows()[1][2] == "y", "enable", r.stderr)
    r = multi("-p", "-g", "mta", "start")
    t.ok(r.returncode == 0 and os.path.exists(i.dir + "/queue2/pid/master.pid"), "start of a group", r.stderr)
    r = multi("-p", "status")
    t.ok(r.returncode == 0 and r.stderr.count("is running") == 2, "both run", r.stderr)
    r = multi("-p", "stop")
    t.ok(r.returncode == 0 and not os.path.exists(i.dir + "/queue2/pid/master.pid"), "stop of both", r.stderr)
    r = multi("-e", "assign", "-i", "postfix-two", "-I", "postfix-three", "-G", "-")
    t.ok(rows()[1][:2] == ["postfix-three", "-"], "assign", rows(), r.stderr)
    r = multi("-e", "destroy", "-i", "postfix-three")
    t.ok(r.returncode and "Cannot remove enabled" in r.stderr and os.path.exists(two + "/main.cf"), "destroy of what is enabled is refused", r.stderr)
    multi("-e", "disable", "-i", "postfix-three")
    r = multi("-e", "deport", "-i", "postfix-three")
    t.ok(r.returncode == 0 and len(rows()) == 1 and os.path.exists(two), "deport: it is no longer listed, and its files stay", r.stderr)
    r = multi("-e", "import", f"config_directory={two}")
    with open(i.dir + "/queue2/hold/4XYZ", "w") as f:
        f.write("x")
    r = multi("-e", "destroy", "-i", "postfix-three")
    t.ok(r.returncode and "queue is not empty" in r.stderr and os.path.exists(two + "/main.cf"), "destroy with mail is refused", r.stderr)
    os.unlink(i.dir + "/queue2/hold/4XYZ")
    r = multi("-e", "destroy", "-i", "postfix-three")
    t.ok(r.returncode == 0 and not os.path.exists(two) and not os.path.exists(i.dir + "/queue2") and not os.path.exists(i.dir + "/data2") and len(rows()) == 1,
         "destroy", r.stderr, os.listdir(i.dir))
    # multi_instance_wrapper and the lists of commands
    with open(i.dir + "/etc/main.cf", "a") as f:
        f.write("multi_instance_wrapper = /bin/echo wrapped $config_directory\npostmulti_control_commands = reload flush status\n")
    r = subprocess.run([i.dir + "/sbin/postern", "status"], capture_output=True, text=True, timeout=60, env=dict(os.environ, MAIL_CONFIG=i.dir + "/etc"))
    t.ok("wrapped" not in r.stdout, "with MAIL_CONFIG it is this instance alone", r.stdout, r.stderr)
t.end()
