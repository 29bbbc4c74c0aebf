//! People: how they come to belong to tenants, and how they leave.

use accounts::{AccountStore, AccountsError, InvitationSecret, KeyRequest, Person, Role};
use rag_core::TenantId;
use secrecy::SecretString;
use tempfile::TempDir;

fn store() -> (TempDir, AccountStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = AccountStore::open(&folder.path().join("accounts.sqlite")).unwrap();
    (folder, store)
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn password() -> SecretString {
    "correct horse".into()
}

fn joined(store: &AccountStore, at: &str, email: &str, role: Role) -> Person {
    let (_, invitation) = store.invite(&tenant(at), email, role).unwrap();
    store.join(&invitation, "Somebody", &password()).unwrap().0
}

#[test]
fn an_invitation_is_used_once() {
    let (_folder, store) = store();
    let acme = tenant("acme");
    let (invitation, secret) = store.invite(&acme, " Ada@Example.com ", Role::Member).unwrap();
    assert_eq!(store.invitations(&acme).unwrap(), std::slice::from_ref(&invitation));
    assert_eq!(store.invitation(&secret).unwrap(), Some(invitation));
    let (ada, membership) = store.join(&secret, "Ada", &password()).unwrap();
    assert_eq!((ada.email.as_str(), membership.role), ("ada@example.com", Role::Member));
    let again = store.join(&secret, "Eve", &password());
    assert!(matches!(again, Err(AccountsError::NoInvitation)));
    assert_eq!(store.invitations(&acme).unwrap(), []);

    let (_, first) = store.invite(&acme, "bob@example.com", Role::Reader).unwrap();
    let (second, _) = store.invite(&acme, "bob@example.com", Role::Reader).unwrap();
    assert!(store.invitation(&first).unwrap().is_none());
    assert!(!store.withdraw(&tenant("other"), &second.id).unwrap());
    assert!(store.withdraw(&acme, &second.id).unwrap());
    let made_up = InvitationSecret::parse(&format!("cli_{}", "A".repeat(43))).unwrap();
    assert!(store.invitation(&made_up).unwrap().is_none());
}

/// Who holds an invitation for an address that has an account cannot take that account.
#[test]
fn who_has_an_account_joins_with_its_password() {
    let (_folder, store) = store();
    let ada = joined(&store, "acme", "ada@example.com", Role::Admin);
    let (_, invitation) = store.invite(&tenant("evil"), "ada@example.com", Role::Admin).unwrap();
    let taken = store.join(&invitation, "Mallory", &"another password".into());
    assert!(matches!(taken, Err(AccountsError::WrongPassword)));
    assert_eq!(store.log_in("ada@example.com", &password()).unwrap(), ada);
    let (same, _) = store.join(&invitation, "Ada", &password()).unwrap();
    assert_eq!(same, ada);
    let tenants = store.memberships(&ada.id).unwrap();
    assert_eq!(tenants.iter().map(|it| it.tenant.as_str()).collect::<Vec<_>>(), ["acme", "evil"]);
}

#[test]
fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let (_folder, store) = store();
    joined(&store, "acme", "ada@example.com", Role::Admin);
    for (email, password) in
        [("ada@example.com", "wrong horse"), ("eve@example.com", "wrong horse")]
    {
        let refused = store.log_in(email, &password.into());
        assert!(matches!(refused, Err(AccountsError::WrongPassword)), "{email}");
    }
    assert!(store.log_in("ADA@example.com", &password()).is_ok());
}

#[test]
fn a_new_password_ends_all_sessions() {
    let (_folder, store) = store();
    let ada = joined(&store, "acme", "ada@example.com", Role::Admin);
    let (_, session) = store.begin_session(&ada.id, &tenant("acme")).unwrap().unwrap();
    let new: SecretString = "battery staple".into();
    let refused = store.change_password(&ada.id, &new, &new);
    assert!(matches!(refused, Err(AccountsError::WrongPassword)));
    store.change_password(&ada.id, &password(), &new).unwrap();
    assert!(store.session(&session).unwrap().is_none());
    assert!(store.log_in("ada@example.com", &password()).is_err());
    assert!(store.log_in("ada@example.com", &new).is_ok());
}

#[test]
fn who_leaves_a_tenant_opens_nothing_there() {
    let (_folder, store) = store();
    let acme = tenant("acme");
    joined(&store, "acme", "ada@example.com", Role::Admin);
    let bob = joined(&store, "acme", "bob@example.com", Role::Member);
    joined(&store, "other", "bob@example.com", Role::Admin);
    let (_, here) = store.begin_session(&bob.id, &acme).unwrap().unwrap();
    let (_, there) = store.begin_session(&bob.id, &tenant("other")).unwrap().unwrap();
    let request =
        KeyRequest { made_by: Some(bob.id.clone()), ..KeyRequest::new(acme.clone(), "b") };
    let (_, key) = store.create_key(&request).unwrap();

    assert!(store.begin_session(&bob.id, &tenant("third")).unwrap().is_none());
    assert!(store.set_role(&acme, &bob.id, Role::Reader).unwrap());
    assert_eq!(store.session(&here).unwrap().unwrap().role, Role::Reader);
    assert!(store.remove_member(&acme, &bob.id).unwrap());
    assert!(!store.remove_member(&acme, &bob.id).unwrap());
    assert!(store.session(&here).unwrap().is_none());
    assert!(store.verify_key(&key).unwrap().is_none());
    assert!(store.session(&there).unwrap().is_some());
    assert!(store.end_session(&there).unwrap());
    assert!(store.session(&there).unwrap().is_none());
}

#[test]
fn a_tenant_keeps_an_admin() {
    let (_folder, store) = store();
    let acme = tenant("acme");
    let ada = joined(&store, "acme", "ada@example.com", Role::Admin);
    let bob = joined(&store, "acme", "bob@example.com", Role::Member);
    let down = store.set_role(&acme, &ada.id, Role::Member);
    assert!(matches!(down, Err(AccountsError::LastAdmin)));
    assert!(matches!(store.remove_member(&acme, &ada.id), Err(AccountsError::LastAdmin)));
    assert_eq!(store.members(&acme).unwrap()[0].role, Role::Admin);
    assert!(store.set_role(&acme, &bob.id, Role::Admin).unwrap());
    assert!(store.remove_member(&acme, &ada.id).unwrap());
    assert!(!store.set_role(&tenant("other"), &bob.id, Role::Reader).unwrap());
}

#[test]
fn what_is_no_address_is_not_invited() {
    let (_folder, store) = store();
    let long = format!("{}@example.com", "x".repeat(250));
    for email in ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", &long] {
        let refused = store.invite(&tenant("acme"), email, Role::Member);
        assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{email}");
    }
}

/// A file as the first version wrote it: its keys open what they opened.
#[test]
fn a_file_of_an_earlier_version_is_taken_over() {
    let (folder, store) = store();
    let (key, secret) = store.create_key(&KeyRequest::new(tenant("local"), "old")).unwrap();
    drop(store);
    let file = folder.path().join("accounts.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "DROP TABLE provider; DROP TABLE session; DROP TABLE invitation; DROP TABLE member; DROP TABLE person;
             ALTER TABLE api_key DROP COLUMN role; ALTER TABLE api_key DROP COLUMN made_by;
             ALTER TABLE api_key DROP COLUMN scope; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(connection);
    let store = AccountStore::open(&file).unwrap();
    let known = store.verify_key(&secret).unwrap().unwrap();
    assert_eq!((known.id, known.role), (key.id, Role::Admin));
}
