//! Filters over metadata: what they let through, and how they are written and read.

use proptest::prelude::*;
use rag_core::{FilterOperator, InvalidFilter, Metadata, MetadataFilter, MetadataValue};

fn list(texts: &[&str]) -> MetadataValue {
    MetadataValue::List(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn document() -> Metadata {
    let text = |text: &str| MetadataValue::Text(text.into());
    [
        ("author", text("  Ann Smith ")),
        ("year", MetadataValue::Number(2021.0)),
        ("edition", text("3")),
        ("isbn", text("0012")),
        ("published", text("2021-05-04")),
        ("changed", text("2024-02-29T23:30:00-01:00")),
        ("draft", MetadataValue::Bool(true)),
        ("tags", list(&["Tea", " 12 ", "Green Leaves"])),
        ("blank", text(" \t")),
        ("nothing", list(&["", " "])),
        ("状態", text("完了")),
        ("page count", MetadataValue::Number(7.5)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[test]
fn operators_mean_what_they_say() {
    for (filter, expected) in [
        // Texts, in any case.
        ("author = 'ann SMITH'", true),
        ("author = 'ann'", false),
        ("author != 'ann'", true),
        ("author contains smith", true),
        ("author contains ''", false),
        ("author not contains smith", false),
        ("author starts with ANN", true),
        ("author starts with smith", false),
        ("author ends with smith", true),
        ("author > adam", true),
        ("author < bob", true),
        ("状態 = 完了", true),
        // Names of fields as they are.
        ("Author = 'ann smith'", false),
        // Numbers, however they are written.
        ("year = 2021", true),
        ("year = '2021'", true),
        ("year = 2021.0", true),
        ("year > 999", true),
        ("year >= 2021 and year <= 2021", true),
        ("year > 2021 or year < 2021", false),
        ("edition >= 3", true),
        ("edition < 10", true),
        ("isbn = 12", false),
        ("isbn = '0012'", true),
        ("\"page count\" > 7", true),
        ("year contains 02", true),
        ("year in (2020, 2021)", true),
        ("year not in (2020, 2021)", false),
        // Of another kind: neither equal nor in order.
        ("author > 5", false),
        ("author <= 5", false),
        ("author != 5", true),
        ("year < abc", false),
        ("published > 5", false),
        // Dates.
        ("published = 2021-05-04", true),
        ("published < 2021-10-01", true),
        ("published >= 2021-05-04T00:00:00Z", true),
        ("published > 2021-05-04T00:00:00Z", false),
        ("published contains 2021-05", true),
        ("changed = 2024-03-01", true),
        ("changed > 2024-02-29", true),
        ("changed > 2024-03-01", false),
        ("changed <= 2024-03-01", true),
        ("changed = 2024-03-01T00:30:00Z", true),
        // Yes and no.
        ("draft = true", true),
        ("draft = TRUE", true),
        ("draft != false", true),
        // Lists: one that fits is enough.
        ("tags = tea", true),
        ("tags in (coffee, TEA)", true),
        ("tags not in (coffee, tea)", false),
        ("tags not in (coffee, milk)", true),
        ("tags != coffee", true),
        ("tags != tea", false),
        ("tags contains leav", true),
        ("tags starts with green", true),
        ("tags > 11", true),
        ("tags = 12", true),
        ("tags in ()", false),
        ("tags not in ()", true),
        // Absent and blank fields fit nothing.
        ("year > (3000, 2000)", true),
        ("year < (1000, 2022, abc)", true),
        ("changed > (2024-03-01T00:00:00Z, 2024-03-01)", true),
        ("missing = tea", false),
        ("missing != tea", true),
        ("missing > 1", false),
        ("missing <= 1", false),
        ("missing contains tea", false),
        ("missing not contains tea", true),
        ("missing in (tea)", false),
        ("missing not in (tea)", true),
        ("missing is empty", true),
        ("missing is not empty", false),
        ("blank is empty", true),
        ("blank = ' '", false),
        ("blank != ' '", true),
        ("nothing is empty", true),
        ("tags is not empty", true),
        ("draft is empty", false),
        // Groups.
        ("all()", true),
        ("any()", false),
        ("not any()", true),
        ("not not all()", true),
        ("year = 1 and year = 2021 or draft = true", true),
        ("year = 1 and (year = 2021 or draft = true)", false),
        ("NOT year = 1 AND author IS NOT EMPTY", true),
        ("all(year = 2021, any(draft = false, tags = tea))", true),
    ] {
        let parsed: MetadataFilter =
            filter.parse().unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(parsed.matches(&document()), expected, "{filter}");
        let prepared = parsed.prepare().expect("within bounds");
        assert_eq!(prepared.matches(&document()), expected, "{filter}, prepared");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, message) in [
        ("", "at character 1: expected a field, `not` or `(`, found the end"),
        (
            "year",
            "at character 5: expected an operator such as `=`, `contains` or `is empty`, found the end",
        ),
        ("year = ", "at character 8: expected a value, found the end"),
        ("ß = 1 und x = 2", "at character 7: expected `and`, `or` or the end, found `und`"),
        ("(a = 1", "at character 7: expected `and`, `or` or `)`, found the end"),
        ("a = 1)", "at character 6: expected `and`, `or` or the end, found `)`"),
        ("a in (1, 2", "at character 11: expected `,` or `)`, found the end"),
        ("a in (1 2)", "at character 9: expected `,` or `)`, found `2`"),
        ("a is full", "at character 6: expected `empty`, found `full`"),
        ("a not = 3", "at character 7: expected `in` or `contains`, found `=`"),
        ("a starts 'x'", "at character 10: expected `with`, found \"x\""),
        ("a = \"x", "at character 7: expected `\"` after the text, found the end"),
        ("a = ; b", "at character 5: expected a field or a value, found `;`"),
        ("; = 1", "at character 1: expected a field or a value, found `;`"),
        ("all a = 1", "at character 5: expected `(` after `all`, found `a`"),
        ("and = 1", "at character 1: expected a field, `not` or `(`, found `and`"),
    ] {
        let error = text.parse::<MetadataFilter>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn filters_are_bounded() {
    let deep = |levels: usize| format!("{}all(){}", "(".repeat(levels), ")".repeat(levels));
    assert!(deep(50).parse::<MetadataFilter>().is_ok(), "parentheses alone nest nothing");
    for text in [deep(100_000), format!("{}all()", "not ".repeat(100_000)), "all(".repeat(9_000)] {
        assert_eq!(text.parse::<MetadataFilter>(), Err(InvalidFilter::TooDeep));
    }
    let many = format!("x in ({})", "1,".repeat(20_000) + "1");
    assert_eq!(many.parse::<MetadataFilter>(), Err(InvalidFilter::TooManyValues));
    let many = format!("x contains ({})", "1,".repeat(64) + "1");
    assert_eq!(many.parse::<MetadataFilter>(), Err(InvalidFilter::TooManyParts));
    let many = format!("x = 1{}", " or x = 1".repeat(1024));
    assert_eq!(many.parse::<MetadataFilter>(), Err(InvalidFilter::TooLarge));
    let long = format!("x = '{}'", "y".repeat(MetadataFilter::MOST_BYTES));
    assert_eq!(long.parse::<MetadataFilter>(), Err(InvalidFilter::TooLong));
    assert_eq!("x".repeat(1 << 22).parse::<MetadataFilter>(), Err(InvalidFilter::TooLong));

    let nested = |levels| {
        (0..levels).fold(MetadataFilter::All(vec![]), |inner, _| MetadataFilter::Not(inner.into()))
    };
    assert_eq!(nested(MetadataFilter::MOST_DEPTH - 1).check(), Ok(()));
    assert_eq!(nested(MetadataFilter::MOST_DEPTH).check(), Err(InvalidFilter::TooDeep));
    let incomplete = MetadataFilter::field("x", FilterOperator::Equal, None);
    assert_eq!(incomplete.check(), Err(InvalidFilter::NoValue { field: "x".into() }));
}

const OPERATORS: [FilterOperator; 12] = [
    FilterOperator::Equal,
    FilterOperator::NotEqual,
    FilterOperator::Greater,
    FilterOperator::GreaterOrEqual,
    FilterOperator::Less,
    FilterOperator::LessOrEqual,
    FilterOperator::Contains,
    FilterOperator::NotContains,
    FilterOperator::In,
    FilterOperator::NotIn,
    FilterOperator::StartsWith,
    FilterOperator::EndsWith,
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z\"'\\\\() ,=]{0,8}",
        prop::sample::select(vec![
            "and",
            "NOT",
            "in",
            "true",
            "12",
            "all",
            "2026-11-23",
            "is empty"
        ])
        .prop_map(Into::into),
    ]
}

fn value() -> impl Strategy<Value = MetadataValue> {
    prop_oneof![
        any::<bool>().prop_map(MetadataValue::Bool),
        prop::num::f64::NORMAL.prop_map(MetadataValue::Number),
        any::<i32>().prop_map(|number| MetadataValue::Number(f64::from(number) / 8.0)),
        text().prop_map(MetadataValue::Text),
        prop::collection::vec(text(), 0..4).prop_map(MetadataValue::List),
    ]
}

fn filter() -> impl Strategy<Value = MetadataFilter> {
    let compared = (text(), prop::sample::select(OPERATORS.to_vec()), value())
        .prop_map(|(field, operator, value)| MetadataFilter::field(field, operator, value));
    let emptiness = prop::sample::select(vec![FilterOperator::Empty, FilterOperator::NotEmpty]);
    let empty = (text(), emptiness)
        .prop_map(|(field, operator)| MetadataFilter::field(field, operator, None));
    prop_oneof![4 => compared, 1 => empty].prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(MetadataFilter::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(MetadataFilter::Any),
            inner.prop_map(|filter| MetadataFilter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(filter in filter()) {
        let written = filter.to_string();
        prop_assert_eq!(written.parse::<MetadataFilter>(), Ok(filter), "{}", written);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c0-9\"'\\\\(), =<>!\\-]{0,40}| (and|or|not|in|is|all|any)*") {
        if let Ok(filter) = text.parse::<MetadataFilter>() {
            prop_assert_eq!(filter.to_string().parse::<MetadataFilter>(), Ok(filter));
        }
    }

    #[test]
    fn negative_operators_are_the_opposite(value in value(), wanted in value()) {
        let metadata = Metadata::from([("x".to_owned(), value)]);
        let holds = |operator| MetadataFilter::field("x", operator, wanted.clone()).matches(&metadata);
        for (positive, negative) in [
            (FilterOperator::Equal, FilterOperator::NotEqual),
            (FilterOperator::Contains, FilterOperator::NotContains),
            (FilterOperator::In, FilterOperator::NotIn),
            (FilterOperator::Empty, FilterOperator::NotEmpty),
        ] {
            prop_assert_ne!(holds(positive), holds(negative));
        }
    }
}
