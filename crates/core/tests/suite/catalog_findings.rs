//! What verifications found is kept by entry and volume, replaced, paged through and forgotten.

use crate::common;

use common::query::volume;
use common::{Lab, Run};
use multivolumecopy_core::catalog::findings::Found;
use multivolumecopy_core::format::verify::{CheckKind, Word};

#[test]
fn findings_are_kept_replaced_paged_and_cleared() {
    let lab = Lab::new();
    for name in ["a", "b", "dir/c"] {
        lab.file(name, b"x");
    }
    lab.run(&Run::default());
    let catalog = lab.catalog();
    catalog.put_volume(&volume(1)).unwrap();
    let found = |path: &[u8], word, errno| Found {
        key: catalog.find(path, false).unwrap().unwrap(),
        word,
        errno,
        checked: 7,
    };
    let (a, c) = (
        found(b"a", Word::Corrupt, None),
        found(b"dir/c", Word::Unreadable, Some(5)),
    );
    for one in [&found(b"a", Word::Missing, None), &c, &a] {
        catalog.record_finding(1, one).unwrap();
    }
    catalog.record_finding(2, &c).unwrap();
    assert_eq!(
        catalog.findings(1, None, 9).unwrap(),
        [a.clone(), c.clone()]
    );
    assert_eq!(
        catalog.findings(1, None, 1).unwrap(),
        std::slice::from_ref(&a)
    );
    assert_eq!(
        catalog.findings(1, Some(&a.key), 9).unwrap(),
        std::slice::from_ref(&c)
    );
    catalog.clear_finding(1, &a.key).unwrap();
    assert_eq!(catalog.count_findings(1).unwrap(), 1);
    catalog.clear_findings(1).unwrap();
    assert_eq!(catalog.findings(1, None, 9).unwrap(), []);
    assert_eq!(catalog.findings(2, None, 9).unwrap(), [c]);
    let before = catalog.revision().unwrap();
    catalog
        .note_verified(1, 8, CheckKind::Remounted, 2)
        .unwrap();
    let v = catalog.volume(1).unwrap().unwrap();
    assert_eq!(
        (v.verified, &v.verified_kind[..], v.verified_bad),
        (8, "remounted", 2)
    );
    assert!(catalog.revision().unwrap() > before);
}
