//! Filters over metadata: what they mean, and what they are allowed to be.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{Metadata, MetadataValue, Scalar};

/// Which documents may be found, by their metadata.
///
/// Written for people it is `year >= 2020 and (author contains "Smith" or not tags in ("a", "b"))`, which it is read
/// from by [`FromStr`](std::str::FromStr) and shown as by [`Display`](std::fmt::Display).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetadataFilter {
    /// All of these hold; an empty list holds for every document.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    All(Vec<MetadataFilter>),
    /// At least one of these holds; an empty list holds for none.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    Any(Vec<MetadataFilter>),
    /// This does not hold.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    Not(Box<MetadataFilter>),
    /// One comparison.
    Field(MetadataCondition),
}

/// A comparison of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MetadataCondition {
    /// The field's name, exactly as in the document.
    pub field: String,
    /// How it is compared.
    pub operator: FilterOperator,
    /// What with; nothing for [`Empty`](FilterOperator::Empty) and [`NotEmpty`](FilterOperator::NotEmpty).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<MetadataValue>,
}

/// How a field is compared.
///
/// Values are compared as [`Scalar`]s: without regard to case, numbers as numbers, dates as dates. Where the document
/// or the condition has a list, one pair that fits is enough. A field that a document lacks, and one that is blank,
/// fits nothing; the negative operators hold exactly where the positive ones do not, so they hold for such a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FilterOperator {
    /// The value is this one.
    Equal,
    /// Not [`Equal`](Self::Equal).
    NotEqual,
    /// The value is of the same kind (number, date, text) as this one, and above it.
    Greater,
    /// [`Greater`](Self::Greater) or [`Equal`](Self::Equal).
    GreaterOrEqual,
    /// The value is of the same kind (number, date, text) as this one, and below it.
    Less,
    /// [`Less`](Self::Less) or [`Equal`](Self::Equal).
    LessOrEqual,
    /// The text holds this text. Numbers and dates are searched as they are written.
    Contains,
    /// Not [`Contains`](Self::Contains).
    NotContains,
    /// The value is among these: the same as [`Equal`](Self::Equal).
    In,
    /// Not [`In`](Self::In).
    NotIn,
    /// The text begins with this text.
    StartsWith,
    /// The text ends with this text.
    EndsWith,
    /// The field is absent, a blank text, or a list of nothing but these.
    Empty,
    /// Not [`Empty`](Self::Empty).
    NotEmpty,
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// `not` and parentheses stand in each other more than [`MOST_DEPTH`](MetadataFilter::MOST_DEPTH) times.
    #[error(
        "the filter is nested more than {} times; write it flatter",
        MetadataFilter::MOST_DEPTH
    )]
    TooDeep,
    /// It has more than [`MOST_CONDITIONS`](MetadataFilter::MOST_CONDITIONS) conditions and groups.
    #[error("the filter has more than {} conditions and groups", MetadataFilter::MOST_CONDITIONS)]
    TooLarge,
    /// It compares with more than [`MOST_VALUES`](MetadataFilter::MOST_VALUES) values.
    #[error("the filter has more than {} values", MetadataFilter::MOST_VALUES)]
    TooManyValues,
    /// It looks for more than [`MOST_PARTS`](MetadataFilter::MOST_PARTS) parts of texts.
    #[error("the filter looks for more than {} parts of texts", MetadataFilter::MOST_PARTS)]
    TooManyParts,
    /// It has more than [`MOST_BYTES`](MetadataFilter::MOST_BYTES) bytes of text.
    #[error("the filter has more than {} bytes of text", MetadataFilter::MOST_BYTES)]
    TooLong,
    /// A condition compares with nothing.
    #[error("the condition on `{field}` lacks the value to compare with; `is empty` needs none")]
    NoValue {
        /// The condition's field.
        field: String,
    },
    /// The text is no filter.
    #[error("at character {position}: expected {expected}, found {found}")]
    Syntax {
        /// Which character of the text, from 1.
        position: usize,
        /// What could stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
}

impl MetadataFilter {
    /// How deep filters may be nested.
    pub const MOST_DEPTH: usize = 32;
    /// Conditions and groups that a filter may have altogether.
    pub const MOST_CONDITIONS: usize = 1024;
    /// Values that its conditions may have altogether.
    pub const MOST_VALUES: usize = 16_384;
    /// Texts that it may look for within others (contains, starts with, ends with) altogether: each is tried against
    /// every value that documents have.
    pub const MOST_PARTS: usize = 64;
    /// Bytes of names and texts that a filter may have altogether.
    pub const MOST_BYTES: usize = 1 << 20;

