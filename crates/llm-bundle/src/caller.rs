//! On whose behalf a model is being asked, for models that treat callers apart. The traits of models do not say it, since
//! a model has no business with its callers; [`Batched`](crate::Batched), which joins their calls, does.

use std::cell::RefCell;

use crate::call::CallContext;

thread_local! {
    static CALLER: RefCell<Option<CallContext>> = const { RefCell::new(None) };
}

/// Asks on behalf of `context`. It holds while the model is asked, not while its answer is awaited: a model that wants to
/// know looks at once.
pub(crate) fn on_behalf_of<T>(context: CallContext, ask: impl FnOnce() -> T) -> T {
    let _before = Before(CALLER.replace(Some(context)));
    ask()
}

/// On whose behalf this thread is asking, where that is known.
pub(crate) fn caller() -> Option<CallContext> {
    CALLER.with_borrow(Clone::clone)
}

/// Puts back who asked before, a panic in between notwithstanding.
struct Before(Option<CallContext>);

impl Drop for Before {
    fn drop(&mut self) {
        CALLER.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str) -> CallContext {
        CallContext { tenant: Some(tenant.into()), ..CallContext::default() }
    }

    fn tenant() -> Option<String> {
        caller()?.tenant.map(|tenant| tenant.to_string())
    }

    #[test]
    fn callers_nest_and_end() {
        assert_eq!(tenant(), None);
        on_behalf_of(of("a"), || {
            let inner = on_behalf_of(of("b"), tenant);
            assert_eq!((inner.as_deref(), tenant().as_deref()), (Some("b"), Some("a")));
        });
        let panicked = std::panic::catch_unwind(|| on_behalf_of(of("c"), || panic!("broken")));
        assert!(panicked.is_err() && tenant().is_none());
    }
}
