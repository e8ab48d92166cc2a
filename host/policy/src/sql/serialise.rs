//! The serialiser behind [`Node::read`](super::tree::Node::read): structures become nodes under their own names.

use std::fmt::{self, Display};

use serde::ser::{Error, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::tree::{Node, Value};

/// Turns what the parser's types serialise to into [`Value`]. Shapes that those types do not have are errors, so that
/// a change of theirs ends in a refusal and not in a tree with a hole.
pub(super) struct Plain;

/// A shape that the parser's types do not have.
#[derive(Debug)]
pub(super) struct Unexpected;

impl Display for Unexpected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the parse tree has a shape that is not known")
    }
}

impl std::error::Error for Unexpected {}

impl Error for Unexpected {
    fn custom<T: Display>(_: T) -> Self {
        Unexpected
    }
}

/// A list being read.
pub(super) struct Items(Vec<Value>);

impl SerializeSeq for Items {
    type Ok = Value;
    type Error = Unexpected;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unexpected> {
        self.0.push(value.serialize(Plain)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Unexpected> {
        Ok(Value::List(self.0))
    }
}

/// A structure being read.
pub(super) struct Fields(Node);

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Unexpected;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unexpected> {
        self.0.fields.push((key, value.serialize(Plain)?));
        Ok(())
    }

    fn end(mut self) -> Result<Value, Unexpected> {
        // `Node` only wraps one of the kinds. Empty, it is a gap, which is not the same as a field without a value.
        if self.0.kind == "Node" {
            return match self.0.fields.pop() {
                Some((_, Value::Absent)) | None => Ok(Value::Missing),
                Some((_, value)) => Ok(value),
            };
        }
        Ok(Value::Node(self.0))
    }
}

type NoShape = Impossible<Value, Unexpected>;

impl Serializer for Plain {
    type Ok = Value;
    type Error = Unexpected;
    type SerializeSeq = Items;
    type SerializeTuple = NoShape;
    type SerializeTupleStruct = NoShape;
    type SerializeTupleVariant = NoShape;
    type SerializeMap = NoShape;
    type SerializeStruct = Fields;
    type SerializeStructVariant = NoShape;

    fn serialize_bool(self, value: bool) -> Result<Value, Unexpected> {
        Ok(Value::Flag(value))
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Unexpected> {
        Ok(Value::Number(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Unexpected> {
        Ok(Value::Number(value))
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Unexpected> {
        Ok(Value::Number(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Unexpected> {
        i64::try_from(value).map(Value::Number).map_err(|_| Unexpected)
    }

    /// Only costs that the planner works out are fractions; no rule looks at one.
    fn serialize_f64(self, _: f64) -> Result<Value, Unexpected> {
        Ok(Value::Number(0))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Unexpected> {
        Ok(Value::Text(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, Unexpected> {
        Ok(Value::Absent)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Unexpected> {
        value.serialize(Plain)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Unexpected> {
        value.serialize(Plain)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Unexpected> {
        Ok(Items(Vec::with_capacity(length.unwrap_or_default().min(1024))))
    }

    fn serialize_struct(self, kind: &'static str, length: usize) -> Result<Fields, Unexpected> {
        Ok(Fields(Node { kind, fields: Vec::with_capacity(length) }))
    }

    fn serialize_i8(self, _: i8) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_i16(self, _: i16) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_u8(self, _: u8) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_u16(self, _: u16) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_f32(self, _: f32) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_char(self, _: char) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_unit(self) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Value, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_tuple(self, _: usize) -> Result<NoShape, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<NoShape, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NoShape, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<NoShape, Unexpected> {
        Err(Unexpected)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NoShape, Unexpected> {
        Err(Unexpected)
    }
}
