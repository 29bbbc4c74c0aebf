//! [`Database`]: tables that are asked in SQL.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use crate::{Answer, Table, TableError};

/// Rows of an answer, and bytes of their cells, that are given.
const MOST_ROWS: usize = 200;
const MOST_BYTES: usize = 16 << 10;

/// How long a query may take.
const MOST_TIME: Duration = Duration::from_secs(2);

/// Steps of the engine between two looks at the clock.
const STEPS: i32 = 10_000;

/// Columns of a table that are taken; the engine's own limit is 2,000.
const MOST_COLUMNS: usize = 256;

/// Rows of each table that its description shows.
const SHOWN_ROWS: usize = 3;
const SHOWN_CELL: usize = 40;

/// Functions that a query may use: none reads files, loads code or makes large values.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "ceiling",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "date",
    "datetime",
    "dense_rank",
    "first_value",
    "floor",
    "glob",
    "group_concat",
    "ifnull",
    "iif",
    "instr",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "time",
    "total",
    "trim",
    "trunc",
    "typeof",
    "upper",
];

/// Tables in memory that can be read and not changed. Queries wait for each other.
pub struct Database {
    connection: Mutex<Connection>,
    /// When the query under way must end.
    until: Arc<Mutex<Option<Instant>>>,
    schema: String,
    documents: Vec<String>,
}

impl Database {
    /// A database of these tables. Names of tables and columns are made unique, without regard to case; a column of
    /// numbers compares as numbers, and blank cells are `NULL`.
    ///
    /// # Errors
    /// [`TableError::Engine`].
    pub fn new(tables: Vec<Table>) -> Result<Self, TableError> {
        let mut connection = Connection::open_in_memory().map_err(TableError::Engine)?;
        let mut schema = String::new();
        let mut names = HashSet::new();
        let mut documents: Vec<String> = Vec::new();
        for table in tables {
            let loaded = Loaded::of(table, &mut names);
            loaded.insert(&mut connection).map_err(TableError::Engine)?;
            loaded.describe(&mut schema);
            documents.extend(loaded.table.documents);
        }
        documents.sort();
        documents.dedup();
        let until = Arc::new(Mutex::new(None));
        lock_down(&mut connection, until.clone()).map_err(TableError::Engine)?;
        Ok(Self { connection: Mutex::new(connection), until, schema, documents })
    }

    /// What tables there are: a `CREATE TABLE` for each, with some rows as comments.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The names of the documents whose rows are in it, in order.
    pub fn documents(&self) -> &[String] {
        &self.documents
    }

    /// What one `SELECT` gives: at most 200 rows and 16 KiB, within two seconds.
    ///
    /// # Errors
    /// [`TableError::Sql`] for SQL that is wrong, does something else than to read these tables, or takes too long.
    pub fn query(&self, sql: &str) -> Result<Answer, TableError> {
        // From before the wait for others: however many come, all have their answer, or none, within this time.
        let until = Instant::now() + MOST_TIME;
        let connection = lock(&self.connection);
        *lock(&self.until) = Some(until);
        let answer = ask(&connection, sql.trim().trim_end_matches(';'));
        *lock(&self.until) = None;
        answer.map_err(|error| TableError::Sql(explained(&error)))
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("documents", &self.documents).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on nothing can be written, made or attached, and nothing takes long.
fn lock_down(
    connection: &mut Connection,
    until: Arc<Mutex<Option<Instant>>>,
) -> rusqlite::Result<()> {
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 16 << 10),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 10),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    let is_late = move || lock(&until).is_some_and(|until| Instant::now() > until);
    connection.progress_handler(STEPS, Some(is_late))?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } => Authorization::Allow,
        AuthAction::Function { function_name } => {
            match FUNCTIONS.contains(&function_name.to_ascii_lowercase().as_str()) {
                true => Authorization::Allow,
                false => Authorization::Deny,
            }
        }
        _ => Authorization::Deny,
    }))
}

fn ask(connection: &Connection, sql: &str) -> rusqlite::Result<Answer> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_names().map(str::to_owned).collect();
    let mut answer = Answer { columns, ..Answer::default() };
    let width = answer.columns.len();
    let mut bytes = 0;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cells: Vec<String> =
            (0..width).map(|at| row.get_ref(at).map(shown)).collect::<rusqlite::Result<_>>()?;
        bytes += cells.iter().map(String::len).sum::<usize>();
        if answer.rows.len() == MOST_ROWS || bytes > MOST_BYTES {
            answer.is_cut = true;
            break;
        }
        answer.rows.push(cells);
    }
    Ok(answer)
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(_) => "(bytes)".to_owned(),
    }
}