    /// A condition on one field.
    pub fn field(
        field: impl Into<String>,
        operator: FilterOperator,
        value: impl Into<Option<MetadataValue>>,
    ) -> Self {
        Self::Field(MetadataCondition { field: field.into(), operator, value: value.into() })
    }

    /// The names of the fields that it compares, each as often as it stands there.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let mut rest = vec![self];
        std::iter::from_fn(move || {
            loop {
                match rest.pop()? {
                    MetadataFilter::All(filters) | MetadataFilter::Any(filters) => {
                        rest.extend(filters.iter().rev());
                    }
                    MetadataFilter::Not(filter) => rest.push(filter),
                    MetadataFilter::Field(condition) => return Some(condition.field.as_str()),
                }
            }
        })
    }

    /// Whether a document with this metadata may be found. For many documents [prepare](Self::prepare) the filter.
    pub fn matches(&self, metadata: &Metadata) -> bool {
        match self {
            MetadataFilter::All(filters) => filters.iter().all(|filter| filter.matches(metadata)),
            MetadataFilter::Any(filters) => filters.iter().any(|filter| filter.matches(metadata)),
            MetadataFilter::Not(filter) => !filter.matches(metadata),
            MetadataFilter::Field(condition) => condition.prepare().matches(metadata),
        }
    }

    /// Checks that the filter is within bounds and complete.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidFilter> {
        self.prepare().map(drop)
    }

    /// The filter as it is tried against many documents; stores do this first with filters of callers.
    ///
    /// # Errors
    /// When it is too deep, too large or incomplete.
    pub fn prepare(&self) -> Result<PreparedFilter, InvalidFilter> {
        let mut room = Room {
            conditions: Self::MOST_CONDITIONS,
            values: Self::MOST_VALUES,
            parts: Self::MOST_PARTS,
            bytes: Self::MOST_BYTES,
        };
        self.prepare_within(Self::MOST_DEPTH, &mut room)
    }

    fn prepare_within(
        &self,
        depth: usize,
        room: &mut Room,
    ) -> Result<PreparedFilter, InvalidFilter> {
        let depth = depth.checked_sub(1).ok_or(InvalidFilter::TooDeep)?;
        room.conditions = room.conditions.checked_sub(1).ok_or(InvalidFilter::TooLarge)?;
        Ok(match self {
            MetadataFilter::All(filters) => {
                PreparedFilter::All(Self::prepare_all(filters, depth, room)?)
            }
            MetadataFilter::Any(filters) => {
                PreparedFilter::Any(Self::prepare_all(filters, depth, room)?)
            }
            MetadataFilter::Not(filter) => {
                PreparedFilter::Not(Box::new(filter.prepare_within(depth, room)?))
            }
            MetadataFilter::Field(condition) => {
                condition.check(room)?;
                PreparedFilter::Field(condition.prepare())
            }
        })
    }

    fn prepare_all(
        filters: &[Self],
        depth: usize,
        room: &mut Room,
    ) -> Result<Vec<PreparedFilter>, InvalidFilter> {
        filters.iter().map(|filter| filter.prepare_within(depth, room)).collect()
    }
}

/// What a filter may still have.
struct Room {
    conditions: usize,
    values: usize,
    parts: usize,
    bytes: usize,
}

impl Room {
    fn take_text(&mut self, text: &str) -> Result<(), InvalidFilter> {
        self.bytes = self.bytes.checked_sub(text.len()).ok_or(InvalidFilter::TooLong)?;
        Ok(())
    }
}

impl MetadataCondition {
    fn check(&self, room: &mut Room) -> Result<(), InvalidFilter> {
        use FilterOperator::{Contains, Empty, EndsWith, NotContains, NotEmpty, StartsWith};
        room.take_text(&self.field)?;
        let values = match &self.value {
            None if matches!(self.operator, Empty | NotEmpty) => 0,
            None => return Err(InvalidFilter::NoValue { field: self.field.clone() }),
            Some(MetadataValue::Text(text)) => {
                room.take_text(text)?;
                1
            }
            Some(MetadataValue::List(texts)) => {
                texts.iter().try_for_each(|text| room.take_text(text))?;
                texts.len()
            }
            Some(MetadataValue::Bool(_) | MetadataValue::Number(_)) => 1,
        };
        room.values = room.values.checked_sub(values).ok_or(InvalidFilter::TooManyValues)?;
        if matches!(self.operator, Contains | NotContains | StartsWith | EndsWith) {
            room.parts = room.parts.checked_sub(values).ok_or(InvalidFilter::TooManyParts)?;
        }
        Ok(())
    }

