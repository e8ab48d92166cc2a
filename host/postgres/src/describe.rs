//! What a statement takes and returns, and how it is sent so that every column arrives in a form that is known here.
//!
//! tokio-postgres asks for the binary form, which has no meaning here for most types. So the server is asked for the
//! text: a reading statement is put into FROM, and such columns around it become text there. The type's own output
//! function makes it, never a cast, since anybody who may make a type may make a cast that runs code of his.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hostler_policy::sql::ReadKind;
use hostler_world::postgres::Column;
use tokio_postgres::{Row, Statement, types::Type};

use crate::{columns::Kind, pool::held};

/// How long a description is believed. Every answer is held to it; only a column that was added is not seen earlier.
const BELIEVED: Duration = Duration::from_secs(60);
const MOST: usize = 512;
const LONGEST: usize = 16 * 1024;

/// A statement, described.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) columns: Vec<Column>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) parameters: Vec<Type>,
    /// The statement with text in place of what has no form here.
    pub(crate) wrapped: Option<String>,
}

/// Where a statement stands when it is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// `SELECT … FROM (…) AS q`.
    From,
    /// `WITH q AS (…) SELECT … FROM q`, where a changing statement may stand.
    With,
    /// It cannot be wrapped, and has nothing but text.
    Nothing,
}

impl From<ReadKind> for Around {
    fn from(kind: ReadKind) -> Self {
        match kind {
            ReadKind::Select => Self::From,
            ReadKind::Show | ReadKind::Explain => Self::Nothing,
        }
    }
}

impl Described {
    pub(crate) fn new(statement: &Statement, text: &str, around: Around) -> Self {
        let columns = statement.columns();
        let natives: Vec<_> = columns.iter().map(|column| Kind::native(column.type_())).collect();
        let wrapped = (around != Around::Nothing && natives.contains(&None)).then(|| {
            let types: Vec<_> = columns.iter().map(tokio_postgres::Column::type_).collect();
            wrap(text, &types, around)
        });
        Self {
            kinds: natives.into_iter().map(|kind| kind.unwrap_or(Kind::Text)).collect(),
            columns: columns
                .iter()
                .map(|column| Column { name: column.name().into(), type_name: column.type_().name().into() })
                .collect(),
            parameters: statement.params().to_vec(),
            wrapped,
        }
    }

    /// Whether a row is as described.
    pub(crate) fn fits(&self, row: &Row) -> bool {
        row.len() == self.kinds.len()
            && row.columns().iter().zip(&self.kinds).all(|(column, kind)| Kind::native(column.type_()) == Some(*kind))
    }
}

fn wrap(text: &str, types: &[&Type], around: Around) -> String {
    let (mut names, mut values) = (String::new(), String::new());
    for (number, of) in (1..).zip(types) {
        let comma = if number == 1 { "" } else { ", " };
        let _ = write!(names, "{comma}c{number}");
        let _ = match **of {
            _ if Kind::native(of).is_some() => write!(values, "{comma}c{number}"),
            // Their casts to text write a length of prefix that their output leaves out.
            Type::INET => write!(values, "{comma}pg_catalog.textin(pg_catalog.inet_out(c{number}))"),
            Type::CIDR => write!(values, "{comma}pg_catalog.textin(pg_catalog.cidr_out(c{number}))"),
            _ if Type::from_oid(of.oid()).is_some() => write!(values, "{comma}c{number}::pg_catalog.text"),
            _ => write!(
                values,
                "{comma}CASE WHEN c{number} IS NOT DISTINCT FROM NULL THEN NULL \
                 ELSE pg_catalog.format('%s', c{number}) END"
            ),
        };
    }
    match around {
        Around::With => format!("WITH q({names}) AS (\n{text}\n) SELECT {values} FROM q"),
        _ => format!("SELECT {values} FROM (\n{text}\n) AS q({names})"),
    }
}

/// Descriptions of one database's statements.
#[derive(Default)]
pub(crate) struct Descriptions(Mutex<HashMap<String, (Instant, Arc<Described>)>>);

impl Descriptions {
    pub(crate) fn get(&self, text: &str) -> Option<Arc<Described>> {
        let known = held(&self.0);
        known.get(text).filter(|(since, _)| since.elapsed() < BELIEVED).map(|(_, described)| described.clone())
    }

    pub(crate) fn keep(&self, text: &str, described: &Arc<Described>) {
        // Around `SELECT *` a column that is added would be left out without a word.
        let starred = described.wrapped.is_some() && text.replace("(*)", "").contains('*');
        if starred || text.len() > LONGEST {
            return;
        }
        let mut known = held(&self.0);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(text.into(), (Instant::now(), described.clone()));
    }

    pub(crate) fn forget(&self, text: &str) {
        held(&self.0).remove(text);
    }

    /// After a change anything may look different.
    pub(crate) fn clear(&self) {
        held(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Around, Type, wrap};

    #[test]
    fn only_what_has_no_form_becomes_text() {
        assert_eq!(
            wrap("SELECT 1", &[&Type::INT4, &Type::TIMESTAMPTZ, &Type::INET], Around::From),
            "SELECT c1, c2::pg_catalog.text, pg_catalog.textin(pg_catalog.inet_out(c3)) FROM (\nSELECT 1\n) \
             AS q(c1, c2, c3)"
        );
        assert_eq!(
            wrap("DELETE", &[&Type::DATE], Around::With),
            "WITH q(c1) AS (\nDELETE\n) SELECT c1::pg_catalog.text FROM q"
        );
    }
}
