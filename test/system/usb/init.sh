#!/bin/busybox sh
# /init of the USB guest: loads the modules, takes the host's root over 9p as its own (read-only), and becomes /job.sh there.
B=/bin/busybox
fail() { echo "INIT-FAILED: $*"; $B poweroff -f; }
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs dev /dev
for m in $($B cat /mod/order); do $B insmod "/mod/$m.ko" || fail "insmod $m"; done
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose host /r || fail "mount of the host's root"
$B ifconfig lo 127.0.0.1 up
$B ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up || fail "network"
for d in dev proc sys; do $B mount --move "/$d" "/r/$d" || fail "move $d"; done
$B mount -t tmpfs tmpfs /r/run || fail "tmpfs"
$B cp /job.sh /r/run/job.sh
echo INIT-DONE
exec $B switch_root -c /dev/console /r /bin/sh /run/job.sh
