use super::*;

#[test]
fn a_page_is_read_in_its_order_with_markers_and_odd_names() {
    let page = r#"<?xml version="1.0"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>a b/</Prefix>
<KeyMarker></KeyMarker><IsTruncated>true</IsTruncated><NextKeyMarker>a b/log/0</NextKeyMarker>
<NextVersionIdMarker>v/1</NextVersionIdMarker>
<DeleteMarker><Key>a b/config</Key><VersionId>m</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-20T12:00:01.000Z</LastModified><Owner><ID>x</ID></Owner></DeleteMarker>
<Version><Key>a b/config</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>
<LastModified>2026-11-20T12:00:00Z</LastModified><ETag>&quot;1&quot;</ETag><Size>7</Size></Version>
<Version><Key>a b/log/&amp;0</Key><VersionId>v/1</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-20T12:00:00Z</LastModified><Size>12</Size></Version></ListVersionsResult>"#;
    let page = Listing::parse(page.as_bytes()).unwrap().page("a b/").unwrap();
    let told: Vec<_> = page
        .versions
        .iter()
        .map(|version| {
            (&*version.key, &*version.id, version.is_marker, version.is_latest, version.size)
        })
        .collect();
    let expected = [
        ("config", "m", true, true, 0),
        ("config", "null", false, false, 7),
        ("log/&0", "v/1", false, true, 12),
    ];
    assert_eq!(told, expected);
    assert_eq!(page.next, Some(VersionMark { key: "log/0".to_owned(), id: "v/1".to_owned() }));
    assert!(page.versions[0].modified > page.versions[1].modified);
}

#[test]
fn what_is_no_page_is_not_understood() {
    assert!(
        Listing::parse(b"<ListVersionsResult><Version>")
            .and_then(|listing| listing.page(""))
            .is_none_or(|page| page.versions.is_empty())
    );
    let other = "<ListVersionsResult><Version><Key>other/x</Key><VersionId>1</VersionId><Size>1</Size>\
                 <LastModified>2026-11-20T12:00:00Z</LastModified></Version></ListVersionsResult>";
    assert_eq!(Listing::parse(other.as_bytes()).unwrap().page("mine/"), None);
}
