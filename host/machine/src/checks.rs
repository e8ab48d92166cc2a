//! What holds for every text of the kernel's, whatever is in it: for the tests here, and for the fuzz target `machine`.

use crate::{load, memory, operating_system, processes, sockets};

/// Reads a text as each file of the kernel's, and compares what can be told in two ways.
pub(crate) fn kernel_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(told) = memory::parse(&text, None) {
        assert!(told.swap_used_bytes <= told.swap_total_bytes);
    }
    let _ = load::averages(&text);
    if let Ok((used, most)) = load::files(&text) {
        assert!(text.contains(&most.to_string()), "{used} {most}");
    }
    assert!(load::pressure(&text).is_none_or(|share| !share.is_sign_negative() || text.contains('-')));
    for list in text.lines() {
        assert!(load::count(list).is_none_or(|count| count > 0), "{list}");
    }
    for (_, socket) in sockets::parse(&text, "tcp", "0A") {
        assert!(socket.address.parse::<std::net::IpAddr>().is_ok(), "{socket:?}");
    }
    let _ = operating_system::booted_at(&text);
    for (name, _) in operating_system::fields(&text) {
        assert!(!name.is_empty() && !name.contains(['=', ' ', '\n']), "{name:?}");
    }
    let _ = processes::uid(&text);
    if let Some(unit) = processes::unit(&text) {
        assert!(!unit.contains('/') && text.contains(&unit), "{unit:?}");
    }
    for line in data.split(|byte| *byte == b'\n') {
        assert!(!processes::maps_deleted(line) || line.ends_with(b" (deleted)"));
    }
}

#[cfg(test)]
mod tests {
    use super::kernel_text;

    use crate::replay::replay;

    #[test]
    fn kept_inputs_are_fine() {
        replay("machine", kernel_text);
    }

    #[test]
    fn figures_that_no_machine_has_end_nothing() {
        for text in [
            "0-4294967295,0-4294967295",
            "btime 18446744073709551615\n",
            "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n",
            "0 18446744073709551615 1",
            "  0: 0100007F:FFFFF 00000000:0000 0A",
        ] {
            kernel_text(text.as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_of_the_kernels_ends_the_host(
            lines in proptest::collection::vec(
                "(MemTotal|MemAvailable|SwapTotal|SwapFree): +[0-9]{1,20} kB|some avg10=0 avg60=[-0-9.e]{1,9} total=1\
                 |[0-9]{1,10}-[0-9]{1,10}(,[0-9]{1,10}){0,3}| *[0-9]: [0-9A-F]{8,32}:[0-9A-F]{1,5} 0:0 0A 0 0 0 0 0 [0-9]{1,20}\
                 |btime [0-9]{1,20}|Uid:\t[0-9]{1,12}|[A-Z_]{0,5}=[\"'a-z\\\\]{0,8}|0::(/[a-z.]{0,9}){0,3}\\.service|.{0,40}",
                0..8,
            ),
        ) {
            kernel_text(lines.join("\n").as_bytes());
        }

        #[test]
        fn nor_do_any_bytes(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            kernel_text(&data);
        }
    }
}
