//! Dialogs, sessions and turns in the database.

use rag_core::{
    Feedback, SavedDialog, SavedTurn, Session, SessionId, SessionPage, StoreError, StoreErrorKind,
    TenantId, TurnId, TurnStatus,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, named_params, params};

use crate::clock;
use crate::failure::{damaged, database, not_found, occupied};

const DIALOG: &str = "tenant, name, settings, created_at, updated_at";

const SESSION: &str = "id, tenant, dialog, title, created_at, updated_at";

/// Of `turn`, beside its session and its parent.
const TURN: &str =
    "turn.id, session.id, parent.id, turn.status, turn.question, turn.answer, turn.feedback,
    turn.record, turn.asked_at, turn.ended_at";

const TURNS: &str = "turn JOIN session ON session.no = turn.session
    LEFT JOIN turn AS parent ON parent.no = turn.parent";

pub(crate) fn save_dialog(
    connection: &Connection,
    dialog: &SavedDialog,
) -> Result<bool, StoreError> {
    let is_new = self::dialog(connection, &dialog.tenant, &dialog.name)?.is_none();
    connection
        .prepare_cached(&format!(
            "INSERT INTO dialog ({DIALOG}) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET settings = ?3, updated_at = ?5"
        ))
        .map_err(database)?
        .execute(params![
            dialog.tenant.as_str(),
            dialog.name,
            dialog.settings,
            dialog.created_at,
            dialog.updated_at,
        ])
        .map_err(database)?;
    Ok(is_new)
}

