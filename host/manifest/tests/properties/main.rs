//! What holds for every manifest, component and setting.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn kept_manifests_are_read_or_refused() {
    replay("manifest", checks::manifest);
}

#[test]
fn kept_components_are_read_or_refused() {
    replay("component", checks::component);
}

#[test]
fn kept_settings_stay_inside_their_bounds() {
    replay("setting", checks::setting);
}

proptest! {
    #[test]
    fn settings_stay_inside_their_bounds(
        kind in prop::sample::select(&["integer", "number", "percent", "duration", "bytes", "text", "range"][..]),
        minimum in -5i32..50, width in 0i32..500, value in "([0-9.e-]{1,5}|\"[0-9.]{1,4}(s|min|kB|GiB|:)?\"|null)",
    ) {
        let text = format!("[plugin]\nname = \"a-b\"\nversion = \"0.1.0\"\nsummary = \"s\"\nlicense = \"MIT\"\nmode = \"check\"\n\
            [settings.a]\ntype = \"{kind}\"\nsummary = \"s\"\nminimum = {minimum}\nmaximum = {}\n==\n{value}", minimum + width);
        checks::setting(text.as_bytes());
    }

    #[test]
    fn bytes_behind_a_component_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        checks::component(&bytes);
        checks::component(&[b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat());
    }
}
