//! Packs with parity: what a check says of those that it makes whole, and of those that it does not.

use lifeboat_format::pack::Footer;

use super::*;

/// A tree pack of the first snapshot, of several stripes; its key, bytes and footer.
fn large_tree_pack() -> (Arc<dyn Store>, Repository, String, Vec<u8>, Footer) {
    let (store, repository) = new(1);
    // Names that do not compress.
    let name = |number| lifeboat_testkit::entropy::entropy(number).bytes::<16>().unwrap();
    let files: Vec<(String, u8, usize)> = (0..1500)
        .map(|number| (format!("{:032x}", u128::from_le_bytes(name(number))), 1, 1000))
        .collect();
    let files: Vec<_> =
        files.iter().map(|(path, seed, len)| (path.as_str(), *seed, *len)).collect();
    back_up(&repository, 1, &files);
    let pack = of_commit(&repository, 0, "trees/");
    let bytes = bytes_of(&store, &pack);
    let footer = Footer::parse(&bytes, bytes.len() as u64).unwrap();
    (store, repository, pack, bytes, footer)
}

fn damage(bytes: &[u8], footer: &Footer, stripes: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for stripe in stripes {
        bytes[usize::try_from(footer.stripe_range(stripe).start).unwrap() + 7] ^= 0x20;
    }
    bytes
}

#[test]
fn a_pack_that_its_parity_makes_whole_hits_nobody() {
    let (store, repository, pack, bytes, footer) = large_tree_pack();
    let whole = run(&repository, true).counts;
    let parity = footer.parity_stripes();
    assert!(parity >= 1 && footer.body_stripes() >= 3, "{footer:?}");
    // The preamble, without which nothing opens; then the sealed trailer; then parity itself.
    for stripe in [0, footer.body_stripes() - 1, footer.stripe_count() - 1] {
        replace(&store, &pack, damage(&bytes, &footer, [stripe]));
        let report = run(&repository, true);
        let problem = one_problem(&report);
        assert_eq!(problem.object, pack);
        assert!(problem.what.contains(&format!("stripe {stripe} ")), "{}", problem.what);
        assert!(problem.what.contains("makes it whole again"), "{}", problem.what);
        assert!(!problem.what.contains("hash"), "{}", problem.what);
        assert_eq!(hit(problem), []);
        assert_eq!(report.counts.chunks_verified, whole.chunks_verified);
        assert_eq!(report.counts.entries, whole.entries);
    }
}

/// However it is read, it is whole: no window ends where a stripe of parity does.
#[test]
fn packs_with_parity_are_read_whole_or_in_parts() {
    let (_, repository, pack, bytes, footer) = large_tree_pack();
    assert!(footer.parity_stripes() >= 1 && footer.stripe_size() >= 4096, "{footer:?}");
    for (whole_max, window) in [(32 << 20, 1 << 20), (0, 100_000), (0, 5000), (0, 1000)] {
        let mut checker = pack::PackChecker::new(&repository, whole_max, window);
        let key = pack.parse().unwrap();
        let found = checker.read(key, bytes.len() as u64, |_| Ok(Vec::new())).unwrap();
        assert!(found.problems.is_empty(), "windows of {window}: {found:?}");
    }
}

#[test]
fn one_stripe_too_many_names_them_all_and_whom_it_hits() {
    let (store, repository, pack, bytes, footer) = large_tree_pack();
    let parity = footer.parity_stripes();
    replace(&store, &pack, damage(&bytes, &footer, 0..=parity));
    let report = run(&repository, true);
    let problem = report.problems.iter().find(|problem| problem.object == pack).unwrap();
    for stripe in 0..=parity {
        assert!(problem.what.contains(&format!("stripe {stripe} (bytes ")), "{}", problem.what);
    }
    assert!(problem.what.contains("and it has parity for"), "{}", problem.what);
    assert!(!problem.what.contains("makes it whole"), "{}", problem.what);
    assert!(problem.what.contains("the hash that its name says"), "{}", problem.what);
}
