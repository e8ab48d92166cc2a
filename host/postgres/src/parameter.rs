//! Parameters, as the type that the server inferred for each.
//!
//! Where the value and the type agree it goes in the binary form. Everything else goes as text, which the server reads
//! with the type's own input function: so a text serves for any type, and a whole number for numeric.

use bytes::BytesMut;
use hostler_world::postgres::Parameter;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// A value ready to be sent.
#[derive(Clone, PartialEq)]
pub(crate) enum Encoded {
    Null,
    Text(String),
    Binary(Vec<u8>),
}

/// Values never reach a log.
impl std::fmt::Debug for Encoded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

impl ToSql for Encoded {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Binary(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if matches!(self, Self::Text(_)) { Format::Text } else { Format::Binary }
    }

    tokio_postgres::types::to_sql_checked!();
}

/// All parameters of a statement.
///
/// # Errors
/// Which one does not fit, and what to write.
pub(crate) fn encode(parameters: &[Parameter], types: &[Type]) -> Result<Vec<(Encoded, Type)>, String> {
    if parameters.len() != types.len() {
        return Err(format!("the statement takes {} parameters, and {} were given", types.len(), parameters.len()));
    }
    let pairs = (1..).zip(parameters.iter().zip(types));
    pairs
        .map(|(number, (parameter, of))| match one(parameter, of) {
            Some(encoded) => Ok((encoded, of.clone())),
            None => Err(mismatch(number, parameter, of)),
        })
        .collect()
}

fn one(parameter: &Parameter, of: &Type) -> Option<Encoded> {
    Some(match parameter {
        Parameter::Null => Encoded::Null,
        Parameter::Boolean(value) if *of == Type::BOOL => Encoded::Binary(vec![u8::from(*value)]),
        Parameter::Boolean(value) if is_text(of) => Encoded::Text(value.to_string()),
        Parameter::Boolean(_) => return None,
        Parameter::Int64(value) => whole(*value, of)?,
        Parameter::Float64(value) => number(*value, of)?,
        Parameter::Text(value) if value.contains('\0') => return None,
        Parameter::Text(value) => Encoded::Text(value.clone()),
        Parameter::Bytes(value) if *of == Type::BYTEA => Encoded::Binary(value.clone()),
        Parameter::Bytes(_) => return None,
        Parameter::Int64s(values) => {
            let of = member(of)?;
            let texts = values.iter().map(|value| {
                whole(*value, of)?;
                Some(value.to_string())
            });
            Encoded::Text(format!("{{{}}}", texts.collect::<Option<Vec<_>>>()?.join(",")))
        }
        Parameter::Texts(values) => {
            member(of)?;
            let texts = values.iter().map(|value| match value {
                None => Some("NULL".into()),
                Some(value) if value.contains('\0') => None,
                Some(value) => Some(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))),
            });
            Encoded::Text(format!("{{{}}}", texts.collect::<Option<Vec<String>>>()?.join(",")))
        }
    })
}

/// `None` where the value is outside of the type.
fn whole(value: i64, of: &Type) -> Option<Encoded> {
    Some(match *of {
        Type::INT2 => Encoded::Binary(i16::try_from(value).ok()?.to_be_bytes().into()),
        Type::INT4 => Encoded::Binary(i32::try_from(value).ok()?.to_be_bytes().into()),
        Type::OID => Encoded::Binary(u32::try_from(value).ok()?.to_be_bytes().into()),
        Type::INT8 => Encoded::Binary(value.to_be_bytes().into()),
        Type::BOOL | Type::BYTEA => return None,
        _ => Encoded::Text(value.to_string()),
    })
}

