//! Dialogs, sessions and turns in the database.

use rag_core::{
    Feedback, SavedDialog, SavedTurn, Session, SessionId, SessionPage, StoreError, TenantId,
    TurnId, TurnStatus,
};
use tokio_postgres::Row;

use crate::connection::{Connection, column, storable};
use crate::failure::{damaged, is_taken, not_found, occupied};

const DIALOG: &str = "tenant, name, settings, created_at, updated_at";

const SESSION: &str = "id, tenant, dialog, title, created_at, updated_at";

/// Of `turn`, beside its session and its parent.
const TURN: &str =
    "turn.id, session.id, parent.id, turn.status, turn.question, turn.answer, turn.feedback,
    turn.record, turn.asked_at, turn.ended_at";

const TURNS: &str = "turn JOIN session ON session.no = turn.session
    LEFT JOIN turn AS parent ON parent.no = turn.parent";

/// Keeps a dialog. Whether it is new.
pub(crate) fn save_dialog(
    database: &mut Connection,
    dialog: &SavedDialog,
) -> Result<bool, StoreError> {
    // A row that was never changed has no transaction that did.
    let sql = format!(
        "INSERT INTO dialog ({DIALOG}) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, name) DO UPDATE SET settings = $3, updated_at = $5
         RETURNING xmax = 0"
    );
    let row = database.one(
        &sql,
        &[
            &dialog.tenant.as_str(),
            &storable(&dialog.name),
            &storable(&dialog.settings),
            &dialog.created_at,
            &dialog.updated_at,
        ],
    )?;
    column(&row, 0)
}

pub(crate) fn dialog(
    database: &mut Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<SavedDialog>, StoreError> {
    let sql = format!("SELECT {DIALOG} FROM dialog WHERE tenant = $1 AND name = $2");
    let row = database.first(&sql, &[&tenant.as_str(), &storable(name)])?;
    row.as_ref().map(read_dialog).transpose()
}

pub(crate) fn dialogs(
    database: &mut Connection,
    tenant: &TenantId,
) -> Result<Vec<SavedDialog>, StoreError> {
    let sql = format!("SELECT {DIALOG} FROM dialog WHERE tenant = $1 ORDER BY name");
    database.query(&sql, &[&tenant.as_str()])?.iter().map(read_dialog).collect()
}

pub(crate) fn rename_dialog(
    database: &mut Connection,
    tenant: &TenantId,
    name: &str,
    to: &str,
) -> Result<bool, StoreError> {
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&tenant.as_str(), &storable(name), &storable(to)];
    let sql = "UPDATE dialog SET name = $3 WHERE tenant = $1 AND name = $2";
    let renamed = database.execute(sql, &values).map_err(|error| taken(error, "dialog", to))?;
    if renamed > 0 {
        let sql = "UPDATE session SET dialog = $3 WHERE tenant = $1 AND dialog = $2";
        database.execute(sql, &values)?;
    }
    Ok(renamed > 0)
}

pub(crate) fn delete_dialog(
    database: &mut Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM dialog WHERE tenant = $1 AND name = $2";
    Ok(database.execute(sql, &[&tenant.as_str(), &storable(name)])? > 0)
}

pub(crate) fn create_session(
    database: &mut Connection,
    session: &Session,
) -> Result<(), StoreError> {
    let sql = format!("INSERT INTO session ({SESSION}) VALUES ($1, $2, $3, $4, $5, $6)");
    let made = database.execute(
        &sql,
        &[
            &session.id.as_str(),
            &session.tenant.as_str(),
            &storable(&session.dialog),
            &storable(&session.title),
            &session.created_at,
            &session.updated_at,
        ],
    );
    made.map_err(|error| taken(error, "session", session.id.as_str()))?;
    Ok(())
}

pub(crate) fn session(
    database: &mut Connection,
    tenant: &TenantId,
    id: &SessionId,
) -> Result<Option<Session>, StoreError> {
    let sql = format!("SELECT {SESSION} FROM session WHERE id = $1 AND tenant = $2");
    let row = database.first(&sql, &[&id.as_str(), &tenant.as_str()])?;
    row.as_ref().map(read_session).transpose()
}

pub(crate) fn sessions(
    database: &mut Connection,
    tenant: &TenantId,
    page: &SessionPage,
) -> Result<Vec<Session>, StoreError> {
    let (time, id) = page.after.as_ref().map(|(time, id)| (*time, id.as_str())).unzip();
    let sql = format!(
        "SELECT {SESSION} FROM session
         WHERE tenant = $1 AND ($2::text IS NULL OR dialog = $2)
            AND ($3::bigint IS NULL OR (updated_at, id) < ($3, $4))
         ORDER BY updated_at DESC, id DESC LIMIT $5"
    );
    let dialog = page.dialog.as_deref().map(storable);
    let rows =
        database.query(&sql, &[&tenant.as_str(), &dialog, &time, &id, &limit(page.limit)])?;
    rows.iter().map(read_session).collect()
}

