#!/bin/sh
# One monitor, one disk daemon that keeps objects in memory, and two object gateways over them.
#
# usage: unshare --mount ceph-up.sh ROOT OUT MON2 MON1 PORT MORTAL    (root)
#
# ROOT is the chroot, OUT a folder, the others are ports on loopback. The second gateway, on MORTAL,
# is there to be killed: it is started again whenever it ends; its process id is in OUT/mortal.pid. The state is on a file system in memory
# that nobody but these processes sees, and that ends with them. Users (key and secret alike):
# `test`, whose buckets they are, and `writer`, who may do what a bucket's policy says.
set -eu
root=$1 out=$2 mon2=$3 mon1=$4 port=$5 mortal=$6
id=$(cat /proc/sys/kernel/random/uuid)
mount --make-rprivate /
mkdir -p "$root/state" "$root/out" "$root/proc"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/state"
mount --bind "$out" "$root/out"
for folder in mon osd a b run; do mkdir "$root/state/$folder"; done
cat >"$root/state/ceph.conf" <<CONF
[global]
fsid = $id
mon_host = [v2:127.0.0.1:$mon2,v1:127.0.0.1:$mon1]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = /state/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_objectstore = memstore
memstore_device_bytes = 3221225472
osd_memory_target = 939524096
run_dir = /state/run
log_file = /state/\$name.log
admin_socket = /state/run/\$name.asok
[mon.a]
mon_data = /state/mon
[osd.0]
osd_data = /state/osd
keyring = /state/osd/keyring
[client.a]
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_data = /state/a
[client.b]
rgw_frontends = beast endpoint=127.0.0.1:$mortal
rgw_data = /state/b
CONF
export CEPH_CONF=/state/ceph.conf
exec chroot "$root" sh -euc '
    id=$1 mon2=$2 mon1=$3
    within() { # seconds, command...
        left=$(($1 * 5))
        shift
        until timeout 10 "$@" >/dev/null 2>&1; do
            left=$((left - 1))
            [ $left -gt 0 ] || { echo "this never worked: $*" >&2; exit 1; }
            sleep 0.2
        done
    }
    monmaptool --create --clobber --fsid "$id" \
        --addv a "[v2:127.0.0.1:$mon2,v1:127.0.0.1:$mon1]" /state/monmap
    ceph-authtool --create-keyring /state/mon.keyring --gen-key -n mon. --cap mon "allow *"
    ceph-authtool --create-keyring /state/keyring --gen-key -n client.admin \
        --cap mon "allow *" --cap osd "allow *" --cap mgr "allow *"
    for name in a b; do
        ceph-authtool /state/keyring --gen-key -n client.$name --cap mon "allow rw" \
            --cap osd "allow rwx"
    done
    ceph-authtool /state/mon.keyring --import-keyring /state/keyring
    ceph-mon --mkfs -i a --monmap /state/monmap --keyring /state/mon.keyring
    ceph-mon -f -i a --keyring /state/mon.keyring &
    within 30 ceph -s
    uuid=$(cat /proc/sys/kernel/random/uuid)
    key=$(ceph-authtool --gen-print-key)
    echo "{\"cephx_secret\": \"$key\"}" | ceph osd new "$uuid" -i -
    ceph-authtool --create-keyring /state/osd/keyring -n osd.0 --add-key "$key"
    ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
    ceph-osd -f -i 0 &
    within 60 sh -c "ceph osd stat | grep -q \"1 up\""
    for user in test writer; do
        radosgw-admin -n client.a user create --uid=$user --display-name=$user \
            --access-key=$user --secret=$user
    done
    radosgw -f -n client.a &
    while :; do
        radosgw -f -n client.b &
        echo $! >/out/mortal.pid
        wait $! || true
        sleep 0.5
    done
' up "$id" "$mon2" "$mon1"
