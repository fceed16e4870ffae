use super::*;

#[test]
fn ranges_are_read_strictly() {
    let range = |first, last, size| Some(ContentRange { first, last, size });
    assert_eq!(content_range("bytes 200-1023/1024"), range(200, 1023, Some(1024)));
    assert_eq!(content_range("bytes 0-0/*"), range(0, 0, None));
    for nonsense in [
        "",
        "bytes",
        "bytes */1024",
        "items 0-1/2",
        "bytes 5-4/10",
        "bytes 0-10/10",
        "bytes -1-2/3",
        "bytes 0-1/",
        "bytes 0-18446744073709551615/*",
    ] {
        assert_eq!(content_range(nonsense), None, "{nonsense}");
    }
}