pub(crate) fn rename_session(
    database: &mut Connection,
    tenant: &TenantId,
    id: &SessionId,
    title: &str,
) -> Result<bool, StoreError> {
    let sql = "UPDATE session SET title = $3, updated_at = colloquy_now()
        WHERE id = $1 AND tenant = $2";
    Ok(database.execute(sql, &[&id.as_str(), &tenant.as_str(), &storable(title)])? > 0)
}

pub(crate) fn delete_session(
    database: &mut Connection,
    tenant: &TenantId,
    id: &SessionId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM session WHERE id = $1 AND tenant = $2";
    Ok(database.execute(sql, &[&id.as_str(), &tenant.as_str()])? > 0)
}

/// Keeps a turn that `replica` begins to answer.
pub(crate) fn begin_turn(
    database: &mut Connection,
    replica: &str,
    tenant: &TenantId,
    turn: &SavedTurn,
) -> Result<(), StoreError> {
    let row = database.first(
        "UPDATE session SET updated_at = greatest(updated_at, $3) WHERE id = $1 AND tenant = $2
         RETURNING no",
        &[&turn.session.as_str(), &tenant.as_str(), &turn.asked_at],
    )?;
    let row = row.ok_or_else(|| not_found(format!("there is no session `{}`", turn.session)))?;
    let session: i64 = column(&row, 0)?;
    let parent = turn.parent.as_ref().map(|id| number_of(database, session, id)).transpose()?;
    let sql = "INSERT INTO turn (id, session, parent, status, question, answer, feedback, record,
                          asked_at, ended_at, replica)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let begun = database.execute(
        sql,
        &[
            &turn.id.as_str(),
            &session,
            &parent,
            &turn.status.as_str(),
            &storable(&turn.question),
            &storable(&turn.answer),
            &feedback(turn.feedback.as_ref())?,
            &storable(&turn.record),
            &turn.asked_at,
            &turn.ended_at,
            &replica,
        ],
    );
    begun.map_err(|error| taken(error, "turn", turn.id.as_str()))?;
    Ok(())
}

fn number_of(database: &mut Connection, session: i64, turn: &TurnId) -> Result<i64, StoreError> {
    let sql = "SELECT no FROM turn WHERE id = $1 AND session = $2";
    match database.first(sql, &[&turn.as_str(), &session])? {
        Some(row) => column(&row, 0),
        None => Err(not_found(format!("the session has no turn `{turn}`"))),
    }
}

pub(crate) fn update_turn(database: &mut Connection, turn: &SavedTurn) -> Result<bool, StoreError> {
    let sql = "UPDATE turn SET status = $2, answer = $3, record = $4, ended_at = $5 WHERE id = $1";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
        &turn.id.as_str(),
        &turn.status.as_str(),
        &storable(&turn.answer),
        &storable(&turn.record),
        &turn.ended_at,
    ];
    Ok(database.execute(sql, &values)? > 0)
}

pub(crate) fn turn(
    database: &mut Connection,
    tenant: &TenantId,
    id: &TurnId,
) -> Result<Option<SavedTurn>, StoreError> {
    let sql = format!("SELECT {TURN} FROM {TURNS} WHERE turn.id = $1 AND session.tenant = $2");
    let row = database.first(&sql, &[&id.as_str(), &tenant.as_str()])?;
    row.as_ref().map(read_turn).transpose()
}

pub(crate) fn turns(
    database: &mut Connection,
    tenant: &TenantId,
    session: &SessionId,
    after: Option<&TurnId>,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    let sql = format!(
        "SELECT {TURN} FROM {TURNS} WHERE session.id = $1 AND session.tenant = $2
            AND turn.no > coalesce((SELECT no FROM turn WHERE id = $3), 0)
         ORDER BY turn.no LIMIT $4"
    );
    let after = after.map(TurnId::as_str);
    let rows =
        database.query(&sql, &[&session.as_str(), &tenant.as_str(), &after, &limit(most)])?;
    rows.iter().map(read_turn).collect()
}

pub(crate) fn latest_turn(
    database: &mut Connection,
    tenant: &TenantId,
    session: &SessionId,
) -> Result<Option<SavedTurn>, StoreError> {
    let sql = format!(
        "SELECT {TURN} FROM {TURNS} WHERE session.id = $1 AND session.tenant = $2
         ORDER BY turn.no DESC LIMIT 1"
    );
    let row = database.first(&sql, &[&session.as_str(), &tenant.as_str()])?;
    row.as_ref().map(read_turn).transpose()
}