/// What whoever wrote the SQL can mend.
fn explained(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            format!("the query takes longer than {} s; ask for less", MOST_TIME.as_secs())
        }
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            "only a SELECT over the tables is allowed, with plain functions".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A table with names that the engine takes, and what its columns hold.
struct Loaded {
    table: Table,
    name: String,
    columns: Vec<(String, Kind)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Number,
    Text,
}

impl Loaded {
    fn of(table: Table, names: &mut HashSet<String>) -> Self {
        let name = unique(&table.name, "table", names);
        let mut known = HashSet::new();
        let columns = table.columns.iter().take(MOST_COLUMNS).enumerate().map(|(at, column)| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            (unique(column, "column", &mut known), kind(cells))
        });
        let columns = columns.collect();
        Self { table, name, columns }
    }

    fn statement(&self) -> String {
        let columns = self.columns.iter().map(|(name, kind)| match kind {
            Kind::Number => format!("{} NUMERIC", quoted(name)),
            Kind::Text => format!("{} TEXT", quoted(name)),
        });
        let columns: Vec<String> = columns.collect();
        format!("CREATE TABLE {} ({})", quoted(&self.name), columns.join(", "))
    }

    fn insert(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(&self.statement())?;
        let places = vec!["?"; self.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} VALUES ({places})", quoted(&self.name));
        let mut insert = transaction.prepare(&sql)?;
        for row in &self.table.rows {
            let cells = self.columns.iter().zip(row).map(|((_, kind), cell)| value(cell, *kind));
            insert.execute(params_from_iter(cells))?;
        }
        drop(insert);
        transaction.commit()
    }

    fn describe(&self, schema: &mut String) {
        // Writing to memory does not fail.
        let _ = writeln!(schema, "{};", self.statement());
        let _ = writeln!(schema, "-- {} rows, for instance:", self.table.rows.len());
        for row in self.table.rows.iter().take(SHOWN_ROWS) {
            let cells = row.iter().map(|cell| {
                let end = cell.floor_char_boundary(SHOWN_CELL);
                cell[..end].replace(['\n', '\r'], " ")
            });
            let _ = writeln!(schema, "--   {}", cells.collect::<Vec<_>>().join(" | "));
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name without what no name holds, made different from those that are known.
fn unique(name: &str, instead: &str, known: &mut HashSet<String>) -> String {
    const LONGEST: usize = 64;
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    let is_reserved = name.to_ascii_lowercase().starts_with("sqlite_");
    let name = if name.is_empty() || is_reserved { instead } else { name };
    let name = &name[..name.floor_char_boundary(LONGEST)];
    let mut number = 1;
    loop {
        let candidate = if number == 1 { name.to_owned() } else { format!("{name}_{number}") };
        if known.insert(candidate.to_lowercase()) {
            return candidate;
        }
        number += 1;
    }
}

/// A column holds numbers when each cell that is not blank is one.
fn kind<'a>(cells: impl Iterator<Item = &'a String>) -> Kind {
    let mut has_number = false;
    for cell in cells.filter(|cell| !cell.trim().is_empty()) {
        if number(cell).is_none() {
            return Kind::Text;
        }
        has_number = true;
    }
    if has_number { Kind::Number } else { Kind::Text }
}

fn value(cell: &str, kind: Kind) -> Value {
    if cell.trim().is_empty() {
        return Value::Null;
    }
    match (kind, number(cell)) {
        (Kind::Number, Some(number)) => number,
        _ => Value::Text(cell.to_owned()),
    }
}

/// The number that a cell says: `3`, `-0.5`, `1,234,567.8`; not `007`, which is a name.
fn number(cell: &str) -> Option<Value> {
    let cell = cell.trim();
    let unsigned = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    let digits_first = unsigned.starts_with(|c: char| c.is_ascii_digit());
    let is_padded = unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.");
    if !digits_first || is_padded {
        return None;
    }
    let plain = without_groups(cell)?;
    let whole = plain.parse::<i64>().ok().map(Value::Integer);
    whole.or_else(|| plain.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::Real))
}

