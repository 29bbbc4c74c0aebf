//! Sessions: people who logged in.

use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use crate::account_store::{AccountStore, now, parsed, tenant, time};
use crate::people::{Person, person};
use crate::{AccountsError, Role, SessionSecret};

/// How long a session lasts.
const LASTS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Sessions of a person; the oldest make room.
const MOST: i64 = 50;

/// Somebody who logged in, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Who.
    pub person: Person,
    /// Whose data is seen.
    pub tenant: TenantId,
    /// What the person may do there.
    pub role: Role,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

impl AccountStore {
    /// Begins a session of a person in a tenant. The secret is told here and never again. `None` when the person does not
    /// belong there.
    ///
    /// # Errors
    /// The file's.
    pub fn begin_session(
        &self,
        person: &str,
        tenant: &TenantId,
    ) -> Result<Option<(Session, SessionSecret)>, AccountsError> {
        let (now, secret) = (now(), SessionSecret::generate()?);
        self.transaction(|connection| {
            connection
                .execute("DELETE FROM session WHERE expires_at <= ?1", [now.as_millisecond()])?;
            connection.execute(
                "DELETE FROM session WHERE hash IN (
                     SELECT hash FROM session WHERE person = ?1
                     ORDER BY created_at DESC LIMIT -1 OFFSET ?2)",
                params![person, MOST - 1],
            )?;
            connection.execute(
                "INSERT INTO session (hash, person, tenant, created_at, expires_at)
                 SELECT ?1, person, tenant, ?4, ?5 FROM member WHERE person = ?2 AND tenant = ?3",
                params![
                    secret.hash().as_bytes(),
                    person,
                    tenant.as_str(),
                    now.as_millisecond(),
                    (now + LASTS).as_millisecond()
                ],
            )?;
            Ok(())
        })?;
        Ok(self.session(&secret)?.map(|session| (session, secret)))
    }

    /// The session that this is, if it lasts, and its person still belongs to its tenant.
    ///
    /// # Errors
    /// The file's.
    pub fn session(&self, secret: &SessionSecret) -> Result<Option<Session>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT person.id, person.email, person.name, person.created_at,
                            session.tenant, role, expires_at
                     FROM session JOIN person ON person.id = session.person
                          JOIN member ON member.person = session.person
                                     AND member.tenant = session.tenant
                     WHERE hash = ?1 AND expires_at > ?2",
                )?
                .query_row(params![secret.hash().as_bytes(), now().as_millisecond()], |row| {
                    Ok(Session {
                        person: person(row)?,
                        tenant: tenant(row)?,
                        role: parsed(row, "role")?,
                        expires_at: time(row, "expires_at")?.unwrap_or_default(),
                    })
                })
                .optional()
        })
    }

    /// Ends a session. Whether there was one.
    ///
    /// # Errors
    /// The file's.
    pub fn end_session(&self, secret: &SessionSecret) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let hash = secret.hash();
            let ended =
                connection.execute("DELETE FROM session WHERE hash = ?1", [hash.as_bytes()])?;
            Ok(ended > 0)
        })
    }
}
