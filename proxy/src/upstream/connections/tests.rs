use super::*;

const WAIT: Duration = Duration::from_secs(2);

fn limited(most: Option<u32>) -> Arc<Connections> {
    let connections = Arc::<Connections>::default();
    connections.limit_to(most);
    connections
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_there_is_always_room_and_it_is_counted() {
    let (connections, pool) = (limited(None), Pool::default());
    let mut rooms = Vec::new();
    for _ in 0..100 {
        rooms.push(connections.room(&pool, WAIT).await.unwrap());
    }
    let copy = rooms[0].clone();
    assert_eq!(connections.len(), 100);
    drop(rooms);
    assert_eq!(connections.len(), 1, "a copy holds it");
    drop(copy);
    assert_eq!(connections.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_next_room_or_is_told_that_there_is_none() {
    let (connections, pool) = (limited(Some(2)), Pool::default());
    let first = connections.room(&pool, WAIT).await.unwrap();
    let _second = connections.room(&pool, WAIT).await.unwrap();
    assert!(!connections.have_room(&pool));
    let refused = connections.room(&pool, WAIT).await;
    assert!(matches!(refused, Err(ConnectFault::Full(WAIT))));

    let (third, ()) = tokio::join!(connections.room(&pool, WAIT), async {
        tokio::task::yield_now().await;
        drop(first);
    });
    assert!(third.is_ok());
    assert_eq!(connections.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn not_any_number_waits() {
    let (connections, pool) = (limited(Some(1)), Pool::default());
    let _only = connections.room(&pool, WAIT).await.unwrap();
    let began = tokio::time::Instant::now();
    let waits = (0..=WAITING_MAX).map(|_| async {
        let refused = connections.room(&pool, WAIT).await.is_err();
        (refused, began.elapsed() < WAIT)
    });
    let outcomes = futures_util::future::join_all(waits).await;

    assert!(outcomes.iter().all(|(refused, _)| *refused));
    let at_once = outcomes.iter().filter(|(_, at_once)| *at_once);
    assert_eq!(at_once.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_counts_what_is_open() {
    let (connections, pool) = (limited(None), Pool::default());
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(connections.room(&pool, WAIT).await.unwrap());
    }
    connections.limit_to(Some(3));
    for is_left in [4, 3] {
        assert_eq!(connections.len(), is_left);
        assert!(connections.room(&pool, WAIT).await.is_err(), "{is_left}");
        open.pop();
    }
    open.push(connections.room(&pool, WAIT).await.unwrap());
    assert!(!connections.have_room(&pool));

    connections.limit_to(Some(1));
    connections.limit_to(Some(4));
    open.push(connections.room(&pool, WAIT).await.unwrap());
    assert!(!connections.have_room(&pool));

    connections.limit_to(None);
    for _ in 0..100 {
        open.push(connections.room(&pool, WAIT).await.unwrap());
    }
    drop(open);
    connections.limit_to(Some(1));
    let _only = connections.room(&pool, WAIT).await.unwrap();
    assert!(connections.room(&pool, WAIT).await.is_err());
}
