//! What every store of limits must do, wherever it counts: [`run`] checks it through [`LimitStore`] alone, and without
//! time passing, so that it takes no minute.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use llm_bundle::quota::{Charge, Consumed, LimitStore, Measure, Refusal, Reservation, Scope};

use Measure::{Concurrent, Money, Requests, Tokens};

type Store = Arc<dyn LimitStore>;
type Case = (&'static str, fn(Store) -> BoxFuture<'static, ()>);

const CASES: &[Case] = &[
    ("a counter never exceeds its limit, however many ask at once", |s| many_at_once(s).boxed()),
    ("all of it is reserved or nothing", |s| all_or_nothing(s).boxed()),
    ("what comes back is exact", |s| refunds(s).boxed()),
    ("what was used beyond its estimate counts", |s| further_charges(s).boxed()),
    ("what is forgotten counts as used, but its call has ended", |s| forgotten(s).boxed()),
    ("who gives up asking has reserved nothing", |s| given_up(s).boxed()),
    ("a refusal tells what takes longest, and how long", |s| refusals(s).boxed()),
    ("scopes and measures are independent", |s| independent(s).boxed()),
    ("providers count attempts, tenants calls", |s| attempts(s).boxed()),
    ("a limit holds as it is said with each call", |s| changing_limits(s).boxed()),
    ("any sequence counts as a plain sum does", |s| as_a_sum(s).boxed()),
];

/// Checks every case on a store of its own. Panics with the first thing that is wrong.
pub async fn run(make_store: &(dyn Fn() -> Arc<dyn LimitStore> + Sync)) {
    for (name, case) in CASES {
        eprintln!("limit suite: {name}");
        case(make_store()).await;
    }
}

fn acme() -> Scope {
    Scope::tenant("acme")
}

fn charge(scope: Scope, measure: Measure, amount: u64, limit: u64) -> Charge {
    Charge { scope, measure, amount, limit }
}

async fn reserve(store: &Store, charges: &[Charge]) -> Result<Box<dyn Reservation>, Refusal> {
    store.reserve(charges).await
}

#[track_caller]
fn granted(reserved: Result<Box<dyn Reservation>, Refusal>) -> Box<dyn Reservation> {
    match reserved {
        Ok(reservation) => reservation,
        Err(refusal) => panic!("refused: {refusal:?}"),
    }
}

#[track_caller]
fn refused(reserved: Result<Box<dyn Reservation>, Refusal>) -> Refusal {
    match reserved {
        Ok(reservation) => panic!("granted: {reservation:?}"),
        Err(refusal) => refusal,
    }
}

async fn used(store: &Store, scope: Scope, measure: Measure) -> u64 {
    store.flush().await;
    store.read(&[(scope, measure)]).await[0]
}

fn consumed(tokens: u64) -> Consumed {
    Consumed { requests: 1, attempts: 1, tokens, nanodollars: Some(tokens) }
}

async fn many_at_once(store: Store) {
    for measure in [Requests, Tokens, Concurrent, Money] {
        let charges = [charge(acme(), measure, 1, 30)];
        let asked = (0..100).map(|_| reserve(&store, &charges));
        let granted: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 30, "{measure:?}");
        assert_eq!(used(&store, acme(), measure).await, 30, "{measure:?}");
    }
}

async fn all_or_nothing(store: Store) {
    let some = |tokens| {
        [
            charge(acme(), Requests, 1, 10),
            charge(acme(), Concurrent, 1, 10),
            charge(Scope::key("k"), Tokens, tokens, 100),
            charge(acme(), Money, 5, 10),
        ]
    };
    let _first = granted(reserve(&store, &some(100)).await);
    assert_eq!(refused(reserve(&store, &some(1)).await).charge, 2);
    for (scope, measure, expected) in [
        (acme(), Requests, 1),
        (acme(), Concurrent, 1),
        (Scope::key("k"), Tokens, 100),
        (acme(), Money, 5),
    ] {
        assert_eq!(used(&store, scope, measure).await, expected, "{measure:?}");
    }
}

