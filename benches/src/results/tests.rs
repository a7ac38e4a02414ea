use super::replaced;

#[test]
fn a_section_is_added_and_then_replaced_in_its_place() {
    let one = replaced("# Results\n", "speed", "fast");
    let two = replaced(&one, "size", "small");
    let three = replaced(&two, "speed", "faster");
    assert!(one.contains("fast\n"), "{one}");
    assert!(!three.contains("fast\n"), "{three}");
    assert!(three.find("faster").unwrap() < three.find("small").unwrap(), "{three}");
    assert_eq!(replaced(&three, "speed", "fast"), two);
}
