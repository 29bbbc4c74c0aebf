//! Types that say how bodies of this dialect look, which are read and written field by field. They are never made:
//! handlers name them in their descriptions.

#![allow(dead_code, reason = "they only describe")]

pub(super) mod chats;
pub(super) mod chunks;
pub(super) mod datasets;
pub(super) mod documents;
pub(super) mod sessions;
pub(super) mod system;

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::http::schemas::refusals::RagflowRefusal;

/// Data, or why there are none: both come with the status 200, and `code` tells which it is.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    Data(Data<T>),
    Refusal(RagflowRefusal),
}

/// Data.
#[derive(ToSchema)]
pub(super) struct Data<T> {
    #[schema(minimum = 0, maximum = 0)]
    code: u16,
    /// Something to know, where not all was done.
    message: String,
    data: T,
}

/// Several things, or why there are none.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum ListAnswer<T> {
    Data(List<T>),
    Refusal(RagflowRefusal),
}

/// Several things.
#[derive(ToSchema)]
pub(super) struct List<T> {
    #[schema(minimum = 0, maximum = 0)]
    code: u16,
    message: String,
    data: Vec<T>,
}

/// It was done; or why not.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowDone)]
pub(super) enum Done {
    Done(Nothing),
    Refusal(RagflowRefusal),
}

/// Nothing more to say.
#[derive(ToSchema)]
pub(super) struct Nothing {
    #[schema(minimum = 0, maximum = 0)]
    code: u16,
    message: String,
}

/// How many things it was done to, and what could not be done.
#[derive(ToSchema)]
pub(super) struct Counted {
    success_count: u32,
    errors: Option<Vec<String>>,
}

/// Which things are meant: those of these ids, or all.
#[derive(ToSchema)]
#[schema(example = json!({ "ids": ["0198f0c2a1b97c5e8a6f4d2b1c3e5f70"] }))]
pub(super) struct Meant {
    ids: Option<Vec<String>>,
    /// Whether all are meant.
    delete_all: Option<bool>,
}

/// The same where nothing else may be said.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "ids": ["0198f0c2a1b97c5e8a6f4d2b1c3e5f70"] }))]
pub(super) struct MeantOnly {
    ids: Option<Vec<String>>,
    /// Whether all are meant.
    delete_all: Option<bool>,
}

/// Which page of a list, in which order. What is no number is as if it were not there.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// From 1.
    #[param(minimum = 1)]
    page: Option<u32>,
    #[param(minimum = 1, maximum = 1024, default = 30)]
    page_size: Option<u32>,
    /// `create_time`, `update_time` or `name`.
    #[param(inline)]
    orderby: Option<Order>,
    /// Whether the last comes first; left out: yes.
    desc: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Order {
    CreateTime,
    UpdateTime,
    Name,
}

/// Which of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Named {
    /// Only the one of this id; it is an error when there is none.
    id: Option<String>,
    /// Only the one of this name; it is an error when there is none.
    name: Option<String>,
}

/// Which of a list, by words.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Keywords {
    /// Only those that hold this.
    keywords: Option<String>,
}

/// A filter over metadata.
#[derive(ToSchema)]
pub(super) struct MetadataConditions {
    #[schema(inline)]
    logic: Option<Logic>,
    conditions: Option<Vec<Condition>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Logic {
    And,
    Or,
}

/// One comparison.
#[derive(ToSchema)]
struct Condition {
    /// The field.
    name: String,
    #[schema(inline)]
    comparison_operator: Option<Operator>,
    /// A text, a number, yes or no, or a list of texts.
    value: Option<Value>,
}

/// `is` when it is left out. Signs (`=`, `≥`) are taken, too.
#[derive(ToSchema)]
enum Operator {
    #[schema(rename = "is")]
    Is,
    #[schema(rename = "not is")]
    NotIs,
    #[schema(rename = "=")]
    Equal,
    #[schema(rename = "!=")]
    NotEqual,
    #[schema(rename = ">")]
    Greater,
    #[schema(rename = ">=")]
    GreaterOrEqual,
    #[schema(rename = "<")]
    Less,
    #[schema(rename = "<=")]
    LessOrEqual,
    #[schema(rename = "contains")]
    Contains,
    #[schema(rename = "not contains")]
    NotContains,
    #[schema(rename = "in")]
    In,
    #[schema(rename = "not in")]
    NotIn,
    #[schema(rename = "start with")]
    StartWith,
    #[schema(rename = "end with")]
    EndWith,
    #[schema(rename = "empty")]
    Empty,
    #[schema(rename = "not empty")]
    NotEmpty,
}

/// One text, or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowTextOrTexts)]
pub(super) enum TextOrTexts {
    /// With commas between.
    One(String),
    Several(Vec<String>),
}
