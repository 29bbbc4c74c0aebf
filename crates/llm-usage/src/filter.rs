//! [`Filter`]: which records are meant.

use jiff::Timestamp;
use rusqlite::types::Value;

/// Which records are meant; `None` is any. Text compares exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant. Whoever answers tenants sets it: it is all that keeps them apart.
    pub tenant: Option<String>,
    /// Made with this API key.
    pub key: Option<String>,
    /// Asked for by this name.
    pub route: Option<String>,
    /// Answered by this model, `provider/model`.
    pub model: Option<String>,
    /// Which did this.
    pub operation: Option<String>,
    /// Which ended so: `completed`, `cached`, `failed`, `refused`, `cancelled`.
    pub outcome: Option<String>,
    /// Begun at this moment or later.
    pub from: Option<Timestamp>,
    /// Begun before this moment.
    pub to: Option<Timestamp>,
}

impl Filter {
    /// The condition, with `?` for each of the values.
    pub(crate) fn sql(&self) -> (String, Vec<Value>) {
        let text = |value: &Option<String>| value.clone().map(Value::Text);
        let time =
            |value: Option<Timestamp>| value.map(|time| Value::Integer(time.as_millisecond()));
        let conditions = [
            ("tenant = ?", text(&self.tenant)),
            ("key = ?", text(&self.key)),
            ("route = ?", text(&self.route)),
            ("provider || '/' || model = ?", text(&self.model)),
            ("operation = ?", text(&self.operation)),
            ("outcome = ?", text(&self.outcome)),
            ("started >= ?", time(self.from)),
            ("started < ?", time(self.to)),
        ];
        let (mut sql, mut values) = (String::from("1"), Vec::new());
        for (condition, value) in conditions {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        }
        (sql, values)
    }
}
