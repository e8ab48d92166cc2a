//! What holds for every input, as functions of bytes: the tests here call them with made and with kept inputs, and the
//! fuzzing targets in fuzz/ with those that it finds.

pub mod endpoint;
pub mod program;
pub mod redis;
pub mod sql;
