//! The capability against a real server, without WebAssembly.

/// The contract's errors are generated and cannot be compared: what they print can.
macro_rules! assert_same {
    ($left:expr, $right:expr $(, $($words:tt)+)?) => {{
        let (left, right) = ($left, $right);
        assert!(crate::context::same(&left, &right), "{left:?} is not {right:?}");
    }};
}

mod changing;
mod connecting;
mod context;
mod encrypting;
mod examining;
mod holding;
mod locking;
mod reading;
mod server;
mod together;
