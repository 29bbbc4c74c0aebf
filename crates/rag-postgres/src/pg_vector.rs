//! Vectors as pgvector takes them.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A `vector`.
#[derive(Clone, Debug)]
pub(crate) struct PgVector(Vec<f32>);

impl PgVector {
    /// A chunk's vector, as it is but for what is no number, which pgvector refuses.
    pub(crate) fn new(numbers: &[f32]) -> Self {
        Self(numbers.iter().map(|n| if n.is_finite() { *n } else { 0.0 }).collect())
    }

    /// A question's vector at length 1; the zero vector, and what holds infinities, as zeros.
    pub(crate) fn normalised(numbers: &[f32]) -> Self {
        let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        let factor = if length.is_normal() { 1.0 / length } else { 0.0 };
        Self(numbers.iter().map(|n| if factor > 0.0 { n * factor } else { 0.0 }).collect())
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.0.len()
    }
}

impl ToSql for PgVector {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u16(u16::try_from(self.0.len())?);
        out.put_u16(0);
        self.0.iter().for_each(|number| out.put_f32(*number));
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        of.name() == "vector"
    }

    to_sql_checked!();
}