pub(crate) fn latest_turns(
    database: &mut Connection,
    tenant: &TenantId,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    let sql = format!(
        "WITH recent AS MATERIALIZED (
            SELECT no FROM session WHERE tenant = $1 ORDER BY updated_at DESC, id DESC LIMIT $2
         )
         SELECT {TURN} FROM {TURNS} WHERE turn.no IN (
            SELECT turn.no FROM recent JOIN turn ON turn.session = recent.no
            ORDER BY turn.no DESC LIMIT $2
         ) ORDER BY turn.no DESC"
    );
    let rows = database.query(&sql, &[&tenant.as_str(), &limit(most)])?;
    rows.iter().map(read_turn).collect()
}

pub(crate) fn path(
    database: &mut Connection,
    tenant: &TenantId,
    id: &TurnId,
    most: usize,
) -> Result<Vec<SavedTurn>, StoreError> {
    let sql = format!(
        "WITH RECURSIVE path (no, parent, depth) AS (
            SELECT turn.no, turn.parent, 1::bigint FROM turn
                JOIN session ON session.no = turn.session
                WHERE turn.id = $1 AND session.tenant = $2 AND $3::bigint > 0
            UNION ALL
            SELECT turn.no, turn.parent, depth + 1 FROM path JOIN turn ON turn.no = path.parent
                WHERE depth < $3
         )
         SELECT {TURN} FROM path JOIN ({TURNS}) ON turn.no = path.no ORDER BY path.depth DESC"
    );
    let rows = database.query(&sql, &[&id.as_str(), &tenant.as_str(), &limit(most)])?;
    rows.iter().map(read_turn).collect()
}

pub(crate) fn set_feedback(
    database: &mut Connection,
    tenant: &TenantId,
    id: &TurnId,
    given: Option<&Feedback>,
) -> Result<bool, StoreError> {
    let sql = "UPDATE turn SET feedback = $3
        WHERE id = $1 AND session IN (SELECT no FROM session WHERE tenant = $2)";
    Ok(database.execute(sql, &[&id.as_str(), &tenant.as_str(), &feedback(given)?])? > 0)
}

fn feedback(given: Option<&Feedback>) -> Result<Option<String>, StoreError> {
    given.map(serde_json::to_string).transpose().map_err(|error| damaged("feedback", error))
}

fn taken(error: StoreError, what: &str, id: &str) -> StoreError {
    match is_taken(&error) {
        true => occupied(format!("there is a {what} `{id}` already")).with_source(error),
        false => error,
    }
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn read_dialog(row: &Row) -> Result<SavedDialog, StoreError> {
    let tenant: &str = column(row, 0)?;
    Ok(SavedDialog {
        tenant: tenant.parse().map_err(|error| damaged("a tenant id", error))?,
        name: column(row, 1)?,
        settings: column(row, 2)?,
        created_at: column(row, 3)?,
        updated_at: column(row, 4)?,
    })
}

fn read_session(row: &Row) -> Result<Session, StoreError> {
    let text = |at: usize| column::<&str>(row, at);
    Ok(Session {
        id: text(0)?.parse().map_err(|error| damaged("a session id", error))?,
        tenant: text(1)?.parse().map_err(|error| damaged("a tenant id", error))?,
        dialog: text(2)?.to_owned(),
        title: text(3)?.to_owned(),
        created_at: column(row, 4)?,
        updated_at: column(row, 5)?,
    })
}

fn read_turn(row: &Row) -> Result<SavedTurn, StoreError> {
    let text = |at: usize| column::<&str>(row, at);
    let parent: Option<&str> = column(row, 2)?;
    let parent = parent.map(str::parse).transpose();
    let feedback: Option<&str> = column(row, 6)?;
    let feedback = feedback.map(serde_json::from_str).transpose();
    Ok(SavedTurn {
        id: text(0)?.parse().map_err(|error| damaged("a turn id", error))?,
        session: text(1)?.parse().map_err(|error| damaged("a session id", error))?,
        parent: parent.map_err(|error| damaged("a turn id", error))?,
        status: status(text(3)?)?,
        question: text(4)?.to_owned(),
        answer: text(5)?.to_owned(),
        feedback: feedback.map_err(|error| damaged("feedback", error))?,
        record: text(7)?.to_owned(),
        asked_at: column(row, 8)?,
        ended_at: column(row, 9)?,
    })
}

fn status(name: &str) -> Result<TurnStatus, StoreError> {
    let known = TurnStatus::ALL.into_iter().find(|status| status.as_str() == name);
    known.ok_or_else(|| damaged("a turn", format!("unknown status `{name}`")))
}
