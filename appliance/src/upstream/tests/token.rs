use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;
use crate::upstream::failure::Kind;

fn scope() -> Scope {
    Scope {
        realm: "https://auth.example/token".to_owned(),
        service: None,
        scope: "repository:x:pull".to_owned(),
    }
}

fn token(text: &'static str, seconds: Option<u64>) -> Token {
    Token::new(
        HeaderValue::from_static(text),
        Instant::now(),
        seconds.map(Duration::from_secs),
    )
}

fn failure() -> Failure {
    Failure::because(Kind::Broken, "no")
}

async fn get(tokens: &Tokens, fetched: Result<Token, Failure>) -> Result<(HeaderValue, Age), Kind> {
    let result = tokens.get(&scope(), || async { fetched }).await;
    result.map_err(|failure| failure.kind)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_for_nine_tenths_of_its_life() {
    let tokens = Tokens::default();
    let (first, second) = (HeaderValue::from_static("one"), HeaderValue::from_static("two"));
    let fresh = get(&tokens, Ok(token("one", Some(300)))).await;
    assert_eq!(fresh, Ok((first.clone(), Age::Fresh)));
    tokio::time::advance(Duration::from_secs(269)).await;
    assert_eq!(get(&tokens, Err(failure())).await, Ok((first.clone(), Age::Kept)));
    tokio::time::advance(Duration::from_secs(2)).await;
    let early = get(&tokens, Err(failure())).await;
    assert_eq!(
        early,
        Ok((first, Age::Kept)),
        "it still holds when no new one is to be had"
    );
    assert_eq!(
        get(&tokens, Ok(token("two", Some(300)))).await,
        Ok((second, Age::Fresh))
    );
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(get(&tokens, Err(failure())).await, Err(Kind::Broken));
}

#[tokio::test(start_paused = true)]
async fn lives_are_believed_within_reason() {
    for (said, least, most) in [(None, 50, 60), (Some(0), 50, 60), (Some(u64::MAX), 3000, 3600)] {
        let tokens = Tokens::default();
        get(&tokens, Ok(token("one", said))).await.expect("got");
        tokio::time::advance(Duration::from_secs(least)).await;
        assert!(
            matches!(get(&tokens, Err(failure())).await, Ok((_, Age::Kept))),
            "{said:?}"
        );
        tokio::time::advance(Duration::from_secs(most - least)).await;
        assert!(get(&tokens, Err(failure())).await.is_err(), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_the_token_or_the_failure() {
    for (good, expected) in [(true, 1), (false, 1)] {
        let (tokens, fetches) = (Tokens::default(), AtomicU32::new(0));
        let one = || async {
            fetches.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            if good {
                Ok(token("one", None))
            } else {
                Err(failure())
            }
        };
        let scope = scope();
        let all = (0..10).map(|_| tokens.get(&scope, one));
        let results = futures_util::future::join_all(all).await;
        assert!(results.iter().all(|result| result.is_ok() == good));
        assert_eq!(fetches.load(Relaxed), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_while_fetching_leaves_it_to_the_next() {
    let tokens = Tokens::default();
    let scope = scope();
    let stuck = tokens.get(&scope, std::future::pending);
    let given_up = tokio::time::timeout(Duration::from_secs(1), stuck).await;
    assert!(given_up.is_err());
    get(&tokens, Ok(token("one", None))).await.expect("got");
}

#[tokio::test]
async fn a_refused_token_is_dropped_unless_it_was_replaced_already() {
    let tokens = Tokens::default();
    get(&tokens, Ok(token("one", None))).await.expect("got");
    tokens.drop_refused(&scope(), &HeaderValue::from_static("zero"));
    assert!(get(&tokens, Err(failure())).await.is_ok(), "not that one");
    tokens.drop_refused(&scope(), &HeaderValue::from_static("one"));
    assert!(get(&tokens, Err(failure())).await.is_err());
}

#[test]
fn a_token_does_not_show() {
    assert!(!format!("{:?}", token("hunter2", None)).contains("hunter2"));
}