    fn prepare(&self) -> PreparedCondition {
        use FilterOperator::{
            Contains, Empty, EndsWith, Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual,
            NotContains, NotEmpty, NotEqual, NotIn, StartsWith,
        };
        let test = match self.operator {
            Empty | NotEmpty => ScalarTest::Present,
            Equal | NotEqual | In | NotIn => ScalarTest::Equal,
            Greater => ScalarTest::Greater,
            GreaterOrEqual => ScalarTest::GreaterOrEqual,
            Less => ScalarTest::Less,
            LessOrEqual => ScalarTest::LessOrEqual,
            Contains | NotContains => ScalarTest::Contains,
            StartsWith => ScalarTest::StartsWith,
            EndsWith => ScalarTest::EndsWith,
        };
        let mut wanted = self.value.as_ref().map(MetadataValue::scalars).unwrap_or_default();
        wanted.sort_unstable();
        wanted.dedup();
        match test {
            ScalarTest::Greater | ScalarTest::GreaterOrEqual => {
                keep_first_of_each_form(&mut wanted)
            }
            ScalarTest::Less | ScalarTest::LessOrEqual => {
                wanted.reverse();
                keep_first_of_each_form(&mut wanted);
                wanted.reverse();
            }
            _ => {}
        }
        let negated = matches!(self.operator, NotEqual | NotContains | NotIn | Empty);
        PreparedCondition { field: self.field.clone(), test, wanted, negated }
    }
}

/// Of values of one form, what is above any of them is above the first.
fn keep_first_of_each_form(wanted: &mut Vec<Scalar>) {
    let mut seen = Vec::new();
    wanted.retain(|scalar| {
        let first = !seen.contains(&scalar.form());
        if first {
            seen.push(scalar.form());
        }
        first
    });
}

/// A [`MetadataFilter`] as it is tried against many documents.
#[derive(Clone, Debug)]
pub enum PreparedFilter {
    /// All of these hold.
    All(Vec<PreparedFilter>),
    /// At least one of these holds.
    Any(Vec<PreparedFilter>),
    /// This does not hold.
    Not(Box<PreparedFilter>),
    /// One comparison.
    Field(PreparedCondition),
}

impl PreparedFilter {
    /// Whether a document with this metadata may be found.
    pub fn matches(&self, metadata: &Metadata) -> bool {
        match self {
            PreparedFilter::All(filters) => filters.iter().all(|filter| filter.matches(metadata)),
            PreparedFilter::Any(filters) => filters.iter().any(|filter| filter.matches(metadata)),
            PreparedFilter::Not(filter) => !filter.matches(metadata),
            PreparedFilter::Field(condition) => condition.matches(metadata),
        }
    }
}

/// A comparison of one field, as it is tried against many documents.
#[derive(Clone, Debug)]
pub struct PreparedCondition {
    /// The field's name.
    pub field: String,
    /// How its scalars are tested: one that passes is enough.
    pub test: ScalarTest,
    /// What they are tested against, ascending, each once, and without those that decide nothing: one that fits is
    /// enough.
    pub wanted: Vec<Scalar>,
    /// Whether the condition holds where no scalar passes, and only there.
    pub negated: bool,
}

/// How a scalar is tested against another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ScalarTest {
    /// There is a scalar, whatever it is tested against.
    Present,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

impl PreparedCondition {
    /// Whether a document with this metadata passes.
    pub fn matches(&self, metadata: &Metadata) -> bool {
        let scalars = metadata.get(&self.field).map(MetadataValue::scalars).unwrap_or_default();
        scalars.iter().any(|scalar| self.admits(scalar)) != self.negated
    }

    /// Whether a scalar passes the test, [negated](Self::negated) or not.
    pub fn admits(&self, found: &Scalar) -> bool {
        if self.test == ScalarTest::Present {
            return true;
        }
        self.wanted.iter().any(|wanted| self.test.passes(found, wanted))
    }
}

impl ScalarTest {
    /// Whether one scalar passes against another one.
    pub fn passes(self, found: &Scalar, wanted: &Scalar) -> bool {
        let order = |test: fn(Ordering) -> bool| found.compare(wanted).is_some_and(test);
        match self {
            ScalarTest::Present => true,
            ScalarTest::Equal => order(Ordering::is_eq),
            ScalarTest::Greater => order(Ordering::is_gt),
            ScalarTest::GreaterOrEqual => order(Ordering::is_ge),
            ScalarTest::Less => order(Ordering::is_lt),
            ScalarTest::LessOrEqual => order(Ordering::is_le),
            ScalarTest::Contains => found.as_str().contains(wanted.as_str()),
            ScalarTest::StartsWith => found.as_str().starts_with(wanted.as_str()),
            ScalarTest::EndsWith => found.as_str().ends_with(wanted.as_str()),
        }
    }
}
