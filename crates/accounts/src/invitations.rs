//! Invitations: how people come to belong to a tenant.

use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use crate::account_store::{AccountStore, now, parsed, tenant, time};
use crate::people::checked_email;
use crate::{AccountsError, InvitationSecret, Role};

/// How long an invitation can be used.
const VALID: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Open invitations of a tenant.
const MOST: i64 = 200;

/// What lets somebody join a tenant, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// Names it.
    pub id: String,
    /// Where to.
    pub tenant: TenantId,
    /// Whom.
    pub email: String,
    /// As what.
    pub role: Role,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// From when on it can be used no more.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
}

const INVITATION: &str = "id, tenant, email, role, created_at, expires_at";

impl AccountStore {
    /// Invites somebody. The secret is told here and never again; an earlier invitation of that address ends.
    ///
    /// # Errors
    /// What is no e-mail address, more open invitations than a tenant may have; the file's.
    pub fn invite(
        &self,
        tenant: &TenantId,
        email: &str,
        role: Role,
    ) -> Result<(Invitation, InvitationSecret), AccountsError> {
        let (now, secret) = (now(), InvitationSecret::generate()?);
        let invitation = Invitation {
            id: Uuid::now_v7().simple().to_string(),
            tenant: tenant.clone(),
            email: checked_email(email)?,
            role,
            created_at: now,
            expires_at: now + VALID,
        };
        self.transaction(|connection| {
            connection.execute(
                "DELETE FROM invitation WHERE expires_at <= ?1 OR (tenant = ?2 AND email = ?3)",
                params![now.as_millisecond(), tenant.as_str(), invitation.email],
            )?;
            let made = connection.execute(
                "INSERT INTO invitation (id, tenant, email, role, hash, created_at, expires_at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                 WHERE (SELECT count(*) FROM invitation WHERE tenant = ?2) < ?8",
                params![
                    invitation.id,
                    invitation.tenant.as_str(),
                    invitation.email,
                    role.as_str(),
                    secret.hash().as_bytes(),
                    now.as_millisecond(),
                    invitation.expires_at.as_millisecond(),
                    MOST,
                ],
            )?;
            if made == 0 {
                let message = format!("a tenant has at most {MOST} open invitations");
                return Err(AccountsError::Invalid(message).into());
            }
            Ok(())
        })?;
        Ok((invitation, secret))
    }

    /// The invitation that this is, if it can be used now.
    ///
    /// # Errors
    /// The file's.
    pub fn invitation(
        &self,
        secret: &InvitationSecret,
    ) -> Result<Option<Invitation>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {INVITATION} FROM invitation WHERE hash = ?1 AND expires_at > ?2"
                ))?
                .query_row(params![secret.hash().as_bytes(), now().as_millisecond()], invitation)
                .optional()
        })
    }

    /// The tenant's open invitations, oldest first.
    ///
    /// # Errors
    /// The file's.
    pub fn invitations(&self, tenant: &TenantId) -> Result<Vec<Invitation>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {INVITATION} FROM invitation WHERE tenant = ?1 AND expires_at > ?2
                     ORDER BY created_at, id"
                ))?
                .query_map(params![tenant.as_str(), now().as_millisecond()], invitation)?
                .collect()
        })
    }

    /// Takes an invitation back. Whether the tenant had it.
    ///
    /// # Errors
    /// The file's.
    pub fn withdraw(&self, tenant: &TenantId, id: &str) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let withdrawn = connection.execute(
                "DELETE FROM invitation WHERE tenant = ?1 AND id = ?2",
                [tenant.as_str(), id],
            )?;
            Ok(withdrawn > 0)
        })
    }
}

fn invitation(row: &Row<'_>) -> rusqlite::Result<Invitation> {
    Ok(Invitation {
        id: row.get("id")?,
        tenant: tenant(row)?,
        email: row.get("email")?,
        role: parsed(row, "role")?,
        created_at: time(row, "created_at")?.unwrap_or_default(),
        expires_at: time(row, "expires_at")?.unwrap_or_default(),
    })
}
