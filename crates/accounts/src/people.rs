//! People, and the tenants that they belong to.

use std::fmt::Write;

use jiff::Timestamp;
use rag_core::TenantId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use crate::account_store::{AccountStore, Broken, now, parsed, tenant, time};
use crate::password;
use crate::{AccountsError, Invitation, InvitationSecret, Role};

/// Characters of a person's name.
const MOST_NAME: usize = 100;
/// Bytes of an e-mail address: RFC 5321, 4.5.3.1.3.
const MOST_EMAIL: usize = 254;

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// Names the person for ever.
    pub id: String,
    /// Names the person for people; in lower case.
    pub email: String,
    /// What the person is called.
    pub name: String,
    /// When the account was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// Somebody who belongs to a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Who.
    #[serde(flatten)]
    pub person: Person,
    /// What the person may do there.
    pub role: Role,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
}

/// A tenant that somebody belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Membership {
    /// Which.
    pub tenant: TenantId,
    /// What may be done there.
    pub role: Role,
}

const PERSON: &str = "person.id, person.email, person.name, person.created_at";

impl AccountStore {
    /// The person of this address and password. Computes for some 20 ms, also where there is nobody of that address.
    ///
    /// # Errors
    /// [`AccountsError::WrongPassword`]; the file's.
    pub fn log_in(&self, email: &str, secret: &SecretString) -> Result<Person, AccountsError> {
        let found = self.read(|connection| with_password(connection, &lower(email)))?;
        let hash = found.as_ref().and_then(|(_, hash)| hash.as_deref());
        match (password::is_right(secret, hash), found) {
            (true, Some((person, _))) => Ok(person),
            _ => Err(AccountsError::WrongPassword),
        }
    }

    /// Makes an invitation into an account: a person of its address who is there already must give their own password;
    /// else one is made with this name and password. Computes for some 20 ms.
    ///
    /// # Errors
    /// [`AccountsError::NoInvitation`], [`AccountsError::WrongPassword`], a name or password out of bounds; the file's.
    pub fn join(
        &self,
        invitation: &InvitationSecret,
        name: &str,
        secret: &SecretString,
    ) -> Result<(Person, Membership), AccountsError> {
        let invited = self.invitation(invitation)?.ok_or(AccountsError::NoInvitation)?;
        let known = self.read(|connection| with_password(connection, &invited.email))?;
        let person = match known {
            Some((person, hash)) => {
                if !password::is_right(secret, hash.as_deref()) {
                    return Err(AccountsError::WrongPassword);
                }
                Joining { person, password: None }
            }
            None => Joining {
                person: new_person(&invited.email, name)?,
                password: Some(password::hash(secret)?),
            },
        };
        self.transaction(|connection| join(connection, &invited, person))
    }

    /// Replaces a person's password, and ends all their sessions. Computes for some 40 ms.
    ///
    /// # Errors
    /// [`AccountsError::WrongPassword`] when the old one is not theirs, a new one out of bounds; the file's.
    pub fn change_password(
        &self,
        person: &str,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), AccountsError> {
        let kept: Option<Option<String>> = self.read(|connection| {
            connection
                .query_row("SELECT password FROM person WHERE id = ?1", [person], |row| row.get(0))
                .optional()
        })?;
        if !password::is_right(old, kept.flatten().as_deref()) {
            return Err(AccountsError::WrongPassword);
        }
        let hash = password::hash(new)?;
        self.transaction(|connection| {
            connection
                .execute("UPDATE person SET password = ?2 WHERE id = ?1", params![person, hash])?;
            connection.execute("DELETE FROM session WHERE person = ?1", [person])?;
            Ok(())
        })
    }

