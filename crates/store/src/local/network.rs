//! Whether a directory is on a network file system, where a client's caches and lost answers count.
//!
//! Knows the system's numbers of file systems. What FUSE is behind it does not tell, and may be far
//! away: it is taken for a network.

use std::os::fd::AsFd;

use rustix::fs::fstatfs;
use rustix::io::Errno;

/// The types, from `linux/magic.h` and the sources of those that are not in it.
const NETWORK: [(u32, &str); 17] = [
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9p"),
    (0x0bd0_0bd0, "Lustre"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0xaad7_aaea, "PanFS"),
    (0x1983_0326, "BeeGFS"),
    (0x2003_0528, "OrangeFS"),
];

/// The name of the network file system that `directory` is on; `None` on any other.
pub(super) fn network_of(directory: impl AsFd) -> Result<Option<&'static str>, Errno> {
    Ok(name_of(fstatfs(directory)?.f_type))
}

/// The type's width and sign differ between processors; all numbers fit into 32 bits.
fn name_of(f_type: impl TryInto<i64>) -> Option<&'static str> {
    let number = f_type.try_into().ok()?.rem_euclid(1 << 32);
    NETWORK.iter().find(|(known, _)| i64::from(*known) == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(name_of(0x6969_i64), Some("NFS"));
        assert_eq!(name_of(0xfe53_4d42_i64), Some("SMB"));
        // As a processor of 32 bits says it.
        assert_eq!(name_of(-28_095_166_i64), Some("SMB"));
        assert_eq!(name_of(0xef53_i64), None);
    }
}
