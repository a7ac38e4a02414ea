#!/bin/sh
# Makes what the tests' virtual machine needs: QEMU, a kernel with NFS and netem, an initial RAM
# disk, and the NFS server nfs-ganesha, all in a Debian bookworm chroot.
#
# usage: machine-install.sh FOLDER INIT    (root; FOLDER becomes the chroot, INIT the first process)
#
# The machine is emulated (TCG), so that it runs where there is no KVM, and alike everywhere.
set -eu
root=$1 init=$2
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep '/debian/*$' | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian}
export DEBIAN_FRONTEND=noninteractive

if [ ! -e "$root/finished" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    cp /etc/resolv.conf "$root/etc/"
    printf 'deb %s bookworm main\ndeb %s-security bookworm-security main\n' "$mirror" "$mirror" \
        >"$root/etc/apt/sources.list"
    chroot "$root" sh -euc '
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends qemu-system-x86 busybox-static kmod \
            nfs-ganesha nfs-ganesha-vfs iproute2 e2fsprogs
        depends=$(apt-cache depends linux-image-cloud-amd64)
        image=$(echo "$depends" | sed -n "s/.*Depends: \(linux-image-[0-9].*\)/\1/p" | head -n 1)
        cd /tmp
        apt-get download -qq "$image"
        mkdir -p /kernel
        dpkg-deb -x "$image"*.deb /kernel
        rm "$image"*.deb
        depmod -b /kernel "$(ls /kernel/lib/modules)"
        cp /kernel/boot/vmlinuz-* /vmlinuz
        apt-get clean' >>"$root.log" 2>&1
    # ganesha looks at what is mounted.
    ln -sf /proc/self/mounts "$root/etc/mtab"
    mkdir -p "$root/export" "$root/var/lib/nfs/ganesha" "$root/run/ganesha"
    touch "$root/finished"
fi

# The initial RAM disk: busybox, the modules that are wanted with what they need, and INIT.
version=$(ls "$root/kernel/lib/modules")
ram=$root/ram
rm -rf "$ram"
mkdir -p "$ram/bin" "$ram/dev" "$ram/proc" "$ram/sys" "$ram/mnt" "$ram/tools" "$ram/tmp" "$ram/etc"
cp "$root/bin/busybox" "$ram/bin/"
for name in $("$root/bin/busybox" --list | grep -v '^busybox$'); do
    ln -sf busybox "$ram/bin/$name"
done
from=$root/kernel/lib/modules/$version to=$ram/lib/modules/$version
for wanted in virtio_pci virtio_net virtio_blk ext4 nfs nfsv4 sch_netem; do
    found=$(grep -E "/$(echo $wanted | sed 's/[-_]/[-_]/g')\.ko:" "$from/modules.dep" || true)
    for module in $(echo "$found" | tr -d ':'); do
        mkdir -p "$to/$(dirname "$module")"
        cp "$from/$module" "$to/$module"
    done
done
cp "$from/modules.order" "$from/modules.builtin" "$from/modules.builtin.modinfo" "$to/"
depmod -b "$ram" "$version" 2>/dev/null || chroot "$root" depmod -b /ram "$version"
cp "$init" "$ram/init"
chmod +x "$ram/init"
(cd "$ram" && find . | ./bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$root/initrd.gz"
rm -rf "$ram"
