#!/bin/sh
# SPDX-License-Identifier: ISC
# systemd_host.sh DIR [COMMAND ...] - this machine again below DIR: its files under an overlay, a systemd of its own, or COMMAND
#
# Called as the first process of new pid, mount, uts, ipc, net and cgroup namespaces. What it writes is
# in memory and gone with it; the machine outside sees and loses nothing.
set -e
top=$1 root=$1/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
	mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
	mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
	mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
for d in run tmp var/log var/mail var/spool/postfix; do mount -t tmpfs -o mode=755 tmpfs "$root/$d"; done
chmod 1777 "$root/tmp" "$root/var/mail"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for d in null zero full random urandom tty; do
	: >"$root/dev/$d"
	mount --bind "/dev/$d" "$root/dev/$d"
done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s /proc/self/fd "$root/dev/fd"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ip link set lo up
hostname mail.example.net
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/machine-id"
: >"$root/etc/resolv.conf"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
cd "$root"
shift
[ $# = 0 ] || exec chroot . "$@"
container=postern exec chroot . /lib/systemd/systemd --system --unit=basic.target --log-target=journal