async fn refunds(store: Store) {
    for measure in [Tokens, Money] {
        let ask = |amount| [charge(acme(), measure, amount, 10)];
        granted(reserve(&store, &ask(10)).await).settle(&consumed(4));
        assert_eq!(used(&store, acme(), measure).await, 4);
        refused(reserve(&store, &ask(7)).await);
        granted(reserve(&store, &ask(6)).await).settle(&consumed(0));
        assert_eq!(used(&store, acme(), measure).await, 4);
    }
    let unmade = Consumed { nanodollars: Some(0), ..Consumed::default() };
    granted(reserve(&store, &[charge(acme(), Requests, 1, 1)]).await).settle(&unmade);
    assert_eq!(used(&store, acme(), Requests).await, 0);
    let unknown = Consumed { nanodollars: None, ..consumed(1) };
    granted(reserve(&store, &[charge(acme(), Money, 3, 10)]).await).settle(&unknown);
    assert_eq!(used(&store, acme(), Money).await, 7);
}

async fn further_charges(store: Store) {
    for measure in [Tokens, Money] {
        let ask = |amount| [charge(acme(), measure, amount, 10)];
        granted(reserve(&store, &ask(2)).await).settle(&consumed(25));
        assert_eq!(used(&store, acme(), measure).await, 25);
        let wait = refused(reserve(&store, &ask(1)).await).wait;
        assert!(wait > Some(Duration::ZERO), "{measure:?} {wait:?}");
    }
}

async fn forgotten(store: Store) {
    let all = [Requests, Tokens, Concurrent, Money].map(|measure| charge(acme(), measure, 1, 1));
    drop(granted(reserve(&store, &all).await));
    for (measure, expected) in [(Requests, 1), (Tokens, 1), (Concurrent, 0), (Money, 1)] {
        assert_eq!(used(&store, acme(), measure).await, expected, "{measure:?}");
    }
}

