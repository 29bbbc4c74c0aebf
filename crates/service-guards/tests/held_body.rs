//! HTTP answers hold their place until the body has ended.
#![cfg(feature = "http-body")]

use std::convert::Infallible;

use futures::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use service_guards::{InFlight, Rejection, ShedLayer};
use tower::{Layer, Service, ServiceExt};

type Body = UnsyncBoxBody<bytes::Bytes, Infallible>;

fn streamed() -> Body {
    let frames = ["to ", "be"].map(|text| Ok(Frame::data(bytes::Bytes::from(text))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn refuse(rejection: Rejection) -> Response<Body> {
    Response::builder()
        .status(StatusCode::SERVICE_UNAVAILABLE)
        .header("retry-after", "1")
        .body(Full::from(rejection.to_string()).boxed_unsync())
        .unwrap()
}

#[tokio::test]
async fn an_answer_counts_until_its_body_has_ended() {
    let limit = InFlight::new(1, 0);
    let endpoint = tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(streamed()))
    });
    let mut service = ShedLayer::new(limit.clone(), refuse).layer(endpoint);
    let mut ask = async || service.ready().await.unwrap().call(Request::new(())).await.unwrap();

    let held = ask().await;
    let refused = ask().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");

    let whole = held.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((&*whole, limit.live()), (&b"to be"[..], 0));

    let dropped = ask().await;
    assert_eq!((dropped.status(), limit.live()), (StatusCode::OK, 1));
    drop(dropped);
    assert_eq!(limit.live(), 0);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_released_with_its_last_frame() {
    let limit = InFlight::new(1, 0);
    let endpoint = tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::from("whole").boxed_unsync()))
    });
    let service = ShedLayer::new(limit.clone(), refuse).layer(endpoint);
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    assert_eq!(limit.live(), 1);
    // A server need not ask for more after the last frame.
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(limit.live(), 0);
}
