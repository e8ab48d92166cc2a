//! What holds for every path that a plugin may write.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
use hostler_capability as guest;

use proptest::prelude::*;
use replay::replay;

#[test]
fn kept_paths_stay_below_their_directory() {
    replay("paths", checks::paths);
}

proptest! {
    #[test]
    fn paths_stay_below_their_directory(
        request in prop::sample::select(&["/data", "/logs/a", "/logs", "data", "/other", ""][..]),
        names in prop::collection::vec("(/|\\.\\.?|\\\\x2e|\\\\x2f|\\\\x5c|\\\\x00|\\\\xff|a|é|\\\\)", 0..8),
    ) {
        checks::paths(format!("{request}/{}", names.concat()).as_bytes());
    }

    #[test]
    fn any_name_comes_back(name in prop::collection::vec(any::<u8>(), 0..20)) {
        checks::paths(&name);
    }
}
