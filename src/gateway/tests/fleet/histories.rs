//! Random histories of three replicas, a store and a provider, compared after every act with a model that says who may be signed in
//! as whom: nobody is ever let in as somebody else or too long, and nobody is signed out who should not be.
//!
//! The histories are the same in every run; `PROPTEST_CASES=10000 cargo test histories` plays more of them.

mod model;
mod play;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use play::Play;

const BROWSERS: usize = 3;
const REPLICAS: usize = 3;
const PEOPLE: [&str; 2] = ["alice", "bob"];

#[derive(Clone, Copy, Debug)]
enum Lie {
    Issuer,
    Audience,
    Nonce,
    Expired,
    NoSubject,
    ForeignKey,
    /// The code comes back in a browser that did not ask for it.
    StolenCode,
    /// A callback that was answered comes again, with all cookies of now.
    Again,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// With a new browser, beginning at one replica and coming back to another. `tabs`: in two tabs at once.
    SignIn {
        browser: usize,
        person: usize,
        begins: usize,
        ends: usize,
        tabs: bool,
    },
    LyingSignIn {
        browser: usize,
        lie: Lie,
        replica: usize,
    },
    /// Somebody copies all cookies of a browser.
    Copy {
        from: usize,
        to: usize,
    },
    Visit {
        browser: usize,
        replica: usize,
    },
    SignOut {
        browser: usize,
        replica: usize,
        everywhere: bool,
    },
    EndedByProvider {
        person: usize,
        replica: usize,
    },
    Minutes(u64),
    /// A session key is added behind the others; the last one seals from now on; all but the first are removed.
    KeyAdded,
    NewestKeySeals,
    OldKeysRemoved,
    ProviderKey,
    Restart {
        replica: usize,
    },
    StoreAway,
    StoreBack,
    StoreEmptied,
    /// The clock of a replica goes wrong, or right again.
    Clock {
        replica: usize,
        milliseconds: i64,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (browser, replica, person) = (|| 0..BROWSERS, || 0..REPLICAS, || 0..PEOPLE.len());
    let lie = proptest::sample::select(vec![
        Lie::Issuer,
        Lie::Audience,
        Lie::Nonce,
        Lie::Expired,
        Lie::NoSubject,
        Lie::ForeignKey,
        Lie::StolenCode,
        Lie::Again,
    ]);
    let sign_in = (browser(), person(), replica(), replica(), any::<bool>())
        .prop_map(|(browser, person, begins, ends, tabs)| Act::SignIn { browser, person, begins, ends, tabs });
    let act = prop_oneof![
        6 => sign_in,
        2 => (browser(), lie, replica()).prop_map(|(browser, lie, replica)| Act::LyingSignIn { browser, lie, replica }),
        3 => (browser(), browser()).prop_map(|(from, to)| Act::Copy { from, to }),
        6 => (browser(), replica()).prop_map(|(browser, replica)| Act::Visit { browser, replica }),
        3 => (browser(), replica(), any::<bool>())
            .prop_map(|(browser, replica, everywhere)| Act::SignOut { browser, replica, everywhere }),
        2 => (person(), replica()).prop_map(|(person, replica)| Act::EndedByProvider { person, replica }),
        4 => proptest::sample::select(vec![1, 14, 16, 45, 61, 200]).prop_map(Act::Minutes),
        2 => proptest::sample::select(vec![Act::KeyAdded, Act::NewestKeySeals, Act::OldKeysRemoved]),
        1 => proptest::strategy::Just(Act::ProviderKey),
        2 => replica().prop_map(|replica| Act::Restart { replica }),
        3 => proptest::sample::select(vec![Act::StoreAway, Act::StoreBack, Act::StoreEmptied]),
        1 => (replica(), proptest::sample::select(vec![-20_000, 0, 20_000]))
            .prop_map(|(replica, milliseconds)| Act::Clock { replica, milliseconds }),
    ];
    vec(act, 1..30)
}

#[test]
fn in_every_history_those_are_signed_in_whom_the_model_says_and_as_themselves() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let config = Config { failure_persistence: None, cases, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let played = runner.run(&acts(), |acts| {
        let mut play = Play::new();
        for act in acts {
            play.does(act)?;
            play.agrees()?;
        }
        Ok(())
    });
    if let Err(failure) = played {
        panic!("{failure}");
    }
}
