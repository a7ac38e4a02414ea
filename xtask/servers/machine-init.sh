#!/bin/sh
# The first process of the tests' virtual machine: mounts the tools disk and runs `run` from it.
#
# The first disk (/dev/vda) is the tools' and is only read; the second, if there is one, is the
# test's. The host is 10.0.2.2. What is printed goes to the serial line, and so to the test.
export PATH=/tools/bin:/bin HOME=/tmp TZ=UTC
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for module in virtio_pci virtio_net virtio_blk ext4; do
    modprobe $module
done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
tries=0
until [ -b /dev/vda ] || [ $tries -gt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
mount -t ext4 -o ro /dev/vda /tools && ln -s /tools/lib /lib64 && ln -s /tools/lib /lib/x86_64-linux-gnu
echo "MACHINE up"
# Through a pipe: to a terminal progress would be drawn.
{
    sh /tools/run </dev/null
    echo "MACHINE done $?"
} 2>&1 | cat
sync
poweroff -f
