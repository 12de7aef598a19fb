use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// What a name server says, each answer once and the last for ever; an empty one is a failure.
#[derive(Debug)]
struct Answers(Vec<Vec<SocketAddr>>, AtomicUsize);

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        let asked = self.1.fetch_add(1, Ordering::SeqCst);
        let answer = self.0[asked.min(self.0.len() - 1)].clone();
        Box::pin(async move {
            if answer.is_empty() {
                return Err(io::Error::other("no answer"));
            }
            Ok(answer)
        })
    }
}

fn parsed(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn addresses(answers: &[&[&str]]) -> (Addresses, Arc<Answers>) {
    let answers = answers.iter().map(|answer| parsed(answer)).collect();
    let answers = Arc::new(Answers(answers, AtomicUsize::new(0)));
    let resolver = Arc::clone(&answers);
    (Addresses::new("orders.test", 80, resolver), answers)
}

#[test]
fn a_name_never_leads_to_a_metadata_service() {
    for address in [
        "169.254.169.254:80",
        "[fe80::1]:80",
        "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:80",
    ] {
        assert!(allowed(parsed(&[address])).is_err(), "{address}");
        let kept = allowed(parsed(&["10.0.0.1:80", address])).unwrap();
        assert_eq!(kept, parsed(&["10.0.0.1:80"]));
    }
}

#[tokio::test]
async fn every_address_of_a_name_is_the_first_in_turn() {
    let (addresses, answers) = addresses(&[&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]]);
    let firsts: Vec<_> = [(); 3]
        .map(async |()| addresses.all().await.unwrap()[0].to_string())
        .into_iter()
        .collect();
    let mut told = Vec::new();
    for first in firsts {
        told.push(first.await);
    }

    assert_eq!(told, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]);
    assert_eq!(answers.1.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_address_that_failed_is_the_last_until_it_is_reached() {
    let (addresses, _) = addresses(&[&["10.0.0.1:80", "10.0.0.2:80"]]);
    let [dead, alive] = addresses.all().await.unwrap().try_into().unwrap();
    addresses.note(dead, false);
    for _ in 0..2 {
        assert_eq!(addresses.all().await.unwrap(), [alive, dead]);
    }

    addresses.note(dead, true);
    let firsts = [addresses.all().await, addresses.all().await];
    let firsts = firsts.map(|all| all.unwrap()[0]);
    assert!(firsts.contains(&dead) && firsts.contains(&alive));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_again_and_its_last_good_answer_kept() {
    let (addresses, answers) = addresses(&[&["10.0.0.1:80"], &["10.0.0.2:80"], &[]]);
    assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.1:80"]));
    addresses.renew().await;
    assert_eq!(answers.1.load(Ordering::SeqCst), 1);

    tokio::time::advance(RENEWAL_MAX).await;
    addresses.renew().await;
    assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.2:80"]));
    assert!(!addresses.lead_to(parsed(&["10.0.0.1:80"])[0]));

    tokio::time::advance(RENEWAL_MAX).await;
    addresses.renew().await;
    assert_eq!(answers.1.load(Ordering::SeqCst), 3);
    assert_eq!(addresses.all().await.unwrap(), parsed(&["10.0.0.2:80"]));
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_asked_for_by_each_connection() {
    let (addresses, answers) = addresses(&[&[], &["10.0.0.1:80"]]);

    assert!(addresses.all().await.is_err());
    assert!(addresses.all().await.is_ok());
    assert_eq!(answers.1.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_address_is_itself() {
    let addresses = Addresses::new("[::1]", 8080, Arc::new(System));

    assert_eq!(addresses.all().await.unwrap(), parsed(&["[::1]:8080"]));
}
