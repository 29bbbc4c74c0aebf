//! `GET /api/v2/usage`, `…/latency` and `…/records`: what the tenant's model calls consumed, and how long they took.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use llm_usage::{Dimension, Filter, Latencies, MOST_RECORDS, Page, Sums, Totals};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::app::App;
use crate::http::schemas::native;
use crate::http::schemas::native::{RecordsAsked, SumsAsked};
use crate::http::schemas::refusals::{Invalid, Missing};
use crate::usage::Usage;

/// Records on a page, unless asked for otherwise.
const PAGE: usize = 100;

/// Which records are meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
    after: Option<i64>,
    limit: Option<usize>,
    key: Option<String>,
    route: Option<String>,
    model: Option<String>,
    operation: Option<String>,
    outcome: Option<String>,
}

impl Asked {
    /// The tenant's records that are meant.
    fn filter(&self, tenant: &str) -> Result<Filter, Problem> {
        Ok(Filter {
            tenant: Some(tenant.to_owned()),
            key: self.key.clone(),
            route: self.route.clone(),
            model: self.model.clone(),
            operation: self.operation.clone(),
            outcome: self.outcome.clone(),
            from: moment("from", self.from.as_deref())?,
            to: moment("to", self.to.as_deref())?,
        })
    }

    fn dimensions(&self) -> Result<Vec<Dimension>, Problem> {
        let names = self.group_by.as_deref().unwrap_or_default();
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| {
                name.parse().map_err(|error| Problem::invalid(format!("`group_by`: {error}")))
            })
            .collect()
    }

    fn refuse(&self, present: bool, name: &str) -> Result<(), Problem> {
        match present {
            true => Err(Problem::invalid(format!("`{name}` has no meaning at this address"))),
            false => Ok(()),
        }
    }
}

/// Sums, by whatever is asked for.
#[utoipa::path(
    get,
    path = "/api/v2/usage",
    params(SumsAsked),
    responses((status = 200, description = "What was asked for", body = native::UsageSums), Invalid, Missing),
)]
pub(super) async fn sums(
    app: App,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (usage, asked) = (usage(&app)?, read(asked)?);
    asked.refuse(asked.after.is_some(), "after")?;
    asked.refuse(asked.limit.is_some(), "limit")?;
    let (filter, by) = (asked.filter(app.tenant().as_str())?, asked.dimensions()?);
    let sums: Sums = usage
        .read(move |store| store.sums(&filter, &by))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let mut total = Totals::default();
    sums.groups.iter().for_each(|group| total += &group.totals);
    Ok(Json(json!({ "groups": sums.groups, "total": total, "complete": sums.complete })))
}

/// How long calls took, by whatever is asked for; those that a model answered, unless `outcome` says otherwise.
#[utoipa::path(
    get,
    path = "/api/v2/usage/latency",
    params(SumsAsked),
    responses((status = 200, description = "What was asked for", body = Value), Invalid, Missing),
)]
pub(super) async fn latency(
    app: App,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Latencies>, Problem> {
    let (usage, asked) = (usage(&app)?, read(asked)?);
    asked.refuse(asked.after.is_some(), "after")?;
    asked.refuse(asked.limit.is_some(), "limit")?;
    let (mut filter, by) = (asked.filter(app.tenant().as_str())?, asked.dimensions()?);
    filter.outcome.get_or_insert_with(|| "completed".to_owned());
    let told = usage.read(move |store| store.latencies(&filter, &by)).await;
    told.map(Json).map_err(|error| Problem::internal(&error))
}

/// Records one by one.
#[utoipa::path(
    get,
    path = "/api/v2/usage/records",
    params(RecordsAsked),
    responses((status = 200, description = "What was asked for", body = Page), Invalid, Missing),
)]
pub(super) async fn records(
    app: App,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let (usage, asked) = (usage(&app)?, read(asked)?);
    asked.refuse(asked.group_by.is_some(), "group_by")?;
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=MOST_RECORDS).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` lies between 1 and {MOST_RECORDS}")));
    }
    let (filter, after) = (asked.filter(app.tenant().as_str())?, asked.after);
    let page = usage.read(move |store| store.page(&filter, after, limit)).await;
    page.map(Json).map_err(|error| Problem::internal(&error))
}

fn usage(app: &App) -> Result<Usage, Problem> {
    app.usage.clone().ok_or_else(|| {
        Problem::not_found("usage is not recorded; set `enabled = true` under [usage]")
    })
}

fn read(asked: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    asked.map(|Query(asked)| asked).map_err(|rejection| Problem::invalid(rejection.body_text()))
}

/// A time of RFC 3339, or the beginning of a day in UTC.
fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-22".len())?;
        day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
    });
    moment.map(Some).ok_or_else(|| {
        let example = "write a day (2026-11-22) or a time (2026-11-22T10:00:00Z)";
        Problem::invalid(format!("`{name}` is no time; {example}"))
    })
}
