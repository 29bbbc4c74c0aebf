//! [`QuotaLayer`]: calls within their quotas.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use llm_core::{ModelError, Prices};
use service_guards::Hold;
use tower::{Layer, Service, ServiceExt};

use super::Quotas;
use super::spending::Spending;
use crate::call::Asked;
use crate::modality::{Asking, Modality, ModelReply};
use crate::payee::Payee;

/// Lets calls of models of kind `M` pass within their [`Quotas`].
///
/// Before a call it reserves one request, one answer under way, as many tokens as its text seems to have and its answer may
/// have (1,000 where the request does not say), and what those cost at the model's prices. When the reply has ended or
/// was dropped, what it really used counts instead: a call that never reached a model nothing, one that was cancelled
/// half-way what had come by then. Neither costs more than a microsecond in memory; a call that nothing limits
/// passes at once.
///
/// It stands outside the retries: a refused call is not tried again by us. Where another target can be asked instead,
/// a call does not wait.
///
/// # Errors
/// [`ErrorKind::RateLimit`](llm_core::ErrorKind::RateLimit) with the time to wait, and
/// [`ErrorKind::Quota`](llm_core::ErrorKind::Quota) when the money of the day is spent. Both name the scope and its limit.
pub struct QuotaLayer<M: ?Sized> {
    quotas: Quotas,
    prices: Option<Arc<Prices>>,
    /// Who is paid; all targets where nobody is named.
    payee: Option<Arc<Payee>>,
    kind: PhantomData<fn() -> Box<M>>,
}

impl<M: Modality + ?Sized> QuotaLayer<M> {
    /// Calls within `quotas`, for a model with these prices: what a call may cost. What it did cost is told by the prices
    /// of the target that answered.
    pub fn new(quotas: Quotas, prices: Option<Prices>) -> Self {
        Self { quotas, prices: prices.map(Arc::new), payee: None, kind: PhantomData }
    }

    /// The same for one target, where only what is asked of it counts.
    pub(crate) fn paid_to(mut self, payee: Arc<Payee>) -> Self {
        self.payee = Some(payee);
        self
    }
}

impl<M: ?Sized> Clone for QuotaLayer<M> {
    fn clone(&self) -> Self {
        Self {
            quotas: self.quotas.clone(),
            prices: self.prices.clone(),
            payee: self.payee.clone(),
            kind: PhantomData,
        }
    }
}

impl<M: ?Sized> fmt::Debug for QuotaLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuotaLayer").field(&self.quotas).finish()
    }
}

impl<S, M: ?Sized> Layer<S> for QuotaLayer<M> {
    type Service = Quota<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Quota { inner, layer: self.clone() }
    }
}

/// A service whose calls keep within quotas.
pub struct Quota<S, M: ?Sized> {
    inner: S,
    layer: QuotaLayer<M>,
}

impl<S: Clone, M: ?Sized> Clone for Quota<S, M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, M: ?Sized> fmt::Debug for Quota<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, M> Service<Asked<M::Request>> for Quota<S, M>
where
    S: Service<Asked<M::Request>, Response = ModelReply<M::Event>, Error = ModelError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    M: Modality + ?Sized,
{
    type Response = ModelReply<M::Event>;
    type Error = ModelError;
    type Future = Asking<M::Event>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Asked<M::Request>) -> Self::Future {
        let (inner, QuotaLayer { quotas, prices, payee, .. }) =
            (self.inner.clone(), self.layer.clone());
        let charges = quotas.charges::<M>(&asked, prices.as_deref());
        if charges.is_empty() {
            return Box::pin(inner.oneshot(asked));
        }
        let (priority, patience) = (asked.context.priority, quotas.patience(&asked));
        Box::pin(async move {
            let reserved = quotas.reserve::<M>(charges, priority, patience).await?;
            let spending = Spending::new(reserved, asked.trail.clone(), payee);
            Ok(inner.oneshot(asked).await?.hold(spending))
        })
    }
}
