//! Elements of DER, as far as keys and keystores need them: a tag and what is in it.

use x509_parser::asn1_rs::{Any, Class, FromDer};

pub(crate) const INTEGER: u32 = 2;
pub(crate) const BITS: u32 = 3;
pub(crate) const OCTETS: u32 = 4;
pub(crate) const OBJECT: u32 = 6;
const SEQUENCE: u32 = 16;

/// One element: whether its tag is context-specific, the tag, the content.
pub(crate) type Element<'a> = (bool, u32, &'a [u8]);

/// The first element, and what follows it.
pub(crate) fn element(der: &[u8]) -> Option<(&[u8], Element<'_>)> {
    let (rest, any) = Any::from_der(der).ok()?;
    let context = any.header.class() == Class::ContextSpecific;
    Some((rest, (context, any.header.tag().0, any.data)))
}

/// The elements of a SEQUENCE.
pub(crate) fn sequence(der: &[u8]) -> Option<Vec<Element<'_>>> {
    match element(der)?.1 {
        (false, SEQUENCE, content) => members(content),
        _ => None,
    }
}

/// The elements of the content of one.
pub(crate) fn members(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = vec![];
    while !content.is_empty() {
        let (rest, one) = element(content)?;
        elements.push(one);
        content = rest;
    }
    Some(elements)
}

/// The content of an element that has this tag.
pub(crate) fn content<'a>(elements: &[Element<'a>], place: usize, tag: u32) -> Option<&'a [u8]> {
    elements.get(place).filter(|(context, found, _)| !context && *found == tag).map(|(_, _, content)| *content)
}

/// The content of a SEQUENCE among elements, as its elements.
pub(crate) fn inner<'a>(elements: &[Element<'a>], place: usize) -> Option<Vec<Element<'a>>> {
    members(content(elements, place, SEQUENCE)?)
}

/// The content of `[0]` among elements.
pub(crate) fn explicit<'a>(elements: &[Element<'a>], place: usize) -> Option<&'a [u8]> {
    elements.get(place).filter(|(context, tag, _)| *context && *tag == 0).map(|(_, _, content)| *content)
}

/// A small positive number.
pub(crate) fn number(content: &[u8]) -> Option<u32> {
    let digits = content.iter().skip_while(|byte| **byte == 0);
    digits.clone().count().le(&4).then(|| digits.fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
