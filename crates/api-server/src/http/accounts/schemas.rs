//! Bodies of these addresses that no type of ours is written as.

#![allow(dead_code, reason = "they only describe")]

use accounts::{ApiKey, Invitation, KeyScope, KeyStatus, Member, Membership, Person, Role};
use rag_core::TenantId;
use utoipa::ToSchema;

/// A session that began; a cookie keeps it, too.
#[derive(ToSchema)]
#[schema(as = BegunSession)]
pub(super) struct Begun {
    /// What lets its holder in, as `Authorization: Bearer`.
    session: String,
    person: Person,
    tenant: TenantId,
    role: Role,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Where else the person belongs.
    tenants: Vec<Membership>,
}

/// Who asks, and what they may do.
#[derive(ToSchema)]
pub(super) struct Me {
    tenant: TenantId,
    role: Role,
    #[schema(inline)]
    by: By,
    key: Option<OwnKey>,
    person: Option<Person>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    tenants: Option<Vec<Membership>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum By {
    /// Being on the server's machine.
    Local,
    Key,
    Session,
}

/// The key that the request brought.
#[derive(ToSchema)]
struct OwnKey {
    id: String,
    name: String,
    scope: KeyScope,
}

/// The tenant's keys.
#[derive(ToSchema)]
pub(super) struct Keys {
    keys: Vec<ShownKey>,
}

/// What is known of a key.
#[derive(ToSchema)]
struct ShownKey {
    #[serde(flatten)]
    key: ApiKey,
    status: KeyStatus,
}

/// A key that was made.
#[derive(ToSchema)]
pub(super) struct MadeKey {
    /// The key itself; nothing tells it again.
    key: String,
    #[serde(flatten)]
    known: ApiKey,
    status: KeyStatus,
}

/// The tenant's members.
#[derive(ToSchema)]
pub(super) struct People {
    people: Vec<Member>,
}

/// The tenant's open invitations.
#[derive(ToSchema)]
pub(super) struct Invitations {
    invitations: Vec<Invitation>,
}

/// An invitation that was made.
#[derive(ToSchema)]
pub(super) struct MadeInvitation {
    /// What is given to the person; nothing tells it again.
    invitation: String,
    #[serde(flatten)]
    known: Invitation,
}
