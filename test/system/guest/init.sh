#!/bin/busybox sh
# /init of the guest: loads what the disks need, then runs /job.sh with its output on the second serial port.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /sys/fs/pstore
exec >/dev/ttyS1 2>&1
echo GUEST-UP
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk \
         mmc_core mmc_block cqhci sdhci sdhci-pci pstore_zone oops_module; do
    if [ -e "/m/$m.ko" ]; then insmod "/m/$m.ko"; fi
done

# wait_disk DEV: until the device node is there, at most 20 s
wait_disk() {
    n=0
    while [ ! -b "$1" ] && [ $n -lt 200 ]; do usleep 100000; n=$((n + 1)); done
    [ -b "$1" ]
}

# pstore_open BLKDEV PARAMETERS...: hands the partition to the kernel's pstore_blk and mounts pstore
pstore_open() {
    dev=$1; shift
    if insmod /m/pstore_blk.ko "blkdev=$dev" best_effort=1 "$@" && mount -t pstore pstore /sys/fs/pstore; then
        echo "MOUNTED $dev"
    else
        echo "REFUSED $dev"
    fi
}

pstore_close() {
    umount /sys/fs/pstore
    rmmod pstore_blk
}

# pstore_files: every file in the pstore file system: name, size, mtime, base64
pstore_files() {
    for f in /sys/fs/pstore/*; do
        [ -f "$f" ] || continue
        echo "FILE ${f##*/} $(stat -c '%s %Y' "$f")"
        base64 "$f"
        echo "FILE-END"
    done
}

# oops TEXT: lets the kernel oops (in a process of its own, which dies of it) and waits for pstore/zone's delayed write
oops() {
    (echo "oops $*" > /proc/oops)
    sleep 2
}

. /job.sh
dmesg | grep -E 'pstore|psz' | sed 's/^/DMESG /'
sync
echo GUEST-DONE
poweroff -f
