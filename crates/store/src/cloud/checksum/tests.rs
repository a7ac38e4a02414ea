use super::*;

async fn header(checksum: Checksum, payload: &Payload) -> (String, String) {
    let computed = checksum.compute(payload, false).await;
    assert_eq!(computed.sha256, None);
    (computed.header.0.to_string(), computed.header.1.to_str().unwrap().to_owned())
}

/// The catalogues' check values, of "123456789".
#[tokio::test]
async fn each_checksum_is_the_one_that_it_is_called() {
    let parts = [Bytes::from_static(b"1234"), Bytes::new(), Bytes::from_static(b"56789")];
    let payload = Payload::from_iter(parts);
    let crc64 = [0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88];
    let expected = ("x-amz-checksum-crc64nvme".to_owned(), BASE64_STANDARD.encode(crc64));
    assert_eq!(header(Checksum::Crc64Nvme, &payload).await, expected);
    let crc32c = BASE64_STANDARD.encode([0xe3, 0x06, 0x92, 0x83]);
    let expected = ("x-goog-hash".to_owned(), format!("crc32c={crc32c}"));
    assert_eq!(header(Checksum::Crc32c, &payload).await, expected);
    let md5 = "JfnnlDI7RTiF9RgfG2JNCw==";
    assert_eq!(header(Checksum::Md5, &payload).await, ("content-md5".to_owned(), md5.to_owned()));
}

#[tokio::test]
async fn the_signatures_hash_is_of_all_pieces_here_and_on_another_thread() {
    for bytes in [3, usize::try_from(BUSY_BYTES_MIN).unwrap() + 1] {
        let whole = Bytes::from(vec![7; bytes]);
        let payload = Payload::from_iter([whole.slice(..2), whole.slice(2..)]);
        let computed = Checksum::Md5.compute(&payload, true).await;
        let expected = ring::digest::digest(&ring::digest::SHA256, &whole);
        assert_eq!(computed.sha256.unwrap().as_slice(), expected.as_ref());
    }
}

#[test]
fn each_service_gets_what_it_verifies() {
    assert_eq!(Checksum::of(Provider::S3, false), Checksum::Crc64Nvme);
    assert_eq!(Checksum::of(Provider::S3, true), Checksum::Md5);
    assert_eq!(Checksum::of(Provider::Gcs, true), Checksum::Crc32c);
    assert_eq!(Checksum::of(Provider::Azure, false), Checksum::Md5);
}
