//! Artifacts: kept by what they were made of.

use rag_core::{ArtifactKey, ArtifactKind, ContentHash};

use super::Store;

pub(super) fn are_kept(store: &dyn Store) {
    let key = |kind, hash| ArtifactKey { kind, hash: ContentHash([hash; 32]) };
    let parsed = key(ArtifactKind::Parsed, 1);
    let described = key(ArtifactKind::Description, 1);
    let other = key(ArtifactKind::Parsed, 2);
    let find = |keys: &[ArtifactKey]| store.artifacts(keys).expect("read");
    assert_eq!(find(&[parsed, other]), [None, None]);
    assert_eq!(find(&[]), Vec::<Option<Vec<u8>>>::new());

    store.keep_artifacts(vec![(parsed, b"one".to_vec()), (described, Vec::new())]).expect("kept");
    let kept = || Some(b"one".to_vec());
    assert_eq!(find(&[other, parsed, described, parsed]), [None, kept(), Some(vec![]), kept()]);

    let replaced = vec![0; 100_000];
    store.keep_artifacts(vec![(parsed, b"x".to_vec()), (parsed, replaced.clone())]).expect("kept");
    assert_eq!(find(&[parsed]), [Some(replaced)], "the last one");
    store.keep_artifacts(Vec::new()).expect("nothing");
}