async fn given_up(store: Store) {
    let all = [Requests, Tokens, Concurrent, Money].map(|measure| charge(acme(), measure, 1, 9));
    for polls in 0..3 {
        let mut asked = reserve(&store, &all).boxed();
        for _ in 0..polls {
            if let Some(reserved) = (&mut asked).now_or_never() {
                let nothing = Consumed { nanodollars: Some(0), ..Consumed::default() };
                granted(reserved).settle(&nothing);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    for measure in [Requests, Tokens, Concurrent, Money] {
        assert_eq!(used(&store, acme(), measure).await, 0, "{measure:?}");
    }
}

async fn refusals(store: Store) {
    let full = [Requests, Tokens, Concurrent, Money].map(|measure| charge(acme(), measure, 5, 5));
    let _full = granted(reserve(&store, &full).await);
    let minute = Duration::from_secs(60)..=Duration::from_secs(61);
    let day = Duration::from_nanos(1)..=Duration::from_secs(86_400);
    for (measure, waits) in [(Requests, &minute), (Tokens, &minute), (Money, &day)] {
        let refusal = refused(reserve(&store, &[charge(acme(), measure, 1, 5)]).await);
        let wait = refusal.wait.expect("it fits one day");
        // What was taken lies a moment back.
        let reaches = wait + Duration::from_secs(5);
        assert!(wait <= *waits.end() && reaches >= *waits.start(), "{measure:?} {wait:?}");
    }
    let wait = refused(reserve(&store, &[charge(acme(), Concurrent, 1, 5)]).await).wait;
    assert!(wait > Some(Duration::ZERO) && wait <= Some(Duration::from_secs(1)), "{wait:?}");

    let slowest = [charge(acme(), Concurrent, 1, 5), charge(acme(), Tokens, 1, 5)];
    assert_eq!(refused(reserve(&store, &slowest).await).charge, 1);
    let never =
        [charge(acme(), Tokens, 1, 5), charge(acme(), Concurrent, 6, 5), slowest[0].clone()];
    assert_eq!(refused(reserve(&store, &never[..2]).await), Refusal { charge: 1, wait: None });
    for measure in [Requests, Tokens, Concurrent, Money] {
        let refusal = refused(reserve(&store, &[charge(Scope::key("new"), measure, 1, 0)]).await);
        assert_eq!(refusal, Refusal { charge: 0, wait: None }, "{measure:?}");
    }
}

async fn independent(store: Store) {
    let mut kept = Vec::new();
    for scope in [Scope::tenant("x"), Scope::key("x"), Scope::provider("x"), Scope::target("x")] {
        for measure in [Requests, Tokens, Concurrent, Money] {
            let one = [charge(scope.clone(), measure, 7, 7)];
            kept.push(granted(reserve(&store, &one).await));
            assert_eq!(used(&store, scope.clone(), measure).await, 7);
        }
    }
    let odd = "{a}:b c\n*\u{e9}";
    kept.push(granted(reserve(&store, &[charge(Scope::tenant(odd), Tokens, 7, 7)]).await));
    assert_eq!(used(&store, Scope::tenant(odd), Tokens).await, 7);
    assert_eq!(used(&store, Scope::tenant("never seen"), Tokens).await, 0);
}

async fn attempts(store: Store) {
    let charges = [
        charge(acme(), Requests, 1, 10),
        charge(Scope::provider("p"), Requests, 1, 10),
        charge(Scope::target("p/m"), Requests, 1, 10),
    ];
    let thrice = Consumed { attempts: 3, ..consumed(0) };
    granted(reserve(&store, &charges).await).settle(&thrice);
    assert_eq!(used(&store, acme(), Requests).await, 1);
    assert_eq!(used(&store, Scope::provider("p"), Requests).await, 3);
    assert_eq!(used(&store, Scope::target("p/m"), Requests).await, 3);
}

async fn changing_limits(store: Store) {
    for measure in [Requests, Tokens, Concurrent, Money] {
        let ask = |limit| [charge(acme(), measure, 5, limit)];
        let _first = granted(reserve(&store, &ask(5)).await);
        refused(reserve(&store, &ask(9)).await);
        let _second = granted(reserve(&store, &ask(10)).await);
        refused(reserve(&store, &ask(5)).await);
    }
}

/// Random steps against a sum of what is reserved or used.
async fn as_a_sum(store: Store) {
    const LIMIT: u64 = 1_000;
    let scopes = [acme(), Scope::key("k")];
    let mut random = Random(0x5eed);
    let mut sums = [0_u64; 2];
    let mut open: Vec<(Box<dyn Reservation>, [u64; 2])> = Vec::new();
    for step in 0..400 {
        if random.below(3) == 0 && !open.is_empty() {
            let (reservation, amounts) = open.swap_remove(random.below(open.len() as u64) as usize);
            // One number for both scopes, so that one may get something back while the other pays more.
            let actual = random.below(150);
            reservation.settle(&consumed(actual));
            store.flush().await;
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum = *sum - amount + actual;
            }
            continue;
        }
        let amounts = [random.below(120), random.below(120)];
        let charges =
            [0, 1].map(|which| charge(scopes[which].clone(), Tokens, amounts[which], LIMIT));
        let fits = [0, 1].map(|which| sums[which] + amounts[which] <= LIMIT);
        match reserve(&store, &charges).await {
            Ok(reservation) => {
                assert_eq!(fits, [true, true], "step {step}");
                sums = [0, 1].map(|which| sums[which] + amounts[which]);
                open.push((reservation, amounts));
            }
            Err(refusal) => assert!(!fits[refusal.charge], "step {step}"),
        }
    }
    for (scope, sum) in scopes.into_iter().zip(sums) {
        assert_eq!(used(&store, scope, Tokens).await, sum);
    }
}

/// Repeatable numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
