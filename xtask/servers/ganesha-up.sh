#!/bin/sh
# nfs-ganesha in the machine's chroot, in the foreground; it exports the file system on DISK.
#
# usage: unshare --mount ganesha-up.sh ROOT DISK PORT    (root; DISK is an image within ROOT)
set -eu
root=$1 disk=$2 port=$3
mount --make-rprivate /
mount -o loop "$disk" "$root/export"
mount -t proc proc "$root/proc"
mkdir -p "$root/tmp/ganesha-$port"
cat >"$root/tmp/ganesha-$port/conf" <<CONF
NFS_CORE_PARAM {
    Protocols = 4; NFS_Port = $port; Bind_addr = 127.0.0.1;
    Enable_NLM = false; Enable_RQUOTA = false;
}
NFSV4 { Graceless = true; Minor_Versions = 2; RecoveryBackend = fs; }
EXPORT_DEFAULTS {
    Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 4; Transports = TCP;
}
EXPORT { Export_Id = 1; Path = /export; Pseudo = /exp; FSAL { Name = VFS; } }
LOG { Default_Log_Level = WARN; }
CONF
exec chroot "$root" ganesha.nfsd -F -N NIV_WARN -L "/tmp/ganesha-$port/log" \
    -f "/tmp/ganesha-$port/conf" -p "/tmp/ganesha-$port/pid"
