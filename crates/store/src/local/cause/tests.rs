use super::*;

fn kind(place: Place, errno: Errno) -> ErrorKind {
    explain("put", "packs/x", Path::new("/srv/packs/x"), place, errno).kind()
}

#[test]
fn every_number_has_its_kind() {
    let same = [
        (Errno::NOENT, ErrorKind::NotFound),
        (Errno::NOTDIR, ErrorKind::NotFound),
        (Errno::ISDIR, ErrorKind::NotFound),
        (Errno::EXIST, ErrorKind::AlreadyExists),
        (Errno::NOSPC, ErrorKind::NoSpace),
        (Errno::DQUOT, ErrorKind::NoSpace),
        (Errno::FBIG, ErrorKind::NoSpace),
        (Errno::ACCESS, ErrorKind::Denied),
        (Errno::PERM, ErrorKind::Denied),
        (Errno::ROFS, ErrorKind::Denied),
        (Errno::KEYEXPIRED, ErrorKind::Denied),
        (Errno::STALE, ErrorKind::Unavailable),
        (Errno::TIMEDOUT, ErrorKind::Unavailable),
        (Errno::NOTCONN, ErrorKind::Unavailable),
        (Errno::MFILE, ErrorKind::Unavailable),
        (Errno::AGAIN, ErrorKind::Unavailable),
        (Errno::NAMETOOLONG, ErrorKind::Invalid),
        (Errno::LOOP, ErrorKind::Invalid),
        (Errno::XDEV, ErrorKind::Unsupported),
        (Errno::UCLEAN, ErrorKind::Other),
        (Errno::PROTO, ErrorKind::Other),
    ];
    for (errno, expected) in same {
        for place in [Place::Disk, Place::Network] {
            assert_eq!(kind(place, errno), expected, "{errno} on {place:?}");
        }
    }
    // Waiting does not mend a disk, but it may bring a server back.
    assert_eq!(kind(Place::Disk, Errno::IO), ErrorKind::Other);
    assert_eq!(kind(Place::Network, Errno::IO), ErrorKind::Unavailable);
}

#[test]
fn what_could_not_be_made_durable_is_never_tried_again() {
    let errnos = [Errno::IO, Errno::STALE, Errno::TIMEDOUT, Errno::NOMEM, Errno::NOENT];
    for place in [Place::Disk, Place::Network] {
        for errno in errnos {
            let error = explain_sync("sync", "x", Path::new("/srv/x"), place, errno);
            assert_eq!(error.kind(), ErrorKind::Other, "{errno}");
        }
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            let error = explain_sync("sync", "x", Path::new("/srv/x"), place, errno);
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{errno}");
        }
    }
}

#[test]
fn the_text_names_the_path_the_cause_and_what_to_do() {
    let error = explain("put", "packs/x", Path::new("/srv/packs/x"), Place::Disk, Errno::DQUOT);
    let text = error.to_string();
    assert!(text.contains("/srv/packs/x") && text.contains("quota"), "{text}");
    assert!(text.contains("run again"), "{text}");
}
