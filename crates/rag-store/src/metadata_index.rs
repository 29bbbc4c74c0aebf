//! Which documents have which metadata: what filters are answered from.
//!
//! For each field the values in order, and for each value the documents that have it. A filter becomes a few look-ups
//! and operations on sets; only parts of texts (`contains`, `ends with`) are tried against each value that there is.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use memchr::memmem::Finder;
use rag_core::{
    FieldValue, KnownField, Metadata, PreparedCondition, PreparedFilter, Scalar, ScalarTest,
    StoreError, StoreErrorKind,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

use crate::document_set::small;
use crate::documents;

/// What a value takes besides its text, about.
const BYTES_PER_VALUE: usize = 128;
/// What a document takes for each of its values, about.
const BYTES_PER_POSTING: usize = 8;

/// Documents of a value that are gathered one by one; sets of more are joined faster as they are.
const FEW: u64 = 64;

/// A change of what is known of a document that can be found, as it is kept in the database.
#[derive(Clone, Debug)]
pub(crate) struct MetadataChange {
    /// The dataset's number in the database.
    pub(crate) dataset: u32,
    /// Counts changes.
    pub(crate) sequence: u64,
    pub(crate) document: u64,
    /// What was known; `None`: it could not be found.
    pub(crate) before: Option<String>,
    /// What is known; `None`: it cannot be found.
    pub(crate) after: Option<String>,
}

/// The metadata of a dataset's documents.
#[derive(Debug, Default)]
pub(crate) struct MetadataIndex {
    /// The last change that it has seen.
    sequence: u64,
    documents: RoaringBitmap,
    fields: FxHashMap<String, Field>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Field {
    /// Those that have any value.
    documents: RoaringBitmap,
    values: BTreeMap<Scalar, Documents>,
}

/// Mostly a value is of one document, or of very many.
#[derive(Debug)]
enum Documents {
    One(u32),
    Many(RoaringBitmap),
}

impl MetadataIndex {
    /// What is seen with all changes up to `sequence`.
    pub(crate) fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a change into account, unless it has been already.
    pub(crate) fn apply(&mut self, change: &MetadataChange) -> Result<(), StoreError> {
        if change.sequence <= self.sequence {
            return Ok(());
        }
        if let Some(before) = &change.before {
            self.remove(small(change.document)?, &documents::metadata(before)?);
        }
        if let Some(after) = &change.after {
            self.insert(change.document, &documents::metadata(after)?)?;
        }
        self.sequence = change.sequence;
        Ok(())
    }

    pub(crate) fn insert(&mut self, document: u64, metadata: &Metadata) -> Result<(), StoreError> {
        let document = small(document)?;
        self.documents.insert(document);
        self.bytes += BYTES_PER_POSTING;
        for (name, value) in metadata {
            let scalars = value.scalars();
            if scalars.is_empty() {
                continue;
            }
            if !self.fields.contains_key(name) {
                self.bytes += name.len() + BYTES_PER_VALUE;
            }
            let field = self.fields.entry(name.clone()).or_default();
            field.documents.insert(document);
            for scalar in scalars {
                self.bytes += field.insert(scalar, document);
            }
        }
        Ok(())
    }

    fn remove(&mut self, document: u32, metadata: &Metadata) {
        self.documents.remove(document);
        self.bytes = self.bytes.saturating_sub(BYTES_PER_POSTING);
        for (name, value) in metadata {
            let Some(field) = self.fields.get_mut(name) else { continue };
            field.documents.remove(document);
            let freed: usize =
                value.scalars().iter().map(|scalar| field.remove(scalar, document)).sum();
            self.bytes = self.bytes.saturating_sub(freed);
            if field.values.is_empty() {
                self.fields.remove(name);
                self.bytes = self.bytes.saturating_sub(name.len() + BYTES_PER_VALUE);
            }
        }
    }

    /// The fields that documents have, with the values that most of them have.
    pub(crate) fn fields(&self, most_values: usize) -> Vec<KnownField> {
        self.fields.iter().map(|(name, field)| field.summary(name.clone(), most_values)).collect()
    }

    /// The documents that a filter lets through.
    pub(crate) fn passing(&self, filter: &PreparedFilter) -> RoaringBitmap {
        match filter {
            PreparedFilter::All(filters) => {
                let mut passing = self.documents.clone();
                for filter in filters {
                    if passing.is_empty() {
                        break;
                    }
                    passing &= self.passing(filter);
                }
                passing
            }
            PreparedFilter::Any(filters) => {
                filters.iter().fold(RoaringBitmap::new(), |any, filter| any | self.passing(filter))
            }
            PreparedFilter::Not(filter) => &self.documents - self.passing(filter),
            PreparedFilter::Field(condition) => {
                let field = self.fields.get(&condition.field);
                let passing = field.map(|field| field.passing(condition)).unwrap_or_default();
                if condition.negated { &self.documents - passing } else { passing }
            }
        }
    }
}

impl Field {
    /// Bytes that this takes.
    fn insert(&mut self, scalar: Scalar, document: u32) -> usize {
        match self.values.get_mut(&scalar) {
            Some(documents) => documents.insert(document),
            None => {
                let bytes = BYTES_PER_VALUE + scalar.as_str().len();
                self.values.insert(scalar, Documents::One(document));
                bytes
            }
        }
    }

    /// Bytes that this frees.
    fn remove(&mut self, scalar: &Scalar, document: u32) -> usize {
        let Some(documents) = self.values.get_mut(scalar) else { return 0 };
        match documents {
            Documents::Many(many) => {
                let freed = if many.remove(document) { BYTES_PER_POSTING } else { 0 };
                if many.is_empty() {
                    self.values.remove(scalar);
                    return freed + BYTES_PER_VALUE + scalar.as_str().len();
                }
                freed
            }
            Documents::One(only) if *only == document => {
                self.values.remove(scalar);
                BYTES_PER_VALUE + scalar.as_str().len()
            }
            Documents::One(_) => 0,
        }
    }

    fn summary(&self, name: String, most_values: usize) -> KnownField {
        let counted = self.values.iter().map(|(scalar, documents)| (documents.len(), scalar));
        let mut counted: Vec<(u64, &Scalar)> = counted.collect();
        counted.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        counted.truncate(most_values);
        let value = |(documents, scalar): (u64, &Scalar)| FieldValue {
            value: scalar.as_str().to_owned(),
            documents,
        };
        KnownField {
            name,
            documents: self.documents.len(),
            distinct: self.values.len() as u64,
            values: counted.into_iter().map(value).collect(),
        }
    }

    /// The documents of which a scalar passes, whether the condition is negated or not.
    fn passing(&self, condition: &PreparedCondition) -> RoaringBitmap {
        let mut found = Found::default();
        let wanted = condition.wanted.iter();
        match condition.test {
            ScalarTest::Present => return self.documents.clone(),
            ScalarTest::Equal => wanted.for_each(|wanted| self.equal(wanted, &mut found)),
            ScalarTest::Greater => wanted.for_each(|wanted| self.above(wanted, &mut found)),
            ScalarTest::Less => wanted.for_each(|wanted| self.below(wanted, &mut found)),
            ScalarTest::GreaterOrEqual => wanted.for_each(|wanted| {
                self.equal(wanted, &mut found);
                self.above(wanted, &mut found);
            }),
            ScalarTest::LessOrEqual => wanted.for_each(|wanted| {
                self.equal(wanted, &mut found);
                self.below(wanted, &mut found);
            }),
            ScalarTest::StartsWith | ScalarTest::EndsWith => {
                self.admitted(|scalar| condition.admits(scalar), &mut found);
            }
            ScalarTest::Contains => {
                let parts: Vec<Finder<'_>> =
                    wanted.map(|part| Finder::new(part.as_str())).collect();
                let holds = |text: &[u8]| parts.iter().any(|part| part.find(text).is_some());
                self.admitted(|scalar| holds(scalar.as_str().as_bytes()), &mut found);
            }
        }
        found.into_set()
    }

    fn equal(&self, wanted: &Scalar, found: &mut Found) {
        let from = (Bound::Included(wanted.lowest()), Bound::Unbounded);
        let values = self.values.range(from);
        let equal =
            values.take_while(|(scalar, _)| scalar.compare(wanted) == Some(Ordering::Equal));
        equal.for_each(|(_, documents)| found.add(documents));
    }

    fn above(&self, wanted: &Scalar, found: &mut Found) {
        let from = (Bound::Included(wanted.lowest()), Bound::Unbounded);
        let values =
            self.values.range(from).map(|(scalar, documents)| (scalar.compare(wanted), documents));
        let above = values
            .skip_while(|(order, _)| *order == Some(Ordering::Equal))
            .take_while(|(order, _)| *order == Some(Ordering::Greater));
        above.for_each(|(_, documents)| found.add(documents));
    }

    fn below(&self, wanted: &Scalar, found: &mut Found) {
        let to = (Bound::Unbounded, Bound::Excluded(wanted.lowest()));
        let values = self.values.range(to).rev();
        let below = values.take_while(|(scalar, _)| scalar.compare(wanted) == Some(Ordering::Less));
        below.for_each(|(_, documents)| found.add(documents));
    }

    fn admitted(&self, admits: impl Fn(&Scalar) -> bool, found: &mut Found) {
        let admitted = self.values.iter().filter(|(scalar, _)| admits(scalar));
        admitted.for_each(|(_, documents)| found.add(documents));
    }
}

impl Documents {
    fn len(&self) -> u64 {
        match self {
            Documents::One(_) => 1,
            Documents::Many(many) => many.len(),
        }
    }

    /// Bytes that this takes.
    fn insert(&mut self, document: u32) -> usize {
        match self {
            Documents::One(only) if *only == document => 0,
            Documents::One(only) => {
                *self = Documents::Many(RoaringBitmap::from([*only, document]));
                2 * BYTES_PER_POSTING
            }
            Documents::Many(many) => match many.insert(document) {
                true => BYTES_PER_POSTING,
                false => 0,
            },
        }
    }
}

/// Documents gathered value by value.
#[derive(Default)]
struct Found {
    /// Of values that few have, in no order: they become a set at once, which is cheaper than one after another.
    few: Vec<u32>,
    many: RoaringBitmap,
}

impl Found {
    fn add(&mut self, documents: &Documents) {
        match documents {
            Documents::One(document) => self.few.push(*document),
            Documents::Many(documents) if documents.len() <= FEW => self.few.extend(documents),
            Documents::Many(documents) => self.many |= documents,
        }
    }

    fn into_set(mut self) -> RoaringBitmap {
        self.few.sort_unstable();
        self.many | self.few.into_iter().collect::<RoaringBitmap>()
    }
}

/// A dataset has more metadata than the store may keep in memory.
pub(crate) fn too_large() -> StoreError {
    StoreError::new(StoreErrorKind::Full, "the dataset's metadata do not fit in memory")
}
