use super::*;

fn entry(uid: u32, user: &str, gid: u32, group: &str) -> Entry {
    let (user, group) = (user.as_bytes().to_vec(), group.as_bytes().to_vec());
    Entry { uid, user, gid, group, ..Entry::default() }
}

fn owners(by: OwnerBy, users: &[(&str, &str)], groups: &[(&str, &str)]) -> Result<Owners> {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    Owners::new(&OwnerOptions { by, users: pairs(users), groups: pairs(groups) })
}

#[test]
fn by_number_or_by_name() {
    let strange = entry(4321, "nobody of that name", 5432, "");
    let root = entry(4321, "root", 5432, "root");
    let numbers = owners(OwnerBy::Number, &[], &[]).unwrap();
    assert_eq!((numbers.of(&root), numbers.of(&strange)), ((4321, 5432), (4321, 5432)));
    let names = owners(OwnerBy::Name, &[], &[]).unwrap();
    for _ in 0..2 {
        assert_eq!((names.of(&root), names.of(&strange)), ((0, 0), (4321, 5432)));
    }
    assert!(names.are_set() && !owners(OwnerBy::None, &[], &[]).unwrap().are_set());
}

#[test]
fn orders_come_first() {
    let users = [("alice", "root"), ("1000", "77")];
    for by in [OwnerBy::Number, OwnerBy::Name] {
        let owners = owners(by, &users, &[("staff", "0")]).unwrap();
        assert_eq!(owners.of(&entry(5, "alice", 6, "staff")), (0, 0));
        assert_eq!(owners.of(&entry(1000, "", 6, "")), (77, 6));
        assert_eq!(owners.of(&entry(1000, "alice", 6, "")), (0, 6));
    }
    let error = owners(OwnerBy::Number, &[("alice", "no such user")], &[]).unwrap_err();
    assert!(error.to_string().contains("no such user"), "{error}");
}
