//! The database's tables, and how they are brought up to date.

use rag_core::{StoreError, StoreErrorKind};

use crate::connection::{Begin, Connection, column};
use crate::failure::{engine, not_found};

/// What the lock is called under which tables are changed.
const LOCK: i64 = 0x636f_6c6c_6f71_7579;
/// The first version of pgvector with all that is asked of it.
const PGVECTOR: (u32, u32) = (0, 8);

/// A step to the next version of the tables.
struct Migration {
    sql: &'static str,
    /// The oldest version whose programs go on working over the tables of this one. A migration that only adds names the
    /// version before it, so that replicas can be replaced one by one; what it makes superfluous is removed by the one
    /// after it.
    works_with: i32,
}

/// Each entry brings the database from the version of its index to the next one. Sent ones are never changed.
const MIGRATIONS: &[Migration] =
    &[Migration { sql: include_str!("migrations/0001.sql"), works_with: 1 }];

/// Makes or migrates the tables. Replicas that start at once wait for each other.
pub(crate) fn migrate(database: &mut Connection) -> Result<(), StoreError> {
    database.within(Begin::Write, |database| {
        database.query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
        let (version, works_with) = version(database)?;
        let known = MIGRATIONS.len() as i32;
        check(version, works_with, known)?;
        let outstanding = MIGRATIONS.get(version as usize..).unwrap_or_default();
        if outstanding.is_empty() {
            return Ok(());
        }
        require_vectors(database)?;
        for (number, migration) in (version + 1..).zip(outstanding) {
            database.batch(migration.sql)?;
            database.execute(
                "UPDATE colloquy_schema SET version = $1, works_with = $2",
                &[&number, &migration.works_with],
            )?;
        }
        Ok(())
    })
}

/// The version of the tables, and the oldest one whose programs work over them.
fn version(database: &mut Connection) -> Result<(i32, i32), StoreError> {
    let exists: bool =
        column(&database.one("SELECT to_regclass('colloquy_schema') IS NOT NULL", &[])?, 0)?;
    if !exists {
        database.batch(
            "CREATE TABLE colloquy_schema (version integer NOT NULL, works_with integer NOT NULL);
             INSERT INTO colloquy_schema VALUES (0, 0)",
        )?;
        return Ok((0, 0));
    }
    let row = database.one("SELECT version, works_with FROM colloquy_schema", &[])?;
    Ok((column(&row, 0)?, column(&row, 1)?))
}

/// Whether a program that knows the tables up to version `known` may use these.
fn check(version: i32, works_with: i32, known: i32) -> Result<(), StoreError> {
    if version <= known || (version == known + 1 && works_with <= known) {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Incompatible,
        format!(
            "the database's tables are of version {version}, this program knows version {known}; update it"
        ),
    ))
}

fn require_vectors(database: &mut Connection) -> Result<(), StoreError> {
    let sql = "SELECT coalesce(
            (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
            (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'))";
    let version: Option<String> = column(&database.one(sql, &[])?, 0)?;
    let version = version
        .ok_or_else(|| not_found("this PostgreSQL has no pgvector; install it on the server"))?;
    if !is_recent(&version) {
        let (major, minor) = PGVECTOR;
        return Err(StoreError::new(
            StoreErrorKind::Incompatible,
            format!(
                "this PostgreSQL has pgvector {version}; {major}.{minor} or later is needed: install it, then \
                 ALTER EXTENSION vector UPDATE"
            ),
        ));
    }
    database.batch("CREATE EXTENSION IF NOT EXISTS vector").map_err(|error| {
        engine("pgvector is not made; a superuser can do it: CREATE EXTENSION vector")
            .with_source(error)
    })
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= PGVECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_ahead_is_bearable_where_it_only_adds() {
        for (version, works_with, bearable) in
            [(0, 0, true), (3, 2, true), (4, 3, true), (4, 4, false), (5, 3, false), (5, 5, false)]
        {
            let checked = check(version, works_with, 3);
            assert_eq!(checked.is_ok(), bearable, "{version} {works_with}");
        }
    }

    #[test]
    fn tells_versions_of_pgvector() {
        for (version, recent) in [("0.8.0", true), ("0.8.5", true), ("1.0", true), ("0.7.4", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