pub(crate) fn dialog(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<SavedDialog>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {DIALOG} FROM dialog WHERE tenant = ?1 AND name = ?2"))
        .map_err(database)?
        .query_row([tenant.as_str(), name], |row| Ok(read_dialog(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn dialogs(
    connection: &Connection,
    tenant: &TenantId,
) -> Result<Vec<SavedDialog>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {DIALOG} FROM dialog WHERE tenant = ?1 ORDER BY name"))
        .map_err(database)?
        .query_map([tenant.as_str()], |row| Ok(read_dialog(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

pub(crate) fn rename_dialog(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
    to: &str,
) -> Result<bool, StoreError> {
    if name != to && dialog(connection, tenant, to)?.is_some() {
        return Err(occupied(format!("there is a dialog `{to}` already")));
    }
    let renamed = connection
        .prepare_cached("UPDATE dialog SET name = ?3 WHERE tenant = ?1 AND name = ?2")
        .map_err(database)?
        .execute([tenant.as_str(), name, to])
        .map_err(database)?;
    if renamed > 0 {
        connection
            .prepare_cached("UPDATE session SET dialog = ?3 WHERE tenant = ?1 AND dialog = ?2")
            .map_err(database)?
            .execute([tenant.as_str(), name, to])
            .map_err(database)?;
    }
    Ok(renamed > 0)
}

pub(crate) fn delete_dialog(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<bool, StoreError> {
    let deleted = connection
        .prepare_cached("DELETE FROM dialog WHERE tenant = ?1 AND name = ?2")
        .map_err(database)?
        .execute([tenant.as_str(), name])
        .map_err(database)?;
    Ok(deleted > 0)
}

pub(crate) fn create_session(connection: &Connection, session: &Session) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!("INSERT INTO session ({SESSION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))
        .map_err(database)?
        .execute(params![
            session.id.as_str(),
            session.tenant.as_str(),
            session.dialog,
            session.title,
            session.created_at,
            session.updated_at,
        ])
        .map_err(|error| taken(error, "session", session.id.as_str()))?;
    Ok(())
}

pub(crate) fn session(
    connection: &Connection,
    tenant: &TenantId,
    id: &SessionId,
) -> Result<Option<Session>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {SESSION} FROM session WHERE id = ?1 AND tenant = ?2"))
        .map_err(database)?
        .query_row([id.as_str(), tenant.as_str()], |row| Ok(read_session(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn sessions(
    connection: &Connection,
    tenant: &TenantId,
    page: &SessionPage,
) -> Result<Vec<Session>, StoreError> {
    let after = page.after.as_ref();
    connection
        .prepare_cached(&format!(
            "SELECT {SESSION} FROM session
             WHERE tenant = :tenant AND (:dialog IS NULL OR dialog = :dialog)
                AND (:time IS NULL OR (updated_at, id) < (:time, :id))
             ORDER BY updated_at DESC, id DESC LIMIT :limit"
        ))
        .map_err(database)?
        .query_map(
            named_params! {
                ":tenant": tenant.as_str(),
                ":dialog": page.dialog,
                ":time": after.map(|(time, _)| time),
                ":id": after.map(|(_, id)| id.as_str()),
                ":limit": limit(page.limit),
            },
            |row| Ok(read_session(row)),
        )
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

pub(crate) fn rename_session(
    connection: &Connection,
    tenant: &TenantId,
    id: &SessionId,
    title: &str,
) -> Result<bool, StoreError> {
    let renamed = connection
        .prepare_cached(
            "UPDATE session SET title = ?3, updated_at = ?4 WHERE id = ?1 AND tenant = ?2",
        )
        .map_err(database)?
        .execute(params![id.as_str(), tenant.as_str(), title, clock::now()])
        .map_err(database)?;
    Ok(renamed > 0)
}

pub(crate) fn delete_session(
    connection: &Connection,
    tenant: &TenantId,
    id: &SessionId,
) -> Result<bool, StoreError> {
    let deleted = connection
        .prepare_cached("DELETE FROM session WHERE id = ?1 AND tenant = ?2")
        .map_err(database)?
        .execute([id.as_str(), tenant.as_str()])
        .map_err(database)?;
    Ok(deleted > 0)
}

pub(crate) fn begin_turn(
    connection: &Connection,
    tenant: &TenantId,
    turn: &SavedTurn,
) -> Result<(), StoreError> {
    let session = number(
        connection,
        "UPDATE session SET updated_at = max(updated_at, ?3) WHERE id = ?1 AND tenant = ?2
         RETURNING no",
        params![turn.session.as_str(), tenant.as_str(), turn.asked_at],
    )?
    .ok_or_else(|| not_found(format!("there is no session `{}`", turn.session)))?;
    let parent = match &turn.parent {
        None => None,
        Some(parent) => {
            let no = number(
                connection,
                "SELECT no FROM turn WHERE id = ?1 AND session = ?2",
                params![parent.as_str(), session],
            )?;
            Some(no.ok_or_else(|| not_found(format!("the session has no turn `{parent}`")))?)
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO turn
                (id, session, parent, status, question, answer, feedback, record, asked_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .map_err(database)?
        .execute(params![
            turn.id.as_str(),
            session,
            parent,
            turn.status.as_str(),
            turn.question,
            turn.answer,
            feedback(turn.feedback.as_ref())?,
            turn.record,
            turn.asked_at,
            turn.ended_at,
        ])
        .map_err(|error| taken(error, "turn", turn.id.as_str()))?;
    Ok(())
}

pub(crate) fn update_turn(connection: &Connection, turn: &SavedTurn) -> Result<bool, StoreError> {
    let ended = connection
        .prepare_cached(
            "UPDATE turn SET status = ?2, answer = ?3, record = ?4, ended_at = ?5 WHERE id = ?1",
        )
        .map_err(database)?
        .execute(params![
            turn.id.as_str(),
            turn.status.as_str(),
            turn.answer,
            turn.record,
            turn.ended_at,
        ])
        .map_err(database)?;
    Ok(ended > 0)
}

pub(crate) fn turn(
    connection: &Connection,
    tenant: &TenantId,
    id: &TurnId,
) -> Result<Option<SavedTurn>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {TURN} FROM {TURNS} WHERE turn.id = ?1 AND session.tenant = ?2"
        ))
        .map_err(database)?
        .query_row([id.as_str(), tenant.as_str()], |row| Ok(read_turn(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn turns(
    connection: &Connection,
    tenant: &TenantId,
    session: &SessionId,
    after: Option<&TurnId>,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {TURN} FROM {TURNS} WHERE session.id = :session AND session.tenant = :tenant
                AND turn.no > coalesce((SELECT no FROM turn WHERE id = :after), 0)
             ORDER BY turn.no LIMIT :limit"
        ))
        .map_err(database)?
        .query_map(
            named_params! {
                ":session": session.as_str(),
                ":tenant": tenant.as_str(),
                ":after": after.map(TurnId::as_str),
                ":limit": limit(most),
            },
            |row| Ok(read_turn(row)),
        )
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

pub(crate) fn latest_turn(
    connection: &Connection,
    tenant: &TenantId,
    session: &SessionId,
) -> Result<Option<SavedTurn>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {TURN} FROM {TURNS} WHERE session.id = ?1 AND session.tenant = ?2
             ORDER BY turn.no DESC LIMIT 1"
        ))
        .map_err(database)?
        .query_row([session.as_str(), tenant.as_str()], |row| Ok(read_turn(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn latest_turns(
    connection: &Connection,
    tenant: &TenantId,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    connection
        .prepare_cached(&format!(
            "WITH recent AS MATERIALIZED (
                SELECT no FROM session WHERE tenant = ?1 ORDER BY updated_at DESC, id DESC LIMIT ?2
             )
             SELECT {TURN} FROM {TURNS} WHERE turn.no IN (
                SELECT turn.no FROM recent JOIN turn ON turn.session = recent.no
                ORDER BY turn.no DESC LIMIT ?2
             ) ORDER BY turn.no DESC"
        ))
        .map_err(database)?
        .query_map(params![tenant.as_str(), limit(most)], |row| Ok(read_turn(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

pub(crate) fn path(
    connection: &Connection,
    tenant: &TenantId,
    id: &TurnId,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    connection
        .prepare_cached(&format!(
            "WITH RECURSIVE path (no, parent, depth) AS (
                SELECT turn.no, turn.parent, 1 FROM turn JOIN session ON session.no = turn.session
                    WHERE turn.id = ?1 AND session.tenant = ?2 AND ?3 > 0
                UNION ALL
                SELECT turn.no, turn.parent, depth + 1 FROM path JOIN turn ON turn.no = path.parent
                    WHERE depth < ?3
             )
             SELECT {TURN} FROM path CROSS JOIN {TURNS} WHERE turn.no = path.no ORDER BY path.depth DESC"
        ))
        .map_err(database)?
        .query_map(params![id.as_str(), tenant.as_str(), limit(most)], |row| Ok(read_turn(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

pub(crate) fn set_feedback(
    connection: &Connection,
    tenant: &TenantId,
    id: &TurnId,
    given: Option<&Feedback>,
) -> Result<bool, StoreError> {
    let noted = connection
        .prepare_cached(
            "UPDATE turn SET feedback = ?3
             WHERE id = ?1 AND session IN (SELECT no FROM session WHERE tenant = ?2)",
        )
        .map_err(database)?
        .execute(params![id.as_str(), tenant.as_str(), feedback(given)?])
        .map_err(database)?;
    Ok(noted > 0)
}

pub(crate) fn interrupt_turns(connection: &Connection) -> Result<u64, StoreError> {
    let interrupted = connection
        .execute(
            "UPDATE turn SET status = ?1, ended_at = ?2 WHERE status = 'running'",
            params![TurnStatus::Interrupted.as_str(), clock::now()],
        )
        .map_err(database)?;
    Ok(interrupted as u64)
}

/// The number that a statement gives, if it gives one.
fn number(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached(statement)
        .map_err(database)?
        .query_row(values, |row| row.get(0))
        .optional()
        .map_err(database)
}

fn feedback(given: Option<&Feedback>) -> Result<Option<String>, StoreError> {
    given.map(serde_json::to_string).transpose().map_err(|error| damaged("feedback", error))
}

fn taken(error: rusqlite::Error, what: &str, id: &str) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            let message = format!("there is a {what} `{id}` already");
            StoreError::new(StoreErrorKind::Occupied, message).with_source(error)
        }
        _ => database(error),
    }
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn read_dialog(row: &Row<'_>) -> Result<SavedDialog, StoreError> {
    let tenant: String = row.get(0).map_err(database)?;
    Ok(SavedDialog {
        tenant: tenant.parse().map_err(|error| damaged("a tenant id", error))?,
        name: row.get(1).map_err(database)?,
        settings: row.get(2).map_err(database)?,
        created_at: row.get(3).map_err(database)?,
        updated_at: row.get(4).map_err(database)?,
    })
}

fn read_session(row: &Row<'_>) -> Result<Session, StoreError> {
    let text = |column| row.get::<_, String>(column).map_err(database);
    Ok(Session {
        id: text(0)?.parse().map_err(|error| damaged("a session id", error))?,
        tenant: text(1)?.parse().map_err(|error| damaged("a tenant id", error))?,
        dialog: text(2)?,
        title: text(3)?,
        created_at: row.get(4).map_err(database)?,
        updated_at: row.get(5).map_err(database)?,
    })
}

fn read_turn(row: &Row<'_>) -> Result<SavedTurn, StoreError> {
    let text = |column| row.get::<_, String>(column).map_err(database);
    let parent: Option<String> = row.get(2).map_err(database)?;
    let feedback: Option<String> = row.get(6).map_err(database)?;
    Ok(SavedTurn {
        id: text(0)?.parse().map_err(|error| damaged("a turn id", error))?,
        session: text(1)?.parse().map_err(|error| damaged("a session id", error))?,
        parent: parent
            .map(|id| id.parse())
            .transpose()
            .map_err(|error| damaged("a turn id", error))?,
        status: status(&text(3)?)?,
        question: text(4)?,
        answer: text(5)?,
        feedback: feedback
            .map(|feedback| serde_json::from_str(&feedback))
            .transpose()
            .map_err(|error| damaged("feedback", error))?,
        record: text(7)?,
        asked_at: row.get(8).map_err(database)?,
        ended_at: row.get(9).map_err(database)?,
    })
}

fn status(name: &str) -> Result<TurnStatus, StoreError> {
    let known = TurnStatus::ALL.into_iter().find(|status| status.as_str() == name);
    known.ok_or_else(|| damaged("a turn", format!("unknown status `{name}`")))
}
