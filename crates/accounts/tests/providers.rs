//! Providers that tenants bring.

use accounts::{AccountStore, AccountsError, KeyChange, MasterKey, OwnProviderSettings};
use rag_core::TenantId;
use secrecy::ExposeSecret;

const KEY: &str = "sk-0123456789abcdefWXYZ";

#[test]
fn a_tenants_provider_keeps_its_key_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.sqlite");
    let store = AccountStore::open(&file).unwrap();
    let master = MasterKey::parse(&MasterKey::generate().unwrap()).unwrap();
    let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let settings = OwnProviderSettings {
        base_url: Some("https://models.example/v1".into()),
        ..OwnProviderSettings::default()
    };
    let set = KeyChange::Set(KEY.into());
    store.save_provider(&acme, "mine", &settings, &set, &master).unwrap();
    let listed = store.providers(&acme).unwrap();
    assert_eq!(listed[0].key_ends.as_deref(), Some("WXYZ"));
    assert!(!format!("{listed:?}").contains(KEY));
    let opened = store.provider_key(&acme, "mine", &master).unwrap().unwrap();
    assert_eq!(opened.expose_secret(), KEY);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|window| window == &KEY.as_bytes()[..16]));
    }
    assert_eq!(store.providers(&other).unwrap(), []);
    assert!(store.provider_key(&other, "mine", &master).unwrap().is_none());
    assert!(!store.delete_provider(&other, "mine").unwrap());

    let moved = OwnProviderSettings::default();
    store.save_provider(&acme, "mine", &moved, &KeyChange::Keep, &master).unwrap();
    assert!(store.provider_key(&acme, "mine", &master).unwrap().is_some());
    assert_eq!(store.providers(&acme).unwrap()[0].settings, moved);
    let another = MasterKey::parse(&MasterKey::generate().unwrap()).unwrap();
    let closed = store.provider_key(&acme, "mine", &another);
    assert!(matches!(closed, Err(AccountsError::Sealed(_))));
    store.save_provider(&acme, "mine", &moved, &KeyChange::Remove, &master).unwrap();
    assert!(store.provider_key(&acme, "mine", &master).unwrap().is_none());
    assert_eq!(store.tenants_with_providers().unwrap(), [acme.clone()]);
    assert!(store.delete_provider(&acme, "mine").unwrap());
    assert_eq!(store.tenants_with_providers().unwrap(), []);
    for name in ["", "a/b", "a b", &"x".repeat(65)] {
        let refused = store.save_provider(&acme, name, &moved, &KeyChange::Keep, &master);
        assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{name}");
    }
}
