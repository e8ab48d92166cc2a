//! Calls a check with every kept input of a target, in the ordinary tests.

/// Each file below `fuzz/corpus/TARGET`, and how many there are.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut kept = 0;
    for file in std::fs::read_dir(&corpus).expect("the target has a corpus") {
        let file = file.expect("an input").path();
        eprintln!("{}", file.display());
        check(&std::fs::read(&file).expect("an input"));
        kept += 1;
    }
    assert!(kept >= 3, "{target} has {kept} kept inputs");
}
