#!/bin/sh
# Installs Ceph's object gateway with a monitor and a disk daemon in a Debian trixie chroot.
#
# usage: ceph-install.sh FOLDER VERSION    (root; FOLDER becomes the chroot)
#
# The machine's own packages stay as they are. A chroot that was not finished is begun anew.
set -eu
root=$1 version=$2
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep '/debian/*$' | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian}
export DEBIAN_FRONTEND=noninteractive

rm -rf "$root"
mkdir -p "$root"
debootstrap --variant=minbase trixie "$root" "$mirror" >"$root.log" 2>&1 || {
    tail -n 3 "$root.log" >&2
    exit 1
}
# No daemon may start by itself in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/"
install="apt-get install -y -qq --no-install-recommends radosgw ceph-mon ceph-osd ceph-common"
chroot "$root" sh -c "apt-get update -qq && $install && apt-get clean" >>"$root.log" 2>&1 || {
    tail -n 3 "$root.log" >&2
    exit 1
}
found=$(chroot "$root" radosgw --version)
case $found in
*" $version."*) ;;
*)
    echo "this is not Ceph $version: $found" >&2
    exit 1
    ;;
esac
touch "$root/finished"