fn number(value: f64, of: &Type) -> Option<Encoded> {
    Some(match *of {
        Type::FLOAT8 => Encoded::Binary(value.to_be_bytes().into()),
        Type::FLOAT4 => {
            #[expect(clippy::cast_possible_truncation, reason = "what it becomes is looked at")]
            let narrow = value as f32;
            if narrow.is_infinite() != value.is_infinite() {
                return None;
            }
            Encoded::Binary(narrow.to_be_bytes().into())
        }
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => {
            // Beyond 2^53 a float is not one whole number but many.
            if value.fract() != 0.0 || value.abs() > 9_007_199_254_740_992.0 {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            whole(value as i64, of)?
        }
        Type::BOOL | Type::BYTEA => return None,
        _ if value.is_infinite() => Encoded::Text(if value > 0.0 { "Infinity" } else { "-Infinity" }.into()),
        _ => Encoded::Text(value.to_string()),
    })
}

fn is_text(of: &Type) -> bool {
    matches!(*of, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN)
}

fn member(of: &Type) -> Option<&Type> {
    match of.kind() {
        Kind::Array(member) => Some(member),
        _ => None,
    }
}

fn mismatch(number: usize, parameter: &Parameter, of: &Type) -> String {
    let (what, instead) = match parameter {
        Parameter::Null => ("null", ""),
        Parameter::Boolean(_) => ("a boolean", ""),
        Parameter::Int64(_) => ("a whole number that is not in its range", ""),
        Parameter::Float64(_) => ("a number that is not in its range", ""),
        Parameter::Text(_) => ("a text with a zero byte", "; PostgreSQL keeps none"),
        Parameter::Bytes(_) => ("bytes", "; send a text, or write $1::pg_catalog.bytea"),
        Parameter::Int64s(_) | Parameter::Texts(_) => {
            ("a list that does not fit", "; write = ANY($1), or $1::pg_catalog.text[]")
        }
    };
    let instead = instead.replace("$1", &format!("${number}"));
    format!("parameter ${number} is {what}, and the server takes it for {}{instead}", of.name())
}

#[cfg(test)]
mod tests {
    use super::{Encoded, Parameter, Type, encode};

    fn one(parameter: Parameter, of: Type) -> Result<Encoded, String> {
        encode(&[parameter], &[of]).map(|mut encoded| encoded.remove(0).0)
    }

    fn text(text: &str) -> Result<Encoded, String> {
        Ok(Encoded::Text(text.into()))
    }

    #[test]
    fn each_value_as_the_type_that_was_inferred() {
        assert_eq!(one(Parameter::Int64(-2), Type::INT2), Ok(Encoded::Binary(vec![255, 254])));
        assert_eq!(one(Parameter::Int64(7), Type::NUMERIC), text("7"));
        assert_eq!(one(Parameter::Float64(f64::NAN), Type::NUMERIC), text("NaN"));
        assert_eq!(one(Parameter::Float64(3.0), Type::INT4), Ok(Encoded::Binary(vec![0, 0, 0, 3])));
        assert_eq!(one(Parameter::Text("2020-01-01".into()), Type::TIMESTAMPTZ), text("2020-01-01"));
        assert_eq!(one(Parameter::Int64s(vec![1, -2]), Type::INT8_ARRAY), text("{1,-2}"));
        let texts = vec![Some("a\"b\\".into()), None, Some(String::new())];
        assert_eq!(one(Parameter::Texts(texts), Type::NAME_ARRAY), text(r#"{"a\"b\\",NULL,""}"#));
    }

    #[test]
    fn what_does_not_fit_is_said_and_never_sent() {
        for (parameter, of, words) in [
            (Parameter::Int64(40_000), Type::INT2, "range"),
            (Parameter::Int64(-1), Type::OID, "range"),
            (Parameter::Float64(1e300), Type::FLOAT4, "range"),
            (Parameter::Float64(0.5), Type::INT8, "range"),
            (Parameter::Boolean(true), Type::INT4, "boolean"),
            (Parameter::Bytes(vec![1]), Type::TEXT, "bytea"),
            (Parameter::Text("a\0".into()), Type::TEXT, "zero byte"),
            (Parameter::Int64s(vec![1 << 40]), Type::INT4_ARRAY, "list"),
            (Parameter::Texts(vec![]), Type::TEXT, "ANY($1)"),
        ] {
            let problem = one(parameter, of).expect_err("it does not fit");
            assert!(problem.starts_with("parameter $1 is") && problem.contains(words), "{problem}");
        }
        assert!(encode(&[], &[Type::INT4]).expect_err("one is missing").contains("takes 1 parameters, and 0"));
    }
}