/// Without commas between groups of three digits; `None` where commas stand elsewhere.
fn without_groups(cell: &str) -> Option<String> {
    if !cell.contains(',') {
        return Some(cell.to_owned());
    }
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?.trim_start_matches(['-', '+']);
    let is_fine = (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
        && !fraction.contains(',');
    is_fine.then(|| cell.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn teas() -> Database {
        let table = Table::new(
            "teas",
            ["Tea", "price (EUR)", "tea", "code", "grown"],
            [
                ["green", "1,200.50", "a", "007", "2024-05-01"],
                ["black", "3", "b", "8", ""],
                ["white", "", "c", "9", "2025-01-01"],
            ],
        );
        Database::new(vec![table, Table::new("teas", ["x"], [["1"]])]).unwrap()
    }

    fn rows(sql: &str) -> Result<Vec<String>, String> {
        let answer = teas().query(sql).map_err(|error| error.to_string())?;
        Ok(answer.rows.iter().map(|row| row.join(" ")).collect())
    }

    #[test]
    fn tables_are_asked() {
        for (sql, expected) in [
            ("SELECT Tea FROM teas WHERE \"price (EUR)\" > 10", &["green"][..]),
            ("SELECT sum(\"price (EUR)\"), count(*) FROM teas;", &["1203.5 3"]),
            ("SELECT tea_2 FROM teas WHERE \"price (EUR)\" IS NULL", &["c"]),
            ("SELECT code FROM teas ORDER BY code", &["007", "8", "9"]),
            ("SELECT tea FROM teas WHERE grown >= date('2024-06-01')", &["white"]),
            ("WITH t AS (SELECT tea FROM teas) SELECT upper(tea) FROM t LIMIT 1", &["GREEN"]),
            ("SELECT x FROM teas_2", &["1"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|row| (*row).to_owned()).collect();
            assert_eq!(rows(sql), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn only_these_tables_are_read_and_nothing_is_written() {
        for sql in [
            "DELETE FROM teas",
            "INSERT INTO teas VALUES (1, 2, 3, 4, 5)",
            "DROP TABLE teas",
            "CREATE TABLE x (y)",
            "ATTACH DATABASE '/tmp/x.db' AS x",
            "PRAGMA table_info(teas)",
            "SELECT * FROM pragma_database_list",
            "SELECT load_extension('x')",
            "SELECT readfile('/etc/passwd')",
            "SELECT randomblob(100000000)",
            "VACUUM INTO '/tmp/x.db'",
            "SELECT 1; SELECT 2",
            "BEGIN",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        ] {
            assert!(rows(sql).is_err(), "{sql}: {:?}", rows(sql));
        }
    }

    #[test]
    fn what_takes_long_or_gives_much_is_cut() {
        let row = ["1"];
        let many = Table::new("many", ["n"], std::iter::repeat_n(row, 3_000));
        let database = Database::new(vec![many]).unwrap();
        let answer = database.query("SELECT n FROM many").unwrap();
        assert_eq!((answer.rows.len(), answer.is_cut), (200, true));
        let product = "SELECT count(*) FROM many a, many b, many c WHERE a.n + b.n + c.n = 7";
        let error = database.query(product).unwrap_err().to_string();
        assert!(error.contains("longer than 2 s"), "{error}");
        assert!(database.query("SELECT count(*) FROM many").is_ok(), "and goes on");
    }

    #[test]
    fn the_schema_tells_what_to_ask() {
        let database = teas();
        let schema = database.schema();
        let statement = "CREATE TABLE \"teas\" (\"Tea\" TEXT, \"price (EUR)\" NUMERIC, \"tea_2\" TEXT, \"code\" TEXT, \"grown\" TEXT);\n-- 3 rows";
        assert!(schema.starts_with(statement), "{schema}");
        assert!(schema.contains("--   black | 3 | b | 8 | \n"), "{schema}");
    }

    proptest! {
        #[test]
        fn any_names_and_cells_are_taken(
            name in ".{0,9}", columns in proptest::collection::vec(".{0,9}", 1..4),
            cells in proptest::collection::vec(".{0,9}", 4),
        ) {
            let row = cells[..columns.len().min(4)].to_vec();
            let table = Table { name, columns: columns.clone(), rows: vec![row], ..Table::default() };
            let database = Database::new(vec![table]).unwrap();
            prop_assert!(database.schema().starts_with("CREATE TABLE"));
        }

        #[test]
        fn no_query_panics(sql in "(SELECT|FROM|teas|tea|\\*|,|\\(|\\)|'|\"|;|--| |[a-z0-9]{0,4}){0,12}") {
            let _ = teas().query(&sql);
        }
    }
}
