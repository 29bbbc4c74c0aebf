//! [`Caller`]: on whose behalf something is done.

use std::sync::Arc;

use accounts::{ApiKey, KeyScope, Role, Session};
use llm_bundle::{Bundle, Limits, ModelScope};
use rag_core::TenantId;

/// On whose behalf something is done.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whose data is seen.
    pub(crate) tenant: TenantId,
    /// What may be done with it.
    pub(crate) role: Role,
    pub(crate) identity: Identity,
}

/// How it is known who a caller is.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// By being on this machine.
    Local,
    /// By an API key.
    Key(Arc<ApiKey>),
    /// By having logged in.
    Person(Arc<Session>),
}

impl Caller {
    /// Whoever works on this machine: the owner of the data of a server without accounts.
    pub(crate) fn local() -> Self {
        Self { tenant: TenantId::local(), role: Role::Admin, identity: Identity::Local }
    }

    /// Who holds this key.
    pub(crate) fn with_key(key: ApiKey) -> Self {
        let (tenant, role) = (key.tenant.clone(), key.role);
        Self { tenant, role, identity: Identity::Key(Arc::new(key)) }
    }

    /// Who logged in.
    pub(crate) fn with_session(session: Session) -> Self {
        let (tenant, role) = (session.tenant.clone(), session.role);
        Self { tenant, role, identity: Identity::Person(Arc::new(session)) }
    }

    /// The id of the key that the caller has shown, if it was one.
    pub(crate) fn key_id(&self) -> Option<String> {
        match &self.identity {
            Identity::Key(key) => Some(key.id.clone()),
            Identity::Local | Identity::Person(_) => None,
        }
    }

    /// What the caller's key opens, where it does not open everything that its role may see.
    pub(crate) fn scope(&self) -> Option<&KeyScope> {
        match &self.identity {
            Identity::Key(key) => Some(&key.scope),
            Identity::Local | Identity::Person(_) => None,
        }
    }

    /// Whether the caller sees only some of the tenant's datasets or models.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scope().is_some_and(|scope| scope.models.is_some() || scope.datasets.is_some())
    }

    /// The bundle whose calls are made on the caller's behalf.
    pub(crate) fn bundle(&self, all: &Bundle) -> Bundle {
        let bundle = all.clone().for_tenant(self.tenant.as_str());
        let Identity::Key(key) = &self.identity else { return bundle };
        let mut bundle = bundle.for_key(key.id.as_str());
        if let Some(limits) = limits(&key.scope) {
            bundle = bundle.with_key_limits(Arc::new(limits));
        }
        if key.scope.models.is_some() {
            let key = key.clone();
            bundle = bundle.only_models(ModelScope::new(move |name| key.scope.allows_model(name)));
        }
        bundle
    }
}

/// The limits of the key itself, if it has any.
fn limits(scope: &KeyScope) -> Option<Limits> {
    let limits = Limits {
        requests_per_minute: scope.requests_per_minute,
        tokens_per_minute: scope.tokens_per_minute,
        concurrent: scope.concurrent,
        dollars_per_day: scope.dollars_per_day,
    };
    limits.is_limited().then_some(limits)
}
