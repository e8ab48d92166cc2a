//! One value of a row, and the Rust types it turns into.

/// A value as the host handed it over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL's null.
    Null,
    /// bool.
    Boolean(bool),
    /// int2, int4, int8, oid.
    Int64(i64),
    /// float4, float8.
    Float64(f64),
    /// Text, and every type that has no case of its own, as the server prints it.
    Text(&'a str),
    /// bytea, and text that is not UTF-8.
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// What it is, in words.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "true or false",
            Self::Int64(_) => "a whole number",
            Self::Float64(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A Rust type that a value turns into.
pub trait FromValue<'a>: Sized {
    /// What it wants, in words.
    const EXPECTED: &'static str;

    /// The value, where it fits.
    fn from_value(value: Value<'a>) -> Option<Self>;
}

macro_rules! whole {
    ($($kind:ty)*) => {$(
        impl<'a> FromValue<'a> for $kind {
            const EXPECTED: &'static str = concat!("a whole number (", stringify!($kind), ")");

            fn from_value(value: Value<'a>) -> Option<Self> {
                match value {
                    Value::Int64(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

whole!(i32 i64 u32 u64);

impl<'a> FromValue<'a> for f64 {
    const EXPECTED: &'static str = "a number";

    /// Whole numbers too, and `numeric`, which arrives as text.
    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Float64(number) => Some(number),
            Value::Int64(number) => Some(number as f64),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Boolean(flag) => Some(flag),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a str {
    const EXPECTED: &'static str = "text";

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: Value<'a>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: Value<'a>) -> Option<Self> {
        <&[u8]>::from_value(value).map(<[u8]>::to_vec)
    }
}

impl<'a, T: FromValue<'a>> FromValue<'a> for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