    /// The tenant's members by address.
    ///
    /// # Errors
    /// The file's.
    pub fn members(&self, tenant: &TenantId) -> Result<Vec<Member>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {PERSON}, role, since FROM member JOIN person ON person.id = person
                     WHERE tenant = ?1 ORDER BY email"
                ))?
                .query_map([tenant.as_str()], |row| {
                    Ok(Member {
                        person: person(row)?,
                        role: parsed(row, "role")?,
                        since: time(row, "since")?.unwrap_or_default(),
                    })
                })?
                .collect()
        })
    }

    /// The tenants that a person belongs to, by name.
    ///
    /// # Errors
    /// The file's.
    pub fn memberships(&self, person: &str) -> Result<Vec<Membership>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT tenant, role FROM member WHERE person = ?1 ORDER BY tenant",
                )?
                .query_map([person], |row| {
                    Ok(Membership { tenant: tenant(row)?, role: parsed(row, "role")? })
                })?
                .collect()
        })
    }

    /// Changes what a member may do. Whether the tenant has that member.
    ///
    /// # Errors
    /// [`AccountsError::LastAdmin`]; the file's.
    pub fn set_role(
        &self,
        tenant: &TenantId,
        person: &str,
        role: Role,
    ) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let changed = connection.execute(
                "UPDATE member SET role = ?3 WHERE tenant = ?1 AND person = ?2",
                params![tenant.as_str(), person, role.as_str()],
            )?;
            keep_an_admin(connection, tenant, changed)
        })
    }

    /// Lets a member belong to the tenant no more: their sessions there end, and the keys that they made are revoked. Whether
    /// the tenant had that member.
    ///
    /// # Errors
    /// [`AccountsError::LastAdmin`]; the file's.
    pub fn remove_member(&self, tenant: &TenantId, person: &str) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let removed = connection.execute(
                "DELETE FROM member WHERE tenant = ?1 AND person = ?2",
                [tenant.as_str(), person],
            )?;
            connection.execute(
                "DELETE FROM session WHERE tenant = ?1 AND person = ?2",
                [tenant.as_str(), person],
            )?;
            connection.execute(
                "UPDATE api_key SET revoked_at = ?3
                 WHERE tenant = ?1 AND made_by = ?2 AND revoked_at IS NULL",
                params![tenant.as_str(), person, now().as_millisecond()],
            )?;
            keep_an_admin(connection, tenant, removed)
        })
    }
}

/// Undoes what would leave a tenant without an admin.
fn keep_an_admin(
    connection: &Connection,
    tenant: &TenantId,
    changed: usize,
) -> Result<bool, Broken> {
    let has_one: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM member WHERE tenant = ?1 AND role = 'admin')",
        [tenant.as_str()],
        |row| row.get(0),
    )?;
    if changed > 0 && !has_one {
        return Err(AccountsError::LastAdmin.into());
    }
    Ok(changed > 0)
}

struct Joining {
    person: Person,
    /// The hash of a new person's password.
    password: Option<String>,
}

fn join(
    connection: &Connection,
    invited: &Invitation,
    Joining { person, password }: Joining,
) -> Result<(Person, Membership), Broken> {
    // It can be used once.
    if connection.execute("DELETE FROM invitation WHERE id = ?1", [&invited.id])? == 0 {
        return Err(AccountsError::NoInvitation.into());
    }
    if let Some(password) = password {
        let made = connection.execute(
            "INSERT INTO person (id, email, name, password, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (email) DO NOTHING",
            params![
                person.id,
                person.email,
                person.name,
                password,
                person.created_at.as_millisecond()
            ],
        )?;
        if made == 0 {
            return Err(AccountsError::NoInvitation.into());
        }
    }
    connection.execute(
        "INSERT INTO member (tenant, person, role, since) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, person) DO UPDATE SET role = excluded.role",
        params![invited.tenant.as_str(), person.id, invited.role.as_str(), now().as_millisecond()],
    )?;
    let membership = Membership { tenant: invited.tenant.clone(), role: invited.role };
    Ok((person, membership))
}

fn new_person(email: &str, name: &str) -> Result<Person, AccountsError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MOST_NAME {
        let message = format!("a person's name has 1 to {MOST_NAME} characters");
        return Err(AccountsError::Invalid(message));
    }
    Ok(Person {
        id: Uuid::now_v7().simple().to_string(),
        email: email.to_owned(),
        name: name.to_owned(),
        created_at: now(),
    })
}

fn with_password(
    connection: &Connection,
    email: &str,
) -> rusqlite::Result<Option<(Person, Option<String>)>> {
    connection
        .prepare_cached(&format!("SELECT {PERSON}, password FROM person WHERE email = ?1"))?
        .query_row([email], |row| Ok((person(row)?, row.get("password")?)))
        .optional()
}

pub(crate) fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        id: row.get("id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        created_at: time(row, "created_at")?.unwrap_or_default(),
    })
}

/// The address as it is kept.
///
/// # Errors
/// What cannot be one. Whether mail reaches anybody there is not asked.
pub(crate) fn checked_email(email: &str) -> Result<String, AccountsError> {
    let email = lower(email);
    let parts = email.split_once('@');
    let is_one = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let is_clean = email.chars().all(|one| !one.is_whitespace() && !one.is_control());
    if !is_one || !is_clean || email.len() > MOST_EMAIL {
        let mut message = String::from("`email` is no e-mail address");
        let _ = write!(message, "; write somebody@example.com, {MOST_EMAIL} bytes at most");
        return Err(AccountsError::Invalid(message));
    }
    Ok(email)
}

fn lower(email: &str) -> String {
    email.trim().to_lowercase()
}
